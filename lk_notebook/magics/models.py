"""`%lkmodels`: which models there are, who serves them, what they cost, and which your accounts reach."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import asdict

from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand
from IPython.display import display

from lk_notebook.core import listing
from lk_notebook.errors import ConfigurationError
from lk_notebook.magics import frames
from lk_notebook.magics import line as grammar
from lk_notebook.net import accounts


@magics_class
class ModelsMagics(Magics):
    """The magic that lists models, and asks nobody."""

    @line_magic
    @no_var_expand
    def lkmodels(self, line: str) -> None:
        """List models: providers, published prices, context, and what your accounts reach. Nothing is sent.

        ::

            %lkmodels [FILTER …] [-o VAR]

            %lkmodels gpt-5 azure
            %lkmodels reach vision price<1

        FILTER      text in the id or the name, a vendor, or a provider; or one of
                    reach     what your accounts reach
                    vision    takes images
                    tools     takes tools
                    price<1   input below $1 for a million tokens, as published; also <= > >=
                    of several filters all must hold
        -o          keeps the list in a variable: a DataFrame, or a list of dicts where there is no pandas

        The list is a snapshot: an id with its vendor is sent as typed, also when it does not stand here.
        """
        read = grammar.parse(line, (frames.OUTPUT,))
        output = frames.variable(read)
        if read.pairs:
            raise ConfigurationError(f"{next(iter(read.pairs))}= is no filter.", "Filters are words, or price<1.")
        there = listing.rows(accounts.accounts(os.environ.get))
        found = listing.filtered(there, read.words)
        if output:
            rows = [{**asdict(row), "accounts": ", ".join(row.accounts)} for row in found]
            self.shell.user_ns[output] = frames.frame(rows, listing.COLUMNS)  # type: ignore[union-attr]
        if not found:
            print(listing.hint(there, read.words))  # noqa: T201 - one line says it
            return
        today = dt.datetime.now(tz=dt.timezone.utc).date().isoformat()
        display(frames.bundle(listing.grid(found, today)), raw=True)  # type: ignore[no-untyped-call]
