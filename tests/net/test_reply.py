"""A reply as it grows: for any reader, in any thread, on any loop, as often as one likes; and what it tells."""

import asyncio
import copy
import threading
import time

import pytest
from player import BASE, Answer, after, chunk, end, event, plain, stream, words

from lk_notebook import LLM, errors
from lk_notebook.core.values import ToolCall, Usage

TALE = "It was a dark and stormy night"
HANGS = Answer([chunk({"content": "So far"})], then="hang")
REFUSED = plain(400, {"error": {"message": "No.", "code": "c", "param": "p"}})


def llm(player, **more):
    """A model that this player plays."""
    return LLM("acme-1", base_url=player.base_url, api_key="sk-made-up-0123", max_retries=0, **more)


def gated(*parts):
    """An answer that says one part after the other, each after its gate but the first, and the gates."""
    gates = [threading.Event() for _ in parts[1:]]
    pieces = [chunk({"content": parts[0]})]
    for gate, part in zip(gates, parts[1:], strict=True):
        pieces += [gate, chunk({"content": part})]
    return Answer([*pieces, *end()]), *gates


def in_threads(*works):
    """What each gives, all at once in threads of their own."""
    given = [None] * len(works)

    def run(at, work):
        given[at] = work()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return given


def until(holds, seconds=5):
    """Wait until it holds."""
    last = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < last
        time.sleep(0.005)


async def whole(reply):
    """The text of a reply, by `async for`."""
    return "".join([piece async for piece in reply])


async def awaited(reply):
    """The text of a reply, by `await`."""
    return (await reply).text


READERS = {
    "str": str,
    "for": "".join,
    "wait": lambda reply: reply.wait().text,
    "await": lambda reply: asyncio.run(awaited(reply)),
    "async for": lambda reply: asyncio.run(whole(reply)),
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())
def test_each_way_to_read_gives_the_whole_answer(play, read):
    """Before, while and after it grows, in this thread and in another."""
    reply = llm(play(stream(TALE, pace=0.005)))("hi")

    assert [read(reply), read(reply), *in_threads(lambda: read(reply))] == [TALE] * 3


def test_all_readers_at_once_get_the_whole_answer(play):
    """Several threads and loops may read one reply; it is asked once."""
    player = play(stream(TALE, pace=0.01))
    reply = llm(player)("hi")

    assert in_threads(*[lambda read=read: read(reply) for read in READERS.values()] * 2) == [TALE] * 10
    assert len(player.requests) == 1


def test_two_loops_await_one_reply(play):
    """A reply belongs to no loop: it may be begun on one, and awaited on two others."""
    answer, gate = gated("Hello", " there")
    player = play(answer)

    async def begin():
        return llm(player)("hi")

    reply = asyncio.run(begin())
    threading.Timer(0.1, gate.set).start()
    assert in_threads(lambda: asyncio.run(awaited(reply)), lambda: asyncio.run(whole(reply))) == ["Hello there"] * 2


def test_many_replies_grow_at_once_on_one_loop(play):
    """Ten answers take as long as one: no request waits for another."""
    meeting = threading.Barrier(10)

    def together(request):
        meeting.wait(10)
        return stream(request.prompt)

    ask = llm(play(together))

    async def all_ten():
        return await asyncio.gather(*(awaited(ask(f"number {n}")) for n in range(10)))

    assert asyncio.run(all_ten()) == [f"number {n}" for n in range(10)]


@pytest.mark.parametrize("read", [iter, whole], ids=["for", "async for"])
def test_a_piece_is_given_as_soon_as_it_is_there(play, read):
    """The first words can be read while the server still holds back the rest."""
    answer, gate = gated("Hello", " there")
    reply = llm(play(answer))("hi")

    async def first():
        return await anext(aiter(reply))

    assert (next(iter(reply)) if read is iter else asyncio.run(first())) == "Hello"
    assert (reply.state, reply.text, reply.duration) == ("streaming", "Hello", None)
    gate.set()
    assert str(reply) == "Hello there"


def test_the_states_follow_each_other(play):
    """It is waiting until the first word, streaming until the last, then done."""
    answer, gate = gated("Hello", " there")
    opening = threading.Event()
    reply = llm(play(Answer(answer.pieces, before=opening)))("hi")
    states = [reply.wait(0.05).state]
    opening.set()
    until(lambda: reply.text)
    states.append(reply.wait(0.05).state)
    gate.set()

    assert [*states, reply.wait(5).state] == ["waiting", "streaming", "done"]


