"""`llm.map` over real HTTP: the shape, the order and every row of a table come back, whatever the provider does."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import struct
import threading
import time
import zlib
from collections import Counter
from decimal import Decimal
from typing import Any

import pandas as pd
import polars as pl
import pydantic
import pytest
from player import Answer, Player, Request, after, chunk, end, plain, stream

from lk_notebook import LLM, errors
from lk_notebook.core.values import Usage
from lk_notebook.ledger import LEDGER

REFUSED = {"error": {"message": "Refused by the test", "code": None}}
USED_UP = {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}


def png(*colour: int) -> bytes:
    """A picture of one pixel, as a file."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixel = zlib.compress(bytes([0, *colour]))
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + part(b"IDAT", pixel) + part(b"IEND", b"")


RED, BLUE = png(255, 0, 0), png(0, 0, 255)


def right(prompt: str) -> str:
    """The answer due to a prompt: nothing else gives it, so that a wrong or swapped row is seen."""
    return "label " + hashlib.sha1(prompt.encode()).hexdigest()[:8]


def echo(request: Request) -> Answer:
    """The right answer."""
    return stream(right(request.prompt))


def llm(player: Player, **more: Any) -> LLM:
    """A model of the player, of its own name: what an earlier map left undone is not known to it."""
    return LLM(f"acme-{player.host}", base_url=player.base_url, api_key="sk-made-up-0123", **more)


def gpt(player: Player) -> LLM:
    """A model whose price is published, on a LiveKit account that is the player."""
    secret = "made-up-0123456789-0123456789-0123"
    return LLM("openai/gpt-4.1", provider="openai", base_url=player.base_url, api_key="APItest", api_secret=secret)


class Counting:
    """Answers rightly after a moment, and counts how many are asked at once; `first` answers before, for a while."""

    def __init__(self, *first: Answer, seconds: float = 0.02) -> None:
        self.active = self.most = 0
        self._first, self._seconds, self._lock = list(first), seconds, threading.Lock()

    def __call__(self, request: Request) -> Answer:
        with self._lock:
            self.active += 1
            self.most = max(self.most, self.active)
            first = self._first.pop(0) if self._first else None
        time.sleep(self._seconds)
        with self._lock:
            self.active -= 1
        return first or echo(request)


TEXTS = ["fine", "poor", "so so"]
ASKED = [right(f"Label: {text}") for text in TEXTS]


@pytest.mark.parametrize("rows", [TEXTS, [{"text": text} for text in TEXTS]], ids=["texts", "dicts"])
def test_a_list_gives_a_list(play, rows):
    """The answers in the order of the rows, and the report beside them."""
    found = llm(play(echo)).map(rows, "Label: {{ text }}", progress=False)

    assert isinstance(found, list)
    assert list(found) == ASKED
    assert (found.report.rows, found.report.errors) == (3, {})


ODD_INDEX = ["b", 7, 7]


@pytest.mark.parametrize(
    "rows",
    [pd.Series(TEXTS, index=ODD_INDEX), pd.DataFrame({"text": TEXTS, "n": [1, 2, 3]}, index=ODD_INDEX)],
    ids=["series", "frame"],
)
def test_a_table_gives_a_series_with_its_index(play, rows):
    """Whatever the labels are, also where two are equal: `df["label"] = …` finds its rows, as objects."""
    found = llm(play(echo)).map(rows, "Label: {{ text }}", progress=False)

    assert list(found) == ASKED
    assert list(found.index) == ODD_INDEX
    assert found.dtype == object
    assert found.attrs["report"].rows == 3


@pytest.mark.parametrize("kind", ["frame", "series"])
def test_a_polars_table_gives_a_list(play, kind):
    """A table of polars has no labels to keep; a list makes a column of it, and carries the report."""
    rows = pl.DataFrame({"text": TEXTS, "n": [1, 2, 3]})
    found = llm(play(echo)).map(rows if kind == "frame" else rows["text"], "Label: {{ text }}", progress=False)

    assert list(found) == ASKED
    assert found.report.rows == 3
    assert rows.with_columns(label=pl.Series(found))["label"].to_list() == ASKED


