"""How many requests may be under way, and when the next may start: one pace for all rows of a table.

Additive increase, multiplicative decrease on refusals for pace (429); a bucket that follows what the headers say is
left. Pure: the time is passed in, in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lk_notebook.core import failures

#: Where `concurrency="auto"` starts, and what it grows to.
AUTO_FIRST, AUTO_MOST = 8, 100
#: Seconds of rest after a refusal that names no wait.
UNNAMED_WAIT = 1.0


@dataclass(frozen=True, slots=True)
class Room:
    """What the headers of a response say is left: requests now, and how many come back a second."""

    remaining: float
    per_second: float


def room(headers: Mapping[str, str]) -> Room | None:
    """The room for requests that headers tell of; None where they tell nothing.

    Example:
        >>> room({"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "44"})
        Room(remaining=44.0, per_second=1.0)

    OpenAI's and Groq's `x-ratelimit-*-requests`, LiveKit's `rpm`. Groq's limit is one a day; the time until its reset
    tells how fast it comes back.
    """
    quota = failures.quota(headers) or {}
    try:
        if "rpm_limit" in quota and "rpm_used" in quota:
            limit = float(quota["rpm_limit"])
            return Room(max(0.0, limit - float(quota["rpm_used"])), limit / 60)
        limit = float(headers["x-ratelimit-limit-requests"])
        remaining = float(headers["x-ratelimit-remaining-requests"])
    except (KeyError, ValueError):
        return None
    reset = failures.duration(headers.get("x-ratelimit-reset-requests", ""))
    back = limit / 60
    if reset and remaining < limit:
        back = min(back, (limit - remaining) / reset)
    return Room(remaining, back) if back > 0 else None


class Pace:
    """The pace of one table.

    Example:
        >>> pace = Pace(4)
        >>> pace.refused(2.0, now=0.0); pace.wait(now=0.5), pace.limit
        (1.5, 2.0)
    """

    def __init__(self, concurrency: int, most: int | None = None) -> None:
        self.limit = float(concurrency)
        self._most = float(most or concurrency)
        self._resume = 0.0  # nobody starts before
        self._slowed = float("-inf")  # when the pace was last lowered
        self._left: float | None = None  # requests the provider has room for
        self._back = 0.0
        self._at = 0.0
        self.active = 0

    def wait(self, now: float) -> float:
        """Seconds until the next request may start; 0: now. With all slots taken it is asked again when one ends."""
        if now < self._resume:
            return self._resume - now
        if self._left is None:
            return 0.0
        left = self._refilled(now)
        return 0.0 if left >= 1 else (1 - left) / self._back

    @property
    def full(self) -> bool:
        """Whether all slots are taken."""
        return self.active >= max(1, int(self.limit))

    def starts(self, now: float) -> None:
        """A request starts."""
        self.active += 1
        if self._left is not None:
            self._left, self._at = self._refilled(now) - 1, now

    def ends(self) -> None:
        """A request has ended, however."""
        self.active -= 1

    def answered(self, told: Room | None, now: float) -> None:
        """It was answered: a little more may be under way; the headers say what is left."""
        self.limit = min(self._most, self.limit + 1 / max(1.0, self.limit))
        if told is not None:
            left = told.remaining if self._left is None else min(self._refilled(now), told.remaining)
            self._left, self._back, self._at = left, told.per_second, now

    def refused(self, retry_after: float | None, now: float) -> None:
        """It was refused for its pace: all wait, once; many refusals of one moment lower the pace once."""
        wait = UNNAMED_WAIT if retry_after is None else retry_after
        self._resume = max(self._resume, now + wait)
        if now - self._slowed > max(wait, UNNAMED_WAIT):
            self._slowed = now
            self.limit = max(1.0, self.limit / 2)

    def _refilled(self, now: float) -> float:
        return (self._left or 0.0) + (now - self._at) * self._back
