r"""Streams as vendors write them: each case is decoded whole and cut small, and any cut gives the same answer."""

import copy
import gzip
import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from player import chunk, end, event

from lk_notebook.core.stream import Decoder
from lk_notebook.core.values import ToolCall, Usage

FOLDER = Path(__file__).parent / "data" / "sse"
CASES = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))]
STREAMED = [case for case in CASES if case["response"]["status"] == 200]
KINDS = ("text", "reasoning", "refusal")
SSE = "text/event-stream; charset=utf-8"


def body_of(case):
    """The body of a case as the decoder gets it: httpx has undone the compression."""
    body = (FOLDER / case["body_file"]).read_bytes()
    return gzip.decompress(body) if "content-encoding" in case["response"]["headers"] else body


def cut(body, at):
    """The body cut at these places."""
    places = [0, *sorted({place for place in at if 0 < place < len(body)}), len(body)]
    return [body[a:b] for a, b in itertools.pairwise(places)]


def decode(*fed, kind=SSE):
    """A decoder that has read a whole body in these pieces, and its texts."""
    decoder = Decoder("acme", kind)
    pieces = [piece for data in fed for piece in decoder.feed(data)] + decoder.end()
    texts = {wanted: "".join(text for kind, text in pieces if kind == wanted) for wanted in KINDS}
    return decoder, texts


def told(*fed, kind=SSE):
    """All that a body said, as one value to compare."""
    decoder, texts = decode(*fed, kind=kind)
    answer, error = decoder.answer, decoder.error
    facts = (answer.tool_calls, answer.alternatives, answer.logprobs, answer.finish_reason, answer.usage)
    failed = error and (type(error), str(error), error.status, error.code, error.param, error.retryable)
    return texts, facts, answer.response_id, answer.model, answer.served_by, decoder.shown, failed


@pytest.mark.parametrize("size", [1, 2, 7, 1000, 10**6])
@pytest.mark.parametrize("case", STREAMED, ids=lambda case: case["id"])
def test_each_case_is_decoded_however_it_is_cut(case, size):
    """Text, calls, usage, ids and errors of a vendor's stream are what the case says, cut at any size."""
    body, want = body_of(case), case["expect"]
    decoder, texts = decode(*cut(body, range(0, len(body), size)), kind=case["response"]["headers"]["content-type"])
    answer, error = decoder.answer, decoder.error

    if want["outcome"] == "error":
        assert (texts["text"], texts["reasoning"]) == (want["partial_text"], want["partial_reasoning"])
        if case["response"]["raise_after_body"] != "ReadTimeout":
            assert_error(error, want)
        return
    assert error is None
    assert texts == {kind: want[kind] for kind in KINDS}
    assert [call_of(c) for c in answer.tool_calls] == want["tool_calls"]
    assert answer.finish_reason == want["finish_reason"]
    assert answer.usage == (want["usage"] and Usage(**want["usage"]))
    assert answer.response_id == want.get("response_id", answer.response_id)
    assert [{"index": a.index, "text": a.text, "finish_reason": a.finish_reason} for a in answer.alternatives] == (
        want.get("alternatives", [])
    )
    assert [entry.token for entry in answer.logprobs or ()] == want.get("logprob_tokens", [])


def call_of(call):
    """A tool call as the cases write it."""
    written = {"id": call.id, "name": call.name, "arguments": call.arguments}
    return written | ({"extra_content": call.extra_content} if call.extra_content else {})


def assert_error(error, want):
    """The error is of the class and the words of the case."""
    assert type(error).__name__ == want["error_class"]
    assert (error.retryable, error.status, error.code) == (want["retryable"], error.status, want["code"])
    assert want["status"] in (None, error.status)
    assert (want["message_contains"] or "") in str(error)


@given(st.sampled_from(STREAMED), st.sets(st.integers(1, 1400)))
def test_any_cut_of_any_case_gives_the_same(case, cuts):
    """Where the network cuts is nothing that a user could ever notice."""
    body, kind = body_of(case), case["response"]["headers"]["content-type"]

    assert told(*cut(body, cuts), kind=kind) == told(body, kind=kind)


WORDS = st.text(st.characters() | st.sampled_from("\ud83d\ude00"), max_size=12)


