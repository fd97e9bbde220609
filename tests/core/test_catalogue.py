"""Models, providers, prices: short ids, "did you mean", who serves what, what it costs."""

import json
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_notebook.core import catalogue
from lk_notebook.core.values import Usage
from lk_notebook.errors import ConfigurationError

FACTS = json.loads(resources.files("lk_notebook.core").joinpath("catalogue.json").read_text(encoding="utf-8"))
KINDS = ("openai", "azure", "groq", "baseten", "cerebras", "local")


def test_every_figure_has_its_source():
    """No price, provider or date of an end stands there that nobody published."""
    for row in FACTS["models"]:
        prices, providers, shutdown = row["pricing"] or [], row["providers"] or [], row["vendor_shutdown"]
        for fact in (*prices, *providers, row["livekit_status"], *([shutdown] if shutdown else [])):
            assert fact["source"] in FACTS["sources"], row["id"]
        assert all(price["date"] for price in prices), row["id"]


def test_no_price_stands_there_that_is_known_to_be_old():
    """Prices of a source that says the vendor has changed them since are left out: unknown, not wrong."""
    old = {name for name, told in FACTS["sources"].items() if "since changed" in told}

    assert not [row["id"] for row in FACTS["models"] for price in row["pricing"] or [] if price["source"] in old]


def test_every_model_of_livekits_page_is_there():
    """The models LiveKit's OpenAI page names are marked, each with a provider."""
    seed = [model for model in catalogue.models() if model.in_seed]

    assert {"openai/gpt-4o", "openai/gpt-4.1-mini", "openai/gpt-5-nano", "openai/gpt-oss-120b"} <= {m.id for m in seed}
    assert all(model.providers for model in seed)


def test_a_provider_that_is_only_announced_or_gone_does_not_count():
    """`providers` are those that serve the model; what else was said of one is kept beside it."""
    model = catalogue.find("openai/gpt-oss-120b")

    assert model.providers == ("baseten", "groq")
    assert model.provider_status["cerebras"] == "coming soon"


def test_unknown_is_none():
    """What nobody said is None, never False or 0."""
    model = catalogue.find("xai/grok-4.7")

    assert (model.reasoning, model.temperature, model.efforts, model.context_window) == (None, None, None, None)


@pytest.mark.parametrize("short", ["gpt-4.1-mini", "GPT-4.1-Mini", "openai/gpt-4.1-mini", "OpenAI/gpt-4.1-mini"])
def test_a_model_is_found_by_id_or_the_part_after_its_slash(short):
    """Large and small letters are the same to us."""
    assert catalogue.find(short).id == "openai/gpt-4.1-mini"


def test_an_unknown_model_is_not_found():
    """None, not an error: the gateway serves more than any list knows."""
    assert catalogue.find("acme/brand-new-1") is None


@pytest.mark.parametrize("model", catalogue.models(), ids=lambda model: model.id)
def test_the_part_after_the_slash_is_enough(model):
    """Every model of the catalogue can be written without its vendor."""
    assert catalogue.complete(model.id.rsplit("/")[-1]) == model.id


def test_an_id_of_the_documentation_is_completed_as_it_stands_there():
    """The gateway knows some models by two ids; the one that is typed is sent."""
    assert catalogue.complete("gemini-3-flash-preview") == "google/gemini-3-flash-preview"
    assert catalogue.find("google/gemini-3-flash-preview").id == "google/gemini-3-flash"


@given(st.text(), st.text())
def test_an_id_with_a_slash_is_returned_as_it_is(vendor, model):
    """With a vendor prefix it is sent as typed, known or not."""
    assert catalogue.complete(f"{vendor}/{model}") == f"{vendor}/{model}"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("gpt-4.1-mimi", "openai/gpt-4.1-mini"),
        ("gpt4o", "openai/gpt-4o"),
        ("gpt-oss-120", "openai/gpt-oss-120b"),
        ("gemini-3.8-flsh", "google/gemini-3.8-flash"),
        ("fats", "fast"),
    ],
)
def test_a_short_id_that_is_unknown_is_answered_with_the_one_that_was_meant(typed, meant):
    """Two lines: which id was meant, an alias too, and that vendor/model is sent as typed."""
    with pytest.raises(ConfigurationError) as caught:
        catalogue.complete(typed, also=["fast"])

    first, second = str(caught.value).splitlines()
    assert typed in first
    assert f"did you mean {meant}?" in first
    assert "vendor/model" in second


@pytest.mark.parametrize("typed", ["llama3.2", "", "x"])
def test_a_word_like_no_model_is_refused_without_a_guess(typed):
    """Nothing is suggested where nothing is near."""
    with pytest.raises(ConfigurationError) as caught:
        catalogue.complete(typed)

    assert "did you mean" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 2


def test_no_retired_model_is_suggested():
    """What LiveKit has retired can be typed, and is not recommended."""
    with pytest.raises(ConfigurationError, match="did you mean") as caught:
        catalogue.complete("gemini-2.0-flas")

    assert "gemini-2.0" not in str(caught.value).partition("did you mean")[2]


