"""Binder without Docker: its frozen base, our binder/ folder put on top as its image is built, and its launch.

`python tests/support/binder_image.py` makes the base, which costs most of a minute and 430 MB, and is kept beside the
environment of the tests.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil
from kernels import ROOT
from lab import Lab, until

PINS = ROOT / "tests" / "lab" / "data" / "binder_base.txt"
#: What a pod of mybinder.org tells its server (jupyterhub/binderhub; mybinder.org-deploy, mybinder/values.yaml).
POD = {"BINDER_LAUNCH_HOST": "https://mybinder.org/", "MEM_LIMIT": str(2 * 1024**3)}
CONFIG = {
    "ServerApp": {"allow_origin": "*", "shutdown_no_activity_timeout": 600},
    "MappingKernelManager": {"cull_idle_timeout": 600, "cull_interval": 60, "cull_connected": True},
}


def base() -> Path:
    """Binder's base as an environment of its own, made where there is none, or one with other pins."""
    folder = Path(sys.prefix) / "binder"
    made = folder / "pins.txt"
    if not made.exists() or made.read_text("utf-8") != PINS.read_text("utf-8"):
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=True)
        _checked([folder / "bin" / "python", "-m", "pip", "install", *QUIET, "-r", PINS])
        shutil.copy(PINS, made)
    return folder


QUIET = ("--quiet", "--disable-pip-version-check")


def _checked(command: list[object], **options: object) -> str:
    done = subprocess.run(
        [str(word) for word in command], capture_output=True, text=True, timeout=600, check=False, **options
    )
    if done.returncode:
        raise AssertionError(f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


class Image:
    """The image of this checkout: a clean copy of it is the home, as on Binder; `said` is what postBuild printed."""

    def __init__(self) -> None:
        self.home, self.bin = Path(tempfile.mkdtemp(prefix="lk")), base() / "bin"
        for name in _files():
            (self.home / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, self.home / name)
        pip = [self.bin / "python", "-m", "pip", "install", *QUIET, "--no-cache-dir"]
        _checked([*pip, "-r", "binder/requirements.txt"], cwd=self.home)
        self.said = _checked(["./binder/postBuild"], cwd=self.home, env=_pip_settings() | self.environment)

    @property
    def environment(self) -> dict[str, str]:
        """All that a process in the image finds: no account, no setting of who runs the tests."""
        return {"HOME": str(self.home), "PATH": os.pathsep.join([str(self.bin), "/usr/local/bin", "/usr/bin", "/bin"])}


def _files() -> Iterator[str]:
    """The files of the checkout that git has, or would take."""
    listed = _checked(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=ROOT)
    return (name for name in listed.splitlines() if (ROOT / name).is_file())


def _pip_settings() -> dict[str, str]:
    """How pip reaches its index on this machine."""
    return {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name.endswith("_proxy")}


class Launch(Lab):
    """A session of the image, as Binder's spawner starts it, with further variables."""

    def __init__(self, image: Image, more: Mapping[str, str] = {}) -> None:
        self.home, self.work, self.token = Path(tempfile.mkdtemp(prefix="lk")), image.home, os.urandom(16).hex()
        (self.home / "jupyter_server_config.json").write_text(json.dumps(CONFIG), "utf-8")
        self.set("notebook-extension/tracker", windowingMode="none")  # a test reads all cells
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.origin = f"http://127.0.0.1:{port}/user/x"
        twice = {
            "base_url": "/user/x/", "token": self.token, "trust_xheaders": "True",
            "allow_origin": "*", "allow_origin_pat": ".*",
        }  # fmt: skip
        flags = [f"--{app}.{name}={value}" for name, value in twice.items() for app in ("NotebookApp", "ServerApp")]
        command = [image.bin / "jupyter-lab", "--ip=127.0.0.1", f"--port={port}", *flags, "--no-browser"]
        env = image.environment | POD | dict(more)
        env |= {"JUPYTER_CONFIG_PATH": str(self.home), "JUPYTERLAB_SETTINGS_DIR": str(self.home / "settings")}
        with (self.home / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*map(str, command), *(["--allow-root"] if os.geteuid() == 0 else [])],
                env=env, cwd=self.work, stdout=log, stderr=log,
            )  # fmt: skip
        if not until(lambda: self.api("status"), 120):
            raise AssertionError("Binder's server did not start: " + (self.home / "log").read_text("utf-8")[-800:])

    def __exit__(self, *exc: object) -> None:
        self.work = Path(tempfile.mkdtemp(prefix="lk"))  # the image stays for the next launch
        super().__exit__(*exc)

    @property
    def memory(self) -> float:
        """MiB that the server and all below it take, what they share counted once."""
        server = psutil.Process(self.process.pid)
        return sum(each.memory_full_info().pss for each in (server, *server.children(recursive=True))) / 1024**2


def opens(badge: str) -> str:
    """What a visitor of the badge's address gets to see: the path behind the server's own."""
    return parse_qs(urlsplit(badge).query)["urlpath"][0]


if __name__ == "__main__":
    base()
