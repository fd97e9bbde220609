"""A JupyterLab or a Notebook 7 of its own on loopback and a Chromium page: open, run, read, save notebooks."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kernels import clean_environment
from playwright.sync_api import Browser, Locator, Page, sync_playwright
from typing_extensions import Self

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]
CELLS = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook .jp-CodeCell:not(.jp-OutputArea-output .jp-CodeCell)"
PROMPTS = (
    f"() => [...document.querySelectorAll('{CELLS}')].map(cell => cell.querySelector('.jp-InputPrompt').innerText)"
)
SHOWN = "cell => [...cell.querySelectorAll('.jp-OutputArea-output')].map(output => output.innerText).join('\\n')"


def find_browser() -> str | None:
    """The Chromium of this machine: $CHROMIUM, else the first on the PATH."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)


class Lab:
    """A JupyterLab with an empty home and the given variables; `work` is the folder it shows.

    `app` is `jupyterlab` or `notebook`: Notebook 7 is made of the same parts.
    """

    path = "lab/tree"  # before the name of a notebook

    def __init__(self, environment: Mapping[str, str] | None = None, *, app: str = "jupyterlab") -> None:
        self.home, self.work = Path(tempfile.mkdtemp(prefix="lk")), Path(tempfile.mkdtemp(prefix="lk"))
        self.token = os.urandom(16).hex()
        self.set("notebook-extension/tracker", windowingMode="none")
        if app == "jupyterlab":  # Notebook 7 has no such plugin
            self.set("apputils-extension/notification", checkForUpdates=False, fetchNews="false")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.origin = f"http://127.0.0.1:{port}"
        options = {
            "ServerApp.ip": "127.0.0.1",
            "ServerApp.port": port,
            "ServerApp.port_retries": 0,
            "ServerApp.open_browser": False,
            "ServerApp.allow_root": True,
            "ServerApp.root_dir": self.work,
            "ServerApp.terminals_enabled": False,
            "IdentityProvider.token": self.token,
        }
        if app == "notebook":
            self.path = "notebooks"
        command = [sys.executable, "-m", app, *[f"--{name}={value}" for name, value in options.items()]]
        own = {f"JUPYTERLAB_{name}_DIR": str(self.home / name.lower()) for name in ("SETTINGS", "WORKSPACES")}
        env = clean_environment(self.home, own | dict(environment or {}))
        with (self.home / "log").open("wb") as log:
            self.process = subprocess.Popen(command, env=env, cwd=self.work, stdout=log, stderr=log)
        if not until(lambda: self.api("status"), 60):
            raise AssertionError(f"{app} did not start: " + (self.home / "log").read_text("utf-8")[-800:])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(15)
        self.process.kill()
        self.process.wait(15)
        for folder in (self.home, self.work):
            shutil.rmtree(folder, ignore_errors=True)

    def set(self, plugin: str, **values: Any) -> None:
        """A user's setting of one of JupyterLab's plugins; a page opened later heeds it."""
        file = self.home / "settings" / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values), "utf-8")

    def theme(self, name: str) -> None:
        """`Light` or `Dark`, for pages opened later."""
        self.set("apputils-extension/themes", theme=f"JupyterLab {name}")

    def api(self, path: str, method: str = "GET") -> Any:
        """What the server's own API says; None while it does not answer."""
        head = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(f"{self.origin}/api/{path}", method=method, headers=head)
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with contextlib.suppress(OSError), direct.open(request, timeout=10) as response:
            return json.loads(response.read() or b"null")
        return None

    def kernel(self, name: str) -> dict[str, Any]:
        """The kernel of a notebook as the server knows it."""
        return next((session["kernel"] for session in self.api("sessions") or [] if session["path"] == name), {})

    def end_kernels(self) -> None:
        """Shut down all kernels and forget their sessions."""
        for session in self.api("sessions") or []:
            self.api("sessions/" + session["id"], "DELETE")

    def write(self, name: str, sources: Sequence[str]) -> None:
        """A notebook of code cells."""
        blank = {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": []}
        cells = [blank | {"id": f"c{i}", "source": source} for i, source in enumerate(sources)]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        whole = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
        (self.work / name).write_text(json.dumps(whole), "utf-8")

    def copy(self, name: str, to: str, **metadata: Any) -> None:
        """The saved notebook under another name, its metadata changed: no signature fits, so the file is untrusted."""
        saved = json.loads((self.work / name).read_text("utf-8"))
        saved["metadata"] |= {"changed": True} | metadata
        (self.work / to).write_text(json.dumps(saved), "utf-8")


class Notebook:
    """A notebook of a lab, open in a page of its own; `errors` are what the page's console complained of."""

    def __init__(self, lab: Lab, browser: Browser, name: str, *, kernel: bool = True, width: int = 1200) -> None:
        self.lab, self.name, self.errors = lab, name, []
        self.page: Page = browser.new_context(viewport={"width": width, "height": 900}).new_page()
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda said: said.type == "error" and self.errors.append(said.text))
        self.page.goto(f"{lab.origin}/{lab.path}/{name}?token={lab.token}&reset", timeout=90_000)
        self.page.wait_for_selector(CELLS, timeout=60_000)
        if kernel and not self.wait(lambda: self.state == "idle" and lab.kernel(name).get("connections", 0) > 0, 60):
            raise AssertionError("the kernel never came up")
        self.page.wait_for_timeout(1000 if kernel else 4000)

    @property
    def state(self) -> str | None:
        """`idle`, `busy`, …, or None without a kernel."""
        return self.lab.kernel(self.name).get("execution_state")

    @property
    def file(self) -> Path:
        """Where it is saved."""
        return self.lab.work / self.name

    @property
    def saved(self) -> dict[str, Any]:
        """The saved file."""
        return json.loads(self.file.read_text("utf-8"))

    def wait(self, holds: Callable[[], Any], seconds: float = 30) -> bool:
        """Whether it came to hold within so many seconds, while the page goes on."""
        return until(holds, seconds, self.page)

    def cell(self, index: int) -> Locator:
        """The code cell, counted from 0."""
        return self.page.locator(CELLS).nth(index)

    def shown(self, index: int) -> str:
        """What a reader sees below the code cell."""
        return self.cell(index).evaluate(SHOWN)

    def has_run(self, index: int) -> bool:
        """Whether the cell has its execution count."""
        return bool(re.search(r"\d", self.page.evaluate(PROMPTS)[index]))

    def start(self, index: int) -> None:
        """Run one cell, without waiting for its end."""
        self.cell(index).locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")

    def run(self, index: int, seconds: float = 40) -> bool:
        """Run one cell; whether it ended in time."""
        self.start(index)
        return self.wait(lambda: self.has_run(index), seconds)

    def start_all(self) -> None:
        """Run All Cells of the Run menu."""
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.locator("li[data-command='runmenu:run-all']").click()

    def run_all(self, seconds: float = 90) -> bool:
        """Run all cells; whether each got its execution count and the kernel fell idle in time."""
        self.start_all()
        counted = self.wait(lambda: all(re.search(r"\d", prompt) for prompt in self.page.evaluate(PROMPTS)), seconds)
        return counted and self.wait(lambda: self.state == "idle", 20)

    def press(self, item: str) -> None:
        """A button of the notebook's toolbar, such as `save` or `interrupt`."""
        button = self.page.locator(f".jp-NotebookPanel-toolbar [data-jp-item-name='{item}']")
        button.locator("button, jp-button").first.click()

    def save(self) -> dict[str, Any]:
        """Save, and the file as it then is."""
        before = self.file.stat().st_mtime_ns
        self.press("save")
        self.wait(lambda: self.file.stat().st_mtime_ns != before, 20)
        self.page.wait_for_timeout(500)
        return self.saved

    def close(self) -> None:
        """Close the page."""
        self.page.context.close()


def until(holds: Callable[[], Any], seconds: float, page: Page | None = None) -> bool:
    """Whether it came to hold within so many seconds; what the page asks of us is served meanwhile."""
    last = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > last:
            return False
        page.wait_for_timeout(100) if page else time.sleep(0.1)
    return True


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """The machine's Chromium, without a window, not updated, asking nobody."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=find_browser(), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()
