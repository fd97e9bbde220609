"""Refusals: which error a status and a body mean, what it says, when a new request may be sent, and how soon."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_notebook.core import failures
from lk_notebook.core.values import Secret

FOLDER = Path(__file__).parent / "data" / "sse"
CASES = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))]
REFUSED = [case for case in CASES if case["response"]["status"] != 200]


def refused(status, body=b"", headers=None, **said):
    """The error of a refusal."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return failures.failure(status, headers or {}, body, who="acme", **said)


@pytest.mark.parametrize(
    "said",
    [
        {"code": "context_length_exceeded", "type": "invalid_request_error"},
        {"code": 400, "type": "exceed_context_size_error", "n_prompt_tokens": 9031, "n_ctx": 4096},
    ],
)
def test_a_prompt_that_is_too_long_is_to_be_shortened(said):
    """Whatever the server calls it: OpenAI's code, or llama.cpp's type."""
    error = refused(400, {"error": {"message": "too long", **said}})

    assert error.hint.startswith("Shorten the prompt")
    assert error.code in said.values()


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case["id"])
def test_each_case_is_the_error_it_means(case):
    """A vendor's refusal becomes the class, code, words and wait that the case says."""
    want, response = case["expect"], case["response"]
    error = refused(response["status"], (FOLDER / case["body_file"]).read_bytes(), response["headers"])

    assert type(error).__name__ == want["error_class"]
    assert (error.status, error.retryable, error.code) == (want["status"], want["retryable"], want["code"])
    assert (error.param, error.retry_after) == (want.get("param", error.param), want.get("retry_after_s"))
    assert (error.quota or {}) == want.get("quota", {})
    assert all(word in str(error) for word in (want["message_contains"] or "", *want.get("filtered", ())))
    assert want.get("message_excludes", "\0") not in str(error)
    assert want.get("hint_contains", "") in (error.hint or "")


@pytest.mark.parametrize(
    ("status", "name", "retryable"),
    [
        (400, "BadRequestError", False), (401, "AuthenticationError", False), (402, "QuotaExceededError", False),
        (403, "AuthenticationError", False), (404, "NotFoundError", False), (408, "APITimeoutError", True),
        (409, "BadRequestError", True), (413, "BadRequestError", False), (418, "BadRequestError", False),
        (422, "BadRequestError", False), (425, "BadRequestError", True), (429, "RateLimitError", True),
        (498, "ServerError", True), (499, "ServerError", True), (500, "ServerError", True),
        (501, "ServerError", False), (502, "ServerError", True), (503, "ServerError", True),
        (504, "ServerError", True), (505, "ServerError", False), (529, "ServerError", True),
        (599, "ServerError", True),
    ],
)  # fmt: skip
def test_a_status_without_a_body_says_enough(status, name, retryable):
    """The class, whether to ask again, and two lines with status and mend come from the status alone."""
    error = refused(status)

    assert (type(error).__name__, error.status, error.retryable) == (name, status, retryable)
    what, mend = str(error).splitlines()
    assert what.startswith("acme ")
    assert f"({status})" in what
    assert mend


@pytest.mark.parametrize(("word", "retryable"), [("true", True), ("false", False), ("", True), ("maybe", True)])
def test_a_server_may_say_whether_to_ask_again(word, retryable):
    """`x-should-retry` wins over what the status would mean."""
    assert refused(503, headers={"x-should-retry": word}).retryable is retryable
    assert refused(400, headers={"x-should-retry": word}).retryable is (word == "true")


SHAPES = {
    "OpenAI": ({"error": {"message": "it broke", "code": "c", "param": "p"}}, "c", "p"),
    "a number as code": ({"error": {"message": "it broke", "code": 429}}, "429", None),
    "a null as code": ({"error": {"message": "it broke", "code": None, "param": None}}, None, None),
    "a text as error": ({"error": "it broke"}, None, None),
    "LiveKit": ({"error": "it broke", "category": "MaxConcurrentGatewayLLMRpm"}, "MaxConcurrentGatewayLLMRpm", None),
    "FastAPI": ({"detail": "it broke"}, None, None),
    "FastAPI's list": ({"detail": [{"loc": ["body"], "msg": "it broke"}, {"msg": "twice"}]}, None, None),
    "vLLM": ({"object": "error", "message": "it broke", "type": "x", "param": None, "code": 400}, "400", None),
    "Cerebras": ({"message": "it broke", "type": "x", "param": "p", "code": "c"}, "c", "p"),
    "Google's list": ([{"error": {"code": 400, "message": "it broke", "status": "INVALID_ARGUMENT"}}], "400", None),
    "only a type": ({"error": {"type": "it broke"}}, None, None),
    "a text in JSON": ("it broke", None, None),
    "plain text": (b" it broke\n", None, None),
    "a page": (b"<html><head><TITLE lang=en>\nit <b>broke</b> </TITLE></head><body>long", None, None),
}  # fmt: skip


