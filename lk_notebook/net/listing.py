"""Which models an account lists, by its own GET /models."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from lk_notebook.core.values import Account
from lk_notebook.errors import LkError, ProtocolError
from lk_notebook.net import attempts

#: A list that takes longer is not waited for.
SECONDS = 5.0


async def models(account: Account, seconds: float = SECONDS) -> list[str]:
    """The ids an account lists, each once, in its order.

    Raises:
        LkError: it did not answer in time, refused the key, or sent what is no list.
    """
    asker = await attempts.shared()
    query = f"?api-version={account.api_version}" if account.api_version else ""
    return read(await asker.client.read_json(f"{account.url}/models{query}", account, seconds), account.name)


async def models_of_all(accounts: Sequence[Account], seconds: float = SECONDS) -> dict[str, list[str] | LkError]:
    """What each account lists, asked all at once; a failure is that account's alone."""
    found = await asyncio.gather(*(models(account, seconds) for account in accounts), return_exceptions=True)
    told: dict[str, list[str] | LkError] = {}
    for account, each in zip(accounts, found, strict=True):
        if isinstance(each, BaseException) and not isinstance(each, LkError):
            raise each
        told[account.name] = each
    return told


def read(payload: Any, who: str) -> list[str]:
    """The ids of a list in whichever of the known shapes: `{"data": [{"id": …}]}`, `models` in its place, a bare list.

    Example:
        >>> read({"object": "list", "data": [{"id": "a"}, {"name": "b"}, "c"]}, "lab")
        ['a', 'b', 'c']
    """
    rows = next((payload[key] for key in ("data", "models") if key in payload), None) if _is_map(payload) else payload
    if not isinstance(rows, list):
        raise ProtocolError(f"{who} sent no list of models.", "Check the address of the account.")
    ids = (
        next((row[key] for key in ("id", "name", "model") if key in row), None) if _is_map(row) else row for row in rows
    )
    return list(dict.fromkeys(each for each in ids if isinstance(each, str) and each))


def _is_map(value: Any) -> bool:
    return isinstance(value, Mapping)
