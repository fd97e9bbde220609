"""The one AsyncClient, and one request through it with its time limits. Nothing else sends a request."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import httpx
from httpx_aiohttp import HttpxAiohttpClient

from lk_notebook import __version__
from lk_notebook.core import failures, pace, request
from lk_notebook.core.answer import Answer
from lk_notebook.core.local import LOCAL
from lk_notebook.core.request import Prepared
from lk_notebook.core.routing import DEMO
from lk_notebook.core.stream import Decoder, Piece
from lk_notebook.core.values import Account, Attempt, Call
from lk_notebook.errors import LkError, ProtocolError
from lk_notebook.net import faults
from lk_notebook.net.auth import auth
from lk_notebook.net.given import GIVEN
from lk_notebook.net.machine import on_binder
from lk_notebook.net.tape import EXTENSION, Question, Taped
from lk_notebook.net.transports import Demo, Local

if TYPE_CHECKING:
    from typing_extensions import Self

USER_AGENT = f"lk_notebook/{__version__} (python {sys.version_info[0]}.{sys.version_info[1]}.{sys.version_info[2]})"
#: What httpx's client would add to a request of its own.
COMMON = {"User-Agent": USER_AGENT, "Accept-Encoding": "gzip, deflate", "Connection": "keep-alive"}
CONNECT_SECONDS = 10.0
#: Binder swallows what goes to a port that it does not let out: waiting longer helps nobody.
BINDER_CONNECT_SECONDS = 5.0
#: After `finish_reason` only the usage may still come; a server that keeps the line open then is not waited for.
AFTER_FINISH_SECONDS = 3.0
#: A body that has ended is read to its last byte, so that its connection can be used again.
DRAIN_SECONDS = 0.25
ERROR_BYTES = 65536
JSON_BYTES = 8_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to wait for each byte, in seconds, and how many further tries one account gets."""

    timeout: float = 60.0
    max_retries: int = 2


class Listener(Protocol):
    """Who hears of an answer while it comes; called on the background loop."""

    def on_sent(self, account: Account, prepared: Prepared) -> None:
        """A request goes out."""

    def on_pieces(self, pieces: list[Piece], answer: Answer) -> None:
        """Something arrived."""

    def on_attempt(self, attempt: Attempt) -> None:
        """A try ended."""

    def on_wait(self, error: LkError, seconds: float, tries_left: int) -> None:
        """The next try starts in so many seconds."""

    def on_note(self, note: str) -> None:
        """Something the user should know."""

    @property
    def ttft(self) -> float | None:
        """Seconds from the last sending to the first output."""


