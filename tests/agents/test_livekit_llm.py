"""LLM.as_livekit(): what LiveKit hears of an answer, and how often we ask."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time

import pytest
from kernels import SECRET
from livekit.agents import Agent, AgentSession, APIConnectionError, APIConnectOptions, APIStatusError, APITimeoutError
from livekit.agents import llm as livekit
from player import Answer, after, chunk, plain, stream, words

from lk_notebook import LLM, errors
from lk_notebook.ledger import LEDGER

BUSY = plain(500, {"error": {"message": "Try later."}})
HI = livekit.ChatContext([livekit.ChatMessage(role="user", content=["hi"])])


@pytest.fixture
def ours(play):
    """Our LLM as LiveKit's, and its player: `ours(answer, answer…)`; further words of the LLM by name."""

    def start(*answers, **more):
        player = play(*answers)
        model = LLM("openai/gpt-4.1-mini", base_url=player.base_url, api_key="APItest", api_secret=SECRET, **more)
        return model.as_livekit(), player

    return start


def collected(model, **options):
    """The whole answer, on a loop of the caller's own."""

    async def ask():
        return await model.chat(chat_ctx=HI, **options).collect()

    return asyncio.run(ask())


def wait_for(holds, seconds=5.0):
    """Whether it came to hold; the background loop may be a moment behind."""
    last = time.monotonic() + seconds
    while not holds() and time.monotonic() < last:
        time.sleep(0.005)
    return holds()


def test_it_is_one_of_livekits_and_ours_is_not():
    """An AgentSession takes it; `import lk_notebook` never pays for LiveKit."""
    assert isinstance(LLM("lk/demo").as_livekit(), livekit.LLM)
    assert not isinstance(LLM("lk/demo"), livekit.LLM)


def test_text_comes_in_step_with_the_server(ours):
    """Each piece is heard when it was sent, not at the end."""
    gate = threading.Event()
    model, _ = ours(Answer([*words("one two"), gate, *stream(" three").pieces]))

    async def ask():
        heard = []
        async with model.chat(chat_ctx=HI) as chunks:
            async for each in chunks:
                if each.delta and each.delta.content:
                    heard.append(each.delta.content)
                if "".join(heard) == "one two":
                    gate.set()
        return "".join(heard)

    assert asyncio.run(ask()) == "one two three"
    assert gate.is_set()


def test_parallel_tool_calls_arrive_with_ids_and_arguments(ours):
    """Two calls of one response, as LiveKit's own LLM tells them."""
    calls = [{"id": "c1", "name": "f", "arguments": '{"a": 1}'}, {"id": "c2", "name": "g", "arguments": "{}"}]
    model, _ = ours(stream("Wait.", tool_calls=calls))

    answer = collected(model)

    assert answer.text == "Wait."
    assert [(call.call_id, call.name, call.arguments) for call in answer.tool_calls] == [
        ("c1", "f", '{"a": 1}'),
        ("c2", "g", "{}"),
    ]


def test_calls_without_ids_get_ids_of_their_own(ours):
    """LiveKit matches results by id; some providers send none."""
    call = {"id": None, "name": "f", "arguments": "{}"}
    model, _ = ours(stream(tool_calls=[call, call]))

    ids = [call.call_id for call in collected(model).tool_calls]

    assert len(set(ids)) == 2
    assert all(ids)


