"""Which cell runs, and the how-manieth question of it is asked: what a turn of a chat belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from lk_notebook.core.chats import Key
    from lk_notebook.session import Session


class Cells:
    """Hears of each cell's run; a front end that sends no cell id is told apart by executions."""

    def __init__(self, shell: InteractiveShell, session: Session) -> None:
        self._shell, self._session = shell, session
        self._cell, self._asked = "", 0
        self._hooks = (("pre_run_cell", self._begins), ("post_run_cell", self._ends))

    def watch(self) -> None:
        """Begins to listen."""
        for event, hook in self._hooks:
            self._shell.events.register(event, hook)

    def leave(self) -> None:
        """Listens no more."""
        for event, hook in self._hooks:
            self._shell.events.unregister(event, hook)

    def key(self) -> Key:
        """The key of the next question."""
        self._asked += 1
        return (self._cell or f"execution {self._shell.execution_count}", self._asked - 1)

    def _begins(self, info: Any) -> None:
        self._cell = getattr(info, "cell_id", None) or f"execution {self._shell.execution_count}"
        self._asked = 0

    def _ends(self, result: Any) -> None:
        """A run that went well and asked less often than before leaves no turn of the earlier run behind."""
        if result.success:
            for later in self._session.cell_ended(self._cell, self._asked):
                later.refresh()
