"""The rows of a table: what the caller has, its labels, and what comes back in the same shape."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lk_notebook.errors import PromptError


class Results(list[Any]):
    """The values of a list of rows, in its order, with the `report` of how they came."""

    report: Any = None


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows by position: `row(i)` gives the columns of one."""

    labels: Sequence[Any]
    columns: Sequence[str]
    row: Callable[[int], Mapping[str, Any]]
    shaped: Callable[[list[Any], Any], Any]  # values and report -> what the caller gets

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        return map(self.row, range(len(self)))


def read(rows: Any) -> Rows:
    """Rows of a pandas DataFrame or Series, a polars one, a list of texts or of dicts.

    Example:
        >>> read(["a", "b"]).row(1)
        {'text': 'b'}

    Raises:
        PromptError: it is none of these.
    """
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    if pandas is not None and isinstance(rows, pandas.DataFrame):
        return _frame(rows, pandas)
    if pandas is not None and isinstance(rows, pandas.Series):
        values = rows.to_numpy()
        return Rows(list(rows.index), ["text"], lambda i: {"text": values[i]}, _series(rows.index, pandas))
    if polars is not None and isinstance(rows, (polars.DataFrame, polars.Series)):
        rows = rows.to_dicts() if isinstance(rows, polars.DataFrame) else rows.to_list()
    if isinstance(rows, Sequence) and not isinstance(rows, (str, bytes)):
        return _listed(rows)
    raise PromptError(
        f"{type(rows).__name__} is no table of rows.", "Give a DataFrame, a Series, a list of texts or a list of dicts."
    )


def _listed(rows: Sequence[Any]) -> Rows:
    def shaped(values: list[Any], report: Any) -> Results:
        results = Results(values)
        results.report = report
        return results

    dicts = [isinstance(row, Mapping) for row in rows]
    if any(dicts):
        if not all(dicts):
            raise PromptError("Some rows are dicts and some are not.", "Give rows of one kind.")
        columns = list(dict.fromkeys(str(name) for row in rows for name in row))
        return Rows(range(len(rows)), columns, lambda i: {n: rows[i].get(n) for n in columns}, shaped)
    return Rows(range(len(rows)), ["text"], lambda i: {"text": rows[i]}, shaped)


def _frame(frame: Any, pandas: Any) -> Rows:
    columns = [str(name) for name in frame.columns]
    if len(set(columns)) < len(columns):
        raise PromptError("Two columns have the same name.", "Rename one of them.")
    values = [frame.iloc[:, i].to_numpy() for i in range(len(columns))]

    def row(i: int) -> dict[str, Any]:
        return {name: column[i] for name, column in zip(columns, values, strict=True)}

    return Rows(list(frame.index), columns, row, _series(frame.index, pandas))


def _series(index: Any, pandas: Any) -> Callable[[list[Any], Any], Any]:
    def shaped(values: list[Any], report: Any) -> Any:
        series = pandas.Series(values, index=index, dtype=object)  # pandas 3 would turn None into NaN otherwise
        series.attrs["report"] = report
        return series

    return shaped


def images_of(images: Any, rows: Rows) -> Callable[[int], Any] | None:
    """The image of each row: of the column that is named, or one by position.

    Raises:
        PromptError: there is no such column, or not one image a row.
    """
    if images is None:
        return None
    if isinstance(images, str):
        if images not in rows.columns:
            raise PromptError(f"images={images}: there is no such column.", f"The rows have {', '.join(rows.columns)}.")
        return lambda i: rows.row(i)[images]
    given = list(images)
    if len(given) != len(rows):
        raise PromptError(f"There are {len(given)} images for {len(rows)} rows.", "Give one a row, or a column's name.")
    return given.__getitem__
