"""Where the platform keeps what a program may fetch or measure again, and whether a file of it is what it should be."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path


def folder(getenv: Callable[[str], str | None]) -> Path | None:
    """Our folder of the user's cache; None where the user has no place for one.

    Example:
        >>> folder({"XDG_CACHE_HOME": "/var/cache/ada"}.get).parts[-2:]
        ('ada', 'lk_notebook')
    """
    if root := getenv("XDG_CACHE_HOME") or (getenv("LOCALAPPDATA") if sys.platform == "win32" else None):
        return Path(root, "lk_notebook")
    home = getenv("HOME") or getenv("USERPROFILE")
    if not home:  # a container's nameless user
        return None
    return Path(home, "Library/Caches" if sys.platform == "darwin" else ".cache", "lk_notebook")


def sha256(file: Path) -> str:
    """The hash of a file, however large."""
    digest = hashlib.sha256()
    with file.open("rb") as source:
        while piece := source.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
