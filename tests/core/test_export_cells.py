"""A setup copied as the cell of a magic is read back as that setup; copied as Python, it asks the same."""

from __future__ import annotations

import ast
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from player import Player, stream

from lk_notebook import LLM
from lk_notebook.core import parameters
from lk_notebook.core.export_cells import magic_text, python_text
from lk_notebook.core.values import Setup
from lk_notebook.errors import ConfigurationError
from lk_notebook.magics import line as grammar
from lk_notebook.magics.chat import CHAT
from lk_notebook.magics.words import Words

TEXTS = st.text() | st.text(st.sampled_from("{}\"'\\= \n\t[](),-@ab0é😀\u2028\ufeff"))
WORDS = TEXTS.filter(bool)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
    | st.sampled_from(["low", "true", "None", "1e5", "-1", "{{ x }}", "0x1", "..."]),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.tuples(inner) | st.dictionaries(
        TEXTS | st.integers(), inner, max_size=3
    ),
    max_leaves=8,
)  # fmt: skip
NAMES = st.from_regex(r"[^\W\d]\w*", fullmatch=True)
SETUPS = st.builds(
    Setup,
    st.none() | WORDS.filter(lambda model: "@" not in model),
    st.none() | WORDS,
    st.none() | WORDS,
    st.dictionaries(NAMES, VALUES, max_size=4),
    st.none() | TEXTS,
)


def read(text: str) -> tuple[Setup, str]:
    """The setup and the prompt of a cell, as the magic reads them."""
    first, _, prompt = text.partition("\n")
    assert first.startswith("%%lkchat")
    line = grammar.parse(first.removeprefix("%%lkchat"), CHAT)
    words = Words(SimpleNamespace(user_ns={}, displayhook=SimpleNamespace(prompt_count=1)))
    return words.setup(line, line.words[0] if line.words else None), words.prompt(prompt, line)


def sendable(extra_kwargs: dict[str, Any]) -> bool:
    """Whether such parameters can be in a setup at all."""
    try:
        parameters.check(extra_kwargs)
    except ConfigurationError:
        return False
    return True


@settings(deadline=None)
@given(SETUPS, TEXTS)
def test_the_cell_that_was_copied_is_read_back_as_the_setup(setup, prompt):
    """Any model, provider, account, parameters and system prompt; double braces in them are evaluated nowhere."""
    assume(sendable(setup.extra_kwargs))

    text = magic_text(setup, prompt)

    assert len(text.partition("\n")[0].splitlines()) == 1
    assert read(text) == (setup, prompt.rstrip())


def test_a_cell_looks_as_one_types_it():
    """Bare words where they stand for themselves."""
    setup = Setup(
        "openai/gpt-5-mini", "openai", "livekit", {"reasoning_effort": "low", "stop": ["\n", "a b"]}, "Be terse."
    )

    assert magic_text(setup, "Why?\nTell me.") == (
        "%%lkchat openai/gpt-5-mini -p openai -a livekit reasoning_effort=low"
        ' stop=["\\n", "a b"] -s "Be terse."\nWhy?\nTell me.'
    )
    assert magic_text(Setup(), "Fill in {{ this }}") == "%%lkchat --raw\nFill in {{ this }}"


def test_a_model_with_an_at_sign_needs_its_provider():
    """What follows the last one is a provider."""
    assert read(magic_text(Setup("@cf/meta/llama", "cf")))[0] == Setup("@cf/meta/llama", "cf")
    with pytest.raises(ConfigurationError, match="is a provider"):
        magic_text(Setup("@cf/meta/llama"))


def test_a_parameter_that_no_line_can_name_goes_into_the_body():
    """It sends the same."""
    setup = Setup("m", extra_kwargs={"x-mine": 1, "seed": 2, "extra_body": {"y": 3}})

    assert read(magic_text(setup))[0].extra_kwargs == {"seed": 2, "extra_body": {"x-mine": 1, "y": 3}}


def asked(text: str, names: dict[str, Any]) -> Any:
    """Run the lines as a cell; gives the value of the last."""
    *lines, last = ast.parse(text).body
    exec(compile(ast.Module(lines, []), "<cell>", "exec"), names)
    return eval(compile(ast.Expression(last.value), "<cell>", "eval"), names)


@pytest.fixture(scope="module")
def player():
    """One for all examples."""
    with Player(lambda _: stream("Yes.")) as started:
        yield started


PARAMETERS = st.dictionaries(NAMES.map(lambda name: f"{name}_of_mine"), VALUES, max_size=3)


@settings(deadline=None, max_examples=40)  # each asks twice over HTTP; the first imports
@given(WORDS.filter(str.strip), PARAMETERS, st.none() | TEXTS, TEXTS.filter(str.strip))
def test_python_that_was_copied_asks_the_same(player, model, extra_kwargs, system, prompt):
    """Address, body and headers of its request are those of the setup's."""
    setup = Setup(model.strip(), account=player.base_url, extra_kwargs=extra_kwargs, system=system)
    LLM(setup.model, account=setup.account, extra_kwargs=setup.extra_kwargs, system=setup.system)(prompt).wait(20)

    asked(python_text(setup, prompt), {}).wait(20)

    first, second = player.requests[-2:]
    assert (second.path, second.body) == (first.path, first.body)


def test_python_that_was_copied_asks_with_the_messages(player):
    """A conversation is a list of messages; provider and account are named."""
    messages = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
    ]
    setup = Setup("m", "here", player.base_url)

    text = python_text(setup, messages)

    asked(text, {}).wait(20)
    assert player.requests[-1].body["messages"] == messages
    assert 'provider="here"' in text
