"""What `llm.map` reaches beside openai's client with a semaphore and plain httpx; as ratios of one interleaved run.

    python tests/bench/maps.py [rate faults limit memory dask] [--rounds 3] [--smoke]

Machines are noisy: nothing passes or fails by time. `--smoke` runs each once, small. openai is compared where it is
installed (pip install openai).
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
from bench import Served, cpu, plain
from server import FAULTS

from lk_notebook import LLM

WORDS = " word" * 10


def rows_of(count: int, what: str) -> list[str]:
    """So many different prompts that ask the server for the same."""
    return [f"{what} row {i}" for i in range(count)]


async def crowd(rows: list[str], at_once: int, ask: Callable[[str], Awaitable[object]]) -> None:
    """All rows, so many at once."""
    gate = asyncio.Semaphore(at_once)

    async def one(row: str) -> None:
        async with gate:
            await ask(row)

    await asyncio.gather(*map(one, rows))


async def by_httpx(url: str, rows: list[str], at_once: int) -> None:
    """One client of plain httpx."""
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=at_once), timeout=60) as client:
        await crowd(rows, at_once, lambda row: plain(client, url, row))


async def by_openai(url: str, rows: list[str], at_once: int) -> None:
    """The client of openai, streaming, as its documentation shows it."""
    import openai  # noqa: PLC0415 - where it is installed

    async with openai.AsyncOpenAI(base_url=url, api_key="sk-made-up", timeout=60) as client:

        async def ask(row: str) -> None:
            text, asked = "", [{"role": "user", "content": row}]
            async for chunk in await client.chat.completions.create(model="m", messages=asked, stream=True):
                if chunk.choices and chunk.choices[0].delta.content:
                    text += chunk.choices[0].delta.content
            assert text == WORDS

        await crowd(rows, at_once, ask)


def by_map(url: str, rows: list[str], at_once: int) -> None:
    """`llm.map`."""
    found = LLM("m", base_url=url).map(rows, "{{ text }}", concurrency=at_once, progress=False)
    assert set(found) == {WORDS}


#: How each asks, and which share of the rows it is given: plain httpx takes long.
WAYS: dict[str, tuple[Callable[[str, list[str], int], object], float]] = {
    "lk_notebook": (by_map, 1),
    "openai": (lambda *asked: asyncio.run(by_openai(*asked)), 1),
    "plain httpx": (lambda *asked: asyncio.run(by_httpx(*asked)), 0.5),
}


def one_way(name: str, url: str, count: int, at_once: int, seconds: float) -> tuple[float, float]:
    """The share of the ideal rate and the CPU a row, in milliseconds, of one way in a warm process."""
    way, rows = WAYS[name][0], rows_of(count, f"pieces=10 seconds={seconds}")
    way(url, rows_of(at_once, "pieces=10 seconds=0.01 warm"), at_once)
    begun = time.perf_counter()
    used = cpu(lambda: way(url, rows, at_once))
    return count / at_once * seconds / (time.perf_counter() - begun), used / count * 1e3


def rate(url: str, rounds: int, *, smoke: bool) -> None:
    """2,000 rows, 100 at once, 0.2 s and 10 pieces each: the share of the ideal rate, CPU a row.

    Each way in turn, in a process of its own: what one has loaded is no burden to another's collector.
    """
    count, at_once, seconds = (40, 20, 0.1) if smoke else (2000, 100, 0.2)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in WAYS}
    if importlib.util.find_spec("openai") is None:
        del found["openai"]
        print("openai is not installed, so it is not compared.")
    for _ in range(rounds):
        for name, each in found.items():
            asked = json.dumps([name, url, int(count * WAYS[name][1]), at_once, seconds])
            done = subprocess.run(
                [sys.executable, __file__, "--way", asked], stdout=subprocess.PIPE, text=True, check=True
            )
            each.append(tuple(json.loads(done.stdout)))
    middle = {
        name: tuple(statistics.median(column) for column in zip(*each, strict=True)) for name, each in found.items()
    }
    for name, (share, used) in middle.items():
        of = statistics.median(
            ours[1] / theirs[1] for ours, theirs in zip(found["lk_notebook"], found[name], strict=True)
        )
        print(f"map, {name}: {share:.2f} of the ideal rate, {used:.2f} ms CPU a row (lk_notebook has {of:.3f} of that)")


def told(url: str) -> dict[str, int]:
    """What the server counted since it was last asked."""
    with urllib.request.urlopen(url) as reply:
        return json.load(reply)


def faults(url: str, _rounds: int, *, smoke: bool) -> None:
    """One row in ten meets a fault at its first try, of every kind in turn: none is wrong, none lost."""
    count = 60 if smoke else 2000
    rows = [f"pieces=10 {f'fault={i // 10 % FAULTS} ' if i % 10 == 3 else ''}row {i}" for i in range(count)]
    told(url)
    found = LLM("m", base_url=url, timeout=10.0).map(rows, "{{ text }}", concurrency=50, progress=False)
    wrong, lost = sum(value not in (None, WORDS) for value in found), sum(value is None for value in found)
    print(f"map, 10 % faults: {wrong} wrong, {lost} lost, {told(url)['asked'] / count:.3f} requests a row")


def limit(url: str, _rounds: int, *, smoke: bool) -> None:
    """A provider of so many requests a minute, refilled evenly and full at first."""
    rpm, count = (600, 620) if smoke else (60, 100)
    told(url)
    begun = time.perf_counter()
    llm = LLM("m", base_url=url)
    assert None not in llm.map(rows_of(count, f"rpm={rpm} pieces=1"), "{{ text }}", progress=False)
    took, counts = time.perf_counter() - begun, told(url)
    share, asked = took / ((count - rpm) * 60 / rpm), counts["asked"] / count
    print(f"map, {rpm} requests a minute: {share:.3f} of the ideal time, {asked:.3f} requests a row")


MEMORY = """
import gc, json, os, sys, threading, time
import psutil
from lk_notebook import LLM
url, count = sys.argv[1], int(sys.argv[2])
llm, rss = LLM("m", base_url=url), lambda: psutil.Process().memory_info().rss / 1e6
llm.map([f"pieces=1 warm {i}" for i in range(200)], "{{ text }}", progress=False, concurrency=50)
rows = [f"pieces=1 row {i}" for i in range(count)]
gc.collect()
before, peak, seen, over = rss(), [0.0], [], threading.Event()
journal = sys.argv[3]
def watch():
    while not over.wait(0.2):
        peak[0] = max(peak[0], rss())
        seen.append((time.time(), os.stat(journal).st_size, time.process_time()))