@given(st.lists(WORDS, max_size=6), st.sets(st.integers(1, 2000)), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_any_text_arrives_whole(words, cuts, newline):
    """Whatever a model writes arrives letter by letter, half characters apart, in any cut and with any line end."""
    body = b"".join([chunk({"content": "."}), *(chunk({"content": word}) for word in words), *end()])
    _, texts = decode(*cut(body.replace(b"\n", newline), cuts))

    assert texts["text"] == "." + "".join(words).encode("utf-16", "surrogatepass").decode("utf-16", "replace")


WHOLE = {
    "id": "a",
    "model": "m",
    "provider": "p",
    "error": None,
    "object": "chat.completion.chunk",
    "x_groq": {"error": None, "usage": {"prompt_tokens": 1}},
    "usage": {"prompt_tokens": 1, "prompt_tokens_details": {"cached_tokens": 1}},
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "logprobs": {"content": [{"token": "a", "logprob": -1, "top_logprobs": [{"token": "a"}]}]},
            "delta": {
                "content": [{"text": "a"}, {"thinking": [{"text": "a"}]}],
                "reasoning": "a",
                "reasoning_content": "a",
                "refusal": "a",
                "tool_calls": [
                    {"index": 0, "id": "1", "function": {"name": "f", "arguments": "{}"}, "extra_content": {}}
                ],
                "function_call": {"name": "f", "arguments": "{}"},
                "extra_content": {"livekit": {"inference_deployment": "d"}},
            },
        },
        {"index": 1, "finish_reason": None, "delta": {"content": "a"}},
    ],
}


def places(value, at=()):
    """The way to each value inside a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inside:
        yield (*at, key)
        yield from places(each, (*at, key))


def put(value, at, odd):
    """The JSON value with another one at this place."""
    if not at:
        return odd
    changed = copy.copy(value)
    changed[at[0]] = put(value[at[0]], at[1:], odd)
    return changed


ODD = [None, True, 0, 7, -1, 2.5, float("nan"), float("inf"), 10**400, "", "x", "\ud83d", [], [7], [None], {}, {"x": 7}]


@pytest.mark.parametrize("at", list(places(WHOLE)), ids=lambda at: ".".join(map(str, at)))
def test_no_value_in_any_place_is_a_fault_of_ours(at):
    """A number for a list, a list for a text: what a server puts where it does not belong costs no crash."""
    for odd in ODD:
        for kind, frame in ((SSE, event), ("application/json", bytes)):
            decoder, texts = decode(frame(json.dumps(put(WHOLE, at, odd)).encode()), kind=kind)

            answer = decoder.answer
            shown = [texts, str(decoder.error), [call_of(call) for call in answer.tool_calls]]
            json.dumps([*shown, [a.text for a in answer.alternatives]], ensure_ascii=False).encode()
            assert answer.usage is None or type(answer.usage.prompt_tokens) is int


@given(st.binary(max_size=80), st.sets(st.integers(1, 80)), st.sampled_from([SSE, "text/html", "application/json", ""]))
def test_no_bytes_that_a_server_may_send_are_a_fault_of_ours(body, cuts, kind):
    """Bytes that are no answer at all are an error of ours to tell, and the same in any cut."""
    body = b"data: " + body if kind == SSE else body

    assert told(*cut(body, cuts), kind=kind) == told(body, kind=kind)


def delta(**fields):
    """An answer of one delta, well ended."""
    return b"".join([chunk(fields), *end()])


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (delta(content="a").replace(b"\n", b"\r"), "a"),
        (b"\xef\xbb\xbf" + delta(content="a"), "a"),
        (b"\n\n\n" + delta(content="a"), "a"),
        (chunk({"content": "a"}, "stop").rstrip(), "a"),
        (delta(content="a") + chunk({"content": "b"}) + b"data: broken", "a"),
        (event({"choices": [{"delta": None}]}) + event({"choices": [{}]}) + delta(content="a"), "a"),
        (event(b"") + event(b"null") + event(b"[]") + delta(content="a"), "a"),
        (b"".join([chunk({"content": "a"}), chunk({}, "stop"), event(b" [DONE] ")]), "a"),
        (b'data: {"choices":[{"delta":{"content":"a\tb"},"finish_reason":"stop"}]}\n\n', "a\tb"),
        (b'data: {"choices":[{"delta":{"content":"a\xff"},"finish_reason":"stop"}]}\n\n', "a\ufffd"),
    ],
    ids=["CR", "BOM", "blank lines", "no blank line at the end", "after [DONE]", "no delta", "no object",
         "[DONE] with blanks", "a raw tab", "no UTF-8"],
)  # fmt: skip
def test_odd_streams_are_read(body, text):
    """What servers do to the form of a stream costs no text and is no error."""
    for size in (1, 10**6):
        decoder, texts = decode(*cut(body, range(0, len(body), size)))

        assert (decoder.error, texts["text"], decoder.answer.finish_reason) == (None, text, "stop")


@pytest.mark.parametrize(
    ("deltas", "text"),
    [
        (["a\ud83d", "\ude00b"], "a\N{GRINNING FACE}b"),
        (["a\ud83d", "b"], "a\ufffdb"),
        (["\ude00a"], "\ufffda"),
        (["a", "\ud83d"], "a\ufffd"),
        (["\ud83d", "\ud83d", "\ude00"], "\ufffd\N{GRINNING FACE}"),
    ],
    ids=ascii,
)
def test_halves_of_a_character_are_joined_or_replaced(deltas, text):
    """An emoji split over two deltas is whole; half of one becomes U+FFFD, for it would kill the output."""
    body = b"".join([*(chunk({"content": half}) for half in deltas), *end()])

    for size in (1, 60, 10**6):
        assert decode(*cut(body, range(0, len(body), size)))[1]["text"] == text


@pytest.mark.parametrize(
    ("fields", "reasoning", "text"),
    [
        ({"reasoning": "a", "content": "b"}, "a", "b"),
        ({"reasoning_content": "a"}, "a", ""),
        ({"reasoning": "a", "reasoning_content": "a"}, "a", ""),
        ({"reasoning": "", "reasoning_content": "a"}, "a", ""),
        ({"content": "<think>a</think>b"}, "a", "b"),
        ({"content": "Say <think>a</think>"}, "", "Say <think>a</think>"),
        ({"content": "<think>a"}, "a", ""),
        ({"content": "<thin"}, "", "<thin"),
        ({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "a"}]}, {"text": "b"}]}, "a", "b"),
        ({"content": [{"type": "thinking", "thinking": "a"}, {"type": "image_url"}, "c", {"text": "b"}]}, "a", "b"),
    ],
)
def test_reasoning_is_told_apart_from_text(fields, reasoning, text):
    """A field of its own (once, where a server fills two), tags that open the message, or a part of the content."""
    _, texts = decode(delta(**fields))

    assert texts == {"text": text, "reasoning": reasoning, "refusal": ""}


def test_a_verdict_of_the_content_filter_may_come_late():
    """Azure's filter may judge after the stop: the last finish_reason that is one counts."""
    late = event({"choices": [{"index": 0, "finish_reason": "content_filter"}]})
    decoder, _ = decode(chunk({"content": "a"}), chunk({}, "stop"), late, chunk({}), event(b"[DONE]"))

    assert decoder.answer.finish_reason == "content_filter"


