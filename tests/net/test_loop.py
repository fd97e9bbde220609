"""The one background loop: threads, forks and the end of the process do it no harm, and it does none to them."""

import _thread
import asyncio
import signal
import subprocess
import sys
import threading
import time

import pytest
from kernels import ROOT, clean_environment
from player import Answer, chunk, stream

from lk_notebook import LLM
from lk_notebook.net import loop

HANGS = Answer([chunk({"content": "So far"})], then="hang")


@pytest.fixture
def program(tmp_path):
    """Run a program that asks `llm`, a model that this player plays; gives what it printed."""

    def run(player, source):
        head = "import os, sys, threading, time\nfrom lk_notebook import LLM\nllm = LLM('m', base_url=sys.argv[1])\n"
        ended = subprocess.run(
            [sys.executable, "-W", "default", "-W", "ignore::DeprecationWarning", "-c", head + source, player.base_url],
            env=clean_environment(tmp_path), cwd=ROOT, capture_output=True, text=True, timeout=25, check=False,
        )  # fmt: skip
        assert (ended.stderr, ended.returncode) == ("", 0)
        return ended.stdout

    return run


def echo(request):
    """Says what it was asked."""
    return stream(request.prompt)


def test_a_forked_process_asks_as_its_parent_does(play, program):
    """A child gets a loop and connections of its own, and its parent keeps those it has."""
    said = program(play(echo), """
print(llm("parent"), flush=True)
if not (child := os.fork()):
    print(llm("child"), flush=True)
    os._exit(0)
print(os.waitpid(child, 0)[1], llm("parent again"))
""")  # fmt: skip

    assert said == "parent\nchild\n0 parent again\n"


def test_a_child_that_was_forked_in_mid_answer_takes_none_of_it(play, program):
    """The answer that a parent was reading stays the parent's."""
    player = play(lambda request: stream("a b c d e f", pace=0.05) if request.prompt == "slow" else echo(request))
    said = program(player, """
slow = llm("slow")
next(iter(slow))
if not (child := os.fork()):
    print(llm("child"), flush=True)
    os._exit(0)
print(os.waitpid(child, 0)[1], slow)
""")  # fmt: skip

    assert said == "child\n0 a b c d e f\n"


def test_threads_that_ask_first_share_one_loop(play, program):
    """However many begin at once, all answers come, and one thread carries them."""
    said = program(play(echo), """
said, start = [], threading.Barrier(20)
def ask(n):
    start.wait()
    said.append(str(llm(f"number {n}")))
threads = [threading.Thread(target=ask, args=(n,)) for n in range(20)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(sorted(said) == sorted(f"number {n}" for n in range(20)))
print(sum(thread.name == "lk_notebook" for thread in threading.enumerate()))
""")  # fmt: skip

    assert said == "True\n1\n"


@pytest.mark.parametrize(
    "source",
    [
        "str(llm('hi'))",
        "reply = llm('hang'); next(iter(reply))",
        "reply = llm('hang')",
        "threading.Thread(target=lambda: llm('hang').wait(), daemon=True).start(); time.sleep(0.3)",
    ],
)  # fmt: skip
def test_a_program_ends_quietly(play, program, source):
    """After, within and before an answer: no complaint of an open connection, and no waiting for what nobody reads."""
    assert program(play(lambda request: HANGS if request.prompt == "hang" else echo(request)), source) == ""


def test_the_end_of_a_program_stops_what_is_under_way(play, program):
    """A reply that nobody waits for is stopped like any other: its connection is closed, what had arrived stays."""
    said = program(play(HANGS), """
import atexit
atexit.register(lambda: print(reply.state, reply.text))
reply = llm("hi")
next(iter(reply))
""")  # fmt: skip

    assert said == "stopped So far\n"


def test_an_import_starts_nothing(play, program):
    """No thread and no client until the first question."""
    said = program(play(echo), "print(threading.active_count(), 'httpx' in sys.modules, 'aiohttp' in sys.modules)")

    assert said == "1 False False\n"


def on_the_loop(work):
    """What it gives when the loop itself does it."""

    async def there():
        return work()

    return loop.submit(there()).result(10)


@pytest.mark.parametrize("read", [str, list, lambda reply: reply.wait(), lambda reply: reply.wait(0.1)])
def test_whoever_waits_on_the_loop_itself_is_told(play, read):
    """It would wait for itself for ever: it is an error at once, and the answer comes all the same."""
    reply = LLM("m", base_url=play(stream("Hi there", pace=0.1)).base_url)("hi")

    with pytest.raises(RuntimeError, match="await"):
        on_the_loop(lambda: read(reply))
    assert str(reply) == "Hi there"


def test_a_reply_can_be_awaited_on_the_loop_itself(play):
    """There too await and async for are the way."""

    async def both():
        reply = LLM("m", base_url=player.base_url)("hi")
        return (await reply).text + "".join([piece async for piece in reply])

    player = play(stream("Hi"))
    assert loop.submit(both()).result(10) == "HiHi"


def test_nothing_ticks_when_nobody_awaits(play):
    """A loop is woken in ticks for as long as a reply is awaited on it, and not a moment longer."""

    async def awaiting():
        replies = [LLM("m", base_url=player.base_url)("hi") for _ in range(3)]
        waiting = asyncio.gather(*(reply._whole() for reply in replies))
        await asyncio.sleep(0.05)
        during = len(loop._beats)
        await waiting
        return during, len(loop._beats)

    player = play(stream("Hi there you", pace=0.1))
    assert asyncio.run(awaiting()) == (1, 0)


def test_an_interrupt_stops_the_reply_that_is_waited_for(play):
    """Ctrl+C while a program waits ends the reply, closes its connection, and is an interrupt as ever."""
    player, before = play(HANGS), signal.getsignal(signal.SIGINT)
    reply = LLM("m", base_url=player.base_url)("hi")
    next(iter(reply))
    threading.Timer(0.1, _thread.interrupt_main).start()

    with pytest.raises(KeyboardInterrupt):
        str(reply)
    assert (reply.wait(5).state, reply.text) == ("stopped", "So far")
    assert signal.getsignal(signal.SIGINT) is before
    player.stopped(5)


def test_an_interrupt_is_taken_as_a_wish_and_a_second_one_breaks_through():
    """The first is noted, so that none lands inside a send; whoever presses again means it."""
    with loop.interrupts() as seen:
        signal.raise_signal(signal.SIGINT)
        assert seen.pressed
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_other_threads_take_no_interrupts():
    """A reply that is read in a thread leaves Ctrl+C to the main thread."""
    before, seen = signal.getsignal(signal.SIGINT), []

    def inside():
        with loop.interrupts() as watch:
            seen.append((signal.getsignal(signal.SIGINT) is before, watch.pressed))

    thread = threading.Thread(target=inside)
    thread.start()
    thread.join(5)
    assert seen == [(True, False)]


def test_a_hundred_answers_come_at_once(play):
    """No limit of connections holds any of them back."""
    meeting = threading.Barrier(101)

    def together(request):
        meeting.wait(15)
        return stream(request.prompt)

    model, begun = LLM("m", base_url=play(together).base_url, max_retries=0), time.monotonic()
    replies = [model(f"number {n}") for n in range(100)]
    meeting.wait(15)

    assert [str(reply) for reply in replies] == [f"number {n}" for n in range(100)]
    assert time.monotonic() - begun < 20
