"""Every error: what happened, to whom, and the mend; two lines in a cell.

```
LkError
├── raised before anything is sent
│   ├── ConfigurationError   no such account, a key is missing, an option is unknown
│   ├── PromptError          an empty prompt, an expression that fails
│   ├── SchemaError          a type that is no schema, or an answer that does not meet it
│   ├── BudgetExceededError  the session's budget is used up
│   └── ReplayError          the tape lacks this request
└── of a request
    ├── AuthenticationError, NotFoundError, BadRequestError ── ContentFilterError
    ├── RateLimitError, QuotaExceededError, ServerError, ProtocolError
    └── StreamError, StreamInterrupted, APITimeoutError, APIConnectionError
```
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_notebook.reply import Reply

__all__ = [
    "APIConnectionError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "BudgetExceededError",
    "ConfigurationError",
    "ContentFilterError",
    "LkError",
    "NotFoundError",
    "PromptError",
    "ProtocolError",
    "QuotaExceededError",
    "RateLimitError",
    "ReplayError",
    "SchemaError",
    "ServerError",
    "StreamError",
    "StreamInterrupted",
]

# Control characters and bidi overrides of a hostile server must not reach a page or a terminal.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_BLANKS = re.compile(r"\s+")


def one_line(text: str, limit: int = 300) -> str:
    r"""The text on one line, without control and bidi characters, cut to `limit` characters.

    Example:
        >>> one_line("a\n b\x1b[2J")
        'a b[2J'
    """
    text = _BLANKS.sub(" ", _UNSAFE.sub("", text[: 4 * limit])).strip()
    return text if len(text) <= limit else text[: limit - 1] + "…"


class LkError(Exception):
    """What happened, and the mend.

    Example:
        >>> print(LkError("The key was refused (401).", "Check LIVEKIT_API_KEY."))
        The key was refused (401).
        Check LIVEKIT_API_KEY.

    Attributes: `status` (HTTP), `code` and `param` (the server's own), `retryable` (a new request may be sent by
    itself), `retry_after` (seconds), `hint` (the mend), `quota` (what the quota headers said), `reply` (the answer
    that ended so, with what had arrived). Each is None where nobody said.
    """

    def __init__(
        self,
        what: str,
        mend: str = "",
        *,
        status: int | None = None,
        code: str | None = None,
        param: str | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
        quota: dict[str, str] | None = None,
    ) -> None:
        self.what, self.hint = one_line(what), one_line(mend) or None
        super().__init__(f"{self.what}\n{self.hint}" if self.hint else self.what)
        self.status, self.code, self.param = status, code, param
        self.retryable, self.retry_after, self.quota = retryable, retry_after, quota
        self.reply: Reply | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Goes to another process with its facts, without the reply, which stays where it came."""
        return _rebuilt, (type(self), {**self.__dict__, "reply": None})

    def _render_traceback_(self) -> list[str]:
        """Two lines in a cell; the whole traceback under `%xmode Verbose`, with every known secret struck out."""
        return render(self)


def _rebuilt(kind: type[LkError], facts: dict[str, Any]) -> LkError:
    error = kind(facts["what"], facts["hint"] or "")
    error.__dict__.update(facts)
    return error


class ConfigurationError(LkError):
    """Accounts, options or parameters that cannot be used as they stand; nothing was sent."""


class PromptError(LkError):
    """A prompt that cannot be sent: empty, or an expression in it fails."""


class SchemaError(LkError):
    """A type that cannot be a schema, or an answer that does not meet one."""


class BudgetExceededError(LkError):
    """The budget of this session is used up; nothing was sent."""


class ReplayError(LkError):
    """The tape lacks this request; nothing was sent."""


class AuthenticationError(LkError):
    """401 or 403: the key was refused."""


class NotFoundError(LkError):
    """404: no such model, deployment or address."""


class BadRequestError(LkError):
    """400, 413, 422: the request was refused as it stands."""


class ContentFilterError(BadRequestError):
    """The provider's content filter refused the prompt or cut the answer."""


class RateLimitError(LkError):
    """429 that passes: too many requests or tokens a minute."""


class QuotaExceededError(LkError):
    """429 or 402 that does not pass by waiting: credits or quota are used up."""


class ServerError(LkError):
    """5xx, or a vendor's own status for "no capacity"."""


class ProtocolError(LkError):
    """An answer that is no chat completion: a web page, broken JSON."""


class StreamError(LkError):
    """An error that arrived inside a stream."""


class StreamInterrupted(LkError):
    """A stream that ended before its answer did."""


class APITimeoutError(LkError):
    """No answer within the time limit."""


class APIConnectionError(LkError):
    """No connection: no such host, refused, TLS."""


def render(error: BaseException) -> list[str]:
    """The lines IPython shows: one string of at most two lines, or the full traceback in Verbose mode.

    One string, because `%xmode Minimal` glues a list into one line.
    """
    from lk_notebook.core.values import redact  # noqa: PLC0415 - values needs errors

    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module else None
    if shell is None or getattr(shell, "InteractiveTB", None) is None or shell.InteractiveTB.mode != "Verbose":
        return [redact(str(error))]
    lines = shell.InteractiveTB.structured_traceback(type(error), error, error.__traceback__)
    return [redact(shell.InteractiveTB.stb2text(lines))]
