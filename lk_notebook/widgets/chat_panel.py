"""ChatPanel: a chat in one widget, with pickers for model and provider, a form for the settings, and a composer."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import traitlets

from lk_notebook.core.request import check_messages
from lk_notebook.core.values import Message, Setup
from lk_notebook.errors import ConfigurationError
from lk_notebook.llm import LLM
from lk_notebook.reply import Reply
from lk_notebook.session import current
from lk_notebook.widgets import choices, markup, told, transcript
from lk_notebook.widgets.entry import LOG
from lk_notebook.widgets.panel import Act, Asking
from lk_notebook.widgets.talk import Talk

EXAMPLES = ("Why is the sky blue?", "Explain overfitting in three sentences.")
_SPELLINGS = ("magic", "Python", "Agents code")
_numbers = itertools.count(1)


class ChatPanel(Asking):
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

    model = traitlets.Unicode(None, allow_none=True)
    provider = traitlets.Unicode(None, allow_none=True)
    messages: traitlets.List[Message] = traitlets.List()

    _chat: Talk | None = None

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
        llm, words = told.joined(given, llm)
        super().__init__("Chat panel", f"panel{next(_numbers)}", llm, tools, **traits)
        self.model, self.provider, self.system = words.model, words.provider, words.system
        self.extra_kwargs, self.messages = dict(words.extra_kwargs), []
        self._chat = Talk(current(), self._places, self._changed)
        self._open()

    def close(self) -> None:
        """Ends a reply that is under way, and the view; the transcript stays."""
        if self._chat is not None:
            self._chat.stop()
        super().close()

    # What the traits hold ------------------------------------------------------------------------------------------

    @traitlets.validate("model")
    def _in_full(self, proposal: Any) -> str | None:
        word = (proposal.value or "").strip()
        return told.full_model(self._llm, word) if word else None

    @traitlets.validate("provider")
    def _named(self, proposal: Any) -> str | None:
        return proposal.value if (proposal.value or "").strip() else None

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
        if self._chat is not None:
            self._draw()

    @traitlets.observe("messages")
    def _other_messages(self, change: Any) -> None:
        """Set from outside: a new chat with this history."""
        if self._chat is None or change.new == self._chat.history():
            return
        named = [message.get("content") for message in change.new if message["role"] == "system"]
        self._chat.load(change.new)
        if named and isinstance(named[-1], str):
            self.system = named[-1]
        self.messages = self._chat.history()

    def _changed(self) -> None:
        """The chat has."""
        if self._chat is not None:
            self.messages = self._chat.history()
            self._outputs.write()

    @property
    def _words(self) -> Setup:
        return Setup(self.model, self.provider, self.account, self.extra_kwargs, self.system)

    @property
    def _ids(self) -> list[str]:
        return [told.model_of(self._llm, self._words)]

    @property
    def _talk(self) -> Talk:
        assert self._chat is not None  # noqa: S101 - made with the panel
        return self._chat

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
        if talk.running is not None:
            raise ConfigurationError("A reply is still coming.", "Stop it, or wait for its end.")
        fit, left_out = told.fitting(self._llm, words, tools=bool(self._tools))
        llm = told.asking(self._llm, fit)
        message: Message = {"role": "user", "content": asked} if isinstance(asked, str) else dict(asked)
        reply = talk.ask(llm, self.system, message, self._tools, len(talk.entries) if at is None else at)
        for name in left_out:
            reply.on_note(f"{name} was left out: {reply.model} does not take it.")
        return reply

    # What the view is told -----------------------------------------------------------------------------------------

    def _draw(self, *, anew: bool = False) -> None:
        (model,) = self._ids
        providers = choices.providers(model, told.accounts_there(), self.provider)
        self._places.put({
            "top": markup.pickers(self.number, model, providers, self.provider),
            "empty": markup.empty("Ask a question", told.prospect(self._llm, self._words), EXAMPLES),
        }, anew=anew)  # fmt: skip
        super()._draw(anew=anew)

    def rebuild(self) -> None:
        """Tells all of it: to a view without content, or when something else is asked."""
        copies = "".join(
            markup.button(f"Copy as {what}", f"as {what}", "lk-flat", data_copy=True) for what in _SPELLINGS
        )
        low = markup.button("New chat", "new", "lk-flat") + copies
        self._talk.rebuild(markup.frame("Ask a question", low, LOG, markup.model_list(self.number)))
        self._list()
        self._draw()

    def _kept(self) -> dict[str, str]:
        turns = self._talk.read(lambda entries: [(each.asked, each.model, each.bundle()) for each in entries])
        return transcript.bundle(self.number, turns)

    # What it asks for ----------------------------------------------------------------------------------------------

    @property
    def _acts(self) -> dict[str, Act]:
        talk = self._talk
        return {
            **super()._acts,
            "send": self._on_send,
            "edit": lambda c, *_: talk.edit(c),
            "cancel": lambda c, *_: talk.leave(c),
            "retry": self._on_retry,
            "continue": lambda *_: talk.go_on(),
            "stop": lambda *_: talk.stop(),
            "new": lambda *_: talk.begin(),
            "copy": lambda c, *_: talk.said("copy", c),
            "sent": lambda c, *_: talk.said("sent", c),
            "model": lambda _c, _name, text: self.set_trait("model", text),
            "provider": lambda _c, _name, text: self.set_trait("provider", text),
            **{f"as {what}": functools.partial(self._on_spell, f"as {what}") for what in _SPELLINGS},
        }

    def _on_send(self, c: int, _name: str, text: str) -> None:
        """A question, or, with the number of a turn, one in its place."""
        talk = self._talk
        if text.strip():
            talk.follow_up()  # a cell may have asked in this chat
            self.ask(talk.edited(c, text), talk.at(c))

    def _on_retry(self, c: int, *_: str) -> None:
        talk = self._talk
        if (at := talk.at(c)) < len(talk.entries):
            self.ask(talk.entries[at].turn.asked, at)

    def _on_spell(self, what: str, *_: Any) -> None:
        """The panel as something to paste, with its last question; nothing where that cannot be."""
        entries, text = self._talk.entries, ""
        try:
            text = told.spelled(
                what, self._llm, self._words, entries[-1].asked if entries else EXAMPLES[0], self._tools
            )
        finally:
            self.tell([{"t": "heard", "at": what, "c": 0, "md": text}])
