"""ComparePanel in a real kernel: its traits, and what it does with what a view sends."""

from __future__ import annotations

import re
import threading

import pytest
from kernels import SECRET
from player import Answer, Player, plain, stream, words
from seat import Seat, Widget

MINI, NANO, OSS = "openai/gpt-4.1-mini", "openai/gpt-4.1-nano", "openai/gpt-oss-120b"
TOOL = 'def stock(thing: str) -> str:\n    """Look up."""\n    return f"7 of {thing}"'
CALL = [{"id": "c1", "name": "stock", "arguments": '{"thing": "tea"}'}]


def answer(request):
    """Each model says its name; the nano does what the first word of the prompt asks of it, `all …` of all of them."""
    last = request.body["messages"][-1]
    if last["role"] == "tool":
        return stream(f"There are {last['content']}.")
    name, word = request.body["model"].rpartition("-")[2], request.prompt.split()[0]
    if word == "call" and request.body.get("tools"):
        return stream(tool_calls=CALL)
    ends = {
        "wait": Answer([*words("half of it"), threading.Event()]),
        "fail": plain(400, {"error": {"message": f"No, {SECRET}."}}),
        "cut": Answer(words("half of it"), then="cut"),
    }
    if request.prompt.endswith(("all", name)) and word in ends:
        return ends[word]
    return stream(f"{request.prompt}, says {name}.")


class Compare(Widget):
    """A compare panel, as its view knows it."""

    def __init__(self, seat, arguments=f"['{MINI}', '{NANO}', '{OSS}@groq']"):
        super().__init__(seat, f"from lk_notebook import ComparePanel\npanel = ComparePanel({arguments})")

    def place(self, at):
        """The HTML of one place of the view, as it was last told."""
        return [each["h"] for each in self.told("html") if each["at"] == at][-1]

    def wait_for(self, at, text):
        """Until a place holds a text."""
        assert self.seat.wait(lambda: text in self.place(at)), self.place(at)

    def ended(self, before):
        """Whether a round has ended since so many were told."""
        sends = [each for each in self.told("html")[before:] if each["at"] == "go"]
        return bool(sends) and 'data-t="send"' in sends[-1]["h"]

    def ask(self, text, **more):
        """Ask, and wait for the end of all."""
        before = len(self.told("html"))
        self.send(t="send", text=text) if not more else self.send(**more)
        assert self.seat.wait(lambda: self.ended(before)), self.place("go")

    def foot(self, c):
        """The last footer of a column."""
        return [each for each in self.told("foot") if each["c"] == c][-1]

    @property
    def asked(self):
        """The models of all requests, without their vendors."""
        return [request.body["model"].rpartition("-")[2] for request in self.seat.player.requests]


@pytest.fixture(scope="module")
def seat():
    """A kernel with a LiveKit account."""
    with Player(answer) as player, Seat(player) as started:
        yield started


@pytest.fixture
def panel(seat):
    """A new panel of three models; the player forgets what it was asked."""
    made = Compare(seat)
    seat.player.requests.clear()
    return made


# Traits ---------------------------------------------------------------------------------------------------------


def test_what_is_set_in_python_is_told_to_the_view(panel):
    """Models, parameters, system prompt, blind."""
    panel.seat.run(
        "panel.models = ['gpt-5-mini', 'gpt-oss-120b@groq']\n"
        "panel.extra_kwargs, panel.system, panel.blind = {'reasoning_effort': 'low'}, 'Be brief.', True"
    )

    assert panel.value("panel.models") == "['openai/gpt-5-mini', 'openai/gpt-oss-120b@groq']"
    assert re.findall(r'<input name="model\d"[^>]* value="([^"]*)"', panel.place("top")) == ["openai/gpt-5-mini", OSS]
    assert '<option value="groq" selected>' in panel.place("top")
    assert panel.place("summary") == "Be brief. · reasoning_effort=low"
    assert 'type="checkbox" name="blind" data-t="blind" checked' in panel.place("low")


def test_what_is_chosen_in_the_view_fires_observers(panel):
    """As with any widget."""
    panel.seat.run(
        "seen = []\npanel.observe(lambda change: seen.append(change.new), ['models', 'extra_kwargs', 'blind'])"
    )

    panel.send(t="model", c=0, text="gpt-5-mini")
    panel.send(t="provider", c=1, text="azure")
    panel.send(t="remove", c=2)
    panel.send(t="field", name="max_completion_tokens", text="300")
    panel.send(t="blind", text=True)
    panel.wait_for("low", "checked")

    assert panel.value("seen") == str([
        ["openai/gpt-5-mini", NANO, f"{OSS}@groq"], ["openai/gpt-5-mini", f"{NANO}@azure", f"{OSS}@groq"],
        ["openai/gpt-5-mini", f"{NANO}@azure"], {"max_completion_tokens": 300}, True,
    ])  # fmt: skip


