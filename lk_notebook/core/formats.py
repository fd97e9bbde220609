"""What becomes of an answer in another format than Markdown: its code, the next cell, a sandboxed page, JSON."""

from __future__ import annotations

import ast
import dataclasses
import html
import json
import re
import textwrap
import warnings
from typing import Any, NamedTuple

from lk_notebook.core.highlight import code_box, language
from lk_notebook.core.markdown import lex
from lk_notebook.core.text import clean, escape

FORMATS = ("markdown", "text", "code", "json", "html")

_PYTHON = frozenset({"python", "py", "python3", "py3", "ipython", "ipython3", "pycon"})
_OUTPUT = frozenset({"text", "txt", "plain", "plaintext", "output", "console", "shell-session", "traceback"})
_MAGICS = {  # the languages a notebook runs by a cell magic that IPython itself brings
    **dict.fromkeys(("bash", "shell"), "%%bash"),
    **dict.fromkeys(("javascript", "js"), "%%javascript"),
    **dict.fromkeys(("latex", "tex"), "%%latex"),
    **dict.fromkeys(("markdown", "md"), "%%markdown"),
    **{name: f"%%{name}" for name in ("html", "perl", "ruby", "sh", "svg")},
}
_HTML = frozenset({"html", "htm", "xhtml", "svg"})

# Both documents begin with it. The frame around is needed: of a single one a click on `<a target="_self">` leads out,
# while a frame inside is held by the policy of the document around it.
_POLICY = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">"
)
_FILL = "<style>html,body{margin:0;height:100%;overflow:hidden}</style>"
_INERT = '<base target="_blank">'  # a new tab is not allowed, so a click on a link does nothing
_LINK = re.compile(r"<link(?=[\s/>])", re.IGNORECASE)  # `rel="preconnect"` connects, whatever the policy says
_OUTER = (
    "box-sizing:border-box;width:100%;height:420px;resize:vertical;"
    "border:1px solid var(--jp-border-color2,#e0e0e0);background:#fff"
)
_INNER = "display:block;width:100%;height:100%;border:0;color-scheme:light"

_LONGEST_JSON = 20_000  # characters


class Fence(NamedTuple):
    """A fenced block of code: its language in small letters or "", its code, and where in the text it stands.

    `text[start:end]` are its lines, with those of the fence itself.
    """

    language: str
    code: str
    start: int
    end: int


def fences(text: str) -> list[Fence]:
    r"""The fenced blocks of a Markdown text (CommonMark 0.31, 4.5), also those in lists and quotes.

    Example:
        >>> fences("So:\n```Python\nx = 1\n```\n")
        [Fence(language='python', code='x = 1\n', start=4, end=24)]

    A fence that is never closed holds the rest of the text. A block that is only indented is none.
    """
    lines = re.split(r"(?<=\n)|(?<=\r)(?!\n)", text)
    marks = [0]
    for line in lines:
        marks.append(marks[-1] + len(line))
    blocks = lex(re.sub(r"\r\n?", "\n", text), {}).blocks
    tokens = [token for block in blocks for token in block.tokens if token.type == "fence"]
    found = []
    for token in tokens:
        first, last = token.map or [0, 0]
        start, end = marks[first], marks[min(last, len(lines))]
        found.append(Fence(language(token.info).lower(), token.content, start, end))
    return found


