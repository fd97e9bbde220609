"""A reply on the page while it grows, and as it stays there.

In a kernel one display is updated by its id, ever more rarely as the reply grows: browsers draw the whole of it
anew each time. A terminal gets the text as it comes; any other shell gets the reply once, when it has ended.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from IPython import get_ipython
from IPython.display import display

from lk_notebook.core import footer
from lk_notebook.core.text import clean
from lk_notebook.desk import Stopped, desk
from lk_notebook.net.loop import TICK, interrupts
from lk_notebook.page import Format, Page, facts
from lk_notebook.reply import ENDED, Reply

#: The next update waits so many times what the last one took, at least so long, and for what a browser can draw.
TIMES, AT_LEAST, BYTES_PER_SECOND = 10.0, 0.05, 30_000


class Sight(Protocol):
    """What is drawn: one reply, or several side by side."""

    @property
    def replies(self) -> Sequence[Reply]:
        """Whose end ends the drawing."""

    def news(self) -> bool:
        """Whether anything has changed since the last look."""

    def html(self) -> str:
        """The whole of it."""

    def bundle(self) -> dict[str, str]:
        """What stays in the file."""


def draw(reply: Reply, how: Format = "markdown", *, error_follows: bool = False) -> None:
    """Draws the reply until it has ended, its error too, unless that follows by other means.

    Raises:
        Stopped: the user pressed ■; the reply was stopped, what had arrived stays.
    """
    shell = get_ipython()
    reply.drawn_in = shell.execution_count if shell is not None else None
    if shell is None or hasattr(shell, "simple_prompt"):
        with _watch((reply,)) as turn:
            _print(reply, turn, error_follows=error_follows)
    else:
        watch(Page(reply, how, error_follows=error_follows))


def watch(sight: Sight) -> None:
    """Draws what is seen until all of it has ended: one display, updated by its id.

    A shell that cannot update gets it once, at the end.

    Raises:
        Stopped: the user pressed ■; all replies were stopped.
    """
    live = getattr(get_ipython(), "kernel", None) is not None
    handle = display(sight.bundle(), raw=True, display_id=True) if live else None  # type: ignore[no-untyped-call]
    if handle is not None:
        for reply in sight.replies:
            reply.redraw = lambda: handle.update(sight.bundle(), raw=True)
    due = time.monotonic()

    def draw_now() -> None:
        nonlocal due
        if live and sight.news():
            due = _update(handle, sight)

    try:
        with _watch(sight.replies, draw_now) as turn:
            while any(reply.state not in ENDED for reply in sight.replies):
                if time.monotonic() >= due:
                    draw_now()
                turn()
    finally:
        if handle is None:
            display(sight.bundle(), raw=True)  # type: ignore[no-untyped-call]
        else:
            handle.update(sight.bundle(), raw=True)


@contextlib.contextmanager
def _watch(replies: Sequence[Reply], before: Callable[[], None] = lambda: None) -> Iterator[Callable[[], None]]:
    """A turn of waiting: for news of any reply, for what must be done in this thread (`before` it), for ■.

    Raises:
        Stopped: ■ was pressed, and ended one of them.
    """
    woken = threading.Event()
    with interrupts() as seen, contextlib.ExitStack() as stack:
        for reply in replies:
            stack.enter_context(reply.woken(woken))

        def turn() -> None:
            if desk.waited_for:  # a tool may take long: what led to it is seen before
                before()
                desk.serve(seen)
            woken.wait(TICK)
            woken.clear()
            if seen.pressed:
                for reply in replies:
                    reply.stop()

        yield turn
        if seen.pressed and any(reply.state == "stopped" for reply in replies):
            raise Stopped


def _update(handle: Any, sight: Sight) -> float:
    """Sends what is to be seen; gives the time before which no other update goes out."""
    begun = time.monotonic()
    html = sight.html()
    handle.update({"text/html": html, "text/plain": "…"}, raw=True)
    now = time.monotonic()
    return now + max(AT_LEAST, TIMES * (now - begun), len(html) / BYTES_PER_SECOND)


def draw_again(reply: Reply) -> None:
    """Draws a reply that is the value of a cell, but for the cell that has just drawn it."""
    shell = get_ipython()
    if shell is None or reply.drawn_in != shell.execution_count:
        draw(reply)


def refresh(reply: Reply) -> None:
    """Draws anew what stands on the page already: something was learnt about the reply since."""
    if reply.redraw is not None:
        reply.redraw()


def _print(reply: Reply, turn: Callable[[], None], *, error_follows: bool) -> None:
    """The text as it comes, without what could steer a terminal; the footer below."""
    start = 0
    while True:
        ended = reply.state in ENDED
        if piece := reply.piece(start):
            start += len(piece)
            sys.stdout.write(clean(piece))
            sys.stdout.flush()
        elif ended:
            break
        else:
            turn()
    if start:
        sys.stdout.write("\n\n")
    if reply.error is not None and not error_follows:
        sys.stdout.write(f"{reply.error}\n")
    if start or reply.error is None:
        sys.stdout.write(footer.footer_text(facts(reply)) + "\n")
