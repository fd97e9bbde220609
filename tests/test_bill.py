"""What the rows of a map cost: each answer at the published price of whoever gave it, or at none."""

from __future__ import annotations

import pytest

from lk_notebook.bill import Bill, estimate
from lk_notebook.core.routing import Route
from lk_notebook.core.values import Account, Call, Usage
from lk_notebook.once import Answered

MILLION = Usage(prompt_tokens=1_000_000)


def bill(model="openai/gpt-5.4", kinds=("openai",), **call):
    """The bill of a map of this model at accounts of these kinds, at their vendors' own addresses."""
    accounts = tuple(Account(kind, kind, f"https://{kind}.example/v1") for kind in kinds)
    return Bill(Route(model, None, accounts), Call(model, [], **call))


def answered(account="openai", usage=MILLION, served_by=None):
    """An answer of that account."""
    return Answered("fine", account, usage=usage, served_by=served_by)


def test_each_answer_is_priced_for_itself():
    """A price for long prompts holds for a long prompt, not for many short ones together."""
    short = bill()
    for _ in range(10):
        short.add(answered(usage=Usage(prompt_tokens=100_000)))
    long = bill()
    long.add(answered())

    assert (short.cost, long.cost) == (pytest.approx(2.5), pytest.approx(5.0))
    assert short.usage == long.usage


def test_each_answer_has_the_price_of_its_account():
    """Where one account stood in for another, each is billed at its own price."""
    both = bill("openai/gpt-oss-120b", ("groq", "baseten"))
    alone = {kind: bill("openai/gpt-oss-120b", (kind,)) for kind in ("groq", "baseten")}
    for kind, each in alone.items():
        both.add(answered(kind))
        each.add(answered(kind))

    assert alone["groq"].cost != alone["baseten"].cost
    assert both.cost == pytest.approx(alone["groq"].cost + alone["baseten"].cost)


def test_who_the_gateway_picked_is_billed():
    """The price is not known before, where providers differ; it is once an answer says who gave it."""
    gateway = bill("openai/gpt-oss-120b", ("livekit",))
    assert not gateway.has_price()
    gateway.add(answered("livekit", served_by="groq"))

    assert gateway.cost > 0


@pytest.mark.parametrize(
    "unknown",
    [answered(usage=None), answered("another"), answered("livekit", served_by="nobody")],
    ids=["no usage", "no account", "no provider"],
)
def test_one_unknown_price_leaves_the_cost_unknown(unknown):
    """A sum that lacks a part is no cost."""
    found = bill("openai/gpt-oss-120b", ("groq", "livekit"))
    found.add(answered("groq"))
    assert found.cost > 0
    found.add(unknown)

    assert found.cost is None
    assert estimate(found, 10) is None


@pytest.mark.parametrize("call", [{"inference_class": "low"}, {"extra_kwargs": {"service_tier": "flex"}}])
def test_another_tier_has_no_published_price(call):
    """Prices hold for the standard one."""
    found = bill(**call)
    found.add(answered())

    assert not found.has_price()
    assert found.cost is None


@pytest.mark.parametrize("usage", [MILLION, None])
def test_a_tape_costs_nothing(usage):
    """What was recorded is counted, and nobody bills it again."""
    found = bill()
    found.add(Answered("fine", "openai", usage=usage, recorded=True))

    assert found.cost == 0
    assert found.usage.prompt_tokens == (0 if usage is None else 1_000_000)
    assert list(found.answered_by) == ["openai, recorded"]


def test_nothing_asked_costs_nothing():
    """Nobody's price is needed for that; and it tells nothing of what more will cost."""
    assert bill("acme/new-1").cost == 0
    assert estimate(bill(), 10) is None


def test_an_estimate_goes_by_the_answers_there_are():
    """Ten rows cost as much each as the two that were answered."""
    found = bill()
    for tokens in (100_000, 200_000):
        found.add(answered(usage=Usage(prompt_tokens=tokens)))

    assert estimate(found, 10) == pytest.approx(10 * 0.15 * 2.5)
