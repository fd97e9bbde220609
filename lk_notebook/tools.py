"""A round of tool calls: each checked, allowed, run where the notebook's own code runs, and told to the model."""

from __future__ import annotations

import asyncio
import functools
import inspect
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lk_notebook.core.values import Message, redact
from lk_notebook.desk import Interrupted, Job, breakable, desk
from lk_notebook.errors import SchemaError
from lk_notebook.steps import Ran

if TYPE_CHECKING:
    from lk_notebook.core.tools import Tool

#: Asks the user whether this call may run: name and arguments -> yes or no.
Confirm = Callable[[str, Mapping[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Offer:
    """What a call offers the model, and what it makes of the last text."""

    tools: Mapping[str, Tool] = field(default_factory=dict)
    confirm: Confirm | None = None
    parse: Callable[[str], Any] | None = None
    take: Callable[[Ran, Any], Any] = lambda _ran, value: value  # what a tool gave -> what the model is told of it


async def run(ran: list[Ran], offer: Offer, news: Callable[[], None]) -> list[Message]:
    """Runs the calls of one round together, in the main thread; gives the messages that tell their results.

    A call whose arguments do not fit, that raises, or that was not offered, is told to the model, never raised.
    """
    works = [functools.partial(_one, each, offer, news) for each in ran]
    job = Job(works, suspends=any(offer.tools[r.call.name].is_async for r in ran if r.call.name in offer.tools))
    desk.put(job)
    await asyncio.wrap_future(job.done)
    return [{"role": "tool", "tool_call_id": each.call.id or each.call.name, "content": each.result} for each in ran]


async def _one(ran: Ran, offer: Offer, news: Callable[[], None]) -> None:
    """One call; a synchronous tool never suspends here."""
    from lk_notebook.core.tools import result_text  # noqa: PLC0415 - brings pydantic

    tool = offer.tools.get(ran.call.name)
    if tool is None:
        ran.state = "refused"
        ran.result = f"There is no tool {ran.call.name}. Offered are: {', '.join(offer.tools)}."
        return
    try:
        args, kwargs = tool.arguments(ran.call.arguments)
        if tool.confirm and not (offer.confirm or ask)(tool.name, _named(tool, args, kwargs)):
            ran.state, ran.result = "refused", "The user did not allow this call."
            return
        with breakable():
            value = tool.function(*args, **kwargs)
        if inspect.isawaitable(value):
            value = await value
        ran.result, ran.state = redact(result_text(offer.take(ran, value))), "done"
    except KeyboardInterrupt:
        ran.state = "stopped"
        raise Interrupted from None
    except SchemaError as error:
        ran.state, ran.result = "failed", redact(str(error))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's own code: it may raise anything
        ran.state, ran.result = "failed", redact(f"{type(error).__name__}: {error}")
        ran.trace = redact("".join(traceback.format_exception(type(error), error, _own(error))))
    finally:
        news()


def _own(error: BaseException) -> Any:
    """The traceback from the tool's own frame on."""
    return error.__traceback__ and (error.__traceback__.tb_next or error.__traceback__)


def _named(tool: Tool, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    return dict(inspect.signature(tool.function).bind(*args, **kwargs).arguments)


def ask(name: str, arguments: Mapping[str, Any]) -> bool:
    """Asks in the notebook; without anybody to ask (nbclient), the answer is no."""
    said = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
    try:
        return input(f"Run {name}({said})? [y/N] ").strip().lower() in ("y", "yes")
    except (EOFError, RuntimeError, NotImplementedError):  # ipykernel's StdinNotImplementedError is both of the latter
        return False
