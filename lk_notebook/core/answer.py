"""What one response said besides its text: tool calls, usage, who served it, alternatives, log probabilities."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lk_notebook.core.pace import Room
from lk_notebook.core.text import whole
from lk_notebook.core.values import Alternative, TokenLogprob, ToolCall, Usage, redact

if TYPE_CHECKING:
    from lk_notebook.core.replaying import Replayed

#: The keys of `extra_content` that must go back with the history (LiveKit Agents, llm/_provider_format/openai.py).
ECHOED = ("google", "livekit", "xai")


@dataclass(slots=True)
class _Growing:
    """A tool call whose arguments are still arriving."""

    id: str | None
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    extra_content: dict[str, Any] | None = None


@dataclass(slots=True)
class Answer:
    """The facts of one response, as they arrive. Unknown is None."""

    response_id: str | None = None
    model: str | None = None
    served_by: str | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    logprobs: list[TokenLogprob] | None = None
    extra_content: dict[str, Any] | None = None
    quota: dict[str, str] | None = None
    room: Room | None = None  # what the provider has room for
    replayed: Replayed | None = None  # a tape answered: what it says of the recording
    events: int = 0
    _calls: list[_Growing] = field(default_factory=list)
    _at_index: dict[int, _Growing] = field(default_factory=dict)
    _others: dict[int, tuple[list[str], str | None]] = field(default_factory=dict)

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The calls in the order in which they began."""
        return [ToolCall(c.id, redact(c.name), _told(c.arguments), c.extra_content) for c in self._calls]

    @property
    def alternatives(self) -> list[Alternative]:
        """The further choices of n > 1, by index."""
        return [Alternative(i, _told(texts), reason) for i, (texts, reason) in sorted(self._others.items())]

    @property
    def has_calls(self) -> bool:
        """Whether a tool call has begun."""
        return bool(self._calls)

    def note(self, chunk: Mapping[str, Any]) -> None:
        """The facts at the top of a chunk: the first id that is not empty, the last usage that is not null."""
        if self.response_id is None and (found := chunk.get("id")):
            self.response_id = str(found)
            self.model = str(chunk["model"]) if chunk.get("model") else None
        if isinstance(chunk.get("provider"), str):
            self.served_by = chunk["provider"]
        usage = chunk.get("usage")
        if not usage and (groq := chunk.get("x_groq")) and isinstance(groq, Mapping):
            usage = groq.get("usage")
        if usage is not None and isinstance(usage, Mapping):
            self.usage = _usage(usage)

    def delta(self, delta: Mapping[str, Any]) -> None:
        """Tool calls, the old `function_call`, and vendors' `extra_content` of a delta."""
        pieces = delta.get("tool_calls")
        for piece in pieces if isinstance(pieces, list) else ():
            if isinstance(piece, Mapping):
                self._tool(piece)
        if isinstance(old := delta.get("function_call"), Mapping):
            self._tool({"index": 0, "function": old})
        extra = delta.get("extra_content")
        if isinstance(extra, Mapping):
            self.extra_content = {**(self.extra_content or {}), **extra}
            livekit = extra.get("livekit")
            if isinstance(livekit, Mapping) and (deployment := livekit.get("inference_deployment")):
                self.served_by = str(deployment)

    def alternative(self, index: Any, text: str, reason: Any) -> None:
        """A piece of a further choice."""
        if isinstance(index, int):
            texts, before = self._others.get(index, ([], None))
            texts.append(text)
            self._others[index] = (texts, str(reason) if reason else before)

    def add_logprobs(self, logprobs: Any) -> None:
        """Log probabilities come beside the deltas; their lists are joined."""
        content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
        if isinstance(content, list):
            self.logprobs = [*(self.logprobs or []), *(_logprob(e) for e in content if isinstance(e, Mapping))]

    def _tool(self, piece: Mapping[str, Any]) -> None:
        function = piece.get("function")
        function = function if isinstance(function, Mapping) else {}
        call_id = whole(str(piece["id"])) if piece.get("id") else None
        call = self._call(piece.get("index"), call_id, whole(str(function.get("name") or "")))
        arguments = function.get("arguments")
        if arguments is not None and arguments != "":
            call.arguments.append(arguments if isinstance(arguments, str) else json.dumps(arguments))
        if isinstance(extra := piece.get("extra_content"), Mapping):
            call.extra_content = {**(call.extra_content or {}), **extra}

    def _call(self, index: Any, call_id: str | None, name: str) -> _Growing:
        """The call this piece goes on with: by index; a new id there starts a new call; without index by id."""
        if isinstance(index, int):
            known = self._at_index.get(index)
        elif call_id is not None:
            known = next((c for c in self._calls if c.id == call_id), None)
        else:
            known = self._calls[-1] if self._calls and not name else None
        if known is not None and (call_id is None or known.id is None or known.id == call_id):
            known.id = known.id or call_id
            known.name = known.name or name
            return known
        call = _Growing(call_id, name)
        self._calls.append(call)
        if isinstance(index, int):
            self._at_index[index] = call
        return call


def _told(texts: list[str]) -> str:
    """A text that came in pieces, without half characters, and without a key that the server repeats."""
    return redact(whole("".join(texts)))


def _usage(found: Mapping[str, Any]) -> Usage:
    def number(of: Any, name: str) -> int:
        value = of.get(name) if isinstance(of, Mapping) else None
        return int(value) if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)) else 0

    return Usage(
        number(found, "prompt_tokens"),
        number(found, "completion_tokens"),
        number(found, "total_tokens"),
        number(found.get("prompt_tokens_details"), "cached_tokens"),
        number(found.get("completion_tokens_details"), "reasoning_tokens"),
    )


def _logprob(entry: Mapping[str, Any]) -> TokenLogprob:
    top = entry.get("top_logprobs")
    return TokenLogprob(
        _told([str(entry.get("token", ""))]),
        entry.get("logprob"),
        entry.get("bytes"),
        tuple(_logprob(e) for e in top if isinstance(e, Mapping)) if isinstance(top, list) else (),
    )
