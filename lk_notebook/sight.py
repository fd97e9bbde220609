"""What can be seen on a page: one reply, or several side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lk_notebook.page import Message
from lk_notebook.reply import Reply


class Sight(Protocol):
    """What an output shows. A view is told its changes, a page without views gets its HTML; both look alike."""

    @property
    def replies(self) -> Sequence[Reply]:
        """Whose end ends the drawing."""

    @property
    def numbered(self) -> Sequence[Reply | None]:
        """The replies by the numbers that a view knows them by; None where nothing was asked."""

    def news(self) -> bool:
        """Whether anything has changed since the last look."""

    def frame(self) -> str:
        """The HTML of it, empty, which a view fills."""

    def changes(self) -> list[Message]:
        """What a view must be told since the last call."""

    def anew(self) -> list[Message]:
        """What fills an empty frame."""

    def html(self) -> str:
        """The whole of it."""

    def bundle(self) -> dict[str, str]:
        """What stays in the file."""

    def again(self, c: int, reply: Reply) -> Sight:
        """The same with another reply as number `c`."""