@pytest.mark.parametrize(
    ("model", "kind", "there"),
    [
        ("openai/gpt-4.1-mini", "openai", "gpt-4.1-mini"),
        ("gpt-4.1-mini", "openai", "gpt-4.1-mini"),
        ("openai/gpt-4o", "azure", "gpt-4o"),
        ("openai/gpt-4o", "groq", None),
        ("gpt-4o", "groq", None),
        ("deepseek-ai/deepseek-v4-pro", "groq", "deepseek-ai/deepseek-v4-pro"),
        ("openai/gpt-oss-120b", "groq", "openai/gpt-oss-120b"),
        ("openai/gpt-oss-120b", "baseten", "openai/gpt-oss-120b"),
        ("openai/gpt-oss-120b", "cerebras", "gpt-oss-120b"),
        ("openai/gpt-oss-120b", "openai", None),
        ("moonshotai/kimi-k2.6", "baseten", "moonshotai/Kimi-K2.6"),
        ("google/gemini-3.5-flash", "openai", None),
        ("openai/brand-new-1", "openai", "brand-new-1"),
        ("openai/brand-new-1", "azure", "brand-new-1"),
        ("my-deployment", "azure", "my-deployment"),
        ("acme/brand-new-1", "openai", "acme/brand-new-1"),
        ("acme/brand-new-1", "cerebras", "brand-new-1"),
        ("acme/brand-new-1", "groq", "acme/brand-new-1"),
        ("llama3.2", "url", "llama3.2"),
        ("openai/gpt-4o", "url", "openai/gpt-4o"),
        ("openai/gpt-4o", "livekit", "openai/gpt-4o"),
    ],
)
def test_each_account_is_asked_by_its_own_name_for_the_model(model, kind, there):
    """One model, the id that each account knows it by; None where it is known not to be served there."""
    assert catalogue.own_id(model, kind) == there
    assert catalogue.serves(model, kind) is (there is not None)


@pytest.mark.parametrize(
    "model", [model for model in catalogue.models() if model.own_ids is not None], ids=lambda m: m.id
)
def test_only_the_accounts_of_the_catalogue_serve_a_model(model):
    """An account that the catalogue does not name for a model does not serve it."""
    assert {kind for kind in KINDS if catalogue.serves(model.id, kind)} == set(model.own_ids)


USAGE = Usage(prompt_tokens=1_000_000, completion_tokens=100_000, total_tokens=1_100_000, cached_tokens=400_000)


@pytest.mark.parametrize(
    ("model", "kind", "provider", "dollars"),
    [
        ("openai/gpt-4.1", "livekit", "openai", 0.6 * 2 + 0.4 * 0.5 + 0.1 * 8),
        ("openai/gpt-4.1", "livekit", None, 0.6 * 2 + 0.4 * 0.5 + 0.1 * 8),
        ("openai/gpt-oss-120b", "livekit", "groq", 0.6 * 0.15 + 0.4 * 0.075 + 0.1 * 0.6),
        ("openai/gpt-oss-120b", "livekit", "baseten", 1.0 * 0.1 + 0.1 * 0.5),
        ("openai/gpt-oss-120b", "cerebras", None, 1.0 * 0.35 + 0.1 * 0.75),
        ("openai/gpt-4o", "openai", None, 0.6 * 2.5 + 0.4 * 1.25 + 0.1 * 10),
        ("openai/gpt-5", "azure", None, 0.6 * 1.25 + 0.4 * 0.13 + 0.1 * 10),
        ("openai/gpt-5.4", "openai", None, 0.6 * 5 + 0.4 * 0.5 + 0.1 * 22.5),
    ],
)
def test_the_cost_is_that_of_the_published_price(model, kind, provider, dollars):
    """Of the one who bills it; cached tokens at their own price, long prompts at theirs."""
    assert catalogue.cost(model, USAGE, billed_by_kind=kind, provider=provider) == pytest.approx(dollars)


@pytest.mark.parametrize(
    ("model", "kind", "provider"),
    [
        ("openai/gpt-4.1-mini", "livekit", "openai"),  # the vendor's price is known, LiveKit's is not
        ("openai/gpt-oss-120b", "livekit", None),  # two providers, two prices
        ("openai/gpt-oss-120b", "livekit", "cerebras"),
        ("openai/gpt-oss-120b", "openai", None),
        ("openai/gpt-5.6-luna", "openai", None),
        ("openai/gpt-4o", "url", None),
        ("google/gemini-3.6-flash", "google", None),  # LiveKit's price is known, the vendor's is not
        ("acme/brand-new-1", "livekit", "acme"),
        ("lk/demo", "demo", None),
    ],
)
def test_a_price_that_nobody_published_is_no_cost(model, kind, provider):
    """Never guessed: not from another biller's price, nor where it depends on who served."""
    assert catalogue.cost(model, USAGE, billed_by_kind=kind, provider=provider) is None


def test_the_price_for_a_short_prompt_holds_up_to_the_limit():
    """The dearer price of long prompts starts above the limit."""
    usage = Usage(prompt_tokens=272_000)

    cost = catalogue.cost("openai/gpt-5.4", usage, billed_by_kind="openai", provider=None)
    assert cost == pytest.approx(0.272 * 2.5)


@pytest.mark.parametrize(("word", "near"), [("opnai", "OpenAI"), ("Azur", "azure"), ("zzz", None), ("", None)])
def test_the_near_word_is_suggested(word, near):
    """The word that was meant, as it is written, or None."""
    assert catalogue.suggest(word, iter(["OpenAI", "azure"])) == near
