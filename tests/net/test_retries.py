"""Asking again: what a new request may mend, as soon as the server allows, never twice after a word was shown."""

import time

import pytest
from player import Answer, after, chunk, event, plain, stream, words

from lk_notebook import LLM, errors

SOON = {"retry-after-ms": "20"}
FINE = stream("All fine")
BUSY = plain(503, {"error": {"message": "Overloaded"}}, SOON)
LIMIT = plain(429, {"error": {"message": "Too fast", "code": "rate_limit_exceeded"}}, SOON)


def ask(player, **more):
    """Ask this player, and wait for what comes of it."""
    return start(player, **more).wait(20)


def start(player, **more):
    """Ask this player."""
    return LLM("acme-1", base_url=player.base_url, api_key="sk-made-up-0123", **more)("hi")


def until(holds, seconds=5):
    """Wait until it holds."""
    last = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < last
        time.sleep(0.005)


def test_a_rate_limit_that_passes_is_waited_for(play):
    """A 429 and then an answer is an answer; both tries are told, and the same was asked twice."""
    player = play(LIMIT, FINE)
    reply = ask(player)

    assert str(reply) == "All fine"
    assert [(a.account, a.outcome) for a in reply.attempts] == [(player.host, "failed"), (player.host, "answered")]
    assert "Too fast" in reply.attempts[0].why
    assert player.requests[0].body == player.requests[1].body


@pytest.mark.parametrize(
    ("status", "asked"),
    [
        (408, 2), (409, 2), (429, 2), (498, 2), (499, 2), (500, 2), (502, 2), (503, 2), (504, 2), (529, 2),
        (400, 1), (401, 1), (402, 1), (403, 1), (404, 1), (413, 1), (422, 1), (501, 1),
    ],
)  # fmt: skip
def test_only_what_a_new_request_may_mend_is_asked_again(play, status, asked):
    """Busy, slow and broken servers are asked again; one that refuses what was asked is not."""
    player = play(plain(status, {}, SOON), FINE)
    reply = ask(player)

    assert len(player.requests) == asked
    assert (reply.state == "done") is (asked == 2)


FAILS_FIRST = {
    "closed": Answer(before="cut"),
    "reset": Answer(before="reset"),
    "nothing": Answer(),
    "only metadata": after(stream("x"), 1, "cut"),
    "metadata of LiveKit": Answer([chunk({"extra_content": {"livekit": {"inference_deployment": "a"}}})], then="cut"),
    "half a tool call": Answer(
        [chunk({"tool_calls": [{"index": 0, "id": "1", "function": {"name": "f", "arguments": '{"a'}}]})], then="cut"
    ),
    "an error event": Answer([event({"error": {"message": "Overloaded", "code": 529}})]),
    "broken JSON": Answer([b"data: {oops}\n\n"]),
}


@pytest.mark.parametrize("answer", FAILS_FIRST.values(), ids=FAILS_FIRST.keys())
def test_a_failure_before_the_first_word_is_asked_again(play, answer):
    """As long as nothing was shown, a new request takes the place of the broken one, and nothing of that is left."""
    player = play(answer, FINE)
    reply = ask(player, max_retries=1)

    assert (str(reply), reply.tool_calls, reply.served_by) == ("All fine", [], None)
    assert len(player.requests) == 2


@pytest.mark.parametrize("shown", [words("So far"), words("So far", "reasoning"), [chunk({"refusal": "So far"})]])
@pytest.mark.parametrize("then", ["cut", "reset", None])
def test_nothing_is_asked_again_after_a_word_was_shown(play, shown, then):
    """What was shown would be shown twice: the reply has failed, and the text, thought or refusal stays."""
    player = play(Answer([*shown, 0.05], then=then), FINE)
    reply = ask(player)

    assert (type(reply.error), reply.error.retryable) == (errors.StreamInterrupted, False)
    assert "So far" in (reply.text, reply.reasoning, reply.refusal)
    assert len(player.requests) == 1


def test_a_silent_server_is_asked_again(play):
    """A try that got no byte in time is one that a new request may mend."""
    player = play(Answer(before="hang"), FINE)

    assert str(ask(player, timeout=0.3, max_retries=1)) == "All fine"


