"""Each founding model at each of its providers: through LiveKit, and at an account of the user's own."""

from __future__ import annotations

import jwt
import pytest
from player import stream

from lk_notebook import LLM

GPT = ("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano", "gpt-5", "gpt-5-mini", "gpt-5-nano")
PROVIDERS = {f"openai/{name}": ("openai", "azure") for name in GPT} | {
    "openai/gpt-oss-120b": ("baseten", "groq", "cerebras")
}
PAIRS = [(model, provider) for model, providers in PROVIDERS.items() for provider in providers]
SECRET = "never-show-this-secret-0123456789ab"
LIVEKIT = {"LIVEKIT_INFERENCE_URL": "{}/v1", "LIVEKIT_API_KEY": "APImadeup", "LIVEKIT_API_SECRET": SECRET}

#: provider -> its variables, the path that is asked, the header with the key, and what becomes of the model's id.
OWN = {
    "openai": ({"OPENAI_BASE_URL": "{}/v1", "OPENAI_API_KEY": "sk-made-up-0123"}, "/v1", "authorization",
               "Bearer sk-made-up-0123", lambda model: model.removeprefix("openai/")),
    "azure": ({"AZURE_OPENAI_ENDPOINT": "{}", "AZURE_OPENAI_API_KEY": "az-made-up-0123"}, "/openai/v1", "api-key",
              "az-made-up-0123", lambda model: model.removeprefix("openai/")),
    "baseten": ({"BASETEN_BASE_URL": "{}/v1", "BASETEN_API_KEY": "bt-made-up-0123"}, "/v1", "authorization",
                "Bearer bt-made-up-0123", str),
    "groq": ({"GROQ_BASE_URL": "{}", "GROQ_API_KEY": "gsk-made-up-0123"}, "/openai/v1", "authorization",
             "Bearer gsk-made-up-0123", str),
    "cerebras": ({"CEREBRAS_BASE_URL": "{}", "CEREBRAS_API_KEY": "csk-made-up-0123"}, "/v1", "authorization",
                 "Bearer csk-made-up-0123", lambda model: model.removeprefix("openai/")),
}  # fmt: skip


@pytest.fixture
def sent(play, monkeypatch):
    """Ask with these variables, `{}` in them standing for the server; gives the one request, and the reply."""

    def ask(env, model, **words):
        player = play(stream("Hi"))
        for name, value in env.items():
            monkeypatch.setenv(name, value.replace("{}", player.origin))
        reply = LLM(model, **words)("hi").wait()
        assert reply.error is None
        (request,) = player.requests
        return request, reply

    return ask


@pytest.mark.parametrize("model", PROVIDERS)
@pytest.mark.parametrize("short", [False, True], ids=["in full", "short"])
def test_a_model_alone_is_enough_at_livekit(sent, model, short):
    """No provider is named to the gateway: it picks the best available one; the short form is sent in full."""
    request, _ = sent(LIVEKIT, model.partition("/")[2] if short else model)

    assert (request.method, request.path, request.body["model"]) == ("POST", "/v1/chat/completions", model)
    assert not [name for name in request.headers if name.startswith("x-livekit")]


@pytest.mark.parametrize(("model", "provider"), PAIRS)
def test_a_pair_at_livekit(sent, model, provider):
    """The gateway is told the provider in its header, the model in full, and gets a token, not a key."""
    request, reply = sent(LIVEKIT, model, provider=provider)
    token = request.headers["authorization"].removeprefix("Bearer ")

    assert (request.path, request.body["model"]) == ("/v1/chat/completions", model)
    assert request.headers["x-livekit-inference-provider"] == provider
    assert jwt.decode(token, SECRET, algorithms=["HS256"])["iss"] == "APImadeup"
    assert (reply.account, reply.model, reply.provider) == ("livekit", model, provider)


@pytest.mark.parametrize("word", [None, "provider", "account"], ids=["model alone", "provider", "account"])
@pytest.mark.parametrize(("model", "provider"), PAIRS)
def test_a_pair_at_an_account_of_ones_own(sent, model, provider, word):
    """The vendor's own address, key header and model id; nothing in it is meant for LiveKit."""
    env, path, header, key, own = OWN[provider]
    request, reply = sent(env, model, **({word: provider} if word else {}))

    assert (request.path, request.headers[header]) == (f"{path}/chat/completions", key)
    assert (request.body["model"], request.body["stream"]) == (own(model), True)
    assert not [name for name in request.headers if name.startswith("x-livekit")]
    assert (reply.account, reply.model) == (provider, model)
