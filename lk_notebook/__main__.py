"""`python -m lk_notebook`: the first notebook in JupyterLab, or with a prompt an answer in the terminal.

`python -m lk_notebook local` fetches the weights of the local model, once; with `--check` it asks it.
`python -m lk_notebook catalogue --check` looks whether the list of models is whole, `python -m lk_notebook tape` shows,
checks and merges recorded calls.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path

from lk_notebook.errors import ConfigurationError, LkError

FIRST = Path("notebooks", "00_start.ipynb")


def main(words: Sequence[str] | None = None) -> int:
    """Runs what the words ask for; the exit status is 0 where it went well.

    Example:
        ```console
        $ python -m lk_notebook "Why is the sky blue?"
        ```
    """
    words = sys.argv[1:] if words is None else words
    if words and words[0] in _COMMANDS and all(w.startswith("-") or w in _VERBS.get(words[0], ()) for w in words[1:2]):
        return _COMMANDS[words[0]](words[1:])
    parser = argparse.ArgumentParser(prog="python -m lk_notebook", description=str(__doc__).splitlines()[0])
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
    except BrokenPipeError:  # the reader of a pipe has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        return 130


def _answer(prompt: str, read: argparse.Namespace) -> int:
    from lk_notebook import show  # noqa: PLC0415 - not for JupyterLab
    from lk_notebook.llm import LLM  # noqa: PLC0415

    reply = LLM(read.model, provider=read.provider, account=read.account)(prompt)
    show.draw(reply, error_follows=True)
    if reply.error is not None:
        raise reply.error
    return 0


def _catalogue(words: Sequence[str]) -> int:
    """Tells what is wrong with a catalogue file, a line each."""
    from lk_notebook.core.catalogue_check import faults  # noqa: PLC0415 - for this alone

    parser = argparse.ArgumentParser(prog="python -m lk_notebook catalogue", description="The list of models.")
    packaged = resources.files("lk_notebook.core").joinpath("catalogue.json")
    parser.add_argument("--check", nargs="?", const=packaged, metavar="FILE", help="whether it is whole, or this file")
    read = parser.parse_args(words)
    if read.check is None:
        parser.print_help()
        return 2
    file = Path(read.check) if isinstance(read.check, str) else read.check
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        print(f"{file} cannot be read: {error}", file=sys.stderr)  # noqa: T201 - a terminal program
        return 1
    found = faults(text)
    for line in found:
        print(line, file=sys.stderr)  # noqa: T201 - as above
    print(f"{file}: {f'{len(found)} faults' if found else 'whole'}")  # noqa: T201 - as above
    return 1 if found else 0


def _local(words: Sequence[str]) -> int:
    """Fetches the weights of the local model; or asks it once."""
    from lk_notebook.core import local  # noqa: PLC0415 - for this alone
    from lk_notebook.net import fetch  # noqa: PLC0415

    parser = argparse.ArgumentParser(
        prog="python -m lk_notebook local", description=f"Fetches the weights of the local model, once. {local.WHENCE}."
    )
    parser.add_argument("--check", action="store_true", help="asks it once, and fetches nothing")
    read = parser.parse_args(words)
    try:
        if read.check:
            return _answer(
                "Say hello in one short sentence.", argparse.Namespace(model=None, provider=None, account="local")
            )
        fetch.fetch(os.environ.get, lambda line: print(line, flush=True))  # noqa: T201 - a terminal program
    except LkError as error:
        print(error, file=sys.stderr)  # noqa: T201 - as above
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _tape(words: Sequence[str]) -> int:
    from lk_notebook import tapes  # noqa: PLC0415 - for this alone

    return tapes.main(words)


#: Words that are no prompt where nothing but options follows, or one of its verbs.
_COMMANDS: dict[str, Callable[[Sequence[str]], int]] = {"catalogue": _catalogue, "local": _local, "tape": _tape}
_VERBS = {"tape": ("show", "check", "merge")}


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
