"""A reply on the page while it grows, and as it stays there.

A terminal gets the text as it comes; a notebook's output is `lk_notebook.output`'s.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from IPython import get_ipython

from lk_notebook.core import footer
from lk_notebook.core.text import clean
from lk_notebook.desk import Stopped, desk
from lk_notebook.net.loop import TICK, interrupts
from lk_notebook.output import Output
from lk_notebook.page import Format, Page, facts
from lk_notebook.reply import ENDED, Reply
from lk_notebook.sight import Sight


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
    """Draws what is seen until all of it has ended, in one output of the calling cell.

    A shell that cannot update gets it once, at the end.

    Raises:
        Stopped: the user pressed ■; all replies were stopped.
    """
    output = Output(sight)
    due = time.monotonic()

    def draw_now() -> None:
        nonlocal due
        due = output.draw()

    try:
        with _watch(sight.replies, draw_now) as turn:
            while any(reply.state not in ENDED for reply in sight.replies):
                if time.monotonic() >= due:
                    draw_now()
                turn()
    finally:
        output.seal()


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


def draw_again(reply: Reply) -> None:
    """Draws a reply that is the value of a cell, but for the cell that has just drawn it."""
    shell = get_ipython()
    if shell is None or reply.drawn_in != shell.execution_count:
        draw(reply)


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
