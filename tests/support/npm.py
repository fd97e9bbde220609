"""Packages of npm that tests use: installed once, beside the Python that runs them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(sys.prefix) / "npm"
#: Rules of accessibility; types of JavaScript.
VERSIONS = {"axe-core": "4.14.1", "typescript": "7.0.2"}


def package(name: str) -> Path:
    """The folder of the package; npm brings it when it is not there."""
    there = FOLDER / "node_modules" / name
    if not there.exists():
        npm = shutil.which("npm")
        if npm is None:
            raise AssertionError("No npm. Install it (Debian: npm), or put it on the PATH.")
        FOLDER.mkdir(exist_ok=True)
        command = [npm, "install", "--no-save", "--no-audit", "--no-fund", "--prefix", str(FOLDER)]
        subprocess.run([*command, f"{name}@{VERSIONS[name]}"], check=True, capture_output=True, text=True)
    return there
