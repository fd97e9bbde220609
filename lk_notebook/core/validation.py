"""Values of a model held against Python types: pydantic, and its complaints in words that tell what to mend."""

from __future__ import annotations

import json
import sys
import typing
from collections.abc import Callable, Sequence
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import ValidationError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind
from typing_extensions import NotRequired, Required, TypedDict

from lk_notebook.errors import SchemaError

_MOST = 3  # complaints told at once
_SHOWN = 40  # characters of a value that is complained of


class Quiet(GenerateJsonSchema):
    """The JSON schema of a type, without a warning for a default that has no JSON: it would not be sent anyway."""

    ignored_warning_kinds: set[JsonSchemaWarningKind] = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012 - pydantic's own


def validated(validate: Callable[[str], Any], value: Any) -> Any:
    """The JSON value as the type that `validate` (pydantic's `validate_json`) makes of it.

    A null where the type has none stands for the default: so the strict dialect lets a model leave something out.

    Raises:
        ValidationError: it does not fit; `problems` says it in words.
        SchemaError: a validator of the type fails in another way.
    """
    try:
        return _validated(validate, value)
    except ValidationError as error:
        if not _drop_nulls(value, error):
            raise
    return _validated(validate, value)


def _validated(validate: Callable[[str], Any], value: Any) -> Any:
    try:
        return validate(_text(value))
    except ValidationError:
        raise
    except Exception as error:  # a validator of the user's own may raise anything
        raise SchemaError(f"A validator fails: {type(error).__name__}: {error}", "Mend the validator.") from error


def problems(error: ValidationError) -> str:
    """What is wrong and where, the first three.

    Example:
        >>> from pydantic import TypeAdapter
        >>> try: TypeAdapter(dict[str, int]).validate_python({"age": "old"})
        ... except ValidationError as error: problems(error)
        "age: input should be a valid integer, unable to parse string as an integer (got 'old')"
    """
    found = error.errors(include_url=False, include_context=False)
    told = []
    for one in found[:_MOST]:
        path, said = _path(one["loc"]), one["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        said = said[:1].lower() + said[1:] if said[1:2].islower() else said
        got = (
            ""
            if one["type"] == "missing" or isinstance(one["input"], dict | list)
            else f" (got {_short(one['input'])})"
        )
        told.append(f"{path}: {said}{got}" if path else f"{said}{got}")
    more = f"; and {len(found) - _MOST} more" if len(found) > _MOST else ""
    return "; ".join(told) + more


def _path(loc: Sequence[int | str]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc).removeprefix(".")


def _short(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN else shown[: _SHOWN - 1] + "…"


def _text(value: Any) -> str:
    """JSON text that pydantic reads: it refuses half a surrogate pair, which models do send."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _drop_nulls(value: Any, error: ValidationError) -> bool:
    """Whether there were fields with a null that their type does not take; they are gone from `value` now."""
    dropped = False
    for one in error.errors(include_url=False, include_context=False):
        holder = _holder(value, one["loc"]) if one["input"] is None else {}
        if holder and holder.get(one["loc"][-1], ...) is None:
            del holder[one["loc"][-1]]
            dropped = True
    return dropped


def _holder(value: Any, loc: Sequence[int | str]) -> dict[Any, Any]:
    """The object that has the last part of the path as a field; {} where there is none."""
    found = {}
    for part in loc:  # in a union the path also names types, which the value does not hold
        if isinstance(value, dict) and part in value:
            found, value = value, value[part]
        elif isinstance(value, list) and isinstance(part, int) and part < len(value):
            found, value = {}, value[part]
        else:
            found = {}
    return found


def portable(kind: Any) -> Any:
    """The type in a form that pydantic takes: before Python 3.12 it refuses typing's own TypedDict, also inside."""
    return kind if sys.version_info >= (3, 12) else _ported(kind, {})


def _ported(kind: Any, known: dict[Any, Any]) -> Any:
    if typing.is_typeddict(kind) and type(kind).__module__ == "typing":
        if kind not in known:
            known[kind] = kind  # a type that holds itself stays as it is inside
            known[kind] = _ported_dict(kind, known)
        return known[kind]
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return Annotated.__class_getitem__((_ported(inner[0], known), *inner[1:]))
    if origin in (Union, UnionType):
        return Union[tuple(_ported(one, known) for one in inner)]  # noqa: UP007 - made while running
    if origin in (list, dict, tuple, set, frozenset):
        return origin[tuple(_ported(one, known) for one in inner)]
    return kind


def _ported_dict(kind: Any, known: dict[Any, Any]) -> Any:
    fields = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        said = get_origin(hint)
        needed = said is Required or (said is not NotRequired and name in kind.__required_keys__)
        inner = _ported(get_args(hint)[0] if said in (Required, NotRequired) else hint, known)
        fields[name] = Required[inner] if needed else NotRequired[inner]
    made: Any = TypedDict(kind.__name__, fields)  # type: ignore[misc]
    made.__doc__, made.__module__ = kind.__doc__, kind.__module__
    return made