def test_the_columns_of_polars_are_names_too(play):
    """Dates have their year, a list is a list, a missing value is None; a failed row makes null."""
    rows = pl.DataFrame({"day": [dt.date(2026, 11, 24)], "tags": [["a", "b"]], "n": pl.Series([None], dtype=pl.Int64)})
    player = play(bad_rows)
    llm(player).map(rows, "{{ day.year }} {{ tags[1] }} {{ n }}", progress=False)
    failed = llm(player).map(pl.Series(["fine", "bad"]), "{{ text }}", progress=False)

    assert player.requests[0].prompt == "2026 b None"
    assert pl.Series(failed).to_list() == [right("fine"), None]


def test_the_order_of_the_answers_does_not_matter(play):
    """A row that is answered last keeps its place."""

    def slow_first(request):
        return Answer(echo(request).pieces, before=0.3 if request.prompt.endswith("fine") else None)

    assert list(llm(play(slow_first)).map(TEXTS, "Label: {{ text }}", progress=False)) == ASKED


@pytest.mark.parametrize("rows", [[], pd.Series([], dtype=object), pd.DataFrame({"text": []})], ids=repr)
def test_a_table_without_rows_asks_nobody(play, rows):
    """The result is as empty, and there is a report."""
    player = play(echo)
    found = llm(player).map(rows, "Label: {{ text }}", progress=False)

    report = found.report if isinstance(rows, list) else found.attrs["report"]
    assert (len(found), report.rows, report.asked, player.requests) == (0, 0, 0, [])


def test_one_row_is_a_table(play):
    """One answer, in a Series where it was one."""
    found = llm(play(echo)).map(pd.Series(["fine"], index=["x"]), "Label: {{ text }}", progress=False)

    assert found.to_dict() == {"x": ASKED[0]}


def test_the_columns_of_a_row_are_its_names(play):
    """Any expression of any column, also with a blank in its name; a value that holds braces is not expanded."""
    frame = pd.DataFrame({"review text": ["{{ n }} stars"], "n": [4]})
    player = play(echo)
    llm(player).map(frame, "Of {{ n + 1 }}: {{ review text }}", progress=False)

    assert player.requests[0].prompt == "Of 5: {{ n }} stars"


def test_values_are_what_pandas_gives(play):
    """A date has a year, an integer divides as Python's does, and a column may be named by a number."""
    frame = pd.DataFrame({"day": pd.to_datetime(["2026-11-24"]), "n": [3], 0: ["zero"]})
    player = play(echo)
    llm(player).map(frame, "{{ day.year }} {{ n / 2 }} {{ 0 }}", progress=False)
    llm(player).map([{1: "one"}], "{{ 1 }}", progress=False)

    assert [request.prompt for request in player.requests] == ["2026 1.5 zero", "one"]


def test_a_column_of_any_name_is_text_alone(play):
    """Also one that Python keeps for itself."""
    player = play(echo)
    llm(player).map([{"__builtins__": "x", "text": "abc"}], "{{ len(text) }} {{ __builtins__ }}", progress=False)

    assert player.requests[0].prompt == "3 x"


def test_rows_of_half_characters_are_different_rows(play):
    """Halves of surrogate pairs go out as U+FFFD, but no row takes the place of another."""
    player = play(echo)
    found = llm(player).map(["\ud83d", "\ud83e"], "{{ text }}", progress=False)

    assert (len(found), found.report.duplicates, len(player.requests)) == (2, 0, 2)


def test_what_is_no_column_is_refused_before_anything_is_sent(play):
    """The error names it and the columns there are."""
    player = play(echo)
    with pytest.raises(errors.PromptError, match=r"(?s)nope is no column.*name, age"):
        llm(player).map([{"name": "Ada", "age": 36}], "{{ nope }}", progress=False)
    assert player.requests == []


