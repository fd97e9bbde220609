"""A growing Markdown text as safe HTML, block by block: what is finished is written once and not again."""

from __future__ import annotations

import re
from collections import ChainMap, defaultdict
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple, TypedDict

from markdown_it.token import Token

from lk_notebook.core.highlight import code_box, language
from lk_notebook.core.markdown import LISTS, Block, Refs, is_loose, items, labels, lex, to_html
from lk_notebook.core.markdown_tail import drop_marks, table_rule
from lk_notebook.core.text import clean, plain

__all__ = ["Op", "Renderer", "render"]

_SMALL = 4_096  # characters of unfinished text that are read again at each flush; above, only when grown by a 16th


class Op(TypedDict, total=False):
    """One change of the view. Each but `text` and `set` drops the tail first; the box is the root or the open element.

    add: append `h` to the box. open: append `h` to the root; its innermost element is the box. text: append the
    escaped text `h` to the box. undo: remove the open element. close: leave it. set: replace the root's child `k` by
    `h`. tail: append `i` to the box and `h` to the root, until the next change. Of other parts than Markdown: whole:
    put `h` in place of all. title: put `h` into the title of the fold. `s` says which part is meant.
    """

    o: str
    h: str
    i: str
    k: int
    s: int
    p: list[int]


class _Source(NamedTuple):
    """A finished block that a later reference may change."""

    tokens: list[Token]
    loose: bool | None

    def html(self, refs: Refs) -> str:
        return to_html(self.tokens, refs, loose=self.loose)


@dataclass(slots=True)
class _List:
    """A top-level list that is open: its finished items, to be written again should it turn out loose."""

    head: Token
    loose: bool
    items: list[list[Token]] = field(default_factory=list)
    html: list[str] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)

    @property
    def tags(self) -> tuple[str, str]:
        return to_html([self.head], {}), f"</{self.head.tag}>"

    @property
    def tokens(self) -> list[Token]:
        end = Token(self.head.type.replace("open", "close"), self.head.tag, -1)
        return [self.head, *(token for item in self.items for token in item), end]


@dataclass(slots=True)
class _Fence:
    """A top-level fence that is open: its source so far, and what of it is shown."""

    source: list[str]
    markup: str
    tags: tuple[str, str]
    html: list[str] = field(default_factory=list)
    in_line: bool = False  # the shown text ends within a line

    def find_end(self, rest: str, end: int) -> int:
        """Where the line that closes the fence ends, or 0; only lines that begin in `rest` can."""
        found = _ending(self.markup).search(rest, rest.find("\n") + 1 if self.in_line else 0, end)
        return found.end() if found else 0

    def may_end(self, rest: str, start: int) -> bool:
        """Whether the incomplete line from `start` on may become the one that closes the fence."""
        return (start > 0 or not self.in_line) and not rest[start:].strip(f" \t{self.markup[0]}")

    def show(self, piece: str) -> str:
        """The piece as HTML; the indent of the fence itself is taken from each line."""
        indent = len(self.source[0]) - len(self.source[0].lstrip(" "))
        shown = re.sub(rf"(?m)^ {{1,{indent}}}", "", "." * self.in_line + piece)[self.in_line :] if indent else piece
        self.source.append(piece)
        self.in_line = not piece.endswith("\n")
        self.html.append(plain(shown))
        return self.html[-1]


