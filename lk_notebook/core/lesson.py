"""What a lesson can ask of its tape: prompts, blanks in them, and the answers that were recorded for each filling."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lk_notebook.core.chats import text_of
from lk_notebook.core.tape import Take, Tape
from lk_notebook.errors import ConfigurationError, PromptError, one_line

_BLANK = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Task:
    """A prompt of the lesson: what may stand in its blanks, and what was answered to each filling.

    `answers` is keyed by the values of the blanks in their order, () where there is none.
    """

    template: str
    blanks: tuple[str, ...]
    answers: dict[tuple[str, ...], list[Take]]

    @property
    def values(self) -> dict[str, list[str]]:
        """What was recorded for each blank, in the order of the tape."""
        return {name: list(dict.fromkeys(key[i] for key in self.answers)) for i, name in enumerate(self.blanks)}

    def filled(self, values: Sequence[str]) -> str:
        """The prompt with these values.

        Example:
            >>> Task("What is {{ x }}?", ("x",), {}).filled(["love"])
            'What is love?'
        """
        there = dict(zip(self.blanks, values, strict=True))
        return _BLANK.sub(lambda blank: there[blank[1]], self.template)


def tasks(tape: Tape, prompts: Sequence[str]) -> list[Task]:
    """The lesson's tasks.

    Args:
        tape: what was recorded.
        prompts: texts, `{{ topic }}` for a blank; without any, all prompts of the tape.

    Raises:
        PromptError: a prompt is empty.
        ConfigurationError: the tape answers none of its fillings.
    """
    asked = [(text, take) for take in tape.takes if (text := _asked(take)) is not None]
    return [_task(tape, prompt, asked) for prompt in prompts or dict.fromkeys(text for text, _ in asked)]


def pieces(template: str) -> list[tuple[str, str | None]]:
    """The prompt in pieces: a text, or the name of a blank beside its place.

    Example:
        >>> pieces("What is {{ x }}?")
        [('What is ', None), ('', 'x'), ('?', None)]
    """
    parts = _BLANK.split(template)
    return [("", part) if i % 2 else (part, None) for i, part in enumerate(parts)]


def messages(take: Take) -> list[dict[str, Any]]:
    """The messages that were recorded."""
    return [dict(message) for message in take.request["messages"]]


def parameters(take: Take) -> dict[str, Any]:
    """The further parameters that were recorded."""
    return {name: value for name, value in take.request.items() if name != "messages"}


def _task(tape: Tape, prompt: str, asked: Sequence[tuple[str, Take]]) -> Task:
    if not isinstance(prompt, str) or not prompt.strip():
        raise PromptError("A prompt of the lesson is empty.", "Write what pupils may ask.")
    parts = _BLANK.split(prompt.strip())  # text, name, text, name, …
    names = tuple(dict.fromkeys(parts[1::2]))
    pattern = "(.+?)".join(map(re.escape, parts[::2]))
    answers: dict[tuple[str, ...], list[Take]] = {}
    for text, take in asked:
        if found := re.fullmatch(pattern, text, re.DOTALL):
            filled = set(zip(parts[1::2], found.groups(), strict=True))
            if len(filled) == len(names):  # a blank that stands there twice was filled with the same
                values = dict(filled)
                answers.setdefault(tuple(values[name] for name in names), []).append(take)
    if not answers:
        raise ConfigurationError(
            f'The tape {tape.name} has no answer to "{one_line(prompt, _SHOWN)}".',
            "Record it (%lkrecord FILE), or look what is there: python -m lk_notebook tape show FILE",
        )
    return Task(prompt.strip(), names, answers)


def _asked(take: Take) -> str | None:
    """The prompt of a call that a lesson can ask again: one question, in words alone, answered by text."""
    said = take.request.get("messages", [])
    users = [message for message in said if message.get("role") == "user"]
    alone = len(users) == 1 and said[-1] is users[0]
    if not alone or not isinstance(users[0].get("content"), str) or {"tools", "response_format"} & take.request.keys():
        return None
    return text_of(users[0]).strip() if take.status == 200 and take.end != "stopped" else None
