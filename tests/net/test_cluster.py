"""`llm.map(…, client=…)`: the workers of a Dask cluster ask, under one pace; no row is lost, and no key is shown."""

from __future__ import annotations

import _thread
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

import pydantic
import pytest
from distributed import Client, LocalCluster
from player import Answer, plain, stream

from lk_notebook import LLM, errors
from lk_notebook.core.values import Usage
from lk_notebook.desk import Stopped
from lk_notebook.ledger import LEDGER
from lk_notebook.net import attempts
from lk_notebook.net.deck import DECK

KEY = "sk-made-up-0123456789abcdef"
REFUSED = {"error": {"message": "Refused by the test", "code": "no"}}
pytestmark = pytest.mark.xdist_group("dask")


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    """Two workers in processes of their own, as on two machines."""
    before = os.environ.get("NO_PROXY")
    os.environ["NO_PROXY"] = "127.0.0.1"  # workers take it over
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.ERROR) as started:
        yield started
    os.environ.pop("NO_PROXY") if before is None else os.environ.update(NO_PROXY=before)


@pytest.fixture
def client(cluster) -> Iterator[Client]:
    """A notebook's connection to it."""
    with Client(cluster) as connected:
        connected.wait_for_workers(2)
        yield connected


def right(prompt):
    """The answer due to a prompt."""
    return f"label of <{prompt}>"


def echo(request):
    """The right answer."""
    return stream(right(request.prompt))


def slow(request):
    """The right answer, after a moment."""
    return Answer(echo(request).pieces, before=0.05)


def llm(player, **more):
    """A model of the player, whose key is not in the environment."""
    return LLM(f"acme-{player.host}", base_url=player.base_url, api_key=KEY, **more)


def ask(player, client, rows, **more):
    """One map over the cluster."""
    return llm(player).map(rows, "{{ text }}", client=client, progress=False, **more)


ROWS = [f"row {i}" for i in range(60)]
DUE = [right(row) for row in ROWS]


def has_asked():
    """Whether this process has sent a request; run on each worker."""
    return attempts.existing() is not None


def test_all_workers_ask(play, client):
    """Every row has its answer, in its place, and each worker sent some of them; each row was asked once."""
    player = play(slow)

    assert list(ask(player, client, ROWS)) == DUE
    assert list(client.run(has_asked).values()) == [True, True]
    assert Counter(request.prompt for request in player.requests) == Counter(ROWS)


def test_the_key_reaches_the_workers(play, client):
    """It is not in their environment, and stands in each request."""
    player = play(echo)
    ask(player, client, ROWS[:4])

    assert {request.headers["authorization"] for request in player.requests} == {f"Bearer {KEY}"}


class Tap:
    """A forwarder that records what goes through it, both ways: whoever stands between notebook and scheduler."""

    def __init__(self, address: str) -> None:
        host, _, port = address.removeprefix("tcp://").rpartition(":")
        self.seen, self._to, self._server = bytearray(), (host, int(port)), socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            far = socket.create_connection(self._to)
            for a, b in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(a, b), daemon=True).start()

    def _pump(self, a: socket.socket, b: socket.socket) -> None:
        try:
            while data := a.recv(65536):
                self.seen += data
                b.sendall(data)
        except OSError:
            pass
        finally:
            for each in (a, b):
                each.close()

    def close(self) -> None:
        self._server.close()


def test_no_key_is_on_the_wire(play, cluster):
    """Who listens between notebook and scheduler reads prompts and answers, and no key."""
    tap, player = Tap(cluster.scheduler_address), play(echo)
    with Client(tap.address) as client:
        assert list(ask(player, client, ["a prompt that is seen"])) == [right("a prompt that is seen")]
    tap.close()

    assert b"a prompt that is seen" in tap.seen
    assert player.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY.encode() not in tap.seen


def shown(dask_scheduler):
    """All that a scheduler tells: tasks, events, the specifications of what runs; run on it."""
    found = [repr(vars(dask_scheduler.extensions["queues"])), repr(dask_scheduler.get_events())]
    for key, task in dask_scheduler.tasks.items():
        found += [str(key), repr(task), repr(task.run_spec), str(task.group_key), str(task.annotations)]
    return "\n".join(found)


def test_no_key_is_shown_by_the_scheduler(play, cluster, client):
    """Not in a task's key, its arguments, an event, a queue, or the logs of scheduler and workers, while rows run."""
    seen = []

    def look(request):
        if not seen:
            seen.append(client.run_on_scheduler(shown))
        return slow(request)

    assert list(ask(play(look), client, ROWS)) == DUE
    logs = [line for lines in client.get_worker_logs().values() for line in lines] + list(client.get_scheduler_logs())
    assert "lk_notebook" in seen[0]
    assert KEY not in seen[0] + repr(logs) + repr(cluster.get_logs())


