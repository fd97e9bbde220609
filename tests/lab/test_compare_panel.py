"""ComparePanel in JupyterLab: asked, stopped, voted on, left, and found again in the saved file."""

from __future__ import annotations

import pytest
from kernels import SECRET, livekit
from lab import Lab
from npm import package
from panels import Shown, focused, opener, picture, tab_to
from player import Answer, Player, plain, stream

pytestmark = [pytest.mark.xdist_group("lab"), pytest.mark.timeout(300)]

MINI, NANO, OSS = "openai/gpt-5-mini", "openai/gpt-4.1-nano", "openai/gpt-oss-120b"
PANEL = f"from lk_notebook import ComparePanel\npanel = ComparePanel(['{MINI}', '{NANO}', '{OSS}@groq'])\npanel"
CODE = "x = 'a line of code that is wider than a column of four'"
ROUND = f"A table:\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\n{CODE}\n```\n"


def answer(request) -> Answer:
    """What each model says; the nano fails where the prompt asks for it, all are slow where it asks for that."""
    prompt, name = request.prompt, request.body["model"].rpartition("-")[2]
    if "fail" in prompt and name == "nano":
        return plain(401, {"error": {"message": f"bad key {SECRET}"}})
    if "slowly" in prompt:
        return stream(" ".join(f"word{i}" for i in range(2000)), pace=0.05)
    if "hostile" in prompt:
        return stream("<img src=x onerror='window.__pwned = 1'>\n\n![x](https://evil.example/x.png)")
    if "round" in prompt:
        return stream(ROUND)
    return stream(f"**{name}** says {prompt}.")


@pytest.fixture(scope="module")
def lab():
    """A JupyterLab on a machine with a LiveKit account."""
    with Player(answer) as player, Lab(livekit(player)) as started:
        started.player = player
        yield started


class Panel(Shown):
    """A panel in the cell of a notebook, by what a user sees of it."""

    asks, pictures = "Ask all of them", "compare"

    def ask(self, text: str, *, wait: bool = True) -> None:
        """Type a question, press Enter, and wait for the end of the answers."""
        self.composer.fill(text)
        self.composer.press("Enter")
        self.root.locator(".lk-asked", has_text=text).wait_for()
        if wait:
            self.button("Send").wait_for()

    def column(self, at: int):
        """An answer with its head and its buttons."""
        return self.root.locator(".lk-column").nth(at)

    @property
    def said(self) -> list[str]:
        """The answers, without figures and buttons."""
        return [text.strip() for text in self.root.locator("[data-follow]").all_inner_texts()]

    @property
    def table(self) -> list[list[str]]:
        """The figures."""
        return [row.split("\t") for row in self.root.locator(".lk-table tr").all_inner_texts()]


@pytest.fixture
def panel(lab, notebook, request):
    """A panel in a notebook of its own: `panel(*sources)`; the first cell shows it."""
    yield from opener(Panel, PANEL, lab, notebook, request.node.name)


# Asking -----------------------------------------------------------------------------------------------------------


def test_answers_stream_side_by_side(panel):
    """All begin before any has ended; each in its column, at one height; the figures stand below."""
    one = panel()
    one.ask("slowly", wait=False)
    for i in range(3):
        one.column(i).get_by_text("word3 ").wait_for()
    boxes = [one.column(i).bounding_box() for i in range(3)]
    live = [one.column(i).get_by_role("button", name="Stop").is_visible() for i in range(3)]
    one.button("Stop all").click()
    one.button("Send").wait_for()

    assert live == [True] * 3
    assert len({box["y"] for box in boxes}) == 1
    assert boxes[0]["x"] < boxes[1]["x"] < boxes[2]["x"]
    assert [row[0] for row in one.table[1:]] == [MINI, NANO, f"{OSS} · groq"]


def test_one_is_stopped_while_the_others_go_on(panel):
    """Its text stays; then Stop all, where Send stands otherwise, ends the others."""
    one = panel()
    send = one.button("Send").bounding_box()
    one.ask("slowly", wait=False)
    one.column(1).get_by_text("word3 ").wait_for()
    stop = one.button("Stop all").bounding_box()
    one.column(1).get_by_role("button", name="Stop").click()
    one.column(1).get_by_text("Stopped").wait_for()
    first = len(one.said[0])
    one.opened.wait(lambda: len(one.said[0]) > first)
    went_on, still = len(one.said[0]) > first, one.column(1).get_by_role("button", name="Retry").is_visible()
    one.button("Stop all").click()
    one.button("Send").wait_for()

    assert (went_on, still) == (True, True)
    assert stop == send == one.button("Send").bounding_box()
    assert one.root.get_by_text("Stopped").count() == 3


