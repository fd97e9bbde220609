"""From a call to its end: rounds of tools between the requests, and what the last text is read as."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from lk_notebook import tools
from lk_notebook.core import catalogue
from lk_notebook.core.routing import Route
from lk_notebook.core.values import Call
from lk_notebook.desk import Interrupted
from lk_notebook.errors import BadRequestError, LkError, NotFoundError, ProtocolError, SchemaError

if TYPE_CHECKING:
    from lk_notebook.net.client import Limits
    from lk_notebook.reply import Reply
    from lk_notebook.tools import Offer

#: After so many rounds of tools the model has had its chance.
MOST_ROUNDS = 10


async def ask(reply: Reply, call: Call, route: Route, limits: tuple[float, int], offer: Offer) -> None:
    """Asks, and ends the reply however it ends: whatever is raised on the way stands in `reply.error`."""
    try:
        from lk_notebook.net import client  # noqa: PLC0415 - brings httpx and aiohttp: when first asked

        await _rounds(reply, call, route, client.Limits(*limits), offer)
        if offer.parse is not None:
            reply.parsed = _read(reply, offer)
    except asyncio.CancelledError:
        reply.end("stopped")
    except Interrupted:
        reply.broken = True
        reply.end("stopped")
    except LkError as error:
        reply.end("failed", _mended(error, call))
    except BaseException as error:
        what = f"A fault of lk_notebook itself: {type(error).__name__}: {error}"
        reply.end("failed", LkError(what, "Report it, with the cell that shows it."))
        raise
    else:
        reply.end("done")


async def _rounds(reply: Reply, call: Call, route: Route, limits: Limits, offer: Offer) -> None:
    from lk_notebook.net import attempts  # noqa: PLC0415 - as above

    asker = await attempts.shared()
    for _ in range(MOST_ROUNDS + 1):
        await asker.ask(call, route, limits, reply)
        if not offer.tools or not reply.wants_tools:
            return
        if len(reply.steps) == MOST_ROUNDS:
            break
        ran, asked = reply.on_calls()
        messages = [asked, *await tools.run(ran, offer, reply.notify)]
        reply.on_results(messages)
        call = replace(call, messages=[*call.messages, *messages])
        whom = tuple(account for account in route.accounts if account.name == reply.account) or route.accounts
        route = replace(route, accounts=whom, fixed=True)  # the conversation stays with who answered
    raise ProtocolError(
        f"The model called tools {MOST_ROUNDS} times without coming to an answer.", "Ask more narrowly, or offer fewer."
    )


def _read(reply: Reply, offer: Offer) -> object:
    """The value of the last text."""
    assert offer.parse is not None  # noqa: S101 - for the type checker
    if reply.refusal:
        raise SchemaError(f"The model refused: {reply.refusal}", "Change the wording of the prompt.")
    text = reply.piece(reply.steps[-1].text if reply.steps else 0)
    try:
        return offer.parse(text)
    except SchemaError as error:
        if reply.finish_reason == "length":
            raise SchemaError(
                f"The answer was cut at max_completion_tokens, so it does not fit: {error.what}",
                "Give it more: max_completion_tokens=4000.",
            ) from None
        raise


def _mended(error: LkError, call: Call) -> LkError:
    """A refusal with the mend that only the call explains: no schema there, or a provider that does not serve."""
    mend = None
    if isinstance(error, BadRequestError) and call.response_format and _names_schema(error):
        mend = "This account takes no schema: ask for JSON in the prompt and use -f json."
    elif isinstance(error, (BadRequestError, NotFoundError)) and call.provider:
        model = catalogue.find(call.model)
        if model is not None and model.providers and call.provider not in model.providers:
            mend = f"Known to serve {model.id}: {', '.join(model.providers)}. Name one with -p, or leave out -p."
    if mend is None:
        return error
    told = type(error)(error.what, mend, status=error.status, code=error.code, param=error.param, quota=error.quota)
    told.__cause__ = error.__cause__
    return told


def _names_schema(error: LkError) -> bool:
    return error.param == "response_format" or "response_format" in error.what or "json_schema" in error.what
