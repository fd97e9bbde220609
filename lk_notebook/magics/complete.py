"""Tab on the line of a magic: hears of it from IPython, and says what `core.suggestions` found. Nothing is sent."""

from __future__ import annotations

import functools
import inspect
import itertools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import TYPE_CHECKING, Any

from IPython.core.completer import CompletionContext, SimpleCompletion, context_matcher

from lk_notebook.core import catalogue, comparison
from lk_notebook.core.ledger import BY, Ledger
from lk_notebook.core.suggestions import Known, Magic, in_order, suggest
from lk_notebook.errors import ConfigurationError
from lk_notebook.magics import line as grammar
from lk_notebook.magics.accounts import ACCOUNT
from lk_notebook.magics.agent import AGENT, SESSIONS
from lk_notebook.magics.chat import CHAT, FORMATS
from lk_notebook.magics.compare import COMPARE
from lk_notebook.magics.export import EXPORT
from lk_notebook.magics.models import MODELS
from lk_notebook.magics.panel import MOST, PANEL
from lk_notebook.magics.settings import USE
from lk_notebook.magics.tape import RECORD, REPLAY, SPEEDS
from lk_notebook.magics.usage import USAGE
from lk_notebook.magics.words import SETUP
from lk_notebook.net import accounts, local
from lk_notebook.net.given import GIVEN

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from lk_notebook.core.values import Account
    from lk_notebook.session import Session

_LISTED = 2_000  # names of a folder that are looked at
_LATEST = 200  # replies that are looked at
_LINE = re.compile(r"\s*(%%?lk\w+)\s(.*)", re.DOTALL)
_OF_A_LIST = re.compile(r"(.*\s--schema)[\s=]\s*list\[\s*(\w*)", re.DOTALL)
#: What holds a picture: the package and the class, or one above it.
_PICTURES = {
    ("PIL", "Image"),
    ("matplotlib", "Artist"),
    ("numpy", "ndarray"),
    ("IPython", "Image"),
    ("pathlib", "Path"),
}


def _filters() -> tuple[str, ...]:
    """What `%lkmodels` is narrowed down by, but for free text."""
    every = catalogue.models()
    names = (name for model in every for name in (model.vendor.casefold(), *model.providers, *(model.own_ids or ())))
    return ("reach", "vision", "tools", "price<1", *dict.fromkeys(name for name in names if " " not in name))


_FORMATS = {"format": FORMATS}
#: What may stand on each line. For all models of a comparison, -p would name one provider: it is refused there.
MAGICS = {
    "%%lkchat": Magic(CHAT, models=1, choices=_FORMATS),
    "%lkchat": Magic(CHAT, models=1, prompt=True, choices=_FORMATS),
    "%%lkcompare": Magic([each for each in COMPARE if each.field != "provider"], models=comparison.MOST),
    "%%lkagent": Magic(AGENT, models=1),
    "%lkagent": Magic(SESSIONS),
    "%lkpanel": Magic(PANEL, models=MOST),
    "%lkuse": Magic(USE, models=1),
    "%lkroute": Magic(SETUP, models=1),
    "%lkexport": Magic(EXPORT, models=1, words=("python", "node")),
    "%lkaccount": Magic(ACCOUNT, words=[kind for kind in accounts.KINDS if kind not in accounts.BUILT_IN]),
    "%lkmodels": Magic(MODELS, words=_filters(), again=True),
    "%lkusage": Magic(USAGE, words=tuple(BY), choices={"budget": ("off",)}),
    "%lkrecord": Magic(RECORD, first="tape"),
    "%lkreplay": Magic(REPLAY, first="tape", choices={"speed": SPEEDS}),
    "%lkchats": Magic(
        words=("show", "rename", "delete", "save", "load", "list"),
        then={"show": ["chat"], "rename": ["chat"], "delete": ["chat"], "save": ["chat", "file"], "load": ["file"]},
    ),
}


class _Nothing:
    """No completion, where IPython would count none as a reason to ask the others.

    They read the line as Python: half a second and more, for magics, files and names that do not belong there.
    """

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[SimpleCompletion]:
        return iter(())


