"""What a machine lets one process have: the texts of Linux, as machines, containers and pods write them."""

import pytest

from lk_notebook.core import machine
from lk_notebook.core.machine import Group

MEMINFO = "MemTotal:       24684544 kB\nMemFree:        1048576 kB\nMemAvailable:    8388608 kB\nSwapTotal: 0 kB\n"
GIB = 1024**3
STAT = "anon 100\ninactive_file 104857600\nactive_file 7\n"

FREE = {
    "a machine of one's own": (MEMINFO, [], 8192),
    "a group without a limit": (MEMINFO, [("max\n", "123\n", STAT)], 8192),
    "a group with a limit": (MEMINFO, [(f"{2 * GIB}\n", f"{GIB}\n", "")], 1024),
    "files that were read once are given back": (MEMINFO, [(str(2 * GIB), str(GIB), STAT)], 1124),
    "version 1 tells of the groups below, too": (
        MEMINFO,
        [(str(GIB), str(GIB), "inactive_file 1\ntotal_inactive_file 104857600")],
        100,
    ),
    "the lowest counts": (MEMINFO, [(str(4 * GIB), "0", ""), (str(GIB), "0", "")], 1024),
    "version 1 without a limit": (MEMINFO, [("9223372036854771712", str(GIB), "")], 8192),
    "more used than there is": (MEMINFO, [(str(GIB), str(2 * GIB), "")], 0),
    "no Linux": ("", [("", "", "")], None),
    "what nobody can read": ("MemAvailable: some kB\nMemAvailable:\n\n", [("much", "-1", "x")], None),
}


@pytest.mark.parametrize("row", FREE.values(), ids=FREE.keys())
def test_free_memory_is_the_least_that_anybody_leaves(row):
    """The machine, and each group that the process is in; in MiB, None where nobody says."""
    meminfo, limits, free = row

    assert machine.free(meminfo, limits) == free


THREADS = {
    "a machine of one's own": (8, [], 2),
    "one processor": (1, [], 1),
    "a pod on a large node": (64, ["100000 100000"], 1),
    "one and a half": (64, ["150000 100000"], 1),
    "half a processor": (64, ["50000 100000"], 1),
    "three": (64, ["300000 100000"], 2),
    "no quota, versions 2 and 1": (8, ["max 100000", "-1 100000", ""], 2),
    "the lowest counts": (8, ["400000 100000", "100000 100000"], 1),
    "a period that is none": (8, ["100000 0"], 2),
}


@pytest.mark.parametrize("row", THREADS.values(), ids=THREADS.keys())
def test_each_thread_has_a_processor(row):
    """Two at most, fewer where there are fewer, never none."""
    there, quotas, threads = row

    assert machine.threads(there, quotas, most=2) == threads


def test_version_2_has_one_tree():
    """The group of the process, and each above it."""
    (own, *above) = machine.groups("0::/user.slice/lab.scope\n")

    assert own == Group("/sys/fs/cgroup/user.slice/lab.scope", 2)
    assert [group.folder for group in above] == ["/sys/fs/cgroup/user.slice", "/sys/fs/cgroup"]
    assert own.memory[0] == "/sys/fs/cgroup/user.slice/lab.scope/memory.max"
    assert own.quota == ["/sys/fs/cgroup/user.slice/lab.scope/cpu.max"]


def test_version_1_has_a_tree_for_each_controller():
    """Those of memory and of processors count; a container sees its own as the root."""
    found = list(machine.groups("12:cpu,cpuacct:/docker/ab\n11:memory:/docker/ab\n10:pids:/docker/ab\n"))

    assert Group("/sys/fs/cgroup/memory", 1) in found
    assert Group("/sys/fs/cgroup/cpu/docker/ab", 1) in found
    assert not [group for group in found if "pids" in group.folder]
    assert found[-1].memory[0].endswith("/memory.limit_in_bytes")
    assert found[0].quota[0].endswith("/cpu.cfs_quota_us")


@pytest.mark.parametrize("text", ["", "\n", "nonsense", "0::\n"])
def test_a_text_that_tells_nothing_is_no_crash(text):
    """Another kernel's form of it limits nothing by itself."""
    assert all(group.folder.startswith("/sys/fs/cgroup") for group in machine.groups(text))
