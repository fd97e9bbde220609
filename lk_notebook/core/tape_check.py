"""Whether a tape is whole and holds no key; tapes put together; a tape as a table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from lk_notebook.core import scrubbing, tape
from lk_notebook.core.figures import count, seconds
from lk_notebook.core.grid import UNKNOWN, Cell, Grid
from lk_notebook.core.replaying import prompt_of
from lk_notebook.core.stream import Decoder
from lk_notebook.core.tape import Head, Take, Tape
from lk_notebook.errors import ConfigurationError, one_line

#: What keys look like, by who gives them out.
_KEYS = (
    ("a key of OpenAI or Anthropic", r"\bsk-[A-Za-z0-9_-]{16,}"),
    ("a key of Groq", r"\bgsk_[A-Za-z0-9]{16,}"),
    ("a key of Cerebras", r"\bcsk-[a-z0-9]{16,}"),
    ("a key of LiveKit", r"\bAPI[A-Za-z0-9]{11,}\b"),
    ("a key of Google", r"\bAIza[A-Za-z0-9_-]{30,}"),
    ("a key of AWS", r"\bAKIA[A-Z0-9]{16}\b"),
    ("a token of GitHub", r"\bgh[pousr]_[A-Za-z0-9]{30,}"),
    ("a token of Hugging Face", r"\bhf_[A-Za-z0-9]{30,}"),
    ("a token of Slack", r"\bxox[abpr]-[A-Za-z0-9-]{10,}"),
    ("a JSON web token", r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}"),
    ("a bearer token", r"(?i)\bbearer\s+[\w.~+/-]{20,}"),
    ("a private key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
)
_LOOKS_LIKE = tuple((name, re.compile(pattern)) for name, pattern in _KEYS)
_HEADS = ("", "Recorded", "Model", "Who", "Prompt", "Answer", "First", "End")
_SHOWN = 36


def faults(text: str, name: str) -> list[str]:
    """What is wrong with a tape, a line each: its form, its keys, what looks like a secret.

    Example:
        >>> faults("hello", "a.jsonl")
        ['a.jsonl is no tape of lk_notebook.']
    """
    lines = text.split("\n")
    try:
        tape.read_head(lines[0], name)
    except ConfigurationError as error:
        return [error.what]
    found = [] if not lines[-1] else [f"line {len(lines)} has no end: it was torn, and is left out"]
    for number, line in enumerate(lines[1:-1], 2):
        if line.strip():
            found += [f"line {number}: {fault}" for fault in _of_line(line)]
    return found


def merge(tapes: Sequence[Tape]) -> str:
    """The text of a tape with the calls of several, in their order; a call that stands there already is left out."""
    made_by = "; ".join(dict.fromkeys(each.head.made_by for each in tapes if each.head.made_by))
    head = Head("tape", made_by=made_by, figures=all(each.head.figures for each in tapes))
    calls = dict.fromkeys(tape.line(take) for each in tapes for take in each.takes)
    return "".join([tape.line(head), *calls])


def grid(shown: Tape) -> Grid:
    """A tape as a table, a row a call."""
    rows = [[Cell(str(i)), *map(Cell, _row(take))] for i, take in enumerate(shown.takes, 1)]
    made_by = f" · {one_line(shown.head.made_by)}" if shown.head.made_by else ""
    calls = f"{count(len(rows))} {'call' if len(rows) == 1 else 'calls'}"
    return Grid(f"{shown.name}: {calls}{made_by}", _HEADS, rows, figures=frozenset({0}))


def _of_line(line: str) -> Iterator[str]:
    try:
        take = tape.read_take(line)
    except ValueError as error:
        yield tape.first_fault(error)
        yield from _secrets([line])
        return
    if take.key != tape.key(take.model, take.request):
        yield "its key is not that of its request: it would never be found"
    times = [take.wait if take.status is not None else 0.0, *(at for at, _ in take.pieces), take.seconds]
    if times != sorted(times) or times[0] < 0:
        yield "its times do not follow one another"
    if (take.end == "failed") != (take.broken is not None) or (take.status is None and take.end != "failed"):
        yield f"it ended as {take.end}, and does not tell how"
    yield from _secrets([line, *scrubbing.texts(take.body), json.dumps(take.request, ensure_ascii=False)])


def _secrets(texts: Sequence[str]) -> Iterator[str]:
    """What looks like a secret, or is one that this process knows; never the secret itself."""
    if any(scrubbing.strike(text) != text for text in texts):
        yield "it holds a key that is known here"
    for name, pattern in _LOOKS_LIKE:
        if any(pattern.search(text) for text in texts):
            yield f"something in it looks like {name}"


def _row(take: Take) -> Iterator[str]:
    yield take.at[:16].replace("T", " ")
    yield take.model or UNKNOWN
    yield " · ".join(dict.fromkeys(filter(None, (take.provider, take.account.name))))
    yield one_line(prompt_of(take.request), _SHOWN)
    yield one_line(_answer(take), _SHOWN)
    yield seconds(take.pieces[0][0]) if take.pieces else UNKNOWN
    yield seconds(take.seconds) + (f" ({take.end})" if take.end != "done" else "")


def _answer(take: Take) -> str:
    """The text of an answer, the tools it calls, or why there is none."""
    if take.status is None or (take.broken is not None and not take.pieces):
        return f"no answer: {take.broken.kind}" if take.broken else "no answer"
    if take.status >= 300:
        return f"refused ({take.status})"
    decoder = Decoder(take.account.name, take.headers.get("content-type", ""))
    pieces = [*decoder.feed(take.body.encode("utf-8", "surrogateescape")), *decoder.end()]
    said = "".join(text for kind, text in pieces if kind != "reasoning")
    return said or ", ".join(f"calls {call.name}" for call in decoder.answer.tool_calls)
