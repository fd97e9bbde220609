"""Which model, and which accounts may answer, in order: the rules of "picking the best available provider".

LiveKit and the user's own accounts never stand in for each other (another bill). Only where no account is there and
no model was named do the built-in ones answer: the local model, and where it cannot, the demo, which says why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lk_notebook.core import catalogue, local
from lk_notebook.core.local import Standing
from lk_notebook.core.values import Account, Setup
from lk_notebook.errors import ConfigurationError

DEFAULT_MODEL = "openai/gpt-4.1-mini"
DEMO_MODEL = "lk/demo"
#: The built-in demo: a transport of the shared client answers at this name, no socket is opened.
DEMO = Account("demo", "demo", "http://demo.invalid/v1", scheme="none")

_KEYS = "Set LIVEKIT_API_KEY and LIVEKIT_API_SECRET, or a key of your own such as OPENAI_API_KEY."


@dataclass(frozen=True, slots=True)
class Route:
    """The model in full, the provider where one was named, and whom to ask, in order."""

    model: str
    provider: str | None
    accounts: tuple[Account, ...]
    notes: tuple[str, ...] = ()
    fixed: bool = False  # a named provider or account is asked even while it rests, and never fails over
    passed: tuple[tuple[str, str], ...] = ()  # accounts that are no candidates, and why


def absent() -> Standing:
    """No local model here."""
    return local.ABSENT


def route(
    setup: Setup,
    accounts: Sequence[Account],
    *,
    named: Account | None = None,
    missing: str = "",
    here: Callable[[], Standing] = absent,
) -> Route:
    """Who answers this setup.

    Example:
        >>> route(Setup(), []).model
        'lk/demo'

    Args:
        setup: the words of the user.
        accounts: those the environment holds.
        named: the account the user named with `-a`, `account=` or `base_url=`.
        missing: the variable that would make a half LiveKit account whole, where one is half there.
        here: tells whether the local model can be asked; called where that matters.

    Raises:
        ConfigurationError: a model without a vendor that no list knows; no account serves the model; a LiveKit
            key without its secret; the local model was named, and cannot be asked.
    """
    if setup.model and setup.model.startswith("lk/"):
        return _demo(setup)
    if named.kind == "local" if named else is_local(setup.model):
        return _local(setup, here())
    if named is None and not any(a.kind == "livekit" for a in accounts):
        if missing:
            raise ConfigurationError(
                f"{missing} is not set, so LiveKit Inference cannot be asked.",
                f"Set {missing} as well, or name another account with -a.",
            )
        return _own(setup, accounts) if accounts or setup.model or setup.provider else _built_in(here())
    account = named or next(a for a in accounts if a.kind == "livekit")
    return _at(setup, account)


def _demo(setup: Setup) -> Route:
    if setup.model not in (None, DEMO_MODEL):
        raise ConfigurationError(f"There is no built-in model {setup.model}.", f"The built-in one is {DEMO_MODEL}.")
    return Route(DEMO_MODEL, None, (DEMO,), fixed=True)


def is_local(model: str | None) -> bool:
    """Whether this names a local model, in full or by the part behind its slash."""
    if not model:
        return False
    found = catalogue.find(model)
    return model.startswith(local.PREFIX) or (found is not None and found.id == local.MODEL)


def _built_in(standing: Standing) -> Route:
    """Who answers where nobody was named and no account is there."""
    if standing.weights is not None:
        return Route(standing.weights.model, None, (standing.weights.account,), fixed=True)
    notes = (f"{standing.what} {standing.mend}",) if standing.told else ()
    return Route(DEMO_MODEL, None, (DEMO,), notes, fixed=True)


def _local(setup: Setup, standing: Standing) -> Route:
    """The local model, named: nothing answers in its place."""
    if standing.weights is None:
        raise ConfigurationError(standing.what, standing.mend)
    there = standing.weights.model
    if setup.model not in (None, there, there.removeprefix(local.PREFIX)):
        raise ConfigurationError(f"There is no local model {setup.model}.", f"The one that is here is {there}.")
    return Route(there, None, (standing.weights.account,), fixed=True)


def _at(setup: Setup, account: Account) -> Route:
    """One account, named or LiveKit's: it is asked, whatever the catalogue knows."""
    provider = setup.provider
    notes: tuple[str, ...] = ()
    if account.kind == "demo":
        return _demo(setup)
    if account.kind in ("url", "azure"):
        model = setup.model or _default(account)
        if model is None:
            raise ConfigurationError(f"{account.name} needs a model.", "Name one: its own id, as its server lists it.")
    else:
        model = catalogue.complete(setup.model) if setup.model else _default(account) or DEFAULT_MODEL
    if account.kind != "livekit" and provider and provider not in (account.kind, account.name):
        if account.kind != "url":
            raise ConfigurationError(
                f"The account {account.name} is no way to the provider {provider}.",
                f"Leave out -p, or name the account of {provider} with -a.",
            )
        notes = (f"provider={provider} was left out: {account.name} is one provider.",)
    return Route(model, provider if account.kind == "livekit" else None, (account,), notes, fixed=True)


def _own(setup: Setup, accounts: Sequence[Account]) -> Route:
    """The user's own accounts that serve the model, in the order of the table."""
    provider = setup.provider
    if not accounts:
        model = catalogue.complete(setup.model) if setup.model else DEFAULT_MODEL
        raise ConfigurationError(f"{model} needs an account, and none was found.", _KEYS)
    asked = [a for a in accounts if provider in (None, a.kind, a.name)]
    model = catalogue.complete(setup.model) if setup.model else next(filter(None, map(_default, asked)), DEFAULT_MODEL)
    serving = tuple(a for a in asked if catalogue.serves(model, a.kind))
    if not serving:
        there = ", ".join(a.name for a in accounts)
        at = f" at {provider}" if provider else ""
        raise ConfigurationError(
            f"None of your accounts ({there}) is known to serve {model}{at}.",
            f"Name the account to ask it all the same: -a {accounts[0].name}. Or: {_KEYS}",
        )
    passed = tuple((a.name, f"{model} is not known to be served there") for a in asked if a not in serving)
    return Route(model, None, serving, fixed=provider is not None, passed=passed)


def _default(account: Account) -> str | None:
    """The model of an account when none was named: the default one, else the first founding model it serves."""
    if account.kind == "url":
        return None
    ids = (DEFAULT_MODEL, *(m.id for m in catalogue.models()))
    return next((i for i in ids if account.kind == "livekit" or catalogue.serves(i, account.kind)), None)
