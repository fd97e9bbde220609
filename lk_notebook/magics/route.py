"""`%lkroute`: who would be asked, in which order, and why. Nothing is sent."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand
from IPython.display import display

from lk_notebook.core.grid import UNKNOWN, Cell, Grid
from lk_notebook.core.health import Board
from lk_notebook.core.request import model_there
from lk_notebook.core.routing import Route
from lk_notebook.core.values import Account, Setup
from lk_notebook.errors import ConfigurationError
from lk_notebook.magics import accounts as magic
from lk_notebook.magics import frames
from lk_notebook.magics import line as grammar
from lk_notebook.magics.words import SETUP, Words
from lk_notebook.net import accounts
from lk_notebook.net.deck import DECK
from lk_notebook.net.given import GIVEN
from lk_notebook.net.measured import Measurements
from lk_notebook.session import llm

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from lk_notebook.session import Session

HEADS = ("Account", "Order", "Model there", "Why")


@magics_class
class RouteMagics(Magics):
    """The magic that explains the way of a question."""

    def __init__(self, shell: InteractiveShell, session: Session) -> None:
        super().__init__(shell)
        self._session = session

    @line_magic
    @no_var_expand
    def lkroute(self, line: str) -> None:
        """Tell who would be asked, in which order, and why. Nothing is sent.

        ::

            %lkroute [MODEL[@PROVIDER]] [-p PROVIDER] [-a ACCOUNT]

        The words are those of %%lkchat, and the defaults of %lkuse hold. Among your own accounts the one with the best
        measured time to its first token comes first; who failed rests; who was named is asked in any case.
        """
        read = grammar.parse(line, SETUP)
        if len(read.words) > 1:
            raise ConfigurationError(f"{read.words[1]} is one word too many.", "Name one model.")
        words = Words(self.shell)
        setup = self._session.settle(words.setup(read, read.words[0] if read.words else None))
        route = llm(setup).route()
        shown = grid(setup, route, _board(), time.monotonic())
        display(frames.bundle(shown), raw=True)  # type: ignore[no-untyped-call]
        if route.notes:
            print("\n".join(route.notes))  # noqa: T201 - as a reply tells them
        if (replay := DECK.replay) is not None:
            print(f"{replay.tape.name} is being replayed: it answers in their place.")  # noqa: T201 - one line says it


def _board() -> Board:
    """What is known of the accounts; before the first question, what earlier kernels measured."""
    known = magic.board()
    if known is None:
        Measurements(known := Board(), GIVEN.getenv)
    return known


def grid(setup: Setup, route: Route, known: Board, now: float) -> Grid:
    """The way of a question as a table."""
    rows = [*_asked(setup, route, known, now), *_left_out(setup, route)]
    lines = [[Cell(text, dim=order == UNKNOWN) for text in (name, order, *rest)] for name, order, *rest in rows]
    return Grid(f"{route.model}: whom a question would go to; nothing was sent", HEADS, lines, frozenset({1}), {3: 200})


Row = tuple[str, str, str, str]


def _asked(setup: Setup, route: Route, known: Board, now: float) -> Iterator[Row]:
    """Who is asked, in order; then who is passed over for now."""
    if route.fixed:
        for account in route.accounts:
            health, error = known.condition(account, now)
            last = f"; {health}: {error}" if error else ""
            yield account.name, "1", model_there(route.model, account), _why_alone(setup, account) + last
        return
    order, passed = known.order(route.accounts, route.model, now)
    for i, account in enumerate(order, 1):
        health, error = known.condition(account, now)
        why = f"{known.explain(account, route.model)}{f'; {health}: {error}' if error else ''}"
        yield account.name, str(i), model_there(route.model, account), why
    for each in passed:
        yield each.account.name, UNKNOWN, model_there(route.model, each.account), each.why


def _why_alone(setup: Setup, account: Account) -> str:
    if account.kind in accounts.BUILT_IN:
        return "it is built in, and needs no account"
    if setup.account:
        return "it was named: no other takes over"
    if account.kind == "livekit":
        picks = f"asks {setup.provider}, as it was named" if setup.provider else "picks the best available provider"
        return f"the gateway {picks}; your own accounts are another bill"
    return f"{setup.provider} was named: no other takes over"


def _left_out(setup: Setup, route: Route) -> Iterator[Row]:
    """Accounts that are there and no candidates."""
    told = dict(route.passed)
    asked = {account.name for account in route.accounts}
    for account in accounts.accounts(GIVEN.getenv):
        if account.name not in asked:
            yield account.name, UNKNOWN, UNKNOWN, told.get(account.name) or _why_not(setup, route)


def _why_not(setup: Setup, route: Route) -> str:
    if setup.account:
        return f"{setup.account} was named"
    if route.accounts[0].kind == "livekit":
        return "LiveKit is there: another account is another bill; -a names it"
    return f"{setup.provider} was named" if setup.provider else "the built-in model needs no account"
