"""A setup as what one types: the cell of a magic, and Python. Both ask the same as the setup that was copied."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lk_notebook.core.export_text import PYTHON, bracketed, quote, written
from lk_notebook.core.literals import literal
from lk_notebook.core.values import Message, Setup
from lk_notebook.errors import ConfigurationError

_WORD = re.compile(r"[A-Za-z][\w./:+-]*", re.ASCII)
_NAME = re.compile(r"[^\W\d]\w*")


def magic_text(setup: Setup, prompt: str = "") -> str:
    r"""The cell that asks this: `%%lkchat` with its line, and the prompt below it.

    Example:
        >>> print(magic_text(Setup("openai/gpt-5-mini", "openai", extra_kwargs={"reasoning_effort": "low"}), "hi"))
        %%lkchat openai/gpt-5-mini -p openai reasoning_effort=low
        hi

    Read as a cell, it gives this setup again: nothing in a text is evaluated. A parameter that no line can name goes
    into `extra_body`, which sends the same.

    Raises:
        ConfigurationError: the id of the model has an @, and no provider is named behind it.
    """
    words = [] if setup.model is None else [_model(setup.model, setup.provider)]
    at = setup.model is not None and "@" in setup.model
    options = {"-p": None if at else setup.provider, "-a": setup.account}
    words += [part for name, value in options.items() if value for part in (name, _word(value))]
    words += [f"{name}={_value(value)}" for name, value in _nameable(setup.extra_kwargs).items()]
    words += [] if setup.system is None else ["-s", _quoted(setup.system)]
    words += ["--raw"] if "{{" in prompt else []
    return f"%%lkchat {' '.join(words)}".rstrip() + f"\n{prompt}"


def python_text(setup: Setup, messages: str | Sequence[Message]) -> str:
    """The lines of Python that ask this; the last one draws the reply, as the last of a cell.

    Example:
        >>> print(python_text(Setup("openai/gpt-5-mini"), "hi"))
        from lk_notebook import LLM
        <BLANKLINE>
        llm = LLM("openai/gpt-5-mini")
        llm("hi")
    """
    words = {"provider": setup.provider, "account": setup.account, "system": setup.system}
    arguments = [] if setup.model is None else [quote(setup.model, PYTHON)]
    arguments += [f"{name}={quote(value, PYTHON)}" for name, value in words.items() if value is not None]
    arguments += [f"extra_kwargs={_written(setup.extra_kwargs, 4)}"] if setup.extra_kwargs else []
    asked = quote(messages, PYTHON) if isinstance(messages, str) else _written(list(messages), 0)
    return f"from lk_notebook import LLM\n\nllm = LLM{bracketed('()', arguments, PYTHON)}\nllm({asked})"


def _written(value: Any, indent: int | None = None) -> str:
    """A value that a parameter may hold, tuples and keys that are no texts among them; None: all on one line."""
    deeper = None if indent is None else indent + 4
    if isinstance(value, Mapping):
        ends, parts = "{}", [f"{_written(key)}: {_written(one, deeper)}" for key, one in value.items()]
    elif isinstance(value, (list, tuple)):
        ends, parts = "()" if isinstance(value, tuple) else "[]", [_written(one, deeper) for one in value]
    else:
        return written(value, PYTHON)
    line = f"{ends[0]}{', '.join(parts)}{ends[1]}"
    text = line if indent is None else bracketed(ends, parts, PYTHON, indent)
    one = ends == "()" and len(parts) == 1 and "\n" not in text
    return f"{text[:-1]},)" if one else text  # (1,)


def _model(model: str, provider: str | None) -> str:
    if "@" not in model:
        return _word(model)
    if not provider:
        raise ConfigurationError(
            f"On the line of a magic, what follows the @ of {model} is a provider.",
            "Name the provider, or copy it as Python.",
        )
    return _quoted(f"{model}@{provider}")


def _word(text: str) -> str:
    """A word of the line, in quotes where blanks, quotes or a = would make something else of it."""
    return text if _WORD.fullmatch(text) else _quoted(text)


def _value(value: Any) -> str:
    """The text behind KEY=; a bare word where that stands for itself."""
    bare = isinstance(value, str) and _WORD.fullmatch(value) and literal(value) == value
    return value if bare else _closed(_written(value))


def _quoted(text: str) -> str:
    return _closed(quote(text, PYTHON))


def _closed(source: str) -> str:
    """Double braces as the value of an expression: that is not looked at again. Only texts hold them."""
    return source.replace("{{", "{{ '{{' }}")


def _nameable(extra_kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as the line can name them."""
    named = {name: value for name, value in extra_kwargs.items() if _NAME.fullmatch(name)}
    if len(named) < len(extra_kwargs):
        rest = {name: value for name, value in extra_kwargs.items() if name not in named}
        named["extra_body"] = {**rest, **(named.get("extra_body") or {})}
    return named
