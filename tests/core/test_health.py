"""Which account is asked next: by measured time, with rests for those that fail, and a turn for each."""

from __future__ import annotations

import math
import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_notebook import errors
from lk_notebook.core.health import FIRST_REST, LAST, LONGEST_REST, QUOTA_REST, STALE, Board
from lk_notebook.core.values import Account, Secret

A, B, C = (Account(name, name, f"https://{name}.example/v1", Secret(f"~{name}-key-0123")) for name in "abc")
ALL = [A, B, C]
BUSY = errors.ServerError("busy (503).", status=503, retryable=True)
SLOW_DOWN = errors.RateLimitError("too fast (429).", status=429, retryable=True, retry_after=30)
NO_QUOTA = errors.QuotaExceededError("used up (429).", status=429)
BAD_KEY = errors.AuthenticationError("refused the key (401).", status=401)
BAD_REQUEST = errors.BadRequestError("answered (400).", status=400)
NOT_THERE = errors.NotFoundError("answered (404).", status=404)
CUT = errors.StreamInterrupted("ended early.")


def names(board, now, model="m", accounts=ALL):
    """Whom to ask, in order."""
    return "".join(account.name for account in board.order(accounts, model, now)[0])


def passed(board, now):
    """Who is passed over, and why."""
    return {each.account.name: each.why for each in board.order(ALL, "m", now)[1]}


def measured(**times):
    """A board on which each account answered once at 0, after so many seconds."""
    board = Board()
    for account in ALL:
        if account.name in times:
            board.begins(account, "m", 0)
            board.succeeded(account, "m", times[account.name], 0)
    return board


def test_the_fastest_is_asked_first():
    """By the time to the first output, as measured."""
    assert names(measured(a=0.3, b=0.1, c=0.2), 1) == "bca"


def test_one_slow_answer_changes_nothing():
    """The middle of the times counts, not the worst."""
    board = measured(a=0.3, b=0.1, c=0.2)
    for ttft in (9.0, 0.1):
        board.succeeded(B, "m", ttft, 1)

    assert names(board, 2) == "bca"