@pytest.mark.parametrize(("body", "code", "param"), SHAPES.values(), ids=SHAPES.keys())
def test_every_known_shape_of_a_body_is_read(body, code, param):
    """The server's own words, code and parameter are found in whatever shape it puts them."""
    error = refused(400, body)

    assert "acme answered (400): it broke" in error.what
    assert (error.code, error.param) == (code, param)


def test_all_faults_of_a_list_are_said():
    """Each of FastAPI's faults has its words."""
    assert "field required; too long" in str(refused(422, {"detail": [{"msg": "field required"}, {"msg": "too long"}]}))


@pytest.mark.parametrize("body", [b"", b"   ", b"{}", b"[]", b"null", b'{"error": null}', b"<html><body>x</body>"])
def test_a_body_that_says_nothing_leaves_the_status(body):
    """Nothing is made up, and no HTML is shown, where the server gave no reason."""
    assert refused(500, body).what == "acme answered (500)."


@pytest.mark.parametrize(
    ("status", "code", "name"),
    [
        (400, "content_filter", "ContentFilterError"),
        (400, "content_policy_violation", "ContentFilterError"),
        (404, "DeploymentNotFound", "NotFoundError"),
        (429, "insufficient_quota", "QuotaExceededError"),
        (403, "billing_hard_limit_reached", "QuotaExceededError"),
        (500, "content_filter", "ServerError"),
    ],
)
def test_a_code_may_say_more_than_the_status(status, code, name):
    """A filter's verdict and used-up quota are told from other refusals, and are not asked again."""
    error = refused(status, {"error": {"code": code, "message": "it broke"}})

    assert (type(error).__name__, error.code) == (name, code)
    assert error.retryable is (status == 500)


def test_azure_names_what_its_filter_found():
    """The categories that struck are named; those that did not are not."""
    result = {"violence": {"filtered": True}, "jailbreak": {"detected": True}, "hate": {"filtered": False}}
    error = refused(400, {"error": {"message": "No.", "innererror": {"content_filter_result": result}}})

    assert "(filtered: violence, jailbreak)" in error.what


@pytest.mark.parametrize(
    ("category", "name", "retryable"),
    [
        ("MaxConcurrentGatewayLLMRpm", "RateLimitError", True),
        ("MaxConcurrentGatewayLLMTpm", "RateLimitError", True),
        ("SomethingNew", "RateLimitError", True),
        ("MaxGatewayCredits", "QuotaExceededError", False),
        ("MaxBargeInRequests", "QuotaExceededError", False),
        ("MaxEotRequests", "QuotaExceededError", False),
    ],
)
def test_livekits_429_has_two_meanings(category, name, retryable):
    """Too fast passes in a minute, used-up credits do not: the category tells which, and LiveKit's hint is kept."""
    body = {"type": "inference_quota_exceeded", "error": f"limit, category: {category}", "category": category}
    error = refused(429, body | {"hint": "See the pricing page."})

    assert (type(error).__name__, error.code, error.retryable) == (name, category, retryable)
    assert error.hint.startswith("See the pricing page.")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "2"}, 2),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "7", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:27:30 GMT"}, 30),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:29:00 GMT"}, 0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, 360),
        ({"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "6m0s"}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "120ms",
          "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "7.66s"}, 7.66),
        ({"x-ratelimit-remaining-project-tokens": "0", "x-ratelimit-reset-project-tokens": "1.5"}, 1.5),
        ({"x-ratelimit-remaining-tokens": "0"}, None),
        ({"retry-after": "2", "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s"}, 2),
    ],
)  # fmt: skip
def test_the_wait_is_the_one_the_headers_name(headers, seconds):
    """Milliseconds, then Retry-After as seconds or a date, then the reset of whatever is used up; else nobody said."""
    assert failures.retry_after(headers) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1), ("6m0s", 360), ("120ms", 0.12), ("2m59.56s", 179.56), ("7.66s", 7.66), ("1h2m3s", 3723),
        ("1d", 86400), ("500us", 0.0005), ("500µs", 0.0005), ("3", 3), ("", None), ("1x", None), ("s", None),
        ("1m and more", None),
    ],
)  # fmt: skip
def test_durations_are_read_as_go_writes_them(text, seconds):
    """`2m59.56s` and `120ms` are times; anything else is none."""
    assert failures.duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [(4, 4), (0.5, 0.5), (-1, None), (float("nan"), None), (1e999, None), (10**400, None), ("4", None)],
    ids=lambda value: str(value)[:9],
)
def test_a_body_may_name_the_wait(said, seconds):
    """`retry_after` in the body counts where no header says it, if it is a time at all."""
    body = {"error": {"message": "slow down", "retry_after": said}}

    assert refused(429, body).retry_after == seconds
    assert refused(429, body, {"retry-after": "1"}).retry_after == 1


