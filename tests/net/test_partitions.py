"""`llm.map` over a Dask DataFrame: a Dask Series, asked when it is computed; its graph holds no key."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Iterator

import cloudpickle
import dask.dataframe as dd
import pandas as pd
import pydantic
import pytest
from distributed import Client, LocalCluster
from player import Answer, plain, stream

from lk_notebook import LLM, errors

KEY = "sk-made-up-fedcba9876543210"
REFUSED = {"error": {"message": "Refused by the test", "code": "no"}}
pytestmark = pytest.mark.xdist_group("dask")


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Two workers in processes of their own."""
    before = os.environ.get("NO_PROXY")
    os.environ["NO_PROXY"] = "127.0.0.1"  # workers take it over
    options = {"threads_per_worker": 2, "dashboard_address": ":0", "silence_logs": logging.CRITICAL}
    with LocalCluster(n_workers=2, **options) as cluster, Client(cluster, set_as_default=False) as connected:
        yield connected
    os.environ.pop("NO_PROXY") if before is None else os.environ.update(NO_PROXY=before)


def right(prompt):
    """The answer due to a prompt."""
    return f"label of <{prompt}>"


def echo(request):
    """The right answer."""
    return stream(right(request.prompt))


def llm(player, **more):
    """A model of the player."""
    return LLM(f"acme-{player.host}", base_url=player.base_url, api_key=KEY, **more)


def frame(count=40):
    """A table with an index of its own."""
    return pd.DataFrame({"text": [f"row {i}" for i in range(count)], "n": range(count)}, index=range(100, 100 + count))


def due(rows):
    """The answers of its rows."""
    return pd.Series([right(f"Of {text}") for text in rows["text"]], index=rows.index, dtype=object)


HERE = {"scheduler": "threads"}


def test_nothing_is_asked_before_it_is_computed(play):
    """The Series knows its type and its partitions; each row is asked once when its value is wanted."""
    player, rows = play(echo), frame()
    found = llm(player).map(dd.from_pandas(rows, npartitions=4), "Of {{ text }}")

    assert isinstance(found, dd.Series)
    assert (found.dtype, found.npartitions, found.divisions) == (object, 4, (100, 110, 120, 130, 139))
    assert player.requests == []
    pd.testing.assert_series_equal(found.compute(**HERE), due(rows))
    assert len(player.requests) == len(rows)


def test_a_series_of_dask_is_a_table_too(play):
    """Its values are `text`."""
    rows = frame()
    found = llm(play(echo)).map(dd.from_pandas(rows["text"], npartitions=2), "Of {{ text }}")

    assert list(found.compute(**HERE)) == list(due(rows))


def test_it_becomes_a_column(play):
    """`ddf["label"] = llm.map(ddf, …)` is lazy, and finds its rows."""
    rows = frame()
    table = dd.from_pandas(rows, npartitions=3)
    table["label"] = llm(play(echo)).map(table, "Of {{ text }}")

    assert list(table.compute(**HERE)["label"]) == list(due(rows))


def test_the_workers_of_a_cluster_ask(play, client):
    """With the key that stands nowhere but in the notebook."""
    player, rows = play(echo), frame()
    found = llm(player).map(dd.from_pandas(rows, npartitions=4), "Of {{ text }}", client=client)

    pd.testing.assert_series_equal(client.compute(found).result(), due(rows))
    assert {request.headers["authorization"] for request in player.requests} == {f"Bearer {KEY}"}


def test_no_key_is_in_the_graph(play, client):
    """Neither as it is pickled, nor as it is shown."""
    found = llm(play(echo)).map(dd.from_pandas(frame(), npartitions=4), "Of {{ text }}", client=client)
    graph = found.__dask_graph__()

    assert b"Of {{ text }}" in cloudpickle.dumps(graph)
    assert KEY.encode() not in cloudpickle.dumps((graph, found))
    assert KEY not in repr(graph) + repr(found) + repr(dict(graph))


class Counting:
    """Answers after a moment, and counts how many are asked at once."""

    def __init__(self):
        self.active = self.most = 0
        self._lock = threading.Lock()

    def __call__(self, request):
        with self._lock:
            self.active += 1
            self.most = max(self.most, self.active)
        time.sleep(0.03)
        with self._lock:
            self.active -= 1
        return echo(request)


@pytest.mark.parametrize("most", [1, 8])
@pytest.mark.parametrize("where", ["here", "cluster"])
def test_all_partitions_share_one_limit(play, client, where, most):
    """However many are computed at once, no more rows are asked than said."""
    counting, rows = Counting(), frame(60)
    found = llm(play(counting)).map(
        dd.from_pandas(rows, npartitions=6), "Of {{ text }}", client=client, concurrency=most
    )
    got = found.compute(num_workers=4, **HERE) if where == "here" else client.compute(found).result()

    assert list(got) == list(due(rows))
    assert counting.most <= most
    assert most == 1 or counting.most > 2


