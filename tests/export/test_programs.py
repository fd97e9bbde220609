"""Exported programs are run with LiveKit's own SDKs, and send what the cell sends."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

import pytest
from player import Answer, Player, Request, plain, stream

from lk_notebook import LLM
from lk_notebook.core.values import Setup, redact
from lk_notebook.export import export

pytestmark = [pytest.mark.xdist_group("export"), pytest.mark.timeout(300)]

HERE = Path(__file__).parent
SETUPS = [
    row if isinstance(row.get("env"), dict) else row | {"env": {}}
    for row in json.loads((HERE / "data" / "setups.json").read_text("utf-8"))
]
RECORDED = sorted((HERE.parent / "core" / "data" / "livekit").glob("[0-9]*.json"))
HARD = 'Say "no" to \'C:\\new\\table\', use {braces}, ${js} and `ticks`.\nZweite Zeile: naïve – 日本語 😀\n"""end"""\\'
PROMPT = 'Why is the "sky" blue? \\n {x}'
KEYS = {
    "LIVEKIT_API_KEY": "APImade-up-0123",
    "LIVEKIT_API_SECRET": "never-show-this-secret-0123456789ab",
    **{f"{name}_API_KEY": f"~{name.lower()}-never-show-1" for name in ("OPENAI", "AZURE_OPENAI", "GROQ", "BASETEN")},
    "CEREBRAS_API_KEY": "~cerebras-never-show-1",
}
#: Each account's address, a folder of the one server for each setup: the path tells who asked.
ADDRESSES = {
    "LIVEKIT_INFERENCE_URL": "/v1",
    "OPENAI_BASE_URL": "/v1",
    "AZURE_OPENAI_ENDPOINT": "",
    "GROQ_BASE_URL": "/openai/v1",
    "BASETEN_BASE_URL": "/v1",
    "CEREBRAS_BASE_URL": "/v1",
}


def recorded() -> Iterator[dict[str, Any]]:
    """The setups of LiveKit's recorded requests, but for those that it refuses itself."""
    for path in RECORDED:
        case = json.loads(path.read_text("utf-8"))
        words = case["constructor"]
        if case["api"] == "inference.LLM" and "body" in case["expect"] and not case.get("tools"):
            known = ("model", "provider", "inference_class", "extra_kwargs")
            yield {"id": case["id"], "account": "livekit", "env": {}, **{k: words[k] for k in known if k in words}}


ALL = [*SETUPS, *recorded()]
IDS = [setup["id"] for setup in ALL]


async def get_weather(city: str, unit: Literal["c", "f"] = "c") -> str:
    """Current weather of a city.

    Args:
        city: Name of the city
        unit: Unit of temperature
    """
    return f"sunny in {city}, in {unit}"


def get_time(city: str) -> str:
    """Local time of a city."""
    return "12:00"


@dataclass
class Exported:
    """One setup: what the cell sent, the two programs, and what they sent."""

    cell: Request
    python: str
    node: str
    sent: dict[str, Request | str] = field(default_factory=dict)  # by language; a text is what went wrong


@dataclass
class Stage:
    """All setups by id, and the folder with their programs."""

    folder: Path
    exported: dict[str, Exported] = field(default_factory=dict)


@pytest.fixture(scope="module")
def stage(tmp_path_factory) -> Iterator[Stage]:
    """Each setup asked once by us, exported in both languages, and run with LiveKit's SDKs in one process each."""
    built = Stage(tmp_path_factory.mktemp("programs"))
    with Player(lambda _: stream("Hello from the case.")) as player, pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("LIVEKIT_", "OPENAI_", "AZURE_", "LK_REPLAY"))]:
            patch.delenv(name)
        patch.setenv("NO_PROXY", "127.0.0.1")
        patch.setenv("LK_NOTEBOOK_MEASUREMENTS", "off")
        for name, value in KEYS.items():
            patch.setenv(name, value)
        for number, setup in enumerate(ALL):
            with pytest.MonkeyPatch.context() as own:
                built.exported[setup["id"]] = written(setup, number, player, own)
        for language in ("python", "node"):
            run(language, built, player)
        yield built


