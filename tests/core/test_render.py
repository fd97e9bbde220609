"""A growing text as blocks: cut anywhere it gives the same HTML as whole, and what a view was told is what it shows."""

import html
import json
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lk_notebook.core.render import Renderer, render

# Random characters miss what random lines find: references, tables and lists that a later line changes.
LINES = json.loads((Path(__file__).parent / "data" / "markdown_lines.json").read_text(encoding="utf-8"))
TEXTS = st.lists(st.sampled_from(LINES), max_size=10).map("\n".join)


class View:
    """A view that does what it is told, as strings."""

    def __init__(self):
        self.root, self.box, self.tail = [], None, ("", "")

    def do(self, ops):
        """Carry out the changes."""
        for op in ops:
            getattr(self, f"_{op['o']}")(op)
        return self

    def _add(self, op):
        self.tail = ("", "")
        (self.root if self.box is None else self.box[1]).append(op["h"])

    def _open(self, op):
        assert self.box is None
        inside = re.search(r"(?:</\w+>)+$", op["h"]).start()  # the innermost of the element's last children
        self.tail, self.box = ("", ""), (op["h"][:inside], [], op["h"][inside:])

    def _text(self, op):
        self.box[1].append(op["h"])

    def _undo(self, _op):
        self.tail, self.box = ("", ""), None

    def _close(self, _op):
        self.root.append(self._boxed())
        self.tail, self.box = ("", ""), None

    def _set(self, op):
        self.root[op["k"]] = op["h"]

    def _tail(self, op):
        self.tail = (op["i"], op["h"])

    def _boxed(self):
        return self.box[0] + "".join(self.box[1]) + self.tail[0] + self.box[2]

    @property
    def html(self):
        """What is shown."""
        assert self.box or not self.tail[0]
        return "".join(self.root) + (self._boxed() if self.box else "") + self.tail[1]


def grown(pieces):
    """The renderer after these pieces, each flushed; a view is held beside it all the way."""
    renderer, view = Renderer(), View()
    for piece in pieces:
        renderer.feed(piece)
        assert view.do(renderer.flush()).html == renderer.html
    assert view.do(renderer.flush(final=True)).html == renderer.html
    return renderer


def ops(text):
    """All that a view is told while the text grows by single characters."""
    renderer, told = Renderer(), []
    for character in text:
        renderer.feed(character)
        told += renderer.flush()
    return told + renderer.flush(final=True)


def tails(text):
    """The words a reader sees in the tail after each character, but those in code and in formulas."""
    renderer = Renderer()
    for character in text:
        renderer.feed(character)
        view = "".join(op["i"] + op["h"] for op in renderer.flush() if op["o"] == "tail")
        bare = re.sub(r'<(code|pre)\b.*?</\1>|<span class="lk-math"[^>]*>.*?</span>', "", view, flags=re.DOTALL)
        yield html.unescape(re.sub(r"<[^>]*>", "", bare))


@settings(max_examples=120, deadline=None)
@given(TEXTS)
def test_pieces_give_what_the_whole_gives(text):
    """A text that arrives by single characters becomes the same HTML as the whole; the view shows it all the way."""
    assert grown(text).html == render(text)


@settings(max_examples=80, deadline=None)
@given(TEXTS, st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_any_cut_gives_what_the_whole_gives(text, sizes):
    """Pieces of any size become the same HTML as the whole."""
    pieces, start = [], 0
    for size in sizes:
        pieces.append(text[start : start + size])
        start += size
    assert grown([*pieces, text[start:]]).html == render(text)


@settings(max_examples=80, deadline=None)
@given(st.text())
def test_any_characters_are_taken(text):
    """No text, of whatever characters, is refused; cut anywhere it is the same."""
    assert grown(text).html == render(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\r\nb", "<p>a\nb</p>"),
        ("a\rb", "<p>a\nb</p>"),
        ("a\r\r\nb", "<p>a</p><p>b</p>"),
        ("\ud83d\ude00", "<p>😀</p>"),
        ("\ud83dx", "<p>\ufffdx</p>"),
        ("x\ud83d", "<p>x\ufffd</p>"),
    ],
)
def test_a_character_cut_in_two_waits_for_its_other_half(text, expected):
    """A line end of two characters and a surrogate pair are whole again though they arrive apart."""
    assert (grown(text).html, render(text)) == (expected, expected)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("# | a\n--|--\n", "<table"),  # trap 2: what looked like a heading was the head of a table
        ("a\n---\n", "<h2>a</h2>"),
        ("| a | b |\n|---|---|\n", "<th"),
        ("```\ncode\n``` x\n```\n", "``` x"),
    ],
)
def test_only_complete_lines_decide(text, kept):
    """A block that a next line may still change is no finished block."""
    assert not any(op["o"] == "add" for op in ops(text)[:-1])
    assert kept in render(text)


