"""The line of a magic: words, options, KEY=VALUE, and the prompt of a line magic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_notebook.core.values import model_and_provider
from lk_notebook.errors import ConfigurationError
from lk_notebook.magics import line as grammar

OPTIONS = (
    grammar.Option(("-p", "--provider"), "provider"),
    grammar.Option(("-s", "--system"), "system"),
    grammar.Option(("-n", "--new"), "new", takes=False),
    grammar.Option(("-i", "--image"), "images", many=True, path=True),
    grammar.Option(("-o",), "variable"),
    grammar.Option(("--schema",), "schema"),
    grammar.Option(("--raw",), "raw", takes=False),
)


@pytest.mark.parametrize(
    ("line", "pieces"),
    [
        ("", []),
        ("   ", []),
        ("gpt-4o  -p\tazure ", ["gpt-4o", "-p", "azure"]),
        ('stop=["\\n", "END OF"] store=True', ['stop=["\\n", "END OF"]', "store=True"]),
        ('metadata={"team": "data science"}', ['metadata={"team": "data science"}']),
        ("user='Ada L' n=1", ["user='Ada L'", "n=1"]),
        ('-s "You are terse." -n', ["-s", '"You are terse."', "-n"]),
        ('-s "say \\"hi there\\"" -n', ["-s", '"say \\"hi there\\""', "-n"]),
        ("-s r'a b' x", ["-s", "r'a b'", "x"]),
        ('-s """a "b" c""" x', ["-s", '"""a "b" c"""', "x"]),
        ("-a {{ urls['my own'] }} x", ["-a", "{{ urls['my own'] }}", "x"]),
        ('seed={{ f("}} {{") }} x', ['seed={{ f("}} {{") }}', "x"]),
        ("--schema list[ Label ] x", ["--schema", "list[ Label ]", "x"]),
        ('--system="a b" x', ['--system="a b"', "x"]),
        ("user={name} it's O'Hara", ["user={name}", "it's", "O'Hara"]),
        ("user=don't", ["user=don't"]),
        ("a ] ) } b", ["a", "]", ")", "}", "b"]),
        ("C:\\data\\img.png", ["C:\\data\\img.png"]),
        ("# a comment", ["#", "a", "comment"]),
    ],
)
def test_blanks_separate_and_quotes_and_brackets_hold_together(line, pieces):
    """Blanks inside of quotes, brackets and `{{ … }}` belong to the piece."""
    assert [token.text for token in grammar.tokens(line)] == pieces


@given(st.text(st.sampled_from("ab =\"'[](){}\\-\t") | st.characters(exclude_categories=["Cs"])))
def test_no_character_is_lost(line):
    """Any line: every piece is as it was typed, and between the pieces are blanks only."""
    try:
        found = grammar.tokens(line)
    except ConfigurationError:
        return
    end = 0
    for token in found:
        assert not line[end : token.start].strip()
        assert line[token.start : token.end] == token.text
        end = token.end
    assert not line[end:].strip()


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ('gpt-4o stop=["a', "stop"),
        ("user='Ada", "the quote '"),
        ("stop=[1, 2", "the bracket ["),
        ('metadata={"a": [1, 2}', "metadata"),
        ('-s "You are', "You"),
        ("--schema list[Label", "list"),
        ("seed={{ n", "seed"),
        ('stop=["a\\"]', "stop"),
    ],
)
def test_what_is_never_closed_is_refused_by_name(line, named):
    """A quote or bracket without its end is an error of two lines that names the KEY or the word."""
    with pytest.raises(ConfigurationError, match="never closed") as caught:
        grammar.tokens(line)
    assert named in str(caught.value)
    assert len(str(caught.value).splitlines()) == 2


def test_a_line_is_read():
    """Words, options by their field, and the texts of KEY=VALUE as typed."""
    read = grammar.parse('gpt-4o fast -p azure stop=["\\n", "x"] -n -i a.png -i "b c.png" user={name}', OPTIONS)

    assert read.words == ["gpt-4o", "fast"]
    assert read.options == {"provider": "azure", "new": True, "images": ["a.png", "b c.png"]}
    assert read.pairs == {"stop": '["\\n", "x"]', "user": "{name}"}


def test_what_stands_behind_the_first_word_is_kept_as_typed():
    """For magics whose line is a text."""
    assert grammar.parse("-n chat  it's   so", OPTIONS).rest == "it's   so"


@pytest.mark.parametrize(
    ("line", "system"),
    [
        ('-s "You are terse."', "You are terse."),
        ("-s terse", "terse"),
        ("--system 'a\\nb'", "a\nb"),
        ("-s r'\\frac{a}{b}'", "\\frac{a}{b}"),
        ('--system="a b"', "a b"),
        ("-s -1", "-1"),
        ('-s "say $name {name} {{ x }}"', "say $name {name} {{ x }}"),
        ('-s "-n"', "-n"),
        ('-s ""', ""),
    ],
)
def test_the_value_of_an_option_loses_its_quotes(line, system):
    """Quotes are Python's; the rest stays as it is."""
    assert grammar.parse(line, OPTIONS).options == {"system": system}