def written(setup: dict[str, Any], number: int, player: Player, patch: pytest.MonkeyPatch) -> Exported:
    """Ask as the cell does, and export."""
    folder = f"{player.origin}/{number}"
    for name, path in ADDRESSES.items():
        patch.setenv(name, folder + path)
    for name, value in setup["env"].items():
        patch.setenv(name, value)
    words = {name: setup[name] for name in ("provider", "inference_class", "extra_kwargs") if name in setup}
    system = HARD if setup.get("system") else None
    llm = LLM(setup["model"], account=setup["account"].format(base=f"{folder}/v1"), system=system, **words)
    reply = llm(PROMPT, tools=(get_weather, get_time) if setup.get("tools") else ()).wait(30)
    assert reply.error is None
    texts = (export(reply, language, voice=setup.get("voice", False)) for language in ("python", "node"))
    return Exported(player.requests[-1], *texts)


def run(language: str, built: Stage, player: Player) -> None:
    """Run all programs of a language, and note what each sent."""
    jobs = []
    for number, setup in enumerate(ALL):
        file = built.folder / f"program_{number}.{'py' if language == 'python' else 'mjs'}"
        file.write_text(getattr(built.exported[setup["id"]], language), "utf-8")
        tools = ["get_weather", "get_time"] if setup.get("tools") else []
        voice = setup.get("voice", False)
        jobs.append({"file": str(file), "prompt": PROMPT, "tools": tools, "env": setup["env"], "voice": voice})
    command = PYTHON
    if language == "node":
        if not os.environ.get("LK_NODE_MODULES"):
            return
        command = ["node", shutil.copy(HERE / "drive.mjs", built.folder)]
        (built.folder / "node_modules").symlink_to(os.environ["LK_NODE_MODULES"])
    before = len(player.requests)
    said = driven(jobs, command)
    posted = [request for request in player.requests[before:] if request.method == "POST"]  # a GET only warms up
    asked = {request.path.split("/")[1]: request for request in posted}
    for number, (setup, word) in enumerate(zip(ALL, said, strict=True)):
        good = word.get("text") == "Hello from the case." and str(number) in asked
        built.exported[setup["id"]].sent[language] = asked[str(number)] if good else json.dumps(word)


PYTHON = [sys.executable, str(HERE / "drive.py")]


def driven(jobs: list[dict[str, Any]], command: list[str] = PYTHON) -> list[dict[str, str]]:
    """Run the jobs in one process; gives what each program was answered, or what went wrong."""
    done = subprocess.run(command, input=json.dumps(jobs), capture_output=True, text=True, timeout=240, check=False)
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len(said) == len(jobs), done.stderr[-2000:]
    return said


def of(request: Request, headers: list[str]) -> dict[str, Any]:
    """What must be the same: whom it asks, how, and what; some headers."""
    body = {name: value for name, value in request.body.items() if name != "tools" or value}
    address = urlsplit(request.path)
    key = request.headers.get("authorization", "") + request.headers.get("api-key", "")
    named = ["x-livekit-inference-provider", "x-livekit-inference-priority", *headers]
    return {
        "path": address.path,
        "query": parse_qsl(address.query),
        "key": next((name for name, value in KEYS.items() if value in key), None),
        "headers": [request.headers.get(name) for name in named],
        "body": body | {"messages": [{**message} for message in body["messages"]]},
    }


@pytest.mark.parametrize("setup", ALL, ids=IDS)
def test_a_python_program_sends_what_the_cell_sent(stage, setup):
    """Address, key, provider, own headers and the whole body; an effort that a plugin adds would be a difference."""
    exported = stage.exported[setup["id"]]
    sent = exported.sent["python"]
    assert isinstance(sent, Request), sent

    wanted, got = (of(request, setup.get("headers", [])) for request in (exported.cell, sent))
    if setup["account"] == "cerebras":  # its plugin sends tools that are not strict
        wanted["body"].pop("tools", None)
        got["body"].pop("tools", None)

    assert got == wanted


