"""The notebooks of the repository, run as nbclient does without account and network, and written with their outputs.

    python tests/support/notebooks.py [NAME …]

runs each in a fresh kernel, in a copy of its folder, and writes what stands below its cells into notebooks/: a reader
of GitHub or Binder sees it before anything has run. Do it after each change of a cell. Tapes answer where a notebook
replays one, the local model where it names nobody (as on Binder), the demo where it is named.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import psutil
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from kernels import ROOT, clean_environment, local_model
from nbclient import NotebookClient

NOTEBOOKS = ROOT / "notebooks"
#: All but 08, whose cells want an account.
NAMES = sorted(path.stem for path in NOTEBOOKS.glob("0[0-7]*.ipynb"))
#: Put on the path of a kernel as `sitecustomize`; it notes beside itself who was to be reached.
GUARD = Path(__file__).parent / "guard.py"
WIDGET = "application/vnd.jupyter.widget-view+json"
#: Where a notebook's metadata say which cells its outputs are of.
MARK = "lk_notebook"
#: The property by which a test tells what a notebook cost: its name, seconds, MB.
COST = "notebook"
EVERY = 0.1  # seconds between two looks at the memory


@dataclass
class Run:
    """A notebook that ran: with its outputs, what it cost, and who was to be reached outside of this machine."""

    notebook: nbformat.NotebookNode
    seconds: float = 0.0
    megabytes: float = 0.0
    tried: list[str] = field(default_factory=list)
    kinds: list[object] = field(default_factory=list)  # below each code cell, when it had run once


def run(name: str, home: Path, more: Mapping[str, str] = {}, *, times: int = 1) -> Run:
    """Runs a notebook so many times in one kernel, in a copy of its folder below `home`; `seconds` are of the first."""
    folder = home / "notebooks"
    if not folder.exists():
        shutil.copytree(NOTEBOOKS, folder, ignore=shutil.ignore_patterns("my_*", ".ipynb_checkpoints"))
    guard = home / "guard"
    guard.mkdir(exist_ok=True)
    shutil.copy(GUARD, guard / "sitecustomize.py")
    env = clean_environment(home, more)
    env["PYTHONPATH"] = os.pathsep.join([str(guard), env["PYTHONPATH"]])
    ran = Run(nbformat.read(folder / f"{name}.ipynb", as_version=4))
    code = [cell for cell in ran.notebook.cells if cell.cell_type == "code"]
    for cell in code:
        cell.outputs = []  # what stands there already is no output of this run
    native = KernelSpecManager(kernel_dirs=[])  # the Python of the tests, whatever the user has installed
    manager = AsyncKernelManager(kernel_name="python3", kernel_spec_manager=native)
    options = {"km": manager, "timeout": 600, "record_timing": False, "store_widget_state": False}
    client = NotebookClient(ran.notebook, resources={"metadata": {"path": folder}}, **options)
    client.owns_km = True  # it ends the kernel
    begun = time.monotonic()
    with client.setup_kernel(env=env), _measured(manager, ran):
        for _ in range(times):
            for i, cell in enumerate(ran.notebook.cells):
                if "skip-execution" not in cell.metadata.get("tags", ()):
                    client.execute_cell(cell, i)
            for cell in code:
                cell.outputs = kept(cell.outputs)
            ran.seconds = ran.seconds or time.monotonic() - begun
            ran.kinds = ran.kinds or kinds(code)
    tried = guard / "tried"
    ran.tried = tried.read_text("utf-8").splitlines() if tried.exists() else []
    return ran


@contextlib.contextmanager
def _measured(manager: AsyncKernelManager, ran: Run) -> Iterator[None]:
    """Looks at the memory of the kernel and all below it, and keeps the most."""
    kernel, ended = psutil.Process(manager.provisioner.process.pid), threading.Event()

    def look() -> None:
        while not ended.wait(EVERY):
            with contextlib.suppress(psutil.NoSuchProcess):  # a child that has just ended
                each = (kernel, *kernel.children(recursive=True))
                ran.megabytes = max(ran.megabytes, sum(process.memory_info().rss for process in each) / 1e6)

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def read(name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The committed notebook, and its code cells."""
    whole = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text("utf-8"))
    return whole, [cell for cell in whole["cells"] if cell["cell_type"] == "code"]


def sources(notebook: Mapping[str, Any]) -> str:
    """A hash of all cells, outputs aside."""
    cells = [(cell["cell_type"], "".join(cell["source"])) for cell in notebook["cells"]]
    return hashlib.sha256(json.dumps(cells).encode()).hexdigest()[:16]


#: What a progress bar has written over.
_RETURNED = re.compile(r"[^\n]*\r(?=[^\n])")


#: The file that ipykernel takes a cell for, in a traceback that a tool gave.
_CELL_FILE = re.compile(r"[^\s\"'&;]*ipykernel_\d+/\d+\.py")


def kept(outputs: Iterable[Any]) -> list[Any]:
    """What of a cell's outputs goes into the file: no widget, which no kernel knows there, and streams whole."""
    told: list[Any] = []
    for output in outputs:
        data = output.get("data", {})
        if output["output_type"] == "stream":
            before = told.pop().text if told and told[-1].get("name") == output["name"] else ""
            output.text = _RETURNED.sub("", before + output.text)
        if WIDGET in data:
            data = {kind: value for kind, value in data.items() if kind != WIDGET and "text/html" in data}
        if "data" in output:
            output.data = {kind: _named(value) for kind, value in data.items()}
        if output["output_type"] in ("stream", "error") or any(data.values()):
            told.append(output)
        if "execution_count" in output:
            output.execution_count = None
    return told


def _named(value: Any) -> Any:
    return _CELL_FILE.sub("cell.py", value) if isinstance(value, str) else value


def kinds(cells: Iterable[Mapping[str, Any]]) -> list[object]:
    """What stands below each cell, but for words and figures: two runs agree in it."""
    return [
        [(output["output_type"], output.get("name"), sorted(output.get("data", ()))) for output in cell["outputs"]]
        for cell in cells
    ]


def write(name: str) -> Path:
    """Runs a notebook, and writes it with its outputs."""
    file = NOTEBOOKS / f"{name}.ipynb"
    with tempfile.TemporaryDirectory() as home:
        ran = run(name, Path(home), local_model())
    if ran.tried:
        raise AssertionError(f"{name} wanted to reach {ran.tried}")
    for cell in ran.notebook.cells:
        if cell.cell_type == "code":
            cell.execution_count = None  # nothing has run here yet
    ran.notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
        MARK: {"outputs_of": sources(ran.notebook)},
    }
    nbformat.write(ran.notebook, file)
    print(f"{file.name}: {ran.seconds:.0f} s, {ran.megabytes:.0f} MB, {file.stat().st_size // 1000} kB")
    return file


if __name__ == "__main__":
    for each in sys.argv[1:] or NAMES:
        write(each)
