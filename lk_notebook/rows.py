"""The rows of a table: what the caller has, its labels, and what comes back in the same shape."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lk_notebook.errors import PromptError


class Results(list[Any]):
    """The values of a list of rows, in its order, with the `report` of how they came."""

    report: Any = None


@dataclass(frozen=True, slots=True)
class Rows:
    """The labels of the rows, the names of their columns, and the values of each column by position."""

    labels: Sequence[Any]
    columns: Sequence[str]
    values: Callable[[str], Sequence[Any]]
    shaped: Callable[[list[Any], Any], Any]  # values and report -> what the caller gets

    def __len__(self) -> int:
        return len(self.labels)

    def taking(self, names: Collection[str]) -> Callable[[int], dict[str, Any]]:
        """Rows by position, of these columns alone: a wide table has many that no prompt names.

        Example:
            >>> read([{"name": "Ada", "age": 36}]).taking(["age"])(0)
            {'age': 36}
        """
        taken = [(name, self.values(name)) for name in self.columns if name in names]
        return lambda i: {name: values[i] for name, values in taken}


def read(rows: Any) -> Rows:
    """Rows of a pandas DataFrame or Series, a polars one, a list of texts or of dicts.

    Example:
        >>> read(["a", "b"]).values("text")[1]
        'b'

    Values are Python's own and pandas' Timestamps, as iterating a Series gives them: numpy's divide by zero without
    an error, and have no year.

    Raises:
        PromptError: it is none of these.
    """
    pandas, polars = sys.modules.get("pandas"), sys.modules.get("polars")
    if pandas is not None and isinstance(rows, pandas.DataFrame):
        names, at = _named(rows.columns), {str(name): i for i, name in enumerate(rows.columns)}
        return Rows(list(rows.index), names, lambda name: rows.iloc[:, at[name]].tolist(), _series(rows.index, pandas))
    if pandas is not None and isinstance(rows, pandas.Series):
        return Rows(list(rows.index), ["text"], lambda _: rows.tolist(), _series(rows.index, pandas))
    if polars is not None and isinstance(rows, polars.DataFrame):
        return Rows(range(len(rows)), rows.columns, lambda name: rows[name].to_list(), _list)
    if polars is not None and isinstance(rows, polars.Series):
        return Rows(range(len(rows)), ["text"], lambda _: rows.to_list(), _list)
    if isinstance(rows, Sequence) and not isinstance(rows, (str, bytes)):
        return _listed(rows)
    raise PromptError(
        f"{type(rows).__name__} is no table of rows.", "Give a DataFrame, a Series, a list of texts or a list of dicts."
    )


def _listed(rows: Sequence[Any]) -> Rows:
    dicts = [isinstance(row, Mapping) for row in rows]
    if not any(dicts):
        return Rows(range(len(rows)), ["text"], lambda _: rows, _list)
    if not all(dicts):
        raise PromptError("Some rows are dicts and some are not.", "Give rows of one kind.")
    keys = list(dict.fromkeys(name for row in rows for name in row))
    at = dict(zip(_named(keys), keys, strict=True))
    return Rows(range(len(rows)), list(at), lambda name: [row.get(at[name]) for row in rows], _list)


def _named(columns: Collection[Any]) -> list[str]:
    """The columns as the names of a prompt."""
    names = [str(name) for name in columns]
    if len(set(names)) < len(names):
        raise PromptError("Two columns have the same name.", "Rename one of them.")
    return names


def _list(values: list[Any], report: Any) -> Results:
    results = Results(values)
    results.report = report
    return results


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
        return rows.values(images).__getitem__
    given = list(images)
    if len(given) != len(rows):
        raise PromptError(f"There are {len(given)} images for {len(rows)} rows.", "Give one a row, or a column's name.")
    return given.__getitem__
