"""What a reply was asked with, in the spellings that people want to see or to run; keys are named, never shown."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

from lk_notebook.core import sent
from lk_notebook.core.export_cells import python_text
from lk_notebook.core.text import clean
from lk_notebook.core.values import Setup, redact
from lk_notebook.errors import LkError
from lk_notebook.export import export
from lk_notebook.reply import Reply

_UNNAMED = ("livekit", "demo", "local")  # accounts that are asked where none is named


def what_was_sent(reply: Reply) -> list[tuple[str, str]]:
    """The last request: name of the spelling and text. Where one cannot be written, the text says why."""
    spellings: dict[str, Callable[[Reply], str]] = {
        "JSON": _json,
        "curl": _curl,
        "Python": _python,
        "Agents code": lambda asked: export(asked, "python"),
    }
    reply = _without_headers(reply)
    return [(name, redact(clean(_written(write, reply)))) for name, write in spellings.items()]


def _without_headers(reply: Reply) -> Reply:
    """The reply as if the values of the user's own headers, which may be keys, were their variables."""
    named = reply.call.extra_kwargs.get("extra_headers")
    if not named:
        return reply
    alike = copy.copy(reply)
    headers = {name: "$" + sent.variable(name) for name in named}
    alike.call = replace(reply.call, extra_kwargs={**reply.call.extra_kwargs, "extra_headers": headers})
    return alike


def _written(write: Callable[[Reply], str], reply: Reply) -> str:
    try:
        return write(reply)
    except LkError as error:
        return "\n".join(f"# {line}" for line in str(error).splitlines())


def _json(reply: Reply) -> str:
    return "Nothing was sent." if reply.request is None else sent.as_json(reply.request[1].body)


def _curl(reply: Reply) -> str:
    if reply.request is None:
        return "# Nothing was sent."
    account, prepared = reply.request
    return sent.as_curl(prepared.url, prepared.headers, prepared.body, account)


def _python(reply: Reply) -> str:
    account = None if reply.account in _UNNAMED else reply.account
    return python_text(Setup(reply.model, reply.provider, account, reply.call.extra_kwargs), reply.asked)
