"""Panels: widgets to chat and to compare in. Each is imported when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_notebook.widgets.chat_panel import ChatPanel
    from lk_notebook.widgets.compare_panel import ComparePanel

__all__ = ["ChatPanel", "ComparePanel"]

_LAZY = {"ChatPanel": "chat_panel", "ComparePanel": "compare_panel"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
