"""A program for LiveKit Agents in Node.js, and how its classes are told what the cell sends.

It is an ES module that is TypeScript as well: agent.mjs runs as it is, agent.ts is type-checked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lk_notebook.core import export
from lk_notebook.core.export import AGENTS_NODE, STT, TTS, Plan, Wire
from lk_notebook.core.export_text import NODE, bracketed, by_lines, comment, quote, written

_EFFORT, _PARALLEL = "reasoning_effort", "parallel_tool_calls"


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _texts(value: Any) -> bool:
    return _text(value) or (isinstance(value, list) and all(map(_text, value)))


def _map_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(map(fits, value.values()))


def _one_of(*words: str) -> Callable[[Any], bool]:
    return lambda value: _text(value) and value in words


def _format(value: Any) -> bool:
    return isinstance(value, dict) and value in ({"type": "json_object"}, {"type": "text"})


#: What the types of `modelOptions` take. All else goes into `extra_body`: TypeScript would refuse it.
_OPTIONS: Mapping[str, Callable[[Any], bool]] = {
    **dict.fromkeys(
        ("frequency_penalty", "max_completion_tokens", "max_tokens", "n", "presence_penalty", "seed", "temperature",
         "top_logprobs", "top_p"), _number,
    ),
    **dict.fromkeys(("logprobs", _PARALLEL, "store"), _flag),
    **dict.fromkeys(("prompt_cache_key", "safety_identifier", "user"), _text),
    _EFFORT: _one_of("none", "minimal", "low", "medium", "high"),
    "verbosity": _one_of("low", "medium", "high"),
    "service_tier": _one_of("auto", "default", "flex", "scale", "priority"),
    "prompt_cache_retention": _one_of("in_memory", "24h"),
    "tool_choice": _one_of("none", "auto", "required"),
    "response_format": _format,
    "stop": _texts,
    "metadata": _map_of(_text),
    "logit_bias": _map_of(_number),
}  # fmt: skip
#: What the openai plugin has an option for. It leaves out those that are 0, false or empty.
_PLUGIN = {
    "temperature": "temperature", "top_p": "topP", "max_completion_tokens": "maxCompletionTokens", "user": "user",
    "metadata": "metadata", "service_tier": "serviceTier", "store": "store", _EFFORT: "reasoningEffort",
    "tool_choice": "toolChoice", _PARALLEL: "parallelToolCalls",
}  # fmt: skip
#: Its short forms for two vendors, and the options these take.
_SHORT = {"groq": "withGroq", "cerebras": "withCerebras"}
_SHORT_TAKES = ("temperature", "user")
#: The models to which the plugin adds a reasoning effort that nobody wrote.
_ADDS_EFFORT = ("gpt-5.4", "gpt-5.4-mini", "gpt-5.2", "gpt-5.1", "gpt-5", "gpt-5-mini", "gpt-5-nano")


@dataclass(frozen=True, slots=True)
class _Made:
    """How the LLM is made: the call as source; what each request adds; LiveKit's short form, the id alone."""

    call: str
    extra: dict[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    string: str | None = None


def program(plan: Plan) -> str:
    """The whole program: an ES module.

    Example:
        >>> from lk_notebook.core.values import Account, Call
        >>> livekit = Account("livekit", "livekit", "https://agent-gateway.livekit.cloud/v1", scheme="livekit")
        >>> 'llm: "openai/gpt-4.1-mini"' in program(Plan(Call("openai/gpt-4.1-mini", []), livekit))
        True

    It exports `llm`, `buildSession` and `instructions`; importing it starts nothing and needs no key.

    Raises:
        ConfigurationError: a whole number is too large for JavaScript.
    """
    sent = export.wire(plan)
    made = _livekit(plan, sent) if plan.account.kind == "livekit" else _own(plan, sent)
    parts = [
        *_head(plan, made),
        f"export const instructions = {by_lines(export.instructions_of(plan.instructions), NODE)};\n",
        *_llm(made, sent),
        *_tools(plan),
        *_session(plan, made),
        *_entry(plan),
    ]
    return "\n".join(parts)


def _named(plan: Plan, sent: Wire) -> dict[str, Any]:
    """The fields that the types of LiveKit take and its rules let through."""
    survives = export.survives(sent.model, sent.fields, has_tools=bool(plan.tools), at_rest=False)
    fits = ((name, value) for name, value in sent.fields.items() if name in _OPTIONS and survives(name))
    return {name: value for name, value in fits if _OPTIONS[name](value)}


def _livekit(plan: Plan, sent: Wire) -> _Made:
    """LiveKit Inference, by its three words."""
    named = _named(plan, sent)
    options = named | sent.extras(named)
    words = {"provider": plan.call.provider, "inferenceClass": plan.call.inference_class}
    words |= {"baseURL": plan.account.url if plan.moved else None}
    arguments = [f"{name}: {quote(value, NODE)}" for name, value in words.items() if value]
    arguments += [f"modelOptions: {written(options, NODE, 2)}"] if options else []
    model = quote(sent.model, NODE)
    return _Made(_new("new inference.LLM", [f"model: {model}", *arguments], 0), string=None if arguments else model)


def _own(plan: Plan, sent: Wire) -> _Made:
    """An account of one's own: the openai plugin, by its short form where that can carry all."""
    account, named = plan.account, _named(plan, sent)
    options = {_PLUGIN[name]: value for name, value in named.items() if name in _PLUGIN and value}
    rest = sent.extras({name: value for name, value in named.items() if _PLUGIN.get(name) in options})
    silent = [_EFFORT] if sent.model in _ADDS_EFFORT else []
    silent += [_PARALLEL] if plan.tools else []
    without = tuple(name for name in silent if name not in sent.fields)
    short = _SHORT.get(account.kind) if options.keys() <= set(_SHORT_TAKES) and not plan.moved else None
    arguments = [f"model: {quote(sent.model, NODE)}", *([] if short else _where(plan))]
    indent = 2 if rest or without else 0
    arguments += [f"{name}: {written(value, NODE, indent + 2)}" for name, value in options.items()]
    return _Made(_new(f"openai.LLM.{short}" if short else "new openai.LLM", arguments, indent), rest, without)


def _where(plan: Plan) -> list[str]:
    """The options that say whom to ask, and with which key."""
    account, keys = plan.account, export.variables(plan.account)
    url = account.url + ("/v1" if account.api_version else "")  # withAzure asks another model than the one it is given
    at = [f"baseURL: {quote(url, NODE)}"]
    if account.kind == "openai":
        return at if plan.moved else []
    if not keys:
        return [*at, f"apiKey: {quote(export.keyless(account), NODE)}"]
    return [*at, f"apiKey: process.env.{keys[0]}"]


def _new(what: str, arguments: list[str], indent: int) -> str:
    return f"{what}({bracketed('{}', arguments, NODE, indent)})"


def _head(plan: Plan, made: _Made) -> Iterator[str]:
    plugin = "openai.LLM" in made.call
    packages = [f"@livekit/agents@{AGENTS_NODE}", *[f"@livekit/agents-plugin-openai@{AGENTS_NODE}"] * plugin]
    yield "// A LiveKit agent, written by lk_notebook.\n//"
    yield f"//     npm install {' '.join(packages)}"
    yield "//     node agent.mjs dev\n//"
    yield "\n".join(comment(line, NODE) for line in export.environment(plan)) + "\n"
    yield 'import { realpathSync } from "node:fs";'
    yield 'import { fileURLToPath } from "node:url";'
    names = ["Agent", "AgentSession", "AgentSessionEventTypes", "ServerOptions", "cli", "defineAgent"]
    names += ["inference"] * ("inference." in made.call or plan.voice) + ["ToolError", "tool"] * bool(plan.tools)
    yield f'import {bracketed("{}", names, NODE)} from "@livekit/agents";'
    if plugin:
        yield 'import * as openai from "@livekit/agents-plugin-openai";'
    yield ""


def _llm(made: _Made, sent: Wire) -> Iterator[str]:
    yield from (comment(note, NODE) for note in sent.notes)
    yield "/** The model, with what the cell sent to it; importing this file makes none. */"
    if not made.extra and not made.without:
        yield f"export const llm = () => {made.call};\n"
        return
    yield "export const llm = () => {"
    yield f"  const model = {made.call};"
    yield "  const chat = model.chat.bind(model);"
    yield f"  const extra = {_extra(made)};"
    yield "  // the plugin has no option for what stands in extra: each request brings it along"
    if made.without:
        yield f"  // undefined: else the plugin adds {' and '.join(made.without)}, which the cell did not send"
    yield "  model.chat = (options) => chat({ ...options, extraKwargs: { ...options.extraKwargs, ...extra } });"
    yield "  return model;\n};\n"


def _extra(made: _Made) -> str:
    """The three dicts, `undefined` for what no request may hold."""
    if not made.without:
        return written(made.extra, NODE, 2)
    absent = [f"{name}: undefined" for name in made.without]
    body = [f"...{written(body, NODE, 4)}"] if (body := made.extra.get("extra_body")) else []
    others = [f"{name}: {written(value, NODE, 4)}" for name, value in made.extra.items() if name != "extra_body"]
    return bracketed("{}", [f"extra_body: {bracketed('{}', [*absent, *body], NODE, 4)}", *others], NODE, 2)


def _tools(plan: Plan) -> Iterator[str]:
    if not plan.tools:
        return
    yield "// The notebook's functions are Python: write what each of them does into its `execute`."
    yield "const tools = ["
    for each in plan.tools:
        yield "  tool({"
        yield f"    name: {quote(each.name, NODE)},"
        yield f"    description: {quote(str(each.schema.get('description') or each.name), NODE)},"
        yield f"    parameters: {written(json.loads(json.dumps(each.schema['parameters'])), NODE, 4)},"
        yield "    execute: async (args) => {"
        yield f"      throw new ToolError({quote(each.name + ' is not written yet: ', NODE)} + JSON.stringify(args));"
        yield "    },\n  }),"
    yield "];\n"


def _session(plan: Plan, made: _Made) -> Iterator[str]:
    yield "/** A session of this model; whoever calls it starts it. */"
    yield "export const buildSession = () => {"
    yield "  const session = new AgentSession({"
    yield f"    llm: {made.string or 'llm()'},"
    if plan.voice:
        yield f'    stt: "{STT}", // speech to text, of any language the model knows'
        yield f'    tts: "{TTS}", // text to speech; "{TTS}:VOICE_ID" picks the voice'
        yield '    vad: new inference.VAD({ model: "silero" }), // hears that somebody speaks'
        yield "    turnHandling: { turnDetection: new inference.TurnDetector() }, // … and has finished"
    else:
        yield f"    // {export.SPEECH_TO_COME}"
    yield "  });"
    yield "  // without a listener a refused key, a limit or a cut answer is no more than silence"
    yield "  session.on(AgentSessionEventTypes.Error, (event) => console.error(event.error));"
    yield "  return session;\n};\n"


def _entry(plan: Plan) -> Iterator[str]:
    tools = ", tools" if plan.tools else ""
    yield "export default defineAgent({"
    yield "  entry: async (ctx) => {"
    yield f"    await buildSession().start({{ agent: new Agent({{ instructions{tools} }}), room: ctx.room }});"
    yield "    await ctx.connect();"
    yield "  },\n});\n"
    yield "if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {"
    yield "  cli.runApp(new ServerOptions({ agent: fileURLToPath(import.meta.url) }));"
    yield "}\n"
