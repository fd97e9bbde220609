"""LLM: LiveKit's three words, and asking."""

from __future__ import annotations

import asyncio
import copy
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lk_notebook.core import parameters, routing
from lk_notebook.core.values import Account, Call, Message, Setup
from lk_notebook.errors import ConfigurationError, LkError, PromptError
from lk_notebook.net import accounts
from lk_notebook.reply import Reply

#: LiveKit's priorities (header X-LiveKit-Inference-Priority); `low` yields to voice traffic.
INFERENCE_CLASSES = ("priority", "standard", "low")


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
        account: `livekit`, `openai`, `azure`, `groq`, `baseten`, `cerebras`, or the URL of an OpenAI-compatible API.
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
        self._getenv: Callable[[str], str | None] = os.environ.get
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

    def __call__(
        self,
        prompt: str | Sequence[Message],
        *,
        system: str | None = None,
        extra_kwargs: Mapping[str, Any] | None = None,
    ) -> Reply:
        """Asks; the reply grows in the background.

        Example:
            >>> LLM("lk/demo")("Why is the sky blue?").wait().state
            'done'

        Args:
            prompt: the text, or messages as dicts in OpenAI's form. They are copied, never changed.
            system: the system prompt of this call.
            extra_kwargs: parameters of this call; the constructor's win, as LiveKit's do.

        Raises:
            PromptError: the prompt is empty, or a message is none.
            ConfigurationError: no account, an unknown model, a parameter that cannot be sent.
        """
        messages = _messages(prompt, self.setup.system if system is None else system)
        extra = {**_parameters(extra_kwargs), **self.setup.extra_kwargs}
        route = routing.route(
            self.setup,
            [] if self._named else accounts.accounts(self._getenv),
            named=self._named,
            missing=accounts.half_livekit(self._getenv),
        )
        call = Call(route.model, messages, route.provider, self.inference_class, extra)
        reply = Reply(call, route.accounts, route.notes)
        return reply.start(self._ask(reply, call, route.accounts))

    async def _ask(self, reply: Reply, call: Call, whom: tuple[Account, ...]) -> None:
        try:
            from lk_notebook.net import client  # noqa: PLC0415 - brings httpx and aiohttp: when first asked

            limits = client.Limits(self.timeout, self.max_retries)
            await (await client.shared()).ask(call, whom, limits, reply)
        except asyncio.CancelledError:
            reply.end("stopped")
        except LkError as error:
            reply.end("failed", error)
        except BaseException as error:
            reply.end(
                "failed", LkError(f"A fault of lk_notebook itself: {type(error).__name__}: {error}", "Report it.")
            )
            raise
        else:
            reply.end("done")

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
        return None if name is None else accounts.named(name, self._getenv, key=api_key)


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
