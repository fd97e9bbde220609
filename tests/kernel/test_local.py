"""Cells that the local model answers, where there is no account: in a real kernel, by the real model."""

from __future__ import annotations

import contextlib
import os
import signal

import pytest
from kernels import Kernel, local_model
from processes import gone, seconds_until, servers

pytestmark = [pytest.mark.xdist_group("local"), pytest.mark.timeout(300)]

FEW = "%%lkchat max_tokens=12\nSay hello."
LONG = "%%lkchat max_tokens=2000\nCount from one to five hundred, in words."
PID = "import os; print(os.getpid())"


def pid(kernel):
    """The process of a kernel."""
    return int(kernel.run(PID).shown)


def server(kernel):
    """The one server of a kernel."""
    (found,) = servers(pid(kernel))
    return found


@pytest.fixture(scope="module")
def class_room():
    """A kernel on a machine with the local model, and no account."""
    with Kernel(local_model()) as started:
        yield started


def test_a_first_cell_is_answered_by_the_local_model(class_room):
    """With no account and no network there is an answer, whose footer says from what."""
    ran = class_room.run("%%lkchat -o reply\nWhy is the sky blue? One sentence.", seconds=120)

    assert ran.status == "ok"
    assert "SmolLM2 135M · built in, on this machine · small, often wrong" in ran.shown
    assert class_room.run("print(len(reply.text) > 20, reply.usage.completion_tokens > 5)").shown == "True True\n"


def test_it_is_got_ready_when_the_extension_is_loaded():
    """The first cell need not wait for it; with an account, nothing is started."""
    with Kernel(local_model()) as alone, Kernel(local_model() | {"OPENAI_API_KEY": "sk-made-up-0123"}) as served:
        seconds_until(lambda: len(servers(pid(alone))) == 1)

        assert servers(pid(served)) == []


def test_an_interrupt_stops_the_answer_and_not_the_model(class_room):
    """■: what had arrived stays, and the next cell has an answer from the same server."""
    class_room.run(FEW, seconds=120)
    before = server(class_room).pid
    running = class_room.send(LONG)
    class_room.wait(lambda: "one" in running.shown.lower() or len(running.shown) > 20, 60)
    class_room.interrupt()
    class_room.finish(running)
    after = class_room.run(FEW, seconds=120)

    assert "Stopped" in running.shown
    assert after.status == "ok"
    assert server(class_room).pid == before


def test_each_kernel_has_a_server_of_its_own(class_room):
    """Two notebooks ask at once, and both are answered."""
    with Kernel(local_model()) as other:
        cells = [(kernel, kernel.send(FEW)) for kernel in (class_room, other)]
        for kernel, cell in cells:
            kernel.finish(cell, seconds=120)

        assert [cell.status for _, cell in cells] == ["ok", "ok"]
        assert server(class_room).pid != server(other).pid


def test_a_killed_kernel_takes_its_server_along():
    """Within a second, also in the middle of an answer."""
    with Kernel(local_model()) as killed:
        running = killed.send(LONG)
        killed.wait(lambda: len(running.shown) > 20, 60)
        left = servers(killed.manager.provisioner.pid)
        os.kill(killed.manager.provisioner.pid, signal.SIGKILL)
        took = seconds_until(lambda: all(map(gone, left)))

    assert len(left) == 1
    assert took < 1


def test_a_kernel_that_ends_takes_its_server_along():
    """A kernel that is shut down, as the menu does it, leaves none behind."""
    with Kernel(local_model()) as ended:
        ended.run(FEW, seconds=120)
        left = server(ended)
        ended.manager.shutdown_kernel(now=False)
        seconds_until(lambda: gone(left))
        with contextlib.suppress(Exception):
            ended.client.stop_channels()


def test_the_list_of_models_has_it(class_room):
    """With the account that reaches it; a machine without it lists it, and reaches it by nothing."""
    ran = class_room.run("%lkmodels smollm2 -o t\nprint(list(t['accounts']))")

    assert "local/smollm2-135m" in ran.shown
    assert "['local']" in ran.shown


def test_the_list_of_what_is_reached_has_it(class_room):
    """Without any account it is all that is reached."""
    assert class_room.run("%lkmodels reach -o t\nprint(set(t['model']))").shown.endswith("{'local/smollm2-135m'}\n")


def test_the_way_of_a_question_is_told(class_room):
    """%lkroute and %lkaccount name it, and why."""
    assert "local/smollm2-135m: whom a question would go to" in class_room.run("%lkroute").shown
    assert "it is built in, and needs no account" in class_room.run("%lkroute smollm2-135m").shown
    assert "Without -a: the built-in local/smollm2-135m" in class_room.run("%lkaccount").shown


def test_tab_offers_it_where_it_is(class_room):
    """First of all models where there is no account."""
    class_room.client.complete("%%lkchat ", 9)
    offered = class_room.client.get_shell_msg(timeout=30)["content"]["matches"]

    assert offered[:2] == ["local/smollm2-135m", "lk/demo"]


def test_a_chat_remembers(class_room):
    """The turns before go along: an account like any other."""
    class_room.run("%%lkchat -c bees max_tokens=12\nMy name is Ada.", seconds=120)
    ran = class_room.run("%%lkchat -c bees max_tokens=12\nWhat is my name?", seconds=120)

    assert "1 turn remembered" in ran.shown


def test_rows_of_a_table_are_asked(class_room):
    """llm.map, one row after the other; a failed one would be None."""
    ran = class_room.run(
        "from lk_notebook import LLM\nllm = LLM(extra_kwargs={'max_tokens': 5})\n"
        "said = llm.map(['red', 'blue', 'green'], 'Say {{ text }}.', progress=False)\n"
        "print(all(isinstance(each, str) for each in said), len(said))",
        seconds=120,
    )

    assert "True 3" in ran.shown


def test_the_demo_says_why_it_answers():
    """Where memory is low, the line under the answer tells how low, and nothing is started."""
    with Kernel(local_model() | {"LK_LOCAL_MEMORY": "99000000"}) as small:
        ran = small.run("%%lkchat\nWhy is the sky blue?")

        assert "demo, not a language model" in ran.shown
        assert "MiB of memory are free, the local model wants 99000000" in ran.shown
        assert servers(pid(small)) == []


def test_a_tape_of_it_needs_no_model(class_room, tmp_path):
    """What it said is replayed on a machine that could ask it again, and nothing is started for that."""
    said = class_room.run(f"%lkrecord {tmp_path}/t.jsonl", seconds=60)
    assert said.status == "ok", said.shown
    class_room.run("%%lkchat -n -o first max_tokens=12\nSay hello to the class.", seconds=120)
    class_room.run("%lkrecord --off")
    text = class_room.run("print(first.text)").shown
    with Kernel(local_model() | {"LK_NOTEBOOK_REPLAY": f"{tmp_path}/t.jsonl"}) as replays:
        ran = replays.run("%%lkchat -n -o first max_tokens=12\nSay hello to the class.")

        assert ran.status == "ok", ran.shown
        assert replays.run("print(first.text)").shown == text
        assert servers(pid(replays)) == []
