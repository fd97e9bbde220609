"""What this machine lets one process have, read from the texts that Linux keeps: memory that is free, processors.

Sources: proc(5); Linux's cgroup-v2.rst and cgroup-v1/memory.rst, sched-bwc.rst. What is not said is None, never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

MIB = 1024 * 1024
_ROOT = "/sys/fs/cgroup"


@dataclass(frozen=True, slots=True)
class Group:
    """Where one control group keeps its limits: version 2 has one tree, version 1 one for each controller."""

    folder: str
    version: int

    @property
    def memory(self) -> list[str]:
        """The files of the limit, of what is used, and of what that is made of."""
        names = ("max", "current", "stat") if self.version > 1 else ("limit_in_bytes", "usage_in_bytes", "stat")
        return [f"{self.folder}/memory.{name}" for name in names]

    @property
    def quota(self) -> list[str]:
        """The files that hold, one behind the other, quota and period of the processors."""
        names = ("max",) if self.version > 1 else ("cfs_quota_us", "cfs_period_us")
        return [f"{self.folder}/cpu.{name}" for name in names]


def groups(text: str) -> Iterator[Group]:
    """The control groups of a process, by its /proc/self/cgroup: its own, and each above it, whose limits hold too.

    Example:
        >>> [group.folder for group in groups("0::/user.slice/lab")]
        ['/sys/fs/cgroup/user.slice/lab', '/sys/fs/cgroup/user.slice', '/sys/fs/cgroup']
    """
    for line in text.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        for controller in ("memory", "cpu") if controllers else ("",):
            if controller in controllers.split(","):
                tree = f"{_ROOT}/{controller}".rstrip("/")
                for above in _above(path):
                    yield Group(tree + above, 1 if controllers else 2)


def _above(path: str) -> Iterator[str]:
    """A path and each above it, down to the root, which is ""."""
    path = path.rstrip("/")
    yield path
    while path:
        path = path.rpartition("/")[0]
        yield path


def free(meminfo: str, limits: Iterable[Sequence[str]]) -> int | None:
    """MiB of memory that a process may still take: the lowest of what the machine and the groups leave.

    Example:
        >>> free("MemAvailable:  2097152 kB", [("1073741824", "536870912", "inactive_file 104857600")])
        612

    Args:
        meminfo: /proc/meminfo.
        limits: of each group the limit, what is used, and what that is made of: files that were read once and lie in
            memory since count as used, and are given back when needed.
    """
    found = [int(words[1]) // 1024 for words in _rows(meminfo) if words[0] == "MemAvailable:" and _counts(words[1:2])]
    for limit, used, parts in limits:
        if _counts([limit.strip(), used.strip()]):
            idle = {words[0]: int(words[1]) for words in _rows(parts) if _counts(words[1:2])}
            given_back = idle.get("total_inactive_file", idle.get("inactive_file", 0))
            found.append(max(0, int(limit) - int(used) + given_back) // MIB)
    return min(found, default=None)


def threads(there: int, quotas: Iterable[str], most: int) -> int:
    """So many threads as have a processor each: a container sees all of its machine's, and may use a few.

    Example:
        >>> threads(64, ["150000 100000", "max 100000"], most=2)
        1
    """
    shares = (words for quota in quotas if len(words := quota.split()) > 1 and _counts(words[:2]) and words[1] != "0")
    return max(1, min(most, there, *(int(words[0]) // int(words[1]) for words in shares)))


def _rows(text: str) -> Iterator[list[str]]:
    return (words for line in text.splitlines() if (words := line.split()))


def _counts(words: list[str]) -> bool:
    """Whether all are counts: "max" and -1 are no limit."""
    return bool(words) and all(word.isdecimal() for word in words)