def test_only_the_last_times_count():
    """An account that has become slow falls behind, however long it was fast."""
    board = measured(a=0.3, b=0.1, c=0.2)
    for ttft in [0.1] * 100 + [5.0] * (LAST // 2 + 1):
        board.succeeded(B, "m", ttft, 1)

    assert names(board, 2) == "cab"


def test_who_was_never_measured_gets_a_turn():
    """The least asked of the unmeasured goes first, before any that is known to be fast."""
    board = measured(a=0.01)
    board.begins(B, "m", 1)

    assert names(board, 2) == "cba"


def test_each_model_is_measured_for_itself():
    """What is fast with one model may be slow with another."""
    board = measured(a=0.3, b=0.1, c=0.2)
    for account, ttft in ((A, 0.1), (B, 0.3), (C, 0.2)):
        board.succeeded(account, "n", ttft, 1)

    assert [names(board, 2, model) for model in "mn"] == ["bca", "acb"]


def test_a_slow_one_is_measured_anew_some_day():
    """Who was not asked for long may have become the best."""
    board = measured(a=0.3, b=0.1)
    board.begins(B, "m", STALE)

    assert names(board, STALE + 1, accounts=[A, B]) == "ab"


@pytest.mark.parametrize("error", [BUSY, SLOW_DOWN, NO_QUOTA, BAD_KEY, CUT])
def test_who_failed_is_passed_over_and_why_is_told(error):
    """After a failure of its own an account is not asked; the reason names the failure."""
    board = measured(a=0.3, b=0.1, c=0.2)
    board.failed(B, "m", error, 1)

    assert names(board, 2) == "ca"
    assert error.what in passed(board, 2)["b"]


def test_who_refused_what_was_asked_does_not_rest():
    """A bad request is the request's fault: the account stays where it was."""
    board = measured(a=0.3, b=0.1, c=0.2)
    board.failed(B, "m", BAD_REQUEST, 1)

    assert (names(board, 2), passed(board, 2)) == ("bca", {})


def test_who_does_not_know_the_model_falls_behind():
    """A deployment that is gone is asked last, for this model alone, until it answers."""
    board = measured(a=0.3, b=0.1, c=0.2)
    board.failed(B, "m", NOT_THERE, 1)
    assert (names(board, 2), names(board, 2, "n")[0]) == ("cab", "a")

    board.succeeded(B, "m", 0.1, 3)
    assert names(board, 4) == "bca"


@pytest.mark.parametrize("error", [BAD_REQUEST, NOT_THERE])
def test_a_turn_is_one_turn(error):
    """Who was never measured, and refused the request, is not asked first for ever."""
    board = measured(a=0.3, b=0.1)
    board.begins(C, "m", 1)
    board.failed(C, "m", error, 1)

    assert names(board, 2) == "bac"


@pytest.mark.parametrize(
    ("error", "seconds"), [(BUSY, FIRST_REST), (SLOW_DOWN, 30), (NO_QUOTA, QUOTA_REST)], ids=["503", "429", "quota"]
)
def test_a_rest_ends(error, seconds):
    """A failure rests for seconds, a limit as long as the server said, used-up quota long."""
    board = measured(a=0.3, b=0.1, c=0.2)
    board.failed(B, "m", error, 1)

    assert ["b" in names(board, 1 + seconds + more) for more in (-0.1, 0.1)] == [False, True]


def test_each_further_rest_is_longer():
    """Failing again after the rest doubles it, up to a longest; the first answer forgets all that."""
    board, now, rests = Board(), 0.0, []
    for _ in range(12):
        board.failed(A, "m", BUSY, now)
        rests.append(board.rest_left(A, now))
        now += rests[-1]
    board.succeeded(A, "m", 0.1, now)
    board.failed(A, "m", BUSY, now)

    assert rests[:3] == [FIRST_REST, 2 * FIRST_REST, 4 * FIRST_REST]
    assert (rests[-1], board.rest_left(A, now)) == (LONGEST_REST, FIRST_REST)


def test_requests_that_fail_together_fail_once():
    """Sixteen rows that meet one outage are one failure: the rest stays short."""
    board = Board()
    for _ in range(16):
        board.failed(A, "m", BUSY, 0)

    assert board.rest_left(A, 0) == FIRST_REST


def test_a_failure_while_it_rests_does_not_shorten_the_rest():
    """Who named an account with used-up quota, and met a busy server, has not brought the quota back."""
    board = Board()
    board.failed(A, "m", NO_QUOTA, 0)
    board.failed(A, "m", BUSY, 1)

    assert board.rest_left(A, 1) == QUOTA_REST - 1


def test_one_request_tries_it_after_its_rest():
    """While that one is under way, others go elsewhere; stopped, it frees the place for the next."""
    board = measured(a=0.3, b=0.1, c=0.2)
    board.failed(B, "m", BUSY, 0)
    board.begins(B, "m", FIRST_REST)
    assert (names(board, FIRST_REST), passed(board, FIRST_REST)["b"]) == ("ca", "it is being tried after its rest")

    board.abandoned(B)
    assert names(board, FIRST_REST) == "bca"


def test_a_refused_key_is_left_alone_until_it_changes():
    """No time mends a refused key; another key starts clean, whatever the first one did."""
    board = measured(a=0.3, b=0.1, c=0.2)
    board.failed(B, "m", BAD_KEY, 0)

    assert names(board, 1e9, accounts=[B, C])[0] == "c"
    assert "key was refused" in passed(board, 1e9)["b"]
    assert names(board, 1, accounts=[replace(B, key=Secret("~another-key-0123")), C]) == "bc"


def test_someone_is_always_asked():
    """Where all rest, the one whose rest ends first is asked; a refused key comes after all."""
    board = Board()
    for account, error in ((A, BAD_KEY), (B, NO_QUOTA), (C, SLOW_DOWN)):
        board.failed(account, "m", error, 0)

    assert (names(board, 1), sorted(passed(board, 1))) == ("c", ["a", "b"])


@pytest.mark.parametrize(
    ("board", "says"),
    [(Board(), "not measured yet"), (measured(a=0.25), "first token after 0.25 s (median)")],
    ids=["unmeasured", "measured"],
)
def test_an_account_says_why_it_stands_where_it_stands(board, says):
    """Its measured time, or that it has none."""
    assert says in board.explain(A, "m")


def test_a_new_kernel_knows_what_an_earlier_one_measured():
    """The measurements go out and in again; what this kernel measured itself stays."""
    board = measured(b=0.5)
    board.learn(measured(a=0.3, b=0.1, c=0.2).to_json(), 0)

    assert names(board, 1) == "cab"


def test_what_was_learnt_grows_stale_as_well():
    """Who was slow in an earlier kernel is measured anew some day, also if it was never asked here."""
    board = Board()
    board.learn(measured(a=0.3, b=0.1).to_json(), 10)
    for now in range(20, 20 + 2 * int(STALE)):
        board.begins(B, "m", now)
        board.succeeded(B, "m", 0.1, now)

    assert names(board, now + 1, accounts=[A, B]) == "ab"


ODD = ["", 7, None, [], {"x": 1}, "0.1", ["0.1"], [None], [-1.0], [1e9], [math.nan], [math.inf]]


@pytest.mark.parametrize("times", ODD, ids=repr)
def test_odd_measurements_are_left_out(times):
    """A file that somebody else wrote is no measurement."""
    board = Board()
    board.learn({f"a\n{A.url}\nm": times, "a": [0.1], "a\nb": [0.1]}, 0)

    assert board.to_json() == {}


# The laws: for any history ---------------------------------------------------------------------------------------

ANSWERS = st.floats(0, 30)
OF_ITS_OWN = {BUSY: FIRST_REST, CUT: FIRST_REST, SLOW_DOWN: 30, NO_QUOTA: QUOTA_REST, BAD_KEY: math.inf}
FAILURES = st.sampled_from([*OF_ITS_OWN, BAD_REQUEST, NOT_THERE])
STEPS = st.lists(st.tuples(st.floats(0, 500), st.sampled_from(ALL), ANSWERS | FAILURES | st.none()), max_size=40)
NAMES = st.sampled_from([account.name for account in ALL])


def live(board, steps):
    """Plays a history: after so many seconds this account answered, failed, or was stopped (None).

    Gives the time, and of each account its last failure that was its own, and when; (None, 0) where it answered since.
    """
    now, last = 0.0, {account.name: (None, 0.0) for account in ALL}
    for seconds, account, what in steps:
        now += seconds
        board.begins(account, "m", now)
        if what is None:
            board.abandoned(account)
        elif isinstance(what, errors.LkError):
            board.failed(account, "m", what, now)
            last |= {account.name: (what, now)} if what in OF_ITS_OWN else {}
        else:
            board.succeeded(account, "m", what, now)
            last |= {account.name: (None, 0.0)}
    return now, last


@given(STEPS, st.floats(0, 5000))
def test_a_resting_account_is_never_picked_while_a_healthy_one_is_there(steps, later):
    """Whoever failed last, and may still rest, is asked by nobody as long as one did not fail."""
    board = Board()
    now, last = live(board, steps)
    now += later
    healthy = {name for name, (error, _) in last.items() if error is None}
    resting = {name for name, (error, at) in last.items() if error and now < at + OF_ITS_OWN[error]}

    asked = set(names(board, now))

    assert asked
    assert not healthy or (healthy <= asked and not resting & asked)


@given(STEPS, st.dictionaries(NAMES, st.lists(ANSWERS, min_size=1)), st.dictionaries(NAMES, ANSWERS))
def test_every_account_that_serves_is_tried_again_some_day(steps, learnt, speeds):
    """Whatever happened, once all answer, each is asked within a day, but for those whose key was refused."""
    board, asked = Board(), set()
    board.learn({f"{account.name}\n{account.url}\nm": learnt.get(account.name) for account in ALL}, 0)
    now, _ = live(board, steps)
    due = {account.name for account in ALL if not board.health(account).refused}
    for _ in range(24 * 60):
        now += 60
        first = board.order(ALL, "m", now)[0][0]
        board.begins(first, "m", now)
        board.succeeded(first, "m", speeds.get(first.name, 0.5), now)
        asked.add(first.name)
        if asked >= due:
            break

    assert asked >= due


def test_what_was_measured_can_be_read_while_more_is():
    """The file is written in a thread of its own, and a table is shown in the main one."""
    board = Board()

    def measure():
        for i in range(20_000):
            board.succeeded(A, f"model {i}", 0.1, now=0)

    thread = threading.Thread(target=measure)
    thread.start()
    while thread.is_alive():
        board.to_json()
        board.condition(A, now=0)

    assert len(board.to_json()) == 20_000