@pytest.mark.parametrize(
    ("pieces", "told"),
    [(["```python\n", "if x: pass\n```\n"], ["open", "undo", "add"]), (["```python\nif x: pass\n```\n"], ["add"])],
)
def test_a_closed_fence_is_finished_at_once(pieces, told):
    """Code is coloured as soon as its fence is closed; nothing that follows is waited for."""
    renderer, changes = Renderer(), []
    for piece in pieces:
        renderer.feed(piece)
        changes += renderer.flush()

    assert [op["o"] for op in changes] == told
    assert 'style="color:var(--lk-k)">if' in changes[-1]["h"]


def test_an_open_fence_only_grows_by_text():
    """Code that is still being written is sent once, as text."""
    renderer = Renderer()
    renderer.feed("```py\n")
    renderer.flush()
    told = []
    for piece in ("x = ", "1 < 2\n", "y", "\n``", "`x\n"):
        renderer.feed(piece)
        told += renderer.flush()

    assert {op["o"] for op in told} == {"text"}
    assert "".join(op["h"] for op in told) == "x = 1 &lt; 2\ny\n```x\n"


def test_a_line_that_may_close_the_fence_is_held_back():
    """Half a closing fence is never shown as code."""
    renderer = Renderer()
    renderer.feed("```\nx\n  ``")
    assert "".join(op["h"] for op in renderer.flush() if op["o"] == "text") == "x\n"


def test_the_indent_of_a_fence_is_no_part_of_its_code():
    """What is shown while the fence is open is what is shown when it is closed."""
    renderer = Renderer()
    renderer.feed("  ```\n  a\n    b\n c")
    assert "<code" in renderer.flush()[0]["h"]
    assert ">a\n  b\nc</code>" in renderer.html


def test_a_definition_has_one_line():
    """Trap 3: a title on the next line does not reach into a block that is not there yet."""
    assert render("[foo]: http://u.v\n'title'\n\n[foo]") == render("[foo]: http://u.v\n\n'title'\n\n[foo]")


def test_a_late_reference_mends_the_block_that_used_it():
    """A link whose address comes at the end of the answer becomes a link then, in its place."""
    told = ops("one\n\nsee [foo]\n\ntwo\n\n[foo]: http://u.v\n")
    changed = [op for op in told if op["o"] == "set"]

    assert [op["k"] for op in changed] == [1]
    assert 'href="http://u.v"' in changed[0]["h"]


def test_a_late_reference_mends_an_open_list():
    """An item that used it is mended while the list still grows."""
    renderer, view = Renderer(), View()
    for line in ("- [foo]\n", "- b\n", "- [foo]: http://u.v\n", "- c\n"):
        renderer.feed(line)
        view.do(renderer.flush())

    assert '<li><a href="http://u.v"' in view.html == renderer.html


@pytest.mark.parametrize("code", ["- ```\n  x\n  ```", "-     x"])
def test_looseness_is_told_by_the_list_rule(code):
    """Trap 4: a list that turns loose late, where its items of code do not show it, is written anew."""
    text = f"{code}\n{code}\n- a\n- b\n\n- c\n"
    assert "<li><p>a</p></li>" in render(text)
    assert grown(text).html == render(text)
    assert [op["o"] for op in ops(text)].count("undo") == 1


def test_items_are_added_once():
    """A long list is not sent again with each item."""
    told = ops("".join(f"- item {n}\n" for n in range(50)) + "\nend\n")
    sent = "".join(op["h"] for op in told if op["o"] in ("open", "add"))

    assert [sent.count(f"<li>item {n}</li>") for n in range(50)] == [1] * 50
    assert [op["o"] for op in told].count("open") == 1


@pytest.mark.parametrize("text", ["$$\na\n- b\n$$\n\nend", "$$\na = b\n\n- c", "\\[\na\n# b\n\\]\n"])
def test_a_formula_block_opens_at_once(text):
    """Trap 5: from `$$` on, lines are held together to its end or a blank line, whether or not it is closed later."""
    assert grown(text).html == render(text)
    assert "<ul><li>b" not in render(text)
    assert "<h1>" not in render(text)


def test_an_open_formula_is_a_sign_of_what_comes():
    """While a formula block is open, dots stand for it."""
    renderer = Renderer()
    renderer.feed("so\n\n$$\n\\frac{a}")
    renderer.flush()
    assert renderer.html == "<p>so</p><p>…</p>"


