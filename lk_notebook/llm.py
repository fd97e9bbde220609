"""LLM: LiveKit's three words, and asking."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lk_notebook import asking
from lk_notebook.carried import Carried, with_images
from lk_notebook.core import parameters, routing
from lk_notebook.core.chats import check_window
from lk_notebook.core.routing import Route
from lk_notebook.core.values import Account, Call, Message, Setup
from lk_notebook.desk import desk
from lk_notebook.errors import ConfigurationError, PromptError
from lk_notebook.ledger import LEDGER, enter
from lk_notebook.net import accounts, local
from lk_notebook.net.deck import DECK
from lk_notebook.net.given import GIVEN
from lk_notebook.reply import Reply
from lk_notebook.tools import Confirm

if TYPE_CHECKING:
    from lk_notebook.livekit_llm import LiveKitLLM

#: LiveKit's priorities (header X-LiveKit-Inference-Priority); `low` yields to voice traffic.
INFERENCE_CLASSES = ("priority", "standard", "low")

GO_ON = "Your last answer was cut off. Continue exactly where it ends: repeat nothing, add no introduction."


class LLM:
    """A language model, by the words of LiveKit Inference: `model`, `provider`, `extra_kwargs`.

    Example:
        ```python
        llm = LLM("openai/gpt-5-mini", provider="openai", extra_kwargs={"reasoning_effort": "low"})
        llm("Explain overfitting")  # last in a cell: draws itself, live
        ```

    Args:
        model: the id; without one the default of the account. The part after its slash is enough where it is unique.
        provider: who runs it; left out, the best available one is picked.
        account: `livekit`, `openai`, `azure`, `groq`, `baseten`, `cerebras`, `local`, or the URL of an
            OpenAI-compatible API.
        base_url: such a URL; with `api_secret`, the URL of a LiveKit Inference gateway.
        api_key: stands in for the environment's.
        api_secret: LiveKit's secret.
        inference_class: LiveKit's priority: priority, standard or low.
        extra_kwargs: further parameters of the Chat Completions API; they win over those of a call.
        system: the system prompt.
        timeout: seconds without a byte before a try ends.
        max_retries: further tries at one account, for failures that a new request may mend.

    Raises:
        ConfigurationError: an argument cannot be used as it stands; nothing is sent.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        provider: str | None = None,
        account: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        api_secret: str | None = None,
        inference_class: str | None = None,
        extra_kwargs: Mapping[str, Any] | None = None,
        system: str | None = None,
        timeout: float = 60.0,
        max_retries: int = 2,
    ) -> None:
        self.setup = Setup(_word(model), _word(provider), _word(account), _parameters(extra_kwargs), system)
        if inference_class is not None and inference_class not in INFERENCE_CLASSES:
            raise ConfigurationError(
                f"There is no inference_class {inference_class}.", f"There are {', '.join(INFERENCE_CLASSES)}."
            )
        self.inference_class = inference_class
        self.timeout = _positive("timeout", timeout)
        self.max_retries = int(_positive("max_retries", max_retries, zero=True))
        self._getenv: Callable[[str], str | None] = GIVEN.getenv
        self._named = self._account(account, base_url, api_key, api_secret)

    def __repr__(self) -> str:
        words = {"provider": self.setup.provider, "account": self.setup.account}
        said = "".join(f", {name}={value!r}" for name, value in words.items() if value)
        return f"LLM({self.setup.model!r}{said})"

    @property
    def model(self) -> str | None:
        """The model id as it was given."""
        return self.setup.model

    @property
    def provider(self) -> str | None:
        """The provider, where one was named."""
        return self.setup.provider

    @property
    def named(self) -> Account | None:
        """The account that the arguments name; None: whichever the environment holds."""
        return self._named

    def __call__(
        self,
        prompt: str | Sequence[Message],
        *,
        images: Any = (),
        tools: Sequence[Callable[..., Any]] = (),
        schema: Any = None,
        system: str | None = None,
        extra_kwargs: Mapping[str, Any] | None = None,
        confirm: Confirm | None = None,
    ) -> Reply:
        """Asks; the reply grows in the background.

        Example:
            >>> LLM("lk/demo")("Why is the sky blue?").wait().state
            'done'

        Args:
            prompt: the text, or messages as dicts in OpenAI's form. They are copied, never changed.
            images: one or several: paths, URLs, bytes, PIL images, matplotlib figures, numpy arrays.
            tools: functions the model may call, sync or async; they run in the notebook's own thread.
            schema: a pydantic model, dataclass, TypedDict, Literal, or `list[…]` of one: `reply.parsed`.
            system: the system prompt of this call.
            extra_kwargs: parameters of this call; the constructor's win, as LiveKit's do.
            confirm: asks whether a call of a tool marked `@tool(confirm=True)` may run; without it the user is asked.

        Raises:
            PromptError: the prompt is empty, a message is none, an image cannot be sent.
            SchemaError: a tool or a schema cannot be one.
            ConfigurationError: no account, an unknown model, a parameter that cannot be sent.
        """
        messages = _messages(prompt, self.setup.system if system is None else system)
        return self.ask(messages, Carried(images, tools, schema, confirm), extra_kwargs)

    def ask(
        self,
        messages: list[Message],
        carried: Carried,
        extra_kwargs: Mapping[str, Any] | None = None,
        cut: Reply | None = None,
    ) -> Reply:
        """As a call does, with messages that are checked; `cut` is the reply it goes on with."""
        extra = {**_parameters(extra_kwargs), **self.setup.extra_kwargs}
        route = self.route()
        check_window(route.model, messages, carried.last)
        asked = messages
        messages, notes = with_images(messages, carried.images, route.model)
        offer, wire_tools, response_format = carried.offer()
        call = Call(route.model, messages, route.provider, self.inference_class, extra, wire_tools, response_format)
        if DECK.replay is None:  # a tape costs nothing
            LEDGER.check()
        desk.at_home()
        reply = Reply(call, route.accounts, (*route.notes, *notes))
        reply.offered = tuple(carried.tools)
        enter(reply, carried.cell)
        reply.again = lambda cut: self._go_on(cut, carried, extra_kwargs)
        reply.anew = (lambda: self.ask(asked, carried, extra_kwargs)) if cut is None else cut.anew
        if cut is not None:
            reply.go_on_from(cut)
        return reply.start(asking.ask(reply, call, route, (self.timeout, self.max_retries), offer))

    def route(self) -> Route:
        """Which model would be asked of whom; nothing is sent.

        Raises:
            ConfigurationError: no account, an unknown model.
        """
        if (replay := DECK.replay) is not None:
            return replay.route(self.setup, self._named)
        return routing.route(
            self.setup,
            [] if self._named else accounts.accounts(self._getenv),
            named=self._named,
            missing=accounts.half_livekit(self._getenv),
            here=lambda: local.standing(self._getenv),
        )

    def as_livekit(self) -> LiveKitLLM:
        """This LLM as a `livekit.agents.llm.LLM`, for an AgentSession of your own.

        Example:
            ```python
            session = AgentSession(llm=LLM("gpt-5-mini").as_livekit(), vad=None)
            ```

        Any account, the built-in model and tapes work; our client retries, fails over and counts. Errors arrive as
        LiveKit's APIStatusError and APIConnectionError, with ours as their cause. It may be used on any loop.

        Raises:
            ConfigurationError: livekit-agents is not installed; as in a call.
        """
        from lk_notebook.extras import needs  # noqa: PLC0415 - with what it guards

        with needs("agents"):
            from lk_notebook import livekit_llm  # noqa: PLC0415 - takes seconds
        return livekit_llm.LiveKitLLM(self)

    def map(
        self,
        rows: Any,
        prompt: str,
        *,
        schema: Any = None,
        images: Any = None,
        concurrency: int | str = 16,
        journal: Any = None,
        client: Any = None,
        progress: bool = True,
        on_error: str = "keep",
        n: int = 1,
    ) -> Any:
        """Asks one prompt of every row, at the provider's pace.

        Example:
            ```python
            df["label"] = llm.map(df, "Classify: {{ text }}", schema=Label)
            ```

        Args:
            rows: a DataFrame, a Series, a list of texts (`{{ text }}`) or of dicts.
            prompt: with `{{ column }}` or any expression of the columns; values are never expanded.
            schema: as in a call; the values are then of that type.
            images: the name of a column, or one image a row.
            concurrency: requests under way at once; "auto" finds out.
            journal: a JSONL file of finished rows: a killed kernel loses nothing, and nothing is asked twice.
            client: a `distributed.Client`: the requests are spread over its workers, under one pace.
            progress: a bar with rate, cost so far and time left.
            on_error: keep (a failed row is None, and stands in the report), or raise.
            n: asks each row so often; the most frequent value counts, the report tells the agreement.

        Returns:
            A Series with the same index (dtype object), a list for a list and for polars; `.attrs["report"]`, of a
            list `.report`, has `errors` by row, `usage`, `cost` in US dollars, `seconds`. For a Dask DataFrame or
            Series a Dask Series, asked when it is computed.

        Raises:
            PromptError: the prompt names what is no column.
            ConfigurationError: as in a call; a journal that answers another question.
        """
        from lk_notebook import partitions, question, table  # noqa: PLC0415 - only who has a table needs it

        words = question.Words(self.setup, self.route(), self.inference_class)
        options = table.Options(concurrency, journal, progress, on_error, (self.timeout, self.max_retries), client)
        if partitions.are(rows):
            return partitions.asked(words, rows, partitions.Question(prompt, schema, images, n), options)
        asked = question.read(words, rows, prompt, schema=schema, images=images, n=n)
        return table.Run(asked, prompt, options).result()

    def _go_on(self, cut: Reply, carried: Carried, extra_kwargs: Mapping[str, Any] | None) -> Reply:
        messages = [*cut.asked, *cut.turn, {"role": "user", "content": GO_ON}]
        return self.ask(messages, replace(carried, images=()), extra_kwargs, cut)

    def _account(
        self, name: str | None, base_url: str | None, api_key: str | None, api_secret: str | None
    ) -> Account | None:
        """The account that the arguments name; None: whichever the environment holds."""
        if name is not None and base_url is not None:
            raise ConfigurationError("account= and base_url= both say whom to ask.", "Leave out one of them.")
        if base_url is not None and not api_secret:
            return accounts.named(base_url, self._getenv, key=api_key)
        if api_secret or (name is None and api_key):
            if name not in (None, "livekit"):
                raise ConfigurationError(f"api_secret= is LiveKit's, not {name}'s.", "Leave it out.")
            found = accounts.livekit(self._getenv, url=base_url, key=api_key, secret=api_secret)
            if found is None:
                lacking = "api_key" if api_secret else "api_secret"
                raise ConfigurationError(
                    f"LiveKit Inference needs a key and a secret; {lacking} is missing.",
                    f"Give {lacking}=, or name another account: account=, base_url=.",
                )
            return found
        if name is None:
            return None
        try:
            return accounts.named(name, self._getenv, key=api_key)
        except ConfigurationError:
            if (replay := DECK.replay) is None:
                raise
            return replay.account(name)  # nobody has to have the account that was recorded


