"""`%lkexport`: this setup as a LiveKit Agents program, in the next cell or in a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand

from lk_notebook.core.values import Setup
from lk_notebook.errors import ConfigurationError
from lk_notebook.magics import line as grammar
from lk_notebook.magics.line import Line, Option
from lk_notebook.magics.words import SETUP, Words

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from lk_notebook.llm import LLM
    from lk_notebook.reply import Reply
    from lk_notebook.session import Session

EXPORT = (
    *SETUP,
    Option(("-t", "--tools"), "tools", many=True),
    Option(("-o", "--output"), "program", path=True),
    Option(("--voice",), "voice", takes=False),
)


@magics_class
class ExportMagics(Magics):
    """The magic that writes a program."""

    def __init__(self, shell: InteractiveShell, session: Session) -> None:
        super().__init__(shell)
        self._session = session

    @line_magic
    @no_var_expand
    def lkexport(self, line: str) -> None:
        """Write this setup as a LiveKit Agents program: in the next cell, or in a file.

        ::

            %lkexport python|node [MODEL[@PROVIDER]] [-p PROVIDER] [-a ACCOUNT] [KEY=VALUE …] [-s SYSTEM]
                      [-t TOOLS] [-o FILE] [--voice]
            %lkexport python reply

        The words are those of %%lkchat, and the defaults of %lkuse hold. A variable with a reply, an LLM or a panel in
        it stands for what was asked there: the program sends the same.

        -t f,g     functions of the notebook, copied as tools; in Node each is a stub to be filled in
        -o         a file: agent.py, agent.mjs
        --voice    adds speech to text, text to speech, voice activity and turn detection

        The program defines llm, build_session (in Node buildSession) and instructions. Importing it starts nothing. It
        reads its keys from the environment, and holds none.
        """
        from lk_notebook.export import LANGUAGES, export  # noqa: PLC0415 - only who exports needs it

        read = grammar.parse(line, EXPORT)
        language, *more = read.words or [""]
        if language not in LANGUAGES:
            told = f"%lkexport writes no {language}." if language else "Which language?"
            raise ConfigurationError(told, f"Write %lkexport {' or %lkexport '.join(LANGUAGES)}.")
        if len(more) > 1:
            raise ConfigurationError(f"{more[1]} is one word too many.", "Name one model, or one variable.")
        words = Words(self.shell)
        asked = self._asked(words, read, more[0] if more else None)
        text = export(asked, language, tools=words.carried(read).tools, voice=read.options.get("voice", False))
        name = LANGUAGES[language][1]
        if file := read.options.get("program"):
            _write(Path(words.text(file)), text)
        elif self.shell is not None:
            self.shell.set_next_input(text, replace=False)
            print(f"The next cell is the program; save it as {name}, or write -o {name}.")  # noqa: T201 - one line

    def _asked(self, words: Words, read: Line, word: str | None) -> Setup | LLM | Reply:
        """What a variable stands for, or the words over the defaults."""
        held = self.shell.user_ns.get(word) if word and word not in self._session.aliases else None  # type: ignore[union-attr]
        found = _asked_with(held)
        if found is None:
            return self._session.settle(words.setup(read, word))
        if read.pairs or {"provider", "account", "system"} & read.options.keys():
            raise ConfigurationError(
                f"{word} brings its own words: no parameter, provider, account or system prompt stands beside it.",
                "Leave them out, or name a model in its place.",
            )
        return found


def _asked_with(held: Any) -> Setup | LLM | Reply | None:
    """A reply or an LLM as it is; the traits of a panel as a setup; None for everything else."""
    from lk_notebook.llm import LLM  # noqa: PLC0415 - loading the magics stays light
    from lk_notebook.reply import Reply  # noqa: PLC0415 - as above

    if isinstance(held, (LLM, Reply)):
        return held
    if not all(hasattr(held, name) for name in ("model", "provider", "extra_kwargs", "system")):
        return None
    account = getattr(held, "account", None)
    return Setup(held.model or None, held.provider or None, account or None, held.extra_kwargs, held.system or None)


def _write(file: Path, text: str) -> None:
    verb = "Overwriting" if file.exists() else "Writing"
    try:
        file.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be written: {error.strerror}.", "Name another file.") from error
    print(f"{verb} {file}")  # noqa: T201 - as %%writefile says it
