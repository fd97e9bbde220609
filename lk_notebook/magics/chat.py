"""`%%lkchat` and `%lkuse`: read the line, ask, show."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand

from lk_notebook.core import catalogue, parameters, prompts
from lk_notebook.core.values import Setup
from lk_notebook.errors import ConfigurationError, PromptError
from lk_notebook.magics import line as grammar
from lk_notebook.magics.line import Line, Option

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from lk_notebook.reply import Reply
    from lk_notebook.session import Session

SETUP = (
    Option(("-p", "--provider"), "provider"),
    Option(("-a", "--account"), "account"),
    Option(("-s", "--system"), "system"),
)
CHAT = (
    *SETUP,
    Option(("-o", "--output"), "output"),
    Option(("-f", "--format"), "format"),
    Option(("--raw",), "raw", takes=False),
)
USE = (*SETUP, Option(("--as",), "alias"))
FORMATS = ("markdown", "text")


@magics_class
class ChatMagics(Magics):
    """The magics that ask one model."""

    def __init__(self, shell: InteractiveShell, session: Session) -> None:
        super().__init__(shell)
        self._session = session

    @line_cell_magic
    @no_var_expand
    def lkchat(self, line: str, cell: str | None = None) -> Reply:
        """Ask a model; the answer streams into the cell.

        ::

            %%lkchat [MODEL[@PROVIDER]] [-p PROVIDER] [-a ACCOUNT] [KEY=VALUE …]
                     [-s SYSTEM] [-o VAR] [-f FORMAT] [--raw]
            prompt, as many lines as you like

            %lkchat [MODEL] prompt

        MODEL     openai/gpt-4.1-mini, or gpt-4.1-mini, or a name made by %lkuse --as
        -p        who runs the model; without it the best available provider is picked
        -a        livekit, openai, azure, groq, baseten, cerebras, or the URL of an OpenAI-compatible API
        KEY=VALUE any parameter of the Chat Completions API: temperature=0 stop=["END OF"] reasoning_effort=low
        -s        the system prompt
        -o        keeps the Reply in a variable; _ holds it too
        -f        markdown or text
        --raw     sends the prompt as typed; else {{ expression }} in it is evaluated in the notebook
        """
        if cell is None:
            read, prompt = grammar.split_prompt(line, CHAT, self._is_model)
            if not read.words and _is_url(read.options.get("account")):
                word, _, prompt = prompt.partition(" ")  # at a URL any id is a model's
                read.words.append(word)
        else:
            read, prompt = grammar.parse(line, CHAT), cell
        output, how = _checked(read)
        if not prompt.strip():
            raise PromptError("The prompt is empty.", "Write what you want to ask below the line of %%lkchat.")
        if not read.options.get("raw"):
            prompt = prompts.expand(prompt, self._evaluate)
        reply = self._session.ask(self._setup(read), prompt.rstrip())
        return self._show(reply, output, how)

    @line_magic
    @no_var_expand
    def lkuse(self, line: str) -> None:
        """Set the defaults of %%lkchat from here on, or make an alias.

        ::

            %lkuse openai/gpt-5-mini -p openai reasoning_effort=low
            %lkuse --as fast openai/gpt-oss-120b -p groq
            %lkuse

        The defaults belong to their model: a cell that names another one starts clean, and a cell's own KEY=VALUE
        wins. Without words it tells what holds now.
        """
        read = grammar.parse(line, USE)
        alias = read.options.get("alias")
        if not line.strip():
            rows = [("From here on", self._session.defaults), *self._session.aliases.items()]
            print("\n".join(f"{name}: {_told(setup)}" for name, setup in rows))  # noqa: T201 - what was asked for
            return
        setup = self._session.use(self._setup(read), alias)
        print(f"{alias or 'From here on'}: {_told(setup)}")  # noqa: T201 - one line says what holds now

    def _show(self, reply: Reply, output: str | None, how: str) -> Reply:
        from lk_notebook import show  # noqa: PLC0415 - the view is imported when first used

        if output:
            self._space[output] = reply
        show.draw(reply, how)  # type: ignore[arg-type]
        if reply.error is not None:
            raise reply.error.with_traceback(None)
        return reply

    def _setup(self, read: Line) -> Setup:
        """The words of the line, with its expressions evaluated."""
        model, provider = None, read.options.get("provider")
        if read.words:
            model, at = grammar.model_and_provider(self._text(read.words[0]))
            if at and provider:
                raise ConfigurationError(f"Both @{at} and -p {provider} name a provider.", "Leave out one of them.")
            provider = at or provider
        extra = {name: grammar.resolve(text, self._evaluate, name) for name, text in read.pairs.items()}
        parameters.check(extra)
        account, system = read.options.get("account"), read.options.get("system")
        return Setup(
            model,
            provider and self._text(provider),
            account and self._text(account),
            extra,
            None if system is None else self._text(system),
        )

    def _text(self, word: str) -> str:
        return prompts.expand(word, self._evaluate)

    @property
    def _space(self) -> dict[str, Any]:
        """The names of the notebook."""
        return self.shell.user_ns  # type: ignore[union-attr, no-any-return]  # given in __init__

    @property
    def _evaluate(self) -> Callable[[str], Any]:
        """Evaluates in the notebook's own namespace, where the user wrote the expression."""
        space = self._space
        return lambda source: eval(source, space)  # noqa: S307 - the user's own code, in the user's own notebook

    def _is_model(self, word: str) -> bool:
        model = word.rpartition("@")[0] or word
        if model in self._session.aliases or catalogue.find(model):
            return True
        vendor, slash, rest = model.partition("/")
        known = {m.id.partition("/")[0] for m in catalogue.models()} | {"lk", "local"}
        if slash:
            return bool(rest) and (vendor in known or any(c.isdigit() for c in rest))
        return catalogue.suggest(model, [m.id.partition("/")[2] for m in catalogue.models()]) is not None


def _checked(read: Line) -> tuple[str | None, str]:
    """Output variable and format, or the error that says what is wrong with the line."""
    if len(read.words) > 1:
        raise ConfigurationError(
            f"{read.words[1]} is one word too many on the line.", "One model stands there; the prompt goes below it."
        )
    output, how = read.options.get("output"), read.options.get("format", "markdown")
    if output is not None and not output.isidentifier():
        raise ConfigurationError(f"-o {output} is no name of a variable.", "Write a plain name: -o reply.")
    if how not in FORMATS:
        raise ConfigurationError(f"There is no format {how}.", f"There are {' and '.join(FORMATS)}.")
    return output, how


def _is_url(account: str | None) -> bool:
    return bool(account) and re.match(r"https?://|\{\{", account or "") is not None


def _told(setup: Setup) -> str:
    """A setup on one line."""
    parts = (
        setup.model or "the default model",
        setup.provider,
        f"account {setup.account}" if setup.account else None,
        " ".join(f"{name}={value!r}" for name, value in setup.extra_kwargs.items()),
        f"system prompt: {setup.system[:60]}" if setup.system else None,
    )
    return " · ".join(part for part in parts if part)
