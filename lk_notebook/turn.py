"""One turn of an agent's session as one Reply: its requests, tools and hand-offs, in their order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

from lk_notebook.arriving import ENDED, State
from lk_notebook.core.routing import Route
from lk_notebook.core.values import Call, ToolCall, Usage, redact
from lk_notebook.errors import LkError
from lk_notebook.reply import Reply
from lk_notebook.steps import Ran, Step


class Turn(Reply):
    """What a user's message brought: it is drawn, stopped and awaited as any reply is.

    Attributes beside those of a Reply: `requests` are the replies it is made of, `result` is LiveKit's RunResult, with
    `events` and `expect`; None until the turn has ended by itself.
    """

    def __init__(self, route: Route, prompt: str) -> None:
        super().__init__(Call(route.model, [{"role": "user", "content": prompt}], route.provider), route.accounts)
        self.requests: list[Reply] = []
        self.result: Any = None
        self._ran: dict[str, Ran] = {}  # by the id of the call
        self._flushed = False  # a text has ended

    # What is known of it: of all its requests -----------------------------------------------------------------

    @property
    def usage(self) -> Usage | None:
        """The tokens of all requests."""
        told = [each.usage for each in self.requests if each.usage is not None]
        return Usage(*(sum(getattr(one, each.name) for one in told) for each in fields(Usage))) if told else None

    @property
    def cost(self) -> float | None:
        """US dollars of all requests, None where one of them has no known price."""
        costs = [each.cost for each in self.requests if each.usage is not None]
        known = [cost for cost in costs if cost is not None]
        return sum(known) if known and len(known) == len(costs) else None

    @property
    def ttft(self) -> float | None:
        """Seconds from sending to the first output, of the first request."""
        return self.requests[0].ttft if self.requests else None

    @property
    def tokens_per_second(self) -> float | None:
        """Completion tokens per second, where the turn is one request."""
        return self.requests[0].tokens_per_second if len(self.requests) == 1 else None

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The calls of all requests."""
        return [call for each in self.requests for call in each.tool_calls]

    @property
    def finish_reason(self) -> str | None:
        """Why the last response ended."""
        return self.requests[-1].finish_reason if self.requests else None

    @property
    def response_id(self) -> str | None:
        """The provider's id of the last response."""
        return self.requests[-1].response_id if self.requests else None

    @property
    def served_by(self) -> str | None:
        """Which deployment gave the last response, where the gateway says so."""
        return self.requests[-1].served_by if self.requests else None

    # How it comes: on the background loop ---------------------------------------------------------------------

    def hears(self, reply: Reply) -> None:
        """A request has begun: what is known of it is known of the turn. Its text comes as the session says it."""
        self.requests.append(reply)
        self.call, self.accounts, self.asked = reply.call, reply.accounts, reply.asked
        reply.when_changed(self._follows(reply))

    def says(self, text: str) -> None:
        """A piece of what the agent says, whoever wrote it."""
        if self._flushed and self.size > (self.steps[-1].text if self.steps else 0):
            self.steps.append(self._step())  # a text of its own
        self._flushed = False
        self.on_pieces([("text", text)], self._answer)

    def has_said(self) -> None:
        """What comes next is another text."""
        self._flushed = True

    def tells(self, what: str) -> None:
        """Something happened that is no text."""
        self.steps.append(self._step(told=what))
        self.notify()

    def ran(self, call_id: str, name: str, arguments: str) -> Ran:
        """The tool call of this id; a new one stands below what was said before it."""
        if call_id not in self._ran:
            ran = self._ran[call_id] = Ran(ToolCall(call_id, name, arguments))
            self._release()
            if not self.steps or not self.steps[-1].ran or self.steps[-1].text != self.size:
                self.steps.append(self._step())
            self.steps[-1].ran.append(ran)
            self.notify()
        return self._ran[call_id]

    def end(self, state: State, error: LkError | None = None) -> None:
        """It has ended so; calls that still run were stopped."""
        for ran in self._ran.values():
            ran.state = "stopped" if ran.state == "running" else ran.state
        super().end(state, error)

    def _follows(self, reply: Reply) -> Callable[[], None]:
        thought, ended = 0, False

        def look() -> None:
            nonlocal thought, ended
            if self.state in ENDED or ended:
                return
            self.account, self.provider, self.model = reply.account, reply.provider, reply.model
            self.retrying, self.messages, self.request = reply.retrying, reply.messages, reply.request
            self.notes += [note for note in reply.notes if note not in self.notes]
            if new := reply.thought(thought):
                thought += len(new)
                self.on_pieces([("reasoning", new)], self._answer)
            if reply.state in ENDED:
                ended = True
                self.attempts += reply.attempts
            self.notify()

        return look

    def _step(self, told: str = "") -> Step:
        self._release()
        return Step(self.size, self.thought_size, [], redact(told))
