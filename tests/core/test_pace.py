"""One pace for all rows: as many at once as said, fewer after refusals, none before a refusal's time is over."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_notebook.core.pace import UNNAMED_WAIT, Pace, Room, room


def openai(limit="60", remaining="44", reset=None):
    """The headers of OpenAI, Azure and Groq."""
    found = {"x-ratelimit-limit-requests": limit, "x-ratelimit-remaining-requests": remaining}
    return found | ({"x-ratelimit-reset-requests": reset} if reset else {})


def livekit(limit="60", used="16"):
    """The headers of LiveKit Inference."""
    return {"x-livekit-inference-rpm-limit": limit, "x-livekit-inference-rpm-used": used}


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        (openai(), Room(44, 1)),
        (openai(reset="16s"), Room(44, 1)),
        (openai("14400", "14370", "2m59.56s"), Room(14370, 30 / 179.56)),
        (openai("60", "60", "0s"), Room(60, 1)),
        (openai("6000", "0", "10ms"), Room(0, 100)),
        (livekit(), Room(44, 1)),
        (livekit("60", "61"), Room(0, 1)),
        (livekit("60", "0") | openai("6000", "6000"), Room(60, 1)),
    ],
)
def test_headers_tell_what_is_left_and_how_fast_it_comes_back(headers, told):
    """Of LiveKit, OpenAI and Groq, whose limit is one a day: there the time until the reset says how fast."""
    found = room(headers)

    assert (found.remaining, found.per_second) == (told.remaining, pytest.approx(told.per_second))


def tokens(limit="6000", remaining="3000"):
    """The headers of OpenAI and Groq about tokens."""
    return {"x-ratelimit-limit-tokens": limit, "x-ratelimit-remaining-tokens": remaining}


LIVEKIT_TOKENS = {"x-livekit-inference-tpm-limit": "600000", "x-livekit-inference-tpm-used": "600000"}


@pytest.mark.parametrize(
    ("headers", "told"),
    [(openai() | tokens(), Room(3000, 100)), (tokens(), Room(3000, 100)), (livekit() | LIVEKIT_TOKENS, Room(0, 10000))],
)
def test_headers_tell_of_tokens_too(headers, told):
    """Of OpenAI and Groq beside the requests, or alone; of LiveKit as `tpm`."""
    assert room(headers).tokens == told


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        openai("many", "few"),
        openai("0", "0"),
        {"x-ratelimit-limit-requests": "60"},
        {"x-livekit-inference-rpm-limit": "60"},
        livekit("", ""),
    ],
)
def test_headers_that_tell_nothing_set_no_pace(headers):
    """Unknown is not zero."""
    assert room(headers) is None


def test_no_more_start_than_said():
    """All slots are taken after so many; one that ends makes room."""
    pace = Pace(2)
    for _ in range(2):
        assert not pace.full
        pace.starts(0.0)
    assert pace.full
    pace.ends()

    assert not pace.full


@pytest.mark.parametrize("named", [0.5, 3.0, None])
def test_nobody_starts_before_a_refusals_time_is_over(named):
    """All wait, not only the row that was refused; a refusal that names no time has one too."""
    pace, wait = Pace(4), UNNAMED_WAIT if named is None else named
    pace.refused(named, 10.0)

    assert pace.wait(10.0) == pytest.approx(wait)
    assert pace.wait(10.0 + wait / 2) == pytest.approx(wait / 2)
    assert pace.wait(10.0 + wait) == 0


def test_the_longest_wait_counts():
    """A shorter refusal after a longer one takes nothing away."""
    pace = Pace(4)
    pace.refused(5.0, 0.0)
    pace.refused(1.0, 0.0)

    assert pace.wait(0.0) == 5


def test_many_refusals_of_one_moment_lower_the_pace_once():
    """Sixteen at once are one piece of news; a later one is another."""
    pace = Pace(16)
    for i in range(16):
        pace.refused(1.0, i / 100)
    assert pace.limit == 8
    pace.refused(1.0, 10.0)

    assert pace.limit == 4


def test_one_may_always_be_under_way():
    """However often it is refused."""
    pace = Pace(4)
    for i in range(20):
        pace.refused(0.1, i * 10.0)

    assert pace.limit == 1
    assert not pace.full


def test_answers_bring_the_pace_back():
    """A stray refusal slows nothing for long: each round of answers lets one more start, up to what was said."""
    pace = Pace(16)
    pace.refused(1.0, 0.0)
    for _ in range(200):
        pace.answered(None, 1.0)

    assert pace.limit == 16


def test_auto_grows_up_to_its_most():
    """From few to many, while all is answered."""
    pace = Pace(8, 100)
    for _ in range(8):
        pace.answered(None, 0.0)
    assert 8.5 < pace.limit < 10
    for _ in range(10_000):
        pace.answered(None, 0.0)

    assert pace.limit == 100


def test_an_empty_quota_is_waited_for():
    """Nothing left, two come back a second: the next starts after half a second."""
    pace = Pace(4)
    pace.answered(Room(0, 2), 0.0)

    assert pace.wait(0.0) == pytest.approx(0.5)
    assert pace.wait(0.5) == 0


def test_what_starts_uses_the_quota():
    """Those under way count, though no header has told of them yet."""
    pace = Pace(4)
    pace.answered(Room(2, 1), 0.0)
    pace.starts(0.0)
    assert pace.wait(0.0) == 0
    pace.starts(0.0)

    assert pace.wait(0.0) == pytest.approx(1.0)


def test_a_late_header_gives_nothing_back():
    """An answer that left before others were sent does not know of them."""
    pace = Pace(4)
    pace.answered(Room(1, 1), 0.0)
    number = pace.starts(0.0)
    pace.starts(0.0)
    pace.answered(Room(10, 1), 0.0, number)

    assert pace.wait(0.0) > 0


def test_the_first_header_of_all_knows_nothing_of_those_under_way():
    """Of three that were sent, the first one's header counts itself alone: two of what is left are taken."""
    pace = Pace(4)
    numbers = [pace.starts(0.0) for _ in range(3)]
    pace.answered(Room(2, 0.5), 0.0, numbers[0])

    assert pace.wait(0.0) == pytest.approx(2.0)


