"""The footer, the error and the fold: what is known and nothing else, in words that no name from outside can leave."""

import html
import re
from html.parser import HTMLParser

import pytest

from lk_notebook.core.footer import Facts, error_html, fold_html, footer_html, footer_text
from lk_notebook.core.values import Usage

MODEL = "openai/gpt-5-mini"
FULL = Facts(
    model=MODEL,
    provider="openai",
    ttft=0.872,
    tokens_per_second=81.3,
    usage=Usage(1240, 297, 1537, 1024, 64),
    cost=0.000521,
    turns=2,
)
LINE = (
    "openai/gpt-5-mini · openai · first token 0.87 s · 81 tok/s · "
    "1 240 → 297 tokens (1 024 cached, 64 reasoning) · $0.00052 · 2 turns remembered"
)
EVIL = "<img src=x onerror=\"alert('x')\">\x1b[2J\u202e $x$ \\(y\\) **z**\ud83d"


def words(text):
    """What a reader sees of the HTML; each block is a line."""
    return html.unescape(re.sub(r"<[^>]*>", "", re.sub(r"</(div|summary)>", "\n", text))).strip()


class Elements(HTMLParser):
    """The elements of the HTML, and their attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Note it."""
        self.found.append((tag, dict(attrs)))


def test_the_footer_says_all_that_is_known():
    """Model, provider, first token, speed, tokens, cost, turns: in one line, in this order, in text and on the page."""
    assert footer_text(FULL) == LINE
    assert words(footer_html(FULL)) == LINE


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        (Facts(), ""),
        (Facts(MODEL), MODEL),
        (Facts(MODEL, state="waiting"), f"{MODEL} · waiting for the first token"),
        (Facts(MODEL, state="live", ttft=0.5), f"{MODEL} · first token 0.50 s"),
        (Facts(MODEL, ttft=12.34), f"{MODEL} · first token 12.3 s"),
        (
            Facts("demo", account_note="built in · demo, not a language model"),
            "demo · built in · demo, not a language model",
        ),
        (Facts(MODEL, served_by="openai/gpt-5-mini-2025"), f"{MODEL} · served by openai/gpt-5-mini-2025"),
        (Facts(MODEL, served_by=MODEL), MODEL),
        (Facts(usage=Usage(0, 106)), "106 tokens out"),
        (Facts(usage=Usage(11, 0)), "11 → 0 tokens"),
        (Facts(usage=Usage()), ""),
        (Facts(tokens_per_second=4.56), "4.6 tok/s"),
        (Facts(tokens_per_second=1234.0), "1 234 tok/s"),
        (Facts(tokens_per_second=float("inf")), ""),
        (Facts(ttft=float("nan"), cost=float("nan")), ""),
        (Facts(turns=1), "1 turn remembered"),
        (Facts(turns=0), ""),
    ],
)
def test_what_is_unknown_is_not_shown(facts, line):
    """No dash, no zero and no guess stands for a figure that nobody gave."""
    assert footer_text(facts) == line


@pytest.mark.parametrize(
    ("cost", "shown"),
    [
        (0.0, "$0"),
        (0.00052, "$0.00052"),
        (0.0123, "$0.012"),
        (0.5, "$0.50"),
        (1.5, "$1.50"),
        (1234.5, "$1 234.50"),
        (1e-9, "<$0.0000001"),
    ],
)
def test_a_cost_has_two_figures(cost, shown):
    """A cost far below a cent is no "$0.00"."""
    assert footer_text(Facts(cost=cost)) == shown


