"""`%%lkagent`: talk to an agent in a LiveKit AgentSession, and try it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_cell_magic, magics_class, no_var_expand
from IPython.display import display

from lk_notebook.core import expectations
from lk_notebook.core.grid import Cell, Grid
from lk_notebook.core.values import Setup
from lk_notebook.errors import ConfigurationError, PromptError
from lk_notebook.extras import needs
from lk_notebook.magics import frames
from lk_notebook.magics import line as grammar
from lk_notebook.magics.line import Line, Option
from lk_notebook.magics.words import SETUP, Words
from lk_notebook.session import llm

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from lk_notebook.agents import Brief, Talk
    from lk_notebook.core.expectations import Exchange
    from lk_notebook.reply import Reply
    from lk_notebook.session import Session

KEEP = Option(("--keep",), "keep")
CLOSE = Option(("--close",), "close", takes=False)
AGENT = (
    *SETUP,
    Option(("-t", "--tools"), "tools", many=True),
    KEEP,
    Option(("-n", "--new"), "new", takes=False),
    frames.OUTPUT,
    Option(("--raw",), "raw", takes=False),
    Option(("--eval",), "eval", takes=False),
)
SESSIONS = (KEEP, CLOSE)
#: The variable that holds the session where no other is named.
KEPT = "session"


@magics_class
class AgentMagics(Magics):
    """The magic that talks to agents."""

    def __init__(self, shell: InteractiveShell, session: Session) -> None:
        super().__init__(shell)
        self._session = session

    @line_cell_magic
    @no_var_expand
    def lkagent(self, line: str, cell: str | None = None) -> Reply | None:
        """Talk to an agent in a LiveKit AgentSession, text only; the next %%lkagent goes on with it.

        ::

            %%lkagent [MODEL[@PROVIDER]] [-p PROVIDER] [-a ACCOUNT] [KEY=VALUE …] [-s INSTRUCTIONS] [-t TOOLS]
                      [--keep NAME] [-n] [-o VAR] [--raw]
            what you say

            %%lkagent --eval [-o TABLE] [as above]
            user: Weather in Paris?
            expect: calls get_weather(city="Paris")
            expect: says sunny

            %lkagent
            %lkagent --close [--keep NAME]

        MODEL, -p, -a, KEY=VALUE   as for %%lkchat; a later cell that names some changes the agent from there on
        -s          its instructions
        -t f,g      functions of the notebook that it may call. One that returns a LiveKit Agent hands over to it
        --keep      another session, and the variable that holds it; without it `session`
        -n          starts anew: the session is closed, another one opened
        -o          keeps the Reply, or the table; _ holds the Reply too, and `_.result` is LiveKit's RunResult
        --raw       sends the message as typed; else {{ expression }} in it is evaluated in the notebook
        --eval      a session of its own goes through the turns and says in a table which expectations were met:

                    calls f, calls f(city="Paris"), calls nothing     a tool, with at least these arguments
                    says sunny                                        these words, in capitals or not
                    hands over to Billing                             an Agent of this class
                    judge is polite and offers help                   the model itself decides
                    not …                                             the contrary of any of these
                    ---                                               from here on a session of its own

        %lkagent alone lists the sessions that are open. They are closed when the kernel ends. Needs livekit-agents:
        pip install "lk_notebook[agents]".
        """
        if cell is None:
            self._sessions(line)
            return None
        read = grammar.parse(line, AGENT)
        if len(read.words) > 1:
            what = f"{read.words[1]} is one word too many on the line."
            raise ConfigurationError(what, "One model stands there; what you say goes below it.")
        output, words = frames.variable(read), Words(self.shell)
        with needs("agents"):
            from lk_notebook import agents  # noqa: PLC0415 - brings livekit-agents, which takes seconds
        name = self._name(read, agents.is_session)
        before = None if read.options.get("new") else self._session.talks.get(name)
        if read.options.get("eval"):
            said = [replace(each, user=words.prompt(each.user, read)) for each in expectations.read(cell)]
            self._evaluate(said, self._brief(read, words, before), words.cell, output)
            return None
        if not cell.strip():
            raise PromptError("There is nothing to say.", "Write what you want to say below the line of %%lkagent.")
        message = words.prompt(cell, read)
        talk = self._talk(name, before, self._brief(read, words, before))
        self._names[name] = talk.open()
        return self._show(talk.ask(message, words.cell), output)

    def _talk(self, name: str, before: Talk | None, brief: Brief) -> Talk:
        """The session that goes on, its agent as this cell wants it, or another one in its place."""
        from lk_notebook.agents import Talk  # noqa: PLC0415 - as above

        if before is not None:
            before.become(brief, None if brief.setup == before.brief.setup else llm(brief.setup))
            return before
        talk = Talk(brief, llm(brief.setup))
        if (old := self._session.talks.pop(name, None)) is not None:
            old.close()
        self._session.talks[name] = talk
        return talk

    def _brief(self, read: Line, words: Words, before: Talk | None) -> Brief:
        """What the agent is made of: what the cell says, over what it was."""
        from lk_notebook.agents import Brief  # noqa: PLC0415 - as above

        setup, tools = words.setup(read, read.words[0] if read.words else None), words.carried(read).tools
        if before is None:
            whole = self._session.settle(setup)
            return Brief(replace(whole, system=None), whole.system or "", tools)
        was = before.brief
        instructions = was.instructions if setup.system is None else setup.system
        return Brief(self._changed(was.setup, setup), instructions, tools if "tools" in read.options else was.tools)

    def _changed(self, was: Setup, cell: Setup) -> Setup:
        """The agent's model and parameters, with those of the cell; another model starts clean."""
        if cell.model is not None:
            return replace(self._session.settle(cell), system=None)
        return replace(cell.over(was), system=None)

    def _show(self, turn: Reply, output: str | None) -> Reply:
        from lk_notebook import show  # noqa: PLC0415 - the view is imported when first used

        if output:
            self._names[output] = turn
        show.draw(turn, error_follows=True)
        if turn.error is not None:
            raise turn.error.with_traceback(None)
        return turn

    def _evaluate(self, said: list[Exchange], brief: Brief, cell: str, output: str | None) -> None:
        from lk_notebook import evaluation, show  # noqa: PLC0415 - as above

        sight = evaluation.Evaluation(said, brief, cell)
        try:
            show.watch(sight.start())
        finally:
            if output:
                self._names[output] = frames.frame(sight.rows, evaluation.COLUMNS)
        if (error := sight.error) is not None:
            raise error.with_traceback(None)

    def _sessions(self, line: str) -> None:
        """Lists the open sessions, or closes one."""
        read = grammar.parse(line, SESSIONS)
        if read.words:
            what = f"%lkagent does not know {' '.join(read.words)}."
            raise ConfigurationError(what, "What you say to the agent goes below %%lkagent.")
        name, talks = read.options.get("keep", KEPT), self._session.talks
        if read.options.get("close"):
            if name not in talks:
                there = f"There are {', '.join(talks)}." if talks else "%%lkagent opens one."
                raise ConfigurationError(f"No session is open under the name {name}.", there)
            talks.pop(name).close()
        elif talks:
            display(frames.bundle(_listed(talks)), raw=True)  # type: ignore[no-untyped-call]
        else:
            print("No session is open. %%lkagent opens one.")  # noqa: T201 - what was asked for

    def _name(self, read: Line, is_session: Callable[[Any], bool]) -> str:
        """The variable that holds the session; one that holds something of the user's is left alone."""
        name: str = read.options.get("keep", KEPT)
        if not name.isidentifier():
            raise ConfigurationError(f"--keep {name} is no name of a variable.", "Write a plain name: --keep helper.")
        if name in self._names and not is_session(self._names[name]):
            what = f"The variable {name} holds something of yours."
            raise ConfigurationError(what, "Name another one for the session: --keep agent_session.")
        return name

    @property
    def _names(self) -> dict[str, Any]:
        """The names of the notebook."""
        return self.shell.user_ns  # type: ignore[union-attr, no-any-return]  # given in __init__


def _listed(talks: dict[str, Talk]) -> Grid:
    from lk_notebook.agent_tools import told  # noqa: PLC0415 - brings livekit-agents, which is there by now

    rows = [
        [Cell(name), Cell(talk.model.model), Cell(str(talk.turns)), Cell(", ".join(told(talk.brief.tools)) or "–")]
        for name, talk in talks.items()
    ]
    return Grid("Open sessions", ("Variable", "Model", "Turns", "Tools"), rows, figures=frozenset({2}))
