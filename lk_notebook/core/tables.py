"""Tables as Markdown for a prompt: DataFrames and Series of pandas and polars, lists of dicts, numpy arrays.

A small table is shown whole. Of a longer one the first rows and columns are, and a note says of how many; whoever wants
more writes it: `{{ df.to_csv() }}`. The libraries are recognised, never imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

_WHOLE_ROWS = 50  # so many are shown whole; pandas shows 60
_FIRST_ROWS = 20
_FIRST_COLUMNS = 20
_CELL = 200  # characters of one cell
_NUMPY_WHOLE = 1000  # numpy itself shortens larger arrays


@dataclass(frozen=True, slots=True)
class Table:
    """What is shown of a table, and how much there is of it."""

    columns: Sequence[Any]
    rows: Iterable[Sequence[Any]]
    all_rows: int
    all_columns: int


def text_of(value: Any, modules: Mapping[str, ModuleType]) -> str | None:
    """The value as Markdown where it is a table or an array, else None. `modules` is `sys.modules`.

    Example:
        >>> print(text_of([{"who": "ada", "age": 36}, {"who": "bob"}], {}))
        | who | age |
        | --- | --- |
        | ada | 36 |
        | bob |  |
    """
    pandas, polars, numpy = (modules.get(name) for name in ("pandas", "polars", "numpy"))
    if pandas is not None and isinstance(value, (pandas.DataFrame, pandas.Series)):
        return markdown(_of_pandas(value, pandas))
    if polars is not None and isinstance(value, (polars.DataFrame, polars.Series)):
        return markdown(_of_polars(value, polars))
    if numpy is not None and isinstance(value, numpy.ndarray):
        shape = " × ".join(map(_grouped, value.shape))
        return f"{value}\n\n(shortened, of {shape})" if value.size > _NUMPY_WHOLE else str(value)
    if isinstance(value, list) and value and all(isinstance(row, dict) and row for row in value):
        return markdown(_of_dicts(value))
    return None


def markdown(table: Table) -> str:
    """A Markdown table, with a note under it where something is left out.

    Example:
        >>> print(markdown(Table(["a"], [[1], [2]], 1200, 1)))
        | a |
        | --- |
        | 1 |
        | 2 |
        <BLANKLINE>
        (first 2 of 1 200 rows)
    """
    rows = list(table.rows)
    lines = [_line(table.columns), _line(["---"] * len(table.columns)), *map(_line, rows)]
    notes = [
        f"first {shown} of {_grouped(all_)} {what}"
        for shown, all_, what in (
            (len(rows), table.all_rows, "rows"),
            (min(table.all_columns, _FIRST_COLUMNS), table.all_columns, "columns"),
        )
        if shown < all_
    ]
    return "\n".join([*lines, "", f"({', '.join(notes)})"] if notes else lines)


def _line(cells: Iterable[Any]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(value: Any) -> str:
    """One cell on one line: a bar would end it, a line break the row."""
    text = " / ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    text = text if len(text) <= _CELL else text[: _CELL - 1] + "…"
    return "<br>".join(text.replace("|", r"\|").splitlines()).strip()


def _grouped(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def _shown(count: int) -> int:
    return count if count <= _WHOLE_ROWS else _FIRST_ROWS


def _of_pandas(value: Any, pandas: ModuleType) -> Table:
    """The index is shown where it says something: where it has a name, or does not just count."""
    frame = value
    if isinstance(value, pandas.Series):
        frame = value.to_frame("value" if value.name is None else value.name)
    rows, columns = frame.shape
    frame = frame.iloc[: _shown(rows), :_FIRST_COLUMNS]
    heads, cells = list(frame.columns), list(frame.itertuples(index=False, name=None))
    if not isinstance(frame.index, pandas.RangeIndex) or frame.index.name is not None:
        named = ["" if name is None else name for name in frame.index.names]
        levels = [key if isinstance(frame.index, pandas.MultiIndex) else (key,) for key in frame.index]
        heads, cells = [*named, *heads], [(*keys, *row) for keys, row in zip(levels, cells, strict=True)]
    return Table(heads, cells, rows, columns)


def _of_polars(value: Any, polars: ModuleType) -> Table:
    frame = value.to_frame(value.name or "value") if isinstance(value, polars.Series) else value
    rows, columns = frame.shape
    heads = frame.columns[:_FIRST_COLUMNS]
    return Table(heads, frame.select(heads).head(_shown(rows)).rows(), rows, columns)


def _of_dicts(rows: Sequence[Mapping[Any, Any]]) -> Table:
    """Columns in the order in which the rows bring them; a field that a row lacks stays empty."""
    heads = list(dict.fromkeys(key for row in rows for key in row))
    shown = heads[:_FIRST_COLUMNS]
    cells = ([row.get(key, "") for key in shown] for row in rows[: _shown(len(rows))])
    return Table(shown, cells, len(rows), len(heads))
