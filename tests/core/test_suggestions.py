"""What Tab offers on the line of a magic."""

from __future__ import annotations

import re

import pytest

from lk_notebook.core import catalogue
from lk_notebook.core.suggestions import Known, in_order, suggest
from lk_notebook.core.values import Account, Setup
from lk_notebook.magics import accounts, chat, compare, export, models, panel, route, settings, usage
from lk_notebook.magics.complete import MAGICS, pieces
from lk_notebook.net.accounts import KINDS

LIVEKIT, GROQ, AZURE = (Account(kind, kind, f"https://{kind}.example") for kind in ("livekit", "groq", "azure"))
HELP = {
    "%%lkchat": chat.ChatMagics.lkchat.__doc__,
    "%lkchat": chat.ChatMagics.lkchat.__doc__,
    "%%lkcompare": compare.CompareMagics.lkcompare.__doc__,
    "%lkpanel": panel.PanelMagics.lkpanel.__doc__,
    "%lkuse": settings.SettingsMagics.lkuse.__doc__,
    "%lkmodels": models.ModelsMagics.lkmodels.__doc__,
    "%lkaccount": accounts.AccountMagics.lkaccount.__doc__,
    "%lkexport": export.ExportMagics.lkexport.__doc__,
    "%lkroute": route.RouteMagics.lkroute.__doc__,
    "%lkusage": usage.UsageMagics.lkusage.__doc__,
}


def known(*accounts, **names):
    """A notebook's names, and these accounts."""
    given = {"models": in_order(names.pop("recent", ()), accounts), "accounts": accounts, "account_names": KINDS}
    return Known(**given | names)


def tab(line, there=None):
    """What stands there to choose from, and the line as each choice would leave it."""
    magic, _, rest = line.partition(" ")
    fragment, found = suggest(pieces(rest), MAGICS[magic], there or known())
    assert line.endswith(fragment)
    return [each.text for each in found], [line.removesuffix(fragment) + each.text for each in found]


def offered(line, there=None):
    """What stands there to choose from."""
    return tab(line, there)[0]


# Models ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("gpt-4.1", ["gpt-4.1", "gpt-4.1-mini", "gpt-4.1-nano"]),
        ("GPT-4.1-M", ["gpt-4.1-mini"]),
        ("openai/gpt-4.1", ["openai/gpt-4.1", "openai/gpt-4.1-mini", "openai/gpt-4.1-nano"]),
        ("llama", []),
    ],
)
def test_a_model_is_completed_in_the_form_that_was_begun(typed, expected):
    """By its part after the slash, or in full."""
    assert offered(f"%%lkchat {typed}") == expected


def test_without_a_word_the_ids_stand_there_in_full():
    """Each model once."""
    found = offered("%lkuse ")

    assert "openai/gpt-4.1-mini" in found
    assert "gpt-4.1-mini" not in found
    assert len(found) == len(set(found))


def test_a_short_form_of_two_models_is_not_offered():
    """What the line would refuse is offered in full."""
    there = known(recent=["acme/gpt-x", "other/gpt-x"])

    assert offered("%%lkchat gpt-x", there) == ["acme/gpt-x", "other/gpt-x"]


def test_the_latest_used_come_first_then_those_in_reach():
    """Then the rest, each once."""
    order = in_order(["acme/new", "openai/gpt-5"], [GROQ])

    assert order[:3] == ("acme/new", "openai/gpt-5", "openai/gpt-oss-120b")
    assert len(order) == len(set(order))
    assert set(order) > {model.id for model in catalogue.models() if model.livekit_status == "current"}


def test_without_an_account_the_built_in_model_comes_first():
    """It is the one that answers; with an account it comes last."""
    assert (in_order([], [])[0], in_order([], [LIVEKIT])[-1]) == ("lk/demo", "lk/demo")


def test_the_local_model_is_offered_where_it_is():
    """Before the demo, and not at all where it cannot be asked."""
    assert in_order([], [], "local/smollm2-135m")[:2] == ("local/smollm2-135m", "lk/demo")
    assert in_order([], [LIVEKIT], "local/smollm2-135m")[-2:] == ("local/smollm2-135m", "lk/demo")
    assert "local/smollm2-135m" not in in_order([], [])


