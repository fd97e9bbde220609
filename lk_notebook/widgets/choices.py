"""What the pickers of a panel offer: models with price and reach, and the providers of one model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lk_notebook.core import catalogue, listing, local
from lk_notebook.core.listing import Row
from lk_notebook.core.routing import DEMO_MODEL
from lk_notebook.core.values import Account

BEST = "best available"
NO_ACCOUNT = "no account"
UNKNOWN_PRICE = "price unknown"
BUILT_IN = "built in, free"


@dataclass(frozen=True, slots=True)
class Choice:
    """One line of a picker: what is chosen, what it costs, and what stands in its way."""

    value: str
    price: str = ""
    aside: str = ""  # "no account", "deprecated", "coming soon"

    @property
    def words(self) -> str:
        """All of it in one line."""
        return " · ".join(part for part in (self.value, self.price, self.aside) if part)

    @property
    def reached(self) -> bool:
        """Whether an account of the user's reaches it."""
        return self.aside != NO_ACCOUNT


def models(accounts: Sequence[Account], first: Sequence[str] = (), here: str | None = None) -> list[Choice]:
    """All models that are served, those first that an account reaches; prices are USD for a million tokens.

    Example:
        >>> models([])[0], [choice.aside for choice in models([]) if choice.value == "openai/gpt-5"]
        (Choice(value='lk/demo', price='built in, free', aside=''), ['no account'])

    Args:
        accounts: those of the user's.
        first: models that stand above all others: the one of the panel, those of `%lkuse`.
        here: the local model, where there is one.
    """
    groups: dict[str, list[Row]] = {}
    for row in listing.rows(accounts):
        if row.status != "retired" and not row.model.startswith(local.PREFIX):
            groups.setdefault(row.model, []).append(row)
    found = {model: Choice(model, _price(rows), _aside(rows)) for model, rows in groups.items()}
    built_in = {model: Choice(model, BUILT_IN) for model in (here, DEMO_MODEL) if model}
    found |= built_in
    named = [found.pop(model, Choice(model, UNKNOWN_PRICE)) for model in dict.fromkeys(first)]
    return [*named, *sorted(found.values(), key=lambda choice: not choice.reached)]


def providers(model_id: str, accounts: Sequence[Account], named: str | None = None) -> list[Choice]:
    """Who is known to serve the model, after the best available one (""); a named one stays, known or not.

    Example:
        >>> [choice.value for choice in providers("openai/gpt-oss-120b", [])]
        ['', 'baseten', 'cerebras', 'groq']
    """
    model = catalogue.find(model_id)
    rows = [] if model is None else [row for row in listing.rows(accounts, [model]) if row.provider]
    known = {row.provider: Choice(row.provider or "", _price([row]), _aside([row])) for row in rows}
    more = [Choice(named)] if named and named not in known else []
    return [Choice("", aside=BEST), *sorted(known.values(), key=lambda choice: choice.value), *more]


def serves(model_id: str | None, provider: str) -> bool | None:
    """Whether the provider is known to serve the model; None: nobody said who does."""
    model = catalogue.find(model_id or "")
    known = set() if model is None else {row.provider for row in listing.rows([], [model]) if row.provider}
    return provider in known if known else None


def _aside(rows: Sequence[Row]) -> str:
    """What stands in the way: no account, or what LiveKit says of the model."""
    if {row.status for row in rows} == {"coming soon"}:
        return "coming soon"
    if not any(row.accounts for row in rows):
        return NO_ACCOUNT
    return "deprecated" if all(row.status == "deprecated" for row in rows) else ""


def _price(rows: Sequence[Row]) -> str:
    """What a million tokens cost where the user would ask; of several prices the lowest."""
    there = [row for row in rows if row.accounts] or rows
    found = {price for row in there for price in _prices(row)}
    if not found:
        return UNKNOWN_PRICE
    low = min(found)
    return f"{'from ' if len(found) > 1 else ''}{_dollars(low[0])} in, {_dollars(low[1])} out"


def _prices(row: Row) -> Iterator[tuple[float, float]]:
    """The prices of those who would send the bill: LiveKit, the own account; all where there is no account."""
    livekit, own = (row.livekit_input, row.livekit_output), (row.own_input, row.own_output)
    for billed, (price_in, price_out) in (("livekit", livekit), (row.provider, own)):
        if (not row.accounts or billed in row.accounts) and price_in is not None and price_out is not None:
            yield price_in, price_out


def _dollars(price: float) -> str:
    return f"${price:.2f}" if round(price, 2) == price and price != round(price) else f"${price:g}"