@pytest.mark.parametrize("setup", ALL, ids=IDS)
def test_a_node_program_sends_what_the_cell_sent(stage, setup):
    """As in Python; but its tools are not strict, and the classic Azure path is the v1 path."""
    exported = stage.exported[setup["id"]]
    if "node" not in exported.sent:
        pytest.skip("LK_NODE_MODULES names no folder with LiveKit's packages; tests/run makes one where npm is")
    sent = exported.sent["node"]
    assert isinstance(sent, Request), sent

    wanted, got = (of(request, setup.get("headers", [])) for request in (exported.cell, sent))
    for each in (wanted, got):
        each["body"].pop("tools", None)
    if "OPENAI_API_VERSION" in setup["env"]:
        wanted |= {"path": got["path"], "query": []}
        assert got["path"].endswith("/openai/v1/chat/completions")

    assert got == wanted


def test_tools_of_a_program_run_in_a_session(play, tmp_path):
    """Sync and async: the model calls them, hears what they give, and answers."""
    calls = [{"id": "1", "name": "get_weather", "arguments": '{"city": "Oslo", "unit": null}'},
             {"id": "2", "name": "get_time", "arguments": '{"city": "Oslo"}'}]  # fmt: skip

    def answer(request: Request) -> Answer:
        if request.method == "GET":  # a session warms up
            return plain(200, {"data": []})
        told = any(message["role"] == "tool" for message in request.body["messages"])
        return stream("Sunny at noon.") if told else stream(tool_calls=calls)

    player = play(answer)
    file = tmp_path / "agent.py"
    file.write_text(export(Setup("gpt-4.1", account=player.base_url), "python", tools=[get_weather, get_time]), "utf-8")

    said = driven([{"file": str(file), "prompt": "hi", "tools": ["get_weather", "get_time"], "env": {}, "session": 1}])

    assert said == [{"text": "Sunny at noon."}]
    told = [each["content"] for each in player.requests[-1].body["messages"] if each["role"] == "tool"]
    assert told == ["sunny in Oslo, in c", "12:00"]


@pytest.mark.parametrize("language", ["python", "node"])
def test_no_program_holds_a_key(stage, language):
    """Whatever account it is for: it names the variables that it reads."""
    for setup in SETUPS:
        text = getattr(stage.exported[setup["id"]], language)
        assert not [name for name, value in KEYS.items() if value in text]
        assert redact(text) == text
        own = "" if setup["account"].startswith("{") else f"{setup['account'].upper()}_"
        assert own.replace("AZURE_", "AZURE_OPENAI_") in text


def test_programs_of_python_are_python(stage):
    """Each is parsed, and says what it defines."""
    for exported in stage.exported.values():
        names = {getattr(node, "name", None) for node in ast.parse(exported.python).body}
        assert {"llm", "build_session", "entrypoint"} <= names


def test_programs_of_node_are_javascript(stage):
    """`node --check` reads each; it needs no packages."""
    if shutil.which("node") is None:
        pytest.skip("node is not there")

    def read(number: int) -> str:
        file = stage.folder / f"program_{number}.mjs"
        return subprocess.run(["node", "--check", file], capture_output=True, text=True, check=False).stderr

    with ThreadPoolExecutor(4) as pool:
        assert not [said for said in pool.map(read, range(len(SETUPS))) if said]


def test_programs_of_node_are_typescript(stage):
    """`tsc --noEmit`, strict, finds nothing in any of them."""
    if not os.environ.get("LK_NODE_MODULES"):
        pytest.skip("LK_NODE_MODULES names no folder with LiveKit's packages; tests/run makes one where npm is")
    for number, setup in enumerate(ALL):
        (stage.folder / f"typed_{number}.mts").write_text(stage.exported[setup["id"]].node, "utf-8")
    shutil.copy(HERE / "tsconfig.json", stage.folder)
    tsc = stage.folder / "node_modules" / ".bin" / "tsc"
    done = subprocess.run([tsc, "--noEmit"], cwd=stage.folder, capture_output=True, text=True, check=False)

    assert done.stdout == ""
    assert done.returncode == 0
