"""The journal of a map: whatever ends the kernel, what was finished stands and is not asked again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from player import Answer, plain, stream

from lk_notebook import LLM, errors
from lk_notebook.journal import Journal

ROOT = Path(__file__).resolve().parents[2]
#: One map in a process of its own: the address, the journal and how many rows; prints the report and the answers.
PROGRAM = """
import json, sys
from lk_notebook import LLM
url, path, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
found = LLM("acme-1", base_url=url, api_key="sk-made-up-0123").map(
    [f"row {i}" for i in range(count)], "Of {{ text }}", journal=path, progress=False, concurrency=4)
report = found.report
told = {name: getattr(report, name) for name in ("asked", "remembered", "notes")}
print(json.dumps(told | {"values": list(found)}))
"""
#: The same, with files of at most so many bytes: what a full disk does.
FULL = "import resource, sys\nresource.setrlimit(resource.RLIMIT_FSIZE, (%d, %d))\n" + PROGRAM


def right(prompt):
    """The answer due to a prompt."""
    return f"Label of <{prompt}>\nnaïve “line”"


def echo(request):
    """The right answer."""
    return stream(right(request.prompt))


def slow(request):
    """The right answer, after a moment."""
    return Answer(echo(request).pieces, before=0.02)


def due(count):
    """The answers of so many rows."""
    return [right(f"Of row {i}") for i in range(count)]


def ask(player, path, rows=("a", "b", "c"), prompt="{{ text }}", **more):
    """One map of this process with a journal."""
    model, extra_kwargs = more.pop("model", "acme-1"), more.pop("extra_kwargs", None)
    llm = LLM(model, base_url=player.base_url, api_key="sk-made-up-0123", extra_kwargs=extra_kwargs)
    return llm.map(list(rows), prompt, journal=path, progress=False, **more)


def start(player, path, count, program=PROGRAM):
    """A map in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR", "VIRTUAL_ENV")}
    env = kept | {"PYTHONPATH": str(ROOT), "NO_PROXY": "*", "LK_NOTEBOOK_MEASUREMENTS": "off", "PYTHONUTF8": "1"}
    env["PYTHONDONTWRITEBYTECODE"] = "1"  # a process whose files are limited would leave a torn module behind
    command = [sys.executable, "-c", program, player.base_url, str(path), str(count)]
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(process):
    """What it printed."""
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    return json.loads(out)


def texts(path):
    """The texts of the whole lines behind the first."""
    whole = path.read_bytes() if path.exists() else b""
    return [json.loads(line)["text"] for line in whole[: whole.rfind(b"\n") + 1].splitlines()[1:]]


def test_each_row_is_written_when_it_is_finished(play, tmp_path):
    """While the next row is still asked, the ones before stand in the file."""
    path, seen = tmp_path / "labels.jsonl", []

    def look(request):
        seen.append(len(texts(path)))
        return echo(request)

    ask(play(look), path, concurrency=1)

    assert seen == [0, 1, 2]
    assert texts(path) == [right(text) for text in "abc"]


def test_another_process_asks_only_what_is_missing(play, tmp_path):
    """More rows in the second process: the first ones are read from the journal, and all are there."""
    path, player = tmp_path / "labels.jsonl", play(echo)

    first, second = (end(start(player, path, count)) for count in (10, 15))

    assert (first["asked"], first["remembered"]) == (10, 0)
    assert (second["asked"], second["remembered"]) == (5, 10)
    assert second["values"] == due(15)
    assert len(player.requests) == 15


def test_a_whole_journal_asks_nobody(play, tmp_path):
    """The same call again is read from the file, also in the kernel that wrote it."""
    player = play(echo)
    for _ in range(2):
        found = ask(player, tmp_path / "labels.jsonl")

    assert list(found) == [right(text) for text in "abc"]
    assert len(player.requests) == 3


def test_parsed_values_come_out_of_the_journal(play, tmp_path):
    """Under a schema a row read from the file is of its type."""
    player = play(stream('{"items": [1, 2]}'))
    for _ in range(2):
        found = ask(player, tmp_path / "labels.jsonl", ["a"], schema=list[int])

    assert list(found) == [[1, 2]]
    assert len(player.requests) == 1


def test_a_failed_row_is_not_in_the_journal(play, tmp_path):
    """It is asked again the next time."""
    answers = {"b": plain(400, {"error": {"message": "No"}})}
    player = play(lambda request: answers.get(request.prompt) or echo(request))
    assert list(ask(player, tmp_path / "labels.jsonl")) == [right("a"), None, right("c")]
    answers.clear()

    assert list(ask(player, tmp_path / "labels.jsonl")) == [right(text) for text in "abc"]
    assert Counter(request.prompt for request in player.requests) == {"a": 1, "b": 2, "c": 1}


