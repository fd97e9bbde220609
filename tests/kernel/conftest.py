"""One kernel for the tests of a file that do not touch each other: starting one costs seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kernels import Stage


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """A kernel and its player; a test begins with `stage.play(answer, …)`."""
    with Stage() as started:
        yield started
