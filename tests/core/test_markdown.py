"""What a reply may put on the page: the few elements on a list, whatever a hostile model writes."""

import html
import json
import re
import string
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lk_notebook.core.highlight import _parts, coloured, language
from lk_notebook.core.markdown_math import formula
from lk_notebook.core.render import Renderer, render
from lk_notebook.core.text import clean, escape, plain

HOSTILE = json.loads((Path(__file__).parent / "data" / "hostile.json").read_text(encoding="utf-8"))
NONE, STYLE = frozenset(), frozenset({"style"})
ALLOWED = {
    **dict.fromkeys(
        ("p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "li", "blockquote", "hr", "br", "em", "strong"), NONE
    ),
    **dict.fromkeys(("s", "thead", "tbody", "tr"), NONE),
    **dict.fromkeys(("b", "i", "table", "td", "code"), STYLE),
    "ol": {"start"},
    "th": {"scope", "style"},
    "div": {"class", "style", "tabindex"},
    "pre": {"style", "tabindex"},
    "span": {"class", "style"},
    "a": {"href", "rel", "target"},
    "img": {"src", "alt", "style"},
}
UNSAFE = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Page(HTMLParser):
    """What a browser would make of the HTML: its elements, its words, and the words that MathJax would read."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.words, self.runs, self.open = [], "", [""], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        """An element begins a new run of words."""
        self.elements.append((tag, dict(attrs)))
        self.runs.append("")
        if tag not in ("br", "hr", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        """It is closed in its turn."""
        assert self.open.pop() == tag
        self.runs.append("")

    def handle_data(self, data):
        """MathJax reads neither code nor what is in another element."""
        self.words += data
        if not {"code", "pre"} & set(self.open):
            self.runs[-1] += data

    def handle_comment(self, data):
        """There is none, nor a declaration."""
        raise AssertionError(data)

    handle_decl = handle_pi = unknown_decl = handle_comment


def check(text):
    """The page of this HTML, every rule of the list held."""
    page = Page(text)
    assert page.open == []
    for tag, attrs in page.elements:
        assert set(attrs) <= ALLOWED[tag]
        assert attrs.get("class") in (None, "lk-code highlight", "lk-math")
        assert re.fullmatch(r"[\w :;,.()#%-]*", attrs.get("style", "")) is not None
        assert "url" not in attrs.get("style", "")
        assert re.match(r"(?i)https?://[^/]|mailto:.", attrs.get("href", "http://x"))
        assert re.fullmatch(
            r"data:image/(png|jpeg|gif|webp);base64,[\w+/=]+", attrs.get("src", "data:image/png;base64,AA")
        )
    assert not UNSAFE.search(text)
    return page


def text_of(case):
    """What the model of a hostile case says."""
    what, times = case.get("repeat", ["", 0])
    return case["text"].replace("{repeat}", what * times)


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case["id"])
def test_a_hostile_reply_is_harmless_words(case):
    """Whatever a reply tries, what comes out is on the list of elements and attributes, and can be read."""
    page = check(render(text_of(case)))
    words = " ".join(page.words.split())

    assert [also for also in case.get("also", []) if " ".join(also.split()) not in words] == []


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case["id"])
def test_a_hostile_reply_is_harmless_while_it_grows(case):
    """The unfinished tail keeps to the same list."""
    text = text_of(case)
    renderer = Renderer()
    size = case.get("pieces", max(1, len(text) // 40))
    for start in range(0, len(text), size):
        renderer.feed(text[start : start + size])
        renderer.flush()
        check(renderer.html)


SNIPPETS = [
    "<b x=",
    "<script>",
    "](",
    "[a",
    "![",
    ")",
    "javascript:",
    "data:image/png;base64,AA",
    "http://x",
    "`",
    "**",
    "$",
    "\\(",
    "\\)",
]
SNIPPETS += [
    "|",
    "\n",
    "\n\n",
    "- ",
    "> ",
    "```",
    "&lt;",
    "&#x202e;",
    '"',
    "'",
    "onload=",
    "~~",
    "\\",
    "$$",
    "<",
    ">",
    " ",
    "a",
]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(SNIPPETS), max_size=30).map("".join))
def test_no_mixture_of_marks_leaves_the_list(text):
    """Marks, quotes and tags in any order give nothing but elements of the list, well nested."""
    check(render(text))


@pytest.mark.parametrize(
    "address",
    [
        "javascript:x",
        "/logout",
        "logout",
        "//e.org",
        "http:logout",
        "https:/x",
        "data:text/html,x",
        "",
        "#a",
        "file:///x",
        "vbscript:x",
        "ftp://x",
    ],
)
def test_a_link_leads_outside_or_nowhere(address):
    """Only http, https and mailto are kept; a relative one leads to Jupyter's own server. Trap 7: none is empty."""
    assert render(f"[x](<{address}>)") == "<p><a>x</a></p>"


@pytest.mark.parametrize("address", ["http://e.org", "https://e.org/a?b=c#d", "mailto:a@e.org", "HTTPS://E.org"])
def test_a_link_opens_in_a_tab_of_its_own(address):
    """A good address is kept, and the page it opens learns nothing of ours."""
    [_, (tag, attrs)] = check(render(f"[x](<{address}>)")).elements
    assert (tag, attrs["rel"], attrs["target"]) == ("a", "noopener noreferrer", "_blank")
    assert attrs["href"].lower() == address.lower()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("![a](https://e.org/p.png)", '<a href="https://e.org/p.png" rel="noopener noreferrer" target="_blank">a</a>'),
        (
            "![](https://e.org/p.png)",
            '<a href="https://e.org/p.png" rel="noopener noreferrer" target="_blank">https://e.org/p.png</a>',
        ),
        ("![a](/files/p.png)", "a"),
        ("![a](data:image/svg+xml;base64,AA)", "a"),
        ("![a](data:image/png;base64,AA==)", '<img src="data:image/png;base64,AA==" alt="a" style="max-width:100%">'),
        (
            "[![a](https://e.org/p)](https://f.org)",
            '<a href="https://f.org" rel="noopener noreferrer" target="_blank">a</a>',
        ),
    ],
)
def test_no_picture_is_fetched(text, expected):
    """A picture that is not in the text itself becomes a link, or its words where there is a link around it."""
    assert render(text) == f"<p>{expected}</p>"


