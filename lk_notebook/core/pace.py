"""How many requests may be under way, and when the next may start: one pace for all rows of a table.

Additive increase, multiplicative decrease on refusals for pace (429); a bucket that follows what the headers say is
left. Pure: the time is passed in, in seconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from lk_notebook.core import failures

#: Where `concurrency="auto"` starts, and what it grows to.
AUTO_FIRST, AUTO_MOST = 8, 100
#: Seconds of rest after a refusal that names no wait.
UNNAMED_WAIT = 1.0


@dataclass(frozen=True, slots=True)
class Room:
    """What the headers of a response say is left: requests now, and how many come back a second; so of tokens."""

    remaining: float
    per_second: float
    tokens: Room | None = None


def room(headers: Mapping[str, str]) -> Room | None:
    """The room that headers tell of; None where they tell nothing.

    Example:
        >>> room({"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "44"})
        Room(remaining=44.0, per_second=1.0, tokens=None)

    OpenAI's and Groq's `x-ratelimit-*-requests` and `-tokens`, LiveKit's `rpm` and `tpm`. Groq's limit of requests is
    one a day; the time until its reset tells how fast it comes back. Where tokens alone are told of, requests are
    without end.
    """
    quota = failures.quota(headers) or {}
    requests, tokens = _level(headers, quota, "requests", "rpm"), _level(headers, quota, "tokens", "tpm")
    if tokens is None:
        return requests
    return replace(requests or Room(math.inf, math.inf), tokens=tokens)


def _level(headers: Mapping[str, str], quota: Mapping[str, str], what: str, a_minute: str) -> Room | None:
    try:
        if f"{a_minute}_limit" in quota and f"{a_minute}_used" in quota:
            limit = float(quota[f"{a_minute}_limit"])
            return Room(max(0.0, limit - float(quota[f"{a_minute}_used"])), limit / 60)
        limit = float(headers[f"x-ratelimit-limit-{what}"])
        remaining = float(headers[f"x-ratelimit-remaining-{what}"])
    except (KeyError, ValueError):
        return None
    reset = failures.duration(headers.get(f"x-ratelimit-reset-{what}", ""))
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
        self._started = 0
        self._answers = self._tokens = 0  # of which the tokens are known
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

    def starts(self, now: float) -> int:
        """A request starts; gives its number."""
        self.active += 1
        self._started += 1
        if self._left is not None:
            self._left, self._at = self._refilled(now) - 1, now
        return self._started

    def ends(self) -> None:
        """A request has ended, however."""
        self.active -= 1

    def answered(self, told: Room | None, now: float, number: int = 0, tokens: int = 0) -> None:
        """Request `number` was answered: a little more may be under way; the headers say what is left.

        They know nothing of what was sent later. Of the last one they are exact; of the first of all, those sent since
        are taken off; of any other, what is known already may be less.
        """
        self.limit = min(self._most, self.limit + 1 / max(1.0, self.limit))
        if tokens > 0:
            self._answers, self._tokens = self._answers + 1, self._tokens + tokens
        told = self._in_requests(told)
        if told is None:
            return
        since = self._started - number
        exact = self._left is None or not since
        left = told.remaining - since if exact else min(self._refilled(now), told.remaining)
        self._left, self._back, self._at = left, told.per_second, now

    def refused(self, retry_after: float | None, now: float) -> None:
        """It was refused for its pace: all wait, once; many refusals of one moment lower the pace once."""
        wait = UNNAMED_WAIT if retry_after is None else retry_after
        self._resume = max(self._resume, now + wait)
        if now - self._slowed > max(wait, UNNAMED_WAIT):
            self._slowed = now
            self.limit = max(1.0, self.limit / 2)

    def _in_requests(self, told: Room | None) -> Room | None:
        """The tighter of both rooms; tokens are counted in requests of the mean size so far."""
        if told is None or told.tokens is None or not self._answers:
            return told if told is not None and told.remaining < math.inf else None
        mean = self._tokens / self._answers
        tokens = Room(told.tokens.remaining / mean, told.tokens.per_second / mean)
        return min(told, tokens, key=lambda room: room.remaining)

    def _refilled(self, now: float) -> float:
        return (self._left or 0.0) + (now - self._at) * self._back