@pytest.mark.parametrize(
    ("rows", "more", "said"),
    [
        ("a text", {}, "no table"),
        (5, {}, "no table"),
        (["a", {"b": 1}], {}, "dicts"),
        (["a"], {"n": 0}, "n is a number"),
        (["a"], {"concurrency": 0}, "concurrency"),
        (["a"], {"on_error": "skip"}, "on_error"),
        (["a"], {"images": "photo"}, "photo"),
        (["a"], {"images": ["x.png", "y.png"]}, "2 images for 1 rows"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), {}, "same name"),
    ],
    ids=lambda value: "" if isinstance(value, pd.DataFrame) else str(value),
)
def test_what_cannot_be_a_map_is_two_lines_and_nothing_is_sent(play, rows, more, said):
    """What happened, and the mend."""
    player = play(echo)
    with pytest.raises(errors.LkError, match=said) as caught:
        llm(player).map(rows, "Of this row", progress=False, **more)
    assert len(str(caught.value).splitlines()) == 2
    assert player.requests == []


def test_the_report_counts(play):
    """Rows, rows asked, duplicates, tokens, seconds; no price where none is published."""
    report = llm(play(echo)).map(["a", "b", "a"], "{{ text }}", progress=False).report

    assert (report.rows, report.asked, report.duplicates, report.remembered) == (3, 2, 1, 0)
    assert report.usage == Usage(22, 4, 26)
    assert report.cost is None
    assert report.seconds > 0


def test_the_cost_is_of_the_published_price(play):
    """Tokens in at 2 dollars a million and out at 8, as LiveKit publishes it for this model."""
    report = gpt(play(echo)).map(["cost a", "cost b"], "{{ text }}", progress=False).report

    assert report.cost == pytest.approx((22 * 2.0 + 4 * 8.0) / 1e6)


def test_an_answer_that_is_asked_for_again_is_paid_for(play):
    """Its tokens count: the provider bills them too."""
    player = play(stream("no JSON"), stream('{"label": "a", "size": 1}'))
    report = gpt(player).map(["paid"], "{{ text }}", schema=Label, progress=False).report

    assert report.usage.prompt_tokens == 22


def test_equal_rows_are_asked_once(play):
    """Rows whose prompts are equal share one answer, and the report says how many."""
    player = play(echo)
    found = llm(player).map(["a", "b"] * 20, "{{ text }}", progress=False)

    assert list(found) == [right("a"), right("b")] * 20
    assert len(player.requests) == 2
    assert found.report.duplicates == 38


def bad_rows(request):
    """Refuses what is bad."""
    return plain(400, REFUSED) if "bad" in request.prompt else echo(request)


def test_a_failed_row_is_none_and_stands_in_the_report(play):
    """By its label, with its error; the others are there."""
    found = llm(play(bad_rows)).map(pd.Series({"x": "a", "y": "bad", "z": "c"}), "{{ text }}", progress=False)

    assert found.to_dict() == {"x": right("a"), "y": None, "z": right("c")}
    assert {label: type(error) for label, error in found.attrs["report"].errors.items()} == {
        "y": errors.BadRequestError
    }


def test_failed_rows_of_one_label_are_all_told(play):
    """Where two rows have the same label each of them stands in the report, and `positions` finds them."""
    rows = pd.Series(["a", "bad 1", "bad 2"], index=["x", "y", "y"])
    found = llm(play(bad_rows)).map(rows, "{{ text }}", progress=False).attrs["report"].errors

    assert list(found) == ["y", "y"]
    assert list(rows.iloc[found.positions]) == ["bad 1", "bad 2"]
    assert len(found) == len(found.items()) == 2


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer([chunk({"refusal": "I will not."}), *end()]), "The model refused: I will not."),
        (Answer([*stream("half an ans").pieces[:-3], *end("content_filter")]), "content filter"),
    ],
    ids=["refusal", "filter"],
)
def test_what_is_no_answer_is_no_value(play, answer, said):
    """A refusal, and an answer that a filter cut, are told as errors, not taken for the row's text."""
    player = play(answer)
    found = llm(player).map(["a"], "{{ text }}", progress=False)

    assert list(found) == [None]
    assert said in str(found.report.errors[0])
    assert len(player.requests) == 1


