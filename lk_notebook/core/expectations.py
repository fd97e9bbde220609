"""What is said to an agent and what is expected of it, as plain text.

```
user: Weather in Paris?
expect: calls get_weather(city="Paris")
expect: says sunny
```
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from lk_notebook.errors import PromptError

Kind = Literal["calls", "calls nothing", "says", "hands over to", "judge"]
HELP = 'Write: calls f, calls f(city="Paris"), calls nothing, says …, hands over to …, judge …, or not and one of them.'

_KEYS = re.compile(r"(user|expect)\s*:(?!:)\s*(.*)", re.IGNORECASE)
_RULE = re.compile(r"-{3,}\s*")


@dataclass(frozen=True, slots=True)
class Expectation:
    """One thing that is expected of a turn; `wanted` is a name, words, or an intent."""

    text: str  # as it was typed
    kind: Kind
    wanted: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Exchange:
    """What is said, and what is expected of the turn; `anew`: in a session of its own."""

    user: str
    expected: tuple[Expectation, ...] = ()
    anew: bool = False


def read(text: str) -> list[Exchange]:
    r"""The turns of an evaluation. Lines without a key go on with what was said.

    Example:
        >>> [(each.user, len(each.expected)) for each in read("user: Hello\nexpect: says hi\n---\nuser: Bye")]
        [('Hello', 1), ('Bye', 0)]

    Raises:
        PromptError: a line is none of these, an expectation cannot be read, or nothing is said.
    """
    found: list[Exchange] = []
    anew = ended = False
    for line in text.splitlines():
        if _RULE.fullmatch(line):
            anew = ended = True
        elif key := _KEYS.fullmatch(line.rstrip()):
            ended = _take(found, key[1].lower(), key[2], anew=anew, line=line)
            anew = anew and key[1].lower() != "user"
        elif found and not ended:
            found[-1] = replace(found[-1], user=f"{found[-1].user}\n{line}")
        elif line.strip():
            raise PromptError(f"This line begins with neither user: nor expect: {line.strip()}", HELP)
    found = [replace(each, user=each.user.strip()) for each in found]
    if not found or not all(each.user for each in found):
        raise PromptError("Nothing is said to the agent.", "Begin with a line such as: user: Weather in Paris?")
    return found


def _take(found: list[Exchange], key: str, rest: str, *, anew: bool, line: str) -> bool:
    """One line with a key; gives whether what was said has ended with it."""
    if key == "user":
        found.append(Exchange(rest, anew=anew))
        return False
    if not found or anew:
        raise PromptError(f"Nothing was said before: {line.strip()}", "Begin with a line such as: user: Hello")
    found[-1] = replace(found[-1], expected=(*found[-1].expected, expectation(rest)))
    return True


def expectation(text: str) -> Expectation:
    """One expectation.

    Example:
        >>> expectation('not calls f(a=1)').arguments
        {'a': 1}

    Raises:
        PromptError: it cannot be read.
    """
    typed = text = " ".join(text.split())
    if negated := text.lower().startswith("not "):
        text = text[4:].lstrip()
    for words, make in _FORMS:
        if text.lower().startswith(f"{words} ") and (wanted := text[len(words) :].strip()):
            return replace(make(wanted), text=typed, negated=negated)
    raise PromptError(f"This expectation cannot be read: {typed or 'expect:'}", HELP)


def _calls(wanted: str) -> Expectation:
    if wanted.lower() == "nothing":
        return Expectation("", "calls nothing")
    try:
        tree = ast.parse(wanted, mode="eval").body
        if isinstance(tree, ast.Name):
            return Expectation("", "calls", tree.id)
        if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and not tree.args:
            arguments = {each.arg: ast.literal_eval(each.value) for each in tree.keywords if each.arg}
            if len(arguments) == len(tree.keywords):
                return Expectation("", "calls", tree.func.id, arguments)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    raise PromptError(
        f"This is no call: {wanted}", 'Write the tool and its arguments by name: f(city="Paris", days=3).'
    )


def _said(kind: Kind) -> Callable[[str], Expectation]:
    return lambda wanted: Expectation("", kind, _unquoted(wanted))


def _unquoted(text: str) -> str:
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1] if quoted else text


#: How an expectation begins, and what is read of the rest.
_FORMS: tuple[tuple[str, Callable[[str], Expectation]], ...] = (
    ("calls", _calls),
    ("says", _said("says")),
    ("hands over to", _said("hands over to")),
    ("judge", _said("judge")),
)
