"""Models, providers, prices: find a model, complete a short id, say what was meant, tell the cost.

All facts stand in catalogue.json beside this file, each with its source and date; null there, None here, is unknown.
It is a snapshot for lists, forms and messages. It never decides what may be sent: the gateway serves more than that.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from lk_notebook.core.values import Usage
from lk_notebook.errors import ConfigurationError

#: How a price row names the biller of a LiveKit account. Every other row is billed by the provider's own account.
LIVEKIT = "LiveKit Inference"

_MILLION = 1_000_000
_NEAR = 0.75  # "gpt-4.1-mimi" is 0.92 near to gpt-4.1-mini, "llama3.2" 0.35 to any


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens, as somebody published them. None: not published."""

    billed_by: str  # "LiveKit Inference", "vendor", or the account's own company
    provider: str
    input: float | None
    cached_input: float | None
    output: float | None
    source: str
    date: str
    long_context: Price | None = None  # what holds for a prompt of more than `above` tokens
    above: int | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """One model: what it is, takes and costs, and who serves it. None: unknown."""

    id: str
    display_name: str | None
    vendor: str
    providers: tuple[str, ...]  # known to serve it on LiveKit Inference; empty: nobody said
    livekit_status: str  # "current", "deprecated", "retired", or in words
    livekit_as_of: str
    context_window: int | None
    max_output_tokens: int | None
    reasoning: bool | None
    efforts: tuple[str, ...] | None
    images: bool | None
    tools: bool | None
    structured_output: bool | None
    temperature: bool | None
    own_ids: Mapping[str, str | None] | None  # by kind of account; a kind that is missing does not serve it
    shutdown: str | None  # announced by the vendor for its own API
    prices: tuple[Price, ...]
    in_seed: bool = False
    aliases: tuple[str, ...] = ()  # further ids that the gateway takes for it
    provider_status: Mapping[str, str] = field(default_factory=dict)  # also "coming soon", "retired"

    @property
    def retired(self) -> bool:
        """LiveKit's documentation marks it as retired."""
        return self.livekit_status == "retired"


@cache
def models() -> tuple[Model, ...]:
    """All models of the catalogue, in its order. Read once.

    Example:
        >>> models()[0].id
        'openai/gpt-4o'
    """
    text = resources.files("lk_notebook.core").joinpath("catalogue.json").read_text(encoding="utf-8")
    return tuple(_model(row) for row in json.loads(text)["models"])


def _model(row: Mapping[str, Any]) -> Model:
    status = {provider["id"]: provider["status"] for provider in row["providers"] or ()}
    shutdown = row["vendor_shutdown"]
    return Model(
        id=row["id"],
        display_name=row["display_name"],
        vendor=row["vendor"],
        providers=tuple(provider for provider, said in status.items() if said == "available"),
        livekit_status=row["livekit_status"]["value"],
        livekit_as_of=row["livekit_status"]["as_of"],
        context_window=row["context_window"],
        max_output_tokens=row["max_output_tokens"],
        reasoning=row["reasoning"],
        efforts=None if row["efforts"] is None else tuple(row["efforts"]),
        images=row["images"],
        tools=row["tools"],
        structured_output=row["structured_output"],
        temperature=row["temperature"],
        own_ids=row["own_account_model_ids"],
        shutdown=shutdown and shutdown["date"],
        prices=tuple(_price(price) for price in row["pricing"] or ()),
        in_seed=row["in_seed"],
        aliases=tuple(row["aliases"]),
        provider_status=status,
    )


def _price(row: Mapping[str, Any]) -> Price:
    said = {name: row[name] for name in ("billed_by", "provider", "source", "date")}
    tier = row.get("long_context")
    dearer = tier and Price(**said, **{name: tier[name] for name in ("input", "cached_input", "output")})
    return Price(
        **said,
        input=row["input"],
        cached_input=row["cached_input"],
        output=row["output"],
        long_context=dearer,
        above=tier and tier["above_input_tokens"],
    )


@cache
def _by_name() -> dict[str, tuple[str, ...]]:
    """The ids for each name that may be typed, in small letters: the id itself, and the part after its slash."""
    found: dict[str, tuple[str, ...]] = {}
    for model in models():
        for full in (model.id, *model.aliases):
            for name in (full.casefold(), full.rsplit("/", 1)[-1].casefold()):
                found[name] = (*found.get(name, ()), full)
    return found


@cache
def _by_id() -> dict[str, Model]:
    return {full.casefold(): model for model in models() for full in (model.id, *model.aliases)}


def find(model_id: str) -> Model | None:
    """The model with this id, or with this part after its slash if it is the only one; None if unknown.

    Example:
        >>> find("gpt-4.1-mini").id, find("acme/brand-new-1")
        ('openai/gpt-4.1-mini', None)
    """
    ids = _by_name().get(model_id.casefold(), ())
    return _by_id()[ids[0].casefold()] if len(ids) == 1 else None


