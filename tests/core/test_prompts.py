"""`{{ expression }}` in a prompt, and the text that a value becomes."""

import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_notebook.core import prompts, tables
from lk_notebook.errors import PromptError

NOTEBOOK = {
    "x": 21,
    "names": ["ada", "bob"],
    "text": "{{ secret }} {x}",
    "secret": "no",
    "d": {"a": {"b": 1}},
    "q": "}}",
}


def evaluate(expression):
    """What the notebook would give for this expression."""
    return eval(expression, dict(NOTEBOOK))


def never(expression):
    """Nothing may be evaluated."""
    raise AssertionError(expression)


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("The answer is {{ x * 2 }}, {{names[0].upper()}}.", "The answer is 42, ADA."),
        ('{{ {"a": 1}["a"] }}', "1"),
        ('{{{"a": 1}["a"]}}', "1"),
        ('{{ {"a": {"b": 2}}["a"] }}', "{'b': 2}"),
        ("{{d['a']}}}", "{'b': 1}}"),
        ("{{ '}}' + q }}", "}}}}"),
        ('{{ "{{ x }}" }}', "{{ x }}"),
        ("{{ [n for n in names] }}", "['ada', 'bob']"),
        ("{{\n x\n + 1\n}}", "22"),
        ("{{ x }}{{ x }}", "2121"),
        ('{"a": {"b": {{ x }}}}', '{"a": {"b": 21}}'),
        ("{{{ x }}}", "{21}"),
        ("{{ {x} }}", "{21}"),
        ("{{ x }} and {{", "21 and {{"),
        ("{{ f'{x:.1f}' }}", "21.0"),
        ("{{ .5 }} {{ x }}", "{{ .5 }} 21"),
    ],
)
def test_an_expression_is_replaced_by_its_value(typed, sent):
    """Also one that holds braces, texts with braces in them, or line breaks."""
    assert prompts.expand(typed, evaluate) == sent


@pytest.mark.parametrize(
    "typed",
    [
        '{"a": {"b": 1}} f"{x}" $x $HOME {x!r} }} {',
        '{"a": {"b": {"c": {}}}}',
        r"\frac{a}{b} and \sqrt{\frac{1}{2}} and x^{2}",
        r"\mathbf{{\alpha}} {{ \beta }}",
        "{% for x in xs %}{% endfor %}",
        "{{#if x}}yes{{/if}} {{> part}} {{! note }}",
        "{{}} {{ }} {{",
        '{{"a": 1}} {{ "a": {"b": 2} }} {{\n  "key": [1, 2],\n  "other": 3\n}}',
        "{{x: y}}",
        "never closed {{ x",
        "never closed {{ x }",
        "#{{# x }}",
    ],
)
def test_all_else_stays_as_typed(typed):
    """Single braces, JSON, LaTeX, `$x`, `{% %}`, and double braces that cannot have been meant as Python."""
    assert prompts.expand(typed, never) == typed


@given(st.text().filter(lambda text: "{{" not in text))
def test_a_text_without_double_braces_stays_as_it_is(text):
    """Any text."""
    assert prompts.expand(text, never) == text


@given(st.text(alphabet=st.sampled_from("{}x \"'\\:#\n1,"), max_size=30))
def test_any_mix_of_braces_is_expanded_or_refused(text):
    """However braces and quotes are mixed: a text, or an error of ours, and every expression is asked for."""
    asked = []

    def remember(expression):
        asked.append(expression)
        return ""

    try:
        found = prompts.names(text)
    except PromptError:
        return
    prompts.expand(text, remember)
    assert len(asked) == len(found)


@given(
    before=st.text(st.characters(exclude_characters="{}")),
    value=st.text(),
    after=st.text(st.characters(exclude_characters="{}")),
)
def test_a_value_is_never_expanded_again(before, value, after):
    """Whatever stands in a value stands in the prompt."""
    assert prompts.expand(f"{before}{{{{ v }}}}{after}", {"v": value}.get) == f"{before}{value}{after}"


