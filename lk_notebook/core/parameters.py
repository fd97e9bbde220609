"""extra_kwargs: which names are known, what cannot be sent, what a model does not take.

Rules are rows. What is left out for which model: `livekit.agents.inference.llm`, livekit-agents 1.8.9.
"""

from __future__ import annotations

import copy
import difflib
import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lk_notebook.core import catalogue
from lk_notebook.core.parameter_names import KNOWN, OWNED, Parameter
from lk_notebook.errors import ConfigurationError

__all__ = [
    "CAN_REST",
    "KNOWN",
    "NO_EFFORT_WITH_TOOLS",
    "OWNED",
    "RULES",
    "Parameter",
    "Rule",
    "check",
    "near_miss",
    "trim",
]

# Fields of OWNED that may stand in extra_body: tools that the server itself runs have no other way in.
_BODY_MAY_HOLD = frozenset({"tools", "stream_options"})

_SAMPLING = frozenset({"temperature", "top_p"})
_REASONING = _SAMPLING | {"presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs", "n"}
_GPT6 = (_REASONING - {"n"}) | {"stop"}
_GROK = frozenset({"presence_penalty", "frequency_penalty", "stop"})


@dataclass(frozen=True, slots=True)
class Rule:
    """What the models whose name starts so do not take, and what of it they take at `reasoning_effort` none."""

    prefix: str
    left_out: Collection[str]
    taken_at_none: Collection[str] = ()


#: The first that matches the id after its last slash holds.
RULES = (
    Rule("o1", _REASONING),
    Rule("o3", _REASONING),
    Rule("o4", _REASONING),
    Rule("gpt-5", _REASONING, taken_at_none=_SAMPLING),
    Rule("gpt-6", _GPT6, taken_at_none=_GPT6),
    Rule("grok-4-1-fast-reasoning", _GROK),
    Rule("grok-4.20-0309-reasoning", _GROK),
    Rule("grok-4.20-multi-agent", _GROK),
)

#: Exact names, since a prefix would take in models that always reason: gpt-6.1-sol, gpt-5.1-chat-latest.
CAN_REST = (
    *("gpt-5.1", "gpt-5.2", "gpt-5.4", "gpt-5.4-mini", "gpt-5.4-nano", "gpt-5.5"),
    *("gpt-5.6-luna", "gpt-5.6-sol", "gpt-5.6-terra", "gpt-6-luna", "gpt-6-sol"),
)

#: Models whose names start so take no reasoning_effort together with tools.
NO_EFFORT_WITH_TOOLS = ("gpt-5.2", "gpt-5.4")

#: Parameters that say something about tools, and are refused where there are none.
_OF_TOOLS = frozenset({"tool_choice", "parallel_tool_calls"})

_NEAR = 0.85  # "temprature" is 0.95 near, "max_token" 0.95; "top_n" is 0.8 near to top_k and may be a name of its own
_SHORTEST = 4  # shorter names are all near to each other
_DEEPEST = 100
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_SURROGATE = re.compile("[\ud800-\udfff]")


def near_miss(name: str) -> str | None:
    """The known name that was probably meant, or None where the name is known, or like no other.

    Example:
        >>> near_miss("temprature"), near_miss("maxTokens"), near_miss("top_k"), near_miss("my_field")
        ('temperature', 'max_tokens', None, None)
    """
    if name in KNOWN or name in OWNED:
        return None
    if len(name) < _SHORTEST:
        return None
    found = difflib.get_close_matches(name.casefold(), [*KNOWN, *OWNED], n=1, cutoff=_NEAR)
    return found[0] if found else None


def check(extra_kwargs: Mapping[str, Any]) -> None:
    """Refuse what cannot be sent; every other name passes, known or not.

    Example:
        >>> check({"temperature": 0.5, "my_servers_own_field": [1, 2]})

    Raises:
        ConfigurationError: a name is a near miss of a known one or a field of the call's own, or a value is none that
            JSON, or a header, can carry. The error names the parameter, and never shows its value.
    """
    if not isinstance(extra_kwargs, Mapping):
        raise ConfigurationError("extra_kwargs is no dict.", 'Write extra_kwargs={"temperature": 0}.')
    for name, value in extra_kwargs.items():
        _check_name(name)
        if name in _EXTRAS:
            _check_extra(name, value)
        elif fault := _fault(value):
            mend = "Give a plain number, text, list or dict: int(…), float(…), list(…), .tolist()."
            if name == "response_format":
                mend = "Give a type with --schema, or as schema=… in Python."
            raise ConfigurationError(f"{name} holds {fault}.", mend)


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"{name!r} is no name of a parameter.", "Names are texts, such as temperature.")
    if name in OWNED:
        raise ConfigurationError(f"{name} is filled by the call itself and is no parameter.", OWNED[name])
    if meant := near_miss(name):
        mend = (
            OWNED.get(meant)
            or f'Write {meant}=…; a field that is really called so goes into extra_body={{"{name}": …}}.'
        )
        raise ConfigurationError(f"{name} is no known parameter: did you mean {meant}?", mend)


_EXTRAS = frozenset({"extra_headers", "extra_body", "extra_query"})