def test_a_backslash_in_a_path_is_a_backslash():
    """Also in quotes, on Windows."""
    read = grammar.parse('-i "C:\\new data\\table.png" -i C:\\new\\x.png', OPTIONS)

    assert read.options["images"] == ["C:\\new data\\table.png", "C:\\new\\x.png"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("--temperature 0", r"--temperature is no option: did you mean temperature=…"),
        ("--temprature 0", r"--temprature is no option: did you mean temperature=…"),
        ("--top-p 0", r"--top-p is no option: did you mean top_p=…"),
        ("--providr azure", r"--providr is no option here: did you mean --provider"),
        ("-x", r"-x is no option here\.\nThere are -p, --provider"),
        ("-p", r"-p lacks its value"),
        ("-p -n", r"-p lacks its value"),
        ("-n=1", r"-n takes no value"),
        ("-p a -p b", r"-p is given twice"),
        ("seed=1 seed=2", r"seed is given twice"),
        ("seed= 1", r"seed has no value"),
        ("-s 'a'b", r"-s: 'a'b is neither"),
    ],
)
def test_what_cannot_be_read_is_refused_and_named(line, said):
    """Two lines: what, and the mend."""
    with pytest.raises(ConfigurationError, match=said) as caught:
        grammar.parse(line, OPTIONS)
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize("word", ["a==b", "2x=1", "a.b=c", "https://x.org/?q=1", "=x", "-", "-1", "-.5"])
def test_only_a_name_before_the_sign_makes_a_pair(word):
    """KEY=VALUE needs a KEY; all else is a word."""
    assert grammar.parse(word, OPTIONS).words == [word]


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("0", 0),
        ("0.5", 0.5),
        ("1e-3", 0.001),
        (" 7 ", 7),
        ("-1", -1),
        ("True", True),
        ("true", True),
        ("false", False),
        ("None", None),
        ("null", None),
        ("low", "low"),
        ("'Ada L'", "Ada L"),
        ('"a\\nb"', "a\nb"),
        ('["\\n", "END OF"]', ["\n", "END OF"]),
        ("['a', null, true]", ["a", None, True]),
        ('{"team": "data science", "ok": false}', {"team": "data science", "ok": False}),
        ("{'a': True}", {"a": True}),
        ('"\\ud83d\\ude00"', "😀"),
        ("{}", {}),
        ("{name}", "{name}"),
        ("{x!r}", "{x!r}"),
        ("O'Hara", "O'Hara"),
        ("gpt-4o", "gpt-4o"),
        ("24h", "24h"),
        ("007", "007"),
        ("...", "..."),
        ("nan", "nan"),
        ("NaN", "NaN"),
        ("a,b", "a,b"),
        ('"\\d"', "\\d"),
        ("os.getcwd()", "os.getcwd()"),
        ("1" * 5000, "1" * 5000),
    ],
)
def test_a_value_is_a_literal_or_the_word_itself(typed, value):
    """Python's literal, else JSON's, else the word; nothing is run."""
    assert grammar.literal(typed) == value
    assert type(grammar.literal(typed)) is type(value)


