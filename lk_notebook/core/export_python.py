"""A program for LiveKit Agents in Python, and how its classes are told what the cell sends."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from lk_notebook.core import export
from lk_notebook.core.export import AGENTS_PYTHON, STT, TTS, Plan, Wire
from lk_notebook.core.export_text import PYTHON, bracketed, by_lines, comment, quote, written
from lk_notebook.core.parameter_names import CHAT_COMPLETIONS

_EFFORT = "reasoning_effort"


@dataclass(frozen=True, slots=True)
class _Class:
    """One way to make an LLM: the parameters it names, and the models to which it adds an effort that nobody wrote."""

    name: str
    takes: Collection[str]
    adds_effort: Collection[str] = ()


_COMMON = frozenset({
    "user", "safety_identifier", "prompt_cache_key", "temperature", "top_p", "parallel_tool_calls", "tool_choice",
    _EFFORT,
})  # fmt: skip
_ADDED = frozenset({
    "gpt-5", "gpt-5-mini", "gpt-5-nano", "gpt-5.1", "gpt-5.2", "gpt-5.4", "gpt-5.4-mini", "gpt-5.5", "gpt-5.6-luna",
    "gpt-5.6-sol", "gpt-5.6-terra",
})  # fmt: skip
_INFERENCE = _Class("inference.LLM", frozenset(CHAT_COMPLETIONS) - frozenset(export.EXTRAS))
_OPENAI = _Class(
    "openai.LLM",
    _COMMON | {"metadata", "max_completion_tokens", "service_tier", "verbosity", "prompt_cache_retention",
               "prompt_cache_options"},
    adds_effort=_ADDED,
)  # fmt: skip
_PLUGINS = {
    "groq": _Class("groq.LLM", _COMMON | {"metadata", "max_completion_tokens", "service_tier"},
                   adds_effort=_ADDED | {"openai/gpt-oss-120b", "openai/gpt-oss-20b", "qwen/qwen3-32b"}),
    "baseten": _Class("baseten.LLM", _COMMON, adds_effort=_ADDED | {"openai/gpt-oss-120b"}),
    "cerebras": _Class("cerebras.LLM", _COMMON | {"max_completion_tokens"}, adds_effort=_ADDED),
    "azure": _Class("openai.LLM.with_azure", _COMMON | {"verbosity", "max_completion_tokens"},
                    adds_effort=_ADDED),
}  # fmt: skip
#: Names of the program's own; what is copied from the notebook may not have them.
RESERVED = frozenset({
    "llm", "instructions", "build_session", "server", "entrypoint", "Agent", "AgentServer", "AgentSession",
    "JobContext", "cli", "function_tool", "inference", "openai", "groq", "baseten", "cerebras", "omit",
    "AsyncAzureOpenAI", "asyncio", "functools", "os", "threaded",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Made:
    """How the LLM is made: its class, the arguments as source, and the names that are imported for it."""

    kind: _Class
    arguments: list[str]
    imports: Collection[str] = ()  # of openai, or os
    string: str | None = None  # LiveKit's short form: the id alone


def program(plan: Plan) -> str:
    """The whole program.

    Example:
        >>> from lk_notebook.core.values import Account, Call
        >>> livekit = Account("livekit", "livekit", "https://agent-gateway.livekit.cloud/v1", scheme="livekit")
        >>> 'llm="openai/gpt-4.1-mini"' in program(Plan(Call("openai/gpt-4.1-mini", []), livekit))
        True

    It defines `llm`, `build_session` and `instructions`; importing it starts nothing and needs no key.
    """
    sent = export.wire(plan)
    made = _livekit(plan, sent) if plan.account.kind == "livekit" else _own(plan, sent)
    threads = any(tool.source and "@threaded" in tool.source for tool in plan.tools)
    parts = [
        *_head(plan, made),
        *_imports(plan, made, threads=threads),
        *(f"{each}\n" for each in plan.support if not _is_import(each)),
        f"instructions = {by_lines(export.instructions_of(plan.instructions), PYTHON)}\n\n",
        *([_THREADED] if threads else []),
        *_llm(made, sent),
        *(_tool(tool) for tool in plan.tools),
        *_session(plan, made),
        *_entry(plan),
    ]
    return "\n".join(parts)


def _livekit(plan: Plan, sent: Wire) -> _Made:
    """LiveKit Inference, by its three words."""
    survives = export.survives(sent.model, sent.fields, has_tools=bool(plan.tools), at_rest=True)
    named = {name: value for name, value in sent.fields.items() if name in _INFERENCE.takes and survives(name)}
    extra = named | sent.extras(named)
    words = {"provider": plan.call.provider, "inference_class": plan.call.inference_class}
    words |= {"base_url": plan.account.url if plan.moved else None}
    arguments = [f"{name}={quote(value, PYTHON)}" for name, value in words.items() if value]
    arguments += [f"extra_kwargs={written(extra, PYTHON, 8)}"] if extra else []
    model = quote(sent.model, PYTHON)
    if not arguments:
        return _Made(_INFERENCE, [model], string=model)
    return _Made(_INFERENCE, [f"model={model}", *arguments])


def _own(plan: Plan, sent: Wire) -> _Made:
    """An account of one's own: its plugin where that can carry all, else the openai plugin at its address."""
    account = plan.account
    plugin = _PLUGINS.get(account.kind) if account.kind != "azure" or account.api_version else None
    survives = export.survives(sent.model, sent.fields, has_tools=bool(plan.tools), at_rest=True)

    def named(kind: _Class) -> dict[str, Any]:
        taken = ((name, value) for name, value in sent.fields.items() if name in kind.takes and survives(name))
        return {name: value for name, value in taken if name != "tool_choice" or value in ("none", "auto", "required")}

    kind = _OPENAI if plugin is None or sent.extras(named(plugin)) else plugin
    where, imports = _where(plan, sent.model, kind)
    given = named(kind)
    arguments = [f"{name}={written(value, PYTHON, 8)}" for name, value in given.items()]
    if _EFFORT not in sent.fields and sent.model in kind.adds_effort:
        arguments.append(f"{_EFFORT}=omit")
        imports = [*imports, "omit"]
    extras = [f"{name}={written(value, PYTHON, 8)}" for name, value in sent.extras(given).items()]
    return _Made(kind, [f"model={quote(sent.model, PYTHON)}", *where, *arguments, *extras], imports)


