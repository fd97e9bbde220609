"""`%lkusage`: what was used and what it cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand
from IPython.display import display

from lk_notebook.core import ledger
from lk_notebook.core.grid import UNKNOWN, Cell, Grid
from lk_notebook.core.ledger import BY, Ledger, Sum, plain, total
from lk_notebook.errors import ConfigurationError
from lk_notebook.magics import frames
from lk_notebook.magics import line as grammar
from lk_notebook.magics.line import Option

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

USAGE = (
    frames.OUTPUT,
    Option(("--budget",), "budget"),
    Option(("--receipt",), "receipt", takes=False),
)
HEADS = ("Replies", "Tokens in", "cached", "Tokens out", "reasoning", "Cost")


@magics_class
class UsageMagics(Magics):
    """The magic that counts."""

    def __init__(self, shell: InteractiveShell, kept: Ledger) -> None:
        super().__init__(shell)
        self._kept = kept

    @line_magic
    @no_var_expand
    def lkusage(self, line: str) -> None:
        """What was used in this kernel and what it cost, at published prices.

        ::

            %lkusage [cell|model|account|day] [-o VAR]
            %lkusage --budget 0.50
            %lkusage --budget off
            %lkusage --receipt

        --budget   US dollars: past it no further call starts; replies that run end. What has no known price counts
                   nothing towards it
        --receipt  a Markdown table of every reply, for a methods section
        -o         every reply as a DataFrame
        """
        read = grammar.parse(line, USAGE)
        by = read.words[0] if read.words else "cell"
        if by not in BY or len(read.words) > 1:
            raise ConfigurationError(f"%lkusage does not know {' '.join(read.words)}.", f"It sums by {', '.join(BY)}.")
        if "budget" in read.options:
            self._kept.budget = ledger.read_budget(read.options["budget"])
        if name := frames.variable(read):
            self.shell.user_ns[name] = self._frame()  # type: ignore[union-attr]  # given in __init__
        if read.options.get("receipt"):
            print(self._kept.receipt())  # noqa: T201 - what was asked for
        else:
            display(frames.bundle(self._grid(by)), raw=True)  # type: ignore[no-untyped-call]
            if told := [line for each in self._kept.quotas.items() if (line := ledger.quota_told(*each))]:
                print("\n".join(told))  # noqa: T201 - what the account said

    def _grid(self, by: str) -> Grid:
        rows = [_row(each) for each in self._kept.sums(by)]
        if len(rows) > 1:
            rows.append(_row(total("all", self._kept.entries)))
        budget, spent = self._kept.budget, self._kept.spent
        caption = "Usage of this kernel" + (
            f" · ${plain(spent)} of ${plain(budget)} spent" if budget is not None else ""
        )
        return Grid(caption, (by.capitalize(), *HEADS), rows, figures=frozenset(range(1, len(HEADS) + 1)))

    def _frame(self) -> Any:
        columns = [*ledger.Entry.__slots__[:6], "prompt_tokens", "completion_tokens", "cached_tokens"]
        columns += ["reasoning_tokens", "cost", "priced", "prompt"]
        rows = []
        for entry in self._kept.entries:
            whole = {name: getattr(entry, name) for name in (*ledger.Entry.__slots__[:6], "priced", "prompt")}
            whole |= {name: getattr(entry.usage, name, None) for name in columns if name.endswith("_tokens")}
            rows.append(whole | {"cost": None if entry.cost is None else float(entry.cost)})
        return frames.frame(rows, columns)


def _row(each: Sum) -> list[Cell | None]:
    usage = each.usage
    figures = (each.replies, usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens, usage.reasoning_tokens)
    cost = UNKNOWN if each.cost is None else f"${plain(each.cost)}"
    if each.cost is not None and each.unpriced:
        cost += f" and {each.unpriced} unknown"
    return [Cell(each.name), *(Cell(f"{figure:,}".replace(",", " ")) for figure in figures), Cell(cost)]
