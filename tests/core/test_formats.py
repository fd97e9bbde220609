"""An answer as the next cell, as a sandboxed page, as JSON."""

import html
import time
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_notebook.core import formats

POLICY = (
    '<meta http-equiv="Content-Security-Policy" '
    "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">"
)


class Frames(HTMLParser):
    """The frames of a page, and whatever else is in it."""

    def __init__(self, page):
        super().__init__()
        self.frames, self.others = [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        """Keep the frame, or note that there is something else."""
        (self.frames if tag == "iframe" else self.others).append(dict(attrs) if tag == "iframe" else tag)

    def handle_data(self, data):
        """Note that there is text outside of a frame."""
        self.others.append(data)


def outer(text):
    """The one frame the notebook gets."""
    page = Frames(formats.sandboxed(text))
    assert not page.others
    (frame,) = page.frames
    return frame


def inner(text):
    """The one frame in it, which shows what the model wrote."""
    (frame,) = Frames(outer(text)["srcdoc"].removeprefix(POLICY)).frames
    return frame


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("```Python\nx = 1\n```", [("python", "x = 1\n")]),
        ("````md\n```py\nx\n```\n````", [("md", "```py\nx\n```\n")]),
        ("~~~sh\nls\n```\n~~~", [("sh", "ls\n```\n")]),
        ("1. First\n\n   ```py\n   if x:\n       y\n   ```\n2. Then", [("py", "if x:\n    y\n")]),
        ("> ```js\n> a\n> ```", [("js", "a\n")]),
        ("   ```py\n   x\n   ```", [("py", "x\n")]),
        ("    ```py\n    x", []),
        ("So:\n```python\nx = 1\ny", [("python", "x = 1\ny")]),
        ("a\r\n```py\r\nx\r\n```\r\nb", [("py", "x\n")]),
        ("```{python} title=x\n1\n```\n\n```\n2\n```", [("python", "1\n"), ("", "2\n")]),
        ("use ```x``` here", []),
        ("", []),
    ],
)
def test_the_code_of_an_answer_is_what_markdown_shows_as_code(text, found):
    """Each fenced block is found, with its language: nested, indented, in a list, or never closed."""
    assert [(fence.language, fence.code) for fence in formats.fences(text)] == found


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_block_says_where_it_stands(end):
    """The place of a block is that in the text as it came, whatever ends its lines."""
    block = end.join(["```py", "x", "```"])
    text = end.join(["before", block, "after"])

    (fence,) = formats.fences(text)

    assert text[fence.start : fence.end] == block + end


@given(st.lists(st.sampled_from(["```", "```py", "~~~", "- a", "> b", "  x = 1", "", "\r", "words"])).map("\n".join))
def test_blocks_stand_in_the_text_one_after_the_other(text):
    """No two blocks overlap, and none stands outside the text."""
    places = [place for fence in formats.fences(text) for place in (fence.start, fence.end)]
    assert places == sorted(places)
    assert all(0 <= place <= len(text) for place in places)


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("Try:\n```python\nx = 1\n```\nand\n```py\nx + 1\n```\n", "x = 1\n\nx + 1"),
        ("```python\n    a = 1\n    b = 2\n```", "a = 1\nb = 2"),
        ("```python\n>>> a = [\n...   1]\n>>> a\n[1]\n```", "a = [\n  1]\na"),
        ("```python\n%%time\nf()\n```", "%%time\nf()"),
        ("```bash\nls\n```\n```sh-session\n```", "%%bash\nls"),
        ("```js\nalert(1)\n```", "%%javascript\nalert(1)"),
        ("```html\n<b>hi</b>\n```", "%%html\n<b>hi</b>"),
        ("```rust\nfn main() {}\n```", ""),
        ("```rust\na\n```\n```toml\nb\n```", ""),
        ("```python\n```", ""),
    ],
)
def test_the_code_is_the_next_cell(text, cell):
    """Python goes as it is, another language by its cell magic, and what no notebook runs makes no cell."""
    assert formats.next_cell(text) == cell


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("```bash\nls\n\npwd\n```\n```python\nimport x\n```", "# bash\n# ls\n#\n# pwd\n\n# python\nimport x"),
        ("```bash\nls\n```\n```js\na()\n```", "# bash\n# ls\n\n# js\n# a()"),
        ("```python\n%%time\nf()\n```\n```python\ng()\n```", "# python\n# %%time\n# f()\n\n# python\ng()"),
    ],
)  # fmt: skip
def test_languages_are_told_apart(text, cell):
    """In one cell of several languages each part says its own, and only Python is not a comment."""
    assert formats.next_cell(text) == cell


@pytest.mark.parametrize("output", ["```\n3\n```", "```text\nprint(3)\n```", "```output\nx = 3\n```"])
def test_what_a_program_prints_is_no_code(output):
    """The output a model shows beside its program does not go into the cell."""
    assert formats.next_cell(f"```python\nprint(3)\n```\nprints\n{output}") == "print(3)"


@pytest.mark.parametrize(
    "text", ["x = 1", "print('hi')", "await f()", "import os", "!pip install x\n%matplotlib inline", "```\nx = 1\n```"]
)
def test_code_that_says_no_language_counts_if_it_is_python(text):
    """A model that forgets the fence, or its language, still fills the next cell."""
    assert formats.next_cell(text) == text.strip("`\n")


