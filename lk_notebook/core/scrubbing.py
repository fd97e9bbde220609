"""Secrets struck out of what a tape keeps, also where one came in pieces or in another spelling.

A model that repeats a key letter by letter sends an event for each: only the joined text shows it. So the texts of a
stream are joined field by field, struck, and cut again where they were cut.
"""

from __future__ import annotations

import base64
import html
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from lk_notebook.core.values import redact, released

_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})|\\([\"'/\\])")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,2}")
_LINE = re.compile(r"[^\r\n]+")
_DATA = re.compile(r"data: ?")
_STRUCK = "•••"

Path = tuple[Any, ...]


def strike(text: str) -> str:
    """The text without any known secret: as it is, percent-encoded, escaped as in JSON or HTML, or in base64.

    Example:
        >>> from lk_notebook.core.values import Secret
        >>> _ = Secret("never/show+this"); strike("?key=never%2Fshow%2Bthis")
        '?key=•••'
    """
    text = redact(text)
    for spelled in (_unescaped, unquote, html.unescape):
        plain = spelled(text)
        if plain != text and (struck := redact(plain)) != plain:
            text = struck
    return _BASE64.sub(lambda word: _STRUCK if _holds_secret(word[0]) else word[0], text)


def strike_all(value: Any) -> Any:
    """A JSON value with every text in it struck, the names of fields too."""
    if isinstance(value, str):
        return strike(value)
    if isinstance(value, dict):
        return {strike(name): strike_all(each) for name, each in value.items()}
    return [strike_all(each) for each in value] if isinstance(value, list) else value


def strike_pieces(pieces: Sequence[str]) -> list[str]:
    """The pieces of a response without any known secret, as many as before; what holds none stays as it was."""
    whole = "".join(pieces)
    edits = _edits(whole)
    struck = _cut(whole, pieces, edits) if edits else list(pieces)
    joined = "".join(struck)
    if (left := strike(joined)) != joined:  # in no field and no line: across them
        return [*([""] * (len(struck) - 1)), left]
    return struck


def texts(whole: str) -> Iterator[str]:
    """A body as it came, and each field of it joined: what to search for a secret."""
    yield whole
    events = [event for event in map(_event, _payloads(whole)) if event is not None]
    yield from ("".join(leaf.text for leaf in leaves) for leaves in _by_path(events).values())


@dataclass(slots=True)
class _Event:
    """A piece of JSON in a body, and where it stands."""

    start: int
    end: int
    value: Any
    changed: bool = False


@dataclass(slots=True)
class _Leaf:
    """A text in an event, and where to put what becomes of it."""

    event: _Event
    holder: Any
    name: Any

    @property
    def text(self) -> str:
        """The text."""
        return str(self.holder[self.name])

    def put(self, text: str) -> None:
        """Another text in its place."""
        if text != self.text:
            self.holder[self.name], self.event.changed = text, True


@dataclass(slots=True)
class _Payload:
    """What may be JSON: the data of an event, or a whole body."""

    start: int
    end: int
    text: str = field(repr=False)


def _payloads(whole: str) -> list[_Payload]:
    """The lines of an event stream without `data:`; of any other body the whole."""
    if whole.lstrip("\ufeff \t\r\n")[:1] in ("{", "["):
        return [_Payload(0, len(whole), whole)]
    found = []
    for line in _LINE.finditer(whole):
        behind = _DATA.match(whole, line.start())
        start = behind.end() if behind else line.start()
        found.append(_Payload(start, line.end(), whole[start : line.end()]))
    return found


def _event(payload: _Payload) -> _Event | None:
    try:
        value = json.loads(payload.text, strict=False)
    except (ValueError, RecursionError):
        return None
    return _Event(payload.start, payload.end, value) if isinstance(value, (dict, list)) else None


