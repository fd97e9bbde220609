"""The one background loop, and how other threads wait for it.

Everything is written once, as async, on this loop; whoever waits does so in short ticks: a plain wait is not woken
by an interrupt on every platform, and a plain await in a cell on none.
"""

from __future__ import annotations

import asyncio
import atexit
import collections
import concurrent.futures
import contextlib
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")

#: Seconds between two looks at whether an interrupt came.
TICK = 0.02

_lock = threading.Lock()
_running: asyncio.AbstractEventLoop | None = None


def _forget() -> None:
    """In a forked process: threads do not survive a fork, and another one may have held the lock."""
    global _lock, _running
    _lock, _running = threading.Lock(), None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def loop() -> asyncio.AbstractEventLoop:
    """The loop, started at first use, and anew in a forked process."""
    global _running  # noqa: PLW0603 - one loop a process is the point
    with _lock:
        if _running is None:
            _running = asyncio.new_event_loop()
            threading.Thread(target=_running.run_forever, name="lk_notebook", daemon=True).start()
        return _running


def submit(work: Coroutine[Any, Any, T]) -> concurrent.futures.Future[T]:
    """Starts the work on the loop, in the context of the caller, so that output finds the caller's cell."""
    return asyncio.run_coroutine_threadsafe(work, loop())


def wait(work: Coroutine[Any, Any, T]) -> T:
    """What the work on the loop gives, for a caller in any other thread; an interrupt cancels it."""
    future = submit(work)
    with interrupts() as seen:
        while not concurrent.futures.wait([future], TICK).done:
            if seen.pressed:
                future.cancel()
                raise KeyboardInterrupt
    return future.result()


def at_exit(close: Callable[[], Coroutine[Any, Any, None]], *, cancel: bool = True) -> None:
    """Has `close` run on the loop when the process ends, a second at most; what is given last runs first.

    Whatever runs there is cancelled before, unless `cancel` is false.
    """
    pid = os.getpid()

    async def quietly() -> None:
        running = asyncio.all_tasks() - {asyncio.current_task()} if cancel else set()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await close()

    def ending() -> None:
        if os.getpid() == pid and _running is not None:
            with contextlib.suppress(Exception):
                submit(quietly()).result(1)

    atexit.register(ending)


class Beat:
    """The ticking of one loop, for as many as await something on it, and the door for their news.

    News that come together from another thread wake the loop once: each wake costs a system call.
    """

    def __init__(self, here: asyncio.AbstractEventLoop) -> None:
        self.awaiting = 0
        self._here = here
        self._next = here.call_later(TICK, self._again)
        self._news: collections.deque[asyncio.Future[None]] = collections.deque()
        self._knocked = False

    def tell(self, news: asyncio.Future[None]) -> None:
        """Has the future done on its loop; called on any thread.

        Raises:
            RuntimeError: the loop has ended.
        """
        self._news.append(news)
        if not self._knocked:
            self._knocked = True
            self._here.call_soon_threadsafe(self._open)

    def stop(self) -> None:
        """Ticks no more."""
        self._next.cancel()

    def _open(self) -> None:
        self._knocked = False  # before looking: what is told from here on knocks again
        while self._news:
            if not (news := self._news.popleft()).done():
                news.set_result(None)

    def _again(self) -> None:
        self._next = self._here.call_later(TICK, self._again)


_beats: dict[asyncio.AbstractEventLoop, Beat] = {}


@contextlib.contextmanager
def heartbeat(here: asyncio.AbstractEventLoop) -> Iterator[Beat]:
    """Wakes a loop in ticks while something is awaited on it: an interrupt cancels, but does not wake, an idle one."""
    beat = _beats.get(here) or _beats.setdefault(here, Beat(here))
    beat.awaiting += 1
    try:
        yield beat
    finally:
        beat.awaiting -= 1
        if not beat.awaiting:
            _beats.pop(here).stop()


class Interrupts:
    """What `interrupts` gives: whether an interrupt came."""

    def __init__(self) -> None:
        self.pressed = False


_watching: Interrupts | None = None


@contextlib.contextmanager
def interrupts() -> Iterator[Interrupts]:
    """Takes interrupts (■, Ctrl+C) as a wish, so that none lands inside a send; a second one breaks through.

    Whoever waits inside another wait shares its watch. In any but the main thread there are no interrupts to take.
    """
    global _watching  # noqa: PLW0603 - a process has one handler
    if threading.current_thread() is not threading.main_thread():
        yield Interrupts()
        return
    if _watching is not None:
        yield _watching
        return
    seen = _watching = Interrupts()

    def on(_number: int, _frame: FrameType | None) -> None:
        if seen.pressed:
            raise KeyboardInterrupt
        seen.pressed = True

    before = signal.signal(signal.SIGINT, on) or signal.SIG_DFL
    try:
        yield seen
    finally:
        signal.signal(signal.SIGINT, before)
        _watching = None
