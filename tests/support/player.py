"""A small HTTP/1.1 server on loopback that plays answers over real sockets, records requests and sees clients go."""

from __future__ import annotations

import contextlib
import gzip
import importlib
import json
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from typing_extensions import Self

EVENT_STREAM = {"content-type": "text/event-stream; charset=utf-8"}
SILENCE = 30.0  # the longest silence of a "hang", in seconds
BASE = {"id": "chatcmpl-test", "object": "chat.completion.chunk", "created": 1760000000, "model": "test-model"}

Piece = bytes | float | threading.Event
"""What is sent; how long to wait before the next, in seconds; or a gate: wait until the test opens it."""


@dataclass(frozen=True)
class Answer:
    """What goes back to one request.

    `then` is None for a proper end, "close" for a proper end after which the kept-alive connection is silently closed,
    "cut" to close in mid-answer, "reset" to do so with RST, "hang" to fall silent in mid-answer. `before`, instead of
    any answer: "hang", "cut", "reset", "garbage" (bytes that are no HTTP), or a piece to wait for before the headers.
    `length` sends content-length in place of chunks; a number promises that many bytes, however many are sent.
    """

    pieces: Iterable[Piece] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: dict(EVENT_STREAM))
    then: str | None = None
    before: str | float | threading.Event | None = None
    length: bool | int = False