def test_a_failure_is_one_column_and_can_be_retried(lab, panel):
    """Two lines with the mend, no key; Retry asks that model alone, the others stay."""
    one = panel()
    one.ask("fail please")
    shown = one.column(1).get_by_role("alert").inner_text()
    before = len(lab.player.requests)
    one.column(1).get_by_role("button", name="Retry").click()
    one.opened.wait(lambda: len(lab.player.requests) > before)
    one.button("Send").wait_for()
    picture(one, "error_light")

    assert len(shown.splitlines()) == 2
    assert SECRET not in one.page.content()
    assert [row[1] for row in one.table if row[0] == NANO] == ["failed"]
    assert [request.body["model"] for request in lab.player.requests[before:]] == [NANO]
    assert one.said[0] == "mini says fail please."


def test_run_again_asks_the_same_with_the_models_as_they_are_now(panel):
    """A column more."""
    one = panel()
    one.ask("first")
    one.button("Add a column").click()
    one.root.get_by_role("combobox", name="Model").nth(3).wait_for()
    one.button("Run again").click()
    one.column(3).get_by_role("button", name="Copy").wait_for()

    assert len(one.said) == 4
    assert one.said[0] == "mini says first."


def test_a_panel_answers_while_a_cell_runs(panel):
    """And its Stop does not stop the cell."""
    one = panel(PANEL, "import time\nfor _ in range(600): time.sleep(0.1)")
    one.opened.start(1)
    assert one.opened.wait(lambda: one.opened.state == "busy")

    one.ask("slowly", wait=False)
    one.column(0).get_by_text("word3 ").wait_for()
    one.column(0).get_by_role("button", name="Stop").click()
    one.column(0).get_by_text("Stopped").wait_for()
    one.button("Stop all").click()
    one.button("Send").wait_for()

    assert not one.opened.has_run(1)
    one.opened.press("interrupt")


def test_two_panels_are_two_comparisons(panel):
    """In one cell; what is asked in one is not asked in the other."""
    two = (
        "import ipywidgets\nfrom lk_notebook import ComparePanel\n"
        f"ipywidgets.VBox([ComparePanel(['{MINI}', '{NANO}']), ComparePanel(['{OSS}', '{MINI}'])])"
    )
    one = panel(two)
    other = Panel(one.opened, at=1)
    one.ask("one")
    other.ask("two")

    assert one.said == ["mini says one.", "nano says one."]
    assert other.said == ["120b says two.", "mini says two."]


def test_a_column_follows_its_end_unless_the_reader_scrolled_up(panel):
    """Each for itself, within 320 px."""
    one = panel()
    one.ask("slowly", wait=False)
    one.column(0).get_by_text("word120 ").wait_for(timeout=60_000)
    logs = one.root.locator("[data-follow]")
    logs.nth(0).hover()
    one.page.mouse.wheel(0, -200)
    one.page.wait_for_timeout(300)
    place = logs.nth(0).evaluate("box => box.scrollTop")
    one.page.wait_for_timeout(1500)
    ends = logs.evaluate_all("boxes => boxes.map(box => box.scrollHeight - box.scrollTop - box.clientHeight < 60)")
    one.button("Stop all").click()

    assert logs.nth(0).evaluate("box => box.scrollTop") == pytest.approx(place, abs=2)
    assert ends == [False, True, True]
    assert logs.nth(0).bounding_box()["height"] <= 320


# Blind ------------------------------------------------------------------------------------------------------------


def test_names_are_hidden_until_the_vote(panel):
    """No head, footer or table tells them; then all do, and the vote is kept with those of %%lkcompare."""
    one = panel(PANEL, "%load_ext lk_notebook\n%lkcompare")
    one.root.get_by_label("Blind").check()
    one.ask("round")
    one.root.get_by_role("group", name="Which is best?").wait_for()
    hidden = one.root.locator(".lk-round").inner_text()
    heads = one.root.locator(".lk-column .lk-who").all_inner_texts()
    picture(one, "blind_light")
    one.button("B is best").click()
    one.root.get_by_text("You chose B").wait_for()
    chosen = one.column(1).locator(".lk-who").inner_text()
    picture(one, "voted_light")

    assert heads == ["A", "B", "C"]
    assert "gpt" not in hidden
    assert "First token" not in hidden
    assert "chosen" in chosen
    assert chosen.split(" · ")[1] in one.kernel_says.splitlines()[2]


