"""What Tab offers on the line of a magic: models, providers, options, parameters, values, names of the notebook.

Nothing is offered that the line would refuse, or that LiveKit's rules leave out for the model. All facts are passed in.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from lk_notebook.core import catalogue, listing, local, taken
from lk_notebook.core.routing import DEFAULT_MODEL, DEMO_MODEL
from lk_notebook.core.values import Account, Setup

_PAIR = re.compile(r"([^\W\d]\w*)=(?!=)(.*)", re.DOTALL)
#: LiveKit says it serves these no longer; an account of one's own may.
_GONE = ("retired", "removed")
_PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".avif", ".svg")
_ENDINGS = {"file": (".json",), "program": (".py", ".mjs", ".ts"), "tape": (".jsonl",)}
_LIST = "list["


class Option(Protocol):
    """A row of a magic's table of options."""

    @property
    def names(self) -> tuple[str, ...]:
        """As they are written: -p, --provider."""

    @property
    def field(self) -> str:
        """What it fills."""

    @property
    def takes(self) -> bool:
        """Whether a value follows."""

    @property
    def many(self) -> bool:
        """Whether it may come again."""


@dataclass(frozen=True, slots=True)
class Magic:
    """What may stand on the line of a magic."""

    options: Sequence[Option] = ()
    models: int = 0  # so many may be named
    prompt: bool = False  # from the first other word on, the line is a prompt
    words: Sequence[str] = ()  # the first word is one of these; models, if any, come behind it
    again: bool = False  # and so is each further one
    first: str = ""  # in place of models: the first word is a value of this field
    then: Mapping[str, Sequence[str]] = field(default_factory=dict)  # first word -> what the further ones are: fields
    choices: Mapping[str, Sequence[str]] = field(default_factory=dict)  # field of an option -> its values


@dataclass(frozen=True, slots=True)
class Known:
    """What there is to choose from; each in the order in which it is offered."""

    models: Sequence[str] = ()
    aliases: Mapping[str, Setup] = field(default_factory=dict)
    default: Setup = field(default_factory=Setup)
    accounts: Sequence[Account] = ()
    account_names: Sequence[str] = ()
    chats: Sequence[str] = ()
    sessions: Sequence[str] = ()  # of agents, by the variables that hold them
    variables: Sequence[str] = ()
    pictures: Sequence[str] = ()  # variables that hold an image
    functions: Sequence[str] = ()
    types: Sequence[str] = ()
    files: Callable[[str], Iterable[str]] = field(default=lambda _start: ())  # paths that start so; folders end in /


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What would stand in place of the fragment, and what it is."""

    text: str
    kind: str


def in_order(recent: Iterable[str], accounts: Sequence[Account], here: str | None = None) -> tuple[str, ...]:
    """The models as they are offered: the latest used, then those that the accounts reach, then the rest.

    `here` is the local model, where there is one.

    Example:
        >>> in_order(["acme/new"], [Account("groq", "groq", "https://api.groq.com")])[:2]
        ('acme/new', 'openai/gpt-oss-120b')
    """
    reached = [row.model for row in listing.rows(accounts) if row.accounts]
    mapped = [name for account in accounts for name in account.deployments if catalogue.find(name) is None]
    served = (model for model in catalogue.models() if not model.livekit_status.startswith(_GONE))
    rest = [model.id for model in served if not model.id.startswith(local.PREFIX)]
    built_in = (*([here] if here else []), DEMO_MODEL)
    return tuple(dict.fromkeys((*recent, *(() if accounts else built_in), *reached, *mapped, *rest, *built_in)))


@dataclass(slots=True)
class _Line:
    """What stands before the fragment, and who may tell what goes on."""

    magic: Magic
    known: Known
    words: list[str] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)
    pairs: dict[str, str] = field(default_factory=dict)
    awaiting: str | None = None  # the field whose value comes next
    chosen: str = ""  # of the magic's words, where models come behind it

    def take(self, piece: str) -> None:
        """One more piece of the line."""
        if self.awaiting is not None:
            self.fields[self.awaiting], self.awaiting = piece, None
        elif option := self.option(piece):
            _, given, value = piece.partition("=")
            self.fields[option.field] = value
            self.awaiting = option.field if option.takes and not given else None
        elif pair := _PAIR.fullmatch(piece):
            self.pairs[pair[1]] = pair[2]
        elif self.lacks_word:
            self.chosen = piece
        else:
            self.words.append(piece)

    def option(self, piece: str) -> Option | None:
        """The option that a piece names."""
        name = piece.partition("=")[0]
        return next((option for option in self.magic.options if name in option.names), None)

    @property
    def is_prompt(self) -> bool:
        """Whether the prompt of a line magic has begun."""
        if not self.magic.prompt or not self.words:
            return False
        model = self.words[0].rpartition("@")[0] or self.words[0]
        named = "/" in model or model in self.known.aliases or model in self.known.models or catalogue.find(model)
        return len(self.words) > 1 or not (named or "://" in self.fields.get("account", ""))

    @property
    def lacks_word(self) -> bool:
        """Whether one of the magic's words comes before any model."""
        return bool(self.magic.models and self.magic.words and not self.chosen)

    @property
    def is_full(self) -> bool:
        """Whether no further model may be named."""
        return len(self.words) >= self.magic.models

    def setups(self) -> list[Setup]:
        """The models that the parameters are for, each with those that it brings."""
        return [self._setup(word) for word in self.words[: self.magic.models]] or [self._default()]

    def _setup(self, word: str) -> Setup:
        model = word.rpartition("@")[0] or word
        alias, found = self.known.aliases.get(model), catalogue.find(model)
        return alias or Setup(found.id if found else model)

    def _default(self) -> Setup:
        model = DEFAULT_MODEL if self.known.accounts else DEMO_MODEL
        return self.known.default if self.known.default.model else Setup(model)