def _edits(whole: str) -> list[tuple[int, int, str]]:
    """What takes the place of what in a body."""
    edits, events = [], []
    for payload in _payloads(whole):
        if (event := _event(payload)) is not None:
            events.append(event)
        elif (struck := strike(payload.text)) != payload.text:
            edits.append((payload.start, payload.end, struck))
    for leaves in _by_path(events).values():
        _strike_joined(leaves)
    if edits or any(event.changed for event in events):
        for event in events:  # the bytes beside a token's text spell it out once more
            event.changed |= _without_bytes(event.value)
    told = {name for event in events for name in _names(event.value) if strike(name) != name}
    changed = [event for event in events if event.changed or not told.isdisjoint(_names(event.value))]
    edits += [(event.start, event.end, json.dumps(strike_all(event.value), ensure_ascii=False)) for event in changed]
    return sorted(edits)


def _by_path(events: Sequence[_Event]) -> dict[Path, list[_Leaf]]:
    """All texts of the events in their order, by the field they stand in."""
    found: dict[Path, list[_Leaf]] = {}
    for event in events:
        for path, holder, name in _leaves(event.value, ()):
            found.setdefault(path, []).append(_Leaf(event, holder, name))
    return found


def _leaves(value: Any, path: Path) -> Iterator[tuple[Path, Any, Any]]:
    """The texts in a value. Those of a list belong together, but for items that say which they are: `index`."""
    for name, each in value.items() if isinstance(value, dict) else enumerate(value):
        here = name if isinstance(value, dict) else each.get("index") if isinstance(each, dict) else None
        if isinstance(each, str):
            yield (*path, here), value, name
        elif isinstance(each, (dict, list)):
            yield from _leaves(each, (*path, here))


def _names(value: Any) -> Iterator[str]:
    """The names of all fields in a value."""
    for each in value.values() if isinstance(value, dict) else value:
        if isinstance(each, (dict, list)):
            yield from _names(each)
    if isinstance(value, dict):
        yield from value


def _without_bytes(value: Any) -> bool:
    """Takes the bytes of tokens out of a value; whether there were any."""
    found = False
    if isinstance(value, dict) and isinstance(value.get("bytes"), list):
        value["bytes"], found = None, True
    for each in value.values() if isinstance(value, dict) else value:
        if isinstance(each, (dict, list)):
            found |= _without_bytes(each)
    return found


def _strike_joined(leaves: Sequence[_Leaf]) -> None:
    """The texts of one field: joined, struck, and each of them what was known when it came."""
    joined = "".join(leaf.text for leaf in leaves)
    struck = strike(joined)
    if struck == joined:
        return
    held, parts = "", []
    for leaf in leaves:
        text, held = released(held + leaf.text)
        parts.append(text)
    parts[-1] += redact(held)
    if "".join(parts) != struck:  # a spelling that only the whole shows
        parts = [*([""] * (len(leaves) - 1)), struck]
    for leaf, text in zip(leaves, parts, strict=True):
        leaf.put(text)


def _cut(whole: str, pieces: Sequence[str], edits: Sequence[tuple[int, int, str]]) -> list[str]:
    """The edited body, cut where it was cut; what took a place stands in the piece that ended it."""
    cut, done, left = [], 0, list(edits)  # `done`: up to where the body is given out
    for end in itertools.accumulate(map(len, pieces)):
        parts = []
        while left and left[0][1] <= end:
            start, stop, text = left.pop(0)
            parts += [whole[done:start], text]
            done = stop
        upto = min(end, left[0][0]) if left else end
        parts.append(whole[done:upto])
        done = max(done, upto)
        cut.append("".join(parts))
    return cut


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: found[3] or chr(int(found[1] or found[2], 16)), text) if "\\" in text else text


def _holds_secret(word: str) -> bool:
    bare = word.rstrip("=").replace("-", "+").replace("_", "/")
    plain = base64.b64decode(bare + "=" * (-len(bare) % 4) if len(bare) % 4 != 1 else bare[:-1]).decode("latin-1")
    return redact(plain) != plain
