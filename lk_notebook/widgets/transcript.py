"""What stays of a panel in the file: its turns as static HTML, hidden on the page while the panel itself is there."""

from __future__ import annotations

import collections
import contextlib
import contextvars
from collections.abc import Callable, Iterable
from typing import Any

import ipywidgets
from IPython import get_ipython
from IPython.display import display

from lk_notebook.core.text import escape, plain
from lk_notebook.output import front_end_may_show

_LINE = "var(--jp-border-color2,#e0e0e0)"
_DIM = "var(--jp-ui-font-color2,#616161)"
_HEAD = f"margin:12px 0 4px;font-size:12px;font-weight:600;color:{_DIM}"
_ASKED = "padding:8px 12px;white-space:pre-wrap;background:var(--jp-layout-color2,#eee);border-radius:4px"
_END = f"margin:12px 0 4px;padding-top:4px;border-top:1px solid {_LINE};font-size:12px;color:{_DIM}"
_GO_ON = "A {} panel as it was saved. Run the cell to open it anew."

#: A question, who answered, and the answer as HTML and as text.
Turn = tuple[str, str, dict[str, str]]


def bundle(number: str, turns: Iterable[Turn], kind: str = "chat") -> dict[str, str]:
    """The turns as HTML and as text; `number` tells the panel on the page which transcript is its own."""
    whole, text, go_on = [], [], _GO_ON.format(kind)
    for asked, who, said in turns:
        whole.append(_article("You", f'<div style="{_ASKED};overflow-wrap:anywhere">{escape(asked)}</div>'))
        whole.append(_article(who, said["text/html"]))
        text += [f"You: {asked}", f"{who}: {said['text/plain']}"]
    html = "".join(whole) + f'<div style="{_END}">{go_on}</div>'
    return {
        "text/html": f'<div class="lk-transcript" data-lk-panel="{number}">{html}</div>',
        "text/plain": "\n\n".join([*text, go_on]),
    }


def _article(who: str, content: str) -> str:
    return f'<article aria-label="{plain(who)}"><div style="{_HEAD}">{escape(who)}</div>{content}</article>'


class Outputs:
    """Where a panel was displayed: each place holds the widget, and its transcript once the view has moved out."""

    def __init__(self, widget: dict[str, Any], content: Callable[[], dict[str, str]]) -> None:
        self._widget, self._content = widget, content
        self._waiting: collections.deque[Any] = collections.deque()  # displayed, and not yet moved out
        self._moved: list[Any] = []

    def show(self, *, widget: bool = True) -> None:
        """Displays the panel in the running cell, or, where something else displays it, the transcript alone."""
        if getattr(get_ipython(), "kernel", None) is None:
            display(self._content(), raw=True)  # type: ignore[no-untyped-call]
            return
        widget = widget and front_end_may_show()
        shown = {**(self._widget if widget else {}), **self._content()}
        handle = display(shown, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        place = (handle, contextvars.copy_context())
        if widget:
            self._waiting.append(place)
        else:
            self._moved.append(place)

    def moved_out(self) -> None:
        """A view has left the output it was displayed in: what stays there is the transcript."""
        if self._waiting:
            self._moved.append(self._waiting.popleft())
            self._write(self._moved[-1:])

    def write(self) -> None:
        """The transcript anew, wherever it stands."""
        self._write(self._moved)

    def _write(self, places: list[Any]) -> None:
        if places:
            content = self._content()
        for handle, context in places:
            context.copy().run(handle.update, content, raw=True)

    def watch_boxes(self, panel: ipywidgets.Widget) -> None:
        """A box around the panel displays itself, and its output is the box's: the transcript follows it there."""
        shell = get_ipython()
        if shell is None:
            return

        def ended(_result: object) -> None:
            if not self._waiting and not self._moved and panel.comm is not None:
                if not _is_boxed(panel):
                    return
                self.show(widget=False)
            with contextlib.suppress(ValueError):
                shell.events.unregister("post_run_cell", ended)

        shell.events.register("post_run_cell", ended)


def _is_boxed(panel: ipywidgets.Widget) -> bool:
    """Whether a box of ipywidgets holds the panel."""
    there = getattr(ipywidgets.widgets.widget, "_instances", {})
    return any(isinstance(each, ipywidgets.Box) and panel in each.children for each in list(there.values()))
