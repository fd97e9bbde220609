"""The notebooks of the repository run for whoever has neither account nor network, and again."""

from __future__ import annotations

import csv
import html
import json
import re
from collections import Counter

import nbformat
import pytest
from lessons import LESSONS, NOTEBOOKS, TAPES, record

import notebooks
from lk_notebook.core import tape, tape_check

EVERY = sorted(path.stem for path in NOTEBOOKS.glob("0*.ipynb"))


@pytest.fixture
def run(tmp_path):
    """Run a notebook in a copy of its folder, so many times in one kernel; the demo answers where no tape does."""

    def start(name, times=1):
        return notebooks.run(name, tmp_path, {"LK_NOTEBOOK_REPLAY_SPEED": "0"}, times=times)

    return start


def shown(cell):
    """All that stands below a cell, as text."""
    told = html.unescape(re.sub(r"<[^>]*>", "", json.dumps(cell.get("outputs", []), ensure_ascii=False)))
    return told.replace("\\n", "\n")


def failed(cell):
    """Whether the cell failed."""
    return any(output["output_type"] == "error" for output in cell.get("outputs", []))


@pytest.mark.parametrize("name", EVERY)
def test_it_runs_without_account_and_network(run, name, record_property):
    """Every cell ends well, but for those that show an error, also when all are run again; nobody is to be reached.

    And what stands below each is of the kinds that are committed.
    """
    ran = run(name, times=2)
    record_property(notebooks.COST, (name, ran.seconds, ran.megabytes))

    code = [cell for cell in ran.notebook.cells if cell.cell_type == "code"]
    committed = notebooks.read(name)[1]
    shows_error = ["raises-exception" in cell.metadata.get("tags", ()) for cell in code]
    assert ran.tried == []
    assert [failed(cell) for cell in code] == shows_error
    if name in notebooks.NAMES:
        assert ran.kinds == notebooks.kinds(committed)


def test_a_notebook_that_wants_out_is_refused_and_noticed(tmp_path):
    """By name or by number, in the kernel or in a program that a cell starts; loopback is let through."""
    ask = "import socket\nfor at in ('192.0.2.1', 'livekit.invalid'):\n"
    ask += (
        "    try:\n        socket.create_connection((at, 443), 5)\n    except OSError as error:\n        print(error)"
    )
    below = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {ask!r}], check=True)"
    here = "with socket.create_server(('127.0.0.1', 0)) as open_: socket.create_connection(open_.getsockname()).close()"
    (tmp_path / "notebooks").mkdir()
    cells = [nbformat.v4.new_code_cell(source) for source in (ask, here, below)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "notebooks" / "out.ipynb")

    ran = notebooks.run("out", tmp_path)

    assert "let nobody out" in shown(ran.notebook.cells[0])
    tried = [line.split()[1] for line in ran.tried]
    assert tried == ["192.0.2.1", "livekit.invalid"] * 2
    assert len({line.split()[-1] for line in ran.tried}) == 2


@pytest.mark.parametrize("name", LESSONS)
def test_an_answer_that_was_written_says_so(run, name):
    """Below each answer stands what made it; where nothing was measured, no figure."""
    notebook, lesson = run(name).notebook, LESSONS[name]
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
    notebook = run("02_your_data").notebook
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
