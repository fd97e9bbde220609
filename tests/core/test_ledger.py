"""What was used and what it cost: sums, a budget, a receipt."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_notebook.core.ledger import BY, Entry, Ledger, plain, read_budget, total
from lk_notebook.core.values import Usage
from lk_notebook.errors import BudgetExceededError, ConfigurationError


def entry(cell="[1]", **more):
    """A reply that has ended."""
    return Entry(cell, "2026-11-24", "acme-1", None, "localhost", "done", **more)


def cents(*amounts):
    """A ledger of replies at these prices, in cents."""
    return Ledger([entry(usage=Usage(), cost=None if each is None else Decimal(each) / 100) for each in amounts])


def test_what_was_spent_is_the_sum_of_known_costs():
    """To the last digit; a reply without a price counts nothing."""
    assert cents("0.1", "0.2", None).spent == Decimal("0.003")


def test_a_sum_without_a_known_cost_is_unknown():
    """Not zero; and how many have none is told."""
    found = total("all", cents(None, None).entries)

    assert (found.cost, found.unpriced, found.replies) == (None, 2, 2)


def test_a_reply_without_usage_has_no_price_to_miss():
    """It failed before anything was used."""
    assert total("all", [entry()]).unpriced == 0


def test_tokens_are_summed_by_kind():
    """In, out, cached, reasoning; a reply that told none adds none."""
    entries = [entry(usage=Usage(1, 2, 3, 4, 5)), entry(), entry(usage=Usage(10, 20, 30, 40, 50))]

    assert total("all", entries).usage == Usage(11, 22, 33, 44, 55)


@given(
    st.lists(
        st.builds(
            Entry,
            st.sampled_from("ab"), st.sampled_from(["2026-11-24", "2026-11-25"]), st.sampled_from("mn"),
            st.sampled_from([None, "p"]), st.sampled_from("xy"), st.just("done"),
            st.builds(Usage, *[st.integers(0, 9)] * 5), st.none() | st.decimals(0, 9, places=4),
        )
    ),
    st.sampled_from(sorted(BY)),
)  # fmt: skip
def test_the_groups_add_up_to_the_whole(entries, by):
    """By whatever they are summed: replies, tokens and dollars."""
    sums, whole = Ledger(entries).sums(by), total("all", entries)

    assert len({each.name for each in sums}) == len(sums)
    assert sum(each.replies for each in sums) == whole.replies
    assert sum(each.usage.prompt_tokens for each in sums) == whole.usage.prompt_tokens
    assert sum(each.cost or 0 for each in sums) == (whole.cost or 0)
    assert sum(each.unpriced for each in sums) == whole.unpriced


@pytest.mark.parametrize(("budget", "refused"), [("0.02", False), ("0.01", True), ("0.005", True), ("0", True)])
def test_a_budget_refuses_once_it_is_used_up(budget, refused):
    """Also when it is spent to the cent; the error says how much was spent and how to go on."""
    ledger = cents("1")
    ledger.budget = Decimal(budget)
    if not refused:
        ledger.check()
        return
    with pytest.raises(BudgetExceededError, match=r"\$0\.01 was spent") as caught:
        ledger.check()
    assert "--budget off" in str(caught.value).splitlines()[1]


def test_without_a_budget_nothing_is_refused():
    """However much was spent."""
    cents("100000").check()


@pytest.mark.parametrize(
    ("typed", "read"), [("0.50", "0.50"), ("$2", "2"), (" 1e-3 ", "0.001"), ("0", "0"), ("off", None), ("OFF", None)]
)
def test_a_budget_is_read(typed, read):
    """Dollars, with or without their sign; `off` for none."""
    assert read_budget(typed) == (None if read is None else Decimal(read))


@pytest.mark.parametrize("typed", ["", "much", "-1", "nan", "inf", "1,5", "5 EUR"])
def test_what_is_no_amount_is_refused(typed):
    """In two lines."""
    with pytest.raises(ConfigurationError) as caught:
        read_budget(typed)
    assert len(str(caught.value).splitlines()) == 2


@given(st.decimals(0, 10**6, places=8))
def test_an_amount_is_plain_and_exact(amount):
    """No exponent, no trailing zeros, no digit lost."""
    text = plain(amount)

    assert Decimal(text) == amount
    assert not set(text) - set("0123456789.")
    assert not ("." in text and text[-1] in "0.")


def test_a_receipt_has_a_line_for_each_reply():
    """What is unknown is a dash; a bar in a name does not break the table."""
    lines = Ledger([entry("a|b", usage=Usage(1, 2, 3)), entry()]).receipt().splitlines()

    assert lines[2] == r"| a\|b | 2026-11-24 | acme-1 | – | localhost | – | 1 | 2 | – |"
    assert lines[3].endswith("| – | – | – |")
    assert "2 replies, $0 at published prices; 1 without a known price" in lines[-1]


def test_a_receipt_names_the_dates_of_its_prices():
    """Each once, in order."""
    priced = [entry(cost=Decimal(1), priced=date) for date in ("2026-09-21", "2026-07-02", "2026-09-21")]

    assert "of 2026-07-02, 2026-09-21." in Ledger(priced).receipt()
