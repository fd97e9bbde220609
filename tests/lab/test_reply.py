"""A reply in JupyterLab as it is seen to grow, and what can be done with it then."""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections import defaultdict

import pytest
from kernels import SECRET, livekit
from lab import Lab, Notebook
from player import Answer, Player, chunk, end, plain, stream

pytestmark = [pytest.mark.xdist_group("lab"), pytest.mark.timeout(300)]

PLANTED = "planted-0123456789-planted"
TEXT = r"""
Some **bold** words, `code`, a price of $5 and then $6, and $x^2 + y^2$ in a line.

$$\int_0^1 f(x)\,dx = \frac{a}{b}$$

- one item with \(\alpha\)
- another **item**

| a | b |
|---|---|
| 1 | 2 |

```python
def area(r):
    return r + r  # 1 < 2
```

> A quote of some words.

The end, $z$ it is.
""".strip()
CALL = {"id": "call_1", "name": "count", "arguments": '{"word": "lake"}'}
CELLS = {
    "load": "%load_ext lk_notebook",
    "tool": "import threading\ngate = threading.Event()\ndef count(word: str) -> int:\n    '''Count.'''\n"
    "    gate.wait(1.5)\n    return len(word)",
    "formula": "%%lkchat -n\nformula",  # JupyterLab loads MathJax for the first one
    "grow": "%%lkchat -n\ngrow",
    "select": "%%lkchat -n\nselect",
    "fold": "%%lkchat -n\nfold",
    "call": "%%lkchat -n -t count\ncall",
    "copy": "%%lkchat -n\ncopy",
    "retry": "%%lkchat -n -o kept\nretry",
    "kept": "print(kept.text, '/', kept.messages[-1]['content'])",
    "continue": "%%lkchat -n\ncontinue",
    "sent": f'%%lkchat -n extra_headers={{"X-Api-Key": "{PLANTED}"}} temperature=0.5\nsent',
    "several": "from lk_notebook import LLM\nfor n in (1, 2):\n    display(LLM()(f'several {n}'))",
    "value": "LLM()('refuse')",
}
AT = list(CELLS)
SAMPLE = """cell => {
  const samples = window.__samples = [];
  const scroller = cell.closest('.jp-WindowedPanel-outer') ?? cell.closest('.jp-Notebook');
  cancelAnimationFrame(window.__sampling);
  const look = () => {
    const area = cell.querySelector('.jp-OutputArea'), box = area?.querySelector('[data-c="0"]');
    if (box) samples.push({height: area.offsetHeight, scroll: scroller.scrollTop, text: box.innerText,
      live: Boolean(area.querySelector('.lk-view')), tops: [...box.querySelectorAll(':scope > div > *')].map(
        block => Math.round(block.getBoundingClientRect().top - area.getBoundingClientRect().top))});
    window.__sampling = requestAnimationFrame(look) };
  look() }"""
KEEP = """cell => new MutationObserver(() => {
    const live = cell.querySelector('.lk-view [data-c="0"]');
    if (live) window.__live = live.innerHTML }).observe(
      cell, {subtree: true, childList: true, characterData: true, attributes: true})"""
GATES: dict[str, threading.Event] = defaultdict(threading.Event)


def gated(name: str) -> Answer:
    """Two blocks, and then a third, each when its gate is opened."""
    first, rest = "First block to select.\n\nSecond", " block.\n\nThird."
    return Answer([chunk({"content": first}), GATES[name], chunk({"content": rest}), GATES[f"{name} end"], *end()])


def thought() -> Answer:
    """Thoughts, a text, the end, each when its gate is opened."""
    first, rest = chunk({"reasoning": "Let me "}), chunk({"reasoning": "see."})
    said = chunk({"content": "Thought."})
    return Answer([first, GATES["fold"], 0.2, rest, GATES["fold text"], said, GATES["fold end"], *end()])


def numbered() -> Answer:
    """Another text each time."""
    asked.append("")
    return stream(f"Answer number {len(asked)}.")


def answer(request) -> Answer:
    """What the model says to each prompt of this file; a gate is opened by its test."""
    prompt, again = request.prompt, len(request.body["messages"]) > 1
    answers = {
        "formula": lambda: stream("$a$"),
        "grow": lambda: stream(TEXT, pace=0.03),
        "select": lambda: gated("select"),
        "fold": thought,
        "call": lambda: stream("There are 4.") if again else stream(tool_calls=[CALL]),
        "retry": numbered,
        "continue": lambda: stream("word " * 500, pace=0.05),
        "refuse": lambda: plain(401, {"error": {"message": f"bad key {SECRET}"}}),
    }
    if again and prompt != "call":  # gone on with
        return stream("And the rest of it.")
    return answers.get(prompt, lambda: stream(f"You said **{prompt}**."))()