def test_answers_cut_at_their_limit_are_told(play):
    """They stand as they came, and the report says how many; under a schema the error says what cut them."""
    player = play(Answer([*stream('{"label": "a').pieces[:-3], *end("length")]))
    found = llm(player).map(["a"], "{{ text }}", progress=False)
    failed = llm(player).map(["a"], "{{ text }}", schema=Label, progress=False)

    assert list(found) == ['{"label": "a']
    assert found.report.notes == ["1 answers were cut at max_completion_tokens, and end there."]
    assert "cut at max_completion_tokens" in str(failed.report.errors[0])
    assert len(player.requests) == 2


def test_a_row_whose_expression_fails_is_not_asked(play):
    """It stands in the report with what Python said of it; the others are asked."""
    player = play(echo)
    found = llm(player).map([{"n": 1}, {"n": 0}], "Half: {{ 1 / n }}", progress=False)

    assert list(found) == [right("Half: 1.0"), None]
    assert "ZeroDivisionError" in str(found.report.errors[1])
    assert len(player.requests) == 1


def test_a_prompt_that_fails_for_every_row_is_an_error(play):
    """Nothing is sent, and the error is the first row's."""
    player = play(echo)
    with pytest.raises(errors.PromptError, match="ZeroDivisionError"):
        llm(player).map([{"n": 0}, {"n": 0}], "{{ 1 / n }}", progress=False)
    assert player.requests == []


def test_an_expression_that_fails_is_raised_before_anything_is_sent(play):
    """`on_error="raise"`: the rows before it are not asked either."""
    player = play(echo)
    with pytest.raises(errors.PromptError, match="ZeroDivisionError"):
        llm(player).map([{"n": 1}, {"n": 0}], "{{ 1 / n }}", on_error="raise", progress=False)
    assert player.requests == []


def test_an_image_that_is_missing_is_raised_before_anything_is_sent(play, tmp_path):
    """`on_error="raise"`: as with an expression."""
    (tmp_path / "red.png").write_bytes(RED)
    player, images = play(echo), [tmp_path / "red.png", tmp_path / "none.png"]
    with pytest.raises(errors.PromptError, match=r"none\.png"):
        llm(player).map(["a", "b"], "{{ text }}", images=images, on_error="raise", progress=False)
    assert player.requests == []


@pytest.mark.parametrize("bad", [0, 3, 59])
def test_an_error_can_be_raised(play, bad):
    """`on_error="raise"`: the row's own error ends the map, wherever the row stands."""
    rows = [f"bad {i}" if i == bad else f"row {i}" for i in range(60)]
    with pytest.raises(errors.BadRequestError, match="Refused by the test"):
        llm(play(bad_rows)).map(rows, "{{ text }}", on_error="raise", concurrency=4, progress=False)


def test_an_error_that_is_raised_ends_the_rest(play):
    """The rows behind it are not asked."""
    rows = ["bad", *(f"row {i}" for i in range(400))]

    def slowly(request):
        return bad_rows(request) if "bad" in request.prompt else Answer(echo(request).pieces, before=0.1)

    player = play(slowly)
    with pytest.raises(errors.BadRequestError):
        llm(player).map(rows, "{{ text }}", on_error="raise", concurrency=4, progress=False)
    assert len(player.requests) < 200


class Label(pydantic.BaseModel):
    label: str
    size: int


def test_a_schema_gives_parsed_values(play):
    """Each value is of the type; the schema went along with each row."""
    player = play(lambda request: stream(json.dumps({"label": request.prompt, "size": 1})))
    found = llm(player).map(["a", "b"], "{{ text }}", schema=Label, progress=False)

    assert list(found) == [Label(label="a", size=1), Label(label="b", size=1)]
    assert all(request.body["response_format"]["type"] == "json_schema" for request in player.requests)


