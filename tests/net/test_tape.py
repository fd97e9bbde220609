"""Calls over real HTTP are recorded as they come, and replayed as they came; nothing of a key stands on the tape."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from player import Answer, Player, after, chunk, end, event, plain, stream

from lk_notebook import LLM, errors
from lk_notebook.core import pictures, scrubbing, tape_check
from lk_notebook.ledger import LEDGER
from lk_notebook.net.deck import DECK, Deck, append
from lk_notebook.net.locks import lock
from lk_notebook.page import Page, facts

ROOT = Path(__file__).resolve().parents[2]
KEY = "sk-never-show-this-0123456789abcdef"
SECRET = "never-show-this-secret-0123456789ab"


@pytest.fixture
def tape(tmp_path):
    """A file for a tape; what is recorded or replayed ends with the test."""
    yield tmp_path / "lesson.jsonl"
    DECK.stop_recording()
    DECK.stop_replaying()


def llm(player, model="acme/one", **more):
    """A model behind a LiveKit account."""
    return LLM(model, base_url=player.base_url, api_key="APImadeupkey", api_secret=SECRET, **more)


def record(file, ask):
    """What `ask` gives, its calls recorded."""
    DECK.record(str(file))
    try:
        return ask()
    finally:
        ended = DECK.stop_recording()
        assert ended.problem is None


def lines(file):
    """The calls of a tape as they stand there."""
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()[1:]]


def heard(reply):
    """A reply's pieces as they came, and how it ended."""
    pieces = []
    with contextlib.suppress(errors.LkError):
        pieces += reply
    error = reply.wait().error
    said = (reply.text, reply.reasoning, reply.refusal, reply.state, reply.finish_reason, reply.usage)
    shown = (type(error), str(error), getattr(error, "code", None), getattr(error, "retryable", None))
    return "".join(pieces), *said, reply.tool_calls, reply.logprobs, reply.served_by, reply.response_id, shown


CALL = {"id": "call_1", "name": "f", "arguments": '{"a": 1}'}
ANSWERS = {
    "text": stream("Hello there, **my** friend."),
    "thoughts": stream("42", reasoning="six times seven"),
    "tool calls": stream(tool_calls=[CALL]),
    "text beyond ASCII": stream("Žluťoučký \u2028 kůň 🐎 " + "漢字" * 40),
    "no usage": stream("Hi", usage=None),
    "cut": after(stream("one two three four"), 4, "cut"),
    "reset": after(stream("one two three four"), 4, "reset"),
    "cut at once": after(stream("one"), 0, "cut"),
    "silent": after(stream("one two three four"), 4, "hang"),
    "silent from the start": Answer(before="hang"),
    "closed": Answer(before="cut"),
    "no HTTP": Answer(before="garbage"),
    "an error in the stream": Answer([chunk({"content": "so far"}), event({"error": {"message": "Overloaded"}})]),
    "a refused key": plain(401, {"error": {"message": "no such key", "code": "invalid_api_key"}}),
    "used-up credits": plain(429, {"category": "MaxGatewayCredits", "message": "out of credits", "hint": "Upgrade."},
                             {"x-livekit-inference-credits-used": "100"}),
    "too many requests": plain(429, {"error": "slow down"}, {"retry-after": "99"}),
    "a filtered prompt": plain(400, {"error": {"message": "No.", "code": "content_filter", "param": "prompt"}}),
    "a page": plain(200, "<html><title>Sign in</title>"),
    "a page that failed": plain(502, "<html><title>Bad gateway</title>"),
    "a redirect": plain(302, {}, {"location": "https://elsewhere.example/v1"}),
    "whole JSON": plain(200, {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}),
    "bytes that are no text": Answer([b"\xff\xfe caf\xe9 " * 9], 500, {"content-type": "text/plain"}),
}  # fmt: skip


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_a_replay_is_what_was_recorded(play, tape, answer):
    """Text, thoughts, calls, facts; errors of each class with their mend; what was cut is cut."""
    model = llm(play(answer), max_retries=0, timeout=0.5)
    recorded = record(tape, lambda: heard(model("hi")))
    DECK.play(str(tape), 0)

    assert heard(model("hi")) == recorded
    assert tape_check.faults(tape.read_text("utf-8"), "tape") == []


