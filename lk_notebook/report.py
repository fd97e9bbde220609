"""How the rows of a table came."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from lk_notebook.core.values import Usage
from lk_notebook.errors import LkError
from lk_notebook.mapping import Done


@dataclass(slots=True)
class Report:
    """How the rows came: errors by label, usage, cost in US dollars, seconds, and how many were asked."""

    rows: int = 0
    asked: int = 0
    duplicates: int = 0
    remembered: int = 0
    errors: dict[Any, LkError] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    cost: float | None = None
    seconds: float = 0.0
    agreement: Any = None
    notes: list[str] = field(default_factory=list)

    def __deepcopy__(self, _memo: dict[int, Any]) -> Report:
        return self  # pandas copies attrs deeply at every step; a report does not change


def agreement(found: list[Done], count: int) -> Any:
    """The share that said the most frequent value; per field, where values have fields."""
    fields = [_fields(done.value) for done in found]
    if not all(fields):
        return count / len(found)
    names = fields[0].keys()
    return {name: Counter(repr(each.get(name)) for each in fields).most_common(1)[0][1] / len(found) for name in names}


def _fields(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    return dict(vars(value)) if hasattr(value, "__dict__") else {}
