"""Bytes of a `text/event-stream` to the data of each event, fed and never fetching.

Source: WHATWG HTML, section 9.2.6 "Interpreting an event stream".
"""

from __future__ import annotations

_BOM = b"\xef\xbb\xbf"


class EventStream:
    r"""Splits at LF, CRLF and CR only: `str.splitlines` would break JSON strings at U+2028 and U+0085.

    Example:
        >>> EventStream().feed(b"data: a\ndata: b\n\n")
        [('', b'a\nb')]
    """

    __slots__ = ("_after_cr", "_data", "_event", "_first", "_rest")

    def __init__(self) -> None:
        self._rest: list[bytes] = []  # pieces of the line that has not ended yet
        self._data: list[bytes] = []  # data lines of the event that has not ended yet
        self._event = ""
        self._after_cr = False
        self._first = True

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        """The events that ended within these bytes, as (name, data); an `error:` field counts as an event `error`."""
        if self._after_cr and data:
            self._after_cr = False
            data = data.removeprefix(b"\n")
        if b"\r" in data:
            self._after_cr = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if b"\n" not in data:
            self._rest.append(data)
            return []
        lines = data.split(b"\n")
        if self._rest:
            lines[0] = b"".join(self._rest) + lines[0]
        if self._first:
            self._first = False
            lines[0] = lines[0].removeprefix(_BOM)
        self._rest = [lines.pop()]
        return self._events(lines)

    def end(self) -> list[tuple[str, bytes]]:
        """The last event, though no blank line closed it."""
        self._after_cr = False
        return self.feed(b"\n\n")

    def _events(self, lines: list[bytes]) -> list[tuple[str, bytes]]:
        events = []
        for line in lines:
            if line.startswith(b"data:"):
                self._data.append(line[6:] if line.startswith(b"data: ") else line[5:])
            elif not line:
                if self._data:
                    events.append((self._event, self._data[0] if len(self._data) == 1 else b"\n".join(self._data)))
                    self._data.clear()
                self._event = ""
            elif line.startswith(b"event:"):
                self._event = line[6:].strip().decode("utf-8", "replace")
            elif line.startswith(b"error:"):
                events.append(("error", line[6:].strip()))
        return events
