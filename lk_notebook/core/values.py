"""The frozen values that everything else passes around. Unknown is None, never 0."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from lk_notebook.errors import ConfigurationError

#: One message in OpenAI's form: role, content, tool_calls, tool_call_id, name, extra_content.
Message = dict[str, Any]

_STRUCK = "•••"
_SHORTEST = 8  # a shorter "key" (LiveKit's `ollama`, `devkey` and `secret`) is no secret, and would strike out words
_JWT = re.compile(r"eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}")
_known: set[str] = set()


class Secret:
    """A key that shows itself to nobody: not to repr, str, pickle or a format; only `reveal()` gives it.

    Example:
        >>> Secret.of("sk-abcdef")
        Secret(•••)

    Each secret is remembered, so that `redact` can strike it out of any text that leaves.
    """

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value
        if len(value) >= _SHORTEST:
            _known.add(value)

    @classmethod
    def of(cls, value: str | Secret | None) -> Secret | None:
        """The secret, or None where the value is missing, empty or blank.

        Raises:
            ConfigurationError: the value is no ASCII text and cannot stand in a header.
        """
        if isinstance(value, Secret) or value is None:
            return value
        value = cls(value.strip())  # at once: a Verbose traceback of the error below shows what stands here
        if not value.reveal():
            return None
        if not value.reveal().isascii() or not value.reveal().isprintable():
            _known.add(repr(value.reveal())[1:-1])  # as a caller's frame would show it
            raise ConfigurationError("A key holds characters that no HTTP header can carry.", "Copy the key again.")
        return value

    def reveal(self) -> str:
        """The key in the clear. Call it in `net.auth` only."""
        return self.__value

    def __repr__(self) -> str:
        return f"Secret({_STRUCK})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.reveal() == self.__value

    def __hash__(self) -> int:
        return hash(self.__value)

    def __reduce__(self) -> NoReturn:
        raise TypeError("A key is not pickled.")


def redact(text: str) -> str:
    """The text with every known secret and every JSON web token struck out.

    Example:
        >>> _ = Secret("never-show-this"); redact("bad key never-show-this")
        'bad key •••'
    """
    for value in sorted(_known, key=len, reverse=True):
        if value in text:
            text = text.replace(value, _STRUCK)
    return _JWT.sub(_STRUCK, text) if "eyJ" in text else text


def held_back(text: str) -> int:
    """How many characters at the end of a growing text may be the start of a known secret.

    Example:
        >>> _ = Secret("never-show-this"); held_back("the key is never-sh")
        8
    """
    held = 0
    for value in tuple(_known):  # another thread may learn of one meanwhile
        at = text.find(value[0], max(0, len(text) - len(value) + 1))
        while at >= 0 and len(text) - at > held:
            if value.startswith(text[at:]):
                held = len(text) - at
            at = text.find(value[0], at + 1)
    return held


def released(text: str) -> tuple[str, str]:
    """A growing text without the known secrets in it, and the end of it that may become one and is held back.

    Example:
        >>> _ = Secret("never-show-this"); released("the key never-show-this is never-sh")
        ('the key ••• is ', 'never-sh')
    """
    cut = len(text) - held_back(text)
    while end := _torn(text, cut):  # what is held back would tear a whole secret apart: nothing of it is held
        cut = len(text) - held_back(text[end:])
    return redact(text[:cut]), text[cut:]


def _torn(text: str, cut: int) -> int:
    """Where the last of the whole secrets ends that a cut would go through; 0: there is none."""
    found = ((text.find(value, max(0, cut - len(value) + 1)), len(value)) for value in tuple(_known))
    return max((at + size for at, size in found if 0 <= at < cut < at + size), default=0)


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens of one answer, as the provider counted them (Chat Completions `usage`).

    `prompt_tokens` includes `cached_tokens`, `completion_tokens` includes `reasoning_tokens` (OpenAI API reference).
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model asks for; `arguments` is the JSON text as it came, perhaps empty or broken."""

    id: str | None
    name: str
    arguments: str
    extra_content: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Alternative:
    """One of the further answers of `n=2` and more."""

    index: int
    text: str
    finish_reason: str | None


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """The log probability of one token, with the likeliest others where they were asked for."""

    token: str
    logprob: float | None = None
    bytes: list[int] | None = None
    top_logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """Whom to ask and how: a row of `net.accounts`, found in the environment or given by the user.

    `kind` is the vendor's row (`livekit`, `openai`, `azure`, `groq`, `baseten`, `cerebras`, `url`, `local`, `demo`);
    `url` is what goes before `/chat/completions`; `found` names where the key stood, never the key.
    """

    name: str
    kind: str
    url: str
    key: Secret | None = None
    secret: Secret | None = None
    scheme: str = "Bearer"  # or "api-key" (Azure), "livekit" (a token minted per attempt), "none"
    headers: Mapping[str, str] = field(default_factory=dict)
    api_version: str | None = None  # Azure's classic path
    deployments: Mapping[str, str] = field(default_factory=dict)
    found: tuple[str, ...] = ()
    spelled: Mapping[str, str] = field(default_factory=dict)  # parameters that its server knows by another name
    priced: bool = True  # the vendor's own address, for which its published prices hold
    defaults: Mapping[str, Any] = field(default_factory=dict)  # parameters where the call says none


