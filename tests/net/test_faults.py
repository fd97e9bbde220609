"""Servers and networks that fail: each is an error of two lines that says where, soon, and what had arrived stays."""

import contextlib
import gzip
import socket
import time
import zlib

import pytest
from player import Answer, after, chunk, end, plain, stream, words

from lk_notebook import LLM, errors

KEY = "sk-never-show-this-0123456789"
TALE = stream("It was a dark night")
TEXT = Answer([chunk({"role": "assistant", "content": ""}), *words("It was")])
SHOWN = [*words("It was"), 0.2]  # read by the client before what follows
GZIP = {"content-type": "text/event-stream", "content-encoding": "gzip"}


def squeezed(*pieces):
    """The pieces as the beginning of a gzip stream."""
    gzip_ = zlib.compressobj(wbits=31)
    return gzip_.compress(b"".join(pieces)) + gzip_.flush(zlib.Z_SYNC_FLUSH)


def ask(url, **more):
    """Ask at this address once, and wait for what comes of it."""
    return LLM("acme-1", base_url=url, api_key=KEY, max_retries=0, **more)("hi").wait(20)


def assert_told(reply, name, *said):
    """The reply has failed with this error: two lines, no key, and the reply is at hand."""
    error = reply.error
    assert (reply.state, type(error)) == ("failed", getattr(errors, name))
    assert len(str(error).splitlines()) == 2
    assert KEY not in str(error)
    assert error.reply is reply
    assert all(word in str(error) for word in said)
    return error


