"""Whatever befalls a map, faults, stops and kills, what it comes to is a function of its rows."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapped import Mapped
from player import Answer, Player, after, plain, stream

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither fork nor SIGKILL")

REFUSED = {"error": {"message": "Refused by the test", "code": None}}
FAULTS = {
    "cut before": lambda answer: after(answer, 1, "cut"),
    "cut within": lambda answer: after(answer, 2, "cut"),
    "reset": lambda answer: after(answer, 2, "reset"),
    "end of file": lambda answer: Answer(list(answer.pieces)[:2]),
    "malformed": lambda answer: Answer([next(iter(answer.pieces)), b'data: {"choices": [{"delta": \n\n']),
    "no HTTP": lambda _answer: Answer(before="garbage"),
    "500": lambda _answer: plain(500, REFUSED),
    "429": lambda _answer: plain(429, REFUSED, {"retry-after": "0.05"}),
}


def right(prompt):
    """The answer due to a prompt."""
    return f"Label of <{prompt}>\nnaïve “line”"


def due(rows):
    """What these rows come to: a bad one to nothing, each other one to its answer."""
    return [None if row.startswith("bad") else right(f"Of {row}") for row in rows]


def killed(process):
    """Ends it at once."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def test_fifty_kills_lose_nothing(play, tmp_path):
    """Killed at fifty random moments and begun again each time: all is there, and what was journalled is not asked."""
    rows, chance = [f"row {i}" for i in range(800)], random.Random()
    player = play(lambda request: Answer(stream(right(request.prompt)).pieces, before=0.005))
    ends, again = [], 0
    with Mapped(tmp_path) as maps:
        for _ in range(50):
            kept, before = set(maps.kept), len(player.requests)
            process = maps.start(player.base_url, rows)
            if chance.random() < 0.8:  # else before it has sent anything
                player.wait(lambda before=before: len(player.requests) > before)
            time.sleep(chance.random() * 0.06)
            killed(process)
            ends.append(maps.ended())
            again += sum(right(request.prompt) in kept for request in player.requests[before:])
        kept, before = set(maps.kept), len(player.requests)
        maps.start(player.base_url, rows)
        assert maps.ended() == 0
        again += sum(right(request.prompt) in kept for request in player.requests[before:])

        assert maps.result["values"] == due(rows)
        assert sorted(maps.kept) == sorted(due(rows))
    assert ends == [-signal.SIGKILL] * 50
    assert again == 0
    assert len(player.requests) <= len(rows) + 50 * 4  # those that were under way


class Unlucky:
    """Answers, but for the faults of a row: the first tries of it fail, each in its own way."""

    def __init__(self, faults):
        self._faults = {f"Of {row}": list(kinds) for row, kinds in faults.items()}
        self._lock = threading.Lock()

    def __call__(self, request):
        if request.prompt.startswith("Of bad"):
            return plain(400, REFUSED)
        answer = Answer(stream(right(request.prompt)).pieces, before=0.002)
        with self._lock:
            kinds = self._faults.get(request.prompt)
            kind = kinds.pop() if kinds else None
        return FAULTS[kind](answer) if kind else answer


NAMES = st.sampled_from([*(f"row {i}" for i in range(30)), "bad 1", "bad 2"])
ROWS = st.lists(NAMES, min_size=1, max_size=40)
KINDS = st.dictionaries(NAMES, st.lists(st.sampled_from(sorted(FAULTS)), min_size=1, max_size=2), max_size=2)
ENDS = st.lists(st.tuples(st.sampled_from(["stop", "kill"]), st.integers(0, 25), st.floats(0, 0.03)), max_size=3)


@pytest.fixture(scope="module")
def maps():
    """One process that all examples are forked from."""
    with tempfile.TemporaryDirectory() as folder, Mapped(Path(folder)) as started:
        yield started


@settings(max_examples=25, deadline=None)
@given(rows=ROWS, faults=KINDS, ends=ENDS)
def test_whatever_befalls_it_a_map_is_a_function_of_its_rows(maps, rows, faults, ends):
    """Any faults, any stops and kills at any moment: the last run has the answer of each row, and no other."""
    maps.journal.unlink(missing_ok=True)
    with Player(Unlucky(faults)) as player:
        for how, requests, seconds in ends:
            goal, kept = len(player.requests) + requests, set(maps.kept)
            before = len(player.requests)
            process = maps.start(player.base_url, rows)
            player.wait(lambda goal=goal: len(player.requests) >= goal, 0.3)
            time.sleep(seconds)
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL if how == "kill" else signal.SIGINT)
            assert maps.ended() in (0, 3, -signal.SIGKILL)
            assert set(maps.kept) <= set(due(rows))
            assert not any(right(request.prompt) in kept for request in player.requests[before:])
        maps.start(player.base_url, rows)
        assert maps.ended() == 0

        assert maps.result["values"] == due(rows)
        assert [rows[i] for i in maps.result["failed"]] == [row for row in rows if row.startswith("bad")]
        assert Counter(maps.kept) == Counter({text: 1 for text in due(rows) if text})
