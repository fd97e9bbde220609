"""The chat of one panel: asking in it, asking again, and telling the view what has changed."""

from __future__ import annotations

import contextvars
import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lk_notebook.carried import Carried
from lk_notebook.core import chats
from lk_notebook.core.chats import Chat, Told, Turn
from lk_notebook.core.text import plain
from lk_notebook.core.values import Message, redact
from lk_notebook.following import follow
from lk_notebook.llm import LLM
from lk_notebook.page import Page
from lk_notebook.reply import ENDED, Reply
from lk_notebook.session import Session
from lk_notebook.widgets import markup
from lk_notebook.widgets.entry import EMPTY, Entry, Past
from lk_notebook.widgets.panel import Places, status, without

#: A key that no turn has: whoever asks with it sees all turns.
_NEXT = ("", 0)


def not_run(name: str) -> str:
    """What is said of a tool that wants the user's leave."""
    return f"{name} was not run: it asks first, and a panel cannot ask. In a cell it can: %%lkchat -t {name}."


@dataclass
class Talk:
    """Asks in one chat of the session, one question at a time.

    `places` are those of the view; `changed` is called whenever the history may have, in the context of the cell that
    made the panel.
    """

    session: Session
    places: Places
    changed: Callable[[], None]
    name: str = ""
    entries: list[Entry] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        self._chat = Chat()
        self._lock = threading.RLock()
        self._context = contextvars.copy_context()
        self.begin()

    @property
    def running(self) -> Reply | None:
        """The reply that is under way."""
        said = self.entries[-1].turn.said if self.entries else None
        return said if isinstance(said, Reply) and said.state not in ENDED else None

    def history(self) -> list[Message]:
        """The messages so far, as the next question will be sent with."""
        return self._chat.history(_NEXT, "")

    def begin(self, turns: Sequence[Turn] = ()) -> None:
        """A new chat, with these turns; the old one stays in the session, where anything was said in it."""
        with self._lock:
            self.stop()
            if not self.name or self._chat.turns:
                names = (f"panel-{i}" for i in itertools.count(1))
                self.name = next(name for name in names if name not in self.session.chats)
                self._chat = self.session.chats[self.name] = Chat()
            self._chat.turns = list(turns)
            self.follow_up()

    def load(self, messages: Sequence[Message]) -> None:
        """A new chat with this history."""
        turns: list[Turn] = []
        for message in messages:
            if message["role"] == "user":
                turns.append(Turn((self.name, next(self._numbers)), dict(message), Told([])))
            elif message["role"] in ("assistant", "tool") and turns:
                turns[-1].said.turn.append(dict(message))
        self.begin(turns)

    def ask(self, llm: LLM, system: str | None, asked: Message, tools: Sequence[Callable[..., Any]], at: int) -> Reply:
        """Asks in place of the turn at this index and all that follow it.

        Raises:
            LkError: nothing was sent, and nothing has changed.
        """
        with self._lock:
            chat = Chat(self._chat.turns[:at])
            said = chat.before(_NEXT)
            last = said[-1].said.counted if said and not said[-1].said.stale else None
            messages = [*chat.history(_NEXT, system or ""), asked]
            reply = llm.ask(messages, Carried(tools=tools, confirm=self._cannot_ask, last=last, cell=self.name))
            reply.remembered = len(said)
            turn = Turn((self.name, next(self._numbers)), asked, reply, system or "")
            reply.remember = lambda whole: setattr(turn, "said", whole)
            if all(chat is not self._chat for chat in self.session.chats.values()):  # deleted by %lkchats meanwhile
                self.session.chats[self.name] = self._chat
            self._chat.turns[at:] = [turn]
            self.follow_up()
        return reply

    def _cannot_ask(self, name: str, _arguments: Mapping[str, Any]) -> bool:
        """A tool that wants the user's leave: the thread it runs in cannot wait for a view."""
        if (reply := self.running) is not None:
            reply.on_note(not_run(name))
        return False

    def go_on(self) -> None:
        """Goes on with the last answer, where it was cut.

        Raises:
            ConfigurationError: there is nothing to go on with.
        """
        with self._lock:
            entry = self.entries[-1]
            if isinstance(entry.turn.said, Reply):
                entry.turn.said.continue_()
                self.entries.pop()
                self._cut(entry)
                self.follow_up()

    def stop(self) -> None:
        """Ends the reply that is under way."""
        if (reply := self.running) is not None:
            reply.stop()

    def at(self, c: int) -> int:
        """The index of the turn with this number, or of the next one."""
        return next((i for i, entry in enumerate(self.entries) if entry.c == c), len(self.entries))

    def read(self, reader: Callable[[list[Entry]], Any]) -> Any:
        """What a reader makes of the turns, while nothing changes in them."""
        with self._lock:
            return reader(self.entries)

    def said(self, what: str, c: int) -> None:
        """A button of a turn asks for its text, or for the request behind it."""
        if (at := self.at(c)) < len(self.entries):
            self.places.tell([self.entries[at].answer(what)])

    def edit(self, c: int) -> None:
        """A question in a field, to be asked anew."""
        with self._lock:
            if self.running is None and (at := self.at(c)) < len(self.entries):
                text, later = chats.text_of(self.entries[at].turn.asked), at + 1 < len(self.entries)
                self._put(c, markup.edit(c, redact(text), "What follows is replaced." if later else ""))

    def leave(self, c: int) -> None:
        """The question as it stood."""
        with self._lock:
            if (at := self.at(c)) < len(self.entries):
                self._put(c, plain(self.entries[at].asked))

    def edited(self, c: int, text: str) -> Message:
        """A question with this text; in the place of one with images, with those."""
        at = self.at(c)
        content = self.entries[at].turn.asked.get("content") if at < len(self.entries) else None
        images = [part for part in content if part.get("type") != "text"] if isinstance(content, list) else []
        return {"role": "user", "content": [{"type": "text", "text": text}, *images] if images else text}

    def rebuild(self, frame: str) -> None:
        """Tells a view that has lost its content all of it: the frame, then the turns in it."""
        with self._lock:
            self.places.begin(frame)
            turns = EMPTY + "".join(entry.frame() for entry in self.entries)
            self.places.tell([{"t": "html", "at": "log", "h": turns}])
            self.places.tell([each for entry in self.entries for each in entry.answered()])
            self._draw()

    def _put(self, c: int, html: str) -> None:
        self.places.tell([{"t": "html", "at": f"asked{c}", "h": html}])

    def _cut(self, entry: Entry) -> None:
        """A turn and all that follow are seen no more."""
        self.places.tell([{"t": "cut", "at": f"turn{entry.c}", "c": entry.c}])

    def _draw(self) -> None:
        """Send, or Stop in its place; and what a screen reader is told."""
        said = self.entries[-1].turn.said if self.entries else None
        live = self.running is not None
        go = markup.button("Stop", "stop", "lk-go", name="go", data_c=-1) if live else ""
        self.places.put({
            "go": go or markup.button("Send", "send", "lk-go", name="go"),
            "status": status(said if isinstance(said, Reply) else None),
        })  # fmt: skip

    def follow_up(self) -> None:
        """Brings the view up to the chat: also to turns that a cell has asked in it."""
        with self._lock:
            turns, entries = self._chat.turns, self.entries
            pairs = enumerate(itertools.zip_longest(entries, turns[: len(entries)]))
            same = next((i for i, (entry, turn) in pairs if entry.turn is not turn), len(entries))
            if entries[same:]:
                self._cut(entries[same])
            new = [self._entry(turn) for turn in turns[same:]]
            growing = [entry for entry in new if not entry.over]  # one may end while it is told
            self.entries = [*entries[:same], *new]
            self.places.tell([message for entry in new for message in entry.anew()])
            self._draw()
            for entry in growing:
                work = self._context.copy().run
                threading.Thread(target=work, args=(self._follow, entry), daemon=True).start()
        self.changed()

    def _entry(self, turn: Turn) -> Entry:
        seen = Page(turn.said) if isinstance(turn.said, Reply) else Past(turn.said.turn)
        return Entry(next(self._numbers), turn, seen)

    def _follow(self, entry: Entry) -> None:
        """Tells the view how a reply grows, to its end."""
        reply, page = entry.turn.said, entry.seen
        assert isinstance(reply, Reply)  # noqa: S101 - for the type checker
        assert isinstance(page, Page)  # noqa: S101 - for the type checker

        def tell() -> None:
            with self._lock:  # a view that has lost its content is told all of it in another thread
                if page.news() and entry in self.entries:
                    self.places.tell(without(page.changes(entry.c), "stop"))

        follow([reply], tell)
        with self._lock:
            self._draw()
        if entry in self.entries:
            self.changed()