def test_who_has_no_account_hears_the_same(play, tape):
    """The words of the cell are enough; the footer names who was asked, and when."""
    given = {"base_url": play(stream("Hello there.")).base_url, "api_key": "APImadeup", "api_secret": SECRET}
    record(tape, lambda: LLM("gpt-4.1-mini", provider="azure", **given)("hi").wait())
    DECK.play(str(tape), 0)

    reply = LLM("gpt-4.1-mini", provider="azure")("hi").wait()

    assert (reply.text, reply.account, reply.provider) == ("Hello there.", "livekit", "azure")
    assert facts(reply).account_note == f"recorded {time.strftime('%Y-%m-%d', time.gmtime())}"
    assert "recorded 20" in Page(reply).bundle()["text/plain"]


def test_an_account_is_not_needed_though_it_is_named(play, tape, monkeypatch):
    """`-a groq` is answered by what groq had said, without its key."""
    monkeypatch.setenv("GROQ_BASE_URL", play(stream("from groq")).base_url)
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    record(tape, lambda: LLM("gpt-oss-120b", account="groq")("hi").wait())
    monkeypatch.delenv("GROQ_API_KEY")
    DECK.play(str(tape), 0)

    assert str(LLM("gpt-oss-120b", account="groq")("hi")) == "from groq"
    assert str(LLM("gpt-oss-120b")("hi")) == "from groq"
    assert str(LLM("gpt-oss-120b", provider="groq")("hi")) == "from groq"
    with pytest.raises(errors.ReplayError, match="account: groq there, openai here"):
        str(LLM("gpt-oss-120b", account="openai")("hi"))


def test_nothing_is_asked_while_a_tape_is_replayed(play, tape):
    """What it lacks fails at once: nobody is asked, nothing is tried again, and the nearest is named."""
    player = play(stream("Hello"))
    record(tape, lambda: llm(player)("Why is the sky blue?").wait())
    DECK.play(str(tape), 0)

    error = llm(player)("Why is the sky green?").wait().error

    assert isinstance(error, errors.ReplayError)
    assert "“Why is the sky green?”" in error.what
    assert "“Why is the sky blue?”" in error.hint
    assert len(player.requests) == 1


def test_the_demo_is_recorded_and_replayed_too(tape):
    """A teacher without an account tries it out; the reply says both what it is and that it is recorded."""
    text = record(tape, lambda: str(LLM()("Write a haiku.")))
    DECK.play(str(tape), 0)
    reply = LLM()("Write a haiku.").wait()

    assert reply.text == text
    assert "not a language model · recorded 20" in Page(reply).bundle()["text/plain"]
    with pytest.raises(errors.ReplayError):
        str(LLM()("Write an ode."))


def test_recording_delays_nothing(play, tape):
    """A piece is heard while the next is not even sent."""
    gate = threading.Event()
    player = play(Answer([chunk({"content": "first"}), gate, chunk({"content": " second"}), *end()]))
    DECK.record(str(tape))

    pieces = iter(llm(player)("hi"))

    assert next(pieces) == "first"
    gate.set()
    assert list(pieces) == [" second"]


def test_a_replay_has_the_pace_of_the_recording(play, tape):
    """At speed 1 as it was, at 2 in half the time, at 0 at once; the figures are those of the recording each time."""
    player = play(
        Answer([0.4, chunk({"content": "a"}), 0.4, chunk({"content": " b"}), *end(usage={"completion_tokens": 2})])
    )
    first = record(tape, lambda: llm(player)("hi").wait())
    took = {}
    for speed in (1.0, 2.0, 0.0):
        DECK.play(str(tape), speed)
        begun = time.monotonic()
        reply = llm(player)("hi").wait()
        took[speed] = time.monotonic() - begun
        assert reply.ttft == pytest.approx(first.ttft, abs=0.1)
        assert reply.tokens_per_second == pytest.approx(2 / 0.4, rel=0.3)

    assert took[1.0] > 0.79
    assert took[2.0] > 0.39
    assert took[0.0] < took[2.0] < took[1.0]