@pytest.mark.parametrize("text", ['{"label": "a"}', "no JSON", '{"label": "a", "size": '])
def test_a_row_that_does_not_meet_the_schema_is_asked_again(play, text):
    """Nothing of it was shown."""
    player = play(stream(text), stream('{"label": "a", "size": 1}'))

    assert list(llm(player).map(["a"], "{{ text }}", schema=Label, progress=False)) == [Label(label="a", size=1)]
    assert len(player.requests) == 2


def test_a_row_that_never_meets_the_schema_has_failed(play):
    """After `max_retries` further tries, with the error that says where."""
    player = play(stream('{"label": "a"}'))
    found = llm(player, max_retries=1).map(["a"], "{{ text }}", schema=Label, progress=False)

    assert list(found) == [None]
    assert isinstance(found.report.errors[0], errors.SchemaError)
    assert len(player.requests) == 2


def pictures(request: Request) -> list[str]:
    """The addresses of the pictures of a request."""
    content = request.body["messages"][-1]["content"]
    return [part["image_url"]["url"] for part in content if part["type"] == "image_url"]


@pytest.mark.parametrize("named", [True, False], ids=["a column", "one a row"])
def test_each_row_has_its_image(play, named):
    """From a column by its name, or a list; rows of one text and two pictures are two rows."""
    player, rows = play(echo), [{"text": "this", "photo": RED}, {"text": "this", "photo": BLUE}]
    llm(player).map(rows, "What is {{ text }}?", images="photo" if named else [RED, BLUE], progress=False)

    sent = [url for request in player.requests for url in pictures(request)]
    assert sorted(sent) == sorted(f"data:image/png;base64,{base64.b64encode(file).decode()}" for file in (RED, BLUE))


