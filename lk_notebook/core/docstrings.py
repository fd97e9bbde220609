"""What a docstring says of a function and its arguments: Google, NumPy and Sphinx style."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Docs:
    """What the function does, and what each argument is."""

    description: str
    arguments: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Reading:
    """The docstring in one style: where its sections start, how many entries they hold, the arguments among them."""

    start: int
    entries: int
    arguments: dict[str, str]


_ARGUMENTS = ("Arguments", "Args", "Parameters", "Params", "Attributes")
_LISTED = (*_ARGUMENTS, "Raises", "Exceptions", "Except")
_OTHER = ("Example", "Examples", "Returns", "Yields")
_GOOGLE = re.compile(rf"^({'|'.join((*_LISTED, *_OTHER))}):[ \t]*$", re.MULTILINE)
_NUMPY_TITLES = (
    r"Parameters|Params|Arguments|Args|(?:Other (?:Parameters|Params|Arguments|Args))|Receives?|Attributes?|Raises?"
    r"|Warns?|Returns?|Yields?|Examples?|Warnings?|See Also|Related|Notes?|References?"
)
_NUMPY = re.compile(rf"^(?:({_NUMPY_TITLES})[ \t]*\n-{{3,}}[ \t]*$|\.\.\s*deprecated\s*::)", re.MULTILINE)
_NUMPY_ARGUMENTS = re.compile(r"(?:Other )?(?:Param|Arg|Receive|Attribute)")
_SPHINX_ARGUMENTS = ("param", "parameter", "arg", "argument", "attribute", "key", "keyword")
_SPHINX_FIELDS = re.compile("^:", re.MULTILINE)
_SPHINX = re.compile(r"^:(.*?):(.*?)(?=^:|\Z)", re.DOTALL | re.MULTILINE)
_TYPED = re.compile(r"\s*(.+?)\s*\(.*\S\s*\)")


def read(text: str | None) -> Docs:
    r"""The description and the arguments of a docstring, in the style that finds most in it.

    Example:
        >>> read("Search the notes.\n\nArgs:\n    query: What to look for\n")
        Docs(description='Search the notes.\n', arguments={'query': 'What to look for'})

    The description ends in a line break where a blank line stood between it and the sections, and a second paragraph
    follows after a blank line: so docstring_parser has it, and so LiveKit's SDK sends it.
    """
    text = inspect.cleandoc(text or "")
    best = max((_sphinx(text), _google(text), _numpy(text)), key=lambda reading: reading.entries)
    first, _, rest = text[: best.start].partition("\n")
    lines = [first, *([""] if rest.startswith("\n") and first else []), *([rest.strip()] if rest.strip() else [])]
    return Docs("\n".join(lines), {name: said for name, said in best.arguments.items() if said})


def _sections(text: str, titles: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    """Each section of the text: its title and what stands under it."""
    found = list(titles.finditer(text))
    ends = [*(match.start() for match in found[1:]), len(text)]
    for match, end in zip(found, ends, strict=False):  # no section, one end
        yield match[1] or "", text[match.end() : end]


def _google(text: str) -> _Reading:
    entries, arguments = 0, {}
    for title, body in _sections(text, _GOOGLE):
        if title not in _LISTED:
            entries += 1
            continue
        for entry in _indented(body):
            head, colon, said = entry.partition(":")
            entries += 1
            if title in _ARGUMENTS and colon:
                typed = _TYPED.match(head)
                arguments[typed[1] if typed else head.strip()] = _joined(said.removeprefix(" ")).strip("\n")
    return _Reading(_start(text, _GOOGLE), entries, arguments)


def _indented(body: str) -> list[str]:
    """The entries of a section: each starts at the indent of the first. A line without indent ends the section."""
    body = re.split(r"\n(?=\S)", body, maxsplit=1)[0].strip("\n")
    indent = body[: len(body) - len(body.lstrip())]
    return [part for part in re.split(rf"^{indent}(?=\S)", body, flags=re.MULTILINE) if part.strip()] if indent else []


def _numpy(text: str) -> _Reading:
    entries, arguments = 0, {}
    for title, body in _sections(text, _NUMPY):
        if not _NUMPY_ARGUMENTS.match(title):
            entries += 1
            continue
        for entry in re.split(r"^(?=\S)", body, flags=re.MULTILINE):
            if entry.strip():
                head, _, said = entry.partition("\n")
                entries += 1
                if said.strip():
                    arguments[re.split(r"\s*:", head, maxsplit=1)[0].strip()] = inspect.cleandoc("\n" + said)
    return _Reading(_start(text, _NUMPY), entries, arguments)


def _sphinx(text: str) -> _Reading:
    entries, arguments = 0, {}
    for match in _SPHINX.finditer(text):
        words = match[1].split()
        entries += words[:1] not in (["type"], ["rtype"])
        if len(words) in (2, 3) and words[0] in _SPHINX_ARGUMENTS:
            arguments[words[-1]] = _joined(match[2].strip())
    return _Reading(_start(text, _SPHINX_FIELDS), entries, arguments)


def _start(text: str, titles: re.Pattern[str]) -> int:
    found = titles.search(text)
    return found.start() if found else len(text)


def _joined(said: str) -> str:
    """What is said over several lines, without the indent of the lines after the first."""
    first, line_break, rest = said.partition("\n")
    return first + line_break + inspect.cleandoc(rest) if line_break else said
