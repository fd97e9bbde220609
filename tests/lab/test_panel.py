"""ChatPanel in JupyterLab: typed in, read, stopped, left, and found again in the saved file."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from statistics import median

import pytest
from kernels import SECRET, livekit
from lab import Lab
from npm import package
from panels import Shown, focused, opener, picture, tab_to
from player import Answer, Player, chunk, plain, stream

pytestmark = [pytest.mark.xdist_group("panels"), pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
PANEL = "from lk_notebook import ChatPanel\npanel = ChatPanel('openai/gpt-5-mini')\npanel"


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


MANY = """from lk_notebook import ChatPanel
turn = 'Some **words** of an answer, and `code`.\\n\\n- a\\n- b\\n'
panel = ChatPanel()
panel.messages = [{'role': role, 'content': turn} for _ in range(1000) for role in ('user', 'assistant')]"""
LOADED = 15  # seconds; some three where the machine has nothing else to do
FRAMES = """() => new Promise(done => { const gaps = []; let last = performance.now();
  const step = now => { gaps.push(now - last); last = now; gaps.length < 90 ? again() : done(gaps) };
  const again = () => requestAnimationFrame(step);
  requestAnimationFrame(step) })"""
SHOW = {
    "empty": lambda one: one.composer.focus(),
    "settings": lambda one: one.root.get_by_text("Settings").click(),
    "picker": lambda one: one.root.get_by_role("combobox", name="Model").fill("gpt"),
    "talk": lambda one: one.ask("first"),
    "streaming": lambda one: (one.ask("slowly", wait=False), one.log.get_by_text("word9 ").wait_for()),
    "stopped": lambda one: (SHOW["streaming"](one), one.button("Stop").click(), one.button("Retry").wait_for()),
    "cut": lambda one: one.ask("cut"),
    "edit": lambda one: (one.ask("first"), one.edit(one.button("Edit").click)),
    "error": lambda one: (one.composer.fill("fail"), one.composer.press("Enter"), one.button("Retry").wait_for()),
}
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


@pytest.fixture(scope="module")
def without_account():
    """A JupyterLab on a machine without account and network."""
    with Lab() as started:
        yield started


class Panel(Shown):
    """A panel in the cell of a notebook, by what a user sees of it."""

    asks, pictures = "Ask a question", "panel"

    def __init__(self, opened, cell: int = 0, at: int = 0) -> None:
        super().__init__(opened, cell, at)
        self.log = self.root.get_by_role("log")

    def ask(self, text: str, *, wait: bool = True) -> None:
        """Type a question, press Enter, and wait for the end of the answer."""
        self.composer.fill(text)
        self.composer.press("Enter")
        if wait:
            turn = self.root.locator(".lk-turn", has_text=text).last
            turn.locator(".lk-do-copy").wait_for(state="attached")  # a turn out of sight is not drawn

    def edit(self, how) -> None:
        """Open a question in its field, which then has the focus."""
        how()
        self.root.get_by_role("textbox", name="Edit the question").wait_for()

    @property
    def said(self) -> list[str]:
        """Questions and answers, without figures and buttons."""
        return self.root.locator(".lk-asked, div[data-c]").all_inner_texts()


@pytest.fixture
def panel(lab, notebook, request):
    """A panel in a notebook of its own: `panel(*sources)`; the first cell shows it."""
    yield from opener(Panel, PANEL, lab, notebook, request.node.name)


# By keyboard ------------------------------------------------------------------------------------------------------


def test_from_an_empty_panel_to_a_stopped_reply_by_keyboard_alone(panel):
    """Pick a model by typing a part of it, ask, and stop: no mouse."""
    one = panel(PANEL, "print(panel.model)")
    keyboard = one.page.keyboard

    tab_to(one, "Model")
    keyboard.type("4.1-n")
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
    assert one.button("Retry").count() == 1  # the last answer's alone

    one.edit(lambda: one.composer.press("ArrowUp"))
    one.page.keyboard.press("Control+a")
    one.page.keyboard.type("third")
    one.page.keyboard.press("Enter")
    one.log.get_by_text("You said third").wait_for()

    assert one.said == ["first", "You said first of 1.", "third", "You said third of 3."]


def test_escape_leaves_an_edit_without_a_change(panel):
    """The question stands as it was, and nothing is sent."""
    one = panel()
    one.ask("first")

    one.edit(one.button("Edit").click)
    one.page.keyboard.type("else")
    one.page.keyboard.press("Escape")
    one.root.get_by_role("textbox", name="Edit the question").wait_for(state="detached")

    assert one.said == ["first", "You said first of 1."]
    assert focused(one) == "Ask a question"


# Asking -----------------------------------------------------------------------------------------------------------


def test_the_first_question_again_replaces_all_that_followed(panel):
    """Edit says so before it does."""
    one = panel(PANEL, "print(len(panel.messages))")
    one.ask("first")
    one.ask("second")

    one.edit(one.button("Edit").first.click)
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
    assert focused(one) == "Ask a question"


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


# Picking and setting ----------------------------------------------------------------------------------------------


def test_the_model_picker_tells_price_and_availability(panel):
    """Each line has both, where they are known; what is typed filters them."""
    one = panel()
    picker = one.root.get_by_role("combobox", name="Model")
    lines = one.root.get_by_role("listbox").get_by_role("option")
    # JupyterLab takes the focus once more when the run of a cell has ended
    assert one.opened.wait(lambda: (picker.click(), lines.first.is_visible())[1])
    every = lines.all_inner_texts()
    picker.fill("gpt-oss")
    few = lines.all_inner_texts()
    picture(one, "picker_light")

    assert len(every) > 30
    assert [line.split() for line in every if line.startswith("lk/demo")] == [["lk/demo", "built", "in,", "free"]]
    assert any("no account" in line for line in every)
    assert [line.split()[:2] for line in few] == [["openai/gpt-oss-120b", "from"]]


def test_a_model_that_is_in_no_list_is_used_as_typed(panel):
    """The picker says so before Enter does."""
    one = panel(PANEL, "print(panel.model)")
    picker = one.root.get_by_role("combobox", name="Model")
    picker.fill("acme/new-model")
    said = one.root.get_by_text("Not in the list. Enter uses it as typed.").is_visible()
    picker.press("Enter")

    assert said
    assert one.kernel_says.strip() == "acme/new-model"


def test_escape_closes_the_picker_and_changes_nothing(panel):
    """What was typed is forgotten."""
    one = panel()
    picker = one.root.get_by_role("combobox", name="Model")
    picker.fill("nano")
    picker.press("Escape")

    assert picker.input_value() == "openai/gpt-5-mini"
    assert picker.get_attribute("aria-expanded") == "false"


def test_the_settings_fit_the_model(panel):
    """Efforts are a choice, dead fields are a line; what is filled in is a parameter, what is wrong is told there."""
    one = panel(PANEL, "print(panel.extra_kwargs)")
    one.root.get_by_text("Settings").click()
    dead = one.root.get_by_text("openai/gpt-5-mini takes no temperature").is_visible()
    effort = one.root.get_by_label("reasoning_effort")
    efforts = effort.locator("option").all_inner_texts()
    effort.select_option("low")
    seed = one.root.get_by_label("seed")
    seed.fill("x")
    seed.press("Tab")
    one.root.get_by_text("seed is a whole number, not x.").wait_for()
    picture(one, "settings_light")
    seed.fill("7")
    seed.press("Tab")
    one.root.get_by_text("no system prompt · reasoning_effort=low · seed=7").wait_for()

    assert dead
    assert efforts == ["default", "minimal", "low", "medium", "high"]
    assert one.kernel_says.strip() == "{'reasoning_effort': 'low', 'seed': 7}"


def test_what_python_sets_is_shown(panel):
    """Without a second view, and while a field has the focus elsewhere."""
    one = panel(PANEL, "panel.model, panel.provider, panel.system = 'gpt-oss-120b', 'groq', 'Be brief.'")
    assert one.opened.run(1)

    one.root.get_by_text("Be brief.").first.wait_for()
    assert one.root.get_by_role("combobox", name="Model").input_value() == "openai/gpt-oss-120b"
    assert one.root.get_by_label("Provider").input_value() == "groq"


COPIES = {
    "Copy as magic": "%%lkchat openai/gpt-5-mini\nfirst",
    "Copy as Python": 'llm = LLM("openai/gpt-5-mini")\nllm("first")',
    "Copy as Agents code": "AgentSession(",
}


def test_the_panel_is_copied_as_code(panel):
    """With its last question; what is pasted holds no key. So is an answer, as the model wrote it."""
    one = panel()
    one.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    one.ask("first")
    pasted = {}
    for name in (*COPIES, "Copy"):
        one.button(name).click()
        one.button("Copied").wait_for()
        pasted[name] = one.page.evaluate("navigator.clipboard.readText()")
        one.button(name).wait_for()

    assert pasted.pop("Copy") == "You said **first** of 1."
    assert [name for name, text in COPIES.items() if text not in pasted[name]] == []
    assert not [name for name, text in pasted.items() if SECRET in text or "APItest" in text]


def test_what_cannot_be_copied_says_why(panel):
    """The built-in model runs in this notebook only."""
    one = panel("from lk_notebook import ChatPanel\nChatPanel('lk/demo')")

    one.button("Copy as Agents code").click()
    one.button("Copy failed").wait_for()

    assert len(one.root.locator(".lk-alert div, .lk-alert strong").all()) == 2


# What stays -------------------------------------------------------------------------------------------------------

BOX = "import ipywidgets\nfrom lk_notebook import ChatPanel\nipywidgets.VBox([ChatPanel()])"


@pytest.mark.parametrize("source", [PANEL, BOX], ids=["alone", "in a box"])
def test_what_was_said_is_in_the_file_and_read_without_a_kernel(lab, panel, notebook, source):
    """On the page it stands once; in a file opened untrusted, without a kernel, it can be read."""
    one = panel(source, name="kept.ipynb")
    one.ask("remember this")
    twice = one.opened.cell(0).locator(".lk-transcript").is_visible()
    one.opened.save()
    lab.copy("kept.ipynb", "mailed.ipynb")

    mailed = notebook(lab, "mailed.ipynb", kernel=False)

    assert not twice
    assert "remember this" in mailed.shown(0)
    assert "You said remember this of 1." in mailed.shown(0)
    if source is PANEL:
        assert "model not found" not in mailed.shown(0)
        assert "widget" not in json.dumps(one.opened.saved["cells"][0]["outputs"])


def test_the_cell_run_again_shows_one_new_panel(panel):
    """The old one is gone with its output."""
    one = panel()
    one.ask("first")

    assert one.opened.run(0)
    one.opened.cell(0).locator(".lk-chat").get_by_text("Replies come from").last.wait_for()

    assert one.opened.wait(lambda: one.opened.cell(0).locator(".lk-chat").count() == 1)
    assert "You said first" not in one.opened.shown(0)


def test_a_panel_whose_kernel_was_restarted_says_so(panel):
    """What was said stays; nothing of it looks as if it still worked."""
    one = panel()
    one.ask("first")
    one.page.get_by_role("menuitem", name="Kernel", exact=True).click()
    one.page.locator("li[data-command='kernelmenu:restart']").click()
    one.page.locator(".jp-Dialog .jp-mod-accept").click()

    one.root.locator(".lk-low").get_by_text("Kernel stopped").wait_for()
    picture(one, "gone_light")

    assert one.button("Send").is_disabled()
    assert one.composer.is_disabled()
    assert "You said first of 1." in one.said


def test_hostile_words_are_shown_and_do_nothing(panel):
    """From the model, from the user, from a name: no script, no request, no form, no control character."""
    one = panel()
    sites = []
    one.page.on("request", lambda request: sites.append(request.url))
    one.composer.fill("hostile <img src=x onerror='window.__pwned=4'>")
    one.composer.press("Enter")
    one.button("Copy").wait_for()
    one.root.get_by_role("combobox", name="Model").fill("acme/<img src=x onerror='window.__pwned=5'>")
    one.root.get_by_role("combobox", name="Model").press("Enter")
    one.page.wait_for_timeout(1000)

    assert one.page.evaluate("window.__pwned") is None
    assert not [site for site in sites if "evil" in site]
    assert one.log.locator("form, script, img").count() == 0
    assert "\x1b" not in one.said[1]
    assert "<img src=x" in one.said[0]


def test_no_key_is_in_the_page_or_the_file(panel):
    """Not in a widget's state, not in what the server said."""
    one = panel(
        "import os\nfrom lk_notebook import ChatPanel\n"
        "ChatPanel(extra_kwargs={'extra_headers': {'X-Key': os.environ['LIVEKIT_API_SECRET']}})"
    )
    one.composer.fill("fail")
    one.composer.press("Enter")
    one.root.locator(".lk-error").wait_for()
    shown = one.page.content()
    one.opened.save()

    assert SECRET not in shown
    assert SECRET not in one.opened.file.read_text("utf-8")


