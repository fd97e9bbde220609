"""Markdown read by markdown-it and written as HTML by a short list of elements: what is not on it cannot come out."""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from types import FunctionType
from typing import Any, NamedTuple, cast

from markdown_it import MarkdownIt
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock, blockquote, list_block, reference, table
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from lk_notebook.core.highlight import code_box, language
from lk_notebook.core.markdown_math import formula, math_block, math_inline
from lk_notebook.core.markdown_tail import close_open, mend
from lk_notebook.core.text import escape, plain

Refs = MutableMapping[str, dict[str, Any]]

_DEEPEST = 16  # elements inside each other: 8 lists, or 16 quotes; a page of 10,000 stays blank
_LONG_RUN = re.compile(r"([*_~])\1{31,}")  # is text
_LABEL = re.compile(r"\[((?:[^\[\]\\]|\\.){1,200})\]", re.DOTALL)
_ADDRESS = re.compile(r"(?:https?://[^\s/?#\\]|mailto:[^\s?])", re.IGNORECASE)
_PICTURE = re.compile(r"data:image/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+")
_TASK = re.compile(r"\[([ xX])\][ \t]+(?=\S)")
LISTS = ("bullet_list_open", "ordered_list_open", "list_item_open")
_NOTE = "<p><em>Nested too deeply: what follows is shown as text.</em></p>"
_AS_TEXT = '<pre style="white-space:pre-wrap;overflow-wrap:anywhere">'


class Block(NamedTuple):
    """A top-level block: its tokens, and its first line and the line after its last."""

    tokens: list[Token]
    start: int
    end: int

    @property
    def kind(self) -> str:
        """The type of its first token."""
        return self.tokens[0].type


class Lexed(NamedTuple):
    """A text cut into top-level blocks; `marks` are the offsets of its lines, `refs` the references it defines."""

    blocks: list[Block]
    refs: Refs
    marks: list[int]


def lex(text: str, known: Refs) -> Lexed:
    r"""Cut the text into blocks; inline content is not read yet.

    Example:
        >>> [block.kind for block in lex("# a\nb\n\n- c", {}).blocks]
        ['heading_open', 'paragraph_open', 'bullet_list_open']
    """
    tokens: list[Token] = []
    refs: Refs = {}
    env = {"references": ChainMap(refs, known)}
    state = StateBlock(text, _md, env, tokens)
    marks = list(state.bMarks)
    _md.block.tokenize(state, 0, state.lineMax)
    return Lexed(list(_groups(tokens)), refs, marks)


def _groups(tokens: list[Token]) -> Iterator[Block]:
    first = 0
    for index, token in enumerate(tokens):
        if token.level == 0 and token.nesting <= 0:
            start, end = tokens[first].map or [0, 0]
            yield Block(tokens[first : index + 1], start, end)
            first = index + 1


def labels(tokens: Sequence[Token]) -> set[str]:
    """The labels of references the blocks may use, defined or not.

    Example:
        >>> labels(lex("see [The Paper] and [x][1]", {}).blocks[0].tokens) == {"THE PAPER", "X", "1"}
        True
    """
    found: set[str] = set()
    for token in tokens:
        if token.type == "inline" and "[" in token.content:
            found.update(_md.utils.normalizeReference(label) for label in _LABEL.findall(token.content))
    return found


def items(block: Block) -> list[list[Token]]:
    """The tokens of each item of a top-level list."""
    found: list[list[Token]] = []
    for token in block.tokens[1:-1]:
        if token.level == 1 and token.nesting == 1:
            found.append([])
        found[-1].append(token)
    return found


def is_loose(block: Block) -> bool:
    """Whether the list's paragraphs stand apart; told by the list rule, as items of code only do not show it."""
    return not block.tokens[0].meta.get("tight")


def to_html(
    tokens: Sequence[Token], refs: Refs, *, loose: bool | None = None, colours: bool = True, unfinished: bool = False
) -> str:
    """The blocks as HTML; `loose` overrides what a top-level list says; the end of what is `unfinished` is mended.

    Example:
        >>> to_html(lex("*a* <b>", {}).blocks[0].tokens, {})
        '<p><em>a</em> &lt;b&gt;</p>'
    """
    of_list = bool(tokens) and tokens[0].type in LISTS
    tight = not loose if loose is not None else of_list and bool(tokens[0].meta.get("tight"))
    mend_from = _last_inline(tokens) if unfinished else len(tokens)
    out = []
    for index, token in enumerate(tokens):
        if token.type == "inline":
            box, content = _task(tokens, index)
            out.append(box + inline(content, {"references": refs}, unfinished=index >= mend_from))
        elif token.type in _FIXED:
            hidden = tight if of_list and token.level == 2 and token.tag == "p" else token.hidden
            out.append("" if hidden else _FIXED[token.type])
        else:
            out.append(_BLOCKS[token.type](token, colours))
    return "".join(out)


