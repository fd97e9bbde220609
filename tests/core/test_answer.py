"""The facts of a response: tool calls in fragments, usage, ids, alternatives, log probabilities."""

import pytest

from lk_notebook.core.answer import Answer
from lk_notebook.core.values import Alternative, ToolCall, Usage


def call(call_id=None, name=None, arguments=None, **more):
    """One piece of a tool call, as a delta carries it."""
    return {"id": call_id, "function": {"name": name, "arguments": arguments}, **more}


def told(*pieces):
    """The tool calls that these pieces make."""
    answer = Answer()
    for piece in pieces:
        answer.delta({"tool_calls": [piece]})
    return answer.tool_calls


F, G = ToolCall("1", "f", '{"a":1}'), ToolCall("2", "g", '{"b":2}')


@pytest.mark.parametrize(
    "pieces",
    [
        [call("1", "f", index=0), call(None, None, '{"a"', index=0), call(None, None, ":1}", index=0)],
        [call("1", "f", '{"a"', index=0), call("1", "f", ":1}", index=0)],
        [call("1", "f", '{"a":1}')],
        [call("1", "f", '{"a"'), call("1", None, ":1}")],
        [call("1", "f", '{"a"'), call(None, None, ":1}")],
        [call("1", "f", '{"a"', index=0), call(None, None, ":1}")],
        [call("", "f", '{"a"', index=0), call("1", "", ":1}", index=0)],
        [call("1", "f", index=None), call("", "", '{"a":1}', index=None)],
    ],
)
def test_pieces_of_one_call_are_joined(pieces):
    """By index, by id, or as what goes on with the last call; id and name come once or again."""
    assert told(*pieces) == [F]


@pytest.mark.parametrize(
    "pieces",
    [
        [call("1", "f", '{"a"', index=0), call("2", "g", '{"b"', index=1), call(None, None, ":1}", index=0),
         call(None, None, ":2}", index=1)],
        [call("1", "f", '{"a":1}', index=0), call("2", "g", '{"b":2}', index=0)],
        [call("1", "f", '{"a":1}', index=0), call("2", "g", '{"b"', index=0), call(None, None, ":2}", index=0)],
        [call("1", "f", '{"a":1}'), call("2", "g", '{"b":2}')],
        [call("1", "f", '{"a"'), call("2", "g", '{"b"'), call("1", None, ":1}"), call("2", None, ":2}")],
    ],
)  # fmt: skip
def test_calls_that_run_side_by_side_are_kept_apart(pieces):
    """Interleaved calls, and a new id under the same index, are two calls in the order in which they began."""
    assert told(*pieces) == [F, G]


def test_calls_without_any_id_are_told_apart_by_their_names():
    """A server that gives no ids begins each call with its name."""
    calls = told(call(None, "f", '{"a":1}'), call(None, "g", '{"b"'), call(None, None, ":2}"))

    assert [(c.id, c.name, c.arguments) for c in calls] == [(None, "f", '{"a":1}'), (None, "g", '{"b":2}')]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [({"a": 1}, '{"a": 1}'), ({}, "{}"), ([1], "[1]"), ("", ""), (None, ""), ('{"a": 1', '{"a": 1'), ("{}", "{}")],
)
def test_arguments_are_text_as_it_came(arguments, text):
    """An object becomes its JSON, nothing stays empty, broken JSON is the reader's to judge."""
    assert told(call("1", "f", arguments, index=0))[0].arguments == text


def test_a_function_call_of_old_is_a_tool_call():
    """`function_call` in fragments is one call without an id."""
    answer = Answer()
    answer.delta({"function_call": {"name": "f", "arguments": '{"a"'}})
    answer.delta({"function_call": {"arguments": ":1}"}})

    assert answer.tool_calls == [ToolCall(None, "f", '{"a":1}')]