@pytest.mark.parametrize(
    "text",
    ["$5 and then $6", "US$5, US$6", "from $5-$10", "$5/$6", "it is $ 5 $", "\\$5\\$", "$5 apples and 3$ x", "a$b$c"],
)
def test_money_is_no_formula(text):
    """Trap 8: dollars outside a formula stand alone, so that MathJax finds no pair of them."""
    page = check(render(text))
    assert "lk-math" not in str(page.elements)
    assert all(run.count("$") <= 1 and not (run.strip("$") and "$" in run) for run in page.runs)


@pytest.mark.parametrize(
    ("text", "tex"),
    [
        ("$x_1*y*$", "$x_1*y*$"),
        ("$$x<y$$", "$$x&lt;y$$"),
        ("\\(a\\)", "$a$"),
        ("\\[a \\\\\\) b\\]", "$$a \\\\\\) b$$"),
        ("$$\na\n- b\n$$", "$$a\n- b$$"),
        ("\\[\na\n\\]", "$$a$$"),
        ("\\(a \\\\) b\\)", "$a \\\\) b$"),
        ("$\\$5$", "$\\$5$"),
        ("$2$", "$2$"),
    ],
)
def test_a_formula_is_kept_for_mathjax(text, tex):
    """Each spelling of a formula becomes the one that JupyterLab sets, untouched by Markdown."""
    wide = ' style="display:block;overflow:auto hidden"' if tex.startswith("$$") else ""
    assert render(text) == f'<p><span class="lk-math"{wide}>{tex}</span></p>'


