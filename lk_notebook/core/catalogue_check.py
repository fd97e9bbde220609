"""Whether a catalogue file is whole: its shape, no duplicates, and a source and a date for whatever somebody said."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

Test = Callable[[Any], bool]
Shape = Mapping[str, tuple[str, Test]]

_PART = re.compile(r"20\d\d(-(0[1-9]|1[0-2])(/\d\d)?)?( \([^)]+\))?")
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _date(value: Any) -> bool:
    try:
        return isinstance(value, str) and dt.date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _when(value: Any) -> bool:
    """A date, or as much of one as its source tells: "2026-10", "2026-06/07", "2026 (undated file)"."""
    return _date(value) or (isinstance(value, str) and _PART.fullmatch(value) is not None)


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < float("inf")


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _list_of(test: Test) -> Test:
    return lambda value: isinstance(value, list) and all(map(test, value))


def _map_of(test: Test) -> Test:
    return lambda value: isinstance(value, dict) and all(map(test, value.values()))


def _or_null(test: Test) -> Test:
    return lambda value: value is None or test(value)


_OBJECTS = _list_of(lambda value: isinstance(value, dict))
_FILE: Shape = {
    "collected": ("a date", _date),
    "prices": ("a text", _text),
    "unknown": ("a text", _text),
    "sources": ("texts by name", _map_of(_text)),
    "models": ("a list of objects", _OBJECTS),
}
_MODEL: Shape = {
    "id": ("vendor/name", lambda value: _text(value) and all(value.partition("/")) and value == value.strip()),
    "aliases": ("a list of texts", _list_of(_text)),
    "display_name": ("a text or null", _or_null(_text)),
    "vendor": ("a text", _text),
    "in_seed": ("true or false", _flag),
    "providers": ("a list of objects, or null", _or_null(_OBJECTS)),
    "livekit_status": ("an object", lambda value: isinstance(value, dict)),
    **dict.fromkeys(("context_window", "max_output_tokens"), ("a count or null", _or_null(_count))),
    **dict.fromkeys(
        ("reasoning", "images", "tools", "structured_output", "temperature"), ("true, false or null", _or_null(_flag))
    ),
    "efforts": (f"some of {', '.join(EFFORTS)}, or null", _or_null(_list_of(lambda value: value in EFFORTS))),
    "capabilities_source": ("a source or null", _or_null(_text)),
    "own_account_model_ids": ("ids by kind of account, or null", _or_null(_map_of(_or_null(_text)))),
    "vendor_shutdown": ("an object or null", _or_null(lambda value: isinstance(value, dict))),
    "pricing": ("a list of objects, or null", _or_null(_OBJECTS)),
}
_CAPABILITIES = ("context_window", "max_output_tokens", "reasoning", "efforts", "images", "tools", "structured_output")
_PROVIDER: Shape = {"id": ("a text", _text), "status": ("a text", _text), "source": ("a text", _text)}
_STATUS: Shape = {"value": ("a text", _text), "as_of": ("a date", _date), "source": ("a text", _text)}
_SHUTDOWN: Shape = {"date": ("a date", _date), "source": ("a text", _text)}
_FIGURES: Shape = {
    "input": ("a price", _number),
    "cached_input": ("a price or null", _or_null(_number)),
    "output": ("a price", _number),
}
_PRICE: Shape = {
    "billed_by": ("a text", _text),
    "provider": ("a text", _text),
    **_FIGURES,
    "source": ("a text", _text),
    "date": ("a date", _when),
}
_LONG: Shape = {"above_input_tokens": ("a count", _count), **_FIGURES}


def faults(text: str) -> list[str]:
    """What is wrong with a catalogue file, a line each; [] where it is whole.

    Example:
        >>> faults('{"models": []}')[0]
        'the file: collected is missing'
    """
    twice: list[str] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        twice.extend(f"the file: {name} stands twice in one object" for name in _repeated(name for name, _ in items))
        return dict(items)

    try:
        whole = json.loads(text, object_pairs_hook=pairs)
    except (ValueError, RecursionError) as error:
        return [f"the file: no JSON: {error}"]
    if not isinstance(whole, dict):
        return ["the file: no object"]
    found = [*twice, *_shape("the file", whole, _FILE)]
    if found:
        return found
    for model in whole["models"]:
        found += _model(model, whole["sources"])
    names = (name for model in whole["models"] for name in _ids(model))
    return [*found, *(f"{name}: stands twice, as an id or an alias" for name in _repeated(names))]


def _model(model: Mapping[str, Any], sources: Mapping[str, str]) -> Iterator[str]:
    who = str(model.get("id", "a model without an id"))
    wrong = list(_shape(who, model, _MODEL))
    yield from wrong
    if wrong:
        return
    yield from _entry(f"{who}, livekit_status", model["livekit_status"], _STATUS, sources)
    yield from _rows(f"{who}, providers", model["providers"], _PROVIDER, sources, ("id",))
    yield from _rows(f"{who}, pricing", model["pricing"], _PRICE, sources, ("billed_by", "provider"))
    if model["vendor_shutdown"] is not None:
        yield from _entry(f"{who}, vendor_shutdown", model["vendor_shutdown"], _SHUTDOWN, sources)
    source = model["capabilities_source"]
    if source is not None and source not in sources:
        yield f"{who}: no source is called {source}"
    if source is None and (said := [name for name in _CAPABILITIES if model[name] is not None]):
        yield f"{who}: {', '.join(said)} without a capabilities_source"


def _rows(
    where: str, rows: Sequence[Mapping[str, Any]] | None, shape: Shape, sources: Mapping[str, str], key: Sequence[str]
) -> Iterator[str]:
    """Each row of a list, and that no two say the same of one thing."""
    for i, row in enumerate(rows or (), 1):
        yield from _entry(f"{where} {i}", row, shape, sources)
    for name in _repeated(" ".join(str(row.get(each)) for each in key) for row in rows or ()):
        yield f"{where}: {name} stands twice"


def _entry(where: str, entry: Mapping[str, Any], shape: Shape, sources: Mapping[str, str]) -> Iterator[str]:
    """An object that somebody said: its shape, and that its source is one of the file's."""
    further = entry.get("long_context")
    yield from _shape(where, {name: value for name, value in entry.items() if name != "long_context"}, shape)
    if "long_context" in entry and shape is not _PRICE:
        yield f"{where}: nothing is known as long_context"
    elif "long_context" in entry:
        yield from _shape(f"{where}, long_context", further if isinstance(further, dict) else {}, _LONG)
    source = entry.get("source")
    if _text(source) and source not in sources:
        yield f"{where}: no source is called {source}"


def _shape(where: str, entry: Mapping[str, Any], shape: Shape) -> Iterator[str]:
    for name, (wanted, test) in shape.items():
        if name not in entry:
            yield f"{where}: {name} is missing"
        elif not test(entry[name]):
            yield f"{where}: {name} is {json.dumps(entry[name])[:60]}, not {wanted}"
    yield from (f"{where}: nothing is known as {name}" for name in entry if name not in shape)


def _ids(model: Mapping[str, Any]) -> Iterator[str]:
    for name in (model.get("id"), *(model.get("aliases") or ())):
        if isinstance(name, str):
            yield name.casefold()


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]
