"""ComparePanel: two to four models side by side in one widget, with one composer for all of them."""

from __future__ import annotations

import contextvars
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import traitlets

from lk_notebook.carried import Carried
from lk_notebook.core import parameters
from lk_notebook.core.values import Message, Setup, model_and_provider, redact
from lk_notebook.desk import desk
from lk_notebook.errors import ConfigurationError, LkError
from lk_notebook.llm import LLM
from lk_notebook.reply import Reply
from lk_notebook.session import current
from lk_notebook.view import View, static
from lk_notebook.widgets import choices, form, markup, told, transcript
from lk_notebook.widgets.chosen import LEAST, MOST, Chosen
from lk_notebook.widgets.comparing import Comparing
from lk_notebook.widgets.panel import Places

_numbers = itertools.count(1)


class ComparePanel(View):
    """A panel that asks several models the same; their answers stream side by side.

    Example:
        ```python
        panel = ComparePanel(["gpt-4.1-mini", "gpt-oss-120b@groq"], {"temperature": 0})
        panel  # last in a cell, or within any box of ipywidgets
        panel.observe(lambda change: print(change.new), "models")
        panel.table  # the figures of the last comparison, as a DataFrame
        ```

    Args:
        models: two to four of them: MODEL, MODEL@PROVIDER, or an alias of `%lkuse`; without them the default model and
            another one that an account reaches.
        extra_kwargs: further parameters of the Chat Completions API; each model gets those that it takes.
        system: the system prompt.
        blind: hides the names and shuffles the answers until you chose the best.
        tools: functions the models may call, sync or async; they run in the notebook's own thread.
        account: the account that all of them are asked at, as for `LLM`.
        traits: any further trait of an `ipywidgets.DOMWidget`, such as `layout`.

    `models`, `extra_kwargs`, `system` and `blind` are traits: set them and the view follows, choose in the view and
    they change. `replies` (a Reply each, None where nothing could be sent) and `running` are traits to observe. None of
    them is part of the widget's state, which a notebook may save. Votes count with those of `%%lkcompare --blind`.

    Raises:
        ConfigurationError: a word cannot be used as it stands; a trait that is set to it stays as it was.
    """

    _esm = static("lk.js", "panel.js", "compare.js")
    _css = static("lk.css", "chat.css", "compare.css")

    label = traitlets.Unicode("Compare panel").tag(sync=True)
    models = traitlets.List(traitlets.Unicode())
    extra_kwargs = traitlets.Dict()
    system = traitlets.Unicode(None, allow_none=True)
    blind = traitlets.Bool(default_value=False)
    replies: traitlets.List[Any] = traitlets.List(read_only=True)
    running = traitlets.Bool(default_value=False, read_only=True)

    _comparing: Comparing | None = None

    def __init__(
        self,
        models: Sequence[str] = (),
        extra_kwargs: Mapping[str, Any] | None = None,
        system: str | None = None,
        *,
        blind: bool = False,
        tools: Sequence[Callable[..., Any]] = (),
        account: str | None = None,
        **traits: Any,
    ) -> None:
        words = LLM(account=account, extra_kwargs=extra_kwargs, system=system).setup
        if isinstance(models, str):
            raise ConfigurationError("models is a list of models.", f'Write ComparePanel(["{models}", "…"]).')
        self._llm = LLM(account=account)
        self._tools = tuple(tools)
        self._context = contextvars.copy_context()
        self._slip: dict[str, tuple[str, list[str]]] = {}  # by field: what was typed, and what is wrong with it
        self._alert = ""
        desk.at_home()
        super().__init__(self._heard_of, kind="compare", number=f"compare-{next(_numbers)}", **traits)
        self._outputs = transcript.Outputs(self.mime, self._kept)
        self.extra_kwargs, self.system, self.blind = dict(words.extra_kwargs), words.system, blind
        self.models = list(models) or self._default_models()
        self._places = Places(self.tell)
        carried = Carried(tools=self._tools, cell=self.number)
        self._comparing = Comparing(current(), self._places, self, carried)
        self.rebuild()
        self._outputs.watch_boxes(self)

    def close(self) -> None:
        """Ends the replies that are under way, and the view; the transcript stays."""
        if self._comparing is not None:
            self._comparing.stop()
        super().close()

    @property
    def account(self) -> str | None:
        """The account that is asked, where one was named."""
        return self._llm.setup.account

    @property
    def table(self) -> Any:
        """The figures of the last comparison in the order of its models: a DataFrame where there is pandas."""
        return self._asking.table

    def ask(self, prompt: str) -> list[Reply | None]:
        """Asks all of them, as Enter does; the view shows how the replies grow.

        Example:
            ```python
            for reply in panel.ask("Why is the sky blue?"):
                reply.wait()
            ```

        Returns:
            A reply for each model, in their order; None where nothing could be sent.

        Raises:
            PromptError: the prompt is empty.
            ConfigurationError: replies still come.
            LkError: nothing could be sent to any of them; as `LLM` does.
        """
        return self._asking.ask(prompt, self._chosen, blind=self.blind)

    def stop(self) -> None:
        """Ends the replies that are under way; what had arrived stays."""
        self._asking.stop()

    # What the traits hold ------------------------------------------------------------------------------------------

    @traitlets.validate("models")
    def _in_full(self, proposal: Any) -> list[str]:
        words = [word.strip() for word in proposal.value]
        if not LEAST <= len(words) <= MOST:
            raise ConfigurationError(
                f"A compare panel has {LEAST} to {MOST} models, not {len(words)}.", "Name them in a list."
            )
        return [self._full(word) for word in words]

    @traitlets.validate("system")
    def _or_none(self, proposal: Any) -> str | None:
        return proposal.value if (proposal.value or "").strip() else None

    @traitlets.validate("extra_kwargs")
    def _sendable(self, proposal: Any) -> dict[str, Any]:
        parameters.check(proposal.value)
        return dict(proposal.value)

    @traitlets.observe("models", "extra_kwargs", "system", "blind")
    def _other_words(self, _change: Any) -> None:
        if self._comparing is not None:
            self._draw()
            if self._comparing.last is None:
                self._places.put({"round": self._chosen.empty()})

    def _full(self, word: str) -> str:
        model, provider = model_and_provider(word)
        if model in current().aliases:
            return word
        full = told.full_model(self._llm, model)
        return f"{full}@{provider}" if provider else full

    def _default_models(self) -> list[str]:
        """The one that answers without a name, and another."""
        words = current().settle(Setup(account=self.account))
        first = told.model_of(self._llm, words)
        return [f"{first}@{words.provider}" if words.provider else first, self._another([first])]

    def _another(self, ids: Sequence[str]) -> str:
        """A model that is reached and not among these; the first of these where there is none."""
        there = [each["value"] for each in told.models(*ids)["all"] if not each["aside"] and each["value"] not in ids]
        return there[0] if there else ids[0]

    @property
    def _chosen(self) -> Chosen:
        return Chosen(self.number, self._llm, self.models, self.extra_kwargs, self.system, bool(self._tools))

    @property
    def _asking(self) -> Comparing:
        assert self._comparing is not None  # noqa: S101 - made with the panel
        return self._comparing

    # What the view is told -----------------------------------------------------------------------------------------

    def _draw(self, *, anew: bool = False) -> None:
        """Tells what has changed of what is set, or all of it."""
        chosen = self._chosen
        add = markup.button("Add a column", "add", "lk-flat") if len(self.models) < MOST else ""
        self._places.put({
            "top": chosen.top(),
            "summary": chosen.summary(),
            "fields": chosen.fields(self._slip),
            "dead": chosen.dead(),
            "low": markup.check("Blind", "blind", on=self.blind) + add,
            "alert": self._alert,
        }, anew=anew)  # fmt: skip

    def rebuild(self) -> None:
        """Tells all of it: to a view without content, or when something else is asked."""
        self._places.begin(self._chosen.frame())
        self._places.put({"models": self._chosen.lines()})
        self._draw()
        self._asking.rebuild(self._chosen.empty())

    def changed(self, *, running: bool) -> None:
        """Replies have begun, or ended, or it is known whose they are."""
        self._outputs.write()
        self.set_trait("replies", self._asking.replies)
        self.set_trait("running", running)

    def _kept(self) -> dict[str, str]:
        return transcript.bundle(self.number, self._asking.kept(), "compare")

    def _ipython_display_(self) -> None:
        self._outputs.show()

    # What it asks for ----------------------------------------------------------------------------------------------

    def _heard_of(self, message: Message) -> None:
        """What the view asks for is done in the context of the cell that made the panel: its output goes there."""
        if self._comparing is not None and (act := self._acts.get(message.get("t", ""))) is not None:
            self._context.copy().run(self._do, act, message)

    def _do(self, act: Callable[[int, str, str], object], message: Message) -> None:
        c, name, text = int(message.get("c", 0)), str(message.get("name", "")), str(message.get("text", ""))
        try:
            act(c, name, text)
        except LkError as error:
            lines = redact(str(error)).splitlines()
            if message["t"] == "field":
                self._slip[name] = (text, lines)
            else:
                self._alert = markup.lines(lines)
            self._draw(anew=True)  # what was chosen in the view does not hold
            if message["t"] == "send":
                self.tell([{"t": "draft", "h": text}])
        else:
            if self._alert and message["t"] not in ("models", "moved", "lost", "copy", "sent"):
                self._alert = ""
                self._draw()

    @property
    def _acts(self) -> dict[str, Callable[[int, str, str], object]]:
        """What the view sends -> what is done, with its column, name and text."""
        asking = self._asking
        return {
            "send": lambda _c, _name, text: self.ask(text),
            "again": lambda *_: self.ask(asking.last.prompt) if asking.last else None,
            "stop": lambda c, *_: asking.stop(c),
            "retry": lambda c, *_: asking.once_more("retry", c),
            "continue": lambda c, *_: asking.once_more("continue", c),
            "copy": lambda c, *_: asking.said("copy", c),
            "sent": lambda c, *_: asking.said("sent", c),
            "vote": lambda _c, _name, text: asking.vote(text),
            "model": self._to_model,
            "provider": self._to_provider,
            "remove": lambda c, *_: self._put(c, []),
            "add": lambda *_: self._put(len(self.models), [self._another(self._chosen.ids)]),
            "field": self._to_field,
            "blind": lambda _c, _name, text: self.set_trait("blind", text == "True"),
            "models": lambda *_: self._places.put({"models": self._chosen.lines()}),
            "moved": lambda *_: self._outputs.moved_out(),
            "lost": lambda *_: self.rebuild(),
        }

    def _put(self, c: int, words: list[str]) -> None:
        self.models = [*self.models[:c], *words, *self.models[c + 1 :]]

    def _to_model(self, c: int, _name: str, typed: str) -> None:
        """Another model in one column; a provider that is known not to serve it is named no more."""
        _, provider = model_and_provider(self.models[c])
        if provider and "@" not in typed and choices.serves(self._full(typed), provider) is not False:
            typed = f"{typed}@{provider}"
        self._put(c, [typed])

    def _to_provider(self, c: int, _name: str, provider: str) -> None:
        model, _ = model_and_provider(self.models[c])
        self._put(c, [f"{model}@{provider}" if provider else model])

    def _to_field(self, _c: int, name: str, text: str) -> None:
        if name == "system":
            self.system = text
        else:
            self.extra_kwargs = form.change(self.extra_kwargs, name, text)
        self._slip.pop(name, None)
        self._draw()
