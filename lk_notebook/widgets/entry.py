"""A turn of a chat as a panel and its file show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lk_notebook.core import chats
from lk_notebook.core.chats import Turn
from lk_notebook.core.render import render
from lk_notebook.core.text import clean, plain
from lk_notebook.core.values import Message, redact
from lk_notebook.page import answer
from lk_notebook.reply import ENDED, Reply
from lk_notebook.widgets import markup
from lk_notebook.widgets.panel import without

#: Where the turns stand, and what stands before them.
LOG = (
    '<div class="lk-middle"><div class="lk-log" role="log" aria-live="off" aria-label="Conversation" tabindex="0"'
    ' data-at="log" data-follow></div><button type="button" class="lk-button lk-latest" hidden>Latest ↓</button></div>'
)
EMPTY = '<div data-at="empty"></div>'


class Seen(Protocol):
    """An answer as a view and a file show it."""

    def anew(self, c: int) -> list[dict[str, Any]]:
        """What builds it in an empty place."""

    def bundle(self) -> dict[str, str]:
        """What stays in the file."""


class Past:
    """An answer out of a history: its text, and no figures."""

    def __init__(self, said: Sequence[Message]) -> None:
        self._text = redact(clean("\n\n".join(chats.text_of(each) for each in said if each["role"] == "assistant")))

    def anew(self, c: int) -> list[dict[str, Any]]:
        """What builds it in an empty place."""
        whole = {"o": "whole", "h": render(self._text), "s": 1}
        foot = {"t": "foot", "c": c, "state": "done", "h": "", "acts": ["copy"]}
        return [{"t": "ops", "c": c, "ops": [whole]}, foot]

    def bundle(self) -> dict[str, str]:
        """What stays in the file."""
        return {"text/html": render(self._text), "text/plain": self._text}


@dataclass(slots=True)
class Entry:
    """A turn as it is shown, by the number that the view knows it by; `kept`: its part of the file once it is over."""

    c: int
    turn: Turn
    seen: Seen
    kept: dict[str, str] | None = None

    @property
    def asked(self) -> str:
        """The question as it is shown."""
        text = chats.text_of(self.turn.asked)
        content = self.turn.asked.get("content")
        images = sum(part.get("type") != "text" for part in content) if isinstance(content, list) else 0
        shown = f"\n({images} image{'s' * (images != 1)})" if images else ""
        return redact(clean(text + shown))

    @property
    def model(self) -> str:
        """Who answered."""
        said = self.turn.said
        return redact(clean(said.model)) if isinstance(said, Reply) else "Assistant"

    def answer(self, what: str) -> Message:
        """What a button wants to know of it; of an answer that was given, not asked for, there is only the text."""
        if isinstance(self.turn.said, Reply):
            return answer(what, self.c, self.turn.said)
        return {"t": "heard", "at": what, "c": self.c, "all": [], "md": self.seen.bundle()["text/plain"]}

    @property
    def over(self) -> bool:
        """Whether nothing comes any more."""
        return not isinstance(self.turn.said, Reply) or self.turn.said.state in ENDED

    def bundle(self) -> dict[str, str]:
        """Its part of the file."""
        if not self.over:
            return self.seen.bundle()
        if self.kept is None:
            self.kept = self.seen.bundle()
        return self.kept

    def frame(self) -> str:
        """Its place in the view, without the answer."""
        edit = markup.button("Edit", "edit", "lk-flat", name=f"edit{self.c}", data_c=self.c)
        who = plain(self.model)
        return (
            f'<section class="lk-turn" data-at="turn{self.c}">'
            f'<article aria-label="You"><div class="lk-who">You{edit}</div>'
            f'<div class="lk-asked" data-at="asked{self.c}">{plain(self.asked)}</div></article>'
            f'<article aria-label="{who}" class="jp-RenderedHTMLCommon jp-RenderedHTML"><div class="lk-who">{who}</div>'
            f'<div data-c="{self.c}"></div><div data-foot="{self.c}"></div></article></section>'
        )

    def answered(self) -> list[Message]:
        """What shows the answer in that place."""
        return without(self.seen.anew(self.c), "stop")  # that stands in the composer

    def anew(self) -> list[Message]:
        """What shows it below the turns that are there."""
        return [{"t": "more", "at": "log", "h": self.frame()}, *self.answered()]
