"""Ask language models from a notebook.

Example:
    ```python
    %load_ext lk_notebook
    ```

Every name is imported when first used: loading the extension stays light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from lk_notebook import errors, inference
    from lk_notebook.core.tools import tool
    from lk_notebook.llm import LLM
    from lk_notebook.reply import Reply
    from lk_notebook.widgets import ChatPanel, ComparePanel, LessonPanel

__version__ = "0.1.0"
__all__ = [
    "LLM",
    "ChatPanel",
    "ComparePanel",
    "LessonPanel",
    "Reply",
    "errors",
    "inference",
    "load_ipython_extension",
    "tool",
    "unload_ipython_extension",
]

#: Name -> the module that has it; None: the name is a module itself.
_LAZY = {
    "ChatPanel": "widgets",
    "ComparePanel": "widgets",
    "LLM": "llm",
    "LessonPanel": "widgets",
    "Reply": "reply",
    "errors": None,
    "inference": None,
    "tool": "core.tools",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = _LAZY[name]
    if module is None:
        return importlib.import_module(f"{__name__}.{name}")
    return getattr(importlib.import_module(f"{__name__}.{module}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Registers the magics: `%load_ext lk_notebook`."""
    from lk_notebook import magics  # noqa: PLC0415 - no magics outside IPython

    magics.load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Takes them away again: `%unload_ext lk_notebook`."""
    from lk_notebook import magics  # noqa: PLC0415 - no magics outside IPython

    magics.unload(shell)
