"""`%lkusage` in a shell: sums, the budget, the receipt, `-o`."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import pytest

from lk_notebook.core.ledger import Entry, Ledger
from lk_notebook.core.values import Usage
from lk_notebook.magics.usage import UsageMagics

ENTRIES = [
    Entry(
        "[1]", "2026-11-23", "openai/gpt-4.1", "openai", "livekit", "done",
        Usage(1200, 300, 1500, 200, 0), Decimal("0.0048"), "2026-09-21", "aaaa",
    ),
    Entry(
        "[2]", "2026-11-24", "openai/gpt-4.1", "openai", "livekit", "done",
        Usage(1000, 100, 1100, 0, 50), Decimal("0.0028"), "2026-09-21", "bbbb",
    ),
    Entry("[2]", "2026-11-24", "acme-1", None, "localhost", "done", Usage(10, 20, 30), None, None, "cccc"),
    Entry("[3]", "2026-11-24", "acme-1", None, "localhost", "failed"),
]  # fmt: skip


@pytest.fixture
def usage(shell):
    """A shell whose ledger holds these entries: `.run(line)`, `.names`, `.kept`."""

    def start(entries=ENTRIES):
        started, kept = shell(), Ledger(list(entries))
        started._shell.register_magics(UsageMagics(started._shell, kept))
        return SimpleNamespace(run=started.run, names=started.names, kept=kept)

    return start


def rows(cell):
    """The lines of the table, by their first word; those of a table of one column of words."""
    return {line.split()[0]: line.split()[1:] for line in cell.text.splitlines() if line.strip()}


def test_usage_is_summed_by_cell(usage):
    """Replies, tokens in, cached, tokens out, reasoning, cost of each cell, and of all."""
    found = rows(usage().run("%lkusage"))

    assert found["[1]"] == ["1", "1", "200", "200", "300", "0", "$0.0048"]
    assert found["[2]"] == ["2", "1", "010", "0", "120", "50", "$0.0028", "and", "1", "unknown"]
    assert found["all"] == ["4", "2", "210", "200", "420", "50", "$0.0076", "and", "1", "unknown"]


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("cell", ["[1]", "[2]", "[3]"]),
        ("account", ["livekit", "localhost"]),
        ("day", ["2026-11-23", "2026-11-24"]),
        ("model", ["openai/gpt-4.1", "acme-1"]),
    ],
)
def test_usage_is_summed_by_what_is_named(usage, by, names):
    """A row for each, in the order of their first reply."""
    cell = usage().run(f"%lkusage {by}")

    assert [name for name in rows(cell) if name in names] == names
    assert by.capitalize() in cell.text


def test_what_has_no_price_has_no_cost(usage):
    """A sum without any known price is unknown, not zero."""
    assert "$" not in " ".join(rows(usage().run("%lkusage account"))["localhost"])


def test_a_kernel_that_asked_nothing_has_an_empty_table(usage):
    """No error, and no sum of nothing."""
    cell = usage([]).run("%lkusage")

    assert not cell.failed
    assert "all" not in rows(cell)


def test_a_budget_is_set_and_shown(usage):
    """In dollars; the caption says how much of it is spent."""
    started = usage()
    cell = started.run("%lkusage --budget 0.50")

    assert started.kept.budget == Decimal("0.50")
    assert "$0.0076 of $0.5 spent" in cell.text


def test_a_budget_is_ended(usage):
    """`off` takes it away, and the caption no longer speaks of it."""
    started = usage()
    started.run("%lkusage --budget 0.50")
    cell = started.run("%lkusage --budget off")

    assert started.kept.budget is None
    assert "spent" not in cell.text


@pytest.mark.parametrize("typed", ["much", "-1", "1e", "nan", "inf", "1,5"])
def test_a_budget_that_is_no_amount_is_two_lines(usage, typed):
    """And the budget stays as it was."""
    started = usage()
    started.run("%lkusage --budget 0.50")
    cell = started.run(f"%lkusage --budget={typed}" if typed.startswith("-") else f"%lkusage --budget {typed}")

    assert len(cell.error) == 2
    assert started.kept.budget == Decimal("0.50")


def test_a_receipt_is_a_markdown_table_of_every_reply(usage):
    """A line each, with the dates of the prices, to be pasted into a methods section."""
    lines = usage().run("%lkusage --receipt").printed.splitlines()

    assert [line.split(" | ")[0] for line in lines[2:6]] == ["| [1]", "| [2]", "| [2]", "| [3]"]
    assert "| aaaa | 1200 | 300 | 0.0048 |" in lines[2]
    assert "4 replies, $0.0076 at published prices of 2026-09-21; 1 without a known price" in lines[-1]


def test_every_reply_is_a_row_of_a_frame(usage):
    """`-o`: what is unknown is missing, not zero."""
    started = usage()
    started.run("%lkusage -o t")
    table = started.names["t"]

    assert list(table["cell"]) == ["[1]", "[2]", "[2]", "[3]"]
    assert table["cost"].sum() == pytest.approx(0.0076)
    assert table["prompt_tokens"].tolist()[:3] == [1200, 1000, 10]
    assert table.loc[3, ["prompt_tokens", "cost"]].isna().all()


@pytest.mark.parametrize("line", ["hour", "cell model", "-x", "-o my-table", "--receipt=x"])
def test_what_is_wrong_with_the_line_is_two_lines(usage, line):
    """What happened, and what there is."""
    assert len(usage().run(f"%lkusage {line}").error) == 2
