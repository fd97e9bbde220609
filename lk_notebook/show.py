"""A reply on the page while it grows, and as it stays there.

In a kernel one display is updated by its id, ever more rarely as the reply grows: browsers draw the whole of it
anew each time. A terminal gets the text as it comes; any other shell gets the reply once, when it has ended.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from IPython import get_ipython
from IPython.display import display

from lk_notebook.core import footer
from lk_notebook.core.text import clean
from lk_notebook.desk import desk
from lk_notebook.net.loop import TICK, interrupts
from lk_notebook.page import Format, Page, facts
from lk_notebook.reply import ENDED, Reply

#: The next update waits so many times what the last one took, at least so long, and for what a browser can draw.
TIMES, AT_LEAST, BYTES_PER_SECOND = 10.0, 0.05, 40_000


class Stopped(KeyboardInterrupt):
    """■ was pressed: the cell ends quietly, and the cells queued behind it do not run, as after any interrupt."""

    def _render_traceback_(self) -> list[str]:
        return []


def draw(reply: Reply, how: Format = "markdown") -> None:
    """Draws the reply until it has ended.

    Raises:
        Stopped: the user pressed ■; the reply was stopped, what had arrived stays.
    """
    shell = get_ipython()
    reply.drawn_in = shell.execution_count if shell is not None else None
    with interrupts() as seen, reply.woken() as woken:

        def turn() -> None:
            """Waits for news, does what must be done in this thread, and takes ■ for the wish that it is."""
            woken.wait(TICK)
            woken.clear()
            desk.serve(seen)
            if seen.pressed:
                reply.stop()

        if shell is None or hasattr(shell, "simple_prompt"):
            _print(reply, turn)
        else:
            _update(reply, turn, Page(reply, how), live=getattr(shell, "kernel", None) is not None)
    if seen.pressed and reply.state == "stopped":
        raise Stopped


def draw_again(reply: Reply) -> None:
    """Draws a reply that is the value of a cell, but for the cell that has just drawn it."""
    shell = get_ipython()
    if shell is None or reply.drawn_in != shell.execution_count:
        draw(reply)


def refresh(reply: Reply) -> None:
    """Draws anew what stands on the page already: something was learnt about the reply since."""
    if reply.redraw is not None:
        reply.redraw()


def _update(reply: Reply, turn: Callable[[], None], page: Page, *, live: bool) -> None:
    """One display, updated by its id; in a shell that cannot update, shown at the end."""
    if not live:
        while reply.state not in ENDED:
            turn()
        display(page.bundle(), raw=True)  # type: ignore[no-untyped-call]
        return
    handle = display(page.bundle(), raw=True, display_id=True)  # type: ignore[no-untyped-call]
    due = time.monotonic()
    while reply.state not in ENDED:
        now = time.monotonic()
        if now >= due and page.news():
            bundle = {"text/html": page.html(), "text/plain": "…"}
            handle.update(bundle, raw=True)
            took = time.monotonic() - now
            due = time.monotonic() + max(AT_LEAST, TIMES * took, len(bundle["text/html"]) / BYTES_PER_SECOND)
        turn()
    handle.update(page.bundle(), raw=True)
    reply.redraw = lambda: handle.update(page.bundle(), raw=True)


def _print(reply: Reply, turn: Callable[[], None]) -> None:
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
    sys.stdout.write(("\n" if start else "") + footer.footer_text(facts(reply)) + "\n")