def test_the_last_header_is_exact():
    """With nothing sent since, what it says holds, also where more is left than was thought."""
    pace = Pace(4)
    pace.answered(Room(0, 1), 0.0)
    pace.answered(Room(10, 1), 0.0, pace.starts(0.0))

    assert pace.wait(0.0) == 0


def test_a_quota_of_tokens_is_waited_for():
    """Rows of 100 tokens, 50 tokens left, 100 come back a second: the next starts after half a second."""
    pace = Pace(4)
    pace.answered(Room(1000, 10, Room(50, 100)), 0.0, pace.starts(0.0), tokens=100)

    assert pace.wait(0.0) == pytest.approx(0.5)


class Bucket:
    """A provider with so much room, which comes back at a rate; it answers what is left, or refuses."""

    def __init__(self, room, rate):
        self.refused, self._room, self._rate, self._left, self._at = 0, room, rate, float(room), 0.0

    def ask(self, now):
        """What is left, as the headers say it; None: refused."""
        self._left, self._at = min(self._room, self._left + (now - self._at) * self._rate), now
        if self._left < 1 - 1e-6:
            self.refused += 1
            return None
        self._left -= 1
        return Room(float(int(self._left)), self._rate)


@given(limit=st.integers(1, 600), room=st.integers(1, 40), most=st.integers(1, 30), seconds=st.floats(0.001, 3))
def test_who_follows_the_headers_is_hardly_refused(limit, room, most, seconds):
    """For any limit a minute, room, and time a reply takes: not more often than went out before the first header."""
    pace, bucket, now, flying = Pace(most), Bucket(room, limit / 60), 0.0, []
    for _ in range(80):
        while pace.full or (wait := pace.wait(now)) > 0:
            if pace.full or (flying and flying[0][0] <= now + wait):
                at, told, number = flying.pop(0)
                now = max(now, at)
                pace.ends()
                pace.answered(told, now, number) if told else pace.refused(60 / limit, now)
            else:
                now += wait + 1e-6
        number = pace.starts(now)
        flying.append((now + seconds, bucket.ask(now), number))

    assert bucket.refused <= max(0, most - room)
