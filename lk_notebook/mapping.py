"""Many rows through one client: at one pace, each asked again where that may help, nothing lost."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lk_notebook.core.answer import Answer
from lk_notebook.core.growing import Growing
from lk_notebook.core.pace import Pace
from lk_notebook.core.request import Prepared
from lk_notebook.core.routing import Route
from lk_notebook.core.stream import Piece
from lk_notebook.core.values import Account, Attempt, Call, Usage, redact
from lk_notebook.errors import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    LkError,
    NotFoundError,
    ProtocolError,
    QuotaExceededError,
    RateLimitError,
    SchemaError,
    ServerError,
    StreamError,
    StreamInterrupted,
)

if TYPE_CHECKING:
    from typing_extensions import Self

#: Nothing of a row is shown before it is whole, so all that may be mended by asking again is asked again.
AGAIN = (StreamInterrupted, StreamError, ProtocolError, APITimeoutError, APIConnectionError, ServerError, SchemaError)
#: What would befall every further row as well: they are not asked.
FATAL = (AuthenticationError, QuotaExceededError, NotFoundError)
#: A row that is refused for its pace so often is given up; each refusal waits, and costs no try.
MOST_REFUSALS = 200


@dataclass(slots=True)
class Done:
    """A finished row: its text, its value, what it used."""

    text: str
    value: Any
    usage: Usage | None


@dataclass(slots=True)
class Collected:
    """The listener of one row: only the last try counts."""

    ttft: float | None = None
    account: str = ""
    answer: Answer = field(default_factory=Answer)
    text: Growing = field(default_factory=Growing)
    _sent: float = 0.0

    def on_sent(self, account: Account, prepared: Prepared) -> None:  # noqa: ARG002 - the listener's form
        """A request goes out."""
        self.account, self.answer, self.text = account.name, Answer(), Growing()
        self._sent, self.ttft = time.monotonic(), None

    def on_pieces(self, pieces: list[Piece], answer: Answer) -> None:
        """Something arrived."""
        self.answer = answer
        for kind, piece in pieces:
            if kind == "text":
                self.text.add(piece)
        if pieces and self.ttft is None:
            self.ttft = time.monotonic() - self._sent

    def on_attempt(self, attempt: Attempt) -> None:
        """A try ended."""

    def on_wait(self, error: LkError, seconds: float, tries_left: int) -> None:
        """The next try starts in so many seconds."""

    def on_note(self, note: str) -> None:
        """Something the user should know."""


class Mapper:
    """Asks keys; gives each to `finished` or `failed` on the background loop."""

    def __init__(
        self,
        route: Route,
        call_of: Callable[[str], Call],
        pace: Pace,
        limits: tuple[float, int],
        parse: Callable[[str], Any] | None,
    ) -> None:
        self._route, self._call_of, self._pace, self._limits, self._parse = route, call_of, pace, limits, parse
        self._waiting: list[asyncio.Future[None]] = []
        self._fatal: LkError | None = None
        self.done: dict[str, Done] = {}
        self.errors: dict[str, LkError] = {}
        self.finished: Callable[[str, Done], None] | None = None
        self.running = False

    async def run(self, keys: Iterable[str], workers: int) -> None:
        """Asks all keys, `workers` at once at most, or as the pace allows."""
        from lk_notebook.net import attempts, client  # noqa: PLC0415 - brings httpx and aiohttp: when first asked

        asker, pending = await attempts.shared(), iter(keys)
        once = client.Limits(self._limits[0], 0)

        async def ask(key: str) -> Done:
            row = Collected()
            await asker.ask(self._call_of(key), self._route, once, row)
            self._pace.answered(row.answer.room, time.monotonic())
            text = redact(str(row.text))
            return Done(text, text if self._parse is None else self._parse(text), row.answer.usage)

        self.running = True
        try:
            async with _Group() as group:
                for _ in range(workers):
                    group.start(self._worker(pending, ask))
        finally:
            self.running = False

    async def _worker(self, pending: Iterator[str], ask: Callable[[str], Any]) -> None:
        for key in pending:
            try:
                done = await self._row(key, ask)
            except LkError as error:
                self.errors[key] = error
            else:
                self.done[key] = done
                if self.finished is not None:
                    self.finished(key, done)

    async def _row(self, key: str, ask: Callable[[str], Any]) -> Done:
        tries = refusals = 0
        while True:
            if self._fatal is not None:
                raise self._fatal
            await self._slot()
            try:
                done: Done = await ask(key)
            except RateLimitError as error:
                self._pace.refused(error.retry_after, time.monotonic())
                refusals += 1
                if refusals >= MOST_REFUSALS:
                    raise
            except FATAL as error:
                self._fatal = error
                raise
            except AGAIN:
                tries += 1
                if tries > self._limits[1]:
                    raise
            else:
                return done
            finally:
                self._free()
            if tries:
                await asyncio.sleep(min(8.0, 0.25 * 2.0**tries) * (1 - random.random() / 4))  # noqa: S311 - spreads tries

    async def _slot(self) -> None:
        """Waits until the pace lets one more start."""
        pace = self._pace
        while pace.full or pace.wait(time.monotonic()) > 0:
            if pace.full:
                free = asyncio.get_running_loop().create_future()
                self._waiting.append(free)
                await free
            else:
                await asyncio.sleep(pace.wait(time.monotonic()))
        pace.starts(time.monotonic())

    def _free(self) -> None:
        self._pace.ends()
        room = max(1, int(self._pace.limit)) - self._pace.active
        while room > 0 and self._waiting:
            free = self._waiting.pop(0)
            if not free.done():
                free.set_result(None)
                room -= 1


class _Group:
    """Tasks that end together: one that fails, or a cancellation, ends them all (asyncio.TaskGroup is of 3.11)."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, work: Any) -> None:
        self._tasks.append(asyncio.ensure_future(work))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await asyncio.gather(*self._tasks)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