def test_retired_models_are_not_offered():
    """Unless an account of the user's own still reaches them."""
    assert "openai/gpt-5.1-chat-latest" not in in_order([], [LIVEKIT])
    assert "openai/gpt-5.1-chat-latest" in in_order([], [AZURE])


def test_deployments_that_only_the_user_knows_are_offered():
    """The names of AZURE_OPENAI_DEPLOYMENTS."""
    account = Account("azure", "azure", "https://azure.example", deployments={"our-own": "d1", "gpt-4o": "d2"})

    assert "our-own" in in_order([], [account])
    assert "gpt-4o" not in in_order([], [account])  # the catalogue has its full id


def test_aliases_come_before_models():
    """The names that `%lkuse --as` made."""
    there = known(aliases={"gpt_fast": Setup("openai/gpt-oss-120b")})

    assert offered("%%lkchat gpt", there)[:2] == ["gpt_fast", "gpt-4o"]


def test_where_the_account_is_named_its_models_are_offered():
    """`-a groq` leaves out what Groq is known not to serve."""
    assert offered("%%lkchat -a groq gpt") == ["gpt-oss-120b"]


def test_where_the_provider_is_named_its_models_are_offered():
    """`-p groq` leaves out what it is not known to serve."""
    assert offered("%%lkchat -p groq gpt") == ["gpt-oss-120b"]


def test_one_model_is_enough_for_a_chat():
    """A second one would be refused."""
    assert offered("%%lkchat gpt-4o gpt") == []


def test_a_comparison_takes_several_models():
    """Up to eight."""
    assert offered("%%lkcompare gpt-4o gpt-4.1-m") == ["gpt-4.1-mini"]
    assert offered("%%lkcompare" + " gpt-4o" * 8 + " gpt-4.1-m") == []


# Providers and accounts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%%lkchat gpt-4o@", ["%%lkchat gpt-4o@azure", "%%lkchat gpt-4o@openai"]),
        ("%%lkchat gpt-oss-120b -p g", ["%%lkchat gpt-oss-120b -p groq"]),
        ("%%lkchat gpt-oss-120b --provider=b", ["%%lkchat gpt-oss-120b --provider=baseten"]),
        ("%%lkcompare gpt-4o gpt-oss-120b@g", ["%%lkcompare gpt-4o gpt-oss-120b@groq"]),
        ("%lkuse quick@g", ["%lkuse quick@groq"]),
    ],
)
def test_providers_are_those_known_to_serve_the_model(line, expected):
    """Behind @ and behind -p."""
    assert tab(line, known(aliases={"quick": Setup("openai/gpt-oss-120b")}))[1] == expected


def test_providers_in_reach_come_first():
    """Those of the user's accounts."""
    assert offered("%%lkchat gpt-oss-120b@")[0] == "baseten"
    assert offered("%%lkchat gpt-oss-120b@", known(GROQ))[0] == "groq"


def test_every_provider_is_offered_where_no_model_is_named():
    """`-p` may come first."""
    assert {"azure", "openai", "groq", "baseten", "cerebras"} <= set(offered("%%lkchat -p "))


def test_accounts_that_are_there_come_first():
    """Then those that could be set up."""
    assert offered("%%lkchat -a ", known(GROQ)) == ["groq", *(kind for kind in KINDS if kind != "groq")]


# Options --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("magic", HELP)
def test_each_option_of_the_help_is_offered(magic):
    """Short or long, as it stands there."""
    told = set(re.findall(r"(?<!%lkuse )(?<![\w`-])--?[a-z]+\b", HELP[magic]))

    assert told
    assert told <= set(offered(f"{magic} -"))


def test_an_option_is_offered_once():
    """Short and long form are one."""
    left = offered("%%lkchat gpt-4o -p azure --raw -")

    assert not {"-p", "--provider", "--raw"} & set(left)


def test_an_option_that_may_come_again_stays():
    """Several images, several tools."""
    assert {"-i", "--image", "-t", "--tools"} <= set(offered("%%lkchat gpt-4o -i a.png -t f -"))


