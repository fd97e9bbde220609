"""What becomes of replies on the page: the page loaded anew, another kernel, narrow, dark, side by side."""

from __future__ import annotations

import re

import pytest
from kernels import livekit
from lab import CELLS, Lab
from player import Answer, Player, plain, stream

pytestmark = [pytest.mark.xdist_group("lab"), pytest.mark.timeout(300)]

WIDE = """() => [...document.querySelectorAll('.jp-OutputArea-output')]
  .filter(output => output.scrollWidth > output.clientWidth + 1).length"""
LONG = f"""A line of code and a table, both wider than the page:

```python
x = {" + ".join(["value"] * 60)}
```

|{"column |" * 30}
|{"---|" * 30}
|{"1 |" * 30}

$${" + ".join(["f(x)"] * 60)}$$

And {"aVeryLongWordWithoutAnyBlank" * 8}."""
GROUNDS = """cell => { const light = [];
  for (const e of cell.querySelectorAll('.jp-OutputArea-output, .jp-OutputArea-output *')) {
    const [r, g, b, a] = getComputedStyle(e).backgroundColor.match(/[\\d.]+/g).map(Number);
    if ((a ?? 1) > 0.5 && r + g + b > 600) light.push(e.outerHTML.slice(0, 80)) }
  return light }"""


def answer(request) -> Answer:
    """What the model says to each prompt of this file."""
    if request.prompt == "slow":
        return stream(" ".join(f"w{i:03}" for i in range(200)), pace=0.1)
    if request.prompt == "compare" and "nano" in request.body["model"]:
        return plain(400, {"error": {"message": "no such luck"}})
    if request.prompt == "compare":
        return stream("word " * 300, pace=0.1)
    return stream(LONG)


@pytest.fixture(scope="module")
def lab():
    """A JupyterLab on a machine with a LiveKit account."""
    with Player(answer) as player, Lab(livekit(player)) as started:
        started.player = player
        yield started


@pytest.fixture
def opened(lab, notebook, request):
    """These cells in a notebook, the library loaded in its first: `opened(source, …)`."""

    def start(*cells: str, **options):
        name = re.sub(r"\W", "_", request.node.name) + ".ipynb"
        lab.write(name, ["%load_ext lk_notebook", *cells])
        one = notebook(lab, name, **options)
        assert one.run(0)
        return one

    return start


def button(one, name: str, cell: int = 1, at: int = 0):
    """A button of an output."""
    return one.cell(cell).locator(".jp-OutputArea").get_by_role("button", name=name, exact=True).nth(at)


def words(one) -> list[str]:
    """The words of the slow answer that are seen."""
    return re.findall(r"\bw\d{3}\b", one.shown(1))


def test_a_page_that_is_loaded_anew_shows_the_reply_that_still_came(lab, opened):
    """All text is there again, with its buttons, as soon as the kernel can answer the page: when the cell ends."""
    one = opened("%%lkchat -n\nslow")
    one.start(1)
    assert one.wait(lambda: len(words(one)) > 5)
    one.save()
    before = len(words(one))

    one.page.reload()
    one.page.wait_for_selector(CELLS)
    one.page.wait_for_timeout(3000)
    one.press("interrupt")

    assert one.wait(lambda: "Stopped" in one.shown(1))
    assert words(one) == [f"w{i:03}" for i in range(len(words(one)))]
    assert len(words(one)) > before
    button(one, "Copy").wait_for()


def test_a_page_that_is_loaded_anew_shows_the_reply_that_has_ended(lab, opened, notebook):
    """As text that stays; its buttons belong to the page that is gone."""
    one = opened("%%lkchat -n\nlong")
    assert one.run(1)
    button(one, "Copy").wait_for()
    one.save()
    one.close()

    again = notebook(lab, one.name)

    assert "A line of code" in again.shown(1)
    assert button(again, "Copy").count() == 0
    assert "model not found" not in again.shown(1)


def test_when_the_kernel_is_gone_the_buttons_say_so(lab, opened):
    """The reply stays; nothing that would ask the old kernel can be pressed."""
    one = opened("%%lkchat -n\nlong")
    assert one.run(1)
    button(one, "Retry").wait_for()
    lab.api(f"kernels/{lab.kernel(one.name)['id']}/restart", "POST")
    one.press("restart")
    one.page.locator(".jp-Dialog .jp-mod-warn, .jp-Dialog .jp-mod-accept").last.click()

    assert one.wait(lambda: "Kernel stopped" in one.shown(1))

    assert button(one, "Retry").is_disabled()
    assert button(one, "Copy").is_disabled()
    assert "A line of code" in one.shown(1)


def test_columns_stream_side_by_side_and_each_can_be_stopped(opened):
    """Two columns grow at once; one is stopped, the other goes on; Stop all ends the rest; a failure is one column."""
    one = opened("%%lkcompare gpt-4.1-mini gpt-4.1 gpt-4.1-nano\ncompare", "print('later')")
    one.start_all()
    columns = one.cell(1).locator("article")
    counted = lambda i: columns.nth(i).inner_text().count("word")  # noqa: E731
    assert one.wait(lambda: columns.count() == 3 and counted(0) > 5 and counted(1) > 5)
    tops = {columns.nth(i).evaluate("e => Math.round(e.getBoundingClientRect().top)") for i in range(3)}
    assert len(tops) == 1

    columns.nth(0).get_by_role("button", name="Stop", exact=True).click()
    assert one.wait(lambda: "Stopped" in columns.nth(0).inner_text())
    kept, other = counted(0), counted(1)
    assert one.wait(lambda: counted(1) > other + 5)
    assert counted(0) == kept
    assert "no such luck" in columns.nth(2).inner_text()

    button(one, "Stop all").click()
    assert one.wait(lambda: "later" in one.shown(2))
    assert "Stopped" in columns.nth(1).inner_text()
    assert "First token" in one.shown(1)
    assert one.cell(1).locator(".lk-view").count() == 0


@pytest.mark.parametrize("width", [420, 1200])
def test_nothing_scrolls_sideways(lab, opened, width):
    """Wide code and wide tables scroll within themselves, while the reply grows and in the end."""
    one = opened("%%lkchat -n\nlong", "%%lkcompare gpt-4.1-mini gpt-4.1\nlong", width=width)
    if width < 1000:
        one.page.keyboard.press("Control+b")  # the file browser goes
    for cell in (1, 2):
        assert one.run(cell)
        button(one, "Copy", cell).wait_for()
    assert one.page.evaluate(WIDE) == 0
    assert one.errors == []


def test_in_the_dark_theme_no_ground_is_light(lab, opened):
    """Neither of the reply, its code and table, nor of its buttons and what they open."""
    lab.theme("Dark")
    try:
        one = opened("%%lkchat -n\nlong")
        assert one.run(1)
        button(one, "What was sent").click()
        one.cell(1).locator(".lk-sent pre").wait_for()
        assert one.page.locator("body[data-jp-theme-light=false]").count() == 1
        assert one.cell(1).evaluate(GROUNDS) == []
    finally:
        lab.theme("Light")
