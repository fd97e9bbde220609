"""An agent tried on turns with expectations: a session of its own, a table of what was met."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lk_notebook.agent_tools import named
from lk_notebook.agents import Brief, Talk
from lk_notebook.core import footer
from lk_notebook.core.expectations import Exchange, Expectation
from lk_notebook.core.grid import UNKNOWN, Cell, Grid, grid_html, grid_text
from lk_notebook.core.text import clean
from lk_notebook.core.values import redact
from lk_notebook.errors import LkError, one_line
from lk_notebook.livekit_llm import HEARER, LiveKitLLM
from lk_notebook.page import facts
from lk_notebook.reply import ENDED
from lk_notebook.session import llm
from lk_notebook.sight import Whole
from lk_notebook.turn import Turn

#: What `-o` keeps of each expectation; `met` is None where nobody could say.
COLUMNS = ("turn", "user", "expected", "met", "found")
WIDEST = 160  # characters of what was found, in the table
AROUND = 40  # characters before what was looked for
NO_JUDGEMENT = "the model gave no judgement"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an expectation was met, None where nobody can say, and what was found."""

    met: bool | None
    found: str


class Evaluation(Whole):
    """What is seen of it, for `show.watch`, and its run.

    Raises:
        ConfigurationError: no account, an unknown model.
        SchemaError: a tool cannot be one.
    """

    def __init__(self, exchanges: Sequence[Exchange], brief: Brief, cell: str) -> None:
        self._exchanges, self._brief, self._cell = exchanges, brief, cell
        self._talk = Talk(brief, llm(brief.setup))
        self._turns: list[Turn] = []
        self._verdicts: list[list[Verdict]] = []
        self._whole = Turn(self._talk.model.route, exchanges[0].user)  # all turns, for the footer and to be stopped by
        self.replies = [self._whole]
        self._seen: tuple[object, ...] = ()

    def start(self) -> Evaluation:
        """Begins, in the background."""
        self._whole.start(self._run())
        return self

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One for each expectation, and for each turn without any."""
        found = []
        for i, exchange in enumerate(self._exchanges):
            verdicts = self._verdicts[i] if i < len(self._verdicts) else []
            for j, expected in enumerate(exchange.expected or (None,)):
                verdict = verdicts[j] if j < len(verdicts) else Verdict(None, "")
                values = (i + 1, exchange.user, expected and expected.text, verdict.met, verdict.found)
                found.append(dict(zip(COLUMNS, values, strict=True)))
        return found

    @property
    def error(self) -> LkError | None:
        """Of the first turn, where all of them failed."""
        errors = [turn.error for turn in self._turns if turn.error is not None]
        return errors[0] if errors and len(errors) == len(self._turns) else None

    # What is seen ---------------------------------------------------------------------------------------------

    def news(self) -> bool:
        """Whether anything has changed since the last look."""
        turn = self._turns[-1] if self._turns else None
        now = (self._whole.state, len(self._turns), sum(map(len, self._verdicts)), turn and turn.state)
        changed, self._seen = now != self._seen, now
        return changed

    def html(self) -> str:
        """The table, the conversation behind a fold, and the footer."""
        return self._table() + redact(footer.footer_html(self._facts()))

    def bundle(self) -> dict[str, str]:
        """What stays in the file: the HTML, and the plain text beside it."""
        text = "\n\n".join([grid_text(self._grid()), footer.footer_text(self._facts())])
        return {"text/html": self.html(), "text/plain": redact(clean(text))}

    def _table(self) -> str:
        said = self._turns and self._whole.state in ENDED  # a fold that was opened before would close again
        fold = footer.fold_html("Conversation", self._conversation()) if said else ""
        return redact(grid_html(self._grid()) + fold)

    def _grid(self) -> Grid:
        rows: list[list[Cell | None]] = []
        for i, exchange in enumerate(self._exchanges):
            running = i == len(self._turns) - 1 and self._whole.state not in ENDED
            verdicts = self._verdicts[i] if i < len(self._verdicts) else []
            several = exchange.expected or (None,)
            for j, expected in enumerate(several):
                verdict = verdicts[j] if j < len(verdicts) else Verdict(None, "…" if running else "")
                head = None if j else Cell(one_line(exchange.user, WIDEST), rows=len(several))
                rows.append([head, *_cells(expected, verdict, ended=j < len(verdicts))])
        return Grid(self._caption(), ("You said", "Expected", "Met", "Found"), rows, folding={0: 140, 1: 220, 3: 200})

    def _caption(self) -> str:
        verdicts = [verdict for verdicts in self._verdicts for verdict in verdicts]
        expected = sum(len(each.expected) for each in self._exchanges)
        if self._whole.state not in ENDED:
            return f"Evaluation: turn {max(1, len(self._turns))} of {len(self._exchanges)}"
        open_ = sum(verdict.met is None for verdict in verdicts if verdict.found == NO_JUDGEMENT)
        said = f"Evaluation: {sum(verdict.met is True for verdict in verdicts)} of {expected} expectations met"
        return said + (f", {open_} not judged" if open_ else "")

    def _conversation(self) -> str:
        parts = []
        for exchange, turn in zip(self._exchanges, self._turns, strict=False):
            parts.append(f"You: {exchange.user}")
            for step in turn.steps:
                parts += [f"{ran.call.name}({ran.call.arguments}) → {ran.result}" for ran in step.ran]
                parts += [step.told] if step.told else []
            parts += [f"Agent: {turn.text}"] if turn.text else []
            parts += [str(turn.error)] if turn.error is not None else []
        return "\n\n".join(parts)

    def _facts(self) -> footer.Facts:
        self._whole.requests = [request for turn in self._turns for request in turn.requests]
        if self._turns:
            self._whole.account, self._whole.model = self._turns[-1].account, self._turns[-1].model
        return replace(facts(self._whole), ttft=None)

    # On the background loop -----------------------------------------------------------------------------------

    async def _run(self) -> None:
        HEARER.set(self._talk)
        self._talk.cell = self._cell
        try:
            for i, exchange in enumerate(self._exchanges):
                if exchange.anew and i:
                    await self._talk.aclose()
                    self._talk = Talk(self._brief, llm(self._brief.setup))
                await self._exchange(exchange)
        except asyncio.CancelledError:
            self._whole.end("stopped")
        except LkError as error:  # the budget is used up
            self._whole.end("failed", error)
        else:
            self._whole.end("done")
        finally:
            await self._talk.aclose()

    async def _exchange(self, exchange: Exchange) -> None:
        turn = self._talk.ask(exchange.user, self._cell)
        self._turns.append(turn)
        self._verdicts.append([])
        turn.when_changed(self._whole.notify)
        try:
            await turn
        except LkError as error:
            self._verdicts[-1] += [Verdict(False, error.what) for _ in exchange.expected]  # noqa: FBT003 - not met
        else:
            for expected in exchange.expected:
                self._verdicts[-1].append(await judged(expected, turn.result, self._talk.model))
                self._whole.notify()


async def judged(expected: Expectation, result: Any, model: LiveKitLLM) -> Verdict:
    """Whether LiveKit's RunResult meets an expectation; the model is asked where that is for a model to say."""
    calls = [(each.item.name, each.item.arguments) for each in result.events if each.type == "function_call"]
    shown = ", ".join(f"{name}({_arguments(text)})" for name, text in calls) or "no calls"
    spoken = "\n".join(each.item.text_content or "" for each in _spoken(result))
    if expected.kind == "calls nothing":
        return _verdict(expected, not calls, shown)
    if expected.kind == "calls":
        try:
            result.expect.contains_function_call(name=expected.wanted, arguments=dict(expected.arguments))
        except AssertionError:
            return _verdict(expected, False, shown)  # noqa: FBT003 - not met
        return _verdict(expected, True, shown)  # noqa: FBT003 - met
    if expected.kind == "says":
        plain = " ".join(spoken.split())
        at = plain.casefold().find(expected.wanted.casefold())
        return _verdict(expected, at >= 0, _around(plain, at) or "nothing was said")
    if expected.kind == "hands over to":
        agents = [named(each.new_agent) for each in result.events if each.type == "agent_handoff"]
        met = expected.wanted.casefold() in [name.casefold() for name in agents]
        return _verdict(expected, met, ", ".join(agents) or "no hand-over")
    return await _by_model(expected, result, model)


