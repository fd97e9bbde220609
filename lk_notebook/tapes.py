"""`python -m lk_notebook tape show|check|merge`: tapes at the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from lk_notebook.core import tape_check
from lk_notebook.core.grid import grid_text
from lk_notebook.core.values import redact
from lk_notebook.errors import ConfigurationError, LkError
from lk_notebook.net.deck import load


def main(words: Sequence[str]) -> int:
    """Runs what the words ask for; the exit status is 0 where it went well.

    Example:
        ```console
        $ python -m lk_notebook tape check lesson.jsonl
        ```
    """
    parser = argparse.ArgumentParser(prog="python -m lk_notebook tape", description="Recorded calls (%%lkrecord).")
    verbs = parser.add_subparsers(dest="verb", required=True)
    show = verbs.add_parser("show", help="a table of the calls on a tape")
    check = verbs.add_parser("check", help="whether tapes are whole, and hold nothing that looks like a key")
    merge = verbs.add_parser("merge", help="several tapes as one")
    for each in (check, merge):
        each.add_argument("files", nargs="+", metavar="FILE")
    show.add_argument("files", nargs=1, metavar="FILE")
    merge.add_argument("-o", "--output", required=True, metavar="FILE", help="the new tape")
    read = parser.parse_args(words)
    try:
        return _VERBS[read.verb](read)
    except LkError as error:
        print(redact(str(error)), file=sys.stderr)  # noqa: T201 - a terminal program
        return 1


def _show(read: argparse.Namespace) -> int:
    print(redact(grid_text(tape_check.grid(load(read.files[0]).tape))))  # noqa: T201 - as above
    return 0


def _check(read: argparse.Namespace) -> int:
    status = 0
    for file in read.files:
        try:
            found = tape_check.faults(Path(file).read_text("utf-8"), file)
        except (OSError, UnicodeDecodeError) as error:
            found = [f"it cannot be read: {getattr(error, 'strerror', None) or error}"]
        for line in found:
            print(line, file=sys.stderr)  # noqa: T201 - as above
        print(f"{file}: {f'{len(found)} faults' if found else 'whole'}")  # noqa: T201 - as above
        status = 1 if found else status
    return status


def _merge(read: argparse.Namespace) -> int:
    tapes, output = [load(file).tape for file in read.files], Path(read.output)
    if output.exists():
        raise ConfigurationError(f"{output} is there already.", "Name another file, or delete it.")
    text = tape_check.merge(tapes)
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigurationError(f"{output} cannot be written: {error.strerror}.", "Name another file.") from error
    print(f"{output}: {text.count(chr(10)) - 1} calls of {len(tapes)} tapes")  # noqa: T201 - as above
    return 0


_VERBS: dict[str, Callable[[argparse.Namespace], int]] = {"show": _show, "check": _check, "merge": _merge}