def complete(short: str, also: Iterable[str] = ()) -> str:
    """The id for a short form; an id with a slash, or one of `also` (aliases), is returned as it is.

    Example:
        >>> complete("gpt-4.1-mini"), complete("acme/brand-new-1")
        ('openai/gpt-4.1-mini', 'acme/brand-new-1')

    Raises:
        ConfigurationError: no model, or more than one, has this short form. The error names the nearest.
    """
    also = list(also)
    if "/" in short or short in also:
        return short
    ids = _by_name().get(short.casefold(), ())
    if len(ids) == 1:
        return ids[0]
    if ids:
        raise ConfigurationError(f"{short} is short for {' and for '.join(ids)}.", "Write the one that is meant.")
    current = {model.id.rsplit("/", 1)[-1]: model.id for model in models() if not model.retired}
    near = suggest(short, [*also, *current])
    guess = f": did you mean {current.get(near, near)}?" if near else "."
    mend = "An id with its vendor (vendor/model) is sent as typed; %lkmodels lists the short ones."
    raise ConfigurationError(f"No model is known as {short or 'an empty word'}{guess}", mend)


def suggest(word: str, words: Iterable[str]) -> str | None:
    """The word that was probably meant, or None where none is near.

    Example:
        >>> suggest("opnai", ["openai", "azure"]), suggest("x", ["openai", "azure"])
        ('openai', None)
    """
    by_fold = {known.casefold(): known for known in reversed(list(words))}
    near = difflib.get_close_matches(word.casefold(), by_fold, n=1, cutoff=_NEAR)
    return by_fold[near[0]] if near else None


def own_id(model_id: str, kind: str) -> str | None:
    """The model's id on the user's own account of this kind; None where the account is known not to serve it.

    Example:
        >>> own_id("openai/gpt-oss-120b", "cerebras"), own_id("openai/gpt-4o", "groq")
        ('gpt-oss-120b', None)

    Kinds: openai, azure, groq, baseten, cerebras, local; any other (livekit, url, demo) takes the id as it was typed.
    For azure it is the model's name: the user's own map of deployments goes before, and may serve what this does not
    know.
    """
    rewrite = _UNKNOWN_THERE.get(kind)
    if rewrite is None:
        return model_id
    model = find(model_id)
    if model is None or model.own_ids is None:
        return rewrite(model_id)
    if kind not in model.own_ids:
        return None
    return model.own_ids[kind] or model.id.rsplit("/", 1)[-1]


# What becomes of an id that the catalogue does not know: vendors name their own models without their prefix, and hosts
# of other people's models keep it; Cerebras does not.
_UNKNOWN_THERE: Mapping[str, Callable[[str], str]] = {
    "openai": lambda model_id: model_id.removeprefix("openai/"),
    "azure": lambda model_id: model_id.removeprefix("openai/"),
    "groq": str,
    "baseten": str,
    "cerebras": lambda model_id: model_id.rsplit("/", 1)[-1],
    "local": str,
}


def serves(model_id: str, kind: str) -> bool:
    """Whether an account of this kind serves the model, or may: only what is known not to be served is not.

    Example:
        >>> serves("openai/gpt-oss-120b", "groq"), serves("openai/gpt-4o", "groq"), serves("acme/new", "groq")
        (True, False, True)
    """
    return own_id(model_id, kind) is not None


def price(model_id: str, *, billed_by_kind: str, provider: str | None = None) -> Price | None:
    """The published price for this biller; None where nobody published one, or it depends on who served.

    Example:
        >>> price("openai/gpt-4.1", billed_by_kind="livekit").output
        8.0
    """
    model = find(model_id)
    if model is None:
        return None
    if billed_by_kind == "livekit":
        rows = [row for row in model.prices if row.billed_by == LIVEKIT and provider in (None, row.provider)]
    else:
        rows = [row for row in model.prices if row.billed_by != LIVEKIT and row.provider == billed_by_kind]
    if len({(row.input, row.cached_input, row.output, row.long_context) for row in rows}) != 1:
        return None
    return rows[0]


def cost(model_id: str, usage: Usage, *, billed_by_kind: str, provider: str | None) -> float | None:
    """What an answer cost in US dollars, by the published price; None where it cannot be known.

    Example:
        >>> cost("openai/gpt-4.1", Usage(1000, 500, 1500), billed_by_kind="livekit", provider="openai")
        0.006

    Cached tokens count at the cached price, where one is published, else at the price of others. Prices hold for the
    standard service tier: ask only where the request named no other.
    """
    row = price(model_id, billed_by_kind=billed_by_kind, provider=provider)
    if row is not None and row.above is not None and usage.prompt_tokens > row.above:
        row = row.long_context
    if row is None or row.input is None or row.output is None:
        return None
    cached = min(usage.cached_tokens, usage.prompt_tokens)
    cached_price = row.input if row.cached_input is None else row.cached_input
    dollars = (usage.prompt_tokens - cached) * row.input + cached * cached_price + usage.completion_tokens * row.output
    return dollars / _MILLION