def test_columns_are_added_up_to_four_and_removed_down_to_two(panel):
    """A new one asks a model that no other asks."""
    panel.send(t="add")
    panel.wait_for("top", "Column 4")
    four = panel.value("len(set(panel.models))"), panel.place("low")
    for _ in range(2):
        panel.send(t="remove", c=0)
    panel.seat.wait(lambda: panel.place("top").count("combobox") == 2)

    assert four[0] == "4"
    assert "Add a column" not in four[1]
    assert "remove" not in panel.place("top")


def test_a_provider_that_does_not_serve_the_next_model_is_named_no_more(panel):
    """The best available one is picked then."""
    panel.send(t="model", c=2, text="openai/gpt-4o")
    panel.wait_for("top", 'value="openai/gpt-4o"')

    assert panel.value("panel.models[2]") == "openai/gpt-4o"


def test_without_models_it_begins_with_two(seat):
    """The default one, and another that the account reaches."""
    made = Compare(seat, "")

    assert made.value("panel.models[0], len(set(panel.models))") == f"{MINI} 2"


def test_an_alias_brings_its_words(seat):
    """Its model, its provider and its parameters, in its column alone."""
    seat.run("%lkuse --as oss gpt-oss-120b@groq temperature=0")
    made = Compare(seat, f"['oss', '{MINI}']")
    seat.player.requests.clear()
    made.ask("hi")
    bodies = {request.body["model"]: request.body for request in seat.player.requests}

    assert made.value("panel.models") == f"['oss', '{MINI}']"
    assert [body.get("temperature") for body in (bodies[OSS], bodies[MINI])] == [0, None]
    assert "oss · openai/gpt-oss-120b" in made.place("head0")


SLIPS = {
    "panel.models = ['gpt-5-mimi', 'gpt-4o']": "did you mean openai/gpt-5-mini",
    "panel.models = ['gpt-4o']": "2 to 4 models, not 1",
    "panel.models = ['gpt-4o@', 'gpt-4o']": "lacks its provider",
    "panel.extra_kwargs = {'temprature': 1}": "temperature",
    "ComparePanel('gpt-4o')": "a list of models",
    "ComparePanel(account='nobody')": "no account nobody",
    "panel.ask(' ')": "The prompt is empty",
}


@pytest.mark.parametrize(("source", "says"), SLIPS.items())
def test_what_cannot_be_used_is_refused_in_two_lines(panel, source, says):
    """And the panel stays as it was."""
    cell = panel.seat.run(source)

    assert (cell.status, len(cell.error)) == ("error", 2)
    assert says in cell.shown
    assert panel.value("panel.models, panel.extra_kwargs") == f"['{MINI}', '{NANO}', '{OSS}@groq'] {{}}"


@pytest.mark.parametrize(
    ("what", "at", "says"),
    [({"t": "field", "name": "temperature", "text": "3"}, "fields", "from 0 to 2"),
     ({"t": "field", "name": "others", "text": "what"}, "fields", "is no KEY=VALUE"),
     ({"t": "model", "c": 1, "text": "gpt-5-mimi"}, "alert", "did you mean")],
)  # fmt: skip
def test_what_is_typed_wrong_is_told(panel, what, at, says):
    """A field beside itself, with what was typed in it; a model below. What was there before holds."""
    panel.send(**what)

    panel.wait_for(at, says)
    assert (at == "alert") or what["text"] in panel.place("fields")
    assert panel.value("panel.models[1], panel.extra_kwargs") == f"{NANO} {{}}"


# Asking ---------------------------------------------------------------------------------------------------------


def test_all_are_asked_the_same_and_remember_nothing(panel):
    """Each once, the second time as the first."""
    panel.ask("one")
    panel.ask("two")

    assert sorted(panel.asked) == sorted(["mini", "nano", "120b"] * 2)
    assert {len(request.body["messages"]) for request in panel.seat.player.requests} == {1}
    assert panel.value("[reply.text for reply in panel.replies]") == str(
        ["two, says mini.", "two, says nano.", "two, says 120b."]
    )
    assert panel.value("list(panel.table['state'])") == "['done', 'done', 'done']"
    assert panel.seat.wait(lambda: panel.value("panel.running") == "False")


