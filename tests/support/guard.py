"""As `sitecustomize` on the path of a kernel: it and its children do not leave this machine.

Who tries is refused, and noted in the file `tried` beside this one. Loopback and Unix sockets are let through. A hook
of the interpreter sees each connect and each look-up of a name, whatever library makes it; not what a library in C does
past Python's `socket`.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import sys
from pathlib import Path
from typing import Any

_NOTES = Path(__file__).with_name("tried")
_HERE = ("", "localhost", None)
#: Event -> where its arguments hold the host or the address.
_WATCHED = {
    "socket.connect": 1, "socket.sendto": 1, "socket.sendmsg": 1,
    "socket.getaddrinfo": 0, "socket.gethostbyname": 0, "socket.gethostbyaddr": 0,
}  # fmt: skip


def _is_here(host: Any) -> bool:
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host in _HERE:
        return True
    try:
        return ipaddress.ip_address(host.split("%")[0]).is_loopback
    except ValueError:
        return False


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event not in _WATCHED:
        return
    there = arguments[_WATCHED[event]]
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        if not isinstance(there, tuple):  # a Unix socket, or one that is connected
            return
        there = there[0]
    if _is_here(there):
        return
    note = f"{event} {there} by {os.getpid()}\n"
    descriptor = os.open(_NOTES, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(descriptor, note.encode())
    finally:
        os.close(descriptor)
    raise OSError(errno.ENETUNREACH, "The tests let nobody out")


if __name__ == "sitecustomize":
    sys.addaudithook(_watch)
