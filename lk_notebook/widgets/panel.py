"""What all panels share: their module and style sheet, where they stand, and what stays of them in the file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets
from IPython import get_ipython

from lk_notebook.core.values import Message, redact
from lk_notebook.view import STATIC, View
from lk_notebook.widgets.transcript import Outputs


def joined(*names: str) -> str:
    """Files of the static folder as one: no panel loads a second module."""
    return "\n".join((STATIC / name).read_text("utf-8") for name in names)


class Places:
    """The places of a panel that the kernel renders; a view is told only what differs from what it has."""

    def __init__(self, tell: Callable[[list[Message]], None]) -> None:
        self.tell = tell
        self._told: dict[str, str] = {}

    def begin(self, frame: str) -> None:
        """A view with nothing in its places; one that has them keeps what is typed there."""
        self._told = {}
        self.tell([{"t": "reset"}, {"t": "frame", "h": frame}])

    def put(self, places: Mapping[str, str], *, anew: bool = False) -> None:
        """HTML of some places, without any known secret; `anew`: also where it is the same."""
        struck = {at: redact(html) for at, html in places.items()}
        new = {at: html for at, html in struck.items() if anew or self._told.get(at) != html}
        self._told.update(new)
        self.tell([{"t": "html", "at": at, "h": html} for at, html in new.items()])


class Panel(View):
    """A view that leaves its output, where only its transcript stays, for as long as it lives."""

    _outputs: Outputs

    def _ipython_display_(self) -> None:
        self._outputs.show()

    def _watch_cells(self) -> None:
        """A box around the panel displays itself: its cell then gets the transcript below it."""
        shell = get_ipython()
        if shell is None:
            return

        def ended(_result: object) -> None:
            if not self._outputs.any and self.comm is not None:
                if not _is_boxed(self):
                    return
                self._outputs.show(widget=False)
            with contextlib.suppress(ValueError):
                shell.events.unregister("post_run_cell", ended)

        shell.events.register("post_run_cell", ended)


def _is_boxed(panel: Any) -> bool:
    """Whether a box of ipywidgets holds the panel."""
    there = getattr(ipywidgets.widgets.widget, "_instances", {})
    return any(isinstance(each, ipywidgets.Box) and panel in each.children for each in list(there.values()))
