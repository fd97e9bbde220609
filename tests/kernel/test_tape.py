"""A class without accounts: what one kernel recorded, every other one hears, without account or network."""

from __future__ import annotations

import os
import re
import signal

import nbformat
import pytest
from kernels import SECRET, Kernel, Ran, clean_environment
from nbclient import NotebookClient
from player import Answer, chunk, end, plain, stream

CELLS = [
    "%%lkchat -n\nWhy is the sky blue?",
    "%%lkchat\nAnd at sunset?",
    "%%lkchat gpt-5-mini reasoning_effort=low -n -o reply\nhi",
    "%%lkcompare gpt-4.1 gpt-4o\nWhich?",
    "def double(x: int) -> int:\n    '''Twice x.'''\n    return 2 * x",
    "%%lkchat -n -t double\nTwice 21?",
    "from dataclasses import dataclass\n@dataclass\nclass Person:\n    name: str",
    "%%lkchat -n --schema Person -o who\nWho?",
    "print(who.parsed, reply.usage)",
    "from lk_notebook import LLM\nprint(LLM('gpt-4.1').map(['a', 'b'], 'Row {{ text }}', progress=False))",
]


def answers(request):
    """What the provider says."""
    if request.body.get("tools") and request.body["messages"][-1]["role"] != "tool":
        return stream(tool_calls=[{"id": "call_1", "name": "double", "arguments": '{"x": 21}'}])
    if "response_format" in request.body:
        return stream('{"name": "Ada"}')
    turns = len(request.body["messages"])
    return stream(f"**{request.body['model']}** said {turns}: {request.prompt} Žluťoučký 🐎", pace=0.01)


def visible(ran):
    """What a reader sees of a cell, but for when it was recorded, and the hundredths of a second."""
    return re.sub(r" · recorded \d{4}-\d\d-\d\d|\d\.\d\d s|[\d.]+ tok/s", "", ran.shown)


@pytest.fixture
def recorded(play, kernel, tmp_path):
    """A tape of all the cells, what they showed, and the key that was used for it."""
    file = tmp_path / "lesson.jsonl"
    teacher = kernel(play(answers))
    assert teacher.run(f"%lkrecord {file}").status == "ok"
    shown = [visible(ran) for ran in teacher.run_all(CELLS)]
    assert teacher.run("%lkrecord --off").shown.startswith("10 calls recorded")
    return file, shown


def test_a_class_sees_what_the_teacher_saw(recorded, kernel):
    """Chat, parameters, comparison, tools, schema, table: the same text and figures, with no account, at any speed."""
    file, shown = recorded
    pupil = kernel()
    assert pupil.run(f"%lkreplay {file} --speed 0").status == "ok"
    ran = pupil.run_all(CELLS)

    assert [each.status for each in ran] == ["ok"] * len(CELLS)
    assert [visible(each) for each in ran] == shown
    assert "recorded 20" in ran[0].shown
    assert SECRET not in file.read_text("utf-8")
    assert "APItest" not in file.read_text("utf-8")


def test_run_all_twice_works(recorded, kernel):
    """In one kernel, with the cell that starts the tape and without it."""
    file, _ = recorded
    pupil = kernel()
    sources = [f"%lkreplay {file} --speed 0", *CELLS]

    def run(cells):
        return pupil.finish(*(pupil.send(source, cell=f"c{i}") for i, source in cells))

    assert all(ran.status == "ok" for ran in run(enumerate(sources)))
    assert all(ran.status == "ok" for ran in run(enumerate(sources)))
    assert all(ran.status == "ok" for ran in run([(i, source) for i, source in enumerate(sources) if i]))


def test_a_notebook_is_graded_with_nbclient(recorded, tmp_path, monkeypatch):
    """The variables alone say that a tape answers; nobody is asked for a key."""
    file, shown = recorded
    env = clean_environment(tmp_path, {"LK_NOTEBOOK_REPLAY": str(file), "LK_NOTEBOOK_REPLAY_SPEED": "0"})
    for name in [name for name in os.environ if name not in env]:
        monkeypatch.delenv(name)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    cells = [nbformat.v4.new_code_cell(source) for source in ["%load_ext lk_notebook", *CELLS]]
    notebook = nbformat.v4.new_notebook(cells=cells)

    NotebookClient(notebook, timeout=60, kernel_name="python3", allow_errors=False).execute()

    assert [visible(Ran(cell.source, outputs=cell.outputs)) for cell in notebook.cells[1:]] == shown


def test_a_question_that_the_tape_lacks_fails_at_once(recorded, kernel):
    """Two lines: which question, and the nearest on the tape; Run All stops there."""
    file, _ = recorded
    pupil = kernel(env={"LK_NOTEBOOK_REPLAY": str(file)})
    ran = pupil.run("%%lkchat\nWhy is the sky green?")

    assert ran.status == "error"
    assert ran.error == [
        "lesson.jsonl has no answer to “Why is the sky green?” (openai/gpt-4.1-mini).",
        "Nearest on it: “Why is the sky blue?” (openai/gpt-4.1-mini).",
    ]


