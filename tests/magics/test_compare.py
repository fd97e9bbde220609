"""`%%lkcompare` in a shell: the line, the columns, the table, and blind votes."""

from __future__ import annotations

import io
import re
import sys

import pytest
from player import after, plain, stream

from lk_notebook.core.values import Setup

BAD = plain(400, {"error": {"message": "bad thing"}})
SCHEMA = """
from dataclasses import dataclass
@dataclass
class Label:
    word: str
"""


def by_model(request):
    """Each model says its own name; those with `nano` in it are refused."""
    model = request.body["model"]
    return BAD if "nano" in model else stream(f"I am **{model.upper()}**.")


def row(cell, name):
    """The cells of the row of the table that begins with this name, as HTML."""
    rows = re.findall(r"<tr.*?</tr>", cell.html)
    line = next(line for line in rows if re.search(rf"<th scope=.row.[^>]*>{re.escape(name)}", line))
    return re.findall(r"<td[^>]*>(.*?)</td>", line)


def test_each_model_has_its_column(play, shell):
    """Every model is asked once, and its answer stands under its name, formatted and as plain text."""
    player = play(by_model)

    cell = shell(player).run("%%lkcompare gpt-4o gpt-4.1@azure\nWho are you?")

    assert {r.body["model"] for r in player.requests} == {"openai/gpt-4o", "openai/gpt-4.1"}
    assert {r.prompt for r in player.requests} == {"Who are you?"}
    assert cell.html.count("<article") == 2
    assert re.search(r"openai/gpt-4o<.*<strong>OPENAI/GPT-4O</strong>.*openai/gpt-4.1 · azure<.*GPT-4.1", cell.html)
    assert re.search(r"(?s)openai/gpt-4o\n.*OPENAI/GPT-4O.*openai/gpt-4.1 · azure\n.*GPT-4.1", cell.text)


def test_a_provider_belongs_to_its_model(play, shell):
    """MODEL@PROVIDER names the provider of that model alone."""
    player = play(by_model)

    shell(player).run("%%lkcompare gpt-oss-120b@groq gpt-oss-120b@baseten gpt-4o\nhi")

    providers = [r.headers.get("x-livekit-inference-provider") for r in player.requests]
    assert sorted(filter(None, providers)) == ["baseten", "groq"]


def test_parameters_and_the_system_prompt_go_to_all(play, shell):
    """KEY=VALUE and -s of the line reach every model."""
    player = play(by_model)

    shell(player).run('%%lkcompare gpt-4o gpt-4.1 seed=7 -s "Be terse."\nhi')

    assert [r.body["seed"] for r in player.requests] == [7, 7]
    assert {r.body["messages"][0]["content"] for r in player.requests} == {"Be terse."}


def test_expressions_are_evaluated_in_the_notebook(play, shell):
    """`{{ }}` in the prompt is filled in, once for all models."""
    player = play(by_model)
    started = shell(player)
    started.run("n = 41")

    started.run("%%lkcompare gpt-4o gpt-4.1\nIs it {{ n + 1 }}?")

    assert {r.prompt for r in player.requests} == {"Is it 42?"}


def test_an_expression_is_evaluated_once_for_all_models(play, shell):
    """`seed={{ … }}` gives all models the same value, also where each evaluation would give another."""
    player = play(by_model)
    started = shell(player)
    started.run("import itertools; count = itertools.count(1)")

    started.run("%%lkcompare gpt-4o gpt-4.1 seed={{ next(count) }}\nhi")

    assert [r.body["seed"] for r in player.requests] == [1, 1]


def test_what_cannot_be_updated_is_shown_once(play, shell):
    """A shell without a kernel shows the whole comparison one time, and the cell has no value."""
    cell = shell(play(by_model)).run("%%lkcompare gpt-4o gpt-4.1\nhi")

    assert len(cell.bundles) == 1
    assert cell.printed == ""


def test_no_chat_remembers_a_comparison(play, shell):
    """A second comparison sends its prompt alone, and no chat has a turn of it."""
    player = play(by_model)
    started = shell(player)

    started.run("%%lkcompare gpt-4o gpt-4.1\none")
    started.run("%%lkcompare gpt-4o gpt-4.1\ntwo")

    assert [len(r.body["messages"]) for r in player.requests] == [1, 1, 1, 1]
    assert started.session.chats == {}


