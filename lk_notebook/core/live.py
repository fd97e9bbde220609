"""The list of models with what the accounts themselves have just listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lk_notebook.core import catalogue
from lk_notebook.core.listing import Row
from lk_notebook.core.request import model_there
from lk_notebook.core.values import Account


def mark(rows: Sequence[Row], accounts: Sequence[Account], lists: Mapping[str, Sequence[str]]) -> list[Row]:
    """The rows with the accounts that listed them, and a further row for each id that has none.

    Example:
        >>> lab = Account("lab", "url", "http://lab.example/v1")
        >>> [(row.model, row.provider, row.listed) for row in mark([], [lab], {"lab": ["llama3.2:1b"]})]
        [('llama3.2:1b', 'lab', ('lab',))]

    Args:
        rows: the catalogue's.
        accounts: those that were asked.
        lists: the ids each of them listed, by its name; who failed is missing.
    """
    found, further = [replace(row, listed=()) for row in rows], []
    for account in accounts:
        ids = {each.casefold(): each for each in lists.get(account.name, ())}
        met: set[str] = set()
        for model, at in _by_model(found).items():
            names = {name.casefold() for name in _names(model, account)} & ids.keys()
            if names and (here := _rows_of(account, found, at)):
                met |= names
                for i in here:
                    found[i] = _listed(found[i], account.name)
        further += [_further(ids[name], account) for name in ids if name not in met]
    return [*found, *further]


def _by_model(rows: Sequence[Row]) -> dict[str, list[int]]:
    by: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        by.setdefault(row.model, []).append(i)
    return by


def _names(model: str, account: Account) -> set[str]:
    """The ids under which the account may list a model."""
    if account.kind == "url":
        return set()
    known = catalogue.find(model)
    aliases = known.aliases if known and account.kind == "livekit" else ()
    return {model_there(model, account), catalogue.own_id(model, account.kind) or model, model, *aliases}


def _rows_of(account: Account, rows: Sequence[Row], at: Sequence[int]) -> list[int]:
    """Those of a model that the account reaches; LiveKit, where the catalogue knows none, serves it by whomever."""
    reached = [i for i in at if account.name in rows[i].accounts]
    if account.kind == "livekit":
        return reached or list(at)
    return reached or [i for i in at if rows[i].provider == account.kind]


def _listed(row: Row, name: str) -> Row:
    return replace(row, accounts=tuple(dict.fromkeys((*row.accounts, name))), listed=(*(row.listed or ()), name))


def _further(model: str, account: Account) -> Row:
    return Row(
        model=model, name=None, vendor="", provider=account.name, livekit_input=None, livekit_output=None,
        own_input=None, own_output=None, context_window=None, accounts=(account.name,), efforts=None, images=None,
        tools=None, structured_output=None, temperature=None, retires=None, status="", listed=(account.name,),
    )  # fmt: skip
