"""What a function of the notebook gave, as the text that goes back to the model."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

from pydantic_core import to_jsonable_python

from lk_notebook.core import tables

_LONGEST = 50_000  # characters, some 12 000 tokens
_LARGE = 1_000  # numbers of an array inside a result that are all told


def result_text(value: Any) -> str:
    """Texts as they are, tables as Markdown, shortened; all else as JSON, or as `str` says it where it has no JSON.

    Example:
        >>> result_text(5), result_text("as it is"), result_text({"größe": None})
        ('5', 'as it is', '{"größe": null}')

    None is `null`: some providers refuse an empty result. Dataclasses, pydantic models, dates, enums, sets and numpy's
    numbers have a JSON form, also inside lists and dicts. What is longer than 50 000 characters is cut, with a note.
    The `__str__` of the value is the user's own and may raise anything.
    """
    text = _text(value)
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}\n\n(cut: the first {_LONGEST} of {len(text)} characters)"
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return str.__str__(value)  # of an enum of texts its value
    if isinstance(value, Iterator):  # it may have no end
        return str(value)
    table = None if isinstance(value, list) else tables.text_of(value, sys.modules)
    if table is not None:
        return table
    try:
        plain = to_jsonable_python(value, fallback=_plain)
        return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
    except (ValueError, TypeError, RecursionError):  # pandas' NaT, bytes that are no text, a list in itself
        return _rougher(value)


def _rougher(value: Any) -> str:
    try:
        return json.dumps(value, default=_plain, ensure_ascii=False) if isinstance(value, list | dict) else str(value)
    except (ValueError, TypeError, RecursionError):
        return str(value)


def _plain(value: Any) -> Any:
    """A value inside another that has no JSON of its own."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.generic):
        return value.item()
    if numpy is not None and isinstance(value, numpy.ndarray) and value.size <= _LARGE:
        return value.tolist()
    table = tables.text_of(value, sys.modules)
    return str(value) if table is None else table