def test_an_answer_that_was_stopped_is_kept_with_what_had_come(play, tape):
    """■ ends it on the tape too; replayed, it is cut there."""
    player = play(Answer([chunk({"content": "so far"}), 30.0]))

    def stopped():
        reply = llm(player)("hi")
        next(iter(reply))
        reply.stop()
        return reply.wait()

    record(tape, stopped)
    DECK.play(str(tape), 0)
    reply = llm(player, max_retries=0)("hi").wait()

    assert lines(tape)[0]["end"] == "stopped"
    assert (reply.text, type(reply.error)) == ("so far", errors.StreamInterrupted)


def test_an_answer_whose_server_keeps_the_line_open_is_whole(play, tape):
    """All was said: nobody pressed ■."""
    record(tape, lambda: heard(llm(play(Answer([*stream("Hi").pieces, 30.0])))("hi")))

    assert lines(tape)[0]["end"] == "done"


def test_tries_come_back_as_they_went(play, tape):
    """Refused, then answered: the replay is refused, waits, and is answered; once more, it is answered."""
    player = play(plain(503, {"error": "busy"}), stream("Now."))
    recorded = record(tape, lambda: llm(player)("hi").wait())
    DECK.play(str(tape), 0)
    again, once_more = llm(player)("hi").wait(), llm(player)("hi").wait()

    assert [each.outcome for each in recorded.attempts] == ["failed", "answered"]
    assert [each.outcome for each in again.attempts] == ["failed", "answered"]
    assert (again.text, once_more.text, len(once_more.attempts)) == ("Now.", "Now.", 1)


def test_tools_are_called_again(play, tape):
    """The function runs here and now; its result must be that of the recording."""
    player = play(stream(tool_calls=[{"id": "1", "name": "double", "arguments": '{"x": 21}'}]), stream("It is 42."))
    factor = 2

    def double(x: int) -> int:
        """Twice x."""
        return factor * x

    record(tape, lambda: heard(llm(player)("hi", tools=[double])))
    DECK.play(str(tape), 0)

    assert str(llm(player)("hi", tools=[double])) == "It is 42."
    factor = 3
    DECK.play(str(tape), 0)
    assert isinstance(llm(player)("hi", tools=[double]).wait().error, errors.ReplayError)


def test_rows_of_a_table_come_back(play, tape):
    """Each its own, however many at once; a row that the tape lacks is an error of that row."""
    model = llm(play(lambda request: stream(f"<{request.prompt}>")))
    rows = [f"row {i}" for i in range(40)]
    record(tape, lambda: model.map(rows, "{{ text }}", progress=False))
    DECK.play(str(tape), 0)

    again = model.map([*rows, "another"], "{{ text }}", progress=False)

    assert again[:-1] == [f"<{row}>" for row in rows]
    assert again[-1] is None
    assert isinstance(again.report.errors[40], errors.ReplayError)


def test_pictures_are_told_apart_by_what_they_show(play, tape):
    """The same one is answered, another is not; and the tape holds neither."""
    model, one, other = llm(play(stream("A cat."))), *(pictures.png(1, 1, 1, grey) for grey in (b"\x00", b"\x01"))
    record(tape, lambda: model("What?", images=one).wait())
    DECK.play(str(tape), 0)

    assert str(model("What?", images=one)) == "A cat."
    assert "the picture differs" in str(model("What?", images=other).wait().error)
    assert base64.b64encode(one).decode() not in tape.read_text("utf-8")


def test_a_replay_costs_nothing(play, tape, monkeypatch):
    """Its tokens are counted, under a name of its own; a budget that is used up does not stop it."""
    record(tape, lambda: llm(play(stream("Hello")), "openai/gpt-4.1-mini", provider="openai")("hi").wait())
    DECK.play(str(tape), 0)
    monkeypatch.setattr(LEDGER, "budget", LEDGER.spent)

    reply = LLM("openai/gpt-4.1-mini", provider="openai")("hi").wait()

    assert (reply.text, reply.usage.completion_tokens) == ("Hello", 1)
    assert (LEDGER.entries[-1].account, LEDGER.entries[-1].cost) == ("livekit, recorded", 0)


