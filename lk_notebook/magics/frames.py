"""What `-o` keeps: a DataFrame where there is pandas, else a list of dicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lk_notebook.core.grid import Grid, grid_html, grid_text
from lk_notebook.errors import ConfigurationError
from lk_notebook.magics.line import Line, Option

OUTPUT = Option(("-o", "--output"), "output")


def variable(read: Line) -> str | None:
    """The variable of `-o`.

    Raises:
        ConfigurationError: it is no name.
    """
    name: str | None = read.options.get("output")
    if name is not None and not name.isidentifier():
        raise ConfigurationError(f"-o {name} is no name of a variable.", "Write a plain name: -o table.")
    return name


def frame(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> Any:
    """The rows as a DataFrame, or as they are; pandas is imported only here, where a table was asked for."""
    try:
        import pandas as pd  # noqa: PLC0415 - as above
    except ImportError:
        return list(rows)
    return pd.DataFrame(list(rows), columns=list(columns))


def bundle(grid: Grid) -> dict[str, str]:
    """A table for display: HTML, and plain text beside it."""
    return {"text/html": grid_html(grid), "text/plain": grid_text(grid)}
