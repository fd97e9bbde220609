"""LessonPanel in a real kernel: a tape answers the panel, and nobody else; cells ask whom they asked before."""

from __future__ import annotations

import re

import pytest
from kernels import SECRET
from player import Answer, Player, stream
from seat import Seat, Widget

PROMPTS = [
    "Why is the sky blue?",
    "Explain overfitting to a child.",
    "Explain overfitting to a judge.",
    "Explain gravity to a child.",
]
LESSON = ["Why is the sky blue?", "Explain {{ topic }} to {{ whom }}."]


def answer(request) -> Answer:
    """What the provider says, with a number that tells its answers apart."""
    return stream(f"<b>{request.body['model']}</b>: {request.prompt}")


@pytest.fixture
def seat(tmp_path):
    """A front end with a tape, t.jsonl, of all prompts, and of the first from two models."""
    with Player(answer) as player, Seat(player) as there:
        asked = [f"str(LLM('gpt-4.1-mini')({prompt!r}))" for prompt in PROMPTS]
        lines = [f"import os; os.chdir({str(tmp_path)!r})", "%load_ext lk_notebook", "%lkrecord t.jsonl"]
        lines += ["from lk_notebook import LLM, LessonPanel", *asked, f"str(LLM('gpt-4o')({PROMPTS[0]!r}))"]
        made = there.run("\n".join([*lines, "%lkrecord --off"]))
        assert made.status == "ok", made.shown
        player.requests.clear()
        yield there


@pytest.fixture
def panel(seat):
    """The lesson of this tape."""
    return Widget(seat, f"panel = LessonPanel('t.jsonl', {LESSON!r}, speed=0)")


def place(panel, at):
    """The HTML of one place of the view, as it was last told."""
    return [each["h"] for each in panel.told("html") if each["at"] == at][-1]


def ended(panel):
    """Until a reply has ended; its footer."""
    return panel.wait("foot", lambda foot: foot["state"] in ("done", "stopped", "failed"))


def test_a_prompt_is_answered_by_the_tape(seat, panel):
    """Nobody is asked; the footer says when it was recorded; the notebook's own cells still ask."""
    panel.send(t="play", c=0)

    assert re.search(r"recorded \d{4}-\d\d-\d\d", ended(panel)["h"])
    assert panel.value("panel.reply.text") == "<b>openai/gpt-4.1-mini</b>: Why is the sky blue?"
    assert "<b>" not in str(panel.told("ops"))
    assert seat.player.requests == []
    assert seat.run("%%lkchat -n\nAre you there?").status == "ok"
    assert [request.prompt for request in seat.player.requests] == ["Are you there?"]


def test_blanks_hold_only_what_was_recorded_together(panel):
    """Another topic takes along whoever it was explained to."""
    panel.send(t="blank", c=1, name="whom.1.3", text="a judge")
    panel.wait("html", lambda each: each["at"] == "tasks" and 'value="a judge" selected' in each["h"])
    panel.send(t="blank", c=1, name="topic.1.1", text="gravity")
    panel.wait("html", lambda each: each["at"] == "tasks" and 'value="gravity" selected' in each["h"])
    panel.send(t="play", c=1)
    ended(panel)

    assert panel.value("panel.reply.text").endswith("Explain gravity to a child.")


def test_the_model_is_one_of_those_recorded(panel):
    """Where there are several."""
    panel.send(t="model", c=0, name="model.0", text="openai/gpt-4o")
    panel.wait("html", lambda each: each["at"] == "tasks" and 'value="openai/gpt-4o" selected' in each["h"])
    panel.send(t="play", c=0)
    ended(panel)

    assert panel.value("panel.reply.model") == "openai/gpt-4o"


def test_python_asks_as_the_button_does(seat, panel):
    """What the tape lacks is told by its nearest question."""
    assert panel.value("panel.ask(1, 'overfitting', 'a judge').wait().text").endswith("to a judge.")
    lacking = seat.run("str(panel.ask(1, 'gravity', 'a judge'))")
    assert lacking.status == "error"
    assert "Explain" in lacking.shown


def test_what_was_played_stays_in_the_file(panel):
    """Question and answer, below each other."""
    for number in (0, 1):
        panel.value(f"panel.ask({number}).wait().state")
    kept = panel.value("panel._kept()['text/plain']")

    assert kept.index("You: Why is the sky blue?") < kept.index("You: Explain overfitting to a child.")


def test_no_key_is_in_its_state(seat, panel):
    """Nor on the tape."""
    panel.send(t="play", c=0)
    ended(panel)

    assert SECRET not in str(seat.opened) + str(seat.heard)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("'none.jsonl'", "The tape none.jsonl cannot be read"),
        ("'t.jsonl', ['Who?']", 'has no answer to "Who?"'),
        ("'t.jsonl', ['']", "A prompt of the lesson is empty"),
    ],
)
def test_a_lesson_that_cannot_be_played_is_refused(seat, arguments, said):
    """In two lines, when it is made."""
    ran = seat.run(f"LessonPanel({arguments})")

    assert ran.status == "error"
    assert said in ran.shown
