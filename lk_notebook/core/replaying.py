"""What a tape answers to a request, and what is said where it lacks one.

Several answers to one request are played in the order in which they were recorded, then the last one again: a cell
that is run once more works, and a try that failed before it went well does not come back. An answer that was stopped
is played only where the tape has no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from lk_notebook.core import local, routing, tape
from lk_notebook.core.chats import text_of
from lk_notebook.core.routing import Route
from lk_notebook.core.tape import Asked, Take, Tape
from lk_notebook.core.values import Account, Setup
from lk_notebook.errors import ConfigurationError, ReplayError, one_line

#: The scheme of an account that stands for whoever was recorded; a named one stands for itself alone.
ANYBODY = "tape"
_NOWHERE = "http://tape.invalid/v1"
_LIVEKIT = Asked("livekit", "livekit", _NOWHERE)
_VENDORS = ("livekit", "openai", "azure", "groq", "baseten", "cerebras")
_NO_CHOICE = ("demo", "local", "url")
_COMPARED = 1000  # characters of a prompt
_LOOKED_AT = 50  # calls whose prompts are as near
_SHOWN = 60


@dataclass(slots=True)
class Replayed:
    """What a replayed answer says of its recording; `at` is the time of what came last, in seconds from the sending."""

    asked: Asked
    provider: str | None
    note: str  # for the footer
    figures: bool  # whether times and tokens measure anything
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request that looks for its answer; `account` is the one that was named."""

    model: str
    request: Mapping[str, Any]
    provider: str | None = None
    account: str | None = None

    @property
    def key(self) -> str:
        """As the tape has it."""
        return tape.key(self.model, self.request)


class Replay:
    """A tape that is played."""

    def __init__(self, played: Tape) -> None:
        self.tape = played
        self._by_key: dict[str, list[Take]] = {}
        for take in played.takes:
            self._by_key.setdefault(take.key, []).append(take)
        self._counts: dict[tuple[str, str | None, str | None], int] = {}
        self._words: list[frozenset[str]] | None = None

    def next(self, wanted: Wanted) -> Take:
        """The next answer to this request.

        Raises:
            ReplayError: the tape has none; the error names the nearest recorded request.
        """
        fitting = [take for take in self._by_key.get(wanted.key, ()) if not _misfit(take, wanted)]
        fitting = [take for take in fitting if take.end != "stopped"] or fitting
        if not fitting:
            raise self._lacks(wanted)
        place = (wanted.key, wanted.provider, wanted.account)
        count = self._counts.get(place, 0)
        self._counts[place] = count + 1
        return fitting[min(count, len(fitting) - 1)]

    def told(self, take: Take) -> Replayed:
        """What the reply says of the recording."""
        head = self.tape.head
        note = f"recorded {take.day}" + (f": {one_line(head.made_by, 120)}" if head.made_by else "")
        return Replayed(take.account, take.provider, note, head.figures)

    def route(self, setup: Setup, named: Account | None) -> Route:
        """Who is asked by the tape: those that were asked when it was recorded, by the same rules, without a key.

        Raises:
            ConfigurationError: the model is unknown, as it would be without a tape.
        """
        if (built_in := self._local(setup, named)) is not None:
            found = built_in
        elif named is not None:
            found = routing.route(setup, [], named=named)
        else:
            try:
                found = routing.route(setup, self._accounts(setup))
            except ConfigurationError:  # none of them serves it, or its name is none: the second says which
                found = routing.route(setup, [_account(_LIVEKIT)])
        scheme = ANYBODY if named is None else "none"
        bare = (
            replace(each, key=None, secret=None, headers={}, scheme=scheme, priced=False) for each in found.accounts
        )
        return replace(found, accounts=tuple(bare), fixed=True)

    def account(self, name: str) -> Account:
        """The account of this name, as it was recorded; of any other name too, so that what it lacks is told."""
        if name == local.LOCAL.name:
            return local.LOCAL
        found = next((take.account for take in self.tape.takes if take.account.name == name), None)
        return _account(found or Asked(name, name if name in _VENDORS else "url", _NOWHERE))

    def _local(self, setup: Setup, named: Account | None) -> Route | None:
        """The local model, where that is meant, though it may not be on this machine."""
        there = next((take.model for take in self.tape.takes if take.account.kind == "local"), None)
        nobody = named is None and there is not None and not self._accounts(setup) and setup.model is None
        if nobody or (named.kind == "local" if named else routing.is_local(setup.model)):
            return Route(there or local.MODEL, None, (local.LOCAL,))
        return None

    def _accounts(self, setup: Setup) -> list[Account]:
        """All that were asked; the built-in ones and those at an address answer only where they are meant."""
        there = dict.fromkeys(take.account for take in self.tape.takes if take.account.kind not in _NO_CHOICE)
        found = list({asked.name: _account(asked) for asked in there}.values())
        return found if found or not (setup.model or setup.provider) else [_account(_LIVEKIT)]

    def _lacks(self, wanted: Wanted) -> ReplayError:
        what = f"{self.tape.name} has no answer to “{_shown(prompt_of(wanted.request))}” ({wanted.model})."
        nearest = self._nearest(wanted)
        if nearest is None:
            return ReplayError(
                f"{self.tape.name} is empty: it has no answer to anything.", "Record it: %lkrecord FILE."
            )
        told = "; ".join(_differences(nearest, wanted))
        shown = f"Nearest on it: “{_shown(prompt_of(nearest.request))}” ({nearest.model})."
        return ReplayError(what, f"{shown} Differs: {told}." if told else shown)

    def _nearest(self, wanted: Wanted) -> Take | None:
        """The call whose prompt has most words in common, and of those the one that differs least otherwise."""
        if self._words is None:
            self._words = [_words(take.request) for take in self.tape.takes]
        here = _words(wanted.request)
        scores = [len(here & there) / (len(here | there) or 1) for there in self._words]
        best = max(scores, default=0.0)
        near = [take for take, score in zip(self.tape.takes, scores, strict=True) if score == best][:_LOOKED_AT]
        return min(near, key=lambda take: sum(1 for _ in _differences(take, wanted)), default=None)


