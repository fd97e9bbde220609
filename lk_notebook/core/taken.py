"""Which parameters a model takes, and which values of them: for Tab and for forms. What is sent, `parameters` decides.

LiveKit's rules and the catalogue decide; what nobody knows counts as taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lk_notebook.core import catalogue, parameters
from lk_notebook.core.grid import Cell, Grid
from lk_notebook.core.parameter_names import CHAT_COMPLETIONS, EFFORTS, KNOWN
from lk_notebook.core.values import Setup

HEADS = ("Parameter", "Values", "Note")

_EFFORT = "reasoning_effort"


def names(setups: Sequence[Setup], given: Mapping[str, str], *, tools: bool, all_: bool = True) -> list[str]:
    """The names that one of these takes, and that are not given yet.

    Example:
        >>> [name for name in names([Setup("openai/gpt-5-mini")], {"seed": "7"}, tools=False) if name[0] in "st"]
        ['stop', 'service_tier', 'store', 'safety_identifier']

    Args:
        setups: the models, with the parameters they bring.
        given: KEY=VALUE of the line, as typed.
        tools: whether tools are offered: some parameters are for them, some models take others only without.
        all_: other servers' own names too, for models that the catalogue does not know.
    """
    found = dict.fromkeys(name for setup in setups for name in _taken(setup, given, tools=tools, all_=all_))
    return [name for name in found if name not in given]


def _taken(setup: Setup, given: Mapping[str, str], *, tools: bool, all_: bool) -> Iterator[str]:
    model_id = setup.model or ""
    model = catalogue.find(model_id)
    candidates = KNOWN if all_ and model is None else CHAT_COMPLETIONS
    effort = given.get(_EFFORT, setup.extra_kwargs.get(_EFFORT))
    effort = effort.strip("\"'") if isinstance(effort, str) else effort
    sent, _ = parameters.trim(model_id, {**dict.fromkeys(candidates), _EFFORT: effort}, has_tools=tools)
    never = set()
    if model is not None and model.reasoning is False:
        never.add(_EFFORT)
    if model is not None and model.temperature is False and effort != "none":
        never.add("temperature")
    return (name for name in candidates if name in sent and name not in never)


def values(name: str, setups: Sequence[Setup], given: Mapping[str, str], *, tools: bool) -> list[str]:
    """The values of one parameter, where there are but a few; none where the model does not take it.

    Example:
        >>> values("reasoning_effort", [Setup("openai/gpt-oss-120b")], {}, tools=False)
        ['low', 'medium', 'high']
    """
    takers = [setup for setup in setups if name in names([setup], given, tools=tools)]
    if not takers or name not in KNOWN:
        return []
    if name == _EFFORT:
        known = [model.efforts for setup in takers if (model := catalogue.find(setup.model or "")) and model.efforts]
        return [effort for effort in EFFORTS if all(effort in efforts for efforts in known)]
    parameter = KNOWN[name]
    return ["true", "false"] if parameter.kind == "boolean" else list(parameter.values)


def grid(model_id: str) -> Grid:
    """Every parameter of Chat Completions with its values, and whether the model takes it; dim: it does not.

    Example:
        >>> rows = {row[0].text: row for row in grid("openai/gpt-5-mini").rows}
        >>> rows["reasoning_effort"][1].text, rows["temperature"][2].text
        ('minimal, low, medium, high', 'left out: the model does not take it')
    """
    setup = Setup(model_id)
    alone, offered = (names([setup], {}, tools=tools, all_=False) for tools in (False, True))
    rows = [_row(name, setup, name in alone, name in offered) for name in CHAT_COMPLETIONS]
    return Grid(f"{model_id}: what it takes", HEADS, rows, folding={1: 160, 2: 160})


def _row(name: str, setup: Setup, alone: bool, offered: bool) -> list[Cell | None]:  # noqa: FBT001 - two facts
    notes = {
        (True, True): "",
        (False, True): "only with tools",
        (True, False): "left out with tools",
        (False, False): "left out: the model does not take it",
    }
    dim = not (alone or offered)
    shown = ", ".join(values(name, [setup], {}, tools=offered and not alone)) or _range(name)
    return [Cell(name, dim=dim), Cell(shown, dim=dim), Cell(notes[alone, offered], dim=dim)]


def _range(name: str) -> str:
    """The kind of a value, and its limits."""
    parameter = KNOWN[name]
    low, high = (None if end is None else f"{end:g}" for end in (parameter.low, parameter.high))
    kind = "" if parameter.kind == "any" else parameter.kind
    limits = f"{low} to {high}" if low and high else f"from {low} on" if low else ""
    return " ".join(part for part in (kind, limits) if part)