def figure(height: float) -> Any:
    """A figure with one bar."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to load, for one test

    made = Figure(figsize=(1, 1))
    made.subplots().bar(["a"], [height])
    return made


def array(value: int) -> Any:
    """A grey picture with a dark spot of this shade in its middle, which numpy does not print."""
    import numpy as np  # noqa: PLC0415 - as above

    made = np.full((100, 100), 200, dtype="uint8")
    made[40:60, 40:60] = value
    return made


@pytest.mark.parametrize("draw", [figure, array])
def test_pictures_that_print_alike_are_different_rows(play, draw):
    """Two figures, or two arrays, are two pictures, though Python prints both the same."""
    player = play(echo)
    llm(player).map(["this", "this"], "{{ text }}", images=[draw(1), draw(2)], progress=False)

    assert len({url for request in player.requests for url in pictures(request)}) == 2


def test_an_image_that_is_missing_fails_its_row_alone(play, tmp_path):
    """The other row is answered."""
    (tmp_path / "red.png").write_bytes(RED)
    found = llm(play(echo)).map(
        ["a", "b"], "{{ text }}", images=[tmp_path / "red.png", tmp_path / "none.png"], progress=False
    )

    assert list(found) == [right("a"), None]
    assert "none.png" in str(found.report.errors[1])


def test_a_row_can_be_asked_several_times(play):
    """`n=5`: each row is asked five times, the most frequent value counts, and the report tells how many agreed."""
    answers, lock = {"a": list("xxyxy"), "b": list("zzzzz")}, threading.Lock()

    def vote(request):
        with lock:
            return stream(answers[request.prompt].pop())

    player = play(vote)
    found = llm(player).map(pd.Series({"r": "a", "s": "b"}), "{{ text }}", n=5, progress=False)

    assert found.to_dict() == {"r": "x", "s": "z"}
    assert found.attrs["report"].agreement.to_dict() == {"r": 0.6, "s": 1.0}
    assert Counter(request.prompt for request in player.requests) == {"a": 5, "b": 5}


def test_agreement_is_told_for_each_field(play):
    """Under a schema, where the label is sure and the size is not."""
    sizes, lock = [1, 1, 1, 2], threading.Lock()

    def vote(_request):
        with lock:
            return stream(json.dumps({"label": "a", "size": sizes.pop()}))

    found = llm(play(vote)).map(["a"], "{{ text }}", schema=Label, n=4, progress=False)

    assert list(found) == [Label(label="a", size=1)]
    assert found.report.agreement == [{"label": 1.0, "size": 0.75}]


@pytest.mark.parametrize("most", [1, 4, 16])
def test_no_more_are_asked_at_once_than_said(play, most):
    """`concurrency` is kept, and made use of."""
    counting = Counting()
    llm(play(counting)).map([f"row {i}" for i in range(40)], "{{ text }}", concurrency=most, progress=False)

    assert counting.most <= most
    assert most == 1 or counting.most > 1


def test_auto_finds_its_own_pace(play):
    """`concurrency="auto"` grows beyond where it begins while nothing is refused."""
    counting = Counting()
    found = llm(play(counting)).map([f"row {i}" for i in range(300)], "{{ text }}", concurrency="auto", progress=False)

    assert None not in found
    assert 8 < counting.most <= 100


def test_a_refusal_is_waited_for_once_by_all(play):
    """Eight rows refused in one moment wait together: nobody asks before the time that the server named."""
    refusal = plain(429, REFUSED, {"retry-after": "0.5"})
    player = play(Counting(*[refusal] * 8, seconds=0.1))
    rows = [f"row {i}" for i in range(24)]
    found = llm(player).map(rows, "{{ text }}", concurrency=8, progress=False)

    assert list(found) == [right(row) for row in rows]
    times = sorted(request.at for request in player.requests)
    assert times[8] - times[7] >= 0.5
    assert len(times) == 24 + 8


def test_refusals_cost_no_try(play):
    """A row that is refused more often than `max_retries` is asked until it is let in."""
    player = play(*[plain(429, REFUSED, {"retry-after": "0.02"})] * 6, stream("in"))

    assert list(llm(player, max_retries=0).map(["a"], "{{ text }}", progress=False)) == ["in"]


class Bucket:
    """A limit of requests: room for so many at once, which comes back evenly; its headers say what is left."""

    def __init__(self, room: int, per_second: int, headers: str) -> None:
        self.refused, self._left, self._room, self._rate, self._headers = 0, float(room), room, per_second, headers
        self._at, self._lock = time.monotonic(), threading.Lock()

    def __call__(self, request: Request) -> Answer:
        with self._lock:
            now = time.monotonic()
            self._left = min(self._room, self._left + (now - self._at) * self._rate)
            self._at, over = now, self._left < 1
            self._left -= not over
            self.refused += over
            told = self._told(int(self._left))
        answer = plain(429, REFUSED, {"retry-after": "0.1"}) if over else echo(request)
        answer.headers.update(told)
        return answer

    def _told(self, left: int) -> dict[str, str]:
        limit = self._rate * 60
        if self._headers == "livekit":
            return {
                "x-livekit-inference-rpm-limit": str(limit),
                "x-livekit-inference-rpm-used": str(limit - left),
            }
        return {
            "x-ratelimit-limit-requests": str(limit),
            "x-ratelimit-remaining-requests": str(left),
            "x-ratelimit-reset-requests": f"{(limit - left) / self._rate:.2f}s",
        }


@pytest.mark.parametrize("headers", ["openai", "livekit"])
def test_the_headers_of_a_quota_set_the_pace(play, headers):
    """Who reads what is left is hardly ever refused."""
    bucket, rows = Bucket(10, 30, headers), [f"row {i}" for i in range(40)]
    found = llm(play(bucket)).map(rows, "{{ text }}", concurrency=4, progress=False)

    assert list(found) == [right(row) for row in rows]
    assert bucket.refused <= 4


FAULTS = {
    "cut before": lambda answer: after(answer, 1, "cut"),
    "cut within": lambda answer: after(answer, 2, "cut"),
    "reset": lambda answer: after(answer, 2, "reset"),
    "end of file": lambda answer: Answer(list(answer.pieces)[:2]),
    "malformed": lambda answer: Answer([next(iter(answer.pieces)), b'data: {"choices": [{"delta": \n\n']),
    "no HTTP": lambda _answer: Answer(before="garbage"),
    "500": lambda _answer: plain(500, REFUSED),
    "429": lambda _answer: plain(429, REFUSED, {"retry-after": "0.1"}),
    "hang": lambda answer: after(answer, 2, "hang"),
}


class Faulty:
    """The first time that a row of ten is asked, a fault of its turn befalls it."""

    def __init__(self) -> None:
        self.faults = 0
        self._seen: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Answer:
        number = int(request.prompt.split()[-1])
        with self._lock:
            first = request.prompt not in self._seen
            self._seen.add(request.prompt)
            spoiled = first and number % 10 == 3
            self.faults += spoiled
        kinds = list(FAULTS.values())
        return kinds[number // 10 % len(kinds)](echo(request)) if spoiled else echo(request)


def test_no_fault_loses_a_row_or_makes_one_wrong(play):
    """Cut, silent, malformed or refused, of every kind: each row has its own answer, at one more request a fault."""
    faulty = Faulty()
    player, rows = play(faulty), [f"row {i}" for i in range(180)]
    found = llm(player, timeout=0.5).map(rows, "{{ text }}", progress=False)

    assert list(found) == [right(row) for row in rows]
    assert found.report.errors == {}
    assert faulty.faults == 18
    assert len(player.requests) <= 1.15 * len(rows)


@pytest.mark.parametrize("kind", [kind for kind in FAULTS if kind != "429"])
def test_a_row_that_always_fails_has_failed(play, kind):
    """After `max_retries` further tries it is None with its error; no half an answer stands for it."""
    player = play(lambda request: FAULTS[kind](echo(request)))
    found = llm(player, timeout=0.3, max_retries=1).map(["row"], "{{ text }}", progress=False)

    assert list(found) == [None]
    assert isinstance(found.report.errors[0], errors.LkError)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (plain(401, REFUSED), errors.AuthenticationError),
        (plain(429, USED_UP), errors.QuotaExceededError),
        (plain(404, REFUSED), errors.NotFoundError),
    ],
    ids=["key", "quota", "model"],
)
def test_what_would_befall_every_row_stops_the_rest(play, answer, kind):
    """A refused key, used-up quota, an unknown model: no more are asked than were under way, all are in the report."""
    player = play(answer)
    found = llm(player).map([f"row {i}" for i in range(100)], "{{ text }}", concurrency=4, progress=False)

    assert len(player.requests) <= 4
    assert list(found) == [None] * 100
    assert {type(error) for error in found.report.errors.values()} == {kind}
    assert len(found.report.errors) == 100


def test_the_setup_of_the_model_goes_with_every_row(play):
    """System prompt and parameters."""
    player = play(echo)
    llm(player, system="Be brief.", extra_kwargs={"temperature": 0, "seed": 7}).map(
        ["a", "b"], "{{ text }}", progress=False
    )

    for request in player.requests:
        assert request.body["messages"][0] == {"role": "system", "content": "Be brief."}
        assert (request.body["temperature"], request.body["seed"]) == (0, 7)


def test_the_priority_goes_with_every_row(play):
    """`inference_class="low"` is LiveKit's header on each request."""
    player = play(echo)
    secret = "made-up-0123456789-0123456789-0123"
    low = LLM("acme/low-1", base_url=player.base_url, api_key="APItest", api_secret=secret, inference_class="low")
    low.map(["a", "b"], "{{ text }}", progress=False)

    assert [request.headers["x-livekit-inference-priority"] for request in player.requests] == ["low", "low"]


