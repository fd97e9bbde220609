"""Types as the JSON schema an answer must meet, and answers as values of these types."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import NoneType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import PydanticUserError, TypeAdapter, ValidationError, create_model
from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation

from lk_notebook.core.extract import candidates, extract_json
from lk_notebook.core.strict import is_strict, strict
from lk_notebook.core.validation import Quiet, portable, problems, validated
from lk_notebook.errors import SchemaError

__all__ = ["Schema", "extract_json", "read_schema"]

#: What pydantic and `typing` raise for a type that has no schema.
NO_SCHEMA = (PydanticUserError, PydanticSchemaGenerationError, PydanticUndefinedAnnotation, NameError, TypeError)
_KINDS = "Name a pydantic model, dataclass, TypedDict, Enum, Literal or list[…] of one."
_SAYS_A_TYPE = ("type", "properties", "$ref", "anyOf", "oneOf", "allOf", "enum", "const")
_SAYS_NOTHING: tuple[Any, ...] = ({}, {"type": "array"}, {"type": "array", "items": {}})
_FORMATS = ("text", "json_object", "json_schema")


@dataclass(frozen=True, slots=True)
class Schema:
    """What an answer must look like: the request's `response_format`, and how its text becomes the value."""

    name: str
    response_format: Mapping[str, Any]
    _validate: Callable[[str], Any] | None = field(default=None, repr=False)
    _field: str | None = field(default=None, repr=False)  # of the object in which a value travels that is none itself

    def parse(self, text: str) -> Any:
        """The value of an answer: an instance of the type; the plain JSON value where the schema was given as a dict.

        Example:
            >>> read_schema(list[int]).parse('{"items": [1, 2]}'), read_schema(Literal["a"]).parse('{"value": "a"}')
            ([1, 2], 'a')

        The JSON may stand in a fence or in prose, and the value alone where an object around it was asked for.

        Raises:
            SchemaError: there is no JSON, or it does not meet the type; it says where.
        """
        failed: ValidationError | None = None
        for value in candidates(text):
            if self._validate is None:
                return value
            try:
                return self._typed(self._validate, value)
            except ValidationError as error:
                failed = failed or error
        if failed is None:
            return extract_json(text)  # which tells why there is none
        what = f"The answer does not meet {self.name}: {problems(failed)}."
        raise SchemaError(what, "Its text is kept. Ask again, or allow for it in the type.") from failed

    def _typed(self, validate: Callable[[str], Any], value: Any) -> Any:
        if self._field is None:
            return validated(validate, value)
        wrapped = isinstance(value, dict) and value.keys() == {self._field}
        return getattr(validated(validate, value if wrapped else {self._field: value}), self._field)


def read_schema(kind: Any) -> Schema:
    """The schema of a type, written as LiveKit's SDK writes it, or the one that a dict already is.

    Example:
        >>> read_schema(Literal["a", "b"]).response_format["json_schema"]["schema"]["properties"]
        {'value': {'enum': ['a', 'b'], 'type': 'string'}}

    An answer is an object. What is none travels as the one field of an object: `items` for a list, set or tuple,
    `value` for all else (Literal, Enum, a union, str, int…). Every field is required, also one with a default: the
    model has to say it. A dict is a JSON schema, a `json_schema` with its name, or a whole `response_format`.

    Raises:
        SchemaError: the type has no schema, or one without fields.
    """
    if isinstance(kind, Mapping):
        return _given(kind)
    if kind is None or isinstance(kind, str) or inspect.isroutine(kind):
        raise SchemaError(f"{_shown(kind)} is no type.", _KINDS)
    try:
        ported = portable(kind)
        name, adapter = _name(kind), TypeAdapter(ported)
        schema, holder = strict(adapter.json_schema(schema_generator=Quiet)), None
        if schema.get("type") != "object":
            holder = "items" if schema.get("type") == "array" else "value"
            fields: dict[str, Any] = {holder: (ported, ...)}
            adapter = TypeAdapter(create_model(name, **fields))
            schema = strict(adapter.json_schema(schema_generator=Quiet))
    except NO_SCHEMA as error:
        raise SchemaError(f"{_shown(kind)} cannot be a schema: {reason(error)}", _KINDS) from error
    if not schema.get("properties") or (holder and schema["properties"][holder] in _SAYS_NOTHING):
        raise SchemaError(f"{_shown(kind)} cannot be a schema: it names no fields.", f"{_KINDS} Or ask for -f json.")
    return Schema(name, _response_format(name, schema), adapter.validate_json, holder)


def reason(error: Exception) -> str:
    r"""Why pydantic makes no schema, in its first sentence, without the address of its documentation.

    Example:
        >>> reason(TypeError("No.\n\nFor further information visit https://errors.pydantic.dev/"))
        'No.'
    """
    said = re.split(r"\n\n?For further information|\. Set `arbitrary_types_allowed", str(error), maxsplit=1)[0].strip()
    return said if said.endswith(".") else f"{said}."


def _response_format(name: str, schema: Any, *, keeps_rules: bool = True) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"schema": schema, "name": name, "strict": keeps_rules}}


def _given(schema: Mapping[str, Any]) -> Schema:
    """A schema that is one already. It is copied: what the caller does with the dict later changes nothing here."""
    try:
        copied: dict[str, Any] = json.loads(json.dumps(schema, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise SchemaError(f"The schema is no JSON: {error}.", _KINDS) from error
    if copied.get("type") in _FORMATS:
        inner = copied.get("json_schema")
        return Schema(str(inner.get("name", "Answer")) if isinstance(inner, dict) else "Answer", copied)
    if isinstance(copied.get("schema"), dict) and "name" in copied:
        return Schema(str(copied["name"]), {"type": "json_schema", "json_schema": copied})
    if not any(key in copied for key in _SAYS_A_TYPE):
        raise SchemaError("The dict is no JSON schema: it has neither type nor properties.", _KINDS)
    name = _clean(str(copied.get("title", "Answer")))
    return Schema(name, _response_format(name, copied, keeps_rules=is_strict(copied)))


def _name(kind: Any) -> str:
    """The name the API asks for: the type's own; of list[Person] PersonList; of what has none Answer."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (list, set, frozenset) and inner:
        return _clean(f"{_name(inner[0])}List")
    if origin is not None and origin is not Literal and getattr(origin, "__name__", "") == "Annotated":
        return _name(inner[0])
    if origin is Union or (inner and NoneType in inner) or not isinstance(getattr(kind, "__name__", None), str):
        return "Answer"
    return _clean("Answer" if origin is Literal else kind.__name__)


def _clean(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]+", "_", name).strip("_")[:64] or "Answer"


def _shown(kind: Any) -> str:
    return kind.__name__ if isinstance(kind, type) else repr(kind)
