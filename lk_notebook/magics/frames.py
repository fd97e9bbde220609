"""What `-o` keeps: a DataFrame where there is pandas, else a list of dicts."""

from __future__ import annotations

from lk_notebook.core.grid import Grid, grid_html, grid_text
from lk_notebook.errors import ConfigurationError
from lk_notebook.frames import frame
from lk_notebook.magics.line import Line, Option

__all__ = ["OUTPUT", "bundle", "frame", "variable"]

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


def bundle(grid: Grid) -> dict[str, str]:
    """A table for display: HTML, and plain text beside it."""
    return {"text/html": grid_html(grid), "text/plain": grid_text(grid)}
