"""`%lkuse` and `%lkchats`: what holds from here on, and what is remembered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand

from lk_notebook.core import chats
from lk_notebook.errors import ConfigurationError, PromptError
from lk_notebook.magics import line as grammar
from lk_notebook.magics.line import Option
from lk_notebook.magics.words import SETUP, Words, told

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from lk_notebook.session import Session

USE = (*SETUP, Option(("--as",), "alias"))


@magics_class
class SettingsMagics(Magics):
    """The magics that change what is remembered, and ask nobody."""

    def __init__(self, shell: InteractiveShell, session: Session) -> None:
        super().__init__(shell)
        self._session = session

    @line_magic
    @no_var_expand
    def lkuse(self, line: str) -> None:
        """Set the defaults of %%lkchat from here on, or make an alias.

        ::

            %lkuse openai/gpt-5-mini -p openai reasoning_effort=low
            %lkuse --as fast openai/gpt-oss-120b -p groq
            %lkuse

        The defaults belong to their model: a cell that names another one starts clean, and a cell's own KEY=VALUE
        wins. Without words it tells what holds now.
        """
        read = grammar.parse(line, USE)
        if not line.strip():
            rows = [("From here on", self._session.defaults), *self._session.aliases.items()]
            print("\n".join(f"{name}: {told(setup)}" for name, setup in rows))  # noqa: T201 - what was asked for
            return
        if len(read.words) > 1:
            raise ConfigurationError(f"{read.words[1]} is one word too many.", "Name one model.")
        words = Words(self.shell)
        alias = read.options.get("alias")
        setup = self._session.use(words.setup(read, read.words[0] if read.words else None), alias)
        print(f"{alias or 'From here on'}: {told(setup)}")  # noqa: T201 - one line says what holds now

    @line_magic
    @no_var_expand
    def lkchats(self, line: str) -> None:
        """List, show, rename, delete, save and load chats.

        ::

            %lkchats
            %lkchats show NAME
            %lkchats rename NAME NEW
            %lkchats delete NAME
            %lkchats save NAME FILE
            %lkchats load FILE [NAME]

        A chat is the turns of the cells that asked in it; `main` is the notebook's own. Files are JSON.
        """
        words = grammar.parse(line, ()).words
        verb, given = (words[0], words[1:]) if words else ("list", [])
        if verb not in _VERBS:
            raise ConfigurationError(f"%lkchats cannot {verb}.", f"It can {', '.join(_VERBS)}.")
        work, least, most = _VERBS[verb]
        if not least <= len(given) <= most:
            raise ConfigurationError(f"%lkchats {verb} takes {most or 'no'} words.", "%lkchats? tells which.")
        print(work(self._session.chats, *given))  # noqa: T201 - what was asked for


Chats = dict[str, chats.Chat]


def _list(all_: Chats) -> str:
    rows = [f"{name}: {_count(chat)}" for name, chat in all_.items()]
    return "\n".join(rows) or "No chat yet: %%lkchat begins one."


def _show(all_: Chats, name: str) -> str:
    lines = []
    for turn in _find(all_, name).turns:
        if turn.counts:
            stale = " (a turn before it has changed since)" if turn.said.stale else ""
            lines.append(f"You: {chats.text_of(turn.asked)}")
            lines += [f"{m['role']}: {chats.text_of(m)}{stale}" for m in turn.said.turn]
    return "\n".join(lines) or f"{name} has no turns."


def _rename(all_: Chats, name: str, new: str) -> str:
    if new in all_:
        raise ConfigurationError(f"There is a chat {new} already.", "Pick another name, or delete it first.")
    all_[new] = _find(all_, name)
    del all_[name]
    return f"{name} is {new} now."


def _delete(all_: Chats, name: str) -> str:
    count = _count(_find(all_, name))
    del all_[name]
    return f"{name} is gone ({count})."


def _save(all_: Chats, name: str, file: str) -> str:
    chat = _find(all_, name)
    try:
        Path(file).write_text(json.dumps(chats.to_json(chat), ensure_ascii=False, indent=1), "utf-8")
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}.", "Name another file.") from error
    return f"{name} stands in {file} ({_count(chat)})."


def _load(all_: Chats, file: str, name: str | None = None) -> str:
    name = name or Path(file).stem
    if name in all_:
        raise ConfigurationError(f"There is a chat {name} already.", f"Name another: %lkchats load {file} NAME.")
    try:
        value = json.loads(Path(file).read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}.", "Check the name of the file.") from error
    except ValueError as error:
        raise PromptError(f"{file} is no JSON: {error}", "Save a chat with %lkchats save NAME FILE.") from error
    all_[name] = chats.from_json(value)
    return f"{name}: {_count(all_[name])}; ask in it with -c {name}."


def _find(all_: Chats, name: str) -> chats.Chat:
    if name not in all_:
        raise ConfigurationError(f"There is no chat {name}.", f"There are {', '.join(all_) or 'none yet'}.")
    return all_[name]


def _count(chat: chats.Chat) -> str:
    count = sum(turn.counts for turn in chat.turns)
    return f"{count} turn{'s' * (count != 1)}"


#: Verb -> what it does, and how many words it takes.
_VERBS: dict[str, tuple[Callable[..., str], int, int]] = {
    "list": (_list, 0, 0),
    "show": (_show, 1, 1),
    "rename": (_rename, 2, 2),
    "delete": (_delete, 1, 1),
    "save": (_save, 2, 2),
    "load": (_load, 1, 2),
}
