"""What all panels share: the places that the kernel renders."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lk_notebook.core.values import Message, redact


class Places:
    """The places of a panel that the kernel renders; a view is told only what differs from what it has."""

    def __init__(self, tell: Callable[[list[Message]], None]) -> None:
        self.tell = tell
        self._told: dict[str, str] = {}

    def begin(self, frame: str) -> None:
        """A view with nothing in its places; one that has them keeps what is typed there."""
        self._told = {}
        self.tell([{"t": "reset"}, {"t": "frame", "h": frame}])

    def put(self, places: Mapping[str, str], *, anew: bool = False) -> None:
        """HTML of some places, without any known secret; `anew`: also where it is the same."""
        struck = {at: redact(html) for at, html in places.items()}
        new = {at: html for at, html in struck.items() if anew or self._told.get(at) != html}
        self._told.update(new)
        self.tell([{"t": "html", "at": at, "h": html} for at, html in new.items()])
