"""Values as they are typed: Python's literal, else JSON's, else the word itself; `{{ … }}` in them filled in."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from lk_notebook.core import prompts
from lk_notebook.errors import ConfigurationError

_NO_LITERAL = object()  # None is one
_JSON_NAMES = {"true": True, "false": False, "null": None}


def literal(text: str, name: str = "") -> Any:
    """The value that a text stands for: a literal of Python or JSON, else the word itself.

    Example:
        >>> [literal(text) for text in ("0.5", "True", "true", "low", "[1, null]", "{name}")]
        [0.5, True, True, 'low', [1, None], '{name}']

    Raises:
        ConfigurationError: it starts as a text, list or dict and is none. `name` is what the error calls it.
    """
    text = text.strip()
    value = _python(text, _JSON_NAMES)
    if value is not _NO_LITERAL:
        return value
    _refuse_broken(text, name)
    return text


def resolve(text: str, evaluate: Callable[[str], Any], name: str = "") -> Any:
    """The value of KEY=TEXT with its `{{ … }}` filled in: one alone is the object itself.

    Example:
        >>> resolve('["a", {{ x }}, "b {{ x }}"]', {"x": "{{ y }}"}.get)
        ['a', '{{ y }}', 'b {{ y }}']

    In quotes an expression becomes text; bare, in a list or dict, it is its own value.

    Raises:
        ConfigurationError: as in `literal`.
        PromptError: as in `prompts.expand`.
    """
    text = text.strip()
    # Each value is held by a name of its own while the literal around it is read: nothing of a value is ever parsed.
    mark = "_value"
    while mark in text:
        mark += "_"
    held: dict[str, Any] = {}

    def hold(value: Any) -> str:
        held[key := f"{mark}{len(held)}_"] = value
        return key

    typed = prompts.expand(text, evaluate, show=hold)
    value = _python(typed, {**_JSON_NAMES, **held})
    if value is not _NO_LITERAL:
        return value
    _refuse_broken(text, name)
    return _released(typed, held)


def unquoted(text: str, name: str = "", *, path: bool = False) -> str:
    r"""A word, or an option's value, without its quotes; they are those of Python: "a\nb", r"\frac".

    Example:
        >>> unquoted('"You are terse."'), unquoted("terse"), unquoted(r'"C:\new"', path=True)
        ('You are terse.', 'terse', 'C:\\new')

    Raises:
        ConfigurationError: something follows the closing quote.
    """
    if not re.match("[rRuU]?[\"']", text):
        return text
    value = _python(f"r{text}" if path and text[0] in "\"'" else text, {})
    if not isinstance(value, str):
        raise _broken(text, name)
    return value


def _refuse_broken(text: str, name: str) -> None:
    """`user={name}` is a word in braces; `{a: 1}` and `{"a" 1}` were meant to be a dict."""
    if text[:1] in {*"\"'[("} or (text[:1] == "{" and re.search("[\"':,]", text)):
        raise _broken(text, name)


def _broken(text: str, name: str) -> ConfigurationError:
    return ConfigurationError(
        f"{name + ': ' if name else ''}{text} is neither a Python literal nor JSON.",
        'Texts in a list or dict are quoted: stop=["a", "b"], metadata={"team": "x"}.',
    )


class _Held(ast.NodeTransformer):
    """Puts values in the place of names, and their text into the quoted texts that hold such a name."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id not in self.values:
            return node
        return ast.copy_location(ast.Constant(self.values[node.id]), node)

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if not isinstance(node.value, str):
            return node
        values = {name: value for name, value in self.values.items() if name not in _JSON_NAMES}
        return ast.copy_location(ast.Constant(_released(node.value, values)), node)


def _released(text: str, held: Mapping[str, Any]) -> str:
    """The text with each held value, as text, in the place of its name."""
    if not held:
        return text
    return re.sub("|".join(held), lambda found: prompts.as_text(held[found[0]]), text)


def _python(text: str, values: Mapping[str, Any]) -> Any:
    """The literal that a text is, with values for some names; `_NO_LITERAL` where it is none."""
    if text == "...":  # to Python an ellipsis, to everybody else three dots
        return _NO_LITERAL
    if text[:1] in {'"', "[", "{"} and values == _JSON_NAMES:
        try:  # the two agree but for escapes: JSON writes an emoji as two halves, which Python leaves apart
            return json.loads(text, parse_constant=_no_number)
        except (ValueError, RecursionError):
            pass
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # "\d" is as the user typed it
            warnings.simplefilter("ignore", DeprecationWarning)
            return ast.literal_eval(_Held(values).visit(ast.parse(text, mode="eval")))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return _NO_LITERAL


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)
