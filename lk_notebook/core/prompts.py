r"""Prompts: `{{ expression }}` and the text a value becomes.

What stands between `{{` and the nearest `}}` that makes it a Python expression is evaluated, once; what comes out is
never looked at again. All else stays as typed: single braces, JSON, `{% %}`, `$x`, a `{{` without its `}}`, and double
braces around what cannot have been meant as Python: nothing, `#if x`, `\alpha`, `"key": 1` (a dict without its braces,
as templates of `str.format` write it). Other double braces are an error, so that a slip of the pen is not sent as it
stands. LaTeX's `\frac{{a}}{b}` does hold the expression `a`: `--raw`, or a blank between the braces, keeps it.
"""

from __future__ import annotations

import ast
import builtins
import re
import symtable
import sys
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from types import CodeType
from typing import Any

from lk_notebook.core import tables
from lk_notebook.errors import PromptError

_LONGEST = 10_000  # characters between the braces; more is no expression, and takes long to find out
_TRIES = 16  # how many }} after a {{ are tried as its end; each but the last stood in a text or dict
_RAW = "--raw sends the prompt as typed."


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of the text: as typed, or the source of an expression."""

    text: str
    source: str | None = None


def expand(
    text: str,
    evaluate: Callable[[str], Any],
    *,
    show: Callable[[Any], str] | None = None,
    known: Collection[str] = (),
) -> str:
    """The text with the value of each `{{ expression }}` in its place.

    Example:
        >>> expand("{{ a }} and {b}", {"a": "{{ b }}"}.get)
        '{{ b }} and {b}'

    Each expression is evaluated once; values are never expanded. `show` makes a text of a value, else `as_text`.
    `known` are names that count as expressions though they are none to Python, such as columns with a blank.

    Raises:
        PromptError: an expression fails, or is none; the error names it.
    """
    pieces = list(_pieces(text, known))  # all of them are read before the first is evaluated
    return "".join(p.text if p.source is None else _evaluated(p, evaluate, show or as_text) for p in pieces)


def template(text: str, columns: Collection[str]) -> Callable[[Mapping[str, Any]], str]:
    """The text as a function of a row, whose columns are the names; read and compiled once.

    Example:
        >>> template("{{ name }} is {{ age + 1 }}", ["name", "age"])({"name": "Ada", "age": 35})
        'Ada is 36'

    Raises:
        PromptError: double braces hold what is no expression, or a name that is no column; when called, an
            expression fails for that row.
    """
    pieces = list(_pieces(text, columns))
    codes = [None if p.source is None or p.source in columns else _compiled(p, columns) for p in pieces]

    def fill(row: Mapping[str, Any]) -> str:
        def evaluate(piece: _Piece, code: CodeType | None) -> str:
            get = row.__getitem__ if code is None else lambda _: eval(code, {**row, "__builtins__": builtins})  # noqa: S307
            return str(_evaluated(piece, get, as_text))

        return "".join(p.text if p.source is None else evaluate(p, code) for p, code in zip(pieces, codes, strict=True))

    return fill


def _compiled(piece: _Piece, columns: Collection[str]) -> CodeType:
    source = piece.source or ""
    code = compile(source, "<prompt>", "eval")
    read = _unbound(symtable.symtable(source, "<prompt>", "eval"))
    unknown = [name for name in read if name not in columns and not hasattr(builtins, name)]
    if unknown:
        raise PromptError(
            f"{{{{ {piece.text} }}}}: {unknown[0]} is no column.", f"The rows have {', '.join(map(str, columns))}."
        )
    return code


def _unbound(table: symtable.SymbolTable) -> Iterator[str]:
    """The names that an expression reads and does not bind, also in its comprehensions and lambdas."""
    yield from (name.get_name() for name in table.get_symbols() if name.is_global() and not name.is_assigned())
    for inner in table.get_children():
        yield from _unbound(inner)


def value(text: str, evaluate: Callable[[str], Any], *, known: Collection[str] = ()) -> Any:
    """The object itself where the text is one `{{ expression }}` and no more; else the expanded text.

    Example:
        >>> value("{{ a }}", {"a": [1]}.get), value("no {{ a }}", {"a": [1]}.get)
        ([1], 'no [1]')

    Raises:
        PromptError: as in `expand`.
    """
    if is_expression(text, known=known):
        piece = next(iter(_pieces(text.strip(), known)))
        return _evaluated(piece, evaluate, lambda found: found)
    return expand(text, evaluate, known=known)


def names(text: str, *, known: Collection[str] = ()) -> list[str]:
    """The expressions of a text, as they were typed, in their order.

    Example:
        >>> names("{{ a }}, {{ b.c }} and {d}")
        ['a', 'b.c']

    Raises:
        PromptError: double braces hold what is no expression.
    """
    return [piece.text for piece in _pieces(text, known) if piece.source is not None]


def is_expression(text: str, *, known: Collection[str] = ()) -> bool:
    """Whether the text is one `{{ expression }}` and no more, blanks around it aside.

    Example:
        >>> is_expression(" {{ a }} "), is_expression("{{ a }}{{ b }}"), is_expression("a")
        (True, False, False)

    Raises:
        PromptError: as in `names`.
    """
    pieces = list(_pieces(text.strip(), known))
    return len(pieces) == 1 and pieces[0].source is not None


def _pieces(text: str, known: Collection[str]) -> Iterator[_Piece]:
    start = at = 0
    last = text.rfind("}}")
    while 0 <= (at := text.find("{{", at)) < last:
        found = _expression(text, at + 2, known)
        if found is None:
            at += 1 if text.startswith("{{{", at) else 2  # the third brace may open with the second
            continue
        source, end = found
        if at > start:
            yield _Piece(text[start:at])
        yield _Piece(text[at + 2 : end].strip(), source)
        start = at = end + 2
    if start < len(text):
        yield _Piece(text[start:])


def _expression(text: str, start: int, known: Collection[str]) -> tuple[str, int] | None:
    """The expression that starts here and where it ends; None where the braces stand for themselves."""
    first = text.find("}}", start, start + _LONGEST)
    if first < 0 or _NEVER_PYTHON.match(text[start:first].strip()):
        return None
    for end in islice(_ends(text, first), _TRIES):
        typed = text[start:end].strip()
        if typed in known:
            return typed, end
        source = _python(typed)
        if source is not None and not (text[start] == "{" and _is_set(source)):
            return source, end
    typed = text[start:first].strip()
    if text[start] == "{" or (":" in typed and _python(f"{{{typed}}}") is not None):
        return None
    raise PromptError(f"{{{{ {typed} }}}} is no Python expression.", f"Mend it; {_RAW}")


def _ends(text: str, at: int) -> Iterator[int]:
    while at >= 0:
        yield at
        at = text.find("}}", at + 1)


# No expression is empty, starts with one of these, or holds a backslash before its first quote.
_NEVER_PYTHON = re.compile(r"$|[#/\\%!^&|>:.,;*=?@$<)\]}]|[^\"']*\\")


def _python(typed: str) -> str | None:
    """The source to evaluate, or None where it is no expression. One over several lines goes into parentheses."""
    for source in (typed, f"({typed}\n)") if "\n" in typed else (typed,):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SyntaxWarning)
                warnings.simplefilter("ignore", DeprecationWarning)
                ast.parse(source, mode="eval")
        except (SyntaxError, ValueError, MemoryError, RecursionError):
            continue
        return source
    return None


def _is_set(source: str) -> bool:
    """`{{{ a }}}` is no set, but a value in single braces, as `str.format` and JSON templates have it."""
    return isinstance(ast.parse(source, mode="eval").body, ast.Set)


def _evaluated(piece: _Piece, evaluate: Callable[[str], Any], show: Callable[[Any], Any]) -> Any:
    try:
        return show(evaluate(piece.source or ""))
    except Exception as error:  # the user's own code: it may raise anything
        what = f"{{{{ {piece.text} }}}} fails: {type(error).__name__}: {error}"
        raise PromptError(what, f"Nothing was sent. Mend the expression; {_RAW}") from error


def as_text(found: Any) -> str:
    """The text a value becomes in a prompt: tables as Markdown, shortened with a note; all else as `str` says it.

    Example:
        >>> as_text("as it is"), as_text(0.5)
        ('as it is', '0.5')
        >>> print(as_text([{"who": "ada", "age": 36}, {"who": "bob"}]))
        | who | age |
        | --- | --- |
        | ada | 36 |
        | bob |  |
    """
    table = tables.text_of(found, sys.modules)
    return str(found) if table is None else table
