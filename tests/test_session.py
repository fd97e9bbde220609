"""`%lkuse`: defaults that belong to their model, and aliases that change no default."""

import pytest

from lk_notebook.core.values import Setup
from lk_notebook.errors import ConfigurationError
from lk_notebook.session import Session

LOW, ZERO = {"reasoning_effort": "low"}, {"temperature": 0}
MINI, OSS = "openai/gpt-5-mini", "openai/gpt-oss-120b"


@pytest.fixture
def session():
    """A session in which gpt-5-mini at openai with low effort is the default, and `fast` an alias."""
    session = Session()
    session.use(Setup("gpt-oss-120b", "groq", extra_kwargs=ZERO, system="Be brief."), "fast")
    session.use(Setup("gpt-5-mini", "openai", extra_kwargs=LOW, system="You are kind."))
    return session


SETTLED = {
    "nothing": (Setup(), Setup(MINI, "openai", None, LOW, "You are kind.")),
    "the same model": (Setup(MINI), Setup(MINI, "openai", None, LOW, "You are kind.")),
    "its short form": (Setup("gpt-5-mini"), Setup(MINI, "openai", None, LOW, "You are kind.")),
    "its own parameter": (Setup(extra_kwargs=ZERO), Setup(MINI, "openai", None, LOW | ZERO, "You are kind.")),
    "the same parameter": (Setup(extra_kwargs={"reasoning_effort": "high"}),
                           Setup(MINI, "openai", None, {"reasoning_effort": "high"}, "You are kind.")),
    "its own provider": (Setup(None, "azure"), Setup(MINI, "azure", None, LOW, "You are kind.")),
    "its own system prompt": (Setup(system="Be rude."), Setup(MINI, "openai", None, LOW, "Be rude.")),
    "no system prompt": (Setup(system=""), Setup(MINI, "openai", None, LOW, "")),
    "its own account": (Setup(account="groq"), Setup(MINI, None, "groq", LOW, "You are kind.")),
    "another model": (Setup("openai/gpt-4.1"), Setup("openai/gpt-4.1")),
    "another model in short": (Setup("gpt-4.1"), Setup("gpt-4.1")),
    "another model, parameter": (Setup("openai/gpt-4.1", extra_kwargs=ZERO),
                                 Setup("openai/gpt-4.1", extra_kwargs=ZERO)),
    "an alias": (Setup("fast"), Setup(OSS, "groq", None, ZERO, "Be brief.")),
    "an alias, parameter": (Setup("fast", extra_kwargs=LOW), Setup(OSS, "groq", None, ZERO | LOW, "Be brief.")),
    "an alias, provider": (Setup("fast", "baseten"), Setup(OSS, "baseten", None, ZERO, "Be brief.")),
    "the alias's model": (Setup(OSS), Setup(OSS)),
}  # fmt: skip


@pytest.mark.parametrize(("cell", "settled"), SETTLED.values(), ids=SETTLED.keys())
def test_a_cells_words_win_over_the_defaults_of_the_same_model(session, cell, settled):
    """The defaults hold for their own model; a cell that names another starts clean; an alias brings its own."""
    assert session.settle(cell) == settled


def test_an_alias_changes_no_default(session):
    """Making one leaves what holds from here on."""
    before = session.defaults
    session.use(Setup("openai/gpt-4.1"), "other")

    assert session.defaults == before
    assert session.aliases["other"].model == "openai/gpt-4.1"


def test_defaults_may_be_set_to_an_alias(session):
    """%lkuse fast makes all that the alias says the default, and it stays so when the alias is made anew."""
    session.use(Setup("fast"))
    session.use(Setup("openai/gpt-4.1"), "fast")

    assert session.settle(Setup()) == Setup(OSS, "groq", None, ZERO, "Be brief.")
    assert session.settle(Setup("fast")).model == "openai/gpt-4.1"


def test_new_defaults_take_the_place_of_the_old_ones(session):
    """%lkuse with another model keeps no parameter of the one before."""
    assert session.use(Setup("openai/gpt-4.1")) == session.settle(Setup()) == Setup("openai/gpt-4.1")


def test_defaults_of_the_same_model_are_added_to(session):
    """%lkuse with a parameter alone changes that one."""
    session.use(Setup(extra_kwargs={"reasoning_effort": "high"}))

    assert session.settle(Setup()) == Setup(MINI, "openai", None, {"reasoning_effort": "high"}, "You are kind.")


REFUSED = {
    "an unknown short id": (Setup("gpt-5-mimi"), None, "did you mean openai/gpt-5-mini"),
    "a near miss": (Setup(MINI, extra_kwargs={"temprature": 0}), None, "temperature"),
    "an unknown account": (Setup(MINI, account="nobody"), None, "no account nobody"),
    "no name": (Setup(MINI), "my model", "cannot be an alias"),
    "a model's name": (Setup(MINI), "chatgpt-4o-latest", "cannot be an alias"),
    "an empty name": (Setup(MINI), "", "cannot be an alias"),
}


@pytest.mark.parametrize(("setup", "alias", "says"), REFUSED.values(), ids=REFUSED.keys())
def test_what_cannot_be_used_is_refused_now_and_changes_nothing(session, setup, alias, says):
    """A slip in %lkuse is told there and then, not in each later cell, and what held still holds."""
    before = (session.defaults, dict(session.aliases))

    with pytest.raises(ConfigurationError, match=says):
        session.use(setup, alias)
    assert (session.defaults, session.aliases) == before


@pytest.mark.parametrize("account", ["http://localhost:8000", "https://x.example/v1"])
def test_at_an_address_any_id_is_taken_as_typed(session, account):
    """A server of one's own knows its ids alone."""
    assert session.use(Setup("llama3.2:1b", account=account)).model == "llama3.2:1b"
    assert session.settle(Setup("llama3.2:1b")).account == account


def test_a_session_begins_without_any_word():
    """Nothing is set before somebody sets it."""
    assert Session().settle(Setup()) == Setup()
