"""What must be done in the main thread (a notebook's tools), and who does it there.

Whoever waits in the main thread does it between two looks at the reply; while nobody waits, the kernel's own loop
does; a program without either gets a thread.
"""

from __future__ import annotations

import asyncio
import collections
import concurrent.futures
import contextlib
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

from lk_notebook.net.loop import TICK, Interrupts

#: Seconds until a job that nobody took runs in a thread of its own.
PATIENCE = 0.3


class Stopped(KeyboardInterrupt):
    """■ was pressed: the cell ends quietly, and the cells queued behind it do not run, as after any interrupt."""

    def _render_traceback_(self) -> list[str]:
        return []


class Interrupted(Exception):
    """■ broke into the user's own code. No KeyboardInterrupt: out of a task that would end the loop it runs on."""


class Job:
    """Some pieces of work that belong together: coroutine functions, of which only some ever suspend."""

    def __init__(self, works: Sequence[Callable[[], Coroutine[Any, Any, None]]], *, suspends: bool) -> None:
        self.done: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._works, self._suspends = works, suspends

    def run(self, seen: Interrupts) -> None:
        """All of them now, in this thread, though its loop may be running."""
        if not self.done.set_running_or_notify_cancel():
            return
        try:
            if self._suspends:
                _nested(self._together, seen)
            else:
                for work in self._works:
                    _step_through(work())
        except BaseException as error:  # noqa: BLE001 - it is handed to whoever awaits the job
            self.done.set_exception(error)
            seen.pressed = seen.pressed or isinstance(error, (Interrupted, KeyboardInterrupt))
        else:
            self.done.set_result(None)

    async def run_here(self) -> None:
        """All of them on the running loop, which is free."""
        if not self.done.set_running_or_notify_cancel():
            return
        try:
            await self._together()
        except BaseException as error:  # noqa: BLE001 - as above
            self.done.set_exception(error)
        else:
            self.done.set_result(None)

    async def _together(self) -> None:
        await asyncio.gather(*(work() for work in self._works))


class Desk:
    """The jobs that wait for the main thread."""

    def __init__(self) -> None:
        self._jobs: collections.deque[Job] = collections.deque()
        self._home: asyncio.AbstractEventLoop | None = None

    def at_home(self) -> None:
        """Remembers the main thread's loop, where this is the main thread: a kernel's runs whenever it is idle."""
        if threading.current_thread() is threading.main_thread():
            self._home = asyncio._get_running_loop() or self._home  # noqa: SLF001 - no public form that does not raise

    @property
    def waited_for(self) -> bool:
        """Whether a job waits: what it may hold up should be done before."""
        return bool(self._jobs)

    def put(self, job: Job) -> None:
        """Hands in a job; whoever comes first does it."""
        self._jobs.append(job)
        home = self._home
        if home is not None and not home.is_closed():
            home.call_soon_threadsafe(lambda: home.create_task(self._serve_at_home()))
        else:
            timer = threading.Timer(PATIENCE, lambda: self._serve_apart(job))
            timer.daemon = True
            timer.start()

    def serve(self, seen: Interrupts) -> None:
        """Does what waits, where this is the main thread."""
        if threading.current_thread() is threading.main_thread():
            while self._jobs:
                with contextlib.suppress(IndexError):
                    self._jobs.popleft().run(seen)

    async def _serve_at_home(self) -> None:
        while self._jobs:
            with contextlib.suppress(IndexError):
                await self._jobs.popleft().run_here()

    def _serve_apart(self, job: Job) -> None:
        with contextlib.suppress(ValueError):  # somebody took it
            self._jobs.remove(job)
            job.run(Interrupts())


desk = Desk()


@contextlib.contextmanager
def breakable() -> Iterator[None]:
    """Lets an interrupt break into the user's own code, as it would in a cell."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler) or signal.SIG_DFL
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _step_through(work: Coroutine[Any, Any, None]) -> None:
    """Runs a coroutine that never suspends."""
    with contextlib.suppress(StopIteration):
        work.send(None)
        raise RuntimeError("A synchronous tool was awaited.")  # pragma: no cover - a fault of ours


def _nested(together: Callable[[], Coroutine[Any, Any, None]], seen: Interrupts) -> None:
    """Runs coroutines on this thread's loop, also from within it: the one honest use of nest-asyncio.

    The loop of an old kernel is not woken by an interrupt; so it looks, in ticks, whether one came.
    """
    here = asyncio._get_running_loop()  # noqa: SLF001 - no public form that does not raise

    async def watched() -> None:
        task = asyncio.ensure_future(together())
        while not task.done():
            await asyncio.wait({task}, timeout=TICK)
            if seen.pressed:
                task.cancel()
        await task

    if here is None:
        asyncio.run(watched())
        return
    import nest_asyncio2  # noqa: PLC0415 - it patches a loop: only when there is no other way

    nest_asyncio2.apply(here)
    here.run_until_complete(watched())