@pytest.mark.parametrize("text", ["\\[1\\]", "\\[a\\](b)", "\\(\\)", "$$ $$", "`$x$`", "    $x$", "$x"])
def test_what_is_no_formula_stays_text(text):
    """Escaped brackets, empty formulas and code are no formulas."""
    assert "lk-math" not in render(text)


@pytest.mark.parametrize(
    "command",
    [
        "href",
        "unicode",
        "class",
        "style",
        "cssId",
        "require",
        "mmlToken",
        "bbox",
        "def",
        "newcommand",
        "let",
        "DeclareMathOperator",
        "raise",
        "toggle",
    ],
)
def test_a_formula_commands_nothing_but_mathematics(command):
    """A formula that would link, style, load or redefine is shown as code."""
    tex = f"\\text{{a}}\\{command}{{javascript:x}}{{y}}"
    assert render(f"a ${tex}$ b") == f"<p>a <code>${tex}$</code> b</p>"
    assert "lk-math" in render(f"${tex.replace(command, 'y' + command)}$")


def test_a_formula_does_not_end_early():
    """Dollars within would end it for MathJax; it is shown as code then. So is one of endless length."""
    assert formula("a $ b", display=False) == "<code>$a $ b$</code>"
    assert formula("x" * 9000, display=True).startswith("<code>")


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=string.ascii_letters[:3] + "$\\()[]{} \n*_", max_size=40))
def test_mathjax_reads_no_formula_but_ours(text):
    """Outside our formulas no run of words holds anything that MathJax would read."""
    bare = re.sub(r'<span class="lk-math">.*?</span>', "", render(text), flags=re.DOTALL)
    for run in Page(bare).runs:
        assert run in ("$", "\\") or not re.search(r"[$\\]", run)


def test_an_environment_in_the_text_is_no_formula():
    r"""MathJax sets a bare `\begin` too; it must not get it from words."""
    assert all("\\begin" not in run for run in Page(render("\\begin{x}\\href{javascript:x}{y}\\end{x}")).runs)


@pytest.mark.parametrize(
    ("text", "depth"),
    [(">" * 10000 + " deep", 16), ("- " * 5000 + "deep", 8), ("\n".join("  " * n + "- deep" for n in range(300)), 8)],
    ids=["quotes", "lists", "indented"],
)
def test_nesting_has_an_end_and_says_so(text, depth):
    """Ten thousand quotes leave a page blank: beyond a depth the marks are text, nothing is lost, a note says so."""
    page = check(render(text))
    tags = [tag for tag, _ in page.elements if tag in ("blockquote", "ul")]

    assert len(tags) == depth
    assert "Nested too deeply" in page.words
    assert page.words.count("deep") == text.count("deep") + 1  # the note has one more


def test_a_word_in_sixty_thousand_letters_is_whole():
    """Nothing is cut out of a long word, nor put into it."""
    assert "A" * 60000 in render("A" * 60000)


@pytest.mark.parametrize("mark", ["*", "_", "~"])
def test_a_long_run_of_marks_is_text(mark):
    """A hundred thousand stars are shown as they are, and not read as so many marks."""
    calls = []
    sys.setprofile(lambda _frame, event, _arg: calls.append(event) if event == "call" else None)
    try:
        shown = render(f"a {mark * 100000} b")
    finally:
        sys.setprofile(None)

    assert shown == f"<p>a {mark * 100000} b</p>"
    assert len(calls) < 1000


def test_code_names_its_language_and_keeps_its_text():
    """The head of a block of code names the language; the code is all there, in the colours of the editor."""
    page = check(render('```python title="x"\nif a < "b":  # c\n    pass\n```'))
    assert page.words == 'pythonif a < "b":  # c\n    pass\n'
    assert {attrs.get("style") for tag, attrs in page.elements if tag in ("b", "i")} == {
        "color:var(--lk-k)",
        "color:var(--lk-c)",
    }


