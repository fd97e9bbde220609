"""Recording and replaying, as a transport around each transport of the shared client.

Other code cannot tell a replay from a provider; a recording passes each piece on as it comes, and keeps a copy.
"""

from __future__ import annotations

import asyncio
import codecs
import json
import re
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from lk_notebook.core import scrubbing, tape
from lk_notebook.core.replaying import ANYBODY, Replay, Replayed, Wanted
from lk_notebook.core.tape import Asked, Broken, Take
from lk_notebook.core.values import Account
from lk_notebook.errors import LkError
from lk_notebook.net import faults
from lk_notebook.net.deck import DECK, Recorder

#: Where a request says what its body does not (httpx: `extensions`), and a response that it is a replay.
EXTENSION = "lk_notebook"
_FINISHED = re.compile(r'\[DONE\]|"finish_reason": ?"')


@dataclass(frozen=True, slots=True)
class Question:
    """Who asks for what: the model in full, the provider where one was named, the account."""

    model: str
    provider: str | None
    account: Account


class Taped(httpx.AsyncBaseTransport):
    """A transport that is recorded, or stands still while a tape answers in its place."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer, from wherever it comes."""
        if (replay := DECK.replay) is not None:
            return await _played(request, replay, DECK.speed)
        if (recorder := DECK.recorder) is not None and EXTENSION in request.extensions:
            return await self._recorded(request, recorder)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        """Closes the inner one."""
        await self._inner.aclose()

    async def _recorded(self, request: httpx.Request, recorder: Recorder) -> httpx.Response:
        taking = _Taking(request, recorder)
        try:
            response = await self._inner.handle_async_request(request)
        except (asyncio.CancelledError, LkError):  # it was stopped, or refused before it was sent
            taking.forget()
            raise
        except Exception as error:
            taking.breaks(error)
            raise
        taking.answers(response)
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - for the type checker
        response.stream = _Copied(response.stream, taking)
        return response


class _Taking:
    """One call while it is recorded."""

    def __init__(self, request: httpx.Request, recorder: Recorder) -> None:
        self._request, self._recorder = request, recorder
        self._at, self._begun = time.time(), time.monotonic()
        self._status: int | None = None
        self._headers: dict[str, str] = {}
        self._wait = 0.0
        self._pieces: list[tuple[float, bytes]] = []
        self._over = False
        recorder.under_way += 1

    def answers(self, response: httpx.Response) -> None:
        """The status has come."""
        self._status, self._wait = response.status_code, self._now()
        self._headers = {n.decode("latin-1").lower(): v.decode("latin-1") for n, v in response.headers.raw}

    def piece(self, data: bytes) -> None:
        """Something came."""
        self._pieces.append((self._now(), data))

    def breaks(self, error: Exception) -> None:
        """The connection failed."""
        began = self._status is not None
        if not began:
            self._wait = self._now()
        self._end("failed", Broken(*faults.named(error, cut=began)))

    def ends(self) -> None:
        """All has come."""
        self._end("done")

    def forget(self) -> None:
        """It was stopped before anything came: there is nothing to keep."""
        if not self._over:
            self._over = True
            self._recorder.under_way -= 1

    def closes(self) -> None:
        """Nobody reads on: all was said, or the user pressed ■."""
        if not self._over:
            refused = (self._status or 0) >= httpx.codes.MULTIPLE_CHOICES
            said = b"".join(data for _, data in self._pieces).decode("utf-8", "replace")
            self._end("done" if refused or _FINISHED.search(said) else "stopped")

    def _now(self) -> float:
        return round(time.monotonic() - self._begun, 4)

    def _end(self, end: Any, broken: Broken | None = None) -> None:
        if self._over:
            return
        self._over, seconds = True, self._now()
        self._recorder.keep(lambda: self._take(end, seconds, broken))
        self._recorder.under_way -= 1

    def _take(self, end: Any, seconds: float, broken: Broken | None) -> Take:
        """What is written, without secrets; made outside of the loop."""
        asked: Question = self._request.extensions[EXTENSION]
        account = asked.account
        request = scrubbing.strike_all(_question(self._request))
        pieces, unreadable = _decoded(self._pieces, self._headers.get("content-encoding", "identity"))
        texts = scrubbing.strike_pieces([text for _, text in pieces])
        if unreadable is not None:
            end, broken = "failed", unreadable
        model = scrubbing.strike(asked.model)
        return Take(
            key=tape.key(model, request),
            at=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._at)),
            model=model,
            account=Asked(
                name=scrubbing.strike(account.name),
                kind=account.kind,
                url=scrubbing.strike(account.url),
                found=() if account.kind == "local" else account.found,  # there it is a path on this machine
                priced=account.priced,
            ),
            request=request,
            provider=asked.provider and scrubbing.strike(asked.provider),
            status=self._status,
            headers={} if self._status is None else scrubbing.strike_all(tape.facts(self._status, self._headers)),
            wait=self._wait,
            pieces=tuple((at, text) for (at, _), text in zip(pieces, texts, strict=True)),
            end=end,
            seconds=seconds,
            broken=broken and Broken(broken.kind, scrubbing.strike(broken.said)),
        )


