"""All that one kernel remembers: the defaults of `%lkuse`, aliases, chats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lk_notebook.carried import Carried
from lk_notebook.core import catalogue
from lk_notebook.core.chats import MAIN, Chat, Key, Turn
from lk_notebook.core.values import Message, Setup
from lk_notebook.errors import ConfigurationError, LkError
from lk_notebook.llm import LLM
from lk_notebook.net import accounts
from lk_notebook.net.deck import DECK
from lk_notebook.reply import Reply


@dataclass(frozen=True, slots=True)
class Place:
    """Where a question stands: which chat, which cell, and whether the chat starts anew with it."""

    key: Key
    chat: str = MAIN
    new: bool = False


@dataclass(slots=True)
class Session:
    """Defaults, aliases and chats, and asking with them; a test makes a fresh one.

    Example:
        >>> session = Session()
        >>> session.use(Setup("gpt-5-mini", extra_kwargs={"reasoning_effort": "low"})).model
        'openai/gpt-5-mini'
    """

    defaults: Setup = field(default_factory=Setup)
    aliases: dict[str, Setup] = field(default_factory=dict)
    chats: dict[str, Chat] = field(default_factory=dict)
    votes: list[dict[str, Any]] = field(default_factory=list)  # of blind comparisons: prompt, models, chosen
    talks: dict[str, Any] = field(default_factory=dict)  # agents' sessions, by the variables that keep them

    def use(self, setup: Setup, alias: str | None = None) -> Setup:
        """Makes these words the defaults from here on, or an alias, which changes no default.

        Raises:
            ConfigurationError: the model is unknown, a parameter cannot be sent, or an alias is no name.
        """
        setup = self.settle(setup if setup.model in self.aliases else replace(setup, model=_full(setup)))
        llm(setup)  # refuses now what would be refused later
        if alias is None:
            self.defaults = setup
        elif not alias.isidentifier() or catalogue.find(alias):
            raise ConfigurationError(f"{alias} cannot be an alias.", "Pick a plain name that is no model's.")
        else:
            self.aliases[alias] = setup
        return setup

    def settle(self, cell: Setup) -> Setup:
        """The cell's words over the defaults. These belong to their model: a cell that names another starts clean."""
        if cell.model in self.aliases:
            base = self.aliases[cell.model]
        elif cell.model is None or self._same(cell):
            base = self.defaults
        else:
            base = Setup(cell.model)
        return cell.over(base)

    def ask(self, cell: Setup, prompt: str, place: Place, carried: Carried | None = None) -> tuple[Reply, list[Reply]]:
        """Asks with the cell's words in its chat; gives the reply, and the later ones that it makes stale.

        Raises:
            LkError: as `LLM` and its call do, before anything is sent; the chat stays as it was.
        """
        whole = self.settle(cell)
        chat = self.chats.get(place.chat) or Chat()
        if place.new:
            chat = Chat(list(chat.turns))
            chat.start(place.key)
        before = chat.before(place.key)
        system = whole.system if cell.model in self.aliases else cell.system  # an alias names its own
        messages = chat.history(place.key, system, default=whole.system)
        messages = [*messages, {"role": "user", "content": prompt}]
        last = before[-1].said.counted if before and not before[-1].said.stale else None
        reply = llm(whole).ask(messages, replace(carried or Carried(), last=last))
        reply.remembered = len(before)
        left = [other for name, other in self.chats.items() if name != place.chat]
        later = [turn for other in left for turn in other.drop(*place.key, place.key[1])]
        self.chats[place.chat] = chat
        turn = Turn(place.key, reply.asked[-1], reply, system)
        reply.remember = lambda whole: setattr(turn, "said", whole)
        reply.anew = lambda: self._anew(cell, prompt, place, carried)
        later += chat.put(turn)
        return reply, [turn.said for turn in later if isinstance(turn.said, Reply)]

    def ask_all(self, cells: Sequence[Setup], prompt: str, carried: Carried) -> list[tuple[Setup, Reply | LkError]]:
        """Asks several the same at once, outside of any chat; who cannot be asked has the error that says why.

        Raises:
            ConfigurationError: a model is unknown; nobody was asked.
        """
        setups = [replace(whole, model=_full(whole)) for whole in map(self.settle, cells)]
        return [(setup, self._aside(setup, prompt, carried)) for setup in setups]

    def go_on(self, chat: str) -> Reply:
        """Goes on with the last answer of a chat, where it was cut; the whole takes the place of the cut one.

        Raises:
            ConfigurationError: the chat has no answer that was cut.
        """
        turns = self.chats[chat].turns if chat in self.chats else []
        turn = next((turn for turn in reversed(turns) if turn.counts), None)
        if turn is None or not isinstance(turn.said, Reply):
            raise ConfigurationError(f"The chat {chat} has no answer to go on with.", "Ask something first.")
        return turn.said.continue_()

    def cell_ended(self, cell: str, asked: int) -> list[Reply]:
        """A cell has run, and asked so often: turns of an earlier run beyond that are gone. Gives the stale replies."""
        later = [turn for chat in self.chats.values() for turn in chat.drop(cell, asked)]
        return [turn.said for turn in later if isinstance(turn.said, Reply)]

    def _anew(self, cell: Setup, prompt: str, place: Place, carried: Carried | None) -> Reply:
        """Asks once more in the same place, as running the cell again does."""
        reply, stale = self.ask(cell, prompt, place, carried)
        for later in stale:
            later.refresh()
        return reply

    def _aside(self, setup: Setup, prompt: str, carried: Carried) -> Reply | LkError:
        system: list[Message] = [{"role": "system", "content": setup.system}] if setup.system else []
        try:
            return llm(setup).ask([*system, {"role": "user", "content": prompt}], carried)
        except LkError as error:
            return error.with_traceback(None)

    def _same(self, cell: Setup) -> bool:
        default = self.defaults.model
        return default is not None and (cell.model == default or _full(cell) == default)


def _full(setup: Setup) -> str | None:
    """The id in full; as typed where its server alone knows its ids."""
    if setup.model is None or accounts.takes_any_id(setup.account) or _on_tape(setup.account):
        return setup.model
    return catalogue.complete(setup.model)


def _on_tape(name: str | None) -> bool:
    """Whether a tape has this account as an address with a name, that this kernel may not know."""
    replay = DECK.replay
    return name is not None and replay is not None and replay.account(name).kind in ("url", "azure")


def llm(setup: Setup) -> LLM:
    """The LLM of a setup, but for the system prompt, which stands in the history."""
    return LLM(setup.model, provider=setup.provider, account=setup.account, extra_kwargs=setup.extra_kwargs)


_current: Session | None = None


def current() -> Session:
    """The session of this kernel; loading the extension again keeps it."""
    global _current  # noqa: PLW0603 - one session a kernel is the point
    if _current is None:
        _current = Session()
    return _current
