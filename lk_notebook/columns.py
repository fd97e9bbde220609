"""Several replies to one prompt side by side, and the table of their figures; blind until the names are revealed."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lk_notebook.core import comparison, footer
from lk_notebook.core.comparison import Figures
from lk_notebook.core.grid import Grid, grid_html, grid_text
from lk_notebook.core.highlight import colours
from lk_notebook.core.text import clean, escape, plain
from lk_notebook.core.values import Setup, redact
from lk_notebook.errors import LkError
from lk_notebook.frames import frame
from lk_notebook.page import Message, Page, facts
from lk_notebook.reply import ENDED, Reply

_LINE = "var(--jp-border-color2,#e0e0e0)"
_BRAND = "var(--jp-brand-color1,#1976d2)"
_ROW = "display:flex;flex-wrap:wrap;gap:12px;margin:4px 0 8px"
_COLUMN = (  # side by side while all have 640 px, else one below the other
    "flex:1 1 max(170px,(640px - 100%)*999);min-width:0;box-sizing:border-box;overflow-wrap:break-word;"
    f"padding:8px 12px;border:1px solid {_LINE};border-radius:4px"
)
_HEAD = f"margin:0 0 8px;padding:0 0 4px;border-bottom:1px solid {_LINE};font-size:12px;overflow-wrap:anywhere"


@dataclass(frozen=True, slots=True)
class Column:
    """Who was asked, and the reply, or the error where nothing could be sent."""

    name: str  # tells it from the others, in votes and tables
    model: str
    asked: Reply | LkError
    alias: str | None = None
    number: str = ""  # tells apart what was asked twice

    @property
    def reply(self) -> Reply | None:
        """The reply, where one comes."""
        return self.asked if isinstance(self.asked, Reply) else None

    @property
    def error(self) -> LkError | None:
        """Why it failed."""
        return self.asked.error if isinstance(self.asked, Reply) else self.asked

    @property
    def facts(self) -> footer.Facts:
        """What is known of the answer."""
        return footer.Facts(self.model, state="failed") if self.reply is None else facts(self.reply)

    @property
    def title(self) -> str:
        """Model and provider."""
        known = self.facts
        parts = (self.alias, known.model, known.provider or known.served_by, known.account_note)
        return " · ".join(part for part in parts if part) + self.number


class Columns:
    """What is seen of a comparison, for `show.watch`."""

    #: What can be done with a column for which nothing could be sent.
    unsent: tuple[str, ...] = ()

    def __init__(self, columns: list[Column], *, blind: bool = False) -> None:
        self.columns, self.blind = columns, blind
        self.verdict = ""  # what came of the vote
        self.chosen: Column | None = None
        self._lettered = blind
        self._pages = [None if column.reply is None else Page(column.reply) for column in columns]
        self._seen: dict[str, Message] = {}  # as a view was last told

    @property
    def replies(self) -> list[Reply]:
        """The replies that come."""
        return [column.reply for column in self.columns if column.reply is not None]

    @property
    def numbered(self) -> list[Reply | None]:
        """The replies by column."""
        return [column.reply for column in self.columns]

    def news(self) -> bool:
        """Whether anything has changed since the last look."""
        return True in [page.news() for page in self._pages if page is not None]  # each remembers what it saw

    def frame(self) -> str:
        """The columns, empty: a view fills them, as `html` does."""
        articles = "".join(self._article(i, "", "", "") for i in range(len(self.columns)))
        return f'<div class="lk-compare" style="{_ROW}">{articles}</div><div data-at="below"></div>'

    def changes(self) -> list[Message]:
        """What a view must be told since the last call."""
        return [*self._told(anew=False), *self._around()]

    def anew(self) -> list[Message]:
        """What builds all of it in an empty frame."""
        self._seen = {}
        return [*self._told(anew=True), *self._around()]

    def html(self) -> str:
        """All columns, and their figures once it is told whose they are."""
        self._hide_thoughts()
        articles = [
            self._article(i, self._head(i), page.content() if page is not None else "", self._foot(i))
            for i, page in enumerate(self._pages)
        ]
        inside = "".join(articles)
        row = f'<div class="lk-compare" style="{_ROW};{colours(inside)}">{inside}</div>'
        return redact(f'{row}<div data-at="below">{self._under()}</div>')

    def bundle(self) -> dict[str, str]:
        """What stays in the file: the HTML, and the plain text beside it."""
        parts = [self._column_text(i) for i in range(len(self.columns))]
        if not self.blind:
            parts.append(self.revealed())
        return {"text/html": self.html(), "text/plain": redact("\n\n".join(parts))}

    def again(self, c: int, reply: Reply) -> Columns:
        """The same comparison with another reply in one column; the others stand as they are."""
        columns = [replace(column, asked=reply) if i == c else column for i, column in enumerate(self.columns)]
        return Columns(columns)

    @property
    def candidates(self) -> dict[str, Column]:
        """The columns that can be voted for, by their letters."""
        return {self.letter(i): column for i, column in enumerate(self.columns) if column.error is None}

    def choose(self, letter: str | None) -> dict[str, Any]:
        """The answer that is best, None for a tie; gives the vote as a session keeps it: models, chosen."""
        there = self.candidates
        self.chosen = None if letter is None else there[letter]
        self.verdict = f"You chose {letter}: {self.chosen.title}." if self.chosen else "A tie."
        return {"models": [column.name for column in there.values()], "chosen": self.chosen and self.chosen.name}

    def reveal(self) -> None:
        """Tells whose answers they are, from the next look on."""
        self.blind = False
        self.verdict = self.verdict or "No vote."

    def take(self, c: int, asked: Reply | LkError) -> None:
        """Another reply in the place of one; a view must have emptied that place."""
        self.columns[c] = replace(self.columns[c], asked=asked)
        self._pages[c] = Page(asked) if isinstance(asked, Reply) else None
        self._seen.pop(f"head{c}", None)
        self._seen.pop(f"foot{c}", None)

    def revealed(self) -> str:
        """What is told of the columns below them, as plain text."""
        return redact(clean("\n\n".join(filter(None, (self.verdict, grid_text(self._figures()))))))

    def letter(self, i: int) -> str:
        """What a column is called while nobody may know its name."""
        return chr(ord("A") + i)

    def _title(self, i: int) -> str:
        column = self.columns[i]
        if self.blind:
            return self.letter(i)
        chosen = " · chosen" if column is self.chosen else ""
        return f"{f'{self.letter(i)} · ' if self._lettered else ''}{column.title}{chosen}"

    def _below(self, column: Column) -> footer.Facts:
        """What stands below an answer: how it ended, and notes; all else stands in its head and in the table."""
        known = column.facts
        told = footer.Facts(state=known.state, finish_reason=known.finish_reason)
        if self.blind:
            return told
        shown = "done" if known.state == "failed" else known.state  # the error says it
        return replace(told, state=shown, ttft=None, notes=known.notes)

    def _article(self, i: int, head: str, content: str, foot: str) -> str:
        """One column; what it holds, or nothing of it yet."""
        edge = f";border-color:{_BRAND}" if self.columns[i] is self.chosen else ""
        return (
            f'<article aria-label="{plain(self._title(i))}" style="{_COLUMN}{edge}">'
            f'<div style="{_HEAD}" data-at="head{i}">{head}</div>'
            f'<div data-c="{i}">{content}</div><div data-foot="{i}">{foot}</div></article>'
        )

    def _head(self, i: int) -> str:
        reply = self.columns[i].reply
        ended = reply is None or reply.state in ENDED
        dot = "" if ended else f'<span style="color:{_BRAND}" aria-hidden="true">● </span>'
        return f"{dot}<strong>{escape(self._title(i))}</strong>"

    def _foot(self, i: int) -> str:
        column = self.columns[i]
        parts = []
        if footer.footer_text(below := self._below(column)):
            parts.append(footer.footer_html(below))
        if column.error is not None and not self.blind:
            parts.append(footer.error_html(str(column.error).splitlines()))
        return redact("".join(parts))

    def _under(self) -> str:
        verdict = f'<p style="margin:8px 0"><strong>{escape(self.verdict)}</strong></p>' if self.verdict else ""
        return redact(verdict + ("" if self.blind else grid_html(self._figures())))

    def _told(self, *, anew: bool) -> list[Message]:
        """What has changed within the columns; their feet are this comparison's own."""
        messages: list[Message] = []
        self._hide_thoughts()
        for i, page in enumerate(self._pages):
            if page is not None:
                told = page.anew(i) if anew else page.changes(i)
                messages += [message for message in told if message["t"] != "foot"]
            messages += self._new(f"foot{i}", self._foot_told(i))
        return messages

    def _foot_told(self, i: int) -> Message:
        """The foot of a column: nothing can be done there that would tell whose it is."""
        page = self._pages[i]
        acts = self.unsent if page is None else page.actions()
        shown = [act for act in acts if act == "stop" or not self.blind]
        return {"t": "foot", "c": i, "state": self.columns[i].facts.state, "h": self._foot(i), "acts": shown}

    def _hide_thoughts(self) -> None:
        """They would tell whose they are."""
        for page in self._pages:
            if page is not None:
                page.shows_thoughts = not self.blind

    def _around(self) -> list[Message]:
        """What has changed in the heads and below."""
        there = {**{f"head{i}": self._head(i) for i in range(len(self.columns))}, "below": self._under()}
        return [new for at, html in there.items() for new in self._new(at, {"t": "html", "at": at, "h": redact(html)})]

    def _new(self, at: str, message: Message) -> list[Message]:
        """The message, unless it was the last that was told there."""
        if self._seen.get(at) == message:
            return []
        self._seen[at] = message
        return [message]

    def _column_text(self, i: int) -> str:
        column, title = self.columns[i], clean(self._title(i))
        parts = [title, "-" * len(title)]
        if column.reply is not None:
            parts.append(clean(column.reply.text or column.reply.refusal))
        parts.append(footer.footer_text(self._below(column)))
        if column.error is not None and not self.blind:
            parts.append(str(column.error))
        return "\n".join(part for part in parts if part)

    def _figures(self) -> Grid:
        rows = []
        for i, column in enumerate(self.columns):
            known = column.facts
            failed = known.state in ("failed", "cut")
            rows.append(Figures(self._title(i), failed, known.ttft, known.tokens_per_second, known.usage, known.cost))
        return comparison.figures(rows, ended=all(reply.state in ENDED for reply in self.replies))


def columns(
    setups: Sequence[Setup], asked: Sequence[tuple[Setup, Reply | LkError]], aliases: Container[str]
) -> list[Column]:
    """A column for each setup as it was typed, with the name that tells it from the others."""
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


def table(columns: Sequence[Column], *, parsed: bool = False) -> Any:
    """The figures of all columns: a DataFrame where there is pandas."""
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
    return frame(rows, list(rows[0]))