def _last_inline(tokens: Sequence[Token]) -> int:
    """Where the inline content that still grows begins: the last one, or the last row of a table."""
    for index in range(len(tokens) - 1, -1, -1):
        if tokens[index].type == "tr_open" or (tokens[index].type == "inline" and tokens[index + 1].tag[0] != "t"):
            return index
    return len(tokens)


def inline(content: str, env: dict[str, Any], *, unfinished: bool = False) -> str:
    """The inline content of a block as HTML.

    Example:
        >>> inline("**so", {}, unfinished=True)
        '<strong>so</strong>'
    """
    tokens: list[Token] = []
    if unfinished:
        content, env = mend(content), {**env, "mend": True}
    _md.inline.parse(content, _md, env, tokens)
    if env.get("ragged"):
        return inline(
            content.rstrip("*_~ \n"), {"references": env["references"]} if "references" in env else {}, unfinished=True
        )
    out = []
    links = 0
    for token in tokens:
        if token.type in _FIXED:
            out.append(_FIXED[token.type])
            links -= token.type == "link_close"
        elif token.type == "link_open":
            out.append(_link(str(token.attrs.get("href", ""))))
            links += 1
        elif token.type == "image":
            out.append(_image(token, linked=links > 0))
        else:
            out.append(_INLINES[token.type](token))
    return "".join(out)


def _link(address: str) -> str:
    """An address outside opens in a tab of its own; any other is dropped: Lab would lead it to its own server."""
    if not _ADDRESS.match(address):
        return "<a>"
    return f'<a href="{plain(address)}" rel="noopener noreferrer" target="_blank">'


def _image(token: Token, *, linked: bool) -> str:
    """A picture that is in the text itself; any other would be fetched, so it becomes a link."""
    address, words = str(token.attrs.get("src", "")), _words(token.children or [])
    if _PICTURE.fullmatch(address):
        return f'<img src="{address}" alt="{plain(words)}" style="max-width:100%">'
    if linked or not _ADDRESS.match(address):
        return escape(words)
    return f"{_link(address)}{escape(words or address)}</a>"


def _words(tokens: Sequence[Token]) -> str:
    return "".join(
        _words(token.children or []) if token.type == "image" else token.content or " " * (token.tag == "br")
        for token in tokens
    )


def _task(tokens: Sequence[Token], index: int) -> tuple[str, str]:
    """A box before an item that is a task, a character as the page shows no fields to click; and its content."""
    content = tokens[index].content
    is_item = index > 1 and tokens[index - 2].type == "list_item_open"
    if not is_item or not (found := _TASK.match(content)):
        return "", content
    return ("☐ " if found[1] == " " else "☑ "), content[found.end() :]


def _code(token: Token, colours: bool) -> str:  # noqa: FBT001 - the form of a rule
    name = language(token.info) if token.type == "fence" else ""
    return "".join(code_box(token.content, name, colours=colours))


def _too_deep(token: Token, _colours: bool) -> str:  # noqa: FBT001 - the form of a rule
    return f"{_NOTE}{_AS_TEXT}{plain(token.content)}</pre>"


def _cell(token: Token, _colours: bool) -> str:  # noqa: FBT001 - the form of a rule
    side = str(token.attrs.get("style", "text-align:left"))
    return f'<th scope="col" style="{side}">' if token.tag == "th" else f'<td style="{side}">'


def _ordered(token: Token, _colours: bool) -> str:  # noqa: FBT001 - the form of a rule
    start = token.attrs.get("start")
    return "<ol>" if start is None else f'<ol start="{int(start)}">'


