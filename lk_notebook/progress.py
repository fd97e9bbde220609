"""The progress of many rows."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self


class Bar:
    """tqdm as text, in notebooks too: a widget would not be there when the saved file is opened again."""

    def __init__(self, total: int, *, show: bool) -> None:
        self._bar: Any = None
        if show:
            from tqdm import tqdm  # noqa: PLC0415 - only who wants progress needs it

            notebook = "ipykernel" in sys.modules
            self._bar = tqdm(total=total, unit="row", file=sys.stdout if notebook else None, mininterval=0.2)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def at(self, rows: int, failures: int, cost: float | None) -> None:
        """So many rows are over."""
        if self._bar is None:
            return
        told: dict[str, Any] = {"failed": failures} if failures else {}
        if cost:
            told["cost"] = f"${cost:.2g}"
        if told:
            self._bar.set_postfix(told, refresh=False)
        self._bar.update(rows - self._bar.n)