def test_wait_gives_the_reply_as_it_stands_after_a_while(play):
    """wait(timeout) returns the same reply, ended or not, and the answer goes on."""
    answer, gate = gated("Hello", " there")
    reply = llm(play(answer))("hi")
    until(lambda: reply.text)

    assert reply.wait(0.05) is reply
    assert reply.state == "streaming"
    gate.set()
    assert reply.wait(20).state == reply.wait(0).state == "done"


@pytest.mark.parametrize("read", [READERS[name] for name in READERS if name != "wait"])
@pytest.mark.parametrize("answer", [REFUSED, Answer([*words("So far"), 0.05], then="cut")], ids=["refused", "cut"])
def test_reading_raises_the_error_of_the_reply(play, read, answer):
    """Whoever reads a reply that has failed gets its error, as often as it is read."""
    reply = llm(play(answer))("hi")

    for _ in range(2):
        with pytest.raises(errors.LkError) as caught:
            read(reply)
        assert caught.value is reply.error


def test_wait_never_raises_the_error_of_the_reply(play):
    """wait() gives the failed reply, with its error, its state, and what had arrived."""
    reply = llm(play(Answer([*words("So far"), 0.05], then="cut")))("hi").wait()

    assert (reply.state, reply.text, type(reply.error)) == ("failed", "So far", errors.StreamInterrupted)


def for_each(reply, do):
    """A `for` over the reply."""
    for piece in reply:
        do(piece)


def async_for_each(reply, do):
    """An `async for` over the reply."""

    async def loop():
        async for piece in reply:
            do(piece)

    asyncio.run(loop())


@pytest.mark.parametrize("loop", [for_each, async_for_each])
def test_what_had_arrived_is_read_before_the_error(play, loop):
    """A loop over a reply that is cut gets each word of it, then the error."""
    reply, got = llm(play(Answer([*words("So far"), 0.05], then="cut")))("hi"), []

    with pytest.raises(errors.StreamInterrupted):
        loop(reply, got.append)
    assert "".join(got) == "So far"


@pytest.mark.parametrize("answer", [Answer(before="hang"), after(stream("x"), 1, "hang"), HANGS])
def test_stop_ends_it_and_closes_the_connection(play, answer):
    """Before the headers, before the first word, within the answer: what had arrived stays, and no error is raised."""
    player = play(answer)
    reply = llm(player)("hi")
    player.wait(lambda: player.requests, 5)
    until(lambda: reply.text or answer is not HANGS)
    reply.stop()

    assert (reply.wait(5).state, reply.error) == ("stopped", None)
    assert str(reply) == "".join(reply) == ("So far" if answer is HANGS else "")
    player.stopped(5)


def test_stop_before_anything_was_sent(play):
    """A reply that is stopped at once is stopped, and does not hang."""
    replies = [llm(play(stream(TALE, pace=0.05)))("hi") for _ in range(5)]
    for reply in replies:
        reply.stop()

    assert [reply.wait(5).state for reply in replies] == ["stopped"] * 5


def test_stop_after_the_end_changes_nothing(play):
    """A reply that has ended stays as it is."""
    reply = llm(play(stream(TALE)))("hi").wait()
    reply.stop()

    assert (reply.wait(1).state, str(reply)) == ("done", TALE)


def test_an_await_that_is_cancelled_stops_the_reply(play):
    """Whoever gives up waiting, a time limit say, wants the answer no more: the connection is closed."""
    player = play(HANGS)
    reply = llm(player)("hi")

    async def impatient():
        await asyncio.wait_for(awaited(reply), 0.2)

    with pytest.raises(asyncio.TimeoutError):
        asyncio.run(impatient())
    assert reply.wait(5).state == "stopped"
    player.stopped(5)


def test_one_answer_that_is_stopped_leaves_the_others_alone(play):
    """Stop ends the one reply it was said to."""
    player = play(lambda request: HANGS if request.prompt == "a" else stream(TALE, pace=0.02))
    stopped, other = llm(player)("a"), llm(player)("b")
    until(lambda: stopped.text)
    stopped.stop()

    assert (stopped.wait(5).text, str(other)) == ("So far", TALE)


USAGE = {"prompt_tokens": 12, "completion_tokens": 6, "total_tokens": 18, "prompt_tokens_details": {"cached_tokens": 4},
         "completion_tokens_details": {"reasoning_tokens": 2}}  # fmt: skip


