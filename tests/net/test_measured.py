"""Measured times in the user's cache: kept, shared, and in nobody's way when something is wrong with the file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from player import stream

from lk_notebook.core.health import Board
from lk_notebook.core.values import Account, Secret
from lk_notebook.net.measured import Measurements

ROOT = Path(__file__).resolve().parents[2]
GROQ = Account("groq", "groq", "https://api.groq.com/openai/v1", Secret("gsk-never-show-0123"))
OTHER = Account("baseten", "baseten", "https://inference.baseten.co/v1")


class Cache:
    """A cache folder, and kernels that use it."""

    def __init__(self, folder):
        self.folder, self.file = folder, folder / "lk_notebook" / "measured.json"

    def kernel(self, **env):
        """A new kernel's board, and its keeper."""
        board = Board()
        return board, Measurements(board, {"XDG_CACHE_HOME": str(self.folder), **env}.get)

    def measure(self, account, ttft, **env):
        """A kernel in which an account answered after so many seconds; it ends, and saves."""
        board, keeper = self.kernel(**env)
        board.succeeded(account, "m", ttft, time.monotonic())
        keeper.changed()
        keeper.save()


@pytest.fixture
def cache(tmp_path):
    """An empty cache folder."""
    return Cache(tmp_path)


def median(board, account):
    """What a board knows of an account."""
    return board.measured(account, "m").median()


def test_a_new_kernel_starts_wise(cache):
    """What one kernel measured, the next one knows."""
    cache.measure(GROQ, 0.25)

    assert median(cache.kernel()[0], GROQ) == 0.25


def test_two_kernels_keep_what_the_other_measured(cache):
    """A kernel that saves leaves what another has saved since it began."""
    board, keeper = cache.kernel()
    cache.measure(OTHER, 0.5)
    board.succeeded(GROQ, "m", 0.25, 0)
    keeper.changed()
    keeper.save()

    third = cache.kernel()[0]
    assert (median(third, GROQ), median(third, OTHER)) == (0.25, 0.5)


BROKEN = [b"", b"{", b"[1, 2]", b"null", b'"text"', b"\xff\xfe\x00", b"[" * 100_000, b'{"a": ' * 50_000,
          b'{"groq\\nhttps://api.groq.com/openai/v1\\nm": "fast"}', b'{"x": NaN}']  # fmt: skip


@pytest.mark.parametrize("content", BROKEN, ids=lambda content: repr(content[:20]))
def test_a_corrupt_file_is_as_none(cache, content):
    """Whatever stands in it: nothing is known, nothing fails, and the next save makes it whole."""
    cache.file.parent.mkdir()
    cache.file.write_bytes(content)
    assert median(cache.kernel()[0], GROQ) is None

    cache.measure(GROQ, 0.25)
    assert median(cache.kernel()[0], GROQ) == 0.25


def test_a_folder_that_cannot_be_written_is_no_error(cache):
    """A file stands where the folder should be: measuring goes on, nothing is kept."""
    (cache.folder / "lk_notebook").write_text("in the way")

    cache.measure(GROQ, 0.25)

    assert (cache.folder / "lk_notebook").read_text() == "in the way"


def test_no_half_written_file_is_left(cache):
    """A save that could not put its file in place takes it away again."""
    cache.file.mkdir(parents=True)

    cache.measure(GROQ, 0.25)

    assert list(cache.file.parent.iterdir()) == [cache.file]


@pytest.mark.parametrize("word", ["off", "OFF ", "0", "no", "false"])
def test_who_wants_nothing_kept_keeps_nothing(cache, word):
    """LK_NOTEBOOK_MEASUREMENTS=off reads no file and writes none."""
    cache.measure(GROQ, 0.25)
    before = cache.file.read_bytes()
    cache.measure(OTHER, 0.5, LK_NOTEBOOK_MEASUREMENTS=word)

    assert cache.file.read_bytes() == before
    assert median(cache.kernel(LK_NOTEBOOK_MEASUREMENTS=word)[0], GROQ) is None


def test_nothing_measured_writes_nothing(cache):
    """A kernel that asked nobody leaves no file."""
    cache.kernel()[1].save()

    assert not cache.file.exists()


PROGRAM = """
from lk_notebook import LLM
reply = LLM("openai/gpt-oss-120b", system="never-show-the-system")("never-show-the-prompt").wait()
print(reply.text, [str(attempt) for attempt in reply.attempts])
"""


def ask(player, cache, **env):
    """A process that asks Groq once, with this cache."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "SYSTEMROOT")}
    accounts = {"GROQ_API_KEY": "gsk-never-show-0123", "GROQ_BASE_URL": player.origin}
    env = kept | accounts | {"XDG_CACHE_HOME": str(cache.folder), "PYTHONPATH": str(ROOT), "NO_PROXY": "*", **env}
    return subprocess.Popen(  # both of two run at once
        [sys.executable, "-c", PROGRAM], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_the_file_holds_nothing_but_names_and_numbers(play, cache):
    """Account, address, model and seconds: no prompt, no answer, no key."""
    player = play(stream("never-show-the-answer"))
    process = ask(player, cache)
    assert process.communicate()[1] == ""

    text = cache.file.read_text("utf-8")
    ((key, times),) = json.loads(text).items()
    assert key.split("\n") == ["groq", f"{player.origin}/openai/v1", "openai/gpt-oss-120b"]
    assert [type(seconds) for seconds in times] == [float]
    assert "never-show" not in text


def test_two_processes_share_the_file(play, cache):
    """Both ask at once, both end well, and a whole file stays."""
    player = play(stream("Hi"))
    for process in [ask(player, cache) for _ in range(2)]:
        out, error = process.communicate(timeout=60)
        assert (process.returncode, out.split()[0], error) == (0, "Hi", "")

    assert len(json.loads(cache.file.read_text("utf-8"))) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="each platform has its own place")
@pytest.mark.parametrize(
    ("env", "place"),
    [({"HOME": "{}"}, ".cache"), ({"HOME": "/nowhere", "XDG_CACHE_HOME": "{}"}, ""), ({"HOME": ""}, None), ({}, None)],
)
def test_the_file_stands_where_the_platform_keeps_caches(tmp_path, env, place):
    """XDG_CACHE_HOME, else the home folder; whoever has neither, as a container's nameless user, keeps nothing."""
    keeper = Measurements(board := Board(), {k: v.replace("{}", str(tmp_path)) for k, v in env.items()}.get)
    board.succeeded(GROQ, "m", 0.25, 0)
    keeper.changed()
    keeper.save()

    file = tmp_path / (place or "") / "lk_notebook" / "measured.json"
    assert list(tmp_path.rglob("*.json")) == ([] if place is None else [file])
