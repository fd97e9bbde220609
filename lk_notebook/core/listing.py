"""The list of models: one row a provider, with published prices, and which accounts reach it; and its filters."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields

from lk_notebook.core import catalogue
from lk_notebook.core.catalogue import LIVEKIT, Model
from lk_notebook.core.figures import count
from lk_notebook.core.grid import UNKNOWN, Cell, Grid
from lk_notebook.core.values import Account
from lk_notebook.errors import ConfigurationError

#: The columns, and whether all providers of a model share what stands there.
_COLUMNS = (
    ("Model", True), ("Provider", False), ("Your accounts", False), ("LiveKit in → out", False),
    ("Own account in → out", False), ("Context", True), ("Retires", True), ("Takes", True), ("Efforts", True),
)  # fmt: skip
_FIGURES, _FOLDING = frozenset({3, 4, 5}), {1: 80, 7: 150, 8: 120}

#: What LiveKit's side says of a model that it serves.
_SERVED = ("current", "deprecated", "served, not in docs")
_PRICE = re.compile(r"price(<=|>=|<|>)\$?(\d*\.?\d+)")
_OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@dataclass(frozen=True, slots=True)
class Row:
    """A model at one provider. None is unknown, or not published; prices are USD for a million tokens."""

    model: str
    name: str | None
    vendor: str
    provider: str | None  # None: LiveKit serves it, nobody said by whom
    livekit_input: float | None
    livekit_output: float | None
    own_input: float | None  # at the provider's own account
    own_output: float | None
    context_window: int | None
    accounts: tuple[str, ...]  # those of the user's that reach it
    efforts: tuple[str, ...] | None
    images: bool | None
    tools: bool | None
    structured_output: bool | None
    temperature: bool | None
    retires: str | None  # the vendor's own date
    status: str  # on LiveKit: current, deprecated, retired, coming soon, or in words
    listed: tuple[str, ...] | None = None  # the accounts that listed it just now; None: not asked


COLUMNS = tuple(field.name for field in fields(Row))


def rows(accounts: Sequence[Account], models: Sequence[Model] | None = None) -> list[Row]:
    """All rows, in the order of the catalogue; retired models last.

    Example:
        >>> [(row.provider, row.own_input) for row in rows([]) if row.model == "openai/gpt-4o"]
        [('azure', 2.5), ('openai', 2.5)]
    """
    all_ = catalogue.models() if models is None else models
    ordered = sorted(all_, key=lambda model: model.retired)
    return [_row(model, provider, accounts) for model in ordered for provider in _providers(model)]


def _providers(model: Model) -> list[str | None]:
    """Who serves it: on LiveKit, or to an account of one's own; None where LiveKit does, and nobody said who."""
    known: list[str | None] = list(dict.fromkeys((*model.provider_status, *(model.own_ids or ()))))
    unsaid = model.livekit_status in _SERVED and not model.providers
    return [*([None] if unsaid or not known else []), *known]


def _row(model: Model, provider: str | None, accounts: Sequence[Account]) -> Row:
    livekit_input, livekit_output = _price(model, provider, livekit=True)
    own_input, own_output = _price(model, provider, livekit=False)
    return Row(
        model=model.id,
        name=model.display_name,
        vendor=model.vendor,
        provider=provider,
        livekit_input=livekit_input,
        livekit_output=livekit_output,
        own_input=own_input,
        own_output=own_output,
        context_window=model.context_window,
        accounts=tuple(account.name for account in accounts if _reaches(account, model, provider)),
        efforts=model.efforts,
        images=model.images,
        tools=model.tools,
        structured_output=model.structured_output,
        temperature=model.temperature,
        retires=model.shutdown,
        status=model.livekit_status if model.retired else _status(model, provider),
    )


def _status(model: Model, provider: str | None) -> str:
    said = model.provider_status.get(provider or "", "available")
    return model.livekit_status if said == "available" else said


def _price(model: Model, provider: str | None, *, livekit: bool) -> tuple[float | None, float | None]:
    """In and out, where one price alone is published; of a provider nobody named, the vendor's own."""
    named = set(_providers(model)) - {None}
    found = {
        (price.input, price.output)
        for price in model.prices
        if (price.billed_by == LIVEKIT) is livekit
        and (price.provider == provider if provider else price.provider not in named)
    }
    return found.pop() if len(found) == 1 else (None, None)


def _reaches(account: Account, model: Model, provider: str | None) -> bool:
    """Whether the account is known to serve the model by this provider."""
    if account.kind == "livekit":
        available = provider in model.providers if model.providers else provider is None
        return available and model.livekit_status in _SERVED
    if account.kind != provider:
        return False
    mapped = {model.id, model.id.partition("/")[2]} & set(account.deployments)
    return bool(mapped) or account.kind in (model.own_ids or ())


