"""One question to several models, as a compare panel shows it: its columns, the vote, and who is still asked."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from lk_notebook import columns as seen
from lk_notebook.columns import Column, Columns
from lk_notebook.core import comparison
from lk_notebook.core.text import clean, plain
from lk_notebook.core.values import Setup, redact
from lk_notebook.reply import ENDED, Reply
from lk_notebook.widgets import markup

TIE, NONE = "=", ""


class Round(Columns):
    """The columns in the order of the models, or, blind, in none.

    `prompt` is what was asked, `cells` whom each shown column asks, `number` that of the panel.
    """

    unsent = ("retry",)

    def __init__(self, prompt: str, cells: Sequence[Setup], asked: list[Column], *, blind: bool, number: str) -> None:
        order = list(range(len(asked)))
        if blind:
            secrets.SystemRandom().shuffle(order)
        super().__init__([asked[i] for i in order], blind=blind)
        self.prompt, self.number = prompt, number
        self.cells = [cells[i] for i in order]
        self._order = order
        self._kept: dict[str, str] | None = None  # as it stays in the file once it is over

    @property
    def over(self) -> bool:
        """Whether nothing comes any more."""
        return all(reply.state in ENDED for reply in self.replies)

    @property
    def in_line(self) -> list[Column]:
        """The columns in the order of the models."""
        return [self.columns[self._order.index(i)] for i in range(len(self._order))]

    @property
    def table(self) -> Any:
        """The figures of all columns, in the order of the models."""
        return seen.table(self.in_line)

    def frame(self) -> str:
        """The columns, empty, the place of the vote, and that of the table."""
        articles = "".join(
            f'<article class="lk-column" aria-labelledby="{self.number}-head{i}" data-at="col{i}">'
            f"{self.column(i)}</article>"
            for i in range(len(self.columns))
        )
        return f'<div class="lk-columns">{articles}</div><div data-at="vote"></div><div data-at="below"></div>'

    def column(self, i: int) -> str:
        """One column, empty."""
        return (
            f'<div class="lk-who" id="{self.number}-head{i}" data-at="head{i}"></div>'
            f'<div class="jp-RenderedHTMLCommon jp-RenderedHTML" data-c="{i}" data-follow tabindex="0" role="region"'
            f' aria-labelledby="{self.number}-head{i}"></div><div data-foot="{i}"></div>'
        )

    def _head(self, i: int) -> str:
        head = super()._head(i)
        return f'<span class="lk-chosen">{head}</span>' if self.columns[i] is self.chosen else head

    def vote(self) -> str:
        """Asks for the best answer, where names are hidden and all answers are there."""
        if not self.blind or not self.over or len(self.candidates) < comparison.LEAST:
            return ""
        choices = [*((f"{letter} is best", letter) for letter in self.candidates), ("Tie", TIE), ("No vote", NONE)]
        buttons = "".join(markup.button(label, "vote", name=f"vote{at}", data_text=at) for label, at in choices)
        question = "Which is best?"
        return f'<div class="lk-row" role="group" aria-label="{question}"><span>{question}</span>{buttons}</div>'

    def voted(self, letter: str) -> dict[str, Any] | None:
        """Takes a vote, and tells the names; gives it as a session keeps it, nothing for no vote."""
        vote = None
        if letter == TIE or letter in self.candidates:
            vote = {"prompt": self.prompt, **self.choose(None if letter == TIE else letter)}
        self.reveal()
        return vote

    def status(self) -> str:
        """What a screen reader is told."""
        count = len(self.columns)
        left = sum(reply.state not in ENDED for reply in self.replies)
        if left:
            return f"{count - left} of {count} have answered."
        failed = sum(column.error is not None for column in self.columns)
        return f"All {count} have answered{f', {failed} with an error' if failed else ''}." + (
            " Which is best?" if self.vote() else ""
        )

    def kept(self) -> dict[str, str]:
        """What stays of it in the file: the question, and the columns below it."""
        if not self.over or self.blind:
            return self.bundle()
        if self._kept is None:
            self._kept = self.bundle()
        return self._kept

    def take(self, c: int, asked: Any) -> None:
        """Another reply in the place of one."""
        super().take(c, asked)
        self._kept = None

    @property
    def asked(self) -> str:
        """The question as it is shown."""
        return redact(clean(self.prompt))

    def question(self) -> str:
        """The question in the view."""
        return f'<div class="lk-who">You</div><div class="lk-asked">{plain(self.asked)}</div>'

    def reply(self, c: int) -> Reply | None:
        """The reply of a shown column."""
        return self.numbered[c] if 0 <= c < len(self.columns) else None
