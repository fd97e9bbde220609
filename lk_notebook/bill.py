"""What the rows of one map used and cost, counted as they come."""

from __future__ import annotations

import time
from decimal import Decimal

from lk_notebook.arriving import STANDARD_TIERS
from lk_notebook.core import catalogue
from lk_notebook.core.ledger import Entry
from lk_notebook.core.routing import Route
from lk_notebook.core.values import Call, Usage
from lk_notebook.errors import BudgetExceededError
from lk_notebook.ledger import LEDGER
from lk_notebook.net.deck import DECK
from lk_notebook.once import Answered


class Bill:
    """Every answer is counted, also one that was asked for again; each at the price of whoever gave it."""

    def __init__(self, route: Route, base: Call) -> None:
        self._accounts = {account.name: account for account in route.accounts}
        self._base = base
        self._tokens = [0] * len(Usage.__slots__)
        self._cost = 0.0
        self._unpriced = 0
        self.answers = 0
        self.answered_by: dict[str, None] = {}  # in the order of their first answer
        self.priced: str | None = None  # the date of the price

    @property
    def usage(self) -> Usage:
        """The tokens of all answers."""
        return Usage(*self._tokens)

    @property
    def cost(self) -> float | None:
        """US dollars at published prices; None where the price of any answer is not known."""
        return None if self._unpriced else self._cost

    def add(self, answered: Answered) -> None:
        """Counts an answer."""
        self.answers += 1
        self.answered_by[f"{answered.account}, recorded" if answered.recorded else answered.account] = None
        if answered.quota:
            LEDGER.quotas[answered.account] = answered.quota
        usage = answered.usage
        if usage is None:
            self._unpriced += not answered.recorded
            return
        for i, name in enumerate(Usage.__slots__):
            self._tokens[i] += getattr(usage, name)
        if answered.recorded:  # a tape costs nothing
            return
        cost = self._cost_of(usage, answered.account, answered.served_by)  # each for itself: long prompts cost more
        self._unpriced += cost is None
        self._cost += cost or 0.0

    def check_budget(self) -> None:
        """Ends a map whose answers have used the budget up.

        Raises:
            BudgetExceededError: they have.
        """
        if self._cost and LEDGER.budget is not None and LEDGER.spent + Decimal(repr(self._cost)) >= LEDGER.budget:
            raise BudgetExceededError(
                f"The budget of ${LEDGER.budget} is used up.", "What is done is kept; raise it with %lkusage --budget."
            )

    def has_price(self) -> bool:
        """Whether the price may be known before anything is asked."""
        return DECK.replay is None and self._price(next(iter(self._accounts)), None) is not None

    def enter(self, what: str, fingerprint: str) -> None:
        """Into the ledger of the kernel, where anything was answered."""
        if not self.answers:
            return
        base, cost = self._base, self.cost
        LEDGER.add(
            Entry(
                what, time.strftime("%Y-%m-%d"), base.model, base.provider, ", ".join(self.answered_by), "done",
                self.usage, None if cost is None else Decimal(repr(cost)), None if cost is None else self.priced,
                fingerprint,
            )
        )  # fmt: skip

    def _cost_of(self, usage: Usage, account: str, served_by: str | None) -> float | None:
        price = self._price(account, served_by)
        if price is None:
            return None
        self.priced = price.date
        kind, provider = self._biller(account, served_by)
        return catalogue.cost(self._base.model, usage, billed_by_kind=kind, provider=provider)

    def _price(self, account: str, served_by: str | None) -> catalogue.Price | None:
        base, known = self._base, self._accounts.get(account)
        if known is None or not known.priced:
            return None
        if (base.inference_class or base.extra_kwargs.get("service_tier")) not in STANDARD_TIERS:
            return None
        kind, provider = self._biller(account, served_by)
        return catalogue.price(base.model, billed_by_kind=kind, provider=provider)

    def _biller(self, account: str, served_by: str | None) -> tuple[str, str | None]:
        """Whose price holds; the gateway's own pick is known by what it says."""
        kind = self._accounts[account].kind
        return kind, self._base.provider or (served_by if kind == "livekit" else kind)


def estimate(bill: Bill, rows: int) -> float | None:
    """What so many rows will cost, by those that were answered; None where no price is known."""
    return None if bill.cost is None or not bill.answers else bill.cost / bill.answers * rows
