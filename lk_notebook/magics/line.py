r"""The grammar of a magic's line: words, options, KEY=VALUE, and for line magics the prompt behind them.

Blanks separate. Quotes, brackets and `{{ … }}` hold together what stands in them, blanks and each other included:
`stop=["\n", "END OF"]`, `--schema list[ Label ]`, `-a {{ urls["mine"] }}`. IPython's own magic_arguments splits such
values at the blank, and shlex eats their quotes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lk_notebook.core import parameters
from lk_notebook.core.catalogue import suggest
from lk_notebook.core.literals import literal, resolve, unquoted
from lk_notebook.errors import ConfigurationError

__all__ = ["Line", "Option", "Token", "literal", "parse", "resolve", "split_prompt", "tokens"]


@dataclass(frozen=True, slots=True)
class Option:
    """One option: its names, the field its value goes to, whether a value follows, and whether it may come again."""

    names: tuple[str, ...]
    field: str
    takes: bool = True
    many: bool = False
    path: bool = False  # a backslash in quotes is part of the value: "C:\new data"


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the line as it was typed, and where it stood."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Line:
    """The line, read: words, options by field, raw texts of KEY=VALUE, and what stands behind the first word."""

    words: list[str] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)
    pairs: dict[str, str] = field(default_factory=dict)
    rest: str = ""


_CLOSING = {"[": "]", "(": ")", "{": "}"}
_PAIR = re.compile(r"([^\W\d]\w*)=(?!=)(.*)", re.DOTALL)
# Where a quote opens a text, outside of brackets: at the start of a word or of a value. `don't` and O'Hara stay whole.
_QUOTABLE = re.compile(r"(?:(?:[^\W\d]\w*|-[-\w]*)=)?[rRbBuUfF]{0,2}")
_NUMBER = re.compile(r"-\.?\d")


def tokens(line: str) -> list[Token]:
    r"""The pieces of the line, as typed; every character but the blanks between them is in one.

    Example:
        >>> [token.text for token in tokens('gpt-4o user=\'Ada L\' stop=["\\n", "END OF"]')]
        ['gpt-4o', "user='Ada L'", 'stop=["\\n", "END OF"]']

    Raises:
        ConfigurationError: a quote or bracket is never closed; the error names the KEY or the word.
    """
    found, start = [], _behind_blanks(line, 0)
    while start < len(line):
        end = _end(line, start)
        found.append(Token(line[start:end], start, end))
        start = _behind_blanks(line, end)
    return found


def _behind_blanks(line: str, at: int) -> int:
    while at < len(line) and line[at].isspace():
        at += 1
    return at


def _end(line: str, start: int) -> int:
    """Where the piece ends that starts here."""
    end = start
    while end < len(line) and not line[end].isspace():
        end = _step(line, start, end)
    return end


def _step(line: str, start: int, at: int) -> int:
    """The position behind one character, or behind all that it opens."""
    character = line[at]
    if character in _CLOSING:
        return _behind_bracket(line, start, at)
    if character in "\"'" and _QUOTABLE.fullmatch(line, start, at):
        return _behind_quote(line, start, at)
    return at + 1


def _behind_bracket(line: str, start: int, opened: int) -> int:
    awaited, at = [_CLOSING[line[opened]]], opened + 1
    while at < len(line):
        character = line[at]
        if character in "\"'":
            at = _behind_quote(line, start, at)
            continue
        if character in _CLOSING:
            awaited.append(_CLOSING[character])
        elif character == awaited[-1]:
            awaited.pop()
        at += 1
        if not awaited:
            return at
    raise _unclosed(line, start, opened)


def _behind_quote(line: str, start: int, opened: int) -> int:
    quote = line[opened]
    if line.startswith(quote * 3, opened):
        quote *= 3
    at = opened + len(quote)
    while at < len(line):
        if line[at] == "\\":
            at += 2
        elif line.startswith(quote, at):
            return at + len(quote)
        else:
            at += 1
    raise _unclosed(line, start, opened)


def _unclosed(line: str, start: int, opened: int) -> ConfigurationError:
    text = line[start:]
    pair = _PAIR.match(text)
    name = pair[1] if pair else text.split()[0]
    kind = "bracket" if line[opened] in _CLOSING else "quote"
    return ConfigurationError(
        f"{name}: the {kind} {line[opened]} is never closed: {line[opened:]}",
        'Close it; a value with blanks is written as user="Ada L" or stop=["a", "b"].',
    )


def parse(line: str, options: Sequence[Option]) -> Line:
    """Read a line: words, options with their values, KEY=VALUE with the value as typed.

    Example:
        >>> read = parse("gpt-4o -p azure seed=7", [Option(("-p", "--provider"), "provider")])
        >>> read.words, read.options, read.pairs
        (['gpt-4o'], {'provider': 'azure'}, {'seed': '7'})

    Raises:
        ConfigurationError: an option is unknown, lacks its value or has one it does not take; something is given
            twice; a quote or bracket is not closed.
    """
    read, pieces, first = Line(), tokens(line), None
    while pieces:
        token = pieces.pop(0)
        if _is_option(token.text):
            _option(read, token, pieces, options)
        elif pair := _PAIR.fullmatch(token.text):
            _pair(read, pair[1], pair[2])
        else:
            first = first or token
            read.words.append(unquoted(token.text))
    rest = line[first.end :].strip() if first else ""
    return Line(read.words, read.options, read.pairs, rest)


def split_prompt(line: str, options: Sequence[Option], is_model: Callable[[str], bool]) -> tuple[Line, str]:
    """For a line magic: options, the model if one is named, KEY=VALUE; from the first other word on, the prompt.

    Example:
        >>> read, prompt = split_prompt("gpt-4o seed=7 don't panic", [], lambda word: word == "gpt-4o")
        >>> read.words, read.pairs, prompt
        (['gpt-4o'], {'seed': '7'}, "don't panic")

    The prompt stays as it was typed. Without a model, only a known parameter counts as KEY=VALUE: `y=2x explain` is a
    prompt.

    Raises:
        ConfigurationError: as in `parse`, for what stands before the prompt.
    """
    start = _prompt_start(line, options, is_model)
    return parse(line[:start], options), line[start:]


_WORD = re.compile(r"\S+")


def _prompt_start(line: str, options: Sequence[Option], is_model: Callable[[str], bool]) -> int:
    """Where the prompt starts. Nothing of it is read as a piece: an apostrophe in it opens nothing."""
    named, start = False, _behind_blanks(line, 0)
    while word := _WORD.match(line, start):
        pair = _PAIR.match(word[0])
        if _is_option(word[0]):
            end = _end(line, start)
            if _find(line[start:end], options).takes and "=" not in line[start:end]:
                end = _end(line, _behind_blanks(line, end))
        elif pair and (named or _is_parameter(pair[1])):
            end = _end(line, start)
        elif not named and is_model(word[0]):
            named, end = True, word.end()
        else:
            break
        start = _behind_blanks(line, end)
    return start


def _is_parameter(name: str) -> bool:
    return name in parameters.KNOWN or name in parameters.OWNED or parameters.near_miss(name) is not None


def _is_option(text: str) -> bool:
    """`-p`, `--raw`; but `-` alone is a word, and -1 a number."""
    return len(text) > 1 and text[0] == "-" and not _NUMBER.match(text)


def _find(text: str, options: Sequence[Option]) -> Option:
    name = text.partition("=")[0]
    for option in options:
        if name in option.names:
            return option
    known = [known for option in options for known in option.names]
    bare = name.lstrip("-").replace("-", "_")
    if bare not in parameters.KNOWN and (near := suggest(name, [long for long in known if long.startswith("--")])):
        raise ConfigurationError(f"{name} is no option here: did you mean {near}?", f"There are {', '.join(known)}.")
    if meant := bare if bare in parameters.KNOWN else parameters.near_miss(bare):
        mend = f"Parameters are written {meant}=VALUE."
        raise ConfigurationError(f"{name} is no option: did you mean {meant}=…?", mend)
    raise ConfigurationError(f"{name} is no option here.", f"There are {', '.join(known) or 'none'}.")


def _option(read: Line, token: Token, pieces: list[Token], options: Sequence[Option]) -> None:
    option = _find(token.text, options)
    name, given, text = token.text.partition("=")
    value: Any = True
    if option.takes:
        if not given:
            if not pieces or any(pieces[0].text in other.names for other in options):
                raise ConfigurationError(f"{name} lacks its value.", f"Write {name} VALUE.")
            text = pieces.pop(0).text
        value = unquoted(text, name, path=option.path)
    elif given:
        raise ConfigurationError(f"{name} takes no value.", f"Write {name} alone.")
    if option.many:
        read.options.setdefault(option.field, []).append(value)
    elif option.field in read.options and option.takes:
        raise ConfigurationError(f"{name} is given twice.", "Keep one of the two.")
    else:
        read.options[option.field] = value


def _pair(read: Line, name: str, text: str) -> None:
    if name in read.pairs:
        raise ConfigurationError(f"{name} is given twice.", "Keep one of the two.")
    if not text:
        raise ConfigurationError(f"{name} has no value.", f"Write {name}=VALUE without a blank behind the =.")
    read.pairs[name] = text
