"""What a view is told of a growing text makes of it, at any moment, the HTML that stays."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lk_notebook.core.parts import Fixed, Flowing, Shown

LINES = json.loads((Path(__file__).parent / "data" / "markdown_lines.json").read_text(encoding="utf-8"))
WIDE = ["😀", "a 𝒳 b", "**𝒳**\n", "- 😀\n", "| 😀 | b |\n|--|--|\n", "```\n😀\n", "[😀]", "[😀]: u\n", "é\u0301"]
TEXTS = st.lists(st.sampled_from([*LINES, *WIDE]), max_size=10).map("\n".join)
CUTS = st.lists(st.integers(1, 40), min_size=1, max_size=30)


def units(text: str, start: int, end: int | None = None) -> str:
    """A part of the text as JavaScript's `slice` gives it."""
    raw = text.encode("utf-16-le", "surrogatepass")
    return raw[2 * start : None if end is None else 2 * end].decode("utf-16-le", "surrogatepass")


class View:
    """What lk.js makes of the changes of one part, as strings."""

    def __init__(self):
        self.root, self.box, self.tail, self.last = [], None, ("", ""), ("", "")

    def do(self, ops):
        """Carry out the changes."""
        for op in ops:
            getattr(self, f"_{op['o']}")(op)
        return self

    def _add(self, op):
        start, size = op["p"]
        self.tail = ("", "")
        html = units("".join(self.last), start, start + size) + op["h"]
        (self.root if self.box is None else self.box[1]).append(html)

    def _open(self, op):
        assert self.box is None
        inside = re.search(r"(?:</\w+>)+$", op["h"]).start()
        self.tail, self.box = ("", ""), (op["h"][:inside], [], op["h"][inside:])

    def _text(self, op):
        self.box[1].append(op["h"])

    def _undo(self, _op):
        self.tail, self.box = ("", ""), None

    def _close(self, _op):
        self.root.append(self._boxed())
        self.tail, self.box = ("", ""), None

    def _set(self, op):
        # the k-th block may stand in a piece that holds several: only whole pieces are replaced here
        blocks = [block for piece in self.root for block in split(piece)]
        blocks[op["k"]] = op["h"]
        self.root = blocks

    def _tail(self, op):
        self.tail = self.last = tuple(
            units(was, 0, size) + new for was, size, new in zip(self.last, op["p"], (op["i"], op["h"]), strict=True)
        )

    def _boxed(self):
        return self.box[0] + "".join(self.box[1]) + self.tail[0] + self.box[2]

    @property
    def html(self):
        """What is shown."""
        return "".join(self.root) + (self._boxed() if self.box else "") + self.tail[1]


VOID = {"br", "hr", "img", "input"}


def split(html: str) -> list[str]:
    """The elements side by side in the HTML."""
    found, depth, start = [], 0, 0
    for tag in re.finditer(r"<(/?)(\w+)[^>]*>", html):
        depth += 0 if tag[2] in VOID else -1 if tag[1] else 1
        if depth == 0:
            found.append(html[start : tag.end()])
            start = tag.end()
    return found


def pieces(text: str, sizes: list[int]) -> list[str]:
    """The text cut into pieces of these sizes, and the rest."""
    found, start = [], 0
    for size in sizes:
        found.append(text[start : start + size])
        start += size
    return [*found, text[start:]]


@settings(max_examples=150, deadline=None)
@given(TEXTS, CUTS, st.lists(st.booleans(), min_size=31, max_size=31))
def test_a_view_shows_what_stays(text, sizes, looks):
    """However a text is cut, and whenever it is looked at: what the view is told makes the HTML of that moment."""
    part, view = Flowing(), View()
    for piece, looked in zip(pieces(text, sizes), looks, strict=False):
        part.feed(piece, final=False)
        if looked:
            assert view.do(part.changes()).html == part.html
    part.feed("", final=True)
    assert view.do(part.changes()).html == part.html


@settings(max_examples=150, deadline=None)
@given(TEXTS, CUTS, st.integers(0, 30))
def test_a_view_that_comes_later_shows_the_same(text, sizes, when):
    """At any moment a new view is built from nothing, and goes on from there."""
    part, view = Flowing(), View()
    for i, piece in enumerate(pieces(text, sizes)):
        part.feed(piece, final=False)
        view.do(part.changes())
        if i == when:
            view = View().do(part.anew())
        assert view.html == part.html
    part.feed("", final=True)
    assert view.do(part.changes()).html == part.html
    assert View().do(part.anew()).html == part.html


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(), max_size=8), st.integers(0, 8))
def test_a_text_that_is_shown_as_it_is_grows_alike(texts, when):
    """Thoughts: any characters, a surrogate pair cut in two; a new title; a later view."""
    part, view = Shown("<details><summary>a</summary><div>", "</div></details>", title="a"), View()
    for i, text in enumerate(texts):
        part.feed(text)
        view = View().do(part.anew()) if i == when else view.do(part.changes())
        assert view.html == part.html or not view.box


def test_a_pair_that_is_cut_in_two_is_one_character():
    """Of 😀 in two pieces nothing is shown before the second."""
    part, view = Shown("<p>", "</p>"), View()
    part.feed("a\ud83d")
    assert view.do(part.changes()).html == "<p>a</p>"
    part.feed("\ude00")
    assert view.do(part.changes()).html == "<p>a😀</p>" == part.html


@pytest.mark.parametrize(("before", "after"), [("😀a", "😀b"), ("😀", "😁"), ("a😀😀", "a😀😁 x")])
def test_what_both_tails_begin_with_is_counted_as_javascript_counts(before, after):
    """Two characters of one high surrogate differ as a whole; what is counted are UTF-16 units."""
    part, view = Flowing(), View()
    for text in (before, after):
        part = Flowing()
        part.feed(text, final=False)
    part = Flowing()
    part.feed(before, final=False)
    view.do(part.changes())
    part._ops.append({"o": "tail", "i": "", "h": f"<p>{after}</p>"})
    assert view.do(part.changes()).html == f"<p>{after}</p>"


def test_what_the_tail_said_is_not_said_again():
    """A paragraph of 2,000 characters that comes word by word is sent about once, not two hundred times."""
    part, sent = Flowing(), 0
    for _ in range(200):
        part.feed("some word ", final=False)
        sent += sum(len(op.get("h", "")) for op in part.changes())
    part.feed("", final=True)
    sent += sum(len(op.get("h", "")) for op in part.changes())
    assert sent < 2 * 2_000


def test_a_whole_is_told_when_it_has_changed():
    """The same HTML is not sent twice."""
    part = Fixed("<p>1</p>")
    assert part.changes() == [{"o": "whole", "h": "<p>1</p>"}]
    part.become("<p>1</p>")
    assert part.changes() == []
    part.become("<p>2</p>")
    assert part.changes() == part.anew() == [{"o": "whole", "h": "<p>2</p>"}]