def test_a_replay_measures_no_account(play, tape, monkeypatch):
    """What failed on the tape does not rest here."""
    player = play(plain(503, {"error": "busy"}), stream("Now."))
    monkeypatch.setenv("OPENAI_BASE_URL", player.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    asked = LLM("gpt-4o", max_retries=0)
    record(tape, lambda: asked("hi").wait())
    for _ in range(3):
        DECK.play(str(tape), 0)
        asked("hi").wait()
    DECK.stop_replaying()

    from lk_notebook.net import attempts  # noqa: PLC0415 - there is one once something was asked

    board = attempts.existing().board
    assert [h.failures for (name, url, _), h in board._health.items() if url == player.base_url] == [1]


def test_a_packed_answer_is_kept_unpacked(play, tape):
    """A server that sends gzip is heard as ever, and the tape can be read."""
    packer = zlib.compressobj(wbits=31)
    pieces = [packer.compress(p) + packer.flush(zlib.Z_SYNC_FLUSH) for p in stream("Hello there.").pieces]
    player = play(
        Answer([*pieces, packer.flush()], headers={"content-type": "text/event-stream", "content-encoding": "gzip"})
    )
    recorded = record(tape, lambda: heard(llm(player)("hi")))
    DECK.play(str(tape), 0)

    assert heard(llm(player)("hi")) == recorded
    assert '\\"content\\": \\"Hello\\"' in tape.read_text("utf-8")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=6))
def test_any_text_in_any_pieces_comes_back(tmp_path, said):
    """Each event as it was sent, and what it says."""
    file = tmp_path / "any.jsonl"
    file.unlink(missing_ok=True)
    gates = [part for text in said for part in (chunk({"content": text}), 0.002)]
    with Player([Answer([*gates, *end()])]) as player:
        model = llm(player, max_retries=0)
        recorded = record(file, lambda: heard(model("hi")))
        sent = b"".join(part for part in [*gates, *end()] if isinstance(part, bytes))
        assert "".join(text for _, text in lines(file)[0]["pieces"]) == sent.decode()
        DECK.play(str(file), 0)
        assert heard(model("hi")) == recorded
        DECK.stop_replaying()


def spread(text):
    """A text letter by letter, as events."""
    return [chunk({"content": letter}) for letter in text]


LEAKS = {
    "said letter by letter": lambda key: Answer([*spread(f"It is {key}."), *end()]),
    "in one piece": lambda key: stream(f"It is {key} ."),
    "cut in mid-event": lambda key: Answer([chunk({"content": key})[:60], 0.05, chunk({"content": key})[60:], *end()]),
    "in a tool call": lambda key: stream(tool_calls=[{"id": key, "name": "f", "arguments": json.dumps({"k": key})}]),
    "in an error": lambda key: plain(401, {"error": {"message": f"bad key {key}", "param": key}}),
    "escaped": lambda key: Answer(
        [json.dumps({"error": "".join(f"\\u{ord(c):04x}" for c in key)}).replace("\\\\", "\\").encode()], 401
    ),
    "in a page": lambda key: plain(502, f"<title>{key}</title>"),
    "in a header": lambda key: plain(429, {"error": "no"}, {"x-ratelimit-limit": key, "location": f"/?key={key}"}),
    "in the type": lambda key: Answer([b"x"], headers={"content-type": f"text/{key}"}),
    "in a redirect": lambda key: plain(302, {}, {"location": f"https://a.example/?key={key}"}),
    "cut": lambda key: Answer([*spread(key[:-1])], then="cut"),
}


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS.keys())
def test_no_key_stands_on_a_tape(play, tape, leak):
    """In headers, in what was asked, in whatever the server repeats: neither key, secret nor token."""
    tokens = []

    def repeat(request):
        token = request.headers["authorization"].removeprefix("Bearer ")
        tokens.append(token)
        return leak(SECRET if "secret" in request.prompt else token)

    model = llm(play(repeat), max_retries=0)
    record(tape, lambda: [model(f"secret {SECRET}").wait(), model(f"token, not {SECRET[::-1]}").wait()])

    written = tape.read_text("utf-8")
    bodies = ["".join(text for _, text in line["pieces"]) for line in lines(tape)]
    everything = [written, *(text for body in bodies for text in scrubbing.texts(body))]
    assert len(bodies) == 2
    for secret in (SECRET, "APImadeupkey", *(token.rpartition(".")[2] for token in tokens)):
        assert not [text for text in everything if secret in text]
    assert "uthorization" not in written
    assert SECRET[::-1] in written