def _check_extra(name: str, value: Any) -> None:
    """The three dicts that go beside the named fields: into the headers, the body, the URL."""
    if value is None:
        return
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{name} is no dict.", f'Write {name}={{"NAME": "value"}}.')
    if fault := _fault(dict(value)):
        raise ConfigurationError(f"{name} holds {fault}.", "Give plain texts, numbers, lists and dicts.")
    if name == "extra_body":
        for field in value.keys() & (OWNED.keys() - _BODY_MAY_HOLD):
            raise ConfigurationError(f"{field} in extra_body is filled by the call itself.", OWNED[field])
    elif name == "extra_headers":
        for header, text in value.items():
            _check_header(header, text)


def _check_header(header: Any, text: Any) -> None:
    if not isinstance(header, str) or not _HEADER_NAME.fullmatch(header):
        raise ConfigurationError(f"extra_headers: {header!r} is no name of a header.", "Write it as in X-Trace.")
    if not isinstance(text, str) or not text.isascii() or not text.isprintable():
        mend = "A header carries one line of ASCII text; give it as a str."
        raise ConfigurationError(f"extra_headers: the value of {header} cannot stand in a header.", mend)


def _fault(value: Any, depth: int = 0) -> str | None:
    """What in a value JSON cannot carry, in words; None where all of it can be sent."""
    if isinstance(value, (list, tuple, dict)) and depth > _DEEPEST:
        return f"itself, or more than {_DEEPEST} levels"
    if isinstance(value, dict):
        return next(_faults([*value, *value.values()], depth), None) or _fault_of_keys(value)
    if isinstance(value, (list, tuple)):
        return next(_faults(value, depth), None)
    if isinstance(value, str):
        return "half a surrogate pair, which is no text" if _SURROGATE.search(value) else None
    sound = value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    return None if sound else f"{value if isinstance(value, float) else _kind(value)}, which JSON cannot carry"


def _fault_of_keys(value: dict[Any, Any]) -> str | None:
    keys = (key for key in value if not isinstance(key, (str, int, float, type(None))))
    return next((f"{_kind(key)} as the key of a dict, which JSON cannot carry" for key in keys), None)


def _faults(values: Collection[Any], depth: int) -> Iterator[str]:
    return (fault for value in values if (fault := _fault(value, depth + 1)))


def _kind(value: Any) -> str:
    kind = type(value)
    return f"a {kind.__qualname__}" if kind.__module__ == "builtins" else f"a {kind.__module__}.{kind.__qualname__}"


def trim(model_id: str, extra_kwargs: Mapping[str, Any], *, has_tools: bool) -> tuple[dict[str, Any], list[str]]:
    """What is sent of the parameters, and a line for each reason why some were left out.

    Example:
        >>> trim("openai/gpt-5-mini", {"temperature": 0.7, "seed": 1}, has_tools=False)
        ({'seed': 1}, ['temperature was left out: openai/gpt-5-mini does not take it.'])

    The result is a copy down to the last list: nothing that is done to it reaches the caller's dict. `extra_body` is
    sent as it stands. The rules are those of LiveKit's Python SDK, also where the catalogue knows better: one cell and
    the agent exported from it send one body.
    """
    sent = copy.deepcopy(dict(extra_kwargs))
    said: list[tuple[list[str], str]] = []
    name = model_id.rsplit("/", 1)[-1]
    if not has_tools:
        said.append((_take(sent, _OF_TOOLS), "no tools were offered."))
    elif name.startswith(NO_EFFORT_WITH_TOOLS):
        # The effort goes first: without it a model that was told not to reason takes no temperature either.
        said.append((_take(sent, ("reasoning_effort",)), f"{model_id} does not take it with tools."))
    if rule := next((rule for rule in RULES if name.startswith(rule.prefix)), None):
        can_rest = rule.taken_at_none if name in CAN_REST else ()
        kept = can_rest if sent.get("reasoning_effort") == "none" else ()
        gone = _take(sent, set(rule.left_out) - set(kept))
        said.extend(_reasons(model_id, rule, gone, can_rest))
    return sent, [f"{_were_left_out(names)}: {why}" for names, why in said if names]


def _reasons(
    model_id: str, rule: Rule, gone: Collection[str], can_rest: Collection[str]
) -> Iterator[tuple[list[str], str]]:
    """Why a rule left these out: what the model never takes, what it takes at rest, and where the rule is too wide."""
    model = catalogue.find(model_id)
    taken = [name for name in gone if name == "temperature" and model is not None and model.temperature]
    at_rest = [name for name in gone if name in can_rest and name not in taken]
    never = [name for name in gone if name not in can_rest and name not in taken]
    yield never, f"{model_id} does not take {_it(never)}."
    tools = ", without tools" if model_id.rsplit("/", 1)[-1].startswith(NO_EFFORT_WITH_TOOLS) else ""
    yield at_rest, f"{model_id} takes {_it(at_rest)} only with reasoning_effort=none{tools}."
    yield taken, f'LiveKit leaves it out for {rule.prefix}*; extra_body={{"temperature": …}} sends it all the same.'


def _take(sent: dict[str, Any], names: Collection[str]) -> list[str]:
    """Take these names out of the dict; which of them were there, in the order they were written."""
    gone = [name for name in sent if name in names]
    for name in gone:
        del sent[name]
    return gone


def _were_left_out(names: list[str]) -> str:
    listed = " and ".join([", ".join(names[:-1]), names[-1]] if names[1:] else names)
    return f"{listed} {'were' if names[1:] else 'was'} left out"


def _it(names: Collection[str]) -> str:
    return "them" if len(names) > 1 else "it"
