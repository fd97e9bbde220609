"""`%lkrecord` and `%lkreplay`: a class without accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand

from lk_notebook.core.figures import count
from lk_notebook.core.text import clean
from lk_notebook.errors import ConfigurationError
from lk_notebook.magics import line as grammar
from lk_notebook.magics.line import Line, Option
from lk_notebook.magics.words import Words
from lk_notebook.net.deck import DECK, read_speed

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from lk_notebook.core.tape import Tape
    from lk_notebook.net.deck import Deck, Recorder

_OFF = Option(("--off",), "off", takes=False)
RECORD = (Option(("-n", "--new"), "new", takes=False), _OFF)
REPLAY = (Option(("--speed",), "speed"), _OFF)
SPEEDS = ("0", "1", "2")


@magics_class
class TapeMagics(Magics):
    """The magics of tapes."""

    def __init__(self, shell: InteractiveShell, deck: Deck = DECK) -> None:
        super().__init__(shell)
        self._deck = deck

    @line_magic
    @no_var_expand
    def lkrecord(self, line: str) -> None:
        """Record all questions and answers of this kernel on a tape, to be replayed without an account.

        ::

            %lkrecord FILE [--new]
            %lkrecord --off
            %lkrecord

        FILE        lesson.jsonl: a JSON line a call, with the pieces of the answer and when they came. A tape that is
                    there is gone on with
        -n, --new   starts the tape anew
        --off       ends the recording

        No header and no key stands on a tape; questions, pictures aside, and answers do. Look at it before you give it
        away: python -m lk_notebook tape check FILE. Without words it tells what is recorded.
        """
        read = grammar.parse(line, RECORD)
        if name := self._file(read, "%lkrecord"):
            recorder = self._deck.record(name, anew=read.options.get("new", False))
            print(f"Recording to {_shown(recorder.path.name)}. %lkrecord --off ends it.")  # noqa: T201 - one line says it
        elif read.options.get("off"):
            ended = self._deck.stop_recording()
            print(_recorded(ended) if ended else "Nothing is being recorded.")  # noqa: T201 - as above
        else:
            now = self._deck.recorder
            print(f"{_recorded(now)} Recording goes on." if now else "Nothing is being recorded.")  # noqa: T201 - as above

    @line_magic
    @no_var_expand
    def lkreplay(self, line: str) -> None:
        """Answer all questions from a tape: no account, no network, no cost.

        ::

            %lkreplay FILE [--speed 0|1|2]
            %lkreplay --off
            %lkreplay

        FILE      a tape that %lkrecord made; it is played from its beginning
        --speed   1: as recorded; 2: twice as fast; 0: without waiting
        --off     asks models again

        Model, messages and parameters must be those of the recording, and a provider or account where one is named; a
        question that the tape lacks fails at once, and the error names the nearest one on it. Several answers to one
        question come in their order, then the last one again. The variable LK_NOTEBOOK_REPLAY=FILE does the same for
        every kernel, LK_NOTEBOOK_REPLAY_SPEED sets its speed. Without words it tells what is replayed.
        """
        read = grammar.parse(line, REPLAY)
        speed = read_speed(read.options.get("speed", "1"))
        if name := self._file(read, "%lkreplay"):
            print(_replaying(self._deck.play(name, speed)))  # noqa: T201 - one line says it
        elif read.options.get("off"):
            ended = self._deck.stop_replaying()
            print(f"{_shown(ended.name)} is over: models are asked again." if ended else _NOTHING)  # noqa: T201 - as above
        else:
            now = self._deck.replay
            print(_replaying(now.tape) if now else _NOTHING)  # noqa: T201 - as above

    def _file(self, read: Line, magic: str) -> str | None:
        """The file that the line names."""
        if read.pairs or len(read.words) > 1:
            odd = next(iter(read.pairs), None) or read.words[1]
            raise ConfigurationError(f"{magic} takes one file; {odd} is too much.", "Put a name with blanks in quotes.")
        if read.words and read.options.get("off"):
            raise ConfigurationError("--off takes no file.", "Write it alone.")
        return Words(self.shell).text(read.words[0]) if read.words else None


_NOTHING = "Nothing is being replayed: models are asked."


def _recorded(recorder: Recorder) -> str:
    told = f"{_calls(recorder.count)} recorded to {_shown(recorder.path.name)}."
    return f"{told} {recorder.problem}" if recorder.problem else told


def _replaying(tape: Tape) -> str:
    made_by = f" · {_shown(tape.head.made_by)}" if tape.head.made_by else ""
    when = f", recorded {tape.days}" if tape.days else ""
    return f"{_shown(tape.name)}: {_calls(len(tape.takes))}{when}{made_by}. It alone answers now."


def _calls(number: int) -> str:
    return f"{count(number)} {'call' if number == 1 else 'calls'}"


def _shown(text: str) -> str:
    return " ".join(clean(text).split())
