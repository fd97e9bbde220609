"""What lk_notebook costs beside plain httpx, as ratios of one interleaved run.

    python tests/bench/bench.py [stream first many load memory] [--rounds 7] [--smoke]

Machines are noisy: only ratios of one run mean anything, and nothing passes or fails by time. `--smoke` runs each
once, small, to see that it runs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from httpx_aiohttp import HttpxAiohttpClient

from lk_notebook import LLM

SERVER = Path(__file__).with_name("server.py")


class Served:
    """The server, for as long as the benchmark runs."""

    def __enter__(self) -> str:
        self.process = subprocess.Popen(
            [sys.executable, SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return f"http://127.0.0.1:{self.process.stdout.readline().strip()}/v1"

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()
        self.process.wait(5)


def body(prompt: str) -> dict:
    """The same request for both."""
    messages = [{"role": "user", "content": prompt}]
    return {"model": "m", "messages": messages, "stream": True, "stream_options": {"include_usage": True}}


async def plain(client: httpx.AsyncClient, url: str, prompt: str, first: list[float] | None = None) -> int:
    """Plain httpx: bytes split at blank lines, json.loads. Returns the characters of text."""
    size, rest, begun = 0, b"", time.perf_counter()
    async with client.stream("POST", url + "/chat/completions", json=body(prompt)) as response:
        async for data in response.aiter_bytes():
            *events, rest = (rest + data).split(b"\n\n")
            for each in events:
                if each.startswith(b"data: {"):
                    chunk = json.loads(each[6:])
                    if chunk["choices"] and (text := chunk["choices"][0]["delta"].get("content")):
                        size += len(text)
                        if first is not None and not first:
                            first.append(time.perf_counter() - begun)
    return size


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def middle(rows: list[tuple[float, float]], name: str, unit: str, scale: float) -> None:
    """The medians of both and their ratio."""
    ours, theirs = (statistics.median(values) * scale for values in zip(*rows, strict=True))
    print(f"{name}: lk_notebook {ours:.2f} {unit}, plain httpx {theirs:.2f} {unit}, ratio {ours / theirs:.2f}")


def stream(url: str, rounds: int, *, smoke: bool) -> None:
    """CPU per chunk of a fast stream, `for piece in llm(…)` from the main thread."""
    chunks = 200 if smoke else 5000
    llm, rows = LLM("m", base_url=url), []

    async def theirs() -> None:
        async with httpx.AsyncClient() as client:
            await plain(client, url, f"chunks={chunks}")

    def ours() -> None:
        assert sum(len(piece) for piece in llm(f"chunks={chunks}")) == 5 * chunks

    ours()
    rows += [(cpu(ours), cpu(lambda: asyncio.run(theirs()))) for _ in range(rounds)]
    middle(rows, "CPU per chunk", "µs", 1e6 / chunks)


def first(url: str, rounds: int, *, smoke: bool) -> None:
    """Time to the first text on a warm connection."""
    llm, rows = LLM("m", base_url=url), []

    async def both() -> None:
        async with httpx.AsyncClient() as client:
            for _ in range(5 if smoke else 30 * rounds):
                seen: list[float] = []
                await plain(client, url, "pieces=2", seen)
                begun = time.perf_counter()
                async for _ in llm("pieces=2"):
                    rows.append((time.perf_counter() - begun, seen[0]))
                    break
                await asyncio.sleep(0.005)

    asyncio.run(both())
    middle(rows[1:], "first text, warm", "ms", 1e3)
    rows.clear()
    for _ in range(5 if smoke else 30 * rounds):
        begun = time.perf_counter()
        next(iter(llm("pieces=2")))
        rows.append((time.perf_counter() - begun, 1.0))
        time.sleep(0.005)
    print(f"first text, warm, from the main thread: {statistics.median(r[0] for r in rows[1:]) * 1e3:.2f} ms")


def many(url: str, rounds: int, *, smoke: bool) -> None:
    """1,000 requests, 100 at a time, 0.2 s and 10 pieces each: the share of the ideal rate, CPU a request."""
    requests, at_once = (20, 10) if smoke else (1000, 100)
    ideal = requests / at_once * 0.2
    llm = LLM("m", base_url=url)

    async def crowd(ask: Callable[[], object]) -> None:
        gate = asyncio.Semaphore(at_once)

        async def one() -> None:
            async with gate:
                await ask()

        await asyncio.gather(*(one() for _ in range(requests)))

    async def ours() -> None:
        async def ask() -> None:
            assert (await llm("pieces=10 seconds=0.2")).text == " word" * 10

        await crowd(ask)

    async def transport() -> None:
        async with HttpxAiohttpClient(limits=httpx.Limits(max_connections=1000), timeout=60) as client:
            await crowd(lambda: plain(client, url, "pieces=10 seconds=0.2"))

    async def theirs() -> None:
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=100), timeout=60) as client:
            await crowd(lambda: plain(client, url, "pieces=10 seconds=0.2"))

    def timed(work: Callable[[], object]) -> tuple[float, float]:
        begun = time.perf_counter()
        used = cpu(lambda: asyncio.run(work()))
        return ideal / (time.perf_counter() - begun), used / requests * 1e3

    rows = [(timed(ours), timed(transport)) for _ in range(1 if smoke else rounds)]
    for name, found in (
        ("lk_notebook", [r[0] for r in rows]),
        ("httpx over aiohttp, json.loads", [r[1] for r in rows]),
    ):
        rate, used = (statistics.median(column) for column in zip(*found, strict=True))
        print(f"100 at once, {name}: {rate:.2f} of the ideal rate, {used:.2f} ms CPU a request")
    rate, used = timed(theirs)
    print(f"100 at once, plain httpx: {rate:.2f} of the ideal rate, {used:.2f} ms CPU a request")


def load(_url: str, rounds: int, *, smoke: bool) -> None:
    """CPU of `%load_ext` above bare IPython, and of `import lk_notebook` above bare Python."""
    bare = "from IPython.core.interactiveshell import InteractiveShell as S\ns = S.instance()\n"
    kernel = "import ipykernel.zmqshell\n" + bare
    programs = {
        "%load_ext": (kernel + "s.run_line_magic('load_ext', 'lk_notebook')", kernel),
        "import lk_notebook": ("import lk_notebook", ""),
    }
    timed = "\nimport time; print(time.process_time())"
    for name, (ours, theirs) in programs.items():
        rows = [
            [
                float(
                    subprocess.run(
                        [sys.executable, "-c", code + timed], capture_output=True, text=True, check=True
                    ).stdout.split()[-1]
                )
                for code in (ours, theirs)
            ]
            for _ in range(1 if smoke else 2 * rounds)
        ]
        print(f"{name}: {statistics.median(a - b for a, b in rows):.3f} s CPU above without")


def memory(url: str, _rounds: int, *, smoke: bool) -> None:
    """Peak memory of a large answer over its size."""
    size = 100_000 if smoke else 10_000_000
    program = (
        "import sys; from lk_notebook import LLM\n"
        "llm = LLM('m', base_url=sys.argv[1]); llm('pieces=2').wait()\n"
        "import re; fact = lambda n: 1024 * int(re.search(n + r':\\s+(\\d+)', open('/proc/self/status').read())[1])\n"
        "open('/proc/self/clear_refs', 'w').write('5'); before = fact('VmRSS')\n"
        "reply = llm(f'size={sys.argv[2]}').wait(); size = len(reply.text)\n"
        "assert size == int(sys.argv[2]), (size, reply.error); print((fact('VmHWM') - before) / size)"
    )
    done = subprocess.run([sys.executable, "-c", program, url, str(size)], capture_output=True, text=True, check=True)
    print(f"memory of an answer of {size / 1e6:g} MB: {float(done.stdout):.2f} times its size")


BENCHES = {f.__name__: f for f in (stream, first, many, load, memory)}


def main() -> None:
    """Runs those that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=[], choices=[*BENCHES, []])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--smoke", action="store_true")
    read = parser.parse_args()
    os.environ["NO_PROXY"] = "127.0.0.1"
    with Served() as url:
        for name in read.names or BENCHES:
            BENCHES[name](url, 1 if read.smoke else read.rounds, smoke=read.smoke)


if __name__ == "__main__":
    main()
