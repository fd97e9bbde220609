"""`llm.map` in a notebook: the bar, ■ and running the cell again, what it will cost."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
from player import Answer, plain, stream

PRICED = """from lk_notebook import LLM
LLM("openai/gpt-4.1", provider="openai").map([f"row {i}" for i in range(1200)], "{{ text }}", concurrency=4)"""


def echo(request):
    """The answer due to a prompt."""
    return stream(f"label of {request.prompt}")


def slow(request):
    """The same, after a moment."""
    return Answer(echo(request).pieces, before=0.1)


def a_map(stage, count, **more):
    """A cell with a map of so many rows that no other test has, whose result is `found`."""
    words = "".join(f", {name}={value!r}" for name, value in more.items())
    return f"""from lk_notebook import LLM
found = LLM("acme/map-1").map([f"{stage.name} {{i}}" for i in range({count})], "{{{{ text }}}}"{words})"""


def due(stage, count):
    """The answers of such a map."""
    return [f"label of {stage.name} {i}" for i in range(count)]


def values(stage):
    """What is in `found`."""
    return json.loads(stage.run("import json; print(json.dumps(list(found)))").shown)


def test_a_bar_counts_the_rows(stage):
    """How many of how many, and the rate, as text on stdout: it is still there when the saved file is opened."""
    stage.play(echo)
    cell = stage.run(a_map(stage, 30))

    assert cell.status == "ok", cell.shown
    assert {output["output_type"] for output in cell.outputs} == {"stream"}
    assert {output["name"] for output in cell.outputs} == {"stdout"}
    assert "30/30" in cell.shown
    assert "row/s" in cell.shown


def test_the_bar_moves_while_rows_come(stage):
    """It does not only appear at the end."""
    stage.play(slow)
    cell = stage.kernel.send(a_map(stage, 80, concurrency=4))

    assert stage.kernel.wait(lambda: re.search(r"[1-7]\d?/80", cell.shown), 20)
    assert not cell.reply
    stage.kernel.finish(cell)


def test_the_bar_counts_failures(stage):
    """How many rows have failed so far."""
    stage.play(
        lambda request: plain(400, {"error": {"message": "No"}}) if "3" in request.prompt[-1:] else echo(request)
    )
    cell = stage.run(a_map(stage, 20))

    assert "failed=2" in cell.shown


def test_the_bar_can_be_left_out(stage):
    """`progress=False` shows nothing."""
    stage.play(echo)

    assert stage.run(a_map(stage, 30, progress=False)).shown == ""


@pytest.fixture
def stopped(stage):
    """A map of 60 rows that was stopped when some were done, and the cell queued behind it."""
    stage.play(slow)
    cell, queued = stage.kernel.send(a_map(stage, 60, concurrency=4)), stage.kernel.send("print('after')")
    assert stage.player.wait(lambda: len(stage.requests) > 20)
    pressed = stage.kernel.interrupt()
    stage.kernel.finish(cell, queued)
    return cell, queued, pressed


def test_a_stop_ends_the_cell_soon_and_says_what_is_kept(stopped):
    """Without a traceback; how many of how many are done, and how to go on."""
    cell, _, pressed = stopped

    assert cell.ended - pressed < 3
    assert re.search(r"\d+ of 60 rows are done and kept: run the cell again", cell.shown)
    assert not re.search("Traceback|KeyboardInterrupt|Cancelled|Error", cell.shown)


def test_a_stop_ends_run_all(stopped):
    """■ in a map stops the cells queued behind it, as in any other cell."""
    cell, queued, _ = stopped

    assert (cell.status, queued.status, queued.shown) == ("error", "aborted", "")


def test_running_the_cell_again_asks_only_the_rest(stage, stopped):
    """What was done is kept, only what was under way is asked twice, and all rows are there."""
    done = int(re.search(r"(\d+) of 60 rows", stopped[0].shown).group(1))
    before = len(stage.requests)
    assert stage.run(stopped[0].source).status == "ok"

    assert values(stage) == due(stage, 60)
    assert len(stage.requests) - before == 60 - done
    assert sum(count > 1 for count in Counter(request.prompt for request in stage.requests).values()) <= 4


def test_nothing_more_is_asked_after_a_stop(stage, stopped):
    """The rows that were not yet asked are left alone."""
    before = len(stage.requests)
    stage.run("import time; time.sleep(0.5)")

    assert len(stage.requests) == before


def test_an_estimate_stands_there_before_the_bulk_is_sent(stage):
    """Where the price is published: after a few rows the cost of all, before the others are asked."""
    usage = {"prompt_tokens": 100, "completion_tokens": 100, "total_tokens": 200}  # a tenth of a cent
    stage.play(lambda request: Answer(stream(f"label of {request.prompt}", usage=usage).pieces, before=0.1))
    cell = stage.kernel.send(PRICED)

    assert stage.kernel.wait(lambda: "1 200 rows, about $1.2" in cell.shown, 10), cell.shown
    assert len(stage.requests) <= 100
    stage.kernel.interrupt()
    stage.kernel.finish(cell)


def test_without_a_price_there_is_no_estimate(stage):
    """Nobody's guess."""
    stage.play(echo)

    assert "$" not in stage.run(a_map(stage, 40)).shown
