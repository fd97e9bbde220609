"""A worker's part of a map over a Dask cluster: takes rows from an inbox, asks, and puts what came into the results.

One lane a worker, as one task for as long as the map runs, on the loop and with the client of its process. Rows and
answers travel through Dask's queues, the accounts sealed for this lane alone.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import pickle
import threading
import time
import uuid
from dataclasses import replace
from typing import Any

from lk_notebook import __version__
from lk_notebook.core.values import Call, Message
from lk_notebook.errors import LkError
from lk_notebook.net.loop import submit
from lk_notebook.once import Answered, Here

#: Seconds without a word from the notebook after which a lane ends; it says one in a quarter of that.
PATIENCE = 60.0
#: Seconds for which what goes the same way is gathered: a message costs Dask a millisecond, a row in it next to none.
GATHER = 0.02


def lane(results: str) -> None:
    """Asks until it is told to stop, or its notebook is gone. Run as a task on a worker.

    Args:
        results: the name of the queue that answers go to. It is all that a graph, a log or a dashboard shows of a map.
    """
    import distributed  # noqa: PLC0415 - the cluster's own

    from lk_notebook.net.sealed import Box  # noqa: PLC0415 - brings cryptography

    dask: Any = distributed  # its queues have no types
    client, name, box = dask.get_client(), f"{results}-{uuid.uuid4().hex[:8]}", Box()
    inbox, out = dask.Queue(name, client=client), dask.Queue(results, client=client)
    asking = _Asking(out)
    try:
        out.put({"inbox": name, "worker": dask.get_worker().address, "public": box.public, "version": __version__})
        while not (said := inbox.get(timeout=PATIENCE)).get("stop"):
            if "sealed" in said:
                asking.here = Here(box.open(said["sealed"]), said["timeout"])
                asking.base = pickle.loads(said["base"])  # noqa: S301 - of the notebook that runs us
            for number, messages in said.get("rows", ()):
                asking.start(number, pickle.loads(messages))  # noqa: S301 - as above
    except (TimeoutError, asyncio.TimeoutError):
        return  # the notebook is gone
    finally:
        asking.close()
        inbox.close()
        out.close()


class _Asking:
    """The rows under way. What came is put into the results in batches."""

    def __init__(self, results: Any) -> None:
        self.here: Here | None = None
        self.base = Call("", ())
        self._results = results
        self._futures: dict[int, concurrent.futures.Future[Answered]] = {}
        self._batch: list[tuple[int, bytes]] = []
        self._lock, self._news, self._closed = threading.Lock(), threading.Event(), False
        self._thread = threading.Thread(target=self._put, name="lk_notebook lane", daemon=True)
        self._thread.start()

    def start(self, number: int, messages: list[Message]) -> None:
        """Asks one more."""
        if self.here is not None:
            future = self._futures[number] = submit(self.here.ask(replace(self.base, messages=messages)))
            future.add_done_callback(functools.partial(self._came, number))

    def close(self) -> None:
        """Asks and tells no more."""
        self._closed = True
        for future in tuple(self._futures.values()):
            future.cancel()
        self._news.set()
        self._thread.join(1)

    def _came(self, number: int, done: concurrent.futures.Future[Answered]) -> None:
        self._futures.pop(number, None)
        if not done.cancelled():
            with self._lock:
                self._batch.append((number, pickle.dumps(_told(done))))
            self._news.set()

    def _put(self) -> None:
        while not self._closed:
            self._news.wait()
            time.sleep(GATHER)
            self._news.clear()
            with self._lock:
                batch, self._batch = self._batch, []
            if batch and not self._closed:
                self._results.put({"done": batch})


def _told(done: concurrent.futures.Future[Answered]) -> Answered | LkError:
    error = done.exception()
    if error is None:
        return done.result()
    if isinstance(error, LkError):
        return error.with_traceback(None)
    return LkError(f"A fault of lk_notebook itself: {type(error).__name__}: {error}", "Report it.")
