"""Keys show themselves to nobody: in no repr, error or traceback with all its locals, nor when a server repeats one."""

import copy
import json
import pickle
import traceback
from dataclasses import replace

import pytest
from player import Answer, chunk, end, event, plain, stream

from lk_notebook import LLM
from lk_notebook.core.values import Secret
from lk_notebook.net import accounts

KEY = "sk-never-show-this-0123456789abcdef"
SECRET = "never-show-this-secret-0123456789ab"


def llm(player, **more):
    """A model behind a key."""
    return LLM("acme-1", base_url=player.base_url, api_key=KEY, max_retries=0, **more)


def livekit(player, **more):
    """A model behind a LiveKit account."""
    return LLM("acme/one", base_url=player.base_url, api_key="APImadeupkey", api_secret=SECRET, max_retries=0, **more)


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r:>50}".format, lambda s: str([s]), ascii])
def test_a_secret_shows_itself_to_nobody(show):
    """However it is printed, it is three dots."""
    shown = show(Secret(KEY))

    assert "sk-" not in shown
    assert "•••" in shown or "\\u2022" in shown


@pytest.mark.parametrize("take", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps])
def test_a_secret_is_not_copied_out(take):
    """It goes into no pickle, no file and no copy."""
    with pytest.raises(TypeError):
        take(Secret(KEY))


def test_accounts_and_models_show_no_key(play):
    """An account found in the environment, a model and its reply can be printed."""
    env = {"LIVEKIT_API_KEY": KEY, "LIVEKIT_API_SECRET": SECRET, "OPENAI_API_KEY": KEY}
    model = llm(play(stream("Hi")))
    reply = model("hi").wait()

    shown = repr([accounts.accounts(env.get), model, vars(model), reply, vars(reply), reply.attempts])
    assert KEY not in shown
    assert SECRET not in shown


ECHOES = {
    "401": plain(401, {"error": {"message": f"Incorrect API key provided: {KEY}.", "code": KEY, "param": KEY}}),
    "401 in plain text": Answer([f"no such key: {KEY}".encode()], 401, {"content-type": "text/plain"}),
    "401 as a page": plain(401, f"<html><title>{KEY} is wrong</title>"),
    "a page": plain(200, f"<html><title>{KEY} is wrong</title>"),
    "400 with a hint": plain(400, {"error": "No", "hint": f"Use another key than {KEY}."}),
    "another type": Answer([b"x"], headers={"content-type": f"text/{KEY}"}),
    "a redirect": plain(302, {}, {"location": f"https://a.example/{KEY}"}),
    "an error event": Answer([event({"error": {"message": f"bad key {KEY}", "code": KEY}})]),
    "no JSON": Answer([event(f"bad key {KEY}".encode()), *end()]),
    "no JSON, cut": Answer([event(b" " * 40 + f"bad key {KEY}".encode()), *end()]),
    "no HTTP": Answer(before="garbage"),
    "closed": Answer(before="cut"),
    "silent": Answer(before="hang"),
}


def told(reply):
    """All that can be shown of a failed reply: raised here, raised as it is, its causes, every local of every frame."""
    error = reply.wait().error
    shown = [traceback.TracebackException.from_exception(error, capture_locals=True)]
    try:
        str(reply)
    except type(error) as raised:
        shown.append(traceback.TracebackException.from_exception(raised, capture_locals=True))
    told_ = [line for each in shown for line in each.format()]
    return "".join([*told_, repr([error, vars(error), error.__cause__, error.__context__, reply.attempts]), str(error)])


@pytest.mark.parametrize("answer", ECHOES.values(), ids=ECHOES.keys())
def test_no_error_and_no_traceback_shows_the_key(play, answer):
    """Also where a server repeats it, and in a traceback that prints every variable."""
    assert "sk-never" not in told(llm(play(answer), timeout=0.3)("hi"))


@pytest.mark.parametrize("answer", ECHOES.values(), ids=ECHOES.keys())
def test_no_livekit_token_and_no_secret_is_shown(play, answer):
    """A token is a key for ten minutes; neither it nor the secret that signs it stands in an error."""
    tokens = []

    def repeat(request):
        tokens.append(token := request.headers["authorization"].removeprefix("Bearer "))
        pieces = [piece.replace(KEY.encode(), token.encode()) for piece in answer.pieces]
        return replace(answer, pieces=pieces, headers={n: v.replace(KEY, token) for n, v in answer.headers.items()})

    shown = told(livekit(play(repeat), timeout=0.3)("hi"))
    assert SECRET not in shown
    assert tokens[0].rpartition(".")[2] not in shown


def cuts(text, size):
    """A text in deltas of so many characters."""
    return [text[at : at + size] for at in range(0, len(text), size)]


@pytest.mark.parametrize("kind", ["content", "reasoning", "refusal"])
@pytest.mark.parametrize("size", [1, 2, 7, 20, 1000])
def test_a_key_that_a_model_repeats_is_struck_out(play, kind, size):
    """In text, thought and refusal, whole or letter by letter; the words around it stay."""
    said = f"The key is {KEY}, and again {KEY}. sk-never mind"
    reply = llm(play(Answer([*(chunk({kind: part}) for part in cuts(said, size)), *end()])))("hi")

    pieces = "".join(reply)
    shown = {"content": reply.text, "reasoning": reply.reasoning, "refusal": reply.refusal}[kind]
    assert shown == "The key is •••, and again •••. sk-never mind"
    assert pieces == reply.text


@pytest.mark.parametrize("size", [1, 1000])
def test_what_only_begins_like_a_key_is_shown(play, size):
    """An answer that ends in the first letters of a key ends in them, also where it is cut."""
    said = f"It begins with {KEY[:10]}"
    whole = llm(play(Answer([*(chunk({"content": part}) for part in cuts(said, size)), *end()])))("hi")
    cut = llm(play(Answer([*(chunk({"content": part}) for part in cuts(said, size)), 0.05], then="cut")))("hi")

    assert (str(whole), cut.wait().text) == (said, said)


def test_a_key_in_calls_alternatives_and_probabilities_is_struck_out(play):
    """Wherever in an answer a server puts it."""
    call = {"index": 0, "id": "1", "function": {"name": "f", "arguments": json.dumps({"key": KEY})}}
    first = {"index": 0, "delta": {"tool_calls": [call]}, "logprobs": {"content": [{"token": KEY}]}}
    second = {"index": 1, "delta": {"content": KEY}}
    reply = llm(play(Answer([event({"choices": [first, second]}), *end()])))("hi").wait()

    assert KEY not in repr([reply.tool_calls, reply.alternatives, reply.logprobs])


def test_what_is_too_short_for_a_key_strikes_nothing_out(play):
    """People write `x` or `ollama` where a server wants some key: words of the answer stay."""
    player = play(stream("x marks the ollama"))

    for key in ("x", "ollama"):
        assert str(LLM("m", base_url=player.base_url, api_key=key)("hi")) == "x marks the ollama"
    assert player.requests[1].headers["authorization"] == "Bearer ollama"


def test_a_key_goes_to_its_account_alone(play, monkeypatch):
    """A URL is not sent the key of another account, nor a header that was meant for it."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"X-Key: {KEY}")
    player = play(stream("Hi"))
    LLM("m", base_url=player.base_url)("hi").wait()

    assert KEY not in str(player.requests[0])
