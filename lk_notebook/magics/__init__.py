"""The magics: read the line, ask, show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lk_notebook.magics import questions

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.core.magic import Magics

    from lk_notebook.magics.cells import Cells
    from lk_notebook.magics.complete import Completion

_loaded: tuple[list[Magics], Cells, Completion] | None = None


def load(shell: InteractiveShell) -> None:
    """Registers the magics; loading twice is loading once."""
    from lk_notebook.desk import Stopped  # noqa: PLC0415 - no IPython outside IPython
    from lk_notebook.ledger import LEDGER  # noqa: PLC0415
    from lk_notebook.magics.accounts import AccountMagics  # noqa: PLC0415
    from lk_notebook.magics.agent import AgentMagics  # noqa: PLC0415
    from lk_notebook.magics.cells import Cells  # noqa: PLC0415
    from lk_notebook.magics.chat import ChatMagics  # noqa: PLC0415
    from lk_notebook.magics.compare import CompareMagics  # noqa: PLC0415
    from lk_notebook.magics.complete import Completion  # noqa: PLC0415
    from lk_notebook.magics.export import ExportMagics  # noqa: PLC0415
    from lk_notebook.magics.models import ModelsMagics  # noqa: PLC0415
    from lk_notebook.magics.panel import PanelMagics  # noqa: PLC0415
    from lk_notebook.magics.route import RouteMagics  # noqa: PLC0415
    from lk_notebook.magics.settings import SettingsMagics  # noqa: PLC0415
    from lk_notebook.magics.tape import TapeMagics  # noqa: PLC0415
    from lk_notebook.magics.usage import UsageMagics  # noqa: PLC0415
    from lk_notebook.session import current  # noqa: PLC0415

    global _loaded  # noqa: PLW0603 - what is registered in the one shell of a kernel
    unload(shell)
    cells, completion = Cells(shell, current()), Completion(shell, current(), LEDGER)
    magics: list[Magics] = [
        ChatMagics(shell, current(), cells),
        CompareMagics(shell, current()),
        SettingsMagics(shell, current()),
        ModelsMagics(shell),
        AccountMagics(shell),
        PanelMagics(shell),
        RouteMagics(shell, current()),
        UsageMagics(shell, LEDGER),
        ExportMagics(shell, current()),
        AgentMagics(shell, current()),
        TapeMagics(shell),
    ]
    for each in magics:
        shell.register_magics(each)
    cells.watch()
    completion.watch()
    shell.input_transformers_cleanup.append(questions.keep)
    if not shell.custom_exceptions:  # else somebody's own, of which there can be one
        shell.set_custom_exc((Stopped,), _end_quietly)  # type: ignore[no-untyped-call]
    _loaded = (magics, cells, completion)
    _warm()


def _end_quietly(*_: object, **__: object) -> list[str]:
    """Shows nothing of a stop by ■, and the cell fails all the same: an empty traceback would be a red box."""
    return []


def _warm() -> None:
    """Has the local model ready where it will be asked, for want of any account."""
    from lk_notebook.core.values import Setup  # noqa: PLC0415 - as above
    from lk_notebook.errors import LkError  # noqa: PLC0415
    from lk_notebook.net import local, loop  # noqa: PLC0415
    from lk_notebook.net.deck import DECK  # noqa: PLC0415
    from lk_notebook.net.given import GIVEN  # noqa: PLC0415
    from lk_notebook.session import llm  # noqa: PLC0415

    try:
        asked = llm(Setup()).route().accounts[0]
        weights = local.standing(GIVEN.getenv).weights if asked.kind == "local" and DECK.replay is None else None
    except LkError:  # told to who asks
        return
    if weights is not None:
        loop.submit(local.KEEPER.warm(weights))


def unload(shell: InteractiveShell) -> None:
    """Takes the magics away; the session stays for the next load."""
    global _loaded  # noqa: PLW0603 - as above
    if _loaded is None:
        return
    magics, cells, completion = _loaded
    from lk_notebook.desk import Stopped  # noqa: PLC0415 - as above

    cells.leave()
    completion.leave()
    if shell.custom_exceptions == (Stopped,):
        shell.set_custom_exc((), None)  # type: ignore[no-untyped-call]
    shell.input_transformers_cleanup.remove(questions.keep)
    for each in magics:
        for kind, names in each.magics.items():
            for name in names:
                shell.magics_manager.magics[kind].pop(name, None)
    _loaded = None
