"""The unfinished end of a growing Markdown text, mended: no half mark is shown while its other half is on its way."""

from __future__ import annotations

import re

from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Delimiter

from lk_notebook.core.markdown_math import find_brackets, find_closing, find_dollars

_LONGEST_MARKS = 200
_LONGEST_HIDDEN = 300  # characters; what hides longer than this was no formula
# A last line of nothing but marks: whether it is a list, a heading, a rule, a table or a fence is not decided yet.
_MARKS = re.compile(
    r"(?:[ \t>]|(?:[-+*]|\d{1,9}[.)])[ \t])*"
    r"(?:[-+*]|\d{1,9}[.)]?|\#{1,6}|`{1,2}|`{3,}[^`]*|~+|~{3,}.*|=+|[-*_][-*_ \t]*|\|[|:\- \t]*|:?-+[|:\- \t]*"
    r"|\$+|\\\[?|!?\[[ xX]?\]?|\[[^\[\]]+\]:\s*\S*)?[ \t]*"
)
_SPECIAL = re.compile(r"\\.|`+|\$\$?|!?\[|\]", re.DOTALL)
_TARGET = re.compile(r"\((?:[^()\s\\]|\\.|\([^()\s]*\))*(?:\s+(?:\"[^\"]*\"|'[^']*'))?\s*\)")
_HALF_MARK = re.compile(r"(?:(?<![~\\])~|(?<!\\)\\)$")
_CELLS = re.compile(r"(?:[^|\\]|\\.)+")


def drop_marks(text: str) -> str:
    r"""The text without a last, incomplete line that holds marks alone.

    Example:
        >>> drop_marks("one\n- *"), drop_marks("one\n- *a")
        ('one\n', 'one\n- *a')
    """
    start = text.rfind("\n") + 1
    return text[:start] if len(text) - start <= _LONGEST_MARKS and _MARKS.fullmatch(text, start) else text


def table_rule(text: str) -> str:
    r"""The line that makes a table of a last line that looks like its head; nothing where it does not.

    Example:
        >>> table_rule("| a | b")
        '\n|-|-|\n'
    """
    lines = text.rstrip("\n").rsplit("\n", 2)[-2:]
    head = lines[-1].strip()
    if text.endswith("\n\n") or not head.startswith("|") or (len(lines) > 1 and lines[0].lstrip().startswith("|")):
        return ""
    cells = len(_CELLS.findall(head[1:]))
    return "\n" * (not text.endswith("\n")) + "|" + "-|" * cells + "\n" if cells else ""


def mend(content: str) -> str:
    r"""Inline content with an open code span closed, a half formula hidden, a half link shown as its text.

    Example:
        >>> mend("see `x + "), mend("see [the paper](http"), mend("so $x +")
        ('see `x +`', 'see the paper', 'so ')
    """
    brackets: list[tuple[int, int]] = []  # where each open "[" stands, and where its text begins
    pos, unclosed = 0, set[str]()
    while found := _SPECIAL.search(content, pos):
        mark, start, pos = found[0], found.start(), found.end()
        if mark[0] == "`":
            close = re.compile(rf"(?<!`){mark}(?!`)").search(content, pos)
            if close is None:
                return _without(content[:start], brackets) + _closed(mark, content[pos:])
            pos = close.end()
        elif mark[0] == "$" or mark in ("\\(", "\\["):
            pos = _formula_end(content, mark, start, unclosed)
            if not pos:
                return _without(content[:start], brackets) + ("…" if mark in ("$$", "\\[") else "")
        elif mark[-1] == "[":
            brackets.append((start, pos))
        elif mark == "]" and brackets:
            opened, text = brackets.pop()
            target = _TARGET.match(content, pos)
            if target is None and _is_half_link(content, pos):
                return _without(content[:opened], brackets) + content[text:start]
            pos = target.end() if target else pos
    return _HALF_MARK.sub("", _without(content, brackets))


def _formula_end(content: str, mark: str, start: int, unclosed: set[str]) -> int:
    """Where the formula ends that opens at `start`; where the mark ends if it opens none; 0 if its end is to come."""
    end, after, formula = len(content), start + len(mark), None
    if mark[0] == "$":
        formula = find_dollars(content, start, end)
    elif mark not in unclosed and find_closing(content, mark[1], after, end) < 0:
        unclosed.add(mark)  # nor will any later one be closed: a text of these alone takes linear time
    elif mark not in unclosed:
        formula = find_brackets(content, start, end)
    if formula is not None:
        return formula[1]
    return 0 if _opens(content, mark, start, after) else after


def _is_half_link(content: str, pos: int) -> bool:
    """Whether what follows a closed bracket may still become the address or the label of a link."""
    following = content[pos : pos + 1]
    return following in ("", "(") or (following == "[" and content.find("]", pos) < 0)


def _closed(mark: str, code: str) -> str:
    code = code.rstrip("`").rstrip()
    return f"{mark}{code}{mark}" if code.strip() else ""


def _opens(content: str, mark: str, start: int, pos: int) -> bool:
    """Whether a formula may have been opened here, rather than a price named."""
    if len(content) - start > _LONGEST_HIDDEN:
        return False
    following = content[pos : pos + 1]
    alone = mark != "$" or ("$" not in content[pos:] and not following.isdigit() and not following.isspace())
    return alone and not (mark == "$" and content[start - 1 : start].isalnum())


def _without(content: str, brackets: list[tuple[int, int]]) -> str:
    """The content without brackets that are still open."""
    pieces, last = [], 0
    for start, text in brackets:
        pieces.append(content[last:start])
        last = text
    return "".join([*pieces, content[last:]]) if brackets else content


def close_open(state: StateInline) -> None:
    """The inline rule, for an unfinished text only, that closes emphasis which is still open.

    Where the text ends with half of a closing mark (`**so*`), it asks for another reading without it: `env["ragged"]`.
    """
    if not state.env.get("mend"):
        return
    delimiters, opened = state.delimiters, _still_open(state)
    if delimiters and delimiters[-1].token == len(state.tokens) - 1:
        closers = {first.end for first in delimiters}
        if len(delimiters) - 1 not in closers or any(first.marker == delimiters[-1].marker for first, _ in opened):
            state.env["ragged"] = True
            return
    for first, name in opened:
        token = state.tokens[first.token]
        token.type, token.content = f"{name}_open", ""
        if name == "strong":
            state.tokens[first.token + 1].content = ""
    for _, name in reversed(opened):
        state.push(f"{name}_close", name, 0)


def _still_open(state: StateInline) -> list[tuple[Delimiter, str]]:
    """The marks that open and are not closed, with the names of their elements; those between a closed pair vanish."""
    opened: list[tuple[Delimiter, str]] = []
    inside, skip = -1, False
    for index, first in enumerate(state.delimiters):
        if first.end >= 0:
            inside = max(inside, state.delimiters[first.end].token)
        if first.end >= 0 or not first.open or skip:
            skip = False
        elif first.token < inside:
            state.tokens[first.token].content = ""
        else:
            skip = _is_double(state.delimiters[index : index + 2])
            opened.append((first, "s" if first.marker == ord("~") else "strong" if skip else "em"))
    return opened


def _is_double(marks: list[Delimiter]) -> bool:
    first, last = marks[0], marks[-1]
    adjacent = last.token == first.token + 1 and last.marker == first.marker != ord("~")
    return adjacent and last.open and last.end < 0