@pytest.fixture
def budget():
    """Set a budget from here on, in dollars; it ends with the test."""

    def start(dollars: str) -> None:
        LEDGER.budget = LEDGER.spent + Decimal(dollars)

    yield start
    LEDGER.budget = None


def test_a_budget_that_is_used_up_asks_nobody(play, budget):
    """A map past it is refused."""
    player = play(echo)
    budget("0")
    with pytest.raises(errors.BudgetExceededError):
        gpt(player).map(["a"], "{{ text }}", progress=False)
    assert player.requests == []


def test_a_budget_ends_a_map(play, budget):
    """Once it is used up no further row is asked, and what is done is kept: with more money, the rest alone is."""
    costly = {"prompt_tokens": 1000, "completion_tokens": 1000, "total_tokens": 2000}  # one cent

    def slowly(request):
        return Answer(stream(right(request.prompt), usage=costly).pieces, before=0.05)

    player, rows = play(slowly), [f"budget {i}" for i in range(100)]
    budget("0.10")
    with pytest.raises(errors.BudgetExceededError):
        gpt(player).map(rows, "{{ text }}", concurrency=4, progress=False)
    asked = len(player.requests)
    time.sleep(0.5)
    assert len(player.requests) <= asked + 4
    assert asked < 60

    LEDGER.budget = None
    assert list(gpt(player).map(rows, "{{ text }}", progress=False)) == [right(row) for row in rows]
    assert len(player.requests) <= len(rows) + 4