async def _by_model(expected: Expectation, result: Any, model: LiveKitLLM) -> Verdict:
    """As LiveKit's own test helper has a model judge: the last thing that the agent said."""
    spoken = _spoken(result)
    if not spoken:
        return _verdict(expected, False, "nothing was said")  # noqa: FBT003 - not met
    said = result.expect[result.events.index(spoken[-1])].is_message(role="assistant")
    try:
        await said.judge(model, intent=expected.wanted)
    except AssertionError as error:
        why = str(error).splitlines()[0]
        if not why.startswith("Judgement failed"):
            return Verdict(None, NO_JUDGEMENT)
        return _verdict(expected, False, why.partition(": ")[2] or "not so")  # noqa: FBT003 - not met
    except Exception as error:  # noqa: BLE001 - the model failed, or called the judge's tool with anything
        cause = error.__cause__
        return Verdict(None, cause.what if isinstance(cause, LkError) else NO_JUDGEMENT)
    return _verdict(expected, True, spoken[-1].item.text_content)  # noqa: FBT003 - met


def _spoken(result: Any) -> list[Any]:
    return [each for each in result.events if each.type == "message" and each.item.role == "assistant"]


def _verdict(expected: Expectation, met: bool, found: str) -> Verdict:  # noqa: FBT001 - one word of a verdict
    return Verdict(met is not expected.negated, redact(found))


def _around(text: str, at: int) -> str:
    """The text from some words before this place on."""
    start = text.rfind(" ", 0, max(0, at - AROUND)) + 1
    return f"… {text[start:]}" if start else text


def _arguments(text: str) -> str:
    try:
        return ", ".join(f"{name}={value!r}" for name, value in json.loads(text or "{}").items())
    except (ValueError, AttributeError):
        return text


def _cells(expected: Expectation | None, verdict: Verdict, *, ended: bool) -> list[Cell]:
    failed = ended and verdict.met is False
    met = UNKNOWN if verdict.met is None else "yes" if verdict.met else "no"
    return [
        Cell(one_line(expected.text, WIDEST) if expected else UNKNOWN, bold=failed),
        Cell(met if ended and expected else "", bold=failed),
        Cell(one_line(verdict.found, WIDEST)),
    ]
