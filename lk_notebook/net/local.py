"""The local model on this machine: whether it can be asked, and the life of the server that answers for it.

The server is a child process: what OpenMP is told counts before it is loaded, and ■ interrupts the kernel's own
process group. It listens at a Unix socket in a folder of its own (Windows: at a port of 127.0.0.1), wants a token, and
lives as long as the pipe to its stdin is open, which is closed when this process ends, however it ends.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from lk_notebook.core import local
from lk_notebook.core.local import Standing, Weights
from lk_notebook.core.values import Secret
from lk_notebook.errors import APIConnectionError
from lk_notebook.net import cache, machine

Getenv = Callable[[str], "str | None"]

#: Seconds without a question after which the server is ended; the next one starts it again within a second or two.
IDLE_SECONDS = 15 * 60.0
#: A busy machine takes some seconds to load the weights.
START_SECONDS = 90.0
_LONGEST_PATH = 100  # characters of a socket's path; the systems allow 104 to 108
_OFF = ("off", "0", "no", "false")


def standing(getenv: Getenv) -> Standing:
    """Whether the local model can be asked here, and why not. Nothing is imported, started or fetched.

    LK_LOCAL_MODEL names another file, or is "off"; LK_LOCAL_MEMORY says how many MiB must be free.
    """
    said = (getenv("LK_LOCAL_MODEL") or "").strip()
    if said.lower() in _OFF:
        return local.OFF
    if find_spec(local.RUNTIME) is None:
        return local.ABSENT
    found = _own(said) if said else _found(getenv)
    if isinstance(found, Standing):
        return found
    if not KEEPER.runs(found) and (free := machine.free()) is not None:
        needs = local.needs(Path(found.path).stat().st_size, getenv("LK_LOCAL_MEMORY"))
        if free < needs:
            return local.no_memory(free, needs)
    return Standing(found)


def _own(said: str) -> Weights | Standing:
    path = Path(said).expanduser().absolute()
    return local.of_own(str(path)) if path.is_file() else local.no_file(said)


def _found(getenv: Getenv) -> Weights | Standing:
    """The first of the places that has the weights."""
    own, other = (_in_package(name) for name in local.PACKAGES)
    for path in (own, cached(getenv), other):
        if path is not None and path.is_file():
            return Weights(str(path))
    return local.NO_WEIGHTS


def cached(getenv: Getenv) -> Path | None:
    """Where `python -m lk_notebook local` puts the weights; None where the user has no cache."""
    folder = cache.folder(getenv)
    return None if folder is None else folder / local.FILE


def _in_package(name: str) -> Path | None:
    """The file in an installed package, by its path alone."""
    spec = find_spec(name)
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places)), local.FILE) if places else None


class Child:
    """One server process, from its start on; `ready` gives its address, or how it failed."""

    def __init__(self, weights: Weights) -> None:
        # "~" begins no word: the end of an answer that may become a known secret is held back
        self.weights, self.token = weights, Secret("~" + secrets.token_urlsafe(32))
        self.ready: concurrent.futures.Future[str] = concurrent.futures.Future()
        self._folder = _folder()
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "lk_notebook.net.local_server"], cwd=self._folder, env=_environment(),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, bufsize=0, **_apart(),
            )  # fmt: skip
        threading.Thread(target=self._begin, name="lk_notebook local", daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether it runs, or starts."""
        return self._process.poll() is None

    def stop(self) -> None:
        """Ends it now; it has nothing to save."""
        self._process.kill()
        self._process.wait()
        self.forsake()
        shutil.rmtree(self._folder, ignore_errors=True)

    def forsake(self) -> None:
        """Closes the pipes: in a fork they would keep another's server alive."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _begin(self) -> None:
        """Tells it what to serve, and waits for its first word, in a thread of its own."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None  # noqa: S101, PT018 - for the type checker
        said: dict[str, str] = {}
        with contextlib.suppress(OSError, ValueError):  # it has ended
            stdin.write(json.dumps(self._order()).encode() + b"\n")
            said = json.loads(stdout.readline())
        if address := said.get("address"):
            self.ready.set_result(address)
        else:
            self.ready.set_exception(_no_start(said.get("error") or self._last_words()))

    def _order(self) -> dict[str, Any]:
        """What it is told; no secret stands in its arguments or its environment."""
        return {
            "model": self.weights.path,
            "alias": self.weights.model,
            "sha256": self.weights.sha256,
            "host": "127.0.0.1" if sys.platform == "win32" else str(self._folder / "s.sock"),
            "token": self.token.reveal(),
            "threads": machine.threads(local.MOST_THREADS),
            "memory": None if self.weights.sha256 is None else local.MOST_MIB,
            "settings": dict(local.SETTINGS),
        }

    def _last_words(self) -> str:
        """What a server that ended without a word had written."""
        status = self._process.wait()
        lines = (self._folder / "log").read_text("utf-8", "replace").strip().splitlines()
        return f"it ended with status {status}" + (f": {lines[-1][:300]}" if lines else ".")


