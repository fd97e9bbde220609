"""The notebooks of the repository run for whoever has neither account nor network, and again."""

from __future__ import annotations

import csv
import html
import json
import os
import re
import shutil
from collections import Counter

import nbformat
import pytest
from kernels import clean_environment
from lessons import LESSONS, NOTEBOOKS, TAPES, record
from nbclient import NotebookClient

from lk_notebook.core import tape, tape_check

NAMES = ("00_start", "01_models", "02_your_data", "03_compare", "04_panels", "05_tools_images", "06_for_teachers")
#: Whatever goes out ends here.
NOWHERE = {f"{name}_proxy": "http://127.0.0.1:9" for name in ("http", "https", "all")}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a notebook in a copy of its folder, so many times in one kernel: `run(name)` gives it with its outputs."""
    shutil.copytree(NOTEBOOKS, tmp_path / "notebooks", ignore=shutil.ignore_patterns("my_*", ".ipynb_checkpoints"))
    env = clean_environment(tmp_path, {**NOWHERE, "LK_NOTEBOOK_REPLAY_SPEED": "0"})
    for name in [name for name in os.environ if name not in env]:
        monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)

    def start(name, times=1):
        folder = tmp_path / "notebooks"
        notebook = nbformat.read(folder / f"{name}.ipynb", as_version=4)
        client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": folder}})
        with client.setup_kernel():
            for _ in range(times):
                for i, cell in enumerate(notebook.cells):
                    client.execute_cell(cell, i)
        return notebook

    return start


def shown(cell):
    """All that stands below a cell, as text."""
    told = html.unescape(re.sub(r"<[^>]*>", "", json.dumps(cell.get("outputs", []), ensure_ascii=False)))
    return told.replace("\\n", "\n")


def failed(cell):
    """Whether the cell failed."""
    return any(output["output_type"] == "error" for output in cell.get("outputs", []))


@pytest.mark.parametrize("name", NAMES)
def test_it_runs_without_account_and_network(run, name):
    """Every cell ends well, but for those that show an error; and so it is when all are run again."""
    notebook = run(name, times=2)

    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    shows_error = ["raises-exception" in cell.metadata.get("tags", ()) for cell in code]
    assert [failed(cell) for cell in code] == shows_error


@pytest.mark.parametrize("name", LESSONS)
def test_an_answer_that_was_written_says_so(run, name):
    """Below each answer stands what made it; where nothing was measured, no figure."""
    notebook, lesson = run(name), LESSONS[name]
    answered = [
        cell for cell in notebook.cells if cell.source.startswith(("%%lkchat", "%%lkcompare")) and not failed(cell)
    ]

    assert answered
    for cell in answered:
        assert lesson.made_by in shown(cell)
        assert lesson.figures or not re.search(r"first token \d|tok/s|→ \d+ tokens|\$0\.", shown(cell))


@pytest.mark.parametrize("file", sorted(TAPES.glob("*.jsonl")), ids=lambda file: file.stem)
def test_the_tapes_are_whole_and_hold_no_key(file):
    """And tell what made them."""
    assert tape_check.faults(file.read_text("utf-8"), file.name) == []
    assert tape.read(file.read_text("utf-8"), file.name).head.made_by == LESSONS[file.stem].made_by


def test_no_tape_stands_there_without_its_notebook():
    """Each is recorded by tests/support/lessons.py."""
    assert {file.stem for file in TAPES.glob("*.jsonl")} == set(LESSONS)


@pytest.mark.parametrize("name", ["01_models"])
def test_the_tapes_are_made_by_the_script(tmp_path, name):
    """Recorded anew, a tape has the same questions and answers: what is shipped is what the script says."""
    anew = tape.read(record(name, tmp_path).read_text("utf-8"), name)
    shipped = tape.read((TAPES / f"{name}.jsonl").read_text("utf-8"), name)

    assert [(take.key, take.body) for take in anew.takes] == [(take.key, take.body) for take in shipped.takes]


def test_labels_are_checked_against_the_truth(run):
    """02: the scripted demo says one word of five, and the notebook says so: 20 % right, one full column, a plot."""
    notebook = run("02_your_data")
    told = "\n".join(shown(cell) for cell in notebook.cells)
    matrix = next(cell for cell in notebook.cells if cell.source.startswith("topics ="))
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]

    assert "lk/demo" in told
    assert "20% right; always the same word would have 20%" in told
    assert matrix.outputs[0].data["text/plain"].count("16") == 5
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 1
    assert re.search(r"5 rows were read from my_labels_lk_demo\.jsonl, 3 were asked", told)


def test_the_labels_of_the_data_are_even():
    """Eighty messages in five classes of sixteen, none twice."""
    with (NOTEBOOKS / "data" / "bike_shop.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    assert len({row["text"] for row in rows}) == len(rows) == 80
    assert set(Counter(row["label"] for row in rows).values()) == {16}