def test_a_key_in_a_parameter_or_an_address_is_struck_out(play, tape):
    """It is no part of what was asked; and whoever has the same key finds the answer."""
    model = llm(play(stream("Hi")), extra_kwargs={"user": f"me {SECRET}", "extra_query": {"key": SECRET}})
    record(tape, lambda: model("hi").wait())
    DECK.play(str(tape), 0)

    assert SECRET not in tape.read_text("utf-8")
    assert str(model("hi")) == "Hi"


PROGRAM = """
import sys
from lk_notebook import LLM
from lk_notebook.net.deck import DECK
DECK.record(sys.argv[1])
model = LLM("acme/one", base_url=sys.argv[2], api_key="APImadeupkey", api_secret="never-show-this-secret")
print("ready", flush=True)
sys.stdin.readline()
for i in range(int(sys.argv[4])):
    model(f"{sys.argv[3]} {i} " + "long " * 2000).wait()
    print(i, flush=True)
"""


def start(file, player, name, count):
    """Another process that records so many calls once it is told to."""
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", PROGRAM, str(file), player.base_url, name, str(count)]
    process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def test_two_kernels_may_record_on_one_tape(play, tape):
    """Every call of both stands there, whole, behind one first line."""
    player = play(lambda _: stream("word " * 300))
    processes = [start(tape, player, name, 25) for name in ("a", "b")]
    for process in processes:
        process.communicate("go\n", timeout=60)

    assert tape_check.faults(tape.read_text("utf-8"), "tape") == []
    assert len(lines(tape)) == 50


def test_a_killed_kernel_leaves_whole_lines(play, tape):
    """All calls that had ended are there, and the tape is gone on with."""
    player = play(lambda _: stream("word " * 300))
    process = start(tape, player, "a", 1000)
    process.stdin.write("go\n")
    process.stdin.flush()
    while not tape.exists() or tape.read_bytes().count(b"\n") < 4:
        assert process.stdout.readline()
    process.kill()
    process.communicate(timeout=60)
    whole = lines(tape)
    record(tape, lambda: llm(player)("one more").wait())

    assert len(whole) >= 3
    assert tape_check.faults(tape.read_text("utf-8"), "tape") == []
    assert lines(tape)[-1]["request"]["messages"][0]["content"] == "one more"


def test_a_torn_line_is_cut_off_before_the_next(tmp_path):
    """As a full disk leaves it; also where it is longer than one look reaches."""
    file = tmp_path / "torn.jsonl"
    append(file, "head\n", "one\n")
    with file.open("a") as out:
        out.write("x" * 200_000)
    append(file, "head\n", "two\n")

    assert file.read_text() == "head\none\ntwo\n"


def refused(do):
    """The error of what cannot be done, before anything is asked: two lines."""
    with pytest.raises(errors.ConfigurationError) as error:
        do()
    assert len(str(error.value).splitlines()) == 2
    return str(error.value)


def test_a_tape_that_cannot_be_written_is_refused_at_once(tmp_path):
    """No folder, a folder, another file: not when the first answer is lost."""
    other = tmp_path / "notes.jsonl"
    other.write_text("mine\n")
    deck = Deck({}.get)

    assert "no folder" in refused(lambda: deck.record(str(tmp_path / "nowhere" / "a.jsonl")))
    assert "cannot be written" in refused(lambda: deck.record(str(tmp_path)))
    assert "no tape" in refused(lambda: deck.record(str(other), anew=True))
    assert other.read_text() == "mine\n"


def test_a_tape_that_cannot_be_written_any_more_loses_no_answer(play, tape):
    """The reply is heard as ever; the recording tells what went wrong."""
    player = play(stream("Hello"))
    DECK.record(str(tape))
    tape.mkdir()

    assert str(llm(player)("hi")) == "Hello"
    ended = DECK.stop_recording()
    assert (ended.count, "could not be written" in ended.problem) == (0, True)


