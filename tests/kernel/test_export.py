"""`%lkexport` in a real kernel: the next cell, tools as they were typed, and the program run as a cell."""

from __future__ import annotations

import ast

import pytest
from player import stream

TOOLS = '''
import math
from dataclasses import dataclass
from typing import Literal

SCALE = 2

@dataclass
class Point:
    x: float
    y: float

def length(point: Point) -> float:
    return math.hypot(point.x, point.y) * SCALE

def distance(x: float, y: float) -> float:
    """Distance from the origin.

    Args:
        x: East
        y: North
    """
    return length(Point(x, y))

async def colour(of: Literal["sky", "grass"] = "sky") -> str:
    """The colour of a thing."""
    return {"sky": "blue"}.get(of, "green")
'''


def next_cell(ran):
    """What the front end was asked to put into the next cell."""
    (payload,) = [each for each in ran.reply["payload"] if each["source"] == "set_next_input"]
    assert payload["replace"] is False
    return payload["text"]


def test_the_program_is_the_next_cell_and_is_not_run(stage):
    """One line says so; nobody is asked."""
    stage.play()

    ran = stage.run("%lkexport python gpt-5-mini reasoning_effort=low")

    assert 'model="openai/gpt-5-mini"' in next_cell(ran)
    assert ran.shown.strip() == "The next cell is the program; save it as agent.py, or write -o agent.py."
    assert stage.requests == []


def test_tools_are_copied_as_they_were_typed_in_cells(stage):
    """With the class, the helper, the constant and the import that they use; the copy does the same."""
    stage.play()
    stage.run(TOOLS)

    text = next_cell(stage.run("%lkexport python -t distance,colour"))

    marked = TOOLS.replace("def distance", "@function_tool\n@threaded\ndef distance")
    for part in marked.replace("async def", "@function_tool\nasync def").split("\n\n"):
        if not part.startswith("\nimport"):
            assert part.strip() in text
    for line in ("import math", "from dataclasses import dataclass", "from typing import Literal"):
        assert line in text
    assert "tools=[distance, colour]" in text
    ast.parse(text)


def test_a_reply_brings_its_tools(stage):
    """Those that its cell offered."""
    stage.play(stream("Hello."))
    stage.run(TOOLS)
    stage.run("%%lkchat gpt-4.1 -n -t colour -o answer temperature=0\nhi")

    text = next_cell(stage.run("%lkexport python answer"))

    assert "@function_tool\nasync def colour(" in text
    assert '"temperature": 0' in text


@pytest.mark.timeout(240)
def test_the_program_run_as_a_cell_starts_nothing(stage):
    """It only defines what it promises."""
    stage.play()
    program = next_cell(stage.run("%lkexport python gpt-5-mini -s 'Be terse.' reasoning_effort=low"))

    ran = stage.run(program, seconds=120)
    told = stage.run("print(instructions, callable(build_session), type(llm()).__module__)")

    assert (ran.status, ran.shown) == ("ok", "")
    assert told.shown.strip() == "Be terse. True livekit.agents.inference.llm"
    assert stage.requests == []
