r"""Formulas: `$…$`, `$$…$$`, `\(…\)`, `\[…\]` found in Markdown, told from money, and handed to the page as TeX."""

from __future__ import annotations

import html
import re

from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

from lk_notebook.core.text import clean, plain

_LONGEST = 8_000  # characters of one formula
_INLINE = re.compile(r"\$((?:[^$\\]|\\[\s\S])+)\$(?![0-9$])")
_PROSE = re.compile(r"[\d.,]+\s*(?:[^\w\s\\^_{}=+*/<>]*\s+[A-Za-z]{2,}|[A-Za-z]{2,}\s)")
_CITATION = re.compile(r"\s*\d+(?:\s*[,;–-]\s*\d+)*\s*")
_CLOSING = {"(": "\\)", "[": "\\]"}
_BARE_DOLLAR = re.compile(r"(?<!\\)(?:\\\\)*\$")
# Commands that link, style, name, load, or change what later formulas of the page mean; and those that leave the line.
_FORBIDDEN = re.compile(
    r"\\(?:href|unicode|class|style|cssId|data|require|mmlToken|bbox|csname|texttip|mathtip|toggle|tip|action|"
    r"[egx]?def|let|futurelet|(?:re|provide)?newcommand|providecommand|(?:re)?newenvironment|newcounter|"
    r"Declare\w*|Newextarrow|definecolor|includegraphics|raise|lower|moveleft|moveright|raisebox|Rule|Space|"
    r"global|long|input|include|write|catcode)(?![A-Za-z])"
)


def formula(tex: str, *, display: bool) -> str:
    r"""A formula as HTML that JupyterLab's MathJax sets; as code where it holds what a formula should not.

    Example:
        >>> formula("a<b", display=False)
        '<span class="lk-math">$a&lt;b$</span>'
    """
    tex, mark = clean(tex), "$$" if display else "$"
    ends_early = "$$" in tex if display else _BARE_DOLLAR.search(tex) is not None
    if ends_early or len(tex) > _LONGEST or _FORBIDDEN.search(tex):
        return f"<code>{plain(mark + tex + mark)}</code>"
    wide = ' style="display:block;overflow:auto hidden"' if display else ""  # scrolls within itself
    return f'<span class="lk-math"{wide}>{mark}{html.escape(tex, quote=False)}{mark}</span>'


def find_dollars(src: str, start: int, end: int) -> tuple[str, int] | None:
    """The TeX of the formula that opens with `$` or `$$` at `start`, and where it ends; None where it is money.

    Example:
        >>> find_dollars("$x$ for $5", 0, 10), find_dollars("$5 and $6", 0, 9)
        (('x', 3), None)
    """
    if src.startswith("$$", start):
        close = src.find("$$", start + 2, end)
        while close > 0 and src[close - 1] == "\\":
            close = src.find("$$", close + 2, end)
        tex = src[start + 2 : close] if close > 0 else ""
        return (tex, close + 2) if tex.strip() else None
    before = src[start - 1] if start else " "
    found = _INLINE.match(src, start, end)
    if found is None or before.isalnum() or before == "$":
        return None
    tex = found[1]
    if tex[0].isspace() or tex[-1].isspace() or _PROSE.match(tex):
        return None
    return tex, found.end()


def find_brackets(src: str, start: int, end: int) -> tuple[str, int] | None:
    r"""The TeX of the formula that opens with `\(` or `\[` at `start`, and where it ends.

    Example:
        >>> find_brackets(r"\(x\) y", 0, 7)
        ('x', 5)
    """
    bracket = src[start + 1]
    close = find_closing(src, bracket, start + 2, end)
    tex = src[start + 2 : close] if close > 0 else ""
    if not tex.strip() or (bracket == "[" and (_CITATION.fullmatch(tex) or src.startswith("(", close + 2))):
        return None
    return tex, close + 2


def find_closing(src: str, bracket: str, start: int, end: int) -> int:
    r"""Where the end of a formula that opened with this bracket stands, or -1.

    Example:
        >>> find_closing(r"a \\) b \)", "(", 0, 10)  # `\\)` is a new line of TeX, then a bracket
        8
    """
    closing = _CLOSING[bracket]
    close = src.find(closing, start, end)
    while close > 0:
        before = close
        while before > start and src[before - 1] == "\\":
            before -= 1
        if (close - before) % 2 == 0:
            break
        close = src.find(closing, close + 2, end)
    return close


def math_inline(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 - the form of a rule
    """The inline rule: a formula is a token of its own, so that nothing in it is read as Markdown."""
    src, start = state.src, state.pos
    if src[start] == "$":
        found = find_dollars(src, start, state.posMax)
        display = src.startswith("$$", start)
    elif src[start] == "\\" and src[start + 1 : start + 2] in ("(", "["):
        # Where no end was found, none is found later: remembered, so that a text of `\(` alone takes linear time.
        display, failed = src[start + 1] == "[", -ord(src[start + 1])
        if state.cache.get(failed, start + 1) <= start:
            return False
        found = find_brackets(src, start, state.posMax)
        if found is None and find_closing(src, src[start + 1], start + 2, len(src)) < 0:
            state.cache[failed] = start
    else:
        return False
    if found is None:
        return False
    if not silent:
        token = state.push("math", "", 0)
        token.content, token.markup = found[0].strip(), "$$" if display else "$"
    state.pos = found[1]
    return True


def math_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001 - the form of a rule
    r"""The block rule: a line that opens `$$` or `\[` holds all lines to its end, or to a blank line, together.

    It opens at once: whether it is closed later is not known while the text grows, and must not decide.
    """
    first = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]]
    closing = {"$$": "$$", "\\[": "\\]"}.get(first[:2])
    if closing is None or closing in first[2:] or state.is_code_block(start):
        return False
    if silent:
        return True
    line = start + 1
    while line < end and not state.isEmpty(line) and state.sCount[line] >= state.blkIndent:
        line += 1
        if closing in state.src[state.bMarks[line - 1] : state.eMarks[line - 1]]:
            break
    state.line = line
    token = state.push("paragraph_open", "p", 1)
    token.map = [start, line]
    token = state.push("inline", "", 0)
    token.content = state.getLines(start, line, state.blkIndent, keepLastLF=False).strip()
    token.map, token.children = [start, line], []
    state.push("paragraph_close", "p", -1)
    return True