asked: list[str] = []


@pytest.fixture(scope="module")
def replies(browser):
    """One notebook, a cell for each test; the library is loaded."""
    with Player(answer) as player, Lab(livekit(player)) as lab:
        lab.write("replies.ipynb", list(CELLS.values()))
        opened = Notebook(lab, browser, "replies.ipynb")
        opened.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        assert opened.run(0)
        assert opened.run(1)
        opened.player = player
        yield opened
        assert opened.errors == []
        opened.close()


class Reply:
    """The output of one cell, by what a user sees of it."""

    def __init__(self, opened: Notebook, name: str) -> None:
        self.opened, self.index = opened, AT.index(name)
        self.cell = opened.cell(self.index)
        self.output = self.cell.locator(".jp-OutputArea")

    def start(self):
        """Run its cell."""
        self.cell.scroll_into_view_if_needed()
        self.opened.start(self.index)
        return self

    def run(self):
        """Run its cell to the end, and see its buttons."""
        assert self.opened.run(self.index)
        self.button("Copy").wait_for()
        return self

    def button(self, name: str, at: int = 0):
        """A button of the output."""
        return self.output.get_by_role("button", name=name, exact=True).nth(at)

    @property
    def text(self) -> str:
        """What a reader sees."""
        return self.opened.shown(self.index)

    def comes(self, holds) -> bool:
        """Whether it comes to hold of the text."""
        return self.opened.wait(lambda: holds(self.text))


@pytest.fixture(scope="module")
def grown(replies):
    """A reply that was watched in each frame while it grew and was sealed, and its content before and after that."""
    Reply(replies, "formula").run().output.locator("mjx-container").wait_for()
    reply = Reply(replies, "grow")
    reply.cell.scroll_into_view_if_needed()
    reply.cell.evaluate(SAMPLE)
    reply.cell.evaluate(KEEP)
    reply.run()
    replies.page.wait_for_timeout(1500)
    samples = replies.page.evaluate("() => (cancelAnimationFrame(window.__sampling), window.__samples)")
    sealed = reply.cell.locator("[data-lk] [data-c='0']").evaluate("e => e.innerHTML")
    return {"samples": samples, "live": replies.page.evaluate("window.__live"), "sealed": sealed}


def test_the_reply_is_seen_to_grow(grown):
    """Not at once and not in a few lumps."""
    lengths = {len(sample["text"]) for sample in grown["samples"]}
    assert len(lengths) > 10


def test_the_sealed_reply_is_the_live_one(grown):
    """What stays in the file shows, element for element, what the view showed at its end; formulas are set alike."""
    assert "<mjx-container" in grown["live"]
    assert grown["sealed"] == grown["live"]


def test_nothing_jumps(grown):
    """The output never shrinks by a line, and no finished block moves, while it grows and when it is sealed."""
    samples = grown["samples"]
    assert {sample["live"] for sample in samples} == {True, False}
    shrunk = [a["height"] - b["height"] for a, b in itertools.pairwise(samples)]
    assert max(shrunk) < 15
    for before, after in itertools.pairwise(samples):
        done = before["tops"][:-1]
        assert after["tops"][: len(done)] == done


def test_the_notebook_does_not_scroll_by_itself(grown):
    """Whoever reads elsewhere stays there."""
    assert len({sample["scroll"] for sample in grown["samples"]}) == 1


def test_no_raw_mark_is_ever_seen(grown):
    """No frame showed half a formula, a star or a fence."""
    raw = [
        (sample["live"], sample["text"][-60:])
        for sample in grown["samples"]
        if re.search(r"\*|\\|\||`|\$(?![56])", sample["text"])
    ]
    assert raw == []


def test_what_the_user_has_selected_stays_selected(replies):
    """In a finished block, while further pieces come, and when the reply is sealed."""
    reply = Reply(replies, "select").start()
    assert reply.comes(lambda text: "Second" in text)
    reply.output.locator("p").first.evaluate(
        "p => getSelection().setBaseAndExtent(p.firstChild, 6, p.firstChild, 11)")  # fmt: skip
    GATES["select"].set()
    assert reply.comes(lambda text: "Third" in text)
    assert replies.page.evaluate("getSelection().toString()") == "block"

    GATES["select end"].set()
    reply.button("Copy").wait_for()

    assert replies.page.evaluate("getSelection().toString()") == "block"