def test_a_value_that_looks_like_an_expression_stays():
    """The text of a variable is data."""
    assert prompts.expand("{{ text }}", evaluate) == "{{ secret }} {x}"


def test_each_expression_is_evaluated_once():
    """In the order they stand in."""
    asked = []
    prompts.expand("{{ a }} {{ b }}", asked.append)

    assert asked == ["a", "b"]


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        ("Use {{ nope }}", r"\{\{ nope \}\} fails: NameError: name 'nope' is not defined"),
        ("{{ 1 / 0 }}", r"1 / 0.*ZeroDivisionError"),
        ("{{ names[7] }}", r"names\[7\].*IndexError"),
    ],
)
def test_an_expression_that_fails_is_named(typed, named):
    """The error says which expression, and what Python said of it, in two lines."""
    with pytest.raises(PromptError, match=named) as caught:
        prompts.expand(typed, evaluate)
    assert "--raw" in str(caught.value).splitlines()[1]


@pytest.mark.parametrize(
    "typed", ["{{ df.head( }}", "{{names[0}}", "{{ 1 + }}", "{{ x y }}", "{{ don't }}", "{{ x = 1 }}", "{{x:.2f}}"]
)
def test_a_slip_of_the_pen_is_refused_and_named(typed):
    """Double braces that were meant as Python and are none are not sent as they stand."""
    with pytest.raises(PromptError, match="is no Python expression") as caught:
        prompts.expand(f"ok {typed}", never)
    assert typed.strip("{} ") in str(caught.value)


def test_nothing_is_evaluated_before_all_is_read():
    """A slip at the end stops the prompt before its first expression has had an effect."""
    with pytest.raises(PromptError):
        prompts.expand("{{ x }} {{ 1 + }}", never)


class Broken:
    """An object whose text cannot be had."""

    def __str__(self):
        raise RuntimeError("no text")


def test_a_value_without_a_text_is_named():
    """Also where only the value's own str() fails."""
    with pytest.raises(PromptError, match=r"b .*RuntimeError: no text"):
        prompts.expand("{{ b }}", {"b": Broken()}.get)


def test_stopping_the_cell_is_no_error_of_the_prompt():
    """An interrupt while an expression runs stays an interrupt."""

    def interrupted(_expression):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prompts.expand("{{ x }}", interrupted)


def test_names_lists_the_expressions():
    """In their order, as typed."""
    assert prompts.names('{{ a }} {b} {{c["d"]}} {{ a }} {{}}') == ["a", 'c["d"]', "a"]


def test_a_name_with_a_blank_counts_where_it_is_known():
    """A column may be called what it likes."""
    assert prompts.names("{{ review text }}", known=["review text"]) == ["review text"]
    assert prompts.expand("{{ review text }}", {"review text": "fine"}.get, known=["review text"]) == "fine"


@pytest.mark.parametrize(
    ("typed", "value"),
    [("{{ names }}", ["ada", "bob"]), (" {{x}} ", 21), ("a{{ x }}", "a21"), ("{{ x }}{{ x }}", "2121"), ("low", "low")],
)
def test_an_expression_alone_is_the_object_itself(typed, value):
    """KEY={{ expression }} takes the object, not its text."""
    assert prompts.value(typed, evaluate) == value


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "text",
    [
        "{{" * 50_000,
        "{{ x" * 50_000,
        "{{#" * 50_000 + "}}",
        '{{"a": 1}} ' * 5_000,
        "}}" * 50_000,
        "{{ x" + " y" * 10_000 + "}}",
    ],
)
def test_a_long_text_is_read_in_good_time(text):
    """A pasted file full of braces does not hang the cell."""
    assert prompts.expand(text, never) == text


FRAME = pd.DataFrame({"a": [1, 2], "who": ["ada", "b|ob\nby"]})