@pytest.mark.parametrize("torn", [1, 5, 30])
def test_a_torn_last_line_is_asked_again(play, tmp_path, torn):
    """As a lost machine leaves it: that row alone is asked, and the file is whole afterwards."""
    path, player = tmp_path / "labels.jsonl", play(echo)
    ask(player, path, concurrency=1)
    path.write_bytes(path.read_bytes()[:-torn])

    found = ask(player, path)

    assert list(found) == [right(text) for text in "abc"]
    assert [request.prompt for request in player.requests] == ["a", "b", "c", "c"]
    assert sorted(texts(path)) == sorted(found)


CHANGES = {
    "model": {"model": "acme-2"},
    "parameters": {"extra_kwargs": {"temperature": 0}},
    "prompt": {"prompt": "Label {{ text }}"},
    "schema": {"schema": list[int]},
}


@pytest.mark.parametrize("changed", CHANGES)
def test_a_journal_of_another_question_is_refused(play, tmp_path, changed):
    """Two lines name what changed; nothing is sent, and the file stays as it is."""
    path, player = tmp_path / "labels.jsonl", play(echo)
    ask(player, path)
    before = path.read_bytes()

    with pytest.raises(errors.ConfigurationError, match=f"{changed} changed") as caught:
        ask(player, path, **CHANGES[changed])
    assert len(str(caught.value).splitlines()) == 2
    assert str(path) in str(caught.value)
    assert len(player.requests) == 3
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"a,b\n1,2\n", b'{"a": 1}\n', b"\n\n", b"no line", b'[{"lk_notebook": "journal"}]\n', b"\x00\xff\n"]
)
def test_a_file_that_is_no_journal_is_refused(play, tmp_path, content):
    """Somebody's data is never written over."""
    path = tmp_path / "data.csv"
    path.write_bytes(content)

    with pytest.raises(errors.ConfigurationError, match="no journal"):
        ask(play(echo), path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("name", ["none/labels.jsonl", "."])
def test_a_journal_that_cannot_be_opened_is_two_lines(play, tmp_path, name):
    """Its name and why; nothing is sent."""
    player = play(echo)
    with pytest.raises(errors.ConfigurationError, match="cannot be opened") as caught:
        ask(player, tmp_path / name)
    assert len(str(caught.value).splitlines()) == 2
    assert player.requests == []


def test_a_journal_that_another_process_writes_is_refused(play, tmp_path):
    """The second is told so and asks nobody; the first goes on, and once it has ended the file is free."""
    path, player, rows = tmp_path / "labels.jsonl", play(slow), [f"row {i}" for i in range(100)]
    process = start(player, path, 100)
    assert player.wait(lambda: player.requests)

    with pytest.raises(errors.ConfigurationError, match="Another process writes the journal"):
        ask(player, path, rows, "Of {{ text }}")
    assert end(process)["values"] == due(100)
    assert ask(player, path, rows, "Of {{ text }}").report.asked == 0
    assert len(player.requests) == 100


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other devices")
@pytest.mark.parametrize("name", ["/dev/full", "/dev/zero", "/dev/null", "pipe"])
def test_a_journal_that_is_no_file_is_refused(play, tmp_path, name):
    """A device or a pipe keeps nothing: two lines at once, and nothing is sent."""
    player, path = play(echo), Path(name)
    if name == "pipe":
        path = tmp_path / "pipe"
        os.mkfifo(path)

    with pytest.raises(errors.ConfigurationError, match="is a device or a pipe"):
        ask(player, path)
    assert player.requests == []


def test_another_server_is_another_question(play, tmp_path):
    """A model of the same name at another address gives other answers: the journal is refused."""
    path, other = tmp_path / "labels.jsonl", play(echo)
    ask(play(echo), path)

    with pytest.raises(errors.ConfigurationError, match="account changed"):
        ask(other, path)
    assert other.requests == []


def test_half_a_character_comes_back_as_it_was(tmp_path):
    """Half a surrogate pair has no UTF-8: it stands there as U+FFFD, for pandas, and comes back all the same."""
    path, text = tmp_path / "labels.jsonl", "half \ud83d of “one”"
    with Journal(path, QUESTION) as journal:
        journal.write("1", text)
        journal.write("2", "naïve")

    with Journal(path, QUESTION) as journal:
        assert journal.rows == {"1": text, "2": "naïve"}
    assert list(pd.read_json(path, lines=True)["text"].dropna()) == ["half \ufffd of “one”", "naïve"]


def test_the_journal_is_read_with_pandas(play, tmp_path):
    """A line a row, behind one that tells what was asked."""
    path = tmp_path / "labels.jsonl"
    found = ask(play(echo), path)

    table = pd.read_json(path, lines=True)
    assert (table["model"][0], table["prompt"][0]) == ("acme-1", "{{ text }}")
    assert sorted(table["text"].dropna()) == sorted(found)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file")
@pytest.mark.parametrize("room", [100, 600, 1500])
def test_a_full_disk_costs_no_row(play, tmp_path, room):
    """The rows go on without the journal and the report says so; with more room only what it lacks is asked."""
    path, player = tmp_path / "labels.jsonl", play(echo)

    full = end(start(player, path, 40, FULL % (room, room)))

    assert full["values"] == due(40)
    assert len(full["notes"]) == 1
    assert str(path) in full["notes"][0]
    assert len(player.requests) == 40
    written = len(texts(path))
    assert written < 40
    assert end(start(player, path, 40))["values"] == due(40)
    assert len(player.requests) == 40 + 40 - written
    assert sorted(texts(path)) == sorted(due(40))


QUESTION = {"fingerprint": "0123", "model": "acme-1", "prompt": "Is “{{ text }}” fine?"}
ANY = st.characters(exclude_categories=())  # halves of surrogate pairs too
ROWS = st.lists(st.tuples(st.text(min_size=1, max_size=8), st.text(ANY, max_size=20)), max_size=8)


def written(path, rows):
    """The file after these rows."""
    with Journal(path, QUESTION) as journal:
        for key, text in rows:
            journal.write(key, text)
    return path.read_bytes()


@settings(max_examples=150, deadline=None)
@given(rows=ROWS, part=st.floats(0, 1), more=ROWS)
def test_however_it_is_cut_a_journal_holds_the_first_of_its_rows(rows, part, more):
    """Any rows, cut at any byte: what is read is what was written first, and it goes on from there."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "labels.jsonl")
        whole = written(path, rows)
        cut = whole[: round(part * len(whole))]
        path.write_bytes(cut)
        first = rows[: max(0, cut.count(b"\n") - 1)]
        written(path, more)

        with Journal(path, QUESTION) as journal:
            assert journal.rows == dict([*first, *more])


class Disk:
    """A place with room for so many bytes: a small file system where we may mount one, else a limit of the process."""

    def __init__(self, folder: Path, room: int) -> None:
        self.path, self.program, self._room = folder / "labels.jsonl", PROGRAM, room
        size = ["-o", f"size={room}"]
        self._mounted = sys.platform == "linux" and self._run("mount", "-t", "tmpfs", *size, "tmpfs", str(folder))
        if not self._mounted:
            self.program = FULL % (room, room)

    @staticmethod
    def _run(*command: str) -> bool:
        try:
            return subprocess.run(command, capture_output=True, check=False).returncode == 0
        except OSError:
            return False

    def make_room(self) -> None:
        """No longer full."""
        self.program = PROGRAM
        if self._mounted:
            assert self._run("mount", "-o", "remount,size=1m", str(self.path.parent))

    def close(self) -> None:
        """Takes it away."""
        if self._mounted:
            assert self._run("umount", str(self.path.parent))


@pytest.fixture
def disk(tmp_path):
    """Eight kilobytes."""
    (tmp_path / "disk").mkdir()
    made = Disk(tmp_path / "disk", 8192)
    yield made
    made.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file")
def test_a_disk_that_is_full_and_then_is_not(play, disk):
    """While it is full all rows are answered, and the report says so; with room again only what it lacks is asked."""
    player, count = play(echo), 200
    full = end(start(player, disk.path, count, disk.program))
    assert full["values"] == due(count)
    assert [str(disk.path) in note for note in full["notes"]] == [True]
    written = len(texts(disk.path))
    assert 0 < written < count

    disk.make_room()
    assert end(start(player, disk.path, count, disk.program))["values"] == due(count)
    assert len(player.requests) == 2 * count - written
    assert sorted(texts(disk.path)) == sorted(due(count))


def test_two_processes_at_once_ask_each_row_once(play, tmp_path):
    """Begun in one moment on one journal: one is told to wait, or comes after the other; no row is asked twice."""
    path, player, count = tmp_path / "labels.jsonl", play(slow), 60
    both = [start(player, path, count) for _ in range(2)]
    ends = [process.communicate(timeout=60) for process in both]

    well = [out for process, (out, _) in zip(both, ends, strict=True) if process.returncode == 0]
    told = [error for process, (_, error) in zip(both, ends, strict=True) if process.returncode != 0]
    assert well
    assert all(json.loads(out)["values"] == due(count) for out in well)
    assert all("Another process writes the journal" in error for error in told)
    assert Counter(request.prompt for request in player.requests) == Counter(f"Of row {i}" for i in range(count))
    assert sorted(texts(path)) == sorted(due(count))
