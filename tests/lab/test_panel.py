"""ChatPanel in JupyterLab: typed in, read, stopped, left, and found again in the saved file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from kernels import SECRET, livekit
from lab import Lab
from player import Answer, Player, chunk, plain, stream

pytestmark = [pytest.mark.xdist_group("lab"), pytest.mark.timeout(300)]

PANEL = "from lk_notebook import ChatPanel\npanel = ChatPanel('openai/gpt-5-mini')\npanel"
WIDE = 1 / 2  # a page is slow to scroll, not to jump: so much of a height may differ


def answer(request) -> Answer:
    """What the model says to each prompt of this file."""
    prompt = request.prompt
    if "slowly" in prompt:
        return stream(" ".join(f"word{i}" for i in range(2000)), pace=0.05)
    if "fail" in prompt:
        return plain(401, {"error": {"message": f"bad key {SECRET}"}})
    if "cut" in prompt:
        return Answer([chunk({"content": "half of it"})], then="cut")
    if "hostile" in prompt:
        return stream(HOSTILE)
    return stream(f"You said **{prompt}** of {len(request.body['messages'])}.")


HOSTILE = (
    "<script>window.__pwned = 1</script><img src=x onerror='window.__pwned = 2'>\n\n"
    "![x](https://evil.example/x.png) [y](javascript:window.__pwned=3)\n\n<form action='https://evil.example'></form>"
    "\n\n\x1b[2J\u202eend"
)


@pytest.fixture(scope="module")
def lab():
    """A JupyterLab on a machine with a LiveKit account."""
    with Player(answer) as player, Lab(livekit(player)) as started:
        yield started


class Panel:
    """A panel in the cell of a notebook, by what a user sees of it."""

    def __init__(self, opened, cell: int = 0, at: int = 0) -> None:
        self.opened, self.page, self.index = opened, opened.page, cell
        self.root = opened.cell(cell).locator(".lk-chat").nth(at)
        self.root.get_by_text("Replies come from").wait_for()
        self.composer = self.root.get_by_role("textbox", name="Ask a question")
        self.log = self.root.get_by_role("log")

    def ask(self, text: str, *, wait: bool = True) -> None:
        """Type a question, press Enter, and wait for the end of the answer."""
        self.composer.fill(text)
        self.composer.press("Enter")
        if wait:
            self.root.locator(".lk-turn", has_text=text).last.get_by_role("button", name="Copy", exact=True).wait_for()

    def button(self, name: str):
        """A button of the panel."""
        return self.root.get_by_role("button", name=name, exact=True)

    @property
    def said(self) -> list[str]:
        """Questions and answers, without figures and buttons."""
        return self.root.locator(".lk-asked, [data-c]").all_inner_texts()

    @property
    def kernel_says(self) -> str:
        """The output of the cell below, run now."""
        below = self.index + 1
        assert self.opened.run(below)
        return self.opened.shown(below)


@pytest.fixture
def panel(lab, notebook, request):
    """A panel in a notebook of its own: `panel(*sources)`; the first cell shows it."""

    def started(*sources: str, name: str | None = None) -> Panel:
        name = name or f"{request.node.name.partition('[')[0]}.ipynb"
        lab.write(name, sources or [PANEL])
        opened = notebook(lab, name)
        assert opened.run(0)
        return Panel(opened)

    yield started
    lab.theme("Light")
    lab.end_kernels()


def picture(panel: Panel, name: str) -> None:
    """Keep a picture of the page in $LK_PICTURES, to be looked at."""
    if folder := os.environ.get("LK_PICTURES"):
        panel.page.screenshot(path=Path(folder) / f"panel_{name}.png")


def focused(panel: Panel) -> str:
    """What has the focus, by its name."""
    return panel.page.evaluate(
        "() => { const on = document.activeElement;"
        " return on.getAttribute('aria-label') || on.labels?.[0]?.innerText || on.innerText || on.localName }"
    )


def tab_to(panel: Panel, name: str) -> None:
    """Tab until the thing of this name has the focus."""
    for _ in range(40):
        if focused(panel).startswith(name):
            return
        panel.page.keyboard.press("Tab")
    raise AssertionError(f"{name} is not reached")


# By keyboard ------------------------------------------------------------------------------------------------------


def test_from_an_empty_panel_to_a_stopped_reply_by_keyboard_alone(panel):
    """Pick a model by typing a part of it, ask, and stop: no mouse."""
    one = panel(PANEL, "print(panel.model)")
    keyboard = one.page.keyboard

    tab_to(one, "Model")
    keyboard.type("4.1-nano")
    keyboard.press("ArrowDown")
    keyboard.press("Enter")
    tab_to(one, "Ask a question")
    keyboard.type("slowly")
    keyboard.press("Shift+Enter")
    keyboard.type("please")
    keyboard.press("Enter")
    one.root.get_by_text("word3").wait_for()
    keyboard.press("Escape")

    one.root.get_by_text("Stopped").wait_for()
    assert one.said[0] == "slowly\nplease"
    assert "word3" in one.said[1]
    assert focused(one) == "Ask a question"
    assert one.kernel_says.strip() == "openai/gpt-4.1-nano"


def test_keys_typed_in_a_panel_are_not_the_notebooks(panel):
    """`d d` on a button deletes no cell, Ctrl+Enter runs none; Ctrl+S saves."""
    one = panel(PANEL, "1 + 1")
    one.button("New chat").focus()
    before = one.opened.file.stat().st_mtime_ns

    for key in ("d", "d", "b", "a", "Control+Enter"):
        one.page.keyboard.press(key)
    one.page.wait_for_timeout(500)
    cells, prompts = one.page.locator(".jp-CodeCell").count(), one.opened.has_run(1)
    one.page.keyboard.press("Control+s")

    assert one.opened.wait(lambda: one.opened.file.stat().st_mtime_ns != before)
    assert (cells, prompts) == (2, False)


def test_enter_within_an_input_method_sends_nothing(panel):
    """Japanese is typed with Enter: it chooses a word."""
    one = panel()
    one.composer.fill("日本")

    one.composer.dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    one.page.wait_for_timeout(500)

    assert one.said == []
    assert one.composer.input_value() == "日本"


def test_up_in_an_empty_composer_edits_the_last_question(panel):
    """What follows is replaced, and the model sees the new question alone."""
    one = panel()
    one.ask("first")
    one.ask("second")

    one.composer.press("ArrowUp")
    one.page.keyboard.press("Control+a")
    one.page.keyboard.type("third")
    one.page.keyboard.press("Enter")
    one.log.get_by_text("You said third").wait_for()

    assert one.said == ["first", "You said first of 1.", "third", "You said third of 3."]


def test_escape_leaves_an_edit_without_a_change(panel):
    """The question stands as it was, and nothing is sent."""
    one = panel()
    one.ask("first")

    one.button("Edit").click()
    one.page.keyboard.type("else")
    one.page.keyboard.press("Escape")

    assert one.said == ["first", "You said first of 1."]
    assert focused(one) == "Ask a question"


# Asking -----------------------------------------------------------------------------------------------------------


def test_the_first_question_again_replaces_all_that_followed(panel):
    """Edit says so before it does."""
    one = panel(PANEL, "print(len(panel.messages))")
    one.ask("first")
    one.ask("second")

    one.button("Edit").first.click()
    warned = one.root.get_by_text("What follows is replaced.").is_visible()
    one.page.keyboard.press("Control+a")
    one.page.keyboard.type("other")
    one.button("Send again").click()
    one.log.get_by_text("You said other").wait_for()

    assert warned
    assert one.said == ["other", "You said other of 1."]
    assert one.kernel_says.strip() == "2"


def test_retry_asks_the_last_question_again(panel):
    """Its answer takes the place of the one before."""
    one = panel()
    one.ask("cut")
    cut = one.root.get_by_text("Cut off").is_visible()

    one.button("Retry").click()
    one.page.wait_for_timeout(1500)

    assert cut
    assert one.said == ["cut", "half of it"]


def test_an_error_is_two_lines_with_the_mend_and_no_key(panel):
    """What the server said about the key is struck out; the question can be asked again."""
    one = panel()
    one.composer.fill("fail")
    one.composer.press("Enter")
    shown = one.root.locator(".lk-error")
    shown.wait_for()

    assert len(shown.inner_text().splitlines()) == 2
    assert SECRET not in one.root.inner_text()
    assert one.button("Retry").is_visible()
    picture(one, "error_light")


def test_stop_stands_where_send_stood(panel):
    """One button, one place, one size; it stops the reply and becomes Send again."""
    one = panel()
    before = one.button("Send").bounding_box()
    one.ask("slowly", wait=False)
    one.root.get_by_text("word3").wait_for()

    stop = one.button("Stop")
    assert stop.count() == 1
    assert stop.bounding_box() == before
    stop.click()
    one.root.get_by_text("Stopped").wait_for()
    assert one.button("Send").bounding_box() == before


def test_a_panel_answers_while_a_cell_runs(panel):
    """A long cell elsewhere in the notebook does not silence it, nor its Stop."""
    one = panel(PANEL, "import time\nfor _ in range(600): time.sleep(0.1)")
    one.opened.start(1)
    assert one.opened.wait(lambda: one.opened.state == "busy")

    one.ask("hello")
    one.ask("slowly", wait=False)
    one.root.get_by_text("word3").wait_for()
    one.button("Stop").click()
    one.root.get_by_text("Stopped").wait_for()

    assert "You said hello of 1." in one.said
    assert not one.opened.has_run(1)
    one.opened.press("interrupt")


def test_two_panels_are_two_chats(panel):
    """Side by side in one cell; what is said in one is not sent with the other."""
    two = "import ipywidgets\nfrom lk_notebook import ChatPanel\nipywidgets.VBox([ChatPanel(), ChatPanel()])"
    left = panel(two)
    right = Panel(left.opened, at=1)

    left.ask("one")
    right.ask("two")
    left.ask("three")

    assert left.said == ["one", "You said one of 1.", "three", "You said three of 3."]
    assert right.said == ["two", "You said two of 1."]


def test_a_panel_follows_its_end_unless_the_reader_scrolled_up(panel):
    """Latest ↓ is there only then, and leads back."""
    one = panel()
    one.ask("slowly", wait=False)
    one.root.get_by_text("word700 ").wait_for(timeout=90_000)
    followed = one.log.evaluate("log => log.scrollHeight - log.scrollTop - log.clientHeight < 30")
    hidden = one.button("Latest ↓").is_hidden()

    one.log.hover()
    one.page.mouse.wheel(0, -300)
    one.button("Latest ↓").wait_for()
    place = one.log.evaluate("log => log.scrollTop")
    one.page.wait_for_timeout(1000)
    stayed = one.log.evaluate("log => log.scrollTop")
    one.button("Latest ↓").click()
    one.page.wait_for_timeout(500)

    assert (followed, hidden) == (True, True)
    assert stayed == pytest.approx(place, abs=2)
    assert one.log.evaluate("log => log.scrollHeight - log.scrollTop - log.clientHeight < 60")
    one.button("Stop").click()