# By keyboard ------------------------------------------------------------------------------------------------------


def test_from_an_empty_panel_to_a_vote_by_keyboard_alone(panel):
    """Pick a model by typing a part of it, ask blind, stop all, vote: no mouse."""
    one = panel(PANEL, "print(panel.models[0], len(panel.models))")
    keyboard = one.page.keyboard

    tab_to(one, "Model")
    keyboard.type("4.1-mini")
    keyboard.press("ArrowDown")
    keyboard.press("Enter")
    one.root.locator("input[value='openai/gpt-4.1-mini']").wait_for()
    kept = focused(one)
    tab_to(one, "Remove column 3")
    keyboard.press("Space")
    one.opened.wait(lambda: one.root.get_by_role("combobox", name="Model").count() == 2)
    tab_to(one, "Blind")
    keyboard.press("Space")
    keyboard.press("Shift+Tab")
    keyboard.press("Shift+Tab")
    keyboard.type("slowly")
    keyboard.press("Shift+Enter")
    keyboard.type("please")
    keyboard.press("Enter")
    one.column(1).get_by_text("word3 ").wait_for()
    keyboard.press("Escape")
    one.root.get_by_role("group", name="Which is best?").wait_for()
    at_the_end = focused(one)
    tab_to(one, "A is best")
    keyboard.press("Enter")
    one.root.get_by_text("You chose A").wait_for()

    assert kept == "Model"
    assert at_the_end == "Ask all of them"
    assert one.root.locator(".lk-asked").inner_text() == "slowly\nplease"
    assert focused(one) == "Ask all of them"
    assert one.kernel_says == "openai/gpt-4.1-mini 2"


def test_up_brings_the_question_back(panel):
    """In an empty composer."""
    one = panel()
    one.ask("first")
    one.composer.press("ArrowUp")

    assert one.composer.input_value() == "first"


def test_keys_typed_in_a_panel_are_not_the_notebooks(panel):
    """`d d` on a button deletes no cell, Ctrl+Enter runs none; Ctrl+S saves."""
    one = panel(PANEL, "1 + 1")
    one.button("Add a column").focus()
    before = one.opened.file.stat().st_mtime_ns
    for key in ("d", "d", "b", "a", "Control+Enter"):
        one.page.keyboard.press(key)
    one.page.wait_for_timeout(500)
    cells, ran = one.page.locator(".jp-CodeCell").count(), one.opened.has_run(1)
    one.page.keyboard.press("Control+s")

    assert one.opened.wait(lambda: one.opened.file.stat().st_mtime_ns != before)
    assert (cells, ran) == (2, False)


def test_what_is_being_typed_stays_while_python_sets_the_rest(panel):
    """The focus too: in the composer, and in a field of the settings."""
    set_ = "panel.system, panel.models = 'Be brief.', ['gpt-4o', 'gpt-4.1']"
    one = panel(PANEL, f"import threading\nthreading.Timer(2, lambda: exec({set_!r}, globals())).start()")
    one.opened.start(1)
    one.root.get_by_text("Settings").click()
    seed = one.root.get_by_label("seed")
    seed.click()
    one.page.keyboard.type("12")
    one.root.locator("input[value='openai/gpt-4o']").wait_for()
    one.page.keyboard.type("3")

    assert seed.input_value() == "123"
    assert one.root.get_by_label("System prompt").input_value() == "Be brief."


# What stays -------------------------------------------------------------------------------------------------------


def test_what_was_said_is_in_the_file_and_read_without_a_kernel(lab, panel, notebook):
    """On the page it stands once; in an untrusted file, without a kernel, answers and table can be read."""
    one = panel(name="compared.ipynb")
    one.ask("remember this")
    twice = one.opened.cell(0).locator(".lk-transcript").is_visible()
    one.opened.save()
    lab.copy("compared.ipynb", "compared_mailed.ipynb")

    mailed = notebook(lab, "compared_mailed.ipynb", kernel=False)
    shown = mailed.shown(0)

    assert not twice
    assert [f"{name} says remember this." in shown for name in ("mini", "nano", "120b")] == [True] * 3
    assert "First token" in shown
    assert "model not found" not in shown


