"""What replies cost on a page, in JupyterLab and Chromium, as ratios of one run.

    python tests/bench/face.py [reply first opening] [--rounds 3] [--smoke]

Machines are noisy: only ratios and counts mean anything, and nothing passes or fails by time. `--smoke` runs each
once, small, to see that it runs. The bars: long tasks 3 times those of an HTML widget that shows the same text, bytes
10 times the text, the kernel's CPU a tenth of the stream's time; first text within 3 times a print's; 50 replies open
in 1.5 times what 50 outputs of static HTML take.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from kernels import livekit
from lab import Lab, Notebook, chromium
from player import Answer, Player, chunk, end, stream

PART = (
    "## Part {}\n\n" + "A plain sentence with **bold** words and `code` in it. " * 9 + "\n\n- one\n- two\n\n"
    "```python\nprint(1)\n```\n\n"
)
TEXT = "".join(PART.format(i) for i in range(1, 40))[:20_000]
WIDGET = """import time, html, ipywidgets
text = open('text.md').read()
w = ipywidgets.HTML()
display(w)
size = -(-len(text) // {pieces})
for end in range(size, len(text) + size, size):
    w.value = '<pre style="white-space:pre-wrap">' + html.escape(text[:end]) + '</pre>'
    time.sleep({seconds} / {pieces})"""
CPU = "import time\nbefore = time.process_time()"
SPENT = "print('CPU', round(time.process_time() - before, 3))"
WATCH = """() => { window.__long = 0; new PerformanceObserver(list => { for (const task of list.getEntries())
  window.__long += task.duration }).observe({entryTypes: ['longtask']}) }"""
TIMER = """([cell, word]) => { window.__took = null; let start = null;
  addEventListener('keydown', e => { if (e.key === 'Enter') start ??= performance.now() }, {capture: true});
  const look = () => { if (start !== null && cell.querySelector('.jp-OutputArea')?.innerText.includes(word))
    window.__took = performance.now() - start; else requestAnimationFrame(look) }; look() }"""


class Page:
    """A notebook, its first cell run; `received` counts the bytes that came over its websockets."""

    def __init__(self, lab: Lab, browser, name: str, cells: list[str]) -> None:
        lab.write(name, ["%load_ext lk_notebook", *cells])
        self.received = 0
        opened = browser.new_context
        browser.new_context = lambda **options: self._counted(opened(**options))
        self.notebook = Notebook(lab, browser, name)
        browser.new_context = opened
        assert self.notebook.run(0)
        self.page = self.notebook.page

    def _counted(self, context):
        context.on("page", lambda page: page.on("websocket", lambda ws: ws.on("framereceived", self._count)))
        return context

    def _count(self, frame) -> None:
        self.received += len(frame)

    def run(self, index: int, seconds: float = 120) -> None:
        """Run a cell to its end, and let the page come to rest."""
        assert self.notebook.run(index, seconds)
        self.page.wait_for_timeout(1000)


def middle(values) -> float:
    """The median."""
    return statistics.median(values)


def reply(lab: Lab, browser, rounds: int, *, smoke: bool) -> None:
    """20 kB at 60 pieces a second: long tasks, bytes, kernel CPU."""
    pieces, seconds = (30, 0.5) if smoke else (334, 5.5)
    (lab.work / "text.md").write_text(TEXT, "utf-8")
    cells = [
        "%%lkchat -n\nhello",
        CPU,
        f"%%lkchat -n\nbig {pieces} {seconds}",
        SPENT,
        WIDGET.format(pieces=pieces, seconds=seconds),
    ]
    ours, theirs, size, used, took = [], [], [], [], []
    for i in range(rounds):
        one = Page(lab, browser, f"reply{i}.ipynb", cells)
        one.page.evaluate(WATCH)
        one.run(1)  # what is imported once
        one.run(2)
        before, begun = one.received, time.monotonic()
        one.page.evaluate("window.__long = 0")
        one.run(3)
        took.append(time.monotonic() - begun - 1)
        size.append((one.received - before) / len(TEXT.encode()))
        ours.append(one.page.evaluate("window.__long"))
        one.run(4)
        used.append(float(one.notebook.shown(4).split()[-1]))
        one.page.evaluate("window.__long = 0")
        one.run(5)
        theirs.append(one.page.evaluate("window.__long"))
        one.notebook.close()
    print(f"20 kB in {pieces} pieces, long tasks: {middle(ours):.0f} ms, of an HTML widget {middle(theirs):.0f} ms")
    print(f"20 kB in {pieces} pieces, bytes received: {middle(size):.1f} times the text")
    print(f"20 kB in {pieces} pieces, kernel CPU: {middle(used):.2f} s in {middle(took):.1f} s")


def first(lab: Lab, browser, rounds: int, *, smoke: bool) -> None:
    """From Shift+Enter to the first text, beside that of a print."""
    pairs = 1 if smoke else 3 * rounds
    one = Page(lab, browser, "first.ipynb", ["%%lkchat -n\nhello", *["print('print')", "%%lkchat -n\nhello"] * pairs])
    one.run(1)
    took: dict[str, list[float]] = {"print": [], "Zebra": []}
    for index in range(2, 2 + 2 * pairs):
        word = ("print", "Zebra")[index % 2]
        one.page.evaluate(TIMER, [one.notebook.cell(index).element_handle(), word])
        one.run(index)
        took[word].append(one.page.evaluate("window.__took"))
    one.notebook.close()
    ours, theirs = middle(took["Zebra"]), middle(took["print"])
    print(f"first text after Shift+Enter: {ours:.0f} ms, of print {theirs:.0f} ms, ratio {ours / theirs:.2f}")


def opening(lab: Lab, browser, rounds: int, *, smoke: bool) -> None:
    """A saved notebook of replies, beside one of static HTML of the same text."""
    count = 3 if smoke else 50
    static = "from IPython.display import HTML\nHTML('<p>The <strong>answer</strong>, some words long.</p>' * 20)"
    for name, cell in (("replies", "%%lkchat -n\nsome"), ("static", static)):
        one = Page(lab, browser, f"{name}.ipynb", [cell] * count)
        for index in range(1, count + 1):
            assert one.notebook.run(index)
        one.notebook.save()
        one.notebook.close()
    lab.end_kernels()
    took: dict[str, list[float]] = {"replies": [], "static": []}
    for _ in range(rounds):
        for name, times in took.items():
            page = browser.new_context().new_page()
            begun = time.monotonic()
            page.goto(f"{lab.origin}/lab/tree/{name}.ipynb?token={lab.token}&reset")
            page.wait_for_function(
                f"document.querySelectorAll('.jp-OutputArea-output').length >= {count}", timeout=90_000
            )
            times.append(time.monotonic() - begun)
            page.context.close()
            lab.end_kernels()
    ours, theirs = middle(took["replies"]), middle(took["static"])
    print(f"{count} replies: the page opens in {ours:.2f} s, static HTML in {theirs:.2f} s, ratio {ours / theirs:.2f}")


def answer(request) -> Answer:
    """What the model says."""
    kind, *numbers = request.prompt.split()
    if kind == "hello":
        return stream("Zebra.")
    if kind == "some":
        return stream("The **answer**, some words long.\n\n" * 20)
    pieces, seconds = int(numbers[0]), float(numbers[1])
    size = -(-len(TEXT) // pieces)
    paced = [
        part for i in range(0, len(TEXT), size) for part in (chunk({"content": TEXT[i : i + size]}), seconds / pieces)
    ]
    return Answer([*paced, *end()])


BENCHES = {f.__name__: f for f in (reply, first, opening)}


def main() -> None:
    """Runs those that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", default=[], choices=[*BENCHES, []])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--smoke", action="store_true")
    read = parser.parse_args()
    with Player(answer) as player, Lab(livekit(player)) as lab, chromium() as browser:
        for name in read.names or BENCHES:
            BENCHES[name](lab, browser, 1 if read.smoke else read.rounds, smoke=read.smoke)


if __name__ == "__main__":
    main()