class _Copied(httpx.AsyncByteStream):
    """A stream that passes on each piece as it comes, and keeps a copy."""

    def __init__(self, inner: httpx.AsyncByteStream, taking: _Taking) -> None:
        self._inner, self._taking = inner, taking

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for data in self._inner:
                self._taking.piece(data)
                yield data
        except Exception as error:
            self._taking.breaks(error)
            raise
        self._taking.ends()

    async def aclose(self) -> None:
        try:
            await self._inner.aclose()
        finally:
            self._taking.closes()


async def _played(request: httpx.Request, replay: Replay, speed: float) -> httpx.Response:
    """The recorded answer, at its pace.

    Raises:
        ReplayError: the tape has none.
    """
    asked: Question | None = request.extensions.get(EXTENSION)
    until = _pace(speed)
    take = replay.next(_wanted(request, asked))
    await until(take.wait)
    if take.status is None:
        raise _again(take)
    told = replay.told(take)
    return httpx.Response(
        take.status, headers=take.headers, stream=_Played(take, until, told), extensions={EXTENSION: told}
    )


class _Played(httpx.AsyncByteStream):
    """The recorded pieces, each at its time."""

    def __init__(self, take: Take, until: Callable[[float], Awaitable[None]], told: Replayed) -> None:
        self._take, self._until, self._told = take, until, told

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for at, text in self._take.pieces:
            await self._until(at)
            self._told.at = at
            if text:
                yield text.encode("utf-8", "surrogateescape")
        if self._take.broken is not None:
            await self._until(self._take.seconds)
            raise _again(self._take)


def _pace(speed: float) -> Callable[[float], Awaitable[None]]:
    """Waits until so many seconds of the recording have passed; others get their turn in any case."""
    begun = time.monotonic()

    async def until(seconds: float) -> None:
        left = begun + seconds / speed - time.monotonic() if speed else 0.0
        await asyncio.sleep(max(0.0, left))

    return until


def _again(take: Take) -> faults.Recorded:
    broken = take.broken or Broken("lost", "")
    return faults.Recorded(broken.kind, broken.said)


def _wanted(request: httpx.Request, asked: Question | None) -> Wanted:
    struck = scrubbing.strike_all(_question(request))
    if asked is None:
        return Wanted("", struck)
    account = None if asked.account.scheme == ANYBODY else scrubbing.strike(asked.account.name)
    return Wanted(scrubbing.strike(asked.model), struck, asked.provider, account)


def _question(request: httpx.Request) -> dict[str, Any]:
    """What a request asks: of a body its messages and parameters, of an address without one its path's end."""
    if request.method != "POST":
        return {"path": request.url.path.rpartition("/")[2]}
    query = [(name, value) for name, value in request.url.params.multi_items() if name != "api-version"]
    return tape.question(json.loads(request.content), "&".join(f"{name}={value}" for name, value in sorted(query)))


def _decoded(pieces: list[tuple[float, bytes]], encoding: str) -> tuple[list[tuple[float, str]], Broken | None]:
    """The pieces as text, unpacked where they were packed; a character that was cut stands in the later piece."""
    unpack = zlib.decompressobj(47).decompress if encoding not in ("", "identity") else bytes  # 47: gzip or zlib
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    found: list[tuple[float, str]] = []
    try:
        for at, data in pieces:
            found.append((at, decoder.decode(unpack(data))))
    except zlib.error as error:
        return found, Broken("compressed", str(error))
    if found and (rest := decoder.decode(b"", final=True)):
        found[-1] = (found[-1][0], found[-1][1] + rest)
    return found, None
