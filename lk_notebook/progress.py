"""The progress of many rows."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Self


class Bar:
    """tqdm as text, in notebooks too: a widget would not be there when the saved file is opened again."""

    def __init__(self, total: int, *, show: bool) -> None:
        self._bar: Any = None
        self._next = 0.0
        if show:
            from tqdm import tqdm  # noqa: PLC0415 - only who wants progress needs it

            notebook = "ipykernel" in sys.modules
            self._bar = tqdm(total=total, unit="row", file=sys.stdout if notebook else None, mininterval=0.2)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def due(self) -> bool:
        """Whether costs are worth summing now: that takes a while with many rows."""
        if self._bar is None or time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + 1
        return True

    def at(self, rows: int, failures: int, cost: float | None) -> None:
        """So many rows are over."""
        if self._bar is None:
            return
        told: dict[str, Any] = {"failed": failures} if failures else {}
        if cost is not None:
            told["cost"] = f"${cost:.2g}"
        if told:
            self._bar.set_postfix(told, refresh=False)
        self._bar.update(rows - self._bar.n)