def test_each_gets_the_parameters_that_it_takes(panel):
    """What one does not take is left out for it, and said in its column."""
    panel.seat.run("panel.extra_kwargs, panel.system = {'reasoning_effort': 'low', 'seed': 7}, 'Be brief.'")
    panel.ask("one")
    bodies = {request.body["model"]: request.body for request in panel.seat.player.requests}

    assert [bodies[model].get("reasoning_effort") for model in (MINI, OSS)] == [None, "low"]
    assert {body["seed"] for body in bodies.values()} == {7}
    assert bodies[MINI]["messages"][0] == {"role": "system", "content": "Be brief."}
    assert "reasoning_effort was left out" in panel.foot(0)["h"]
    assert "left out" not in panel.foot(2)["h"]


def test_one_is_stopped_and_the_others_go_on(panel):
    """Its text stays, its connection is closed."""
    panel.send(t="send", text="wait all")
    assert panel.seat.wait(lambda: {each["c"] for each in panel.told("foot") if each["state"] == "live"} == {0, 1, 2})
    panel.send(t="stop", c=1)
    panel.wait("foot", lambda foot: foot["c"] == 1 and foot["state"] == "stopped")

    assert panel.value("[reply.state for reply in panel.replies]") == "['streaming', 'stopped', 'streaming']"
    assert panel.value("panel.replies[1].text") == "half of it"
    assert "Stop all" in panel.place("go")
    panel.seat.run("panel.stop()")


def test_stop_all_stops_all(panel):
    """Nothing of what had arrived is lost."""
    panel.send(t="send", text="wait all")
    assert panel.seat.wait(lambda: {each["c"] for each in panel.told("foot") if each["state"] == "live"} == {0, 1, 2})
    panel.send(t="stop", c=-1)
    panel.wait_for("go", "Send")

    assert panel.value("{(reply.state, reply.text) for reply in panel.replies}") == "{('stopped', 'half of it')}"


def test_a_failure_is_one_column(panel):
    """The others stand; the table says failed, the error is two lines and holds no key."""
    panel.ask("fail nano")

    assert [panel.foot(c)["state"] for c in range(3)] == ["done", "failed", "done"]
    assert panel.foot(1)["acts"] == ["retry", "sent"]
    assert panel.place("below").count("failed") == 1
    assert SECRET not in panel.foot(1)["h"]
    assert panel.place("status") == "All 3 have answered, 1 with an error."


def test_retry_asks_one_column_again(panel):
    """In its place; the others are not asked, and stand as they are."""
    panel.ask("fail nano")
    first = panel.value("id(panel.replies[0])")
    panel.seat.player.requests.clear()
    panel.ask("", t="retry", c=1)

    assert panel.asked == ["nano"]
    assert panel.value("id(panel.replies[0])") == first
    assert [each for each in panel.told("html") if each["at"] == "col1"]


def test_what_was_cut_goes_on_in_its_place(panel):
    """Continue joins both parts."""
    panel.ask("cut nano")
    assert "continue" in panel.foot(1)["acts"]
    panel.ask("", t="continue", c=1)

    assert panel.value("panel.replies[1].text").startswith("half of it")
    assert len(panel.value("panel.replies[1].text")) > len("half of it")


def test_run_again_asks_all_the_same(panel):
    """With the models as they are now; what was said before stays in the file."""
    panel.ask("one")
    panel.send(t="model", c=1, text="openai/gpt-4o")
    panel.ask("", t="again")

    assert sorted(panel.asked[3:]) == ["120b", "4o", "mini"]
    assert "says nano" in panel.value("panel._kept()['text/plain']")


def test_a_column_that_nothing_could_be_sent_for_can_be_asked_later(seat):
    """Once its account is there: Retry asks it, and none of the others."""
    made = Compare(seat, f"['{MINI}', 'local/smollm2-135m']")
    seat.player.requests.clear()
    made.ask("one")

    assert made.foot(1)["acts"] == ["retry"]
    assert made.value("panel.replies[1]") == "None"
    made.send(t="retry", c=1)
    made.wait_for("alert", "local")
    assert made.asked == ["mini"]


def test_a_second_question_waits_for_the_first(panel):
    """It comes back to the composer, and nothing is asked."""
    panel.send(t="send", text="wait all")
    panel.wait_for("go", "Stop all")
    assert panel.seat.wait(lambda: len(panel.asked) == 3)
    panel.send(t="send", text="my long question")
    draft = panel.wait("draft")
    panel.send(t="stop", c=-1)
    panel.wait_for("go", "Send")

    assert draft["h"] == "my long question"
    assert len(panel.asked) == 3


