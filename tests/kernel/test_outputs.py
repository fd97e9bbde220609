"""The notebooks of the repository stand there with their outputs, for whoever reads before running."""

from __future__ import annotations

import json
import re

import pytest
from kernels import ROOT

from notebooks import MARK, NAMES, NOTEBOOKS, WIDGET, read, sources

#: What only the machine they ran on has: a home, a temporary folder, an address in memory, an address of loopback.
OF_A_MACHINE = re.compile(
    r"(?<![\w/.])/(home|root|tmp|Users|var|private|work)/\w|C:\\\\|\bat 0x[0-9a-f]{6,}|127\.0\.0\.1"
)
LARGEST = 150_000  # bytes


@pytest.mark.parametrize("name", NAMES)
def test_the_outputs_are_of_these_cells(name):
    """Who changes a cell runs tests/support/notebooks.py: the file remembers which cells its outputs came from."""
    whole, _ = read(name)

    assert whole["metadata"][MARK] == {"outputs_of": sources(whole)}, (
        f"run: PYTHONPATH=.:tests/support python tests/support/notebooks.py {name}"
    )


@pytest.mark.parametrize("name", NAMES)
def test_only_meant_errors_stand_there(name):
    """Below a cell that is to fail its error, below no other."""
    _, code = read(name)

    for cell in code:
        fails = any(output["output_type"] == "error" for output in cell["outputs"])
        assert fails == ("raises-exception" in cell["metadata"].get("tags", ())), cell["source"]


@pytest.mark.parametrize("name", NAMES)
def test_what_stands_there_needs_no_kernel(name):
    """No widget, which would be shown as an error; no count and no time of a run; and GitHub shows it: it is small."""
    whole, code = read(name)

    assert "widgets" not in whole["metadata"]
    assert not [cell["id"] for cell in code for output in cell["outputs"] if WIDGET in output.get("data", {})]
    assert {cell["execution_count"] for cell in code} == {None}
    assert not [cell["id"] for cell in whole["cells"] if "execution" in cell["metadata"]]
    assert (NOTEBOOKS / f"{name}.ipynb").stat().st_size < LARGEST


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_the_machine_stands_there(name):
    """No path of a folder, no address."""
    _, code = read(name)

    assert OF_A_MACHINE.findall(json.dumps([cell["outputs"] for cell in code])) == []
    assert str(ROOT) not in json.dumps(code)


@pytest.mark.parametrize("name", NAMES)
def test_the_ids_of_cells_stay(name):
    """They count from 0, so that a change of one cell is a change of one cell."""
    whole, _ = read(name)

    assert [cell["id"] for cell in whole["cells"]] == [str(i) for i in range(len(whole["cells"]))]


def test_nobodys_account_stands_there():
    """08 is run by its reader alone, with an account: it is committed without outputs."""
    _, code = read("08_your_account")

    assert [cell["outputs"] for cell in code] == [[]] * len(code)
