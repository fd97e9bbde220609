"""The JSON value in an answer: the whole text, in a fence, or in the middle of prose."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from lk_notebook.errors import SchemaError

# The closing fence stands on a line of its own, so that one inside a JSON text does not end it.
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([^\s`]*)[^\n`]*\n(.*?)^[ \t]*\1[ \t\r]*$", re.DOTALL | re.MULTILINE)
_OPENING = re.compile(r"[{\[]")
_JSON = json.JSONDecoder(strict=False)  # models put bare line breaks into their strings


def extract_json(text: str) -> Any:
    r"""The JSON value of a text: the whole of it, what a fence holds, or the first object or list in prose.

    Example:
        >>> extract_json('Sure:\n```json\n{"age": 36}\n```'), extract_json("It is [1, 2]."), extract_json("true")
        ({'age': 36}, [1, 2], True)

    Raises:
        SchemaError: there is none; it says where reading ended. Of a value that is cut or broken no part is taken.
    """
    for value in candidates(text):
        return value
    raise SchemaError(
        f"The answer is no JSON: {_fault(text)}.", "Its text is kept. Ask again, or name a type: --schema."
    )


def candidates(text: str) -> Iterator[Any]:
    """Every JSON value that may be meant, the likeliest first: the whole, fences (`json` before others), prose."""
    text = text.strip("\ufeff \t\r\n")
    whole, _ = _decoded(text, 0, whole=True)
    if whole:
        yield whole[0]
        return
    fences = sorted(_FENCE.finditer(text), key=lambda fence: not fence[2].lower().startswith("json"))
    for fence in fences:
        found, _ = _decoded(fence[3].strip(), 0, whole=True)
        yield from found
    at = 0
    while opening := _OPENING.search(text, at):
        found, at = _decoded(text, opening.start())
        yield from found


def _decoded(text: str, start: int, *, whole: bool = False) -> tuple[list[Any], int]:
    """The value that starts here, if one does, and where to read on: after it, or where it broke."""
    try:
        value, end = _JSON.raw_decode(text, start)
    except json.JSONDecodeError as error:
        cut = error.msg.startswith("Unterminated string")
        return [], len(text) if cut else max(error.pos, start + 1)
    except (ValueError, RecursionError):  # a number of 5 000 digits, brackets a thousand deep
        return [], len(text)
    return ([value] if not whole or end == len(text) else []), end


def _fault(text: str) -> str:
    opening = _OPENING.search(text)
    if not text.strip():
        return "it is empty"
    if opening is None:
        return "it holds no object or list"
    try:
        _JSON.raw_decode(text, opening.start())
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
            return "it ends before its JSON does"
        return f"line {error.lineno}, column {error.colno}: {error.msg[:1].lower()}{error.msg[1:]}"
    except (ValueError, RecursionError) as error:
        return f"{error}"
    return "it holds none"