def test_an_alias_stands_under_its_name(play, shell):
    """Two settings of one model, made by `%lkuse --as`, are told apart by their names."""
    player = play(by_model)
    started = shell(player)
    started.session.use(Setup("gpt-4o", extra_kwargs={"temperature": 0}), "cold")
    started.session.use(Setup("gpt-4o", extra_kwargs={"temperature": 1}), "hot")

    cell = started.run("%%lkcompare cold hot\nhi")

    assert sorted(r.body["temperature"] for r in player.requests) == [0, 1]
    assert "cold · openai/gpt-4o" in cell.html
    assert "hot · openai/gpt-4o" in cell.html


def test_the_same_model_twice_is_told_apart_by_a_number(play, shell):
    """A model that stands on the line twice is asked twice."""
    cell = shell(play(by_model)).run("%%lkcompare gpt-4o gpt-4o\nhi")

    assert "openai/gpt-4o (1)" in cell.text
    assert "openai/gpt-4o (2)" in cell.text


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("%%lkcompare gpt-4o gpt-4.1-mimi\nhi", "gpt-4.1-mini"),
        ("%%lkcompare gpt-4o gpt-4.1 temprature=0\nhi", "temperature"),
        ("%%lkcompare gpt-4o\nhi", "2 to 8"),
        ("%%lkcompare\nhi", "2 to 8"),
        ("%%lkcompare a/1 a/2 a/3 a/4 a/5 a/6 a/7 a/8 a/9\nhi", "2 to 8"),
        ("%%lkcompare gpt-4o gpt-4.1\n  \n", "empty"),
        ("%%lkcompare gpt-4o gpt-4.1\nhi {{ missing }}", "missing"),
        ("%%lkcompare gpt-4o gpt-4.1 -t missing\nhi", "missing"),
        ("%%lkcompare gpt-4o gpt-4.1 --schema missing\nhi", "missing"),
        ("%%lkcompare gpt-4o gpt-4.1 -i missing.png\nhi", "missing.png"),
        ("%%lkcompare gpt-4o gpt-4.1 -a nobody\nhi", "nobody"),
        ("%%lkcompare gpt-4o gpt-4.1 -p azure\nhi", "MODEL@PROVIDER"),
        ("%%lkcompare gpt-4o gpt-4.1 -o my-table\nhi", "my-table"),
        ("%lkcompare gpt-4o gpt-4.1 hi", "%%lkcompare"),
    ],
)
def test_what_is_wrong_with_the_line_is_said_before_anything_is_sent(play, shell, source, says):
    """Two lines that name what is wrong, or the mend; no model is asked."""
    player = play(by_model)

    cell = shell(player).run(source)

    assert player.requests == []
    assert len(cell.error) == 2
    assert says in cell.printed
    assert cell.bundles == []


def test_a_failure_is_one_column(play, shell):
    """The refused model shows its two lines and `failed`; the others answer, and the cell succeeds."""
    cell = shell(play(by_model)).run("%%lkcompare gpt-4o gpt-4.1-nano\nhi")

    assert not cell.failed
    assert "OPENAI/GPT-4O" in cell.html
    assert re.search(r"bad thing</strong></div><div>\w", cell.html)
    assert row(cell, "openai/gpt-4.1-nano") == ["failed"]


def test_a_model_that_no_account_serves_is_one_column(play, shell):
    """With an account of Groq alone, gpt-4o has the error in its column, and gpt-oss-120b its answer."""
    player = play(by_model)

    cell = shell(GROQ_API_KEY="gsk-made-up", GROQ_BASE_URL=player.origin).run("%%lkcompare gpt-4o gpt-oss-120b\nhi")

    assert not cell.failed
    assert "is known to serve openai/gpt-4o" in cell.html
    assert "OPENAI/GPT-OSS-120B" in cell.html


def test_a_cut_answer_keeps_what_had_come(play, shell):
    """A stream that ends too early shows its text, that it was cut, and the error."""

    def answers(request):
        whole = stream("one two three four")
        return after(whole, 3, "cut") if "4.1" in request.body["model"] else whole

    cell = shell(play(answers)).run("%%lkcompare gpt-4o gpt-4.1 -o t\nhi")

    assert not cell.failed
    assert "Cut off" in cell.html
    assert "one two" in cell.html.split("<article")[2]


def test_the_cell_fails_where_all_models_do(play, shell):
    """With no answer at all the cell fails, by the first model's error; the columns stand there."""
    cell = shell(play(BAD)).run("%%lkcompare gpt-4o gpt-4.1\nhi")

    assert len(cell.error) == 2
    assert "bad thing" in cell.error[0]
    assert cell.html.count("bad thing") == 2