@pytest.mark.parametrize("info", ["mermaid", "nosuch", "<script>", "text", ""])
def test_code_of_an_unknown_language_is_plain(info):
    """A diagram is code like any other; an unknown name does no harm."""
    page = check(render(f"```{info}\n<a> $x$\n```"))
    assert page.words == f"{language(info)}<a> $x$\n"


@pytest.mark.parametrize("name", ["python", "js", "bash", "json", "html", "c", "diff", "sql", "console", "yaml"])
@given(code=st.text(max_size=60))
@settings(max_examples=20, deadline=None)
def test_colours_change_no_code(name, code):
    """Of code nothing is lost and nothing is added by its colours, but for what must not reach a page."""
    assert html.unescape(re.sub(r"<[^>]*>", "", coloured(code, name))) == clean(code)


@pytest.mark.parametrize(
    "code", ["x = 1\n\n" * 2000, "  a.b\n" * 2000, "a." * 5000 + "\nif x:\n", "if x:\n\n  y\n" * 700]
)
def test_long_code_is_coloured_in_parts(code):
    """So that the time grows with the code, not with its square; no part of it is lost."""
    parts = list(_parts(code))
    assert "".join(parts) == code
    assert all(len(part) <= 2500 or part.count("\n") <= 1 for part in parts)
    assert html.unescape(re.sub(r"<[^>]*>", "", coloured(code, "python"))) == code


@pytest.mark.parametrize("code", ["int a;" + "\n" * 5000, "int a;" + "/" * 500, "int a = 1;\n" * 4000])
def test_odd_or_endless_code_is_plain(code):
    """Some lexers take minutes over a thousand empty lines."""
    assert coloured(code, "cpp") == code


def test_a_table_scrolls_in_a_box_of_its_own():
    """A wide table is reached by keyboard and does not widen the page; its head says what it heads."""
    page = check(render("| a | b |\n|--|-:|\n| 1 | 2 |"))
    assert page.elements[0] == ("div", {"tabindex": "0", "style": "margin:0 0 1em;overflow-x:auto"})
    assert [attrs["style"] for tag, attrs in page.elements if tag == "td"] == ["text-align:left", "text-align:right"]
    assert [attrs["scope"] for tag, attrs in page.elements if tag == "th"] == ["col", "col"]


def test_a_table_is_not_filled_up_without_end():
    """Cells that a row lacks are added a few hundred times, not by the hundred thousand."""
    text = "|" + "a|" * 100 + "\n|" + "-|" * 100 + "\n" + "a\n" * 2000
    assert render(text).count("<td") < 1000


def test_tasks_are_characters():
    """A box that is ticked is shown; none can be clicked."""
    assert render("- [x] done\n- [ ] open") == "<ul><li>☑ done</li><li>☐ open</li></ul>"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\x1b[2J\x00b\x9b", "a[2Jb"),
        ("\u202eab\u2069", "ab"),
        ("a\tb\nc\fd\re", "a\tb\nc\fd\re"),
        ("\ud83d", "\ufffd"),
        ("\ud83d\ude00\ude00", "😀\ufffd"),
        ("é 😀", "é 😀"),
    ],
)
def test_control_and_bidi_characters_are_taken_out(text, expected):
    """What would turn the reading direction, clear a terminal or break a message does not reach either."""
    assert clean(text) == expected


@pytest.mark.parametrize("entity", ["&#x202e;", "&#8238;", "&#x2066;"])
def test_an_entity_brings_no_character_that_was_taken_out(entity):
    """The same characters by number are taken out too, in words, pictures' words and links."""
    check(render(f"a{entity}b ![c{entity}](data:image/png;base64,AA) [d](http://x/{entity}) `{entity}`"))
    assert "ab" in render(f"a{entity}b")


@given(st.text(max_size=40))
def test_escaped_text_is_the_text(text):
    """Escaped for words or for attributes, a page shows what was meant, without what must not reach it."""
    assert Page(escape(text)).words == Page(plain(text)).words == clean(text)
