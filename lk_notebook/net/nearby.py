"""Servers on this machine, found by a connection to their port and no word more."""

from __future__ import annotations

import socket

#: Longer than any server on this machine needs to take a connection.
SECONDS = 0.2


def listens(port: int, seconds: float = SECONDS) -> bool:
    """Whether something takes connections at this port here; nothing is sent.

    Example:
        >>> listens(1)
        False
    """
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=seconds):
            return True
    except OSError:
        return False
