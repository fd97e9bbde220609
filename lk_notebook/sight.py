"""What can be seen on a page: one reply, several side by side, a table that fills."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from lk_notebook.page import Message
from lk_notebook.reply import ENDED, Reply

if TYPE_CHECKING:
    from typing_extensions import Self


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


class Whole:
    """What is told to a view as a whole each time; a sight of `replies` and `html` needs no more than that."""

    replies: Sequence[Reply]
    _told: str | None = None

    def html(self) -> str:
        """The whole of it."""
        raise NotImplementedError

    @property
    def numbered(self) -> Sequence[Reply]:
        """The replies by the numbers that a view knows them by."""
        return self.replies

    def frame(self) -> str:
        """The place of the whole, and that of the button which stops it."""
        return '<div data-at="whole"></div><div data-c="0"></div><div data-foot="0"></div>'

    def changes(self) -> list[Message]:
        """The whole, where it has changed."""
        html = self.html()
        if html == self._told:
            return []
        self._told = html
        live = any(reply.state not in ENDED for reply in self.replies)
        foot = {"t": "foot", "c": 0, "state": "live" if live else "done", "h": "", "acts": ["stop"] if live else []}
        return [{"t": "html", "at": "whole", "h": html}, foot]

    def anew(self) -> list[Message]:
        """What fills an empty frame."""
        self._told = None
        return self.changes()

    def again(self, _c: int, _reply: Reply) -> Self:
        """Nothing of it is asked once more."""
        return self
