"""Packages of npm that tests use: each is installed once, beside the Python that runs them."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(sys.prefix) / "npm"
#: Rules of accessibility; types of JavaScript.
VERSIONS = {"axe-core": "4.14.1", "typescript": "7.0.2"}


def package(name: str) -> Path:
    """The folder of the package; npm brings it when it is not there."""
    there = FOLDER / f"{name}-{VERSIONS[name]}"
    if not there.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise AssertionError("No npm. Install it (Debian: npm), or put it on the PATH.")
        FOLDER.mkdir(exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=FOLDER))
        command = [npm, "install", "--no-save", "--no-audit", "--no-fund", "--prefix", str(made)]
        subprocess.run([*command, f"{name}@{VERSIONS[name]}"], check=True, capture_output=True, text=True)
        with contextlib.suppress(OSError):  # another test was first
            made.rename(there)
    return there / "node_modules" / name
