"""The format of a tape: recorded calls, a JSON line each, behind a first line that says what made it.

No request headers, and no secret: `core.scrubbing` strikes them out before a line is written. The key of a call is a
hash of its model, messages and parameters; who was asked stands beside it, so that a tape needs no account.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import re
import struct
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from lk_notebook.errors import ConfigurationError

VERSION = 1
#: Facts of a response that a reply shows, or that decide what it is. Of an answer the first two are enough: the
#: recorder's quota is nobody else's, and would set a pace.
KEPT = ("content-type", "x-livekit-inference-provider")
KEPT_OF_ERRORS = (*KEPT, "retry-after", "retry-after-ms", "date", "location", "x-should-retry")
_KEPT_QUOTA = ("x-livekit-inference-", "x-ratelimit-")
#: What every request of ours has.
_OURS = ("model", "stream", "stream_options")
_PNG = b"\x89PNG\r\n\x1a\n"
_PIXELS = (b"IHDR", b"PLTE", b"tRNS")
_INLINE = re.compile(r"data:([\w/+.-]*)(?:;[^,;]*)*;base64,(.*)", re.DOTALL | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Asked:
    """Who was asked: the account without its key. `found` names the variables that held the key."""

    name: str
    kind: str
    url: str
    found: tuple[str, ...] = ()
    priced: bool = True


@dataclass(frozen=True, slots=True)
class Broken:
    """How a connection failed: a row of `net.faults`, and the words of it."""

    kind: str
    said: str


@dataclass(frozen=True, slots=True)
class Take:
    """One recorded call. Times are seconds from its sending.

    `request` is the body without model and stream, each picture in it a hash of its content. `wait` is when the
    status came, each of `pieces` a time and what came then, `seconds` the end. `status` is None where no answer came.
    """

    key: str
    at: str  # when it was sent, in UTC: 2026-11-24T10:12:33Z
    model: str
    account: Asked
    request: dict[str, Any]
    provider: str | None = None  # where one was named
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)  # of the response, those that a reply shows
    wait: float = 0.0
    pieces: tuple[tuple[float, str], ...] = ()
    end: Literal["done", "stopped", "failed"] = "done"
    seconds: float = 0.0
    broken: Broken | None = None

    @property
    def day(self) -> str:
        """The date of the recording."""
        return self.at[:10]

    @property
    def body(self) -> str:
        """All that came."""
        return "".join(text for _, text in self.pieces)


@dataclass(frozen=True, slots=True)
class Head:
    """The first line: what made the tape, and whether its times and tokens measure anything."""

    lk_notebook: Literal["tape"]
    version: int = VERSION
    made_by: str = ""
    figures: bool = True


@dataclass(frozen=True, slots=True)
class Tape:
    """A tape that was read."""

    name: str
    head: Head
    takes: tuple[Take, ...]

    @property
    def days(self) -> str:
        """When it was recorded: a date, or the first and the last."""
        days = sorted({take.day for take in self.takes})
        return " to ".join(dict.fromkeys((days[0], days[-1]))) if days else ""


def question(body: Mapping[str, Any], query: str = "") -> dict[str, Any]:
    """What was asked, of the body of a request: messages and parameters.

    Example:
        >>> question({"model": "m", "stream": True, "temperature": 1.0, "messages": []})
        {'temperature': 1, 'messages': []}

    A picture is told by its content, a number by its value: 1.0 is 1.
    """
    asked = {name: _plain(value) for name, value in body.items() if name not in _OURS}
    return {**asked, "extra_query": query} if query else asked


def key(model: str, asked: Mapping[str, Any]) -> str:
    """The key of a call; the order of names does not matter, the order of messages does.

    Example:
        >>> key("m", {"a": 1, "b": 2}) == key("m", {"b": 2, "a": 1})
        True
    """
    whole = json.dumps([model, asked], ensure_ascii=True, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(whole.encode()).hexdigest()[:24]


def facts(status: int, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of a response that are kept; `headers` with lower-case names."""
    if status < 300:
        return {name: headers[name] for name in KEPT if name in headers}
    return {n: value for n, value in headers.items() if n in KEPT_OF_ERRORS or n.startswith(_KEPT_QUOTA)}