def _where(plan: Plan, model: str, kind: _Class) -> tuple[list[str], list[str]]:
    """The arguments that say whom to ask, and with which key; and what is imported for them."""
    account, key = plan.account, export.variables(plan.account)
    if account.api_version:
        at = {"azure_endpoint": account.url.removesuffix("/openai"), "azure_deployment": model}
        words = [f"{name}={quote(value, PYTHON)}" for name, value in at.items()]
        words.append(f"api_version={quote(account.api_version, PYTHON)}")
        if kind is not _OPENAI:
            return words, []
        return [f"client=AsyncAzureOpenAI{bracketed('()', [*words, 'max_retries=0'], PYTHON, 8)}"], ["AsyncAzureOpenAI"]
    url = f"base_url={quote(account.url, PYTHON)}"
    if kind is not _OPENAI or account.kind == "openai":
        return [url] if plan.moved else [], []
    if not key:
        return [url, f"api_key={quote(export.keyless(account), PYTHON)}"], []
    return [url, f'api_key=os.environ["{key[0]}"]'], ["os"]


def _head(plan: Plan, made: _Made) -> Iterator[str]:
    plugin = made.kind.name.split(".", maxsplit=1)[0]
    extra = "" if plugin == "inference" else f"[{plugin}]"
    yield '"""A LiveKit agent, written by lk_notebook.\n'
    yield f'    pip install "livekit-agents{extra}=={AGENTS_PYTHON}"'
    yield "    python agent.py console --text" if not plan.voice else "    python agent.py console"
    yield "    python agent.py dev\n"
    yield "\n".join(export.environment(plan)) + '\n"""\n'


