"""The parts of a reply on the page: each as HTML, and as the changes that bring a view from one look to the next."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from lk_notebook.core.render import Op, Renderer
from lk_notebook.core.text import escape

__all__ = ["Fixed", "Flowing", "Part", "Shown"]


class Part(Protocol):
    """One element of the view."""

    @property
    def html(self) -> str:
        """The whole of it."""

    def changes(self) -> list[Op]:
        """What a view must change since the last call."""

    def anew(self) -> list[Op]:
        """What builds it in an empty view."""


class Flowing:
    """A growing Markdown text.

    Example:
        >>> part = Flowing(); part.feed("*a*", final=True); part.changes()
        [{'o': 'add', 'h': '<p><em>a</em></p>', 'p': [0, 0]}]
    """

    def __init__(self) -> None:
        self.size = 0  # characters it was fed
        self._renderer = Renderer()
        self._ops: list[Op] = []
        self._tail = ("", "")  # as a view has it
        self._taken = 0  # characters of it that blocks have taken since

    def feed(self, text: str, *, final: bool) -> None:
        """A further piece of the text; `final`: nothing follows."""
        self.size += len(text)
        if text:
            self._renderer.feed(text)
        self._ops += self._renderer.flush(final=final)

    @property
    def html(self) -> str:
        """The whole of it."""
        return self._renderer.html

    def changes(self) -> list[Op]:
        """What a view must change since the last call."""
        ops, self._ops = self._ops, []
        return _joined(map(self._shortened, ops))

    def anew(self) -> list[Op]:
        """What builds it in an empty view."""
        self._ops, self._tail, self._taken = [], ("", ""), 0
        return _joined(map(self._shortened, self._renderer.anew()))

    def _shortened(self, op: Op) -> Op:
        """An `add` or `tail` without what the last tail said already; `p` says, in UTF-16 units, what that was.

        Of a tail: how many of its `i` and of its `h` are as before. Of an `add`: from where in the last tail how many.
        """
        before, taken = self._tail, self._taken
        if op["o"] == "tail":
            self._tail, self._taken = (op["i"], op["h"]), 0
            i, h = map(_common, before, self._tail)
            p = [_units(before[0][:i]), _units(before[1][:h])]
            return {"o": "tail", "i": op["i"][i:], "h": op["h"][h:], "p": p}
        if op["o"] == "add":
            tail = "".join(before)
            same = _common(tail[taken:], op["h"])
            self._taken = taken + same if same == len(op["h"]) else len(tail)  # what follows goes on from there
            p = [_units(tail[:taken]), _units(tail[taken : taken + same])]
            return {"o": "add", "h": op["h"][same:], "p": p}
        return op


def _joined(ops: Iterable[Op]) -> list[Op]:
    """The changes, what is added or written in one go as one."""
    joined: list[Op] = []
    for op in ops:
        if joined and op["o"] == joined[-1]["o"] and (op["o"] == "text" or (op["o"] == "add" and not op["p"][1])):
            joined[-1] = {**joined[-1], "h": joined[-1]["h"] + op["h"]}
        else:
            joined.append(op)
    return joined


def _common(a: str, b: str) -> int:
    """How many characters both begin with."""
    low, high = 0, min(len(a), len(b))
    while low < high:
        middle = (low + high + 1) // 2
        if a.startswith(b[low:middle], low):
            low = middle
        else:
            high = middle - 1
    return low


def _units(text: str) -> int:
    """The length of a text as JavaScript counts it."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


class Shown:
    """A growing text that is shown as it is, within an element, and the title of that.

    Example:
        >>> part = Shown("<p>", "</p>"); part.feed("1 < 2"); part.html
        '<p>1 &lt; 2</p>'
    """

    def __init__(self, before: str, after: str, title: str | None = None) -> None:
        self.size = 0  # characters it was fed
        self._before, self._after, self._title = before, after, title
        self._held = ""  # half a surrogate pair
        self._pieces: list[str] = []
        self._ops: list[Op] = [{"o": "open", "h": before + after}]

    def feed(self, text: str) -> None:
        """A further piece of the text."""
        self.size += len(text)
        text = self._held + text
        self._held = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
        self._pieces.append(escape(text[: len(text) - len(self._held)]))
        self._ops.append({"o": "text", "h": self._pieces[-1]})

    def entitle(self, title: str) -> None:
        """Another title, where it has one; the text stays."""
        if self._title is not None and title != self._title:
            self._before = self._before.replace(escape(self._title), escape(title), 1)
            self._title = title
            self._ops.append({"o": "title", "h": escape(title)})

    @property
    def html(self) -> str:
        """The whole of it."""
        return "".join([self._before, *self._pieces, self._after])

    def changes(self) -> list[Op]:
        """What a view must change since the last call."""
        ops, self._ops = self._ops, []
        return _joined(ops)

    def anew(self) -> list[Op]:
        """What builds it in an empty view."""
        self._ops = []
        return [{"o": "open", "h": self._before + self._after}, {"o": "text", "h": "".join(self._pieces)}]


class Fixed:
    """HTML that is replaced as a whole.

    Example:
        >>> part = Fixed("<p>1</p>"); part.become("<p>2</p>"); part.changes()
        [{'o': 'whole', 'h': '<p>2</p>'}]
    """

    def __init__(self, html: str) -> None:
        self.html = html
        self._changed = True

    def become(self, html: str) -> None:
        """Other HTML in its place."""
        self._changed = self._changed or html != self.html
        self.html = html

    def changes(self) -> list[Op]:
        """What a view must change since the last call."""
        changed, self._changed = self._changed, False
        return self.anew() if changed else []

    def anew(self) -> list[Op]:
        """What builds it in an empty view."""
        self._changed = False
        return [{"o": "whole", "h": self.html}]
