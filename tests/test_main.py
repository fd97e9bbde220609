"""`python -m lk_notebook` in a terminal: an answer, or whether the list of models is whole."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest
from player import plain, stream

from lk_notebook.core import tape
from lk_notebook.core.catalogue_check import faults

ROOT = Path(__file__).resolve().parents[1]
WHOLE = json.loads(resources.files("lk_notebook.core").joinpath("catalogue.json").read_text("utf-8"))


def run(*words, **env):
    """The program with these words and no account but those in `env`; gives status, output, errors."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "SYSTEMROOT", "VIRTUAL_ENV")}
    off = {"LK_NOTEBOOK_MEASUREMENTS": "off", "LK_LOCAL_MODEL": "off"}
    env = kept | {"PYTHONPATH": str(ROOT), "NO_PROXY": "*", **off, **env}
    done = subprocess.run(
        [sys.executable, "-m", "lk_notebook", *words], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_a_prompt_is_answered():
    """Without an account by the demo, which says so; the status is 0."""
    status, out, error = run("Why is the sky blue?")

    assert (status, error) == (0, "")
    assert "not a language model" in out


def test_the_options_say_whom_to_ask(play):
    """Model and account, before or behind the prompt."""
    player = play(stream("Hello there"))
    status, out, _ = run("-m", "llama3.2:1b", "Say", "hello", "-a", player.base_url)

    assert (status, player.requests[0].body["model"], player.requests[0].prompt) == (0, "llama3.2:1b", "Say hello")
    assert "Hello there" in out


@pytest.mark.parametrize("words", [("catalogue raisonné",), ("catalogue", "raisonné", "of", "Monet")])
def test_a_prompt_that_begins_with_a_command_is_a_prompt(play, words):
    """Only the word alone, or with options, is the command."""
    player = play(stream("Hi"))
    run(*words, "-m", "m", "-a", player.base_url)

    assert player.requests[0].prompt == " ".join(words)


def test_an_error_is_two_lines_and_a_status(play):
    """What happened and the mend, on the error output."""
    status, _, error = run("-m", "m", "-a", play(plain(401, {"error": "Bad key"})).base_url, "hi")

    assert (status, len(error.strip().splitlines())) == (1, 2)
    assert "Bad key" in error


def test_the_packaged_catalogue_is_whole():
    """The check says so, and its status is 0."""
    status, out, error = run("catalogue", "--check")

    assert (status, error) == (0, "")
    assert out.strip().endswith("catalogue.json: whole")


def test_a_file_with_faults_is_told_line_by_line(tmp_path):
    """Each fault with the model it is in, and a status of 1."""
    broken = copy.deepcopy(WHOLE)
    broken["models"][0]["pricing"][0]["source"] = "hearsay"
    broken["models"][1]["context_window"] = "large"
    file = tmp_path / "mine.json"
    file.write_text(json.dumps(broken), "utf-8")
    status, out, error = run("catalogue", "--check", str(file))

    assert (status, out.strip()) == (1, f"{file}: 2 faults")
    assert error.splitlines() == [
        "openai/gpt-4o, pricing 1: no source is called hearsay",
        'openai/gpt-4o-mini: context_window is "large", not a count or null',
    ]


@pytest.mark.parametrize("words", [("--check", "nowhere.json"), (), ("--nope",)])
def test_what_cannot_be_checked_is_no_success(words):
    """A file that is not there, a command without its option, an unknown option."""
    assert run("catalogue", *words)[0] != 0


def of(model):
    """A file with one model."""
    return {**WHOLE, "models": [model]}


def changed(*path, value):
    """The first model with one thing changed; a value of None takes it away."""
    model = copy.deepcopy(WHOLE["models"][0])
    at = model
    for step in path[:-1]:
        at = at[step]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return json.dumps(of(model))


FIRST = WHOLE["models"][0]
LONG = {"above_input_tokens": 0, "input": 1, "cached_input": None, "output": 2}
FAULTS = {
    "no JSON": ("{", "no JSON"),
    "no object": ("[]", "no object"),
    "no models": (json.dumps({**WHOLE, "models": None}), "models is null, not a list"),
    "a key twice": ('{"sources": {}, "sources": {}}', "sources stands twice"),
    "an id twice": (json.dumps({**WHOLE, "models": [FIRST, FIRST]}), "openai/gpt-4o: stands twice"),
    "an id as alias": (json.dumps({**WHOLE, "models": [FIRST, {**WHOLE["models"][1], "aliases": ["OpenAI/GPT-4o"]}]}),
                       "openai/gpt-4o: stands twice"),
    "an id without a vendor": (changed("id", value="gpt-4o"), 'id is "gpt-4o", not vendor/name'),
    "a field that is missing": (changed("vendor", value=None), "vendor is missing"),
    "a field that is misspelt": (changed("vender", value="OpenAI"), "nothing is known as vender"),
    "true for a count": (changed("context_window", value=True), "context_window is true, not a count"),
    "an unknown effort": (changed("efforts", value=["huge"]), "efforts is"),
    "a figure without a source": (changed("capabilities_source", value=""), "capabilities_source"),
    "a capability from nowhere": (changed("capabilities_source", value="hearsay"), "no source is called hearsay"),
    "a status without a date": (changed("livekit_status", "as_of", value=None), "as_of is missing"),
    "a date that is none": (changed("livekit_status", "as_of", value="2026-02-30"), "not a date"),
    "a provider from nowhere": (changed("providers", 0, "source", value="hearsay"), "providers 1: no source"),
    "a provider twice": (changed("providers", 1, "id", value="azure"), "providers: azure stands twice"),
    "a price without a source": (changed("pricing", 0, "source", value=None), "pricing 1: source is missing"),
    "a price without a date": (changed("pricing", 0, "date", value=None), "pricing 1: date is missing"),
    "a price of no day": (changed("pricing", 0, "date", value="2026-13"), 'date is "2026-13", not a date'),
    "a price below zero": (changed("pricing", 0, "input", value=-1), "input is -1, not a price"),
    "a price twice": (json.dumps(of({**FIRST, "pricing": [FIRST["pricing"][0]] * 2})), "vendor openai stands twice"),
    "a long context of nothing": (changed("pricing", 0, "long_context", value=LONG), "above_input_tokens is 0"),
    "an end without a date": (changed("vendor_shutdown", "date", value=None), "vendor_shutdown: date is missing"),
}  # fmt: skip


@pytest.mark.parametrize("row", FAULTS.values(), ids=FAULTS.keys())
def test_each_fault_is_found(row):
    """Shape, duplicates, sources, dates: each is told in one line that names where it is."""
    text, says = row

    assert any(says in line for line in faults(text))


def test_capabilities_need_a_source():
    """What a model takes was said by somebody."""
    unsourced = json.dumps(of({**FIRST, "capabilities_source": None}))

    assert "without a capabilities_source" in "".join(faults(unsourced))


TAPE = """\
{"lk_notebook":"tape","version":1}
{"key":"%s","at":"2026-11-24T10:00:00Z","model":"m","account":{"name":"a","kind":"url","url":"u"},\
"request":{"messages":[{"role":"user","content":"%s"}]},"status":200,"pieces":[[0.5,"{}"]],"seconds":1}
"""


def taped(prompt):
    """A tape with one call, as text."""
    return TAPE % (tape.key("m", {"messages": [{"role": "user", "content": prompt}]}), prompt)


def test_tapes_are_shown_checked_and_merged(tmp_path):
    """At the command line: a table, a word, a new file."""
    one, other, both = (str(tmp_path / f"{name}.jsonl") for name in ("one", "other", "both"))
    Path(one).write_text(taped("Why?"), "utf-8")
    Path(other).write_text(taped("How?"), "utf-8")

    assert run("tape", "check", one, other) == (0, f"{one}: whole\n{other}: whole\n", "")
    assert run("tape", "merge", one, other, "-o", both) == (0, f"{both}: 2 calls of 2 tapes\n", "")
    status, out, error = run("tape", "show", both)
    assert (status, error) == (0, "")
    assert [line.split()[5] for line in out.splitlines()[2:]] == ["Why?", "How?"]


def test_a_tape_with_a_key_is_no_whole_tape(tmp_path):
    """The line is told, the key is not; the status is 1, for a hook that looks before each commit."""
    file = tmp_path / "leaky.jsonl"
    file.write_text(taped("my key is sk-0123456789abcdefghij"), "utf-8")
    status, out, error = run("tape", "check", str(file), str(tmp_path / "nowhere.jsonl"))

    assert status == 1
    assert out.splitlines()[0] == f"{file}: 1 faults"
    assert "line 2: something in it looks like a key of OpenAI" in error
    assert "cannot be read" in error
    assert "0123456789" not in out + error


@pytest.mark.parametrize("words", [("show", "nowhere.jsonl"), ("merge", "nowhere.jsonl", "-o", "x.jsonl")])
def test_what_is_no_tape_is_an_error_of_two_lines(words):
    """What happened and the mend, on the error output."""
    status, out, error = run("tape", *words)

    assert (status, out, len(error.splitlines())) == (1, "", 2)


def test_no_file_is_overwritten(tmp_path):
    """A tape takes an hour to make."""
    file = tmp_path / "one.jsonl"
    file.write_text(taped("Why?"), "utf-8")
    status, _, error = run("tape", "merge", str(file), "-o", str(file))

    assert (status, file.read_text("utf-8")) == (1, taped("Why?"))
    assert "is there already" in error


def test_a_prompt_about_tapes_is_a_prompt(play):
    """Only its verbs make the word a command."""
    player = play(stream("Hi"))
    run("tape", "machines", "of", "the", "sixties", "-m", "m", "-a", player.base_url)

    assert player.requests[0].prompt == "tape machines of the sixties"
