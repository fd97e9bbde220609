"""Many rows at one pace, each asked again where that may help, nothing lost; whoever sends the requests."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lk_notebook.core.pace import Pace
from lk_notebook.core.values import Call
from lk_notebook.errors import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    ContentFilterError,
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
from lk_notebook.once import Answered

if TYPE_CHECKING:
    from typing_extensions import Self

#: Nothing of a row is shown before it is whole, so all that may be mended by asking again is asked again.
AGAIN = (StreamInterrupted, StreamError, ProtocolError, APITimeoutError, APIConnectionError, ServerError, SchemaError)
#: What would befall every further row as well: they are not asked.
FATAL = (AuthenticationError, QuotaExceededError, NotFoundError)
#: A row that is refused for its pace so often is given up; each refusal waits, and costs no try.
MOST_REFUSALS = 200


@dataclass(frozen=True, slots=True)
class Done:
    """A finished row: its text, and the value it was read as."""

    text: str
    value: Any


@dataclass(frozen=True, slots=True)
class Work:
    """How rows are asked: the request of a key, who sends it, the further tries, what an answer is read as."""

    call_of: Callable[[str], Call]
    ask: Callable[[Call], Awaitable[Answered]]
    max_retries: int = 2
    parse: Callable[[str], Any] | None = None


class Mapper:
    """Asks keys on the background loop; each ends in `done` or in `errors`."""

    def __init__(self, work: Work, pace: Pace) -> None:
        self._work, self._pace = work, pace
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._fatal: LkError | None = None
        self.done: dict[str, Done] = {}
        self.errors: dict[str, LkError] = {}
        self.cut = 0  # answers that ended at max_completion_tokens, and were taken
        self.answered: list[Callable[[Answered], None]] = []  # told of every answer, also of one that is asked again
        self.finished: list[Callable[[str, Done], None]] = []  # told of every row that is done
        self.running = False

    async def run(self, keys: Iterable[str], workers: int) -> None:
        """Asks all keys, `workers` at once at most, or as the pace allows."""
        pending = iter(keys)
        self.running = True
        try:
            async with _Group() as group:
                for _ in range(workers):
                    group.start(self._worker(pending))
        finally:
            self.running = False

    async def _worker(self, pending: Iterator[str]) -> None:
        for key in pending:
            if self._fatal is not None:
                self.errors[key] = self._fatal
                continue
            try:
                done = await self._row(key)
            except LkError as error:
                self.errors[key] = error
            else:
                self.done[key] = done
                for tell in self.finished:
                    tell(key, done)

    async def _row(self, key: str) -> Done:
        tries = refusals = 0
        while True:
            number = await self._slot()
            try:
                if self._fatal is not None:
                    raise self._fatal.with_traceback(None)  # else every row that raises it would lengthen it
                answered = await self._work.ask(self._work.call_of(key))
                return self._read(answered, number)
            except RateLimitError as error:
                self._pace.refused(error.retry_after, time.monotonic())
                refusals += 1
                if refusals >= MOST_REFUSALS:
                    raise
            except FATAL as error:
                self._fatal = error
                raise
            except AGAIN as error:
                tries += 1
                if tries > self._work.max_retries or (isinstance(error, SchemaError) and not error.retryable):
                    raise
            finally:
                self._free()
            if tries:
                await asyncio.sleep(min(8.0, 0.25 * 2.0**tries) * (1 - random.random() / 4))  # noqa: S311 - spreads tries

    def _read(self, answered: Answered, number: int) -> Done:
        """The row of an answer.

        Raises:
            SchemaError: it does not meet the schema; `retryable` where another answer may.
            ContentFilterError: the model refused, or a filter cut its answer.
        """
        tokens = 0 if answered.usage is None else answered.usage.total_tokens
        self._pace.answered(answered.room, time.monotonic(), number, tokens)
        for tell in self.answered:
            tell(answered)
        if answered.refusal and not answered.text.strip():
            raise ContentFilterError(f"The model refused: {answered.refusal}", "Change the wording of the prompt.")
        if answered.finish_reason == "content_filter":
            raise ContentFilterError("A content filter cut the answer.", "Change the prompt, or leave out the row.")
        short = answered.finish_reason == "length"
        try:
            value = answered.text if self._work.parse is None else self._work.parse(answered.text)
        except SchemaError as error:
            if short:
                raise SchemaError(
                    f"The answer was cut at max_completion_tokens, so it does not fit: {error.what}",
                    'Give it more: extra_kwargs={"max_completion_tokens": 4000}.',
                ) from None
            error.retryable = True  # nothing of it was shown
            raise
        self.cut += short
        return Done(answered.text, value)

    async def _slot(self) -> int:
        """Waits until the pace lets one more start; gives its number."""
        pace = self._pace
        while pace.full or pace.wait(time.monotonic()) > 0:
            if pace.full:
                free = asyncio.get_running_loop().create_future()
                self._waiting.append(free)
                await free
            else:
                await asyncio.sleep(pace.wait(time.monotonic()))
        return pace.starts(time.monotonic())

    def _free(self) -> None:
        self._pace.ends()
        room = max(1, int(self._pace.limit)) - self._pace.active
        while room > 0 and self._waiting:
            free = self._waiting.popleft()
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