def _misfit(take: Take, wanted: Wanted) -> str:
    """What keeps a call from answering, though its key is the same; "" where nothing does."""
    if wanted.account is not None and wanted.account != take.account.name:
        return f"account: {take.account.name} there, {wanted.account} here"
    of = (take.provider,) if wanted.provider is None else (take.provider, take.account.kind, take.account.name)
    if wanted.provider not in of:
        return f"provider: {take.provider or 'none'} there, {wanted.provider or 'none'} here"
    return ""


def _differences(take: Take, wanted: Wanted) -> Iterator[str]:
    """How a recorded request differs from one that looks for its answer, what the user can mend first."""
    there, here = take.request, wanted.request
    if take.model != wanted.model:
        yield f"model: {take.model} there"
    if misfit := _misfit(take, wanted):
        yield misfit
    yield from _in_history(there.get("messages") or [], here.get("messages") or [])
    for name in sorted({*there, *here} - {"messages"}):
        if there.get(name) != here.get(name):
            yield f"{name}: {_value(there, name)} there, {_value(here, name)} here"


def _in_history(there: list[dict[str, Any]], here: list[dict[str, Any]]) -> Iterator[str]:
    """How the messages around the prompt differ."""
    (systems, others), (own_systems, own_others) = _apart(there), _apart(here)
    if systems != own_systems:
        yield "the system prompt differs"
    if len(others) != len(own_others):
        turns, own = (sum(m.get("role") == "user" for m in each) - 1 for each in (others, own_others))
        yield f"turns before it: {turns} there, {own} here; run the cells above it first, or start anew with -n"
    elif [m for m in others if m != _last(others)] != [m for m in own_others if m != _last(own_others)]:
        yield "the turns before it differ; run the cells above it again, or start anew with -n"
    elif _pictures(_last(others)) != _pictures(_last(own_others)):
        yield "the picture differs"


def _apart(messages: list[dict[str, Any]]) -> tuple[list[Any], list[dict[str, Any]]]:
    roles = ("system", "developer")
    return [m for m in messages if m.get("role") in roles], [m for m in messages if m.get("role") not in roles]


def _last(messages: list[dict[str, Any]]) -> dict[str, Any]:
    """The last message of the user."""
    return next((m for m in reversed(messages) if m.get("role") == "user"), {})


def _pictures(message: Mapping[str, Any]) -> list[Any]:
    content = message.get("content")
    return [part for part in content if part.get("type") != "text"] if isinstance(content, list) else []


def prompt_of(request: Mapping[str, Any]) -> str:
    """The last thing the user said; of a request that is no question, its path."""
    return text_of(_last(request.get("messages") or [])) or str(request.get("path", ""))


def _words(request: Mapping[str, Any]) -> frozenset[str]:
    """A prompt's words: thousands of rows may miss, so each look must be quick."""
    return frozenset(prompt_of(request)[:_COMPARED].casefold().split())


def _value(request: Mapping[str, Any], name: str) -> str:
    return one_line(repr(request[name]), 40) if name in request else "none"


def _shown(text: str) -> str:
    return one_line(text, _SHOWN)


def _account(asked: Asked) -> Account:
    return Account(asked.name, asked.kind, asked.url, found=asked.found, priced=asked.priced, scheme="none")
