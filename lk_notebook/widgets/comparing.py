"""The comparisons of one panel: asking several models, one of them again, voting, and telling the view of it."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from lk_notebook.carried import Carried
from lk_notebook.columns import columns
from lk_notebook.core import comparison
from lk_notebook.errors import ConfigurationError, LkError, PromptError
from lk_notebook.following import follow
from lk_notebook.page import answer
from lk_notebook.reply import ENDED, Reply
from lk_notebook.session import Session
from lk_notebook.widgets import markup
from lk_notebook.widgets.chosen import Chosen
from lk_notebook.widgets.panel import Places
from lk_notebook.widgets.rounds import Round
from lk_notebook.widgets.talk import not_run

#: How a reply that has ended is asked once more.
AGAIN: dict[str, Callable[[Reply], Reply | None]] = {
    "retry": lambda reply: reply.anew() if reply.anew else None,
    "continue": lambda reply: reply.continue_(),
}


class Listener(Protocol):
    """Who is told what happens."""

    def rebuild(self) -> None:
        """Something else is asked: the view is told all of it."""

    def changed(self, *, running: bool) -> None:
        """Replies have begun, or ended, or it is known whose they are."""


@dataclass
class Comparing:
    """Asks one question at a time; all of them stay in the file."""

    session: Session
    places: Places
    listener: Listener
    carried: Carried
    rounds: list[Round] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self.carried = replace(self.carried, confirm=self._cannot_ask)
        self._context = contextvars.copy_context()
        self._followed = False  # whether the view still waits for the end, which it is told of after all answers

    @property
    def last(self) -> Round | None:
        """The last comparison."""
        return self.rounds[-1] if self.rounds else None

    @property
    def running(self) -> bool:
        """Whether replies still come."""
        return self.last is not None and not self.last.over

    def ask(self, prompt: str, chosen: Chosen, *, blind: bool) -> list[Reply | None]:
        """Asks all of them.

        Raises:
            LkError: nothing was sent, and nothing has changed.
        """
        with self.lock:
            if self.running:
                raise ConfigurationError("Replies are still coming.", "Stop them, or wait for their end.")
            if not prompt.strip():
                raise PromptError("The prompt is empty.", "Write what you want to ask.")
            cells, left_out = chosen.cells()
            asked = self.session.ask_all(cells, prompt, self.carried)
            replies = []
            for (_, reply), names in zip(asked, left_out, strict=True):
                if isinstance(reply, Reply):
                    replies.append(reply)
                    for name in names:
                        reply.on_note(f"{name} was left out: {reply.model} does not take it.")
            if not replies:
                raise next(error for _, error in asked if isinstance(error, LkError))
            self.vote("")
            shown = columns(cells, asked, self.session.aliases)
            self._followed = True
            self.rounds.append(Round(prompt, cells, shown, blind=blind, number=chosen.number))
            self.listener.rebuild()
        self._started(replies)
        return self.replies

    @property
    def replies(self) -> list[Reply | None]:
        """Those of the last comparison, in the order of the models."""
        with self.lock:
            return [column.reply for column in self.last.in_line] if self.last else []

    def once_more(self, what: str, c: int) -> None:
        """Asks one column again, or goes on with it, in its place; c counts the columns as they are shown.

        Raises:
            LkError: nothing was sent, and nothing has changed.
        """
        with self.lock:
            last = self.last
            if last is None or not 0 <= c < len(last.columns):
                return
            reply: Reply | None = None
            if (before := last.columns[c].reply) is None:
                ((_, asked),) = self.session.ask_all([last.cells[c]], last.prompt, self.carried)
                if isinstance(asked, LkError):
                    raise asked
                reply = asked
            elif before.state in ENDED:
                reply = AGAIN[what](before)
            if reply is None:
                return
            self._followed = True
            last.take(c, reply)
            self.places.tell([{"t": "html", "at": f"col{c}", "h": last.column(c)}, *last.changes()])
            self.draw()
        self._started([reply])

    def stop(self, c: int = -1) -> None:
        """Ends the replies that are under way, or one of them; what had arrived stays."""
        with self.lock:
            for i, reply in enumerate(self.last.numbered if self.last else ()):
                if reply is not None and c in (-1, i):
                    reply.stop()

    def vote(self, letter: str) -> None:
        """Takes a vote on the last answers, where one is due, and tells whose they are."""
        with self.lock:
            if self.last is None or not self.last.blind:
                return
            if (vote := self.last.voted(letter)) is not None:
                self.session.votes.append(vote)
            self.places.tell(self.last.changes())
            self.draw()
        self.listener.changed(running=self.running)

    def _cannot_ask(self, name: str, _arguments: Mapping[str, Any]) -> bool:
        """A tool that wants the user's leave: said where it was called."""
        note = not_run(name)
        for reply in self.last.replies if self.last else ():
            called = [ran.call.name for step in reply.steps for ran in step.ran]
            if name in called and note not in reply.notes:
                reply.on_note(note)
        return False

    def said(self, what: str, c: int) -> None:
        """A button of a column asks for its text, or for the request behind it."""
        if self.last is not None and (reply := self.last.reply(c)) is not None:
            self.places.tell([answer(what, c, reply)])

    # What the view is told -----------------------------------------------------------------------------------------

    def draw(self) -> None:
        """Tells what has changed around the columns."""
        with self.lock:
            last, running = self.last, self._followed
            stop = markup.button("Stop all", "stop", "lk-go", name="go", data_c=-1)
            self.places.put({
                "go": stop if running else markup.button("Send", "send", "lk-go", name="go"),
                "again": markup.button("Run again", "again", "lk-flat", disabled=running) if last else "",
                "asked": last.question() if last else "",
                "vote": last.vote() if last else "",
                "status": last.status() if last else "",
            })  # fmt: skip

    def rebuild(self, empty: str) -> None:
        """Tells all of it to a view without content."""
        with self.lock:
            self.places.put({"round": self.last.frame() if self.last else empty})
            if self.last is not None:
                self.places.tell(self.last.anew())
            self.draw()

    def _started(self, replies: list[Reply]) -> None:
        self.listener.changed(running=True)  # also where they have ended by now
        assert self.last is not None  # noqa: S101 - for the type checker
        work = self._context.copy().run
        threading.Thread(target=work, args=(self._follow, self.last, replies), daemon=True).start()

    def _follow(self, shown: Round, replies: list[Reply]) -> None:
        """Tells the view how replies grow, to their end."""

        def tell() -> None:
            with self.lock:
                if shown is self.last and shown.news():
                    self.places.tell(shown.changes())
                    self.places.put({"status": shown.status()})

        follow(replies, tell)
        self._ended(shown)

    def _ended(self, shown: Round) -> None:
        with self.lock:
            if not shown.over or shown is not self.last:
                return
            self._followed = False
            if shown.blind and len(shown.candidates) < comparison.LEAST:
                shown.verdict = "No vote: fewer than two answers came."
                self.vote("")
        self.listener.changed(running=False)  # the file has it before the view says that all is there
        self.draw()

    def kept(self) -> list[tuple[str, str, dict[str, str]]]:
        """Each as it stays in the file."""
        with self.lock:
            return [(each.asked, "Answers", each.kept()) for each in self.rounds]

    @property
    def table(self) -> Any:
        """The figures of the last one; None where nothing was asked."""
        with self.lock:
            return self.last.table if self.last else None