def test_a_reply_tells_all_that_the_server_said(play):
    """Text, thought, calls, usage, id and reason are attributes; what belongs to the request is there too."""
    call = {"id": "1", "name": "f", "arguments": '{"a":1}'}
    reply = llm(play(stream(TALE, reasoning="Hmm", tool_calls=[call], usage=USAGE, pace=0.02)))("hi").wait()

    assert (reply.text, reply.reasoning, reply.refusal, reply.parsed) == (TALE, "Hmm", "", None)
    assert reply.tool_calls == [ToolCall("1", "f", '{"a":1}')]
    assert reply.usage == Usage(12, 6, 18, 4, 2)
    assert (reply.finish_reason, reply.response_id, reply.served_by) == ("tool_calls", BASE["id"], None)
    assert (reply.model, reply.provider, reply.state, reply.error, reply.notes) == ("acme-1", None, "done", None, [])
    assert (reply.alternatives, reply.logprobs, reply.cost) == ([], None, None)
    assert 0 <= reply.ttft < reply.duration
    assert 0 < reply.tokens_per_second < 6 / 0.1
    assert reply.attempts[0].outcome == "answered"


def test_what_nobody_said_is_unknown(play):
    """Without usage there is no count, no speed and no cost; without an answer no time of one."""
    silent, refused = (llm(play(answer))("hi").wait() for answer in (stream("Hi", usage=None), REFUSED))

    assert (silent.usage, silent.tokens_per_second, silent.cost) == (None, None, None)
    assert (refused.usage, refused.ttft, refused.finish_reason, refused.response_id) == (None, None, None, None)
    assert refused.duration > 0


def test_log_probabilities_and_further_answers_are_told(play):
    """n=2 and logprobs have their attributes."""
    first = {"index": 0, "delta": {"content": "A"}, "logprobs": {"content": [{"token": "A", "logprob": -0.5}]}}
    second = {"index": 1, "delta": {"content": "B"}, "finish_reason": "stop"}
    player = play(Answer([event({"choices": [first]}), event({"choices": [second]}), *end()]))
    reply = llm(player, extra_kwargs={"n": 2, "logprobs": True})("hi").wait()

    assert (reply.text, [(a.index, a.text, a.finish_reason) for a in reply.alternatives]) == ("A", [(1, "B", "stop")])
    assert [(entry.token, entry.logprob) for entry in reply.logprobs] == [("A", -0.5)]
    assert player.requests[0].body["n"] == 2


def test_an_answer_of_nothing_but_a_refusal(play):
    """A model that refuses in a field of its own has no text, and the refusal is told."""
    reply = llm(play(Answer([chunk({"refusal": "I will not."}), *end()])))("hi").wait()

    assert (reply.state, reply.text, reply.refusal) == ("done", "", "I will not.")
    assert reply.ttft is not None


def test_the_first_word_is_not_the_metadata(play):
    """Time to the first token runs until text, thought or a call comes; a role and a gateway's metadata are none."""
    gate = threading.Event()
    deployed = chunk({"extra_content": {"livekit": {"inference_deployment": "eu-1"}}})
    reply = llm(play(Answer([chunk({"role": "assistant", "content": ""}), deployed, gate, *words("Hi"), *end()])))("hi")
    before = (reply.wait(0.3).state, reply.ttft)
    gate.set()

    assert before == ("waiting", None)
    assert reply.wait(5).ttft >= 0.2
    assert reply.served_by == "eu-1"


def test_a_tool_call_is_a_first_word(play):
    """An answer that begins with a call has begun."""
    reply = llm(play(stream(tool_calls=[{"id": "1", "name": "f", "arguments": "{}"}])))("hi").wait()

    assert reply.ttft is not None


@pytest.mark.parametrize(
    ("prompt", "system", "sent"),
    [
        ("hi", None, [("user", "hi")]),
        ("hi", "Be brief.", [("system", "Be brief."), ("user", "hi")]),
        ([{"role": "user", "content": "hi"}], None, [("user", "hi")]),
        ([{"role": "developer", "content": "a"}, {"role": "user", "content": "b"}], "s",
         [("system", "s"), ("developer", "a"), ("user", "b")]),
        (({"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},), None,
         [("user", "a\nb")]),
    ],
)  # fmt: skip
def test_messages_tells_what_was_sent(play, prompt, system, sent):
    """The history as it went out is an attribute of the reply, and is what the server got."""
    player = play(stream("Hi"))
    reply = llm(player, system=system)(prompt).wait()

    assert [(message["role"], message["content"]) for message in reply.messages] == sent
    assert player.requests[0].body["messages"] == reply.messages


def test_the_system_prompt_of_a_call_counts_for_that_call(play):
    """It takes the place of the model's own, an empty one leaves it out, and the next call has the model's again."""
    player = play(stream("Hi"))
    ask = llm(player, system="A")
    for words_ in ({"system": "B"}, {"system": ""}, {}):
        ask("hi", **words_).wait()

    assert [request.body["messages"][0]["content"] for request in player.requests] == ["B", "hi", "A"]


def test_extra_kwargs_of_the_model_win_over_those_of_a_call(play):
    """As in LiveKit's SDK; all are sent as they were given."""
    player = play(stream("Hi"))
    llm(player, extra_kwargs={"temperature": 0, "seed": 7})("hi", extra_kwargs={"temperature": 1, "top_k": 3}).wait()

    body = player.requests[0].body
    assert (body["temperature"], body["seed"], body["top_k"]) == (0, 7, 3)


def test_what_the_caller_gave_is_never_changed(play):
    """Messages and parameters are the caller's own: they are as before, and changing them later changes no request."""
    player = play(stream("Hi"))
    messages = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
                                             {"type": "text", "text": "a"}]}]  # fmt: skip
    extra = {"stop": ["x"], "extra_headers": {"X-A": "1", "User-Agent": "me"}, "extra_body": {"a": {"b": 1}}}
    before = copy.deepcopy((messages, extra))
    ask = llm(player, extra_kwargs=extra)
    ask(messages, extra_kwargs=extra).wait()
    assert (messages, extra) == before

    extra["stop"].append("y")
    ask(messages).wait()
    assert player.requests[1].body["stop"] == ["x"]


