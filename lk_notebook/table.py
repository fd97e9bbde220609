"""`llm.map`: one prompt over the rows of a table, at the provider's pace, with nothing lost."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from lk_notebook.core import catalogue
from lk_notebook.core.ledger import Entry, plain
from lk_notebook.core.pace import AUTO_FIRST, AUTO_MOST, Pace
from lk_notebook.core.values import Call, Usage
from lk_notebook.desk import Stopped
from lk_notebook.errors import BudgetExceededError, ConfigurationError, LkError, PromptError
from lk_notebook.journal import Journal
from lk_notebook.ledger import LEDGER
from lk_notebook.mapping import Done, Mapper
from lk_notebook.net.loop import TICK, interrupts, submit
from lk_notebook.progress import Bar
from lk_notebook.question import Table, fingerprint
from lk_notebook.report import Report, agreement

if TYPE_CHECKING:
    pass

#: So many rows are asked first, where a price is known, to say what all of them will cost.
FIRST = 5
#: Fewer rows are asked without an estimate.
WORTH_ESTIMATING = 20

#: What an interrupted map had finished, by its question and server: the same call asks only for the rest.
_kept: dict[str, dict[str, Done]] = {}


@dataclass(frozen=True, slots=True)
class Options:
    """How a table is asked."""

    concurrency: int | str = 16
    journal: Any = None
    progress: bool = True
    on_error: str = "keep"
    limits: tuple[float, int] = (60.0, 2)

    def pace(self) -> tuple[Pace, int]:
        """The pace, and how many may ever be under way.

        Raises:
            ConfigurationError: a number below 1, or no number.
        """
        if self.concurrency == "auto":
            return Pace(AUTO_FIRST, AUTO_MOST), AUTO_MOST
        if not isinstance(self.concurrency, int) or self.concurrency < 1:
            raise ConfigurationError(
                f'concurrency is a number from 1 on, or "auto", not {self.concurrency!r}.', "Give concurrency=16."
            )
        return Pace(self.concurrency), self.concurrency


class Run:
    """One map from its first row to its report."""

    def __init__(self, table: Table, prompt: str, options: Options) -> None:
        self._table, self._options = table, options
        self._asked = fingerprint(table, prompt)
        self._memory = (
            f"{self._asked['fingerprint']} {table.route.accounts[0].url}"  # another server's answers are others
        )
        self._report = Report(rows=len(table.rows))
        self._place: dict[str, int] = {}  # key -> the first row that asks it
        self._keys: list[str | None] = []
        self._begun = time.monotonic()

    def result(self) -> Any:
        """The values in the shape of the rows.

        Raises:
            Stopped: ■; what is done is kept, and the same call asks for the rest.
            LkError: the first row's error, under `on_error="raise"`.
        """
        if self._options.on_error not in ("keep", "raise"):
            raise ConfigurationError(f"There is no on_error {self._options.on_error}.", "There are keep and raise.")
        pace, workers = self._options.pace()
        LEDGER.check()
        self._read_rows()
        if self._options.journal is None:
            return self._with(None, pace, workers)
        with Journal(self._options.journal, self._asked) as journal:
            return self._with(journal, pace, workers)

    def _read_rows(self) -> None:
        """The key of every row; one whose prompt cannot be made has failed, and is not asked."""
        table = self._table
        for i in range(len(table.rows)):
            try:
                key = table.key(i)
            except PromptError as error:
                self._report.errors[table.rows.labels[i]] = error
                self._keys.append(None)
                continue
            self._report.duplicates += key in self._place
            self._place.setdefault(key, i)
            self._keys.append(key)
        if table.rows.labels and len(self._report.errors) == len(table.rows):
            raise next(iter(self._report.errors.values()))

    def _with(self, journal: Journal | None, pace: Pace, workers: int) -> Any:
        table = self._table
        parse = None if table.schema is None else table.schema.parse
        mapper = Mapper(table.route, self._call, pace, self._options.limits, parse)
        mapper.done.update(self._remembered(journal, parse))
        self._report.remembered = len(mapper.done)
        if journal is not None:
            mapper.finished = lambda key, done: journal.write(key, done.text)
        missing = [key for key in self._tasks() if key not in mapper.done]
        self._report.asked = len(missing)
        try:
            self._ask(mapper, missing, workers)
        finally:
            self._enter(mapper, missing)
            _kept[self._memory] = dict(mapper.done)
        if journal is not None and journal.problem:
            self._report.notes.append(journal.problem)
        return self._shaped(mapper)

    def _tasks(self) -> list[str]:
        times = self._table.times
        return [key if times == 1 else f"{key}#{j}" for key in self._place for j in range(times)]

    def _call(self, task: str) -> Call:
        table, i = self._table, self._place[task.partition("#")[0]]
        messages = table.messages(i)
        if table.images is not None:
            from lk_notebook.llm import with_images  # noqa: PLC0415 - llm brings this module

            messages, notes = with_images(messages, table.images(i), table.base.model)
            self._report.notes += [note for note in notes if note not in self._report.notes]
        return replace(table.base, messages=messages)

    def _remembered(self, journal: Journal | None, parse: Callable[[str], Any] | None) -> dict[str, Done]:
        """What an earlier run of the same question finished."""
        found = dict(_kept.pop(self._memory, {}))
        for key, text in journal.rows.items() if journal is not None else ():
            try:
                found.setdefault(key, Done(text, text if parse is None else parse(text), None))
            except LkError:
                continue  # it meets the schema no longer: asked again
        tasks = set(self._tasks())
        known = {key: done for key, done in found.items() if key in tasks}
        if journal is not None:
            for key, done in known.items():
                if key not in journal.rows:
                    journal.write(key, done.text)
        return known

    def _ask(self, mapper: Mapper, missing: list[str], workers: int) -> None:
        """Asks what is missing, and waits; first a few, to say what all will cost."""
        if self._options.progress and len(missing) >= WORTH_ESTIMATING and self._price() is not None:
            self._wait(mapper, missing[:FIRST], workers, show=False)
            estimate = self._cost(mapper, missing[:FIRST])
            if estimate is not None:
                rows, dollars = f"{len(missing):,}".replace(",", " "), estimate / FIRST * len(missing)
                print(f"{rows} rows, about ${plain(Decimal(f'{dollars:.2g}'))}", file=sys.stdout)  # noqa: T201
            missing = missing[FIRST:]
        self._wait(mapper, missing, workers, show=self._options.progress)

    def _wait(self, mapper: Mapper, keys: list[str], workers: int, *, show: bool) -> None:
        if not keys:
            return
        before = len(mapper.done) + len(mapper.errors)
        work = submit(mapper.run(keys, min(workers, len(keys))))
        with Bar(len(keys), show=show) as bar:
            try:
                with interrupts() as seen:
                    while not work.done():
                        time.sleep(TICK)
                        bar.at(
                            len(mapper.done) + len(mapper.errors) - before,
                            len(mapper.errors),
                            self._cost(mapper, keys, bar),
                        )
                        if seen.pressed or (self._options.on_error == "raise" and mapper.errors):
                            break
                        if LEDGER.budget is not None:
                            self._check_budget(mapper, keys)
            finally:
                if not work.done():
                    work.cancel()
                    _settle(mapper)
            if not work.cancelled():
                work.result()
            bar.at(len(mapper.done) + len(mapper.errors) - before, len(mapper.errors), None)
        if seen.pressed:
            done, whole = len(mapper.done), len(self._tasks())
            print(f"{done} of {whole} rows are done and kept: run the cell again for the rest.")  # noqa: T201
            raise Stopped

    def _check_budget(self, mapper: Mapper, keys: list[str]) -> None:
        cost = self._cost(mapper, keys)
        if cost is not None and LEDGER.budget is not None and LEDGER.spent + Decimal(repr(cost)) >= LEDGER.budget:
            raise BudgetExceededError(
                f"The budget of ${LEDGER.budget} is used up.", "What is done is kept; raise it with %lkusage --budget."
            )

    def _price(self) -> catalogue.Price | None:
        account, base = self._table.route.accounts[0], self._table.base
        if (
            not account.priced
            or base.inference_class not in (None, "standard")
            or base.extra_kwargs.get("service_tier")
        ):
            return None
        return catalogue.price(base.model, billed_by_kind=account.kind, provider=self._biller)

    @property
    def _biller(self) -> str | None:
        """The provider whose price holds; the gateway's own pick is not known beforehand."""
        kind = self._table.route.accounts[0].kind
        return self._table.base.provider or (None if kind == "livekit" else kind)

    def _usage(self, mapper: Mapper, keys: Sequence[str]) -> Usage:
        told = [done.usage for key in keys if (done := mapper.done.get(key)) and done.usage is not None]
        return Usage(*(sum(getattr(usage, name) for usage in told) for name in Usage.__slots__))

    def _cost(self, mapper: Mapper, keys: Sequence[str], bar: Bar | None = None) -> float | None:
        if self._price() is None or (bar is not None and not bar.due()):
            return None
        kind, usage = self._table.route.accounts[0].kind, self._usage(mapper, keys)
        return catalogue.cost(self._table.base.model, usage, billed_by_kind=kind, provider=self._biller)

    def _enter(self, mapper: Mapper, missing: list[str]) -> None:
        """Usage and cost into report and ledger."""
        report, base = self._report, self._table.base
        report.seconds = round(time.monotonic() - self._begun, 3)
        report.usage, report.cost = self._usage(mapper, missing), self._cost(mapper, missing)
        price = self._price()
        LEDGER.add(
            Entry(
                f"map of {len(self._table.rows)} rows", time.strftime("%Y-%m-%d"), base.model, base.provider,
                self._table.route.accounts[0].name, "done", report.usage,
                None if report.cost is None else Decimal(repr(report.cost)),
                None if price is None or report.cost is None else price.date, self._asked["fingerprint"][:12],
            )
        )  # fmt: skip

    def _shaped(self, mapper: Mapper) -> Any:
        table, report = self._table, self._report
        if self._options.on_error == "raise" and mapper.errors:
            raise next(iter(mapper.errors.values()))  # the rows behind it were not asked
        values: list[Any] = []
        rates: list[Any] = []
        for i, key in enumerate(self._keys):
            value, rate = (None, None) if key is None else self._value(mapper, key, table.rows.labels[i])
            values.append(value)
            rates.append(rate)
        if table.times > 1:
            report.agreement = table.rows.shaped(rates, None)
        if not report.errors:
            _kept.pop(self._memory, None)
        elif self._options.on_error == "raise":
            raise next(iter(report.errors.values()))
        return table.rows.shaped(values, report)

    def _value(self, mapper: Mapper, key: str, label: Any) -> tuple[Any, Any]:
        """The value of a row; asked several times, the most frequent one, and how many agreed on it."""
        times = self._table.times
        tasks = [key] if times == 1 else [f"{key}#{j}" for j in range(times)]
        found = [mapper.done[task] for task in tasks if task in mapper.done]
        if not found:
            self._report.errors[label] = next(mapper.errors[task] for task in tasks if task in mapper.errors)
            return None, None
        if times == 1:
            return found[0].value, None
        votes = Counter(repr(done.value) for done in found)
        best, count = votes.most_common(1)[0]
        return next(done.value for done in found if repr(done.value) == best), agreement(found, count)


def _settle(mapper: Mapper) -> None:
    """Waits a moment for cancelled work to close its connections; its future alone is done at once."""
    last = time.monotonic() + 1
    while mapper.running and time.monotonic() < last:
        time.sleep(0.01)
