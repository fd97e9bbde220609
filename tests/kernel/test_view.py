"""A reply where no view is shown: front ends without widgets, and those that only run notebooks."""

from __future__ import annotations

import re
import time

import nbformat
import pytest
from kernels import SECRET, clean_environment, livekit
from nbclient import NotebookClient
from player import Answer, chunk, end, stream

WIDGET = "application/vnd.jupyter.widget-view+json"


def slow(seconds: float) -> Answer:
    """Words for so many seconds."""
    return stream(" ".join(f"w{i:03}" for i in range(40)), pace=seconds / 40)


def test_a_front_end_that_shows_no_widgets_sees_the_reply_grow(play, kernel):
    """After about a second without a view the page gets HTML, again and again; nothing is waited for."""
    started = kernel(play(slow(5)))
    cell = started.send("%%lkchat\nHi", answers=[])
    assert started.wait(lambda: cell.outputs)
    assert WIDGET in cell.outputs[0]["data"]

    seen = set()
    started.wait(lambda: seen.add(cell.html) or cell.reply, 30)

    lengths = {len(re.findall(r"\bw\d{3}\b", html)) for html in seen}
    assert len(lengths - {0, 40}) > 5
    assert WIDGET not in cell.outputs[0]["data"]
    assert "w039" in cell.html


def test_the_first_text_is_not_kept_back_for_a_view(play, kernel):
    """A reply of one word ends at once, whether or not anybody shows a view."""
    started = kernel(play(Answer([chunk({"content": "Zebra."}), *end()])))
    started.run("%%lkchat\nHi")
    begun = time.monotonic()
    cell = started.run("%%lkchat\nHi", answers=[])
    assert time.monotonic() - begun < 1
    assert "Zebra" in cell.html


def test_who_only_runs_notebooks_gets_html_alone(play, kernel):
    """Without anybody who could type there is no view: no message of a widget is sent."""
    started = kernel(play(slow(0.5)))
    cell = started.run("%%lkchat\nHi")
    assert WIDGET not in cell.everything
    assert "data-lk=" not in cell.html
    assert "w039" in cell.html


@pytest.mark.parametrize("source", ["%%lkchat\nHi", "%%lkcompare gpt-4.1-mini gpt-4.1\nHi"])
def test_a_notebook_that_is_run_by_nbclient_holds_html_and_no_widget(play, tmp_path, monkeypatch, source):
    """Its file has the answer as HTML and as text, and no state of any widget."""
    player = play(lambda _: stream("The **answer**."))
    for name, value in clean_environment(tmp_path, livekit(player)).items():
        monkeypatch.setenv(name, value)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in ("%load_ext lk_notebook", source)])

    NotebookClient(book, timeout=60, kernel_name="python3").execute()

    (output,) = [each for each in book.cells[1].outputs if "<strong>answer</strong>" in str(each)]
    assert set(output["data"]) == {"text/html", "text/plain"}
    assert "widgets" not in book.metadata
    assert SECRET not in str(book)
