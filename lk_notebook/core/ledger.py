"""What was used and what it cost: one entry a reply, sums, a budget, and a receipt for a methods section.

Money is Decimal, at published prices only; what has no known price is counted, and said to have none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from lk_notebook.core.values import Usage
from lk_notebook.errors import BudgetExceededError, ConfigurationError


@dataclass(frozen=True, slots=True)
class Entry:
    """One reply that has ended; `day` is a date in ISO form, `prompt` a fingerprint of what was asked."""

    cell: str
    day: str
    model: str
    provider: str | None
    account: str
    state: str
    usage: Usage | None = None
    cost: Decimal | None = None
    priced: str | None = None  # the date of the price
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Sum:
    """Several entries under one name."""

    name: str
    replies: int
    usage: Usage
    cost: Decimal | None
    unpriced: int


@dataclass(slots=True)
class Ledger:
    """All entries of a kernel, and the budget.

    Example:
        >>> ledger = Ledger()
        >>> ledger.add(Entry("[1]", "2026-11-24", "openai/gpt-4o", None, "openai", "done", cost=Decimal("0.01")))
        >>> ledger.spent
        Decimal('0.01')
    """

    entries: list[Entry] = field(default_factory=list)
    budget: Decimal | None = None
    quotas: dict[str, dict[str, str]] = field(default_factory=dict)  # by account: what its last headers said

    def add(self, entry: Entry) -> None:
        """Keeps an entry."""
        self.entries.append(entry)

    @property
    def spent(self) -> Decimal:
        """US dollars at known prices."""
        return sum((entry.cost for entry in self.entries if entry.cost is not None), Decimal(0))

    def check(self) -> None:
        """Refuses a further call once the budget is used up; replies that run end as they are.

        Raises:
            BudgetExceededError: it is.
        """
        if self.budget is not None and self.spent >= self.budget:
            raise BudgetExceededError(
                f"The budget of ${self.budget} is used up: ${plain(self.spent)} was spent.",
                "Raise it with %lkusage --budget, or end it with %lkusage --budget off.",
            )

    def sums(self, by: str) -> list[Sum]:
        """The entries summed by `cell`, `model`, `account` or `day`, in the order of their first."""
        groups: dict[str, list[Entry]] = {}
        for entry in self.entries:
            groups.setdefault(BY[by](entry), []).append(entry)
        return [total(name, entries) for name, entries in groups.items()]

    def receipt(self) -> str:
        """A Markdown table of every reply, for the methods section of a paper."""
        heads = ("cell", "date", "model", "provider", "account", "prompt", "tokens in", "tokens out", "cost (USD)")
        lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
        lines += ["| " + " | ".join(_cells(entry)) + " |" for entry in self.entries]
        whole = total("all", self.entries)
        dates = sorted({entry.priced for entry in self.entries if entry.priced})
        told = f"{whole.replies} replies, ${plain(self.spent)} at published prices"
        told += f" of {', '.join(dates)}" if dates else ""
        told += f"; {whole.unpriced} without a known price" if whole.unpriced else ""
        return "\n".join([*lines, "", f"{told}. The prompt is named by the first digits of its SHA-256."])


def quota_told(account: str, quota: dict[str, str]) -> str:
    """What quota headers said, in words; "" where they said nothing whole.

    Example:
        >>> quota_told("livekit", {"rpm_limit": "100", "rpm_used": "82"})
        'livekit: 82 of 100 requests this minute'
    """
    what = (("rpm", "requests this minute"), ("tpm", "tokens this minute"), ("credits", "credits"))
    told = [
        f"{quota[f'{name}_used']} of {quota[f'{name}_limit']} {words}"
        for name, words in what
        if f"{name}_used" in quota and f"{name}_limit" in quota
    ]
    return f"{account}: {', '.join(told)}" if told else ""


#: What entries can be summed by.
BY: dict[str, Callable[[Entry], str]] = {
    "cell": lambda entry: entry.cell,
    "model": lambda entry: entry.model + (f" · {entry.provider}" if entry.provider else ""),
    "account": lambda entry: entry.account,
    "day": lambda entry: entry.day,
}


def total(name: str, entries: Iterable[Entry]) -> Sum:
    """The sum of entries; its cost is None where none of them has a known one."""
    entries = list(entries)
    told = [entry.usage for entry in entries if entry.usage is not None]
    costs = [entry.cost for entry in entries if entry.cost is not None]
    usage = Usage(*(sum(getattr(u, name) for u in told) for name in Usage.__slots__))
    unpriced = sum(entry.cost is None and entry.usage is not None for entry in entries)
    return Sum(name, len(entries), usage, sum(costs, Decimal(0)) if costs else None, unpriced)


def read_budget(text: str) -> Decimal | None:
    """A budget as it was typed; None for `off`.

    Raises:
        ConfigurationError: it is no amount.
    """
    if text.strip().lower() == "off":
        return None
    try:
        amount = Decimal(text.strip().lstrip("$"))
    except ArithmeticError:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0:
        raise ConfigurationError(f"--budget {text} is no amount.", "Write US dollars: --budget 0.50, or --budget off.")
    return amount


def plain(amount: Decimal) -> str:
    """An amount without an exponent.

    Example:
        >>> plain(Decimal("1E-5")), plain(Decimal("0.500"))
        ('0.00001', '0.5')
    """
    text = f"{amount:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _cells(entry: Entry) -> list[str]:
    usage = entry.usage
    shown: list[Any] = [
        entry.cell, entry.day, entry.model, entry.provider, entry.account, entry.prompt,
        usage and usage.prompt_tokens, usage and usage.completion_tokens,
        None if entry.cost is None else plain(entry.cost),
    ]  # fmt: skip
    return ["–" if value is None or value == "" else str(value).replace("|", "\\|") for value in shown]
