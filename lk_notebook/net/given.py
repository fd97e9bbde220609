"""What the user gave this kernel alone: keys and names of addresses. In memory; no child process inherits them."""

from __future__ import annotations

import os
from collections.abc import Sequence

from lk_notebook.core.values import Account, Secret


class Given:
    """Values by the names of variables, over the environment; and accounts by names of the user's own.

    Example:
        >>> given = Given()
        >>> given.keep("GROQ_API_KEY", Secret("gsk-made-up")); given.told(("GROQ_API_KEY",))
        'GROQ_API_KEY (given to this kernel)'
    """

    def __init__(self) -> None:
        self._values: dict[str, Secret | str] = {}
        self.addresses: dict[str, Account] = {}

    def getenv(self, name: str) -> str | None:
        """The value that was given under this name, else the environment's."""
        value = self._values.get(name)
        if value is None:
            return os.environ.get(name)
        return value.reveal() if isinstance(value, Secret) else value

    def keep(self, name: str, value: Secret | str) -> None:
        """Keeps a value under the name of a variable, which itself stays as it is."""
        self._values[name] = value

    def forget(self, names: Sequence[str]) -> list[str]:
        """Forgets these, be they names of variables or of addresses; gives those that were there."""
        gone = [name for name in names if name in self._values or name in self.addresses]
        for name in gone:
            self._values.pop(name, None)
            self.addresses.pop(name, None)
        return gone

    def told(self, names: Sequence[str]) -> str:
        """Where an account was found, in words; never a value."""
        return ", ".join(f"{name} (given to this kernel)" if name in self._values else name for name in names)


#: The one of this kernel: magics fill it, accounts are read through it.
GIVEN = Given()