def next_cell(text: str) -> str:
    r"""The code of an answer as the source of a cell; nothing where it holds none that a notebook runs.

    Example:
        >>> next_cell("```python\nx = 1\n```\nthen\n```python\nx + 1\n```")
        'x = 1\n\nx + 1'
        >>> next_cell("```bash\nls\n```"), next_cell("Just words.")
        ('%%bash\nls', '')

    Python blocks follow each other. A block of another language gets its cell magic if it is the only kind. Are there
    several kinds, a comment names the kind of each, and what is not Python is commented out, as one cell runs one
    language. A block without a language counts as Python only if it can be read so, and no block names a language:
    else it is mostly what a program prints. A text without blocks counts if it is Python, and not merely words.
    """
    found = fences(text)
    if not found:
        whole = clean(text).strip()
        return whole if _is_python(whole) else ""
    parts = [(_kind(fence), _source(fence)) for fence in found]
    parts = [(kind, code) for kind, code in parts if code and kind not in _OUTPUT]
    if any(kind for kind, _ in parts):
        parts = [(kind, code) for kind, code in parts if kind]
    else:
        parts = [("python", code) for _, code in parts if _is_python(code)]
    kinds = {kind for kind, _ in parts}
    joined = "\n\n".join(code for _, code in parts)
    if kinds <= {"python"} or (len(parts) == 1 and parts[0][0].startswith("%%")):
        return joined
    if len(kinds) == 1 and (magic := _MAGICS.get(parts[0][0])):
        return f"{magic}\n{joined}"
    runnable = any(kind in _MAGICS or kind == "python" or kind.startswith("%%") for kind in kinds)
    return "\n\n".join(_introduced(kind, code) for kind, code in parts) if runnable and len(kinds) > 1 else ""


def sandboxed(text: str) -> str:
    """The HTML of an answer in a frame that runs no script and reaches no network; links do nothing.

    Example:
        >>> sandboxed("<b>hi</b>")[:41]
        '<iframe sandbox="" title="HTML of the ans'

    The HTML of its ```html blocks, else the whole text. Pictures are shown where they are `data:` URLs. The frame can
    be made higher by its lower corner.
    """
    page = f"{_POLICY}{_INERT}{_LINK.sub('<lk-link', _markup(text))}"
    return _frame(f"{_POLICY}{_FILL}{_frame(page, _INNER)}", _OUTER)


def plain_of_html(text: str) -> str:
    """The words of the same HTML, line by line, for where no frame is shown.

    Example:
        >>> print(plain_of_html("<h1>Hi</h1><ul><li>a &amp; b<li>c</ul>"))
        Hi
        - a & b
        - c
    """
    words = _Words()
    markup, at = _markup(text), 0
    for tag in _TAG.finditer(markup):
        words.add(markup[at : tag.start()])
        words.enter(tag)
        at = tag.end()
    words.add(markup[at:])
    return "\n".join(line.rstrip() for line in clean("".join(words.out)).split("\n") if line.strip())


def json_html(value: Any) -> str:
    r"""A value that was parsed from JSON, written with its indents and coloured; a huge one is shortened with a note.

    Example:
        >>> "Shortened" in json_html([0] * 9), "Shortened" in json_html([0] * 9_000)
        (False, True)
    """
    try:
        text = json.dumps(value, indent=2, ensure_ascii=False, default=_as_json)
    except RecursionError:
        text = "Nested too deeply to be shown: see reply.text."
    note = ""
    if len(text) > _LONGEST_JSON:
        shown = text[:_LONGEST_JSON].rpartition("\n")[0] or text[:_LONGEST_JSON]
        sizes = [f"{len(part):,}".replace(",", " ") for part in (shown, text)]
        text = f"{shown}\n…"
        note = f"<p>{escape(f'Shortened: {sizes[0]} of {sizes[1]} characters are shown; reply.parsed holds all.')}</p>"
    return "".join(code_box(text, "json")) + note


