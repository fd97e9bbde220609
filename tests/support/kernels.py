"""Real kernels in a clean environment: run cells as a notebook does, queue them, interrupt, and see what is shown."""

from __future__ import annotations

import contextlib
import copy
import html
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager
from player import Answer, Player, Request
from typing_extensions import Self

from lk_notebook.net.local import cached

ROOT = Path(__file__).resolve().parents[2]
KEPT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "TEMP", "SYSTEMROOT", "VIRTUAL_ENV")
SECRET = "never-show-this-secret-0123456789ab"
FOLDERS = ("HOME", "IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "XDG_CONFIG_HOME")
SPEC = """{"argv": ["%s", "-m", "ipykernel_launcher", "-f", "{connection_file}"], "display_name": "test",
"language": "python", "interrupt_mode": "signal", "metadata": {"debugger": false}}"""


def clean_environment(home: Path, more: Mapping[str, str] = {}) -> dict[str, str]:
    """What a fresh machine's shell holds, its home in `home`; no account, no local model, no settings of who runs them.

    LK_IPYKERNEL names a folder with another ipykernel, to be tested in place of the installed one.
    """
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    folders = {name: str(home / name.lower()) for name in FOLDERS}
    paths = [os.environ.get("LK_IPYKERNEL", ""), str(ROOT)]
    own = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "NO_PROXY": "127.0.0.1", "PYTHONUTF8": "1"}
    return kept | folders | own | {"LK_LOCAL_MODEL": "off"} | dict(more)


def local_model() -> dict[str, str]:
    """The variables with which the local model answers, its weights in the cache of who runs the tests."""
    weights = cached(os.environ.get)
    if weights is None or not weights.is_file():
        raise AssertionError("The weights of the local model are not there: python -m lk_notebook local")
    return {"LK_LOCAL_MODEL": "", "XDG_CACHE_HOME": str(weights.parent.parent)}


def livekit(player: Player) -> dict[str, str]:
    """The variables of a LiveKit account whose inference gateway is the player."""
    return {"LIVEKIT_INFERENCE_URL": player.base_url, "LIVEKIT_API_KEY": "APItest", "LIVEKIT_API_SECRET": SECRET}


@dataclass
class Ran:
    """A cell that runs or ran: its outputs in notebook form, its reply, and when things happened (time.time()).

    `answers` are what the user will type where the cell asks for input, `asked` the questions it put.
    """

    source: str
    answers: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    outputs: list[dict[str, Any]] = field(default_factory=list)
    reply: dict[str, Any] = field(default_factory=dict)
    idle: bool = False
    sent: float = 0.0
    started: float | None = None
    ended: float | None = None
    updates: int = 0

    @property
    def status(self) -> str:
        """`ok`, `error`, `aborted` (a cell before it failed), or `running`."""
        return self.reply.get("status", "running")

    @property
    def shown(self) -> str:
        """All that a reader sees: streams, text of displays (from their HTML where they have it), errors."""
        return "\n".join(_visible(output) for output in self.outputs)

    @property
    def html(self) -> str:
        """The HTML of all displays."""
        return "\n".join(str(output.get("data", {}).get("text/html", "")) for output in self.outputs)

    @property
    def error(self) -> list[str]:
        """The lines of the cell's error as they are shown; none where it did not fail."""
        return "\n".join(_visible(output) for output in self.outputs if output["output_type"] == "error").splitlines()

    @property
    def everything(self) -> str:
        """Each byte that left the kernel for this cell, to search for what must not be there."""
        return repr(self.outputs) + repr(self.reply)


def _visible(output: Mapping[str, Any]) -> str:
    if output["output_type"] == "stream":
        return str(output["text"])
    if output["output_type"] == "error":
        return re.sub(r"\x1b\[[\d;]*m", "", "\n".join(output["traceback"]))
    data = output["data"]
    if "text/html" in data:
        text = re.sub(r"(?s)<(style|script).*?</\1>", "", data["text/html"])
        return html.unescape(re.sub(r"<[^>]*>", "", re.sub(r"</(p|div|li|tr|h\d|pre)>|<br>", "\n", text)))
    return str(data.get("text/markdown", data.get("text/plain", "")))


