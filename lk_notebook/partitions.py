"""`llm.map` over a Dask DataFrame or Series: each partition is asked where and when it is computed.

A graph holds the question, never a key. Keys are handed to the processes that will ask, sealed for each of them; a
worker that came later finds its accounts in its own environment.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import uuid
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from lk_notebook import question, table
from lk_notebook.core.routing import Route
from lk_notebook.core.values import Account
from lk_notebook.errors import ConfigurationError
from lk_notebook.ledger import LEDGER
from lk_notebook.net import accounts
from lk_notebook.net.deck import DECK

_DASK = 'Install Dask\'s part: pip install "lk_notebook[dask]".'


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of every row."""

    prompt: str
    schema: Any = None
    images: Any = None
    n: int = 1


def are(rows: Any) -> bool:
    """Whether these rows are Dask's."""
    module = sys.modules.get("dask.dataframe")
    return module is not None and isinstance(rows, (module.DataFrame, module.Series))


def asked(words: question.Words, rows: Any, what: Question, options: table.Options) -> Any:
    """The answers as a Dask Series that is not computed yet.

    Raises:
        PromptError: the prompt names what is no column.
        ConfigurationError: a journal, images one by one; the workers cannot be handed the keys.
    """
    import cloudpickle  # type: ignore[import-untyped] # noqa: PLC0415 - comes with Dask
    import pandas as pd  # noqa: PLC0415 - comes with Dask's tables
    from dask.dataframe import dispatch  # noqa: PLC0415 - the caller has loaded it

    options.check()
    if options.journal is not None:
        raise ConfigurationError(
            "A Dask table is asked on its workers, where there is no journal.",
            "Give the rows as a pandas table with client=, or write the result: to_parquet.",
        )
    if what.images is not None and not isinstance(what.images, str):
        raise ConfigurationError("The images of a Dask table stand in a column.", "Give images= its name.")
    if DECK.on:
        raise ConfigurationError(
            "A tape is on, and a Dask table is asked on its workers, which have none.",
            "Give the rows as a pandas table.",
        )
    LEDGER.check()
    tables: Any = dispatch  # it has no types
    empty = tables.make_meta(rows)
    question.read(words, empty, what.prompt, schema=what.schema, images=what.images, n=what.n)
    name = f"lk_notebook-{uuid.uuid4().hex[:12]}"  # what the keys of this call, and its limit, are known by
    _hand_over(name, words.route, options.client)
    bare = replace(words, route=_without_keys(words.route))
    part = Partition(name, bare, what, replace(options, client=None, progress=False))
    meta = pd.Series([], index=empty.index, dtype=object)
    return rows.map_partitions(_by_value(), cloudpickle.dumps(part), meta=meta)


@dataclass(frozen=True, slots=True)
class Partition:
    """Asks the rows of one partition, in the process that computes it."""

    name: str
    words: question.Words  # without keys
    what: Question
    options: table.Options

    def __call__(self, rows: Any) -> Any:
        """The answers, a pandas Series; failed rows are None, and told by a warning."""
        what = self.what
        words = replace(self.words, route=self._route())
        read = question.read(words, rows, what.prompt, schema=what.schema, images=what.images, n=what.n)
        _, most = self.options.pace()
        with _share(self.name, most) as concurrency:
            found = table.Run(read, what.prompt, replace(self.options, concurrency=concurrency)).result()
        errors = found.attrs.pop("report").errors
        if errors:
            _warn(f"{len(errors)} of {len(found)} rows of a partition failed, the first: {errors.values()[0].what}")
        return found

    def _route(self) -> Route:
        from lk_notebook.net import sealed  # noqa: PLC0415 - brings cryptography

        known, bare = sealed.handed(self.name), self.words.route
        return known or replace(bare, accounts=tuple(map(_with_own_key, bare.accounts)))


def _with_own_key(account: Account) -> Account:
    """The account with the key of this process's environment, where it needs one."""
    if account.scheme == "none":
        return account
    with contextlib.suppress(ConfigurationError):
        own = accounts.named(account.kind, os.environ.get)
        return replace(account, key=own.key, secret=own.secret)
    raise ConfigurationError(
        f"A worker has no key for {account.name}.",
        "Call map again, now that the worker is there; or set the key in the environment of the workers.",
    )


def _without_keys(route: Route) -> Route:
    try:
        from lk_notebook.net import sealed  # noqa: PLC0415 - brings cryptography
    except ImportError as error:
        raise ConfigurationError(f"A Dask table needs {error.name}, which is missing.", _DASK) from error
    return sealed.without_keys(route)


def _hand_over(name: str, route: Route, client: Any) -> None:
    """Keys to this process, and to the workers of the client that is given or there."""
    if _without_keys(route) == route:
        return
    from lk_notebook.net import sealed  # noqa: PLC0415 - as above

    sealed.keep(name, route)
    client = client or _client()
    if client is None:
        return
    try:
        for worker, public in client.run(sealed.offer, name).items():
            client.run(sealed.take, name, sealed.seal(route, public), workers=[worker])
    except Exception as error:  # whatever was raised on a worker
        raise ConfigurationError(f"The workers cannot ask: {type(error).__name__}: {error}", _DASK) from error


def _client() -> Any:
    """The client of the cluster that computes, where there is one."""
    module = sys.modules.get("distributed")
    if module is None:
        return None
    try:
        return module.default_client()
    except ValueError:
        return None


_gates: dict[str, threading.Semaphore] = {}
_lock = threading.Lock()


@contextlib.contextmanager
def _share(name: str, most: int) -> Iterator[int]:
    """How many requests this partition may have under way: of all that are computed together, no more than `most`."""
    take, give, threads = _gate(name, most)
    taken = int(take(wait=True))
    try:
        while taken < most // threads and take(wait=False):
            taken += 1
        yield taken
    finally:
        for _ in range(taken):
            give()


def _gate(name: str, most: int) -> tuple[Callable[..., bool], Callable[[], Any], int]:
    """Takes and gives back one of so many leases; and how many threads may ask for them."""
    module = sys.modules.get("distributed")
    if module is not None:
        with contextlib.suppress(ValueError):  # not computed on a worker
            module.get_worker()
            leases = module.Semaphore(max_leases=most, name=name)
            threads = sum(module.get_client().nthreads().values())
            return lambda *, wait: leases.acquire(timeout=None if wait else 0), leases.release, max(1, threads)
    with _lock:
        gate = _gates.setdefault(name, threading.Semaphore(most))
    return lambda *, wait: gate.acquire(blocking=wait), gate.release, os.cpu_count() or 1


def _warn(text: str) -> None:
    """A warning that reaches the notebook, also from a worker."""
    module = sys.modules.get("distributed")
    if module is not None:
        with contextlib.suppress(ValueError):
            module.get_worker()
            module.warn(text)
            return
    warnings.warn(text, stacklevel=2)


def _by_value() -> Callable[[Any, bytes], Any]:
    """What a graph holds: a function that goes by its code. One whose module is missing there would end a worker."""

    def ask(rows: Any, partition: bytes) -> Any:
        import pickle  # noqa: PLC0415 - there, not here

        return pickle.loads(partition)(rows)  # noqa: S301 - of the notebook that computes it

    return ask
