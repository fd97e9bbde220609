"""`llm.map`: one prompt over the rows of a table, at the provider's pace, with nothing lost."""

from __future__ import annotations

import concurrent.futures
import contextlib
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Protocol

from lk_notebook.bill import Bill, estimate
from lk_notebook.carried import with_images
from lk_notebook.core.ledger import plain
from lk_notebook.core.pace import AUTO_FIRST, AUTO_MOST, Pace
from lk_notebook.core.values import Call
from lk_notebook.desk import Stopped
from lk_notebook.errors import ConfigurationError, LkError, PromptError
from lk_notebook.journal import Journal
from lk_notebook.ledger import LEDGER
from lk_notebook.mapping import Done, Mapper, Work
from lk_notebook.net.deck import DECK
from lk_notebook.net.loop import TICK, interrupts, submit
from lk_notebook.once import Answered, Here
from lk_notebook.progress import Bar
from lk_notebook.question import Table, fingerprint
from lk_notebook.report import Report, agreement

#: So many rows are asked first, where a price is known, to say what all of them will cost.
FIRST = 5
#: Fewer rows are asked without an estimate.
WORTH_ESTIMATING = 20

#: What a map had finished that did not end well, by its question and server: the same call asks only for the rest.
_kept: dict[str, Mapping[str, Done]] = {}


class Asks(Protocol):
    """Who sends the requests: this process, or the workers of a cluster."""

    async def ask(self, call: Call) -> Answered:
        """One request."""

    def close(self) -> None:
        """No more are sent."""


@dataclass(frozen=True, slots=True)
class Options:
    """How a table is asked."""

    concurrency: int | str = 16
    journal: Any = None
    progress: bool = True
    on_error: str = "keep"
    limits: tuple[float, int] = (60.0, 2)  # seconds without a byte, further tries
    client: Any = None  # of Dask

    def pace(self) -> tuple[Pace, int]:
        """The pace, and how many may ever be under way.

        Raises:
            ConfigurationError: a number below 1, or no number.
        """
        if self.concurrency == "auto":
            return Pace(AUTO_FIRST, AUTO_MOST), AUTO_MOST
        if isinstance(self.concurrency, bool) or not isinstance(self.concurrency, int) or self.concurrency < 1:
            raise ConfigurationError(
                f'concurrency is a number from 1 on, or "auto", not {self.concurrency!r}.', "Give concurrency=16."
            )
        return Pace(self.concurrency), self.concurrency

    def check(self) -> None:
        """Refuses what cannot be.

        Raises:
            ConfigurationError: there is no such `on_error`, or the concurrency is none.
        """
        if self.on_error not in ("keep", "raise"):
            raise ConfigurationError(f"There is no on_error {self.on_error}.", "There are keep and raise.")
        self.pace()


