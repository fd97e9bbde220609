"""Reasoning between tags is told apart when the tag opens the message, and only then."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_notebook.core.thinking import Thinking


def split(*fed):
    """(reasoning, text) of a message that arrived in these pieces."""
    thinking = Thinking()
    pieces = [piece for text in fed for piece in thinking.feed(text)] + thinking.end()
    return tuple("".join(text for kind, text in pieces if kind == wanted) for wanted in ("reasoning", "text"))


@pytest.mark.parametrize(
    ("message", "reasoning", "text"),
    [
        ("<think>2+2</think>4", "2+2", "4"),
        ("<think>\n2+2\n</think>\n\n4\n", "\n2+2\n", "4\n"),
        ("\n <think>2+2</think>4", "2+2", "4"),
        ("<|channel>thought 2+2<channel|>4", " 2+2", "4"),
        ("<think></think>\n\n4", "", "4"),
        ("<think>a </thin> b</think>c</think>d", "a </thin> b", "c</think>d"),
        ("<think>a<channel|>b</think>c", "a<channel|>b", "c"),
    ],
)
def test_a_tag_that_opens_the_message_is_reasoning(message, reasoning, text):
    """What stands between the tags is the thought, what follows it is the answer, without the blank lines between."""
    assert split(message) == (reasoning, text)


@pytest.mark.parametrize(
    "message",
    ["Use <think> here </think> please", "a<think>b</think>", "<thinking>a</thinking>", "<p>a", "  a ", " \n", "<|x|>"],
)
def test_a_tag_further_on_stays_text(message):
    """An answer that talks of tags keeps them, and its own blanks."""
    assert split(message) == ("", message)


@pytest.mark.parametrize("message", ["<", "<thi", "<|channel>though", " <think"])
def test_a_beginning_that_never_became_a_tag_is_text(message):
    """An answer that ends in half a tag is shown whole."""
    assert split(message) == ("", message)


@pytest.mark.parametrize("cut", ["<think>never ends", "<think>never ends</thi"])
def test_a_thought_that_never_ends_is_still_a_thought(cut):
    """A stream cut in the middle of its reasoning shows no reasoning as the answer."""
    assert split(cut) == (cut.removeprefix("<think>"), "")


def test_text_waits_no_longer_than_it_must():
    """The first letters that can be no tag are given at once, and so is every later piece."""
    thinking = Thinking()

    assert [thinking.feed(text) for text in ("<t", "ea", "<think>")] == [[], [("text", "<tea")], [("text", "<think>")]]


def test_a_thought_is_told_while_it_grows():
    """Reasoning streams too: only what may be half a closing tag is held back."""
    thinking = Thinking()

    assert [thinking.feed(text) for text in ("<think>a", "b</", "c")] == [
        [("reasoning", "a")], [("reasoning", "b")], [("reasoning", "</c")],
    ]  # fmt: skip


PARTS = st.sampled_from(["<think>", "</think>", "<|channel>thought", "<channel|>", "<", "</", "think>", " ", "\n", "a"])


@given(st.lists(PARTS, max_size=8).map("".join), st.sets(st.integers(1, 60)))
def test_any_cut_gives_the_same_split(message, cuts):
    """However the tags are cut, thought and answer are the same."""
    at = [0, *sorted(cut for cut in cuts if cut < len(message)), len(message)]

    assert split(*(message[a:b] for a, b in itertools.pairwise(at))) == split(message)


@given(st.text())
def test_nothing_is_lost_or_made_up(text):
    """An answer without tags is given letter by letter as it came."""
    if not text.lstrip().startswith(("<think>", "<|channel>thought")):
        assert split(text) == ("", text)
