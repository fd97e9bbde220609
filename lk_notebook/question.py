"""What one call of `map` asks of every row, read and checked; and what tells two such questions apart."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from lk_notebook import rows as reading
from lk_notebook.core import prompts
from lk_notebook.core.routing import Route
from lk_notebook.core.values import Call, Message, Setup
from lk_notebook.errors import ConfigurationError, PromptError

if TYPE_CHECKING:
    from lk_notebook.core.schemas import Schema


@dataclass(frozen=True, slots=True)
class Table:
    """One call of `map`, read: what is asked of every row."""

    rows: reading.Rows
    row: Callable[[int], Mapping[str, Any]]
    fill: Callable[[Mapping[str, Any]], str]
    images: Callable[[int], Any] | None
    base: Call
    route: Route
    schema: Schema | None
    times: int = 1

    def messages(self, i: int) -> list[Message]:
        """The history of one row, without its images."""
        return [*self.base.messages, {"role": "user", "content": self.fill(self.row(i))}]

    def key(self, i: int) -> str:
        """What tells rows apart: the content of what is asked.

        Raises:
            PromptError: an expression fails for this row, or its image cannot be sent.
        """
        content = self.messages(i)[-1]["content"]
        if self.images is not None:
            content += "\n" + _told(self.images(i))
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:24]


@dataclass(frozen=True, slots=True)
class Words:
    """Whom a map asks: the words of its LLM, and the route they lead to."""

    setup: Setup
    route: Route
    inference_class: str | None = None


def read(words: Words, rows: Any, prompt: str, *, schema: Any = None, images: Any = None, n: int = 1) -> Table:
    """What `map` was given, checked before anything is sent.

    Raises:
        PromptError: the prompt is empty or names what is no column; the rows are no table.
        ConfigurationError: an `n` below 1.
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ConfigurationError(f"n is a number from 1 on, not {n!r}.", "Leave it out, or give n=5.")
    if not isinstance(prompt, str) or not prompt.strip():
        raise PromptError("The prompt is empty.", "Write what you want to ask of each row.")
    table = reading.read(rows)
    fill = prompts.template(prompt, table.columns)
    route, setup, found = words.route, words.setup, None
    if schema is not None:
        from lk_notebook.core.schemas import read_schema  # noqa: PLC0415 - brings pydantic

        found = read_schema(schema)
    base = Call(
        route.model,
        [{"role": "system", "content": setup.system}] if setup.system else [],
        route.provider,
        words.inference_class,
        setup.extra_kwargs,
        response_format=None if found is None else found.response_format,
    )
    named = [name for name in table.columns if name in prompt]
    return Table(table, table.taking(named), fill, reading.images_of(images, table), base, route, found, n)


def fingerprint(table: Table, prompt: str) -> dict[str, Any]:
    """What a journal answers: another model, provider, account, parameter, prompt or schema is another question.

    The account is told by its address: the same name of a model is another model elsewhere. Where the best of the
    user's own accounts is picked, any of them answers the question, and none is named.
    """
    base, route = table.base, table.route
    asked: dict[str, Any] = {
        "model": base.model,
        "provider": base.provider,
        "account": _address(route.accounts[0].url) if route.fixed else None,
        "parameters": dict(base.extra_kwargs),
        "system": [message["content"] for message in base.messages],
        "prompt": prompt,
        "schema": None if table.schema is None else dict(table.schema.response_format),
    }
    whole = json.dumps(asked, sort_keys=True, default=str)
    return {"fingerprint": hashlib.sha256(whole.encode()).hexdigest()[:16], **json.loads(whole)}


def _address(url: str) -> str:
    """Without its query, where keys have been seen."""
    return urlunsplit(urlsplit(url)._replace(query="", fragment=""))


def _told(image: Any) -> str:
    """What tells images apart: what they hold. Two figures, or two arrays, may print the same; a file may change."""
    if image is None or isinstance(image, bytes) or (isinstance(image, str) and _ELSEWHERE.match(image)):
        return repr(image)
    from lk_notebook import images as reading  # noqa: PLC0415 - only who sends images needs it

    if isinstance(image, (str, os.PathLike)):
        return hashlib.sha256(reading.file(image)).hexdigest()
    return json.dumps(reading.parts(image)[0])


#: Texts that are no path: an address is sent as it is, and a data URL is the picture itself.
_ELSEWHERE = re.compile(r"(https?://|data:)", re.IGNORECASE)
