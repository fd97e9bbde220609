"""What stands around a reply: the footer, the error, the fold of the reasoning; as safe HTML and as plain text.

The styles use JupyterLab's colours with fallbacks. Where a sanitiser takes them away, words and order stay.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeGuard

from lk_notebook.core.figures import count, dollars, seconds, short
from lk_notebook.core.text import clean, escape
from lk_notebook.core.values import Usage

__all__ = ["Facts", "error_html", "event_html", "fold_html", "fold_tags", "footer_html", "footer_text"]

State = Literal["live", "waiting", "done", "stopped", "cut", "failed"]

_LONGEST = 200  # characters of one name; a server may send any
_ENDS: dict[str, str] = {"stopped": "Stopped", "cut": "Cut off", "failed": "Failed"}
_REASONS = {
    "length": "Stopped at max_completion_tokens",
    "content_filter": "Stopped by the content filter",
}
_DIM = "var(--jp-ui-font-color2,#616161)"
_WARN = "var(--jp-warn-color0,#e65100)"
_ERROR = "var(--jp-error-color1,#d32f2f)"
_LINE = "var(--jp-border-color2,#e0e0e0)"
_SMALL = "font-size:12px;line-height:1.5;overflow-wrap:anywhere"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a reply; None is unknown and not shown."""

    model: str | None = None
    provider: str | None = None
    account_note: str | None = None  # "built in · demo, not a language model"
    served_by: str | None = None  # the model id the server named, where it is another
    ttft: float | None = None  # seconds to the first token
    tokens_per_second: float | None = None
    usage: Usage | None = None
    cost: float | None = None  # USD
    turns: int | None = None  # turns remembered
    state: State = "done"
    finish_reason: str | None = None
    notes: tuple[str, ...] = ()


def footer_text(facts: Facts) -> str:
    """The footer as plain text; each note is a further line.

    Example:
        >>> footer_text(Facts("openai/gpt-5-mini", "openai", ttft=0.872, usage=Usage(1240, 297), cost=0.00052, turns=2))
        'openai/gpt-5-mini · openai · first token 0.87 s · 1 240 → 297 tokens · $0.00052 · 2 turns remembered'
    """
    end, *notes = _end(facts), *(_name(note, 2 * _LONGEST) for note in facts.notes)
    return "\n".join([" · ".join([*([end] if end else []), *_parts(facts)]), *notes])


def footer_html(facts: Facts) -> str:
    """The footer as HTML; no field of it is read as markup.

    Example:
        >>> footer_html(Facts("<b>", state="stopped")).count("<b>")
        0
    """
    end, parts = _end(facts), [escape(part) for part in _parts(facts)]
    if end:
        parts.insert(0, f'<strong style="color:{_WARN}">{escape(end)}</strong>')
    notes = "".join(f"<div>{escape(_name(note, 2 * _LONGEST))}</div>" for note in facts.notes)
    style = f"margin:8px 0 4px;color:{_DIM};{_SMALL}"
    return f'<div class="lk-footer" style="{style}"><div>{" · ".join(parts)}</div>{notes}</div>'


def error_html(lines: Sequence[str]) -> str:
    """An error as HTML: what happened in bold, then the mend, beside a red rule.

    Example:
        >>> "The key was refused (401)." in error_html(["The key was refused (401).", "Check LIVEKIT_API_KEY."])
        True
    """
    shown = [escape(line.strip()) for line in lines if line.strip()] or ["Failed"]
    first = f"<div><strong>{shown[0]}</strong></div>"
    rest = "".join(f"<div>{line}</div>" for line in shown[1:])
    style = f"margin:8px 0;padding:4px 12px;border-left:3px solid {_ERROR};overflow-wrap:anywhere"
    return f'<div class="lk-error" role="alert" style="{style}">{first}{rest}</div>'


def fold_html(title: str, text: str, *, open: bool = False) -> str:  # noqa: A002 - the name of the attribute
    """A fold, closed at first, with text that is shown as it is.

    Example:
        >>> fold_html("Thought for 1.4 s", "2 < 3").count("2 &lt; 3")
        1
    """
    before, after = fold_tags(title, open=open)
    return before + escape(text) + after


def fold_tags(title: str, *, open: bool = False) -> tuple[str, str]:  # noqa: A002 - as above
    """What stands before and after the text of a fold, which may grow: the text goes into the innermost element."""
    summary = f'<summary data-lk style="cursor:pointer;color:{_DIM};{_SMALL}">{escape(_name(title))}</summary>'
    style = f"padding:4px 0 0;white-space:pre-wrap;color:{_DIM};{_SMALL}"
    fold = f"margin:4px 0 8px;padding-left:8px;border-left:2px solid {_LINE}"
    box = f'<details class="lk-fold" style="{fold}"{" open" if open else ""}>{summary}'
    return f'{box}<div style="{style}">', "</div></details>"


def event_html(text: str) -> str:
    """What happened between two texts, on a line of its own.

    Example:
        >>> event_html("<b>").count("<b>")
        0
    """
    return f'<div class="lk-event" style="margin:4px 0 8px;color:{_DIM};{_SMALL}">{escape(_name(text))}</div>'


def _end(facts: Facts) -> str:
    """How the reply ended, where that was not its own end."""
    if facts.state == "done":
        return _REASONS.get(facts.finish_reason or "", "")
    return _ENDS.get(facts.state, "")


def _parts(facts: Facts) -> Iterator[str]:
    for name in (facts.model, facts.provider, facts.account_note):
        if name and (shown := _name(name)):
            yield shown
    if facts.served_by and facts.served_by != facts.model and (shown := _name(facts.served_by)):
        yield f"served by {shown}"
    if facts.state == "waiting" and facts.ttft is None:
        yield "waiting for the first token"
    if _is_known(facts.ttft):
        yield f"first token {seconds(facts.ttft)}"
    if _is_known(facts.tokens_per_second) and facts.tokens_per_second > 0:
        yield f"{short(facts.tokens_per_second)} tok/s"
    if facts.usage is not None and (tokens := _tokens(facts.usage)):
        yield tokens
    if _is_known(facts.cost):
        yield dollars(facts.cost)
    if facts.turns:
        yield f"{count(facts.turns)} {'turn' if facts.turns == 1 else 'turns'} remembered"


def _tokens(usage: Usage) -> str:
    """Tokens in and out, with the parts of them that were told apart."""
    of_these = [
        f"{count(tokens)} {name}"
        for tokens, name in ((usage.cached_tokens, "cached"), (usage.reasoning_tokens, "reasoning"))
        if tokens
    ]
    aside = f" ({', '.join(of_these)})" if of_these else ""
    if usage.prompt_tokens:
        return f"{count(usage.prompt_tokens)} → {count(usage.completion_tokens)} tokens{aside}"
    if usage.completion_tokens:
        return f"{count(usage.completion_tokens)} {'token' if usage.completion_tokens == 1 else 'tokens'} out{aside}"
    return ""


def _name(text: str, limit: int = _LONGEST) -> str:
    """A name from outside on one line."""
    text = " ".join(clean(text[: 2 * limit]).split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _is_known(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value) and value >= 0
