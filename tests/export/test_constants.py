"""Whatever a system prompt, a parameter or a description holds, it comes out of a Node.js program as it went in."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lk_notebook.core.export import Plan, Tool
from lk_notebook.core.export_node import program
from lk_notebook.core.parameter_names import CHAT_COMPLETIONS, OWNED
from lk_notebook.core.values import Account, Call

HERE = Path(__file__).parent
LIVEKIT = Account("livekit", "livekit", "https://gateway.example/v1", scheme="livekit")
ACCOUNTS = [
    LIVEKIT,
    *(Account(kind, kind, f"https://{kind}.example/v1", found=("X_API_KEY",)) for kind in ("openai", "groq", "url")),
]
NEVER = {*OWNED, "tool_choice", "parallel_tool_calls", "extra_headers", "extra_body", "extra_query"}
TEXTS = st.text() | st.text(st.sampled_from("\"'`${}\\\n\r\u2028\u2029\x00\ufeff\U000e0001</*#あ😀"))
NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS | st.just("__proto__"), inner, max_size=3),
    max_leaves=8,
)
NAMES = (st.sampled_from(CHAT_COMPLETIONS) | TEXTS).filter(lambda name: name and name not in NEVER)
PARAMETERS = st.dictionaries(NAMES, VALUES, max_size=5)
OPTIONS = {"topP": "top_p", "maxCompletionTokens": "max_completion_tokens", "serviceTier": "service_tier",
           "reasoningEffort": "reasoning_effort", "toolChoice": "tool_choice"}  # fmt: skip


class Node:
    """One node that imports program after program, and tells what each would tell LiveKit."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._count = folder, 0
        for name in ("agents", "agents-plugin-openai"):
            package = folder / "node_modules" / "@livekit" / name
            package.mkdir(parents=True)
            shutil.copy(HERE / "stand-in" / "agents.mjs", package / "index.mjs")
            (package / "package.json").write_text('{"type": "module", "exports": "./index.mjs"}')
        command = ["node", shutil.copy(HERE / "evaluate.mjs", folder)]
        self._node = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def told(self, text: str) -> dict[str, Any]:
        """What a program tells, and its instructions."""
        self._count += 1
        file = self._folder / f"program_{self._count}.mjs"
        file.write_text(text, "utf-8")
        assert self._node.stdin is not None
        assert self._node.stdout is not None
        self._node.stdin.write(f"{file}\n")
        self._node.stdin.flush()
        line = self._node.stdout.readline()
        assert line, "node ended: see its stderr"
        return json.loads(line, parse_int=float)  # as JavaScript reads numbers

    def close(self) -> None:
        """Ends it."""
        self._node.communicate(timeout=30)


@pytest.fixture(scope="module")
def node(tmp_path_factory) -> Iterator[Node]:
    """One for all examples."""
    if shutil.which("node") is None:
        pytest.skip("node is not there")
    started = Node(tmp_path_factory.mktemp("node"))
    yield started
    started.close()


def fields(told: dict[str, Any]) -> dict[str, Any]:
    """The fields of the body that LiveKit's classes make of what they were told (case 25 of the recordings)."""
    own, each = told["told"], told["each"].get("extraKwargs", {})
    named = own.get("modelOptions")
    if named is None:
        known = {"model", "provider", "baseURL", "apiKey"}
        named = {OPTIONS.get(name, name): value for name, value in own.items() if name not in known}
    body = named.get("extra_body", {}) | each.get("extra_body", {})
    return {name: value for name, value in named.items() if name not in ("extra_body", "extra_headers")} | body


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sampled_from(ACCOUNTS), TEXTS, PARAMETERS)
def test_any_text_and_any_parameter_comes_out_of_a_node_program(node, account, system, parameters):
    """Quotes, backslashes, dollars, line ends, invisible characters, `__proto__`: nothing is lost, nothing is code."""
    told = node.told(program(Plan(Call("acme/any", [], extra_kwargs=parameters), account, system)))

    assert told["instructions"] == system
    assert fields(told) == parameters


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(TEXTS.filter(bool), TEXTS.filter(bool))
def test_any_model_and_any_note_stay_what_they_are(node, model, provider):
    """Ids of one's own server, provider, notes in comments."""
    plan = Plan(Call(model, [], provider), LIVEKIT, notes=[f"{provider} was left out\n{model}"])

    told = node.told(program(plan))["told"]

    assert (told["model"], told["provider"]) == (model, provider)


def test_importing_a_node_program_starts_nothing(node, tmp_path):
    """Also with speech and tools in it; run as the main program, it starts."""
    tool = Tool("f", {"description": '*/ "x"', "parameters": {"type": "object", "properties": {}}})
    plan = Plan(Call("acme/any", [], tools=[{"type": "function"}]), LIVEKIT, tools=[tool], voice=True)
    text = program(plan)

    assert node.told(text)["told"] == {"model": "acme/any"}
    file = node._folder / "main.mjs"
    file.write_text(text, "utf-8")
    (tmp_path / "link.mjs").symlink_to(file)
    for path in (file, tmp_path / "link.mjs"):
        assert subprocess.run(["node", path], capture_output=True, text=True, check=True).stdout == "STARTED\n"
