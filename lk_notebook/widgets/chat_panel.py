"""ChatPanel: a chat in one widget, with pickers for model and provider, a form for the settings, and a composer."""

from __future__ import annotations

import contextvars
import copy
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import traitlets

from lk_notebook.core import parameters
from lk_notebook.core.request import check_messages
from lk_notebook.core.values import Message, Setup
from lk_notebook.desk import desk
from lk_notebook.errors import ConfigurationError, LkError
from lk_notebook.llm import LLM
from lk_notebook.reply import Reply
from lk_notebook.session import current
from lk_notebook.view import View, static
from lk_notebook.widgets import choices, form, told, transcript
from lk_notebook.widgets.talk import Talk

_numbers = itertools.count(1)


class ChatPanel(View):
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

    _esm = static("lk.js", "panel.js", "chat.js")
    _css = static("lk.css", "chat.css")

    model = traitlets.Unicode(None, allow_none=True)
    provider = traitlets.Unicode(None, allow_none=True)
    extra_kwargs: traitlets.Dict[str, Any] = traitlets.Dict()
    system = traitlets.Unicode(None, allow_none=True)
    messages: traitlets.List[Message] = traitlets.List()

    _talk: Talk | None = None

    def __init__(  # noqa: PLR0917 - the words of LLM, in the order of the documentation
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
        self._llm, words = told.joined(given, llm)
        self._tools = tuple(tools)
        self._context = contextvars.copy_context()
        desk.at_home()
        super().__init__(self._heard_of, kind="chat", number=f"panel{next(_numbers)}", **traits)
        self._outputs = transcript.Outputs(self.mime, self._kept)
        self.model, self.provider, self.system = words.model, words.provider, words.system
        self.extra_kwargs, self.messages = dict(words.extra_kwargs), []
        self._talk = Talk(current(), self.tell, self._changed)
        self.tell(self._head())
        self._outputs.watch_boxes(self)

    def close(self) -> None:
        """Ends a reply that is under way, and the view; the transcript stays."""
        if self._talk is not None:
            self._talk.stop()
        super().close()

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
        if (
            self.provider
            and choices.serves(change.old, self.provider)
            and choices.serves(change.new, self.provider) is False
        ):
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
        act = self._acts.get(message.get("t", ""))
        if act is not None and self._talk is not None:
            self._context.copy().run(self._do, act, message)

    def _do(self, act: Callable[[Any, Talk, Message], None], message: Message) -> None:
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
            at: counted from 0, the turn to ask in place of, with all that follow; without it the next.

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
        turns = self._talk.read(lambda entries: [(each.asked, each.model, each.bundle()) for each in entries])
        return transcript.bundle(self.number, turns)

    # What the view asks for, by the name of its message --------------------------------------------------------------

    def _on_send(self, talk: Talk, message: Message) -> None:
        """A question, or, with the number of a turn, one in its place."""
        if (text := str(message.get("text", ""))).strip():
            talk.follow_up()  # a cell may have asked in this chat
            self.ask(text, talk.at(message["c"]) if "c" in message else None)

    def _on_retry(self, talk: Talk, message: Message) -> None:
        if (at := talk.at(message.get("c", 0))) < len(talk.entries):
            self.ask(talk.entries[at].turn.asked, at)

    def _on_say(self, talk: Talk, message: Message) -> None:
        """A button of a turn asks for its text, or for the request behind it."""
        what, at = message["t"], talk.at(message.get("c", 0))
        if at < len(talk.entries):
            self.tell([talk.entries[at].answer(what)])

    def _on_spell(self, talk: Talk, message: Message) -> None:
        """The panel as something to paste, with its last question; nothing where that cannot be."""
        text = ""
        asked = talk.entries[-1].asked if talk.entries else told.EXAMPLES[0]
        try:
            text = told.spelled(message["t"], self._llm, self._words, asked, self._tools)
        finally:
            self.tell([{"t": "heard", "at": message["t"], "c": 0, "md": text}])

    def _on_fill(self, _talk: Talk, message: Message) -> None:
        self.extra_kwargs = form.change(self.extra_kwargs, str(message["name"]), str(message["text"]))

    def _on_name(self, _talk: Talk, message: Message) -> None:
        if message["name"] in ("model", "provider", "system"):
            setattr(self, message["name"], str(message["text"]))

    _acts: ClassVar[dict[str, Callable[[Any, Talk, Message], None]]] = {
        "send": _on_send,
        "retry": _on_retry,
        "continue": lambda _, talk, _message: talk.go_on(),
        "stop": lambda _, talk, _message: talk.stop(),
        "new": lambda _, talk, _message: talk.begin(),
        "sent": _on_say,
        "copy": _on_say,
        "as magic": _on_spell,
        "as Python": _on_spell,
        "as Agents code": _on_spell,
        "field": _on_fill,
        "word": _on_name,
        "models": lambda self, _talk, _message: self.tell([told.models(told.model_of(self._llm, self._words))]),
        "moved": lambda self, _talk, _message: self._outputs.moved_out(),
        "lost": lambda self, talk, _message: talk.rebuild(self._head()),
    }

    # Where it stands -----------------------------------------------------------------------------------------------

    def _ipython_display_(self) -> None:
        self._outputs.show()
