"""Which account gets the next try, until one answers: order, failover, rests, retries."""

from __future__ import annotations

import asyncio
import os
import random
import time

from lk_notebook.core.health import Board
from lk_notebook.core.routing import Route
from lk_notebook.core.values import Account, Attempt, Call
from lk_notebook.errors import AuthenticationError, LkError, NotFoundError, QuotaExceededError
from lk_notebook.net import loop
from lk_notebook.net.client import Client, Limits, Listener
from lk_notebook.net.deck import DECK
from lk_notebook.net.measured import Measurements

#: A longer wait is told, not waited for; in seconds.
LONGEST_WAIT = 60.0


class Asker:
    """The shared client, and what is known of the accounts.

    Only until the first piece of an answer was shown does another try take over. Going on to the next account is no
    retry; when all have failed, the one whose wait is shortest is asked again.
    """

    def __init__(self) -> None:
        self.board = Board()
        self.client = Client()
        self._measurements = Measurements(self.board, os.environ.get)

    async def aclose(self) -> None:
        """Closes all connections, and keeps what was measured."""
        self._measurements.save()
        await self.client.aclose()

    async def ask(self, call: Call, route: Route, limits: Limits, listener: Listener) -> None:
        """Asks until an account answers; the answer went to the listener.

        Raises:
            LkError: what the last account said, when none answered; it names the others.
        """
        accounts = self._order(call, route, listener)
        errors: dict[str, LkError] = {}
        left, ready = limits.max_retries, {account.name: 0.0 for account in accounts}
        while True:
            for account in accounts:
                error = await self._try(call, account, limits, listener)
                if error is None:
                    return
                errors[account.name] = error
                ready[account.name] = time.monotonic() + _wait(error, limits.max_retries - left)
                if not _takes_over(error):
                    raise _of_all(errors, account)
                if isinstance(error, AuthenticationError) and len(ready) > 1:
                    listener.on_note(f"{error.what} It is left alone until its key changes.")
            again = min((n for n in errors if errors[n].retryable), key=ready.__getitem__, default=None)
            wait = 0.0 if again is None else max(0.0, ready[again] - time.monotonic())
            if again is None or left <= 0 or wait > LONGEST_WAIT:
                raise _of_all(errors, account)
            listener.on_wait(errors[again], wait, left)
            await asyncio.sleep(wait)
            left -= 1
            accounts = [each for each in route.accounts if each.name == again]

    def _order(self, call: Call, route: Route, listener: Listener) -> list[Account]:
        """Whom to ask; who is passed over stands among the attempts."""
        if route.fixed:
            return list(route.accounts)
        accounts, passed = self.board.order(route.accounts, call.model, time.monotonic())
        for name, why in (*((each.account.name, each.why) for each in passed), *route.passed):
            listener.on_attempt(Attempt(name, None, "passed over", why))
        return accounts

    async def _try(self, call: Call, account: Account, limits: Limits, listener: Listener) -> LkError | None:
        """One try at one account, and a free one where a kept connection had died; None: it answered."""
        for free in (True, False):
            begun, board = time.monotonic(), self.board if DECK.replay is None else Board()  # a tape measures nobody
            board.begins(account, call.model, begun)
            try:
                await self.client.once(call, account, limits, listener)
            except LkError as error:
                listener.on_attempt(_attempt(call, account, "failed", begun, error))
                if free and self.client.may_have_died(error, account):
                    continue
                board.failed(account, call.model, error, time.monotonic())
                return error
            except BaseException:
                board.abandoned(account)
                raise
            listener.on_attempt(_attempt(call, account, "answered", begun, None))
            board.succeeded(account, call.model, listener.ttft, time.monotonic())
            self._measurements.changed()
            return None
        return None


def _takes_over(error: LkError) -> bool:
    """Whether another account may do better: the failure is the account's, and nothing was shown."""
    return error.retryable or isinstance(error, (AuthenticationError, QuotaExceededError, NotFoundError))


def _wait(error: LkError, tried: int) -> float:
    """Seconds before the next try: as the server says, else half a second doubled, less up to a quarter."""
    if error.retry_after is not None:
        return error.retry_after
    return min(8.0, 0.5 * 2.0**tried) * (1 - random.random() / 4)  # noqa: S311 - spreads tries, hides nothing


def _of_all(errors: dict[str, LkError], last: Account) -> LkError:
    """The last error; it tells of the others, so that nobody looks at one account only."""
    error = errors[last.name]
    others = [each.what for name, each in errors.items() if name != last.name]
    if not others:
        return error
    told = type(error)(
        f"{error.what} Before: {' '.join(others)}", error.hint or "", status=error.status, code=error.code,
        param=error.param, retryable=error.retryable, retry_after=error.retry_after, quota=error.quota,
    )  # fmt: skip
    told.__cause__ = error.__cause__
    return told


def existing() -> Asker | None:
    """The shared one, where something was asked already: a list of accounts makes none."""
    return _shared[1] if _shared is not None and _shared[0] == os.getpid() else None


def _attempt(call: Call, account: Account, outcome: str, begun: float, error: LkError | None) -> Attempt:
    why = "" if error is None else error.what
    return Attempt(account.name, call.provider, outcome, why, round(time.monotonic() - begun, 4))


_shared: tuple[int, Asker] | None = None


async def shared() -> Asker:
    """The one of this process, made on the background loop at first use; a fork makes its own."""
    global _shared  # noqa: PLW0603 - one client a process is the point
    if _shared is None or _shared[0] != os.getpid():
        asker = Asker()
        _shared = (os.getpid(), asker)
        loop.at_exit(asker.aclose)
    return _shared[1]
