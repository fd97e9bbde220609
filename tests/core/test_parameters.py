"""extra_kwargs: what is refused, what is left out and said, what goes through."""

import copy
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_notebook.core import parameters
from lk_notebook.errors import ConfigurationError

RECORDED = [
    case
    for path in sorted((Path(__file__).parent / "data" / "livekit").glob("[0-9]*.json"))
    if "body" in (case := json.loads(path.read_text(encoding="utf-8")))["expect"]
]
OF_THE_CALL = {"model", "messages", "stream", "stream_options", "tools"}


def asked(case):
    """The parameters of a recorded call: LiveKit's rule is that the constructor's win."""
    return {**(case["call"].get("extra_kwargs") or {}), **(case["constructor"].get("extra_kwargs") or {})}


@pytest.mark.parametrize("case", RECORDED, ids=[case["id"] for case in RECORDED])
def test_the_same_words_send_what_livekit_sends(case):
    """For the same model and extra_kwargs we send the parameters that LiveKit's own SDK was recorded to send."""
    body = case["expect"]["body"]
    sent, _ = parameters.trim(case["constructor"]["model"], asked(case), has_tools="tools" in body)
    beside = {name: sent.pop(name, None) or {} for name in ("extra_headers", "extra_query", "extra_body")}

    expected = {name: value for name, value in body.items() if name not in OF_THE_CALL}
    if "schema" in case["id"] and "response_format" not in asked(case):
        del expected["response_format"]  # an argument of the call, not a parameter
    for name in case["ours"].get("may_leave_out", ()):
        expected.pop(name)
    assert {**sent, **beside["extra_body"]} == expected


@pytest.mark.parametrize("case", RECORDED, ids=[case["id"] for case in RECORDED])
def test_nothing_is_left_out_unsaid(case):
    """Every parameter that was typed and is not sent stands in a line to the user, and no other does."""
    typed = asked(case)
    sent, notes = parameters.trim(case["constructor"]["model"], typed, has_tools="tools" in case["expect"]["body"])

    heads = " ".join(note.partition(":")[0] for note in notes).replace(",", "").split()
    assert {name for name in typed if name in heads} == typed.keys() - sent.keys()
    assert not any("\n" in note for note in notes)


def test_a_note_names_parameter_and_model():
    """What was left out is said in one line, with the model it was left out for."""
    _, notes = parameters.trim("openai/gpt-5-mini", {"temperature": 0.7}, has_tools=False)

    assert notes == ["temperature was left out: openai/gpt-5-mini does not take it."]


@pytest.mark.parametrize(
    ("model", "extra_kwargs", "has_tools", "left_out"),
    [
        ("openai/o3-pro", {"temperature": 1}, False, {"temperature"}),
        ("o4-mini", {"n": 2, "stop": "x"}, False, {"n"}),
        ("openai/gpt-5", {"reasoning_effort": "none", "temperature": 1}, False, {"temperature"}),
        ("openai/gpt-5.1", {"reasoning_effort": "none", "temperature": 1}, False, set()),
        ("openai/gpt-5.1", {"reasoning_effort": "low", "temperature": 1}, False, {"temperature"}),
        ("openai/gpt-5.1-chat-latest", {"reasoning_effort": "none", "top_p": 1}, False, {"top_p"}),
        ("openai/gpt-5.6-terra", {"reasoning_effort": "none", "top_p": 1, "logprobs": True}, True, {"logprobs"}),
        ("openai/gpt-5.2", {"reasoning_effort": "low"}, True, {"reasoning_effort"}),
        ("openai/gpt-5.4-nano", {"reasoning_effort": "none", "top_p": 1}, True, {"reasoning_effort", "top_p"}),
        ("openai/gpt-5.5", {"reasoning_effort": "low"}, True, set()),
        ("openai/gpt-6-luna", {"reasoning_effort": "none", "stop": "x", "logit_bias": {}}, False, set()),
        ("openai/gpt-6.1-sol", {"reasoning_effort": "none", "stop": "x"}, False, {"stop"}),
        ("openai/gpt-6-sol", {"n": 2, "stop": "x"}, False, {"stop"}),
        ("xai/grok-4.20-multi-agent-0309", {"stop": "x", "temperature": 1}, False, {"stop"}),
        ("xai/grok-4.5", {"stop": "x"}, False, set()),
        ("openai/gpt-oss-120b", {"temperature": 1}, False, set()),
        ("acme/brand-new-1", {"temperature": 1}, True, set()),
        ("openai/gpt-4o", {"tool_choice": "auto"}, True, set()),
        (
            "openai/gpt-4o",
            {"tool_choice": "auto", "parallel_tool_calls": True},
            False,
            {"tool_choice", "parallel_tool_calls"},
        ),
    ],
)
def test_a_model_is_spared_what_it_does_not_take(model, extra_kwargs, has_tools, left_out):
    """Exactly what LiveKit's rules name for this model is left out, all else is sent."""
    sent, _ = parameters.trim(model, extra_kwargs, has_tools=has_tools)

    assert extra_kwargs.keys() - sent.keys() == left_out


