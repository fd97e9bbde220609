"""`%lkaccount`, `%lkroute`, `%lkmodels --live` in a shell: what is told of accounts, and that no key is shown."""

from __future__ import annotations

import os
import socket
import sys
import types

import pytest
from IPython.core.error import StdinNotImplementedError
from player import Answer, plain, stream

from lk_notebook import LLM, errors
from lk_notebook.magics.accounts import AccountMagics
from lk_notebook.magics.keys import Keys
from lk_notebook.magics.route import RouteMagics
from lk_notebook.net import nearby
from lk_notebook.net.given import GIVEN

OSS = "openai/gpt-oss-120b"
PREFIXES = ("LIVEKIT_", "OPENAI_", "AZURE_OPENAI_", "GROQ_", "BASETEN_", "CEREBRAS_", "BINDER_")
KEY = "gsk-never-show-0123"
REFUSED = plain(401, {"error": {"message": f"Incorrect API key provided: {KEY}.", "code": "invalid_api_key"}})


class Person:
    """Who sits before the prompt and types these; `asked` are the prompts, `hidden` those that hid the answer."""

    def __init__(self):
        self.types, self.asked, self.hidden, self.there = [], [], [], True

    def ask(self, prompt):
        """A prompt that shows what is typed."""
        if not self.there:
            raise StdinNotImplementedError("raw_input was called, but this frontend does not support input requests.")
        self.asked.append(prompt.partition(" (")[0])
        return self.types.pop(0)

    def ask_hidden(self, prompt):
        """A prompt that hides it."""
        answer = self.ask(prompt)
        self.hidden.append(self.asked[-1])
        return answer


class Here:
    """A shell with the magics of accounts, a person, and all that was ever shown."""

    def __init__(self, shell):
        self.person, self.ports, self.looked, self.shown = Person(), set(), [], ""
        self._shell = shell
        keys = Keys(self.person.ask_hidden, self.person.ask)
        for magics in (AccountMagics(shell._shell, keys, self._listens), RouteMagics(shell._shell, shell.session)):
            shell._shell.register_magics(magics)

    def _listens(self, port):
        self.looked.append(port)
        return port in self.ports

    def run(self, source, *typed):
        """Run a cell whose prompts are answered so."""
        self.person.types = list(typed)
        cell = self._shell.run(source)
        self.shown += cell.text + cell.html
        return cell

    def rows(self, source):
        """The rows of a table, by the first word, their blanks made one."""
        lines = [" ".join(line.split()) for line in self.run(source).text.splitlines()[2:]]
        return {line.split()[0]: line for line in lines if line}


