"""Accounts: where each is found, which of two wins, and what goes over the wire to each."""

import json

import jwt
import pytest
from player import Answer, plain, stream, words

from lk_notebook import LLM, errors, inference
from lk_notebook.core.values import Secret
from lk_notebook.net import accounts
from lk_notebook.net.auth import TOKEN_SECONDS

KEY, SECRET = "APImadeup", "never-show-this-secret-0123456789ab"
PAIR = {"LIVEKIT_API_KEY": KEY, "LIVEKIT_API_SECRET": SECRET}
AZURE = {"AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com", "AZURE_OPENAI_API_KEY": "az-key-0123"}


def names(**env):
    """The accounts of an environment."""
    return [account.name for account in accounts.accounts(env.get)]


def only(env):
    """The one account of an environment."""
    (account,) = accounts.accounts(env.get)
    return account


@pytest.mark.parametrize(
    ("env", "found"),
    [
        ({}, []),
        (PAIR, ["livekit"]),
        ({"LIVEKIT_API_KEY": KEY}, []),
        ({"LIVEKIT_API_SECRET": SECRET}, []),
        (PAIR | {"LIVEKIT_API_KEY": " \n"}, []),
        ({"OPENAI_API_KEY": ""}, []),
        ({"OPENAI_API_KEY": "  "}, []),
        ({"AZURE_OPENAI_API_KEY": "k"}, []),
        ({"AZURE_OPENAI_ENDPOINT": "https://x.openai.azure.com"}, []),
        (AZURE, ["azure"]),
        ({"CEREBRAS_API_KEY": "c", "BASETEN_API_KEY": "b", "GROQ_API_KEY": "g", "OPENAI_API_KEY": "o", **AZURE, **PAIR},
         ["livekit", "openai", "azure", "groq", "baseten", "cerebras"]),
    ],
)  # fmt: skip
def test_an_account_is_there_when_all_it_needs_is_set(env, found):
    """Half an account is none, and an empty or blank variable counts as unset."""
    assert names(**env) == found


@pytest.mark.parametrize(
    ("env", "missing"),
    [
        ({}, ""),
        (PAIR, ""),
        ({"LIVEKIT_API_KEY": KEY}, "LIVEKIT_API_SECRET"),
        ({"LIVEKIT_INFERENCE_API_KEY": KEY, "LIVEKIT_API_SECRET": " "}, "LIVEKIT_API_SECRET"),
        ({"LIVEKIT_API_SECRET": SECRET}, "LIVEKIT_API_KEY"),
        ({"LIVEKIT_INFERENCE_API_KEY": KEY, "LIVEKIT_API_SECRET": SECRET}, ""),
    ],
)
def test_the_missing_half_of_a_livekit_account_is_named(env, missing):
    """A key without its secret is told by the name of what is missing."""
    assert accounts.half_livekit(env.get) == missing


@pytest.mark.parametrize(
    ("env", "given", "key", "secret"),
    [
        (PAIR, {}, KEY, SECRET),
        (PAIR | {"LIVEKIT_INFERENCE_API_KEY": "API2"}, {}, "API2", SECRET),
        (PAIR | {"LIVEKIT_INFERENCE_API_SECRET": "s2"}, {}, KEY, "s2"),
        (PAIR | {"LIVEKIT_INFERENCE_API_KEY": "", "LIVEKIT_INFERENCE_API_SECRET": " "}, {}, KEY, SECRET),
        (PAIR | {"LIVEKIT_INFERENCE_API_KEY": "API2"}, {"key": "API3", "secret": "s3"}, "API3", "s3"),
        ({}, {"key": "API3", "secret": "s3"}, "API3", "s3"),
        (PAIR, {"key": f" {KEY}3\n"}, KEY + "3", SECRET),
    ],
)
def test_livekits_key_and_secret_are_found_each_for_itself(env, given, key, secret):
    """The argument, then LIVEKIT_INFERENCE_*, then LIVEKIT_*; blanks around a key are not the key's."""
    account = accounts.livekit(env.get, **given)

    assert (account.key, account.secret) == (Secret(key), Secret(secret))


