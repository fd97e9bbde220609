"""The list of models: rows, filters, and what the table says of them."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib import resources

import pytest

from lk_notebook.core import catalogue, listing
from lk_notebook.core.grid import grid_html, grid_text
from lk_notebook.core.values import Account
from lk_notebook.errors import ConfigurationError

TODAY = "2026-11-24"
LIVEKIT, AZURE, GROQ, CEREBRAS = (
    Account(kind, kind, "http://x/v1") for kind in ("livekit", "azure", "groq", "cerebras")
)
SEED = [model for model in catalogue.models() if model.in_seed]


def of(model, rows):
    """The rows of a model, by provider."""
    return {row.provider: row for row in rows if row.model == model}


def told(rows):
    """What the table says, line by line, in words."""
    return grid_text(listing.grid(rows, TODAY)).splitlines()[2:]


def test_each_model_has_a_row_for_each_provider():
    """Whatever the catalogue knows of providers stands in the list, and no model is left out."""
    rows = listing.rows([])

    assert {row.model for row in rows} == {model.id for model in catalogue.models()}
    for model in SEED:
        assert set(model.providers) <= set(of(model.id, rows))


def test_a_new_entry_of_the_catalogue_appears():
    """One entry is enough: nothing else names models."""
    entry = json.loads(resources.files("lk_notebook.core").joinpath("catalogue.json").read_text("utf-8"))["models"][0]
    new = catalogue._model({**entry, "id": "acme/new-1", "vendor": "Acme"})

    rows = listing.rows([LIVEKIT], [*catalogue.models(), new])

    assert [row.provider for row in listing.filtered(rows, ["acme"])] == ["azure", "openai"]


def test_a_model_whose_provider_nobody_named_has_one_row():
    """LiveKit serves it: the row says so, with the vendor's own price beside it."""
    (row,) = of("google/gemini-3.1-pro", listing.rows([LIVEKIT])).values()

    assert (row.provider, row.accounts, row.livekit_input, row.own_output) == (None, ("livekit",), None, 12.0)


def test_prices_stand_by_who_bills():
    """LiveKit's price and that of the provider's own account are two figures; what nobody published is none."""
    rows = of("openai/gpt-oss-120b", listing.rows([]))

    assert (rows["baseten"].livekit_output, rows["baseten"].own_output) == (0.5, 0.5)
    assert (rows["cerebras"].livekit_input, rows["cerebras"].own_input) == (None, 0.35)


@pytest.mark.parametrize(
    ("account", "model", "reached"),
    [
        (LIVEKIT, "openai/gpt-4o", {"azure", "openai"}),
        (LIVEKIT, "openai/gpt-oss-120b", {"baseten", "groq"}),  # cerebras: coming soon
        (LIVEKIT, "openai/gpt-5.2-chat-latest", set()),  # retired
        (LIVEKIT, "openai/gpt-5.5", {None}),
        (AZURE, "openai/gpt-4o", {"azure"}),
        (GROQ, "openai/gpt-4o", set()),
        (GROQ, "openai/gpt-oss-120b", {"groq"}),
        (CEREBRAS, "openai/gpt-oss-120b", {"cerebras"}),
    ],
)
def test_what_an_account_reaches(account, model, reached):
    """LiveKit reaches the providers it lists, an own account what it serves itself."""
    rows = of(model, listing.rows([account]))

    assert {provider for provider, row in rows.items() if row.accounts == (account.name,)} == reached


def test_both_accounts_are_named_where_both_reach_it():
    """A row names all accounts that reach the model by this provider."""
    rows = of("openai/gpt-oss-120b", listing.rows([LIVEKIT, GROQ]))

    assert rows["groq"].accounts == ("livekit", "groq")


