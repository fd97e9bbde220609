"""What goes wrong on the way, to the error it means.

The aiohttp transport tells a refused connection as httpx.ConnectTimeout: the cases are told apart by `__cause__`.
The cause stays, for Verbose, but in words alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import aiohttp
import httpx

from lk_notebook.core.values import Account, redact
from lk_notebook.errors import (
    APIConnectionError,
    APITimeoutError,
    ConfigurationError,
    LkError,
    ProtocolError,
    StreamInterrupted,
)
from lk_notebook.net.machine import on_binder

#: Whatever the transports raise of their own.
EDGE = (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, aiohttp.ClientError, OSError, ValueError)

#: The `code` of a connection that ended before a byte of the answer came: perhaps a kept one that had died meanwhile.
LOST = "connection_lost"


@dataclass(frozen=True, slots=True)
class Fault:
    """One row: what was raised, and what it means. The first row that fits counts. A tape knows it by its kind."""

    kind: str
    raised: tuple[type[BaseException], ...]
    error: type[LkError]
    what: str
    mend: str
    retryable: bool = True
    code: str | None = None


_AGAIN = "Run the cell again, or pick another account with -a."
_NETWORK = "Check the address and your network."
_FAULTS = (
    Fault(
        "tls", (aiohttp.ClientConnectorCertificateError, aiohttp.ClientSSLError, ssl.SSLError), APIConnectionError,
        "The secure connection to {place} failed: {said}",
        "Check the address, the proxy and the certificates.", retryable=False,
    ),
    Fault(
        "dns", (aiohttp.ClientConnectorDNSError,), APIConnectionError,
        "No host of that name for {place}: {said}", _NETWORK,
    ),
    Fault(
        "connect_timeout", (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout), APITimeoutError,
        "No connection to {place} in time.", _NETWORK,
    ),
    Fault(
        "refused", (aiohttp.ClientConnectorError, httpx.ConnectError, httpx.ProxyError), APIConnectionError,
        "Could not connect to {place}: {said}", "Check that the server runs, its address, and your network.",
    ),
    Fault(
        "timeout", (asyncio.TimeoutError, TimeoutError, httpx.TimeoutException), APITimeoutError,
        "No answer from {place} for {timeout:g} s: timed out.", _AGAIN,
    ),
    Fault(
        "compressed", (zlib.error, httpx.DecodingError), ProtocolError,
        "{place} sent a compressed answer that cannot be read: {said}", "Check the proxy between you and it.",
    ),
    Fault(
        "address", (httpx.InvalidURL, httpx.UnsupportedProtocol, aiohttp.InvalidURL), ConfigurationError,
        "The address of {place} cannot be used: {said}", "Write it as https://host/v1.", retryable=False,
    ),
)  # fmt: skip
#: Where Binder's network policy swallows it: no new request would mend that.
_SWALLOWED = "Binder lets out ports 80 and 443 only. Use a server at one of them, or a machine of your own."
_LET_OUT = (80, 443, None)  # None: that of http or https
_CUT = Fault(
    "cut",
    (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, httpx.TransportError, OSError), StreamInterrupted,
    "The answer from {place} ended before it was complete.",
    "What had arrived is kept; run the cell again for a whole one.",
)  # fmt: skip
_NO_ANSWER = Fault(
    "lost", _CUT.raised, APIConnectionError, "{place} closed the connection without an answer.", _AGAIN, code=LOST
)
_GARBAGE = Fault(
    "garbage", EDGE, ProtocolError, "{place} sent what is no HTTP: {said}", "Check the address of the account."
)


class Recorded(httpx.TransportError):
    """A failure that a tape tells: the kind of its row, and what was said."""

    def __init__(self, kind: str, said: str) -> None:
        super().__init__(said)
        self.kind, self.said = kind, said


def named(raised: BaseException, *, cut: bool) -> tuple[str, str]:
    """The kind of a failure, and what was said, for a tape."""
    fault, said = _read(raised, cut=cut)
    return fault.kind, said


def _read(raised: BaseException, *, cut: bool) -> tuple[Fault, str]:
    """The row of a failure, and what was said."""
    rows = (*_FAULTS, _CUT if cut else _NO_ANSWER, _GARBAGE)
    if isinstance(raised, Recorded):
        return next((row for row in rows if row.kind == raised.kind), _GARBAGE), redact(raised.said)
    cause = raised.__cause__ or raised
    fault = next(row for row in rows if isinstance(cause, row.raised) or row is _GARBAGE)
    return fault, redact(str(cause) or type(cause).__name__)


@contextlib.asynccontextmanager
async def told(account: Account, timeout: float, *, cut: bool = False) -> AsyncIterator[None]:
    """Raises an LkError for what the transport raises; `cut`: the answer had begun."""
    try:
        yield
    except (*EDGE, asyncio.TimeoutError) as raised:
        cause = raised.__cause__ or raised
        host = urlsplit(account.url).netloc
        place = account.name if account.name == host else f"{account.name} ({host})"
        fault, said = _read(raised, cut=cut)
        if fault.kind == "connect_timeout" and on_binder() and urlsplit(account.url).port not in _LET_OUT:
            fault = replace(fault, mend=_SWALLOWED, retryable=False)
        what = fault.what.format(place=place, said=said, timeout=timeout)
        # In place of the cause, its words: its frames, and its own fields, hold headers, and headers hold keys.
        told_by = Exception(f"{type(cause).__name__}: {said}")
        error = fault.error(what, fault.mend, retryable=fault.retryable, code=fault.code)
    else:
        return
    raise error from told_by


def redirected(account: Account, status: int, location: str) -> LkError:
    """A redirect is told, not followed: a key goes to the address it was given for, nowhere else."""
    there = urlsplit(location)
    where = redact(f"{there.scheme}://{there.netloc}{there.path}") if there.netloc else "another address"
    return ProtocolError(
        f"{account.name} answered with a redirect ({status}) to {where}.",
        "If that is where it should go, use that address.",
        status=status,
    )