def test_a_panel_whose_kernel_was_restarted_says_so(panel):
    """What was said stays; nothing of it looks as if it still worked."""
    one = panel()
    one.ask("first")
    one.page.get_by_role("menuitem", name="Kernel", exact=True).click()
    one.page.locator("li[data-command='kernelmenu:restart']").click()
    one.page.locator(".jp-Dialog .jp-mod-accept").click()
    one.root.get_by_text("Kernel stopped").first.wait_for()
    picture(one, "gone_light")

    assert one.button("Send").is_disabled()
    assert one.composer.is_disabled()
    assert one.root.locator("button:enabled, input:enabled, select:enabled").count() == 0
    assert one.said[0] == "mini says first."


def test_hostile_words_are_shown_and_do_nothing(panel):
    """From a model, from the user, from a name: no script, no request, no picture."""
    one = panel()
    sites = []
    one.page.on("request", lambda request: sites.append(request.url))
    one.ask("hostile <img src=x onerror='window.__pwned = 2'>")
    field = one.root.get_by_role("combobox", name="Model").first
    field.fill("acme/<img src=x onerror='window.__pwned = 3'>")
    field.press("Enter")
    one.page.wait_for_timeout(1000)

    assert one.page.evaluate("window.__pwned") is None
    assert not [site for site in sites if "evil" in site]
    assert one.root.locator("img, script, form").count() == 0
    assert field.input_value().startswith("acme/<img")


# Looks ------------------------------------------------------------------------------------------------------------


def test_it_fits_its_width(panel):
    """Nothing is cut off or scrolls sideways but code and tables; below 640 px the columns stand below each other."""
    one = panel()
    one.page.set_viewport_size({"width": 2000, "height": 900})
    one.button("Add a column").click()
    one.ask("round " + "x" * 200)
    for width in (420, 639, 900, 1600):
        one.root.evaluate("(root, width) => { root.style.width = `${width}px` }", width)
        one.root.get_by_role("combobox", name="Model").last.click()
        one.page.wait_for_timeout(300)
        picture(one, f"{width}_light")
        tops = {one.column(i).bounding_box()["y"] for i in range(4)}
        fields = one.root.get_by_role("combobox", name="Model").evaluate_all("all => all.map(each => each.offsetWidth)")

        assert one.root.evaluate(BEYOND) == [], width
        assert len(tops) == (4 if width < 640 else 1), width
        assert min(fields) > 120, width
        one.page.keyboard.press("Escape")


BEYOND = """root => { const right = root.getBoundingClientRect().right + 1;
return [...root.querySelectorAll('*')].filter(el => el.getBoundingClientRect().right > right
&& !el.closest('.lk-sr, pre, table')).map(el => el.className || el.localName) }"""
FOUND = "async () => (await axe.run('.lk-chat')).violations.map(each => [each.id, each.nodes.map(node => node.html)])"
STATES = {
    "empty": lambda _: None,
    "settings": lambda one: one.root.get_by_text("Settings").click(),
    "picker": lambda one: one.root.get_by_role("combobox", name="Model").nth(1).fill("gpt"),
    "streaming": lambda one: (one.ask("slowly", wait=False), one.column(2).get_by_text("word3 ").wait_for()),
    "done": lambda one: (one.button("Stop all").click(), one.button("Send").wait_for(), one.ask("round")),
    "failed": lambda one: one.ask("fail"),
    "vote": lambda one: (one.root.get_by_label("Blind").check(), one.ask("round"), one.button("Tie").wait_for()),
    "voted": lambda one: (one.button("Tie").click(), one.root.get_by_text("A tie.").wait_for()),
    "request": lambda one: one.button("What was sent").nth(1).click(),
}


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_axe_finds_nothing(lab, panel, theme):
    """Names, roles, contrast, order: in each state, in both themes."""
    lab.theme(theme)
    one = panel(name=f"axe_compare_{theme}.ipynb")
    one.page.evaluate((package("axe-core") / "axe.min.js").read_text("utf-8"))
    found = {}
    for state, reach in STATES.items():
        reach(one)
        one.page.wait_for_timeout(300)
        picture(one, f"{state}_{theme.lower()}")
        found[state] = one.page.evaluate(FOUND)

    assert {state: broken for state, broken in found.items() if broken} == {}


def test_its_parts_are_seen_in_forced_colours(panel):
    """Buttons and fields have an edge, the chosen line of a list an outline."""
    one = panel()
    one.page.emulate_media(forced_colors="active")
    one.root.get_by_role("combobox", name="Model").first.click()
    line = one.root.locator("[aria-selected='true']")
    line.wait_for()
    picture(one, "forced")

    assert line.evaluate("line => getComputedStyle(line).outlineStyle") == "solid"
    assert one.button("Send").evaluate("b => getComputedStyle(b).borderTopStyle") == "solid"