class Kernel:
    """One kernel of its own. `run` waits for a cell; `send` and `finish` do so in two steps; `run_all` queues many."""

    def __init__(self, environment: Mapping[str, str] | None = None, *, load: bool = True) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="lk"))
        (self.home / "specs" / "test").mkdir(parents=True)
        (self.home / "specs" / "test" / "kernel.json").write_text(SPEC % sys.executable.replace("\\", "\\\\"), "utf-8")
        specs = KernelSpecManager(kernel_dirs=[str(self.home / "specs")], ensure_native_kernel=False)
        self.manager = KernelManager(kernel_name="test", kernel_spec_manager=specs, transport="ipc")
        self.manager.ip = str(self.home / "k")
        self.manager.connection_file = str(self.home / "connection.json")
        with (self.home / "log").open("wb") as log:
            env = clean_environment(self.home, environment or {})
            self.manager.start_kernel(env=env, cwd=str(self.home), stdout=log, stderr=log)
        self._connect()
        self._others: list[Kernel] = []
        if load and (loaded := self.run("%load_ext lk_notebook")).status != "ok":
            raise AssertionError(loaded.shown)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _connect(self) -> None:
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        self.cells: dict[str, Ran] = {}
        self._displays: dict[str, list[dict[str, Any]]] = {}

    def another(self) -> Kernel:
        """A second notebook on this kernel: a client of its own; it ends with this one."""
        other = copy.copy(self)
        other._connect()
        self._others.append(other)
        return other

    @property
    def log(self) -> str:
        """What the kernel's process wrote to its own stdout and stderr, past the notebook."""
        return (self.home / "log").read_text("utf-8", errors="replace")

    def close(self) -> None:
        """End the kernel, whatever it does."""
        for each in (self, *self._others):
            each.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()
        shutil.rmtree(self.home, ignore_errors=True)

    def send(
        self, source: str, *, cell: str | None = None, answers: Sequence[str] | None = None, **options: Any
    ) -> Ran:
        """Ask for a cell to be run, without waiting.

        `cell` is its id in the notebook: JupyterLab sends one, other front ends do not. `answers` are typed where it
        asks for input; without them there is nobody to ask. Further options are fields of the execute_request.
        """
        ran = Ran(source, list(answers or ()), sent=time.time())
        content = {"code": source, "silent": False, "store_history": True, "user_expressions": {}}
        content |= {"allow_stdin": answers is not None, "stop_on_error": True} | options
        message = self.client.session.msg("execute_request", content, metadata={"cellId": cell} if cell else {})
        self.cells[message["header"]["msg_id"]] = ran
        self.client.shell_channel.send(message)
        return ran

    def run(self, source: str, seconds: float = 30, **options: Any) -> Ran:
        """Run a cell to its end."""
        return self.finish(self.send(source, **options), seconds=seconds)[0]

    def run_all(self, sources: Sequence[str], seconds: float = 60) -> list[Ran]:
        """Queue cells at once, as Run All does, and wait for all of them."""
        return self.finish(*[self.send(source) for source in sources], seconds=seconds)

    def finish(self, *cells: Ran, seconds: float = 30) -> list[Ran]:
        """Wait until the cells have their replies and all their outputs."""
        if not self.wait(lambda: all(ran.reply and ran.idle for ran in cells), seconds):
            waiting = [ran.source for ran in cells if not (ran.reply and ran.idle)]
            raise AssertionError(f"not ended within {seconds} s: {waiting}; shown: {[ran.shown for ran in cells]}")
        return list(cells)

    def wait(self, holds: Callable[[], Any], seconds: float = 30) -> bool:
        """Whether it came to hold within so many seconds, while messages are taken in."""
        last = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > last:
                return False
            self._take()
        return True

    def interrupt(self) -> float:
        """■: the time at which it was pressed."""
        pressed = time.time()
        self.manager.interrupt_kernel()
        return pressed

    def _take(self) -> None:
        with contextlib.suppress(Empty):
            self._output(self.client.get_iopub_msg(timeout=0.02))
        while self.client.shell_channel.is_alive() and self._waiting():
            message = self.client.get_shell_msg(timeout=1)
            if ran := self.cells.get(message["parent_header"].get("msg_id", "")):
                ran.reply, ran.ended = message["content"], time.time()
        while self.client.stdin_channel.is_alive() and self.client.stdin_channel.msg_ready():
            self._type(self.client.get_stdin_msg(timeout=1))

    def _type(self, message: dict[str, Any]) -> None:
        ran = self.cells[message["parent_header"]["msg_id"]]
        ran.asked.append(message["content"]["prompt"])
        if len(ran.asked) > len(ran.answers):
            raise AssertionError(f"the cell asks once more than it has answers: {ran.asked}")
        self.client.input(ran.answers[len(ran.asked) - 1])

    def _waiting(self) -> bool:
        return bool(self.client.shell_channel.socket.poll(0))

    def _output(self, message: dict[str, Any]) -> None:
        kind, content = message["msg_type"], message["content"]
        ran = self.cells.get(message["parent_header"].get("msg_id", ""))
        if kind == "update_display_data":
            self._update(content, ran)
        elif ran is None:
            return
        elif kind == "status":
            ran.idle = content["execution_state"] == "idle"
        elif kind == "execute_input":
            ran.started = time.time()
        elif kind == "clear_output":
            ran.outputs.clear()
        elif kind in ("stream", "display_data", "execute_result", "error"):
            self._append(ran, {"output_type": kind, **content})

    def _append(self, ran: Ran, output: dict[str, Any]) -> None:
        last = ran.outputs[-1] if ran.outputs else {}
        if output["output_type"] == "stream" and last.get("name") == output["name"]:
            last["text"] += output["text"]
            return
        ran.outputs.append(output)
        if display := output.get("transient", {}).get("display_id"):
            self._displays.setdefault(display, []).append(output)

    def _update(self, content: dict[str, Any], ran: Ran | None) -> None:
        for output in self._displays.get(content["transient"]["display_id"], []):
            output.update(data=content["data"], metadata=content["metadata"])
        if ran:
            ran.updates += 1


