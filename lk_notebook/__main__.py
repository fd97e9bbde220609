"""`python -m lk_notebook`: the first notebook in JupyterLab, or with a prompt an answer in the terminal."""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from lk_notebook.errors import ConfigurationError, LkError

FIRST = Path("notebooks", "00_start.ipynb")


def main(words: Sequence[str] | None = None) -> int:
    """Runs one of the two; the exit status is 0 where it went well.

    Example:
        ```console
        $ python -m lk_notebook "Why is the sky blue?"
        ```
    """
    parser = argparse.ArgumentParser(prog="python -m lk_notebook", description=__doc__)
    parser.add_argument("prompt", nargs="*", help="what to ask; without it JupyterLab opens the first notebook")
    parser.add_argument("-m", "--model", help="such as openai/gpt-4.1-mini")
    parser.add_argument("-p", "--provider", help="who runs the model")
    parser.add_argument("-a", "--account", help="livekit, openai, azure, groq, baseten, cerebras, or a URL")
    read = parser.parse_args(words)
    try:
        if not read.prompt:
            return _lab()
        return _answer(" ".join(read.prompt), read)
    except LkError as error:
        print(error, file=sys.stderr)  # noqa: T201 - a terminal program
        return 1
    except KeyboardInterrupt:
        return 130


def _answer(prompt: str, read: argparse.Namespace) -> int:
    from lk_notebook import show  # noqa: PLC0415 - not for JupyterLab
    from lk_notebook.llm import LLM  # noqa: PLC0415

    reply = LLM(read.model, provider=read.provider, account=read.account)(prompt)
    show.draw(reply)
    if reply.error is not None:
        raise reply.error
    return 0


def _lab() -> int:
    if importlib.util.find_spec("jupyterlab") is None:
        raise ConfigurationError("JupyterLab is not installed.", 'Install it: pip install "lk_notebook[lab]"')
    command = [sys.executable, "-m", "jupyterlab", str(_first())]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")  # in a container root is the only user, and Jupyter would refuse to start
    return subprocess.call(command)  # noqa: S603 - our own words


def _first() -> Path:
    """The first notebook: the checkout's, else the packaged one, copied here once and never over a file."""
    here = Path(FIRST.name)
    if FIRST.exists() or here.exists():
        return FIRST if FIRST.exists() else here
    here.write_bytes(resources.files("lk_notebook").joinpath(*FIRST.parts).read_bytes())
    return here


if __name__ == "__main__":
    sys.exit(main())