def test_thoughts_are_folded_while_they_come(replies):
    """The fold says that the model thinks, then for how long it did; who opens it reads along, also at the end."""
    reply = Reply(replies, "fold").start()
    fold = reply.output.locator("details")
    assert reply.comes(lambda text: "Thinking…" in text)
    assert "Let me" not in reply.text
    fold.locator("summary").click()
    GATES["fold"].set()
    assert reply.comes(lambda text: "Let me see." in text)
    GATES["fold text"].set()
    assert reply.comes(lambda text: re.search(r"Thought for \d\.\d+ s", text))
    assert "Let me see." in reply.text

    GATES["fold end"].set()
    reply.button("Copy").wait_for()

    assert "Let me see." in reply.text
    assert fold.evaluate("e => e.open")


def test_calls_of_tools_are_folded_while_they_run(replies):
    """Which function is called is seen while it works, then that it was, with its result in the fold."""
    reply = Reply(replies, "call").start()
    assert reply.comes(lambda text: "Calling count(word='lake')" in text)
    reply.output.locator("summary").click()
    replies.page.wait_for_timeout(300)
    # the kernel is busy with the cell: the tool is let go from outside of it
    assert reply.comes(lambda text: "Called count(word='lake')" in text and "There are 4." in text)
    reply.button("Copy").wait_for()
    assert "→ 4" in reply.text


def test_copy_puts_what_the_model_wrote_on_the_clipboard(replies):
    """As Markdown; the button says so, and then is what it was."""
    reply = Reply(replies, "copy").run()

    reply.button("Copy").click()

    reply.button("Copied").wait_for()
    assert replies.page.evaluate("navigator.clipboard.readText()") == "You said **copy**."
    reply.button("Copy").wait_for()


def test_retry_asks_again_in_the_same_place(replies):
    """The turn is replaced on the page, in the chat and in the variable."""
    reply = Reply(replies, "retry").run()
    assert "Answer number 1." in reply.text

    reply.button("Retry").click()

    assert reply.comes(lambda text: "Answer number 2." in text and "Answer number 1." not in text)
    reply.button("Copy").wait_for()
    assert reply.output.locator(".lk-reply").count() == 1
    assert [message["role"] for message in replies.player.requests[-1].body["messages"]] == ["user"]
    assert replies.run(AT.index("kept"))
    assert replies.shown(AT.index("kept")).strip() == "Answer number 2. / retry"


def test_a_stopped_reply_is_gone_on_with(replies):
    """Continue appends to what had arrived; nothing of it is lost."""
    reply = Reply(replies, "continue").start()
    assert reply.comes(lambda text: text.count("word") > 3)
    reply.button("Stop").click()
    reply.button("Continue").wait_for()
    before = reply.text.count("word")

    reply.button("Continue").click()

    assert reply.comes(lambda text: "And the rest of it." in text)
    reply.button("Copy").wait_for()
    assert reply.text.count("word") == before
    assert "Stopped" not in reply.text


def test_what_was_sent_is_shown_without_any_secret(replies):
    """As JSON and as a command of curl; no key, none of the user's own headers' values."""
    reply = Reply(replies, "sent").run()
    reply.button("What was sent").click()
    box = reply.output.locator(".lk-sent pre")
    box.wait_for()
    seen = {}
    for tab in reply.output.locator(".lk-tabs button:not(:last-child)").all():
        tab.click()
        seen[tab.inner_text()] = box.inner_text()

    assert json.loads(seen["JSON"])["temperature"] == 0.5
    assert "curl -N" in seen["curl"]
    assert "$X_API_KEY" in seen["curl"]
    assert PLANTED not in str(seen)
    assert SECRET not in str(seen)


def test_each_of_several_replies_has_its_own_buttons(replies):
    """Two replies of one cell; the second is asked again, the first stays."""
    assert replies.run(AT.index("several"))
    reply = Reply(replies, "several")
    reply.button("Retry", 1).wait_for()
    count = len(replies.player.requests)

    reply.button("Retry", 1).click()

    assert replies.wait(lambda: len(replies.player.requests) == count + 1)
    assert replies.player.requests[-1].prompt == "several 2"
    assert reply.comes(lambda text: text.count("You said several") == 2)


def test_the_error_of_a_reply_that_is_a_value_stands_in_it(replies):
    """Two lines, what happened and the mend, and a button to ask again; no traceback, no secret."""
    reply = Reply(replies, "value")
    assert replies.run(reply.index)
    reply.button("Retry").wait_for()

    lines = [line for line in reply.output.locator("[role=alert]").inner_text().splitlines() if line]

    assert len(lines) == 2
    assert "401" in lines[0]
    assert SECRET not in reply.text
    assert "Traceback" not in reply.text


def test_what_was_read_earlier_still_has_its_buttons(replies):
    """Buttons of a reply work when later cells have run."""
    reply = Reply(replies, "copy")
    reply.button("Copy").click()
    reply.button("Copied").wait_for()
