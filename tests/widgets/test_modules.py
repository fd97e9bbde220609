"""What the front end gets: small, typed, and nothing to build."""

from __future__ import annotations

import subprocess

import pytest
from npm import package

from lk_notebook.view import STATIC, View
from lk_notebook.widgets import ChatPanel, ComparePanel

MODULES = {"lk": View, "chat": ChatPanel, "compare": ComparePanel}
OPTIONS = ["--noEmit", "--allowJs", "--checkJs", "--strict", "--target", "es2022", "--module", "esnext"]


@pytest.mark.parametrize("name", MODULES)
def test_a_module_and_its_style_are_small(name):
    """As they stand in the repository: under 20 kB of JavaScript, 10 kB of CSS."""
    assert (STATIC / f"{name}.js").stat().st_size < 20_000
    assert (STATIC / f"{name}.css").stat().st_size < 10_000


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_typed(name, tmp_path):
    """`tsc`, strict, finds nothing in what a widget sends."""
    module = tmp_path / f"{name}.js"
    module.write_text(str(MODULES[name]._esm), "utf-8")
    tsc = package("typescript").parent / ".bin" / "tsc"

    done = subprocess.run([tsc, *OPTIONS, module], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")