def test_a_comparison_offers_no_provider_for_all():
    """It would be refused: each model has its own, behind @."""
    assert not {"-p", "--provider"} & set(offered("%%lkcompare gpt-4o -"))


def test_long_forms_alone_are_offered_behind_two_dashes():
    """And behind a blank, where a short form would say little."""
    assert offered("%%lkchat gpt-4o --s") == ["--system", "--schema"]
    assert {"--system"} == {"-s", "--system"} & set(offered("%%lkchat gpt-4o "))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%%lkchat -c p", ["physics"]),
        ("%%lkchat -o re", ["reply"]),
        ("%%lkchat -o brand_new", []),
        ("%%lkchat -f ", ["markdown", "text", "code", "json", "html"]),
        ("%%lkchat -t a", ["add"]),
        ("%%lkchat -t add,s", ["sub"]),
        ("%%lkchat -t add,", ["sub"]),
        ("%%lkchat --schema ", ["Town", "list["]),
        ("%%lkchat --schema list[To", ["Town]"]),
        ("%%lkchat -s To", []),
        ("%lkuse --as q", ["quick"]),
        ("%lkusage --budget ", ["off"]),
    ],
)
def test_the_value_of_an_option_comes_from_what_is_there(line, expected):
    """Chats, variables, formats, functions, types, aliases."""
    there = known(
        chats=["main", "physics"], variables=["reply", "photo"], functions=["add", "sub"], types=["Town"],
        aliases={"quick": Setup("openai/gpt-4o")},
    )  # fmt: skip

    assert offered(line, there) == expected


def test_images_are_variables_pictures_and_folders():
    """No other file is offered; a name with a blank stands in quotes."""
    found = ["a b.png", "cat.JPG", "data.csv", "figures/"]
    there = known(pictures=["photo"], files=lambda start: [name for name in found if name.startswith(start)])

    assert offered("%%lkchat -i ", there) == ["photo", '"a b.png"', "cat.JPG", "figures/"]
    assert offered("%%lkchat -i cat.JPG -i fig", there) == ["figures/"]


# Parameters -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%%lkchat gpt-5-mini rea", ["reasoning_effort="]),
        ("%%lkchat gpt-4o rea", []),  # does not reason
        ("%%lkchat gpt-4o temp", ["temperature="]),
        ("%%lkchat gpt-5-mini temp", []),  # LiveKit leaves it out
        ("%%lkchat gpt-5.1 temp", []),
        ("%%lkchat gpt-5.1 reasoning_effort=none temp", ["temperature="]),
        ('%%lkchat gpt-5.1 reasoning_effort="none" temp', ["temperature="]),
        ("%%lkchat kimi-k2.5 temp", []),  # the catalogue knows that it does not take it
        ("%%lkchat gpt-4o tool", []),
        ("%%lkchat gpt-4o -t f tool", ["tool_choice="]),
        ("%%lkchat gpt-5.2 -t f rea", []),  # not together with tools
        ("%%lkchat gpt-4o seed=7 se", ["service_tier="]),  # given already
        ("%%lkcompare gpt-4o gpt-5-mini temp", ["temperature="]),  # one of them takes it
        ("%%lkchat gpt-4o top_k", []),  # another server's
        ("%%lkchat acme/new top_k", ["top_k="]),
        ("%lkmodels temp", []),
        ("%lkchats temp", []),
    ],
)
def test_parameters_are_those_the_model_takes(line, expected):
    """By LiveKit's rules, the catalogue, and what stands on the line."""
    assert offered(line) == expected


def test_parameters_follow_the_default_model_where_none_is_named():
    """As the request will."""
    assert offered("%%lkchat temp", known(default=Setup("openai/gpt-5-mini"))) == []
    assert offered("%%lkchat temp", known(LIVEKIT)) == ["temperature="]


