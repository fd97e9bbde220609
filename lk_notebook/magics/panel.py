"""`%lkpanel`: a chat panel in the cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.magic import Magics, line_magic, magics_class, no_var_expand

from lk_notebook.errors import ConfigurationError
from lk_notebook.magics import frames
from lk_notebook.magics import line as grammar
from lk_notebook.magics.line import Line, Option
from lk_notebook.magics.words import SETUP, Words

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

PANEL = (
    *SETUP,
    Option(("-t", "--tools"), "tools", many=True),
    Option(("--compare",), "compare", takes=False),
    Option(("--blind",), "blind", takes=False),
    frames.OUTPUT,
)
#: Panels side by side; a narrow page stacks them.
MOST = 4
_SIDE_BY_SIDE = {"display": "flex", "flex_flow": "row wrap", "grid_gap": "8px"}


@magics_class
class PanelMagics(Magics):
    """The magic that opens panels."""

    def __init__(self, shell: InteractiveShell) -> None:
        super().__init__(shell)

    @line_magic
    @no_var_expand
    def lkpanel(self, line: str) -> Any:
        """Open a chat panel: pick a model, type, and the reply streams.

        ::

            %lkpanel [MODEL[@PROVIDER] …] [-p PROVIDER] [-a ACCOUNT] [KEY=VALUE …] [-s SYSTEM] [-t TOOLS] [-o VAR]
                     [--compare [--blind]]

            %lkpanel gpt-5-mini reasoning_effort=low
            %lkpanel gpt-4.1-mini gpt-oss-120b@groq
            %lkpanel --compare gpt-4.1-mini gpt-oss-120b@groq

        MODEL      as for %%lkchat; without one the default. Of several, up to four, each gets a panel of its own
        KEY=VALUE  the parameters that its settings begin with
        -s         the system prompt
        -t f,g     functions of the notebook that the model may call
        --compare  one panel that asks two to four models the same, side by side
        --blind    with it: hides the names until you chose the best answer
        -o         keeps the panel in a variable, a list of several; _ holds what is shown

        Enter sends, Shift+Enter is a new line, Esc stops. Each panel is a chat of its own: %lkchats lists it. What was
        said stays in the saved notebook. In Python: from lk_notebook import ChatPanel, ComparePanel.
        """
        read = grammar.parse(line, PANEL)
        output = frames.variable(read)
        if len(read.words) > MOST and "compare" not in read.options:
            raise ConfigurationError(
                f"%lkpanel opens up to {MOST} panels; {len(read.words)} models are named.", "Name fewer."
            )
        if len(read.words) > 1 and "provider" in read.options:
            raise ConfigurationError("-p would name one provider for all models.", "Write MODEL@PROVIDER for each.")
        if "blind" in read.options and "compare" not in read.options:
            raise ConfigurationError("--blind hides the names of a comparison.", "Write --compare --blind.")
        if "compare" in read.options:
            panels = [self._comparison(read)]
        else:
            panels = [self._panel(read, word) for word in read.words or (None,)]
        if output:
            self.shell.user_ns[output] = panels[0] if len(panels) == 1 else panels  # type: ignore[union-attr]
        return panels[0] if len(panels) == 1 else _side_by_side(panels)

    def _panel(self, read: Line, word: str | None) -> Any:
        from lk_notebook.widgets import ChatPanel  # noqa: PLC0415 - ipywidgets, when a panel is opened

        words = Words(self.shell)
        setup = words.setup(read, word)
        return ChatPanel(
            setup.model,
            setup.provider,
            setup.extra_kwargs,
            setup.system,
            tools=words.carried(read).tools,
            account=setup.account,
        )

    def _comparison(self, read: Line) -> Any:
        from lk_notebook.widgets import ComparePanel  # noqa: PLC0415 - as above

        words = Words(self.shell)
        setup = words.setup(read, None)
        return ComparePanel(
            [words.text(word) for word in read.words],
            setup.extra_kwargs,
            setup.system,
            blind=read.options.get("blind", False),
            tools=words.carried(read).tools,
            account=setup.account,
        )


def _side_by_side(panels: list[Any]) -> Any:
    """One widget of several panels."""
    import ipywidgets  # noqa: PLC0415 - as above

    for panel in panels:
        panel.layout = ipywidgets.Layout(flex="1 1 360px", min_width="0")
    return ipywidgets.Box(panels, layout=ipywidgets.Layout(**_SIDE_BY_SIDE))