def _as_json(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    dump = getattr(value, "model_dump", None)  # pydantic
    return dump(mode="json") if callable(dump) else str(value)


def _kind(fence: Fence) -> str:
    """Its language, "python" for each of its names; the cell magic that a block of Python begins with."""
    if fence.language not in _PYTHON:
        return fence.language
    magic = re.match(r"\s*(%%\w+)", fence.code)
    return magic[1] if magic else "python"


def _source(fence: Fence) -> str:
    code = textwrap.dedent(clean(fence.code)).strip("\n").rstrip()
    if not code.startswith(">>>"):
        return code
    lines = [line for line in code.split("\n") if line.startswith((">>>", "..."))]  # the others are what came out
    return "\n".join(line[4:] for line in lines).rstrip()


def _introduced(kind: str, code: str) -> str:
    if kind == "python":
        return f"# {kind}\n{code}"
    return "\n".join(
        [f"# {'python' if kind.startswith('%%') else kind}", *(f"# {line}".rstrip() for line in code.split("\n"))]
    )


# What a few words may look like to Python: "Yes", "Hello, Ada", "this is it", "Note: not sure", "well-known".
_WORDS = (
    *(ast.Module, ast.Expr, ast.AnnAssign, ast.Name, ast.Load, ast.Store, ast.Tuple, ast.Constant, ast.Attribute),
    *(ast.Compare, ast.Is, ast.IsNot, ast.In, ast.NotIn, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not),
    *(ast.BinOp, ast.Sub),
)


def _is_python(code: str) -> bool:
    """Whether it can be read as Python (with IPython's own lines), and is not merely words."""
    plain = re.sub(r"(?m)^([ \t]*)[%!].*", r"\1pass", code)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree: Any = compile(plain, "", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    return any(not isinstance(node, _WORDS) for node in ast.walk(tree))


def _markup(text: str) -> str:
    """The HTML of an answer: that of its blocks of HTML, or of a nameless block that is HTML, or all of it."""
    found = fences(text)
    named = [fence.code for fence in found if fence.language in _HTML]
    nameless = [fence.code for fence in found if fence.language in ("", "xml") and fence.code.lstrip().startswith("<")]
    return clean("\n".join(named or nameless) or text)


def _frame(document: str, style: str) -> str:
    return (
        f'<iframe sandbox="" title="HTML of the answer" style="{html.escape(style)}" '
        f'srcdoc="{html.escape(document)}"></iframe>'
    )


# Python's own parser takes minutes for 90 kB of "<a "; here each character is read once.
_TAG = re.compile(
    r"<!--.*?(?:-->|\Z)|<(?:script|style|template|title)\b.*?(?:</(?:script|style|template|title)\s*>|\Z)"
    r"""|<(?P<end>/?)(?P<name>[a-z][a-z0-9-]*)(?P<attributes>(?:[^>"']|"[^"]*"|'[^']*')*)>?|<[!?][^>]*>?""",
    re.IGNORECASE | re.DOTALL,
)
_ALT = re.compile(r"""\balt\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+))""", re.IGNORECASE)
_LINES = re.compile(
    "address|article|aside|blockquote|body|br|caption|dd|details|div|dl|dt|fieldset|figcaption|figure|footer|form|h[1-6]"
    "|header|hr|li|main|nav|ol|option|p|pre|section|summary|table|tbody|tfoot|thead|tr|ul"
)


class _Words:
    """Collects the words of HTML, a line for each block."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self._exact = 0  # how many `pre` are open

    def enter(self, tag: re.Match[str]) -> None:
        name, starts = (tag["name"] or "").lower(), not tag["end"]
        if name == "pre":
            self._exact = max(0, self._exact + (1 if starts else -1))
        if _LINES.fullmatch(name):
            self.out.append("\n- " if name == "li" and starts else "\n")
        elif name in ("td", "th") and starts and not self._at_start():
            self.out[-1] = self.out[-1].rstrip(" ")
            self.out.append(" | ")
        elif name == "img" and (alt := _ALT.search(tag["attributes"])):
            self.add(alt[1] or alt[2] or alt[3] or "")

    def add(self, text: str) -> None:
        words = text if self._exact else re.sub(r"\s+", " ", text)
        if not self._exact and self._at_start():
            words = words.lstrip()
        if words:
            self.out.append(html.unescape(words))

    def _at_start(self) -> bool:
        return not self.out or self.out[-1].endswith(("\n", "- ", "| "))
