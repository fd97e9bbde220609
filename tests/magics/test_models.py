"""`%lkmodels` in a shell: the table, its filters, `-o`."""

from __future__ import annotations

import pytest
from player import stream


def test_the_list_is_shown_and_nobody_is_asked(play, shell):
    """A table as HTML and as plain text, of models, providers, prices; no request leaves."""
    player = play(stream("hi"))

    cell = shell(player).run("%lkmodels")

    assert player.requests == []
    for text in (cell.html, cell.text):
        assert all(word in text for word in ("openai/gpt-4o", "openai/gpt-oss-120b", "azure", "groq", "0.15 → 0.60"))


def test_the_accounts_that_are_there_are_named(shell):
    """With a key of Groq, the rows that Groq serves say so, and `reach` leaves those alone."""
    cell = shell(GROQ_API_KEY="gsk-made-up").run("%lkmodels reach")

    lines = cell.text.splitlines()[2:]
    assert [line.split()[:2] for line in lines if line] == [["openai/gpt-oss-120b", "groq"]]
    assert "groq" in lines[0].split()[2:]


def test_filters_combine(play, shell):
    """Of several words all must hold."""
    cell = shell(play()).run("%lkmodels gpt-4.1 azure price<1")

    shown = {line.split()[0] for line in cell.text.splitlines()[2:] if line}
    assert shown == {"openai/gpt-4.1-mini", "openai/gpt-4.1-nano"}


def test_nothing_found_is_one_line_and_no_error(shell):
    """What no model meets is told with a hint."""
    cell = shell().run("%lkmodels gpt-9")

    assert not cell.failed
    assert cell.printed.strip() == "No model meets gpt-9: did you mean gpt-5?"
    assert cell.bundles == []


def test_the_list_is_a_frame(play, shell):
    """`-o` keeps the filtered list as a DataFrame with a row a model and provider."""
    started = shell(play())

    started.run("%lkmodels gpt-oss-120b -o t")

    table = started.names["t"].set_index("provider")
    assert set(table.index) == {"baseten", "groq", "cerebras"}
    assert table.loc["groq", "livekit_input"] == 0.15
    assert table.loc["groq", "accounts"] == "livekit"
    assert table.loc["cerebras", "livekit_input"] != table.loc["cerebras", "livekit_input"]  # NaN: not published


def test_nothing_found_is_an_empty_frame(shell):
    """With `-o`, what no model meets is a table without rows, and with its columns."""
    started = shell()

    started.run("%lkmodels gpt-9 -o t")

    assert len(started.names["t"]) == 0
    assert "model" in started.names["t"].columns


@pytest.mark.parametrize("line", ["price<cheap", "vision=1", "-x", "-o my-table", "-o"])
def test_what_is_wrong_with_the_line_is_two_lines(shell, line):
    """A broken filter or option is an error with its mend."""
    cell = shell().run(f"%lkmodels {line}")

    assert len(cell.error) == 2
