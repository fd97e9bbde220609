"""Panels: widgets to chat in. Each is imported when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_notebook.widgets.chat_panel import ChatPanel

__all__ = ["ChatPanel"]

_LAZY = {"ChatPanel": "chat_panel"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