def test_the_best_value_is_bold(play, shell):
    """The one cheapest answer is bold in its column; the dearer one is not, nor is any count of tokens."""
    usage = {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100}

    cell = shell(play(stream("hi", usage=usage))).run("%%lkcompare gpt-4.1@openai gpt-4o-mini@openai\nhi")

    dear, cheap = row(cell, "openai/gpt-4.1"), row(cell, "openai/gpt-4o-mini")
    assert [re.sub("<[^>]*>", "", cells[3]) for cells in (dear, cheap)] == ["$0.0028", "$0.00021"]
    assert [cells[3].startswith("<strong>") for cells in (dear, cheap)] == [False, True]
    assert dear[2] == cheap[2] == "1 000 → 100"


def test_what_is_not_known_is_a_dash(play, shell):
    """Without a count of tokens there is no speed, no count and no cost."""
    cell = shell(play(stream("hi", usage=None))).run("%%lkcompare gpt-4o gpt-4.1\nhi")

    assert row(cell, "openai/gpt-4o")[1:] == ["–", "–", "–"]


def test_a_hostile_answer_stays_text(play, shell):
    """Markup in an answer, or in the words of an error, is shown and does nothing."""

    def answers(request):
        evil = "<img src=x onerror=alert(1)>"
        return plain(400, {"error": {"message": evil}}) if "4.1" in request.body["model"] else stream(evil)

    cell = shell(play(answers)).run("%%lkcompare gpt-4o gpt-4.1\nhi")

    assert "<img" not in cell.html
    assert cell.html.count("&lt;img") == 2


def test_the_table_is_a_frame_in_the_order_of_the_line(play, shell):
    """`-o` keeps a DataFrame of a row a model; what is not known is empty."""
    started = shell(play(by_model))

    started.run("%%lkcompare gpt-4.1-nano gpt-4o@azure -o t\nhi")

    table = started.names["t"]
    assert list(table.columns) == [
        "model", "provider", "state", "text", "ttft", "tokens_per_second",
        "prompt_tokens", "completion_tokens", "cost", "error",
    ]  # fmt: skip
    assert list(table["model"]) == ["openai/gpt-4.1-nano", "openai/gpt-4o"]
    assert list(table["state"]) == ["failed", "done"]
    assert table["provider"].isna().tolist() == [True, False]
    assert table["prompt_tokens"].isna().tolist() == [True, False]
    assert table["text"][1] == "I am **OPENAI/GPT-4O**."
    assert "bad thing" in table["error"][0]
    assert table["error"].isna()[1]


