"""Which parameters a model takes, as a table."""

from __future__ import annotations

import pytest

from lk_notebook.core import taken


def rows(model: str) -> dict[str, tuple[str, str]]:
    """The values and the note of each parameter."""
    return {row[0].text: (row[1].text, row[2].text) for row in taken.grid(model).rows}


@pytest.mark.parametrize(
    ("model", "name", "values", "note"),
    [
        ("openai/gpt-5-mini", "reasoning_effort", "minimal, low, medium, high", ""),
        ("openai/gpt-5-mini", "temperature", "number 0 to 2", "left out: the model does not take it"),
        ("openai/gpt-4.1", "temperature", "number 0 to 2", ""),
        ("openai/gpt-4.1", "reasoning_effort", "choice", "left out: the model does not take it"),
        ("openai/gpt-4.1", "tool_choice", "none, auto, required", "only with tools"),
        ("openai/gpt-5.4", "reasoning_effort", "none, low, medium, high, xhigh", "left out with tools"),
        ("openai/gpt-4o", "parallel_tool_calls", "true, false", "only with tools"),
    ],
)
def test_the_table_tells_values_and_what_is_left_out(model, name, values, note):
    """A reader sees before she asks which parameters would be left out."""
    assert rows(model)[name] == (values, note)


def test_the_table_holds_every_parameter_once():
    """Nothing of Chat Completions is missing, and no other server's own name stands there."""
    names = [row[0].text for row in taken.grid("openai/gpt-4o").rows]

    assert len(names) == len(set(names))
    assert {"seed", "stop", "verbosity", "metadata"} <= set(names)
    assert "top_k" not in names