class Renderer:
    r"""Feed it the pieces of a Markdown text; take from it what a view must change, or the whole as HTML.

    Example:
        >>> renderer = Renderer()
        >>> renderer.feed("Some **bo"); renderer.flush()
        [{'o': 'tail', 'i': '', 'h': '<p>Some <strong>bo</strong></p>'}]
        >>> renderer.feed("ld**\n\nNext\n"); renderer.flush()[0]
        {'o': 'add', 'h': '<p>Some <strong>bold</strong></p>'}
        >>> renderer.flush(final=True)[-1], renderer.html
        ({'o': 'add', 'h': '<p>Next</p>'}, '<p>Some <strong>bold</strong></p><p>Next</p>')
    """

    def __init__(self) -> None:
        self._held = ""  # a last "\r" or half surrogate pair: the next piece says what it is
        self._pieces: list[str] = []
        self._pending = 0  # characters in these pieces
        self._fed = False
        self._rest = ""  # the text from the first unfinished block on
        self._lexed = 0  # how much of it was complete lines when last read
        self._refs: Refs = {}
        self._done: list[str] = []
        self._sources: dict[int, _Source] = {}
        self._users: defaultdict[str, set[int]] = defaultdict(set)  # an unknown label -> the blocks that may use it
        self._list: _List | None = None
        self._fence: _Fence | None = None
        self._tail = ("", "")
        self._ops: list[Op] = []

    def feed(self, text: str) -> None:
        """A further piece of the text, cut anywhere."""
        text = self._held + text
        self._held = text[-1:] if text.endswith("\r") or "\ud800" <= text[-1:] <= "\udbff" else ""
        self._pieces.append(text[: len(text) - len(self._held)])
        self._pending += len(self._pieces[-1])
        self._fed = True

    def flush(self, *, final: bool = False) -> list[Op]:
        """What a view must change since the last flush; `final`: the text is complete."""
        if self._may_wait() and not final:
            return []
        grown = "".join([*self._pieces, self._held if final else ""])
        self._pieces.clear()
        self._pending, self._held = 0, "" if final else self._held
        self._rest += clean(grown.replace("\r\n", "\n").replace("\r", "\n"))
        while self._step(final=final):
            pass
        self._draw_tail(("", "") if final else self._unfinished())
        ops, self._ops = self._ops, []
        return ops

    @property
    def html(self) -> str:
        """The whole text as HTML: the finished blocks and the tail."""
        inside, after = self._tail
        box = self._list or self._fence
        if box is None:
            return "".join([*self._done, after])
        return "".join([*self._done, box.tags[0], *box.html, inside, box.tags[1], after])

    def anew(self) -> list[Op]:
        """What builds the view from nothing."""
        ops: list[Op] = [{"o": "add", "h": "".join(self._done)}] if self._done else []
        if (box := self._list or self._fence) is not None:
            ops.append({"o": "open", "h": "".join(box.tags)})
            ops.append({"o": "add" if box is self._list else "text", "h": "".join(box.html)})
        if any(self._tail):
            ops.append({"o": "tail", "i": self._tail[0], "h": self._tail[1]})
        return ops

    def _may_wait(self) -> bool:
        """Whether nothing is new, or too little to read a long block again: so that all flushes take linear time."""
        fed, self._fed = self._fed, False
        if not self._pending:
            return True
        return fed and self._fence is None and len(self._rest) > max(_SMALL, 16 * self._pending)

    def _step(self, *, final: bool) -> bool:
        """Read on as far as complete lines decide; whether there may be more."""
        if self._fence is not None:
            return self._grow_fence(self._fence, final=final)
        end = len(self._rest) if final else self._rest.rfind("\n") + 1
        return (final or end > self._lexed) and self._read(end, final=final)

    def _read(self, end: int, *, final: bool) -> bool:
        lexed = lex(self._rest[:end], self._refs)
        blocks, last = lexed.blocks, lexed.blocks[-1] if lexed.blocks else None
        fence = last if last is not None and last.kind == "fence" and not final else None
        closed = fence is not None and _is_closed(fence, self._rest[:end], lexed.marks)
        ready = blocks if final or closed else blocks[:-1]
        parts = items(last) if last is not None and last.kind in LISTS and not final else []
        cut = ready[-1].end if ready else 0
        if final:
            cut = len(lexed.marks) - 1
        elif len(parts) > 1:
            cut = _first_line(parts[-1])
        elif fence is not None and not closed:
            cut = fence.start
        self._learn({label: ref for label, ref in lexed.refs.items() if final or ref["map"][1] <= cut})
        for block in ready:
            self._finish(block)
        if last is not None and len(parts) > 1:
            self._extend(last, parts[:-1])
        self._rest = self._rest[lexed.marks[cut] :]
        self._lexed = end - lexed.marks[cut]
        if fence is not None and not closed:
            self._open_fence(fence.tokens[0])
            return True
        return False

    def _learn(self, refs: Refs) -> None:
        """Write the blocks again that use a reference which is defined only now."""
        new = [label for label in refs if label not in self._refs]
        self._refs.update({label: refs[label] for label in new})
        for k in sorted(set().union(*(self._users.pop(label, ()) for label in new))):
            html = self._sources[k].html(self._refs)
            if html != self._done[k]:
                self._done[k] = html
                self._ops.append({"o": "set", "k": k, "h": html})
        if self._list is not None and not self._list.labels.isdisjoint(new):
            self._write_again(self._list)

    def _finish(self, block: Block) -> None:
        if self._list is not None and block.kind in LISTS:
            self._close(self._extend(block, items(block)))
            return
        source = _Source(block.tokens, None)
        self._ops.append({"o": "add", "h": source.html(self._refs)})
        self._keep(source, self._ops[-1]["h"])

    def _keep(self, source: _Source, html: str) -> None:
        for label in labels(source.tokens) - self._refs.keys():
            self._users[label].add(len(self._done))
            self._sources[len(self._done)] = source
        self._done.append(html)

    def _extend(self, block: Block, new: list[list[Token]]) -> _List:
        """Add items to the open list, or open it."""
        box = self._list
        if box is None:
            box = self._list = _List(block.tokens[0], is_loose(block))
            self._ops.append({"o": "open", "h": "".join(box.tags)})
        elif is_loose(block) and not box.loose:
            box.loose = True
            self._write_again(box)
        html = [to_html(item, self._refs, loose=box.loose) for item in new]
        box.items += new
        box.html += html
        box.labels |= set().union(*(labels(item) for item in new))
        self._ops.append({"o": "add", "h": "".join(html)})
        return box

    def _write_again(self, box: _List) -> None:
        box.html = [to_html(item, self._refs, loose=box.loose) for item in box.items]
        self._ops += [{"o": "undo"}, {"o": "open", "h": "".join(box.tags)}, {"o": "add", "h": "".join(box.html)}]

    def _close(self, box: _List) -> None:
        self._list = None
        self._ops.append({"o": "close"})
        self._keep(_Source(box.tokens, box.loose), "".join([box.tags[0], *box.html, box.tags[1]]))

    def _open_fence(self, token: Token) -> None:
        end = self._rest.index("\n") + 1
        head, self._rest, self._lexed = self._rest[:end], self._rest[end:], 0
        before, _, after = code_box("", language(token.info))
        self._fence = _Fence([head], token.markup, (before, after))
        self._ops.append({"o": "open", "h": before + after})

    def _grow_fence(self, fence: _Fence, *, final: bool) -> bool:
        """Show more of the open fence, or write it finished; whether it was closed."""
        rest = self._rest
        end = len(rest) if final else rest.rfind("\n") + 1
        closing = fence.find_end(rest, end)
        if closing or final:
            self._rest = rest[closing or end :]
            self._fence = None
            self._ops.append({"o": "undo"})
            self._finish(lex("".join([*fence.source, rest[: closing or end]]), {}).blocks[0])
            return True
        piece = rest[:end] if fence.may_end(rest, end) else rest
        if piece:
            self._ops.append({"o": "text", "h": fence.show(piece)})
            self._rest = rest[len(piece) :]
        return False

    def _unfinished(self) -> tuple[str, str]:
        """The unfinished text as HTML: what goes into the open list, and what goes after it."""
        text = drop_marks(self._rest)
        if self._fence is not None or not text.strip():
            return "", ""
        rule = table_rule(text)
        lexed = lex(text + rule, self._refs)
        if rule and (not lexed.blocks or lexed.blocks[-1].kind != "table_open"):
            lexed = lex(text, self._refs)
        refs = ChainMap(lexed.refs, self._refs)
        parts = [(block.tokens, is_loose(block)) for block in lexed.blocks]
        inside = 0
        if self._list is not None and lexed.blocks and lexed.blocks[0].kind in LISTS:
            first, loose = lexed.blocks[0], self._list.loose or is_loose(lexed.blocks[0])
            parts[:1] = [(item, loose) for item in items(first)]
            inside = len(items(first))
        html = [
            to_html(tokens, refs, loose=loose, colours=False, unfinished=index == len(parts) - 1)
            for index, (tokens, loose) in enumerate(parts)
        ]
        return "".join(html[:inside]), "".join(html[inside:])

    def _draw_tail(self, tail: tuple[str, str]) -> None:
        shown = self._tail if all(op["o"] in ("set", "text") for op in self._ops) else ("", "")
        if tail != shown:
            self._ops.append({"o": "tail", "i": tail[0], "h": tail[1]})
        self._tail = tail


def _first_line(item: list[Token]) -> int:
    lines = item[0].map
    return lines[0] if lines else 0


def _is_closed(fence: Block, text: str, marks: list[int]) -> bool:
    """Whether the last line of a fence ends it."""
    last = marks[fence.end - 1]
    return fence.end - fence.start > 1 and _ending(fence.tokens[0].markup).match(text, last) is not None


@cache
def _ending(markup: str) -> re.Pattern[str]:
    return re.compile(rf"^ {{0,3}}{markup[0]}{{{len(markup)},}}[ \t]*(?:\n|\Z)", re.MULTILINE)


def render(text: str) -> str:
    """The whole text as HTML, the same as by pieces.

    Example:
        >>> render("a *b* <i>")
        '<p>a <em>b</em> &lt;i&gt;</p>'
    """
    renderer = Renderer()
    renderer.feed(text)
    renderer.flush(final=True)
    return renderer.html
