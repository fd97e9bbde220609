"""`%lkmodels`: which models there are, who serves them, what they cost, and which your accounts reach."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict

from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand
from IPython.display import display

from lk_notebook.core import catalogue, listing, live, taken
from lk_notebook.core.listing import Row
from lk_notebook.core.values import Account
from lk_notebook.errors import ConfigurationError
from lk_notebook.magics import frames
from lk_notebook.magics import line as grammar
from lk_notebook.magics.line import Option
from lk_notebook.net import accounts, loop
from lk_notebook.net.given import GIVEN

MODELS = (
    frames.OUTPUT,
    Option(("--live",), "live", takes=False),
    Option(("-v", "--verbose"), "verbose", takes=False),
)


@magics_class
class ModelsMagics(Magics):
    """The magic that lists models, and asks nobody for an answer."""

    @line_magic
    @no_var_expand
    def lkmodels(self, line: str) -> None:
        """List models: providers, published prices, context, and what your accounts reach.

        ::

            %lkmodels [FILTER …] [--live] [-o VAR]
            %lkmodels MODEL -v

            %lkmodels gpt-5 azure
            %lkmodels reach vision price<1

        FILTER      text in the id or the name, a vendor, or a provider; or one of
                    reach     what your accounts reach
                    vision    takes images
                    tools     takes tools
                    price<1   input below $1 for a million tokens, as published; also <= > >=
                    of several filters all must hold
        --live      asks each account that is there for its own list, all at once, for 5 s at most: ✓ marks what it
                    listed, and ids that no list of ours knows stand at the end
        -v          every parameter of one model: its values, and what is left out
        -o          keeps the list in a variable: a DataFrame, or a list of dicts where there is no pandas

        The list is a snapshot: an id with its vendor is sent as typed, also when it does not stand here.
        Nothing is sent without --live.
        """
        read = grammar.parse(line, MODELS)
        output = frames.variable(read)
        if read.pairs:
            raise ConfigurationError(f"{next(iter(read.pairs))}= is no filter.", "Filters are words, or price<1.")
        if read.options.get("verbose"):
            self._told(read.words)
            return
        here = accounts.accounts(GIVEN.getenv)
        there = listing.rows([*here, *accounts.built_in(GIVEN.getenv)])
        failures: list[str] = []
        if read.options.get("live"):
            there, failures = _asked(there, [*here, *GIVEN.addresses.values()])
        found = listing.filtered(there, read.words)
        if output:
            rows = [
                {**asdict(row), "accounts": ", ".join(row.accounts), "listed": _joined(row.listed)} for row in found
            ]
            self.shell.user_ns[output] = frames.frame(rows, listing.COLUMNS)  # type: ignore[union-attr]
        today = dt.datetime.now(tz=dt.timezone.utc).date().isoformat()
        if found:
            display(frames.bundle(listing.grid(found, today)), raw=True)  # type: ignore[no-untyped-call]
        told = failures if found else [listing.hint(there, read.words), *failures]
        if told:
            print("\n".join(told))  # noqa: T201 - a line says it

    def _told(self, words: Sequence[str]) -> None:
        """The parameters of the one model that is named."""
        if len(words) != 1:
            raise ConfigurationError("-v tells of one model.", "Name it: %lkmodels gpt-5-mini -v.")
        display(frames.bundle(taken.grid(catalogue.complete(words[0]))), raw=True)  # type: ignore[no-untyped-call]


def _joined(names: Sequence[str] | None) -> str | None:
    return None if names is None else ", ".join(names)


def _asked(rows: Sequence[Row], there: Sequence[Account]) -> tuple[list[Row], list[str]]:
    """The rows with what each account lists, and a line for each that did not."""
    if not there:
        return list(rows), ["No account is there that could be asked: %lkaccount adds yours."]
    from lk_notebook.net.listing import models_of_all  # noqa: PLC0415 - brings httpx and aiohttp

    lists, failures = {}, []
    for name, said in loop.wait(models_of_all(there)).items():
        if isinstance(said, list):
            lists[name] = said
        else:
            failures.append(f"{name} listed no models: {said.what}")
    return live.mark(rows, there, lists) if lists else list(rows), failures