def test_the_notebook_of_panels_is_used_without_an_account(without_account, notebook):
    """Run All, then a question typed into its first panel: the built-in model answers, and says so."""
    shutil.copy(ROOT / "notebooks" / "04_panels.ipynb", without_account.work)
    shutil.copytree(ROOT / "notebooks" / "images", Path(without_account.work) / "images")
    opened = notebook(without_account, "04_panels.ipynb")
    assert opened.run_all()
    first = Panel(opened, 1)

    first.ask("Why is the sky blue?")

    assert "built in" in first.log.inner_text()
    assert opened.cell(2).locator(".lk-chat").count() == 2
    assert opened.errors == []


# Looks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [420, 900, 1600])
def test_it_fits_its_width(panel, width):
    """Nothing of it scrolls sideways, and nothing is cut off."""
    one = panel()
    one.ask("x" * 300 + " " + "y " * 200)
    one.root.evaluate("(root, width) => { root.style.width = `${width}px` }", width)
    one.root.get_by_role("combobox", name="Model").click()
    one.page.wait_for_timeout(300)
    picture(one, f"{width}_light")

    wide = one.root.evaluate(
        """root => { const right = root.getBoundingClientRect().right + 1;
        return [...root.querySelectorAll('*')].filter(el => el.getBoundingClientRect().right > right
        && !el.closest('.lk-sr, pre, table')).map(el => el.className || el.localName) }"""
    )
    log = one.log.evaluate("log => log.scrollWidth - log.clientWidth")
    assert (wide, log) == ([], 0)


