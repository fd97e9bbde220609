"""The JSON value in an answer: the whole text, in a fence, or in the middle of prose."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from lk_notebook.core.formats import fences
from lk_notebook.errors import SchemaError

# So JSON goes on after a bracket; braces of LaTeX and of code mostly do not.
_OPENING = re.compile(r"""\{(?=\s*["}])|\[(?=\s*[\[{"\d\-tfnNI\]])""")
_MOST = 1_000  # openings tried in prose: each that fails costs a walk through the text
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
    marked = fences(text) if "```" in text or "~~~" in text else []
    for fence in sorted(marked, key=lambda fence: not fence.language.startswith("json")):
        found, _ = _decoded(fence.code.strip(), 0, whole=True)
        yield from found
    at = 0
    for _ in range(_MOST):
        opening = _OPENING.search(text, at)
        if opening is None:
            return
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
    """Why the text holds no JSON, told of the first bracket in it."""
    opening = re.search(r"[{\[]", text)
    if opening is None:
        return "it holds no object or list" if text.strip() else "it is empty"
    try:
        _JSON.raw_decode(text, opening.start())
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
            return "it ends before its JSON does"
        return f"line {error.lineno}, column {error.colno}: {error.msg[:1].lower()}{error.msg[1:]}"
    except RecursionError:
        return "it is nested too deeply"
    except ValueError as error:
        return str(error).partition(";")[0]
    return "it holds none"