class Run:
    """One map from its first row to its report."""

    def __init__(self, table: Table, prompt: str, options: Options) -> None:
        self._table, self._options = table, options
        self._asked = fingerprint(table, prompt)
        self._memory = f"{self._asked['fingerprint']} {table.route.accounts[0].url}"  # another server, other answers
        self._report, self._bill = Report(rows=len(table.rows)), Bill(table.route, table.base)
        self._place: dict[str, int] = {}  # key -> the first row that asks it
        self._keys: list[str | None] = []
        self._unasked: dict[int, LkError] = {}  # rows whose prompt cannot be made
        self._begun = time.monotonic()

    def result(self) -> Any:
        """The values in the shape of the rows.

        Raises:
            Stopped: ■; what is done is kept, and the same call asks for the rest.
            LkError: the first row's error, under `on_error="raise"`.
        """
        self._options.check()
        if DECK.replay is None:  # a tape costs nothing
            LEDGER.check()
        self._read_rows()
        if self._options.journal is None:
            return self._with(None)
        with Journal(self._options.journal, self._asked) as journal:
            return self._with(journal)

    def _read_rows(self) -> None:
        """The key of every row; one whose prompt cannot be made has failed, and is not asked."""
        for i in range(len(self._table.rows)):
            try:
                key = self._table.key(i)
            except PromptError as error:
                if self._options.on_error == "raise":
                    raise
                self._unasked[i] = error.with_traceback(None)  # its frames hold the row
                self._keys.append(None)
                continue
            self._report.duplicates += key in self._place
            self._place.setdefault(key, i)
            self._keys.append(key)
        if self._unasked and len(self._unasked) == len(self._table.rows):
            raise self._unasked[0]

    def _with(self, journal: Journal | None) -> Any:
        table, options = self._table, self._options
        pace, workers = options.pace()
        parse = None if table.schema is None else table.schema.parse
        with contextlib.closing(self._asks()) as asks:
            mapper = Mapper(Work(self._call, asks.ask, options.limits[1], parse), pace)
            mapper.answered.append(self._bill.add)
            mapper.done.update(self._remembered(journal, parse))
            self._report.remembered = len(mapper.done)
            if journal is not None:
                mapper.finished.append(lambda key, done: journal.write(key, done.text))
            missing = [key for key in self._tasks() if key not in mapper.done]
            self._report.asked = len(missing)
            try:
                self._ask(mapper, missing, workers)
            finally:
                self._enter()
                _kept[self._memory] = mapper.done
        if mapper.cut:
            self._report.note(f"{mapper.cut} answers were cut at max_completion_tokens, and end there.")
        if journal is not None and journal.problem:
            self._report.note(journal.problem)
        return self._shaped(mapper)

    def _asks(self) -> Asks:
        timeout, _ = self._options.limits
        if self._options.client is not None and DECK.on:
            self._report.note("A tape is on, so the rows were asked from here, not by the workers.")
        if self._options.client is None or DECK.on:
            return Here(self._table.route, timeout)
        from lk_notebook.cluster import Spread  # noqa: PLC0415 - only who has a cluster needs it

        return Spread(self._options.client, self._table.route, timeout, replace(self._table.base, messages=()))

    def _tasks(self) -> list[str]:
        times = self._table.times
        return [key if times == 1 else f"{key}#{j}" for key in self._place for j in range(times)]

    def _call(self, task: str) -> Call:
        table, i = self._table, self._place[task.partition("#")[0]]
        messages = table.messages(i)
        if table.images is not None:
            messages, notes = with_images(messages, table.images(i), table.base.model)
            for note in notes:
                self._report.note(note)
        return replace(table.base, messages=messages)

    def _remembered(self, journal: Journal | None, parse: Callable[[str], Any] | None) -> dict[str, Done]:
        """What an earlier run of the same question finished, read anew: the cell may have made its types anew."""
        texts = {key: done.text for key, done in _kept.pop(self._memory, {}).items()}
        written = {} if journal is None else journal.rows
        known: dict[str, Done] = {}
        for key in self._tasks():
            text = texts.get(key, written.get(key))
            if text is None:
                continue
            with contextlib.suppress(LkError):  # it meets the schema no longer: asked again
                known[key] = Done(text, text if parse is None else parse(text))
            if journal is not None and key in known and key not in written:
                journal.write(key, text)
        return known

    def _ask(self, mapper: Mapper, missing: list[str], workers: int) -> None:
        """Asks what is missing, and waits; first a few, to say what all will cost."""
        if self._options.progress and len(missing) >= WORTH_ESTIMATING and self._bill.has_price():
            self._wait(mapper, missing[:FIRST], workers, show=False)
            dollars = estimate(self._bill, len(missing))
            if dollars is not None:
                rows = f"{len(missing):,}".replace(",", " ")
                print(f"{rows} rows, about ${plain(Decimal(f'{dollars:.2g}'))}", file=sys.stdout)  # noqa: T201
            missing = missing[FIRST:]
        self._wait(mapper, missing, workers, show=self._options.progress)

    def _wait(self, mapper: Mapper, keys: list[str], workers: int, *, show: bool) -> None:
        if not keys:
            return
        self._bill.check_budget()  # the rows of the estimate may have used it up
        before = len(mapper.done) + len(mapper.errors)
        work = submit(mapper.run(keys, min(workers, len(keys))))
        with Bar(len(keys), show=show) as bar:
            try:
                with interrupts() as seen:
                    while not concurrent.futures.wait([work], TICK).done:
                        bar.at(len(mapper.done) + len(mapper.errors) - before, len(mapper.errors), self._bill.cost)
                        if seen.pressed or (self._options.on_error == "raise" and mapper.errors):
                            break
                        self._bill.check_budget()
            finally:
                if not work.done():
                    work.cancel()
                    _settle(mapper)
            if not work.cancelled():
                work.result()
            bar.at(len(mapper.done) + len(mapper.errors) - before, len(mapper.errors), self._bill.cost)
        if seen.pressed:
            done, whole = len(mapper.done), len(self._tasks())
            print(f"{done} of {whole} rows are done and kept: run the cell again for the rest.")  # noqa: T201
            raise Stopped
        if self._options.on_error == "raise" and mapper.errors:
            raise next(iter(mapper.errors.values()))  # the rows behind it were not asked

    def _enter(self) -> None:
        """Usage and cost into report and ledger."""
        report, bill = self._report, self._bill
        report.seconds = round(time.monotonic() - self._begun, 3)
        report.usage, report.cost = bill.usage, bill.cost
        bill.enter(f"map of {len(self._table.rows)} rows", self._asked["fingerprint"][:12])

    def _shaped(self, mapper: Mapper) -> Any:
        table, report = self._table, self._report
        values: list[Any] = []
        rates: list[Any] = []
        for i, key in enumerate(self._keys):
            value, rate = (None, None) if key is None else self._value(mapper, key)
            values.append(value)
            rates.append(rate)
            if (error := self._error(mapper, i)) is not None:
                report.errors.add(i, table.rows.labels[i], error)
        if table.times > 1:
            report.agreement = table.rows.shaped(rates, None)
        if not mapper.errors:
            _kept.pop(self._memory, None)
        elif fewer := sum(len(self._of(mapper.done, key)) not in (0, table.times) for key in self._place):
            report.note(f"{fewer} rows have fewer than {table.times} answers: some failed.")
        return table.rows.shaped(values, report)

    def _of(self, found: Mapping[str, Any], key: str) -> list[Any]:
        """What is there of one key, asked once or several times."""
        times = self._table.times
        tasks = [key] if times == 1 else [f"{key}#{j}" for j in range(times)]
        return [found[task] for task in tasks if task in found]

    def _error(self, mapper: Mapper, i: int) -> LkError | None:
        """Why a row has no value."""
        key = self._keys[i]
        if key is None:
            return self._unasked[i]
        return None if self._of(mapper.done, key) else self._of(mapper.errors, key)[0]

    def _value(self, mapper: Mapper, key: str) -> tuple[Any, Any]:
        """The value of a row; asked several times, the most frequent one, and how many agreed on it."""
        found: list[Done] = self._of(mapper.done, key)
        if not found:
            return None, None
        if self._table.times == 1:
            return found[0].value, None
        votes = Counter(repr(done.value) for done in found)
        best, count = votes.most_common(1)[0]
        return next(done.value for done in found if repr(done.value) == best), agreement(found, count)


def _settle(mapper: Mapper) -> None:
    """Waits a moment for cancelled work to close its connections; its future alone is done at once."""
    last = time.monotonic() + 1
    while mapper.running and time.monotonic() < last:
        time.sleep(0.01)
