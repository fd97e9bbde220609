"""A reply on the page while it grows, and as it stays there.

In a kernel one display is updated by its id, ever more rarely as the reply grows: browsers draw the whole of it
anew each time. A terminal gets the text as it comes; any other shell gets the reply once, when it has ended.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, Literal

from IPython import get_ipython
from IPython.display import display

from lk_notebook.core import demo, footer
from lk_notebook.core.text import clean, plain
from lk_notebook.core.values import redact
from lk_notebook.net.loop import TICK, interrupts
from lk_notebook.reply import ENDED, Reply

Format = Literal["markdown", "text"]

#: The next update waits so many times what the last one took, at least so long, and for what a browser can draw.
TIMES, AT_LEAST, BYTES_PER_SECOND = 10.0, 0.05, 40_000


#: A shorter stream, in seconds, has no speed worth a figure.
SHORTEST_SPEED = 0.1


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

        def turn(seconds: float = TICK) -> None:
            """Waits for news, and takes ■ for the wish that it is."""
            woken.wait(min(TICK, max(seconds, 0.001)))
            woken.clear()
            if seen.pressed:
                reply.stop()

        if shell is None or hasattr(shell, "simple_prompt"):
            _print(reply, turn)
        else:
            _update(reply, turn, how, live=getattr(shell, "kernel", None) is not None)
    if seen.pressed and reply.state == "stopped":
        raise Stopped


def draw_again(reply: Reply) -> None:
    """Draws a reply that is the value of a cell, but for the cell that has just drawn it."""
    shell = get_ipython()
    if shell is None or reply.drawn_in != shell.execution_count:
        draw(reply)


def _update(reply: Reply, turn: Callable[[float], None], how: Format, *, live: bool) -> None:
    """One display, updated by its id; in a shell that cannot update, shown at the end."""
    page = Page(reply, how)
    handle = display(page.bundle(), raw=True, display_id=True) if live else None  # type: ignore[no-untyped-call]
    due = time.monotonic()
    while reply.state not in ENDED:
        now = time.monotonic()
        if live and now >= due and page.news():
            size = _send(handle, {"text/html": page.html(), "text/plain": "…"})
            took = time.monotonic() - now
            due = time.monotonic() + max(AT_LEAST, TIMES * took, size / BYTES_PER_SECOND)
        turn(TICK)
    if live:
        _send(handle, page.bundle())
    else:
        display(page.bundle(), raw=True)  # type: ignore[no-untyped-call]


def _send(handle: Any, bundle: dict[str, str]) -> int:
    handle.update(bundle, raw=True)
    return len(bundle["text/html"])


def _print(reply: Reply, turn: Callable[[float], None]) -> None:
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
            turn(TICK)
    sys.stdout.write(("\n" if start else "") + footer.footer_text(facts(reply)) + "\n")


class Page:
    """The HTML of one reply: rendered by blocks, so that each flush costs what is new."""

    def __init__(self, reply: Reply, how: Format) -> None:
        self._reply, self._how = reply, how
        self._read = 0
        self._seen: tuple[object, ...] = ()
        if how == "markdown":
            from lk_notebook.core.render import Renderer  # noqa: PLC0415 - brings markdown-it and Pygments

            self._renderer = Renderer()

    def news(self) -> bool:
        """Whether anything has changed since the last look."""
        reply = self._reply
        now = (reply.size, len(reply.reasoning), reply.state, len(reply.notes), _countdown(reply))
        changed, self._seen = now != self._seen, now
        return changed

    def html(self) -> str:
        """The whole reply as safe HTML; sealed once it has ended."""
        reply = self._reply
        ended = reply.state in ENDED
        parts = []
        if thought := reply.reasoning:
            title = "Thought" if reply.size or ended else "Thinking…"
            parts.append(footer.fold_html(title, thought))
        parts.append(self._body(ended=ended))
        if refusal := reply.refusal:
            parts.append(_plain(refusal))
        parts.append(footer.footer_html(facts(reply)))
        return redact("".join(parts))

    def bundle(self) -> dict[str, str]:
        """What stays in the file: the HTML, and the plain text beside it."""
        text = self._reply.text or self._reply.refusal
        told = footer.footer_text(facts(self._reply))
        plain = f"{text}\n\n{told}" if text else told
        return {"text/html": self.html(), "text/plain": redact(clean(plain))}

    def _body(self, *, ended: bool) -> str:
        if self._how == "text":
            return _plain(self._reply.text)
        piece = self._reply.piece(self._read)
        self._read += len(piece)
        self._renderer.feed(piece)
        self._renderer.flush(final=ended)
        return self._renderer.html


def _plain(text: str) -> str:
    return f'<div style="white-space:pre-wrap">{plain(text)}</div>' if text else ""


def _countdown(reply: Reply) -> int | None:
    return None if reply.retrying is None else max(0, round(reply.retrying[1] - time.monotonic()))


_STATES: dict[str, footer.State] = {"waiting": "waiting", "streaming": "live", "done": "done", "stopped": "stopped"}


def facts(reply: Reply) -> footer.Facts:
    """What the footer says of a reply: only what is known."""
    notes = list(reply.notes)
    if (waiting := reply.retrying) is not None:
        error, _, left = waiting
        notes.append(f"{error.what} Next try in {_countdown(reply)} s, {left} left.")
    demonstration = reply.account == "demo"
    return footer.Facts(
        model=reply.model,
        provider=reply.provider or (None if reply.account in ("livekit", "demo") else reply.account),
        account_note=demo.NOTE if demonstration else None,
        served_by=None if reply.served_by == reply.provider else reply.served_by,
        ttft=reply.ttft,
        tokens_per_second=None if demonstration else _speed(reply),
        usage=None if demonstration else reply.usage,
        cost=reply.cost,
        state=_STATES.get(reply.state) or ("cut" if reply.size else "failed"),
        finish_reason=reply.finish_reason,
        notes=tuple(notes),
    )


def _speed(reply: Reply) -> float | None:
    """Tokens a second, where the stream lasted long enough for a speed to mean anything."""
    lasted = (reply.duration or 0) - (reply.ttft or 0)
    return reply.tokens_per_second if lasted >= SHORTEST_SPEED else None