class Client:
    """One httpx.AsyncClient over aiohttp's transport, whose C parser costs a third of httpx's own.

    Example:
        >>> client = Client()  # on the background loop
    """

    def __init__(self) -> None:
        self._http = _Http(
            # aiohttp reads None as its own default of 100 connections, not as "no limit"
            limits=httpx.Limits(max_connections=10_000, keepalive_expiry=60),
            mounts={_origin(DEMO): Taped(Demo()), _origin(LOCAL): Taped(Local())},
            headers={"User-Agent": USER_AGENT},
        )
        self._answered: set[str] = set()  # hosts whose kept connection may have died meanwhile
        self._draining: set[asyncio.Task[None]] = set()

    async def aclose(self) -> None:
        """Closes all connections."""
        await self._http.aclose()

    async def once(self, call: Call, account: Account, limits: Limits, listener: Listener) -> None:
        """One request; what comes goes to the listener.

        Raises:
            LkError: how it failed.
        """
        prepared = request.build(call, account)
        listener.on_sent(account, prepared)
        async with faults.told(account, limits.timeout):
            response = await self._send(prepared, Question(call.model, call.provider, account), limits)
        try:
            await self._read(response, account, limits, listener)
        except BaseException:
            await response.aclose()
            raise
        self._answered.add(account.url)

    async def read_json(self, url: str, account: Account, seconds: float) -> Any:
        """The JSON at an address of the account, asked for with its key, within so many seconds.

        Raises:
            LkError: how it failed.
        """
        asked = self._http.build_request(
            "GET", url, headers=account.headers, timeout=httpx.Timeout(seconds, pool=None),
            extensions={EXTENSION: Question("", None, account)},
        )  # fmt: skip

        async def read() -> bytes:
            response = await self._http.send(asked, auth=auth(account), stream=True, follow_redirects=False)
            try:
                if not response.is_success:
                    raise await self._refusal(response, account)
                body = bytearray()
                async for data in response.aiter_bytes():
                    body.extend(data)
                    if len(body) > JSON_BYTES:
                        raise ProtocolError(f"{account.name} sent too much to be a list.", "Check its address.")
                return bytes(body)
            finally:
                await response.aclose()

        async with faults.told(account, seconds):
            try:
                body = await asyncio.wait_for(read(), seconds)
            except asyncio.TimeoutError:
                raise asyncio.TimeoutError from None  # its cause is that of the cancelling
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            if body.lstrip()[:1] == b"<":
                raise failures.web_page(account.name, body) from None
            raise ProtocolError(f"{account.name} sent no JSON.", "Check the address of the account.") from None

    def may_have_died(self, error: LkError, account: Account) -> bool:
        """Whether a kept connection died before any byte: that is no try of its account."""
        return error.code == faults.LOST and account.url in self._answered

    async def _send(self, prepared: Prepared, question: Question, limits: Limits) -> httpx.Response:
        connect = BINDER_CONNECT_SECONDS if on_binder() else CONNECT_SECONDS
        timeout = httpx.Timeout(limits.timeout, connect=min(connect, limits.timeout), pool=None)
        sent = httpx.Request(  # the client's build_request merges again, at a fifth of a request's cost
            "POST", _url(prepared.url), headers={**COMMON, **prepared.headers}, content=prepared.content,
            extensions={"timeout": timeout.as_dict(), EXTENSION: question},
        )  # fmt: skip
        sent.headers.encoding = "ascii"  # it is, or could not have been made: httpx would find out again for each
        return await self._http.send(sent, auth=auth(question.account), stream=True, follow_redirects=False)

    async def _read(self, response: httpx.Response, account: Account, limits: Limits, listener: Listener) -> None:
        if not response.is_success:
            raise await self._refusal(response, account)
        headers = _plain(response)
        decoder = Decoder(account.name, headers.get("content-type", ""))
        decoder.answer.served_by = headers.get("x-livekit-inference-provider") or None
        decoder.answer.replayed = response.extensions.get(EXTENSION)
        decoder.answer.quota, decoder.answer.room = failures.quota(headers), pace.room(headers)
        chunks = _chunks(response, headers)
        try:
            async with faults.told(account, limits.timeout, cut=True):
                while (data := await _next(chunks, decoder)) is not None:
                    if pieces := decoder.feed(data):
                        listener.on_pieces(pieces, decoder.answer)
                    if decoder.done or decoder.error:
                        break
        except LkError as error:
            if decoder.answer.finish_reason is None:
                listener.on_pieces(decoder.end(), decoder.answer)
                raise _as_it_stands(error, decoder) from None
        listener.on_pieces(decoder.end(), decoder.answer)
        if decoder.error:
            raise _as_it_stands(decoder.error, decoder)
        drain = asyncio.ensure_future(_drain(chunks, response))
        self._draining.add(drain)
        drain.add_done_callback(self._draining.discard)

    async def _refusal(self, response: httpx.Response, account: Account) -> LkError:
        body = bytearray()

        async def read() -> None:
            async for data in response.aiter_bytes():
                body.extend(data)
                if len(body) >= ERROR_BYTES:
                    break

        with contextlib.suppress(asyncio.TimeoutError, *faults.EDGE):  # the status alone says enough
            await asyncio.wait_for(read(), CONNECT_SECONDS)
        await response.aclose()
        status, headers = response.status_code, _plain(response)
        if status < httpx.codes.BAD_REQUEST:
            return faults.redirected(account, status, headers.get("location", ""))
        found = GIVEN.told(account.found) or "the environment"
        return failures.failure(status, headers, bytes(body), who=account.name, found=found)