def test_a_dataframe_is_a_markdown_table():
    """Bars and line breaks in a cell do not break the table."""
    assert prompts.as_text(FRAME) == "| a | who |\n| --- | --- |\n| 1 | ada |\n| 2 | b\\|ob<br>by |"


def test_an_index_that_says_something_is_shown():
    """A named index, or one that does not just count, is part of the table."""
    table = prompts.as_text(FRAME.set_index("who"))

    assert table.splitlines()[0] == "| who | a |"
    assert table.splitlines()[2] == "| ada | 1 |"


def test_an_index_of_several_levels_is_shown():
    """What `groupby` over two columns gives can be read."""
    counts = pd.DataFrame({"a": [1, 1], "b": ["x", "y"], "n": [3, 4]}).set_index(["a", "b"])

    assert prompts.as_text(counts).splitlines()[0::2] == ["| a | b | n |", "| 1 | x | 3 |"]


def test_a_series_is_a_table_of_one_column():
    """With its name, and its index where it says something."""
    assert prompts.as_text(pd.Series([1, 2], name="n")).splitlines() == ["| n |", "| --- |", "| 1 |", "| 2 |"]
    assert prompts.as_text(pd.Series({"a": 1})).splitlines() == ["|  | value |", "| --- | --- |", "| a | 1 |"]


def test_a_long_table_is_shortened_with_a_note():
    """The model and the user are told of how many rows the first are shown."""
    text = prompts.as_text(pd.DataFrame({"n": range(1200)}))

    assert text.endswith("| 19 |\n\n(first 20 of 1 200 rows)")


def test_a_small_table_is_shown_whole():
    """Nothing is left out of fifty rows; of fifty-one, the first are shown."""
    assert prompts.as_text(pd.DataFrame({"n": range(50)})).endswith("| 49 |")
    assert prompts.as_text(pd.DataFrame({"n": range(51)})).endswith("(first 20 of 51 rows)")


def test_a_wide_table_is_shortened_with_a_note():
    """The first columns, and of how many."""
    text = prompts.as_text(pd.DataFrame([range(35)] * 60))

    assert text.splitlines()[0].count("|") == 21
    assert text.endswith("(first 20 of 60 rows, first 20 of 35 columns)")


def test_a_long_cell_is_cut():
    """A cell that holds a whole document does not drown the table."""
    assert len(prompts.as_text(pd.DataFrame({"t": ["x" * 10_000]}))) < 300


def test_a_table_without_rows_shows_its_columns():
    """An empty DataFrame is a head without a body."""
    assert prompts.as_text(pd.DataFrame({"a": []})) == "| a |\n| --- |"


def test_a_polars_frame_is_a_markdown_table():
    """As one of pandas."""
    polars = pytest.importorskip("polars")

    assert prompts.as_text(polars.DataFrame({"a": [1], "b": ["x"]})) == "| a | b |\n| --- | --- |\n| 1 | x |"
    assert prompts.as_text(polars.Series("n", range(100))).endswith("(first 20 of 100 rows)")


def test_a_list_of_dicts_is_a_table():
    """A field that a row lacks stays empty."""
    assert prompts.as_text([{"a": 1}, {"b": 2}]) == "| a | b |\n| --- | --- |\n| 1 |  |\n|  | 2 |"


@pytest.mark.parametrize("value", [{"a": 1}, ["a", "b"], [], [{}], 0.5, None, True, ("x", 1)], ids=repr)
def test_other_values_are_what_str_says(value):
    """As `print` would show them."""
    assert prompts.as_text(value) == str(value)


def test_an_array_is_shown_as_numpy_shows_it():
    """A large one is shortened with a note."""
    assert prompts.as_text(np.array([[1, 2], [3, 4]])) == "[[1 2]\n [3 4]]"
    assert prompts.as_text(np.zeros((2000, 3))).endswith("(shortened, of 2 000 × 3)")