def test_changing_what_a_reply_tells_changes_no_later_request(play):
    """The history of one reply can be built upon."""
    player = play(stream("Hi"))
    ask, messages = llm(player), [{"role": "user", "content": "a"}]
    reply = ask(messages).wait()
    reply.messages.append({"role": "assistant", "content": reply.text})
    ask([*reply.messages, {"role": "user", "content": "b"}]).wait()

    assert messages == [{"role": "user", "content": "a"}]
    assert [message["content"] for message in player.requests[1].body["messages"]] == ["a", "Hi", "b"]


def test_what_was_left_out_is_a_note(play):
    """A parameter that the model is known not to take is not sent, and the reply says so."""
    player = play(stream("Hi"))
    reply = LLM("openai/gpt-5-mini", base_url=player.base_url)("hi", extra_kwargs={"temperature": 0}).wait()

    assert "temperature" not in player.requests[0].body
    assert reply.notes == ["temperature was left out: openai/gpt-5-mini does not take it."]


@pytest.mark.parametrize(
    ("prompt", "says"),
    [("", "empty"), (" \n", "empty"), ([], "empty"), (["hi"], "dict"), ([{"content": "hi"}], "role"), (7, "int")],
)
def test_a_prompt_that_cannot_be_one_is_refused(play, prompt, says):
    """Nothing is sent, and two lines say why."""
    player = play(stream("Hi"))

    with pytest.raises(errors.PromptError, match=says) as caught:
        llm(player)(prompt)
    assert len(str(caught.value).splitlines()) == 2
    assert player.requests == []


@pytest.mark.parametrize(
    "words_",
    [
        {"timeout": 0}, {"timeout": -1}, {"timeout": "60"}, {"timeout": True}, {"max_retries": -1},
        {"max_retries": "2"}, {"inference_class": "urgent"}, {"model": 7}, {"extra_kwargs": "temperature=0"},
        {"extra_kwargs": {"stream": 0}},
        {"extra_kwargs": {"temprature": 0}}, {"account": "nobody"}, {"account": "openai", "base_url": "http://a.example"},
        {"base_url": "ftp://a.example"}, {"base_url": "http://"}, {"base_url": "http://me:pw@a.example"},
        {"api_key": "with\nnewline"}, {"api_secret": "s"}, {"account": "groq", "api_secret": "s", "api_key": "k"},
    ],
    ids=str,
)  # fmt: skip
def test_an_argument_that_cannot_be_used_is_refused(words_):
    """The model is not made, and two lines say which argument and what to do."""
    with pytest.raises(errors.ConfigurationError) as caught:
        LLM(**words_)
    assert len(str(caught.value).splitlines()) == 2


def test_only_an_answer_that_came_whole_has_a_cost(play):
    """At a published price an answer has one; one that was cut has none of our making, though its tokens are told."""
    whole, cut = stream("Hi", usage=USAGE), Answer([*words("So"), event({"usage": USAGE}), 0.05], then="cut")
    gateway = {"base_url": play(whole, cut).base_url, "api_key": "APImadeup", "api_secret": "made-up-" * 4}
    ask = LLM("openai/gpt-4.1", provider="openai", max_retries=0, **gateway)
    replies = [ask("hi").wait(), ask("hi").wait()]

    assert [reply.usage.prompt_tokens for reply in replies] == [12, 12]
    assert replies[0].cost > 0
    assert replies[1].cost is None


def test_repr_is_short_and_says_how_it_stands(play):
    """A reply in a list is one line, whatever its length."""
    assert repr(llm(play(stream("Hi " * 500)))("hi").wait()) == "<Reply acme-1 done, 1500 characters>"
