"""The bytes of an answer to its pieces and facts: Chat Completions streams as all vendors write them.

Fed, never fetching, so that any cut of the bytes can be tested. Source of the shapes: OpenAI's API reference,
"The chat completion chunk object", and the vendors' own SDKs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic_core import from_json

from lk_notebook.core import failures
from lk_notebook.core.answer import Answer
from lk_notebook.core.events import EventStream
from lk_notebook.core.thinking import Thinking
from lk_notebook.core.values import redact
from lk_notebook.errors import LkError, ProtocolError, StreamError, StreamInterrupted

Kind = Literal["text", "reasoning", "refusal"]
Piece = tuple[Kind, str]

_BEFORE = b"\xef\xbb\xbf \t\r\n"  # what may stand before the first byte that says anything
_SURROGATE = re.compile("[\ud800-\udfff]")


class Decoder:
    r"""Feeds on the body of one response; gives its pieces, keeps its facts in `answer`.

    Example:
        >>> decoder = Decoder("openai", "text/event-stream")
        >>> decoder.feed(b'data: {"choices":[{"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n')
        [('text', 'Hi')]
        >>> decoder.answer.finish_reason
        'stop'

    `done` is set at `[DONE]`, `error` when the stream says that it failed; neither is raised, so that the
    pieces before it are not lost. Call `end()` when the body has ended.
    """

    def __init__(self, who: str, content_type: str = "") -> None:
        self.answer = Answer()
        self.done = False
        self.error: LkError | None = None
        self.shown = False  # a piece was given out: from here on no other request may take this one's place
        self._who, self._type = who, content_type.partition(";")[0].strip().lower()
        self._stream: EventStream | None = None
        self._whole: list[bytes] = []  # a body that is no event stream, or not yet known to be one
        self._sniffed = False
        self._ended = False
        self._thinking = Thinking()
        self._kind: Kind = "text"
        self._run: list[str] = []  # texts of one kind, joined once for each feed
        self._pieces: list[Piece] = []
        self._carry = ""  # a high surrogate whose other half may come with the next delta

    def feed(self, data: bytes) -> list[Piece]:
        """The pieces these bytes complete."""
        if self.done or self.error:
            return []
        if not self._sniffed:
            self._whole.append(data)
            if not self._sniff():
                return []
            data = b"".join(self._whole)
            self._whole = []
        if self._stream is None:
            self._whole.append(data)
            return []
        return self._take(self._stream.feed(data))

    def end(self) -> list[Piece]:
        """The last pieces; afterwards `error` says whether the answer was cut or was none."""
        if self.done or self.error:
            return []
        if self._stream is None:
            self._read_whole(b"".join(self._whole))
            return self._flush()
        self._ended = True
        pieces = self._take(self._stream.end(), last=True)
        if not self.error and not self.done and self.answer.finish_reason is None:
            self.error = self._cut()
        return pieces

    def _cut(self) -> LkError:
        if not self.answer.events and self._type not in ("text/event-stream", ""):
            return ProtocolError(
                f"{self._who} sent {redact(self._type)}, not a chat completion.",
                "Check the address of the account.",
                status=200,
            )
        return StreamInterrupted(
            f"The answer from {self._who} ended before it was complete.",
            "What had arrived is kept; run the cell again for a whole one.",
            retryable=not self.shown,
        )

    def _sniff(self) -> bool:
        """Decide by the first byte that is no blank: servers mislabel streams and errors alike."""
        head = b"".join(self._whole).lstrip(_BEFORE)[:1]
        if not head:
            return False
        self._sniffed = True
        if head not in b"{[<":
            self._stream = EventStream()
        return True

    def _read_whole(self, body: bytes) -> None:
        body = body.lstrip(_BEFORE)
        if not body:
            self.error = self._cut()
        elif body.startswith(b"<"):
            self.error = failures.web_page(self._who, body)
        else:
            chunk = self._parse(body)
            if chunk is not None:
                self._chunk(chunk)
            if not self.error and not (chunk and _choices(chunk)):
                self.error = ProtocolError(
                    f"{self._who} sent JSON that is no chat completion.",
                    "Check the address of the account.",
                    status=200,
                )
            self._run_out()

    def _take(self, events: list[tuple[str, bytes]], *, last: bool = False) -> list[Piece]:
        for name, data in events:
            if name == "error":
                self._fail(self._loose(data))
            elif data == b"[DONE]" or data.strip() == b"[DONE]":
                self.done = True
            elif data and (chunk := self._parse(data)) is not None:
                self._chunk(chunk)
            if self.done or self.error:
                break
        if last or self.done or self.error:
            self._run_out()
        return self._flush()

    def _parse(self, data: bytes) -> dict[str, Any] | None:
        try:
            value = from_json(data, cache_strings="keys")
        except ValueError:
            value = self._lenient(data)
        return value if isinstance(value, dict) else None

    def _lenient(self, data: bytes) -> Any:
        """What the strict parser refuses: lone surrogates, raw control characters, bytes that are no UTF-8."""
        try:
            return json.loads(data.decode("utf-8", "replace"), strict=False)
        except (ValueError, RecursionError):
            if not self._ended:  # else the last line was cut: `end` says so
                self.error = ProtocolError(
                    f"{self._who} sent something that is not JSON: {redact(data.decode('utf-8', 'replace'))[:60]}",
                    "Run the cell again; if it stays so, check the address of the account.",
                    status=200,
                    retryable=not self._said,
                )
            return None

    @property
    def _said(self) -> bool:
        """Whether a piece was given out, or is about to be."""
        return self.shown or bool(self._run or self._pieces)

    @staticmethod
    def _loose(data: bytes) -> Any:
        text = data.decode("utf-8", "replace")
        try:
            return json.loads(text)
        except ValueError:
            return text

    def _fail(self, payload: Any) -> None:
        self.error = failures.in_stream(payload, self._who, shown=self._said)

    def _chunk(self, chunk: dict[str, Any]) -> None:
        answer = self.answer
        answer.events += 1
        for choice in _choices(chunk):
            self._choice(choice)
        answer.note(chunk)
        problem = chunk.get("error")
        groq = chunk.get("x_groq")
        if not problem and groq and isinstance(groq, Mapping):
            problem = groq.get("error")
        if problem:
            self._fail(chunk if isinstance(problem, str) and "choices" not in chunk else problem)
        elif chunk.get("object") == "error":
            self._fail(chunk)

    def _choice(self, choice: dict[str, Any]) -> None:
        reason = choice.get("finish_reason")
        index = choice.get("index")
        delta = choice.get("delta") or choice.get("message")
        if index:
            self.answer.alternative(index, _text(delta.get("content")) if isinstance(delta, dict) else "", reason)
            return
        if reason:
            self.answer.finish_reason = str(reason)
            if reason == "error":
                self.error = StreamError(
                    f"{self._who} ended the answer with an error.", "Run the cell again.", status=200
                )
        if choice.get("logprobs"):
            self.answer.add_logprobs(choice["logprobs"])
        if isinstance(delta, dict):
            self._delta(delta)

    def _delta(self, delta: dict[str, Any]) -> None:
        content = delta.get("content")
        thought = delta.get("reasoning") or delta.get("reasoning_content")
        if thought and isinstance(thought, str):
            self._say("reasoning", thought)
        if content:
            if isinstance(content, list):
                for kind, text in _parts(content):
                    self._say(kind, text)
            elif isinstance(content, str):
                if self._thinking.over:
                    self._say("text", content)
                else:
                    for kind, text in self._thinking.feed(content):
                        self._say(kind, text)
        if refusal := delta.get("refusal"):
            self._say("refusal", str(refusal))
        if not content or len(delta) > 1:
            self.answer.delta(delta)

    def _say(self, kind: Kind, text: str) -> None:
        if kind != self._kind:
            self._close()
            self._kind = kind
        self._run.append(text)

    def _run_out(self) -> None:
        """The end of the text: what the thinking filter held back is said, a half surrogate is given up."""
        for kind, text in self._thinking.end():
            self._say(kind, text)
        self._close()

    def _close(self) -> None:
        """The end of a run of one kind."""
        self._join()
        if self._carry:
            self._carry = ""
            self._pieces.append((self._kind, "\ufffd"))

    def _join(self) -> None:
        if self._run:
            text = "".join(self._run)
            self._run = []
            if self._carry or (not text.isascii() and _SURROGATE.search(text)):
                text = self._mend(self._carry + text)
            if text:
                self._pieces.append((self._kind, text))

    def _mend(self, text: str) -> str:
        """Joins surrogate halves, also of two deltas; a lone one becomes U+FFFD, for it would kill any output."""
        self._carry = text[-1] if "\ud800" <= text[-1] <= "\udbff" else ""
        text = text[: len(text) - len(self._carry)]
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    def _flush(self) -> list[Piece]:
        self._join()
        pieces, self._pieces = self._pieces, []
        self.shown = self.shown or bool(pieces)
        return pieces


def _choices(chunk: dict[str, Any]) -> list[dict[str, Any]]:
    choices = chunk.get("choices")
    return [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(t for k, t in _parts(content) if k == "text")


def _parts(content: Any) -> list[Piece]:
    """Content as a list of parts (Mistral): texts, and thoughts as lists of texts."""
    pieces: list[Piece] = []
    for part in content if isinstance(content, list) else ():
        if not isinstance(part, dict):
            continue
        if isinstance(part.get("text"), str):
            pieces.append(("text", part["text"]))
        elif "thinking" in part:
            thought = part["thinking"]
            pieces.append(("reasoning", thought if isinstance(thought, str) else _text(thought)))
    return pieces