def nowhere():
    """The address of a port where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return f"127.0.0.1:{closed.getsockname()[1]}"


def test_no_server():
    """Where nothing listens, the address is named, and it may be tried again."""
    place = nowhere()

    assert assert_told(ask(f"http://{place}"), "APIConnectionError", place, "connect").retryable


@pytest.fixture
def swallows():
    """The address of a port that answers no connect, as behind a firewall: its queue is full."""
    with contextlib.ExitStack() as open_:
        full = open_.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(8):  # more than any system takes in beyond the queue
            waiting = open_.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(full.getsockname())
        yield "{}:{}".format(*full.getsockname())


def test_a_port_that_binder_does_not_let_out(swallows, monkeypatch):
    """On Binder the wait is half as long, the mend names Binder, and nothing is tried again: it would not mend."""
    begun = time.monotonic()
    elsewhere = assert_told(ask(f"http://{swallows}"), "APITimeoutError", swallows, "Check the address")
    long = time.monotonic() - begun
    monkeypatch.setenv("BINDER_LAUNCH_HOST", "https://mybinder.example/")
    begun = time.monotonic()
    there = assert_told(ask(f"http://{swallows}"), "APITimeoutError", swallows, "Binder lets out ports 80 and 443 only")

    assert time.monotonic() - begun < 0.75 * long
    assert (elsewhere.retryable, there.retryable) == (True, False)
    assert "Binder" not in str(elsewhere)


def test_no_such_host():
    """A name that nobody knows is said to be none."""
    assert_told(ask("http://no-such-host.invalid/v1"), "APIConnectionError", "no-such-host.invalid", "No host")


def test_no_tls(play):
    """An https address of a server that speaks none is told as such, and not tried again: it would not mend."""
    player = play(TALE, greeting=b"220 mail.example ESMTP\r\n")

    assert not assert_told(ask(f"https://{player.host}/v1"), "APIConnectionError", player.host, "secure").retryable


BEFORE = {
    "closed": (Answer(before="cut"), "APIConnectionError", "without an answer", True),
    "reset": (Answer(before="reset"), "APIConnectionError", "without an answer", True),
    "no HTTP": (Answer(before="garbage"), "ProtocolError", "no HTTP", True),
    "proxy's page": (plain(502, "<title>Bad <b>gateway</b></title>"), "ServerError", "(502): Bad gateway", True),
    "login page": (plain(200, "<title>Sign in</title>"), "ProtocolError", "HTML page, not an answer: Sign in", False),
    "no page at all": (Answer(status=204, length=True), "StreamInterrupted", "ended before", True),
    "broken gzip": (Answer([b"data: no gzip"], headers=GZIP), "ProtocolError", "compressed", True),
    "only a role": (after(TALE, 1, "cut"), "StreamInterrupted", "ended before", True),
    "nothing": (Answer(), "StreamInterrupted", "ended before", True),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "name", "says", "retryable"), BEFORE.values(), ids=BEFORE.keys())
def test_a_failure_before_the_first_word(play, answer, name, says, retryable):
    """Each has its class, its words and the place, and whether a new request may mend it."""
    player = play(answer)

    assert assert_told(reply := ask(player.base_url), name, says, player.host).retryable is retryable
    assert (reply.text, reply.ttft) == ("", None)


WITHIN = {
    "cut": (Answer(SHOWN, then="cut"), "StreamInterrupted"),
    "reset": (Answer(SHOWN, then="reset"), "StreamInterrupted"),
    "cut inside a line": (Answer([*SHOWN, chunk({"content": " lost"})[:40]], then="cut"), "StreamInterrupted"),
    "well ended": (Answer(SHOWN), "StreamInterrupted"),
    "shorter than it said": (Answer(SHOWN, length=9999, then="cut"), "StreamInterrupted"),
    "no JSON": (Answer([*SHOWN, b"data: {oops}\n\n", *end()]), "ProtocolError"),
    "error event": (Answer([*SHOWN, b"event: error\ndata: it broke\n\n"]), "StreamError"),
    "finish_reason error": (Answer([*SHOWN, *end("error")]), "StreamError"),
    "broken gzip": (Answer([squeezed(*words("It was")), 0.05, b"\xff" * 40], headers=GZIP), "ProtocolError"),
}  # fmt: skip


@pytest.mark.parametrize(("answer", "name"), WITHIN.values(), ids=WITHIN.keys())
def test_a_failure_within_the_answer(play, answer, name):
    """What had arrived is kept, and nothing is asked again by itself."""
    player = play(answer)
    reply = LLM("acme-1", base_url=player.base_url, api_key=KEY)("hi").wait(20)

    assert not assert_told(reply, name, player.host).retryable
    assert (reply.text, reply.error.reply.text) == ("It was", "It was")
    assert len(player.requests) == 1


def test_a_half_tag_is_kept_where_the_answer_is_cut(play):
    """What waited to be known as the beginning of a thought is text when nothing follows."""
    reply = ask(play(Answer([chunk({"content": "<thin"}), 0.05], then="cut")).base_url)

    assert (reply.text, type(reply.error)) == ("<thin", errors.StreamInterrupted)


SILENT = {
    "before the headers": (Answer(before="hang"), ""),
    "before the first word": (after(TALE, 1, "hang"), ""),
    "within the answer": (Answer(SHOWN, then="hang"), "It was"),
}


@pytest.mark.parametrize(("answer", "text"), SILENT.values(), ids=SILENT.keys())
def test_a_server_that_falls_silent(play, answer, text):
    """After `timeout` seconds without a byte it is told that nothing came, and for how long; the text is kept."""
    player, begun = play(answer), time.monotonic()
    reply = ask(player.base_url, timeout=0.3)

    error = assert_told(reply, "APITimeoutError", player.host, "0.3 s")
    assert (error.reply.text, error.retryable) == (text, not text)
    assert time.monotonic() - begun < 5
    player.stopped(5)


@pytest.mark.parametrize("ends", [1, 2], ids=["after finish_reason", "after [DONE]"])
@pytest.mark.parametrize("then", ["hang", "cut", "reset"])
def test_a_connection_that_breaks_when_all_was_said(play, then, ends):
    """An answer that was said to be complete is complete, whatever the connection does then; the cell does not hang."""
    player, begun = play(Answer([*words("It was"), *end()[:ends]], then=then)), time.monotonic()
    reply = ask(player.base_url)

    assert (reply.state, reply.error, reply.text, reply.finish_reason) == ("done", None, "It was", "stop")
    assert time.monotonic() - begun < 5


def test_keep_alive_comments_are_signs_of_life(play):
    """A model that thinks for long is waited for as long as its server says that it is there."""
    comments = [piece for _ in range(6) for piece in (b": keep-alive\n\n", 0.1)]

    assert ask(play(Answer([*comments, *TALE.pieces])).base_url, timeout=0.35).text == "It was a dark night"


@pytest.mark.parametrize("then", ["hang", "cut", "reset"])
def test_a_refusal_that_breaks_off_is_still_one(play, then):
    """The status was said: a 429 whose reason never comes is a rate limit, and no cell waits for the rest."""
    player, begun = play(Answer([b"Slow"], 429, {"retry-after": "7"}, length=99, then=then)), time.monotonic()
    error = assert_told(ask(player.base_url, timeout=0.3), "RateLimitError", player.host, "(429)")

    assert (error.status, error.retryable, error.retry_after) == (429, True, 7)
    assert time.monotonic() - begun < 5


def test_a_proxy_may_answer_203(play):
    """Whatever status says success is one."""
    assert str(ask(play(Answer(TALE.pieces, 203)).base_url)) == "It was a dark night"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_told_and_not_followed(play, status):
    """A key goes to the address it was given for and nowhere else; the error says where it should have gone."""
    other = play(TALE)
    player = play(plain(status, {}, {"location": f"{other.origin}/v1/chat/completions?key={KEY}"}))

    assert_told(ask(player.base_url), "ProtocolError", f"redirect ({status})", other.host, "use that address")
    assert (len(player.requests), len(other.requests)) == (1, 0)


def test_a_redirect_within_the_server_is_told_too(play):
    """A path that the server would rather have is not guessed."""
    assert_told(ask(play(plain(307, {}, {"location": "/v2"})).base_url), "ProtocolError", "another address")


def test_a_compressed_answer_is_read(play):
    """Proxies compress streams."""
    body = gzip.compress(b"".join(TALE.pieces))

    assert str(ask(play(Answer([body[:30], body[30:]], headers=GZIP)).base_url)) == "It was a dark night"


@pytest.mark.parametrize("status", [400, 404])
def test_a_provider_that_is_refused_is_answered_with_those_that_serve(play, status):
    """Who named a provider that no list knows for the model reads which ones it has."""
    player = play(plain(status, {"error": "no such deployment"}))
    words_ = {"base_url": player.base_url, "api_key": "APImadeup", "api_secret": "made-up " * 4, "max_retries": 0}

    error = LLM("openai/gpt-oss-120b", provider="azure", **words_)("hi").wait().error

    assert "baseten, groq" in error.hint
    assert "-p" in error.hint
