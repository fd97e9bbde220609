"""Every streaming case over real HTTP, through the public names: what a user sees of it, and that it was asked once."""

import json
from pathlib import Path

import pytest
from player import Answer

from lk_notebook import LLM
from lk_notebook.core.values import Usage

FOLDER = Path(__file__).parents[1] / "core" / "data" / "sse"
CASES = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))]
NAMES = {"TimeoutError": "APITimeoutError"}  # the cases' neutral names -> ours


@pytest.fixture
def reply(play, case):
    """The ended reply to one question, answered by a case byte by byte."""
    body, response = (FOLDER / case["body_file"]).read_bytes(), case["response"]
    then = {None: None, "ReadTimeout": "hang"}.get(response["raise_after_body"], "cut")
    player = play(Answer([bytes([byte]) for byte in body], response["status"], response["headers"], then))
    ended = LLM("openai/case-model", base_url=player.base_url, max_retries=0, timeout=0.5)("hi").wait(20)
    assert [request.body["stream_options"] for request in player.requests] == [case["request"]["stream_options"]]
    return ended


def of(outcome):
    """The cases that end so."""
    cases = [case for case in CASES if case["expect"]["outcome"] == outcome]
    return pytest.mark.parametrize("case", cases, ids=[case["id"] for case in cases])


@of("ok")
def test_an_answer_is_what_the_case_says(case, reply):
    """Text, thought, refusal, calls, usage and id of a vendor's answer are the reply's attributes."""
    want = case["expect"]

    assert (reply.error, reply.state) == (None, "done")
    assert (reply.text, reply.reasoning, reply.refusal) == (want["text"], want["reasoning"], want["refusal"])
    assert [(c.id, c.name, c.arguments) for c in reply.tool_calls] == [
        (c["id"], c["name"], c["arguments"]) for c in want["tool_calls"]
    ]
    assert (reply.finish_reason, reply.usage) == (want["finish_reason"], want["usage"] and Usage(**want["usage"]))
    assert reply.response_id == want.get("response_id", reply.response_id)


@of("error")
def test_a_failure_is_what_the_case_says(case, reply):
    """Class, status and code of the error are the case's, and what had arrived is kept."""
    want, error = case["expect"], reply.error

    assert reply.state == "failed"
    assert type(error).__name__ == NAMES.get(want["error_class"], want["error_class"])
    assert (error.retryable, error.code) == (want["retryable"], want["code"])
    assert want["status"] in (None, error.status)
    assert (error.reply.text, error.reply.reasoning) == (want["partial_text"], want["partial_reasoning"])
