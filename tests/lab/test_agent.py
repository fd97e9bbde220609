"""A conversation with an agent, as its reader sees it in JupyterLab."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from kernels import livekit
from lab import Lab
from player import Player, stream

pytestmark = [pytest.mark.xdist_group("lab"), pytest.mark.timeout(300)]

TOOLS = '''%load_ext lk_notebook
def get_weather(city: str) -> str:
    """Weather of a city."""
    return f"Sunny in {city}, 24 °C"

def get_time(city: str) -> str:
    """Local time of a city."""
    return "14:05"'''
FIRST = '%%lkagent -s "You help travellers. Be brief." -t get_weather,get_time\nWhat is it like in Lisbon right now?'
SECOND = "%%lkagent\nAnd in Oslo?"
EVAL = """%%lkagent --eval
user: What is it like in Lisbon right now?
expect: calls get_weather(city="Lisbon")
expect: says 24 °C
expect: calls get_weather(city="Oslo")"""
TALK, AGAIN, TRIED = 1, 2, 3


def answer(request):
    """A model that looks things up, then tells of them."""
    city = "Oslo" if "Oslo" in request.prompt else "Lisbon"
    if request.body["messages"][-1]["role"] == "tool":
        return stream(
            f"In **{city}** it is five past two, and the sun shines:\n\n"
            "- bring *sunglasses*\n- 24 °C, so no coat\n\nA walk along the water is pleasant now.",
            pace=0.03,
        )
    arguments = f'{{"city": "{city}"}}'
    calls = [
        {"id": f"c{len(request.body['messages'])}{name}", "name": name, "arguments": arguments}
        for name in ("get_weather", "get_time")
    ]
    return stream("Let me look.", tool_calls=calls)


@pytest.fixture(scope="module")
def lab():
    """A JupyterLab on a machine with a LiveKit account."""
    with Player(answer) as player, Lab(livekit(player)) as started:
        yield started


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_a_conversation_with_two_tools(lab, notebook, theme):
    """Text, both calls folded, the answer and one footer a turn; the table of the evaluation below."""
    lab.theme(theme)
    lab.write(f"agent{theme}.ipynb", [TOOLS, FIRST, SECOND, EVAL])
    opened = notebook(lab, f"agent{theme}.ipynb")

    ended = opened.run_all()

    assert ended
    for cell, city in ((TALK, "Lisbon"), (AGAIN, "Oslo")):
        shown = opened.shown(cell)
        order = [
            "Let me look.",
            f"Called get_weather(city='{city}')",
            f"Called get_time(city='{city}')",
            "bring sunglasses",
            "tokens",
        ]
        assert [shown.find(each) for each in order] == sorted(shown.find(each) for each in order)
        assert -1 not in [shown.find(each) for each in order]
        assert shown.count("openai/gpt-4.1-mini") == 1
    assert "2 of 3 expectations met" in opened.shown(TRIED)
    if folder := os.environ.get("LK_PICTURES"):
        for name, cell in (("talk", TALK), ("tried", TRIED)):
            opened.cell(cell).scroll_into_view_if_needed()
            opened.page.wait_for_timeout(1000)
            opened.page.screenshot(path=Path(folder) / f"agent_{name}_{theme.lower()}.png")


def test_the_saved_conversation_is_read_without_a_kernel(lab, notebook):
    """Who opens the file, and runs nothing, reads it all."""
    lab.write("mailed.ipynb", [TOOLS, FIRST])
    first = notebook(lab, "mailed.ipynb")
    assert first.run_all()
    first.save()
    lab.copy("mailed.ipynb", "opened.ipynb")

    mailed = notebook(lab, "opened.ipynb", kernel=False)

    assert "bring sunglasses" in mailed.shown(TALK)
    assert "Called get_weather" in mailed.shown(TALK)
