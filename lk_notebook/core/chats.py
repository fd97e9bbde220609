"""Conversations whose turns belong to cells: running a cell again replaces its turn and sees only those before it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from lk_notebook.core import catalogue
from lk_notebook.core.values import Message, Usage
from lk_notebook.errors import ConfigurationError, PromptError

#: The notebook's own chat.
MAIN = "main"
#: A cell, and the how-manieth question of it; front ends without cell ids give the execution in its place.
Key = tuple[str, int]
#: Characters of the longest tokens that are common: text that is longer than so many a token fits no window.
CHARACTERS_PER_TOKEN = 6


class Said(Protocol):
    """What a turn knows of its reply."""

    stale: bool

    @property
    def turn(self) -> list[Message]:
        """What it added to the history."""

    @property
    def counted(self) -> Usage | None:
        """The tokens of its last request and response: how long the history was."""


@dataclass(slots=True)
class Told:
    """A reply out of a file."""

    turn: list[Message]
    counted: Usage | None = None
    stale: bool = False


@dataclass(slots=True)
class Turn:
    """One question and its reply; `system` is the prompt that its own cell named."""

    key: Key
    asked: Message
    said: Said
    system: str | None = None

    @property
    def counts(self) -> bool:
        """Whether anything was said: a turn that failed with nothing leaves no trace."""
        return bool(self.said.turn)


@dataclass(slots=True)
class Chat:
    """Turns in the order of first asking.

    Example:
        >>> chat, said = Chat(), Told([{"role": "assistant", "content": "1"}])
        >>> _ = chat.put(Turn(("a", 0), {"role": "user", "content": "one"}, said))
        >>> [message["content"] for message in chat.history(("b", 0))]
        ['one', '1']
    """

    turns: list[Turn] = field(default_factory=list)

    def history(self, key: Key, system: str | None = None, *, default: str | None = None) -> list[Message]:
        """What this cell sees: the system prompt, and the turns before its own.

        Args:
            key: the cell.
            system: the system prompt it names; without one the last that a turn before it named holds.
            default: the system prompt where no turn named one.
        """
        turns = self.before(key)
        named = [turn.system for turn in turns if turn.system is not None]
        prompt = system if system is not None else (named[-1] if named else default)
        head: list[Message] = [{"role": "system", "content": prompt}] if prompt else []
        return head + [message for turn in turns for message in (turn.asked, *turn.said.turn)]

    def before(self, key: Key) -> list[Turn]:
        """The turns before this cell's that said something."""
        return [turn for turn in self.turns[: self._at(key)] if turn.counts]

    def put(self, turn: Turn) -> list[Turn]:
        """Sets the cell's turn; gives the later ones, which were built on what has now changed."""
        at = self._at(turn.key)
        replaces = at < len(self.turns) and self.turns[at].key == turn.key
        self.turns[at : at + replaces] = [turn]
        return _stale(self.turns[at + 1 :])

    def start(self, key: Key) -> None:
        """Starts anew at this cell; where it is the first one already, its turn is only asked again."""
        if not (self.turns and self.turns[0].key == key):
            self.turns.clear()

    def drop(self, cell: str, first: int, last: float = math.inf) -> list[Turn]:
        """Forgets the cell's turns from its `first` on: its last run did not ask them here. Gives the later ones."""
        gone = [turn.key[0] == cell and first <= turn.key[1] <= last for turn in self.turns]
        at = next((i for i, turn in enumerate(self.turns) if gone[i] and turn.counts), len(self.turns))
        later = _stale([turn for i, turn in enumerate(self.turns) if i > at and not gone[i]])
        self.turns = [turn for i, turn in enumerate(self.turns) if not gone[i]]
        return later

    def _at(self, key: Key) -> int:
        """Where the cell's turn stands, or would: behind the cell's earlier ones, else at the end."""
        cell, number = key
        own = [(i, turn.key[1]) for i, turn in enumerate(self.turns) if turn.key[0] == cell]
        return next((i for i, n in own if n >= number), own[-1][0] + 1 if own else len(self.turns))


def _stale(turns: Sequence[Turn]) -> list[Turn]:
    """Marks them as built on what has changed; gives those that said something."""
    later = [turn for turn in turns if turn.counts]
    for turn in later:
        turn.said.stale = True
    return later


def check_window(model: str, messages: Sequence[Message], last: Usage | None) -> None:
    """Refuses a history that cannot fit the model's context window, where the window is known.

    What the provider counted for the turn before is exact; the rest is counted so low that nothing that fits is
    refused.

    Raises:
        ConfigurationError: it cannot fit.
    """
    known = catalogue.find(model)
    if known is None or known.context_window is None:
        return
    size = sum(len(text_of(message)) for message in (messages[-1:] if last else messages))
    tokens = size // CHARACTERS_PER_TOKEN
    if last:  # its thoughts are not sent again
        tokens += last.prompt_tokens + last.completion_tokens - last.reasoning_tokens
    if tokens > known.context_window:
        raise ConfigurationError(
            f"This chat has at least {tokens} tokens; {model} takes {known.context_window}.",
            "Start it anew with -n, pick another chat with -c, or a model with a larger window.",
        )


def text_of(message: Message) -> str:
    """The text of a message, without its images."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))


def to_json(chat: Chat) -> dict[str, Any]:
    """A chat as plain values, to be saved."""
    turns = [{"system": turn.system, "asked": turn.asked, "said": turn.said.turn} for turn in chat.turns if turn.counts]
    return {"lk_notebook": 1, "turns": turns}


def from_json(value: Any) -> Chat:
    """A chat that was saved.

    Raises:
        PromptError: the file holds none.
    """
    try:
        turns = [
            Turn(("loaded", i), dict(row["asked"]), Told([dict(m) for m in row["said"]]), row.get("system"))
            for i, row in enumerate(value["turns"])
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise PromptError("The file holds no chat of lk_notebook.", "Save one with %lkchats save NAME FILE.") from error
    return Chat(turns)