@pytest.mark.parametrize("max_retries", [0, 1, 2])
def test_retries_end(play, max_retries):
    """`max_retries` is how many further requests are sent, no more; the error is the last one's."""
    player = play(*[LIMIT] * max_retries, BUSY)
    reply = ask(player, max_retries=max_retries)

    assert isinstance(reply.error, errors.ServerError)
    assert len(player.requests) == len(reply.attempts) == max_retries + 1


@pytest.mark.parametrize("header", ["retry-after", "x-ratelimit-reset-tokens"])
def test_the_servers_wait_is_kept(play, header):
    """No new request comes before the time that the server named, in whichever of its headers."""
    waits = {header: "0.4", "x-ratelimit-remaining-tokens": "0"}
    player = play(plain(429, {}, waits), FINE)
    ask(player)

    first, second = (request.at for request in player.requests)
    assert second - first >= 0.35


def test_a_long_wait_is_told_and_not_waited(play):
    """A server that wants a minute and a half gets no new request: the cell ends now, with the time in its error."""
    player, begun = play(plain(429, {}, {"retry-after": "90"}), FINE), time.monotonic()
    error = ask(player).error

    assert (error.retry_after, error.retryable, len(player.requests)) == (90, True, 1)
    assert "90 s" in error.hint
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (429, {"error": "LLM token credit quota exceeded", "category": "MaxGatewayCredits"}),
        (429, {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}),
        (402, {"error": "Payment required"}),
    ],
)
def test_quota_that_is_used_up_is_not_asked_again(play, status, body):
    """What does not come back by waiting is told at once."""
    player = play(plain(status, body, SOON), FINE)

    assert isinstance(ask(player).error, errors.QuotaExceededError)
    assert len(player.requests) == 1


@pytest.mark.parametrize(("status", "word", "asked"), [(503, "false", 1), (400, "true", 2)])
def test_the_server_may_say_whether_to_ask_again(play, status, word, asked):
    """`x-should-retry` is obeyed."""
    player = play(plain(status, {}, SOON | {"x-should-retry": word}), FINE)
    ask(player)

    assert len(player.requests) == asked


def test_a_countdown_is_there_to_be_shown(play):
    """While it waits, a reply says for what, until when, and how many tries are left; afterwards no more."""
    player = play(plain(429, {"error": "Too fast"}, {"retry-after": "0.5"}), FINE)
    reply = start(player, max_retries=3)
    until(lambda: reply.retrying)
    error, due, left = reply.retrying

    assert ("Too fast" in str(error), left, reply.state) == (True, 3, "waiting")
    assert 0 < due - time.monotonic() <= 0.5
    assert reply.wait(20).retrying is None


def test_a_countdown_can_be_stopped(play):
    """Stop ends the wait for the next try, and no further request goes out."""
    player = play(plain(429, {}, {"retry-after": "30"}), FINE)
    reply = start(player)
    until(lambda: reply.retrying)
    reply.stop()

    assert (reply.wait(5).state, reply.error, reply.retrying) == ("stopped", None, None)
    assert len(player.requests) == 1


def test_a_kept_connection_that_had_died_costs_no_try(play):
    """Servers close idle connections without a word: the next request is sent again, also with max_retries=0."""
    player = play(FINE, Answer(before="cut"), stream("Still fine"))
    first, second = ask(player, max_retries=0), ask(player, max_retries=0)

    assert (str(first), str(second)) == ("All fine", "Still fine")
    assert len(player.requests) == 3


@pytest.mark.parametrize("before", [[], [FINE, Answer(before="cut")]], ids=["never answered", "dropped twice"])
def test_only_one_such_try_is_free(play, before):
    """A server that never answered, or that drops the second request too, has failed."""
    player = play(*before, Answer(before="cut"), FINE)
    replies = [ask(player, max_retries=0) for _ in range(2 if before else 1)]

    assert isinstance(replies[-1].error, errors.APIConnectionError)
    assert len(player.requests) == len(before) + 1


def test_a_server_that_closes_after_each_answer_is_asked_anew(play):
    """A connection that was closed after its answer is in nobody's way."""
    player = play(Answer(FINE.pieces, then="close"))

    assert [str(ask(player, max_retries=0)) for _ in range(3)] == ["All fine"] * 3


def test_time_to_the_first_word_is_that_of_the_try_that_answered(play):
    """The wait before a second try counts for the duration, not for the model's speed."""
    reply = ask(play(plain(429, {}, {"retry-after": "0.5"}), FINE))

    assert reply.ttft < reply.duration - 0.4