def _imports(plan: Plan, made: _Made, *, threads: bool) -> Iterator[str]:
    """Those of the program and those of the tools, each once."""
    plugin = made.kind.name.split(".", maxsplit=1)[0]
    plain = {*(each for each in plan.support if _is_import(each)), *(["import os"] if "os" in made.imports else [])}
    plain |= {"import asyncio", "import functools"} if threads else set()
    if plain:
        yield "\n".join(sorted(plain, key=lambda each: (each.startswith("from"), each))) + "\n"
    names = ["Agent", "AgentServer", "AgentSession", "JobContext", "cli"]
    names += ["function_tool"] * any(tool.source is None or "@function_tool" in tool.source for tool in plan.tools)
    names += ["inference"] * (plugin == "inference" or plan.voice)
    yield f"from livekit.agents import {', '.join(names)}"
    if plugin != "inference":
        yield f"from livekit.plugins import {plugin}"
    if of_openai := sorted({"omit", "AsyncAzureOpenAI"}.intersection(made.imports)):
        yield f"from openai import {', '.join(of_openai)}"
    yield ""


def _is_import(piece: str) -> bool:
    return piece.startswith(("import ", "from "))


_THREADED = '''def threaded(function):
    """A tool that LiveKit can await, of a function that is not async: it runs in a thread."""

    @functools.wraps(function)
    async def run(*args, **kwargs):
        return await asyncio.to_thread(function, *args, **kwargs)

    return run

'''


def _llm(made: _Made, sent: Wire) -> Iterator[str]:
    returns = ".".join(made.kind.name.split(".")[:2])
    yield from (comment(note, PYTHON) for note in sent.notes)
    yield f"def llm() -> {returns}:"
    yield '    """The model, with what the cell sent to it; importing this file makes none."""'
    if "omit" in made.imports:
        yield "    # omit: else the plugin adds a reasoning_effort that the cell did not send"
    yield f"    return {made.kind.name}{bracketed('()', made.arguments, PYTHON, 4)}\n\n"


def _tool(tool: export.Tool) -> str:
    if tool.source is not None:
        return f"{tool.source}\n\n"
    parameters = written({**tool.schema}, PYTHON)
    return (
        f"@function_tool(raw_schema={parameters})\n"
        f"async def {_identifier(tool.name)}(raw_arguments: dict[str, object]) -> str:\n"
        f"    # to be filled in: the notebook's own is no plain function that can be copied\n"
        f"    raise NotImplementedError({quote(tool.name, PYTHON)})\n\n"
    )


def _identifier(name: str) -> str:
    return name.replace("-", "_") if name[:1].isalpha() or name[:1] == "_" else f"tool_{name.replace('-', '_')}"


def _session(plan: Plan, made: _Made) -> Iterator[str]:
    yield "def build_session() -> AgentSession:"
    yield '    """A session of this model; whoever calls it starts it."""'
    yield "    return AgentSession("
    yield f"        llm={made.string or 'llm()'},"
    if plan.voice:
        yield f'        stt="{STT}",  # speech to text, of any language the model knows'
        yield f'        tts="{TTS}",  # text to speech; "{TTS}:VOICE_ID" picks the voice'
        yield '        vad=inference.VAD(model="silero"),  # hears that somebody speaks'
        yield '        turn_handling={"turn_detection": inference.TurnDetector()},  # … and has finished'
    else:
        yield f"        # {export.SPEECH_TO_COME}"
    yield "    )\n\n"


def _entry(plan: Plan) -> Iterator[str]:
    tools = f", tools=[{', '.join(_tool_name(tool) for tool in plan.tools)}]" if plan.tools else ""
    yield "server = AgentServer()\n\n"
    yield "@server.rtc_session()"
    yield "async def entrypoint(ctx: JobContext) -> None:"
    yield '    """One conversation."""'
    yield f"    agent = Agent(instructions=instructions{tools})"
    yield "    await build_session().start(agent=agent, room=ctx.room)\n\n"
    yield 'if __name__ == "__main__" and "__file__" in globals():  # a cell has no file, and starts nothing'
    yield "    cli.run_app(server)\n"


def _tool_name(tool: export.Tool) -> str:
    return tool.name if tool.source is not None else _identifier(tool.name)