@pytest.mark.parametrize(
    ("env", "url"),
    [
        ({}, "https://agent-gateway.livekit.cloud/v1"),
        ({"LIVEKIT_URL": "wss://my-project.livekit.cloud"}, "https://agent-gateway.livekit.cloud/v1"),
        ({"LIVEKIT_URL": "wss://a.staging.livekit.cloud"}, "https://agent-gateway.staging.livekit.cloud/v1"),
        ({"LIVEKIT_URL": "wss://a.staging.livekit.cloud", "LIVEKIT_INFERENCE_URL": "http://a.example/v1"}, "http://a.example/v1"),
        ({"LIVEKIT_INFERENCE_URL": " "}, "https://agent-gateway.livekit.cloud/v1"),
        ({"LIVEKIT_INFERENCE_URL": "http://a.example/"}, "http://a.example/v1"),
    ],
)  # fmt: skip
def test_livekits_gateway_is_the_one_livekits_sdk_would_ask(env, url):
    """LIVEKIT_INFERENCE_URL, else staging for a staging project, else production; never the project's own host."""
    assert only(PAIR | env).url == url


@pytest.mark.parametrize(
    ("env", "found"),
    [
        (PAIR, ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")),
        (PAIR | {"LIVEKIT_INFERENCE_API_KEY": "API2"}, ("LIVEKIT_INFERENCE_API_KEY", "LIVEKIT_API_SECRET")),
        ({"OPENAI_API_KEY": "o"}, ("OPENAI_API_KEY",)),
        (AZURE, ("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY")),
        (AZURE | {"AZURE_OPENAI_AD_TOKEN": "t"}, ("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_AD_TOKEN")),
    ],
)
def test_where_a_key_was_found_is_told(env, found):
    """Each account names the variables that it came from."""
    assert only(env).found == found


@pytest.mark.parametrize(
    ("endpoint", "root"),
    [
        ("https://x.openai.azure.com", "https://x.openai.azure.com"),
        ("https://x.openai.azure.com/", "https://x.openai.azure.com"),
        ("https://x.openai.azure.com/openai", "https://x.openai.azure.com"),
        ("https://x.openai.azure.com/openai/v1/", "https://x.openai.azure.com"),
        ("https://x.services.ai.azure.com/openai/v1", "https://x.services.ai.azure.com"),
        ("https://gateway.example/azure/", "https://gateway.example/azure"),
    ],
)
def test_azures_endpoint_is_taken_however_it_was_copied(endpoint, root):
    """With or without /openai and /v1: the v1 path is asked, or the classic one where a version is set."""
    env = AZURE | {"AZURE_OPENAI_ENDPOINT": endpoint}

    assert only(env).url == f"{root}/openai/v1"
    assert only(env | {"OPENAI_API_VERSION": "2024-06-01"}).url == f"{root}/openai"


@pytest.mark.parametrize("text", ["gpt-4o=mine", '["gpt-4o"]', '{"gpt-4o": 1}', "null"])
def test_deployments_that_cannot_be_read_are_told(text):
    """AZURE_OPENAI_DEPLOYMENTS that is no map of texts is an error with an example, not a guess."""
    with pytest.raises(errors.ConfigurationError, match="AZURE_OPENAI_DEPLOYMENTS") as caught:
        only(AZURE | {"AZURE_OPENAI_DEPLOYMENTS": text})
    assert '{"gpt-4o": "my-deployment"}' in caught.value.hint


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1"),
        (" http://localhost:8000/ ", "http://localhost:8000/v1"),
        ("http://localhost:8000/v1", "http://localhost:8000/v1"),
        ("http://localhost:8000/v1/", "http://localhost:8000/v1"),
        ("http://localhost:8000/v1/chat/completions", "http://localhost:8000/v1"),
        ("http://localhost:8000/chat/completions", "http://localhost:8000"),
        ("https://a.example/v1beta/openai", "https://a.example/v1beta/openai"),
        ("https://a.example/api/v2", "https://a.example/api/v2"),
        ("https://openrouter.example/api", "https://openrouter.example/api/v1"),
        ("https://v2.example/vision", "https://v2.example/vision/v1"),
        ("http://[::1]:11434", "http://[::1]:11434/v1"),
    ],
)
def test_an_address_is_taken_however_it_was_written(written, url):
    """With or without /v1 and /chat/completions; a version that stands there already is kept."""
    assert accounts.base_url(written, "/v1") == url


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://a.example", "http://", "https:///v1", "http://a.example:port", "http://[::1", ""]
)
def test_an_address_that_is_none_is_refused(url):
    """What is no http(s) address is told with an example, before anything is sent."""
    with pytest.raises(errors.ConfigurationError, match="no http"):
        accounts.base_url(url, "/v1")


