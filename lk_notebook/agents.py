"""An AgentSession of LiveKit's, text only: built, run and closed on the background loop, over the shared client."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from livekit.agents import Agent, AgentSession, llm
from livekit.agents.voice import io
from livekit.agents.voice.agent_activity import ActivityClosedError
from livekit.agents.voice.agent_session import SessionConnectOptions

from lk_notebook.agent_tools import Tools, named
from lk_notebook.asking import MOST_ROUNDS
from lk_notebook.core.values import Setup, redact
from lk_notebook.desk import desk
from lk_notebook.errors import LkError, ProtocolError
from lk_notebook.ledger import LEDGER
from lk_notebook.livekit_llm import HEARER, LiveKitLLM
from lk_notebook.llm import LLM
from lk_notebook.net import attempts, loop
from lk_notebook.reply import Reply
from lk_notebook.turn import Turn

#: A session that was interrupted has this long, in seconds, to end its turn.
PATIENCE = 5.0
AGAIN = "Run the cell again, or start anew with -n."

logging.getLogger("livekit").addHandler(logging.NullHandler())  # errors are told in two lines, not in stderr


@dataclass(frozen=True, slots=True)
class Brief:
    """What an agent is made of."""

    setup: Setup
    instructions: str = ""
    tools: Sequence[Any] = ()


class _Text(io.TextOutput):
    """What a session says, piece by piece, in the order in which it is said."""

    def __init__(self, says: Callable[[str], None], has_said: Callable[[], None]) -> None:
        super().__init__(label="notebook", next_in_chain=None)
        self._says, self._has_said = says, has_said

    async def capture_text(self, text: str) -> None:
        """A piece of a text."""
        self._says(str(text))

    def flush(self) -> None:
        """A text has ended."""
        self._has_said()


class Talk:
    """One session, and its turns.

    Example:
        ```python
        talk = Talk(Brief(Setup("lk/demo"), "Be brief.", [get_weather]), llm)
        talk.open()
        talk.ask("Weather in Paris?", "[1]").wait().text
        ```

    `session` is the AgentSession; it lives on lk_notebook's loop: read it anywhere, call it by `call`.

    Raises:
        ConfigurationError: no account, an unknown model.
        SchemaError: a tool cannot be one.
    """

    def __init__(self, brief: Brief, ours: LLM) -> None:
        self.brief, self.turns, self.cell = brief, 0, "Python"
        self.model = LiveKitLLM(ours)
        self.tools = Tools(brief.tools, lambda: self._turn)
        self.session: AgentSession[Any] | None = None
        self._agent: Agent | None = None  # who speaks
        self._running = False
        self._changes: list[Callable[[Agent], Any]] = []
        self._turn: Turn | None = None
        self._lock: asyncio.Lock | None = None

    def open(self) -> AgentSession[Any]:
        """Builds and starts the session; some 0.1 s."""
        return loop.wait(self._opened())

    def become(self, brief: Brief, ours: LLM | None) -> None:
        """Changes who speaks, from the next turn on: its model, instructions and tools, where they are others.

        Raises:
            ConfigurationError: no account, an unknown model.
            SchemaError: a tool cannot be one.
        """
        if ours is not None:
            self.model.use(ours)
        if brief.tools is not self.brief.tools:
            self.tools = Tools(brief.tools, lambda: self._turn)
            offered = self.tools.livekit
            self._changes.append(lambda agent: agent.update_tools(offered))
        if brief.instructions != self.brief.instructions:
            self._changes.append(lambda agent: agent.update_instructions(brief.instructions))
        self.brief = brief

    def ask(self, prompt: str, cell: str) -> Turn:
        """The next turn; it grows in the background.

        Raises:
            BudgetExceededError: the budget is used up.
        """
        LEDGER.check()
        desk.at_home()
        turn = Turn(self.model.route, prompt)
        turn.remembered, turn.offered, self.cell = self.turns, self.brief.tools, cell
        turn.start(self._ask(turn, prompt))
        return turn

    def close(self) -> None:
        """Ends the session; its history stays readable."""
        loop.wait(self.aclose())

    async def aclose(self) -> None:
        """As `close`, on the background loop."""
        _open.discard(self)
        if self.session is not None and self._running:
            await self.session.aclose()  # with a turn that runs: it ends as stopped

    def hears(self, reply: Reply) -> None:
        """A request of the session has begun."""
        if self._turn is not None:
            self._turn.hears(reply)

    # On the background loop -----------------------------------------------------------------------------------

    async def _opened(self) -> AgentSession[Any]:
        HEARER.set(self)
        if self.session is not None and self._running:
            return self.session
        await _close_at_exit(self)
        session = AgentSession[Any](
            llm=self.model,
            vad=None,  # else the bundled model of voices is loaded: 250 MB
            turn_handling={"turn_detection": None},
            user_away_timeout=None,
            max_tool_steps=MOST_ROUNDS,
            # a few failed turns in a row would end the session without a word
            conn_options=SessionConnectOptions(max_unrecoverable_errors=sys.maxsize),
        )
        session.output.transcription = _Text(self._says, self._has_said)
        session.on("conversation_item_added", self._item)
        session.on("function_tools_executed", self._executed)
        session.on("close", self._closed)
        if self.session is not None:  # it has ended: the same agent goes on in a new one, with all that was said
            session.history.insert(self.session.history.items)
        self._agent = self._agent or Agent(instructions=self.brief.instructions, tools=self.tools.livekit)
        self.session = session
        await session.start(self._agent, record=False)
        self._running = True
        return session

    async def _ask(self, turn: Turn, prompt: str) -> None:
        self._lock = self._lock or asyncio.Lock()
        async with self._lock:
            self._turn = turn
            try:
                await self._one(turn, prompt)
            finally:
                self._turn = None
                self.turns += bool(turn.size or turn.steps)

    async def _one(self, turn: Turn, prompt: str) -> None:
        """One turn, which ends however it ends: whatever is raised on the way stands in `turn.error`."""
        run: Any = None
        try:
            session = await self._opened()
            while self._changes:
                await self._changes.pop(0)(session.current_agent)
            run = session.run(user_input=prompt)
            turn.result = await run
            with contextlib.suppress(RuntimeError, ActivityClosedError):  # a tool has closed it
                await session.wait_for_idle()  # who took over may still greet
        except asyncio.CancelledError:
            turn.end("stopped")
            await self._interrupt(run)
        except Exception as error:  # noqa: BLE001 - LiveKit hands on whatever was raised within
            turn.end("failed", _mended(error))
        else:
            _judge(turn)
        if not turn.size and not turn.steps:
            await self._forget(prompt)

    async def _forget(self, prompt: str) -> None:
        """A turn of which nothing came leaves no trace in later requests."""
        agent, session = self._agent, self.session
        if agent is None or session is None:
            return
        last = next((each for each in reversed(session.history.items) if each.type == "message"), None)
        if last is not None and last.role == "user" and last.text_content == prompt:
            session.history.items.remove(last)
            kept = [each for each in agent.chat_ctx.items if each.id != last.id]
            await agent.update_chat_ctx(llm.ChatContext(kept))

    async def _interrupt(self, run: Any) -> None:
        """Stops who speaks, so that the next turn finds the session free; one that will not is ended."""
        session = self.session
        if session is None or run is None:
            return
        with contextlib.suppress(RuntimeError):  # it has ended meanwhile
            await session.interrupt(force=True)
        try:
            await asyncio.wait_for(_ended(run), PATIENCE)
        except asyncio.TimeoutError:
            await session.aclose()

    def _item(self, event: Any) -> None:
        item, turn = event.item, self._turn
        if item.type == "agent_handoff" and self.session is not None and item.old_agent_id is not None:
            self._agent = self.session.current_agent
            if turn is not None:
                turn.tells(f"Handed over to {named(self._agent)}")

    def _executed(self, event: Any) -> None:
        """What LiveKit ran itself, or refused to run, is told as well."""
        if self._turn is None:
            return
        for call, given in zip(event.function_calls, event.function_call_outputs, strict=True):
            ran = self._turn.ran(call.call_id, call.name, call.arguments)
            if given is not None and ran.state == "running":
                ran.state, ran.result = "failed" if given.is_error else "done", redact(given.output)
        self._turn.notify()

    def _says(self, text: str) -> None:
        if self._turn is not None:
            self._turn.says(text)

    def _has_said(self) -> None:
        if self._turn is not None:
            self._turn.has_said()

    def _closed(self, _event: Any) -> None:
        self._running = False


def call(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Calls something of a session where the session lives, and waits for what it gives.

    Example:
        ```python
        from lk_notebook import agents

        agents.call(session.say, "Hello")
        ```
    """

    async def there() -> Any:
        value = function(*args, **kwargs)
        return await value if inspect.isawaitable(value) else value

    return loop.wait(there())