@pytest.mark.parametrize("typed", ["[a, b]", "['a' 1]", '{"a" 1}', "{a: 1}", "'a'b", "(x)", '["a", NaN]', "[f()]"])
def test_a_broken_value_is_refused_by_name(typed):
    """What starts as a text, list or dict and is none is not sent as a word."""
    with pytest.raises(ConfigurationError, match=r"^stop: .*neither a Python literal nor JSON"):
        grammar.literal(typed, "stop")


class Odd:
    """An object of the notebook."""


NOTEBOOK = {"n": 41, "stops": ["a", "b"], "name": "Ada {{ n }}", "odd": Odd()}


def evaluate(expression):
    """What the notebook would give for this expression."""
    return eval(expression, dict(NOTEBOOK))


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("{{ n + 1 }}", 42),
        (" {{ stops }} ", ["a", "b"]),
        ("{{ odd }}", NOTEBOOK["odd"]),
        ("x-{{ n }}", "x-41"),
        ("{{ n }}{{ n }}", "4141"),
        ("'{{ name }} L'", "Ada {{ n }} L"),
        ("{{ name }}/{{ n }}", "Ada {{ n }}/41"),
        ('["x", {{ n }}, "no {{ n }}"]', ["x", 41, "no 41"]),
        ("[{{ odd }}]", [NOTEBOOK["odd"]]),
        ('{"team": {{ name }}, "ok": true}', {"team": "Ada {{ n }}", "ok": True}),
        ('["_value0_", {{ n }}]', ["_value0_", 41]),
        ("low", "low"),
        ("{name}", "{name}"),
    ],
)
def test_an_expression_in_a_value_is_filled_in(typed, value):
    """Alone or bare in a list it is its own value, in quotes its text; nothing of it is read again."""
    assert grammar.resolve(typed, evaluate) == value


def test_a_broken_value_around_an_expression_is_named_as_typed():
    """The error shows what was typed, not what came of it."""
    with pytest.raises(ConfigurationError, match=r"^stop: \['a' \{\{ n \}\}\] is neither"):
        grammar.resolve("['a' {{ n }}]", evaluate, "stop")


def is_model(word):
    """What the caller knows to be a model."""
    return word in {"gpt-4o", "fast"} or "/" in word or "@" in word


@pytest.mark.parametrize(
    ("line", "words", "prompt"),
    [
        ("gpt-4o tell me", ["gpt-4o"], "tell me"),
        ("tell me about gpt-4o", [], "tell me about gpt-4o"),
        ("don't panic", [], "don't panic"),
        ("gpt-4o don't  panic (really", ["gpt-4o"], "don't  panic (really"),
        ("fast gpt-4o is a name", ["fast"], "gpt-4o is a name"),
        ("acme/new what? # no comment", ["acme/new"], "what? # no comment"),
        ("gpt-4o@azure hi", ["gpt-4o@azure"], "hi"),
        ("  'quoted", [], "'quoted"),
        ("y=2x+1 explain", [], "y=2x+1 explain"),
        ("-5 is what?", [], "-5 is what?"),
        ("- an item", [], "- an item"),
        ("what -p is", [], "what -p is"),
        ("costs $5 \\frac{x}{2} {{ x }} ", [], "costs $5 \\frac{x}{2} {{ x }} "),
        ("gpt-4o", ["gpt-4o"], ""),
        ("", [], ""),
    ],
)
def test_the_prompt_of_a_line_magic_stays_as_typed(line, words, prompt):
    """From the first word that is neither model nor option on; apostrophes and brackets in it open nothing."""
    read, found = grammar.split_prompt(line, OPTIONS, is_model)

    assert (read.words, found) == (words, prompt)