def _folder() -> Path:
    """A folder that nobody else may enter, with a path short enough for a socket in it."""
    folder = Path(tempfile.mkdtemp(prefix="lk-local-"))
    if sys.platform == "win32" or len(str(folder / "s.sock")) < _LONGEST_PATH:
        return folder
    folder.rmdir()
    return Path(tempfile.mkdtemp(prefix="lk-local-", dir="/tmp"))  # mkdtemp makes it ours alone


def _environment() -> dict[str, str]:
    """What the server needs, and no key; it finds packages where this process does."""
    kept = {name: os.environ[name] for name in local.KEPT if name in os.environ}
    path = [*(str(Path(each).absolute()) for each in sys.path if each), str(Path(__file__).parents[2])]
    return {**kept, **local.SET, "PYTHONPATH": os.pathsep.join(path)}


def _apart() -> dict[str, Any]:
    """Out of the reach of ■, which interrupts the whole process group."""
    if sys.platform == "win32":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def _no_start(why: str) -> APIConnectionError:
    mend = "Ask %lkchat lk/demo, or name an account with -a."
    if "libgomp" in why:
        mend = "Install OpenMP's library (Debian, Ubuntu: apt-get install libgomp1), or ask lk/demo."
    elif "is not the file" in why:
        mend = "Fetch it again: python -m lk_notebook local"
    return APIConnectionError(f"The local model did not start: {why}", mend)


class Keeper:
    """Has one server while it is asked, and for some minutes after; used on the background loop alone.

    Example:
        ```python
        child = await KEEPER.child(Weights("model.gguf"))  # started, if none runs
        KEEPER.rest()  # the last question has ended
        ```
    """

    def __init__(self, idle: float = IDLE_SECONDS) -> None:
        self._idle = idle
        self._child: Child | None = None
        self._timer: asyncio.TimerHandle | None = None

    def runs(self, weights: Weights) -> bool:
        """Whether its server is there already, so that it takes no further memory."""
        child = self._child
        return child is not None and child.weights == weights and child.alive

    def start(self, weights: Weights) -> Child:
        """The server of these weights; a dead one, or one of other weights, makes place for it."""
        if self._timer is not None:
            self._timer.cancel()
        if not self.runs(weights):
            self.stop()
            self._child = Child(weights)
        assert self._child is not None  # noqa: S101 - for the type checker
        return self._child

    async def child(self, weights: Weights) -> Child:
        """The server, once it takes questions; who stops waiting does not stop it.

        Raises:
            APIConnectionError: it did not start.
        """
        child = self.start(weights)
        try:
            await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(child.ready)), START_SECONDS)
        except asyncio.TimeoutError:
            self.stop()
            raise _no_start(f"it took more than {START_SECONDS:g} s.") from None
        except APIConnectionError as error:
            self.stop()
            raise error.with_traceback(None) from None
        return child

    async def warm(self, weights: Weights) -> None:
        """Starts it before anybody asks, to have it ready; a failure is told to who asks."""
        self.start(weights)
        self.rest()

    def rest(self) -> None:
        """From here on nobody asks."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._idle, self.stop)

    def stop(self) -> None:
        """Ends the server, if there is one."""
        if self._timer is not None:
            self._timer.cancel()
        child, self._child = self._child, None
        if child is not None:
            child.stop()

    def forget(self) -> Keeper:
        """What a fork has: none of its own, and nothing left that keeps this one's server alive."""
        if self._child is not None:
            self._child.forsake()
        return Keeper(self._idle)


#: The one of this process.
KEEPER = Keeper()
_parents: list[Keeper] = []


def _forked() -> None:
    global KEEPER  # noqa: PLW0603 - one a process
    _parents.append(KEEPER)  # kept: it would complain of a process that still runs
    KEEPER = KEEPER.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
