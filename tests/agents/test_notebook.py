"""notebooks/07_agents.ipynb, without an account."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from kernels import Kernel, clean_environment
from nbclient import NotebookClient

pytestmark = pytest.mark.timeout(240)

BOOK = Path(__file__).resolve().parents[2] / "notebooks" / "07_agents.ipynb"
CODE = ["".join(cell["source"]) for cell in json.loads(BOOK.read_text("utf-8"))["cells"] if cell["cell_type"] == "code"]


def test_every_cell_runs_twice():
    """Run All, and Run All again in the same kernel: the second time as the first."""
    with Kernel() as kernel:
        for _ in range(2):
            cells = [kernel.run(source, seconds=60) for source in CODE]
            assert {cell.status for cell in cells} == {"ok"}, [cell.error for cell in cells]
            shown = "\n".join(cell.shown for cell in cells)
            for what in ("Called get_weather(city='Lisbon')", "Handed over to Billing", "5 of 5 expectations met"):
                assert what in shown


def test_it_runs_without_a_page(tmp_path, monkeypatch):
    """nbclient, as papermill and continuous integration use it; the table of the evaluation is in the file."""
    for name, value in clean_environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    book = nbformat.read(BOOK, as_version=4)

    NotebookClient(book, timeout=120, kernel_name="python3").execute()

    assert "5 of 5 expectations met" in json.dumps(book)
