"""What this machine lets one process have, as Linux tells it, and whether it is Binder's; elsewhere nobody says."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from lk_notebook.core import machine

_BINDER = ("BINDER_LAUNCH_HOST", "BINDER_REQUEST", "BINDER_CLIENT_IP")


def on_binder(getenv: Callable[[str], str | None] = os.environ.get) -> bool:
    """Whether this is a pod of Binder: a public machine that lets out ports 80 and 443 alone.

    Source: BinderHub sets these variables; mybinder.org-deploy, mybinder/values.yaml, has its network policy.
    """
    return any(getenv(name) for name in _BINDER)


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