@pytest.mark.parametrize(
    "text",
    [
        "Yes",
        "42",
        "Hello, Ada",
        "this is fine",
        "Note: not sure",
        "well-known",
        "...",
        "Sorry, no.",
        "",
        "```\n42\n```",
    ],
)
def test_words_are_no_code(text):
    """An answer in words makes no cell, though Python could read it."""
    assert formats.next_cell(text) == ""


def test_the_next_cell_shows_all_that_it_runs():
    """No character that hides or turns round what stands in the cell gets into it."""
    assert formats.next_cell("```python\nx = 1 #\u202e\x1b[2J 2 = y\n```") == "x = 1 #[2J 2 = y"


@given(st.text())
def test_no_text_breaks_out_of_the_frame(text):
    """Whatever the model writes, the notebook gets one frame, whose inside is exactly that text, cleaned."""
    document = inner(text)["srcdoc"]
    assert document.startswith(POLICY)
    assert document.endswith(formats._LINK.sub("<lk-link", formats._markup(text)))


@given(st.text(alphabet="<>/\"'=&;-! \nlinkfrmes`$", max_size=60))
def test_no_markup_breaks_out_of_the_frame(text):
    """The same of text made of what HTML is made of."""
    frame = outer(text)
    assert frame["srcdoc"] == html.unescape(html.escape(frame["srcdoc"]))
    assert inner(text)["sandbox"] == ""


def test_the_page_runs_no_script_and_reaches_no_network():
    """Both frames are sandboxed wholly, and both documents begin with the policy that forbids every address."""
    for frame in (outer("<p>hi"), inner("<p>hi")):
        assert frame["sandbox"] == ""
        assert frame["srcdoc"].startswith(POLICY)
        assert frame["title"]


def test_a_link_leads_nowhere():
    """Links open a new tab, which the sandbox forbids; the model's own base comes too late."""
    document = inner('<base target="_self"><a href="https://example.com">x</a>')["srcdoc"]
    assert document.removeprefix(POLICY).startswith('<base target="_blank">')


@pytest.mark.parametrize(
    "tag", ['<link rel="preconnect" href="//x">', "<LINK\nrel=dns-prefetch href=//x>", "<link/rel=icon>"]
)
def test_no_connection_is_opened_ahead(tag):
    """A `link` opens connections, whatever the policy says: none is left."""
    assert "<link" not in inner(tag)["srcdoc"].lower()


@pytest.mark.parametrize(
    "text",
    [
        "Here:\n```html\n<b>a</b>\n```\nDone.",
        "```HTML\n<b>a</b>\n```\n```css\nb {}\n```",
        "```\n<b>a</b>\n```",
        "<b>a</b>",
    ],
)
def test_the_page_is_what_stands_in_the_fence(text):
    """The words around a block of HTML are not part of the page."""
    assert inner(text)["srcdoc"].rstrip().endswith('"_blank"><b>a</b>')


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("<h1>Hi</h1><p>a <b>b</b>\n c &amp; d</p>", "Hi\na b c & d"),
        ("<ul><li>a</li><li>b</ul>", "- a\n- b"),
        ("<table><tr><th>x<th>y</tr> <tr><td>1</td> <td>2</td></tr></table>", "x | y\n1 | 2"),
        ("<pre>  a\n    b</pre>", "  a\n    b"),
        ("<title>t</title><style>a{}</style><script>x()</script><!-- c -->seen", "seen"),
        ('<img alt="a cat" src="x"><br>line', "a cat\nline"),
        ('<p title="a > b">x</p>', "x"),
        ("<![endif]>a<!doctype html>b", "ab"),
        ("1 < 2", "1 < 2"),
        ("```html\n<p>a</p>\n```", "a"),
        ("&#27;[2Jx", "[2Jx"),
    ],
)
def test_the_words_of_the_page_stand_beside_it(page, words):
    """Where no frame is shown, its words are, line by line."""
    assert formats.plain_of_html(page) == words


@given(st.text(alphabet="<>/\"'=&;-!ab \npre"))
def test_every_page_has_words_or_none(text):
    """Broken HTML breaks nothing, and no line is empty."""
    assert all(line.strip() for line in formats.plain_of_html(text).split("\n")) or not formats.plain_of_html(text)


@pytest.mark.parametrize("piece", ["<a ", "<!--", "<", "<![", "<b x='", "<style>", "<div>", "```\n", "&"])
def test_a_hostile_page_does_not_hold_the_kernel_up(piece):
    """A hundred thousand characters of the worst are read in about a second; Python's own parser takes minutes."""
    start = time.process_time()
    formats.plain_of_html(piece * 20_000)
    formats.sandboxed(piece * 20_000)
    assert time.process_time() - start < 10


def test_json_is_shown_with_indents():
    """Parsed JSON is shown a line for each value, in the letters it has."""
    shown = formats.json_html({"a": [1, "é"]})
    assert "é" in shown
    assert shown.count("\n") == 5


def test_json_shows_markup_as_text():
    """HTML in a value is shown, not obeyed."""
    assert "<img" not in formats.json_html({"a": "<img src=x onerror=alert(1)>"})


@pytest.mark.parametrize("value", [list(range(50_000)), "x" * 50_000])
def test_huge_json_is_shortened_and_says_so(value):
    """A huge value does not fill the notebook; a note says how much is left out."""
    shown = formats.json_html(value)
    assert len(shown) < 200_000
    assert "Shortened" in shown


def test_json_nested_beyond_measure_is_said_to_be():
    """A value nested ten thousand deep is an answer that cannot be shown, not a traceback."""
    value = []
    for _ in range(10_000):
        value = [value]
    assert "deeply" in formats.json_html(value)
