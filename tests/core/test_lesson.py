"""A lesson's prompts: what may stand in their blanks is what was recorded there, and nothing else."""

from __future__ import annotations

import pytest

from lk_notebook.core import lesson, tape
from lk_notebook.core.tape import Asked, Head, Take, Tape
from lk_notebook.errors import ConfigurationError, PromptError


def take(prompt, model="openai/gpt-4.1-mini", **more):
    """A call that was answered."""
    request = {"messages": [{"role": "user", "content": prompt}], **more.pop("request", {})}
    key = tape.key(model, request)
    asked = Asked("livekit", "livekit", "https://x.test/v1")
    return Take(key, "2026-11-24T10:12:33Z", model, asked, request, **{"status": 200, **more})


def played(*takes):
    """A tape of these calls."""
    return Tape("lesson.jsonl", Head("tape"), takes)


def test_a_blank_offers_what_was_recorded_in_its_place():
    """Each value once, in the order of the tape."""
    there = played(*(take(f"Explain {x} to {y}.") for x, y in [("a (b)", "him"), ("c*", "her"), ("c*", "him")]))
    (task,) = lesson.tasks(there, ["Explain {{ topic }} to {{whom}}."])

    assert task.values == {"topic": ["a (b)", "c*"], "whom": ["him", "her"]}
    assert set(task.answers) == {("a (b)", "him"), ("c*", "her"), ("c*", "him")}
    assert task.filled(("c*", "her")) == "Explain c* to her."


def test_a_blank_that_stands_there_twice_is_one():
    """Only where it was filled with the same."""
    there = played(take("Is red red?"), take("Is red blue?"))
    (task,) = lesson.tasks(there, ["Is {{ x }} {{ x }}?"])

    assert list(task.answers) == [("red",)]


def test_without_prompts_all_of_the_tape_are_the_lesson():
    """Each question once, several answers beside each other."""
    there = played(take("A?"), take("B?\n"), take("A?", model="openai/gpt-4o"))

    found = lesson.tasks(there, [])

    assert [(task.template, [each.model for each in task.answers[()]]) for task in found] == [
        ("A?", ["openai/gpt-4.1-mini", "openai/gpt-4o"]),
        ("B?", ["openai/gpt-4.1-mini"]),
    ]


@pytest.mark.parametrize(
    "other",
    [
        take("Why?", status=500),
        take("Why?", end="stopped"),
        take("Why?", request={"tools": [{}]}),
        take("Why?", request={"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}),
        take("Why?", request={"messages": [{"role": "user", "content": "Hm"}, {"role": "user", "content": "Why?"}]}),
        take("Why not?"),
    ],
)
def test_a_prompt_that_the_tape_does_not_answer_is_refused(other):
    """When the panel is made, not when a pupil asks; braces and signs of a prompt mean themselves."""
    with pytest.raises(ConfigurationError, match=r'no answer to "Why\?"'):
        lesson.tasks(played(other), ["Why?"])


def test_an_empty_prompt_is_refused():
    """It would match everything."""
    with pytest.raises(PromptError):
        lesson.tasks(played(take("Why?")), [" "])