def test_a_used_up_budget_asks_nobody(panel):
    """Two lines, the words come back, and what was there before stays."""
    panel.ask("one")
    panel.seat.run("%lkusage --budget 0.0000001")
    panel.send(t="send", text="two")
    panel.wait_for("alert", "budget")
    panel.seat.run("%lkusage --budget off")

    assert panel.wait("draft")["h"] == "two"
    assert len(panel.asked) == 3
    assert "one, says mini." in panel.value("panel.replies[0].text")


def test_usage_of_a_panel_is_counted(panel):
    """By its name, in %lkusage."""
    panel.ask("one")

    assert panel.value("panel.number") in panel.seat.run("%lkusage").shown


def test_tools_run_in_the_notebook(seat):
    """Offered to all of them."""
    seat.run(TOOL)
    made = Compare(seat, f"['{MINI}', '{NANO}'], tools=[stock]")
    made.ask("call")

    assert made.value("[reply.text for reply in panel.replies]") == str(["There are 7 of tea."] * 2)


def test_who_observes_a_panel_hears_when_answers_begin_and_end(panel):
    """The replies at their begin, and that all are there at the end; the table is whole then."""
    panel.seat.run(
        "heard = []\npanel.observe(lambda change: heard.append(len(change.new)), 'replies')\n"
        "panel.observe(lambda change: heard.append(change.new or list(panel.table['state'])), 'running')"
    )
    panel.ask("one")

    assert panel.seat.wait(lambda: panel.value("heard") == str([3, True, ["done"] * 3]))


def test_a_tool_that_asks_first_is_not_run_and_each_column_says_so(seat):
    """A panel cannot ask; it never runs what nobody allowed."""
    seat.run(f"from lk_notebook import tool\n@tool(confirm=True)\n{TOOL}")
    made = Compare(seat, f"['{MINI}', '{NANO}'], tools=[stock]")
    made.ask("call")

    assert "7 of tea" not in made.value("[reply.text for reply in panel.replies]")
    assert ["stock was not run" in made.foot(c)["h"] for c in range(2)] == [True, True]


# Blind ----------------------------------------------------------------------------------------------------------

NAMES = ("gpt", "nano", "groq", "First token", "reasoning")


def blind(panel, prompt="say it"):
    """Ask blind; gives all that the view was told of the answers until the end."""
    panel.seat.run("from lk_notebook.session import current\ncurrent().votes.clear()\npanel.blind = True")
    before = len(panel.seat.heard)
    panel.ask(prompt)
    places = ("round", "status", "vote", "below")
    heard = [each for where, each in panel.seat.heard[before:] if where == panel.id]
    return [each for each in heard if each["t"] != "html" or each["at"] in places or each["at"].startswith("head")]


def test_no_name_is_told_before_the_vote(seat):
    """Not in a head, a footer or a table; the answers say nothing of it."""
    made = Compare(seat, f"['{MINI}', '{NANO}']")
    heard = blind(made, "wait")
    shown = re.sub("says (mini|nano)", "", repr([each for each in heard if each["t"] not in ("reset", "frame")]))

    assert not [name for name in NAMES if name in shown]
    heads = ["<strong>A</strong>", "<strong>B</strong>"]
    assert seat.wait(lambda: [made.place(f"head{i}") for i in range(2)] == heads), made.place("head0")
    assert made.place("vote").count("<button") == 4


@pytest.mark.parametrize(("letter", "says"), [("A", "You chose A"), ("=", "A tie."), ("", "No vote.")])
def test_a_vote_tells_the_names_and_is_kept(panel, letter, says):
    """With those of %%lkcompare --blind; no vote is none."""
    blind(panel)
    panel.send(t="vote", text=letter)
    panel.wait_for("below", says)
    named = re.findall(r"<strong>A · ([\w/.-]+)", panel.place("head0"))[0]
    votes = panel.value("[(vote['prompt'], len(vote['models']), vote['chosen']) for vote in current().votes]")

    assert votes == {"A": f"[('say it', 3, '{named}{'@groq' * (named == OSS)}')]", "=": "[('say it', 3, None)]"}.get(
        letter, "[]"
    )
    assert panel.place("vote") == ""
    assert [panel.foot(c)["acts"] for c in range(3)] == [["copy", "retry", "sent"]] * 3
    assert panel.value("[reply.model for reply in panel.replies]") == str([MINI, NANO, OSS])


