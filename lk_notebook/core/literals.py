"""Values as they are typed: Python's literal, else JSON's, else the word itself; `{{ … }}` in them filled in."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

from lk_notebook.core import prompts
from lk_notebook.errors import ConfigurationError


def literal(text: str, name: str = "") -> Any:
    """The value that a text stands for: Python's literal, else JSON's, else the word itself.

    Example:
        >>> [literal(text) for text in ("0.5", "True", "true", "low", "[1, null]", "{name}")]
        [0.5, True, True, 'low', [1, None], '{name}']

    Raises:
        ConfigurationError: it starts as a text, list or dict and is none. `name` is what the error calls it.
    """
    text = text.strip()
    value = _python(text)
    if value is not _NONE:
        return value
    try:
        return json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError):
        pass
    # `user={name}` is a word in braces; `{a: 1}` and `{"a" 1}` were meant to be a dict.
    if text[:1] in {*"\"'[("} or (text[:1] == "{" and re.search("[\"':,]", text)):
        _broken(text, name)
    return text


def _broken(text: str, name: str) -> NoReturn:
    raise ConfigurationError(
        f"{name + ': ' if name else ''}{text} is neither a Python literal nor JSON.",
        'Texts in a list or dict are quoted: stop=["a", "b"], metadata={"team": "x"}.',
    )


_NONE = object()  # no literal; None is one
_JSON_NAMES = {"true": True, "false": False, "null": None}


class _JsonNames(ast.NodeTransformer):
    """JSON's true, false and null, wherever they stand in Python's literal."""

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.copy_location(ast.Constant(_JSON_NAMES[node.id]), node) if node.id in _JSON_NAMES else node


def _python(text: str) -> Any:
    """The Python literal that a text is, JSON's names included; `_NONE` where it is none."""
    if text == "...":  # to Python an ellipsis, to everybody else three dots
        return _NONE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # "\d" is as the user typed it
            warnings.simplefilter("ignore", DeprecationWarning)
            return ast.literal_eval(_JsonNames().visit(ast.parse(text, mode="eval")))
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return _NONE


def _no_number(word: str) -> NoReturn:
    raise ValueError(word)


def resolve(text: str, evaluate: Callable[[str], Any], name: str = "") -> Any:
    """The value of KEY=TEXT with its `{{ … }}` filled in: one alone is the object itself.

    Example:
        >>> resolve('["a", {{ x }}]', {"x": "{{ y }}"}.get)
        ['a', '{{ y }}']

    In quotes an expression becomes text; bare, in a list or dict, it becomes its own value.

    Raises:
        ConfigurationError: as in `literal`.
        PromptError: as in `prompts.expand`.
    """
    if not prompts.names(text):
        return literal(text, name)
    value = literal(text, name) if _python(text) is not _NONE else _NONE
    if value is not _NONE:
        return _filled(value, evaluate)
    if text.lstrip()[:1] in {*"[({"} and not prompts.is_expression(text):
        return literal(prompts.expand(text, evaluate, show=repr), name)
    return prompts.value(text, evaluate)


def _filled(value: Any, evaluate: Callable[[str], Any]) -> Any:
    """A literal with the expressions in its texts filled in."""
    if isinstance(value, str):
        return prompts.expand(value, evaluate)
    if isinstance(value, dict):
        return {_filled(key, evaluate): _filled(item, evaluate) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_filled(item, evaluate) for item in value]
    return value


def unquoted(text: str, name: str = "", *, path: bool = False) -> str:
    r"""A word or an option's value without its quotes, which are those of Python: "a\nb", r"\frac"."""
    body = text.lstrip("rRuU")
    if not body.startswith(('"', "'")) or len(text) - len(body) > 1:
        return text
    if path and text is body:
        text = "r" + text
    value = _python(text)
    if not isinstance(value, str):
        _broken(text, name)
    return value


