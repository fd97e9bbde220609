"""A small table as semantic HTML that needs no style sheet, and as plain text in columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lk_notebook.core.text import clean, escape

UNKNOWN = "–"

_DIM = "var(--jp-ui-font-color2,#616161)"
_LINE = "var(--jp-border-color2,#e0e0e0)"
_GROUND = "var(--jp-layout-color0,#fff)"
_GAP = "  "
_CELL = "padding:4px 12px 4px 0;vertical-align:top;border:0"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: its text, how it stands out, and how many columns and rows it takes."""

    text: str
    bold: bool = False
    dim: bool = False
    columns: int = 1
    rows: int = 1


@dataclass(frozen=True, slots=True)
class Grid:
    """A table. The first cell of a row names it; None stands where a cell above, or to the left, reaches in."""

    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[Cell | None]]
    figures: frozenset[int] = frozenset()  # the columns that stand to the right
    folding: Mapping[int, int] = field(default_factory=dict)  # columns whose text may fold, and their least width in px
    tall: bool = False  # scrolls inside, its head stays


def grid_html(grid: Grid) -> str:
    """The table as HTML; no text of it is read as markup.

    Example:
        >>> grid_html(Grid("One", ["Model"], [[Cell("<b>")]])).count("<b>")
        0
    """
    heads = "".join(
        f'<th scope="col" style="{_CELL};{_side(i in grid.figures)};position:sticky;top:0;background:{_GROUND};'
        f'font-weight:normal;color:{_DIM};white-space:nowrap">{escape(head)}</th>'
        for i, head in enumerate(grid.heads)
    )
    rows = "".join(_row_html(grid, row) for row in grid.rows)
    caption = f'<caption style="caption-side:top;padding:0 0 4px;text-align:left;color:{_DIM}">'
    table = (
        '<table style="margin:0;width:auto;border-collapse:collapse;table-layout:auto;font-size:12px;line-height:1.5">'
        f"{caption}{escape(grid.caption)}</caption>"
        f'<thead style="border:0"><tr style="background:none">{heads}</tr></thead><tbody>{rows}</tbody></table>'
    )
    height = "max-height:480px;" if grid.tall else ""
    return f'<div class="lk-table" tabindex="0" style="margin:8px 0;{height}overflow:auto">{table}</div>'


def _row_html(grid: Grid, row: Sequence[Cell | None]) -> str:
    cells = []
    for at, cell in enumerate(row):
        if cell is None:
            continue
        style = f"{_CELL};{_side(at in grid.figures and cell.columns == 1)};{_look(cell)}"
        style += f";min-width:{grid.folding[at]}px" if at in grid.folding else ";white-space:nowrap"
        spans = "".join(
            f' {word}="{count}"' for word, count in (("colspan", cell.columns), ("rowspan", cell.rows)) if count > 1
        )
        tag, text = ("td" if at else "th"), escape(cell.text)
        scope = "" if at else f' scope="{"rowgroup" if cell.rows > 1 else "row"}"'
        text = f"<strong>{text}</strong>" if cell.bold else text
        cells.append(f'<{tag}{scope}{spans} style="{style}">{text}</{tag}>')
    line = "border:0" if row[0] is None else f"border:0;border-top:1px solid {_LINE}"
    return f'<tr style="{line};background:none">{"".join(cells)}</tr>'


def _side(right: bool) -> str:  # noqa: FBT001 - one word about one column
    return "text-align:right" if right else "text-align:left"


def _look(cell: Cell) -> str:
    return f"font-weight:normal{f';color:{_DIM}' if cell.dim else ''}"


def grid_text(grid: Grid) -> str:
    """The table as plain text.

    Example:
        >>> print(grid_text(Grid("Two", ["Model", "Cost"], [[Cell("a"), Cell("$1")]])))
        Two
        Model  Cost
        a      $1
    """
    lines = [list(grid.heads), *([clean(cell.text) if cell else "" for cell in row] for row in grid.rows)]
    wide = [max(len(line[i]) for line in lines) for i in range(len(grid.heads))]
    shown = [
        _GAP.join(
            text.rjust(w) if i in grid.figures else text.ljust(w)
            for i, (text, w) in enumerate(zip(line, wide, strict=True))
        )
        for line in lines
    ]
    return "\n".join([grid.caption, *(line.rstrip() for line in shown)])
