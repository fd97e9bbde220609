"""The helpers of the tests do what they say: a player that lies or a kernel that forgets would hide a bug."""

from __future__ import annotations

import contextlib
import http.client
import threading
import time
from collections.abc import Iterator

import pytest
from player import Answer, Player, after, plain, stream


@contextlib.contextmanager
def asked(player: Player) -> Iterator[http.client.HTTPConnection]:
    """A connection of the standard library's, as far from httpx as can be."""
    connection = http.client.HTTPConnection(player.host, timeout=5)
    with contextlib.closing(connection):
        connection.request("POST", "/v1/chat/completions", b'{"messages": []}')
        yield connection


def test_a_connection_is_kept_and_both_kinds_of_length_end_an_answer(play):
    """Chunks end by themselves, content-length by its count, and the next request comes on the same connection."""
    player = play(stream("Hello there"), plain(404, {"error": "no such model"}))

    with asked(player) as connection:
        whole = connection.getresponse().read()
        connection.request("POST", "/v1/chat/completions", b"{}")
        refused = connection.getresponse()

        assert whole.endswith(b"data: [DONE]\n\n")
        assert (refused.status, refused.read()) == (404, b'{"error": "no such model"}')
    assert [(request.connection, request.turn) for request in player.requests] == [(1, 1), (1, 2)]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (after(stream("a b c"), 2, "cut"), http.client.IncompleteRead),
        (after(stream("a b c"), 2, "reset"), (http.client.IncompleteRead, ConnectionResetError)),
        (Answer(before="cut"), http.client.RemoteDisconnected),
        (Answer(before="reset"), ConnectionResetError),
        (Answer(before="garbage"), http.client.BadStatusLine),
    ],
)
def test_an_answer_breaks_as_it_is_told_to(play, answer, error):
    """Each kind of broken answer reaches the client as such."""
    with asked(play(answer)) as connection, pytest.raises(error):
        connection.getresponse().read()


def test_a_client_that_goes_away_is_seen_at_once(play):
    """The moment at which a client closes its connection in mid-answer is known, in a silence too."""
    player = play(Answer([b"x", threading.Event()]))

    with asked(player) as connection, contextlib.closing(connection.getresponse()) as response:
        response.read(1)
        left = time.time()

    assert 0 <= player.stopped() - left < 1


def test_a_gate_holds_an_answer_back_until_it_is_opened(play):
    """What comes after a gate is sent when the test opens it."""
    player = play(Answer([b"x", gate := threading.Event(), b"y"]))

    with asked(player) as connection, contextlib.closing(connection.getresponse()) as response:
        first = response.read(1)
        gate.set()

        assert (first, response.read()) == (b"x", b"y")


def test_a_kernel_shows_what_a_notebook_would(kernel):
    """Streams, displays, their later updates from another cell, and errors, in their order."""
    started = kernel(load=False)

    first = started.run("print('a')\nh = display('b', display_id=True)\n1/0")
    started.run("h.update('c')")

    assert first.shown.startswith("a\n\n'c'\n")
    assert first.error[-1] == "ZeroDivisionError: division by zero"


def test_an_interrupt_aborts_the_cells_queued_behind(kernel):
    """■ ends the running cell; what Run All had queued does not run."""
    started = kernel(load=False)
    running, queued = started.send("import time\nprint('go')\ntime.sleep(30)"), started.send("1")
    started.wait(lambda: "go" in running.shown)

    started.interrupt()
    started.finish(running, queued)

    assert (running.status, queued.status) == ("error", "aborted")


def test_a_kernel_knows_no_account_of_whoever_runs_the_tests(kernel, monkeypatch):
    """Variables of this machine stay outside; only those a test names come in."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-developer")

    seen = kernel(load=False, env={"GROQ_API_KEY": "gsk-test"}).run(
        "import os\nprint(sorted(name for name in os.environ if name.endswith('_KEY')))"
    )

    assert seen.shown.strip() == "['GROQ_API_KEY']"
