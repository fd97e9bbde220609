"""What has arrived of an answer: texts, facts, tool calls, times. Filled on the background loop, read anywhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Literal

from lk_notebook.core import catalogue
from lk_notebook.core.answer import Answer
from lk_notebook.core.growing import Growing
from lk_notebook.core.values import (
    Account,
    Alternative,
    Attempt,
    Call,
    Message,
    TokenLogprob,
    ToolCall,
    Usage,
    redact,
    released,
)
from lk_notebook.errors import LkError
from lk_notebook.steps import Ran, Step, spoken, wire

if TYPE_CHECKING:
    from lk_notebook.core.replaying import Replayed
    from lk_notebook.core.request import Prepared
    from lk_notebook.core.stream import Piece

State = Literal["waiting", "streaming", "done", "stopped", "failed"]
#: Tiers that published prices are for; another may cost more or less.
STANDARD_TIERS = (None, "auto", "default", "standard", "on_demand")
ENDED = frozenset({"done", "stopped", "failed"})


class Arriving:
    """The state of one answer, and the listener that fills it."""

    def __init__(self, call: Call, accounts: Sequence[Account], notes: Sequence[str] = ()) -> None:
        self.call, self.accounts = call, tuple(accounts)  # what was asked, and whom in which order
        self.offered: Sequence[Callable[..., Any]] = ()  # functions that the model may call
        self.model, self.provider = call.model, call.provider
        self.account = accounts[0].name
        self.state: State = "waiting"
        self.error: LkError | None = None
        self.notes: list[str] = list(notes)
        self.attempts: list[Attempt] = []
        self.asked: list[Message] = list(call.messages)  # the history with the question
        self.messages: list[Message] = self.asked  # as it was last sent
        self.request: tuple[Account, Prepared] | None = None  # the last one
        self.remembered = 0  # turns of its chat before it
        self.broken = False  # ■ was pressed within a tool
        self.stale = False  # a turn before it has changed since
        self.steps: list[Step] = []
        self.thought_for: dict[int, tuple[float, float]] = {}  # a round of tools -> when its reasoning began and ended
        self.retrying: tuple[LkError, float, int] | None = None  # the error, when the next try starts, tries left
        self.parsed: Any = None
        self.replayed: Replayed | None = None  # a tape answered: what it says of the recording
        self._kind = accounts[0].kind
        self._standard = True  # published prices hold: the standard tier, at the vendor's own address
        self._tier = call.inference_class or call.extra_kwargs.get("service_tier")
        self._texts = {"text": Growing(), "reasoning": Growing(), "refusal": Growing()}
        self._held = {"text": "", "reasoning": "", "refusal": ""}  # may become a secret with the next piece
        self._answer = Answer()
        self._before: list[Answer] = []  # of earlier rounds
        self._said: list[Message] = []  # what the rounds of tools added to the history
        self._sent = self._begun = time.monotonic()
        self._first: float | None = None
        self._ended: float | None = None
        self._wakers: list[Callable[[], None]] = []  # called at each change, and at the end
        self._enders: list[Callable[[], None]] = []  # called at the end alone
        self._over = threading.Event()
        self._ending = threading.Lock()

    # What it is -----------------------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        """The text so far."""
        return str(self._texts["text"])

    @property
    def size(self) -> int:
        """How many characters of text have arrived."""
        return self._texts["text"].size

    def piece(self, start: int, end: int | None = None) -> str:
        """The text from this character on."""
        return self._texts["text"].since(start)[: None if end is None else end - start]

    def thought(self, start: int, end: int | None = None) -> str:
        """The reasoning from this character on."""
        return self._texts["reasoning"].since(start)[: None if end is None else end - start]

    @property
    def reasoning(self) -> str:
        """The reasoning so far, where the model tells it."""
        return str(self._texts["reasoning"])

    @property
    def thought_size(self) -> int:
        """How many characters of reasoning have arrived."""
        return self._texts["reasoning"].size

    @property
    def refusal(self) -> str:
        """The refusal, where the model refused in a field of its own."""
        return str(self._texts["refusal"])

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The calls the model asked for, of all rounds."""
        return [call for answer in (*self._before, self._answer) for call in answer.tool_calls]

    @property
    def wants_tools(self) -> bool:
        """Whether the last response asks for tools."""
        return self._answer.has_calls

    @property
    def alternatives(self) -> list[Alternative]:
        """The further answers of `n=2` and more."""
        return self._answer.alternatives

    @property
    def logprobs(self) -> list[TokenLogprob] | None:
        """Log probabilities of the tokens, where they were asked for."""
        return self._answer.logprobs

    @property
    def finish_reason(self) -> str | None:
        """Why the model stopped: stop, length, tool_calls, content_filter, or a vendor's own word."""
        return self._answer.finish_reason

    @property
    def response_id(self) -> str | None:
        """The provider's id of the response."""
        return self._answer.response_id

    @property
    def extra_content(self) -> dict[str, Any] | None:
        """What a vendor wants back with the history: signatures of Google's, xAI's."""
        return self._answer.extra_content

    @property
    def served_by(self) -> str | None:
        """Which deployment answered, where the gateway says so."""
        return self._answer.served_by

    @property
    def usage(self) -> Usage | None:
        """The tokens, as the provider counted them, of all rounds."""
        told = [answer.usage for answer in (*self._before, self._answer) if answer.usage is not None]
        if len(told) < 2:
            return told[0] if told else None
        return Usage(*(sum(getattr(usage, each.name) for usage in told) for each in fields(Usage)))

    @property
    def counted(self) -> Usage | None:
        """The tokens of the last round alone: how long the history was, not what was billed."""
        return self._answer.usage

    @property
    def ttft(self) -> float | None:
        """Seconds from sending to the first output."""
        return None if self._first is None else self._first - self._sent

    @property
    def duration(self) -> float | None:
        """Seconds from the call to its end, all tries included."""
        return None if self._ended is None else self._ended - self._begun

    @property
    def tokens_per_second(self) -> float | None:
        """Completion tokens per second from the first output to the end."""
        usage, first, ended = self.usage, self._first, self._ended
        if usage is None or not usage.completion_tokens or first is None or ended is None or ended <= first:
            return None
        return usage.completion_tokens / (ended - first)

    @property
    def cost(self) -> float | None:
        """US dollars at the published price, None where none was published."""
        if self.usage is None or self.state == "failed" or not self._standard:
            return None
        return catalogue.cost(self.model, self.usage, billed_by_kind=self._kind, provider=self._biller)

    @property
    def price(self) -> catalogue.Price | None:
        """The published price behind `cost`."""
        if not self._standard:
            return None
        return catalogue.price(self.model, billed_by_kind=self._kind, provider=self._biller)

    @property
    def _biller(self) -> str | None:
        return self.provider or (self.served_by if self._kind == "livekit" else self._kind)

    @property
    def quota(self) -> dict[str, str] | None:
        """What LiveKit's quota headers said: `rpm_limit`, `rpm_used` and so on; None where nobody said."""
        return self._answer.quota

    @property
    def turn(self) -> list[Message]:
        """What this reply adds to a history: the rounds of tools, and the answer, cut or not; [] where nothing came."""
        last = self.piece(self.steps[-1].text if self.steps else 0)
        if not last and not (self._said and self.state == "done"):
            return list(self._said) if self._said else []
        return [*self._said, spoken(last, self._answer)]

    def go_on_from(self, cut: Arriving) -> None:
        """Begins with what another answer had when it was cut."""
        for kind, text in cut._texts.items():
            self._texts[kind].add(str(text))
        self.steps, self._said = list(cut.steps), list(cut._said)
        self._before = [*cut._before, cut._answer]
        self.asked, self.remembered, self.stale = cut.asked, cut.remembered, cut.stale

    # How it comes -----------------------------------------------------------------------------------------------

    def on_sent(self, account: Account, prepared: Prepared) -> None:
        """A request goes out."""
        self.account, self._kind = account.name, account.kind
        self._standard = account.priced and self._tier in STANDARD_TIERS
        self.messages = prepared.body["messages"]
        self.request = (account, prepared)
        self.notes += [note for note in prepared.notes if note not in self.notes]
        self.retrying = None
        if not self.steps:
            self._sent, self._first = time.monotonic(), None
        self._answer = Answer()
        self.notify()

    def on_pieces(self, pieces: list[Piece], answer: Answer) -> None:
        """Something arrived."""
        if self.state in ENDED:
            return
        self._answer = answer
        if answer.replayed is not None and answer.replayed is not self.replayed:
            self._plays(answer.replayed)
        for kind, piece in pieces:
            self._add(kind, piece)
            if kind == "reasoning":
                now = time.monotonic()
                self.thought_for[len(self.steps)] = (self.thought_for.get(len(self.steps), (now,))[0], now)
        if pieces or answer.has_calls:
            if self._first is None:
                self._first = self._now()
            self.state = "streaming"
            self.notify()

    def on_attempt(self, attempt: Attempt) -> None:
        """A try ended."""
        self.attempts.append(attempt)

    def on_wait(self, error: LkError, seconds: float, tries_left: int) -> None:
        """The next try starts in so many seconds."""
        self.retrying = (error, time.monotonic() + seconds, tries_left)
        self.notify()

    def on_note(self, note: str) -> None:
        """Something the user should know."""
        if note not in self.notes:
            self.notes.append(note)

    def on_calls(self) -> tuple[list[Ran], Message]:
        """The model wants tools: the round begins. Gives the calls, and the message that asked for them."""
        self._release()
        step = Step(self.size, self.thought_size, [Ran(call) for call in self._answer.tool_calls])
        before = self.steps[-1].text if self.steps else 0
        asked = spoken(self.piece(before), self._answer) | {"tool_calls": [wire(ran.call) for ran in step.ran]}
        self.steps.append(step)
        self._before.append(self._answer)
        self._answer = Answer()
        self.notify()
        return step.ran, asked

    def on_results(self, messages: list[Message]) -> None:
        """The round has ended: its messages belong to the history."""
        self._said += messages
        self.notify()

    def end(self, state: State, error: LkError | None = None) -> None:
        """It has ended so; whatever is said of its end later does not count."""
        with self._ending:
            if self.state in ENDED:
                return
            self._release()
            for ran in self.steps[-1].ran if self.steps else ():
                ran.state = "stopped" if ran.state == "running" else ran.state
            self.retrying = None
            self._ended = self._now()
            if error is not None:
                # without frames and context: they hold what went out and what the server sent, and either a key
                error.__context__ = None
                self.error, error.reply = error.with_traceback(None), self  # type: ignore[assignment]  # a Reply in all but name
            self.state = state
        self._over.set()
        self.notify()
        enders, self._enders = tuple(self._enders), []  # they hold this reply: let go, and the collector has no work
        for wake in enders:
            wake()

    def when_changed(self, call: Callable[[], None]) -> None:
        """Calls at each change, and when it has ended, on whichever thread changes it."""
        self._wakers.append(call)

    def when_ended(self, call: Callable[[], None]) -> None:
        """Calls when it has ended, on whichever thread ends it."""
        self._enders.append(call)

    def notify(self) -> None:
        """Wakes whoever waits for news."""
        for wake in tuple(self._wakers):
            wake()

    def _plays(self, replayed: Replayed) -> None:
        """A tape answers: who was asked when it was recorded."""
        self.replayed, asked = replayed, replayed.asked
        self.account, self._kind, self.provider = asked.name, asked.kind, replayed.provider
        self._standard = asked.priced and self._tier in STANDARD_TIERS

    def _now(self) -> float:
        """The time; of a replay that of its recording, however fast it is played."""
        if self.replayed is None or self.steps:
            return time.monotonic()
        return self._sent + self.replayed.at

    def _add(self, kind: str, piece: str) -> None:
        """Appends without any known secret, also when a server repeats one in pieces."""
        text, self._held[kind] = released(self._held[kind] + piece)
        if text:
            self._texts[kind].add(text)

    def _release(self) -> None:
        """What was held back as a possible secret became none."""
        for kind, held in self._held.items():
            if held:
                self._texts[kind].add(redact(held))
                self._held[kind] = ""
