"""Status, headers and body of a refusal to the error it means: what happened, to whom, and the mend.

Sources of the shapes: OpenAI, Azure OpenAI, Groq and Cerebras API references and SDKs; LiveKit Agents,
`inference/_utils.py` and `InferenceQuotaExceededError`; FastAPI and vLLM error bodies.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from lk_notebook import errors
from lk_notebook.core.values import redact
from lk_notebook.errors import LkError

_QUOTA = re.compile(r"x-livekit-inference-(rpm|tpm|credits)-(limit|used)")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|us|µs|ns|d|h|m|s)")
_SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"<[^>]*>?")

#: What is used up and does not come back by waiting a minute (LiveKit: `category`; OpenAI: `code`).
_USED_UP = frozenset({
    "MaxGatewayCredits", "MaxBargeInRequests", "MaxEotRequests",
    "insufficient_quota", "billing_hard_limit_reached", "access_terminated", "credit_balance_too_low",
})  # fmt: skip

#: What a prompt that is too long is called (OpenAI, Azure, Groq: `code`; llama.cpp: `type`, its code is the status).
_TOO_LONG = frozenset({"context_length_exceeded", "exceed_context_size_error"})

#: Status -> class. 498: Groq's "flex tier has no capacity"; 499: the proxy saw the client leave.
_CLASSES: dict[int, type[LkError]] = {
    400: errors.BadRequestError, 401: errors.AuthenticationError, 402: errors.QuotaExceededError,
    403: errors.AuthenticationError, 404: errors.NotFoundError, 408: errors.APITimeoutError,
    429: errors.RateLimitError, 498: errors.ServerError, 499: errors.ServerError,
}  # fmt: skip
_RETRYABLE = frozenset({408, 409, 425, 429, 498, 499})
_NEVER = frozenset({501, 505})

_MENDS: dict[type[LkError], str] = {
    errors.AuthenticationError: "Check the key: it stands in {found}.",
    errors.NotFoundError: "Check the model id, or pick another model.",
    errors.BadRequestError: "Change the request as it says.",
    errors.ContentFilterError: "Change the wording of the prompt.",
    errors.RateLimitError: "Wait {wait}, or pick another account with -a.",
    errors.QuotaExceededError: "Upgrade the plan, or pick another account with -a.",
    errors.ServerError: "Run the cell again, or pick another provider with -p.",
    errors.APITimeoutError: "Run the cell again, or pick another provider with -p.",
}
_SHORTER = "Shorten the prompt, start the chat anew with -n, or ask a model with a larger window."


@dataclass(frozen=True, slots=True)
class Said:
    """What the body of a refusal said, from whichever of the known shapes."""

    message: str
    code: str | None = None
    param: str | None = None
    hint: str = ""
    retry_after: float | None = None


def failure(
    status: int, headers: Mapping[str, str], body: bytes, *, who: str, found: str = "the environment"
) -> LkError:
    """The error of a response that is no answer; `headers` with lower-case names.

    Example:
        >>> print(failure(401, {}, b'{"error": "no such key"}', who="livekit", found="LIVEKIT_API_KEY"))
        livekit refused the key (401): no such key
        Check the key: it stands in LIVEKIT_API_KEY.
    """
    said = read(body)
    kind = _kind(status, said)
    wait = retry_after(headers) or said.retry_after
    retryable = (
        kind is not errors.QuotaExceededError and status not in _NEVER and (status in _RETRYABLE or status >= 500)
    )
    if (word := headers.get("x-should-retry")) in ("true", "false"):
        retryable = word == "true"
    mend = said.hint or (_SHORTER if said.code in _TOO_LONG else _MENDS.get(kind, _MENDS[errors.BadRequestError]))
    if kind is errors.QuotaExceededError and said.hint:
        mend = f"{said.hint} Or pick another account with -a."
    mend = mend.replace("{found}", found).replace("{wait}", f"{wait:.0f} s" if wait and wait >= 1 else "a little")
    did = "refused the key" if kind is errors.AuthenticationError else "answered"
    what = f"{who} {did} ({status})" + (f": {said.message}" if said.message else ".")
    return kind(
        redact(what), redact(mend), status=status, code=said.code, param=said.param,
        retryable=retryable, retry_after=wait, quota=quota(headers),
    )  # fmt: skip


def in_stream(payload: Any, who: str, *, shown: bool) -> LkError:
    """The error that a stream of status 200 carries.

    Example:
        >>> in_stream({"message": "Overloaded", "code": 529}, "groq", shown=False).retryable
        True
    """
    said = _of(payload)
    terminal = said.code in _USED_UP or (said.code or "") in ("400", "401", "403", "404", "422")
    return errors.StreamError(
        redact(f"{who} broke off its answer: {said.message}"),
        redact(said.hint) or ("Run the cell again." if not shown else "What had arrived is kept; run the cell again."),
        status=200, code=said.code, param=said.param, retry_after=said.retry_after,
        retryable=not shown and not terminal,
    )  # fmt: skip


def web_page(who: str, body: bytes, *, status: int = 200) -> LkError:
    """A page of HTML in place of an answer: a login page, a proxy, a wrong address."""
    title = read(body).message
    return errors.ProtocolError(
        redact(f"{who} sent an HTML page, not an answer" + (f": {title}" if title else ".")),
        "Check the address of the account; behind a proxy or a portal, sign in there first.",
        status=status,
    )


def read(body: bytes) -> Said:
    """What a refusal says, tried in the order of the known shapes; HTML gives its title only.

    Example:
        >>> read(b'{"detail": [{"msg": "field required"}]}').message
        'field required'
    """
    text = body.decode("utf-8", "replace").strip()
    try:
        payload = json.loads(text)
    except (ValueError, RecursionError):
        title = _TITLE.search(text)
        if title or text[:1] == "<":
            return Said(_TAG.sub("", title.group(1)).strip() if title else "")
        return Said(redact(text)[:300])
    return _of(payload)


def _of(payload: Any) -> Said:
    if isinstance(payload, list):
        payload = payload[0] if payload else {}
    if not isinstance(payload, Mapping):
        return Said("" if payload is None else redact(str(payload))[:300])
    inner = payload.get("error")
    at = inner if isinstance(inner, Mapping) else payload
    message = at.get("message") or at.get("msg")
    if not message and not isinstance(inner, Mapping):
        message = inner or _detail(payload.get("detail"))
    codes = (at.get("code"), payload.get("category"), payload.get("status_code"))
    code = kind if (kind := str(at.get("type"))) in _TOO_LONG else next((v for v in codes if _plain(v)), None)
    wait = at.get("retry_after")
    return Said(
        message=redact(str(message or at.get("type") or ""))[:600] + _filtered(at),  # cut: half a key is not found
        code=None if code is None else redact(str(code)),
        param=redact(str(at["param"])) if at.get("param") else None,
        hint=str(payload.get("hint") or ""),
        retry_after=_number(str(wait)) if isinstance(wait, (int, float)) else None,
    )


def _plain(value: Any) -> bool:
    return value is not None and isinstance(value, (str, int)) and value != ""


def _detail(detail: Any) -> str:
    """FastAPI's `detail`: a text, or a list of faults with `msg` and `loc`."""
    if isinstance(detail, list):
        return "; ".join(str(d.get("msg", d)) if isinstance(d, Mapping) else str(d) for d in detail)
    return str(detail or "")


