"""Code in a reply: a box with the language in its head, coloured by Pygments in the colours of JupyterLab's editor."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from html import escape

from pygments.lexer import Lexer
from pygments.lexers import get_all_lexers, get_lexer_by_name
from pygments.token import Token, _TokenType

from lk_notebook.core.text import clean, plain

# Many lexers take time that grows with the square of the text, some with that of a run of one character. So that no
# reply holds the kernel up, code is coloured in parts; long code, long lines and odd runs stay plain. In characters.
_LONGEST, _PART = 40_000, 2_500
_RUN = re.compile(r"(.)\1{99}|\s{100}", re.DOTALL)
_JOINT = re.compile(r"(?<=\n\n)(?=\S)")
_LANGUAGE = re.compile(r"[\w+#.\-]{1,40}")

# JupyterLab 4 brings no style for Pygments' classes: code names the colours of the theme's editor, by short names that
# what stands around it defines.
_COLOURS = {
    "k": ("keyword", "#008000"),
    "b": ("builtin", "#008000"),
    "d": ("def", "#00f"),
    "s": ("string", "#ba2121"),
    "n": ("number", "#080"),
    "c": ("comment", "#408080"),
    "o": ("operator", "#7800c2"),
    "m": ("meta", "#a2f"),
    "t": ("tag", "#170"),
    "a": ("attribute", "#00c"),
}
_KINDS = {
    Token.Keyword: "k",
    Token.Operator.Word: "k",
    Token.Operator: "o",
    Token.Name.Builtin: "b",
    Token.Name.Function: "d",
    Token.Name.Class: "d",
    Token.Name.Decorator: "m",
    Token.Name.Tag: "t",
    Token.Name.Attribute: "a",
    Token.Literal.String: "s",
    Token.Literal.Number: "n",
    Token.Comment: "c",
    Token.Comment.Preproc: "m",
    Token.Generic.Inserted: "n",
    Token.Generic.Deleted: "s",
    Token.Generic.Heading: "k",
    Token.Generic.Subheading: "m",
    Token.Generic.Prompt: "m",
}
_USED = re.compile(r' style="color:var\(--lk-(\w)\)"')
_TAGS = {"k": "b", "c": "i"}  # bold and italic stay where a sanitiser drops the colours
_BOX = (
    '<div class="lk-code highlight" style="margin:0 0 1em;border:1px solid var(--jp-border-color2,#e0e0e0);'
    'border-radius:3px;background:var(--jp-cell-editor-background,#f5f5f5)">'
)
_HEAD = '<div style="padding:4px 8px 0;font-size:12px;color:var(--jp-ui-font-color2,#616161)">'
_PRE = (
    '<pre tabindex="0" style="margin:0;padding:8px;background:none;overflow-x:auto;line-height:1.4">'
    '<code style="background:none;white-space:pre">'
)


def language(info: str) -> str:
    """The language an info string names, or nothing.

    Example:
        >>> language("{python} title=x")
        'python'
    """
    found = _LANGUAGE.search(clean(info.split(maxsplit=1)[0] if info.strip() else ""))
    return found[0] if found else ""


def code_box(code: str, name: str, *, colours: bool = True) -> tuple[str, str, str]:
    """The HTML of a block of code in three parts: what stands before the code, the code, what stands after.

    Example:
        >>> code_box("x < 1", "")[1:]
        ('x &lt; 1', '</code></pre></div>')
    """
    head = f"{_HEAD}{plain(name)}</div>" if name else ""
    shown = coloured(code, name) if colours else plain(code)
    return f"{_BOX}{head}{_PRE}", shown, "</code></pre></div>"


def colours(html: str) -> str:
    """The style that defines the colours of all code in the HTML, for an element around it; a view's CSS has them all.

    Example:
        >>> colours("".join(code_box("1", "python")))
        '--lk-n:var(--jp-mirror-editor-number-color,#080)'
    """
    used = sorted(set(_USED.findall(html)))
    return ";".join(f"--lk-{key}:var(--jp-mirror-editor-{_COLOURS[key][0]}-color,{_COLOURS[key][1]})" for key in used)


def coloured(code: str, name: str) -> str:
    """The code as HTML, in colours where the language is known.

    Example:
        >>> coloured("if 1:", "python")
        '<b style="color:var(--lk-k)">if </b><span style="color:var(--lk-n)">1</span>:'
    """
    code = clean(code)
    lexer = _lexer(name.lower()) if name and len(code) <= _LONGEST and not _RUN.search(code) else None
    if lexer is None:
        return plain(code)
    return "".join(_coloured(part, lexer) if len(part) <= _PART else plain(part) for part in _parts(code))


def _coloured(code: str, lexer: Lexer) -> str:
    tokens = list(lexer.get_tokens(code))
    if "".join(value for _, value in tokens) != code:
        return plain(code)  # some lexers drop what they do not expect
    out: list[str] = []
    kind, text = "", ""
    for token, value in tokens:
        new = _kind(token) if not value.isspace() else kind  # blanks need no colour of their own
        if new != kind:
            out.append(_span(kind, text))
            kind, text = new, ""
        text += value
    out.append(_span(kind, text))
    return "".join(out)


def _parts(code: str) -> Iterator[str]:
    """The code cut between blocks if that can be, else at an empty line, else between lines."""
    start = 0
    while len(code) - start > _PART:
        end = start + _PART
        joints = [joint.start() for joint in _JOINT.finditer(code, start + 1, end)]
        cut = joints[-1] if joints else code.rfind("\n\n", start, end) + 2
        cut = cut if cut > start + 1 else code.rfind("\n", start, end) + 1
        cut = cut if cut > start else code.find("\n", end) + 1 or len(code)
        yield code[start:cut]
        start = cut
    yield code[start:]


def _span(kind: str, text: str) -> str:
    escaped = escape(text, quote=False)
    tag = _TAGS.get(kind, "span")
    return f'<{tag} style="color:var(--lk-{kind})">{escaped}</{tag}>' if kind else escaped


@cache
def _kind(token: _TokenType) -> str:
    """The short name of a token's colour: that of the nearest ancestor that has one."""
    nearest: _TokenType | None = token
    while nearest is not None and nearest not in _KINDS:
        nearest = nearest.parent
    return _KINDS[nearest] if nearest is not None else ""


@cache
def _aliases() -> frozenset[str]:
    # Without plugins: an unknown name would otherwise load every entry point of the environment, each time.
    return frozenset(alias for _, aliases, _, _ in get_all_lexers(plugins=False) for alias in aliases)


@cache
def _known_lexer(name: str) -> Lexer:
    return get_lexer_by_name(name, stripnl=False, ensurenl=False)


def _lexer(name: str) -> Lexer | None:
    return _known_lexer(name) if name in _aliases() else None
