"""The HTML of one reply while it grows: thoughts, text and tool calls in their order, then the footer."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Literal

from lk_notebook.arriving import ENDED, Ran
from lk_notebook.core import demo, footer
from lk_notebook.core.text import clean, plain
from lk_notebook.core.values import redact

if TYPE_CHECKING:
    from lk_notebook.core.render import Renderer
    from lk_notebook.reply import Reply

Format = Literal["markdown", "text", "code", "json", "html"]

#: A shorter stream, in seconds, has no speed worth a figure.
SHORTEST_SPEED = 0.1
STALE = "A turn before this one has changed since: run the cell again to take it up."

_STATES: dict[str, footer.State] = {"waiting": "waiting", "streaming": "live", "done": "done", "stopped": "stopped"}
_CALLS = {"running": "Calling", "done": "Called", "failed": "Failed:", "refused": "Refused:", "stopped": "Stopped:"}


class Page:
    """Renders by blocks, so that each look costs what is new.

    `error_follows`: the cell itself tells the error; a reply of which nothing came then leaves nothing on the page.
    """

    def __init__(self, reply: Reply, how: Format = "markdown", *, error_follows: bool = False) -> None:
        self.replies = (reply,)
        self._reply, self._how, self._error_follows = reply, how, error_follows
        self._read = 0  # characters of text that the renderers have
        self._renderers: list[Renderer] = []  # one for the text between two rounds of tools
        self._seen: tuple[object, ...] = ()

    def news(self) -> bool:
        """Whether anything has changed since the last look."""
        reply = self._reply
        calls = tuple(ran.state for step in reply.steps for ran in step.ran)
        now = (reply.size, len(reply.reasoning), reply.state, calls, len(reply.notes), countdown(reply))
        changed, self._seen = now != self._seen, now
        return changed

    def html(self) -> str:
        """The whole reply as safe HTML; sealed once it has ended."""
        content, error = self.content(), self._reply.error
        if error is not None and self._error_follows and not content:
            return ""
        if error is not None and not self._error_follows:
            content += redact(footer.error_html(str(error).splitlines()))
        return content + redact(footer.footer_html(facts(self._reply)))

    def content(self, *, thoughts: bool = True) -> str:
        """The reply without its footer, and without its thoughts where they would tell whose they are."""
        reply, parts = self._reply, []
        text = thought = 0
        for i, step in enumerate((*reply.steps, None)):
            ends = (None, None) if step is None else (step.text, step.reasoning)
            open_ended = step is None and reply.state not in ENDED
            if thoughts and (thinking := reply.thought(thought, ends[1])):
                title = "Thinking…" if open_ended and reply.size == text else "Thought"
                parts.append(footer.fold_html(title, thinking))
            parts.append(self._body(i, text, ends[0], final=not open_ended))
            if step is not None:
                text, thought = step.text, step.reasoning
                parts += map(_folded, step.ran)
                if step.told:
                    parts.append(footer.event_html(step.told))
        if refusal := reply.refusal:
            parts.append(_plain(refusal))
        return redact("".join(parts))

    def bundle(self) -> dict[str, str]:
        """What stays in the file: the HTML, and the plain text beside it."""
        reply = self._reply
        text = reply.text or reply.refusal
        if self._how == "html" and text:
            from lk_notebook.core.formats import plain_of_html  # noqa: PLC0415 - this format's own

            text = plain_of_html(text)
        html = self.html()
        error = "" if reply.error is None or self._error_follows else str(reply.error)
        parts = [text, error, footer.footer_text(facts(reply)) if html else ""]
        return {"text/html": html, "text/plain": redact(clean("\n\n".join(part for part in parts if part)))}

    def _body(self, i: int, start: int, end: int | None, *, final: bool) -> str:
        if self._how in ("markdown", "code"):
            return self._markdown(i, end, final=final)
        text = self._reply.piece(start, end)
        if final and end is None and text and self._reply.state == "done":
            return self._as_asked(text)
        return _plain(text)

    def _markdown(self, i: int, end: int | None, *, final: bool) -> str:
        if i == len(self._renderers):
            from lk_notebook.core.render import Renderer  # noqa: PLC0415 - brings markdown-it and Pygments

            self._renderers.append(Renderer())
        renderer = self._renderers[i]
        if end is None or self._read < end:
            piece = self._reply.piece(self._read, end)
            self._read += len(piece)
            renderer.feed(piece)
        renderer.flush(final=final)
        return renderer.html

    def _as_asked(self, text: str) -> str:
        """The ended text in its format."""
        from lk_notebook.core import formats  # noqa: PLC0415 - two formats' own

        if self._how == "json":
            return formats.json_html(self._reply.parsed)
        return formats.sandboxed(text) if self._how == "html" else _plain(text)


def _plain(text: str) -> str:
    return f'<div style="white-space:pre-wrap">{plain(text)}</div>' if text else ""


def _folded(ran: Ran) -> str:
    """A call of a tool, its result and, where it raised, its traceback."""
    call = ran.call
    told = [f"{call.name}({call.arguments})", *([f"→ {ran.result}"] if ran.result else [])]
    if ran.trace:
        told.append(ran.trace)
    return footer.fold_html(f"{_CALLS[ran.state]} {call.name}({_short(call.arguments)})", "\n\n".join(told))


def _short(arguments: str) -> str:
    """The arguments of a call in a few words."""
    try:
        given = json.loads(arguments or "{}")
    except ValueError:
        given = None
    said = ", ".join(f"{k}={v!r}" for k, v in given.items()) if isinstance(given, dict) else arguments
    return said if len(said) <= 60 else said[:59] + "…"


def countdown(reply: Reply) -> int | None:
    """Whole seconds until the next try, where one waits."""
    return None if reply.retrying is None else max(0, round(reply.retrying[1] - time.monotonic()))


def facts(reply: Reply) -> footer.Facts:
    """What the footer says of a reply: only what is known."""
    notes = [*reply.notes, *([STALE] if reply.stale else [])]
    if (waiting := reply.retrying) is not None:
        error, _, left = waiting
        notes.append(f"{error.what} Next try in {countdown(reply)} s, {left} left.")
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
        turns=reply.remembered or None,
        state=_STATES.get(reply.state) or ("cut" if reply.size else "failed"),
        finish_reason=reply.finish_reason,
        notes=tuple(notes),
    )


def _speed(reply: Reply) -> float | None:
    """Tokens a second, where one stream lasted long enough for a speed to mean anything."""
    if reply.steps or reply.state != "done":
        return None
    speed, usage = reply.tokens_per_second, reply.usage
    return speed if speed and usage and usage.completion_tokens / speed >= SHORTEST_SPEED else None
