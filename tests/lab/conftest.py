"""JupyterLab in Chromium, one for each test file: Playwright's loop must not outlive the file it serves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from lab import Lab, Notebook, chromium, find_browser
from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The machine's Chromium."""
    if not find_browser():
        pytest.fail("No Chromium. Install one, or name it: CHROMIUM=/path/to/chromium")
    with chromium() as started:
        yield started


@pytest.fixture
def notebook(browser: Browser) -> Iterator[Callable[..., Notebook]]:
    """Open a notebook of a lab in a page: `notebook(lab, name)`."""
    opened: list[Notebook] = []

    def start(lab: Lab, name: str, **options: Any) -> Notebook:
        opened.append(Notebook(lab, browser, name, **options))
        return opened[-1]

    yield start
    for one in opened:
        one.close()
