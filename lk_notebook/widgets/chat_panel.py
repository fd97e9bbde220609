"""ChatPanel: a chat in one widget, with pickers for model and provider, a form for the settings, and a composer."""

from __future__ import annotations

import contextvars
import copy
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import traitlets

from lk_notebook.core import parameters
from lk_notebook.core.request import check_messages
from lk_notebook.core.values import Message, Setup
from lk_notebook.desk import desk
from lk_notebook.errors import ConfigurationError, LkError
from lk_notebook.llm import LLM
from lk_notebook.reply import Reply
from lk_notebook.session import current
from lk_notebook.widgets import choices, form, told, transcript
from lk_notebook.widgets.panel import Panel, joined
from lk_notebook.widgets.talk import Talk

_numbers = itertools.count(1)


class ChatPanel(Panel):
    """A chat panel: pick a model, type, and the reply streams; each panel is a chat of its own.

    Example:
        ```python
        panel = ChatPanel("openai/gpt-5-mini", extra_kwargs={"reasoning_effort": "low"})
        panel  # last in a cell, or within any box: ipywidgets.VBox([panel, …])
        panel.observe(lambda change: print(change.new), "model")
        panel.messages  # the history, as the next question is sent with it
        ```

    Args:
        model: the id, as for `LLM`; without it the default of `%lkuse`, else of the account.
        provider: who runs it; left out, the best available one is picked.
        extra_kwargs: further parameters of the Chat Completions API. One that the model does not take stays, unsent.
        system: the system prompt.
        llm: an LLM to ask with; its words hold where none are given here.
        tools: functions the model may call, sync or async; they run in the notebook's own thread.
        account: as for `LLM`.
        traits: any further trait of an `ipywidgets.DOMWidget`, such as `layout`.

    `model`, `provider`, `extra_kwargs`, `system` and `messages` are traits: set them and the view follows, choose in
    the view and they change. `messages` is the history without the system prompt: set it to [] to begin a new chat, or
    to one in OpenAI's form to go on with it. None of them is part of the widget's state, which a notebook may save.

    Raises:
        ConfigurationError: a word cannot be used as it stands; a trait that is set to it stays as it was.
        PromptError: `messages` is set to what is no list of messages.
    """

    _esm = joined("lk.js", "panel.js", "chat.js")
    _css = joined("lk.css", "chat.css")

    model = traitlets.Unicode(None, allow_none=True)
    provider = traitlets.Unicode(None, allow_none=True)
    extra_kwargs = traitlets.Dict()
    system = traitlets.Unicode(None, allow_none=True)
    messages = traitlets.List()

    _talk: Talk | None = None

    def __init__(
        self,
        model: str | None = None,
        provider: str | None = None,
        extra_kwargs: Mapping[str, Any] | None = None,
        system: str | None = None,
        llm: LLM | None = None,
        tools: Sequence[Callable[..., Any]] = (),
        account: str | None = None,
        **traits: Any,
    ) -> None:
        given = LLM(model, provider=provider, account=account, extra_kwargs=extra_kwargs, system=system).setup
        self._llm, words = _joined(given, llm)
        self._tools = tuple(tools)
        self._context = contextvars.copy_context()
        desk.at_home()
        super().__init__(self._heard_of, kind="chat", number=f"panel{next(_numbers)}", **traits)
        self._outputs = transcript.Outputs(self.mime, self._kept)
        self.model, self.provider, self.system = words.model, words.provider, words.system
        self.extra_kwargs, self.messages = dict(words.extra_kwargs), []
        self._talk = Talk(current(), self.tell, self._changed)
        self.tell(self._head())
        self._watch_cells()

    def close(self) -> None:
        """Ends a reply that is under way, and the view; the transcript stays."""
        if self._talk is not None:
            self._talk.stop()
        super().close()  # type: ignore[no-untyped-call]

    @property
    def account(self) -> str | None:
        """The account that is asked, where one was named."""
        return self._llm.setup.account

    # What the traits hold ------------------------------------------------------------------------------------------

    @traitlets.validate("model")
    def _in_full(self, proposal: Any) -> str | None:
        word = (proposal.value or "").strip()
        return told.full_model(self._llm, word) if word else None

    @traitlets.validate("provider", "system")
    def _or_none(self, proposal: Any) -> str | None:
        return proposal.value if (proposal.value or "").strip() else None

    @traitlets.validate("extra_kwargs")
    def _sendable(self, proposal: Any) -> dict[str, Any]:
        parameters.check(proposal.value)
        return copy.deepcopy(dict(proposal.value))

    @traitlets.validate("messages")
    def _well_formed(self, proposal: Any) -> list[Message]:
        return check_messages(proposal.value) if proposal.value else []

    @traitlets.observe("model")
    def _other_model(self, change: Any) -> None:
        """A provider that served the model before, and is known not to serve this one, is named no more."""
        if self.provider and choices.serves(change.old, self.provider) and choices.serves(change.new, self.provider) is False:
            self.provider = None

    @traitlets.observe("model", "provider", "extra_kwargs", "system")
    def _other_words(self, _change: Any) -> None:
        if self._talk is not None:
            self.tell([told.setup(self._llm, self._words, tools=bool(self._tools))])

    @traitlets.observe("messages")
    def _other_messages(self, change: Any) -> None:
        """Set from outside: a new chat with this history."""
        if self._talk is None or change.new == self._talk.history():
            return
        named = [message.get("content") for message in change.new if message["role"] == "system"]
        self._talk.load(change.new)
        if named and isinstance(named[-1], str):
            self.system = named[-1]
        self.messages = self._talk.history()

    def _changed(self) -> None:
        """The chat has."""
        if self._talk is not None:
            self.messages = self._talk.history()
            self._outputs.write()

    @property
    def _words(self) -> Setup:
        return Setup(self.model, self.provider, self.account, self.extra_kwargs, self.system)

    # What the view is told, and asks for ---------------------------------------------------------------------------

    def _head(self) -> list[Message]:
        model = told.model_of(self._llm, self._words)
        setup = told.setup(self._llm, self._words, tools=bool(self._tools))
        return [{"t": "panel", "examples": told.EXAMPLES}, told.models(model), setup]

    def _heard_of(self, message: Message) -> None:
        """What the view asks for is done in the context of the cell that made the panel: its output goes there."""
        act = _ACTS.get(message.get("t", ""))
        if act is not None and self._talk is not None:
            self._context.copy().run(self._do, act, message)

    def _do(self, act: Callable[[ChatPanel, Talk, Message], None], message: Message) -> None:
        assert self._talk is not None  # noqa: S101 - heard only after it is there
        try:
            act(self, self._talk, message)
        except LkError as error:
            draft = {"t": "draft", "text": message.get("text", "") if "name" not in message else ""}
            self.tell([told.failure(error, message.get("name", "")), draft])

    def ask(self, asked: str | Message, at: int | None = None) -> Reply:
        """Asks, as Send does; the view shows how the reply grows.

        Example:
            ```python
            panel.ask("Why is the sky blue?").wait()
            ```

        Args:
            asked: the question, or a message of the user in OpenAI's form.
            at: the turn to ask in place of, with all that follow it, counted from 0; without it the question is the next.

        Raises:
            LkError: as `LLM` does, before anything is sent; nothing has changed then.
        """
        talk, words = self._talk, self._words
        assert talk is not None  # noqa: S101 - as above
        if talk.running is not None:
            raise ConfigurationError("A reply is still coming.", "Stop it, or wait for its end.")
        fit, left_out = told.fitting(self._llm, words, tools=bool(self._tools))
        llm = told.asking(self._llm, fit)
        message: Message = {"role": "user", "content": asked} if isinstance(asked, str) else dict(asked)
        reply = talk.ask(llm, self.system, message, self._tools, len(talk.entries) if at is None else at)
        for name in left_out:
            reply.on_note(f"{name} was left out: {reply.model} does not take it.")
        return reply

    def _kept(self) -> dict[str, str]:
        assert self._talk is not None  # noqa: S101 - as above
        return self._talk.read(  # type: ignore[no-any-return]
            lambda entries: transcript.bundle(self.number, ((each.asked, each.model, each.bundle()) for each in entries))
        )


