"""A map over the workers of a Dask cluster: they send the requests; pace, journal, budget and report stay here.

The one pace of all rows is kept by whoever deals them out, so a limit is shared however many workers there are. Each
worker runs one lane (lk_notebook/lane.py). A worker that is lost takes its rows' answers along, never the rows: they
are dealt to others. Everything below but `ask` and `close` runs on the loop of Dask's client.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import pickle
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any

from lk_notebook import __version__
from lk_notebook.core.routing import Route
from lk_notebook.core.values import Call, redact
from lk_notebook.errors import APIConnectionError, ConfigurationError, LkError
from lk_notebook.lane import GATHER, PATIENCE
from lk_notebook.once import Answered

#: Seconds between two looks at which workers are there.
LOOK = 0.5
#: Seconds after which a cluster without any worker is told, not waited for.
NO_WORKERS = 60.0
#: A row is dealt to no more workers than that, one after another: it may be what they are lost for.
MOST_DEALS = 4
#: A lane that ended is begun so often anew on its worker.
MOST_BEGINNINGS = 3
#: Seconds that a map waits for its lanes to hear of its end.
FAREWELL = 1.0


@dataclass(eq=False, slots=True)
class _Row:
    """A row under way: its request, and who waits for the answer on which loop."""

    messages: bytes
    answer: asyncio.Future[Answered]
    home: asyncio.AbstractEventLoop
    lane: _Lane | None = None
    dealt: int = 0


@dataclass(eq=False, slots=True)
class _Lane:
    """A lane that has said hello: its worker, and what is still to be put into its inbox."""

    worker: str
    queue: Any
    said: dict[str, Any]
    rows: list[tuple[int, bytes]] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    busy: int = 0
    gone: bool = False


class Spread:
    """Asks through the workers of a cluster; as `Here` does from this process.

    Raises:
        ConfigurationError: the client is none of Dask's, has ended, or runs on the loop that a map would hold up.
    """

    def __init__(self, client: Any, route: Route, timeout: float, base: Call) -> None:
        self._distributed = _distributed(client)
        self._client, self._route, self._timeout, self._base = client, route, timeout, pickle.dumps(base)
        self._name = f"lk_notebook-{uuid.uuid4().hex[:12]}"
        self._numbers = itertools.count()
        self._rows: dict[int, _Row] = {}
        self._waiting: deque[int] = deque()  # rows that no lane has yet
        self._lanes: dict[str, _Lane] = {}  # by their inbox
        self._tasks: dict[str, Any] = {}  # the lanes as Dask's futures, by worker; "" is one that may run anywhere
        self._begun: Counter[str] = Counter()
        self._running: list[asyncio.Task[None]] = []
        self._results = self._distributed.Queue(self._name, client=client)
        self._broken: LkError | None = None

    async def ask(self, call: Call) -> Answered:
        """One request from one of the workers.

        Raises:
            LkError: how it failed there; or that no worker can ask.
        """
        home = asyncio.get_running_loop()
        row = _Row(pickle.dumps(call.messages), home.create_future(), home)
        try:
            self._client.loop.add_callback(self._begin, next(self._numbers), row)
        except RuntimeError as error:  # its loop was closed
            raise ConfigurationError("The Dask client has ended.", "Connect it again: Client(cluster).") from error
        answered = await row.answer
        return replace(answered, text=redact(answered.text))  # a worker knows the keys of its account alone

    def close(self) -> None:
        """Has every lane stop what it does; waits for that no longer than a moment."""
        with contextlib.suppress(Exception):  # whatever Dask says of a cluster that is gone, the map has ended
            end = asyncio.run_coroutine_threadsafe(self._end(), self._client.loop.asyncio_loop)
            end.result(2 * FAREWELL)

    def _begin(self, number: int, row: _Row) -> None:
        if not self._running:
            self._run(self._listen())
            self._run(self._look())
        self._rows[number] = row
        if self._broken is not None:
            self._settle(number, self._broken)
        else:
            self._waiting.append(number)
            self._deal()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self._running.append(asyncio.ensure_future(self._told(work)))

    async def _told(self, work: Coroutine[Any, Any, None]) -> None:
        """A fault of the cluster ends all rows that wait, with an error that says so."""
        try:
            await work
        except Exception as error:  # noqa: BLE001 - Dask hands on whatever was raised at its scheduler
            lost = f"The cluster was lost: {type(error).__name__}: {error}"
            self._break(APIConnectionError(lost, "Start it, and run again."))

    def _deal(self) -> None:
        """Gives each waiting row to the lane that has the fewest."""
        while self._waiting and self._lanes:
            number = self._waiting.popleft()
            row = self._rows.get(number)
            if row is None:
                continue
            if row.dealt == MOST_DEALS:
                lost = f"This row was lost {MOST_DEALS} times with its worker."
                self._settle(number, ConfigurationError(lost, "Look into the logs of the workers."))
                continue
            least = min(self._lanes.values(), key=lambda each: each.busy)
            row.lane, row.dealt, least.busy = least, row.dealt + 1, least.busy + 1
            least.rows.append((number, row.messages))
            least.news.set()

    async def _listen(self) -> None:
        """Hears of lanes and of answers."""
        while True:
            said = await self._results.get()
            if "public" in said:
                self._hello(said)
            for number, pickled in said.get("done", ()):
                self._settle(number, pickle.loads(pickled))  # noqa: S301 - of a task of our own
            self._deal()

    def _hello(self, said: dict[str, Any]) -> None:
        from lk_notebook.net.sealed import seal  # noqa: PLC0415 - brings cryptography

        if said["version"] != __version__:
            what = f"The worker {said['worker']} has lk_notebook {said['version']}, here is {__version__}."
            self._break(ConfigurationError(what, "Install the same version on all workers."))
            return
        first = {"sealed": seal(self._route, said["public"]), "timeout": self._timeout, "base": self._base}
        new = _Lane(said["worker"], self._distributed.Queue(said["inbox"], client=self._client), first)
        new.news.set()
        self._lanes[said["inbox"]] = new
        if said["worker"] not in self._tasks and "" in self._tasks:
            self._tasks[said["worker"]] = self._tasks.pop("")
        self._run(self._feed(new))

    async def _feed(self, to: _Lane) -> None:
        """Puts what is said to a lane into its inbox; an empty word now and then where nothing is."""
        while not to.gone:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(to.news.wait(), PATIENCE / 4)
            await asyncio.sleep(GATHER / 2)
            to.news.clear()
            said, to.said, to.rows = {**to.said, "rows": to.rows}, {}, []
            try:
                await to.queue.put(said)
            except Exception:
                if not to.gone:
                    raise

    async def _look(self) -> None:
        """Gives each worker a lane, and the rows of a lost one to others."""
        alone_since = time.monotonic()
        while True:
            there = set(await self._client.nthreads())
            for worker in there - set(self._tasks):
                self._tasks[worker] = self._submit(workers=[worker], allow_other_workers=False)
            if not there and not self._tasks:
                self._tasks[""] = self._submit()  # an adaptive cluster starts workers for it
            for worker in ({each.worker for each in self._lanes.values()} | set(self._tasks)) - there - {""}:
                self._lost(worker)
            await self._check_tasks()
            if there:
                alone_since = time.monotonic()
            elif time.monotonic() - alone_since > NO_WORKERS:
                self._break(ConfigurationError("The cluster has no workers.", "Start some: cluster.scale(4)."))
            await asyncio.sleep(LOOK)

    def _submit(self, **where: Any) -> Any:
        key = f"{self._name}-{uuid.uuid4().hex[:8]}"
        return self._client.submit(_by_value(), self._name, key=key, pure=False, retries=0, **where)

    def _lost(self, worker: str) -> None:
        if (task := self._tasks.pop(worker, None)) is not None:
            task.release()
        gone = [name for name, each in self._lanes.items() if each.worker == worker]
        for each in [self._lanes.pop(name) for name in gone]:
            each.gone = True
            each.queue.close()
            self._waiting.extend(number for number, row in self._rows.items() if row.lane is each)
        self._deal()

    async def _check_tasks(self) -> None:
        """A lane that ended is begun anew; one that cannot run says why, and when none can, no row can be asked."""
        for worker in {each.worker for each in self._lanes.values()}:
            task = self._tasks.get(worker)
            if task is not None and task.status != "pending" and self._begun[worker] < MOST_BEGINNINGS:
                self._begun[worker] += 1
                self._lost(worker)
        failed = [worker for worker, task in self._tasks.items() if task.status == "error"]
        if not failed or len(failed) < len(self._tasks) or self._lanes:
            return
        error = await self._tasks[failed[0]].exception()
        what = f"The workers cannot ask: {type(error).__name__}: {error}"
        self._break(ConfigurationError(what, 'Install there what is here: pip install "lk_notebook[dask]".'))

    def _settle(self, number: int, found: Answered | LkError) -> None:
        """The answer of a row, where it is still waited for: a row that was dealt twice has its first."""
        row = self._rows.pop(number, None)
        if row is None:
            return
        if row.lane is not None:
            row.lane.busy -= 1
        row.home.call_soon_threadsafe(_answer, row.answer, found)

    def _break(self, error: LkError) -> None:
        self._broken = self._broken or error
        for number in tuple(self._rows):
            self._settle(number, self._broken)

    async def _end(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        for each in self._lanes.values():
            await each.queue.put({"stop": True})
            each.queue.close()
        told = {each.worker for each in self._lanes.values()}
        heard = [task for worker, task in self._tasks.items() if worker in told]
        with contextlib.suppress(Exception):  # a lane that failed has ended too
            await self._distributed.wait(heard, timeout=FAREWELL)
        for task in self._tasks.values():
            task.release()
        self._results.close()


def _by_value() -> Callable[[str], None]:
    """The lane as a function that goes by its code, not by its name.

    A worker, or a scheduler, that cannot import a task's module does not fail the task: it loses its connection.
    """

    def lane(results: str) -> None:
        from lk_notebook.lane import lane as begin  # noqa: PLC0415 - there, not here

        begin(results)

    return lane


def _answer(future: asyncio.Future[Answered], found: Answered | LkError) -> None:
    if future.done():
        return
    if isinstance(found, LkError):
        future.set_exception(found)
    else:
        future.set_result(found)


def _distributed(client: Any) -> Any:
    """The package whose client this is."""
    try:
        import distributed  # noqa: PLC0415 - a guest of the user's own

        from lk_notebook.net import sealed  # noqa: F401, PLC0415 - brings cryptography: say now that it is missing
    except ImportError as error:
        raise ConfigurationError(
            f"client= needs Dask, and {error.name} is missing.", 'Install it: pip install "lk_notebook[dask]".'
        ) from error
    if not isinstance(client, distributed.Client):
        raise ConfigurationError(
            f"client= is a Client of dask.distributed, not {type(client).__name__}.", "Give distributed.Client(…)."
        )
    if client.asynchronous:
        raise ConfigurationError("An asynchronous Client waits for the cell that it runs in.", "Give Client(cluster).")
    if client.status != "running":
        raise ConfigurationError(f"The Dask client is {client.status}.", "Connect it again: Client(cluster).")
    return distributed
