"""Figures of the local model: start, memory, first token, speed, calm and beside a neighbour that takes a whole core.

python tests/bench/local.py
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil

from lk_notebook import LLM
from lk_notebook.net import local, loop

WRITES = "Count from one to five hundred, in words."
READS = "bee " * 1000


def ask(prompt: str, tokens: int, times: int = 3) -> tuple[float, float, float]:
    """Seconds to the first token and to the end, and tokens a second: the medians of so many answers."""
    replies = [LLM(extra_kwargs={"max_tokens": tokens})(f"{i}: {prompt}").wait() for i in range(times)]
    if failed := next((reply.error for reply in replies if reply.error), None):
        raise failed
    told = zip(
        *((each.ttft or 0.0, each.duration or 0.0, each.tokens_per_second or 0.0) for each in replies), strict=True
    )
    first, whole, speed = (statistics.median(each) for each in told)
    return first, whole, speed


@contextlib.contextmanager
def neighbour() -> Iterator[None]:
    """A process that takes a whole core."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        time.sleep(0.5)
        try:
            yield
        finally:
            busy.kill()


def memory() -> str:
    """MiB of the server: all of it, and what of it are files, which all kernels of a machine share."""
    found = psutil.Process(local.KEEPER._child._process.pid).memory_info()
    return f"{found.rss / 2**20:.0f} MiB resident, {found.shared / 2**20:.0f} of it files"


async def stop() -> None:
    """Ends the server."""
    local.KEEPER.stop()


def main() -> None:
    """Measures, and prints a line for each figure."""
    argparse.ArgumentParser(description=str(__doc__).splitlines()[0]).parse_args()
    os.environ["LK_LOCAL_MODEL"] = ""
    print(f"load of the machine {os.getloadavg()[0]:.1f}, {os.cpu_count()} processors")
    begun = time.monotonic()
    first = LLM(extra_kwargs={"max_tokens": 1})("hi").wait()
    if first.model == "lk/demo":
        sys.exit(f"The local model is not here: {first.notes or 'not installed'}")
    print(f"cold: first token after {time.monotonic() - begun:.2f} s, imports and start of the server included")
    loop.wait(stop())
    begun = time.monotonic()
    LLM(extra_kwargs={"max_tokens": 1})("hi").wait()
    print(f"start of the server alone: first token after {time.monotonic() - begun:.2f} s")
    for how, beside in (("as it is", contextlib.nullcontext()), ("beside a busy core", neighbour())):
        with beside:
            first, _, speed = ask(WRITES, 100)
            _, read, _ = ask(READS, 1, times=1)
        print(f"{how}: first token {first:.2f} s, {speed:.0f} tok/s; a prompt of 1000 tokens read in {read:.1f} s")
    print(memory())
    loop.wait(stop())


if __name__ == "__main__":
    main()