def test_a_call_may_come_without_an_index_and_end_with_stop():
    """A tool call is a tool call, whatever the finish_reason says and though its index is missing."""
    begun = {"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a"'}}
    decoder, _ = decode(chunk({"tool_calls": [begun]}), delta(tool_calls=[{"function": {"arguments": ":1}"}}]))

    assert (decoder.answer.finish_reason, decoder.answer.tool_calls) == ("stop", [ToolCall("1", "f", '{"a":1}')])


def test_arguments_that_break_off_are_left_to_the_reader():
    """Arguments that are no JSON are no fault of the stream."""
    decoder, _ = decode(delta(tool_calls=[{"index": 0, "id": "1", "function": {"name": "f", "arguments": '{"a"'}}]))

    assert (decoder.error, decoder.answer.tool_calls[0].arguments) == (None, '{"a"')


def test_usage_of_several_chunks_is_not_summed():
    """A server that counts in every chunk is believed once, the last time."""
    counted = [chunk({"content": "a"}, usage={"completion_tokens": n, "total_tokens": n}) for n in (1, 2, 3)]
    decoder, _ = decode(*counted, *end())

    assert decoder.answer.usage == Usage(0, 3, 3)


ERRORS = {
    "error field": (b'error: {"code":500,"message":"it broke","type":"server_error"}\n\n', "500"),
    "error field of text": (b"error: it broke\n\n", None),
    "error event of text": (b"event: error\ndata: it broke\n\n", None),
    "error beside choices": (chunk({"content": "b"}, error={"message": "it broke", "code": 502}), "502"),
    "error text beside choices": (chunk({"content": "b"}, error="it broke"), None),
    "a text alone": (event({"error": "it broke"}), None),
    "flat": (event({"object": "error", "message": "it broke", "code": 400}), "400"),
    "with a status": (event({"error": {"message": "it broke"}, "status_code": 503}), None),
    "finish_reason": (chunk({"content": "b"}, "error"), None),
}


@pytest.mark.parametrize(("said", "code"), ERRORS.values(), ids=ERRORS.keys())
def test_an_error_in_the_stream_ends_it(said, code):
    """In whatever form a server says it, the answer has failed, what had arrived stays, and nothing is asked again."""
    decoder, texts = decode(chunk({"content": "a"}), said, chunk({"content": "lost"}), *end())

    error = decoder.error
    assert (type(error).__name__, error.status, error.code, error.retryable) == ("StreamError", 200, code, False)
    assert "it broke" in str(error) or "ended the answer with an error" in str(error)
    assert texts["text"] in ("a", "ab")


@pytest.mark.parametrize(
    ("payload", "retryable"),
    [
        ({"message": "Overloaded", "code": 529}, True),
        ({"message": "no such model", "code": 404}, False),
        ({"message": "bad key", "code": "401"}, False),
        ({"message": "used up", "code": "insufficient_quota"}, False),
    ],
)
def test_an_error_before_any_text_may_be_asked_again(payload, retryable):
    """A server that failed before its first word may be asked once more, unless it would say the same."""
    decoder, _ = decode(chunk({"role": "assistant", "content": ""}), event({"error": payload}))

    assert decoder.error.retryable is retryable


@pytest.mark.parametrize("kind", ["application/json", SSE, ""])
def test_an_error_with_status_200_is_an_error(kind):
    """JSON with an error in it is no answer, whatever status and type it bears."""
    decoder, _ = decode(b'{"error": {"message": "no such model", "code": "model_not_found"}}', kind=kind)

    assert (type(decoder.error).__name__, decoder.error.code) == ("StreamError", "model_not_found")
    assert "no such model" in str(decoder.error)


TALE = chunk({"content": "It was a dark"})
TAIL = chunk({"content": " and stormy night"})


@pytest.mark.parametrize(
    "rest",
    [b"", TAIL[:8], TAIL[:60], TAIL.rstrip()[:-1], TAIL[:-1], event({"usage": {"total_tokens": 1}}), chunk({})],
    ids=["at an event", "in a field", "in the JSON", "before its brace", "before the blank line", "usage", "no text"],
)
def test_an_answer_that_just_ends_was_cut(rest):
    """Without finish_reason and [DONE] an answer is never shown as complete, wherever it was cut."""
    decoder, texts = decode(TALE + rest)

    assert type(decoder.error).__name__ == "StreamInterrupted"
    assert not decoder.error.retryable
    assert texts["text"].startswith("It was a dark")


@pytest.mark.parametrize(
    "body", [b"", b"\n\n", chunk({"role": "assistant", "content": ""}), b": keep-alive\n\n", TALE[:40]]
)
def test_a_cut_before_the_first_word_may_be_asked_again(body):
    """Where nothing was shown, a new request does no harm."""
    decoder, _ = decode(body)

    assert (type(decoder.error).__name__, decoder.error.retryable) == ("StreamInterrupted", True)


def test_a_cut_after_the_finish_reason_is_no_cut():
    """The answer was said to be complete: what is lost of its usage is unknown, nothing more."""
    decoder, texts = decode(TALE + chunk({}, "stop") + event({"choices": [], "usage": {"total_tokens": 1}})[:40])

    assert (decoder.error, texts["text"], decoder.answer.usage) == (None, "It was a dark", None)


@pytest.mark.parametrize("size", [1, 10**6])
def test_broken_json_between_events_is_an_error(size):
    """A line that is no JSON is told, with its beginning, and the text before it is kept."""
    body = TALE + event(b'{"choices": oops}') + TAIL + b"".join(end())
    decoder, texts = decode(*cut(body, range(0, len(body), size)))

    assert (type(decoder.error).__name__, texts["text"]) == ("ProtocolError", "It was a dark")
    assert "oops" in str(decoder.error)
    assert not decoder.error.retryable


@pytest.mark.parametrize(
    ("body", "kind", "says"),
    [
        (b"<html><title>Sign in</title>", "text/html", "Sign in"),
        (b"\n  <!doctype html>", SSE, "HTML"),
        (b"It works!", "text/plain", "text/plain"),
        (b'{"object": "list", "data": []}', "application/json", "no chat completion"),
        (b'[{"id": "gpt-4o"}]', "application/json", "no chat completion"),
        (b'{"choices": [', "application/json", "not JSON"),
    ],
)
def test_what_is_no_chat_completion_is_said(body, kind, says):
    """A web page, a list of models, half a JSON: what came is named, and it is no answer."""
    decoder, texts = decode(body, kind=kind)

    assert type(decoder.error).__name__ == "ProtocolError"
    assert says in str(decoder.error)
    assert not any(texts.values())


def test_a_whole_json_answer_is_read_in_any_type():
    """A server that does not stream answers in one piece, sometimes under the name of a stream."""
    whole = {"id": "c1", "model": "m", "choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}
    decoder, texts = decode(b"\xef\xbb\xbf" + json.dumps(whole).encode(), kind=SSE)

    assert (decoder.error, texts["text"], decoder.answer.response_id) == (None, "Hi", "c1")


def test_pieces_come_as_soon_as_they_are_whole():
    """No word waits for the next one."""
    decoder = Decoder("acme", SSE)

    fed = [decoder.feed(data) for data in (chunk({"content": "a"}), chunk({"reasoning": "b"}), chunk({"content": "c"}))]
    assert fed == [[("text", "a")], [("reasoning", "b")], [("text", "c")]]