def test_what_cannot_be_replayed_is_refused_at_once(tmp_path):
    """A file that is not there, or no tape."""
    (tmp_path / "notes.jsonl").write_bytes(b"\xff\xfe mine")
    deck = Deck({}.get)

    assert "cannot be read" in refused(lambda: deck.play(str(tmp_path / "a.jsonl"), 1))
    assert "no tape" in refused(lambda: deck.play(str(tmp_path / "notes.jsonl"), 1))


def test_one_thing_at_a_time(play, tape):
    """What is replayed is not recorded, and a tape that grows is not replayed."""
    record(tape, lambda: llm(play(stream("Hi")))("hi").wait())
    DECK.record(str(tape))
    assert "is being recorded" in refused(lambda: DECK.play(str(tape), 1))
    DECK.stop_recording()
    DECK.play(str(tape), 1)
    assert "is being replayed" in refused(lambda: DECK.record(str(tape)))


def test_the_environment_names_a_tape(play, tape):
    """LK_NOTEBOOK_REPLAY, until the user says otherwise; a faulty one is told when something is asked."""
    record(tape, lambda: llm(play(stream("Hi")))("hi").wait())
    named = Deck({"LK_NOTEBOOK_REPLAY": str(tape), "LK_NOTEBOOK_REPLAY_SPEED": "0"}.get)

    assert (named.replay.tape.name, named.speed) == ("lesson.jsonl", 0)
    assert named.stop_replaying().name == "lesson.jsonl"
    assert named.replay is None
    assert Deck({"LK_NOTEBOOK_REPLAY": " "}.get).replay is None
    for name, value in (("LK_NOTEBOOK_REPLAY", "nowhere.jsonl"), ("LK_NOTEBOOK_REPLAY_SPEED", "fast")):
        env = {"LK_NOTEBOOK_REPLAY": str(tape), name: value}
        with pytest.raises(errors.ConfigurationError, match=value):
            _ = Deck(env.get).replay


def test_a_list_of_models_is_recorded_too(play, tape):
    """What `%lkmodels --live` asks."""
    from lk_notebook.net import accounts, listing, loop  # noqa: PLC0415 - beside its one use

    player = play(plain(200, {"data": [{"id": "a"}, {"id": "b"}]}))
    account = replace(accounts.named(player.base_url, {}.get))
    first = record(tape, lambda: loop.wait(listing.models(account)))
    DECK.play(str(tape), 0)

    assert loop.wait(listing.models(account)) == first == ["a", "b"]
    assert len(player.requests) == 1


def test_a_replay_yields_to_others(play, tape):
    """A long answer at speed 0 can still be stopped, and does not hold up the rest."""
    record(tape, lambda: llm(play(stream("word " * 3000)))("hi").wait())
    DECK.play(str(tape), 0)

    async def both():
        reply, other = LLM("acme/one")("hi"), LLM("acme/one")("hi")
        async for _ in reply:
            other.stop()
            break
        return (await reply).state, other.wait(5).state

    assert asyncio.run(both())[0] == "done"


def test_a_line_waits_for_another_kernel_to_write_its_own(tmp_path):
    """Who holds the file writes first; nobody's line is torn."""
    file = tmp_path / "held.jsonl"
    file.touch()
    with file.open("r+b") as held:
        lock(held.fileno())
        writing = threading.Thread(target=append, args=(file, "head\n", "mine\n"))
        writing.start()
        writing.join(0.3)
        assert file.read_text() == ""
        held.write(b"head\nanother\n")
    writing.join(30)

    assert file.read_text() == "head\nanother\nmine\n"


def test_where_answers_were_written_no_figure_is_shown(play, tape):
    """The first line of a tape says what made it, and that its times and tokens measure nothing."""
    head = {"lk_notebook": "tape", "version": 1, "made_by": "written by us", "figures": False}
    tape.write_text(json.dumps(head) + "\n", "utf-8")
    model = llm(play(stream("Hello there.", pace=0.1)), "openai/gpt-4.1-mini", provider="openai")
    record(tape, lambda: model("hi").wait())
    DECK.play(str(tape), 1)

    shown = facts(model("hi").wait())

    assert (shown.ttft, shown.tokens_per_second, shown.usage, shown.cost) == (None, None, None, None)
    assert shown.account_note.endswith(": written by us")