def line(value: Head | Take) -> str:
    """One line of a tape. Bytes that are no text stand in it as lone surrogates, escaped."""
    whole = {name: each for name, each in asdict(value).items() if each is not None}
    text = json.dumps(whole, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode()
    except UnicodeEncodeError:
        text = json.dumps(whole, separators=(",", ":"))
    return text + "\n"


def read(text: str, name: str) -> Tape:
    """A tape from its text; a torn last line, as a killed kernel leaves it, is left out.

    Raises:
        ConfigurationError: it is no tape, of a later version, or a line of it is broken.
    """
    lines, takes = text.split("\n"), []
    head = read_head(lines[0], name)
    for number, each in enumerate(lines[1:], 2):
        if not each.strip():
            continue
        try:
            takes.append(read_take(each))
        except ValueError as error:
            if number == len(lines):
                break
            raise ConfigurationError(
                f"{name}, line {number}: {first_fault(error)}", "python -m lk_notebook tape check tells all faults."
            ) from None
    return Tape(name, head, tuple(takes))


def read_head(first: str, name: str) -> Head:
    """The first line of a tape.

    Raises:
        ConfigurationError: it is none, or of a later version.
    """
    try:
        head: Head = _read(Head, first)
    except ValueError:
        raise ConfigurationError(f"{name} is no tape of lk_notebook.", "%lkrecord FILE makes one.") from None
    if head.version > VERSION:
        raise ConfigurationError(
            f"{name} is a tape of version {head.version}.", "Install the latest lk_notebook: it reads it."
        )
    return head


def read_take(text: str) -> Take:
    """A line as a call.

    Raises:
        ValueError: it is none.
    """
    take: Take = _read(Take, text)
    return take


def first_fault(error: ValueError) -> str:
    """What is wrong with a line, in a few words that repeat nothing of it."""
    errors = getattr(error, "errors", None)
    if errors is None:
        return "it is no JSON."
    first = errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}."


def schema() -> dict[str, Any]:
    """The JSON schema of a line, made from the classes that read it; core/tape.schema.json holds it."""
    whole = _adapter(Head | Take).json_schema()
    told = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of a tape of lk_notebook",
        "description": "The first line is a Head, each further one a Take: a recorded call.",
    }
    return {**told, **whole}


def _read(kind: Any, text: str) -> Any:
    """A line as a value of its class, strictly.

    Raises:
        ValueError: it is none.
    """
    if "\\ud" in text:  # the strict parser takes no lone surrogates
        return _adapter(kind).validate_python(json.loads(text))
    return _adapter(kind).validate_json(text, strict=True)


@functools.cache
def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter  # noqa: PLC0415 - only who reads a tape needs it

    return TypeAdapter(kind)


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return _picture(value) if value[:5].lower() == "data:" else value
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _picture(url: str) -> str:
    """An inline file by its content; a PNG by its pixels: who wrote it, and how it was packed, does not count."""
    found = _INLINE.fullmatch(url)
    if found is None:
        return url
    try:
        content = base64.b64decode(found[2])
    except ValueError:
        return url
    if content.startswith(_PNG):
        content = _unpacked(content) or content
    return f"data:{found[1]};sha256,{hashlib.sha256(content).hexdigest()[:32]}"


def _unpacked(png: bytes) -> bytes | None:
    """What a PNG shows: size, colours and the unpacked lines of pixels; None where it is broken (PNG, 3rd ed., 5.3)."""
    shown, packed, at = [], [], len(_PNG)
    while at + 8 <= len(png):
        size, kind = struct.unpack(">I4s", png[at : at + 8])
        data = png[at + 8 : at + 8 + size]
        if kind in _PIXELS:
            shown += [kind, data]
        elif kind == b"IDAT":
            packed.append(data)
        at += size + 12
    try:
        return b"".join([*shown, zlib.decompress(b"".join(packed))])
    except zlib.error:
        return None
