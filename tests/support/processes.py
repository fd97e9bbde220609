"""The processes that a kernel or a test has started."""

from __future__ import annotations

import time
from collections.abc import Callable

import psutil

SERVER = "lk_notebook.net.local_server"


def servers(parent: int | None = None) -> list[psutil.Process]:
    """The servers of the local model below a process, this one by default."""
    return [each for each in psutil.Process(parent).children(recursive=True) if SERVER in _words(each)]


def gone(process: psutil.Process) -> bool:
    """Whether it has ended, reaped or not."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def seconds_until(holds: Callable[[], bool], most: float = 30) -> float:
    """How long it took to come to hold."""
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > most:
            raise AssertionError(f"not within {most} s")
        time.sleep(0.01)
    return time.monotonic() - begun


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