def test_a_password_in_an_address_is_refused_and_not_repeated():
    """It would stand in every error and list of accounts."""
    with pytest.raises(errors.ConfigurationError) as caught:
        accounts.base_url("https://me:opensesame@a.example/v1", "/v1")
    assert "opensesame" not in str(caught.value)


def test_openais_further_headers_are_sent():
    """Organisation, project and OPENAI_CUSTOM_HEADERS go along; lines that are no header do not."""
    env = {"OPENAI_API_KEY": "o", "OPENAI_ORG_ID": "org-1", "OPENAI_PROJECT_ID": " ",
           "OPENAI_CUSTOM_HEADERS": "X-Team: blue\n\nnonsense\n X-Empty:\nX-Url: http://a.example"}  # fmt: skip

    assert only(env).headers == {"OpenAI-Organization": "org-1", "X-Team": "blue", "X-Url": "http://a.example"}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nobody", "no account nobody"),
        ("groq", "GROQ_API_KEY"),
        ("azure", "AZURE_OPENAI_ENDPOINT"),
        ("livekit", "SECRET"),
    ],
)
def test_an_account_that_is_not_there_is_told_with_what_it_needs(name, says):
    """Naming an account that is not set up names its variables."""
    with pytest.raises(errors.ConfigurationError, match=says):
        accounts.named(name, {"LIVEKIT_API_KEY": KEY}.get)


