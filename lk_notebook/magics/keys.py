"""Asks for what an account lacks, and keeps it for this kernel alone: in no variable, no cell and no output."""

from __future__ import annotations

import getpass
import importlib
import warnings
from collections.abc import Callable, Sequence

from lk_notebook.core.values import Secret
from lk_notebook.errors import ConfigurationError
from lk_notebook.net.accounts import NEEDS
from lk_notebook.net.given import GIVEN
from lk_notebook.net.machine import on_binder

Asks = Callable[[str], str]

#: What counts before another variable, where it is set.
_BEFORE = {
    "LIVEKIT_API_KEY": "LIVEKIT_INFERENCE_API_KEY",
    "LIVEKIT_API_SECRET": "LIVEKIT_INFERENCE_API_SECRET",
    "AZURE_OPENAI_API_KEY": "AZURE_OPENAI_AD_TOKEN",
}
#: What is shown while it is typed, and is no secret afterwards.
NO_SECRET = frozenset({"AZURE_OPENAI_ENDPOINT"})

#: How a prompt ends where nobody sits before it: no stdin in this front end, none in this process, no hidden input.
_NOBODY = (NotImplementedError, EOFError, OSError, getpass.GetPassWarning)


def variables(account: str) -> list[str]:
    """The variables an account is read from, as things stand."""
    first = [_BEFORE.get(name, name) for name in NEEDS[account]]
    return [before if _there(before) else name for before, name in zip(first, NEEDS[account], strict=True)]


def missing(account: str) -> list[str]:
    """Those that are not set."""
    return [name for name in variables(account) if not _there(name)]


def _there(name: str) -> bool:
    return bool((GIVEN.getenv(name) or "").strip())


class Keys:
    """Asks the user; a test gives the two ways to ask, else they are looked up when used, as a kernel swaps them."""

    def __init__(self, hidden: Asks | None = None, shown: Asks | None = None) -> None:
        self._hidden, self._shown = hidden, shown

    def ask_all(self, names: Sequence[str], *, anew: bool = False) -> None:
        """Asks for these variables, or takes them from Colab's secrets, and keeps all of them or none.

        Raises:
            ConfigurationError: nobody is there to be asked, or nothing was given.
        """
        values = {name: self.ask(name, name, anew=anew) for name in names}
        for name, value in values.items():
            GIVEN.keep(name, value)

    def ask(self, name: str, prompt: str, *, anew: bool = False) -> Secret | str:
        """One value; `anew` asks the user also where Colab has one.

        Raises:
            ConfigurationError: as above.
        """
        value: Secret | str | None
        if name in NO_SECRET:
            value = (None if anew else _colab(name)) or self._prompt(self._shown or input, prompt).strip()
        else:
            value = Secret.of(None if anew else _colab(name))
            value = value or Secret.of(self._prompt(self._hidden or getpass.getpass, prompt))
        if not value:
            raise ConfigurationError(f"Nothing was given for {prompt}; all is as it was.", "Run the cell again.")
        return value

    def _prompt(self, ask: Asks, prompt: str) -> str:
        if on_binder():
            print(  # noqa: T201 - it must be read before the prompt
                "This is Binder: a public machine that others run. Give it no key that matters to you; "
                "the built-in model needs none."
            )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", getpass.GetPassWarning)  # it would show what is typed
                return ask(f"{prompt} (kept for this kernel only): ")
        except _NOBODY:
            mend = f"Set {prompt} in the environment before the kernel starts."
            raise ConfigurationError(f"Nobody is here to be asked for {prompt}.", mend) from None


def _colab(name: str) -> str | None:
    """What Colab's secrets hold under this name; asking for one may ask the user, so nothing else does it."""
    try:
        userdata = importlib.import_module("google.colab.userdata")
    except ImportError:
        return None
    kinds = ("SecretNotFoundError", "NotebookAccessError", "TimeoutException")
    refused = tuple(getattr(userdata, kind) for kind in kinds if hasattr(userdata, kind))
    try:
        return str(userdata.get(name) or "") or None
    except refused:
        return None