class Stage:
    """A kernel whose LiveKit account is a player, for many tests that do not touch each other.

    Each sets its own answers by `play`, and finds in `requests` what was asked since. `name` is a word of its own, for
    chats and cells that no other test has.
    """

    def __init__(self) -> None:
        self._answers: Callable[[Request], Answer] | Sequence[Answer] = ()
        self._first = self._plays = 0
        self.player = Player(self._answer)
        self.kernel = Kernel(livekit(self.player))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.kernel.close()
        self.player.close()

    def play(self, *answers: Any) -> None:
        """From here on these answers, the last one repeated; or a function of the request."""
        self._answers = answers[0] if len(answers) == 1 and callable(answers[0]) else answers
        self._first = len(self.player.requests)
        self._plays += 1

    @property
    def name(self) -> str:
        """A word that is new with each `play`."""
        return f"n{self._plays}"

    @property
    def requests(self) -> list[Request]:
        """What was asked since `play`."""
        return self.player.requests[self._first :]

    def run(self, source: str, **options: Any) -> Ran:
        """Run a cell to its end."""
        return self.kernel.run(source, **options)

    def _answer(self, request: Request) -> Answer:
        if callable(self._answers):
            return self._answers(request)
        return self._answers[min(len(self.requests), len(self._answers)) - 1]
