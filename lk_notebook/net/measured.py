"""Measured times, kept in the user's cache, so that a new kernel starts wise: numbers alone, no content, no key.

LK_NOTEBOOK_MEASUREMENTS=off keeps nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from lk_notebook.core.health import Board
from lk_notebook.net import cache

#: Seconds between two writes.
EVERY = 10.0


class Measurements:
    """The file, read at once and written now and then; whatever is wrong with it is as if it were not there."""

    def __init__(self, board: Board, getenv: Callable[[str], str | None]) -> None:
        self._board, self._file = board, _file(getenv)
        self._written = time.monotonic()
        self._dirty = False
        if self._file is not None:
            board.learn(_read(self._file), time.monotonic())

    def changed(self) -> None:
        """Something was measured: it is written soon, in another thread."""
        self._dirty = self._file is not None
        if self._dirty and time.monotonic() - self._written > EVERY:
            threading.Thread(target=self.save, daemon=True).start()

    def save(self) -> None:
        """Writes what is new beside what other kernels wrote; a reader sees the old file or the new one."""
        if self._file is None or not self._dirty:
            return
        self._dirty, self._written = False, time.monotonic()
        whole = {**_read(self._file), **self._board.to_json()}
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._file.parent)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as out:
                    json.dump(whole, out)
                Path(name).replace(self._file)
            finally:
                Path(name).unlink(missing_ok=True)  # where it could not be put in place


def _read(file: Path) -> dict[str, object]:
    try:
        value = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _file(getenv: Callable[[str], str | None]) -> Path | None:
    """Where the platform keeps caches; None where the user wants none kept, or has no place for them."""
    if (getenv("LK_NOTEBOOK_MEASUREMENTS") or "").strip().lower() in ("off", "0", "no", "false"):
        return None
    folder = cache.folder(getenv)
    return None if folder is None else folder / "measured.json"
