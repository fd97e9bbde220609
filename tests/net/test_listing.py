"""What accounts list themselves: GET /models with each account's own key, all at once, within a time limit."""

from __future__ import annotations

import time

import pytest
from player import Answer, plain

from lk_notebook import errors
from lk_notebook.core.values import Account, Secret
from lk_notebook.net import loop
from lk_notebook.net.accounts import accounts, named, names, takes_any_id
from lk_notebook.net.given import Given
from lk_notebook.net.listing import models, models_of_all

LIST = plain(200, {"data": [{"id": "a"}, {"id": "b"}, {"id": "a"}, {"id": 7}, {}]})
SECRET = "never-show-this-secret-0123456789ab"
ROWS = {
    "livekit": ({"LIVEKIT_INFERENCE_URL": "{}", "LIVEKIT_API_KEY": "APIx", "LIVEKIT_API_SECRET": SECRET}, "/v1/models",
                "authorization", "Bearer ey"),
    "openai": ({"OPENAI_BASE_URL": "{}", "OPENAI_API_KEY": "sk-0123456"}, "/v1/models", "authorization", "Bearer sk-"),
    "groq": ({"GROQ_BASE_URL": "{}", "GROQ_API_KEY": "gsk-012345"}, "/openai/v1/models", "authorization", "Bearer gsk"),
    "azure": ({"AZURE_OPENAI_ENDPOINT": "{}", "AZURE_OPENAI_API_KEY": "az-0123456"}, "/openai/v1/models", "api-key",
              "az-0123456"),
    "azure classic": ({"AZURE_OPENAI_ENDPOINT": "{}", "AZURE_OPENAI_API_KEY": "az-0123456",
                       "OPENAI_API_VERSION": "2024-10-21"}, "/openai/models?api-version=2024-10-21", "api-key",
                      "az-0123456"),
}  # fmt: skip


def url(player, name="lab"):
    """A server as an account."""
    return Account(name, "url", player.base_url, scheme="none")


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_each_account_is_asked_in_its_own_way(play, row):
    """Address, version and key are the account's; each id comes once, odd rows are left out."""
    env, path, header, key = row
    player = play(LIST)
    (account,) = accounts({name: value.replace("{}", player.origin) for name, value in env.items()}.get)

    assert loop.wait(models(account)) == ["a", "b"]
    (request,) = player.requests
    assert (request.method, request.path) == ("GET", path)
    assert request.headers[header].startswith(key)


def test_all_are_asked_at_once_and_one_that_is_silent_is_named(play):
    """A list that does not come in time is that account's failure; the others are there, and nobody waits twice."""
    drops = Answer([piece for _ in range(30) for piece in (b'["x"],', 0.1)])
    answers = {"slow": Answer(before="hang"), "quick": LIST, "mute": Answer([b'{"data"'], then="hang"), "drops": drops}
    there = [url(play(answer), name) for name, answer in answers.items()]
    begun = time.monotonic()
    found = loop.wait(models_of_all(there, seconds=0.5))

    assert time.monotonic() - begun < 1.4
    assert found["quick"] == ["a", "b"]
    assert [type(found[name]) for name in ("slow", "mute", "drops")] == [errors.APITimeoutError] * 3


def test_a_redirect_is_not_followed(play):
    """A key goes to the address it was given for."""
    elsewhere = play(LIST)
    player = play(plain(302, {}, {"location": f"{elsewhere.base_url}/models"}))

    with pytest.raises(errors.ProtocolError, match="redirect"):
        loop.wait(models(url(player)))
    assert elsewhere.requests == []


def test_a_list_without_end_is_cut_off(play):
    """What is no list of models does not fill the memory."""
    endless = Answer([b"[" + b'"x",' * 250_000] * 10, headers={"content-type": "application/json"})

    with pytest.raises(errors.ProtocolError, match="too much"):
        loop.wait(models(url(play(endless))))


# Given to this kernel --------------------------------------------------------------------------------------------


def test_what_was_given_goes_before_the_environment(monkeypatch):
    """Until it is forgotten; the environment itself does not change."""
    given = Given()
    monkeypatch.setenv("GROQ_API_KEY", "from-outside")
    given.keep("GROQ_API_KEY", Secret("~from-the-prompt"))
    assert given.getenv("GROQ_API_KEY") == "~from-the-prompt"

    assert given.forget(["GROQ_API_KEY", "OPENAI_API_KEY"]) == ["GROQ_API_KEY"]
    assert given.getenv("GROQ_API_KEY") == "from-outside"


def test_where_a_key_was_found_says_what_was_given():
    """Names alone, and those that were given are marked."""
    given = Given()
    given.keep("AZURE_OPENAI_API_KEY", Secret("az-never-show"))

    told = given.told(("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY"))
    assert told == "AZURE_OPENAI_ENDPOINT, AZURE_OPENAI_API_KEY (given to this kernel)"
    assert "never-show" not in repr([given, vars(given)])


def test_ollama_is_asked_by_its_name():
    """At its port on this machine, without a key, and with whichever id was typed."""
    account = named("ollama", {}.get)

    assert (account.name, account.url, account.key) == ("ollama", "http://localhost:11434/v1", None)
    assert "ollama" in names()


@pytest.mark.parametrize(
    ("name", "any_id"),
    [
        ("ollama", True),
        ("azure", True),
        ("http://a.example/v1", True),
        ("groq", False),
        ("livekit", False),
        (None, False),
    ],
)
def test_some_servers_alone_know_their_ids(name, any_id):
    """There an id is sent as it was typed, and nothing is "did you mean"."""
    assert takes_any_id(name) is any_id