@pytest.mark.parametrize("key", ["ключ", "sk-a\nb", "sk-\x7f"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_repeated(key):
    """A key with a stray character from the clipboard is told as such, without its text."""
    with pytest.raises(errors.ConfigurationError, match="characters") as caught:
        accounts.accounts({"OPENAI_API_KEY": key}.get)
    assert key not in str(caught.value)


# What goes over the wire -----------------------------------------------------------------------------------------


@pytest.fixture
def asked(play, monkeypatch):
    """Ask a model with these variables, `{}` in them standing for the player; gives the request that came."""

    def ask(env, *words_, **more):
        player = play(stream("Hi"))
        for name, value in env.items():
            monkeypatch.setenv(name, value.replace("{}", player.origin))
        more = {
            name: value.replace("{}", player.origin) if name == "base_url" else value for name, value in more.items()
        }
        assert str(LLM(*words_, **more)("hi")) == "Hi"
        (request,) = player.requests
        return request

    return ask


OSS = "openai/gpt-oss-120b"
DEPLOYED = json.dumps({"gpt-4o": "my own", "openai/gpt-4.1": "mine-41"})
AZURE_HERE = {
    "AZURE_OPENAI_ENDPOINT": "{}",
    "AZURE_OPENAI_API_KEY": "az-key-0123",
    "AZURE_OPENAI_DEPLOYMENTS": DEPLOYED,
}
V1 = "/openai/v1/chat/completions"
WIRE = {
    "openai": ({"OPENAI_BASE_URL": "{}", "OPENAI_API_KEY": "sk-0123456"}, "openai/gpt-4.1-mini",
               "/v1/chat/completions", "Bearer sk-0123456", None, "gpt-4.1-mini"),
    "groq": ({"GROQ_BASE_URL": "{}", "GROQ_API_KEY": "gsk_0123456"}, OSS, V1, "Bearer gsk_0123456", None, OSS),
    "groq with path": ({"GROQ_BASE_URL": "{}/openai/v1/", "GROQ_API_KEY": "gsk_0123456"}, OSS, V1,
                       "Bearer gsk_0123456", None, OSS),
    "baseten": ({"BASETEN_BASE_URL": "{}", "BASETEN_API_KEY": "bt-0123456"}, "moonshotai/kimi-k2.6",
                "/v1/chat/completions", "Bearer bt-0123456", None, "moonshotai/Kimi-K2.6"),
    "cerebras": ({"CEREBRAS_BASE_URL": "{}", "CEREBRAS_API_KEY": "csk-0123456"}, OSS,
                 "/v1/chat/completions", "Bearer csk-0123456", None, "gpt-oss-120b"),
    "azure": (AZURE_HERE, "openai/gpt-4o", V1, None, "az-key-0123", "my own"),
    "azure by full name": (AZURE_HERE, "openai/gpt-4.1", V1, None, "az-key-0123", "mine-41"),
    "azure without a map": (AZURE_HERE, "openai/gpt-4.1-mini", V1, None, "az-key-0123", "gpt-4.1-mini"),
    "azure with a token": (AZURE_HERE | {"AZURE_OPENAI_AD_TOKEN": "ey-token-0123"}, "openai/gpt-4o", V1,
                           "Bearer ey-token-0123", None, "my own"),
    "azure classic": (AZURE_HERE | {"OPENAI_API_VERSION": "2024-06-01"}, "openai/gpt-4o",
                      "/openai/deployments/my%20own/chat/completions?api-version=2024-06-01", None,
                      "az-key-0123", "my own"),
}  # fmt: skip


@pytest.mark.parametrize("row", WIRE.values(), ids=WIRE.keys())
def test_each_account_is_asked_in_its_own_way(asked, row):
    """Path, key header and the vendor's own model id are those of the account that was found."""
    env, model, *expected = row
    request = asked(env, model)

    keys = [request.headers.get(name) for name in ("authorization", "api-key")]
    assert [request.path, *keys, request.body["model"]] == expected


def test_livekit_is_asked_with_a_fresh_token(asked):
    """A token of ten minutes, signed with the secret, for inference alone; the secret itself is never sent."""
    request = asked({"LIVEKIT_INFERENCE_URL": "{}", **PAIR}, "openai/gpt-5-mini")
    claims = jwt.decode(request.headers["authorization"].removeprefix("Bearer "), SECRET, algorithms=["HS256"])

    assert (claims["iss"], claims["sub"], claims["inference"]) == (KEY, "agent", {"perform": True})
    assert claims["exp"] - claims["nbf"] == TOKEN_SECONDS == 600
    assert (request.path, request.body["model"]) == ("/v1/chat/completions", "openai/gpt-5-mini")
    assert SECRET not in str(request)


@pytest.mark.parametrize(
    ("words_", "provider", "priority"),
    [
        ({}, None, None),
        ({"provider": "azure"}, "azure", None),
        ({"provider": "new-one", "inference_class": "low"}, "new-one", "low"),
    ],
)
def test_livekit_is_told_provider_and_priority_where_they_were_said(asked, words_, provider, priority):
    """A provider goes along as it was named; without one the gateway picks."""
    headers = asked({"LIVEKIT_INFERENCE_URL": "{}", **PAIR}, "openai/gpt-5-mini", **words_).headers

    assert headers.get("x-livekit-inference-provider") == provider
    assert headers.get("x-livekit-inference-priority") == priority


def test_livekits_headers_go_to_livekit_alone(asked):
    """Another account is not told what is meant for LiveKit's gateway."""
    headers = asked({}, "m", base_url="{}", provider="groq", inference_class="low").headers

    assert not [name for name in headers if name.startswith("x-livekit")]


@pytest.mark.parametrize(
    ("key", "bearer"), [("sk-of-the-user", "Bearer sk-of-the-user"), (None, None), ("ollama", "Bearer ollama")]
)
def test_an_address_is_asked_with_the_key_that_was_given_for_it(asked, key, bearer):
    """A URL gets the key that was given with it and no other: none from the environment."""
    request = asked({"OPENAI_API_KEY": "sk-of-openai", **PAIR}, "any/id:8b", base_url="{}", api_key=key)

    assert (request.path, request.body["model"]) == ("/v1/chat/completions", "any/id:8b")
    assert request.headers.get("authorization") == bearer


@pytest.mark.parametrize("word", ["account", "base_url"])
def test_an_address_may_stand_as_account_or_base_url(play, word):
    """Both words take a URL."""
    player = play(stream("Hi"))

    assert str(LLM("m", **{word: player.base_url})("hi")) == "Hi"


def test_a_gateway_of_livekits_may_be_given_by_argument(play):
    """base_url with api_secret is LiveKit's gateway; LiveKit's own example with its three words runs unchanged."""
    player = play(stream("Hi"))
    llm = inference.LLM(
        model="openai/gpt-5-mini", provider="openai", extra_kwargs={"reasoning_effort": "low"},
        base_url=player.base_url, api_key=KEY, api_secret=SECRET,
    )  # fmt: skip
    reply = llm("hi").wait()

    assert (str(reply), reply.account, reply.provider) == ("Hi", "livekit", "openai")
    assert player.requests[0].body["reasoning_effort"] == "low"


def test_who_asks_is_said(asked):
    """The user agent is ours, whatever extra_headers says; other headers go along, keys cannot be put there."""
    extra = {"extra_headers": {"User-Agent": "me", "Authorization": "Bearer x", "api-key": "x", "X-Trace": "7"}}
    headers = asked({}, "m", base_url="{}", extra_kwargs=extra | {"extra_query": {"a": "b c"}}).headers

    assert headers["user-agent"].startswith("lk_notebook/")
    assert headers["x-trace"] == "7"
    assert not {"authorization", "api-key"} & headers.keys()


def test_extra_query_and_extra_body_go_along(asked):
    """What the API knows beside the body is sent as it is."""
    request = asked(
        {}, "m", base_url="{}", extra_kwargs={"extra_query": {"a": "b c"}, "extra_body": {"x": [1]}, "y": None}
    )

    assert request.path == "/v1/chat/completions?a=b+c"
    assert (request.body["x"], request.body["y"], request.body["stream"]) == ([1], None, True)


def test_without_any_account_the_demo_answers_and_says_so():
    """A first cell without account and network has an answer, which pretends nothing."""
    reply = LLM()("Why is the sky blue?").wait()

    assert (reply.account, reply.model, reply.state) == ("demo", "lk/demo", "done")
    assert "not a language model" in reply.text


def test_a_model_without_an_account_is_an_error(monkeypatch):
    """No other model answers in its place: the error names what to set, also the missing half of a pair."""
    with pytest.raises(errors.ConfigurationError, match="LIVEKIT_API_KEY and LIVEKIT_API_SECRET"):
        LLM("openai/gpt-5")("hi")
    monkeypatch.setenv("LIVEKIT_API_KEY", KEY)
    with pytest.raises(errors.ConfigurationError, match="LIVEKIT_API_SECRET is not set"):
        LLM()("hi")


# Several accounts ------------------------------------------------------------------------------------------------


@pytest.fixture
def two(play, monkeypatch):
    """Groq and Baseten at one player, told apart by their paths; gives the player of these answers."""

    def start(*answers):
        player = play(*answers)
        for vendor in ("GROQ", "BASETEN"):
            monkeypatch.setenv(f"{vendor}_API_KEY", f"{vendor}-key-0123")
            monkeypatch.setenv(f"{vendor}_BASE_URL", player.origin)
        return player

    return start


BUSY = plain(503, {"error": "Overloaded"})
BAD_KEY = plain(401, {"error": "Bad key"})


@pytest.mark.parametrize(
    "first", [BUSY, BAD_KEY, Answer(before="cut"), Answer()], ids=["503", "401", "closed", "empty"]
)
def test_another_account_takes_over(two, first):
    """After a failure that a new request may mend, and after a refused key, the next account answers."""
    player = two(first, stream("Hi"))
    reply = LLM(OSS, max_retries=0)("hi").wait()

    assert reply.text == "Hi"
    assert [a.outcome for a in reply.attempts] == ["failed", "answered"]
    assert len({request.path for request in player.requests}) == 2
    assert reply.attempts[-1].account == reply.account


@pytest.mark.parametrize(
    "first", [plain(400, {"error": "No"}), Answer([*words("So far"), 0.05], then="cut")], ids=["400", "cut"]
)
def test_no_other_account_takes_over(two, first):
    """What another would refuse too, or what began to be shown, is not carried from door to door."""
    player = two(first, stream("Hi"))
    reply = LLM(OSS, max_retries=0)("hi").wait()

    assert (reply.state, len(player.requests)) == ("failed", 1)


def test_a_named_account_never_fails_over(two):
    """Who named an account gets its answer or its error."""
    player = two(BAD_KEY, stream("Hi"))
    reply = LLM(OSS, account="baseten", max_retries=0)("hi").wait()

    assert (reply.account, type(reply.error), len(player.requests)) == ("baseten", errors.AuthenticationError, 1)


def test_livekit_and_own_accounts_never_stand_in_for_each_other(two, monkeypatch):
    """Another account is another bill."""
    player = two(BAD_KEY, stream("Hi"))
    for name, value in {"LIVEKIT_INFERENCE_URL": player.base_url, **PAIR}.items():
        monkeypatch.setenv(name, value)
    reply = LLM(OSS, max_retries=0)("hi").wait()

    assert (reply.account, type(reply.error), len(player.requests)) == ("livekit", errors.AuthenticationError, 1)
