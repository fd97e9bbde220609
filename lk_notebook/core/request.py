"""A call and an account to the request that is sent: address, headers, body."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from lk_notebook.core import catalogue, local, parameters
from lk_notebook.core.answer import ECHOED
from lk_notebook.core.values import Account, Call, Message
from lk_notebook.errors import PromptError

#: Headers that belong to us or to HTTP itself, whatever `extra_headers` says. LiveKit's SDK does the same.
_OURS = frozenset({
    "authorization", "api-key", "user-agent", "content-type", "content-length", "transfer-encoding", "host",
    "connection", "accept-encoding",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Prepared:
    """What goes out, but for the key, which `net.auth` adds; `notes` say what was left out."""

    url: str
    headers: dict[str, str]
    body: dict[str, Any]
    notes: list[str]

    @property
    def content(self) -> bytes:
        """The body as UTF-8 JSON; a lone surrogate of the prompt becomes U+FFFD."""
        text = json.dumps(self.body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        try:
            return text.encode()
        except UnicodeEncodeError:
            return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def build(call: Call, account: Account) -> Prepared:
    """The request of one call at one account (OpenAI API reference, "Create chat completion").

    Example:
        >>> call = Call("openai/gpt-4.1-mini", [{"role": "user", "content": "hi"}])
        >>> build(call, Account("livekit", "livekit", "https://example.com/v1", scheme="livekit")).body["model"]
        'openai/gpt-4.1-mini'
    """
    tools = () if account.kind == "local" else call.tools
    extra, notes = parameters.trim(call.model, call.extra_kwargs, has_tools=bool(tools))
    if account.kind == "local":
        local.check(call)
        notes += local.notes(call)
    extra = _with_defaults(_spelled(extra, account, notes), account)
    own_headers = extra.pop("extra_headers", None) or {}
    own_query = extra.pop("extra_query", None) or {}
    own_body = extra.pop("extra_body", None) or {}
    model = model_there(call.model, account)
    body: dict[str, Any] = {
        "model": model,
        "messages": tidy(call.messages),
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if tools:
        body["tools"] = list(tools)
    if call.response_format is not None:
        body["response_format"] = dict(call.response_format)
    body |= extra
    body |= own_body
    ours = {**account.headers, **_livekit_headers(call, account)}
    ours |= {"Content-Type": "application/json", "Accept": "text/event-stream, application/json"}
    taken = _OURS.union(name.lower() for name in ours)  # names of headers have no case: none is sent twice
    headers = {k: str(v) for k, v in own_headers.items() if k.lower() not in taken} | ours
    return Prepared(_url(account, model, own_query), headers, body, notes)


def _spelled(extra: dict[str, Any], account: Account, notes: list[str]) -> dict[str, Any]:
    """The parameters under the names that the account's server reads; it would ignore the others without a word."""
    there = {account.spelled.get(name, name): value for name, value in extra.items()}
    notes += [
        f"{name} went out as {account.spelled[name]}: {account.name} reads that."
        for name in extra
        if name in account.spelled
    ]
    return there


def _with_defaults(extra: dict[str, Any], account: Account) -> dict[str, Any]:
    """The account's own parameters where the call says none; of the two names of the longest answer one counts."""
    said = {*extra, *(("max_tokens",) if "max_completion_tokens" in extra else ())}
    return {**{name: value for name, value in account.defaults.items() if name not in said}, **extra}


def model_there(model: str, account: Account) -> str:
    """The id under which the account knows the model: a deployment at Azure, the vendor's own id elsewhere."""
    if account.kind in ("livekit", "url", "local", "demo"):
        return model
    bare = model.partition("/")[2] or model
    for name in (model, bare):
        if name in account.deployments:
            return account.deployments[name]
    return catalogue.own_id(model, account.kind) or bare


def tidy(messages: Sequence[Message]) -> list[Message]:
    """The history as LiveKit's SDK sends it.

    Text parts of a message are joined with a newline, images go before the text; a tool call without its result,
    and a result without its call, are left out; `extra_content` goes back for the keys google, livekit and xai.
    """
    answered = {m.get("tool_call_id") for m in messages if m.get("role") == "tool"}
    called = {call.get("id") for m in messages for call in m.get("tool_calls") or ()}
    tidied = []
    for message in messages:
        role = message.get("role")
        if role == "tool" and message.get("tool_call_id") not in called:
            continue
        kept = {k: v for k, v in message.items() if k not in ("content", "tool_calls", "extra_content")}
        if "content" in message:
            kept["content"] = _content(message["content"])
        kept |= _echoed(message)
        calls = [{**call, **_echoed(call)} for call in message.get("tool_calls") or () if call.get("id") in answered]
        for call in calls:
            if not _echoed(call):
                call.pop("extra_content", None)
        if calls:
            kept["tool_calls"] = calls
        elif message.get("tool_calls") and not kept.get("content"):
            continue
        tidied.append(kept)
    return tidied


def check_messages(messages: Iterable[Any]) -> list[Message]:
    """The caller's messages, copied; whatever cannot be one is refused before anything is sent.

    Raises:
        PromptError: no message, or one that is no dict with a `role`.
    """
    copied = []
    for message in messages:
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            raise PromptError(
                "A message is a dict with role and content, as in OpenAI's API.",
                "Give one text, or a list of such dicts.",
            )
        copied.append(dict(message))
    if not copied:
        raise PromptError("The list of messages is empty.", "Give at least one message.")
    return copied


def _content(content: Any) -> Any:
    """Text alone as one string ("certain providers require it", LiveKit); images before the text.

    Where a text part says more than its text, as `prompt_cache_breakpoint` does, the parts stay as they are.
    """
    if not isinstance(content, list) or any(isinstance(p, Mapping) and p.keys() > {"type", "text"} for p in content):
        return content
    texts = [p["text"] for p in content if isinstance(p, Mapping) and p.get("type") == "text"]
    others = [p for p in content if not (isinstance(p, Mapping) and p.get("type") == "text")]
    text = "\n".join(texts)
    if not others:
        return text
    return [*map(_image, others), *([{"type": "text", "text": text}] if texts else [])]


def _image(part: Any) -> Any:
    """An image part names its detail, `auto` where nothing was said, as LiveKit's SDK does."""
    if not isinstance(part, Mapping) or not isinstance(part.get("image_url"), Mapping):
        return part
    return {**part, "image_url": {"detail": "auto", **part["image_url"]}}


def _echoed(item: Mapping[str, Any]) -> dict[str, Any]:
    extra = item.get("extra_content")
    kept = {k: v for k, v in extra.items() if k in ECHOED} if isinstance(extra, Mapping) else {}
    return {"extra_content": kept} if kept else {}


def _livekit_headers(call: Call, account: Account) -> dict[str, str]:
    if account.kind != "livekit":
        return {}
    named = {"X-LiveKit-Inference-Provider": call.provider, "X-LiveKit-Inference-Priority": call.inference_class}
    return {name: value for name, value in named.items() if value}


def _url(account: Account, model: str, query: Mapping[str, Any]) -> str:
    url = account.url
    if account.api_version:
        url = f"{url}/deployments/{quote(model, safe='')}"
        query = {"api-version": account.api_version, **query}
    return f"{url}/chat/completions" + (f"?{urlencode(query, doseq=True)}" if query else "")