def test_there_is_no_vote_on_one_answer(seat):
    """The names are told at once."""
    made = Compare(seat, f"['{MINI}', '{NANO}']")
    blind(made, "fail nano")

    made.wait_for("below", "No vote: fewer than two answers came.")
    assert "openai/gpt-4.1-nano" in made.place("head0") + made.place("head1")


def test_the_next_question_ends_a_vote(panel):
    """Who was not chosen is told in the file."""
    blind(panel)
    hidden = panel.value("panel._kept()['text/plain']")
    panel.ask("next one")

    assert "gpt-4.1-nano" not in hidden
    assert "gpt-4.1-nano" in panel.value("panel._kept()['text/plain'].partition('next one')[0]")


# What leaves the kernel -----------------------------------------------------------------------------------------


def test_no_key_is_in_the_state_or_in_what_is_told(seat):
    """Not one that stands in a parameter, nor one that the server repeats."""
    given = f"extra_kwargs={{'extra_headers': {{'X-Key': '{SECRET}'}}}}, system='The key is {SECRET}.'"
    made = Compare(seat, f"['{MINI}', '{NANO}'], {given}")
    made.ask("fail nano")
    made.send(t="sent", c=1)
    made.wait("heard", lambda told: told.get("at") == "sent")
    made.send(t="send", text=f"{SECRET} again")
    made.wait_for("go", "Send")

    assert SECRET not in repr(seat.opened[made.id])
    assert SECRET not in made.value("panel.get_state()")
    assert SECRET not in repr([each for where, each in seat.heard if where == made.id])
    assert SECRET not in made.cell.everything


def test_what_was_said_is_in_the_output(panel):
    """Beside the widget, and alone once the view has moved out: the question, the columns, the table."""
    before = panel.cell.outputs[-1]["data"]
    panel.send(t="moved")
    panel.send(t="send", text="wait all")
    assert panel.seat.wait(lambda: "wait all" in panel.cell.outputs[-1]["data"]["text/plain"])
    assert panel.seat.wait(lambda: panel.value("[each.text for each in panel.replies]") == str(["half of it"] * 3))
    panel.send(t="stop", c=-1)
    assert panel.seat.wait(lambda: panel.cell.outputs[-1]["data"]["text/plain"].count("Stopped") == 3)
    shown = panel.cell.outputs[-1]["data"]

    assert "application/vnd.jupyter.widget-view+json" in before
    assert set(shown) == {"text/html", "text/plain"}
    assert [shown["text/plain"].count(text) for text in ("You: wait all", "half of it", "Stopped")] == [1, 3, 3]
    assert shown["text/html"].count("<article") == 5


def test_a_view_that_lost_its_content_is_told_all_of_it(panel):
    """After a page was loaded again, or a message went missing."""
    panel.ask("one")
    before = len(panel.seat.heard)
    panel.send(t="lost")
    panel.seat.wait(lambda: "status" in [each.get("at") for _, each in panel.seat.heard[before:]])
    told = [each for where, each in panel.seat.heard[before:] if where == panel.id]

    assert [each["t"] for each in told[:2]] == ["reset", "frame"]
    assert {each["c"] for each in told if each["t"] == "ops"} == {0, 1, 2}
    assert {"top", "models", "fields", "round", "head0", "below", "go"} <= {each.get("at") for each in told}


# %lkpanel -------------------------------------------------------------------------------------------------------


def test_lkpanel_opens_a_comparison(seat):
    """With the words of its line."""
    cell = seat.run("%lkpanel --compare gpt-4o gpt-oss-120b@groq temperature=0 -s 'Be brief.' --blind -o mine")
    told = seat.run("print(mine.models, mine.extra_kwargs, mine.system, mine.blind)").shown

    assert cell.status == "ok", cell.shown
    assert told.strip() == "['openai/gpt-4o', 'openai/gpt-oss-120b@groq'] {'temperature': 0} Be brief. True"


@pytest.mark.parametrize(
    ("line", "says"),
    [("--compare gpt-4o", "2 to 4 models"), ("--compare a b c d e", "2 to 4 models"),
     ("--compare gpt-4o gpt-4.1 -p azure", "one provider for all"), ("gpt-4o --blind", "--compare")],
)  # fmt: skip
def test_a_slip_at_a_comparison_is_two_lines(seat, line, says):
    """What is wrong, and the mend."""
    cell = seat.run(f"%lkpanel {line}")

    assert (cell.status, len(cell.error)) == ("error", 2)
    assert says in cell.shown