def _word(value: str | None) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ConfigurationError(f"A name is a text, not {type(value).__name__}.", "Write it in quotes.")
    return value.strip() or None


def _parameters(extra_kwargs: Mapping[str, Any] | None) -> dict[str, Any]:
    """A deep copy, checked: LiveKit's SDK writes into the caller's dict, we do not."""
    if not isinstance(extra_kwargs or {}, Mapping):
        raise ConfigurationError("extra_kwargs is a dict of parameters.", 'Write it as {"temperature": 0}.')
    parameters.check(extra_kwargs or {})
    return copy.deepcopy(dict(extra_kwargs or {}))


def _messages(prompt: str | Sequence[Message], system: str | None) -> list[Message]:
    if isinstance(prompt, str):
        if not prompt.strip():
            raise PromptError("The prompt is empty.", "Write what you want to ask.")
        messages: list[Message] = [{"role": "user", "content": prompt}]
    elif isinstance(prompt, Sequence):
        from lk_notebook.core.request import check_messages  # noqa: PLC0415 - beside its rules

        messages = check_messages(prompt)
    else:
        raise PromptError(
            f"A prompt is a text or a list of messages, not {type(prompt).__name__}.", "Give str(…) of it."
        )
    return [{"role": "system", "content": system}, *messages] if system else messages


def _positive(name: str, value: float, *, zero: bool = False) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not (value > 0 or (zero and value == 0)):
        raise ConfigurationError(f"{name} is a number above 0, not {value!r}.", f"Leave out {name}=, or give seconds.")
    return value
