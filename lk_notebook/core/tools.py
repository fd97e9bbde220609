"""Functions of the notebook as tools: what the model is told of them, and its arguments as their types want them."""

from __future__ import annotations

import functools
import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import CellType, SimpleNamespace
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints, overload

from pydantic import BaseModel, Field, TypeAdapter, ValidationError, create_model
from pydantic.fields import FieldInfo

from lk_notebook.core import docstrings
from lk_notebook.core.results import result_text
from lk_notebook.core.schemas import NO_SCHEMA, reason
from lk_notebook.core.strict import strict
from lk_notebook.core.validation import Quiet, portable, problems, validated
from lk_notebook.errors import SchemaError

__all__ = ["Tool", "read_tool", "read_tools", "result_text", "tool"]

_F = TypeVar("_F", bound=Callable[..., Any])
_CONFIRM = "__lk_confirm__"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MOST = 128  # tools of one request (OpenAI API reference)
_WRAP = "Wrap it in a function of your own."
_TOLD_BY_DEFAULT = (bool, int, float, str)


@dataclass(frozen=True, slots=True)
class Tool:
    """A function the model may call; `schema` is its entry in the request's `tools`."""

    name: str
    function: Callable[..., Any]
    schema: Mapping[str, Any]
    confirm: bool = False
    is_async: bool = False
    _model: type[BaseModel] = field(default=BaseModel, repr=False)
    _parameters: tuple[_Parameter, ...] = field(default=(), repr=False)

    def arguments(self, text: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The arguments of a call, from the JSON text that the model sent, as the function takes them.

        Example:
            >>> def add(a: int, b: int = 1) -> int: ...
            >>> read_tool(add).arguments('{"a": 2, "b": null}')
            ((), {'a': 2})

        An empty text is a call without arguments. Null stands for the default where the type has no None of its own.

        Raises:
            SchemaError: they do not fit; its text is for the model.
        """
        try:
            found = validated(self._model.model_validate_json, self._object(text))
        except ValidationError as error:
            what = f"The arguments of {self.name} do not fit: {problems(error)}."
            raise SchemaError(what, f"Call {self.name} again with arguments that fit.") from error
        positional, named = [], {}
        for one in self._parameters:
            given = one.key in found.model_fields_set or not one.has_default
            if one.kind is inspect.Parameter.POSITIONAL_ONLY:
                positional.append(getattr(found, one.key) if given else one.default)
            elif given:
                named[one.name] = getattr(found, one.key)
        return tuple(positional), named

    def _object(self, text: str) -> dict[str, Any]:
        again = f"Call {self.name} again with one JSON object."
        try:
            value = json.loads(text, strict=False) if text.strip() else {}
            value = json.loads(value) if isinstance(value, str) else value  # some providers encode twice
        except (ValueError, RecursionError) as error:
            raise SchemaError(f"The arguments of {self.name} are no JSON: {error}.", again) from error
        if not isinstance(value, dict | None):
            raise SchemaError(f"The arguments of {self.name} are no JSON object.", again)
        return value or {}


@dataclass(frozen=True, slots=True)
class _Parameter:
    """A parameter of the function; `key` is its field in the pydantic model, which names of pydantic cannot meet."""

    name: str
    key: str
    kind: Any
    hint: Any
    default: Any

    @property
    def has_default(self) -> bool:
        return self.default is not inspect.Parameter.empty


@overload
def tool(function: _F, *, confirm: bool = ...) -> _F: ...
@overload
def tool(function: None = ..., *, confirm: bool = ...) -> Callable[[_F], _F]: ...
def tool(function: _F | None = None, *, confirm: bool = False) -> _F | Callable[[_F], _F]:
    """Mark a function as a tool; with `confirm` the user is asked before each call.

    Example:
        >>> @tool(confirm=True)
        ... def delete(path: str) -> None: ...
        >>> read_tool(delete).confirm
        True

    The function itself is returned and works as before. Only `confirm` needs the mark: any function can be a tool.

    Raises:
        SchemaError: it takes no mark, as a method of an object does.
    """
    if function is None:
        return functools.partial(tool, confirm=confirm)
    try:
        setattr(function, _CONFIRM, confirm)
    except AttributeError as error:
        raise SchemaError(f"{function!r} cannot be marked.", "Mark it where it is defined, with def.") from error
    return function


def read_tools(functions: Iterable[Any]) -> dict[str, Tool]:
    """The tools by their names.

    Raises:
        SchemaError: one cannot be a tool, two have one name, or they are more than 128.
    """
    tools: dict[str, Tool] = {}
    for function in functions:
        made = read_tool(function)
        if made.name in tools:
            raise SchemaError(f"Two tools are named {made.name}.", "Rename one: the model calls them by name.")
        tools[made.name] = made
    if len(tools) > _MOST:
        raise SchemaError(f"{len(tools)} tools are too many.", f"Offer at most {_MOST}.")
    return tools


def read_tool(function: Any) -> Tool:
    """What the model is told of a function, from its signature, its annotations and its docstring.

    Example:
        >>> def add(a: int, b: int = 1) -> int:
        ...     '''Add two numbers.'''
        >>> read_tool(add).schema["function"]["parameters"]["properties"]
        {'a': {'type': 'integer'}, 'b': {'type': ['integer', 'null']}}

    Takes a function, sync or async, a bound method, an object with `__call__`, a `functools.partial` (what it binds is
    not told), and what LiveKit's `function_tool` made. An argument without annotation counts as the type of its
    default where that is a bool, int, float or str. The schema is the one that LiveKit's SDK sends.

    Raises:
        SchemaError: it cannot be a tool: the error says why.
    """
    layers = _layers(function)
    name, plain = _name(layers), layers[-1]
    _check(function, plain, name)
    docs = docstrings.read(plain.__doc__ or (type(layers[-2]).__doc__ if plain.__name__ == "__call__" else ""))
    parameters = _parameters(layers, name)
    model, schema = _schema(name, parameters, docs.arguments)
    about = {"name": name, "strict": True, "description": docs.description, "parameters": schema}
    confirm = any(getattr(layer, _CONFIRM, False) for layer in layers)
    is_async = inspect.iscoroutinefunction(next(layer for layer in layers if inspect.isroutine(layer)))
    return Tool(name, function, {"type": "function", "function": about}, confirm, is_async, model, parameters)


def _check(function: Any, plain: Any, name: str) -> None:
    """Refuses what no model could call."""
    if not callable(function) or inspect.isclass(function):
        what = f"{name} is a class." if callable(function) else f"{function!r} is no function."
        raise SchemaError(what, "Give a function, a method, or an object with __call__.")
    if not _NAME.fullmatch(name):
        what = "A lambda has no name" if name == "<lambda>" else f"{name} is no name"
        raise SchemaError(f"{what} by which a model could call it.", "Define it with def: a-z, 0-9, _, at most 64.")
    if inspect.isgeneratorfunction(plain) or inspect.isasyncgenfunction(plain):
        raise SchemaError(f"{name} yields, so it has no result to send.", "Return a list.")


def _layers(function: Any) -> list[Any]:
    """The callable, what a partial, an object or a decorator hides in it, and at last the function that was written."""
    layers = [function]
    while isinstance(layers[-1], functools.partial):
        layers.append(layers[-1].func)
    plain = inspect.unwrap(layers[-1])
    if plain is layers[-1] and callable(plain) and not inspect.isroutine(plain) and not inspect.isclass(plain):
        plain = type(plain).__call__
    return layers if plain is layers[-1] else [*layers, plain]


def _name(layers: list[Any]) -> str:
    names = [getattr(layer, "__name__", None) for layer in layers]
    found = next((name for name in names if isinstance(name, str) and name != "__call__"), None)
    return found or type(layers[-1] if len(layers) == 1 else layers[-2]).__name__


def _parameters(layers: list[Any], name: str) -> tuple[_Parameter, ...]:
    function, bound = (
        layers[0],
        {key for layer in layers if isinstance(layer, functools.partial) for key in layer.keywords},
    )
    hides = isinstance(function, functools.partial) and hasattr(function, "__wrapped__")  # a wrapped partial binds too
    try:
        signature = inspect.signature(function, follow_wrapped=not hides)
    except (ValueError, TypeError) as error:
        raise SchemaError(f"{name} does not tell its arguments.", _WRAP) from error
    found: list[_Parameter] = []
    for one in signature.parameters.values():
        if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD):
            stars = "*" if one.kind is one.VAR_POSITIONAL else "**"
            what = f"{name} takes {stars}{one.name}, so a model cannot know its arguments."
            raise SchemaError(what, "Name each argument; a decorator needs functools.wraps.")
        if one.name not in bound:
            hint = _hint(one, layers[-1], name)
            found.append(_Parameter(one.name, f"argument{len(found)}", one.kind, hint, one.default))
    return tuple(found)


def _hint(parameter: inspect.Parameter, plain: Any, name: str) -> Any:
    """The type of a parameter, also where its annotation is a text, or its default tells it."""
    if parameter.annotation is parameter.empty:
        if type(parameter.default) in _TOLD_BY_DEFAULT:
            return type(parameter.default)
        mend = f"Annotate it: {parameter.name}: str." if hasattr(plain, "__globals__") else _WRAP
        raise SchemaError(f"{name} does not say what {parameter.name} is.", mend)
    holder = SimpleNamespace(__annotations__={"it": parameter.annotation})
    try:
        hints = get_type_hints(holder, getattr(plain, "__globals__", {}), _enclosing(plain), include_extras=True)
        return portable(hints["it"])
    except Exception as error:  # an annotation is an expression of the user's own
        what = f"{name}: the annotation of {parameter.name} fails: {type(error).__name__}: {error}"
        raise SchemaError(what, "Define its type before the function is offered.") from error


def _enclosing(plain: Any) -> dict[str, Any]:
    """What the function sees of the functions around it."""
    cells = (
        dict(zip(plain.__code__.co_freevars, plain.__closure__ or (), strict=True)) if inspect.isfunction(plain) else {}
    )
    return {name: cell.cell_contents for name, cell in cells.items() if cell != CellType()}  # an empty one equals it


def _schema(
    name: str, parameters: tuple[_Parameter, ...], said: dict[str, str]
) -> tuple[type[BaseModel], dict[str, Any]]:
    fields = {one.key: (one.hint, _field(one, said.get(one.name))) for one in parameters}
    try:
        model: type[BaseModel] = create_model(name, __config__={"extra": "forbid"}, **fields)  # type: ignore[call-overload]
        return model, strict(model.model_json_schema(schema_generator=Quiet), nullable_defaults=True)
    except NO_SCHEMA as error:
        culprit = next((one.name for one in parameters if not _has_schema(one.hint)), None)
        what = f"{name} cannot be a tool: " + (f"{culprit}: {reason(error)}" if culprit else reason(error))
        mend = (
            f"Take text, numbers, lists or a dataclass, or bind it: functools.partial({name}, {culprit or 'name'}=…)."
        )
        raise SchemaError(what, mend) from error


def _field(parameter: _Parameter, said: str | None) -> Any:
    """The field of a parameter. Its default is not pydantic's affair: the function has it, and it is not sent."""
    notes = [note for note in get_args(parameter.hint)[1:] if isinstance(note, FieldInfo)]
    notes = notes if get_origin(parameter.hint) is Annotated else []
    about: dict[str, Any] = {"alias": next((note.alias for note in notes if note.alias), parameter.name)}
    if said and not any(note.description for note in notes):
        about["description"] = said
    if parameter.has_default:
        about["default"] = None
    return Field(**about)


def _has_schema(hint: Any) -> bool:
    try:
        TypeAdapter(hint).json_schema(schema_generator=Quiet)
    except NO_SCHEMA:
        return False
    return True
