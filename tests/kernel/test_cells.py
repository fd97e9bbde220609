"""Cells in a real kernel: answers, errors in two lines, loading and unloading, and what must not break a kernel."""

from __future__ import annotations

import threading
import time

import pytest
from kernels import SECRET
from player import Answer, plain, stream, words

REFUSED = plain(401, {"error": {"message": f"Incorrect API key provided: {SECRET}.", "code": "invalid_api_key"}})
TWO_THREADS = """
from concurrent.futures import ThreadPoolExecutor
from lk_notebook import LLM
llm = LLM()
with ThreadPoolExecutor() as pool:
    print(sorted(pool.map(lambda word: str(llm(word)), ["red", "green", "blue"])))
"""
FORK = """
import os
read, write = os.pipe()
if not (child := os.fork()):
    try:
        os.write(write, str(llm("child")).encode())
    finally:
        os._exit(0)
os.close(write)
with os.fdopen(read) as said:
    print(said.read())
os.waitpid(child, 0)
print(str(llm("parent")))
"""


def echo(request):
    """A server that repeats the prompt, slowly enough for two requests to meet."""
    return Answer([0.1, *stream(f"You said {request.prompt}").pieces])


def test_an_answer_grows_and_stands_there(play, kernel):
    """The words are shown while the rest is still to come, and all of them at the end."""
    player = play(Answer([*words("The first half"), gate := threading.Event(), *stream(" and the rest.").pieces]))
    started = kernel(player)
    cell = started.send("%%lkchat\nhi")

    assert started.wait(lambda: "The first half" in cell.shown)
    assert "and the rest" not in cell.shown
    gate.set()
    started.finish(cell)
    assert "The first half and the rest." in cell.shown


def test_what_is_saved_is_html_and_text(play, kernel):
    """The finished cell holds static HTML and plain text, readable without a kernel, and no Markdown of the model's."""
    cell = kernel(play(stream("**Hello**"))).run("%%lkchat\nhi")

    data = [output["data"] for output in cell.outputs if "data" in output]
    assert any("<strong>Hello</strong>" in one.get("text/html", "") for one in data)
    assert all("text/plain" in one and "text/markdown" not in one for one in data)


def test_an_error_is_two_lines_and_ends_run_all(play, kernel):
    """What happened, and the mend; the cell fails, so the cells queued behind it do not run."""
    failed, after = kernel(play(REFUSED)).run_all(["%%lkchat\nhi", "1"])

    assert (failed.status, after.status) == ("error", "aborted")
    assert len(failed.error) == 2
    assert "401" in failed.error[0]


@pytest.mark.parametrize(
    "answer",
    [
        REFUSED,
        plain(500, SECRET),
        Answer(before="cut"),
        Answer(before="garbage"),
        Answer([b'data: {"error": {"message": "%s"}}\n\n' % SECRET.encode()]),
        Answer(words("half"), then="cut"),
    ],
    ids=["401", "500", "no answer", "no HTTP", "error in the stream", "cut"],
)
def test_verbose_shows_the_whole_traceback_and_no_key(play, kernel, answer):
    """`%xmode Verbose` is for finding bugs: all frames, but no key and no token made of it, also if echoed."""
    player = play(answer)
    started = kernel(player)
    started.run("%xmode Verbose")

    cell = started.run("from lk_notebook import LLM\nstr(LLM(max_retries=0)('hi'))")
    magic = started.run("%%lkchat\nhi", seconds=60)

    assert "Traceback" in cell.shown
    for secret in (SECRET, *(request.headers["authorization"].split()[-1] for request in player.requests)):
        assert secret not in cell.everything + magic.everything + started.log


def test_loading_twice_changes_nothing(play, kernel):
    """`%load_ext` in a cell that is run again is no error, and what was set stays."""
    player = play(stream("Hello."))
    started = kernel(player)
    started.run("%lkuse openai/gpt-4.1-nano")

    again = started.run("%load_ext lk_notebook")
    started.run("%%lkchat\nhi")

    assert again.status == "ok"
    assert player.requests[0].body["model"] == "openai/gpt-4.1-nano"


