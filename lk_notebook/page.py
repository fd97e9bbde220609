"""The HTML of one reply while it grows: thoughts, text and tool calls in their order, then the footer."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Literal

from lk_notebook.arriving import ENDED
from lk_notebook.core import demo, footer, local
from lk_notebook.core.figures import seconds
from lk_notebook.core.highlight import colours
from lk_notebook.core.parts import Fixed, Flowing, Part, Shown
from lk_notebook.core.text import clean, escape
from lk_notebook.core.values import redact
from lk_notebook.steps import Ran

if TYPE_CHECKING:
    from lk_notebook.core.render import Op
    from lk_notebook.reply import Reply

Message = dict[str, Any]  # to a view: `t` says what it is, `c` which reply it is about
Format = Literal["markdown", "text", "code", "json", "html"]

#: A shorter stream, in seconds, has no speed worth a figure.
SHORTEST_SPEED = 0.1
SHORTEST_THOUGHT = 0.05
STALE = "A turn before this one has changed since: run the cell again to take it up."

# Places of the parts: those of each round of tools follow each other, thought, text, calls.
_BODY, _ROUND, _LAST = 1, 1_000, 1_000_000
_THINKING = "Thinking…"
_SHOWN = '<div style="white-space:pre-wrap">'
_STATES: dict[str, footer.State] = {"waiting": "waiting", "streaming": "live", "done": "done", "stopped": "stopped"}
_CALLS = {"running": "Calling", "done": "Called", "failed": "Failed:", "refused": "Refused:", "stopped": "Stopped:"}


class Page:
    """Renders by blocks, so that each look costs what is new; a view is told only what has changed.

    `error_follows`: the cell itself tells the error; a reply of which nothing came then leaves nothing on the page.
    """

    def __init__(self, reply: Reply, how: Format = "markdown", *, error_follows: bool = False) -> None:
        self.replies = self.numbered = (reply,)
        self._reply, self._how, self._error_follows = reply, how, error_follows
        self._parts: dict[int, Part] = {}  # by their place on the page
        self._seen: tuple[object, ...] = ()
        self._foot: Message = {}  # as it was last told
        self.shows_thoughts = True

    def news(self) -> bool:
        """Whether anything has changed since the last look."""
        reply = self._reply
        calls = tuple(ran.state for step in reply.steps for ran in step.ran)
        now = (reply.size, reply.thought_size, reply.state, calls, len(reply.notes), countdown(reply))
        changed, self._seen = now != self._seen, now
        return changed

    def frame(self, c: int = 0) -> str:
        """The element around the reply, empty: a view fills it, as `html` does."""
        return _framed(c, "", "")

    def changes(self, c: int = 0) -> list[Message]:
        """What a view must be told since the last call; `c` is the number of the reply in it."""
        self._look()
        return self._told(c, [op | {"s": place} for place, part in self._placed() for op in part.changes()])

    def anew(self, c: int = 0) -> list[Message]:
        """What builds the reply in an empty frame."""
        self._look()
        self._foot = {}
        return self._told(c, [op | {"s": place} for place, part in self._placed() for op in part.anew()])

    def html(self) -> str:
        """The whole reply as safe HTML; sealed once it has ended."""
        content = self.content()
        if self._reply.error is not None and self._error_follows and not content:
            return ""
        return _framed(0, content, self.foot())

    def content(self) -> str:
        """The reply without its footer."""
        self._look()
        return redact("".join(f"<div>{part.html}</div>" for _, part in self._placed()))

    def foot(self) -> str:
        """What stands below: the error, unless it follows by other means, and the figures."""
        error = self._reply.error
        told = "" if error is None or self._error_follows else footer.error_html(str(error).splitlines())
        return redact(told + footer.footer_html(facts(self._reply)))

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

    def actions(self) -> list[str]:
        """What can be done with the reply now, as a view offers it."""
        reply = self._reply
        if reply.state not in ENDED:
            return ["stop"]
        if reply.state == "failed" and self._error_follows:  # the cell failed: it is run again
            return ["copy"] if reply.size else []
        whole = ["copy"] if reply.size or reply.refusal else []
        return [*whole, *(["retry"] if reply.anew else []), *(["continue"] if reply.can_go_on else []), "sent"]

    def again(self, _c: int, reply: Reply) -> Page:
        """The same place with another reply in it."""
        return Page(reply, self._how)

    def _told(self, c: int, ops: list[Op]) -> list[Message]:
        """The changes of the parts, and the footer where it has changed."""
        messages: list[Message] = []
        if ops:
            messages.append({"t": "ops", "c": c, "ops": [_struck(op) for op in ops]})
        state = facts(self._reply).state
        foot: Message = {"t": "foot", "c": c, "state": state, "h": self.foot(), "acts": self.actions()}
        if foot != self._foot:
            self._foot = foot
            messages.append(foot)
        return messages

    def _placed(self) -> list[tuple[int, Part]]:
        return sorted(self._parts.items())

    def _look(self) -> None:
        """Brings all parts up to what has arrived."""
        reply = self._reply
        ended = reply.state in ENDED
        text = thought = 0
        for i, step in enumerate((*reply.steps, None)):
            ends = (None, None) if step is None else (step.text, step.reasoning)
            final = step is not None or ended
            if self.shows_thoughts:
                self._think(i, thought, ends[1], over=final or reply.size > text)
            self._write(i, text, ends[0], final=final)
            if step is not None:
                text, thought = step.text, step.reasoning
                for k, ran in enumerate(step.ran):
                    self._fixed(_BODY + 1 + k + i * _ROUND, _folded(ran))
                if step.told:
                    self._fixed(_ROUND - 1 + i * _ROUND, footer.event_html(step.told))
        if refusal := reply.refusal:
            self._fixed(_LAST, _plain(refusal))

    def _think(self, i: int, start: int, end: int | None, *, over: bool) -> None:
        fold = self._parts.get(i * _ROUND)
        read = start + (fold.size if isinstance(fold, Shown) else 0)
        if piece := self._reply.thought(read, end):
            if not isinstance(fold, Shown):
                fold = self._parts[i * _ROUND] = Shown(*footer.fold_tags(_THINKING), title=_THINKING)
            fold.feed(piece)
        if isinstance(fold, Shown) and over:
            fold.entitle(self._thought(i))

    def _thought(self, i: int) -> str:
        begun, ended = self._reply.thought_for.get(i, (0.0, 0.0))
        return f"Thought for {seconds(ended - begun)}" if ended - begun >= SHORTEST_THOUGHT else "Thought"

    def _write(self, i: int, start: int, end: int | None, *, final: bool) -> None:
        place = _BODY + i * _ROUND
        part = self._parts.get(place)
        if isinstance(part, Fixed):
            return
        if not isinstance(part, (Flowing, Shown)):
            if self._reply.size <= start:
                return
            part = Flowing() if self._how in ("markdown", "code") else Shown(_SHOWN, "</div>")
            self._parts[place] = part
        piece = self._reply.piece(start + part.size, end)
        if isinstance(part, Flowing):
            part.feed(piece, final=final)
        elif piece:
            part.feed(piece)
        if final and end is None and self._reply.state == "done" and self._how in ("json", "html"):
            self._fixed(place, self._as_asked(self._reply.piece(start)))

    def _fixed(self, place: int, html: str) -> None:
        part = self._parts.get(place)
        if isinstance(part, Fixed):
            part.become(html)
        else:
            self._parts[place] = Fixed(html)

    def _as_asked(self, text: str) -> str:
        """The ended text in its format."""
        from lk_notebook.core import formats  # noqa: PLC0415 - two formats' own

        return formats.json_html(self._reply.parsed) if self._how == "json" else formats.sandboxed(text)


def plain_text(reply: Reply) -> str:
    """What the model said, as it wrote it."""
    return redact(clean(reply.text or reply.refusal))


def answer(what: str, c: int, reply: Reply) -> Message:
    """What a button wants to know of a reply: its text (`copy`), or the request behind it (`sent`)."""
    if what == "copy":
        return {"t": "heard", "at": what, "c": c, "md": plain_text(reply)}
    from lk_notebook.sent import what_was_sent  # noqa: PLC0415 - only who looks

    return {"t": "heard", "at": what, "c": c, "all": what_was_sent(reply)}


def _framed(c: int, content: str, foot: str) -> str:
    """A reply as an element: what has come, and its footer."""
    style = f"overflow-wrap:break-word;{colours(content)}"  # not `anywhere`: cells of tables would break too
    inside = f'<div data-c="{c}">{content}</div><div data-foot="{c}">{foot}</div>'
    return f'<div class="lk-reply" style="{style}">{inside}</div>'


def _struck(op: Op) -> Op:
    """The change without any known secret."""
    for name in ("h", "i"):
        if name in op:
            op[name] = redact(op[name])
    return op


def _plain(text: str) -> str:
    return f"{_SHOWN}{escape(text)}</div>"


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
    demonstration, replayed = reply.account == "demo", reply.replayed
    measured = not demonstration and (replayed is None or replayed.figures)
    name, note = local.label(reply.model) if reply.account == "local" else (reply.model, None)
    about = (demo.NOTE if demonstration else note, replayed.note if replayed else None)
    return footer.Facts(
        model=name,
        provider=reply.provider or (None if reply.account in ("livekit", "local", "demo") else reply.account),
        account_note=" · ".join(filter(None, about)) or None,
        served_by=None if reply.served_by == reply.provider else reply.served_by,
        ttft=reply.ttft if replayed is None or replayed.figures else None,
        tokens_per_second=_speed(reply) if measured else None,
        usage=reply.usage if measured else None,
        cost=reply.cost if measured else None,
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
