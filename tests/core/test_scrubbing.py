"""No secret stands on a tape, however it came: in pieces, in fields, escaped; and what holds none stays as it was."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from player import chunk, end, event

from lk_notebook.core import scrubbing
from lk_notebook.core.stream import Decoder
from lk_notebook.core.values import Secret

KEY = "sk-never/show+this-0123456789abcdef"
Secret(KEY)

SPELLINGS = {
    "as it is": KEY,
    "in a URL": f"https://a.example/?key={quote(KEY, safe='')}",
    "escaped as in JSON": json.dumps(f"key {KEY}").replace("/", "\\/"),
    "escaped letter by letter": "".join(f"\\u{ord(letter):04x}" for letter in KEY),
    "escaped as in HTML": html.escape(KEY).replace("/", "&#47;").replace("+", "&#x2b;"),
    "in base64": base64.b64encode(f"user:{KEY}".encode()).decode(),
    "in base64 of URLs": base64.urlsafe_b64encode(f"x:{KEY}".encode()).decode().rstrip("="),
}
PARTS = [KEY, KEY[3:], KEY[-12:], quote(KEY, safe=""), KEY.replace("/", "\\/"), "\\u0073\\u006b-never"]


def cuts(text, size):
    """A text in pieces of so many characters."""
    return [text[at : at + size] for at in range(0, len(text), size)]


def clean(pieces):
    """Whether neither the pieces nor any field that they join to holds the key, in any spelling."""
    whole = "".join(pieces)
    return all(part not in text for text in scrubbing.texts(whole) for part in PARTS)


@pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_a_key_is_found_in_every_spelling(text):
    """As it is, in an address, escaped, encoded; the words around it stay."""
    assert scrubbing.strike(f"no such key: {text}").startswith("no such key: ")
    assert clean([scrubbing.strike(text)])


@pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS.keys())
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_a_key_in_an_error_body_is_struck_out(text, size):
    """Whatever the body is: text, JSON, a page; and however it is cut."""
    for body in (text, json.dumps({"error": {"message": text, "keys": {text: 1}}}, indent=1), f"<title>{text}</title>"):
        assert clean(scrubbing.strike_pieces(cuts(body, size)))


@pytest.mark.parametrize("size", [1, 2, 7, 20, 1000])
@pytest.mark.parametrize("field", ["content", "reasoning", "refusal"])
def test_a_key_that_a_model_says_letter_by_letter_is_struck_out(field, size):
    """An event for each piece of it: the joined text has three dots, and as many pieces came as before."""
    pieces = [chunk({field: part}).decode() for part in cuts(f"The key is {KEY}, you know.", size)]
    struck = scrubbing.strike_pieces([*pieces, *(piece.decode() for piece in end())])

    decoder = Decoder("test")
    said = [text for piece in struck for _, text in decoder.feed(piece.encode())]
    assert "".join(said) == "The key is •••, you know."
    assert len(struck) == len(pieces) + len(end())
    assert clean(struck)


def test_a_key_in_tool_calls_and_log_probabilities_is_struck_out():
    """In arguments that come in pieces, and in the tokens and bytes beside the text."""
    events = []
    for letter in KEY:
        call = {"index": 0, "function": {"arguments": letter}}
        logprobs = {"content": [{"token": letter, "bytes": list(letter.encode())}]}
        events.append(
            event({"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "logprobs": logprobs}]}).decode()
        )
    struck = scrubbing.strike_pieces(events)

    assert clean(struck)
    assert "115" not in "".join(struck)


def test_answers_side_by_side_are_not_mixed():
    """Of several choices each is joined for itself, by its index."""
    events = []
    for letter in KEY:
        choices = [{"index": i, "delta": {"content": text}} for i, text in ((0, letter), (1, "x"))]
        events.append(event({"choices": choices}).decode())

    assert clean(scrubbing.strike_pieces(events))


def test_a_web_token_is_struck_out():
    """A token of LiveKit is a key for ten minutes."""
    token = f"eyJ{'a' * 20}.{'b' * 20}.{'c' * 20}"
    pieces = [chunk({"content": part}).decode() for part in cuts(f"It is {token}.", 5)]

    assert "ccccc" not in "".join(scrubbing.texts("".join(scrubbing.strike_pieces(pieces))))


def test_a_request_is_struck_in_all_its_fields():
    """Prompts, parameters, names of fields, lists within lists."""
    request = {"messages": [{"content": [{"text": KEY}]}], "metadata": {KEY: [1, None, [f"x {KEY}"]]}}

    assert scrubbing.strike_all(request) == {
        "messages": [{"content": [{"text": "•••"}]}],
        "metadata": {"•••": [1, None, ["x •••"]]},
    }


@settings(deadline=None)
@given(st.lists(st.text(), max_size=8))
def test_what_holds_no_secret_stays_as_it_was(pieces):
    """For any text, cut anywhere."""
    assert scrubbing.strike_pieces(pieces) == pieces


@settings(deadline=None)
@given(st.lists(st.text(max_size=20), max_size=6), st.integers(1, 40), st.data())
def test_a_key_between_any_texts_is_struck_out(texts, size, data):
    """Among any events, cut anywhere: the key is gone, all else is there, in as many pieces."""
    said = [*texts, *cuts(KEY, size), "the end"]
    whole = "".join(chunk({"content": text}).decode() for text in said)
    places = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    pieces = [whole[a:b] for a, b in zip([0, *places], [*places, len(whole)], strict=True)]

    struck = scrubbing.strike_pieces(pieces)

    joined = "".join(
        json.loads(line[6:])["choices"][0]["delta"]["content"] for line in "".join(struck).split("\n\n")[:-1]
    )
    assert joined == "".join(texts) + "•••the end"
    assert len(struck) == len(pieces)
