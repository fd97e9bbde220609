"""Answers that need no network, as transports of the shared client: other code cannot tell them from a provider."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx

from lk_notebook.core import demo
from lk_notebook.errors import ConfigurationError
from lk_notebook.net import local
from lk_notebook.net.given import GIVEN

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


class Local(httpx.AsyncBaseTransport):
    """The local model: its server is started by the first question, and has one at a time."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(1)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Asks the server.

        Raises:
            ConfigurationError: it cannot be asked here any more.
            APIConnectionError: it did not start.
        """
        await self._turn.acquire()
        try:
            with _bare():
                response = await self._asked(request)
        except BaseException:
            self._end()
            raise
        stream = response.stream
        assert isinstance(stream, httpx.AsyncByteStream)  # noqa: S101 - for the type checker
        return httpx.Response(response.status_code, headers=response.headers, stream=_Turn(stream, self._end))

    async def aclose(self) -> None:
        """Ends the server."""
        local.KEEPER.stop()

    async def _asked(self, request: httpx.Request) -> httpx.Response:
        standing = local.standing(GIVEN.getenv)
        if standing.weights is None:
            raise ConfigurationError(standing.what, standing.mend)
        child = await local.KEEPER.child(standing.weights)
        try:
            return await self._sent(request, child)
        except httpx.ConnectError:  # it has just ended, and was asked nothing
            local.KEEPER.stop()
            return await self._sent(request, await local.KEEPER.child(standing.weights))

    async def _sent(self, request: httpx.Request, child: local.Child) -> httpx.Response:
        address = child.ready.result()
        request.headers["Authorization"] = f"Bearer {child.token.reveal()}"
        request.headers["Connection"] = "close"  # of kept connections its server drops one in twenty
        if address.startswith("unix://"):
            way = httpx.AsyncHTTPTransport(uds=address.removeprefix("unix://"), verify=False)  # no TLS
        else:
            way = httpx.AsyncHTTPTransport(verify=False)  # no TLS on 127.0.0.1
            request.url = httpx.URL(address).join(request.url.raw_path.decode())
        return await way.handle_async_request(request)

    def _end(self) -> None:
        local.KEEPER.rest()
        self._turn.release()


@contextlib.contextmanager
def _bare() -> Iterator[None]:
    """Errors without their cause: it is httpcore's, and `faults` reads aiohttp's."""
    try:
        yield
    except httpx.TransportError as error:
        raise error from None


class _Turn(httpx.AsyncByteStream):
    """An answer of the local model; when it is closed, the next one has its turn."""

    def __init__(self, stream: httpx.AsyncByteStream, end: Callable[[], None]) -> None:
        self._stream, self._end = stream, end
        self._ended = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _bare():
            async for data in self._stream:
                yield data

    async def aclose(self) -> None:
        """Closes the connection: the server stops writing."""
        if not self._ended:
            self._ended = True
            try:
                await self._stream.aclose()
            finally:
                self._end()
