"""Reply: one answer as it grows, for any number of readers, in any thread, on any loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lk_notebook.arriving import ENDED, Arriving
from lk_notebook.core.values import Account, Call
from lk_notebook.desk import desk
from lk_notebook.errors import ConfigurationError
from lk_notebook.net.loop import TICK, heartbeat, interrupts, loop, submit

if TYPE_CHECKING:
    import concurrent.futures

__all__ = ["ENDED", "Reply"]


class Reply(Arriving):
    """One answer as it grows.

    Example:
        ```python
        reply = LLM("openai/gpt-5-mini")("Explain overfitting")
        for piece in reply:  # any thread; `async for` and `await` on any loop
            print(piece, end="")
        str(reply)  # waits; raises the reply's error
        ```

    Attributes: `text`, `reasoning`, `refusal` are texts, perhaps empty; `tool_calls`, `alternatives` and `attempts`
    are lists; `logprobs`, `finish_reason`, `response_id`, `served_by`, `usage`, `cost` (USD), `ttft`, `duration`
    (seconds) and `tokens_per_second` are None where nobody said. `messages` is the history as it was last sent,
    `notes` what was left out of the request, `parsed` the value under a schema. `state` is waiting, streaming, done,
    stopped or failed, `error` the reason of the last.
    """

    def __init__(self, call: Call, accounts: Sequence[Account], notes: Sequence[str] = ()) -> None:
        super().__init__(call, accounts, notes)
        self.drawn_in: int | None = None  # the execution that drew it last
        self.again: Callable[[Reply], Reply] | None = None  # goes on with it
        self.anew: Callable[[], Reply] | None = None  # asks the same once more
        self.remember: Callable[[Reply], None] | None = None  # its chat: a reply that goes on takes its place there
        self.redraw: Callable[[], None] | None = None  # draws it anew where it stands on the page
        self._work: concurrent.futures.Future[None] | None = None

    def start(self, work: Coroutine[Any, Any, None]) -> Reply:
        """Starts the asking on the background loop."""
        self._work = submit(work)
        self._work.add_done_callback(self._worked)
        return self

    def _worked(self, _work: object) -> None:
        """Ends a reply whose work was cancelled before its first step; lets go of the work, which holds the reply."""
        self.end("stopped")
        self._work = None

    @property
    def can_go_on(self) -> bool:
        """Whether the answer ended before its end, and can be gone on with."""
        cut = self.state in ("stopped", "failed") or self.finish_reason == "length"
        return cut and self.size > 0 and self.again is not None

    def continue_(self) -> Reply:
        """Goes on where a cut, stopped or length-limited answer ended; the new reply holds the joined text.

        Example:
            ```python
            whole = reply.continue_()
            ```

        Raises:
            ConfigurationError: the answer is complete, still comes, or never began.
        """
        if not self.can_go_on or self.again is None:
            raise ConfigurationError(
                "There is nothing to go on with: " + ("the answer is complete." if self.size else "no text came."),
                "Ask again.",
            )
        whole = self.again(self)
        whole.remember = self.remember
        if self.remember is not None:
            self.remember(whole)
        return whole

    def wait(self, timeout: float | None = None) -> Reply:
        """This reply, ended, or as it stands after `timeout` seconds; never raises the reply's own error."""
        _not_on_the_loop()
        last = float("inf") if timeout is None else time.monotonic() + timeout
        while not self._over.is_set() and (left := last - time.monotonic()) > 0:
            self._tick(self._over, min(TICK, left))
        return self

    def refresh(self) -> None:
        """Draws anew what stands of it on the page: something was learnt about it since."""
        if self.redraw is not None:
            self.redraw()

    def stop(self) -> None:
        """Ends it now: the connection is closed, what had arrived stays."""
        if (work := self._work) is not None:
            work.cancel()

    def __str__(self) -> str:
        self.wait()
        self._raise()
        return self.text

    def __repr__(self) -> str:
        return f"<Reply {self.model} {self.state}, {self.size} characters>"

    def __iter__(self) -> Iterator[str]:
        start = 0
        with self.woken() as woken:
            while True:
                woken.clear()
                ended = self.state in ENDED
                if piece := self.piece(start):
                    start += len(piece)
                    yield piece
                elif ended:
                    self._raise()
                    return
                else:
                    self._tick(woken, TICK)

    async def __aiter__(self) -> AsyncIterator[str]:
        start = 0
        while True:
            ended = self.state in ENDED
            if piece := self.piece(start):
                start += len(piece)
                yield piece
            elif ended:
                self._raise()
                return
            else:
                await self._news(self._wakers, lambda start=start: self.size > start)  # type: ignore[misc]

    def __await__(self) -> Generator[Any, None, Reply]:
        return self._whole().__await__()

    async def _whole(self) -> Reply:
        await self._news(self._enders, lambda: False)
        self._raise()
        return self

    def _raise(self) -> None:
        if self.broken:
            raise KeyboardInterrupt
        if self.error is not None:
            raise self.error.with_traceback(None)

    def _tick(self, woken: threading.Event, seconds: float) -> None:
        """Waits for a change, and does what must be done in this thread; an interrupt stops the reply."""
        with interrupts() as seen:
            woken.wait(seconds)
            desk.serve(seen)
            if seen.pressed:
                self.stop()
                raise KeyboardInterrupt

    @contextlib.contextmanager
    def woken(self, woken: threading.Event | None = None) -> Iterator[threading.Event]:
        """An event that is set at each change, for as long as somebody reads; one may serve several replies."""
        _not_on_the_loop()
        woken = woken or threading.Event()
        self._wakers.append(woken.set)
        try:
            yield woken
        finally:
            self._wakers.remove(woken.set)

    async def _news(self, wakers: list[Callable[[], None]], came: Callable[[], bool]) -> None:
        """Waits for news on whichever loop this runs; whoever is cancelled here wants the answer no more."""
        here = asyncio.get_running_loop()
        news = here.create_future()
        with heartbeat(here) as beat:

            def wake() -> None:
                with contextlib.suppress(RuntimeError):  # that loop has ended
                    beat.tell(news)

            wakers.append(wake)
            try:
                if self.state not in ENDED and not came():
                    await news
            except asyncio.CancelledError:
                self.stop()
                raise
            finally:
                wakers.remove(wake)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: FBT001 - IPython's signature
        printer.text("<Reply …>" if cycle else repr(self))

    def _ipython_display_(self) -> None:
        """Draws itself, live, as the last value of a cell; not again where a magic has just drawn it."""
        from lk_notebook import show  # noqa: PLC0415 - the view is imported when first used

        show.draw_again(self)


def _not_on_the_loop() -> None:
    if asyncio._get_running_loop() is loop():  # noqa: SLF001 - no public form that does not raise
        raise RuntimeError("This thread carries the answer: await the reply here, do not wait for it.")