@dataclass(frozen=True, slots=True)
class Setup:
    """The words of LiveKit: which model, by whom, with which further parameters. None: not said."""

    model: str | None = None
    provider: str | None = None
    account: str | None = None
    extra_kwargs: Mapping[str, Any] = field(default_factory=dict)
    system: str | None = None

    def over(self, base: Setup) -> Setup:
        """These words over those of a base, whose model stays; a provider belongs to its account.

        Example:
            >>> Setup(provider="azure").over(Setup("openai/gpt-4o", system="Be brief.")).system
            'Be brief.'
        """
        stays = self.account in (None, base.account)
        return Setup(
            base.model,
            self.provider or (base.provider if stays else None),
            self.account or base.account,
            {**base.extra_kwargs, **self.extra_kwargs},
            base.system if self.system is None else self.system,
        )


def model_and_provider(word: str) -> tuple[str, str | None]:
    """MODEL@PROVIDER taken apart at the last @; None where no provider is named.

    Example:
        >>> model_and_provider("gpt-4o@azure"), model_and_provider("gpt-4o")
        (('gpt-4o', 'azure'), ('gpt-4o', None))

    Raises:
        ConfigurationError: nothing stands before or behind the @.
    """
    model, at, provider = word.rpartition("@")
    if not at:
        return word, None
    if not model or not provider:
        raise ConfigurationError(f"{word} lacks its {'provider' if model else 'model'}.", "Write MODEL@PROVIDER.")
    return model, provider


@dataclass(frozen=True, slots=True)
class Call:
    """One thing to ask: a setup made whole, and the messages."""

    model: str
    messages: Sequence[Message]
    provider: str | None = None
    inference_class: str | None = None
    extra_kwargs: Mapping[str, Any] = field(default_factory=dict)
    tools: Sequence[Mapping[str, Any]] = ()
    response_format: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at one account: who was asked, or passed over, and what came of it."""

    account: str
    provider: str | None = None
    outcome: str = "asked"  # "answered", "failed", "passed over", "stopped"
    why: str = ""
    seconds: float | None = None

    def __str__(self) -> str:
        """On one line, for whoever looks at `reply.attempts`.

        Example:
            >>> print(Attempt("groq", None, "failed", "groq answered (503).", 0.2134))
            groq: failed after 0.21 s: groq answered (503).
        """
        at = f" (provider {self.provider})" if self.provider else ""
        after = "" if self.seconds is None else f" after {self.seconds:.2f} s"
        return f"{self.account}{at}: {self.outcome}{after}" + (f": {self.why}" if self.why else "")
