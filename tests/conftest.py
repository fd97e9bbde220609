"""What all tests may ask for: players, kernels, a JupyterLab; each ended with the test that asked."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from kernels import Kernel, livekit
from player import Player

from lk_notebook.core import values
from notebooks import COST

os.environ["LK_LOCAL_MODEL"] = "off"  # without an account the demo answers; a test of the local model asks for it
os.environ["LK_NOTEBOOK_MEASUREMENTS"] = "off"  # no times of other runs, and none left behind


@pytest.fixture(autouse=True)
def _no_key_of_another_test() -> Iterator[None]:
    """A key that one test made up is unknown to the next: words that end as it begins would wait for what follows."""
    before = set(values._known)
    yield
    values._known.intersection_update(before)


@pytest.fixture
def play() -> Iterator[Callable[..., Player]]:
    """Start a player: `play(answer, answer…)` in order, or `play(function)` of the request."""
    with contextlib.ExitStack() as players:

        def start(*answers: Any, **options: Any) -> Player:
            how = answers[0] if len(answers) == 1 and callable(answers[0]) else answers
            return players.enter_context(Player(how, **options))

        yield start


@pytest.fixture
def kernel() -> Iterator[Callable[..., Kernel]]:
    """Start a kernel with lk_notebook loaded: `kernel(player)` has a LiveKit account there, `kernel()` has none."""
    with contextlib.ExitStack() as kernels:

        def start(player: Player | None = None, env: Mapping[str, str] | None = None, **options: Any) -> Kernel:
            account = livekit(player) if player else {}
            return kernels.enter_context(Kernel(account | dict(env or {}), **options))

        yield start


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What each notebook cost: the properties of its test come home from whichever process ran it."""
    reports = [report for each in ("passed", "failed") for report in terminalreporter.stats.get(each, [])]
    costs = sorted(value for report in reports for name, value in report.user_properties if name == COST)
    if costs:
        terminalreporter.section("notebooks: seconds, most memory of the kernel and its children")
    for name, seconds, megabytes in costs:
        terminalreporter.line(f"{name:<20} {seconds:6.1f} s {megabytes:6.0f} MB")
