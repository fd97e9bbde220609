"""Several accounts over real HTTP: who is asked, who takes over, who rests, and what the reply tells of it."""

from __future__ import annotations

import socket
import time
import uuid
from dataclasses import replace

import pytest
from player import Answer, after, event, plain, stream

from lk_notebook import LLM, errors
from lk_notebook.core.health import FIRST_REST

OSS, MINI, GPT_4O = "openai/gpt-oss-120b", "openai/gpt-4.1-mini", "openai/gpt-4o"
ADDRESS = {
    "openai": "OPENAI_BASE_URL", "azure": "AZURE_OPENAI_ENDPOINT", "groq": "GROQ_BASE_URL",
    "baseten": "BASETEN_BASE_URL", "cerebras": "CEREBRAS_BASE_URL", "livekit": "LIVEKIT_INFERENCE_URL",
}  # fmt: skip
KEY = {name: f"{name.upper()}_API_KEY" for name in ADDRESS} | {"azure": "AZURE_OPENAI_API_KEY"}

BUSY = plain(503, {"error": {"message": "The engine is overloaded.", "type": "server_error"}})
BAD_KEY = plain(401, {"error": {"message": "Incorrect API key provided.", "code": "invalid_api_key"}})
NO_QUOTA = plain(429, {"error": {"message": "You exceeded your quota.", "code": "insufficient_quota"}})
NOT_THERE = plain(404, {"error": {"message": "No such deployment.", "code": "DeploymentNotFound"}})
BAD = plain(400, {"error": {"message": "temperature: above the maximum.", "code": "decimal_above_max_value"}})
FILTERED = plain(400, {"error": {"message": "The prompt was filtered.", "code": "content_filter"}})
EVENT = event({"error": {"message": "The engine failed.", "type": "server_error"}})
HALF = list(after(stream("Half an answer"), 4, "cut").pieces)
CUT, BROKEN = Answer([*HALF, 0.05], then="cut"), Answer([*HALF, 0.05, EVENT])
SILENT = Answer(before="hang")


def limited(seconds):
    """A rate limit that wants so many seconds."""
    return plain(
        429, {"error": {"message": "Rate limit reached.", "code": "rate_limit_exceeded"}}, {"retry-after": str(seconds)}
    )


class Scene:
    """Accounts at servers of their own, with keys that no other test has; `asked` tells whom the requests reached."""

    def __init__(self, play, setenv):
        self._play, self._setenv = play, setenv
        self.asked, self.answers, self.own, self.latency = [], [], {}, {}

    def account(self, name, latency):
        """An account is there: it answers after so many seconds, with its `own` next answer, or its usual one."""
        self.own[name], self.latency[name] = [], latency
        player = self._play(lambda _: self._answer(name))
        self._setenv(ADDRESS[name], player.base_url if name in ("openai", "livekit") else player.origin)
        self.new_key(name)

    def goes_down(self, name):
        """Nothing listens there any more."""
        with socket.create_server(("127.0.0.1", 0)) as closed:
            self._setenv(ADDRESS[name], f"http://127.0.0.1:{closed.getsockname()[1]}")

    def new_key(self, name):
        """Another key stands in the environment."""
        self._setenv(KEY[name], f"~{name}-{uuid.uuid4()}")
        if name == "livekit":
            self._setenv("LIVEKIT_API_SECRET", f"~secret-{uuid.uuid4()}")

    def ask(self, model=OSS, **words):
        """Asks once; gives the reply, ended."""
        words = {"max_retries": 0, "timeout": 5.0, **words}
        return LLM(model, **words)("hi").wait(20)

    def _answer(self, name):
        self.asked.append(name)
        queue = self.own[name] or self.answers
        answer = queue.pop(0) if queue else stream(f"From {name}.")
        return replace(answer, before=self.latency[name]) if answer.before is None and self.latency[name] else answer


@pytest.fixture
def scene(play, monkeypatch):
    """Start accounts: `scene("groq", "baseten", answers=[…])`; whoever is asked first gives the first answer."""

    def start(*names, answers=(), **latencies):
        made = Scene(play, monkeypatch.setenv)
        made.answers = list(answers)
        for name in (*names, *latencies):
            made.account(name, latencies.get(name, 0.0))
        return made

    return start


