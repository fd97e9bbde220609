"""What a tape answers, in which order, to whom; and what is said where it has no answer."""

from __future__ import annotations

import pytest

from lk_notebook.core import local, tape
from lk_notebook.core.replaying import ANYBODY, Replay, Wanted
from lk_notebook.core.tape import Asked, Head, Take, Tape
from lk_notebook.core.values import Account, Secret, Setup
from lk_notebook.errors import ConfigurationError, ReplayError

LIVEKIT = Asked("livekit", "livekit", "https://gateway.example/v1", ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"))
OPENAI, GROQ = (Asked(name, name, f"https://{name}.example/v1") for name in ("openai", "groq"))
DEMO = Asked("demo", "demo", "http://demo.invalid/v1")


def asked(prompt="hi", before=(), **parameters):
    """A request in the form of a tape."""
    said = [{"role": "user", "content": prompt}]
    return tape.question({"messages": [*before, *said], **parameters})


def take(request=None, *, model="openai/gpt-4.1-mini", account=LIVEKIT, said="", **more):
    """A recorded call; `said` tells it from others."""
    request = request or asked()
    pieces = ((0.1, said),)
    return Take(tape.key(model, request), "2026-11-24T10:00:00Z", model, account, request, pieces=pieces, **more)


def replay(*takes, **head):
    """A tape with these calls."""
    return Replay(Tape("lesson.jsonl", Head("tape", **head), takes))


def wanted(request=None, *, model="openai/gpt-4.1-mini", **more):
    """A request that looks for its answer."""
    return Wanted(model, request or asked(), **more)


def told(played, one):
    """The error of a request that the tape lacks, its two lines as one."""
    with pytest.raises(ReplayError) as error:
        played.next(one)
    return str(error.value).replace("\n", " ")


def test_several_answers_come_in_their_order_and_then_the_last_again():
    """A cell that is run once more than it was recorded works; what failed before it went well does not come back."""
    played = replay(take(said="a"), take(said="b"), take(asked("ho"), said="x"), take(said="c"))

    assert [played.next(wanted()).body for _ in range(5)] == ["a", "b", "c", "c", "c"]
    assert played.next(wanted(asked("ho"))).body == "x"


def test_a_stopped_answer_is_played_only_where_there_is_no_other():
    """The teacher pressed ■ and asked again: the class sees the whole answer."""
    played = replay(take(said="cut", end="stopped"), take(said="whole"), take(asked("ho"), said="cut", end="stopped"))

    assert played.next(wanted()).body == "whole"
    assert played.next(wanted(asked("ho"))).body == "cut"


def test_who_names_nobody_is_answered_by_whoever_was_asked():
    """The class has no account; and a failover is played as it went."""
    played = replay(take(account=OPENAI, said="refused"), take(account=GROQ, said="answered"))

    assert [played.next(wanted()).body for _ in range(2)] == ["refused", "answered"]


def test_who_names_an_account_is_answered_by_it_alone():
    """Or not at all: the answer of another is no answer."""
    played = replay(take(account=OPENAI, said="o"), take(account=GROQ, said="g"))

    assert played.next(wanted(account="groq")).body == "g"
    assert "account: openai there, azure here" in told(played, wanted(account="azure"))


def test_who_names_a_provider_is_answered_by_it_alone():
    """Be it one of LiveKit's or an account of that name; and who names none is not answered for one."""
    played = replay(take(provider="azure", said="a"), take(asked("ho"), account=GROQ, said="g"))

    assert played.next(wanted(provider="azure")).body == "a"
    assert played.next(wanted(asked("ho"), provider="groq")).body == "g"
    assert "provider: azure there, none here" in told(played, wanted())
    assert "provider: azure there, openai here" in told(played, wanted(provider="openai"))


SKY, SYSTEM = asked("Why is the sky blue?", temperature=0), {"role": "system", "content": "Be brief."}
TURNS = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
OTHER = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJE"}}


def pictured(picture):
    """A request about a picture."""
    return asked([picture, {"type": "text", "text": "What is this?"}])


MISSES = {
    "another prompt": (
        SKY,
        asked("Why is the sky red?", temperature=0),
        "“Why is the sky blue?” (openai/gpt-4.1-mini).",
    ),
    "another parameter": (SKY, asked("Why is the sky blue?", temperature=1), "temperature: 0 there, 1 here"),
    "a parameter more": (SKY, asked("Why is the sky blue?", temperature=0, seed=7), "seed: none there, 7 here"),
    "a turn more": (asked(), asked(before=TURNS), "turns before it: 0 there, 1 here; run the cells above it first"),
    "two turns more": (asked(before=TURNS), asked(before=[*TURNS, *TURNS, *TURNS]), "before it: 1 there, 3 here"),
    "another answer": (asked(before=TURNS), asked(before=[TURNS[0], {**TURNS[1], "content": "c"}]), "the turns before"),
    "a system prompt": (asked(), asked(before=[SYSTEM]), "the system prompt differs"),
    "another picture": (pictured(PICTURE), pictured(OTHER), "the picture differs"),
}


@pytest.mark.parametrize("row", MISSES.values(), ids=MISSES.keys())
def test_a_miss_tells_how_the_nearest_differs(row):
    """Which request comes nearest, and what to change here or there."""
    there, here, says = row
    error = told(replay(take(asked("Something else entirely")), take(there)), wanted(here))

    assert error.startswith("lesson.jsonl has no answer to “")
    assert "Nearest on it: “" in error
    assert says in error


def test_a_miss_names_the_model():
    """Both of them."""
    error = told(replay(take()), wanted(model="openai/gpt-5-mini"))

    assert "“hi” (openai/gpt-5-mini)" in error
    assert "model: openai/gpt-4.1-mini there" in error


def test_an_empty_tape_says_so():
    """And how one is made."""
    assert "lesson.jsonl is empty" in told(replay(), wanted())


def test_thousands_of_misses_are_told_quickly():
    """A table of rows on a tape that has none of them ends soon."""
    played = replay(*(take(asked(f"Classify row {i}: {'word ' * 50}")) for i in range(500)))

    for i in range(200):
        told(played, wanted(asked(f"Classify line {i}")))


def account_of(played, setup, named=None):
    """Model and account that a tape asks for a setup."""
    route = played.route(setup, named)
    return route.model, route.accounts[0].name


def test_the_accounts_of_the_recording_decide_as_they_did():
    """The same words mean the same model as when it was recorded."""
    assert account_of(replay(take()), Setup()) == ("openai/gpt-4.1-mini", "livekit")
    assert account_of(replay(take()), Setup("gpt-5-mini")) == ("openai/gpt-5-mini", "livekit")
    assert account_of(replay(take(account=GROQ)), Setup("gpt-oss-120b")) == ("openai/gpt-oss-120b", "groq")
    assert account_of(replay(take(account=GROQ)), Setup())[1] == "groq"
    assert account_of(replay(take(account=DEMO, model="lk/demo")), Setup()) == ("lk/demo", "demo")


def test_the_local_model_answers_from_the_tape():
    """Though this machine may not have it; what it is sent is what it was sent."""
    asked_here = take(model=local.MODEL, account=Asked("local", "local", local.LOCAL.url))
    there = (local.MODEL, "local")

    assert account_of(replay(asked_here), Setup()) == there
    assert account_of(replay(asked_here, take()), Setup()) == ("openai/gpt-4.1-mini", "livekit")
    assert account_of(replay(asked_here, take()), Setup("smollm2-135m")) == there
    assert account_of(replay(take()), Setup(local.MODEL)) == there
    assert account_of(replay(asked_here), Setup(), replay(asked_here).account("local")) == there
    assert replay(asked_here).route(Setup(), None).accounts[0].defaults == local.LOCAL.defaults


def test_a_model_that_nobody_on_the_tape_serves_is_a_miss_and_no_missing_account():
    """The mend is the tape's, not a key."""
    assert account_of(replay(take(account=GROQ)), Setup("openai/gpt-4.1-mini")) == ("openai/gpt-4.1-mini", "livekit")
    assert account_of(replay(take(account=DEMO)), Setup("gpt-5-mini")) == ("openai/gpt-5-mini", "livekit")


def test_an_unknown_model_is_told_as_ever():
    """Did you mean."""
    with pytest.raises(ConfigurationError, match="did you mean"):
        replay(take()).route(Setup("gpt-4.1-minni"), None)


def test_no_key_goes_along():
    """What is replayed needs none, so none is there."""
    mine = Account("groq", "groq", "https://groq.example/v1", Secret("gsk-never-show-this"), headers={"x": "y"})
    route = replay(take()).route(Setup("openai/gpt-oss-120b"), mine)

    assert (route.accounts[0].key, route.accounts[0].secret, route.accounts[0].headers) == (None, None, {})
    assert route.accounts[0].scheme != ANYBODY  # it was named


def test_an_account_that_nobody_has_is_there_while_it_is_replayed():
    """As it was recorded; another name is there too, so that what the tape lacks is told."""
    assert replay(take(account=GROQ)).account("groq").url == GROQ.url
    assert replay(take()).account("azure").kind == "azure"
    assert replay(take()).account("lab").kind == "url"


def test_the_footer_says_when_it_was_recorded_and_what_made_it():
    """A date; and where answers were written, that they were."""
    assert replay().told(take()).note == "recorded 2026-11-24"
    assert replay(made_by="written\nfor a lesson").told(take()).note == "recorded 2026-11-24: written for a lesson"
