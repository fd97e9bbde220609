"""What is chosen in a compare panel, as HTML: pickers, settings, and what stands where nothing was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lk_notebook.core.routing import DEMO_MODEL
from lk_notebook.core.text import plain
from lk_notebook.core.values import Setup, model_and_provider
from lk_notebook.llm import LLM
from lk_notebook.session import current
from lk_notebook.widgets import choices, form, markup, told
from lk_notebook.widgets.choices import Choice

LEAST, MOST = 2, 4
_SIDE_BY_SIDE = "Each answers in a column of its own. Pick others above."
EXAMPLES = ("Explain overfitting in three sentences.", "Write a haiku about the sea.")


@dataclass(frozen=True, slots=True)
class Chosen:
    """The words of a compare panel: `models` as MODEL or MODEL@PROVIDER, aliases among them."""

    number: str
    llm: LLM  # whose account is asked
    models: Sequence[str]
    extra_kwargs: Mapping[str, Any]
    system: str | None
    tools: bool

    def setup(self, word: str) -> Setup:
        """One column as it is typed."""
        model, provider = model_and_provider(word)
        return Setup(model, provider, self.llm.setup.account, self.extra_kwargs, self.system)

    @property
    def ids(self) -> list[str]:
        """The models in full."""
        return [current().settle(self.setup(word)).model or DEMO_MODEL for word in self.models]

    def cells(self) -> tuple[list[Setup], list[list[str]]]:
        """Each column with the parameters that its model takes, and the names of those it does not."""
        fits = [form.fitting(model, self.extra_kwargs, tools=self.tools) for model in self.ids]
        setups = map(self.setup, self.models)
        return (
            [Setup(s.model, s.provider, s.account, fit, s.system) for s, (fit, _) in zip(setups, fits, strict=True)],
            [left for _, left in fits],
        )

    # As HTML -------------------------------------------------------------------------------------------------------

    def frame(self) -> str:
        """The panel, its places empty."""
        return (
            '<div class="lk-top" data-at="top"></div>'
            '<details class="lk-set"><summary data-lk>Settings <span class="lk-dim" data-at="summary"></span></summary>'
            '<div class="lk-fields" data-at="fields"></div><div class="lk-note" data-at="dead"></div></details>'
            '<div class="lk-alert" role="alert" data-at="alert"></div>'
            '<div class="lk-compose"><textarea name="ask" rows="1" placeholder="Ask all of them"'
            ' aria-label="Ask all of them" data-enter></textarea><span data-at="go"></span></div>'
            '<div class="lk-low"><span class="lk-hint">Enter sends · Shift+Enter new line · Esc stops</span>'
            '<span><span data-at="low"></span><span data-at="again"></span></span></div>'
            '<div data-at="asked"></div><div class="lk-round" data-at="round"></div>'
            f'<div class="lk-sr" role="status" data-at="status"></div>{markup.model_list(self.number)}'
        )

    def top(self) -> str:
        """A picker of model and provider for each column."""
        accounts, cells = told.accounts_there(), []
        for c, (word, model) in enumerate(zip(self.models, self.ids, strict=True)):
            typed, named = model_and_provider(word)
            options = [(each.value, _words(each)) for each in choices.providers(model, accounts, named)]
            away = markup.button(
                "×", "remove", "lk-flat", name=f"remove{c}", data_c=c, aria_label=f"Remove column {c + 1}, {word}",
            ) if len(self.models) > LEAST else ""  # fmt: skip
            cells.append(
                f'<div class="lk-cell" role="group" aria-label="Column {c + 1}">'
                + markup.model_field(self.number, c, typed)
                + markup.choice("Provider", "provider", options, named or "", name=f"provider{c}", data_c=c)
                + f"{away}</div>"
            )
        return "".join(cells)

    def summary(self) -> str:
        """What is set, on one line."""
        shown = [part for part in self.extra_kwargs if part not in form.HIDDEN]
        told_ = form.summary("", {name: self.extra_kwargs[name] for name in shown}, self.system, tools=self.tools)
        hidden = [name for name in self.extra_kwargs if name in form.HIDDEN]
        return plain(" · ".join([told_, *hidden]))

    def fields(self, slip: Mapping[str, tuple[str, Sequence[str]]]) -> str:
        """The settings that any of the models takes; `slip`: what was typed wrong, and what is wrong with it."""
        system = {"name": "system", "kind": "lines", "value": self.system or "", "values": (), "note": ""}
        found: dict[str, dict[str, Any]] = {"system": system}
        for model in self.ids:
            for field in form.fields(model, self.extra_kwargs, tools=self.tools):
                same = found.setdefault(field["name"], field)
                same["values"] = tuple(dict.fromkeys((*same["values"], *field["values"])))
                same["note"] = same["note"] or field["note"]
        names = [name for name in ("system", *form.FIELDS, form.OTHERS) if name in found]
        wrong = {name: slip.get(name, ("", ())) for name in names}
        return "".join(markup.setting(self.number, found[name], wrong[name][1], wrong[name][0]) for name in names)

    def dead(self) -> str:
        """What some of them do not take."""
        lines = (form.dead(model, self.extra_kwargs, tools=self.tools) for model in dict.fromkeys(self.ids))
        return "".join(f"<div>{plain(line)}</div>" for line in lines if line)

    def lines(self) -> str:
        """The list of models, those of the panel first."""
        return markup.model_lines(told.models(*self.ids)["all"])

    def empty(self) -> str:
        """What stands where nothing was asked yet."""
        each = zip(self.ids, map(self.setup, self.models), strict=True)
        ways = [told.prospect(self.llm, Setup(model, setup.provider)) for model, setup in each]
        said = next((way for way in ways if len(way) > 1), ways[0] if ways == ways[:1] * len(ways) else [_SIDE_BY_SIDE])
        rows = enumerate(EXAMPLES)
        examples = "".join(markup.button(text, "send", name=f"example{i}", data_text=text) for i, text in rows)
        return (
            '<div class="lk-empty"><div class="lk-h">Ask several models the same</div>'
            f'<div class="lk-prospect">{markup.lines(said)}</div><div class="lk-row">{examples}</div></div>'
        )


def _words(choice: Choice) -> str:
    """A provider with what it costs, and what stands in its way."""
    return " · ".join(part for part in (choice.value, choice.price, choice.aside) if part)