def test_no_library_is_imported_to_recognise_a_table():
    """A notebook without pandas never loads it."""
    assert tables.text_of(FRAME, {}) is None
    assert tables.text_of(FRAME, sys.modules) is not None


ROW = {"text": "so {{ n }}", "n": 4, "review text": "fine", "who": {"name": "Ada"}, "0": "first", "list": [1, 2, 3]}


@pytest.mark.parametrize(
    ("typed", "filled"),
    [
        ("{{ n }} of {{ text }}", "4 of so {{ n }}"),
        ("{{ n + 1 }}", "5"),
        ("{{ text.upper() }}", "SO {{ N }}"),
        ("{{ text . upper() . lower() }}", "so {{ n }}"),
        ("{{ len(text) }}", "10"),
        ("{{ review text }}", "fine"),
        ("{{ who['name'] }}", "Ada"),
        ("{{ 0 }}", "first"),
        ("{{ [x * n for x in range(n)] }}", "[0, 4, 8, 12]"),
        ("{{ sum(a + b for a in range(2) for b in range(n)) }}", "16"),
        ("{{ {k: v for k, v in who.items()} }}", "{'name': 'Ada'}"),
        ("{{ (lambda a, *b, c=1, **d: a + c + n)(1) }}", "6"),
        ("{{ (y := n) + y }}", "8"),
        ("{{ list[0] }}", "1"),
        ('{{ f"{n:.1f}" }}', "4.0"),
        ("no column", "no column"),
        ('{"a": {n}} ${n} {% n %}', '{"a": {n}} ${n} {% n %}'),
    ],
)
def test_a_template_is_filled_from_a_row(typed, filled):
    """The columns are the names, in any expression; what it binds itself is a name too, and all else stays as typed."""
    assert prompts.template(typed, list(ROW))(ROW) == filled


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        ("{{ nope }}", "nope"),
        ("{{ n }} {{ nope + 1 }}", "nope"),
        ("{{ text.upper() + nope }}", "nope"),
        ("{{ nope.upper() }}", "nope"),
        ("{{ nope.n.nope }}", "nope"),
        ("{{ [x + nope for x in range(n)] }}", "nope"),
        ("{{ [nope for nope in range(n)] + nope2 }}", "nope2"),
        ("{{ (lambda a: a + nope)(1) }}", "nope"),
        ("{{ n + np.pi }}", "np"),
    ],
)
def test_what_is_no_column_is_named_at_once(typed, named):
    """Before any row is filled; the error lists the columns there are."""
    with pytest.raises(PromptError, match=f"{named} is no column") as caught:
        prompts.template(typed, ["text", "n"])
    assert str(caught.value).splitlines()[1] == "The rows have text, n."


@given(value=st.text(), other=st.text())
def test_a_value_of_a_row_is_never_expanded(value, other):
    """Whatever stands in a cell of a table stands in the prompt."""
    fill = prompts.template("<{{ a }}|{{ b }}>", ["a", "b"])

    assert fill({"a": value, "b": other}) == f"<{value}|{other}>"


def test_a_template_sees_no_name_of_the_notebook():
    """Columns and Python's own functions are all there is."""
    with pytest.raises(PromptError, match="sys is no column"):
        prompts.template("{{ sys.path }}", ["text"])


def test_an_expression_that_fails_for_a_row_is_named():
    """With what Python said of it; the next row is filled."""
    fill = prompts.template("{{ 1 / n }}", ["n"])

    with pytest.raises(PromptError, match=r"1 / n.*ZeroDivisionError"):
        fill({"n": 0})
    assert fill({"n": 1}) == "1.0"


def test_a_row_is_not_changed_by_its_template():
    """What an expression binds does not stay in the row."""
    row = {"n": 4}
    prompts.template("{{ (y := n) + y }}", ["n"])(row)

    assert row == {"n": 4}