def filtered(all_: Sequence[Row], words: Sequence[str]) -> list[Row]:
    """The rows that meet all filters.

    Example:
        >>> {row.provider for row in filtered(rows([]), ["gpt-oss", "groq"])}
        {'groq'}

    Raises:
        ConfigurationError: a comparison that is none, such as `price<cheap`.
    """
    tests = [_test(word.casefold()) for word in words]
    return [row for row in all_ if all(test(row) for test in tests)]


def _test(word: str) -> Callable[[Row], bool]:
    if word in _FLAGS:
        return _FLAGS[word]
    if match := _PRICE.fullmatch(word):
        holds, limit = _OPERATORS[match[1]], float(match[2])
        return lambda row: any(
            price is not None and holds(price, limit) for price in (row.livekit_input, row.own_input)
        )
    if re.match(r"price\W", word):
        raise ConfigurationError(f"{word} is no filter.", "Write price<1: input below $1 for a million tokens.")
    return lambda row: any(word in (text or "").casefold() for text in (row.model, row.name, row.vendor, row.provider))


_FLAGS: dict[str, Callable[[Row], bool]] = {
    "reach": lambda row: bool(row.accounts),
    "vision": lambda row: row.images is True,
    "tools": lambda row: row.tools is True,
}


def hint(all_: Sequence[Row], words: Sequence[str]) -> str:
    """One line for filters that nothing met."""
    said = f"No model meets {' '.join(words)}"
    words = [word.casefold() for word in words]
    if "reach" in words and not any(row.accounts for row in all_):
        return (
            f"{said}: no account is there. Set LIVEKIT_API_KEY and LIVEKIT_API_SECRET, or a key such as OPENAI_API_KEY."
        )
    ids = list(dict.fromkeys(row.model.rpartition("/")[2] for row in all_))
    known = [*ids, *dict.fromkeys(row.provider for row in all_ if row.provider), *_FLAGS]
    for word in words:
        near = catalogue.suggest(word, known)
        if near and not filtered(all_, [word]):
            return f"{said}: did you mean {near}?"
    return f"{said}; filters are text, a vendor, a provider, {', '.join(_FLAGS)}, price<1. %lkmodels alone lists all."


def grid(all_: Sequence[Row], today: str) -> Grid:
    """The rows as a table: what is the same for all providers of a model stands once."""
    groups = list(_groups(all_))
    lines = [line for group in groups for line in _lines(group, today)]
    models = f"{count(len(groups))} model{'s' * (len(groups) != 1)}"
    heads = [head for head, _ in _COLUMNS]
    live = "; ✓ the account listed it just now" if any(row.listed is not None for row in all_) else ""
    caption = f"{models}; US dollars for a million tokens, as published{live}"
    return Grid(caption, heads, lines, _FIGURES, _FOLDING, tall=True)


def _lines(group: Sequence[Row], today: str) -> Iterator[list[Cell | None]]:
    """The lines of one model."""
    for i, row in enumerate(group):
        yield [
            None if i and shared else Cell(text, dim=row.status == "retired", rows=len(group) if shared else 1)
            for text, (_, shared) in zip(_cells(row, today), _COLUMNS, strict=True)
        ]


def _groups(all_: Sequence[Row]) -> Iterator[list[Row]]:
    """The rows of each model."""
    found: dict[str, list[Row]] = {}
    for row in all_:
        found.setdefault(row.model, []).append(row)
    yield from found.values()


def _cells(row: Row, today: str) -> Iterator[str]:
    yield row.model
    aside = f" ({row.status})" if row.status in ("coming soon", "retired") else ""
    yield f"{row.provider or UNKNOWN}{aside}"
    yield ", ".join(f"✓ {name}" if name in (row.listed or ()) else name for name in row.accounts) or UNKNOWN
    yield _prices(row.livekit_input, row.livekit_output)
    yield _prices(row.own_input, row.own_output)
    yield _context(row.context_window)
    yield _retires(row, today)
    yield _takes(row)
    yield UNKNOWN if row.efforts is None else " ".join(row.efforts)


def _prices(*prices: float | None) -> str:
    told = [
        UNKNOWN if price is None else f"{price:.2f}" if round(price, 2) == price else f"{price:g}" for price in prices
    ]
    return UNKNOWN if set(told) == {UNKNOWN} else " → ".join(told)


def _context(tokens: int | None) -> str:
    if tokens is None:
        return UNKNOWN
    return f"{tokens / 1e6:.1f}M".replace(".0M", "M") if tokens >= 1e6 else f"{round(tokens / 1000)}k"


def _takes(row: Row) -> str:
    """What it is known to take; and temperature, which most take, where it is known not to."""
    known = (("images", row.images), ("tools", row.tools), ("schema", row.structured_output))
    told = [name for name, said in known if said]
    return ", ".join([*told, *(["no temperature"] if row.temperature is False else [])]) or UNKNOWN


def _retires(row: Row, today: str) -> str:
    """The vendor's date, else how it stands on LiveKit."""
    if row.retires:
        return f"{'retired' if row.retires <= today else 'retires'} {row.retires}"
    return row.status if row.status in ("retired", "deprecated") else UNKNOWN