class Completion:
    """Answers Tab on the lines of our magics; everywhere else IPython goes on as ever."""

    def __init__(self, shell: InteractiveShell, session: Session, kept: Ledger) -> None:
        self._shell, self._session, self._kept = shell, session, kept

    def watch(self) -> None:
        """Begins to answer."""
        self._shell.Completer.custom_matchers.append(self.match)

    def leave(self) -> None:
        """Answers no more."""
        self._shell.Completer.custom_matchers.remove(self.match)

    @context_matcher(identifier="lk_notebook", priority=200)  # type: ignore[untyped-decorator]
    def match(self, context: CompletionContext) -> dict[str, Any]:
        """What fits at the cursor, and nothing else there; elsewhere the others answer."""
        line = _LINE.fullmatch(context.line_with_cursor[: context.cursor_position])
        if line is None or line[1] not in MAGICS or not _is_line(context, line[1]):
            return {"completions": []}
        if line[2].rfind("{{") > line[2].rfind("}}"):  # an expression: its names are IPython's to know
            return {"completions": []}
        typed = pieces(line[2])
        fragment, found = ("", []) if typed is None else suggest(typed, MAGICS[line[1]], self._known())
        return {
            "completions": [SimpleCompletion(text=each.text, type=each.kind) for each in found] or _Nothing(),
            "matched_fragment": fragment,
            "suppress": True,
            "ordered": True,
        }

    def _known(self) -> Known:
        """What there is at this moment."""
        session, there, names = self._session, _accounts(), _names(self._shell)
        return Known(
            models=in_order(self._recent(), there, local.standing(GIVEN.getenv).model),
            aliases=session.aliases,
            default=session.defaults,
            accounts=there,
            account_names=accounts.names(),
            chats=list(session.chats),
            sessions=list(session.talks),
            variables=names.variables,
            pictures=names.pictures,
            functions=names.functions,
            types=names.types,
            files=_files,
        )

    def _recent(self) -> Iterator[str]:
        """The model of the defaults, and those that answered, the latest first."""
        if self._session.defaults.model:
            yield self._session.defaults.model
        latest = itertools.islice(reversed(self._kept.entries), _LATEST)
        yield from (entry.model for entry in latest if entry.state != "failed")


def _is_line(context: CompletionContext, magic: str) -> bool:
    """Whether the magic stands where it is one: `%%` heads its cell, `%` is in no prompt."""
    lines = context.full_text.split("\n")
    first = next((i for i, text in enumerate(lines) if text.strip()), 0)
    if magic.startswith("%%"):
        return context.cursor_line == first
    return not lines[first].lstrip().startswith("%%lk")


def pieces(line: str) -> list[str] | None:
    """The line cut at its blanks, the last piece unfinished; None within quotes, brackets, `{{ }}`.

    Example:
        >>> pieces("gpt-4o seed="), pieces("gpt-4o "), pieces('gpt-4o -s "Answer as')
        (['gpt-4o', 'seed='], ['gpt-4o', ''], None)

    `--schema list[` is gone on with.
    """
    if of := _OF_A_LIST.fullmatch(f" {line}"):
        before = pieces(f"{of[1]} ")
        return before and [*before[:-1], f"list[{of[2]}"]
    try:
        found = grammar.tokens(line)
    except ConfigurationError:
        return None
    texts = [token.text for token in found]
    return texts if found and found[-1].end == len(line) else [*texts, ""]


def _accounts() -> list[Account]:
    """Those that are there; a faulty variable is told when something is asked, not at Tab."""
    try:
        return accounts.accounts(GIVEN.getenv)
    except ConfigurationError:
        return []


@dataclass(slots=True)
class _Names:
    """The names of the notebook by what they are good for."""

    variables: list[str] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)
    functions: list[str] = field(default_factory=list)
    types: list[str] = field(default_factory=list)


def _names(shell: InteractiveShell) -> _Names:
    """Those that the user made; what was defined in the notebook itself comes before what was imported."""
    found, hidden = _Names(), shell.user_ns_hidden
    own = [(name, each) for name, each in shell.user_ns.items() if not name.startswith("_") and name not in hidden]
    for name, each in sorted(own, key=lambda one: getattr(one[1], "__module__", None) != "__main__"):
        if isinstance(each, type):
            if _is_schema(each):
                found.types.append(name)
        elif inspect.isfunction(each) or inspect.ismethod(each) or isinstance(each, functools.partial):
            found.functions.append(name)
        elif not (inspect.isbuiltin(each) or isinstance(each, ModuleType)):
            found.variables.append(name)
            if any((above.__module__.partition(".")[0], above.__name__) in _PICTURES for above in type(each).__mro__):
                found.pictures.append(name)
    return found


def _is_schema(each: type) -> bool:
    """A dataclass, a TypedDict, or a pydantic model with fields."""
    marks = ("__dataclass_fields__", "__required_keys__", "__optional_keys__", "__pydantic_fields__")
    return any(bool(getattr(each, mark, None)) for mark in marks)


def _files(start: str) -> list[str]:
    """The paths that start so, as they were begun; folders with their /."""
    folder, slash, begun = start.rpartition("/")
    try:
        with os.scandir((folder + slash) or ".") as entries:
            there = [
                f"{folder}{slash}{entry.name}{'/' if entry.is_dir() else ''}"
                for entry in itertools.islice(entries, _LISTED)
                if entry.name.startswith(begun) and (begun or not entry.name.startswith("."))
            ]
    except OSError:
        return []
    return sorted(there)
