"""ComparePanel: two to four models side by side in one widget, with one composer for all of them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import traitlets

from lk_notebook.carried import Carried
from lk_notebook.core.values import Setup, model_and_provider
from lk_notebook.errors import ConfigurationError
from lk_notebook.llm import LLM
from lk_notebook.reply import Reply
from lk_notebook.session import current
from lk_notebook.widgets import choices, markup, told, transcript
from lk_notebook.widgets.chosen import LEAST, MOST, Chosen
from lk_notebook.widgets.comparing import Comparing
from lk_notebook.widgets.panel import Act, Asking

_numbers = itertools.count(1)


class ComparePanel(Asking):
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

    models = traitlets.List(traitlets.Unicode())
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
        super().__init__("Compare panel", f"compare-{next(_numbers)}", LLM(account=account), tools, **traits)
        self.extra_kwargs, self.system, self.blind = dict(words.extra_kwargs), words.system, blind
        self.models = list(models) or self._default_models()
        self._comparing = Comparing(current(), self._places, self, Carried(tools=self._tools, cell=self.number))
        self._open()

    def close(self) -> None:
        """Ends the replies that are under way, and the view; the transcript stays."""
        if self._comparing is not None:
            self._comparing.stop()
        super().close()

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
        there = [each.value for each in told.models(ids) if not each.aside and each.value not in ids]
        return there[0] if there else ids[0]

    @property
    def _chosen(self) -> Chosen:
        return Chosen(self.number, self._llm, self.models, self.extra_kwargs, self.system, bool(self._tools))

    @property
    def _ids(self) -> list[str]:
        return self._chosen.ids

    @property
    def _asking(self) -> Comparing:
        assert self._comparing is not None  # noqa: S101 - made with the panel
        return self._comparing

    # What the view is told -----------------------------------------------------------------------------------------

    def _draw(self, *, anew: bool = False) -> None:
        add = markup.button("Add a column", "add", "lk-flat") if len(self.models) < MOST else ""
        self._places.put({
            "top": self._chosen.top(),
            "low": markup.check("Blind", "blind", on=self.blind) + add,
        }, anew=anew)  # fmt: skip
        super()._draw(anew=anew)

    def rebuild(self) -> None:
        """Tells all of it: to a view without content, or when something else is asked."""
        self._places.begin(self._chosen.frame())
        self._list()
        self._draw()
        self._asking.rebuild(self._chosen.empty())

    def changed(self, *, running: bool) -> None:
        """Replies have begun, or ended, or it is known whose they are."""
        self._outputs.write()
        self.set_trait("replies", self._asking.replies)
        self.set_trait("running", running)

    def _kept(self) -> dict[str, str]:
        return transcript.bundle(self.number, self._asking.kept(), "compare")

    # What it asks for ----------------------------------------------------------------------------------------------

    @property
    def _acts(self) -> dict[str, Act]:
        asking = self._asking
        return {
            **super()._acts,
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
            "add": lambda *_: self._put(len(self.models), [self._another(self._ids)]),
            "blind": lambda _c, _name, text: self.set_trait("blind", text == "True"),
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