def test_a_thousand_turns_load_and_stream(panel):
    """They are there soon, and a piece of the next answer is drawn as soon as on an idle page."""
    one = panel(PANEL, MANY, "panel")
    assert one.opened.run(1)
    begun = time.monotonic()
    one.opened.start(2)
    many = Panel(one.opened, 2)
    many.root.locator(".lk-turn").nth(999).wait_for()
    loaded = time.monotonic() - begun
    many.page.wait_for_timeout(2000)
    idle = median(many.page.evaluate(FRAMES))
    many.ask("slowly", wait=False)
    many.root.get_by_text("word9 ").wait_for()
    streaming = median(many.page.evaluate(FRAMES))
    print(f"1,000 turns: loaded in {loaded:.1f} s, frames {idle:.0f} ms idle, {streaming:.0f} ms streaming")

    assert loaded < LOADED
    assert streaming < max(34, 1.5 * idle)


@pytest.mark.parametrize("theme", ["Light", "Dark"])
@pytest.mark.parametrize("state", SHOW)
def test_axe_finds_nothing(lab, panel, theme, state):
    """Names, roles, contrast, order: in each state, in both themes."""
    lab.theme(theme)
    one = panel(name=f"axe_{state}_{theme}.ipynb")
    SHOW[state](one)
    one.page.wait_for_timeout(300)
    picture(one, f"{state}_{theme.lower()}")
    one.page.evaluate((package("axe-core") / "axe.min.js").read_text("utf-8"))

    found = one.page.evaluate("async () => (await axe.run('.lk-chat')).violations")

    assert [(each["id"], [node["html"][:120] for node in each["nodes"]]) for each in found] == []
