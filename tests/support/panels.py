"""What the tests of all panels in JupyterLab share: a panel in a cell, by what a user sees of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from lab import Lab, Notebook


class Shown:
    """A panel below the cell of a notebook."""

    asks = ""  #: the name of its composer
    pictures = ""  #: how the names of its pictures begin

    def __init__(self, opened: Notebook, cell: int = 0, at: int = 0) -> None:
        self.opened, self.page, self.index = opened, opened.page, cell
        self.root = opened.cell(cell).locator(".lk-chat").nth(at)
        self.composer = self.root.get_by_role("textbox", name=self.asks)
        self.composer.wait_for()
        assert opened.wait(self.root.get_by_role("combobox", name="Model").first.input_value)

    def button(self, name: str) -> Any:
        """A button of the panel."""
        return self.root.get_by_role("button", name=name, exact=True)

    @property
    def kernel_says(self) -> str:
        """The output of the cell below, run now."""
        below = self.index + 1
        assert self.opened.run(below)
        return self.opened.shown(below).strip()


def opener(kind: type[Shown], source: str, lab: Lab, notebook: Callable[..., Notebook], test: str) -> Iterator[Any]:
    """For a fixture: `panel(*sources)` is a panel in a notebook named as the test; its first cell shows it."""

    def started(*sources: str, name: str | None = None) -> Shown:
        name = name or f"{test.partition('[')[0]}.ipynb"
        lab.write(name, list(sources) or [source])
        opened = notebook(lab, name)
        assert opened.run(0)
        return kind(opened)

    yield started
    lab.theme("Light")
    lab.end_kernels()


def picture(panel: Shown, name: str) -> None:
    """Keep a picture of the page in $LK_PICTURES, to be looked at."""
    if folder := os.environ.get("LK_PICTURES"):
        panel.page.screenshot(path=Path(folder) / f"{panel.pictures}_{name}.png")


def focused(panel: Shown) -> str:
    """What has the focus, by its name."""
    said: str = panel.page.evaluate(
        "() => { const on = document.activeElement;"
        " return on.getAttribute('aria-label') || on.labels?.[0]?.innerText || on.innerText || on.localName }"
    )
    return said


def tab_to(panel: Shown, name: str) -> None:
    """Tab until the thing of this name has the focus."""
    for _ in range(60):
        if focused(panel).startswith(name):
            return
        panel.page.keyboard.press("Tab")
    raise AssertionError(f"{name} is not reached")
