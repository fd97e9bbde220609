"""Answers that need no network, as transports of the shared client: other code cannot tell them from a provider."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import httpx

from lk_notebook.core import demo

_CALLS = itertools.count(1)  # each call of a conversation has an id of its own
_HEADERS = {"content-type": "text/event-stream"}


class Demo(httpx.AsyncBaseTransport):
    """The built-in demo: scripted, honest, a few words at a time."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Streams the scripted answer to the last message of the user."""
        body = json.loads(await request.aread())
        script = demo.script(body)
        if script.status != httpx.codes.OK:
            return httpx.Response(script.status, json=script.error)
        return httpx.Response(200, headers=_HEADERS, stream=_Words(script, str(body.get("model"))))


class _Words(httpx.AsyncByteStream):
    """The words of a script as chat completion chunks, at its pace."""

    def __init__(self, script: demo.Script, model: str) -> None:
        self._script, self._model = script, model

    async def __aiter__(self) -> AsyncIterator[bytes]:
        words = re.findall(r"\S+\s*|\s+", self._script.text)
        yield self._chunk({"role": "assistant", "content": ""})
        if self._script.call is not None:
            name, arguments = self._script.call
            call = {
                "index": 0,
                "id": f"call_demo{next(_CALLS)}",
                "type": "function",
                "function": {"name": name, "arguments": arguments},
            }
            yield self._chunk({"tool_calls": [call]})
        for word in words:
            await asyncio.sleep(self._script.pause)
            yield self._chunk({"content": word})
        yield self._chunk({}, "tool_calls" if self._script.call else "stop")
        count = {"prompt_tokens": self._script.prompt_words, "completion_tokens": len(words)}
        yield self._event({"choices": [], "usage": {**count, "total_tokens": sum(count.values())}})
        yield b"data: [DONE]\n\n"

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        return self._event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    def _event(self, fields: dict[str, Any]) -> bytes:
        whole = {"id": "chatcmpl-demo", "object": "chat.completion.chunk", "model": self._model, **fields}
        return b"data: " + json.dumps(whole).encode() + b"\n\n"