def is_session(value: Any) -> bool:
    """Whether it is an AgentSession."""
    return isinstance(value, AgentSession)


def _judge(turn: Turn) -> None:
    """Ends a turn that LiveKit has ended, as what it was: LiveKit ends some failures without a word."""
    spoken = [each.item for each in turn.result.events if each.type == "message" and each.item.role == "assistant"]
    failed = turn.requests[-1].error if turn.requests else None
    if failed is not None:
        turn.end("failed", failed)
    elif spoken and spoken[-1].interrupted:
        turn.end("stopped")
    elif spoken or any(each.type == "agent_handoff" for each in turn.result.events):
        turn.end("done")
    else:
        turn.end("failed", ProtocolError("The agent ended its turn without a message.", AGAIN))


def _mended(error: BaseException) -> LkError:
    """Our own error, which LiveKit's wraps, or a foreign one in our words."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, LkError):
            return found
        found = found.__cause__
    return LkError(redact(f"The agent failed: {type(error).__name__}: {error}"), AGAIN)


async def _ended(run: Any) -> None:
    with contextlib.suppress(Exception):  # how it ended is of no interest any more
        await run


_open: set[Talk] = set()
_registered = False


async def _close_at_exit(talk: Talk) -> None:
    """Has the sessions closed when the kernel ends, before the client is: what is registered last runs first."""
    global _registered  # noqa: PLW0603 - once a process
    _open.add(talk)
    if not _registered:
        _registered = True
        await attempts.shared()
        loop.at_exit(_close_all, cancel=False)


async def _close_all() -> None:
    await asyncio.gather(*(talk.aclose() for talk in tuple(_open)), return_exceptions=True)