def told(reply, name):
    """What the attempts say of an account, on one line each."""
    return [str(attempt) for attempt in reply.attempts if attempt.account == name]


TAKEN_OVER = {
    "503": (BUSY, "503"), "limited": (limited(30), "Rate limit"), "401": (BAD_KEY, "401"), "quota": (NO_QUOTA, "quota"),
    "404": (NOT_THERE, "404"), "closed": (Answer(before="cut"), "closed the connection"),
    "cut before a word": (replace(stream("x"), pieces=HALF[:1], then="cut"), "ended before"),
    "event before a word": (Answer([EVENT]), "engine failed"), "silent": (SILENT, "timed out"),
    "nothing": (Answer(), "ended before"),
}  # fmt: skip


@pytest.mark.parametrize("row", TAKEN_OVER.values(), ids=TAKEN_OVER.keys())
def test_the_next_account_takes_over(scene, row):
    """What is the account's own failure sends the question on at once, and the attempts tell who failed and how."""
    answer, why = row
    here = scene("groq", "baseten", answers=[answer])
    reply = here.ask(timeout=0.5)

    first, second = here.asked
    assert (reply.text, reply.account, {first, second}) == (f"From {second}.", second, {"groq", "baseten"})
    (failed,) = told(reply, first)
    assert failed.startswith(f"{first}: failed after 0.")
    assert why in failed
    assert told(reply, second)[0].startswith(f"{second}: answered after ")


def test_a_server_that_is_not_there_is_no_end(scene):
    """Nothing listens at one of two: the other answers, and the first is not even tried the next time."""
    here = scene("groq", "baseten")
    here.goes_down("groq")
    replies = [here.ask(), here.ask()]

    assert here.asked == ["baseten", "baseten"]
    assert any("it rests" in told(reply, "groq")[0] for reply in replies)


KEPT_TO = {
    "400": (BAD, errors.BadRequestError, ""), "filtered": (FILTERED, errors.ContentFilterError, ""),
    "cut after words": (CUT, errors.StreamInterrupted, "Half an answer"),
    "event after words": (BROKEN, errors.StreamError, "Half an answer"),
}  # fmt: skip


@pytest.mark.parametrize("row", KEPT_TO.values(), ids=KEPT_TO.keys())
def test_nobody_takes_over(scene, row):
    """What another would refuse too, and what was shown in part, is asked of nobody else."""
    answer, kind, text = row
    here = scene("groq", "baseten", answers=[answer])
    reply = here.ask(max_retries=2)

    assert (type(reply.error), reply.text, len(here.asked)) == (kind, text, 1)


def test_who_failed_rests_and_comes_back(scene):
    """It is passed over, with the reason, for some seconds; then one question tries it, and it is in again."""
    here = scene(baseten=0.0, groq=0.3)
    here.ask(), here.ask()
    here.own["baseten"] = [BUSY]
    here.ask()
    resting = here.ask()
    time.sleep(FIRST_REST)
    here.ask()

    assert here.asked[2:] == ["baseten", "groq", "groq", "baseten"]
    (why,) = told(resting, "baseten")
    assert why.startswith("baseten: passed over: it rests for ")
    assert "503" in why


def test_used_up_quota_rests_long(scene):
    """After the rest of a busy server it is not tried: what is used up does not come back so soon."""
    here = scene(openai=0.0, azure=0.3)
    here.ask(GPT_4O), here.ask(GPT_4O)
    here.own["openai"] = [NO_QUOTA]
    here.ask(GPT_4O)
    time.sleep(FIRST_REST + 0.2)
    reply = here.ask(GPT_4O)

    assert here.asked[2:] == ["openai", "azure", "azure"]
    assert "quota" in told(reply, "openai")[0]


def test_a_refused_key_is_left_alone_until_it_changes(scene):
    """It is said once in the notes, passed over from then on, and with another key it is asked again."""
    here = scene("groq", "baseten", answers=[BAD_KEY])
    refused = here.ask()
    first = here.asked[0]
    passed = here.ask()
    assert here.asked.count(first) == 1
    assert any(first in note and "401" in note for note in refused.notes)
    assert "key was refused" in told(passed, first)[0]

    here.new_key(first)
    here.ask()
    assert here.asked[-1] == first