def test_extra_content_is_kept_with_its_call_and_with_the_message():
    """A thought signature stays with the call it came with: it must go back with the history."""
    signed = {"google": {"thought_signature": "c2ln"}}
    answer = Answer()
    answer.delta({"extra_content": {"xai": {"a": 1}}, "tool_calls": [call("1", "f", index=0, extra_content=signed)]})
    answer.delta({"extra_content": signed, "tool_calls": [call("2", "g", index=1)]})

    assert [c.extra_content for c in answer.tool_calls] == [signed, None]
    assert answer.extra_content == {"xai": {"a": 1}, **signed}


def test_livekit_says_who_served_it():
    """The deployment that answered is in LiveKit's metadata."""
    answer = Answer()
    answer.delta({"extra_content": {"livekit": {"inference_deployment": "azure-eu"}}})

    assert answer.served_by == "azure-eu"


def test_a_lone_surrogate_in_a_call_or_an_alternative_is_replaced():
    """Half a character would break every output it gets into; two halves that meet are whole."""
    answer = Answer()
    for half in ("a\ud83d", "\ude00b\ud83d"):
        answer.delta({"tool_calls": [call("1", "f", half, index=0)]})
        answer.alternative(1, half, None)

    assert answer.tool_calls[0].arguments == answer.alternatives[0].text == "a\N{GRINNING FACE}b\ufffd"


@pytest.mark.parametrize(
    ("chunks", "said"),
    [
        ([{"id": ""}, {"id": "a", "model": "m"}, {"id": "b"}], ("a", "m")),
        ([{"id": None, "model": ""}, {"id": "a", "model": "m"}, {"id": "", "model": "n"}], ("a", "m")),
        ([{}], (None, None)),
    ],
)
def test_the_first_id_that_is_one_counts(chunks, said):
    """Azure's first chunk has an empty id and model; later chunks cannot change them."""
    answer = Answer()
    for chunk in chunks:
        answer.note(chunk)

    assert (answer.response_id, answer.model) == said


@pytest.mark.parametrize(
    ("usages", "counted"),
    [
        ([], None),
        ([None, {}], Usage()),
        ([{"prompt_tokens": 1}, None], Usage(prompt_tokens=1)),
        ([{"prompt_tokens": 1, "total_tokens": 1}, {"prompt_tokens": 5, "completion_tokens": 2}], Usage(5, 2)),
        ([{"prompt_tokens": None, "completion_tokens": "7", "prompt_tokens_details": None}], Usage()),
        (
            [{"prompt_tokens": 9, "completion_tokens": 8, "total_tokens": 17, "prompt_tokens_details":
              {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 3}}],
            Usage(9, 8, 17, 4, 3),
        ),
    ],
)  # fmt: skip
def test_the_last_usage_that_is_not_null_counts(usages, counted):
    """Usage is never summed over chunks; a null in it is 0, no usage at all is unknown."""
    answer = Answer()
    for usage in usages:
        answer.note({"usage": usage})

    assert answer.usage == counted


def test_groqs_own_usage_counts_where_no_other_is():
    """Groq says the usage in `x_groq` too."""
    answer = Answer()
    answer.note({"x_groq": {"usage": {"prompt_tokens": 3}}})

    assert answer.usage == Usage(3)


def test_further_choices_are_gathered_by_index():
    """With n=3 each further answer has its text and its own reason to end."""
    answer = Answer()
    for index, text, reason in ((2, "c", None), (1, "b", None), (2, "C", "stop"), (1, "B", "length"), (2, "", None)):
        answer.alternative(index, text, reason)

    assert answer.alternatives == [Alternative(1, "bB", "length"), Alternative(2, "cC", "stop")]


def test_log_probabilities_of_all_chunks_are_joined():
    """Each token keeps its log probability and its likeliest others; not asked for is None."""
    answer = Answer()
    before = answer.logprobs
    top = [{"token": "Y", "logprob": -0.5}]
    answer.add_logprobs({"content": [{"token": "Yes", "logprob": -0.1, "bytes": [89], "top_logprobs": top}]})
    answer.add_logprobs({"content": [{"token": "!"}], "refusal": None})

    first, second = answer.logprobs
    assert (before, first.bytes, first.top_logprobs[0].token, second.token) == (None, [89], "Y", "!")
    assert (first.logprob, second.logprob) == (-0.1, None)
