"""How the rows of a table came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from lk_notebook.core.values import Usage
from lk_notebook.errors import LkError
from lk_notebook.mapping import Done


class Errors:
    """The rows that failed, in their order, by label; of equal labels each row stands for itself.

    Example:
        >>> errors = Errors(); errors.add(4, "x", LkError("No.")); errors.add(7, "x", LkError("No."))
        >>> list(errors), errors.positions
        (['x', 'x'], [4, 7])

    It reads like a dict: `errors[label]` is the first error of that label. `df.iloc[errors.positions]` are the rows.
    """

    def __init__(self) -> None:
        self._rows: list[tuple[int, Any, LkError]] = []
        self._first: dict[Any, LkError] = {}

    def add(self, position: int, label: Any, error: LkError) -> None:
        """One more row that failed."""
        self._rows.append((position, label, error))
        self._first.setdefault(label, error)

    @property
    def positions(self) -> list[int]:
        """Where the rows stand, counted from 0."""
        return [position for position, _, _ in self._rows]

    def keys(self) -> list[Any]:
        """The labels, of every row."""
        return [label for _, label, _ in self._rows]

    def values(self) -> list[LkError]:
        """The errors, of every row."""
        return [error for _, _, error in self._rows]

    def items(self) -> list[tuple[Any, LkError]]:
        """Label and error of every row."""
        return [(label, error) for _, label, error in self._rows]

    def get(self, label: Any, default: LkError | None = None) -> LkError | None:
        """The first error of a label, or the default."""
        return self._first.get(label, default)

    def __getitem__(self, label: Any) -> LkError:
        return self._first[label]

    def __contains__(self, label: Any) -> bool:
        return label in self._first

    def __iter__(self) -> Iterator[Any]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self._rows)

    def __eq__(self, other: object) -> bool:
        return self._rows == other._rows if isinstance(other, Errors) else self._first == other

    __hash__ = None  # type: ignore[assignment] # it grows

    def __repr__(self) -> str:
        return f"{{{', '.join(f'{label!r}: {error!r}' for label, error in self.items())}}}"


@dataclass(slots=True)
class Report:
    """How the rows came: errors by label, usage, cost in US dollars, seconds, and how many were asked."""

    rows: int = 0
    asked: int = 0
    duplicates: int = 0
    remembered: int = 0
    errors: Errors = field(default_factory=Errors)
    usage: Usage = field(default_factory=Usage)
    cost: float | None = None
    seconds: float = 0.0
    agreement: Any = None
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Something the user should know, once."""
        if text not in self.notes:
            self.notes.append(text)

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
