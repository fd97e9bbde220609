"""A journal of finished rows: a JSON line each, written at once, so that a killed kernel loses nothing.

The first line names what was asked; a journal of another question is refused. Read it with pandas:
`pandas.read_json(path, lines=True)`.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import stat
import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from lk_notebook.core.text import whole
from lk_notebook.errors import ConfigurationError
from lk_notebook.net.locks import lock

if TYPE_CHECKING:
    from typing_extensions import Self

#: Seconds between two fsyncs: what a power cut may cost.
FSYNC_EVERY = 1.0

_BINARY = getattr(os, "O_BINARY", 0)  # of Windows
_AT_ONCE = getattr(os, "O_NONBLOCK", 0)  # a device is not waited for


class Journal:
    """One open journal; no other process can open it meanwhile.

    Example:
        ```python
        with Journal("labels.jsonl", {"fingerprint": "…"}) as journal:
            journal.write("row key", "answer")
        ```
    """

    def __init__(self, path: str | Path, asked: dict[str, Any]) -> None:
        self._path, self._asked = Path(path), asked
        self.rows: dict[str, str] = {}
        self.problem: str | None = None  # why no more is written, though the rows go on
        self._file = -1
        self._synced = 0.0

    def __enter__(self) -> Self:
        """Opens, locks and reads it.

        Raises:
            ConfigurationError: it cannot be opened, another process writes it, or it answers another question.
        """
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | _BINARY | _AT_ONCE, 0o666)
        except OSError as error:
            raise ConfigurationError(
                f"The journal {self._path} cannot be opened: {error.strerror}.", "Name another file."
            ) from error
        try:
            self._hold()
            self._read()
        except BaseException:
            os.close(self._file)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        file, self._file = self._file, -1  # its number may soon be another file's
        with contextlib.suppress(OSError):
            os.fsync(file)
        os.close(file)

    def _hold(self) -> None:
        """Keeps the file for this process alone."""
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            raise ConfigurationError(f"The journal {self._path} is a device or a pipe.", "Name a file.")
        try:
            lock(self._file)
        except (BlockingIOError, PermissionError) as error:  # Windows tells a held lock as the latter
            raise ConfigurationError(
                f"Another process writes the journal {self._path}.", "Wait for it, or name another file."
            ) from error
        except OSError as error:
            raise ConfigurationError(
                f"The journal {self._path} cannot be locked: {error.strerror}.",
                "Name a file on a disk of this machine.",
            ) from error

    def write(self, key: str, text: str) -> None:
        """Writes a finished row; what cannot be written is said once, and the rows go on without it."""
        if self.problem is None:
            told = whole(text)
            exact = {} if told == text else {"exact": base64.b64encode(text.encode("utf-8", "surrogatepass")).decode()}
            self._line({"row": key, "text": told, **exact})

    def _line(self, value: dict[str, Any]) -> None:
        data = whole(json.dumps(value, ensure_ascii=False)).encode() + b"\n"
        try:
            while data:
                data = data[os.write(self._file, data) :]
            if time.monotonic() - self._synced > FSYNC_EVERY:
                os.fsync(self._file)
                self._synced = time.monotonic()
        except OSError as error:
            self.problem = f"The journal {self._path} is not written any more: {error.strerror}."

    def _read(self) -> None:
        """Takes over the rows; a torn last line, as a killed kernel or a full disk leaves it, is cut off."""
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(0)
            whole = file.read()
        good = whole[: whole.rfind(b"\n") + 1]
        lines = good.splitlines()
        head = _parsed(lines[0]) if lines else None
        if whole and (head is None or head.get("lk_notebook") != "journal"):
            if lines or not _begins_one(whole):
                raise ConfigurationError(f"{self._path} is no journal of lk_notebook.", "Name another file.")
            good = b""
        if head and head.get("fingerprint") != self._asked["fingerprint"]:
            changed = [name for name, value in self._asked.items() if head.get(name) != value and name != "fingerprint"]
            raise ConfigurationError(
                f"The journal {self._path} answers another question: {', '.join(changed) or 'its rows'} changed.",
                "Name another file, or delete it.",
            )
        for line in lines[1:]:
            if (row := _parsed(line)) is not None and isinstance(row.get("text"), str):
                self.rows[str(row.get("row"))] = _exact(row)
        os.ftruncate(self._file, len(good))
        os.lseek(self._file, 0, os.SEEK_END)
        if not good:
            self._line({"lk_notebook": "journal", **self._asked})


def _exact(row: dict[str, Any]) -> str:
    """The text as it was: half a surrogate pair has no UTF-8, and pandas reads no escape of it."""
    if not isinstance(row.get("exact"), str):
        return str(row["text"])
    return base64.b64decode(row["exact"]).decode("utf-8", "surrogatepass")


def _begins_one(whole: bytes) -> bool:
    """Whether it is the torn first line of a journal, and no other file."""
    start = b'{"lk_notebook": "journal"'
    return whole.startswith(start) or start.startswith(whole)


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
