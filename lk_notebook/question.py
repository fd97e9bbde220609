"""What one call of `map` asks of every row, read and checked; and what tells two such questions apart."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lk_notebook import rows as reading
from lk_notebook.core import prompts
from lk_notebook.core.values import Call, Message
from lk_notebook.errors import ConfigurationError, PromptError

if TYPE_CHECKING:
    from lk_notebook.core.routing import Route
    from lk_notebook.core.schemas import Schema
    from lk_notebook.llm import LLM


@dataclass(frozen=True, slots=True)
class Table:
    """One call of `map`, read: what is asked of every row."""

    rows: reading.Rows
    fill: Callable[[Mapping[str, Any]], str]
    images: Callable[[int], Any] | None
    base: Call
    route: Route
    schema: Schema | None
    times: int = 1

    def messages(self, i: int) -> list[Message]:
        """The history of one row, without its images."""
        return [*self.base.messages, {"role": "user", "content": self.fill(self.rows.row(i))}]

    def key(self, i: int) -> str:
        """What tells rows apart: the content of what is asked."""
        content = self.messages(i)[-1]["content"]
        if self.images is not None:
            content += "\n" + _told(self.images(i))
        return hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()[:24]


def read(llm: LLM, rows: Any, prompt: str, *, schema: Any = None, images: Any = None, n: int = 1) -> Table:
    """What `map` was given, checked before anything is sent.

    Raises:
        PromptError: the prompt is empty or names what is no column; the rows are no table.
        ConfigurationError: no account, an unknown model, an `n` below 1.
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise ConfigurationError(f"n is a number from 1 on, not {n!r}.", "Leave it out, or give n=5.")
    if not isinstance(prompt, str) or not prompt.strip():
        raise PromptError("The prompt is empty.", "Write what you want to ask of each row.")
    table = reading.read(rows)
    fill = prompts.template(prompt, table.columns)
    route, setup, found = llm.route(), llm.setup, None
    if schema is not None:
        from lk_notebook.core.schemas import read_schema  # noqa: PLC0415 - brings pydantic

        found = read_schema(schema)
    base = Call(
        route.model,
        [{"role": "system", "content": setup.system}] if setup.system else [],
        route.provider,
        llm.inference_class,
        setup.extra_kwargs,
        response_format=None if found is None else found.response_format,
    )
    return Table(table, fill, reading.images_of(images, table), base, route, found, n)


def fingerprint(table: Table, prompt: str) -> dict[str, Any]:
    """What a journal answers: another model, provider, parameter, prompt or schema is another question."""
    base = table.base
    asked: dict[str, Any] = {
        "model": base.model,
        "provider": base.provider,
        "parameters": dict(base.extra_kwargs),
        "system": [message["content"] for message in base.messages],
        "prompt": prompt,
        "schema": None if table.schema is None else dict(table.schema.response_format),
    }
    whole = json.dumps(asked, sort_keys=True, default=str)
    return {"fingerprint": hashlib.sha256(whole.encode("utf-8", "replace")).hexdigest()[:16], **json.loads(whole)}


def _told(image: Any) -> str:
    """What tells images apart; two figures, or two arrays, may print the same."""
    if image is None or isinstance(image, (str, bytes, os.PathLike)):
        return repr(image)
    from lk_notebook import images as reading  # noqa: PLC0415 - only who sends images needs it

    return json.dumps(reading.parts(image)[0])
