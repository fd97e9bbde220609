"""Requests: the same words make the body, the headers and the path that LiveKit's own SDK was recorded to send."""

import copy
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_notebook.core.request import build, check_messages, tidy
from lk_notebook.core.values import Account, Call
from lk_notebook.errors import PromptError

RECORDED = [
    case
    for path in sorted((Path(__file__).parent / "data" / "livekit").glob("[0-9]*.json"))
    if "body" in (case := json.loads(path.read_text(encoding="utf-8")))["expect"]
]
LIVEKIT = Account("livekit", "livekit", "https://gateway.example/v1", scheme="livekit")
URL = Account("x", "url", "https://x.example/v1")
HI = [{"role": "user", "content": "hi"}]
CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
ASKS, TOLD = {"role": "assistant", "tool_calls": [CALL]}, {"role": "tool", "tool_call_id": "1", "content": "x"}


@pytest.mark.parametrize("case", RECORDED, ids=[case["id"] for case in RECORDED])
def test_a_request_is_what_livekit_would_send(case):
    """Body, provider, priority and further headers are those of the recording, for the same words and messages."""
    words, body, headers = case["constructor"], case["expect"]["body"], case["expect"]["headers"]
    extra = {**(case["call"].get("extra_kwargs") or {}), **(words.get("extra_kwargs") or {})}
    call = Call(words["model"], body["messages"], words.get("provider"), words.get("inference_class"), extra,
                body.get("tools", ()), None if "response_format" in extra else body.get("response_format"))  # fmt: skip
    prepared = build(call, LIVEKIT)

    left_out = case["ours"].get("may_leave_out", ())
    assert prepared.body == {name: value for name, value in body.items() if name not in left_out}
    sent = {name.lower(): value for name, value in prepared.headers.items()}
    assert {n: v for n, v in sent.items() if n.startswith("x-")} == {
        n: v for n, v in headers.items() if n.startswith("x-")
    }