def test_without_pandas_the_table_is_a_list(play, shell, monkeypatch):
    """Where pandas is not installed, `-o` keeps a list of dicts; what is not known is None."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    started = shell(play(by_model))

    started.run("%%lkcompare gpt-4o gpt-4.1-nano -o t\nhi")

    assert [row["model"] for row in started.names["t"]] == ["openai/gpt-4o", "openai/gpt-4.1-nano"]
    assert started.names["t"][1]["prompt_tokens"] is None


def test_under_a_schema_the_table_has_the_values(play, shell):
    """With `--schema` the column `parsed` holds each answer as a value of the type."""
    started = shell(play(stream('{"word": "red"}')))
    started.run(SCHEMA)

    started.run("%%lkcompare gpt-4o gpt-4.1 --schema Label -o t\nhi")

    assert [value.word for value in started.names["t"]["parsed"]] == ["red", "red"]


def test_without_votes_the_tally_says_how_to_vote(shell):
    """`%lkcompare` alone, before any vote, names `--blind`."""
    cell = shell().run("%lkcompare")

    assert not cell.failed
    assert "--blind" in cell.printed


@pytest.fixture
def typed(monkeypatch):
    """What the user will type, line by line."""
    return lambda *lines: monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{line}\n" for line in lines)))


def test_the_names_stand_there_after_the_vote_only(play, shell, typed):
    """Blind, no model, figure or error is told; after the vote all of it is."""
    typed("a")

    before, after_ = shell(play(by_model)).run("%%lkcompare gpt-4o gpt-4.1 gpt-4.1-nano --blind\nhi").bundles

    told = re.sub("(?i)I am.*?GPT-[^<.]*", "", repr(before))
    assert "gpt" not in told.lower()
    assert "first token" not in told.lower()
    assert "bad thing" not in told
    assert all(name in after_["text/plain"] for name in ("openai/gpt-4o", "openai/gpt-4.1-nano", "First token", "bad"))


def test_a_vote_is_kept(play, shell, typed):
    """The session keeps the prompt, the models in the order they were shown, and which one was chosen."""
    typed("nonsense", "b")
    started = shell(play(stream("Hello.")))

    cell = started.run("%%lkcompare gpt-4o gpt-4.1 --blind\nhi")

    (vote,) = started.session.votes
    assert vote["prompt"] == "hi"
    assert sorted(vote["models"]) == ["openai/gpt-4.1", "openai/gpt-4o"]
    assert vote["chosen"] == vote["models"][1]
    assert f"You chose B: {vote['chosen']}" in cell.text
    assert f"B · {vote['chosen']} · chosen" in cell.text


def test_a_tie_chooses_nobody(play, shell, typed):
    """`=` is a vote for none."""
    typed("=")
    started = shell(play(stream("Hello.")))

    cell = started.run("%%lkcompare gpt-4o gpt-4.1 --blind\nhi")

    assert started.session.votes[0]["chosen"] is None
    assert "A tie." in cell.text


def test_where_nobody_can_be_asked_there_is_no_vote(play, shell, typed):
    """The names are told, and that there was no vote."""
    typed()
    started = shell(play(stream("Hello.")))

    cell = started.run("%%lkcompare gpt-4o gpt-4.1 --blind\nhi")

    assert not cell.failed
    assert started.session.votes == []
    assert "No vote" in cell.text
    assert "openai/gpt-4o" in cell.text


def test_one_answer_needs_no_vote(play, shell, typed):
    """Where all other models failed, nothing is asked."""
    typed("a")
    started = shell(play(by_model))

    cell = started.run("%%lkcompare gpt-4o gpt-4.1-nano --blind\nhi")

    assert started.session.votes == []
    assert "No vote" in cell.text


def test_blind_columns_are_shuffled(play, shell, typed):
    """Eight models in the order of their line: that happens once in 40 320 times."""
    typed("a")
    started = shell(play(stream("Hello.")))

    started.run("%%lkcompare v/1 v/2 v/3 v/4 v/5 v/6 v/7 v/8 --blind\nhi")

    models = started.session.votes[0]["models"]
    assert sorted(models) == [f"v/{i}" for i in range(1, 9)]
    assert models != sorted(models)


def test_a_blind_table_keeps_the_order_of_the_line(play, shell, typed):
    """`-o` is not shuffled."""
    typed("a")
    started = shell(play(stream("Hello.")))

    started.run("%%lkcompare v/1 v/2 v/3 v/4 v/5 v/6 v/7 v/8 --blind -o t\nhi")

    assert list(started.names["t"]["model"]) == [f"v/{i}" for i in range(1, 9)]


def test_thoughts_are_not_told_before_the_vote(play, shell, typed):
    """Only some models think aloud: that would tell which they are."""
    typed("a")

    before, after_ = shell(play(stream("Yes.", reasoning="Hm."))).run("%%lkcompare gpt-5 gpt-4o --blind\nhi").bundles

    assert "Hm." not in before["text/html"]
    assert "Hm." in after_["text/html"]


def test_what_was_left_out_is_not_told_before_the_vote(play, shell, typed):
    """A note such as `gpt-5 takes no temperature` would tell whose answer it is."""
    typed("a")

    bundles = shell(play(stream("Yes."))).run("%%lkcompare gpt-5 gpt-4o temperature=1 --blind\nhi").bundles

    assert "temperature" not in repr(bundles[0])
    assert "temperature" in bundles[1]["text/html"]


def test_the_tally_counts_wins_ties_and_comparisons(shell):
    """`%lkcompare` alone: a row a model, the one with the most wins first."""
    started = shell()
    started.session.votes += [
        {"prompt": "1", "models": ["a", "b"], "chosen": "b"},
        {"prompt": "2", "models": ["b", "a"], "chosen": None},
        {"prompt": "3", "models": ["b", "c"], "chosen": "b"},
    ]

    lines = [line.split() for line in started.run("%lkcompare").text.splitlines()]

    assert lines[1:] == [
        ["Model", "Wins", "Ties", "Comparisons"],
        ["b", "2", "1", "3"],
        ["a", "0", "1", "2"],
        ["c", "0", "0", "1"],
    ]