@pytest.mark.parametrize(
    ("headers", "wait"), [({"retry-after": "12"}, "12 s"), ({}, "a little"), ({"retry-after-ms": "200"}, "a little")]
)
def test_the_mend_says_how_long_to_wait(headers, wait):
    """A limit that passes is met with the time it takes, and with another account."""
    assert refused(429, headers=headers).hint == f"Wait {wait}, or pick another account with -a."


def test_quota_headers_are_kept_as_they_came():
    """What LiveKit's headers say of the quota is kept; a dimension they leave out is unknown, not zero."""
    headers = {"x-livekit-inference-rpm-used": "3", "x-livekit-inference-tpm-limit": "600000", "x-other": "1"}

    assert refused(429, headers=headers).quota == {"rpm_used": "3", "tpm_limit": "600000"}
    assert refused(429).quota is None


def test_a_refused_key_is_said_with_the_place_where_it_stood():
    """The mend names the variable of the key, never the key."""
    error = refused(401, {"error": "no such key"}, found="GROQ_API_KEY")

    assert str(error) == "acme refused the key (401): no such key\nCheck the key: it stands in GROQ_API_KEY."


@pytest.mark.parametrize("blanks", [0, 255, 290, 296, 298, 560, 592, 598])
@pytest.mark.parametrize("json_", [True, False])
def test_a_key_in_a_refusal_is_struck_out_before_the_words_are_cut(blanks, json_):
    """No part of a key that a server repeats is shown, not even its beginning where a long message is cut."""
    key = Secret("zq7-never-show-this-key").reveal()
    said = "a" + " " * blanks + key + " is wrong"

    assert "zq7-nev"[:4] not in str(refused(401, {"error": {"message": said}} if json_ else said.encode()))


def test_a_long_message_is_cut():
    """A server that sends a book as its reason fills no notebook with it."""
    assert len(refused(400, {"error": {"message": "word " * 10_000}}).what) <= 300
    assert len(refused(400, b"word " * 10_000).what) <= 300


KEYS = ["error", "message", "msg", "detail", "code", "category", "type", "param", "hint", "retry_after", "innererror"]
KEYS += ["content_filter_result", "status_code", "violence", "filtered"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=10,
)
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "retry-after-ms", "date", "x-ratelimit-remaining-x", "x-ratelimit-reset-x"]),
    st.text(max_size=8)
    | st.sampled_from(["0", "1e999", "nan", "Wed, 21 Oct 2026 07:28:00 GMT", "Wed, 1 Jan 9999 0:0:0 -2359"]),
)


@given(st.integers(300, 599), HEADERS, JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=50))
def test_no_refusal_is_a_fault_of_ours(status, headers, body):
    """Whatever a server answers, it is an error of at most two lines, with a wait that is a time."""
    error = refused(status, body, headers)

    assert len(str(error).splitlines()) <= 2
    assert error.retry_after is None or 0 <= error.retry_after < 1e9


@given(JSON, st.booleans())
def test_no_error_in_a_stream_is_a_fault_of_ours(payload, shown):
    """Whatever stands in place of an error is told, and never asked again after text was shown."""
    error = failures.in_stream(payload, "acme", shown=shown)

    assert len(str(error).splitlines()) <= 2
    assert not (shown and error.retryable)
