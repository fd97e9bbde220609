"""What all panels share: the places that the kernel renders, and what is done with what a view sends."""

from __future__ import annotations

import contextvars
import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import traitlets

from lk_notebook.core import parameters
from lk_notebook.core.text import plain
from lk_notebook.core.values import Message, redact
from lk_notebook.desk import desk
from lk_notebook.errors import LkError
from lk_notebook.llm import LLM
from lk_notebook.page import plain_text
from lk_notebook.reply import ENDED, Reply
from lk_notebook.view import View, static
from lk_notebook.widgets import form, markup, told, transcript
from lk_notebook.widgets.form import Field

#: What is done with a message of a view: with its column, its name and its text.
Act: TypeAlias = Callable[[int, str, str], object]

_QUIET = ("models", "moved", "lost", "copy", "sent")  # what leaves an error on the page


def status(reply: Reply | None) -> str:
    """What a screen reader is told of a reply: that it comes, then all of it."""
    if reply is None:
        return ""
    return plain(plain_text(reply)) if reply.state in ENDED else "Replying"


def without(messages: Sequence[Message], *acts: str) -> list[Message]:
    """What a reply tells a view, but for these buttons: they stand elsewhere in the panel, or nowhere."""
    return [
        each | {"acts": [act for act in each["acts"] if act not in acts]} if each["t"] == "foot" else each
        for each in messages
    ]


class Places:
    """The places of a panel that the kernel renders; a view is told only what differs from what it has."""

    def __init__(self, tell: Callable[[list[Message]], None]) -> None:
        self.tell = tell
        self._told: dict[str, str] = {}

    def begin(self, frame: str) -> None:
        """A view with nothing in its places; one that has them keeps what is typed there."""
        self._told = {}
        self.tell([{"t": "reset"}, {"t": "frame", "h": frame}])

    def put(self, places: Mapping[str, str], *, anew: bool = False) -> None:
        """HTML of some places, without any known secret; `anew`: also where it is the same."""
        struck = {at: redact(html) for at, html in places.items()}
        new = {at: html for at, html in struck.items() if anew or self._told.get(at) != html}
        self._told.update(new)
        self.tell([{"t": "html", "at": at, "h": html} for at, html in new.items()])


class Panel(View):
    """A widget that moves out of its output, where its turns stay; it hears nothing before `_open`."""

    _esm = static("lk.js", "panel.js")
    _css = static("lk.css", "panel.css")

    label = traitlets.Unicode().tag(sync=True)

    _opened = False

    def __init__(self, label: str, number: str, **traits: Any) -> None:
        self._context = contextvars.copy_context()
        desk.at_home()
        super().__init__(self._heard_of, kind="panel", label=label, number=number, **traits)
        self._places = Places(self.tell)
        self._outputs = transcript.Outputs(self.mime, self._kept)

    def _open(self) -> None:
        self._opened = True
        self.rebuild()
        self._outputs.watch_boxes(self)

    def rebuild(self) -> None:
        """Tells all of it: to a view without content, or when something else is asked."""
        raise NotImplementedError

    def _kept(self) -> dict[str, str]:
        """What stays in the file."""
        raise NotImplementedError

    @property
    def _acts(self) -> dict[str, Act]:
        """What the view sends -> what is done."""
        return {"moved": lambda *_: self._outputs.moved_out(), "lost": lambda *_: self.rebuild()}

    def _heard_of(self, message: Message) -> None:
        """What the view asks for is done in the context of the cell that made the panel: its output goes there."""
        if self._opened and (act := self._acts.get(message.get("t", ""))) is not None:
            self._context.copy().run(self._do, act, message)

    def _do(self, act: Act, message: Message) -> None:
        act(int(message.get("c", -1)), str(message.get("name", "")), str(message.get("text", "")))

    def _ipython_display_(self) -> None:
        self._outputs.show()


class Asking(Panel):
    """A panel with settings, and a composer: what is typed wrong is told beside it, and nothing typed is lost."""

    extra_kwargs: traitlets.Dict[str, Any] = traitlets.Dict()
    system = traitlets.Unicode(None, allow_none=True)

    def __init__(self, label: str, number: str, llm: LLM, tools: Sequence[Callable[..., Any]], **traits: Any) -> None:
        self._llm, self._tools = llm, tuple(tools)
        self._slip: dict[str, tuple[str, list[str]]] = {}  # by field: what was typed, and what is wrong with it
        self._alert = ""
        super().__init__(label, number, **traits)

    @property
    def account(self) -> str | None:
        """The account that is asked, where one was named."""
        return self._llm.setup.account

    @property
    def _ids(self) -> list[str]:
        """The models in full, whose settings these are."""
        raise NotImplementedError

    @traitlets.validate("system")
    def _or_none(self, proposal: Any) -> str | None:
        return proposal.value if (proposal.value or "").strip() else None

    @traitlets.validate("extra_kwargs")
    def _sendable(self, proposal: Any) -> dict[str, Any]:
        parameters.check(proposal.value)
        return copy.deepcopy(dict(proposal.value))

    # What the view is told -----------------------------------------------------------------------------------------

    def _draw(self, *, anew: bool = False) -> None:
        """Tells what has changed of what is set, or all of it."""
        ids, extra, tools = self._ids, self.extra_kwargs, bool(self._tools)
        system = Field("system", "lines", self.system or "")
        fields = [system, *form.fields(ids, extra, tools=tools)]
        wrong = {each.name: self._slip.get(each.name, ("", ())) for each in fields}
        self._places.put({
            "summary": plain(form.summary(ids, extra, self.system, tools=tools)),
            "fields": "".join(markup.setting(self.number, each, wrong[each.name]) for each in fields),
            "dead": "".join(f"<div>{plain(line)}</div>" for line in form.dead(ids, extra, tools=tools)),
            "alert": self._alert,
        }, anew=anew)  # fmt: skip

    def _list(self) -> None:
        """Tells the models that can be picked, those of the panel first."""
        self._places.put({"models": markup.model_lines(told.models(self._ids))})

    # What it asks for ----------------------------------------------------------------------------------------------

    @property
    def _acts(self) -> dict[str, Act]:
        return {**super()._acts, "field": self._on_field, "models": lambda *_: self._list()}

    def _do(self, act: Act, message: Message) -> None:
        try:
            super()._do(act, message)
        except LkError as error:
            lines, name, text = redact(str(error)).splitlines(), message.get("name", ""), str(message.get("text", ""))
            if message["t"] == "field":
                self._slip[name] = (text, lines)
            else:
                self._alert = markup.lines(lines)
            self._draw(anew=True)  # what was chosen in the view does not hold
            if message["t"] == "send" and "c" not in message:
                self.tell([{"t": "draft", "h": text}])
        else:
            if self._alert and message["t"] not in _QUIET:
                self._alert = ""
                self._draw()

    def _on_field(self, _c: int, name: str, text: str) -> None:
        if name == "system":
            self.system = text
        else:
            self.extra_kwargs = form.change(self.extra_kwargs, name, text)
        self._slip.pop(name, None)
        self._draw()