@pytest.mark.parametrize(
    ("state", "reason", "first"),
    [
        ("stopped", None, "Stopped"),
        ("cut", None, "Cut off"),
        ("failed", None, "Failed"),
        ("done", "length", "Stopped at max_completion_tokens"),
        ("done", "content_filter", "Stopped by the content filter"),
        ("done", "stop", MODEL),
        ("stopped", "length", "Stopped"),
    ],
)
def test_an_end_that_is_not_the_models_own_comes_first(state, reason, first):
    """Whoever reads the footer sees first that the reply is not whole; in words and in the colour of a warning."""
    facts = Facts(MODEL, state=state, finish_reason=reason)

    assert footer_text(facts).split(" · ")[0] == first
    assert words(footer_html(facts)) == footer_text(facts)
    assert ("--jp-warn-color0" in footer_html(facts)) == (first != MODEL)


def test_notes_are_further_lines():
    """What was left out or changed is said below, a line each."""
    facts = Facts(MODEL, notes=("temperature was left out.", "a\nb"))
    assert footer_text(facts) == f"{MODEL}\ntemperature was left out.\na b"
    assert words(footer_html(facts)) == footer_text(facts)


HOLDERS = {
    "model": lambda evil: footer_html(Facts(model=evil)),
    "provider": lambda evil: footer_html(Facts(provider=evil)),
    "account": lambda evil: footer_html(Facts(account_note=evil)),
    "served": lambda evil: footer_html(Facts(served_by=evil)),
    "notes": lambda evil: footer_html(Facts(notes=(evil,))),
    "error": lambda evil: error_html([evil, evil]),
    "fold title": lambda evil: fold_html(evil, ""),
    "fold": lambda evil: fold_html("Thought", evil),
}


@pytest.mark.parametrize("holder", HOLDERS)
def test_no_name_from_outside_is_read_as_markup(holder):
    """A model id, an error or a thought that holds markup, formulas or control characters is shown as words."""
    shown = HOLDERS[holder](EVIL)
    tags = {tag for tag, _ in Elements(shown).found}

    assert tags <= {"div", "span", "strong", "details", "summary"}
    assert "onerror=\"alert('x')\"> [2J"[:19] in words(shown)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\ud800-\udfff]", shown)
    assert not re.search(r"\$[^<]|\\[^<]", shown)


@pytest.mark.parametrize("holder", HOLDERS)
def test_styles_are_our_own_and_colours_the_themes(holder):
    """Each colour is JupyterLab's with a fallback: no box is white in the dark theme, none colourless elsewhere."""
    for _, attrs in Elements(HOLDERS[holder]("x")).found:
        for part in attrs.get("style", "").split(";"):
            assert re.fullmatch(r"[a-z-]+:[\w .%-]*(var\(--jp-[a-z0-9-]+,#[0-9a-f]{3,6}\))?", part) or not part


def test_an_error_is_two_lines_that_are_told():
    """What happened in bold, then the mend; a screen reader says it at once."""
    shown = error_html(["The key was refused (401).", "Check LIVEKIT_API_KEY."])
    assert words(shown) == "The key was refused (401).\nCheck LIVEKIT_API_KEY."
    assert "<strong>The key was refused (401).</strong>" in shown
    assert Elements(shown).found[0][1]["role"] == "alert"


@pytest.mark.parametrize("lines", [[], [""], ["", " "]])
def test_an_error_without_words_is_still_one(lines):
    """A failure is never an empty box."""
    assert words(error_html(lines)) == "Failed"


def test_a_fold_is_closed_and_keeps_its_lines():
    """Reasoning is folded, its title is a control of ours, its text is as it came."""
    shown = fold_html("Thought for 1.4 s", "a\n  **b**")
    elements = dict(Elements(shown).found)

    assert words(shown) == "Thought for 1.4 s\na\n  **b**"
    assert "open" not in elements["details"]
    assert "data-lk" in elements["summary"]
    assert "white-space:pre-wrap" in elements["div"]["style"]
    assert "open" in dict(Elements(fold_html("t", "x", open=True)).found)["details"]


def test_a_name_without_end_is_cut():
    """A server that calls its model by a thousand letters does not fill the page."""
    assert footer_text(Facts("x" * 1000)) == "x" * 199 + "…"
