"""`%lkaccount`: which accounts are there and where each was found; keys for this kernel; names for addresses."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand
from IPython.display import display

from lk_notebook.core.grid import UNKNOWN, Cell, Grid
from lk_notebook.core.health import Board
from lk_notebook.core.values import Account, Secret
from lk_notebook.errors import ConfigurationError, LkError
from lk_notebook.llm import LLM
from lk_notebook.magics import frames
from lk_notebook.magics import line as grammar
from lk_notebook.magics.keys import NO_SECRET, Keys, missing, variables
from lk_notebook.magics.line import Line, Option
from lk_notebook.net import accounts, local, loop, nearby
from lk_notebook.net.accounts import LOCAL, NEEDS
from lk_notebook.net.given import GIVEN
from lk_notebook.net.machine import on_binder
from lk_notebook.reply import Reply

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

ACCOUNT = (
    Option(("--key",), "key", takes=False),
    Option(("--test",), "test", takes=False),
    Option(("--forget",), "forget", takes=False),
)
HEADS = ("Account", "Found in", "Host", "Health", "Last error")
_NAME = re.compile(r"[^\W\d][\w.-]*")
_TEST_SECONDS = 10.0


@magics_class
class AccountMagics(Magics):
    """The magic of accounts; `keys` asks the user, `listens` says whether a port of this machine answers."""

    def __init__(
        self, shell: InteractiveShell, keys: Keys | None = None, listens: Callable[[int], bool] = nearby.listens
    ) -> None:
        super().__init__(shell)
        self._keys, self._listens = keys or Keys(), listens

    @line_magic
    @no_var_expand
    def lkaccount(self, line: str) -> None:
        """List the accounts and where each was found; give this kernel a key; name an address.

        ::

            %lkaccount
            %lkaccount groq [--key] [--test]
            %lkaccount lab https://gpu.example.com/v1 [--key] [--test]
            %lkaccount groq --forget

        NAME       asks for what the account lacks, with a prompt that hides it, and keeps it for this kernel only
        --key      asks for the key also where one is there
        --test     tries it with one cheap request, and tells the result
        --forget   forgets what was given here; the environment stays as it is

        An address gets a name of your own for this kernel: `-a lab`, `account="lab"`. A key never stands in a cell.
        """
        read = grammar.parse(line, ACCOUNT)
        name, *more = read.words or [""]
        if read.pairs or len(more) > 1 or (more and not more[0].startswith(("http://", "https://"))):
            mend = "Write %lkaccount NAME, or %lkaccount NAME URL: a key is asked for, it never stands in a cell."
            raise ConfigurationError("%lkaccount takes a name, and an address where it names one.", mend)
        if name.startswith(("http://", "https://")):
            raise ConfigurationError(
                "An address needs a name here.", f"Write %lkaccount lab {name}, or ask it: -a {name}."
            )
        if not name:
            self._all(read)
        elif read.options.get("forget"):
            _forget(name)
        else:
            self._one(name, more, read)

    def _all(self, read: Line) -> None:
        if read.options.get("key") or read.options.get("forget"):
            raise ConfigurationError("Which account?", "Name it: %lkaccount groq --key.")
        if read.options.get("test"):
            there = [*accounts.accounts(GIVEN.getenv), *GIVEN.addresses.values()]
            print("\n".join(tested(there)) or "No account is there to be tested.")  # noqa: T201 - the results
            return
        near = [] if on_binder() else [n for n, url in LOCAL.items() if self._listens(urlsplit(url).port or 80)]
        display(frames.bundle(grid(near, time.monotonic())), raw=True)  # type: ignore[no-untyped-call]

    def _one(self, name: str, more: Sequence[str], read: Line) -> None:
        anew = bool(read.options.get("key"))
        if more:
            self._name(name, more[0])
        if name in NEEDS:
            self._keys.ask_all(_keys_of(name) if anew else missing(name), anew=anew)
        elif anew and name in GIVEN.addresses:
            key = Secret.of(self._keys.ask(name, f"The key of {name}", anew=True))
            GIVEN.addresses[name] = replace(GIVEN.addresses[name], key=key, scheme="Bearer")
        account = accounts.named(name, GIVEN.getenv)
        print("\n".join(tested([account])) if read.options.get("test") else _told(account))  # noqa: T201 - one line

    def _name(self, name: str, url: str) -> None:
        if name in (*accounts.KINDS, *LOCAL) or not _NAME.fullmatch(name):
            raise ConfigurationError(f"{name} cannot name an address.", "Pick a plain word that names no account.")
        GIVEN.addresses[name] = replace(accounts.named(url, GIVEN.getenv), name=name, found=("%lkaccount",))


def _keys_of(name: str) -> list[str]:
    """The variables of an account that hold its key; an address only where it is missing."""
    return [each for each in variables(name) if each not in NO_SECRET or each in missing(name)]


def _told(account: Account) -> str:
    host = urlsplit(account.url).netloc
    key = "" if account.key else ", without a key"
    return f"{account.name} is there: {host}, found in {GIVEN.told(account.found)}{key}; -a {account.name} asks it."


def _forget(name: str) -> None:
    names = [*variables(name), *NEEDS[name]] if name in NEEDS else [name]
    gone = GIVEN.forget(list(dict.fromkeys(names)))
    if not gone:
        mend = "%lkaccount tells where each account was found."
        raise ConfigurationError(f"Nothing was given to this kernel for {name}.", mend)
    print(f"Forgotten: {', '.join(gone)}.")  # noqa: T201 - one line says it


def board() -> Board | None:
    """What is known of the accounts' health; None where nothing was asked yet."""
    attempts = sys.modules.get("lk_notebook.net.attempts")  # brings httpx and aiohttp: a list needs neither
    asker = attempts.existing() if attempts else None
    return asker.board if asker else None


