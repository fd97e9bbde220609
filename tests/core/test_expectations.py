"""What is said and expected in an evaluation: read as it was meant, or refused with the line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_notebook.core.expectations import Exchange, expectation, read
from lk_notebook.errors import PromptError


@pytest.mark.parametrize(
    ("typed", "kind", "wanted", "arguments", "negated"),
    [
        ("calls f", "calls", "f", {}, False),
        ('calls f(city="Paris", days=3)', "calls", "f", {"city": "Paris", "days": 3}, False),
        ("calls f(where={'a': [1, None]}, ok=True)", "calls", "f", {"where": {"a": [1, None]}, "ok": True}, False),
        ("calls f()", "calls", "f", {}, False),
        ("calls nothing", "calls nothing", "", {}, False),
        ("says Hello there", "says", "Hello there", {}, False),
        ('says "Hello"', "says", "Hello", {}, False),
        ("hands over to Billing", "hands over to", "Billing", {}, False),
        ("judge is polite, and brief", "judge", "is polite, and brief", {}, False),
        ("not says sorry", "says", "sorry", {}, True),
        ("Not  Calls  f", "calls", "f", {}, True),
    ],
)
def test_an_expectation_is_read(typed, kind, wanted, arguments, negated):
    """A tool with arguments, words, an agent, an intent; or the contrary of it."""
    found = expectation(typed)

    assert (found.kind, found.wanted, dict(found.arguments), found.negated) == (kind, wanted, arguments, negated)
    assert found.text == " ".join(typed.split())


@pytest.mark.parametrize(
    "typed",
    ["", "not", "says", "sings a song", "calls", "calls f(", "calls f(3)", "calls f(a=b)", "calls f(**x)", "calls a.b",
     "calls f(a=__import__('os'))", "calls 'f'"],
)  # fmt: skip
def test_what_is_no_expectation_is_refused(typed):
    """Two lines; nothing of it is ever run."""
    with pytest.raises(PromptError) as caught:
        expectation(typed)

    assert len(str(caught.value).splitlines()) == 2


def test_turns_and_their_expectations_follow_each_other():
    """Lines without a key go on with what was said; a rule starts a session of its own."""
    found = read("\nuser: Hello\n  there\n\nExpect: says hi\nexpect: calls nothing\nuser: Bye\n---\nuser: Again")

    assert [(each.user, [e.kind for e in each.expected], each.anew) for each in found] == [
        ("Hello\n  there", ["says", "calls nothing"], False),
        ("Bye", [], False),
        ("Again", [], True),
    ]


@pytest.mark.parametrize(
    "text",
    ["", "hello", "expect: says hi", "user:", "user: a\n---\nexpect: says b", "user: a\nexpect: says b\nand so on"],
)
def test_what_is_no_evaluation_is_refused(text):
    """The line is named, or it is said how to begin."""
    with pytest.raises(PromptError):
        read(text)


@given(st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1), min_size=1))
def test_what_is_said_comes_through_as_it_was_typed(said):
    """Any words, any number of turns."""
    assert read("\n".join(f"user: {each}" for each in said)) == [Exchange(each) for each in said]
