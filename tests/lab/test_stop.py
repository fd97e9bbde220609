"""Stop while the cell runs, by the button and by ■, and what stays of the reply: in JupyterLab and in Notebook 7.

Run on each ipykernel that is supported: how a busy kernel hears a button differs between them.
"""

from __future__ import annotations

import itertools
import os
import re
import time

import pytest
from kernels import livekit
from lab import Lab
from player import Answer, Player, chunk, end, stream

pytestmark = [pytest.mark.xdist_group("lab"), pytest.mark.timeout(300)]

WORDS = [f"w{i:03}" for i in range(400)]
#: Before ipykernel 7 a busy kernel hears no button; it is interrupted, as by ■.
HEARS = "ipykernel-6" not in os.environ.get("LK_IPYKERNEL", "")
SLOW = "%%lkchat -n\nslow"
SEEN = r"() => new Set(document.body.innerText.match(/\bw\d{3}\b/g)).size"
HEIGHT = """cell => { const seen = window.__heights = [];
  const look = () => { const area = cell.querySelector('.jp-OutputArea');
    if (area?.querySelector('[data-c]')) seen.push(area.offsetHeight);
    requestAnimationFrame(look) };
  look() }"""


def answer(request) -> Answer:
    """What the model says to each prompt of this file."""
    if request.prompt == "slow":
        return stream(" ".join(WORDS), pace=0.1)
    return Answer([*[part for word in WORDS[:40] for part in (chunk({"content": f"{word}\n\n"}), 0.05)], *end()])


@pytest.fixture(scope="module")
def player():
    """The model."""
    with Player(answer) as started:
        yield started


@pytest.fixture(scope="module", params=["jupyterlab", "notebook"])
def lab(request, player):
    """Each front end, on a machine with a LiveKit account."""
    with Lab(livekit(player), app=request.param) as started:
        yield started


def opened(lab: Lab, notebook, *cells: str):
    """These cells in a notebook, the library loaded in its first."""
    name = f"stop{time.monotonic_ns()}.ipynb"
    lab.write(name, ["%load_ext lk_notebook", *cells])
    one = notebook(lab, name)
    one.errors.clear()  # Notebook 7 has one of its own when it starts
    assert one.run(0)
    return one


def stop(one, how: str) -> None:
    """By the button in the output, or by ■ in the toolbar."""
    if how == "button":
        one.cell(1).get_by_role("button", name="Stop", exact=True).click()
    else:
        one.press("interrupt")


@pytest.mark.parametrize("how", ["button", "■"])
def test_a_stop_ends_the_reply_and_keeps_what_had_arrived(lab, player, notebook, how):
    """In a second, with the connection closed, without a traceback; Run All goes on after the button alone."""
    one = opened(lab, notebook, SLOW, "print('later')")
    before = len(player.closings)
    one.start_all()
    assert one.wait(lambda: one.page.evaluate(SEEN) >= 5, 60)

    pressed = time.time()
    stop(one, how)

    assert player.wait(lambda: any(each.during for each in player.closings[before:]))
    closed = next(each.at for each in player.closings[before:] if each.during)
    assert one.wait(lambda: "Stopped" in one.shown(1))
    assert one.wait(lambda: one.state == "idle")
    assert closed - pressed < 5
    kept = len(set(re.findall(r"w\d{3}", one.shown(1))))
    assert 5 <= kept < 300
    assert not re.search("Traceback|Interrupt|Cancelled", one.shown(1))
    goes_on = how == "button" and HEARS
    assert one.wait(lambda: one.has_run(2), 20 if goes_on else 3) == goes_on
    assert ("later" in one.shown(2)) == goes_on
    assert one.errors == []


def test_a_reply_grows_is_sealed_and_stays_in_the_file(lab, notebook):
    """It comes in many steps, never shrinks, and who opens the file later reads it, with a fresh kernel and without."""
    one = opened(lab, notebook, "%%lkchat -n\nshort")
    one.cell(1).evaluate(HEIGHT)
    assert one.run(1)
    one.cell(1).get_by_role("button", name="Copy", exact=True).wait_for()
    one.page.wait_for_timeout(1000)
    heights = one.page.evaluate("window.__heights")
    assert len(set(heights)) > 10
    assert min(b - a for a, b in itertools.pairwise(heights)) > -15
    assert one.cell(1).locator(".lk-view").count() == 0

    one.save()
    assert "widget-view" not in one.file.read_text("utf-8")
    assert "widgets" not in one.saved["metadata"]
    lab.copy(one.name, "later.ipynb", kernelspec={"name": "none-such", "display_name": "none"})
    lab.copy(one.name, "fresh.ipynb")
    lab.end_kernels()

    for name, kernel in (("later.ipynb", False), ("fresh.ipynb", True)):
        if kernel or lab.path == "lab/tree":  # Notebook 7 asks for a kernel first
            again = notebook(lab, name, kernel=kernel)
            assert WORDS[39] in again.shown(1)
            assert "model not found" not in again.shown(1)
            assert again.cell(1).get_by_role("button").count() == 0
    assert one.errors == []
