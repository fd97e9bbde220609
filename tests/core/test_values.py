"""Values: keys that show themselves to nobody, and are struck out of any text that leaves."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_notebook.core.values import Account, Call, Secret, Setup, Usage, held_back, redact, released
from lk_notebook.errors import ConfigurationError

KEY = Secret("values-never-show-0123").reveal()
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZ2VudCJ9.c2lnbmF0dXJlLW9mLWl0"


@pytest.mark.parametrize("value", [None, "", "  ", "\n\t"])
def test_what_is_blank_is_no_key(value):
    """An empty or blank variable counts as unset."""
    assert Secret.of(value) is None


def test_blanks_around_a_key_are_not_the_keys():
    """A newline from the clipboard costs no 401; a key that is one already is taken as it is."""
    key = Secret.of(" sk-clipboard\n")

    assert key.reveal() == "sk-clipboard"
    assert Secret.of(key) is key


@pytest.mark.parametrize("value", ["ключ-0123", "sk-\u2028abc", "sk-a\nb", "sk-a\tb", "sk-\x7f"])
def test_a_key_that_no_header_can_carry_is_refused(value):
    """It is told without being repeated."""
    with pytest.raises(ConfigurationError) as caught:
        Secret.of(value)
    assert value not in str(caught.value)


def test_equal_keys_are_equal():
    """Two accounts with one key have the same; a text is no key."""
    assert Secret("sk-equal-0123") == Secret("sk-equal-0123") != Secret("sk-other-0123")
    assert len({Secret("sk-equal-0123"), Secret("sk-equal-0123")}) == 1
    assert Secret("sk-equal-0123") != "sk-equal-0123"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("nothing here", "nothing here"),
        (f"a {KEY} b {KEY}", "a ••• b •••"),
        (f"x{KEY}y", "x•••y"),
        (f"Bearer {JWT}!", "Bearer •••!"),
        ("eyJ is how it begins", "eyJ is how it begins"),
        (KEY[:-1], KEY[:-1]),
    ],
)
def test_every_known_key_is_struck_out(text, shown):
    """Wherever it stands in a text, and LiveKit's tokens too; all else stays."""
    assert redact(text) == shown


def test_a_key_within_another_leaves_no_rest():
    """Where one key begins with another, the longer one is struck out whole."""
    short, long = Secret("nested-key-01"), Secret("nested-key-01-and-more")

    assert redact(f"{short.reveal()} {long.reveal()}") == "••• •••"


@pytest.mark.parametrize("value", ["x", "none", "ollama", "devkey", "secret"])
def test_what_is_shorter_than_any_key_strikes_no_words_out(value):
    """People write a word where a server wants some key."""
    Secret(value)

    assert redact(f"the {value} word") == f"the {value} word"


@given(st.integers(0, 30), st.integers(0, 30), st.sets(st.integers(1, 90)))
def test_a_growing_text_never_shows_a_key(before, after, cuts):
    """However a text with a key in it arrives, what is let out at each step holds no part of the key."""
    whole = "a" * before + KEY + "b" * after
    at = [0, *sorted(cut for cut in cuts if cut < len(whole)), len(whole)]
    held, shown = "", ""
    for begin, end in itertools.pairwise(at):
        text = held + whole[begin:end]
        kept = held_back(text)
        text, held = (text[:-kept], text[-kept:]) if kept else (text, "")
        shown += redact(text)

    assert shown + redact(held) == "a" * before + "•••" + "b" * after


@given(st.text(st.sampled_from("values-nr"), max_size=40))
def test_only_the_beginning_of_a_key_is_held_back(text):
    """No more of a text waits than may become a key, and never a whole line of it."""
    kept = held_back(text)

    assert kept == 0 or any(key.startswith(text[-kept:]) for key in [KEY, *_others()])
    assert kept <= len(text)


def _others():
    from lk_notebook.core import values  # noqa: PLC0415 - what other tests made known counts too

    return values._known


def test_values_are_frozen():
    """What is passed around is nobody's to change."""
    for value, name in (
        (Usage(), "total_tokens"),
        (Setup(), "model"),
        (Call("m", []), "model"),
        (Account("a", "url", "u"), "key"),
    ):
        with pytest.raises(AttributeError):
            setattr(value, name, 1)


def test_what_was_not_said_is_none():
    """A setup without words has none: nothing is filled in."""
    assert (Setup().model, Setup().provider, Setup().account, Setup().system, dict(Setup().extra_kwargs)) == (
        None,
    ) * 4 + ({},)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_keys_that_overlap_are_struck_out_whole(size):
    """One key begins another, whose end begins a third: nothing of them is left, however the text is cut."""
    keys = ["qz-overlap-0123", "qz-overlap-0123-and-q", "qx-nowhere-key"]
    for key in keys:
        Secret(key)
    said = f"First {keys[1]}, then {keys[0]}, then {keys[2]}{keys[1]}."

    shown = held = ""
    for at in range(0, len(said), size):
        text, held = released(held + said[at : at + size])
        shown += text

    assert shown + redact(held) == "First •••, then •••, then ••••••."
