"""`%%lkcompare`: one prompt to several models, side by side."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from IPython.core.error import StdinNotImplementedError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from IPython.display import display

from lk_notebook.core import comparison
from lk_notebook.desk import Stopped
from lk_notebook.errors import ConfigurationError, PromptError
from lk_notebook.magics import frames
from lk_notebook.magics import line as grammar
from lk_notebook.magics.line import Line, Option
from lk_notebook.magics.words import CARRIED, SETUP, Words

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from lk_notebook.columns import Column, Columns
    from lk_notebook.session import Session

COMPARE = (*SETUP, *CARRIED, frames.OUTPUT, Option(("--blind",), "blind", takes=False))
TIE = "="


@magics_class
class CompareMagics(Magics):
    """The magic that asks several models."""

    def __init__(self, shell: InteractiveShell, session: Session) -> None:
        super().__init__(shell)
        self._session = session

    @line_cell_magic
    @no_var_expand
    def lkcompare(self, line: str, cell: str | None = None) -> None:
        """Ask several models the same; their answers stream side by side.

        ::

            %%lkcompare MODEL[@PROVIDER] MODEL[@PROVIDER] … [KEY=VALUE …] [-a ACCOUNT] [-s SYSTEM]
                        [-o TABLE] [--blind] [-t TOOLS] [--schema TYPE] [-i IMAGE …] [--raw]
            prompt, as many lines as you like

            %lkcompare

        MODEL       2 to 8 of them: openai/gpt-4.1-mini, gpt-4.1-mini, gpt-4.1-mini@azure, or a name made by
                    %lkuse --as; the same model may stand there again
        KEY=VALUE   parameters for all of them: temperature=0 max_completion_tokens=200
        -a          the account that is asked by all of them
        -s          the system prompt
        -o          keeps the table in a variable: a DataFrame, or a list of dicts where there is no pandas
        --blind     shuffles the answers and calls them A, B, …; names are told once you chose the best
        -t f,g      functions of the notebook that the models may call
        --schema    a pydantic model, dataclass, TypedDict, or list[…] of one: the column parsed of the table
        -i          a path, a URL, or a variable that holds an image; again for more
        --raw       sends the prompt as typed; else {{ expression }} in it is evaluated in the notebook

        A model that fails is one column; the cell fails where all of them do. No chat remembers a comparison.
        %lkcompare alone shows how often each model was chosen.
        """
        from lk_notebook import columns as seen  # noqa: PLC0415 - the view is imported when first used

        read = grammar.parse(line, COMPARE)
        if cell is None:
            self._tally(line)
            return
        if not cell.strip():
            raise PromptError("The prompt is empty.", "Write what you want to ask below the line of %%lkcompare.")
        words, output = Words(self.shell), frames.variable(read)
        shared, models = words.setup(read, None), _models(read)
        setups = [replace(shared, model=one.model, provider=one.provider) for one in map(words.named, models)]
        prompt = words.prompt(cell, read)
        asked = self._session.ask_all(setups, prompt, words.carried(read))
        columns = seen.columns(setups, asked, self._session.aliases)
        try:
            self._show(columns, prompt, blind=read.options.get("blind", False))
        finally:
            if output:
                self._names[output] = seen.table(columns, parsed="schema" in read.options)
        errors = [column.error for column in columns if column.error is not None]
        if len(errors) == len(columns):
            raise errors[0].with_traceback(None)

    def _show(self, columns: list[Column], prompt: str, *, blind: bool) -> None:
        """Draws all columns until they have ended; blind, then asks which is best, and tells their names."""
        from lk_notebook import show  # noqa: PLC0415 - the view is imported when first used
        from lk_notebook.columns import Columns  # noqa: PLC0415

        shown = list(columns)
        if blind:
            secrets.SystemRandom().shuffle(shown)
        sight = Columns(shown, blind=blind)
        if not sight.replies:
            return
        try:
            show.watch(sight)
            if blind:
                self._vote(sight, prompt)
        finally:
            if blind:
                _reveal(sight)

    def _vote(self, sight: Columns, prompt: str) -> None:
        """Asks for the best answer, and keeps the vote."""
        if len(sight.candidates) < comparison.LEAST:
            sight.verdict = "No vote: fewer than two answers came."
            return
        answer = _asked(list(sight.candidates))
        if answer is None:
            sight.verdict = "No vote: nobody can be asked here."
        elif answer:
            self._session.votes.append({"prompt": prompt, **sight.choose(None if answer == TIE else answer)})

    def _tally(self, line: str) -> None:
        """The votes so far."""
        if line.strip():
            raise PromptError("The prompt is missing.", "Write %%lkcompare with two signs, and the prompt below it.")
        if not self._session.votes:
            print("No vote yet: %%lkcompare --blind asks for one.")  # noqa: T201 - what was asked for
            return
        display(frames.bundle(comparison.tally(self._session.votes)), raw=True)  # type: ignore[no-untyped-call]

    @property
    def _names(self) -> dict[str, Any]:
        """The names of the notebook."""
        return self.shell.user_ns  # type: ignore[union-attr, no-any-return]  # given in __init__


def _models(read: Line) -> list[str]:
    """The models of the line, or the error that says what is wrong with it."""
    if "provider" in read.options:
        raise ConfigurationError("-p would name one provider for all models.", "Write MODEL@PROVIDER for each.")
    there = len(read.words)
    if not comparison.LEAST <= there <= comparison.MOST:
        raise ConfigurationError(
            f"%%lkcompare takes {comparison.LEAST} to {comparison.MOST} models; {there or 'none'} "
            f"{'is' if there < comparison.LEAST else 'are'} named.",
            "Name them on its line: %%lkcompare gpt-4.1-mini gpt-5-mini; for one model, use %%lkchat.",
        )
    return read.words


def _asked(letters: Sequence[str]) -> str | None:
    """The letter that the user types, or = for a tie; "" for no vote; None where nobody can be asked."""
    question = f"Which is best? {', '.join(letters)} or {TIE} for a tie: "
    while True:
        try:
            answer = input(question).strip().upper()
        except (EOFError, OSError, StdinNotImplementedError):
            return None
        except KeyboardInterrupt:
            raise Stopped from None
        if answer in ("", TIE, *letters):
            return answer


def _reveal(sight: Columns) -> None:
    """Tells whose answers they were, where they stand; a shell that cannot change what it showed gets it below."""
    sight.reveal()
    first = sight.replies[0]
    if first.redraw is not None:
        first.redraw()
    else:
        display(sight.bundle(), raw=True)  # type: ignore[no-untyped-call]