def suggest(pieces: Sequence[str], magic: Magic, known: Known) -> tuple[str, list[Suggestion]]:
    """The fragment before the cursor, and what may stand in its place.

    Example:
        >>> fragment, found = suggest(["gpt-5-mini", "reasoning_effort=m"], Magic(models=1), Known())
        >>> fragment, [each.text for each in found]
        ('m', ['minimal', 'medium'])

    Args:
        pieces: the line up to the cursor, cut at its blanks; the last one is not finished, "" behind a blank.
        magic: what its line may hold.
        known: what there is to choose from.
    """
    line, last = _Line(magic, known), pieces[-1]
    for piece in pieces[:-1]:
        line.take(piece)
    if line.is_prompt:
        return "", []
    if line.awaiting is not None:
        return _in_field(line, line.awaiting, last)
    if last.startswith("-"):
        return _in_option(line, last)
    if magic.models and (pair := _PAIR.fullmatch(last)):
        return pair[2], _starting(
            pair[2], taken.values(pair[1], line.setups(), line.pairs, tools=_tools(line)), "value"
        )
    if not line.is_full and "@" in last:
        model, _, start = last.rpartition("@")
        return start, _starting(start, _providers([model], known), "provider")
    found = [*_words(line, last), *_names(line, last), *(() if last else _options(line, "--"))]
    return last, found


def _starting(start: str, all_: Iterable[str], kind: str) -> list[Suggestion]:
    """Those that start so, each once."""
    fold = start.casefold()
    return [Suggestion(text, kind) for text in dict.fromkeys(all_) if text.casefold().startswith(fold)]


def _words(line: _Line, last: str) -> list[Suggestion]:
    """Models, filters, verbs: what is neither an option nor a parameter."""
    magic, at = line.magic, len(line.words)
    if magic.models and not line.lacks_word:
        return [] if line.is_full else [*_starting(last, line.known.aliases, "alias"), *_models(line, last)]
    if not at and magic.first:
        return _in_field(line, magic.first, last)[1]
    if not at or magic.again:
        return _starting(last, (word for word in magic.words if word not in line.words), "word")
    fields = magic.then.get(line.words[0], ())
    return _in_field(line, fields[at - 1], last)[1] if at <= len(fields) else []