def test_an_alias_brings_its_parameters():
    """Its model and its effort count."""
    calm = Setup("openai/gpt-5.1", extra_kwargs={"reasoning_effort": "none"})
    there = known(aliases={"calm": calm, "keen": Setup("openai/gpt-5.1")})

    assert offered("%%lkchat calm temp", there) == ["temperature="]
    assert offered("%%lkchat keen temp", there) == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%%lkchat gpt-5-mini reasoning_effort=", ["minimal", "low", "medium", "high"]),
        ("%%lkchat gpt-5.2 reasoning_effort=x", ["xhigh"]),
        ("%%lkcompare gpt-5-mini gpt-oss-120b reasoning_effort=", ["low", "medium", "high"]),
        ("%%lkchat gpt-4o reasoning_effort=", []),
        ("%%lkchat gpt-4o logprobs=t", ["true"]),
        ("%%lkchat gpt-5-mini logprobs=", []),
        ("%%lkchat gpt-4o verbosity=", ["low", "medium", "high"]),
        ("%%lkchat gpt-4o seed=", []),
        ("%%lkchat gpt-4o my_field=", []),
    ],
)
def test_values_are_those_of_the_model(line, expected):
    """Its efforts; choices; true and false."""
    assert offered(line) == expected


# Other magics, prompts, quotes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("%lkmodels vis", ["vision"]),
        ("%lkmodels vision vis", []),
        ("%lkmodels reach pri", ["price<1"]),
        ("%lkmodels gpt-5 az", ["azure"]),
        ("%lkusage a", ["account"]),
        ("%lkaccount gr", ["groq"]),
        ("%lkroute gpt-5-m", ["gpt-5-mini"]),
        ("%lkexport n", ["node"]),
        ("%lkexport node gpt-5-m", ["gpt-5-mini"]),
        ("%lkexport python gpt-5-mini verb", ["verbosity="]),
        ("%lkexport python gpt-oss-120b -p c", ["cerebras"]),
        ("%lkexport python -t f,g,", []),
        ("%lkexport python -o ", ["agent.mjs"]),
        ("%lkpanel gpt-5-mini gpt-4.1-n", ["gpt-4.1-nano"]),
        ("%lkchats ", ["show", "rename", "delete", "save", "load", "list"]),
        ("%lkchats re", ["rename"]),
        ("%lkchats delete ", ["main", "physics"]),
        ("%lkchats rename physics ", []),
        ("%lkchats load ", ["old.json"]),
        ("%lkchats save main o", ["old.json"]),
    ],
)
def test_other_magics_have_words_of_their_own(line, expected):
    """Filters, verbs, names."""
    there = known(chats=["main", "physics"], files=lambda _: ["notes.txt", "old.json", "agent.mjs"])

    assert offered(line, there) == expected


def test_a_language_comes_before_any_model():
    """Of an export; options may stand anywhere."""
    assert offered("%lkexport ")[:3] == ["python", "node", "--provider"]


def test_each_verb_of_the_help_is_offered():
    """And `list`, which it may be called by."""
    told = re.findall(r"%lkchats ([a-z]+)", settings.SettingsMagics.lkchats.__doc__)

    assert set(offered("%lkchats ")) == {*told, "list"}


@pytest.mark.parametrize("prompt", ["Why temp", "gpt-4o Why temp", "gpt-4o Why is -", "seed=7 Why gpt"])
def test_nothing_is_offered_in_a_prompt(prompt):
    """Of `%lkchat`, whose prompt stands on the line."""
    assert offered(f"%lkchat {prompt}") == []


def test_before_its_prompt_a_line_is_completed():
    """Models, parameters, options."""
    assert offered("%lkchat gpt-5-mini rea") == ["reasoning_effort="]


@pytest.mark.parametrize("typed", ['-s "Answer gpt', "stop=['gpt", 'stop=["a", gpt', "-s {{ gpt", "{{ gpt"])
def test_nothing_is_offered_within_quotes_and_brackets(typed):
    """There the user writes texts and expressions."""
    assert pieces(f"gpt-4o {typed}") is None


def test_behind_closed_quotes_it_goes_on():
    """They are one piece."""
    assert offered('%%lkchat gpt-5-mini -s "Be brief" rea') == ["reasoning_effort="]
