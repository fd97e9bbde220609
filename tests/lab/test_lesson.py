"""LessonPanel in JupyterLab: a pupil asks by keyboard alone, sees the answer grow, and finds it in the saved file."""

from __future__ import annotations

import pytest
from kernels import livekit
from lab import Lab
from npm import package
from player import Player, stream

pytestmark = [pytest.mark.xdist_group("lab"), pytest.mark.timeout(300)]

RECORD = """%load_ext lk_notebook
%lkrecord lesson.jsonl --new
from lk_notebook import LLM, LessonPanel
for topic in ("overfitting", "gravity"):
    str(LLM("gpt-4.1-mini")(f"Explain {topic}."))
%lkrecord --off"""
PANEL = 'LessonPanel("lesson.jsonl", ["Explain {{ topic }}."])'


def answer(asked):
    """What the provider says, slowly enough to be seen to grow."""
    return stream(f"**{asked.prompt}** " + "word " * 40, pace=0.03)


@pytest.fixture(scope="module")
def lab():
    """A JupyterLab on a machine with a LiveKit account, to record with."""
    with Player(answer) as player, Lab(livekit(player)) as started:
        yield started


@pytest.fixture
def opened(lab, notebook):
    """A notebook with the panel."""
    lab.end_kernels()
    lab.write("lesson.ipynb", [RECORD, PANEL])
    one = notebook(lab, "lesson.ipynb")
    assert one.run_all(), one.shown(0)
    one.root = one.page.get_by_role("group", name="Lesson")
    one.root.wait_for()
    return one


def test_a_pupil_asks_by_keyboard_alone(opened):
    """Tab to the blank, pick, Tab to Ask, Enter; the answer grows as it was recorded."""
    blank = opened.root.get_by_label("topic")
    blank.focus()
    opened.page.keyboard.press("ArrowUp")
    opened.page.keyboard.press("g")
    assert opened.wait(lambda: blank.input_value() == "gravity")
    opened.page.keyboard.press("Tab")
    opened.page.keyboard.press("Enter")

    text = opened.root.get_by_role("region", name="Answer")
    assert opened.wait(lambda: "Explain gravity." in text.inner_text())
    early = len(text.inner_text())
    opened.root.get_by_role("button", name="Retry").wait_for()
    assert len(text.inner_text()) > early
    assert "recorded" in opened.root.inner_text()
    assert opened.errors == []


def test_what_was_asked_is_there_when_the_file_is_opened_again(lab, notebook, opened):
    """Without a kernel: question and answer, and no word of a missing model."""
    opened.root.get_by_role("button", name="Ask: Explain overfitting.").click()
    opened.root.get_by_role("button", name="Retry").wait_for()
    opened.save()
    lab.copy("lesson.ipynb", "later.ipynb", kernelspec={"name": "none-such", "display_name": "none"})
    lab.end_kernels()
    later = notebook(lab, "later.ipynb", kernel=False)

    assert "Explain overfitting." in later.shown(1)
    assert "word word" in later.shown(1)
    assert "not found" not in later.shown(1)


def test_its_accessibility_has_no_fault(opened):
    """By the rules of axe-core."""
    opened.root.get_by_role("button", name="Ask: Explain overfitting.").click()
    opened.root.get_by_role("button", name="Retry").wait_for()
    opened.page.evaluate((package("axe-core") / "axe.min.js").read_text("utf-8"))
    found = opened.page.evaluate("async () => (await axe.run('.lk-chat')).violations.map(v => v.id)")

    assert found == []