def _joined(given: Setup, llm: LLM | None) -> tuple[LLM, Setup]:
    """Who asks, and with which words: the given ones over those of the LLM, or of `%lkuse`."""
    if llm is None:
        words = current().settle(given)
        return LLM(account=words.account), words
    if given.account is not None:
        raise ConfigurationError("llm= and account= both say whom to ask.", "Leave out one of them.")
    base = llm.setup
    extra = {**base.extra_kwargs, **given.extra_kwargs}
    system = base.system if given.system is None else given.system
    return llm, Setup(given.model or base.model, given.provider or base.provider, base.account, extra, system)


def _send(panel: ChatPanel, talk: Talk, message: Message) -> None:
    """A question, or, with the number of a turn, one in its place."""
    if (text := str(message.get("text", ""))).strip():
        talk.follow_up()  # a cell may have asked in this chat
        panel.ask(text, talk.at(message["c"]) if "c" in message else None)


def _retry(panel: ChatPanel, talk: Talk, message: Message) -> None:
    if (at := talk.at(message.get("c", 0))) < len(talk.entries):
        panel.ask(talk.entries[at].turn.asked, at)


def _answered(panel: ChatPanel, talk: Talk, message: Message) -> None:
    """A button of a turn asks for its text, or for the request behind it."""
    what, at = message["t"], talk.at(message.get("c", 0))
    if at < len(talk.entries):
        entry = talk.entries[at]
        answer = {"all": entry.sent} if what == "sent" else {"md": entry.text}
        panel.tell([{"t": "heard", "at": what, "c": entry.c, **answer}])