@pytest.mark.parametrize(
    ("half", "shown"),
    [
        ("a **bold", "<p>a <strong>bold</strong></p>"),
        ("a **bold*", "<p>a <strong>bold</strong></p>"),
        ("a **", "<p>a </p>"),
        ("a *it **both", "<p>a <em>it <strong>both</strong></em></p>"),
        ("***x", "<p><strong><em>x</em></strong></p>"),
        ("a ~~gone", "<p>a <s>gone</s></p>"),
        ("a ~~gone~", "<p>a <s>gone</s></p>"),
        ("a `co", "<p>a <code>co</code></p>"),
        ("a ``c ` o`", "<p>a <code>c ` o</code></p>"),
        ("a `", "<p>a </p>"),
        ("see [the pa", "<p>see the pa</p>"),
        ("see [the paper]", "<p>see the paper</p>"),
        ("see [the paper](htt", "<p>see the paper</p>"),
        ("see [the paper][1", "<p>see the paper</p>"),
        ("see ![pic](htt", "<p>see pic</p>"),
        ("so $x^2 + ", "<p>so </p>"),
        ("so \\(x", "<p>so </p>"),
        ("it costs $5 a", "<p>it costs <span>$</span>5 a</p>"),
        ("a\n--", "<p>a</p>"),
        ("a\n```py", "<p>a</p>"),
        ("a\n- ", "<p>a</p>"),
        ("a\n\n[1]: http", "<p>a</p>"),
        ("2 * 3 ", "<p>2 * 3</p>"),
    ],
)
def test_half_marks_are_mended(half, shown):
    """The tail shows what the finished text will most likely be."""
    renderer = Renderer()
    renderer.feed(half)
    renderer.flush()
    assert renderer.html.replace(" </p>", "</p>") == shown.replace(" </p>", "</p>")


@pytest.mark.parametrize("head", ["| a | b", "| a | b |\n", "| a | b |\n|--", "| a | b |\n|--|--|\n| 1 | **2"])
def test_a_table_is_one_from_its_head_on(head):
    """The head of a table does not first show as a line of bars."""
    renderer = Renderer()
    renderer.feed(head)
    renderer.flush()
    assert "<th" in renderer.html
    assert not set("|*") & set(re.sub(r"<[^>]*>", "", renderer.html))


WELL_FORMED = r"""
Some **bold text**, *em*, ***both***, **bold *nested* more**, `code`, ~~gone~~, [the link](https://e.org/a_(b) "t").

See $x_1 + y$ and \(z\).

$$
\frac{a}{b}
$$

\[ a + b \]

- **item**: text `c`
- [x] task

| a | **b** |
|:--|---|
| `c` | $d$ |

![pic](https://e.org/x.png)

```python
x = 1
```

> q **q** ``a ` b``

1. one **two
   three** four
2. b
"""


def test_no_raw_mark_stands_in_the_tail():
    """Whoever reads along never sees the `**`, `$`, fence, link or table that is only half there."""
    assert [shown for shown in tails(WELL_FORMED) if re.search(r"\*|\$|`|~~|\[|\||\\", shown)] == []


def test_a_flush_of_nothing_new_costs_nothing():
    """An unchanged text is not read again, and nothing is sent."""
    renderer, calls = Renderer(), []
    renderer.feed("Some **text")
    renderer.flush()
    renderer.feed("")
    sys.setprofile(lambda _frame, event, _arg: calls.append(event) if event == "call" else None)
    try:
        told = renderer.flush()
    finally:
        sys.setprofile(None)

    assert told == []
    assert len(calls) < 5


def test_the_tail_goes_when_the_text_is_complete():
    """What was shown of an unfinished block is replaced by the block, or by nothing."""
    assert grown("see\n\n[foo]: u").html == "<p>see</p>"
    assert grown(["[foo]", ": u"]).html == ""


@pytest.mark.parametrize(
    "text",
    [
        "word **bold** " * 900,
        "- item\n" * 1500,
        "| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 1000,
        "> quote\n" * 1300,
        "```\n" + "x = 1\n" * 2000,
        "para\n\n" * 2000,
    ],
    ids=["paragraph", "list", "table", "quote", "fence", "blocks"],
)
def test_reading_takes_linear_time(text):
    """However finely the text is cut and flushed, what is read again adds up to some 20 times its length at most."""
    renderer, read = Renderer(), 0
    for start in range(0, len(text), 100):
        renderer.feed(text[start : start + 100])
        if renderer.flush():
            read += len(renderer._rest) + 100

    assert read < 20 * len(text) + 4096**2 / 100


def test_what_was_held_back_comes_in_a_pause():
    """A long block is not read again for each word, but when nothing comes it is shown to its end."""
    renderer = Renderer()
    renderer.feed("word " * 2000)
    renderer.flush()
    renderer.feed("last")
    assert renderer.flush() == []
    assert "last" in renderer.flush()[0]["h"]


def test_finished_blocks_are_written_once():
    """A paragraph that is done is not sent again."""
    told = ops("".join(f"para {n}\n\n" for n in range(40)))
    assert [op["h"] for op in told if op["o"] == "add"] == [f"<p>para {n}</p>" for n in range(40)]
