"""The words of a line, filled in from the notebook: setup, tools, schema, images."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lk_notebook.carried import Carried
from lk_notebook.core import catalogue, parameters, prompts
from lk_notebook.core.values import Setup, model_and_provider
from lk_notebook.errors import ConfigurationError
from lk_notebook.magics import line as grammar
from lk_notebook.magics.line import Line, Option

SETUP = (
    Option(("-p", "--provider"), "provider"),
    Option(("-a", "--account"), "account"),
    Option(("-s", "--system"), "system"),
)
CARRIED = (
    Option(("-t", "--tools"), "tools", many=True),
    Option(("--schema",), "schema"),
    Option(("-i", "--image"), "images", many=True, path=True),
    Option(("--raw",), "raw", takes=False),
)


class Words:
    """Reads the texts of one line against the names of the notebook, where the user wrote them."""

    def __init__(self, shell: Any) -> None:
        self._names: dict[str, Any] = shell.user_ns
        self.cell = f"[{shell.displayhook.prompt_count}]"  # IPython 9 counts up before a cell runs, 8 after it

    def evaluate(self, source: str) -> Any:
        """The value of an expression."""
        return eval(source, self._names)  # noqa: S307 - the user's own code, in the user's own notebook

    def prompt(self, text: str, read: Line) -> str:
        """The prompt with its expressions evaluated; as typed with `--raw`."""
        return (text if read.options.get("raw") else prompts.expand(text, self.evaluate)).rstrip()

    def text(self, word: str) -> str:
        """A word with its expressions evaluated."""
        return prompts.expand(word, self.evaluate)

    def named(self, word: str) -> Setup:
        """MODEL or MODEL@PROVIDER."""
        return Setup(*model_and_provider(self.text(word)))

    def setup(self, read: Line, word: str | None) -> Setup:
        """Model, provider, account, parameters and system prompt."""
        model, provider = None, read.options.get("provider")
        if word is not None:
            named = self.named(word)
            if named.provider and provider:
                what = f"Both @{named.provider} and -p {provider} name a provider."
                raise ConfigurationError(what, "Leave out one of them.")
            model, provider = named.model, named.provider or provider
        extra = {name: grammar.resolve(text, self.evaluate, name) for name, text in read.pairs.items()}
        parameters.check(extra)
        account, system = read.options.get("account"), read.options.get("system")
        return Setup(
            model,
            provider and self.text(provider),
            account and self.text(account),
            extra,
            None if system is None else self.text(system),
        )

    def carried(self, read: Line, parse: Callable[[str], Any] | None = None) -> Carried:
        """Tools, schema and images."""
        names = [
            name for several in read.options.get("tools", ()) for name in re.split(r",\s*(?![^(\[]*[)\]])", several)
        ]
        schema = read.options.get("schema")
        return Carried(
            images=tuple(self._image(text) for text in read.options.get("images", ())),
            tools=tuple(self._value("-t", name) for name in names if name.strip()),
            schema=None if schema is None else self._value("--schema", schema),
            parse=parse,
            cell=self.cell,
        )

    def _value(self, option: str, text: str) -> Any:
        """What an option names: an expression, with or without its double braces."""
        if prompts.is_expression(text):
            return prompts.value(text, self.evaluate)
        try:
            return self.evaluate(text.strip())
        except Exception as error:  # the user's own expression: it may raise anything
            raise ConfigurationError(
                f"{option} {text.strip()}: {type(error).__name__}: {error}",
                "Define it in a cell above, or mend the name.",
            ) from error

    def _image(self, text: str) -> Any:
        """A path, a URL, or a variable of the notebook that holds an image."""
        if prompts.is_expression(text):
            return prompts.value(text, self.evaluate)
        text = self.text(text)
        return self._names[text] if text in self._names and not Path(text).exists() else text


def is_model(word: str, aliases: Mapping[str, Setup]) -> bool:
    """Whether the first word of a line magic names a model, and is not the first of the prompt."""
    model = word.rpartition("@")[0] or word
    if model in aliases or catalogue.find(model):
        return True
    vendor, slash, rest = model.partition("/")
    known = {m.id.partition("/")[0] for m in catalogue.models()} | {"lk", "local"}
    if slash:
        return bool(rest) and (vendor in known or any(c.isdigit() for c in rest))
    return catalogue.suggest(model, [m.id.partition("/")[2] for m in catalogue.models()]) is not None


def told(setup: Setup) -> str:
    """A setup on one line."""
    parts = (
        setup.model or "the default model",
        setup.provider,
        f"account {setup.account}" if setup.account else None,
        " ".join(f"{name}={value!r}" for name, value in setup.extra_kwargs.items()),
        f"system prompt: {setup.system[:60]}" if setup.system else None,
    )
    return " · ".join(part for part in parts if part)
