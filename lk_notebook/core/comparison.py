"""Several answers to one prompt: the table of their figures, and the tally of the votes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lk_notebook.core.figures import count, dollars, seconds, short
from lk_notebook.core.grid import UNKNOWN, Cell, Grid
from lk_notebook.core.values import Usage

#: How many models one comparison takes.
LEAST, MOST = 2, 8
HEADS = ("Model", "First token", "Speed", "Tokens in → out", "Cost")


@dataclass(frozen=True, slots=True)
class Figures:
    """What is known of one answer; None is unknown."""

    name: str
    failed: bool = False
    ttft: float | None = None
    tokens_per_second: float | None = None
    usage: Usage | None = None
    cost: float | None = None


def names(asked: Sequence[str]) -> list[str]:
    """The names of the columns: what is asked twice is told apart by a number.

    Example:
        >>> names(["openai/gpt-4o", "openai/gpt-4o@azure", "openai/gpt-4o"])
        ['openai/gpt-4o (1)', 'openai/gpt-4o@azure', 'openai/gpt-4o (2)']
    """
    seen: Counter[str] = Counter()
    found = []
    for name in asked:
        seen[name] += 1
        found.append(f"{name} ({seen[name]})" if asked.count(name) > 1 else name)
    return found


def figures(rows: Sequence[Figures], *, ended: bool = True) -> Grid:
    """The table. Once all have ended, the best value of a column is bold where one answer alone has it.

    Example:
        >>> grid = figures([Figures("a", ttft=0.2), Figures("b", ttft=0.4)])
        >>> [(row[1].text, row[1].bold) for row in grid.rows if row[1]]
        [('0.20 s', True), ('0.40 s', False)]
    """
    told: list[list[str]] = []
    best: list[str | None] = []
    for value, words, better in _COLUMNS:
        there = [None if row.failed else value(row) for row in rows]
        told.append([UNKNOWN if one is None else words(one) for one in there])
        best.append(_best(there, words, better) if better and ended else None)
    failed = [Cell("failed", columns=len(_COLUMNS)), *[None] * (len(_COLUMNS) - 1)]
    lines: list[list[Cell | None]] = []
    for i, row in enumerate(rows):
        cells = [Cell(words[i], bold=words[i] == top) for words, top in zip(told, best, strict=True)]
        lines.append([Cell(row.name), *(failed if row.failed else cells)])
    return Grid(f"{len(rows)} answers to one prompt", HEADS, lines, frozenset(range(1, len(HEADS))))


def _best(values: Sequence[Any], words: Callable[[Any], str], better: Callable[[Sequence[Any]], Any]) -> str | None:
    """The best value in words, where it is that of one answer among several."""
    known = [value for value in values if value is not None]
    if len(known) < 2:
        return None
    best = words(better(known))
    return best if [words(value) for value in known].count(best) == 1 else None


def _tokens(usage: Usage) -> str:
    parts = ((usage.cached_tokens, "cached"), (usage.reasoning_tokens, "reasoning"))
    aside = ", ".join(f"{count(tokens)} {name}" for tokens, name in parts if tokens)
    shown = f"{count(usage.prompt_tokens)} → {count(usage.completion_tokens)}"
    return f"{shown} ({aside})" if aside else shown


#: For each column of figures: its value, its words, and what is better; more or fewer tokens are neither.
_COLUMNS: tuple[tuple[Callable[[Figures], Any], Callable[[Any], str], Callable[[Sequence[Any]], Any] | None], ...] = (
    (lambda row: row.ttft, seconds, min),
    (lambda row: row.tokens_per_second, lambda speed: f"{short(speed)} tok/s", max),
    (lambda row: row.usage, _tokens, None),
    (lambda row: row.cost, dollars, min),
)


def tally(votes: Sequence[Mapping[str, Any]]) -> Grid:
    """How often each model won, tied and was compared; the one with the most wins first.

    Example:
        >>> grid = tally([{"prompt": "hi", "models": ["a", "b"], "chosen": "b"}])
        >>> [[cell.text for cell in row if cell] for row in grid.rows]
        [['b', '1', '0', '1'], ['a', '0', '0', '1']]
    """
    wins: Counter[str] = Counter(vote["chosen"] for vote in votes if vote["chosen"])
    ties: Counter[str] = Counter(model for vote in votes if not vote["chosen"] for model in vote["models"])
    all_: Counter[str] = Counter(model for vote in votes for model in vote["models"])
    order = sorted(all_, key=lambda model: (-wins[model], -ties[model], model))
    rows = [[Cell(model), *(Cell(count(each[model])) for each in (wins, ties, all_))] for model in order]
    said = f"{count(len(votes))} {'vote' if len(votes) == 1 else 'votes'}"
    return Grid(said, ("Model", "Wins", "Ties", "Comparisons"), rows, frozenset({1, 2, 3}))
