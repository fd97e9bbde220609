"""What was sent, in the spellings that people want to see or to run. No key stands in any of them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from lk_notebook.core.text import clean
from lk_notebook.core.values import Account, redact

_DATA = re.compile(r"(data:[\w/+.-]+;base64,[\w+/]{40})[\w+/=]{200,}")
_OURS = ("content-type", "accept", "x-livekit-")  # the values of other headers are the user's, and may be keys


def as_json(body: Mapping[str, Any]) -> str:
    r"""The body, easy to read; of a long data URL only its beginning.

    Example:
        >>> print(as_json({"model": "x"}))
        {
          "model": "x"
        }
    """
    text = json.dumps(body, ensure_ascii=False, indent=2)
    return redact(clean(_DATA.sub(r"\1…", text)))


def as_curl(url: str, headers: Mapping[str, str], body: Mapping[str, Any], account: Account) -> str:
    r"""A command that sends the same; the key is named by its variable.

    Example:
        >>> print(as_curl("http://127.0.0.1:1/v1/chat/completions", {}, {}, Account("x", "url", "http://127.0.0.1:1/v1")))
        curl -N 'http://127.0.0.1:1/v1/chat/completions' \
          --data-raw '{}'
    """
    named = [_header(name, value) for name, value in headers.items()]
    named += [f'"{_key(account)}"'] if account.key is not None else []
    lines = [f"curl -N {_quoted(url)}", *(f"-H {line}" for line in named)]
    lines.append(f"--data-raw {_quoted(json.dumps(body, ensure_ascii=False))}")
    note = "# LIVEKIT_TOKEN: an access token with the grant inference.perform\n" if account.scheme == "livekit" else ""
    return redact(note + clean(" \\\n  ".join(lines)))


def _header(name: str, value: str) -> str:
    """The header as a word of the shell; the user's own with its variable."""
    if name.lower().startswith(_OURS):
        return _quoted(f"{name}: {value}")
    plain = re.fullmatch(r"[\w-]+", name, re.ASCII)
    return f'"{name}: ${variable(name)}"' if plain else f'{_quoted(f"{name}: ")}"${variable(name)}"'


def _key(account: Account) -> str:
    """The header that carries the key, which stands in the variable where it was found."""
    if account.scheme == "livekit":
        return "Authorization: Bearer $LIVEKIT_TOKEN"
    found = next((name for name in account.found if re.fullmatch(r"[A-Z_]+KEY", name)), "API_KEY")
    return f"api-key: ${found}" if account.scheme == "api-key" else f"Authorization: Bearer ${found}"


def variable(name: str) -> str:
    """The variable that stands for a header of the user's own.

    Example:
        >>> variable("X-Api-Key")
        'X_API_KEY'
    """
    return re.sub(r"\W|^(?=\d)", "_", name, flags=re.ASCII).upper()


def _quoted(text: str) -> str:
    """For a POSIX shell."""
    return "'" + text.replace("'", "'\\''") + "'"
