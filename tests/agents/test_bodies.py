"""Our LLM in an AgentSession sends what LiveKit's own inference.LLM sends for the same words."""

from __future__ import annotations

import asyncio
import enum
import json
import sys
import types
import typing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from livekit.agents import Agent, AgentSession, function_tool, inference, llm
from livekit.agents.llm import ImageContent
from player import plain, stream
from pydantic import BaseModel, Field

from lk_notebook import LLM
from lk_notebook.core import catalogue
from lk_notebook.errors import ConfigurationError

DATA = Path(__file__).resolve().parents[1] / "core" / "data" / "livekit"
SOURCES = json.loads((DATA / "tools.json").read_text("utf-8"))["python"]
CASES = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(DATA.glob("[0-9]*.json"))}
ITEMS = {
    "message": llm.ChatMessage,
    "function_call": llm.FunctionCall,
    "function_call_output": llm.FunctionCallOutput,
}
#: What LiveKit's own fails on, with an error inside its stream.
FAILS = [name for name, case in CASES.items() if "body" not in case["expect"]]


def history(case):
    """The recorded chat as LiveKit keeps it."""
    items = []
    for item in case["chat"]:
        fields = dict(item)
        if item["type"] == "message":
            parts = [part if isinstance(part, str) else picture(part) for part in item["content"]]
            fields["content"] = parts
        items.append(ITEMS[item["type"]](**fields))
    return llm.ChatContext(items)


def picture(part):
    """An image of a message."""
    return ImageContent(image=part["image"], inference_detail=part.get("detail", "auto"))


def defined(case):
    """The case's tools, and its schema, made from the recorded sources."""
    module = sys.modules["recorded"] = types.ModuleType("recorded")  # annotations are looked up in it
    space = vars(module) | {name: getattr(typing, name) for name in typing.__all__}
    space |= {"BaseModel": BaseModel, "Field": Field, "Enum": enum.Enum, "enum": enum, "function_tool": function_tool}
    vars(module).update(space)
    own = case.get("tool_source", "")
    for source in [*(SOURCES[name] for name in case.get("tools", [])), own, case.get("response_format_source", "")]:
        exec(source, vars(module))
    lines = own.splitlines()
    named = [line.split("def ")[1].split("(")[0] for line in lines if line.startswith(("def ", "async def "))]
    found = [getattr(module, name) for name in [*case.get("tools", []), *named]]
    tools = [each if isinstance(each, llm.Tool) else function_tool(each) for each in found]
    return tools, getattr(module, "RESPONSE_FORMAT", None)


async def asked(model, case):
    """Ask as a session does, and close."""
    tools, schema = defined(case)
    options = dict(case["call"] or {})
    if schema is not None:
        options["response_format"] = schema
    await model.chat(chat_ctx=history(case), tools=tools, **options).collect()
    await model.aclose()


@pytest.fixture
def sent(play, monkeypatch):
    """What reaches the gateway from LiveKit's own LLM, and from ours: `sent(case)`."""

    def both(case):
        player = play(lambda _: stream("Fine."))
        for name, value in case["environment"].items():
            monkeypatch.setenv(name, value.replace("{base}", player.base_url))
        asyncio.run(asked(inference.LLM(**case["constructor"]), case))
        asyncio.run(asked(LLM(**case["constructor"]).as_livekit(), case))
        assert len(player.requests) == 2
        return player.requests

    return both


def marks(request):
    """The headers that say who shall answer, and the user's own."""
    return {name: value for name, value in request.headers.items() if name.startswith("x-") and "stainless" not in name}


@pytest.mark.parametrize("name", [name for name in CASES if name not in FAILS])
def test_the_adapter_sends_what_livekit_sends(sent, name):
    """Same model, provider, parameters, messages, tools and schema: one and the same body, address and headers."""
    theirs, ours = sent(CASES[name])

    left_out = CASES[name]["ours"].get("may_leave_out", ())
    due = {key: value for key, value in theirs.body.items() if key not in left_out}
    due["model"] = catalogue.complete(due["model"])  # a short form that is unique is enough here
    assert ours.body == due
    assert marks(ours) == marks(theirs)
    assert urlsplit(ours.path) == urlsplit(theirs.path)


@pytest.mark.parametrize("name", FAILS)
def test_what_livekit_fails_on_is_refused_before_anything_is_sent(name):
    """A field that the call owns, and one that is misspelt, are named; LiveKit's own tries four times."""
    with pytest.raises(ConfigurationError):
        LLM(**CASES[name]["constructor"])


async def talked(model):
    """Two turns of a session, the first with two tools."""
    tools, _ = defined({"tools": ["get_weather", "get_time"]})
    session = AgentSession(llm=model, vad=None, turn_handling={"turn_detection": None}, user_away_timeout=None)
    await session.start(Agent(instructions="Be brief.", tools=tools))
    for text in ("Weather and time in Paris?", "Thanks."):
        await session.run(user_input=text)
    await session.aclose()
    await model.aclose()


@pytest.mark.parametrize("model", ["openai/gpt-4.1-mini", "openai/gpt-5.6-sol"])
def test_a_whole_session_sends_what_livekits_session_sends(play, monkeypatch, model):
    """Instructions, turns, parallel calls and their results, and where the model has one, the mark for its cache."""
    calls = [
        {"id": "call_1", "name": "get_weather", "arguments": '{"city": "Paris", "unit": null}'},
        {"id": "call_2", "name": "get_time", "arguments": '{"city": "Paris"}'},
    ]
    for name, value in CASES["01_model_only"]["environment"].items():
        monkeypatch.setenv(name, value)
    bodies = []
    for make in (inference.LLM, lambda model: LLM(model).as_livekit()):
        told = iter([stream("Let me see.", tool_calls=calls), stream("Sunny, noon."), stream("Welcome.")])
        player = play(lambda request, told=told: next(told) if request.body else plain(200, {"data": []}))
        monkeypatch.setenv("LIVEKIT_INFERENCE_URL", player.base_url)
        asyncio.run(talked(make(model)))
        bodies.append([request.body for request in player.requests if request.method == "POST"])

    theirs, ours = bodies
    assert len(theirs) == 3
    assert ours == theirs
