"""Functions of the notebook as tools of LiveKit's: checked, and run in the notebook's thread, as %%lkchat's are."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, get_type_hints

from livekit.agents import Agent, RunContext, ToolError, function_tool, llm
from livekit.agents.llm.utils import is_context_type

from lk_notebook import tools
from lk_notebook.arriving import ENDED
from lk_notebook.core.tools import Tool, read_tools
from lk_notebook.core.values import ToolCall
from lk_notebook.steps import Ran
from lk_notebook.tools import Offer
from lk_notebook.turn import Turn

STOPPED = "The user stopped this call."


class Tools:
    """What is offered to an agent.

    A function runs in the notebook's main thread. One that takes LiveKit's RunContext talks to its session and runs on
    the session's loop; it, toolsets and tools that a provider runs go to LiveKit as they are.

    Raises:
        SchemaError: one cannot be a tool.
    """

    def __init__(self, functions: Iterable[Any], turn: Callable[[], Turn | None]) -> None:
        functions = list(functions)
        self._turn = turn
        self._offer = Offer(read_tools([each for each in functions if not _is_livekits(each)]), take=self._take)
        self._given: dict[int, Any] = {}  # an agent that takes over, by the call that gave it
        ours = iter(self._offer.tools.values())
        self.livekit: list[Any] = [
            _as_it_is(each) if _is_livekits(each) else self._wrap(next(ours)) for each in functions
        ]

    def _wrap(self, tool: Tool) -> Any:
        async def run(raw_arguments: dict[str, object], context: RunContext[Any]) -> Any:
            return await self._run(raw_arguments, context)

        return function_tool(run, raw_schema=dict(tool.schema["function"]))

    async def _run(self, _raw_arguments: dict[str, object], context: RunContext[Any]) -> Any:
        """One call; its arguments are read from the text that the model sent, as %%lkchat does."""
        with contextlib.suppress(RuntimeError):  # nothing was said before
            await context.wait_for_playout()  # what was said before the call stands above it
        call, turn = context.function_call, self._turn()
        ran = Ran(ToolCall(call.call_id, call.name, call.arguments))
        if turn is not None:
            ran = turn.ran(call.call_id, call.name, call.arguments)
        await self._done(ran, turn)
        if ran.state in ("running", "stopped"):
            ran.state = "stopped"
            if turn is not None and turn.state not in ENDED:
                turn.broken = True
                turn.end("stopped")
            context.speech_handle.interrupt(force=True)  # before LiveKit tells the model of it
            raise ToolError(STOPPED)
        if ran.state != "done":
            raise ToolError(ran.result)
        given = self._given.pop(id(ran), ran.result)
        for agent in _agents(given):
            await agent.update_tools(Tools(agent.tools, self._turn).livekit)
        return given

    async def _done(self, ran: Ran, turn: Turn | None) -> None:
        """Runs the call; ends when it has, or when the turn has."""
        over = asyncio.Event()
        if turn is not None:
            turn.when_ended(over.set)
            if turn.state in ENDED:
                return
        work = asyncio.ensure_future(tools.run([ran], self._offer, turn.notify if turn is not None else _nobody))

        def ended(work: asyncio.Future[Any]) -> None:
            if not work.cancelled():
                work.exception()  # the call itself tells how it ended
            over.set()

        work.add_done_callback(ended)
        await over.wait()

    def _take(self, ran: Ran, value: Any) -> Any:
        """An agent that a tool gives takes over: LiveKit gets it as it is, the reader its name."""
        if not (agents := _agents(value)):
            return value
        self._given[id(ran)] = value
        others = [str(each) for each in _several(value) if not isinstance(each, Agent)]
        return ", ".join([f"hands over to {named(agents[0])}", *others])


def _nobody() -> None:
    """Nobody is told."""


def named(agent: Agent) -> str:
    """What an agent is called: by its class; LiveKit's own says nothing."""
    return "another agent" if type(agent) is Agent else type(agent).__name__


def _several(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple | set | frozenset) else [value]


def _agents(value: Any) -> list[Agent]:
    return [each for each in _several(value) if isinstance(each, Agent)]


def told(functions: Sequence[Any]) -> list[str]:
    """The names of what is offered."""
    return [getattr(each, "__name__", None) or getattr(each, "id", "") or type(each).__name__ for each in functions]


def _is_livekits(function: Any) -> bool:
    """Whether it is LiveKit's to run."""
    if isinstance(function, llm.Toolset):
        return True
    if isinstance(function, llm.Tool) and not isinstance(function, llm.FunctionTool | llm.RawFunctionTool):
        return True
    if isinstance(function, llm.RawFunctionTool):
        return True
    try:
        hints = get_type_hints(function)
    except Exception:  # noqa: BLE001 - an annotation is an expression of the user's own; reading the tool tells of it
        return False
    return any(is_context_type(hint, allow_subclasses=True) for hint in hints.values())


def _as_it_is(function: Any) -> Any:
    return (
        function
        if isinstance(function, llm.Tool | llm.Toolset) or not inspect.isroutine(function)
        else function_tool(function)
    )