@pytest.mark.parametrize(
    ("model", "end"),
    [("openai/gpt-5.1", "=none."), ("openai/gpt-5.4", "=none, without tools."), ("openai/gpt-6-sol", "=none.")],
)
def test_a_note_says_when_the_model_would_take_it(model, end):
    """Models that can rest from reasoning take a temperature then."""
    _, notes = parameters.trim(model, {"temperature": 0.7}, has_tools=False)

    assert notes == [f"temperature was left out: {model} takes it only with reasoning_effort{end}"]


def test_a_rule_that_is_too_wide_says_the_way_round():
    """Where the catalogue knows that the model takes it, the note says how to send it all the same."""
    _, notes = parameters.trim("openai/gpt-5.3-chat-latest", {"temperature": 0.2}, has_tools=False)

    assert "extra_body" in notes[0]


def test_extra_body_is_sent_as_it_stands():
    """No rule touches what is in extra_body."""
    body = {"temperature": 0.9, "stop": ["x"]}
    sent, notes = parameters.trim("openai/gpt-5", {"extra_body": body}, has_tools=False)

    assert (sent, notes) == ({"extra_body": body}, [])


def test_the_callers_dict_is_never_changed():
    """Nothing that is done to the parameters reaches the dict they came from, however deep."""
    mine = {"temperature": 1, "stop": ["a"], "extra_headers": {"X-Trace": "1"}}
    before = copy.deepcopy(mine)
    sent, _ = parameters.trim("openai/gpt-5", mine, has_tools=False)
    sent["stop"].append("b")
    sent["extra_headers"]["User-Agent"] = "x"

    assert mine == before


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("temprature", "temperature"),
        ("Temperature", "temperature"),
        ("maxTokens", "max_tokens"),
        ("max_completion_token", "max_completion_tokens"),
        ("reasoning_efort", "reasoning_effort"),
        ("resoning_effort", "reasoning_effort"),
        ("topp", "top_p"),
        ("topK", "top_k"),
        ("seeed", "seed"),
        ("presence_penality", "presence_penalty"),
        ("chat_template_arg", "chat_template_args"),
        ("modell", "model"),
        ("message", "messages"),
    ],
)
def test_a_near_miss_is_refused_with_the_name_that_was_meant(typed, meant):
    """`temprature` is refused before anything is sent, and the error says `temperature`."""
    with pytest.raises(ConfigurationError, match=rf"{typed}.*{meant}") as caught:
        parameters.check({typed: 1})
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    "name", ["chat_template_args", "top_n", "sed", "my_servers_field", "x", "enable_thinking", "max_length"]
)
def test_an_unknown_name_passes(name):
    """A name that is like no known one is sent: servers know more names than any list."""
    parameters.check({name: {"a": [1, None, True]}})

    assert parameters.trim("openai/gpt-oss-120b", {name: 1}, has_tools=False) == ({name: 1}, [])


def test_no_known_name_is_a_near_miss():
    """Every name on our own list passes."""
    for name in parameters.KNOWN:
        parameters.check({name: None})
    assert not [name for name in (*parameters.KNOWN, *parameters.OWNED) if parameters.near_miss(name)]


