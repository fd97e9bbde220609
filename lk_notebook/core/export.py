"""What a LiveKit Agents program is written from: all that the cell sends, as its request has it.

The two languages are `export_python` and `export_node`. Which SDK does what to which field was seen by running them:
livekit-agents 1.8.9 with its plugins, @livekit/agents 1.9.0 with its openai plugin.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lk_notebook.core import parameters, request
from lk_notebook.core.values import Account, Call

#: The versions that were run; a program pins them.
AGENTS_PYTHON = "1.8.9"
AGENTS_NODE = "1.9.0"
#: What `dev` needs, to be a worker of a LiveKit project.
WORKER = ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")
#: Speech in LiveKit Inference's own words.
STT, TTS = "deepgram/nova-3:multi", "cartesia/sonic-3"
SPEECH_TO_COME = "... tts, stt, vad, turn_detection, etc."

#: Dicts of the SDKs for what they have no name for.
EXTRAS = ("extra_headers", "extra_body", "extra_query")
_OURS = {"model", "messages", "stream"}
_OPENAI_HEADERS = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}


@dataclass(frozen=True, slots=True)
class Tool:
    """A function of the notebook, for a program: `source` is its Python; None: it cannot be copied."""

    name: str
    schema: Mapping[str, Any]  # its `function` in the request
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A call at its account, and what an agent has beside it.

    `call.messages` are empty; `moved` says that the address is not the one the account's SDK knows by itself;
    `support` is Python that the tools need: imports, types, functions, constants.
    """

    call: Call
    account: Account
    instructions: str = ""
    tools: Sequence[Tool] = ()
    support: Sequence[str] = ()
    moved: bool = False
    voice: bool = False
    notes: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Wire:
    """What goes out, but for the messages: the model's id there, fields of the body, own headers and query."""

    model: str
    fields: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)
    query: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def extras(self, named: Mapping[str, Any], body: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The three dicts of the SDKs for all that is not named; those that hold nothing are left out."""
        unnamed = {name: value for name, value in self.fields.items() if name not in named}
        extras = {"extra_headers": self.headers, "extra_body": {**unnamed, **(body or {})}, "extra_query": self.query}
        return {name: value for name, value in extras.items() if value}


def wire(plan: Plan) -> Wire:
    """What the request of the plan's call holds, after all rules: as it would be sent, no more and no less."""
    call = replace(plan.call, messages=[])
    prepared = request.build(call, plan.account)
    body = json.loads(prepared.content)
    own = {name: call.extra_kwargs.get(name) or {} for name in EXTRAS}
    kept = body.keys() - _OURS - ({"tools", "stream_options"} - own["extra_body"].keys())
    headers = {name: value for name, value in own["extra_headers"].items() if prepared.headers.get(name) == value}
    query = {name: _in_url(value) for name, value in own["extra_query"].items()}
    fields = {name: value for name, value in body.items() if name in kept}
    return Wire(body["model"], fields, headers, query, (*plan.notes, *prepared.notes))


def _in_url(value: Any) -> Any:
    return [str(one) for one in value] if isinstance(value, (list, tuple)) else str(value)


def instructions_of(text: str) -> str:
    """The system prompt as a request carries it: half a surrogate pair is U+FFFD there."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def survives(model: str, fields: Mapping[str, Any], *, has_tools: bool, at_rest: bool) -> Callable[[str], bool]:
    """Whether the SDK sends a field that is named to it; a field in `extra_body` no rule of it touches.

    `at_rest` says that its rules know which models take more at `reasoning_effort` none: Python's do, Node's do not.
    """
    known = dict(fields) if at_rest else {**fields, "reasoning_effort": ""}
    sent, _ = parameters.trim(model, known, has_tools=has_tools)
    return lambda name: name in sent


def variables(account: Account) -> tuple[str, ...]:
    """The environment variables that a program for this account reads; never a value."""
    found = tuple(name for name in account.found if name.isupper())
    if account.kind == "livekit":
        return found if len(found) == 2 else WORKER[1:]
    if account.kind == "azure":
        return ("AZURE_OPENAI_AD_TOKEN" if account.scheme == "Bearer" else "AZURE_OPENAI_API_KEY",)
    if account.kind == "url":
        return ("LLM_API_KEY",) if account.key else ()
    custom = ["OPENAI_CUSTOM_HEADERS"] if account.headers.keys() - _OPENAI_HEADERS.keys() else []
    own = [name for header, name in _OPENAI_HEADERS.items() if header in account.headers]
    return (f"{account.kind.upper()}_API_KEY", *own, *custom)


def keyless(account: Account) -> str:
    """The word that stands for a key where the server wants none and the SDK does."""
    return "ollama" if account.spelled else "unused"


def environment(plan: Plan) -> list[str]:
    """Lines that name what must be set."""
    names = variables(plan.account)
    lines = [f"It reads {_listed(names)} from the environment."] if names else []
    worker = [name for name in WORKER if name not in names]
    if plan.voice and plan.account.kind != "livekit":
        return [*lines, f"Speech and `dev` also read {_listed(worker)}."]
    return [*lines, f"`dev` also reads {_listed(worker)}."]


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
