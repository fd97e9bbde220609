"""Values as source text of Python and JavaScript: whatever a text or a dict holds, it comes out as it went in."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lk_notebook.errors import ConfigurationError

_WIDTH = 100  # a value that is longer goes over several lines
_BARE_KEY = re.compile(r"[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Language:
    """How one language writes what the other writes otherwise."""

    none: str
    true: str
    false: str
    comment: str
    beyond: str  # a character beyond U+FFFF that is not printed as it is
    step: int = 4  # blanks of one level
    bare_keys: bool = False
    largest: int | None = None  # whole numbers above it are others when they are read


PYTHON = Language("None", "True", "False", "#", "\\U{:08x}")
NODE = Language("null", "true", "false", "//", "\\u{{{:x}}}", step=2, bare_keys=True, largest=2**53 - 1)


def quote(text: str, language: Language) -> str:
    r"""The text as a literal on one line, in double quotes.

    Example:
        >>> print(quote('say "no"\n', PYTHON))
        "say \"no\"\n"

    What cannot be seen is written as its number: separators of lines, marks of direction, blanks that are none.
    """
    literal = json.dumps(text, ensure_ascii=False)
    return "".join(c if c.isprintable() else _escaped(c, language) for c in literal)


def _escaped(character: str, language: Language) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else language.beyond.format(number)


def written(value: Any, language: Language, indent: int = 0) -> str:
    """A value of JSON as a literal; long ones over several lines, which `indent` more blanks begin.

    Example:
        >>> written({"stop": ["a"], "store": None}, NODE)
        '{ stop: ["a"], store: null }'

    Raises:
        ConfigurationError: a whole number is too large for JavaScript.
    """
    if isinstance(value, str):
        return quote(value, language)
    if value is None or isinstance(value, bool):
        return {None: language.none, True: language.true, False: language.false}[value]
    if isinstance(value, dict):
        pairs = [
            f"{_key(key, language)}: {written(one, language, indent + language.step)}" for key, one in value.items()
        ]
        return bracketed("{}", pairs, language, indent)
    if isinstance(value, (list, tuple)):
        return bracketed("[]", [written(one, language, indent + language.step) for one in value], language, indent)
    if isinstance(value, int) and language.largest is not None and abs(value) > language.largest:
        raise ConfigurationError(f"{value} is too large for JavaScript.", "Numbers go to 2**53 there.")
    return repr(value)


def bracketed(ends: str, parts: Sequence[str], language: Language, indent: int = 0) -> str:
    """The parts between brackets, with commas: on one line if they fit, else each on its own.

    Example:
        >>> bracketed("()", ["a=1", "b=2"], PYTHON)
        '(a=1, b=2)'
    """
    space = " " if ends == "{}" and parts and language is NODE else ""
    line = f"{ends[0]}{space}{', '.join(parts)}{space}{ends[1]}"
    if len(line) + indent <= _WIDTH and "\n" not in line:
        return line
    begin = "\n" + " " * (indent + language.step)
    return f"{ends[0]}{''.join(f'{begin}{part},' for part in parts)}\n{' ' * indent}{ends[1]}"


def _key(key: str, language: Language) -> str:
    if not language.bare_keys:
        return quote(key, language)
    if key == "__proto__":  # written plainly, it would set the prototype
        return '["__proto__"]'
    return key if _BARE_KEY.fullmatch(key) else quote(key, language)


def by_lines(text: str, language: Language) -> str:
    r"""A text as a literal that keeps its lines apart; the value of an assignment.

    Example:
        >>> print(by_lines("Be terse.\nBe kind.", PYTHON))
        (
            "Be terse.\n"
            "Be kind."
        )
    """
    lines = [quote(line, language) for line in re.findall(r"[^\n]*\n|[^\n]+", text)]
    if len(lines) < 2:
        return quote(text, language)
    if language is NODE:
        return "[\n" + "".join(f"  {line},\n" for line in lines) + '].join("")'
    return "(\n" + "".join(f"    {line}\n" for line in lines) + ")"


def comment(text: str, language: Language) -> str:
    """A text as a comment of one line; no character of it ends the line.

    Example:
        >>> comment("a, then b", NODE)
        '// a, then b'
    """
    plain = "".join(c if c.isprintable() else " " for c in text)
    return f"{language.comment} {plain}"
