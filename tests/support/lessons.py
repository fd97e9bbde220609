"""The tapes of the notebooks: a player that gives answers written by us, and the recording of them.

    python tests/support/lessons.py [NAME …]

runs the notebooks of notebooks/tapes/ with `%lkrecord` in place of `%lkreplay`, against a server on loopback that has
the answers below, and writes their tapes anew. Do it after each change of a prompt. The first line of a tape says who
wrote its answers: no figure of it is that of a model, but for the made-up models of 03_compare, whose pace is played.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kernels import Kernel, livekit
from player import Answer, Player, Request, chunk, end, plain, stream

from lk_notebook.core import tape
from lk_notebook.core.tape import Head

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
TAPES = NOTEBOOKS / "tapes"
PACE = 0.03  # seconds a word

#: The last words of a prompt -> what is said.
MODELS = {
    "What is a language model? One sentence.": (
        "A language model is a program that has read a great deal of text and continues yours with whatever is likely "
        "to come next, a piece at a time."
    ),
    "What is a token? One sentence.": (
        "A token is the piece of text a model reads and writes at once, in English about three quarters of a word."
    ),
    "Why would the same model be faster at another provider? Two sentences.": (
        "The weights are the same, but the chips, their number and how many others are being served are not. "
        "So the first token may come sooner and the rest faster, at another price."
    ),
    "What does the ball cost?": (
        "**0.05.**\n\nCall the ball $b$. The bat costs $b + 1.00$, and together they cost 1.10:\n\n"
        "$$b + (b + 1.00) = 1.10 \\quad\\Rightarrow\\quad 2b = 0.10 \\quad\\Rightarrow\\quad b = 0.05$$\n\n"
        "The quick answer, 0.10, would make the bat 1.10, and the two of them 1.20."
    ),
    "Name a prime number between 20 and 30.": "**23.** It has no divisor but 1 and itself; so has 29.",
    "What does temperature=0 change? One sentence.": (
        "The model always takes the likeliest next token, so its answers vary little from one call to the next."
    ),
    "When would you pick a quick model? One sentence.": (
        "Where you wait for each answer, or have many small questions, and can check what comes."
    ),
}
#: Asked to show what happens where a tape has no answer.
LACKING = ("What is a large language model?",)
UNKNOWN_MODEL = {"error": {"message": "The model openai/gpt-99 does not exist.", "code": "model_not_found"}}

#: The made-up models: seconds before the first word, seconds a word, and what each says of the train.
PLAYED = {
    "lesson/hare": (0.15, 0.02, "**45 minutes.** From 9:40 to 11:05: easy!"),
    "lesson/tortoise": (
        0.5,
        0.09,
        "Let me go step by step.\n\n1. From 9:40 to 10:00 it is 20 minutes.\n2. From 10:00 to 11:00 it is 60 minutes.\n"
        "3. From 11:00 to 11:05 it is 5 minutes.\n\n20 + 60 + 5 = 85, so the train takes **1 hour and 25 minutes**.",
    ),
    "lesson/owl": (1.2, 0.03, "**1 hour and 25 minutes.** An hour brings us to 10:40, and 25 minutes more to 11:05."),
}
HELLOS = (
    "Good morning, all thirty of you.",
    "Hello, class. Sit down, and let us begin.",
    "Good morning! Who is awake?",
    "Hello, everybody. I see thirty faces, and one yawn.",
    "Good morning, class. Today we count.",
)
#: How much earlier or later the first word comes, as a share, in five calls.
SWAY = (1.0, 1.3, 0.9, 1.8, 1.1)

CITIES = [{"name": "Oslo", "celsius": 4.5, "coat": True}, {"name": "Cairo", "celsius": 24.5, "coat": False}]


def models(request: Request) -> Answer:
    """01: written answers without any figure."""
    if request.body["model"] == "openai/gpt-99":
        return plain(404, UNKNOWN_MODEL)
    said = next(text for prompt, text in MODELS.items() if request.prompt.strip().endswith(prompt))
    return stream(said, usage=None, pace=PACE)


class Compared:
    """03: three made-up models, each at its pace."""

    def __init__(self) -> None:
        self._calls: dict[str, int] = {}

    def __call__(self, request: Request) -> Answer:
        """What the model says next."""
        model = request.body["model"]
        wait, pace, said = PLAYED[model]
        if "hello" in request.prompt:
            count = self._calls[model] = self._calls.get(model, -1) + 1
            wait, said = wait * SWAY[count % 5], HELLOS[count % 5]
        words = re.findall(r"\S+\s*", said)
        usage = {"prompt_tokens": len(request.prompt.split()), "completion_tokens": len(words)}
        usage["total_tokens"] = sum(usage.values())
        said_in_time = [part for word in words for part in (chunk({"content": word}), pace)]
        return Answer([wait, *said_in_time, *end(usage=usage)])


def acting(request: Request) -> Answer:
    """05: calls of tools, typed answers, a picture."""
    prompt, last = request.prompt, request.body["messages"][-1]
    if "coat" in prompt and last["role"] == "tool":
        return stream(json.dumps({"items": CITIES}), usage=None, pace=PACE)
    for words, cities in (("Lisbon", ("Oslo", "Lisbon")), ("coat", ("Oslo", "Cairo")), ("Atlantis", ("Atlantis",))):
        if words in prompt and last["role"] != "tool":
            return stream(tool_calls=[_call(i, city) for i, city in enumerate(cities)], usage=None)
    if "Lisbon" in prompt:
        return stream("**Lisbon**, by 12.5 degrees: 17.0 °C there, 4.5 °C in Oslo.", usage=None, pace=PACE)
    if "Atlantis" in prompt:
        said = "I could not find out: the measurements I was given have no Atlantis. Name another city?"
        return stream(said, usage=None, pace=PACE)
    if "response_format" in request.body:
        seen = {"count": 5, "tallest_from_left": 2, "colour_of_the_tallest": "orange"}
        return stream(json.dumps(seen), usage=None, pace=PACE)
    said = "There are five bars, and the second from the left, the orange one, is the tallest."
    return stream(said, usage=None, pace=PACE)


def _call(number: int, city: str) -> dict[str, Any]:
    return {"id": f"call_{number + 1}", "name": "temperature", "arguments": json.dumps({"city": city})}


@dataclass(frozen=True)
class Lesson:
    """Who answers a notebook, and what the first line of its tape says of that."""

    answers: Callable[[], Callable[[Request], Answer]]
    made_by: str
    figures: bool = False


WRITTEN = "written for this lesson, no model was asked"
LESSONS: Mapping[str, Lesson] = {
    "01_models": Lesson(lambda: models, WRITTEN),
    "03_compare": Lesson(Compared, "played by a script", figures=True),
    "05_tools_images": Lesson(lambda: acting, WRITTEN),
}


def cells(name: str) -> list[dict[str, Any]]:
    """The code cells of a notebook."""
    whole = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text("utf-8"))
    return [cell for cell in whole["cells"] if cell["cell_type"] == "code"]


def record(name: str, folder: Path = TAPES) -> Path:
    """Records the tape of a notebook anew."""
    lesson, file = LESSONS[name], folder / f"{name}.jsonl"
    file.write_text(tape.line(Head("tape", made_by=lesson.made_by, figures=lesson.figures)), "utf-8")
    with Player(lesson.answers()) as player, Kernel(livekit(player)) as kernel:
        for cell in cells(name):
            source = "".join(cell["source"])
            if any(prompt in source for prompt in LACKING):
                continue
            source = f'%lkrecord "{file}"' if source.startswith("%lkreplay tapes/") else source
            ran = kernel.run(source, cell=cell["id"], seconds=60)
            may_fail = "raises-exception" in cell["metadata"].get("tags", ())
            if ran.status != "ok" and not may_fail:
                raise AssertionError(f"{source}\n{ran.shown}")
        kernel.run("%lkrecord --off")
    return file


if __name__ == "__main__":
    for each in sys.argv[1:] or LESSONS:
        print(record(each))
