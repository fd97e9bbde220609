"""What all panels share: a module and a style sheet, the places that the kernel renders, how replies are followed."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from lk_notebook.core.values import Message, redact
from lk_notebook.net.loop import TICK
from lk_notebook.reply import ENDED, Reply

#: A view is told again after so many times what the last telling took, within these bounds, in seconds.
TIMES, AT_LEAST, AT_MOST = 10.0, 1 / 30, 1.0


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


def follow(replies: Sequence[Reply], tell: Callable[[], None]) -> None:
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
            due = now + min(AT_MOST, max(AT_LEAST, TIMES * (now - begun)))