def grid(near: Sequence[str], now: float) -> Grid:
    """All accounts, those that could be set up included; `near` are servers found on this machine."""
    known = board() or Board()
    rows = [*(_kind(name, known, now) for name in NEEDS), *_addresses(near, known, now)]
    lines = [[Cell(text, dim=dim) for text in row] for row, dim in rows]
    return Grid(f"Without -a: {_first()}", HEADS, lines, folding={1: 150, 3: 150, 4: 200})


def _first() -> str:
    """Who is asked where nobody is named."""
    try:
        there = accounts.accounts(GIVEN.getenv)
    except LkError as error:
        return error.what
    if half := accounts.half_livekit(GIVEN.getenv):
        return f"nobody, as {half} is not set"
    if not there:
        return f"the built-in {local.standing(GIVEN.getenv).model or 'demo'}"
    return "livekit" if there[0].kind == "livekit" else f"the best of {', '.join(account.name for account in there)}"


def _kind(name: str, known: Board, now: float) -> tuple[tuple[str, ...], bool]:
    """The row of one kind of account, and whether nothing is there."""
    try:
        return _row(accounts.named(name, GIVEN.getenv), known, now), False
    except ConfigurationError as error:
        lacks = missing(name)
        if not lacks:
            return (name, ", ".join(variables(name)), UNKNOWN, "cannot be used", error.what), False
        there = [variable for variable in variables(name) if variable not in lacks]
        health = f"needs {' and '.join(lacks)}"
        return (name, GIVEN.told(there) or UNKNOWN, UNKNOWN, health, UNKNOWN), not there


def _row(account: Account, known: Board, now: float) -> tuple[str, ...]:
    health, error = known.condition(account, now)
    host = urlsplit(account.url).netloc
    return (account.name, GIVEN.told(account.found), host, health or "not asked yet", error or UNKNOWN)


def _addresses(near: Sequence[str], known: Board, now: float) -> Iterator[tuple[tuple[str, ...], bool]]:
    for account in GIVEN.addresses.values():
        yield _row(account, known, now), False
    for name in near:
        _, _, host, _, error = _row(accounts.named(name, GIVEN.getenv), known, now)
        yield (name, "its port", host, f"found; asked only by -a {name}", error), False


def tested(there: Sequence[Account]) -> list[str]:
    """One cheap request to each, all at once: a token of an answer where a model is known, else its list of models."""
    from lk_notebook.net.listing import models_of_all  # noqa: PLC0415 - brings httpx and aiohttp

    replies = {account.name: reply for account in there if (reply := _token(account))}
    lists = loop.wait(models_of_all([account for account in there if account.name not in replies]))
    told = {name: _of_reply(reply) for name, reply in replies.items()}
    told |= {name: _of_list(said) for name, said in lists.items()}
    return [f"{account.name} {told[account.name]}" for account in there]


def _token(account: Account) -> Reply | None:
    """Asks for one token; None where nobody but the server knows a model."""
    if account.kind == "url" or (account.kind == "azure" and not account.deployments):
        return None
    model, one = next(iter(account.deployments), None), {"max_completion_tokens": 1}
    return LLM(model, account=account.name, extra_kwargs=one, timeout=_TEST_SECONDS, max_retries=0)("hi")


def _of_reply(reply: Reply) -> str:
    if reply.wait().error is None:
        return f"works: {reply.model} answered after {reply.duration:.2f} s."
    return _line(reply.error)


def _of_list(said: list[str] | LkError) -> str:
    return _line(said) if isinstance(said, LkError) else f"works: it lists {len(said)} model{'s' * (len(said) != 1)}."


def _line(error: LkError | None) -> str:
    return f"fails: {' '.join(str(error).split())}"