def _spelled(panel: ChatPanel, talk: Talk, message: Message) -> None:
    """The panel as something to paste, with its last question; nothing where that cannot be."""
    what, text = message["t"], ""
    asked = talk.entries[-1].asked if talk.entries else told.EXAMPLES[0]
    try:
        text = told.spelled(what, panel._llm, panel._words, asked, panel._tools)
    finally:
        panel.tell([{"t": "heard", "at": what, "c": 0, "md": text}])


def _field(panel: ChatPanel, _talk: Talk, message: Message) -> None:
    panel.extra_kwargs = form.change(panel.extra_kwargs, str(message["name"]), str(message["text"]))


def _word(panel: ChatPanel, _talk: Talk, message: Message) -> None:
    """Model, provider or system prompt; a choice that changes nothing is told all the same."""
    if message["name"] in ("model", "provider", "system"):
        setattr(panel, message["name"], str(message["text"]))


#: What the view sends -> what is done.
_ACTS: dict[str, Callable[[ChatPanel, Talk, Message], None]] = {
    "send": _send,
    "retry": _retry,
    "continue": lambda _panel, talk, _message: talk.go_on(),
    "stop": lambda _panel, talk, _message: talk.stop(),
    "new": lambda _panel, talk, _message: talk.begin(),
    "sent": _answered,
    "copy": _answered,
    "as magic": _spelled,
    "as Python": _spelled,
    "as Agents code": _spelled,
    "field": _field,
    "word": _word,
    "models": lambda panel, _talk, _message: panel.tell([told.models(told.model_of(panel._llm, panel._words))]),
    "moved": lambda panel, _talk, _message: panel._outputs.moved_out(),
    "lost": lambda panel, talk, _message: talk.rebuild(panel._head()),
}