def test_an_error_is_replayed_as_an_error(play, kernel, tmp_path):
    """The class sees the two lines that the teacher saw."""
    file = tmp_path / "lesson.jsonl"
    teacher = kernel(play(plain(401, {"error": "no such key"})))
    teacher.run(f"%lkrecord {file}")
    before = teacher.run("%%lkchat\nhi").error
    teacher.run("%lkrecord --off")
    pupil = kernel(env={"LK_NOTEBOOK_REPLAY": str(file)})

    assert pupil.run("%%lkchat\nhi").error == before
    assert before == [
        "livekit refused the key (401): no such key",
        "Check the key: it stands in LIVEKIT_API_KEY, LIVEKIT_API_SECRET.",
    ]


def test_a_replay_can_be_stopped(play, kernel, tmp_path):
    """■ ends it as it ends any answer: no traceback, what had come stays."""
    file = tmp_path / "lesson.jsonl"
    teacher = kernel(play(Answer([part for _ in range(12) for part in (chunk({"content": "word "}), 0.25)] + end())))
    teacher.run(f"%lkrecord {file}")
    teacher.run("%%lkchat\nhi")
    teacher.run("%lkrecord --off")
    pupil = kernel(env={"LK_NOTEBOOK_REPLAY": str(file)})
    ran = pupil.send("%%lkchat\nhi")
    assert pupil.wait(lambda: "word" in ran.shown)
    pupil.interrupt()
    pupil.finish(ran)

    assert ran.error == []
    assert "Stopped" in ran.shown
    assert "word word word word word word word word word word word word" not in ran.shown


def test_a_killed_kernel_leaves_a_tape_of_what_had_ended(play, kernel, tmp_path):
    """Power off: whole lines, and another kernel replays them."""
    file = tmp_path / "lesson.jsonl"
    teacher = kernel(play(lambda request: stream(f"<{request.prompt}>")))
    teacher.run(f"%lkrecord {file}")
    teacher.run("%%lkchat -n\none")
    teacher.run("%%lkchat -n\ntwo")
    assert teacher.wait(lambda: file.exists() and len(file.read_text("utf-8").splitlines()) == 3)
    teacher.manager.signal_kernel(signal.SIGKILL)
    pupil = kernel(env={"LK_NOTEBOOK_REPLAY": str(file)})

    assert "<one>" in pupil.run("%%lkchat -n\none").shown
    assert "<two>" in pupil.run("%%lkchat -n\ntwo").shown


def test_tab_completes_tapes_and_speeds(tmp_path):
    """Files that may be tapes, folders, options, speeds."""
    with Kernel() as kernel:
        kernel.run(
            "import os\nfor name in ('lesson.jsonl', 'notes.txt'):\n    open(name, 'w').close()\nos.mkdir('later')"
        )

        def tab(code):
            return kernel.client.complete(code, len(code), reply=True, timeout=30)["content"]["matches"]

        assert tab("%lkreplay le") == ["lesson.jsonl"]
        assert tab("%lkrecord l") == ["later/", "lesson.jsonl"]
        assert tab("%lkreplay lesson.jsonl --speed ") == ["0", "1", "2"]
        assert "--off" in tab("%lkrecord -")


def test_a_panel_hears_the_tape(play, kernel, tmp_path):
    """As a cell does: it needs no account, and says when the answer was recorded."""
    file = tmp_path / "lesson.jsonl"
    ask = "from lk_notebook import ChatPanel\npanel = ChatPanel('gpt-4.1-mini')\nprint(panel.ask('hi').wait().text)"
    teacher = kernel(play(answers))
    teacher.run(f"%lkrecord {file}")
    before = teacher.run(ask).shown
    teacher.run("%lkrecord --off")
    pupil = kernel(env={"LK_NOTEBOOK_REPLAY": str(file)})

    assert "said 1: hi" in before
    assert pupil.run(ask).shown == before
    assert "recorded 20" in pupil.run("panel").everything


def test_an_agent_hears_the_tape(play, kernel, tmp_path):
    """LiveKit's own session, its tools run here; nobody else is asked."""
    pytest.importorskip("livekit.agents")
    file = tmp_path / "lesson.jsonl"
    cells = [CELLS[4], "%%lkagent -t double\nTwice 21?"]
    teacher = kernel(play(answers))
    teacher.run(f"%lkrecord {file}")
    before = [visible(ran) for ran in teacher.run_all(cells)]
    teacher.run("%lkrecord --off")
    pupil = kernel(env={"LK_NOTEBOOK_REPLAY": str(file), "LK_NOTEBOOK_REPLAY_SPEED": "0"})

    assert "Twice 21?" in before[1]
    assert [visible(ran) for ran in pupil.run_all(cells)] == before
