"""Packages of npm that tests use: those of a folder's package.json, installed once into the user's cache.

python tests/support/npm.py FOLDER  ->  prints the `node_modules` with them
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lk_notebook-tests"


def modules(folder: str) -> Path:
    """The `node_modules` with what `tests/FOLDER/package.json` names; npm brings them when that has changed."""
    wanted, there = TESTS / folder / "package.json", CACHE / folder
    there.mkdir(parents=True, exist_ok=True)
    done = there / "done.json"
    with (there / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests run side by side
        if not done.exists() or done.read_bytes() != wanted.read_bytes():
            npm = shutil.which("npm")
            if npm is None:
                raise AssertionError("No npm. Install it (Debian: nodejs, npm), or put it on the PATH.")
            shutil.copy(wanted, there / "package.json")
            options = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "--fetch-retries=5"]
            command = [npm, "install", *options, "--prefix", str(there)]
            for last in (False, False, True):  # a registry may fail once
                if subprocess.run(command, check=last, stdout=subprocess.DEVNULL, timeout=600).returncode == 0:
                    break
            shutil.copy(wanted, done)
    return there / "node_modules"


def package(name: str) -> Path:
    """The folder of a package that looks at views: see tests/view/package.json."""
    return modules("view") / name


if __name__ == "__main__":
    print(modules(sys.argv[1]))