class Counting:
    """Answers after a moment, and counts how many are asked at once; `first` answers before, for a while."""

    def __init__(self, *first):
        self.active = self.most = 0
        self._first, self._lock = list(first), threading.Lock()

    def __call__(self, request):
        with self._lock:
            self.active += 1
            self.most = max(self.most, self.active)
            first = self._first.pop(0) if self._first else None
        time.sleep(0.05)
        with self._lock:
            self.active -= 1
        return first or echo(request)


def test_the_workers_share_one_limit(play, client):
    """Of all workers together no more are asked at once than said, and that many are."""
    counting = Counting()
    ask(play(counting), client, ROWS, concurrency=6)

    assert 3 < counting.most <= 6


def test_a_refusal_is_waited_for_by_all_workers(play, client):
    """A 429 that one worker gets holds the others back as well, once."""
    player = play(Counting(*[plain(429, REFUSED, {"retry-after": "0.7"})] * 8))

    assert list(ask(player, client, ROWS, concurrency=8)) == DUE
    times = sorted(request.at for request in player.requests)
    assert times[8] - times[7] >= 0.6
    assert len(times) == len(ROWS) + 8


def test_errors_come_back_as_they_are(play, client):
    """A row that is refused stands in the report with the provider's words; the others are there."""
    found = ask(play(lambda r: plain(400, REFUSED) if r.prompt == "bad" else echo(r)), client, ["a", "bad", "c"])

    assert list(found) == [right("a"), None, right("c")]
    error = found.report.errors[1]
    assert isinstance(error, errors.BadRequestError)
    assert (error.status, error.code, len(str(error).splitlines())) == (400, "no", 2)
    assert "Refused by the test" in str(error)


def test_faults_are_asked_again(play, client):
    """A cut answer on a worker costs a try, as it does here."""
    seen = set()

    def once_cut(request):
        first = request.prompt not in seen
        seen.add(request.prompt)
        return Answer(list(echo(request).pieces)[:2], then="cut") if first else echo(request)

    player = play(once_cut)
    assert list(ask(player, client, ROWS[:10])) == DUE[:10]
    assert len(player.requests) == 20


class Label(pydantic.BaseModel):
    text: str


def test_values_are_of_the_notebooks_types(play, client):
    """A class need not be known to the workers: answers are read here."""
    found = ask(play(lambda r: stream(json.dumps({"text": r.prompt}))), client, ["a", "b"], schema=Label)

    assert list(found) == [Label(text="a"), Label(text="b")]
    assert {type(value) for value in found} == {Label}


@pytest.fixture
def own_ledger():
    """Nothing of other tests is left in the ledger's budget."""
    yield LEDGER
    LEDGER.budget = None


