"""Bad input and broken servers: each is an error of two lines, soon, and nothing is sent that cannot be meant."""

from __future__ import annotations

import pytest
from kernels import SECRET, Kernel, livekit
from player import Answer, Player, after, plain, stream, words

BAD_CELLS = {
    "empty prompt": ("%%lkchat\n   \n", "prompt"),
    "unknown short model": ("%%lkchat gpt-4.1-mimi\nhi", "gpt-4.1-mini"),
    "near miss of a parameter": ("%%lkchat temprature=0\nhi", "temperature"),
    "broken value": ('%%lkchat stop=["a"\nhi', "stop"),
    "owned field": ("%%lkchat stream=false\nhi", "stream"),
    "unknown option": ("%%lkchat --verbose\nhi", "--verbose"),
    "option without its value": ("%%lkchat -p\nhi", "-p"),
    "undefined name": ("%%lkchat\nSay {{ nowhere }}", "nowhere"),
    "failing expression": ("%%lkchat\nSay {{ 1 / 0 }}", "1 / 0"),
    "no expression": ("%%lkchat\nSay {{ 1 + }}", "1 +"),
    "unknown account": ("%%lkchat -a nobody\nhi", "nobody"),
}
BROKEN = {
    "a proxy's web page": plain(502, "<html><body><h1>Bad gateway</h1></body></html>"),
    "a web page that claims success": plain(200, "<html><body>Please log in.</body></html>"),
    "no HTTP": Answer(before="garbage"),
    "dropped": Answer(before="cut"),
    "reset": Answer(before="reset"),
    "cut in mid-answer": Answer(words("one two"), then="cut"),
    "reset in mid-answer": Answer(words("one two"), then="reset"),
    "ended without its end": after(stream("one two", usage=False), 3, "close"),
    "broken JSON": Answer([b"data: {nonsense\n\n"]),
    "nothing at all": Answer([]),
    "silent before the headers": Answer(before="hang"),
    "silent before the first piece": Answer([], then="hang"),
    "silent in mid-answer": Answer(words("one two"), then="hang"),
}
ADDRESSES = {
    "no server": "http://127.0.0.1:9/v1",
    "no such host": "http://no-such-host.invalid/v1",
    "no such scheme": "gopher://127.0.0.1/v1",
}


@pytest.fixture(scope="module")
def server():
    """A server that must not be asked."""
    with Player([stream("I was asked.")]) as player:
        yield player


@pytest.fixture(scope="module")
def shared(server):
    """One kernel for many bad cells: none of them may spoil the next."""
    with Kernel(livekit(server)) as started:
        yield started


@pytest.mark.parametrize("name", BAD_CELLS)
def test_bad_input_is_two_lines_and_nothing_is_sent(shared, server, name):
    """The error names what is wrong with the cell, before anything is sent."""
    source, named = BAD_CELLS[name]

    cell = shared.run(source)

    assert cell.status == "error"
    assert 1 <= len(cell.error) <= 2, cell.error
    assert named in "\n".join(cell.error)
    assert not server.requests


def ask(base_url: str, retries: int = 0) -> str:
    """A cell that asks a URL and gives up after a second."""
    options = f"base_url={base_url!r}, api_key={SECRET!r}, timeout=1, max_retries={retries}"
    return f"from lk_notebook import LLM\nreply = LLM('any-model', {options})('hi')\nprint(str(reply))"


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_server_is_an_error_of_two_lines(shared, play, name):
    """Whatever a server does wrong, and wherever it falls silent, the cell ends, fails, and shows no key."""
    player = play(BROKEN[name])

    cell = shared.run(ask(player.base_url), seconds=10)

    assert cell.status == "error"
    assert 1 <= len(cell.error) <= 2, cell.error
    assert SECRET not in cell.everything


@pytest.mark.parametrize("name", ["cut in mid-answer", "reset in mid-answer", "silent in mid-answer"])
def test_what_arrived_before_the_fault_is_kept(shared, play, name):
    """The words of a broken answer stay in the reply, which is marked as failed and was sent once only."""
    player = play(BROKEN[name])

    shared.run(ask(player.base_url, retries=2), seconds=10)

    assert shared.run("print(reply.state, reply.text)").shown.strip() == "failed one two"
    assert len(player.requests) == 1


@pytest.mark.parametrize("name", ADDRESSES)
def test_an_address_where_nobody_is_is_an_error_of_two_lines(shared, name):
    """The error names the address."""
    cell = shared.run(ask(ADDRESSES[name]), seconds=20)

    assert cell.status == "error"
    assert 1 <= len(cell.error) <= 2, cell.error
    assert ADDRESSES[name].split("/")[2] in "\n".join(cell.error)


def test_a_server_without_tls_is_an_error_of_two_lines(shared, play):
    """TLS to a port that speaks something else."""
    player = play(greeting=b"220 mail.example ready\r\n")

    cell = shared.run(ask(f"https://{player.host}/v1"), seconds=10)

    assert cell.status == "error"
    assert 1 <= len(cell.error) <= 2, cell.error


def test_one_livekit_key_alone_is_an_error_that_names_the_other(kernel):
    """Half an account is a slip, not a wish for the demo."""
    cell = kernel(env={"LIVEKIT_API_KEY": "APItest"}).run("%%lkchat\nhi")

    assert cell.status == "error"
    assert "LIVEKIT_API_SECRET" in "\n".join(cell.error)


def test_blank_variables_count_as_unset(kernel):
    """A variable that is there and empty is no account: the built-in model answers."""
    blank = dict.fromkeys(["LIVEKIT_API_KEY", "LIVEKIT_API_SECRET", "OPENAI_API_KEY"], "  ")

    cell = kernel(env=blank).run("%%lkchat\nhi")

    assert cell.status == "ok"
    assert "demo" in cell.shown
