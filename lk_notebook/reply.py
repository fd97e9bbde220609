"""Reply: one answer as it grows, for any number of readers, in any thread, on any loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from lk_notebook.core import catalogue
from lk_notebook.core.answer import Answer
from lk_notebook.core.values import (
    Account,
    Alternative,
    Attempt,
    Call,
    Message,
    TokenLogprob,
    ToolCall,
    Usage,
    held_back,
    redact,
)
from lk_notebook.errors import LkError
from lk_notebook.net.loop import TICK, heartbeat, loop, submit

if TYPE_CHECKING:
    import concurrent.futures

    from lk_notebook.core.request import Prepared
    from lk_notebook.core.stream import Piece

State = Literal["waiting", "streaming", "done", "stopped", "failed"]
ENDED = frozenset({"done", "stopped", "failed"})


class Growing:
    """A text that grows at its end: a few parts, each larger than the next, so that nothing is copied often.

    Readers need no lock: the parts are replaced as one tuple, never changed.

    Example:
        >>> text = Growing(); text.add("ab"); text.add("c"); text.since(1)
        'bc'
    """

    __slots__ = ("_parts", "size")

    def __init__(self) -> None:
        self._parts: tuple[str, ...] = ()
        self.size = 0

    def add(self, text: str) -> None:
        """Appends; smaller parts before it are joined with it."""
        parts, at, size = self._parts, len(self._parts), len(text)
        while at and len(parts[at - 1]) <= size:
            at -= 1
            size += len(parts[at])
        self._parts = (*parts[:at], "".join((*parts[at:], text)))
        self.size += len(text)

    def since(self, start: int) -> str:
        """The text from this character on."""
        parts, at, size = self._parts, 0, 0
        while at < len(parts) and size + len(parts[at]) <= start:
            size += len(parts[at])
            at += 1
        return "".join((parts[at][start - size :], *parts[at + 1 :])) if at < len(parts) else ""

    def __str__(self) -> str:
        return "".join(self._parts)


class Reply:
    """One answer as it grows.

    Example:
        ```python
        reply = LLM("openai/gpt-5-mini")("Explain overfitting")
        for piece in reply:  # any thread; `async for` and `await` on any loop
            print(piece, end="")
        str(reply)  # waits; raises the reply's error
        ```

    Attributes: `text`, `reasoning`, `refusal` are texts, perhaps empty; `tool_calls`, `alternatives` and `attempts`
    are lists; `logprobs`, `finish_reason`, `response_id`, `served_by`, `usage`, `cost` (USD), `ttft`, `duration`
    (seconds) and `tokens_per_second` are None where nobody said. `messages` is the history as it was last sent,
    `notes` what was left out of the request. `state` is waiting, streaming, done, stopped or failed, `error` the
    reason of the last.
    """

    def __init__(self, call: Call, accounts: Sequence[Account], notes: Sequence[str] = ()) -> None:
        self.model, self.provider = call.model, call.provider
        self.account = accounts[0].name
        self.state: State = "waiting"
        self.error: LkError | None = None
        self.notes: list[str] = list(notes)
        self.attempts: list[Attempt] = []
        self.messages: list[Message] = list(call.messages)
        self.retrying: tuple[LkError, float, int] | None = None  # the error, when the next try starts, tries left
        self.parsed: Any = None
        self._kind = accounts[0].kind
        self._texts = {"text": Growing(), "reasoning": Growing(), "refusal": Growing()}
        self._held = {"text": "", "reasoning": "", "refusal": ""}  # may become a secret with the next piece
        self._answer = Answer()
        self._sent = self._begun = time.monotonic()
        self._first: float | None = None
        self._ended: float | None = None
        self._wakers: list[Callable[[], None]] = []  # called at each change, and at the end
        self._enders: list[Callable[[], None]] = []  # called at the end alone
        self._over = threading.Event()
        self._work: concurrent.futures.Future[None] | None = None
        self.drawn_in: int | None = None  # the execution that drew it last

    # What it is -----------------------------------------------------------------------------------------------

    @property
    def text(self) -> str:
        """The text so far."""
        return str(self._texts["text"])

    @property
    def reasoning(self) -> str:
        """The reasoning so far, where the model tells it."""
        return str(self._texts["reasoning"])

    @property
    def refusal(self) -> str:
        """The refusal, where the model refused in a field of its own."""
        return str(self._texts["refusal"])

    @property
    def tool_calls(self) -> list[ToolCall]:
        """The calls the model asked for."""
        return self._answer.tool_calls

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
    def served_by(self) -> str | None:
        """Which deployment answered, where the gateway says so."""
        return self._answer.served_by

    @property
    def usage(self) -> Usage | None:
        """The tokens, as the provider counted them."""
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
        if self.usage is None or self.state == "failed":
            return None
        provider = self.provider or (self.served_by if self._kind == "livekit" else self._kind)
        return catalogue.cost(self.model, self.usage, billed_by_kind=self._kind, provider=provider)

    @property
    def size(self) -> int:
        """How many characters of text have arrived."""
        return self._texts["text"].size

    def piece(self, start: int) -> str:
        """The text from this character on."""
        return self._texts["text"].since(start)

    # Reading --------------------------------------------------------------------------------------------------

    def wait(self, timeout: float | None = None) -> Reply:
        """This reply, ended, or as it stands after `timeout` seconds; never raises the reply's own error."""
        self._await_end(timeout)
        return self

    def start(self, work: Coroutine[Any, Any, None]) -> Reply:
        """Starts the asking on the background loop."""
        self._work = submit(work)
        return self

    def stop(self) -> None:
        """Ends it now: the connection is closed, what had arrived stays."""
        if self.state not in ENDED and self._work is not None:
            self._work.cancel()

    def __str__(self) -> str:
        self._await_end(None)
        self._raise()
        return self.text

    def __repr__(self) -> str:
        return f"<Reply {self.model} {self.state}, {self._texts['text'].size} characters>"

    def __iter__(self) -> Iterator[str]:
        start = 0
        with self.woken() as woken:
            while True:
                woken.clear()
                ended = self.state in ENDED
                if piece := self.piece(start):
                    start += len(piece)
                    yield piece
                elif ended:
                    self._raise()
                    return
                else:
                    self._tick(woken, TICK)

    async def __aiter__(self) -> AsyncIterator[str]:
        start = 0
        while True:
            ended = self.state in ENDED
            if piece := self.piece(start):
                start += len(piece)
                yield piece
            elif ended:
                self._raise()
                return
            else:
                await self._news(self._wakers, lambda start=start: self.size > start)  # type: ignore[misc]

    def __await__(self) -> Generator[Any, None, Reply]:
        return self._whole().__await__()

    async def _whole(self) -> Reply:
        await self._news(self._enders, lambda: False)
        self._raise()
        return self

    def _raise(self) -> None:
        if self.error is not None:
            raise self.error.with_traceback(None)

    def _await_end(self, timeout: float | None) -> None:
        _not_on_the_loop()
        last = float("inf") if timeout is None else time.monotonic() + timeout
        while not self._over.is_set() and (left := last - time.monotonic()) > 0:
            self._tick(self._over, min(TICK, left))

    def _tick(self, woken: threading.Event, seconds: float) -> None:
        """Waits for a change; an interrupt stops the reply, then goes its way."""
        try:
            woken.wait(seconds)
        except KeyboardInterrupt:
            self.stop()
            raise

    @contextlib.contextmanager
    def woken(self) -> Iterator[threading.Event]:
        """An event that is set at each change, for as long as somebody reads."""
        _not_on_the_loop()
        woken = threading.Event()
        self._wakers.append(woken.set)
        try:
            yield woken
        finally:
            self._wakers.remove(woken.set)

    async def _news(self, wakers: list[Callable[[], None]], came: Callable[[], bool]) -> None:
        """Waits for news on whichever loop this runs; whoever is cancelled here wants the answer no more."""
        here = asyncio.get_running_loop()
        news = here.create_future()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # that loop has ended
                here.call_soon_threadsafe(lambda: None if news.done() else news.set_result(None))

        wakers.append(wake)
        try:
            if self.state not in ENDED and not came():
                with heartbeat(here):
                    await news
        except asyncio.CancelledError:
            self.stop()
            raise
        finally:
            wakers.remove(wake)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: FBT001 - IPython's signature
        printer.text("<Reply …>" if cycle else repr(self))

    def _ipython_display_(self) -> None:
        """Draws itself, live, as the last value of a cell; not again where a magic has just drawn it."""
        from lk_notebook import show  # noqa: PLC0415 - the view is imported when first used

        show.draw_again(self)

    # Growing: called on the background loop ---------------------------------------------------------------------

    def on_sent(self, account: Account, prepared: Prepared) -> None:
        """A request goes out."""
        self.account, self._kind = account.name, account.kind
        self.messages = prepared.body["messages"]
        self.notes += [note for note in prepared.notes if note not in self.notes]
        self.retrying = None
        self._sent, self._first = time.monotonic(), None
        self._answer = Answer()
        self._notify()

    def on_pieces(self, pieces: list[Piece], answer: Answer) -> None:
        """Something arrived."""
        self._answer = answer
        for kind, piece in pieces:
            self._add(kind, piece)
        if pieces or answer.has_calls:
            if self._first is None:
                self._first = time.monotonic()
            self.state = "streaming"
            self._notify()

    def on_attempt(self, attempt: Attempt) -> None:
        """A try ended."""
        self.attempts.append(attempt)

    def on_wait(self, error: LkError, seconds: float, tries_left: int) -> None:
        """The next try starts in so many seconds."""
        self.retrying = (error, time.monotonic() + seconds, tries_left)
        self._notify()

    def end(self, state: State, error: LkError | None = None) -> None:
        """It has ended so."""
        for kind, held in self._held.items():
            if held:
                self._texts[kind].add(redact(held))
        self.retrying = None
        self._ended = time.monotonic()
        if error is not None:
            self.error, error.reply = error, self
        self.state = state
        self._over.set()
        self._notify()
        for wake in tuple(self._enders):
            wake()

    def _add(self, kind: str, piece: str) -> None:
        """Appends without any known secret, also when a server repeats one in pieces."""
        text = self._held[kind] + piece
        if held := held_back(text):
            self._held[kind], text = text[-held:], text[:-held]
        else:
            self._held[kind] = ""
        if text:
            self._texts[kind].add(redact(text))

    def _notify(self) -> None:
        for wake in tuple(self._wakers):
            wake()


def _not_on_the_loop() -> None:
    if asyncio._get_running_loop() is loop():  # noqa: SLF001 - no public form that does not raise
        raise RuntimeError("This thread carries the answer: await the reply here, do not wait for it.")