HISTORIES = {
    "one text": ([{"role": "user", "content": [{"type": "text", "text": "a"}]}], [{"role": "user", "content": "a"}]),
    "texts": ([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
              [{"role": "user", "content": "a\nb"}]),
    "image last": ([{"role": "user", "content": [{"type": "text", "text": "a"},
                                                 {"type": "image_url", "image_url": {"url": "u"}}]}],
                   [{"role": "user", "content": [{"type": "image_url", "image_url": {"detail": "auto", "url": "u"}},
                                                 {"type": "text", "text": "a"}]}]),
    "image alone": ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u", "detail": "low"}}]}],
                    [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u", "detail": "low"}}]}]),
    "a call and its result": ([*HI, ASKS, TOLD], [*HI, ASKS, TOLD]),
    "a call without a result": ([*HI, ASKS], HI),
    "a call without a result, but with text": ([*HI, ASKS | {"content": "Wait."}],
                                               [*HI, {"role": "assistant", "content": "Wait."}]),
    "one of two results": ([*HI, {"role": "assistant", "tool_calls": [CALL, CALL | {"id": "2"}]}, TOLD],
                           [*HI, ASKS, TOLD]),
    "a result without a call": ([*HI, TOLD], HI),
    "content null": ([*HI, ASKS | {"content": None}, TOLD], [*HI, ASKS | {"content": None}, TOLD]),
    "extra_content": (
        [ASKS | {"extra_content": {"google": 1, "other": 2},
                 "tool_calls": [CALL | {"extra_content": {"xai": 1, "openai": 2}}]}, TOLD],
        [ASKS | {"extra_content": {"google": 1}, "tool_calls": [CALL | {"extra_content": {"xai": 1}}]}, TOLD]),
    "foreign extra_content": (
        [ASKS | {"extra_content": {"a": 1}, "tool_calls": [CALL | {"extra_content": {"a": 1}}]}, TOLD], [ASKS, TOLD]),
    "other fields": ([{"role": "user", "name": "Ann", "content": "a"}],
                     [{"role": "user", "name": "Ann", "content": "a"}]),
}  # fmt: skip


@pytest.mark.parametrize(("given_", "sent"), HISTORIES.values(), ids=HISTORIES.keys())
def test_a_history_is_sent_as_livekit_sends_it(given_, sent):
    """Texts joined, images first, calls only with their results, signatures back to whom they are from."""
    before = copy.deepcopy(given_)

    assert tidy(given_) == sent
    assert given_ == before
    assert tidy(sent) == sent


@pytest.mark.parametrize("messages", [[], [7], ["hi"], [None], [{}], [{"content": "hi"}], [{"role": 7}], [*HI, "x"]])
def test_what_is_no_message_is_refused(messages):
    """Two lines say what a message is, and nothing is sent."""
    with pytest.raises(PromptError) as caught:
        check_messages(messages)
    assert len(str(caught.value).splitlines()) == 2


def test_the_parameters_win_in_their_order():
    """extra_body over extra_kwargs over what is sent by itself, but for what belongs to the call."""
    extra = {"stream_options": 1, "temperature": 0, "extra_body": {"temperature": 1, "tools": [{"type": "own"}]}}
    body = build(Call("m", HI, extra_kwargs={k: v for k, v in extra.items() if k != "stream_options"}), URL).body

    assert (body["temperature"], body["tools"], body["stream"]) == (1, [{"type": "own"}], True)
    assert body["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    "name", ["X-LiveKit-Inference-Provider", "x-livekit-inference-provider", "ACCEPT", "Content-Type"]
)
def test_a_header_that_is_ours_stands_once(name):
    """Our own headers win over extra_headers, however these are spelt, and none is sent twice."""
    call = Call("openai/gpt-4o", HI, "azure", extra_kwargs={"extra_headers": {name: "theirs", "X-Trace": "7"}})
    headers = build(call, LIVEKIT).headers

    assert "theirs" not in headers.values()
    assert len(headers) == len({name.lower() for name in headers})
    assert headers["X-Trace"] == "7"


def test_a_provider_header_of_the_users_own_is_sent_where_no_provider_was_named():
    """What nobody else says may be said in extra_headers."""
    extra = {"extra_headers": {"X-LiveKit-Inference-Provider": "groq"}}

    assert build(Call("m/n", HI, extra_kwargs=extra), LIVEKIT).headers["X-LiveKit-Inference-Provider"] == "groq"


@pytest.mark.parametrize(
    ("account", "query", "url"),
    [
        (URL, {}, "https://x.example/v1/chat/completions"),
        (URL, {"a": "b c", "n": [1, 2]}, "https://x.example/v1/chat/completions?a=b+c&n=1&n=2"),
        (Account("azure", "azure", "https://a/openai", api_version="1", deployments={"m": "d/ü"}), {"x": "y"},
         "https://a/openai/deployments/d%2F%C3%BC/chat/completions?api-version=1&x=y"),
    ],
)  # fmt: skip
def test_the_address_of_a_request(account, query, url):
    """The account's path, Azure's classic one with its deployment, and the query of the user."""
    assert build(Call("m", HI, extra_kwargs={"extra_query": query}), account).url == url


@given(st.text(st.characters() | st.sampled_from("\ud83d\ude00"), max_size=30))
def test_any_prompt_can_be_sent(text):
    """Half an emoji from a shortened table becomes U+FFFD: every prompt is JSON in UTF-8."""
    sent = json.loads(build(Call("m", [{"role": "user", "content": text}]), URL).content)

    assert sent["messages"][0]["content"] == text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def test_no_key_is_in_a_request_before_it_is_sent():
    """Keys are added at the moment of sending alone."""
    headers = {name.lower() for name in build(Call("m", HI), LIVEKIT).headers}

    assert not headers & {"authorization", "api-key"}


def test_a_parameter_goes_out_under_the_name_its_server_reads():
    """Ollama ignores max_completion_tokens: it gets max_tokens, and the reader is told."""
    ollama = Account("ollama", "url", "http://localhost:11434/v1", spelled={"max_completion_tokens": "max_tokens"})
    call = Call("llama3.2", [{"role": "user", "content": "hi"}], extra_kwargs={"max_completion_tokens": 5, "seed": 1})

    prepared = build(call, ollama)

    assert (prepared.body["max_tokens"], prepared.body["seed"]) == (5, 1)
    assert "max_completion_tokens" not in prepared.body
    assert prepared.notes == ["max_completion_tokens went out as max_tokens: ollama reads that."]
