"""The names that users type; a change here is a change for them. And what loading them costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import lk_notebook
from lk_notebook import errors

ROOT = Path(__file__).resolve().parents[1]
LATER = ["IPython", "aiohttp", "anywidget", "httpx", "ipywidgets", "jwt", "markdown_it", "pandas", "pydantic", "tqdm"]
PUBLIC = [
    "ChatPanel",
    "ComparePanel",
    "LLM",
    "LessonPanel",
    "Reply",
    "errors",
    "inference",
    "load_ipython_extension",
    "tool",
    "unload_ipython_extension",
]
ERRORS = [
    "APIConnectionError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "BudgetExceededError",
    "ConfigurationError",
    "ContentFilterError",
    "LkError",
    "NotFoundError",
    "PromptError",
    "ProtocolError",
    "QuotaExceededError",
    "RateLimitError",
    "ReplayError",
    "SchemaError",
    "ServerError",
    "StreamError",
    "StreamInterrupted",
]


def loaded(program: str) -> set[str]:
    """Which of the packages that come later stand in a fresh interpreter after the program."""
    ask = f"{program}\nimport json, sys\nprint(json.dumps([name for name in {LATER} if name in sys.modules]))"
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", ask], env=env, capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_public_names_of_lk_notebook():
    """Exactly these."""
    assert sorted(lk_notebook.__all__) == PUBLIC


@pytest.mark.parametrize("name", PUBLIC)
def test_each_public_name_is_there(name):
    """Each is found by `from lk_notebook import name`, and by Tab."""
    assert getattr(lk_notebook, name) is not None
    assert name in dir(lk_notebook)


def test_the_version_is_the_packages():
    """What the library says of itself is what pip installs."""
    assert f'version = "{lk_notebook.__version__}"' in (ROOT / "pyproject.toml").read_text("utf-8")


def test_the_public_names_of_errors():
    """Exactly these, each an LkError."""
    assert sorted(errors.__all__) == ERRORS
    assert all(issubclass(getattr(errors, name), errors.LkError) for name in ERRORS)


def test_a_name_that_is_not_there_is_an_attribute_error():
    """A misspelt name fails as in any module."""
    with pytest.raises(AttributeError, match="LML"):
        lk_notebook.LML  # noqa: B018


def test_livekits_spelling_is_the_same_class():
    """`inference.LLM` of LiveKit's documentation is our LLM."""
    assert lk_notebook.inference.LLM is lk_notebook.LLM


def test_import_brings_nothing_that_is_not_needed_yet():
    """`import lk_notebook` costs next to nothing: no HTTP, widgets, schemas or tables."""
    assert loaded("import lk_notebook") == set()


def test_load_ext_brings_nothing_that_ipython_had_not():
    """`%load_ext lk_notebook` leaves HTTP, widgets, schemas and tables to the first cell that needs them."""
    shell = "from IPython.core.interactiveshell import InteractiveShell as Shell\nshell = Shell.instance()\n"

    assert loaded(shell + "shell.run_line_magic('load_ext', 'lk_notebook')") == loaded(shell)
