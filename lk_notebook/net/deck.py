"""What is recorded and what is replayed now, and the files of both. One deck a kernel; `net.tape` asks it."""

from __future__ import annotations

import concurrent.futures
import contextlib
import contextvars
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lk_notebook.errors import ConfigurationError
from lk_notebook.net.given import GIVEN
from lk_notebook.net.locks import lock

if TYPE_CHECKING:
    from lk_notebook.core.replaying import Replay
    from lk_notebook.core.tape import Take, Tape

REPLAY, SPEED = "LK_NOTEBOOK_REPLAY", "LK_NOTEBOOK_REPLAY_SPEED"
#: Seconds to wait for another kernel that writes the same file, and for calls whose end is not written yet.
PATIENCE = 5.0
_BLOCK = 65536
#: A tape that answers only what is asked in this context, and its speed.
_ASIDE: contextvars.ContextVar[tuple[Replay, float] | None] = contextvars.ContextVar("lk_notebook_tape", default=None)


class Recorder:
    """Writes a tape: each call when it has ended, in one piece, so that a killed kernel leaves whole lines.

    Lines are made and written in a thread of their own: the streams do not wait for it. Several kernels may record
    into one file.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.count = path, 0
        self.problem: str | None = None  # why the last call does not stand there
        self.under_way = 0
        self._writing: set[concurrent.futures.Future[None]] = set()
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "lk_notebook_tape")

    def keep(self, made: Callable[[], Take]) -> None:
        """Has a call written, soon."""
        try:
            writing = self._thread.submit(self._keep, made)
        except RuntimeError:  # the process ends, or the recording has ended without this call
            self._keep(made)
            return
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)

    def close(self, seconds: float = PATIENCE) -> None:
        """Waits, but not for ever, until the calls that have ended stand there."""
        last = time.monotonic() + seconds
        while (self.under_way or self._writing) and time.monotonic() < last:
            time.sleep(0.01)
        self._thread.shutdown(wait=False)

    def _keep(self, made: Callable[[], Take]) -> None:
        from lk_notebook.core import tape  # noqa: PLC0415 - only who records needs it

        try:
            append(self.path, tape.line(tape.Head("tape")), tape.line(made()))
        except OSError as error:
            self.problem = f"A call could not be written to {self.path}: {error.strerror or error}."
        else:
            self.count += 1


class Deck:
    """At most one tape is recorded, or one replayed."""

    def __init__(self, getenv: Callable[[str], str | None] = GIVEN.getenv) -> None:
        self.recorder: Recorder | None = None
        self._speed = 1.0
        self._getenv = getenv
        self._replay: Replay | None = None
        self._chosen = False  # the user said what is replayed, or that nothing is: the environment says no more
        self._named: tuple[str, Replay] | None = None  # what the environment named, and its tape
        self._reading = threading.Lock()

    @property
    def replay(self) -> Replay | None:
        """What is replayed, be it by LK_NOTEBOOK_REPLAY.

        Raises:
            ConfigurationError: the tape that the environment names cannot be read.
        """
        if (aside := _ASIDE.get()) is not None:
            return aside[0]
        if self._chosen or not (named := (self._getenv(REPLAY) or "").strip()):
            return self._replay
        with self._reading:
            if self._named is None or self._named[0] != named:
                self._speed = read_speed((self._getenv(SPEED) or "1").strip(), SPEED)
                self._named = (named, load(named))
            return self._named[1]

    @property
    def speed(self) -> float:
        """How fast it is played: 1 as recorded, 2 twice as fast, 0 without waiting."""
        aside = _ASIDE.get()
        return self._speed if aside is None else aside[1]

    @contextlib.contextmanager
    def aside(self, replay: Replay, speed: float = 1.0) -> Iterator[None]:
        """What is asked within is answered by this tape; all else goes on as it did."""
        token = _ASIDE.set((replay, speed))
        try:
            yield
        finally:
            _ASIDE.reset(token)

    @property
    def on(self) -> bool:
        """Whether calls of this process are recorded, or answered by a tape."""
        return self.recorder is not None or self.replay is not None

    def play(self, named: str, speed: float) -> Tape:
        """Replays this tape from its beginning.

        Raises:
            ConfigurationError: it cannot be read, or one is being recorded.
        """
        if self.recorder is not None:
            raise ConfigurationError(f"{self.recorder.path} is being recorded.", "End that first: %lkrecord --off.")
        self._replay, self._speed, self._chosen = load(named), speed, True
        return self._replay.tape

    def record(self, named: str, *, anew: bool = False) -> Recorder:
        """Records all calls from here on; the file is made with the first.

        Raises:
            ConfigurationError: it cannot be written or is no tape, or one is being replayed.
        """
        if (replay := self.replay) is not None:
            raise ConfigurationError(f"{replay.tape.name} is being replayed.", "End that first: %lkreplay --off.")
        path = Path(named).expanduser()
        check_writable(path, anew=anew)
        self.stop_recording()
        self.recorder = Recorder(path.absolute())  # the notebook may change its folder
        return self.recorder

    def stop_recording(self) -> Recorder | None:
        """Records no more; gives what was recorded, with the calls that have ended written."""
        recorder, self.recorder = self.recorder, None
        if recorder is not None:
            recorder.close()
        return recorder

    def stop_replaying(self) -> Tape | None:
        """Replays no more, whatever the environment says; gives what was replayed."""
        replay = self.replay
        self._replay, self._chosen = None, True
        return None if replay is None else replay.tape


def load(named: str) -> Replay:
    """A tape from its file, at its beginning.

    Raises:
        ConfigurationError: it is not there, cannot be read or is no tape.
    """
    from lk_notebook.core import replaying, tape  # noqa: PLC0415 - brings pydantic: only who replays needs it

    path = Path(named).expanduser()
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"The tape {named} cannot be read: {error.strerror}.", f"Check its name; paths start at {Path.cwd()}."
        ) from error
    except UnicodeDecodeError:
        raise ConfigurationError(f"{named} is no tape of lk_notebook.", "%lkrecord FILE makes one.") from None
    return replaying.Replay(tape.read(text, path.name))


def read_speed(text: str, name: str = "--speed") -> float:
    """How fast a tape is played: 1 as recorded, 2 twice as fast, 0 without waiting.

    Raises:
        ConfigurationError: it is no such number.
    """
    try:
        speed = float(text)
    except ValueError:
        speed = -1.0
    if not 0 <= speed <= 1000:
        raise ConfigurationError(f"{name} {text} is no speed.", "1 is as recorded, 2 twice as fast, 0 without waiting.")
    return speed


def check_writable(path: Path, *, anew: bool = False) -> None:
    """Nothing, where a tape can be written there; `anew` takes away the one that is there.

    Raises:
        ConfigurationError: it cannot, or another file is there.
    """
    from lk_notebook.core import tape  # noqa: PLC0415 - brings pydantic: only who records needs it

    mend = "Name another file."
    try:
        if not path.exists():
            if not path.parent.is_dir():
                raise ConfigurationError(f"There is no folder {path.parent}.", "Make it, or name another file.")
            if not os.access(path.parent, os.W_OK):
                raise ConfigurationError(f"{path.parent} cannot be written to.", mend)
            return
        with path.open("r+b") as file:
            first = file.readline(_BLOCK)
        if first:
            tape.read_head(first.decode("utf-8", "replace"), str(path))
        if anew:
            path.unlink()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.", mend) from error


def append(path: Path, head: str, line: str) -> None:
    """Writes a line at the end of a file, for this process alone; a torn last line is cut off, a new file gets `head`.

    Raises:
        OSError: it cannot be written.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
    try:
        lock(file, PATIENCE)
        whole = _end_of_last_line(file)
        os.ftruncate(file, whole)
        os.lseek(file, whole, os.SEEK_SET)
        data = ((head if not whole else "") + line).encode()
        while data:
            data = data[os.write(file, data) :]
    finally:
        os.close(file)


def _end_of_last_line(file: int) -> int:
    """Where the last whole line ends, looked for from the end."""
    end = os.fstat(file).st_size
    while end:
        start = max(0, end - _BLOCK)
        os.lseek(file, start, os.SEEK_SET)
        block = os.read(file, end - start)
        if (at := block.rfind(b"\n")) >= 0:
            return start + at + 1
        end = start
    return 0


#: The one of this kernel.
DECK = Deck()
