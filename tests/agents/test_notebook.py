"""notebooks/07_agents.ipynb shows what it tells, without an account and without a page."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from kernels import clean_environment
from nbclient import NotebookClient

BOOK = Path(__file__).resolve().parents[2] / "notebooks" / "07_agents.ipynb"


@pytest.mark.timeout(240)
def test_it_shows_a_tool_a_hand_over_and_an_evaluation(tmp_path, monkeypatch):
    """In the file, as papermill and continuous integration keep it."""
    for name, value in clean_environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    book = nbformat.read(BOOK, as_version=4)

    NotebookClient(book, timeout=120, kernel_name="python3").execute()

    shown = json.dumps(book)
    for what in ("Called get_weather(city='Lisbon')", "Handed over to Billing", "5 of 5 expectations met"):
        assert what in shown
