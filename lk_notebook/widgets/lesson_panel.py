"""LessonPanel: a class in a box. Pupils pick a prompt, fill its blanks, and see the answer as it was recorded."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import traitlets

from lk_notebook.carried import Carried
from lk_notebook.core import lesson
from lk_notebook.core.tape import Take
from lk_notebook.core.text import clean, plain
from lk_notebook.core.values import Message, redact
from lk_notebook.following import follow
from lk_notebook.llm import LLM
from lk_notebook.net.deck import DECK, load
from lk_notebook.page import Page, answer
from lk_notebook.reply import ENDED, Reply
from lk_notebook.widgets import markup, transcript
from lk_notebook.widgets.panel import Act, Panel, status, without

_numbers = itertools.count(1)


@dataclass(slots=True)
class _Played:
    """What was asked, and its reply as it is seen; `again` asks it once more."""

    prompt: str
    model: str
    reply: Reply
    seen: Page
    again: Callable[[], Reply]


class LessonPanel(Panel):
    """A panel for pupils: the prompts of a lesson, each answered from a tape at the speed it was recorded.

    Example:
        ```python
        LessonPanel("lesson.jsonl", ["Why is the sky blue?", "Explain {{ topic }} to {{ whom }}."])
        ```

    Args:
        tape: a file of `%lkrecord`.
        prompts: texts; `{{ topic }}` is a blank, filled with whatever was recorded in its place. Without any, all
            prompts of the tape.
        speed: 1 as recorded, 2 twice as fast, 0 without waiting.
        traits: any further trait of an `ipywidgets.DOMWidget`, such as `layout`.

    It needs no account, key or network, and leaves the rest of the notebook alone: cells ask whom they asked before.
    `reply` is a trait to observe: the last Reply, None at first.

    Raises:
        ConfigurationError: the tape cannot be read, or answers a prompt in no filling of its blanks.
        PromptError: a prompt is empty.
    """

    reply: traitlets.Any = traitlets.Any(None, read_only=True)

    def __init__(self, tape: str | Path, prompts: Sequence[str] = (), *, speed: float = 1.0, **traits: Any) -> None:
        self._replay = load(str(tape))
        self._tasks = lesson.tasks(self._replay.tape, [prompts] if isinstance(prompts, str) else prompts)
        self._filled = [next(iter(task.answers)) for task in self._tasks]
        self._models = [0] * len(self._tasks)
        self._speed = speed
        self._played: list[_Played] = []
        self._lock = threading.RLock()
        super().__init__("Lesson", f"lesson-{next(_numbers)}", **traits)
        self._open()

    def ask(self, number: int, *values: str) -> Reply:
        """Plays the answer to a prompt, as its button does.

        Example:
            ```python
            panel.ask(1, "overfitting", "a child").wait()
            ```

        Args:
            number: which prompt, counted from 0.
            values: what stands in its blanks; without any, what is chosen in the panel.

        Raises:
            ReplayError: the tape lacks it.
        """
        task, key = self._tasks[number], tuple(values) or self._filled[number]
        takes = _by_model(task.answers.get(key, []))
        if not takes:  # the tape says what it has that is near
            return self._play(task.filled(key), LLM(), [{"role": "user", "content": task.filled(key)}])
        take = takes[min(self._models[number], len(takes) - 1)] if key == self._filled[number] else takes[0]
        with DECK.aside(self._replay, self._speed):
            llm = LLM(
                take.model,
                provider=take.provider,
                account=take.account.url if take.account.kind == "url" else take.account.name,
                extra_kwargs=lesson.parameters(take),
            )
        return self._play(task.filled(key), llm, lesson.messages(take))

    def close(self) -> None:
        """Ends a reply that is under way, and the view; the transcript stays."""
        self._stop()
        super().close()

    def _play(self, prompt: str, llm: LLM, messages: list[dict[str, Any]]) -> Reply:
        def again() -> Reply:
            with DECK.aside(self._replay, self._speed):
                return llm.ask(messages, Carried(cell=self.number))

        self._stop()
        reply = again()
        with self._lock:
            self._show(_Played(prompt, reply.model, reply, Page(reply), again))
        return reply

    def _show(self, played: _Played, *, instead: bool = False) -> None:
        self._played[len(self._played) - instead :] = [played]
        self.rebuild()
        self.set_trait("reply", played.reply)
        self._outputs.write()
        work = self._context.copy().run
        threading.Thread(target=work, args=(self._follow, played), daemon=True).start()

    def _follow(self, played: _Played) -> None:
        """Tells the view how the reply grows, to its end."""

        def draw() -> None:
            with self._lock:
                if played.seen.news() and self._played[-1] is played:
                    self._tell_of_reply(played.seen.changes())

        follow([played.reply], draw)
        with self._lock:
            self._draw()
        self._outputs.write()

    def _stop(self) -> None:
        if self._played and self._played[-1].reply.state not in ENDED:
            self._played[-1].reply.stop()

    # What the view is told -----------------------------------------------------------------------------------------

    def rebuild(self) -> None:
        """Tells all of it: to a view without content, or when something else is asked."""
        with self._lock:
            self._places.begin(self._frame())
            self._draw()
            if self._played:
                self._tell_of_reply(self._played[-1].seen.anew())

    def _draw(self) -> None:
        tasks = "".join(self._task(i) for i in range(len(self._tasks)))
        last = self._played[-1] if self._played else None
        live = last is not None and last.reply.state not in ENDED
        self._places.put({
            "tasks": tasks,
            "go": markup.button("Stop", "stop", data_c=-1) if live else "",
            "status": status(last.reply if last else None),
        })  # fmt: skip

    def _tell_of_reply(self, messages: list[Message]) -> None:
        """What a reply tells; its Stop stands beside the prompts."""
        self.tell(without(messages, "stop", "continue"))

    def _frame(self) -> str:
        """The panel, its places empty."""
        name = plain(redact(clean(self._replay.tape.name)))
        asked = ""
        if self._played:
            last = self._played[-1]
            asked = (
                f'<div class="lk-who">You</div><div class="lk-asked">{plain(redact(last.prompt))}</div>'
                f'<div class="lk-who">{plain(redact(last.model))}</div>'
                '<div class="jp-RenderedHTMLCommon jp-RenderedHTML" data-c="0" data-follow tabindex="0" role="region"'
                ' aria-label="Answer"></div><div data-foot="0"></div>'
            )
        return (
            f'<div class="lk-low lk-lesson"><span class="lk-hint">A recorded lesson: {name}</span>'
            '<span data-at="go"></span></div>'
            '<div data-at="tasks"></div>'
            f'<div class="lk-round">{asked}</div><div class="lk-sr" role="status" data-at="status"></div>'
        )

    def _task(self, i: int) -> str:
        """A prompt with what is chosen in its blanks, and the button that asks it."""
        task, chosen = self._tasks[i], dict(zip(self._tasks[i].blanks, self._filled[i], strict=True))
        words = lesson.pieces(task.template)
        inside = "".join(
            plain(piece) if name is None else _choice(name, task.values[name], chosen[name], (i, f"{name}.{i}.{k}"))
            for k, (piece, name) in enumerate(words)
        )
        takes = _by_model(task.answers[self._filled[i]])
        models = [take.model for take in takes]
        which = _choice("model", models, models[min(self._models[i], len(models) - 1)], (i, f"model.{i}"), "model")
        which = f" {which}" if len(models) > 1 else ""
        ask = markup.button("Ask", "play", name=f"ask{i}", data_c=i, aria_label=f"Ask: {task.filled(self._filled[i])}")
        return f'<div class="lk-task" role="group" aria-label="Prompt {i + 1}"><span>{inside}{which}</span>{ask}</div>'

    def _kept(self) -> dict[str, str]:
        rounds = [_round(played) for played in self._played]
        return transcript.bundle(self.number, rounds, "lesson")

    # What it asks for ----------------------------------------------------------------------------------------------

    @property
    def _acts(self) -> dict[str, Act]:
        return {
            **super()._acts,
            "play": lambda i, *_: self._asked(i),
            "retry": lambda *_: self._retry(),
            "stop": lambda *_: self._stop(),
            "blank": self._fill,
            "model": self._pick,
            "copy": lambda *_: self._said("copy"),
            "sent": lambda *_: self._said("sent"),
        }

    def _asked(self, i: int) -> None:
        if 0 <= i < len(self._tasks):
            self.ask(i)

    def _retry(self) -> None:
        """The last question again, in its place; the tape may have another answer."""
        if self._played and self._played[-1].reply.state in ENDED:
            last = self._played[-1]
            with self._lock:
                reply = last.again()
                self._show(_Played(last.prompt, reply.model, reply, Page(reply), last.again), instead=True)

    def _fill(self, i: int, name: str, value: Any) -> None:
        """Another value in a blank; the others keep theirs as far as the tape has them together."""
        task = self._tasks[i]
        at = task.blanks.index(name.split(".", maxsplit=1)[0])
        before = self._filled[i]
        fitting = [key for key in task.answers if key[at] == value]
        if fitting:
            self._filled[i] = max(fitting, key=lambda key: sum(a == b for a, b in zip(key, before, strict=True)))
            self._models[i] = 0
        self._draw()

    def _pick(self, i: int, _name: str, value: Any) -> None:
        models = [take.model for take in _by_model(self._tasks[i].answers[self._filled[i]])]
        if value in models:
            self._models[i] = models.index(value)
        self._draw()

    def _said(self, what: str) -> None:
        """A button asks for the text of the answer, or for the request behind it."""
        if self._played:
            self.tell([answer(what, 0, self._played[-1].reply)])


def _by_model(takes: Sequence[Take]) -> list[Take]:
    """One for each model and provider, in the order of the tape."""
    return list({(take.model, take.provider, take.account.name): take for take in takes}.values())


def _choice(label: str, values: Sequence[str], value: str, place: tuple[int, str], t: str = "blank") -> str:
    """A blank in its sentence; its place is the number of the prompt, and a name of its own."""
    i, name = place
    options = "".join(
        f'<option value="{plain(each)}"{" selected" if each == value else ""}>{plain(each)}</option>' for each in values
    )
    return f'<select aria-label="{plain(label)}" name="{plain(name)}" data-t="{t}" data-c="{i}">{options}</select>'


def _round(played: _Played) -> transcript.Turn:
    return redact(clean(played.prompt)), played.model, played.seen.bundle()