def test_the_rows_of_the_estimate_count_too(play, budget):
    """A budget that the first rows use up ends the map with them."""
    costly = {"prompt_tokens": 1000, "completion_tokens": 1000, "total_tokens": 2000}  # one cent

    def slowly(request):
        return Answer(stream(right(request.prompt), usage=costly).pieces, before=0.2)

    player = play(slowly)
    budget("0.05")
    with pytest.raises(errors.BudgetExceededError):
        gpt(player).map([f"first {i}" for i in range(40)], "{{ text }}", concurrency=2)
    assert len(player.requests) <= 7


def test_what_is_remembered_is_of_the_types_of_now(play):
    """A cell that makes its class and is run again gives values of the new class alone."""
    refused = {"b"}

    def answer(request):
        return plain(400, REFUSED) if request.prompt in refused else stream('{"label": "a", "size": 1}')

    model = llm(play(answer))

    def cell():
        class Label(pydantic.BaseModel):
            label: str
            size: int

        return Label, model.map(["a", "b"], "{{ text }}", schema=Label, progress=False)

    cell()
    refused.clear()
    made, found = cell()

    assert [type(value) for value in found] == [made, made]
    assert found.report.remembered == 1


def test_a_row_with_fewer_answers_is_told(play):
    """`n=3`, and one of the three failed: the value is of the others, and the report says so."""
    answers, lock = [stream("x"), plain(400, REFUSED), stream("x")], threading.Lock()

    def vote(_request):
        with lock:
            return answers.pop()

    found = llm(play(vote)).map(["a"], "{{ text }}", n=3, progress=False)

    assert list(found) == ["x"]
    assert found.report.notes == ["1 rows have fewer than 3 answers: some failed."]


def test_failed_rows_alone_are_asked_again(play):
    """The same call once more: what was answered stands."""
    refused = {"bad 1"}

    def sometimes(request):
        return plain(400, REFUSED) if request.prompt in refused else echo(request)

    player = play(sometimes)
    model = llm(player)
    model.map(["row 0", "bad 1", "row 2"], "{{ text }}", progress=False)
    refused.clear()
    found = model.map(["row 0", "bad 1", "row 2"], "{{ text }}", progress=False)

    assert list(found) == [right("row 0"), right("bad 1"), right("row 2")]
    assert Counter(request.prompt for request in player.requests) == {"row 0": 1, "bad 1": 2, "row 2": 1}
    assert (found.report.asked, found.report.remembered) == (1, 2)


def test_a_map_that_is_whole_is_asked_anew(play):
    """Running the cell again after all went well is a new question."""
    player = play(echo)
    model = llm(player)
    for _ in range(2):
        model.map(["a"], "{{ text }}", progress=False)

    assert len(player.requests) == 2


def test_the_rows_are_not_changed(play):
    """The caller's dicts and table stay as they were."""
    rows, frame = [{"text": "a"}], pd.DataFrame({"text": ["a"]})
    model = llm(play(echo))
    model.map(rows, "{{ text }}", progress=False)
    model.map(frame, "{{ text }}", progress=False)

    assert rows == [{"text": "a"}]
    assert frame.equals(pd.DataFrame({"text": ["a"]}))
    assert frame.attrs == {}
