"""The settings of a panel as a form that fits its model: which fields it has, and what is typed into them, read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lk_notebook.core import catalogue, parameters, taken
from lk_notebook.core.literals import literal
from lk_notebook.core.parameter_names import KNOWN
from lk_notebook.core.values import Setup
from lk_notebook.errors import ConfigurationError

#: The parameters that have a field of their own, in its order; all others are typed into the last field, one a line.
FIELDS = (
    "reasoning_effort",
    "verbosity",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "seed",
)
OTHERS = "others"
#: Parameters that may carry a key: they are set from Python, and never shown.
HIDDEN = ("extra_headers",)


@dataclass(frozen=True, slots=True)
class Field:
    """One field: a choice where it has `values`, else a number, or lines of text."""

    name: str
    kind: str
    value: str = ""
    values: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    note: str = ""


def fields(models: Sequence[str], extra_kwargs: Mapping[str, Any], *, tools: bool) -> list[Field]:
    """The fields that any of the models takes, with what is set; what none of them takes has none.

    Example:
        >>> [field.name for field in fields(["openai/gpt-5"], {}, tools=False)]
        ['reasoning_effort', 'verbosity', 'max_completion_tokens', 'seed', 'others']
    """
    given = {name: _text(value) for name, value in extra_kwargs.items()}
    found: dict[str, Field] = {}
    for model_id in models:
        for field in _fields(model_id, extra_kwargs, given, tools=tools):
            same = found.get(field.name, field)
            values = tuple(dict.fromkeys((*same.values, *field.values)))
            found[field.name] = replace(same, values=values, note=same.note or field.note)
    return [found[name] for name in (*FIELDS, OTHERS) if name in found]


def _fields(model_id: str, extra: Mapping[str, Any], given: Mapping[str, str], *, tools: bool) -> Iterator[Field]:
    setup = Setup(model_id, extra_kwargs=extra)
    open_ = set(taken.names([setup], {}, tools=tools))
    model = catalogue.find(model_id)
    for name in FIELDS:
        known, value = KNOWN[name], given.get(name, "")
        if name not in open_:
            continue
        values = tuple(taken.values(name, [setup], {}, tools=tools))
        if value and values and value not in values:
            values = (*values, value)
        counts = name == "max_completion_tokens" and model is not None and model.reasoning
        note = "Counts reasoning tokens too." if counts else _range(known.low, known.high)
        yield Field(name, known.kind, value, values, known.low, known.high, note)
    others = [f"{name}={value}" for name, value in given.items() if name not in (*FIELDS, *HIDDEN)]
    note = "One KEY=VALUE a line; further parameters of the Chat Completions API."
    yield Field(OTHERS, "lines", "\n".join(others), note=note)


def dead(models: Sequence[str], extra_kwargs: Mapping[str, Any], *, tools: bool) -> list[str]:
    """What stands in the place of the fields that a model does not take.

    Example:
        >>> dead(["openai/gpt-5"], {"temperature": 1}, tools=False)
        ['openai/gpt-5 takes no temperature, top_p. Not sent: temperature=1.']
    """
    return list(filter(None, (_dead(model, extra_kwargs, tools=tools) for model in dict.fromkeys(models))))


def _dead(model_id: str, extra_kwargs: Mapping[str, Any], *, tools: bool) -> str:
    open_ = taken.names([Setup(model_id, extra_kwargs=extra_kwargs)], {}, tools=tools)
    names = [name for name in FIELDS if name not in open_]
    unsent = ", ".join(f"{name}={_text(extra_kwargs[name])}" for name in names if name in extra_kwargs)
    told = f"{model_id} takes no {', '.join(names)}." if names else ""
    return f"{told} Not sent: {unsent}." if unsent else told


def _range(low: float | None, high: float | None) -> str:
    return f"{low:g} to {high:g}" if low is not None and high is not None else ""


def change(extra_kwargs: Mapping[str, Any], name: str, text: str) -> dict[str, Any]:
    r"""The parameters after one field was filled in; an empty field leaves its parameter out.

    Example:
        >>> change({"seed": 7}, "temperature", "0.5"), change({"seed": 7}, "others", "stop=[1]\nn=2")
        ({'seed': 7, 'temperature': 0.5}, {'seed': 7, 'stop': [1], 'n': 2})

    Raises:
        ConfigurationError: a value is out of its range, or none of its kind; a line has no KEY=VALUE.
    """
    if name == OTHERS:
        kept = {key: value for key, value in extra_kwargs.items() if key in (*FIELDS, *HIDDEN)}
        changed = kept | dict(_line(line) for line in text.splitlines() if line.strip())
    else:
        changed = dict(extra_kwargs)
        changed.pop(name, None)
        if text.strip():
            changed[name] = _value(name, text)
    parameters.check(changed)
    return changed


def _line(line: str) -> tuple[str, Any]:
    name, equals, text = line.partition("=")
    if not equals or not name.strip().isidentifier():
        raise ConfigurationError(f"{line.strip()} is no KEY=VALUE.", "Write one parameter a line: top_k=40.")
    if name.strip() in FIELDS:
        raise ConfigurationError(f"{name.strip()} has a field of its own.", "Fill in that one.")
    return name.strip(), literal(text, name.strip())


def _value(name: str, text: str) -> Any:
    """What was typed into a field, within its limits."""
    known, value = KNOWN[name], literal(text, name)
    if known.kind == "choice":
        return text.strip()
    whole = known.kind == "integer"
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise ConfigurationError(f"{name} is a {'whole ' if whole else ''}number, not {text.strip()}.", "Mend it.")
    low, high = known.low, known.high
    if (low is not None and value < low) or (high is not None and value > high):
        limits = f"from {low:g} to {high:g}" if high is not None else f"{low:g} or more"
        raise ConfigurationError(f"{name} is {limits}, not {text.strip()}.", "Mend it, or leave the field empty.")
    return value


def _text(value: Any) -> str:
    """A value as it is typed: what `literal` reads back."""
    if isinstance(value, str):
        return value if literal(value) == value and value == value.strip() and "\n" not in value else repr(value)
    return repr(value)


def summary(models: Sequence[str], extra_kwargs: Mapping[str, Any], system: str | None, *, tools: bool) -> str:
    """What is set, on one line: of the parameters those that any of the models takes.

    Example:
        >>> summary(["openai/gpt-5-mini"], {"reasoning_effort": "low", "temperature": 1}, None, tools=False)
        'no system prompt · reasoning_effort=low'
    """
    fit = {name for model in models for name in fitting(model, extra_kwargs, tools=tools)[0]}
    told = [f"{name}={_text(value)}" for name, value in extra_kwargs.items() if name in fit and name not in HIDDEN]
    hidden = [name for name in extra_kwargs if name in HIDDEN]
    first = " ".join(system.split())[:60] if system and system.strip() else "no system prompt"
    return " · ".join([first, *told, *hidden])


def fitting(model_id: str, extra_kwargs: Mapping[str, Any], *, tools: bool) -> tuple[dict[str, Any], list[str]]:
    """The parameters that the model takes of those that have a field, and which of them are left out.

    They stay set in the panel, for the model that takes them.
    """
    open_ = taken.names([Setup(model_id, extra_kwargs=extra_kwargs)], {}, tools=tools)
    fit = {name: value for name, value in extra_kwargs.items() if name not in FIELDS or name in open_}
    return fit, [name for name in extra_kwargs if name not in fit]
