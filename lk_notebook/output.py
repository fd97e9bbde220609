"""One output of a cell: a view while something grows in it, and in the end HTML, which any saved file can show."""

from __future__ import annotations

import collections
import contextlib
import contextvars
import itertools
import threading
import time
from typing import Any

from IPython import get_ipython
from IPython.display import display

from lk_notebook.core import footer
from lk_notebook.errors import LkError
from lk_notebook.following import TIMES, follow
from lk_notebook.page import Message, answer
from lk_notebook.reply import ENDED, Reply
from lk_notebook.sight import Sight

#: Without a view the next update waits at least so long, and for what a browser can draw; a view is told less.
AT_LEAST, BYTES_PER_SECOND = 0.05, 30_000
VIEW_AT_LEAST = 1 / 12
#: Seconds within which a front end that has never shown a view must show one.
PATIENCE = 1.0
#: Outputs that still answer their buttons; older ones let go of their widget.
KEPT = 50

_numbers = itertools.count(1)
_kept: collections.deque[Output] = collections.deque()


class Output:
    """Shows a sight in the calling cell; `draw` while it grows, `seal` when it has ended.

    Everything that is sent later goes out in the context of the cell: other threads would name another one.
    """

    def __init__(self, sight: Sight) -> None:
        self._sight = sight
        self._context = contextvars.copy_context()
        self._lock = threading.RLock()  # a view that has lost its content asks in another thread
        self._number = str(next(_numbers))
        self._begun = time.monotonic()
        self._view: Any = None
        self._lives = False  # what is on the page is the view
        self._handle: Any = None
        if getattr(get_ipython(), "kernel", None) is not None:
            self._open()

    def draw(self) -> float:
        """Sends what is new; gives the time before which nothing else should be sent."""
        if self._handle is None or not self._sight.news():
            return time.monotonic()
        begun = time.monotonic()
        size, least = (0, VIEW_AT_LEAST) if self._through_view() else (self._update(), AT_LEAST)
        now = time.monotonic()
        return now + max(least, TIMES * (now - begun), size / BYTES_PER_SECOND)

    def seal(self) -> None:
        """Puts HTML in the place of the view; its buttons go on living beside it."""
        if self._handle is None:
            display(self._sight.bundle(), raw=True)  # type: ignore[no-untyped-call]
            return
        if self._lives:
            with self._lock:
                self._view.tell([*self._sight.changes(), {"t": "seal"}])
                self._lives = False
        self.update()
        if self._view is not None and self not in _kept:
            _kept.append(self)
            if len(_kept) > KEPT:
                _kept.popleft().close()

    def update(self) -> None:
        """Sends the whole as HTML anew."""
        self._context.copy().run(self._handle.update, self._sealed(), raw=True)

    def close(self) -> None:
        """Lets go of the widget: the buttons go, the HTML stays."""
        self._view.close()
        self._view = None

    def _open(self) -> None:
        bundle: dict[str, Any] = self._sight.bundle()
        if front_end_may_show():
            from lk_notebook.view import View  # noqa: PLC0415 - ipywidgets, when something is shown

            self._view = View(self._heard, number=self._number)
            self._lives = True
            bundle = {**self._view.mime, **bundle}
        self._handle = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        if self._lives:
            self._view.tell([{"t": "frame", "h": self._sight.frame()}, *self._sight.changes()])
        self._let_redraw()

    def _let_redraw(self) -> None:
        for reply in self._sight.replies:
            reply.redraw = self.update

    def _through_view(self) -> bool:
        """Tells the view; False: no front end has shown one so far, the page gets HTML until one does."""
        if self._view is None:
            return False
        from lk_notebook import view  # noqa: PLC0415 - as above

        if view.seen() and not self._lives:
            self._show_view()  # a slow machine or line: it came late
        elif not view.seen() and time.monotonic() > self._begun + PATIENCE and not _is_trusted_to_show():
            self._lives = False
        elif self._lives:
            with self._lock:
                self._view.tell(self._sight.changes())
        return self._lives

    def _show_view(self) -> None:
        """Puts the view in the place of HTML."""
        with self._lock:
            self._lives = True
            self._tell_anew()
        self._handle.update({**self._view.mime, **self._sight.bundle()}, raw=True)

    def _tell_anew(self) -> None:
        self._view.tell([{"t": "reset"}, {"t": "frame", "h": self._sight.frame()}, *self._sight.anew()])

    def _update(self) -> int:
        self._sight.changes()  # nobody else takes them
        html = self._sight.html()
        self._handle.update({"text/html": html, "text/plain": "…"}, raw=True)
        return len(html)

    def _sealed(self) -> dict[str, str]:
        """What stays in the file; a number tells the view where its buttons belong."""
        bundle = self._sight.bundle()
        if self._view is not None and bundle["text/html"]:
            bundle["text/html"] = f'<div data-lk="{self._number}">{bundle["text/html"]}</div>'
        return bundle

    # What its buttons do -------------------------------------------------------------------------------------------

    def _heard(self, message: Message) -> None:
        """A button was pressed, in the main thread or in a subshell's: nothing here waits."""
        what, c = message.get("t"), message.get("c", 0)
        there = self._sight.numbered
        if what == "stop":
            for reply in self._sight.replies if c < 0 else there[c : c + 1]:
                if reply is not None:
                    reply.stop()
        elif what == "lost":  # also when it is sealed: a page that was loaded anew has the view, and no HTML
            with self._lock:
                self._tell_anew()
        elif what in ("retry", "continue") and 0 <= c < len(there) and (before := there[c]) is not None:
            self._apart(lambda: self._again(c, before, what))
        elif what in ("sent", "copy") and 0 <= c < len(there) and (reply := there[c]) is not None:
            self._view.tell([answer(what, c, reply)])

    def _apart(self, work: Any) -> None:
        """In a thread of its own, in the context of the cell."""
        threading.Thread(target=self._context.copy().run, args=(work,), daemon=True).start()

    def _again(self, c: int, before: Reply, what: str) -> None:
        """Asks once more, or goes on, in the same place."""
        if before.state not in ENDED:
            return
        try:
            reply = before.continue_() if what == "continue" else before.anew() if before.anew else None
        except LkError as error:
            self._view.tell([{"t": "note", "c": c, "h": footer.error_html(str(error).splitlines())}])
            return
        if reply is None:
            return
        self._sight = self._sight.again(c, reply)
        self._show_view()
        self._let_redraw()
        follow(self._sight.replies, self.draw, VIEW_AT_LEAST)  # the cell has ended long ago
        self.seal()


def front_end_may_show() -> bool:
    """Whether somebody sits before the notebook: nbclient and its like take no input, and no widget's messages."""
    return bool(_request().get("content", {}).get("allow_stdin", True))


def _is_trusted_to_show() -> bool:
    """Whether the front end shows views though none can say so: before ipykernel 7 a busy kernel hears no widget.

    JupyterLab and Notebook 7 tell the cell's id.
    """
    hears = getattr(get_ipython().kernel, "_supports_kernel_subshells", False)
    return not hears and "cellId" in _request().get("metadata", {})


def _request() -> dict[str, Any]:
    """The message that runs the cell, where one does."""
    with contextlib.suppress(AttributeError, LookupError):
        return get_ipython().kernel.get_parent("shell") or {}
    return {}