@pytest.mark.parametrize("name", sorted(OF_THE_CALL))
def test_fields_of_the_call_are_refused(name):
    """`model`, `messages`, `stream`, `tools` are the call's own; the error names the field and the mend."""
    with pytest.raises(ConfigurationError, match=rf"^{name} ") as caught:
        parameters.check({name: "x"})
    assert caught.value.hint


@pytest.mark.parametrize("name", ["model", "messages", "stream"])
def test_fields_of_the_call_are_refused_in_extra_body_too(name):
    """extra_body wins over all, so it must not change what is asked of whom."""
    with pytest.raises(ConfigurationError, match=name):
        parameters.check({"extra_body": {name: "x"}})


def test_a_servers_own_tools_go_into_extra_body():
    """Tools that the server runs itself have no other way in."""
    parameters.check({"extra_body": {"tools": [{"type": "browser_search"}]}})


class Odd:
    """A value of the notebook that is no JSON."""

    def __repr__(self):
        return "Odd()"  # the name of a test is the same in every process


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        {1, 2},
        Odd(),
        print,
        b"x",
        1j,
        ...,
        "\ud83d",
        [1, [math.nan]],
        {"a": {"b": {1}}},
        {(1, 2): 3},
    ],
    ids=repr,
)
def test_a_value_that_json_cannot_carry_is_refused_by_name(value):
    """NaN, sets, functions and the like are refused before anything is sent; the error names the parameter."""
    with pytest.raises(ConfigurationError, match=r"^my_field holds") as caught:
        parameters.check({"my_field": value})
    assert "plain" in caught.value.hint


def test_a_list_that_holds_itself_is_refused():
    """A value without an end is refused, not followed for ever."""
    endless = []
    endless.append(endless)
    with pytest.raises(ConfigurationError, match="stop"):
        parameters.check({"stop": endless})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(JSON)
def test_whatever_json_can_carry_passes(value):
    """Any value that JSON can carry is no fault of the user's."""
    parameters.check({"my_field": value, "extra_body": {"a": value}})


@pytest.mark.parametrize("name", ["extra_headers", "extra_body", "extra_query"])
@pytest.mark.parametrize("value", ["X-Trace: 1", ["a"], 1])
def test_what_goes_beside_the_body_is_a_dict(name, value):
    """extra_headers, extra_body and extra_query are dicts."""
    with pytest.raises(ConfigurationError, match=f"^{name} is no dict"):
        parameters.check({name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Trace", "a\r\nX-Evil: 1"),
        ("X-Trace", "ü"),
        ("X-Trace", 1),
        ("X Trace", "a"),
        ("X-Trace:", "a"),
        ("", "a"),
        (7, "a"),
    ],
)
def test_a_header_is_one_line_of_ascii(name, value):
    """A header that could smuggle in another, or that HTTP cannot carry, is refused; its value is never shown."""
    with pytest.raises(ConfigurationError, match="extra_headers") as caught:
        parameters.check({"extra_headers": {name: value}})
    assert "Evil" not in str(caught.value)


def test_headers_body_and_query_of_ones_own_pass():
    """What LiveKit's extra_headers, extra_body and extra_query take is taken; so is None."""
    parameters.check({"extra_headers": {"X-Trace": "t 1"}, "extra_body": {"a": [1]}, "extra_query": {"page": 2}})
    parameters.check(dict.fromkeys(("extra_headers", "extra_body", "extra_query")))


@pytest.mark.parametrize("name", ["extra_body", "extra_query"])
def test_what_json_cannot_carry_is_refused_beside_the_fields_too(name):
    """The error names the dict it stands in."""
    with pytest.raises(ConfigurationError, match=f"^{name} holds"):
        parameters.check({name: {"a": math.nan}})


def test_extra_kwargs_is_a_dict():
    """Anything but a dict is refused with an example."""
    with pytest.raises(ConfigurationError, match="is no dict"):
        parameters.check([("temperature", 0)])


@pytest.mark.parametrize("name", [7, "", None])
def test_a_name_is_a_text(name):
    """A name that is no text cannot be sent."""
    with pytest.raises(ConfigurationError, match="is no name"):
        parameters.check({name: 1})


def test_a_type_for_response_format_gets_the_way_to_do_it():
    """A class as response_format is answered with --schema."""
    with pytest.raises(ConfigurationError, match="--schema"):
        parameters.check({"response_format": Odd})
