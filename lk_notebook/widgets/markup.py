"""The controls of a panel as HTML: `data-t` says what is sent when one is used, `data-c` for which column.

Each has a `name`, by which the view gives the focus back after it was drawn anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lk_notebook.core.text import plain
from lk_notebook.widgets.choices import Choice
from lk_notebook.widgets.form import Field

_LABELS = {"system": "System prompt", "others": "Other parameters"}
_NOTES = (
    "Prices: US dollars for a million tokens, as published.",
    "Enter without a choice uses it as typed.",
    "Not in the list. Enter uses it as typed.",
)


def _attributes(given: Mapping[str, Any]) -> str:
    """The attributes that are there; True stands alone, `_` in a name is a hyphen."""
    told = ((name.strip("_").replace("_", "-"), value) for name, value in given.items())
    return "".join(
        f" {name}" if value is True else f' {name}="{plain(str(value))}"'
        for name, value in told
        if value is not None and value is not False
    )


def button(label: str, t: str, cls: str = "", **more: Any) -> str:
    """A button.

    Example:
        >>> button("Run again", "again")
        '<button type="button" class="lk-button " name="again" data-t="again" data-lk="">Run again</button>'
    """
    given = {"name": t, "data_t": t, "data_lk": "", **more}
    return f'<button type="button" class="lk-button {cls}"{_attributes(given)}>{plain(label)}</button>'


def model_field(number: str, c: int, value: str) -> str:
    """The field of a model, whose list the view opens."""
    given = {
        "name": f"model{c}", "data_c": c, "value": value, "autocomplete": "off", "spellcheck": "false",
        "role": "combobox", "aria_autocomplete": "list", "aria_controls": f"{number}-models", "aria_expanded": "false",
    }  # fmt: skip
    return f'<label class="lk-pick"><span>Model</span><span class="lk-open"><input{_attributes(given)}></span></label>'


def choice(label: str, t: str, options: Sequence[tuple[str, str]], value: str, **more: Any) -> str:
    """A field of a few values, each with its words."""
    given = {"name": t, "data_t": t, **more}
    inside = _options(options, value)
    return f'<label class="lk-pick"><span>{plain(label)}</span><select{_attributes(given)}>{inside}</select></label>'


def pickers(number: str, typed: str, providers: Iterable[Choice], named: str | None, c: int = 0) -> str:
    """Model and provider of column c."""
    options = [(each.value, each.words) for each in providers]
    provider = choice("Provider", "provider", options, named or "", name=f"provider{c}", data_c=c)
    return model_field(number, c, typed) + provider


def check(label: str, t: str, *, on: bool) -> str:
    """A box to tick."""
    given = _attributes({"type": "checkbox", "name": t, "data_t": t, "checked": on})
    return f'<label class="lk-check"><input{given}>{plain(label)}</label>'


def model_lines(models: Iterable[Choice]) -> str:
    """The lines of the list of models: id, price, what stands in the way."""
    return "".join(
        f'<li role="option"{_attributes({"data_value": each.value, "class": each.aside and "lk-dim"})}>'
        + "".join(f"<span>{plain(part)}</span>" for part in (each.value, each.price, each.aside))
        + "</li>"
        for each in models
    )


def model_list(number: str) -> str:
    """The list itself, closed and empty; its lines come to the place `models`."""
    notes = "".join(f"<span>{note}</span>" for note in _NOTES)
    given = _attributes({"id": f"{number}-models", "role": "listbox", "aria_label": "Models", "data_at": "models"})
    return f'<div class="lk-drop" hidden><ul{given}></ul><div class="lk-note">{notes}</div></div>'


def setting(number: str, field: Field, slip: tuple[str, Sequence[str]] = ("", ())) -> str:
    """One field of the settings; `slip`: what was typed there, and what is wrong with it."""
    typed, wrong = slip
    name, note = field.name, " ".join(wrong) or field.note
    value = typed if wrong else field.value
    described = f"{number}-{name}-note" if note else None
    given = {"name": name, "data_t": "field", "aria_describedby": described, "aria_invalid": "true" if wrong else None}
    if field.values:
        options = _options([(each, each or "default") for each in ("", *field.values)], value)
        control = f"<select{_attributes(given)}>{options}</select>"
    elif field.kind == "lines":
        given["spellcheck"] = "true" if name == "system" else "false"
        control = f"<textarea{_attributes(given)}>\n{plain(value)}</textarea>"
    else:
        control = f"<input{_attributes({**given, 'value': value})}>"
    wide = ' class="lk-wide"' if field.kind == "lines" else ""
    hint = f'<div id="{described}" class="lk-note">{plain(note)}</div>' if note else ""
    return f"<div{wide}><label>{plain(_LABELS.get(name, name))}{control}</label>{hint}</div>"


def frame(label: str, low: str, above: str = "", below: str = "") -> str:
    """A panel that asks, its places empty; `label` names its composer, `low` stands at the end of its last line."""
    return (
        '<div class="lk-top" data-at="top"></div>'
        '<details class="lk-set"><summary data-lk>Settings <span class="lk-dim" data-at="summary"></span></summary>'
        '<div class="lk-fields" data-at="fields"></div><div class="lk-note" data-at="dead"></div></details>'
        f'{above}<div class="lk-alert" role="alert" data-at="alert"></div>'
        f'<div class="lk-compose"><textarea name="ask" rows="1"'
        f' placeholder="{label}" aria-label="{label}" data-enter="">'
        '</textarea><span data-at="go"></span></div>'
        '<div class="lk-low"><span class="lk-hint">Enter sends · Shift+Enter new line · Esc stops</span>'
        f'<span>{low}</span></div>{below}<div class="lk-sr" role="status" data-at="status"></div>'
    )


def edit(c: int, text: str, warning: str) -> str:
    """The question of a turn, to be changed and asked again."""
    given = _attributes({
        "name": "edit", "aria_label": "Edit the question", "rows": min(8, text.count("\n") + 2), "data_enter": c,
        "autofocus": True,
    })  # fmt: skip
    return (
        f"<textarea{given}>\n{plain(text)}</textarea>"
        f'<div class="lk-row">{button("Send again", "send", name="again", data_c=c)}'
        f'{button("Cancel", "cancel", data_c=c)}<span class="lk-note">{warning}</span></div>'
    )


def empty(head: str, prospect: Sequence[str], examples: Sequence[str]) -> str:
    """What stands where nothing was asked yet: who will answer, and what could be asked."""
    buttons = "".join(button(text, "send", name=f"example{i}", data_text=text) for i, text in enumerate(examples))
    return (
        f'<div class="lk-empty"><div class="lk-h">{head}</div>'
        f'<div class="lk-dim">{lines(prospect)}</div><div class="lk-row">{buttons}</div></div>'
    )


def _options(options: Iterable[tuple[str, str]], chosen: str) -> str:
    return "".join(
        f"<option{_attributes({'value': value, 'selected': value == chosen})}>{plain(words)}</option>"
        for value, words in options
    )


def lines(told: Sequence[str]) -> str:
    """An error: what happened in bold, then the mend; one line alone is plain."""
    if len(told) < 2:
        return "".join(f"<div>{plain(line)}</div>" for line in told)
    return f"<strong>{plain(told[0])}</strong>" + "".join(f"<div>{plain(line)}</div>" for line in told[1:])
