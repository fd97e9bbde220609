"""Keys meet a request here alone, at the moment of sending; elsewhere they would stand in tracebacks."""

from __future__ import annotations

import time
import warnings
from collections.abc import Generator

import httpx
import jwt

from lk_notebook.core.values import Account, Secret

#: Seconds a token of LiveKit Inference lives (LiveKit Agents, `create_access_token`).
TOKEN_SECONDS = 600


class KeyHeader(httpx.Auth):
    """A key in a header: `Authorization: Bearer …`, or Azure's `api-key`."""

    def __init__(self, key: Secret, header: str = "Authorization", prefix: str = "Bearer ") -> None:
        self._key, self._header, self._prefix = key, header, prefix

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Adds the header."""
        request.headers[self._header] = self._prefix + self._key.reveal()
        yield request


class LiveKitToken(httpx.Auth):
    """A token of LiveKit Inference, minted anew for every attempt: free, and never too old.

    HS256, the claims of livekit-api's AccessToken with `InferenceGrants(perform=True)`.
    """

    def __init__(self, key: Secret, secret: Secret) -> None:
        self._key, self._secret = key, secret

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Adds the token."""
        now = int(time.time())
        claims = {
            "inference": {"perform": True},
            "sub": "agent",
            "iss": self._key.reveal(),
            "nbf": now,
            "exp": now + TOKEN_SECONDS,
        }
        with warnings.catch_warnings():
            # A development secret is often short; the gateway decides, and the warning would land in the cell.
            warnings.simplefilter("ignore", jwt.InsecureKeyLengthWarning)
            token = jwt.encode(claims, self._secret.reveal(), algorithm="HS256")
        request.headers["Authorization"] = f"Bearer {token}"
        yield request


def auth(account: Account) -> httpx.Auth | None:
    """How this account is paid for: by its scheme."""
    if account.key is None:
        return None
    if account.scheme == "livekit" and account.secret is not None:
        return LiveKitToken(account.key, account.secret)
    if account.scheme == "api-key":
        return KeyHeader(account.key, "api-key", "")
    return KeyHeader(account.key)