def test_an_account_without_the_deployment_is_not_asked_first_again(scene):
    """A model that is not there is found at the other account, from the first question on."""
    here = scene("openai", "azure", answers=[NOT_THERE])
    replies = [here.ask(GPT_4O) for _ in range(3)]

    assert [reply.error for reply in replies] == [None] * 3
    assert here.asked[1:] == [here.asked[1]] * 3


@pytest.mark.parametrize("word", ["provider", "account"])
@pytest.mark.parametrize("answer", [BUSY, BAD_KEY, limited(30)], ids=["503", "401", "429"])
def test_who_was_named_is_kept_to(scene, word, answer):
    """A named provider or account answers or fails; nobody stands in for it."""
    here = scene("groq", "baseten", answers=[answer])
    reply = here.ask(**{word: "baseten"})

    assert (here.asked, reply.account, reply.error is not None) == (["baseten"], "baseten", True)


@pytest.mark.parametrize("word", ["provider", "account"])
def test_who_was_named_is_asked_while_it_rests(scene, word):
    """The user knows better: also after a failure of a moment ago."""
    here = scene("groq", "baseten", answers=[BUSY])
    here.ask()
    reply = here.ask(**{word: here.asked[0]})

    assert (here.asked[2], reply.error) == (here.asked[0], None)


def test_an_address_is_kept_to(scene, play):
    """A server named by its URL never fails over to an account."""
    here = scene("groq")
    reply = here.ask("any-1", account=play(BUSY).base_url)

    assert (type(reply.error), here.asked) == (errors.ServerError, [])


def test_an_error_names_all_who_failed(scene):
    """Where each account failed, the error and the attempts tell of each, so that nobody mends only one."""
    here = scene("groq", "baseten", "cerebras", answers=[BUSY, limited(90), BAD_KEY])
    reply = here.ask()

    assert sorted(here.asked) == ["baseten", "cerebras", "groq"]
    for name, why in zip(here.asked, ("503", "429", "401"), strict=True):
        assert name in reply.error.what
        assert why in told(reply, name)[0]


def test_where_all_are_limited_the_shortest_wait_is_kept(scene):
    """The one that frees up first is asked again, when it said, and the other is not."""
    here, begun = scene("groq", "baseten", answers=[limited(30), limited(0.5)]), time.monotonic()
    reply = here.ask(max_retries=1)

    assert (reply.error, here.asked[2:]) == (None, [here.asked[1]])
    assert 0.5 <= time.monotonic() - begun < 8


def test_one_account_alone_gets_the_retries(scene):
    """Where no other serves the model, `max_retries` is spent there."""
    here = scene("baseten", answers=[BUSY, BUSY])
    reply = here.ask(max_retries=2)

    assert (here.asked, reply.text) == (["baseten"] * 3, "From baseten.")


def test_who_does_not_serve_the_model_is_told(scene):
    """An account that is no candidate is passed over with the reason, and not asked when the other fails."""
    here = scene("openai", "groq", answers=[BUSY])
    reply = here.ask(MINI)

    assert here.asked == ["openai"]
    assert told(reply, "groq") == [f"groq: passed over: {MINI} is not known to be served there"]


def test_each_gets_a_turn_and_then_the_fastest_is_asked(scene):
    """Three unmeasured accounts are asked once each; from then on the one with the fastest first word."""
    here = scene(groq=0.4, cerebras=0.0, baseten=0.4)
    for _ in range(5):
        here.ask()

    assert sorted(here.asked[:3]) == ["baseten", "cerebras", "groq"]
    assert here.asked[3:] == ["cerebras", "cerebras"]


def test_who_becomes_slow_loses_its_place(scene):
    """The times are those of late: the other is asked again."""
    here = scene(baseten=0.0, groq=0.3)
    here.ask(), here.ask()
    here.latency["baseten"] = 0.9
    for _ in range(3):
        here.ask()

    assert "groq" in here.asked[3:]


def test_with_livekit_there_the_gateway_picks(scene):
    """LiveKit's account is asked alone, and nobody stands in for it: another account is another bill."""
    here = scene("groq", "livekit", answers=[stream("Hi"), BUSY])
    assert (here.ask().account, here.ask().account) == ("livekit", "livekit")

    assert here.asked == ["livekit", "livekit"]
