"""ComparePanel: two to four models side by side in one widget, with one composer for all of them."""

from __future__ import annotations

import contextlib
import contextvars
import itertools
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import traitlets

from lk_notebook.columns import columns
from lk_notebook.core import comparison, parameters
from lk_notebook.core.values import Message, Setup, model_and_provider, redact
from lk_notebook.desk import desk
from lk_notebook.errors import ConfigurationError, LkError, PromptError
from lk_notebook.llm import LLM, Carried
from lk_notebook.net.loop import TICK
from lk_notebook.page import plain_text
from lk_notebook.reply import ENDED, Reply
from lk_notebook.session import current
from lk_notebook.widgets import choices, form, markup, told, transcript
from lk_notebook.widgets.chosen import LEAST, MOST, Chosen
from lk_notebook.widgets.panel import Panel, joined
from lk_notebook.widgets.rounds import Round
from lk_notebook.widgets.talk import AT_LEAST, TIMES

_numbers = itertools.count(1)

_SET = ("top", "summary", "fields", "dead", "alert")
_ASKED = ("asked", "go", "low", "vote", "status", "alert")


class ComparePanel(Panel):
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

    `models`, `extra_kwargs`, `system` and `blind` are traits: set them and the view follows, choose in the view and they
    change. `replies` (a Reply each, None where nothing could be sent) and `running` are traits to observe. None of them
    is part of the widget's state, which a notebook may save. Votes are counted with those of `%%lkcompare --blind`.

    Raises:
        ConfigurationError: a word cannot be used as it stands; a trait that is set to it stays as it was.
    """

    _esm = joined("lk.js", "panel.js", "compare.js")
    _css = joined("lk.css", "chat.css", "compare.css")

    models = traitlets.List(traitlets.Unicode())
    extra_kwargs = traitlets.Dict()
    system = traitlets.Unicode(None, allow_none=True)
    blind = traitlets.Bool(default_value=False)
    replies: traitlets.List[Any] = traitlets.List(read_only=True)
    running = traitlets.Bool(default_value=False, read_only=True)

    _open = False

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
        self._lock = threading.RLock()
        self._rounds: list[Round] = []
        self._drawn: dict[str, str] = {}  # the places of the view, as it was last told
        self._slip: dict[str, tuple[str, list[str]]] = {}
        self._alert = ""
        desk.at_home()
        super().__init__(self._heard_of, kind="compare", number=f"compare-{next(_numbers)}", **traits)
        self._outputs = transcript.Outputs(self.mime, self._kept)
        self.extra_kwargs, self.system, self.blind = dict(words.extra_kwargs), words.system, blind
        self.models = list(models) or self._default_models()
        self._open = True
        self._rebuild()
        self._watch_cells()

    def close(self) -> None:
        """Ends the replies that are under way, and the view; the transcript stays."""
        if self._open:
            self.stop()
        super().close()

    @property
    def account(self) -> str | None:
        """The account that is asked, where one was named."""
        return self._llm.setup.account

    @property
    def table(self) -> Any:
        """The figures of the last comparison in the order of its models: a DataFrame where there is pandas."""
        with self._lock:
            return self._rounds[-1].table if self._rounds else None

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
            LkError: nothing could be sent to any of them.
        """
        with self._lock:
            if self._rounds and not self._rounds[-1].over:
                raise ConfigurationError("Replies are still coming.", "Stop them, or wait for their end.")
            if not prompt.strip():
                raise PromptError("The prompt is empty.", "Write what you want to ask.")
            cells, left_out = self._chosen.cells()
            asked = current().ask_all(cells, prompt, self._carried)
            replies = []
            for (_, reply), names in zip(asked, left_out, strict=True):
                if isinstance(reply, Reply):
                    replies.append(reply)
                    for name in names:
                        reply.on_note(f"{name} was left out: {reply.model} does not take it.")
            if not replies:
                raise next(error for _, error in asked if isinstance(error, LkError))
            self._reveal("")
            shown = columns(cells, asked, current().aliases)
            self._rounds.append(Round(prompt, cells, shown, blind=self.blind, number=self.number))
            self._alert = ""
            self._rebuild()
        self._started(self._rounds[-1], replies)
        return [column.reply for column in self._rounds[-1].in_line]

    def stop(self, c: int = -1) -> None:
        """Ends the replies that are under way; what had arrived stays. `c`: only this one, as they are shown."""
        with self._lock:
            for i, reply in enumerate(self._rounds[-1].numbered if self._rounds else ()):
                if reply is not None and c in (-1, i):
                    reply.stop()

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
        if self._open:
            self._draw(*_SET, "low", *([] if self._rounds else ["round"]))

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
    def _carried(self) -> Carried:
        return Carried(tools=self._tools, cell=self.number)

    # What the view is told -----------------------------------------------------------------------------------------

    def _place(self, name: str) -> str:
        """The HTML of one place of the view."""
        chosen, last = self._chosen, self._rounds[-1] if self._rounds else None
        running = last is not None and not last.over
        if name in ("top", "summary", "dead"):
            return str(getattr(chosen, name)())
        if name == "fields":
            return chosen.fields(self._slip)
        if name == "models":
            return chosen.lines()
        if name == "round":
            return chosen.empty() if last is None else last.frame()
        if name == "go":
            stop = markup.button("Stop all", "stop", "lk-go", name="go", data_c=-1)
            return stop if running else markup.button("Send", "send", "lk-go", name="go")
        if name == "low":
            return self._low(running=running)
        if name == "alert":
            return self._alert
        return "" if last is None else {"asked": last.question, "vote": last.vote, "status": last.status}[name]()

    def _low(self, *, running: bool) -> str:
        check = f'<label class="lk-check"><input type="checkbox" name="blind" data-t="blind"{" checked" * self.blind}>'
        more = markup.button("Add a column", "add", "lk-flat") if len(self.models) < MOST else ""
        again = markup.button("Run again", "again", "lk-flat", disabled=running) if self._rounds else ""
        return f'{check}Blind</label>{more}{again}'

    def _draw(self, *names: str, anew: bool = False) -> None:
        """Tells the view the places that have changed, or all the same."""
        with self._lock:
            now = {name: redact(self._place(name)) for name in names}
            new = {name: html for name, html in now.items() if anew or self._drawn.get(name) != html}
            self._drawn.update(new)
            self.tell([{"t": "html", "at": name, "h": html} for name, html in new.items()])

    def _rebuild(self) -> None:
        """Tells all of it: to a view that is empty, or when something else is asked."""
        with self._lock:
            self._drawn = {}
            self.tell([{"t": "reset"}, {"t": "frame", "h": self._chosen.frame()}])
            self._draw("models", "top", "summary", "fields", "dead", "round", *_ASKED)
            if self._rounds:
                self.tell(self._rounds[-1].anew())

    def _started(self, shown: Round, replies: list[Reply]) -> None:
        """Some replies have begun to grow."""
        self.set_trait("replies", [column.reply for column in shown.in_line])
        self.set_trait("running", True)  # noqa: FBT003 - traitlets' signature
        self._outputs.write()
        work = self._context.copy().run
        threading.Thread(target=work, args=(self._follow, shown, replies), daemon=True).start()

    def _follow(self, shown: Round, replies: list[Reply]) -> None:
        """Tells the view how replies grow, to their end."""
        woken = threading.Event()
        with contextlib.ExitStack() as stack:
            for reply in replies:
                stack.enter_context(reply.woken(woken))
            while True:
                woken.wait(TICK)
                woken.clear()
                ended = all(reply.state in ENDED for reply in replies)
                begun = time.monotonic()
                with self._lock:
                    if shown is self._rounds[-1] and shown.news():
                        self.tell(shown.changes())
                        self._draw("status")
                if ended:
                    break
                time.sleep(max(AT_LEAST, TIMES * (time.monotonic() - begun)))
        self._ended(shown)

    def _ended(self, shown: Round) -> None:
        with self._lock:
            if not shown.over:
                return
            if shown.blind and len(shown.candidates) < comparison.LEAST:
                shown.verdict = "No vote: fewer than two answers came."
                self._reveal("")
            if shown is self._rounds[-1]:
                self._draw(*_ASKED)
        self._outputs.write()
        self.set_trait("running", False)  # noqa: FBT003 - as above

    def _reveal(self, letter: str) -> None:
        """Takes a vote on the last answers, where one is due, and tells whose they are."""
        if not self._rounds or not (last := self._rounds[-1]).blind:
            return
        if vote := last.voted(letter):
            current().votes.append(vote)
        self.tell(last.changes())
        self._draw("vote", "status")

    def _kept(self) -> dict[str, str]:
        with self._lock:
            turns = [(each.asked, "Answers", each.kept()) for each in self._rounds]
        return transcript.bundle(self.number, turns, "compare")

    # What it asks for ----------------------------------------------------------------------------------------------

    def _heard_of(self, message: Message) -> None:
        """What the view asks for is done in the context of the cell that made the panel: its output goes there."""
        act = getattr(self, f"_on_{message.get('t', '')}", None)
        if act is not None and self._open:
            self._context.copy().run(self._do, act, message)

    def _do(self, act: Callable[[Message], None], message: Message) -> None:
        try:
            act(message)
        except LkError as error:
            lines = redact(str(error)).splitlines()
            if message["t"] == "field":
                self._slip[str(message.get("name"))] = (str(message.get("text", "")), lines)
            else:
                self._alert = markup.lines(lines)
            self._draw("top", "fields", "alert", anew=True)  # what was chosen does not hold
            if message["t"] == "send":
                self.tell([{"t": "draft", "h": redact(str(message.get("text", "")))}])

    def _on_send(self, message: Message) -> None:
        self.ask(str(message.get("text", "")))

    def _on_again(self, _message: Message) -> None:
        if self._rounds:
            self.ask(self._rounds[-1].prompt)

    def _on_stop(self, message: Message) -> None:
        self.stop(int(message.get("c", -1)))

    def _on_retry(self, message: Message) -> None:
        self._once_more(message, lambda reply: reply.anew() if reply.anew else None)

    def _on_continue(self, message: Message) -> None:
        self._once_more(message, lambda reply: reply.continue_())

    def _once_more(self, message: Message, how: Callable[[Reply], Reply | None]) -> None:
        """Asks one column again, in its place."""
        with self._lock:
            last, c = self._rounds[-1], int(message.get("c", 0))
            before = last.columns[c].reply
            if before is None:
                ((_, asked),) = current().ask_all([last.cells[c]], last.prompt, self._carried)
                if isinstance(asked, LkError):
                    raise asked
                reply: Reply | None = asked
            else:
                reply = how(before) if before.state in ENDED else None
            if reply is None:
                return
            last.take(c, reply)
            self._alert = ""
            self.tell([{"t": "html", "at": f"col{c}", "h": last.column(c)}, *last.changes()])
            self._draw(*_ASKED)
        self._started(last, [reply])

    def _on_copy(self, message: Message) -> None:
        self._answer(message, lambda reply: {"md": plain_text(reply)})

    def _on_sent(self, message: Message) -> None:
        from lk_notebook.sent import what_was_sent  # noqa: PLC0415 - only who looks

        self._answer(message, lambda reply: {"all": what_was_sent(reply)})

    def _answer(self, message: Message, what: Callable[[Reply], Message]) -> None:
        c = int(message.get("c", 0))
        if self._rounds and (reply := self._rounds[-1].reply(c)) is not None:
            self.tell([{"t": "heard", "at": message["t"], "c": c, **what(reply)}])

    def _on_vote(self, message: Message) -> None:
        with self._lock:
            self._reveal(str(message.get("text") or ""))
        self._outputs.write()

    def _on_model(self, message: Message) -> None:
        """Another model in one column; a provider that is known not to serve it is named no more."""
        c = int(message.get("c", 0))
        model, provider = self._full(str(message.get("text", ""))), model_and_provider(self.models[c])[1]
        if provider and "@" not in model and choices.serves(model, provider) is not False:
            model = f"{model}@{provider}"
        self._set_model(c, [model])

    def _on_provider(self, message: Message) -> None:
        c, provider = int(message.get("c", 0)), str(message.get("text", ""))
        model, _ = model_and_provider(self.models[c])
        self._set_model(c, [f"{model}@{provider}" if provider else model])

    def _on_remove(self, message: Message) -> None:
        self._set_model(int(message.get("c", 0)), [])

    def _on_add(self, _message: Message) -> None:
        self._set_model(len(self.models), [self._another(self._chosen.ids)])

    def _set_model(self, c: int, words: list[str]) -> None:
        self._alert = ""
        self.models = [*self.models[:c], *words, *self.models[c + 1 :]]

    def _on_field(self, message: Message) -> None:
        name, text = str(message.get("name", "")), str(message.get("text", ""))
        if name == "system":
            self.system = text
        else:
            self.extra_kwargs = form.change(self.extra_kwargs, name, text)
        self._slip.pop(name, None)
        self._draw("fields")

    def _on_blind(self, message: Message) -> None:
        self.blind = bool(message.get("text"))

    def _on_models(self, _message: Message) -> None:
        self._draw("models")

    def _on_moved(self, _message: Message) -> None:
        self._outputs.moved_out()

    def _on_lost(self, _message: Message) -> None:
        self._rebuild()
