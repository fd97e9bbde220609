"""How replies are followed where no cell waits for them: in a panel, and below a button of a cell that has ended."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence

from lk_notebook.net.loop import TICK
from lk_notebook.reply import ENDED, Reply

#: The page is told again after so many times what the last telling took, within these bounds, in seconds.
TIMES, AT_LEAST, AT_MOST = 10.0, 1 / 30, 1.0


def follow(replies: Sequence[Reply], tell: Callable[[], object], at_least: float = AT_LEAST) -> None:
    """Tells what is new as long as any of the replies grows, and once more when all have ended."""
    woken, ended, due = threading.Event(), False, 0.0
    with contextlib.ExitStack() as stack:
        for reply in replies:
            stack.enter_context(reply.woken(woken))
        while not ended:
            woken.wait(TICK)
            woken.clear()
            ended = all(reply.state in ENDED for reply in replies)
            begun = time.monotonic()
            if begun < due and not ended:
                continue
            tell()
            now = time.monotonic()
            due = now + min(AT_MOST, max(at_least, TIMES * (now - begun)))
