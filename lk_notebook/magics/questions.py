"""`%lkchat Why is the sky blue?` is a question: IPython would read its mark as a wish for help."""

from __future__ import annotations

import re

_QUESTION = re.compile(r"(\s*(?:[^\W\d]\w*\s*=\s*)?)%lkchat\s+(\S.*\?)\s*$")


def keep(lines: list[str]) -> list[str]:
    r"""The lines of a cell, their questions as the calls they stand for; `%lkchat?` still asks for help.

    Example:
        >>> keep(["%lkchat Why?"])
        ["get_ipython().run_line_magic('lkchat', 'Why?')\n"]
    """
    if lines and lines[0].lstrip().startswith("%%"):
        return lines
    return [_asked(line) for line in lines]


def _asked(line: str) -> str:
    found = _QUESTION.match(line)
    return f"{found[1]}get_ipython().run_line_magic('lkchat', {found[2]!r})\n" if found else line
