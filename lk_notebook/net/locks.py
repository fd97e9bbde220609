"""A file held for one process alone; the system lets go when the process ends, however."""

from __future__ import annotations

import sys
import time

#: Seconds between two tries to get hold of a file.
_AGAIN = 0.01


def lock(file: int, seconds: float = 0.0) -> None:
    """Holds an open file until it is closed; waits so many seconds for another process to let go.

    Raises:
        OSError: another process holds it.
    """
    last = time.monotonic() + seconds
    while True:
        try:
            _take(file)
        except OSError:
            if time.monotonic() >= last:
                raise
            time.sleep(_AGAIN)
        else:
            return


def _take(file: int) -> None:
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415 - on Windows alone

        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl  # noqa: PLC0415 - not on Windows

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
