"""Panels: widgets to chat and to compare in, and to play a recorded lesson. Each is imported when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lk_notebook.widgets.chat_panel import ChatPanel
    from lk_notebook.widgets.compare_panel import ComparePanel
    from lk_notebook.widgets.lesson_panel import LessonPanel

__all__ = ["ChatPanel", "ComparePanel", "LessonPanel"]

_LAZY = {"ChatPanel": "chat_panel", "ComparePanel": "compare_panel", "LessonPanel": "lesson_panel"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_LAZY[name]}"), name)
