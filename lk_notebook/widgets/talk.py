"""The chat of one panel: asking in it, asking again, and telling the view what has changed."""

from __future__ import annotations

import contextvars
import itertools
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from lk_notebook.carried import Carried
from lk_notebook.core import chats
from lk_notebook.core.chats import Chat, Told, Turn
from lk_notebook.core.render import render
from lk_notebook.core.text import clean
from lk_notebook.core.values import Message, redact
from lk_notebook.following import follow
from lk_notebook.llm import LLM
from lk_notebook.page import Page, answer
from lk_notebook.reply import ENDED, Reply
from lk_notebook.session import Session

#: A key that no turn has: whoever asks with it sees all turns.
_NEXT = ("", 0)


def not_run(name: str) -> str:
    """What is said of a tool that wants the user's leave."""
    return f"{name} was not run: it asks first, and a panel cannot ask. In a cell it can: %%lkchat -t {name}."


class Seen(Protocol):
    """An answer as a view and a file show it."""

    def anew(self, c: int) -> list[dict[str, Any]]:
        """What builds it in an empty place."""

    def bundle(self) -> dict[str, str]:
        """What stays in the file."""


class Past:
    """An answer out of a history: its text, and no figures."""

    def __init__(self, said: Sequence[Message]) -> None:
        self._text = redact(clean("\n\n".join(chats.text_of(each) for each in said if each["role"] == "assistant")))

    def anew(self, c: int) -> list[dict[str, Any]]:
        """What builds it in an empty place."""
        whole = {"o": "whole", "h": render(self._text), "s": 1}
        foot = {"t": "foot", "c": c, "state": "done", "h": "", "acts": ["copy"]}
        return [{"t": "ops", "c": c, "ops": [whole]}, foot]

    def bundle(self) -> dict[str, str]:
        """What stays in the file."""
        return {"text/html": render(self._text), "text/plain": self._text}


@dataclass(slots=True)
class Entry:
    """A turn as it is shown, by the number that the view knows it by; `kept`: its part of the file once it is over."""

    c: int
    turn: Turn
    seen: Seen
    kept: dict[str, str] | None = None

    @property
    def asked(self) -> str:
        """The question as it is shown."""
        text = chats.text_of(self.turn.asked)
        content = self.turn.asked.get("content")
        images = sum(part.get("type") != "text" for part in content) if isinstance(content, list) else 0
        shown = f"\n({images} image{'s' * (images != 1)})" if images else ""
        return redact(clean(text + shown))

    @property
    def model(self) -> str:
        """Who answered."""
        said = self.turn.said
        return redact(clean(said.model)) if isinstance(said, Reply) else "Assistant"

    def answer(self, what: str) -> Message:
        """What a button wants to know of it; of an answer that was given, not asked for, there is only the text."""
        if isinstance(self.turn.said, Reply):
            return answer(what, self.c, self.turn.said)
        return {"t": "heard", "at": what, "c": self.c, "all": [], "md": self.seen.bundle()["text/plain"]}

    @property
    def over(self) -> bool:
        """Whether nothing comes any more."""
        return not isinstance(self.turn.said, Reply) or self.turn.said.state in ENDED

    def bundle(self) -> dict[str, str]:
        """Its part of the file."""
        if not self.over:
            return self.seen.bundle()
        if self.kept is None:
            self.kept = self.seen.bundle()
        return self.kept

    def anew(self) -> list[dict[str, Any]]:
        """What builds it in a view."""
        head = {"t": "turn", "c": self.c, "asked": self.asked, "model": self.model}
        return [head, *self.seen.anew(self.c)]


@dataclass
class Talk:
    """Asks in one chat of the session, one question at a time.

    `tell` sends messages to the view; `changed` is called whenever the history may have, in the context of the cell
    that made the panel.
    """

    session: Session
    tell: Callable[[list[dict[str, Any]]], None]
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

    @property
    def _busy(self) -> dict[str, Any]:
        return {"t": "busy", "on": self.running is not None}

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
                self.tell([{"t": "drop", "c": entry.c}])
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

    def rebuild(self, head: list[dict[str, Any]]) -> None:
        """Tells a view that has lost its content all of it: what stands above the turns, then these."""
        with self._lock:
            turns = [message for entry in self.entries for message in entry.anew()]
            self.tell([{"t": "reset"}, *head, *turns, self._busy])

    def follow_up(self) -> None:
        """Brings the view up to the chat: also to turns that a cell has asked in it."""
        with self._lock:
            turns, entries = self._chat.turns, self.entries
            pairs = enumerate(itertools.zip_longest(entries, turns[: len(entries)]))
            same = next((i for i, (entry, turn) in pairs if entry.turn is not turn), len(entries))
            if entries[same:]:
                self.tell([{"t": "drop", "c": entries[same].c}])
            new = [self._entry(turn) for turn in turns[same:]]
            growing = [entry for entry in new if not entry.over]  # one may end while it is told
            self.entries = [*entries[:same], *new]
            self.tell([*(message for entry in new for message in entry.anew()), self._busy])
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
                    self.tell(page.changes(entry.c))

        follow([reply], tell)
        with self._lock:
            self.tell([self._busy])
        if entry in self.entries:
            self.changed()
