"""The magics: read the line, ask, show."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def load(shell: InteractiveShell) -> None:
    """Registers the magics; loading twice is loading once."""
    from lk_notebook.magics.chat import ChatMagics  # noqa: PLC0415 - no IPython outside IPython
    from lk_notebook.session import current  # noqa: PLC0415

    shell.register_magics(ChatMagics(shell, current()))


def unload(shell: InteractiveShell) -> None:
    """Takes the magics away; the session stays for the next load."""
    from lk_notebook.magics.chat import ChatMagics  # noqa: PLC0415

    for kind, names in ChatMagics.magics.items():
        for name in names:
            shell.magics_manager.magics[kind].pop(name, None)
