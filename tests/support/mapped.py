"""Maps in processes of their own that may be killed: forked from one that has loaded all, so that each costs little."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from typing_extensions import Self

ROOT = Path(__file__).resolve().parents[2]
#: Reads a job a line, runs each in a forked process, tells its number, and then how it ended.
PROGRAM = """
import json, os, signal, sys
import lk_notebook.net.attempts, lk_notebook.net.client, lk_notebook.table, lk_notebook.partitions
from lk_notebook import LLM

signal.signal(signal.SIGINT, signal.default_int_handler)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # a stop waits until a map can hear it

def run(job):
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    llm = LLM("acme-1", base_url=job["url"], api_key="sk-made-up-0123", timeout=1.0)
    found = llm.map(job["rows"], "Of {{ text }}", journal=job["journal"], progress=False, concurrency=4)
    report = found.report
    told = {"values": list(found), "asked": report.asked, "notes": report.notes, "failed": report.errors.positions}
    with open(job["result"], "w") as file:
        json.dump(told, file)

for line in sys.stdin:
    child = os.fork()
    if child == 0:
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 1)
        status = 1
        try:
            run(json.loads(line))
            status = 0
        except KeyboardInterrupt:
            status = 3
        finally:
            os._exit(status)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


class Mapped:
    """Runs maps, one after another; `start` gives the number of the process, `ended` how it ended (-9: killed)."""

    def __init__(self, folder: Path) -> None:
        self._result = folder / "result.json"
        self.journal = folder / "labels.jsonl"
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "TMPDIR", "VIRTUAL_ENV")}
        env = kept | {"PYTHONPATH": str(ROOT), "NO_PROXY": "*", "LK_NOTEBOOK_MEASUREMENTS": "off", "PYTHONUTF8": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=60)

    def start(self, url: str, rows: list[str]) -> int:
        """Begins a map with the journal."""
        self._result.unlink(missing_ok=True)
        job = {"url": url, "rows": rows, "journal": str(self.journal), "result": str(self._result)}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def ended(self) -> int:
        """How it ended."""
        return int(self._process.stdout.readline())

    @property
    def result(self) -> dict[str, Any]:
        """What the last map that ended well gave."""
        return json.loads(self._result.read_text("utf-8"))

    @property
    def kept(self) -> list[str]:
        """The texts of the whole lines in the journal."""
        whole = self.journal.read_bytes() if self.journal.exists() else b""
        return [json.loads(line)["text"] for line in whole[: whole.rfind(b"\n") + 1].splitlines()[1:]]
