"""What is chosen in a compare panel, as HTML: pickers, settings, and what stands where nothing was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lk_notebook.core.routing import DEMO_MODEL
from lk_notebook.core.values import Setup, model_and_provider
from lk_notebook.llm import LLM
from lk_notebook.session import current
from lk_notebook.widgets import choices, form, markup, told

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
        low = '<span data-at="low"></span><span data-at="again"></span>'
        below = (
            f'<div data-at="asked"></div><div class="lk-round" data-at="round"></div>{markup.model_list(self.number)}'
        )
        return markup.frame("Ask all of them", low, below=below)

    def top(self) -> str:
        """A picker of model and provider for each column."""
        accounts, cells = told.accounts_there(), []
        for c, (word, model) in enumerate(zip(self.models, self.ids, strict=True)):
            typed, named = model_and_provider(word)
            away = markup.button(
                "×", "remove", "lk-flat", name=f"remove{c}", data_c=c, aria_label=f"Remove column {c + 1}, {word}",
            ) if len(self.models) > LEAST else ""  # fmt: skip
            cells.append(
                f'<div class="lk-cell" role="group" aria-label="Column {c + 1}">'
                + markup.pickers(self.number, typed, choices.providers(model, accounts, named), named, c)
                + f"{away}</div>"
            )
        return "".join(cells)

    def empty(self) -> str:
        """What stands where nothing was asked yet."""
        each = zip(self.ids, map(self.setup, self.models), strict=True)
        ways = [told.prospect(self.llm, Setup(model, setup.provider)) for model, setup in each]
        said = next((way for way in ways if len(way) > 1), ways[0] if ways == ways[:1] * len(ways) else [_SIDE_BY_SIDE])
        return markup.empty("Ask several models the same", said, EXAMPLES)
