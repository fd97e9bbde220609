"""Accounts on their way to another process: sealed, so that this process alone can open them.

A key goes along in the clear nowhere: not in a pickle, not in the memory of whoever hands the bytes on, not in what
they log. HPKE (RFC 9180) by the `cryptography` package; the other process makes a key pair for one use.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from lk_notebook.core.routing import Route
from lk_notebook.core.values import Account, Secret, redact

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_INFO = b"lk_notebook"


class Box:
    """Opens what was sealed for its public key.

    Example:
        >>> box = Box(); box.open(seal(Route("lk/demo", None, ()), box.public)).model
        'lk/demo'
    """

    def __init__(self) -> None:
        self._private = X25519PrivateKey.generate()
        self.public = self._private.public_key().public_bytes_raw()

    def open(self, sealed: bytes) -> Route:
        """The route, with its keys, which are struck out of any text of this process from here on."""
        route, hidden = pickle.loads(_SUITE.decrypt(sealed, self._private, _INFO))  # noqa: S301 - whom we sent our key
        for value in hidden:
            Secret(value)
        if not isinstance(route, Route):
            raise TypeError("No route was sealed.")
        return route


def seal(route: Route, public: bytes) -> bytes:
    """The route for whoever holds the private half of this key."""
    hidden = [value for account in route.accounts for value in account.headers.values() if redact(value) != value]
    file = io.BytesIO()
    _Pickler(file).dump((route, hidden))
    return _SUITE.encrypt(file.getvalue(), X25519PublicKey.from_public_bytes(public), _INFO)


_boxes: dict[str, Box] = {}
_handed: dict[str, Route] = {}


def offer(name: str) -> bytes:
    """A public key of this process, for what is handed over under this name."""
    box = _boxes[name] = Box()
    return box.public


def take(name: str, sealed: bytes) -> None:
    """Keeps what was sealed for the key that was offered under this name."""
    _handed[name] = _boxes.pop(name).open(sealed)


def keep(name: str, route: Route) -> None:
    """Keeps a route in the process that knows its keys."""
    _handed[name] = route


def handed(name: str) -> Route | None:
    """What was handed to this process under this name."""
    return _handed.get(name)


def without_keys(route: Route) -> Route:
    """The route as it may be seen: addresses and names, no key, no header that may hold one."""
    return replace(route, accounts=tuple(map(_bare, route.accounts)))


def _bare(account: Account) -> Account:
    headers = {name: value for name, value in account.headers.items() if redact(value) == value}
    return replace(account, key=None, secret=None, headers=headers)


class _Pickler(pickle.Pickler):
    """Writes keys, which pickle themselves for nobody; what it wrote is sealed at once."""

    def reducer_override(self, value: Any) -> Any:
        return (Secret, (value.reveal(),)) if isinstance(value, Secret) else NotImplemented
