"""The widget beneath all that grows on a page: what it shows is told by messages, made in the kernel.

The module is one vanilla ES module; it inserts only HTML that `core.parts` and `core.footer` made, so a hostile answer
is cleaned in one place. No key is ever in a trait or a message.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from lk_notebook.page import Message

STATIC = Path(__file__).parent / "widgets" / "static"

#: Whether a front end of this kernel has ever shown a view; one that never does gets HTML instead.
_seen = False


#: Comments, indents, empty lines.
_REMARKS = re.compile(r"/\*.*?\*/ ?|^[ \t]*//[^\n]*|^\s+", re.DOTALL | re.MULTILINE)


def static(*names: str) -> str:
    """Files of the static folder as one, without remarks: no view loads a second module, and it travels with each.

    Example:
        >>> len(static("lk.js")) < (STATIC / "lk.js").stat().st_size
        True
    """
    return _REMARKS.sub("", "\n".join((STATIC / name).read_text("utf-8") for name in names))


class View(anywidget.AnyWidget):
    """One widget: `kind` says what it shows, messages fill it.

    `on_message` hears what the view sends, {"t": …}, in the main thread, or, while a cell runs, in a thread of a
    subshell: it only sets flags and asks.
    """

    _esm = static("lk.js")
    _css = static("lk.css")
    kind = traitlets.Unicode("reply").tag(sync=True)
    number = traitlets.Unicode().tag(sync=True)  # of the HTML that takes its place

    def __init__(self, on_message: Callable[[Message], None] | None = None, **traits: Any) -> None:
        self._told, self._telling = 0, threading.Lock()
        self.on_message = on_message
        super().__init__(**traits)
        self.on_msg(self._heard)
        _answer_anywhere(self.comm)

    @property
    def mime(self) -> dict[str, Any]:
        """The widget as one entry of an output."""
        return {"application/vnd.jupyter.widget-view+json": {
            "version_major": 2, "version_minor": 0, "model_id": self.model_id,
        }}  # fmt: skip

    def tell(self, messages: Sequence[Message]) -> None:
        """Sends messages to all views, now and later; they are numbered, so that a gap is seen."""
        if messages and self.comm is not None:
            with self._telling:
                self._told += 1
                self.send({"n": self._told, "all": list(messages)})

    def _heard(self, _view: object, message: Message, _buffers: object) -> None:
        global _seen  # noqa: PLW0603 - what a kernel has learnt of its front end
        _seen = True
        if message.get("t") in ("hello", "stop"):
            self.tell([{"t": "heard"}])
        if self.on_message is not None and message.get("t") != "hello":
            self.on_message(message)


def seen() -> bool:
    """Whether a front end has shown a view in this kernel."""
    return _seen


def _answer_anywhere(comm: Any) -> None:
    """Lets a view be heard while a cell runs.

    ipykernel 7.4 hands what a view sends to the shell that last sent on its comm, which is the busy one
    (`ipykernel.comm.comm.BaseComm._reply_subshell_for`); without this the front end's own choice, a subshell, holds.
    """
    if hasattr(comm, "_reply_subshell_for"):
        with contextlib.suppress(AttributeError):
            comm._reply_subshell_for = lambda _data, default: default  # noqa: SLF001 - guarded: there is no public way