_FIXED = {
    **{f"{name}_open": f"<{tag}>" for name, tag in (("paragraph", "p"), ("blockquote", "blockquote"))},
    **{f"{name}_close": f"</{tag}>" for name, tag in (("paragraph", "p"), ("blockquote", "blockquote"))},
    **{f"{name}_open": f"<{name}>" for name in ("thead", "tbody", "tr", "em", "strong", "s")},
    **{f"{name}_close": f"</{name}>" for name in ("thead", "tbody", "tr", "em", "strong", "s", "th", "td")},
    "table_open": '<div tabindex="0" style="margin:0 0 1em;overflow-x:auto"><table style="margin:0">',
    "table_close": "</table></div>",
    "bullet_list_open": "<ul>",
    "bullet_list_close": "</ul>",
    "ordered_list_close": "</ol>",
    "list_item_open": "<li>",
    "list_item_close": "</li>",
    "hr": "<hr>",
    "link_close": "</a>",
    "softbreak": "\n",
    "hardbreak": "<br>",
}
_BLOCKS: dict[str, Callable[[Token, bool], str]] = {
    "heading_open": lambda token, _: f"<{token.tag}>",
    "heading_close": lambda token, _: f"</{token.tag}>",
    "ordered_list_open": _ordered,
    "th_open": _cell,
    "td_open": _cell,
    "fence": _code,
    "code_block": _code,
    "too_deep": _too_deep,
}
_INLINES: dict[str, Callable[[Token], str]] = {
    "text": lambda token: escape(token.content),
    "text_special": lambda token: escape(token.content),  # an entity may name what was cleaned away
    "code_inline": lambda token: f"<code>{plain(token.content)}</code>",
    "math": lambda token: formula(token.content, display=token.markup == "$$"),
}


def _tight_paragraphs(state: StateBlock, index: int) -> None:
    """What the list rule calls for a tight list: inside another list hide its paragraphs, at the top only say so."""
    level, top = state.level + 2, state.tokens[index].level == 0
    state.tokens[index].meta["tight"] = True
    for token in state.tokens[index + 2 :]:
        if token.level == level and token.type in ("paragraph_open", "paragraph_close"):
            token.hidden = not top


def _copy(rule: Any, **names: Any) -> Any:
    """The rule with some of the names its module gives it replaced."""
    return FunctionType(rule.__code__, {**rule.__globals__, **names}, rule.__name__, rule.__defaults__)


def _contained(rule: Any) -> Callable[[StateBlock, int, int, bool], bool]:
    """The rule of a quote or list; nested too deeply, it takes all that follows there as text, and a note says so."""

    def contained(state: StateBlock, start: int, end: int, silent: bool) -> bool:  # noqa: FBT001 - the form of a rule
        if state.level < _DEEPEST or silent:
            return cast("bool", rule(state, start, end, silent))
        if not rule(state, start, end, True):  # noqa: FBT003 - the form of a rule
            return False
        line = start + 1
        while line < end and (state.isEmpty(line) or not 0 <= state.sCount[line] < state.blkIndent):
            line += 1
        token = state.push("too_deep", "", 0)
        token.content, token.map = state.getLines(start, line, state.blkIndent, keepLastLF=False), [start, line]
        state.line = line
        return True

    return contained


def _one_line_reference(state: StateBlock, start: int, _end: int, silent: bool) -> bool:  # noqa: FBT001 - a rule's form
    """The reference rule that sees one line: a title on the next would reach into a block that is not there yet."""
    first = state.bMarks[start] + state.tShift[start]
    if not _LABEL.match(state.src, first, state.eMarks[start]):
        return False
    last, state.lineMax = state.lineMax, start + 1
    try:
        return reference(state, start, start + 1, silent)
    finally:
        state.lineMax = last


def _long_run(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 - the form of a rule
    """A hundred thousand stars are text, not fifty thousand marks."""
    run = _LONG_RUN.match(state.src, state.pos, state.posMax)
    if run is None:
        return False
    if not silent:
        state.pending += run[0]
    state.pos = run.end()
    return True


class _Parser(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: ARG002, N802 - markdown-it's name
        """Every link is read as one: what its address may be, `_link` and `_image` say."""
        return True


def _parser() -> MarkdownIt:
    md = _Parser("commonmark", {"html": False, "maxNesting": 20}).enable(["table", "strikethrough"])
    block, inlines = md.block.ruler, md.inline.ruler
    ends: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    block.at("table", _copy(table, MAX_AUTOCOMPLETED_CELLS=300), {"alt": ["paragraph", "reference"]})
    block.at("blockquote", _contained(blockquote), ends)
    block.at("list", _contained(_copy(list_block, markTightParagraphs=_tight_paragraphs)), {"alt": ends["alt"][:3]})
    block.at("reference", _one_line_reference)
    block.before("fence", "math", math_block, ends)
    inlines.before("escape", "math", math_inline)
    inlines.before("strikethrough", "long_run", _long_run)
    md.inline.ruler2.before("fragments_join", "close_open", close_open)
    return md


_md = _parser()