def _models(line: _Line, last: str) -> list[Suggestion]:
    """Ids in full; by their part after the slash where that is what was begun, and no other model has it."""
    fold, found = last.casefold(), []
    for model in _served(line):
        short = model.rsplit("/", 1)[-1]
        if model.casefold().startswith(fold):
            found.append(model)
        elif short.casefold().startswith(fold):
            found.append(short if catalogue.find(short) else model)
    return [Suggestion(model, "model") for model in dict.fromkeys(found)]


def _served(line: _Line) -> Iterator[str]:
    """The models, but for those known not to be served by whom the line has named already."""
    provider, account = line.fields.get("provider"), line.fields.get("account", "")
    for model in line.known.models:
        if catalogue.serves(model, account) and (provider is None or provider in _providers([model], line.known)):
            yield model


def _providers(models: Sequence[str], known: Known) -> list[str]:
    """Who is known to serve one of these models; those that the accounts reach first. Of a model unknown: all."""
    named = [known.aliases[model].model if model in known.aliases else model for model in models]
    found = [model for name in named if name and (model := catalogue.find(name))] or catalogue.models()
    gateway = any(account.kind == "livekit" for account in known.accounts)
    kinds = {account.kind for account in known.accounts}
    on_livekit = list(dict.fromkeys(provider for model in found for provider in model.providers))
    own = [kind for model in found for kind in model.own_ids or ()]
    reached = on_livekit if gateway else [kind for kind in own if kind in kinds]
    return list(dict.fromkeys((*reached, *on_livekit, *own)))


def _tools(line: _Line) -> bool:
    return "tools" in line.fields


def _names(line: _Line, last: str) -> list[Suggestion]:
    """KEY= of what the model takes, where the model stands there or a name was begun."""
    if not line.magic.models or line.lacks_word or not (last or line.words):
        return []
    names = taken.names(line.setups(), line.pairs, tools=_tools(line), all_=bool(last))
    return _starting(last, (f"{name}=" for name in names), "parameter")


def _options(line: _Line, start: str) -> list[Suggestion]:
    """Those not given yet, or that may come again."""
    free = (option for option in line.magic.options if option.many or option.field not in line.fields)
    return _starting(start, itertools.chain.from_iterable(option.names for option in free), "option")


def _in_option(line: _Line, last: str) -> tuple[str, list[Suggestion]]:
    """The name of an option, or its value behind the =."""
    name, given, value = last.partition("=")
    option = line.option(name) if given else None
    return _in_field(line, option.field, value) if option else (last, _options(line, last))


def _in_field(line: _Line, name: str, start: str) -> tuple[str, list[Suggestion]]:
    """The fragment of an option's value, and what it may become."""
    known = line.known
    if name == "tools":
        return _in_list(start, known.functions)
    if name == "schema" and start.startswith(_LIST):
        start = start.removeprefix(_LIST).lstrip()
        return start, _starting(start, (f"{each}]" for each in known.types), "class")
    if name == "images":
        files = (each for each in known.files(start) if each.casefold().endswith(("/", *_PICTURES)))
        return start, [*_starting(start, known.pictures, "variable"), *_paths(files)]
    if name in _ENDINGS:
        return start, _paths(each for each in known.files(start) if each.casefold().endswith(("/", *_ENDINGS[name])))
    if name == "provider":
        models = line.words[: line.magic.models] or [known.default.model or ""]
        return start, _starting(start, _providers(models, known), "provider")
    all_: Mapping[str, tuple[Iterable[str], str]] = {
        "account": ((*(account.name for account in known.accounts), *known.account_names), "account"),
        "chat": (known.chats, "chat"),
        "keep": (known.sessions, "variable"),
        "output": (known.variables, "variable"),
        "schema": ((*known.types, *([_LIST] if known.types else [])), "class"),
        "alias": (known.aliases, "alias"),
    }
    return start, _starting(start, *all_.get(name, (line.magic.choices.get(name, ()), "value")))


def _in_list(start: str, all_: Iterable[str]) -> tuple[str, list[Suggestion]]:
    """One more name behind the last comma."""
    *before, last = start.split(",")
    return last, _starting(last, (name for name in all_ if name not in before), "function")


def _paths(all_: Iterable[str]) -> list[Suggestion]:
    """Paths; in quotes where a blank would end them."""
    return [Suggestion(f'"{path}"' if re.search(r"\s", path) else path, "file") for path in all_]