@pytest.fixture
def here(shell, monkeypatch):
    """Start a shell: `here(GROQ_API_KEY=…)`; whatever is given to the kernel is forgotten with the test."""
    for name in [name for name in os.environ if name.startswith(PREFIXES)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LK_NOTEBOOK_MEASUREMENTS", "off")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    started = []

    def start(**env):
        started.append(Here(shell(**env)))
        return started[0]

    yield start
    GIVEN.forget([*GIVEN._values, *GIVEN.addresses])
    assert all("never-show" not in each.shown for each in started)


def at(player, vendor="GROQ", key=KEY):
    """The variables of an account that is played."""
    return {f"{vendor}_API_KEY": key, f"{vendor}_BASE_URL": player.origin}


# The list --------------------------------------------------------------------------------------------------------


def test_each_account_is_listed_with_where_it_was_found(here):
    """Names of variables and hosts, never a value; what is missing is named where nothing is there."""
    rows = here(
        GROQ_API_KEY=KEY, LIVEKIT_API_KEY="APInever-show", LIVEKIT_API_SECRET="never-show-this-secret-0123456789ab"
    ).rows("%lkaccount")

    assert rows["groq"] == "groq GROQ_API_KEY api.groq.com not asked yet –"
    assert rows["livekit"].startswith("livekit LIVEKIT_API_KEY, LIVEKIT_API_SECRET agent-gateway.livekit.cloud")
    assert "needs OPENAI_API_KEY" in rows["openai"]
    assert "needs AZURE_OPENAI_ENDPOINT and AZURE_OPENAI_API_KEY" in rows["azure"]


@pytest.mark.parametrize(
    ("env", "first"),
    [
        ({}, "the built-in demo"),
        ({"LIVEKIT_API_KEY": "a", "LIVEKIT_API_SECRET": "b", "GROQ_API_KEY": "g"}, "livekit"),
        ({"GROQ_API_KEY": "g", "OPENAI_API_KEY": "o"}, "the best of openai, groq"),
        ({"LIVEKIT_API_KEY": "a"}, "nobody, as LIVEKIT_API_SECRET is not set"),
    ],
)
def test_the_list_tells_who_is_asked_where_nobody_is_named(here, env, first):
    """The line above the table."""
    assert here(**env).run("%lkaccount").text.splitlines()[0] == f"Without -a: {first}"


def test_half_an_account_tells_the_other_half(here):
    """What is there, and what it needs."""
    row = here(LIVEKIT_API_KEY="APInever-show").rows("%lkaccount")["livekit"]

    assert row == "livekit LIVEKIT_API_KEY – needs LIVEKIT_API_SECRET –"


def test_an_account_that_cannot_be_used_is_told_beside_the_others(here):
    """A broken variable spoils its own row, not the list."""
    rows = here(AZURE_OPENAI_ENDPOINT="x.example", AZURE_OPENAI_API_KEY="az-never-show", GROQ_API_KEY=KEY).rows(
        "%lkaccount"
    )

    assert "cannot be used x.example is no http(s) address." in rows["azure"]
    assert rows["groq"].startswith("groq GROQ_API_KEY")


def test_health_and_the_last_error_are_listed(here, play):
    """What became of the last questions, with the key struck out where the server repeated it."""
    started = here(**at(play(REFUSED)), **at(play(stream("Hi")), "BASETEN"))
    for name in ("groq", "baseten"):
        LLM(OSS, account=name)("hi").wait()
    rows = started.rows("%lkaccount")

    assert "key refused groq refused the key (401)" in rows["groq"]
    assert rows["baseten"].endswith("well –")


def test_a_list_asks_nobody(here, play):
    """No request leaves."""
    player = play(stream("Hi"))
    here(**at(player)).run("%lkaccount")

    assert player.connections == 0


@pytest.mark.parametrize(
    ("running", "binder", "looked", "found"),
    [(True, {}, [11434], True), (False, {}, [11434], False), (True, {"BINDER_LAUNCH_HOST": "https://x"}, [], False)],
)
def test_ollama_is_only_found(here, running, binder, looked, found):
    """A server at its port is a row that says how to ask it; on Binder nobody looks."""
    started = here(**binder)
    started.ports = {11434} if running else set()
    rows = started.rows("%lkaccount")

    assert started.looked == looked
    assert ("ollama" in rows) is found
    assert not found or "found; asked only by -a ollama" in rows["ollama"]


def test_a_port_is_found_by_a_connection_alone():
    """Something listens: yes; nothing listens: no."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert nearby.listens(port)
    assert not nearby.listens(port)


# Keys ------------------------------------------------------------------------------------------------------------


def test_a_key_is_asked_for_and_kept_for_this_kernel_only(here, play):
    """The prompt hides it, the account answers with it, and no variable of the process holds it."""
    player, started = play(stream("Hi")), here()
    cell = started.run("%lkaccount groq", KEY)

    assert started.person.hidden == ["GROQ_API_KEY"]
    assert cell.printed.startswith("groq is there: api.groq.com, found in GROQ_API_KEY (given to this kernel)")
    assert KEY not in os.environ.values()

    os.environ["GROQ_BASE_URL"] = player.origin
    try:
        assert str(LLM(OSS)("hi")) == "Hi"
    finally:
        del os.environ["GROQ_BASE_URL"]
    assert player.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("name", "env", "asked", "hidden"),
    [
        ("livekit", {}, ["LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"], [0, 1]),
        ("livekit", {"LIVEKIT_INFERENCE_API_KEY": "APIx"}, ["LIVEKIT_API_SECRET"], [0]),
        ("azure", {}, ["AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY"], [1]),
        ("azure", {"AZURE_OPENAI_AD_TOKEN": "token-0123"}, ["AZURE_OPENAI_ENDPOINT"], []),
        ("groq", {"GROQ_API_KEY": KEY}, [], []),
    ],
)
def test_only_what_is_missing_is_asked_for(here, name, env, asked, hidden):
    """What stands in the environment is not asked again; an address is shown while it is typed, a key is not."""
    started = here(**env)
    cell = started.run(
        f"%lkaccount {name}", *["https://x.openai.azure.com" if "END" in each else "k-0123" for each in asked]
    )

    assert not cell.failed
    assert (started.person.asked, started.person.hidden) == (asked, [asked[i] for i in hidden])


@pytest.mark.parametrize(
    ("env", "asked"),
    [
        ({"GROQ_API_KEY": KEY}, {"groq": ["GROQ_API_KEY"]}),
        ({"LIVEKIT_INFERENCE_API_KEY": "a", "LIVEKIT_API_SECRET": "b"},
         {"livekit": ["LIVEKIT_INFERENCE_API_KEY", "LIVEKIT_API_SECRET"]}),
        ({"AZURE_OPENAI_ENDPOINT": "https://x.example", "AZURE_OPENAI_API_KEY": "k"},
         {"azure": ["AZURE_OPENAI_API_KEY"]}),
    ],
)  # fmt: skip
def test_another_key_is_asked_for_where_one_is_there(here, env, asked):
    """`--key` asks for those that count now, and the new one wins."""
    started = here(**env)
    ((name, variables),) = asked.items()
    started.run(f"%lkaccount {name} --key", *["another-0123"] * 2)

    assert started.person.asked == variables
    assert GIVEN.getenv(variables[0]) == "another-0123"


@pytest.mark.parametrize("typed", ["", "  ", "schlüssel"])
def test_what_is_no_key_is_not_kept(here, typed):
    """Nothing typed, or what no header can carry: two lines, and all is as it was."""
    started = here()
    cell = started.run("%lkaccount livekit", "APIx-0123", typed)

    assert len(cell.error) == 2
    assert "needs LIVEKIT_API_KEY and LIVEKIT_API_SECRET" in started.rows("%lkaccount")["livekit"]


@pytest.mark.parametrize("key", ["schlüssel-never-show", "sk-never-\x7fshow-never-show", "sk-never-show\t-never-show"])
@pytest.mark.parametrize(
    ("variable", "source"),
    [(None, "%lkaccount groq"), ("GROQ_API_KEY", "%lkroute"), ("LIVEKIT_API_KEY", "%lkroute"),
     (None, "import lk_notebook; lk_notebook.LLM('m', account='groq', api_key=k)")],
    ids=["typed", "groq", "livekit", "argument"],
)  # fmt: skip
def test_a_broken_key_is_in_no_traceback(here, key, variable, source):
    """Typed, given or found in the environment: also the whole traceback of `%xmode Verbose` has it struck out."""
    started = here(**({variable: key} if variable else {}), LIVEKIT_API_SECRET="x")
    started._shell.names["k"] = key
    started.run("%xmode Verbose")
    cell = started.run(source, key)
    started.run("%xmode Context")

    assert "characters that no HTTP header can carry" in cell.printed
    assert "never-show" not in cell.printed.replace("\\x7f", "")


def test_nobody_to_ask_is_two_lines(here):
    """A run without a keyboard fails at once, with the variable to set."""
    started = here()
    started.person.there = False

    assert started.run("%lkaccount groq").error == [
        "Nobody is here to be asked for GROQ_API_KEY.",
        "Set GROQ_API_KEY in the environment before the kernel starts.",
    ]


@pytest.mark.parametrize("variable", ["BINDER_LAUNCH_HOST", "BINDER_REQUEST", "BINDER_CLIENT_IP"])
def test_binder_warns_before_it_asks(here, variable):
    """A public machine is no place for a key: that is said before the prompt."""
    started = here(**{variable: "x"})
    started.person.there = False
    said = started.run("%lkaccount groq").printed

    assert said.index("This is Binder: a public machine") < said.index("Nobody is here to be asked")


def test_no_warning_elsewhere(here):
    """On a machine of one's own nothing is said of Binder."""
    assert "Binder" not in here().run("%lkaccount groq", KEY).text


class SecretNotFoundError(Exception):
    """Colab's own, of the same name."""


def colab(monkeypatch, **secrets):
    """Colab's module, with these secrets; gives what it was asked for."""
    asked = []

    def get(name):
        asked.append(name)
        if name not in secrets:
            raise SecretNotFoundError(name)
        return secrets[name]

    module = types.ModuleType("google.colab.userdata")
    module.get, module.SecretNotFoundError = get, SecretNotFoundError
    for name in ("google", "google.colab"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    monkeypatch.setitem(sys.modules, "google.colab.userdata", module)
    return asked


def test_colabs_secrets_are_read_where_an_account_is_named(here, monkeypatch):
    """What Colab keeps is taken without a prompt, what it does not keep is asked for."""
    asked, started = colab(monkeypatch, LIVEKIT_API_KEY="APInever-show-1"), here()
    started.run("%lkaccount livekit", "never-show-this-secret-0123456789ab")

    assert asked == ["LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"]
    assert started.person.asked == ["LIVEKIT_API_SECRET"]
    assert GIVEN.getenv("LIVEKIT_API_KEY") == "APInever-show-1"


def test_colabs_secrets_are_read_nowhere_else(here, monkeypatch):
    """Neither a list nor a question may open Colab's dialogue."""
    asked, started = colab(monkeypatch, GROQ_API_KEY=KEY), here()
    started.run("%lkaccount")
    with pytest.raises(errors.ConfigurationError):
        LLM(OSS)("hi")

    assert asked == []


def test_a_key_is_forgotten(here):
    """What was given is gone; the environment's own stays."""
    started = here(GROQ_API_KEY=KEY)
    started.run("%lkaccount groq --key", "another-0123")
    cell = started.run("%lkaccount groq --forget")

    assert cell.printed.strip() == "Forgotten: GROQ_API_KEY."
    assert GIVEN.getenv("GROQ_API_KEY") == KEY
    assert len(started.run("%lkaccount groq --forget").error) == 2


@pytest.mark.parametrize(
    "line",
    ["groq gsk-never-show-0123", "groq key=gsk-never-show-0123", "nobody", "https://a.example/v1", "--key", "--forget",
     "groq https://a.example/v1", "lab ftp://a.example", "lab https://me:never-show@a.example/v1", "a b c", "--nope"],
)  # fmt: skip
def test_what_is_wrong_with_the_line_is_two_lines(here, line):
    """An error with its mend; a key that was typed into the cell is not repeated."""
    started = here()
    cell = started.run(f"%lkaccount {line}")

    assert len(cell.error) == 2
    assert "never-show" not in cell.printed


# Names for addresses ---------------------------------------------------------------------------------------------


def test_an_address_gets_a_name(here, play):
    """`-a lab` asks it from then on, with any model id, and without a key; errors and lists call it so."""
    player, started = play(stream("Hi")), here()
    started.run(f"%lkaccount lab {player.base_url}")
    reply = LLM("llama3.2:1b", account="lab")("hi").wait()

    assert (reply.text, reply.account, player.requests[0].body["model"]) == ("Hi", "lab", "llama3.2:1b")
    assert "authorization" not in player.requests[0].headers
    assert started.rows("%lkaccount")["lab"] == f"lab %lkaccount {player.host} well –"
    assert started.person.asked == []


def test_an_address_may_have_a_key(here, play):
    """It is asked for only with `--key`, and may be given later."""
    player, started = play(stream("Hi")), here()
    started.run(f"%lkaccount lab {player.base_url}")
    started.run("%lkaccount lab --key", KEY)
    LLM("m", account="lab")("hi").wait()

    assert started.person.hidden == ["The key of lab"]
    assert player.requests[0].headers["authorization"] == f"Bearer {KEY}"


def test_a_name_takes_ids_as_they_are_typed_in_magics_too(here, play):
    """A comparison and the defaults know it as any address: an id without a vendor is no "did you mean"."""
    player, started = play(stream("Hi")), here()
    started.run(f"%lkaccount lab {player.base_url}")
    cell = started.run("%%lkcompare gpt-4.1-mimi llama3.2:1b -a lab\nhi")

    assert not cell.failed
    assert {request.body["model"] for request in player.requests} == {"gpt-4.1-mimi", "llama3.2:1b"}


def test_a_name_is_forgotten(here, play):
    """Then it is no account any more."""
    started = here()
    started.run(f"%lkaccount lab {play(stream('Hi')).base_url}")
    started.run("%lkaccount lab --forget")

    with pytest.raises(errors.ConfigurationError, match="no account lab"):
        LLM("m", account="lab")


# Tests of a key --------------------------------------------------------------------------------------------------


def test_a_key_is_tried_with_one_token(here, play):
    """One request of one token; the result is one line."""
    player = play(stream("Hi"))
    cell = here(**at(player)).run("%lkaccount groq --test")

    (request,) = player.requests
    assert (request.body["max_completion_tokens"], request.body["model"]) == (1, OSS)
    assert cell.printed.startswith(f"groq works: {OSS} answered after 0.")


@pytest.mark.parametrize(
    ("answer", "says"), [(REFUSED, "refused the key (401)"), (plain(503, {"error": "Overloaded"}), "Overloaded")]
)
def test_a_test_that_fails_is_one_line(here, play, answer, says):
    """What the server said, once and without the key; the cell goes on."""
    player = play(answer)
    cell = here(**at(player)).run("%lkaccount groq --test")

    assert (cell.failed, len(cell.printed.strip().splitlines()), len(player.requests)) == (False, 1, 1)
    assert cell.printed.startswith("groq fails: ")
    assert says in cell.printed


def test_an_address_is_tried_with_its_list(here, play):
    """No model of it is known: its list is asked for."""
    player = play(plain(200, {"data": [{"id": "a"}, {"id": "b"}]}))
    cell = here().run(f"%lkaccount lab {player.base_url} --test")

    assert cell.printed.strip() == "lab works: it lists 2 models."
    assert [(request.method, request.path) for request in player.requests] == [("GET", "/v1/models")]


def test_all_are_tried_at_once(here, play):
    """Without a name each account has its line."""
    started = here(**at(play(stream("Hi"))), **at(play(REFUSED), "BASETEN"))
    lines = started.run("%lkaccount --test").printed.strip().splitlines()

    assert [line.split(":")[0] for line in lines] == ["groq works", "baseten fails"]


# %lkroute --------------------------------------------------------------------------------------------------------


def test_the_way_of_a_question_is_told_and_nothing_is_sent(here, play):
    """Whom it would go to, in order, under which id, and why; who is no candidate, and why."""
    player = play(stream("Hi"))
    env = at(player) | at(player, "CEREBRAS", "csk-never-show-1") | {"OPENAI_API_KEY": "sk-never-show-1"}
    started = here(**env)
    rows = started.rows("%lkroute gpt-oss-120b")

    assert rows["groq"] == f"groq 1 {OSS} not measured yet: it gets its turn"
    assert rows["cerebras"] == "cerebras 2 gpt-oss-120b not measured yet: it gets its turn"
    assert rows["openai"] == f"openai – – {OSS} is not known to be served there"
    assert player.connections == 0


def test_a_resting_account_is_passed_over_in_the_table(here, play):
    """After a failure the way is the other's, with the measured time and the reason."""
    started = here(**at(play(plain(503, {"error": "Overloaded"}))), **at(play(stream("Hi")), "BASETEN"))
    for name in ("groq", "baseten"):
        LLM(OSS, account=name, max_retries=0)("hi").wait()
    rows = started.rows(f"%lkroute {OSS}")

    assert rows["baseten"].startswith(f"baseten 1 {OSS} first token after 0.")
    assert rows["groq"].startswith(f"groq – {OSS} it rests for ")
    assert "Overloaded" in rows["groq"]


LIVEKIT = {"LIVEKIT_API_KEY": "APIx", "LIVEKIT_API_SECRET": "secret-0123456789", "GROQ_API_KEY": KEY}


@pytest.mark.parametrize(
    ("env", "line", "name", "why"),
    [
        (LIVEKIT, OSS, "livekit", "the gateway picks the best available provider"),
        (LIVEKIT, OSS, "groq", "another account is another bill"),
        (LIVEKIT, f"{OSS}@baseten", "livekit", "the gateway asks baseten, as it was named"),
        (LIVEKIT, f"{OSS} -a groq", "groq", "it was named: no other takes over"),
        (LIVEKIT, f"{OSS} -a groq", "livekit", "groq was named"),
        (
            {"GROQ_API_KEY": KEY, "BASETEN_API_KEY": "b"},
            f"{OSS} -p groq",
            "groq",
            "groq was named: no other takes over",
        ),
        ({"GROQ_API_KEY": KEY, "BASETEN_API_KEY": "b"}, f"{OSS} -p groq", "baseten", "groq was named"),
        ({}, "", "demo", "it is built in, and needs no account"),
        ({"GROQ_API_KEY": KEY}, "lk/demo", "groq", "the built-in model needs no account"),
    ],
)
def test_each_way_has_its_reason(here, env, line, name, why):
    """LiveKit's, a named account's, a named provider's, the built-in model's."""
    assert why in here(**env).rows(f"%lkroute {line}")[name]


@pytest.mark.parametrize("line", [OSS, "gpt-4.1-mimi", "a b", "-x"])
def test_no_way_is_two_lines(here, line):
    """The error that the question would end with."""
    assert len(here().run(f"%lkroute {line}").error) == 2


# %lkmodels --live ------------------------------------------------------------------------------------------------


def test_the_accounts_own_lists_are_marked(here, play):
    """✓ where an account listed a model just now; an id that no list of ours knows is a further row."""
    player = play(plain(200, {"object": "list", "data": [{"id": OSS}, {"id": "acme/new-1"}]}))
    started = here(**at(player))
    rows = started.rows("%lkmodels --live groq")

    assert (rows[OSS].split()[1:4], rows["acme/new-1"].split()[1:4]) == (["groq", "✓", "groq"],) * 2
    assert player.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "body", [{"data": [{"id": "acme-1"}]}, [{"id": "acme-1"}], {"models": [{"name": "acme-1"}]}, ["acme-1", None, {}]]
)
def test_lists_are_read_in_whichever_shape(here, play, body):
    """OpenAI's, a bare list, Ollama's own, plain names; odd entries are left out."""
    started = here()
    started.run(f"%lkaccount lab {play(plain(200, body)).base_url}")

    assert started.rows("%lkmodels --live acme-1")["acme-1"].split()[:4] == ["acme-1", "lab", "✓", "lab"]


@pytest.mark.parametrize(
    ("answer", "says"),
    [(REFUSED, "refused the key (401)"), (plain(200, {"x": 1}), "sent no list of models"),
     (plain(200, "<html><title>Sign in</title>"), "HTML page"), (stream("Hi"), "sent no JSON"),
     (Answer(before="cut"), "closed the connection")],
    ids=["401", "no list", "a page", "no JSON", "closed"],
)  # fmt: skip
def test_who_lists_nothing_is_named(here, play, answer, says):
    """The others are listed all the same."""
    started = here(**at(play(answer)), **at(play(plain(200, [OSS])), "BASETEN", "bt-never-show-1"))
    cell = started.run(f"%lkmodels --live {OSS}")

    assert not cell.failed
    assert "✓ baseten" in cell.text
    assert cell.printed.startswith("groq listed no models: ")
    assert says in cell.printed


def test_the_frame_holds_who_listed_what(here, play):
    """With `-o`, a column."""
    started = here(**at(play(plain(200, [OSS]))))
    started.run(f"%lkmodels --live {OSS} -o t")

    table = started._shell.names["t"].set_index("provider")
    assert (table.loc["groq", "listed"], table.loc["baseten", "listed"]) == ("groq", "")


def test_without_an_account_nobody_is_asked(here):
    """It is told in a line below the list."""
    assert "No account is there that could be asked" in here().run("%lkmodels gpt-5 --live").printed