@pytest.mark.parametrize(
    "line",
    [
        "-p azure gpt-4o -n seed=7 it's",
        "gpt-4o -p azure seed=7 -n it's",
        "gpt-4o seed=7 --provider=azure -n it's",
        "seed=7 -n -p azure gpt-4o it's",
    ],
)
def test_options_come_before_the_prompt_in_any_order(line):
    """Options, parameters and the model, then the prompt."""
    read, prompt = grammar.split_prompt(line, OPTIONS, is_model)

    assert (read.words, read.options, read.pairs) == (["gpt-4o"], {"provider": "azure", "new": True}, {"seed": "7"})
    assert prompt == "it's"


def test_values_with_blanks_stand_before_a_prompt_too():
    """Quotes and brackets before the prompt are read as in a cell magic."""
    read, prompt = grammar.split_prompt('-s "You\'re terse" stop=["a b"] hi "you', OPTIONS, is_model)

    assert (read.options, read.pairs, prompt) == ({"system": "You're terse"}, {"stop": '["a b"]'}, 'hi "you')


@pytest.mark.parametrize("name", ["my_field", "y"])
def test_behind_a_model_any_name_is_a_parameter(name):
    """Unknown names go through once a model is named."""
    read, prompt = grammar.split_prompt(f"gpt-4o {name}=1 hi", OPTIONS, is_model)

    assert (read.pairs, prompt) == ({name: "1"}, "hi")


@pytest.mark.parametrize("name", ["temprature", "stream", "top_k"])
def test_a_known_name_or_a_near_miss_is_no_prompt(name):
    """`temprature=0 hi` and `stream=0 hi` reach the check that refuses them."""
    read, prompt = grammar.split_prompt(f"{name}=0 hi", OPTIONS, is_model)

    assert (read.pairs, prompt) == ({name: "0"}, "hi")


def test_the_value_of_an_option_may_follow_its_sign():
    """`--provider=azure` takes nothing of what stands behind it."""
    read, prompt = grammar.split_prompt("--provider=azure it's me", OPTIONS, is_model)

    assert (read.options, prompt) == ({"provider": "azure"}, "it's me")


@pytest.mark.parametrize("line", ["--temperature 0 hi", "-p", "-p -n hi", 'gpt-4o stop=["a hi'])
def test_what_stands_before_the_prompt_is_checked(line):
    """An unknown option, one without its value or an open bracket is an error, not a prompt."""
    with pytest.raises(ConfigurationError):
        grammar.split_prompt(line, OPTIONS, is_model)


@given(
    st.text(st.characters(exclude_categories=["Z", "Cc", "Cs"]), min_size=1).filter(
        lambda word: word[0] != "-" and "=" not in word
    ),
    st.text(),
)
def test_any_prompt_behind_a_model_arrives_as_typed(word, rest):
    """Whatever it holds."""
    _, prompt = grammar.split_prompt(f"gpt-4o {word} {rest}", OPTIONS, lambda word: word == "gpt-4o")

    assert prompt == f"{word} {rest}"


@pytest.mark.parametrize(
    ("word", "model", "provider"),
    [
        ("gpt-4o", "gpt-4o", None),
        ("gpt-4o@azure", "gpt-4o", "azure"),
        ("acme/m@001@groq", "acme/m@001", "groq"),
    ],
)
def test_a_provider_may_follow_the_model(word, model, provider):
    """MODEL@PROVIDER, taken apart at the last @."""
    assert model_and_provider(word) == (model, provider)


@pytest.mark.parametrize(("word", "lacks"), [("gpt-4o@", "provider"), ("@azure", "model"), ("@", "model")])
def test_half_of_a_pair_is_refused(word, lacks):
    """An @ has something on both sides."""
    with pytest.raises(ConfigurationError, match=f"lacks its {lacks}"):
        model_and_provider(word)