open(journal, "w").close()
thread = threading.Thread(target=watch); thread.start()
found = llm.map(rows, "{{ text }}", progress=False, concurrency=50, journal=journal)
over.set(); thread.join()
assert None not in found
output = sum(map(sys.getsizeof, found)) / 1e6 + sys.getsizeof(found) / 1e6
size = os.stat(journal).st_size
def between(low, high):
    a, b = (next((each for each in seen if each[1] >= part * size), seen[-1]) for part in (low, high))
    rows = (b[1] - a[1]) / size * count
    return rows / max(1e-9, b[0] - a[0]), (b[2] - a[2]) / max(1, rows) * 1e3
print(json.dumps({"grown": peak[0] - before - output, "early": between(0.1, 0.3), "late": between(0.7, 0.9)}))
"""


def memory(url: str, _rounds: int, *, smoke: bool) -> None:
    """100,000 short rows with a journal: peak memory above input and output; rate and CPU a row, early and late."""
    count = 2000 if smoke else 100_000
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", MEMORY, url, str(count), str(Path(folder, "labels.jsonl"))]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    got = json.loads(done.stdout)
    early, late = got["early"], got["late"]
    print(
        f"map, {count} rows: {got['grown']:.0f} MB above input and output; early {early[0]:.0f} rows/s and "
        f"{early[1]:.2f} ms CPU a row, late {late[0]:.0f} and {late[1]:.2f}"
    )


def dask(url: str, _rounds: int, *, smoke: bool) -> None:
    """The same rows over two workers of this machine: what the detour costs."""
    from distributed import Client, LocalCluster  # noqa: PLC0415 - slow to load, for one figure

    count, at_once, seconds = (40, 20, 0.1) if smoke else (2000, 100, 0.2)
    rows, llm = rows_of(count, f"pieces=10 seconds={seconds}"), LLM("m", base_url=url)
    with LocalCluster(2, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster) as client:
        more = {"client": client, "concurrency": at_once, "progress": False}
        llm.map(rows[:at_once], "{{ text }}", **more)
        begun = time.perf_counter()
        used = cpu(lambda: llm.map(rows, "{{ text }}", **more))
        share = count / at_once * seconds / (time.perf_counter() - begun)
    print(f"map, 2 workers: {share:.2f} of the ideal rate, {used / count * 1e3:.2f} ms CPU a row here and at Dask's")


BENCHES = {f.__name__: f for f in (rate, faults, limit, memory, dask)}


def main() -> None:
    """Runs those that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=[], choices=[*BENCHES, []])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--way", help=argparse.SUPPRESS)  # one way of `rate`, in a process of its own
    read = parser.parse_args()
    os.environ.update(NO_PROXY="127.0.0.1", LK_NOTEBOOK_MEASUREMENTS="off")
    if read.way:
        print(json.dumps(one_way(*json.loads(read.way))))
        return
    with Served() as url:
        for name in read.names or BENCHES:
            BENCHES[name](url, 1 if read.smoke else read.rounds, smoke=read.smoke)


if __name__ == "__main__":
    main()