def _origin(account: Account) -> str:
    return account.url.rsplit("/", 1)[0]


_url = functools.lru_cache(64)(httpx.URL)  # reading one takes half as long as all else that makes a request


def _chunks(response: httpx.Response, headers: Mapping[str, str]) -> AsyncIterator[bytes]:
    """The body as it comes; decoded only where it is encoded, for the decoding layers cost more than the bytes."""
    if headers.get("content-encoding", "identity") != "identity" or not isinstance(
        response.stream, httpx.AsyncByteStream
    ):
        return response.aiter_bytes()
    return response.stream.__aiter__()


def _plain(response: httpx.Response) -> dict[str, str]:
    """The headers, decoded once: httpx decodes all of them at each look."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers.raw}


def _as_it_stands(error: LkError, decoder: Decoder) -> LkError:
    """An error after output is not retried: what was shown would be asked, and shown, twice."""
    if decoder.shown:
        error.retryable = False
    return error


async def _next(chunks: AsyncIterator[bytes], decoder: Decoder) -> bytes | None:
    """The next chunk, or None at the end; once `finish_reason` has come, it is waited for no longer than a moment.

    No generator: one that is left before its end costs a task, and a wake of the loop.
    """
    try:
        if decoder.answer.finish_reason is None:
            return await chunks.__anext__()
        with Deadline(AFTER_FINISH_SECONDS):
            return await chunks.__anext__()
    except StopAsyncIteration:
        pass
    return None


async def _drain(chunks: AsyncIterator[bytes], response: httpx.Response) -> None:
    try:
        with contextlib.suppress(*faults.EDGE), Deadline(DRAIN_SECONDS):
            async for _ in chunks:
                pass
    finally:
        await response.aclose()
        response.stream = _NOTHING  # httpx's holds the response: a circle that the collector would have to find


_NOTHING = httpx.ByteStream(b"")


class Deadline:
    """Ends what is awaited in it after so many seconds, without a task of its own as asyncio.wait_for makes."""

    def __init__(self, seconds: float) -> None:
        self.late = False
        self._seconds = seconds

    def __enter__(self) -> Self:
        self._task = asyncio.current_task()
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._end)
        return self

    def _end(self) -> None:
        self.late = True
        if self._task is not None:
            self._task.cancel()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        self._timer.cancel()
        if not self.late or kind is not asyncio.CancelledError:
            return False
        if self._task is not None and hasattr(self._task, "uncancel"):
            self._task.uncancel()
        return True


class _NoCookies(httpx.Cookies):
    """Nobody's: an API needs none, and reading them off each response costs as much as a request's parsing."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Keeps none."""

    def set_cookie_header(self, request: httpx.Request) -> None:
        """Sends none."""


class _Http(HttpxAiohttpClient):
    """httpx's client over aiohttp's transport, without cookies; each transport can be recorded and replayed."""

    def _init_transport(self, *args: Any, **kwargs: Any) -> httpx.AsyncBaseTransport:
        return Taped(super()._init_transport(*args, **kwargs))

    def _init_proxy_transport(self, *args: Any, **kwargs: Any) -> httpx.AsyncBaseTransport:
        return Taped(super()._init_proxy_transport(*args, **kwargs))

    @property
    def cookies(self) -> httpx.Cookies:
        """None."""
        return _NO_COOKIES

    @cookies.setter
    def cookies(self, cookies: object) -> None:
        """Keeps none."""


_NO_COOKIES = _NoCookies()