def test_usage_arrives_as_the_provider_counted(ours):
    """Also cached and reasoning tokens."""
    counted = {
        "prompt_tokens": 10,
        "completion_tokens": 7,
        "total_tokens": 17,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    model, _ = ours(stream("Hi.", usage=counted))

    usage = collected(model).usage

    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (10, 7, 17)
    assert (usage.prompt_cached_tokens, usage.reasoning_tokens) == (4, 3)


def test_signatures_arrive(ours):
    """What google, xai and LiveKit want back with the history goes to LiveKit's, which sends it back."""
    extra = {"google": {"thought_signature": "SIG"}}
    model, _ = ours(Answer([chunk({"content": "Hi.", "extra_content": extra}), *stream().pieces]))

    assert collected(model).extra == extra


def test_a_refusal_is_said(ours):
    """An agent that refuses is not silent."""
    model, _ = ours(Answer([chunk({"refusal": "I will not."}), *stream().pieces]))

    assert collected(model).text == "I will not."


FAILURES = {
    "the key": (plain(401, {"error": "no permissions"}), APIStatusError, 401, errors.AuthenticationError, 1),
    "the request": (plain(400, {"error": {"message": "No."}}), APIStatusError, 400, errors.BadRequestError, 1),
    "used up": (plain(429, {"error": {"code": "insufficient_quota", "message": "No credits."}}), APIStatusError, 429,
                errors.QuotaExceededError, 1),
    "the server": (BUSY, APIStatusError, 500, errors.ServerError, 2),
    "client closed": (plain(499, {"error": {"message": "Gone."}}), APIConnectionError, None, errors.LkError, 2),
    "lost before": (Answer(before="cut"), APIConnectionError, None, errors.LkError, 2),
    "cut after text": (after(stream("one two three"), 3, "cut"), APIConnectionError, None, errors.StreamInterrupted, 1),
    "a clean end in mid-answer": (Answer(words("one two")), APIConnectionError, None, errors.StreamInterrupted, 1),
}  # fmt: skip


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_errors_are_livekits_and_are_asked_once_more_by_us_alone(ours, failure):
    """LiveKit's own LLM would send four requests for most of these, and take the last for a complete answer."""
    answer, kind, status, cause, requests = failure
    model, player = ours(answer, max_retries=1)

    with pytest.raises(kind) as caught:
        collected(model)

    assert getattr(caught.value, "status_code", None) == status
    assert caught.value.retryable is False
    assert isinstance(caught.value.__cause__, cause)
    assert len(player.requests) == requests


def test_conn_options_set_the_tries(ours):
    """Whoever says how often, is heard."""
    model, player = ours(BUSY, max_retries=5)

    with pytest.raises(APIStatusError):
        collected(model, conn_options=APIConnectOptions(max_retry=0))

    assert len(player.requests) == 1


def test_conn_options_set_the_time_limit(ours):
    """Whoever says how long, is heard."""
    model, player = ours(Answer(before="hang"))

    with pytest.raises(APITimeoutError):
        collected(model, conn_options=APIConnectOptions(max_retry=0, timeout=0.3))

    assert len(player.requests) == 1


def test_cancelling_closes_the_connection(ours):
    """Nobody pays for what nobody will hear."""
    model, player = ours(Answer([*words("one two"), threading.Event()]))

    async def ask():
        chunks = model.chat(chat_ctx=HI)
        async for each in chunks:
            if each.delta:
                break
        await chunks.aclose()

    asyncio.run(ask())

    assert player.stopped(5)


def test_an_answer_of_a_session_is_in_the_ledger(ours):
    """Tokens are counted whoever asks."""
    model, _ = ours(stream("Hi."))
    before = len(LEDGER.entries)

    collected(model)

    assert wait_for(lambda: len(LEDGER.entries) > before)
    assert [entry.usage.completion_tokens for entry in LEDGER.entries[before:]] == [1]


def test_a_key_that_the_server_repeats_is_struck_out(ours):
    """No error of LiveKit's carries it on."""
    model, _ = ours(plain(400, {"error": {"message": f"Your key {SECRET} is odd."}}))

    with pytest.raises(APIStatusError) as caught:
        collected(model)

    assert SECRET not in repr(caught.value) + str(caught.value) + repr(caught.value.__cause__)


def test_a_session_of_ones_own_runs_on_the_built_in_model():
    """No account, no network, the user's own loop."""

    async def talk():
        session = AgentSession(llm=LLM("lk/demo").as_livekit(), vad=None, turn_handling={"turn_detection": None})
        await session.start(Agent(instructions="Be brief."))
        result = await session.run(user_input="Write a haiku")
        await session.aclose()
        return result.events[-1].item.text_content

    assert "seventeen syllables" in asyncio.run(talk())


def test_an_unknown_model_is_refused_at_once():
    """As in any call: two lines, nothing sent."""
    with pytest.raises(errors.ConfigurationError):
        LLM("openai/gpt-5").as_livekit()


def test_without_livekit_agents_the_error_tells_how_to_install_it():
    """Two lines; the second is the line to run."""
    program = (
        "import sys; sys.modules['livekit'] = None\n"
        "from lk_notebook import LLM, errors\n"
        "try: LLM('lk/demo').as_livekit()\n"
        "except errors.ConfigurationError as error: print(error)"
    )

    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert said.splitlines()[0] == "livekit-agents is not installed."
    assert 'pip install "lk_notebook[agents]"' in said.splitlines()[1]
