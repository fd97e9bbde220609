"""What a call carries beside its text: images, tools, a schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lk_notebook.core.values import Message, Usage
from lk_notebook.errors import PromptError
from lk_notebook.tools import Confirm, Offer


@dataclass(frozen=True, slots=True)
class Carried:
    """What a call carries beside its text."""

    images: Any = ()
    tools: Sequence[Callable[..., Any]] = ()
    schema: Any = None
    confirm: Confirm | None = None
    parse: Callable[[str], Any] | None = None  # what the last text is read as, where no schema says so
    last: Usage | None = None  # what the turn before was counted as
    cell: str = "Python"  # where it was asked, for the ledger

    def offer(self) -> tuple[Offer, list[Mapping[str, Any]], Mapping[str, Any] | None]:
        """Tools and schema, read: for the asking, and for the request."""
        found, parse, response_format = {}, self.parse, None
        if self.tools:
            from lk_notebook.core.tools import read_tools  # noqa: PLC0415 - brings pydantic

            found = read_tools(self.tools)
        if self.schema is not None:
            from lk_notebook.core.schemas import read_schema  # noqa: PLC0415 - brings pydantic

            schema = read_schema(self.schema)
            parse, response_format = schema.parse, schema.response_format
        return Offer(found, self.confirm, parse), [each.schema for each in found.values()], response_format


def with_images(messages: list[Message], images: Any, model: str) -> tuple[list[Message], list[str]]:
    """The images go into the last message of the user; notes say what was shrunk."""
    if images is None or (isinstance(images, (tuple, list)) and not images):
        return messages, []
    from lk_notebook import images as reading  # noqa: PLC0415 - only who sends images needs it

    reading.refuse_if_blind(model)
    parts, notes = reading.parts(images)
    at = next((i for i in reversed(range(len(messages))) if messages[i]["role"] == "user"), None)
    if at is None:
        raise PromptError("There is no message of the user to put the image into.", "Add one to the messages.")
    content = messages[at].get("content") or ""
    text = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
    return [*messages[:at], {**messages[at], "content": [*parts, *text]}, *messages[at + 1 :]], notes
