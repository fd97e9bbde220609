"""What this machine lets one process have, as Linux tells it; elsewhere nobody says, and nothing is guarded."""

from __future__ import annotations

import os
from pathlib import Path

from lk_notebook.core import machine


def free() -> int | None:
    """MiB of memory that a process may still take; None where nobody says."""
    limits = ([_read(file) for file in group.memory] for group in _groups())
    return machine.free(_read("/proc/meminfo"), limits)


def threads(most: int) -> int:
    """So many threads as have a processor each."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = (" ".join(_read(file) for file in group.quota) for group in _groups())
    return machine.threads(there, quotas, most)


def _groups() -> list[machine.Group]:
    return list(machine.groups(_read("/proc/self/cgroup")))


def _read(file: str) -> str:
    """The text of a file; "" where there is none."""
    try:
        return Path(file).read_text("utf-8")
    except (OSError, ValueError):
        return ""