def _filtered(at: Mapping[str, Any]) -> str:
    """Which of Azure's content filters struck, from `innererror.content_filter_result`."""
    inner = at.get("innererror")
    result = inner.get("content_filter_result") if isinstance(inner, Mapping) else None
    if not isinstance(result, Mapping):
        return ""
    names = [str(n) for n, v in result.items() if isinstance(v, Mapping) and (v.get("filtered") or v.get("detected"))]
    return f" (filtered: {', '.join(names)})" if names else ""


def _kind(status: int, said: Said) -> type[LkError]:
    if said.code in _USED_UP:
        return errors.QuotaExceededError
    if said.code in ("content_filter", "content_policy_violation") and status < 500:
        return errors.ContentFilterError
    if status in _CLASSES:
        return _CLASSES[status]
    return errors.ServerError if status >= 500 else errors.BadRequestError


def retry_after(headers: Mapping[str, str]) -> float | None:
    """How many seconds to wait, as the headers say: `retry-after-ms`, `retry-after`, then the reset of what is empty.

    Example:
        >>> retry_after({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "2m59.5s"})
        179.5

    An HTTP date counts from the response's own `date`, so that a wrong clock here does no harm.
    """
    if (ms := _number(headers.get("retry-after-ms"))) is not None:
        return ms / 1000
    value = headers.get("retry-after", "")
    named = (_number(value), _until(value, headers.get("date")))
    if told := [seconds for seconds in named if seconds is not None]:
        return told[0]
    resets = [
        seconds
        for name, value in headers.items()
        if name.startswith("x-ratelimit-remaining-")
        and _number(value) == 0
        and (seconds := duration(headers.get(name.replace("remaining", "reset"), ""))) is not None
    ]
    return max(resets, default=None)


def duration(text: str) -> float | None:
    """Go's durations (`6m0s`, `120ms`) and plain numbers, in seconds.

    Example:
        >>> duration("1m2.5s"), duration("7.66"), duration("soon")
        (62.5, 7.66, None)
    """
    if (plain := _number(text)) is not None:
        return plain
    pieces = _DURATION.findall(text)
    if not pieces or "".join(n + u for n, u in pieces) != text.strip():
        return None
    return sum(float(n) * _SECONDS[u] for n, u in pieces)


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if 0 <= value < 1e9 else None


def _until(date: str, now: str | None) -> float | None:
    try:
        seconds = (parsedate_to_datetime(date) - parsedate_to_datetime(now or "")).total_seconds()
    except (TypeError, ValueError):
        return None
    return _number(str(max(0.0, seconds)))


def quota(headers: Mapping[str, str]) -> dict[str, str] | None:
    """LiveKit's six quota headers, those that came; a missing one is unknown, never zero."""
    found = {f"{m[1]}_{m[2]}": value for name, value in headers.items() if (m := _QUOTA.fullmatch(name))}
    return found or None