def test_unloading_takes_the_magics_away(kernel):
    """After `%unload_ext` the notebook knows `%%lkchat` no more."""
    started = kernel()
    started.run("%unload_ext lk_notebook")

    cell = started.run("%%lkchat\nhi")

    assert cell.status == "error"
    assert "lkchat` not found" in cell.shown


@pytest.mark.parametrize("line", ["%reload_ext lk_notebook", "%unload_ext lk_notebook\n%load_ext lk_notebook"])
def test_reloading_brings_a_working_library(play, kernel, line):
    """Whatever was loaded and unloaded before, the next answer comes."""
    started = kernel(play(stream("Here I am.")))
    started.run("%%lkchat\nhi")

    reloaded, cell = started.run(line), started.run("%%lkchat\nhi")

    assert (reloaded.status, cell.status) == ("ok", "ok")
    assert "Here I am." in cell.shown


def test_a_kernel_can_be_shut_down_in_mid_answer(play, kernel):
    """Shutting down does not wait for the answer, and closes the connection."""
    player = play(Answer([*words("one two"), threading.Event()]))
    started = kernel(player)
    cell = started.send("%%lkchat\nhi")
    started.wait(lambda: "two" in cell.shown)

    asked = time.time()
    started.manager.shutdown_kernel()

    assert not started.manager.is_alive()
    assert player.stopped(10) - asked < 10


@pytest.mark.parametrize("prompt", ["Why is the sky blue?", "Is 'this' one: {{ 1 + 1 }}? Or that?? "])
def test_a_prompt_on_one_line_may_be_a_question(play, kernel, prompt):
    """A question mark at the end of `%lkchat …` belongs to the prompt: it does not ask IPython for help."""
    player = play(stream("Yes."))

    cell = kernel(player).run(f"if True:\n    %lkchat {prompt}")

    assert "Yes." in cell.shown
    assert player.requests[0].prompt == prompt.replace("{{ 1 + 1 }}", "2").strip()


def test_help_on_a_magic_is_still_there(kernel):
    """`%lkchat?` shows how it is used."""
    cell = kernel().run("%lkchat?")

    assert "KEY=VALUE" in str(cell.reply["payload"])


def test_threads_ask_at_once(play, kernel):
    """Each thread gets the answer to its own question."""
    cell = kernel(play(echo)).run(TWO_THREADS)

    assert cell.shown.strip() == "['You said blue', 'You said green', 'You said red']"


@pytest.mark.filterwarnings("default::DeprecationWarning")
def test_a_forked_child_asks_by_itself(play, kernel):
    """After a fork of the kernel's process both sides get their own answers."""
    started = kernel(play(echo))
    started.run("from lk_notebook import LLM\nllm = LLM()\nstr(llm('before'))")

    cell = started.run(FORK)

    assert cell.shown.split("\n")[:2] == ["You said child", "You said parent"]


def test_run_all_loses_no_cell(play, kernel):
    """Twelve cells queued at once are answered one by one, in their order, each below its own cell."""
    player = play(echo)

    cells = kernel(player).run_all([f"%%lkchat\nnumber {i}" for i in range(12)])

    assert [request.prompt for request in player.requests] == [f"number {i}" for i in range(12)]
    assert all(f"You said number {i}" in " ".join(cell.shown.split()) for i, cell in enumerate(cells))


def test_a_reply_that_is_a_value_tells_its_error(play, kernel):
    """`llm("…")` as the last value draws the two lines of its error where the answer would stand."""
    started = kernel(play(plain(404, {"error": "model not found"})))

    ran = started.run('from lk_notebook import LLM\nLLM("openai/gpt-5")("hi")')

    assert "model not found" in ran.shown
    assert "pick another model" in ran.shown


def test_a_refused_cell_shows_its_two_lines_and_nothing_else(play, kernel):
    """Where nothing came, nothing but the error stands below the cell."""
    started = kernel(play(plain(404, {"error": "model not found"})))

    ran = started.run("%%lkchat openai/gpt-5\nhi")

    assert len([line for line in ran.shown.splitlines() if line.strip()]) == 2
