"""The modules of the views without a browser: their types by tsc, their rules by node's own runner and happy-dom."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from npm import modules

from lk_notebook.view import STATIC, static

pytestmark = [pytest.mark.xdist_group("npm"), pytest.mark.timeout(600)]

HERE = Path(__file__).parent
MODULES = sorted(path.stem for path in STATIC.glob("*.js"))
MOST = {".js": 20_000, ".css": 10_000}  # bytes


@pytest.fixture(scope="module")
def bench(tmp_path_factory) -> Path:
    """A folder with the modules, these tests, and npm's packages beside them."""
    folder = tmp_path_factory.mktemp("view")
    (folder / "node_modules").symlink_to(modules("view"))
    for path in (*STATIC.iterdir(), *HERE.glob("*.json"), *HERE.glob("*.mjs")):
        shutil.copy(path, folder)
    whole = [(STATIC / f"{part}.js").read_text("utf-8") for part in ("lk", "panel")]
    (folder / "panel.js").write_text("\n".join(whole), "utf-8")  # as one module
    return folder


def said(bench: Path, *command: str) -> tuple[int, str]:
    """The exit status of a command, and what it said."""
    done = subprocess.run(command, cwd=bench, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", MODULES)
def test_types_hold(bench, name):
    """Each module is as its JSDoc says, by tsc's strictest."""
    (bench / f"{name}.json").write_text(f'{{"extends": "./tsconfig.json", "files": ["{name}.js", "lk.d.ts"]}}')
    status, told = said(bench, str(bench / "node_modules" / ".bin" / "tsc"), "-p", f"{name}.json")
    assert (status, told) == (0, "")


def test_a_wrong_type_is_found(bench):
    """A misspelt field of a message does not pass."""
    wrong = (bench / "lk.js").read_text("utf-8").replace("message.state", "message.stat")
    (bench / "wrong.js").write_text(wrong, "utf-8")
    (bench / "wrong.json").write_text('{"extends": "./tsconfig.json", "files": ["wrong.js", "lk.d.ts"]}')
    status, told = said(bench, str(bench / "node_modules" / ".bin" / "tsc"), "-p", "wrong.json")
    assert status
    assert "'stat' does not exist" in told


def test_the_rules_of_the_view(bench, monkeypatch):
    """All of lk.test.mjs hold of the module as it travels, without its remarks."""
    (bench / "travels.js").write_text(static("lk.js"), "utf-8")
    monkeypatch.setenv("LK_MODULE", "./travels.js")
    status, told = said(bench, "node", "--test", "--test-reporter=spec", "lk.test.mjs")
    assert status == 0, told
    assert int(re.search(r"pass (\d+)", told)[1]) > 10


def test_a_panel_is_whole_without_its_remarks(bench):
    """What travels of it is a module still."""
    (bench / "panel-travels.mjs").write_text(static("lk.js", "panel.js"), "utf-8")
    assert said(bench, "node", "--check", "panel-travels.mjs") == (0, "")


@pytest.mark.parametrize("names", [("lk.js",), ("lk.css",), ("lk.js", "panel.js"), ("lk.css", "panel.css")])
def test_a_view_is_small(names):
    """It travels with every reply, and with every panel."""
    assert len(static(*names).encode()) < MOST[Path(names[0]).suffix]