@dataclass(frozen=True)
class Request:
    """What came in: header names are lower case, `body` is the parsed JSON; the `turn`-th request of a connection."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    connection: int = 0
    turn: int = 1
    at: float = 0.0

    @property
    def prompt(self) -> str:
        """The last thing the user said."""
        said = [message["content"] for message in self.body["messages"] if message["role"] == "user"]
        return said[-1] if isinstance(said[-1], str) else "".join(part.get("text", "") for part in said[-1])


@dataclass(frozen=True)
class Closing:
    """A client that went away at a time (of time.time()), in the middle of an answer to `during`, or between two."""

    at: float
    during: Request | None


Answers = Callable[[Request], Answer] | Sequence[Answer]


def event(body: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + (body if isinstance(body, bytes) else json.dumps(body).encode()) + b"\n\n"


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    """One chunk of a chat completion."""
    return event(BASE | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]} | more)


def end(finish: str = "stop", usage: dict[str, Any] | None = None) -> list[bytes]:
    """The last chunks: the finish reason, the usage if any, [DONE]."""
    counted = [event(BASE | {"choices": [], "usage": usage})] if usage else []
    return [chunk({}, finish), *counted, event(b"[DONE]")]


def words(text: str, key: str = "content") -> list[bytes]:
    """The text as chunks, word by word, blanks kept."""
    parts = text.split(" ")
    return [chunk({key: part if i == 0 else " " + part}) for i, part in enumerate(parts) if text]


def stream(
    text: str = "",
    *,
    reasoning: str = "",
    tool_calls: Sequence[dict[str, Any]] = (),
    usage: Any = True,
    pace: float = 0.0,
) -> Answer:
    """A well-formed stream: reasoning, text word by word, tool calls, usage (True: made up); `pace` seconds a word."""
    said: list[Piece] = [chunk({"role": "assistant", "content": ""}), *words(reasoning, "reasoning"), *words(text)]
    for i, call in enumerate(tool_calls):
        function = {"name": call["name"], "arguments": call["arguments"]}
        said.append(chunk({"tool_calls": [{"index": i, "id": call["id"], "type": "function", "function": function}]}))
    tokens = max(1, len(text.split()))
    made_up = {"prompt_tokens": 11, "completion_tokens": tokens, "total_tokens": 11 + tokens}
    paced = [part for piece in said for part in (piece, pace)] if pace else said
    last = end("tool_calls" if tool_calls else "stop", made_up if usage is True else usage)
    return Answer([*paced, *last])


def plain(status: int, body: Any, headers: dict[str, str] | None = None) -> Answer:
    """An answer that is no stream: JSON, or a web page where the body is text."""
    page = isinstance(body, str)
    kind = {"content-type": "text/html; charset=utf-8" if page else "application/json"}
    payload = body.encode() if page else json.dumps(body).encode()
    return Answer([payload], status, kind | (headers or {}), length=True)


def after(answer: Answer, count: int, then: str) -> Answer:
    """The first `count` pieces of an answer, and then what happens to it."""
    return replace(answer, pieces=list(answer.pieces)[:count], then=then)


class Player:
    """Plays `answers`: a function of the request, or answers in order, the last one repeated.

    `greeting` is sent to whoever connects, before a byte is read, and the connection closed: no TLS, no HTTP.
    """

    def __init__(self, answers: Answers, *, greeting: bytes | None = None) -> None:
        self._answers, self._greeting = answers, greeting
        self.requests: list[Request] = []
        self.closings: list[Closing] = []
        self.connections = 0
        self._open: set[socket.socket] = set()
        self._news, self._ended = threading.Condition(), threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.host = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.origin, self.base_url = f"http://{self.host}", f"http://{self.host}/v1"
        threading.Thread(target=self._accept, daemon=True, name="player").start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """No further answers; who still waits for one is dropped."""
        self._ended.set()
        for each in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in it; close() alone does not
        self._listener.close()

    def wait(self, holds: Callable[[], Any], seconds: float = 20.0) -> bool:
        """Whether it came to hold within so many seconds; asked again at each request and each closing."""
        with self._news:
            return bool(self._news.wait_for(holds, seconds))

    def stopped(self, seconds: float = 20.0) -> float:
        """When a client first closed its connection in the middle of an answer, in time.time()."""
        if not self.wait(self._stops, seconds):
            raise AssertionError(f"no client closed its connection within {seconds} s")
        return self._stops()[0]

    def _stops(self) -> list[float]:
        return [closing.at for closing in self.closings if closing.during]

    def _note(self, to: list[Any], what: Any) -> None:
        with self._news:
            to.append(what)
            self._news.notify_all()

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # closed
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True).start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open.add(connection)
        request: Request | None = None
        try:
            with connection, connection.makefile("rb") as incoming:
                if self._greeting is not None:
                    connection.sendall(self._greeting)
                    return
                turn = 1
                while request := _read(incoming, number, turn):
                    self._note(self.requests, request)
                    if not self._play(connection, self._answer(request)):
                        return
                    request, turn = None, turn + 1
                self._note(self.closings, Closing(time.time(), None))
        except OSError:
            self._note(self.closings, Closing(time.time(), request))
        finally:
            self._open.discard(connection)

    def _answer(self, request: Request) -> Answer:
        if callable(self._answers):
            return self._answers(request)
        return self._answers[min(len(self.requests), len(self._answers)) - 1]

    def _play(self, connection: socket.socket, answer: Answer) -> bool:
        """Send the answer; whether the connection stays open for another request."""
        if isinstance(answer.before, str):
            return self._break(connection, answer.before)
        if answer.before is not None:
            self._pause(connection, answer.before)
        pieces = list(answer.pieces) if answer.length else answer.pieces
        connection.sendall(_head(answer, pieces))
        for piece in pieces:
            if not isinstance(piece, bytes):
                self._pause(connection, piece)
            elif piece:
                connection.sendall(piece if answer.length else b"%x\r\n%s\r\n" % (len(piece), piece))
        if answer.then in (None, "close"):
            connection.sendall(b"" if answer.length else b"0\r\n\r\n")
            return answer.then is None
        return self._break(connection, answer.then)

    def _break(self, connection: socket.socket, how: str) -> bool:
        if how == "hang":
            self._pause(connection, SILENCE)
        elif how == "garbage":
            connection.sendall(b"\x00\x01 this is no HTTP \xff\r\n\r\n")
        elif how == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif how != "cut":
            raise ValueError(f"no such end of an answer: {how}")
        return False

    def _pause(self, connection: socket.socket, until: float | threading.Event) -> None:
        """Wait, and notice at once when the client goes away meanwhile."""
        gate = until if isinstance(until, threading.Event) else None
        last = time.monotonic() + (SILENCE if gate else until)
        watch = select.poll()  # select.select() takes no file number above 1023
        watch.register(connection, select.POLLIN)
        while (left := last - time.monotonic()) > 0 and not (gate and gate.is_set()):
            if self._ended.is_set():
                raise ConnectionAbortedError
            readable = watch.poll(1000 * min(left, 0.005 if gate else 0.05))
            if readable and connection.recv(1, socket.MSG_PEEK) == b"":
                raise ConnectionResetError("the client closed its connection")


def _read(incoming: Any, connection: int, turn: int) -> Request | None:
    line = incoming.readline()
    if not line:
        return None
    headers = {}
    while header := incoming.readline().strip():
        name, _, value = header.decode("latin-1").partition(":")
        headers[name.lower()] = value.strip()
    payload = incoming.read(int(headers.get("content-length", 0)))
    method, path, _ = line.decode("latin-1").split(" ", 2)
    try:
        body = _parsed(payload, headers) if payload else None
    except ValueError:
        body = {"unparsable": payload[:80].decode("latin-1")}
    return Request(method, path, headers, body, connection, turn, time.time())


def _parsed(payload: bytes, headers: dict[str, str]) -> Any:
    """JSON; also packed, as Cerebras' plugin for LiveKit sends it."""
    payload = gzip.decompress(payload) if headers.get("content-encoding") == "gzip" else payload
    if "msgpack" in headers.get("content-type", ""):
        return importlib.import_module("msgpack").unpackb(payload)
    return json.loads(payload)


def _head(answer: Answer, pieces: Iterable[Piece]) -> bytes:
    reason = HTTPStatus(answer.status).phrase if answer.status in set(HTTPStatus) else "Status"
    size = sum(len(piece) for piece in pieces if isinstance(piece, bytes)) if answer.length is True else answer.length
    lines = [f"HTTP/1.1 {answer.status} {reason}", *(f"{name}: {value}" for name, value in answer.headers.items())]
    lines.append(f"content-length: {size}" if answer.length is not False else "transfer-encoding: chunked")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
