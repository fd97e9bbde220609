"""A round of tool calls within an answer, and both as messages of a history."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from lk_notebook.core.answer import Answer
from lk_notebook.core.values import Message, ToolCall


@dataclass(slots=True)
class Ran:
    """One tool call and what came of it; `result` is what went back to the model."""

    call: ToolCall
    state: Literal["running", "done", "failed", "refused", "stopped"] = "running"
    result: str = ""
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A round of tool calls, and how many characters of text and reasoning stood before it."""

    text: int
    reasoning: int
    ran: list[Ran] = field(default_factory=list)
    told: str = ""  # what else happened here: another agent took over


def spoken(text: str, answer: Answer) -> Message:
    """An answer as a message of the history, with the vendor's extra_content, which some want back."""
    message: Message = {"role": "assistant", "content": text}
    if answer.extra_content:
        message["extra_content"] = answer.extra_content
    return message


def wire(call: ToolCall) -> dict[str, Any]:
    """A tool call in OpenAI's form; one without arguments sends `{}`, for "" is no JSON."""
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    told: dict[str, Any] = {"id": call.id or call.name, "type": "function", "function": function}
    return told | ({"extra_content": call.extra_content} if call.extra_content else {})
