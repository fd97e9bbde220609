"""`%%lkcompare`: one prompt to several models, side by side."""

from __future__ import annotations

import secrets
from collections.abc import Container, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from IPython.core.error import StdinNotImplementedError
from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from IPython.display import display

from lk_notebook.core import comparison
from lk_notebook.core.values import redact
from lk_notebook.desk import Stopped
from lk_notebook.errors import ConfigurationError, PromptError
from lk_notebook.magics import frames
from lk_notebook.magics import line as grammar
from lk_notebook.magics.line import Line, Option
from lk_notebook.magics.words import CARRIED, SETUP, Words

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from lk_notebook.columns import Column, Columns
    from lk_notebook.core.values import Setup
    from lk_notebook.errors import LkError
    from lk_notebook.reply import Reply
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
        columns = _columns(setups, asked, self._session.aliases)
        try:
            self._show(columns, prompt, blind=read.options.get("blind", False))
        finally:
            if output:
                self._names[output] = _table(columns, parsed="schema" in read.options)
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
        there = {sight.letter(i): column for i, column in enumerate(sight.columns) if column.error is None}
        if len(there) < comparison.LEAST:
            sight.verdict = "No vote: fewer than two answers came."
            return
        answer = _asked(list(there))
        if answer is None:
            sight.verdict = "No vote: nobody can be asked here."
            return
        if answer == "":
            sight.verdict = "No vote."
            return
        sight.chosen = there.get(answer)
        names = [column.name for column in there.values()]
        chosen = sight.chosen and sight.chosen.name
        self._session.votes.append({"prompt": prompt, "models": names, "chosen": chosen})
        sight.verdict = f"You chose {answer}: {sight.chosen.title}." if sight.chosen else "A tie."

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


def _columns(
    setups: Sequence[Setup], asked: Sequence[tuple[Setup, Reply | LkError]], aliases: Container[str]
) -> list[Column]:
    """Each with the name that tells it from the others."""
    from lk_notebook.columns import Column  # noqa: PLC0415 - the view is imported when first used

    bare = []
    for cell, (whole, _) in zip(setups, asked, strict=True):
        model = cell.model if cell.model in aliases else whole.model
        bare.append(f"{model}@{cell.provider}" if cell.provider else str(model))
    return [
        Column(
            name=name,
            model=whole.model or "the default model",
            asked=one,
            alias=cell.model if cell.model in aliases else None,
            number=name.removeprefix(base),
        )
        for base, name, cell, (whole, one) in zip(bare, comparison.names(bare), setups, asked, strict=True)
    ]


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
    sight.blind = False
    sight.verdict = sight.verdict or "No vote."
    first = sight.replies[0]
    if first.redraw is not None:
        first.redraw()
    else:
        display(sight.bundle(), raw=True)  # type: ignore[no-untyped-call]


def _table(columns: Sequence[Column], *, parsed: bool) -> Any:
    """The figures of all columns, in the order of the line."""
    rows = []
    for column in columns:
        known, reply = column.facts, column.reply
        usage = known.usage
        row = {
            "model": known.model,
            "provider": known.provider or known.served_by,
            "state": reply.state if reply else "failed",
            "text": reply.text if reply else "",
            "ttft": known.ttft,
            "tokens_per_second": known.tokens_per_second,
            "prompt_tokens": usage and usage.prompt_tokens,
            "completion_tokens": usage and usage.completion_tokens,
            "cost": known.cost,
            "error": None if column.error is None else redact(str(column.error)),
        }
        rows.append({**row, "parsed": reply.parsed if reply else None} if parsed else row)
    return frames.frame(rows, list(rows[0]))
