"""How accounts did of late, and so which is asked next, and why. Pure: the time is passed in, in seconds.

Nothing but measurements decides: the median time to the first output of the last answers. An account that fails
rests, longer each time; after its rest one request tries it; a refused key is left alone until it changes.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lk_notebook.core.values import Account
from lk_notebook.errors import (
    APITimeoutError,
    AuthenticationError,
    LkError,
    NotFoundError,
    QuotaExceededError,
    StreamError,
    StreamInterrupted,
)

LAST = 20  # so many measurements count
#: Failures of the account, though after output no other request may take their place.
_ITS_OWN = (StreamInterrupted, StreamError, APITimeoutError)

FIRST_REST, LONGEST_REST = 2.0, 300.0
QUOTA_REST = 3600.0
#: An account that was not asked for so long is measured anew: it may have become the best.
STALE = 900.0


@dataclass(slots=True)
class Health:
    """What is known of one account with one key: another key starts clean."""

    failures: int = 0  # in a row
    rests_until: float = 0.0
    why: str = ""
    trying: bool = False  # one request finds out whether its rest has helped
    refused: bool = False  # its key was refused


@dataclass(slots=True)
class Measured:
    """First-output times of one account and model, in seconds."""

    times: deque[float] = field(default_factory=lambda: deque(maxlen=LAST))
    begun: int = 0  # requests under way and done: who is unmeasured takes turns
    last: float | None = None  # when it was last asked
    barren: bool = False  # its turn brought nothing: it does not know the model, or refused the request

    def median(self) -> float | None:
        """The middle of the last times; None: not measured."""
        return statistics.median(self.times) if self.times else None


@dataclass(frozen=True, slots=True)
class PassedOver:
    """An account that is not asked now, and why."""

    account: Account
    why: str


class Board:
    """The health of all accounts.

    Example:
        >>> board, groq, other = Board(), Account("groq", "groq", "g"), Account("baseten", "baseten", "b")
        >>> board.succeeded(groq, "m", 0.5, now=0); board.succeeded(other, "m", 0.1, now=0)
        >>> [account.name for account in board.order([groq, other], "m", now=1)[0]]
        ['baseten', 'groq']
    """

    def __init__(self) -> None:
        self._health: dict[tuple[str, str, int], Health] = {}
        self._measured: dict[tuple[str, str, str], Measured] = {}

    def order(self, accounts: Sequence[Account], model: str, now: float) -> tuple[list[Account], list[PassedOver]]:
        """Whom to ask, in order, and who is passed over. At least one is always asked, be it resting."""
        asked, passed = [], []
        for account in accounts:
            why = self._unfit(account, now)
            if why:
                passed.append(PassedOver(account, why))
            else:
                asked.append(account)
        if not asked and passed:
            soonest = min(passed, key=lambda each: self._soonest(each.account))
            asked, passed = [soonest.account], [each for each in passed if each is not soonest]
        return sorted(asked, key=lambda account: self._rank(account, model, now)), passed

    def condition(self, account: Account, now: float) -> tuple[str, str]:
        """How it does, in a word or two, and its last error since it last answered; each "" where nothing is known."""
        health = self.health(account)
        if health.refused:
            return "key refused", health.why
        if (left := health.rests_until - now) > 0:
            return f"rests for {left:.0f} s", health.why
        asked = any(m.begun for key, m in self._measured.copy().items() if key[:2] == _key(account))
        return ("failed last" if health.why else "well" if asked else ""), health.why

    def explain(self, account: Account, model: str) -> str:
        """Why it stands where it stands, for whoever asks."""
        median = self.measured(account, model).median()
        if self.measured(account, model).barren:
            return "it refused this model, or what was asked of it, the last time"
        return "not measured yet: it gets its turn" if median is None else f"first token after {median:.2f} s (median)"

    def begins(self, account: Account, model: str, now: float) -> None:
        """A request goes out."""
        measured, health = self.measured(account, model), self.health(account)
        measured.begun += 1
        measured.last = now
        health.trying = health.failures > 0

    def succeeded(self, account: Account, model: str, ttft: float | None, now: float) -> None:
        """It answered; `ttft` is in seconds."""
        measured = self.measured(account, model)
        measured.last, measured.barren = now, False
        if ttft is not None:
            measured.times.append(ttft)
        self._health[_own(account)] = Health()

    def failed(self, account: Account, model: str, error: LkError, now: float) -> None:
        """It did not answer: it rests, unless the request itself was at fault."""
        health = self.health(account)
        health.trying, health.why = False, error.what
        if isinstance(error, AuthenticationError):
            health.refused = True
        elif isinstance(error, QuotaExceededError):
            health.rests_until = max(health.rests_until, now + QUOTA_REST)
        elif error.retryable or isinstance(error, _ITS_OWN):
            if health.rests_until <= now or not health.failures:  # several requests that fail together fail once
                health.failures += 1
            rest = min(LONGEST_REST, FIRST_REST * 2.0 ** (health.failures - 1))
            health.rests_until = max(health.rests_until, now + max(rest, error.retry_after or 0.0))
        else:
            measured = self.measured(account, model)
            measured.barren = isinstance(error, NotFoundError) or not measured.times

    def abandoned(self, account: Account) -> None:
        """It was stopped before it could show how it does."""
        self.health(account).trying = False

    def health(self, account: Account) -> Health:
        """What is known of the account."""
        return self._health.setdefault(_own(account), Health())

    def measured(self, account: Account, model: str) -> Measured:
        """Its times with this model."""
        return self._measured.setdefault((*_key(account), model), Measured())

    def rest_left(self, account: Account, now: float) -> float:
        """Seconds until it is asked again; 0 where it does not rest."""
        return max(0.0, self.health(account).rests_until - now)

    def to_json(self) -> dict[str, Any]:
        """The measurements as plain values; nothing of what was asked or answered is among them."""
        there = self._measured.copy()  # another thread measures meanwhile
        return {"\n".join(key): list(m.times) for key, m in there.items() if m.times}

    def learn(self, saved: Mapping[str, Any], now: float) -> None:
        """Takes over measurements of an earlier kernel, for what is not measured here; odd entries are left out.

        They count as of now, and grow stale as others do: an account that was slow then is measured anew some day.
        """
        for key, times in saved.items():
            parts = key.split("\n")
            numbers = (
                [float(t) for t in times if isinstance(t, (int, float)) and 0 <= t < 3600] if _is_list(times) else []
            )
            if len(parts) == 3 and numbers:
                measured = self._measured.setdefault((parts[0], parts[1], parts[2]), Measured())
                if not measured.times:
                    measured.times.extend(numbers)
                    measured.last = now if measured.last is None else measured.last

    def _unfit(self, account: Account, now: float) -> str:
        health = self.health(account)
        if health.refused:
            return f"its key was refused, and has not changed since: {health.why}"
        if health.rests_until > now:
            return f"it rests for {health.rests_until - now:.0f} s more: {health.why}"
        return "it is being tried after its rest" if health.trying else ""

    def _soonest(self, account: Account) -> tuple[bool, float]:
        health = self.health(account)
        return (health.refused, health.rests_until)

    def _rank(self, account: Account, model: str, now: float) -> tuple[float, int]:
        """Unmeasured ones first, the least asked of them first; then by time; last who would not answer this."""
        measured = self.measured(account, model)
        median = measured.median()
        if measured.last is not None and now - measured.last > STALE:
            return (-1.0, measured.begun)
        if measured.barren:
            return (math.inf, measured.begun)
        return (-1.0, measured.begun) if median is None else (median, 0)


def _key(account: Account) -> tuple[str, str]:
    return (account.name, account.url)


def _own(account: Account) -> tuple[str, str, int]:
    """The account with its key, as a number that tells one from another within this process, and nothing of either."""
    return (*_key(account), hash((account.key, account.secret)))


def _is_list(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes, Mapping))