def test_usage_and_budget_are_the_notebooks(play, client, own_ledger):
    """Tokens of all workers stand in the report and the ledger, and the budget ends the map."""
    secret = "made-up-0123456789-0123456789-0123"
    costly = {"prompt_tokens": 1000, "completion_tokens": 1000, "total_tokens": 2000}  # one cent
    player = play(lambda r: Answer(stream(right(r.prompt), usage=costly).pieces, before=0.1))
    gpt = LLM("openai/gpt-4.1", provider="openai", base_url=player.base_url, api_key="APItest", api_secret=secret)
    spent = own_ledger.spent

    report = gpt.map(["dask a", "dask b"], "{{ text }}", client=client, progress=False).report
    assert report.usage == Usage(2000, 2000, 4000)
    assert own_ledger.spent - spent == Decimal("0.02")

    own_ledger.budget = own_ledger.spent + Decimal("0.05")
    with pytest.raises(errors.BudgetExceededError):
        gpt.map(ROWS, "{{ text }}", client=client, concurrency=2, progress=False)
    assert len(player.requests) < len(ROWS)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_lost_worker_loses_no_row(play, tmp_path):
    """One is killed on the way: all rows are there, and what stood in the journal was not asked again."""
    path, killed, kept = tmp_path / "labels.jsonl", [], set()
    with (
        LocalCluster(2, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.CRITICAL) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(2)
        victim = min(client.run(os.getpid).values())

        def deadly(request):
            if len(player.requests) > 30 and not killed:
                killed.append(len(player.requests))
                kept.update(json.loads(line).get("text") for line in path.read_text("utf-8").splitlines())
                os.kill(victim, signal.SIGKILL)
            return slow(request)

        player = play(deadly)
        rows = [f"row {i}" for i in range(120)]
        assert list(ask(player, client, rows, journal=path, concurrency=8)) == [right(row) for row in rows]

    again = [request.prompt for request in player.requests[killed[0] + 8 :] if right(request.prompt) in kept]
    assert killed
    assert again == []
    assert len(player.requests) <= len(rows) + 8
    assert len(path.read_text("utf-8").splitlines()) == 1 + len(rows)


def test_a_stop_reaches_the_workers(play, client):
    """■: the map ends soon, no further row is asked, and the same call asks only for the rest."""

    def press(request):
        if len(player.requests) == 20:
            _thread.interrupt_main()
        return slow(request)

    player, rows = play(press), [f"row {i}" for i in range(200)]
    with pytest.raises(Stopped):
        ask(player, client, rows, concurrency=4)
    asked = len(player.requests)
    time.sleep(0.5)
    assert len(player.requests) <= asked + 4

    found = ask(player, client, rows, concurrency=4)
    assert list(found) == [right(row) for row in rows]
    assert found.report.remembered >= 10
    assert len(player.requests) <= len(rows) + 8


def test_workers_may_come_later(play):
    """A cluster that starts its workers when there is work gets some."""
    with (
        LocalCluster(n_workers=0, threads_per_worker=1, dashboard_address=":0", silence_logs=logging.ERROR) as cluster,
        Client(cluster) as client,
    ):
        cluster.adapt(minimum=0, maximum=1, interval="200ms")

        assert list(ask(play(echo), client, ROWS[:10])) == DUE[:10]


def cut_off(dask_scheduler):
    """Takes the inboxes of all lanes away, so that each of them fails; run on the scheduler."""
    queues = dask_scheduler.extensions["queues"].queues
    inboxes = [name for name in queues if name.count("-") == 2]
    for name in inboxes:
        queues[name].put_nowait({"type": "msgpack", "value": None})
    return len(inboxes)


def test_a_lane_that_fails_is_begun_anew(play, client):
    """Its worker goes on, its rows are asked again, and all are there."""
    cut = []

    def answer(request):
        if len(player.requests) == 20:
            cut.append(client.run_on_scheduler(cut_off))
        return slow(request)

    player = play(answer)
    assert list(ask(player, client, ROWS, concurrency=8)) == DUE
    assert cut == [2]
    assert len(player.requests) <= len(ROWS) + 8


def hide():
    """Takes the package away from a worker; run on it."""
    sys.modules["lk_notebook.lane"] = None


def unhide():
    """Gives it back."""
    del sys.modules["lk_notebook.lane"]


def test_workers_that_cannot_ask_are_told(play, client):
    """Without lk_notebook on the workers each row's error says so, with the command that mends it."""
    client.run(hide)
    try:
        found = ask(play(echo), client, ROWS[:3])
    finally:
        client.run(unhide)

    assert list(found) == [None] * 3
    assert "The workers cannot ask" in str(found.report.errors[0])
    assert 'pip install "lk_notebook[dask]"' in str(found.report.errors[0])


def test_a_tape_is_not_left_out(play, client, tmp_path):
    """While one is recorded the rows are asked from here, and stand on it; the report says so."""
    tape = tmp_path / "rows.jsonl"
    DECK.record(str(tape))
    try:
        found = ask(play(echo), client, ROWS[:3])
    finally:
        DECK.stop_recording()

    assert list(found) == DUE[:3]
    assert found.report.notes == ["A tape is on, so the rows were asked from here, not by the workers."]
    assert all(row in tape.read_text("utf-8") for row in ROWS[:3])


def test_what_is_no_client_is_refused(play):
    """Two lines, and nothing is sent."""
    player = play(echo)
    with pytest.raises(errors.ConfigurationError, match=r"client= is a Client of dask\.distributed, not str"):
        ask(player, "tcp://127.0.0.1:8786", ["a"])
    assert player.requests == []


def test_a_client_that_has_ended_is_refused(play, cluster):
    """Its state, and how to connect it again."""
    client = Client(cluster)
    client.close()
    with pytest.raises(errors.ConfigurationError, match="The Dask client is closed"):
        ask(play(echo), client, ["a"])


def test_nothing_is_left_at_the_scheduler(play, client):
    """After a map no task and no queue of it remain."""
    ask(play(echo), client, ROWS[:4])

    def left(dask_scheduler):
        queues = dask_scheduler.extensions["queues"].queues
        return [str(name) for name in (*dask_scheduler.tasks, *queues) if "lk_notebook" in str(name)]

    end = time.monotonic() + 10
    while (found := client.run_on_scheduler(left)) and time.monotonic() < end:
        time.sleep(0.1)
    assert found == []
