"""■ in every state of an answer: the kernel is free at once, and nothing is lost that had arrived."""

from __future__ import annotations

import re
import threading
import time
from typing import NamedTuple

import pytest
from kernels import Kernel, Ran
from player import Answer, Player, plain, stream, words

BUSY = plain(429, {"error": {"message": "Slow down.", "type": "rate_limit_error"}}, {"retry-after": "25"})


def silent() -> threading.Event:
    """A gate that nobody opens."""
    return threading.Event()


STATES = {  # what the server does, and what can be seen when the state is reached
    "before the headers": (Answer(before="hang"), ""),
    "before the first piece": (Answer([silent()]), ""),
    "within the text": (Answer([*words("one two three"), silent()]), "three"),
    "within the reasoning": (Answer([*words("let me think", "reasoning"), silent()]), ""),
    "after the text, before the end": (Answer([*list(stream("one two three").pieces)[:-1], silent()]), "three"),
    "in the countdown of a retry": (BUSY, r"\b2\d\b"),
}


class Stop(NamedTuple):
    """A cell that was stopped at a time, with the cell queued behind it and what the server saw."""

    kernel: Kernel
    player: Player
    cell: Ran
    queued: Ran
    pressed: float


@pytest.fixture(params=STATES)
def stop(request, play, kernel, record_property):
    """■ is pressed in each state."""
    answer, mark = STATES[request.param]
    player = play(answer)
    started = kernel(player)
    cell, queued = started.send("%%lkchat\nhi"), started.send("print('after')")
    assert player.wait(lambda: player.requests)
    assert started.wait(lambda: re.search(mark, cell.shown), 10), cell.shown
    time.sleep(0.2)
    pressed = started.interrupt()
    started.finish(cell, queued, seconds=10)
    record_property("seconds until the kernel was free", round(cell.ended - pressed, 3))
    return Stop(started, player, cell, queued, pressed)


def test_the_cell_ends_at_once_and_the_kernel_is_free(stop):
    """The cell is over long before the server would have said another word, and the next cell runs."""
    assert stop.cell.ended - stop.pressed < 3
    assert stop.kernel.run("1 + 1").shown == "2"


def test_there_is_no_traceback(stop):
    """■ is no error of anybody's: the reader sees no frames and no exception's name."""
    assert not re.search("Traceback|KeyboardInterrupt|Cancelled|Error", stop.cell.shown)
    assert [output for output in stop.cell.outputs if output["output_type"] == "error"] == []


def test_the_cells_queued_behind_do_not_run(stop):
    """■ ends Run All, as it does for any other cell."""
    assert (stop.cell.status, stop.queued.status, stop.queued.shown) == ("error", "aborted", "")


@pytest.mark.parametrize("stop", [state for state in STATES if "retry" not in state], indirect=True)
def test_the_connection_is_closed(stop, record_property):
    """The server sees the client go: it need not write, and nobody pays for, what nobody will read."""
    gone = stop.player.stopped(5) - stop.pressed
    record_property("seconds until the connection was closed", round(gone, 3))

    assert gone < 3


def test_nothing_is_sent_afterwards(stop):
    """A stopped answer is not tried again."""
    stop.kernel.run("import time; time.sleep(1)")

    assert len(stop.player.requests) == 1


def test_what_had_arrived_stays(play, kernel):
    """The words that were there when ■ was pressed stand there afterwards, and the cell says that it was stopped."""
    player = play(Answer([*words("one two three"), silent()]))
    started = kernel(player)
    cell = started.send("%%lkchat -o reply\nhi")
    started.wait(lambda: "three" in cell.shown)

    started.interrupt()
    started.finish(cell)

    assert "one two three" in cell.shown
    assert "stopped" in cell.shown.lower()


def test_a_stopped_reply_is_in_its_variable(play, kernel):
    """`-o` holds what had arrived, and its state."""
    player = play(Answer([*words("one two three"), silent()]))
    started = kernel(player)
    cell = started.send("%%lkchat -o reply\nhi")
    started.wait(lambda: "three" in cell.shown)

    started.interrupt()
    started.finish(cell)

    assert started.run("print(reply.state, reply.text)").shown.strip() == "stopped one two three"


@pytest.mark.parametrize(
    "source",
    [
        "str(llm('hi'))",
        "for piece in llm('hi'): pass",
        "llm('hi').wait()",
        "await llm('hi')",
        "async for piece in llm('hi'): pass",
        "llm('hi')",
    ],
)
def test_python_can_be_stopped_however_it_waits(play, kernel, source):
    """■ wakes each way to wait for a reply within a moment, and closes the connection."""
    player = play(Answer([*words("one two three"), silent()]))
    started = kernel(player)
    started.run("from lk_notebook import LLM\nllm = LLM()")
    cell = started.send(source)
    assert player.wait(lambda: player.requests)
    time.sleep(0.3)

    pressed = started.interrupt()
    started.finish(cell, seconds=10)

    assert cell.ended - pressed < 3
    assert player.stopped(5) - pressed < 3


def test_after_a_stop_the_next_answer_is_whole(play, kernel):
    """A stop leaves nothing behind that spoils the next cell."""
    player = play(Answer([*words("one two"), silent()]), stream("Here I am."))
    started = kernel(player)
    cell = started.send("%%lkchat\nhi")
    started.wait(lambda: "two" in cell.shown)
    started.interrupt()
    started.finish(cell)

    after = started.run("%%lkchat\nhi again")

    assert after.status == "ok"
    assert "Here I am." in after.shown