class Label(pydantic.BaseModel):
    text: str


def test_values_are_of_the_type(play, client):
    """Under a schema, from the workers too."""
    player = play(lambda request: stream(Label(text=request.prompt).model_dump_json()))
    found = llm(player).map(dd.from_pandas(frame(4), npartitions=2), "{{ n }}", schema=Label, client=client)

    assert [value.text for value in client.compute(found).result()] == ["0", "1", "2", "3"]


def bad_rows(request):
    """Refuses one row."""
    return plain(400, REFUSED) if request.prompt == "Of row 7" else echo(request)


def test_a_failed_row_is_none_and_is_told(play):
    """By a warning of its partition; the others are there."""
    found = llm(play(bad_rows)).map(dd.from_pandas(frame(), npartitions=4), "Of {{ text }}")
    with pytest.warns(UserWarning, match=r"1 of 10 rows of a partition failed, the first: .*Refused by the test"):
        got = found.compute(scheduler="sync")

    assert list(got.index[got.isna()]) == [107]


def test_a_failed_row_on_a_worker_is_told_in_the_notebook(play, client):
    """Dask brings the warning here."""
    found = llm(play(bad_rows)).map(dd.from_pandas(frame(), npartitions=4), "Of {{ text }}", client=client)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        client.compute(found).result()
        end = time.monotonic() + 10
        while not caught and time.monotonic() < end:
            time.sleep(0.05)

    assert "1 of 10 rows of a partition failed" in str(caught[0].message)


def test_an_error_can_be_raised(play, client):
    """`on_error="raise"`: computing it raises the row's own error, from a worker too."""
    found = llm(play(bad_rows)).map(
        dd.from_pandas(frame(), npartitions=4), "Of {{ text }}", client=client, on_error="raise"
    )
    with pytest.raises(errors.BadRequestError, match="Refused by the test"):
        client.compute(found).result()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"prompt": "{{ nope }}"}, "nope is no column"),
        ({"journal": "labels.jsonl"}, "there is no journal"),
        ({"images": ["a.png"]}, "stand in a column"),
        ({"concurrency": 0}, "concurrency"),
        ({"on_error": "skip"}, "on_error"),
    ],
    ids=str,
)
def test_what_cannot_be_is_refused_at_once(play, more, said):
    """Before anything is computed: two lines."""
    asked = {"prompt": "Of {{ text }}", **more}
    with pytest.raises(errors.LkError, match=said) as caught:
        llm(play(echo)).map(dd.from_pandas(frame(), npartitions=2), **asked)
    assert len(str(caught.value).splitlines()) == 2


def forget():
    """What a worker was handed is gone, as on one that came later; run on it."""
    sys.modules["lk_notebook.net.sealed"]._handed.clear()


def test_a_worker_without_the_key_says_so(play, client):
    """One that came after the call to map: what lacks, and the mend."""
    found = llm(play(echo)).map(dd.from_pandas(frame(), npartitions=2), "Of {{ text }}", client=client)
    client.run(forget)
    with pytest.raises(errors.ConfigurationError, match=r"A worker has no key for (?s:.*)Call map again"):
        client.compute(found).result()


def set_key(value):
    """A key in the environment of a worker; run on it."""
    os.environ.update(GROQ_API_KEY=value)


def test_a_worker_finds_a_key_in_its_own_environment(play, client, monkeypatch):
    """Where it was handed none, and the account has a name."""
    player = play(echo)
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    monkeypatch.setenv("GROQ_BASE_URL", player.base_url)
    model = LLM("groq/acme-1", account="groq")
    found = model.map(dd.from_pandas(frame(4), npartitions=2), "Of {{ text }}", client=client)
    client.run(forget)
    client.run(set_key, "~own-key-0123456789")
    try:
        assert list(client.compute(found).result()) == list(due(frame(4)))
    finally:
        client.run(os.environ.pop, "GROQ_API_KEY")
    assert {request.headers["authorization"] for request in player.requests} == {"Bearer ~own-key-0123456789"}


def test_without_a_key_nothing_is_handed(play):
    """A server of one's own that takes none."""
    player = play(Answer(stream("fine").pieces))
    found = LLM("acme-1", base_url=player.base_url).map(dd.from_pandas(frame(4), npartitions=2), "Of {{ text }}")

    assert list(found.compute(**HERE)) == ["fine"] * 4
