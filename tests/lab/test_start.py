"""The first five minutes: JupyterLab opens notebooks/00_start.ipynb and Run All answers each cell."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from kernels import SECRET, livekit
from lab import Lab
from player import Player, stream

pytestmark = [pytest.mark.xdist_group("lab"), pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
START = "00_start.ipynb"
ANSWER = "The sky is blue because the air scatters **short** waves more than long ones, and blue is short."
GROWTH = """cell => { window.__sizes = new Set();
  new MutationObserver(() => window.__sizes.add(cell.querySelector('.jp-OutputArea')?.innerText.length ?? 0))
    .observe(cell, {subtree: true, childList: true, characterData: true}) }"""
ASK = 1  # the code cell that asks why the sky is blue


def picture(opened, name: str) -> None:
    """Keep a picture of the page in $LK_PICTURES, to be looked at."""
    if folder := os.environ.get("LK_PICTURES"):
        opened.cell(ASK).scroll_into_view_if_needed()
        opened.page.wait_for_timeout(1000)
        opened.page.screenshot(path=Path(folder) / f"{name}.png")


@pytest.fixture(scope="module")
def without_account():
    """A JupyterLab on a machine that has no account and no network."""
    with Lab() as lab:
        yield lab


@pytest.fixture(scope="module")
def with_account():
    """A JupyterLab on a machine with a LiveKit account."""
    with Player(lambda _: stream(ANSWER, pace=0.05)) as player, Lab(livekit(player)) as lab:
        yield lab


@pytest.fixture
def start(notebook):
    """Open the notebook as it is shipped, with a kernel that has run nothing: `start(lab)`."""

    def opened(lab: Lab):
        lab.end_kernels()
        shutil.copy(ROOT / "notebooks" / START, lab.work)
        return notebook(lab, START)

    return opened


def errors(saved: dict) -> list[dict]:
    """The error outputs of a saved notebook."""
    outputs = [output for cell in saved["cells"] for output in cell.get("outputs", [])]
    return [output for output in outputs if output["output_type"] == "error"]


def test_every_cell_runs_without_an_account(without_account, start):
    """Run All over the notebook as it is shipped ends without an error, and the demo says that it is one."""
    opened = start(without_account)

    ended = opened.run_all()

    assert ended
    assert errors(opened.save()) == []
    assert "demo" in opened.shown(ASK)
    assert opened.errors == []
    picture(opened, "start_without_account_light")


def test_the_answer_grows_and_stands_there(with_account, start):
    """The reader sees the answer come, in more than one step, and then the whole of it as formatted text."""
    opened = start(with_account)
    assert opened.run(0)
    opened.cell(ASK).evaluate(GROWTH)

    assert opened.run(ASK)

    assert len(opened.page.evaluate("[...window.__sizes]")) > 3
    assert ANSWER.replace("**", "") in opened.shown(ASK)
    assert opened.cell(ASK).locator(".jp-OutputArea-output strong").inner_text() == "short"


def test_the_saved_notebook_holds_the_answer_and_no_key(with_account, start):
    """All cells run with an account; what is saved can be given away."""
    opened = start(with_account)
    assert opened.run_all()

    saved = opened.save()

    assert errors(saved) == []
    assert "scatters" in opened.file.read_text("utf-8")
    assert SECRET not in opened.file.read_text("utf-8")
    assert "APItest" not in opened.file.read_text("utf-8")


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_reopened_untrusted_the_answer_is_still_there(with_account, start, notebook, theme):
    """Who gets the file by mail, and runs nothing, reads the same answer, in either theme."""
    first = start(with_account)
    assert first.run(0)
    assert first.run(ASK)
    first.save()
    with_account.copy(START, "mailed.ipynb")
    with_account.theme(theme)

    mailed = notebook(with_account, "mailed.ipynb", kernel=False)

    assert ANSWER.replace("**", "") in mailed.shown(ASK)
    assert "model not found" not in mailed.shown(ASK)
    picture(mailed, f"mailed_{theme.lower()}")
