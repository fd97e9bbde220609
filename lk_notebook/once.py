"""One request for one row, sent from this process."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from lk_notebook.core.answer import Answer
from lk_notebook.core.growing import Growing
from lk_notebook.core.pace import Room
from lk_notebook.core.request import Prepared
from lk_notebook.core.routing import Route
from lk_notebook.core.stream import Piece
from lk_notebook.core.values import Account, Attempt, Call, Usage, redact
from lk_notebook.errors import LkError


@dataclass(frozen=True, slots=True)
class Answered:
    """What one request came to, in values that travel: the text, and what was said beside it."""

    text: str
    account: str
    refusal: str = ""
    finish_reason: str | None = None
    served_by: str | None = None
    usage: Usage | None = None
    room: Room | None = None
    quota: dict[str, str] | None = None
    recorded: bool = False  # a tape answered


class Here:
    """Asks from this process, through its shared client."""

    def __init__(self, route: Route, timeout: float) -> None:
        self._route, self._timeout = route, timeout

    async def ask(self, call: Call) -> Answered:
        """One request; an account that fails hands over to the next one of the route.

        Raises:
            LkError: what the last account said.
        """
        from lk_notebook.net import attempts, client  # noqa: PLC0415 - brings httpx and aiohttp: when first asked

        asker, heard = await attempts.shared(), _Heard()
        await asker.ask(call, self._route, client.Limits(self._timeout, 0), heard)
        answer = heard.answer
        return Answered(
            redact(str(heard.text)), heard.account, redact(str(heard.refusal)), answer.finish_reason, answer.served_by,
            answer.usage, answer.room, answer.quota, answer.replayed is not None,
        )  # fmt: skip

    def close(self) -> None:
        """The shared client stays open."""


@dataclass(slots=True)
class _Heard:
    """The listener of one row: only the last try counts."""

    ttft: float | None = None
    account: str = ""
    answer: Answer = field(default_factory=Answer)
    text: Growing = field(default_factory=Growing)
    refusal: Growing = field(default_factory=Growing)
    _sent: float = 0.0

    def on_sent(self, account: Account, prepared: Prepared) -> None:  # noqa: ARG002 - the listener's form
        """A request goes out."""
        self.account, self.answer, self.text, self.refusal = account.name, Answer(), Growing(), Growing()
        self._sent, self.ttft = time.monotonic(), None

    def on_pieces(self, pieces: list[Piece], answer: Answer) -> None:
        """Something arrived."""
        self.answer = answer
        for kind, piece in pieces:
            if kind == "text":
                self.text.add(piece)
            elif kind == "refusal":
                self.refusal.add(piece)
        if pieces and self.ttft is None:
            self.ttft = time.monotonic() - self._sent

    def on_attempt(self, attempt: Attempt) -> None:
        """A try ended."""

    def on_wait(self, error: LkError, seconds: float, tries_left: int) -> None:
        """The next try starts in so many seconds."""

    def on_note(self, note: str) -> None:
        """Something the user should know."""
