"""The ledger of this kernel: every reply is entered when it ends, whoever asked."""

from __future__ import annotations

import hashlib
import json
import time
from decimal import Decimal

from lk_notebook.core.ledger import Entry, Ledger
from lk_notebook.reply import Reply

#: One a kernel: replies of magics, panels and plain Python count alike.
LEDGER = Ledger()


def enter(reply: Reply, cell: str, ledger: Ledger = LEDGER) -> None:
    """Has the reply entered when it ends."""

    def ended() -> None:
        ledger.add(_entry(reply, cell))
        if reply.quota:
            ledger.quotas[reply.account] = reply.quota

    reply.when_ended(ended)


def _entry(reply: Reply, cell: str) -> Entry:
    cost, price = reply.cost, reply.price
    content = reply.asked[-1].get("content")
    asked = (content if isinstance(content, str) else json.dumps(content, default=str)).encode("utf-8", "replace")
    if reply.replayed is not None:  # it is counted, and costs nothing
        cost, price = 0.0, None
    return Entry(
        cell,
        time.strftime("%Y-%m-%d"),
        reply.model,
        reply.provider or reply.served_by,
        reply.account if reply.replayed is None else f"{reply.account}, recorded",
        reply.state,
        reply.usage,
        None if cost is None else Decimal(repr(cost)),
        price.date if price is not None and cost is not None else None,
        hashlib.sha256(asked).hexdigest()[:12],
    )
