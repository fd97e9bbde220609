"""A text that grows at its end."""

from __future__ import annotations


class Growing:
    """A few parts, each larger than the next, so that nothing is copied often.

    Readers need no lock: the parts are replaced as one tuple, never changed.

    Example:
        >>> text = Growing(); text.add("ab"); text.add("c"); text.since(1)
        'bc'
    """

    __slots__ = ("_parts", "size")

    def __init__(self) -> None:
        self._parts: tuple[str, ...] = ()
        self.size = 0

    def add(self, text: str) -> None:
        """Appends; smaller parts before it are joined with it."""
        parts, at, size = self._parts, len(self._parts), len(text)
        while at and len(parts[at - 1]) <= size:
            at -= 1
            size += len(parts[at])
        self._parts = (*parts[:at], "".join((*parts[at:], text)))
        self.size += len(text)

    def since(self, start: int) -> str:
        """The text from this character on."""
        parts, at, size = self._parts, 0, 0
        while at < len(parts) and size + len(parts[at]) <= start:
            size += len(parts[at])
            at += 1
        return "".join((parts[at][start - size :], *parts[at + 1 :])) if at < len(parts) else ""

    def __str__(self) -> str:
        return "".join(self._parts)
