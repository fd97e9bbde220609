"""%lkrecord and %lkreplay: their lines, what they say, and what they refuse before anything is asked."""

from __future__ import annotations

import pytest
from player import stream

from lk_notebook.magics.tape import TapeMagics
from lk_notebook.net.deck import DECK

FIRST = '{"lk_notebook":"tape","version":1}\n'


@pytest.fixture
def cell(shell, monkeypatch, tmp_path):
    """Run cells in an empty folder; what is recorded or replayed ends with the test."""
    monkeypatch.chdir(tmp_path)
    started = shell()
    started._shell.register_magics(TapeMagics(started._shell))
    yield started.run
    DECK.stop_recording()
    DECK.stop_replaying()


def test_a_lesson_is_recorded_and_replayed(cell, play):
    """From the first line to the last; each says in one line what holds now."""
    url = play(stream("Hello")).base_url
    said = [cell("%lkrecord lesson.jsonl"), cell("%lkrecord")]
    cell(f"from lk_notebook import LLM\nstr(LLM('m', base_url='{url}')('hi'))")
    said += [cell("%lkrecord --off"), cell("%lkrecord"), cell("%lkreplay lesson.jsonl --speed 0"), cell("%lkreplay")]
    again = cell(f"str(LLM('m', base_url='{url}')('hi'))")
    said += [cell("%lkreplay --off"), cell("%lkreplay")]

    told = [each.printed.strip() for each in said]
    assert "Hello" in again.printed
    assert told[0] == "Recording to lesson.jsonl. %lkrecord --off ends it."
    assert told[1] == "0 calls recorded to lesson.jsonl. Recording goes on."
    assert told[2] == "1 call recorded to lesson.jsonl."
    assert told[3] == "Nothing is being recorded."
    assert told[4] == told[5]
    assert told[4].startswith("lesson.jsonl: 1 call, recorded 20")
    assert told[6] == "lesson.jsonl is over: models are asked again."
    assert told[7] == "Nothing is being replayed: models are asked."


def test_a_tape_is_gone_on_with_or_started_anew(cell, tmp_path):
    """What stands there stays, but for --new."""
    file = tmp_path / "lesson.jsonl"
    file.write_text(FIRST)
    cell("%lkrecord lesson.jsonl")
    assert file.read_text() == FIRST
    cell("%lkrecord lesson.jsonl --new")
    assert not file.exists()


def test_what_made_a_tape_is_told(cell, tmp_path):
    """Where answers were written, the line says so."""
    (tmp_path / "a b.jsonl").write_text('{"lk_notebook":"tape","version":1,"made_by":"written\\u001b[2J by us"}\n')

    assert "a b.jsonl: 0 calls · written[2J by us." in cell('%lkreplay "a b.jsonl"').printed


REFUSED = {
    "%lkreplay nowhere.jsonl": "The tape nowhere.jsonl cannot be read",
    "%lkreplay notes.txt": "notes.txt is no tape",
    "%lkreplay lesson.jsonl --speed fast": "--speed fast is no speed",
    "%lkreplay lesson.jsonl --speed -1": "--speed -1 is no speed",
    "%lkreplay lesson.jsonl other.jsonl": "takes one file; other.jsonl is too much",
    "%lkreplay lesson.jsonl --off": "--off takes no file",
    "%lkreplay --sped 2": "did you mean --speed",
    "%lkrecord nowhere/lesson.jsonl": "There is no folder nowhere",
    "%lkrecord notes.txt": "notes.txt is no tape",
    "%lkrecord lesson.jsonl speed=2": "takes one file; speed is too much",
}


@pytest.mark.parametrize(("line", "says"), REFUSED.items())
def test_what_cannot_be_done_is_told_in_two_lines(cell, tmp_path, line, says):
    """What happened, and the mend; nothing changes."""
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "lesson.jsonl").write_text(FIRST)
    ran = cell(line)

    assert len(ran.error) == 2
    assert says in ran.error[0]
    assert (DECK.recorder, DECK.replay) == (None, None)
