"""Packages that only some need: what is missing is told with the line that installs it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from lk_notebook.errors import ConfigurationError

#: Extra -> the package that it brings, and the name under which that is imported.
EXTRAS = {"agents": ("livekit-agents", "livekit")}


@contextlib.contextmanager
def needs(extra: str) -> Iterator[None]:
    """Around an import that an extra of ours makes possible.

    Raises:
        ConfigurationError: its package is not installed.
    """
    package, name = EXTRAS[extra]
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != name:
            raise
        raise ConfigurationError(
            f"{package} is not installed.", f'Install it, then restart the kernel: pip install "lk_notebook[{extra}]"'
        ) from None