@pytest.mark.parametrize(
    ("words", "holds"),
    [
        (["gpt-5"], lambda row: "gpt-5" in row.model),
        (["GPT-4o Mini"], lambda row: row.name == "GPT-4o mini"),
        (["google"], lambda row: row.vendor == "Google"),
        (["azure"], lambda row: row.provider == "azure"),
        (["reach"], lambda row: bool(row.accounts)),
        (["vision"], lambda row: row.images is True),
        (["tools"], lambda row: row.tools is True),
        (["price<1"], lambda row: min(row.livekit_input or 9, row.own_input or 9) < 1),
        (["price>=2.5"], lambda row: max(row.livekit_input or 0, row.own_input or 0) >= 2.5),
        (
            ["vision", "azure", "price<1"],
            lambda row: row.images and row.provider == "azure" and (row.own_input or 9) < 1,
        ),
    ],
)
def test_filters(words, holds):
    """The rows that remain meet all filters, and no row that meets them is left out."""
    rows = listing.rows([GROQ])

    found = listing.filtered(rows, words)

    assert 0 < len(found) < len(rows)
    assert found == [row for row in rows if holds(row)]


def test_a_price_that_nobody_published_meets_no_limit():
    """Unknown is neither cheap nor dear."""
    rows = [row for row in listing.rows([]) if row.livekit_input is None and row.own_input is None]

    assert rows
    assert listing.filtered(rows, ["price<1000"]) == []
    assert listing.filtered(rows, ["price>=0"]) == []


def test_a_broken_price_is_refused():
    """`price<cheap` is an error with the way to write it."""
    with pytest.raises(ConfigurationError, match="price<1"):
        listing.filtered([], ["price<cheap"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["gpt-9"], "did you mean gpt-5?"),
        (["azzure"], "did you mean azure?"),
        (["reach"], "no account"),
        (["nothing-like-it"], "%lkmodels alone"),
    ],
)
def test_nothing_found_is_told_with_a_hint(words, says):
    """One line: what was asked for, and what may have been meant."""
    line = listing.hint(listing.rows([]), words)

    assert says in line
    assert words[0] in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"retires": "2026-12-11"}, "retires 2026-12-11"),
        ({"retires": "2026-11-24"}, "retired 2026-11-24"),
        ({"retires": None, "status": "deprecated"}, "deprecated"),
        ({"retires": None, "status": "retired"}, "retired"),
        ({"context_window": 1_047_576}, "1M"),
        ({"context_window": 128_000}, "128k"),
        ({"efforts": ("low", "high")}, "low high"),
        ({"images": True, "tools": True, "structured_output": None, "temperature": None}, "images, tools "),
        ({"temperature": False}, "no temperature"),
        ({"livekit_input": 0.15, "livekit_output": 0.6}, "0.15 → 0.60"),
        ({"own_input": 0.435, "own_output": None}, "0.435 → –"),
        ({"status": "coming soon", "provider": "cerebras"}, "cerebras (coming soon)"),
    ],
)
def test_what_the_table_says(changes, says):
    """Dates, contexts, prices and what a model takes, in words."""
    row = listing.filtered(listing.rows([]), ["openai/gpt-5-mini"])[0]

    (line,) = told([replace(row, **changes)])

    assert says in line


def test_retired_models_stand_last():
    """What can be asked comes first."""
    states = [catalogue.find(row.model).retired for row in listing.rows([])]

    assert states == sorted(states)


def test_a_model_stands_once_for_all_its_providers():
    """The HTML names the model in one cell that reaches over its providers."""
    page = grid_html(listing.grid(list(of("openai/gpt-4o", listing.rows([])).values()), TODAY))

    assert page.count("openai/gpt-4o") == 1
    assert 'scope="rowgroup" rowspan="2"' in page


def test_the_page_needs_no_style_sheet_and_no_id():
    """All looks are inline, so that nothing reaches beyond the table."""
    page = grid_html(listing.grid(listing.rows([]), TODAY))

    assert "<style" not in page
    assert " id=" not in page
    assert page.count('scope="col"') == 9
    assert "<caption" in page
