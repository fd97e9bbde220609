"""`%%lkcompare` in a real kernel: columns grow together, ■, Run All, and blind votes."""

from __future__ import annotations

import re
import threading
from queue import Empty

from player import Answer, plain, stream, words

NAMES = ("gpt-4", "openai", "azure", "First token")


def gated(gates, first="The first half", rest=" and the rest."):
    """Each model says its first half at once, and the rest when the gate of its name is opened."""
    return lambda request: Answer([*words(first), gates[request.body["model"]], *stream(rest).pieces])


def columns(cell):
    """The HTML of each column."""
    return re.findall(r"<article.*?</article>", cell.html)


def test_columns_grow_together(play, kernel):
    """While no answer is complete, the beginning of each stands in its column."""
    gates = {"openai/gpt-4o": threading.Event(), "openai/gpt-4.1": threading.Event()}
    started = kernel(play(gated(gates)))
    cell = started.send("%%lkcompare gpt-4o gpt-4.1\nhi")

    assert started.wait(lambda: cell.html.count("The first half") == 2)
    assert "and the rest" not in cell.html
    for gate in gates.values():
        gate.set()
    started.finish(cell)
    assert ["The first half and the rest." in column for column in columns(cell)] == [True, True]


def test_a_slow_model_does_not_hold_the_others(play, kernel):
    """An answer is complete on the page while another has not said a word."""
    silent = threading.Event()

    def answers(request):
        return Answer([silent, *stream("At last.").pieces]) if "4.1" in request.body["model"] else stream("At once.")

    started = kernel(play(answers))
    cell = started.send("%%lkcompare gpt-4.1 gpt-4o\nhi")

    assert started.wait(lambda: "At once." in cell.html)
    assert "waiting for the first token" in columns(cell)[0]
    silent.set()
    started.finish(cell)
    assert "At last." in columns(cell)[0]


def test_stop_ends_all_columns_and_keeps_what_had_come(play, kernel):
    """■: each column keeps its text and says that it was stopped; all connections are closed; no traceback."""
    gates = {"openai/gpt-4o": threading.Event(), "openai/gpt-4.1": threading.Event()}
    player = play(gated(gates))
    started = kernel(player)
    cell = started.send("%%lkcompare gpt-4o gpt-4.1 -o t\nhi")
    queued = started.send("1")
    started.wait(lambda: cell.html.count("The first half") == 2)

    started.interrupt()
    started.finish(cell, queued)

    assert (cell.status, queued.status, cell.error) == ("error", "aborted", [])
    assert all("The first half" in column and "Stopped" in column for column in columns(cell))
    assert player.wait(lambda: len([closing for closing in player.closings if closing.during]) == 2)
    assert started.run("print(list(t['state']))").shown.strip() == "['stopped', 'stopped']"


def test_run_all_goes_on_after_a_failed_column(play, kernel):
    """One refused model does not end Run All."""

    def answers(request):
        return plain(400, {"error": {"message": "bad"}}) if "4.1" in request.body["model"] else stream("Fine.")

    cell, after = kernel(play(answers)).run_all(["%%lkcompare gpt-4o gpt-4.1\nhi", "print('after')"])

    assert (cell.status, after.status) == ("ok", "ok")
    assert "Fine." in cell.html


def test_what_is_saved_is_one_output(play, kernel):
    """One display of static HTML and plain text stays in the file."""
    cell = kernel(play(stream("Fine."))).run("%%lkcompare gpt-4o gpt-4.1\nhi")

    (output,) = cell.outputs
    assert set(output["data"]) == {"text/html", "text/plain"}
    assert output["data"]["text/plain"].count("Fine.") == 2


def test_blind_without_input_tells_the_names_without_a_vote(play, kernel):
    """As nbclient runs it: nobody is asked, the cell ends, and says that there was no vote."""
    cell = kernel(play(stream("Fine."))).run("%%lkcompare gpt-4o gpt-4.1 --blind\nhi")

    assert cell.status == "ok"
    assert "No vote" in cell.shown
    assert "openai/gpt-4o" in cell.shown


def until_asked(kernel):
    """All messages of the kernel, but those that repeat the cell's source, until it has asked and fallen silent."""
    seen = []
    while not kernel.client.stdin_channel.msg_ready():
        seen += messages(kernel)
    return seen + messages(kernel, 1.0)


def messages(kernel, seconds=0.05):
    """What it sends within so long a silence."""
    seen = []
    try:
        while True:
            message = kernel.client.get_iopub_msg(timeout=seconds)
            kernel._output(message)
            if message["msg_type"] != "execute_input":
                seen.append(message["content"])
    except Empty:
        return seen


def test_no_message_before_the_vote_tells_a_name(play, kernel):
    """Until the user has chosen, nothing that leaves the kernel holds a model, a provider or a figure."""
    player = play(Answer([*words("One"), 0.3, *stream(" and two.").pieces]))
    started = kernel(player)
    cell = started.send("%%lkcompare gpt-4o@azure gpt-4.1 --blind\nhi", answers=["B"])

    before = repr(until_asked(started))
    started.finish(cell)

    assert before.count("One and two.") >= 2
    assert [name for name in NAMES if name in before] == []
    assert [name for name in NAMES if name not in cell.shown] == []


def test_a_vote_by_input_is_told_and_counted(play, kernel):
    """The question names the letters; the chosen column says so, in the place where it stood; the tally counts it."""
    started = kernel(play(stream("Fine.")))

    cell = started.run("%%lkcompare gpt-4o gpt-4.1 --blind\nhi", answers=["B"])

    assert cell.asked == ["Which is best? A, B or = for a tie: "]
    assert cell.html.count("<article") == 2
    assert [" · chosen" in column for column in columns(cell)] == [False, True]
    assert "1 vote" in started.run("%lkcompare").shown


def test_stop_at_the_question_tells_the_names(play, kernel):
    """■ instead of a vote: no vote is kept, the names are told, and there is no traceback."""
    started = kernel(play(stream("Fine.")))
    cell = started.send("%%lkcompare gpt-4o gpt-4.1 --blind\nhi", answers=[])
    until_asked(started)

    started.client.get_stdin_msg(timeout=1)
    started.interrupt()
    started.finish(cell)

    assert (cell.status, cell.error) == ("error", [])
    assert "openai/gpt-4o" in cell.shown
    assert "No vote yet" in started.run("%lkcompare").shown
