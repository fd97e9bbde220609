"""`%%lkchat`: read the line, ask, show."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand

from lk_notebook.core.chats import MAIN
from lk_notebook.errors import ConfigurationError, PromptError
from lk_notebook.magics import line as grammar
from lk_notebook.magics.line import Line, Option
from lk_notebook.magics.words import CARRIED, SETUP, Words, is_model
from lk_notebook.session import Place

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from lk_notebook.magics.cells import Cells
    from lk_notebook.reply import Reply
    from lk_notebook.session import Session

CHAT = (
    *SETUP,
    *CARRIED,
    Option(("-c", "--chat"), "chat"),
    Option(("-n", "--new"), "new", takes=False),
    Option(("-o", "--output"), "output"),
    Option(("-f", "--format"), "format"),
    Option(("--continue",), "continue", takes=False),
)
FORMATS = ("markdown", "text", "code", "json", "html")


@magics_class
class ChatMagics(Magics):
    """The magic that asks one model."""

    def __init__(self, shell: InteractiveShell, session: Session, cells: Cells) -> None:
        super().__init__(shell)
        self._session, self._cells = session, cells

    @line_cell_magic
    @no_var_expand
    def lkchat(self, line: str, cell: str | None = None) -> Reply:
        r"""Ask a model; the answer streams into the cell.

        ::

            %%lkchat [MODEL[@PROVIDER]] [-p PROVIDER] [-a ACCOUNT] [KEY=VALUE …] [-s SYSTEM]
                     [-c CHAT] [-n] [-o VAR] [-f FORMAT] [-t TOOLS] [--schema TYPE] [-i IMAGE …] [--raw]
            prompt, as many lines as you like

            %lkchat [MODEL] prompt
            %lkchat --continue

        MODEL       openai/gpt-4.1-mini, or gpt-4.1-mini, or a name made by %lkuse --as
        -p          who runs the model; without it the best available provider is picked
        -a          livekit, openai, azure, groq, baseten, cerebras, local, or the URL of an OpenAI-compatible API
        KEY=VALUE   any parameter of the Chat Completions API: temperature=0 stop=["\n"] reasoning_effort=low
        -s          the system prompt; the chat keeps it until another is named
        -c          a named chat, which remembers its turns; without it the notebook's own. A turn belongs to its
                    cell: running the cell again replaces it and sees only the turns before it
        -n          starts the chat anew
        -o          keeps the Reply in a variable; _ holds it too
        -f          markdown, text, code (the code becomes the next cell), json (parsed), html (sandboxed)
        -t f,g      functions of the notebook that the model may call
        --schema    a pydantic model, dataclass, TypedDict, or list[…] of one: reply.parsed
        -i          a path, a URL, or a variable that holds an image; again for more
        --raw       sends the prompt as typed; else {{ expression }} in it is evaluated in the notebook
        --continue  goes on where the chat's last answer was cut
        """
        words = Words(self.shell)
        read, prompt = self._read(line, cell)
        output, how = _checked(read)
        if read.options.get("continue"):
            stale: list[Reply] = []
            reply = self._continued(read, prompt)
        else:
            if not prompt.strip():
                raise PromptError("The prompt is empty.", "Write what you want to ask below the line of %%lkchat.")
            setup = words.setup(read, read.words[0] if read.words else None)
            place = Place(self._cells.key(), read.options.get("chat", MAIN), read.options.get("new", False))
            carried = words.carried(read, _as_json() if how == "json" else None)
            reply, stale = self._session.ask(setup, words.prompt(prompt, read), place, carried)
        return self._show(reply, output, how, stale)

    def _read(self, line: str, cell: str | None) -> tuple[Line, str]:
        if cell is not None:
            return grammar.parse(line, CHAT), cell
        read, prompt = grammar.split_prompt(line, CHAT, lambda word: is_model(word, self._session.aliases))
        if not read.words and re.match(r"https?://|\{\{", read.options.get("account") or ""):
            word, _, prompt = prompt.partition(" ")  # at a URL any id is a model's
            read.words.append(word)
        return read, prompt

    def _continued(self, read: Line, prompt: str) -> Reply:
        """The last answer of the chat, gone on with; it takes the place of the cut one."""
        if prompt.strip():
            raise PromptError("--continue takes no prompt.", "Leave it out, or leave out --continue.")
        return self._session.go_on(read.options.get("chat", MAIN))

    def _show(self, reply: Reply, output: str | None, how: str, stale: list[Reply]) -> Reply:
        from lk_notebook import show  # noqa: PLC0415 - the view is imported when first used

        if output:
            self._keep(reply, output)
        for later in stale:
            later.refresh()
        show.draw(reply, how, error_follows=True)  # type: ignore[arg-type]
        if reply.error is not None:
            raise reply.error.with_traceback(None)
        if how == "code":
            self._next_cell(reply.text)
        return reply

    def _keep(self, reply: Reply, output: str) -> Reply:
        """The variable holds the reply, and the one that comes when it is asked for once more or gone on with."""
        self._names[output] = reply
        if (remember := reply.remember) is not None:

            def replaced(whole: Reply) -> None:
                remember(whole)
                self._names[output] = whole

            reply.remember = replaced
        if (anew := reply.anew) is not None:
            reply.anew = lambda: self._keep(anew(), output)
        return reply

    def _next_cell(self, text: str) -> None:
        """The code of the answer as the next cell, where the front end makes one; it is never run by itself."""
        from lk_notebook.core.formats import next_cell  # noqa: PLC0415 - this format's own

        if (code := next_cell(text)) and self.shell is not None:
            self.shell.set_next_input(code, replace=False)

    @property
    def _names(self) -> dict[str, Any]:
        """The names of the notebook."""
        return self.shell.user_ns  # type: ignore[union-attr, no-any-return]  # given in __init__


def _as_json() -> Callable[[str], Any]:
    from lk_notebook.core.schemas import extract_json  # noqa: PLC0415 - brings pydantic

    return extract_json


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
        raise ConfigurationError(f"There is no format {how}.", f"There are {', '.join(FORMATS)}.")
    return output, how
