"""Our LLM as one of LiveKit's, for an AgentSession: same words, same body, over the shared client.

In a module of its own, for livekit-agents takes seconds to import. LiveKit's stream runs on the loop of its session,
ours on the background loop; between them stands the Reply, which may be awaited on any.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from livekit.agents import APIConnectionError, APIConnectOptions, APIError, APIStatusError, APITimeoutError, llm
from livekit.agents.inference.llm import supports_prompt_cache_breakpoints
from livekit.agents.llm.utils import to_openai_response_format
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, NOT_GIVEN, NotGivenOr
from livekit.agents.utils import is_given, shortuuid

from lk_notebook import errors
from lk_notebook.carried import Carried
from lk_notebook.core.values import Message
from lk_notebook.errors import LkError
from lk_notebook.llm import LLM
from lk_notebook.tools import Offer

if TYPE_CHECKING:
    from lk_notebook.reply import Reply

#: LiveKit ends a stream of this status without a word ("client closed request").
_SILENT = 499
#: Whose API takes OpenAI's marks for the prompt cache.
_MARKED = ("livekit", "openai", "azure")


class Hearer(Protocol):
    """Who hears of each reply that a session asks for."""

    cell: str

    def hears(self, reply: Reply) -> None:
        """A request has begun; called on the background loop."""


#: The hearer of the session that runs in this context; none in a session of the user's own.
HEARER: ContextVar[Hearer | None] = ContextVar("lk_notebook_hearer", default=None)


class LiveKitLLM(llm.LLM[Any]):
    """What `LLM.as_livekit()` gives."""

    def __init__(self, ours: LLM) -> None:
        super().__init__()
        self.ours = ours
        self.route = ours.route()

    @property
    def model(self) -> str:
        """The model id in full."""
        return self.route.model

    @property
    def provider(self) -> str:
        """Who runs it, else the account that is asked."""
        return self.route.provider or self.route.accounts[0].name

    def use(self, ours: LLM) -> None:
        """Asks another model from the next request on."""
        self.ours, self.route = ours, ours.route()

    def chat(
        self,
        *,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        parallel_tool_calls: NotGivenOr[bool] = NOT_GIVEN,
        tool_choice: NotGivenOr[llm.ToolChoice] = NOT_GIVEN,
        response_format: NotGivenOr[Any] = NOT_GIVEN,
        inference_class: NotGivenOr[str] = NOT_GIVEN,
        extra_kwargs: NotGivenOr[dict[str, Any]] = NOT_GIVEN,
    ) -> _Stream:
        """Asks, as LiveKit's `inference.LLM.chat` does; the constructor's extra_kwargs win.

        `conn_options` other than LiveKit's own defaults set the time limit and the number of further tries.
        """
        extra = dict(extra_kwargs) if is_given(extra_kwargs) else {}
        if is_given(parallel_tool_calls):
            extra["parallel_tool_calls"] = parallel_tool_calls
        if is_given(tool_choice) and tool_choice is not None:
            extra["tool_choice"] = _choice(tool_choice)
        if is_given(response_format):
            said = isinstance(response_format, dict)
            extra["response_format"] = response_format if said else to_openai_response_format(response_format)
        ours = copy.copy(self.ours)
        if conn_options != DEFAULT_API_CONNECT_OPTIONS:
            ours.timeout, ours.max_retries = conn_options.timeout or ours.timeout, conn_options.max_retry
        if is_given(inference_class):
            ours.inference_class = inference_class
        marked = self.route.accounts[0].kind in _MARKED and supports_prompt_cache_breakpoints(self.model)
        return _Stream(self, _Asked(ours, extra, marked), chat_ctx, tools or [], conn_options)


@dataclass(frozen=True, slots=True)
class _Asked:
    """Of whom a stream asks, with which parameters, and whether the prompt's stable part is marked for the cache."""

    ours: LLM
    extra: Mapping[str, Any]
    marked: bool


@dataclass(frozen=True, slots=True)
class _Offered(Carried):
    """Tools that the session runs, as they stand in the request."""

    wire: Sequence[Mapping[str, Any]] = ()

    def offer(self) -> tuple[Offer, list[Mapping[str, Any]], Mapping[str, Any] | None]:
        """Nothing for us to run."""
        return Offer(), list(self.wire), None


class _Stream(llm.LLMStream):
    """One request. Our client retries, so no error is `retryable` to LiveKit: tries are never multiplied."""

    def __init__(
        self,
        of: LiveKitLLM,
        asked: _Asked,
        chat_ctx: llm.ChatContext,
        tools: list[llm.Tool],
        conn_options: APIConnectOptions,
    ) -> None:
        super().__init__(of, chat_ctx=chat_ctx, tools=tools, conn_options=conn_options)
        self._asked = asked

    async def _run(self) -> None:
        try:
            reply = self._ask()
            async for piece in reply:
                self._send(reply, content=piece)
        except LkError as error:
            raise _told(error) from error
        calls = [
            llm.FunctionToolCall(
                name=call.name,
                arguments=call.arguments,
                call_id=call.id or shortuuid("call_"),
                extra=call.extra_content,
            )
            for call in reply.tool_calls
        ]
        content = None if reply.size or calls else reply.refusal or None
        if content or calls or reply.extra_content:
            self._send(reply, content=content, tool_calls=calls, extra=reply.extra_content)
        if reply.usage is not None:
            self._event_ch.send_nowait(llm.ChatChunk(id=reply.response_id or "", usage=_usage(reply)))

    def _ask(self) -> Reply:
        marks: dict[str, Any] = {"prompt_cache_breakpoints": True} if self._asked.marked else {}
        messages: list[Message]
        messages, _ = self._chat_ctx.to_provider_format("openai", **marks)
        heard = [message for message in messages if message["role"] != "system" or message.get("content")]
        wire = llm.ToolContext(self._tools).parse_function_tools("openai", strict=True)
        carried, hearer = _Offered(wire=wire), HEARER.get()
        if hearer is not None:
            carried = replace(carried, cell=hearer.cell)
        reply = self._asked.ours.ask(heard, carried, self._asked.extra)
        if hearer is not None:
            hearer.hears(reply)
        return reply

    def _send(self, reply: Reply, **delta: Any) -> None:
        chunk = llm.ChatChunk(id=reply.response_id or "", delta=llm.ChoiceDelta(role="assistant", **delta))
        self._event_ch.send_nowait(chunk)


def _choice(choice: Any) -> Any:
    """A tool choice in OpenAI's form."""
    if not isinstance(choice, dict):
        return choice
    return {"type": "function", "function": {"name": choice["function"]["name"]}}


def _usage(reply: Reply) -> llm.CompletionUsage:
    usage = reply.usage
    assert usage is not None  # noqa: S101 - for the type checker
    return llm.CompletionUsage(
        completion_tokens=usage.completion_tokens,
        prompt_tokens=usage.prompt_tokens,
        prompt_cached_tokens=usage.cached_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        total_tokens=usage.total_tokens,
    )


def _told(error: LkError) -> APIError:
    """An error of ours as LiveKit's, which its cause is; final, for our client has tried what can be tried."""
    text = str(error)
    if isinstance(error, errors.APITimeoutError):
        return APITimeoutError(text, retryable=False)
    if error.status is None or error.status == _SILENT:
        return APIConnectionError(text, retryable=False)
    request = error.reply.response_id if error.reply is not None else None
    return APIStatusError(text, status_code=error.status, request_id=request, retryable=False)
