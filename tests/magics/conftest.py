"""An IPython shell in this process, whose LiveKit account is a player; its magics have a session of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from kernels import livekit
from player import Player
from traitlets.config import Config

from lk_notebook.magics.compare import CompareMagics
from lk_notebook.magics.export import ExportMagics
from lk_notebook.magics.models import ModelsMagics
from lk_notebook.net.accounts import NEEDS
from lk_notebook.session import Session


@dataclass
class Cell:
    """A cell that ran: whether it failed, what it printed, and the bundles it displayed."""

    failed: bool
    printed: str
    bundles: list[dict[str, Any]]

    @property
    def text(self) -> str:
        """The plain text of all that was shown."""
        return "\n".join([*(bundle["text/plain"] for bundle in self.bundles), self.printed])

    @property
    def html(self) -> str:
        """The HTML of all that was displayed."""
        return "\n".join(bundle.get("text/html", "") for bundle in self.bundles)

    @property
    def error(self) -> list[str]:
        """The lines of the error."""
        return self.printed.strip().splitlines() if self.failed else []


class Shell:
    """Runs cells; `names` are the notebook's, `session` is what the magics remember."""

    def __init__(self) -> None:
        quiet = Config({"HistoryManager": {"enabled": False}})
        self._shell = InteractiveShell.instance(colors="nocolor", config=quiet)
        self.session, self.names = Session(), self._shell.user_ns
        made = (CompareMagics(self._shell, self.session), ExportMagics(self._shell, self.session))
        for magics in (*made, ModelsMagics(self._shell)):
            self._shell.register_magics(magics)

    @property
    def next_cell(self) -> str:
        """What was put into the next cell."""
        return getattr(self._shell, "rl_next_input", None) or ""

    def run(self, source: str) -> Cell:
        """Run a cell to its end."""
        with capture_output() as shown:
            result = self._shell.run_cell(source)
        return Cell(not result.success, shown.stdout + shown.stderr, [output.data for output in shown.outputs])


@pytest.fixture
def shell(monkeypatch, tmp_path) -> Iterator[Callable[..., Shell]]:
    """Start a shell: `shell(player)` has a LiveKit account there, `shell()` has none; further variables by name."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    for name in [name for names in NEEDS.values() for name in names]:
        monkeypatch.delenv(name, raising=False)

    def start(player: Player | None = None, **env: str) -> Shell:
        for name, value in {**(livekit(player) if player else {}), **env}.items():
            monkeypatch.setenv(name, value)
        return Shell()

    yield start
    InteractiveShell.clear_instance()
