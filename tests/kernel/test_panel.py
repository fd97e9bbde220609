"""ChatPanel in a real kernel: its traits, and what it does with what a view sends; and `%lkpanel`."""

from __future__ import annotations

import re
import threading

import pytest
from kernels import SECRET
from player import Answer, Player, plain, stream, words
from seat import Seat, Widget

PLACES = {"log", "go", "status", "models", "top", "empty", "summary", "fields", "dead", "alert"}
CALL = [{"id": "c1", "name": "stock", "arguments": '{"thing": "tea"}'}]
TOOL = 'def stock(thing: str) -> str:\n    """Look up."""\n    return f"7 of {thing}"'


def answer(request):
    """A server that says what it was asked, and ends badly where it was asked to."""
    last = request.body["messages"][-1]
    if last["role"] == "tool":
        return stream(f"There are {last['content']}.")
    if request.prompt == "call" and request.body.get("tools"):
        return stream(tool_calls=CALL)
    ends = {
        "cut": Answer(words("half of it"), then="cut"),
        "wait": Answer([*words("half of it"), threading.Event()]),
        "fail": plain(400, {"error": {"message": f"No, {SECRET}."}}),
    }
    return ends.get(request.prompt) or stream(f"{request.prompt}!")


class Panel(Widget):
    """A chat panel, as its view knows it."""

    def __init__(self, seat, arguments="'openai/gpt-4.1-mini'"):
        super().__init__(seat, f"from lk_notebook import ChatPanel\npanel = ChatPanel({arguments})")

    def place(self, at):
        """The HTML of one place of the view, as it was last told."""
        return next((each["h"] for each in reversed(self.told("html")) if each["at"] == at), "")

    def wait_for(self, at, text):
        """Until a place holds a text."""
        assert self.seat.wait(lambda: text in self.place(at)), self.place(at)

    def ask(self, text, **more):
        """Ask, and wait for the end; gives the number of the turn."""
        before = len(self.told("foot"))
        self.send(t="send", text=text, **more)
        ended = ("done", "stopped", "cut", "failed")
        assert self.seat.wait(lambda: any(foot["state"] in ended for foot in self.told("foot")[before:]))
        self.wait_for("go", 'data-t="send"')
        return self.told("foot")[-1]["c"]

    @property
    def sent(self):
        """The texts of the last request."""
        return [message["content"] for message in self.seat.player.requests[-1].body["messages"]]


@pytest.fixture(scope="module")
def seat():
    """A kernel with a LiveKit account."""
    with Player(answer) as player, Seat(player) as started:
        yield started


@pytest.fixture
def panel(seat):
    """A new panel."""
    return Panel(seat)


# Traits ---------------------------------------------------------------------------------------------------------


def test_what_is_set_in_python_is_told_to_the_view(panel):
    """Model, provider, parameters and system prompt."""
    panel.seat.run(
        "panel.model, panel.provider = 'gpt-oss-120b', 'groq'\n"
        "panel.extra_kwargs, panel.system = {'reasoning_effort': 'low'}, 'Be brief.'"
    )

    panel.wait_for("summary", "Be brief. · reasoning_effort=low")
    top = panel.place("top")
    assert 'value="openai/gpt-oss-120b"' in top
    assert re.findall('option value="([^"]*)"( selected)?', top) == [
        ("", ""), ("baseten", ""), ("cerebras", ""), ("groq", " selected"),
    ]  # fmt: skip


def test_what_is_chosen_in_the_view_fires_observers(panel):
    """As with any widget."""
    panel.seat.run("seen = []\npanel.observe(lambda change: seen.append((change.name, change.new)))")

    panel.send(t="model", text="gpt-5-mini")
    panel.send(t="field", name="max_completion_tokens", text="300")
    panel.send(t="field", name="system", text="Be kind.")
    panel.send(t="provider", text="azure")
    panel.wait_for("top", 'value="azure" selected')

    assert panel.value("seen") == str([
        ("model", "openai/gpt-5-mini"), ("extra_kwargs", {"max_completion_tokens": 300}), ("system", "Be kind."),
        ("provider", "azure"),
    ])  # fmt: skip


SLIPS = {
    "panel.model = 'gpt-5-mimi'": "did you mean openai/gpt-5-mini",
    "panel.extra_kwargs = {'temprature': 1}": "temperature",
    "panel.extra_kwargs = {'model': 'x'}": "filled by the call itself",
    "panel.messages = ['hi']": "A message is a dict",
    "ChatPanel('gpt-5-mimi')": "did you mean openai/gpt-5-mini",
    "ChatPanel(account='nobody')": "no account nobody",
    "from lk_notebook import LLM; ChatPanel(llm=LLM(), account='livekit')": "both say whom to ask",
}


@pytest.mark.parametrize(("source", "says"), SLIPS.items())
def test_what_cannot_be_used_is_refused_in_two_lines(panel, source, says):
    """And the panel stays as it was."""
    cell = panel.seat.run(source)

    assert (cell.status, len(cell.error)) == ("error", 2)
    assert says in cell.shown
    assert panel.value("panel.model, panel.extra_kwargs, panel.messages") == "openai/gpt-4.1-mini {} []"


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [("temperature", "3", "from 0 to 2"), ("seed", "x", "whole number"), ("others", "what", "is no KEY=VALUE"),
     ("model", "gpt-5-mimi", "did you mean")],
)  # fmt: skip
def test_what_is_typed_wrong_is_told_beside_its_field(panel, name, text, says):
    """The value stays as it was."""
    panel.send(t="model" if name == "model" else "field", name=name, text=text)

    panel.wait_for("alert" if name == "model" else "fields", says)
    assert name == "model" or text in panel.place("fields")
    assert panel.value("panel.model, panel.extra_kwargs") == "openai/gpt-4.1-mini {}"


def test_a_provider_that_does_not_serve_the_next_model_is_named_no_more(panel):
    """The best available one is picked then; one that serves it stays."""
    panel.seat.run("panel.provider = 'azure'; panel.model = 'gpt-4o'")
    stays = panel.value("panel.provider")
    panel.send(t="model", text="openai/gpt-oss-120b")
    panel.wait_for("top", 'value="openai/gpt-oss-120b"')

    assert stays == "azure"
    assert panel.value("panel.provider") == "None"


def test_the_words_of_lkuse_are_what_a_panel_begins_with(seat):
    """So are those of an alias, and of an LLM."""
    seat.run("%lkuse gpt-5-mini reasoning_effort=low -s 'Be kind.'\n%lkuse --as oss gpt-oss-120b@groq temperature=0")
    told = "print(p.model, p.provider, p.extra_kwargs, p.system)"

    plain_, alias, llm = (
        seat.run(f"from lk_notebook import LLM, ChatPanel\np = {made}\n{told}").shown.strip()
        for made in ("ChatPanel()", "ChatPanel('oss')", "ChatPanel(llm=LLM('gpt-4o', system='Rhyme.'), system='No.')")
    )
    seat.run("from lk_notebook.session import current; from lk_notebook.core.values import Setup")
    seat.run("current().defaults = Setup()")

    assert plain_ == "openai/gpt-5-mini None {'reasoning_effort': 'low'} Be kind."
    assert alias == "openai/gpt-oss-120b groq {'temperature': 0} None"
    assert llm == "openai/gpt-4o None {} No."


def test_an_llm_asks_with_its_own_account(seat):
    """`llm=` brings its address, its key and its time limits."""
    with Player([stream("from here")]) as other:
        panel = Panel(seat, f"llm=__import__('lk_notebook').LLM('llama3.2', base_url='{other.base_url}')")
        panel.ask("hi")

        assert [request.body["model"] for request in other.requests] == ["llama3.2"]
        assert panel.value("panel.model") == "llama3.2"


# Asking ---------------------------------------------------------------------------------------------------------


def test_a_chat_of_its_own(panel):
    """Its turns are sent with the next question, a cell's are not; %lkchats lists it."""
    panel.seat.run("%%lkchat\nelsewhere")
    panel.ask("one")
    panel.ask("two")

    assert panel.sent == ["one", "one!", "two"]
    assert "elsewhere" not in panel.value("panel.messages")
    assert f"{panel.value('panel._talk.name')}: 2 turns" in panel.seat.run("%lkchats").shown


def test_another_model_in_the_middle_of_a_chat_keeps_its_history(panel):
    """What was said before is sent to it."""
    panel.ask("one")
    panel.send(t="model", text="openai/gpt-4o")
    panel.ask("two")

    assert panel.sent == ["one", "one!", "two"]
    assert panel.seat.player.requests[-1].body["model"] == "openai/gpt-4o"


def test_an_edited_question_replaces_what_followed(panel):
    """In the view, in the history, and in what is sent."""
    first = panel.ask("one")
    panel.ask("two")
    panel.ask("uno", c=first)

    assert panel.sent == ["uno"]
    assert panel.wait("cut")["c"] == first
    assert panel.value("[message['content'] for message in panel.messages]") == "['uno', 'uno!']"


def test_an_edited_question_keeps_its_images(panel):
    """Its text alone is edited; what stands in the field is the text alone."""
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    panel.seat.run(f"panel.ask({{'role': 'user', 'content': [{{'type': 'text', 'text': 'what?'}}, {image}]}}).wait()")
    turn = panel.wait("foot", lambda foot: foot["state"] == "done")["c"]
    panel.send(t="edit", c=turn)
    panel.wait_for(f"asked{turn}", "<textarea")
    field = panel.place(f"asked{turn}")
    panel.ask("who?", c=turn)

    assert "what?</textarea>" in field
    (parts,) = panel.sent
    assert [part.get("text") or part["image_url"]["url"] for part in parts] == [image["image_url"]["url"], "who?"]


def test_an_edit_that_is_left_changes_nothing(panel):
    """The question stands as it was; nothing is asked."""
    turn = panel.ask("one")
    before = len(panel.seat.player.requests)
    panel.send(t="edit", c=turn)
    panel.wait_for(f"asked{turn}", "<textarea")
    panel.send(t="cancel", c=turn)
    assert panel.seat.wait(lambda: panel.place(f"asked{turn}") == "one")

    assert len(panel.seat.player.requests) == before


def test_what_is_refused_while_it_is_edited_stays_in_its_field(panel):
    """Turn and field are there as they were; the error says why."""
    panel.seat.run("panel.model = 'openai/gpt-4.1'")
    turn = panel.ask("one")
    panel.seat.run("%lkusage --budget 0.0000001")
    panel.send(t="edit", c=turn)
    panel.send(t="send", text="my long question", c=turn)
    panel.wait_for("alert", "budget")
    panel.seat.run("%lkusage --budget off")

    assert "<textarea" in panel.place(f"asked{turn}")
    assert panel.told("cut") == panel.told("draft") == []


def test_retry_asks_the_same_question_in_its_place(panel):
    """A turn that failed with nothing has left no trace in what is sent."""
    panel.ask("one")
    failed = panel.ask("fail")
    before = len(panel.seat.player.requests)
    panel.send(t="retry", c=failed)
    panel.wait("foot", lambda foot: foot["c"] > failed and foot["state"] == "failed")

    assert panel.sent == ["one", "one!", "fail"]
    assert len(panel.seat.player.requests) == before + 1
    assert panel.value("len(panel.messages)") == "2"


def test_stop_keeps_what_had_arrived(panel):
    """It stands in the history, and the connection is closed."""
    panel.send(t="send", text="wait")
    panel.wait("foot", lambda foot: foot["state"] == "live")
    assert panel.seat.wait(lambda: panel.value("panel._talk.running.text") == "half of it")
    panel.send(t="stop")
    panel.wait("foot", lambda foot: foot["state"] == "stopped")

    assert panel.seat.wait(lambda: panel.value("panel.messages[-1]['content']") == "half of it")
    panel.wait_for("go", 'data-t="send"')


def test_a_cut_answer_goes_on_in_its_place(panel):
    """Continue joins both parts."""
    cut = panel.ask("cut")
    assert "continue" in panel.told("foot")[-1]["acts"]
    panel.send(t="continue", c=cut)
    panel.wait("foot", lambda foot: foot["c"] > cut and foot["state"] == "done")

    assert panel.value("len(panel.messages)") == "2"
    assert "half of it" in panel.value("panel.messages[-1]['content']")


def test_what_is_refused_before_sending_comes_back_to_the_composer(panel):
    """The user's words are not lost, and no turn is made of them."""
    panel.seat.run("panel.model = 'openai/gpt-4.1'")
    panel.ask("one")
    panel.seat.run("%lkusage --budget 0.0000001")
    panel.send(t="send", text="my long question")
    draft = panel.wait("draft")
    panel.seat.run("%lkusage --budget off")

    assert draft["h"] == "my long question"
    assert "budget" in panel.place("alert")
    assert panel.value("len(panel.messages)") == "2"


def test_usage_of_a_panel_is_counted(panel):
    """By its name, in %lkusage."""
    panel.ask("one")
    name = panel.value("panel._talk.name")

    assert name in panel.seat.run("%lkusage").shown


def test_tools_run_in_the_notebook(seat):
    """As %%lkchat's do: in the main thread, with the names of the notebook."""
    seat.run(TOOL)
    panel = Panel(seat, "'openai/gpt-4.1-mini', tools=[stock]")
    panel.ask("call")

    assert panel.value("panel.messages[-1]['content']") == "There are 7 of tea."


def test_a_tool_that_asks_first_is_not_run_and_the_footer_says_so(seat):
    """A panel cannot ask; it never runs what nobody allowed."""
    seat.run(f"from lk_notebook import tool\n@tool(confirm=True)\n{TOOL}")
    panel = Panel(seat, "'openai/gpt-4.1-mini', tools=[stock]")
    panel.ask("call")

    assert "7 of tea" not in panel.value("panel.messages")
    assert "stock was not run" in panel.told("foot")[-1]["h"]


def test_what_the_model_does_not_take_is_left_out_and_said(panel):
    """It stays set, for the next model."""
    panel.seat.run("panel.extra_kwargs = {'reasoning_effort': 'low', 'temperature': 0}")
    panel.ask("one")
    body = panel.seat.player.requests[-1].body

    assert "reasoning_effort" not in body
    assert body["temperature"] == 0
    assert "reasoning_effort was left out" in panel.told("foot")[-1]["h"]
    assert panel.value("panel.extra_kwargs") == "{'reasoning_effort': 'low', 'temperature': 0}"


def test_messages_can_be_set_and_gone_on_with(panel):
    """A system prompt among them is the panel's; [] begins a new chat."""
    panel.seat.run(
        "panel.messages = [{'role': 'system', 'content': 'Rhyme.'}, {'role': 'user', 'content': 'one'},\n"
        "                  {'role': 'assistant', 'content': '*uno*'}]"
    )
    panel.ask("two")
    sent, system = panel.sent, panel.value("panel.system")
    panel.seat.run("panel.messages = []")
    panel.ask("three")

    assert (sent, system) == (["Rhyme.", "one", "*uno*", "two"], "Rhyme.")
    assert panel.sent == ["Rhyme.", "three"]


def test_a_new_chat_keeps_the_old_one(panel):
    """%lkchats still has it."""
    panel.ask("remember this")
    name = panel.value("panel._talk.name")
    panel.send(t="new")
    panel.wait("cut")

    assert panel.value("panel.messages") == "[]"
    assert "remember this" in panel.seat.run(f"%lkchats show {name}").shown


# What leaves the kernel -------------------------------------------------------------------------------------------


def test_no_key_is_in_the_state_or_in_what_is_told(seat):
    """Not one that stands in a parameter, nor one that the server repeats."""
    given = f"extra_kwargs={{'extra_headers': {{'X-Key': '{SECRET}'}}}}, system='The key is {SECRET}.'"
    panel = Panel(seat, f"'openai/gpt-4.1-mini', {given}")
    panel.send(t="sent", c=panel.ask("fail"))
    panel.wait("heard", lambda told: told.get("at") == "sent")

    assert SECRET not in repr(seat.opened[panel.id])
    assert SECRET not in panel.value("panel.get_state()")
    assert SECRET not in repr([each for where, each in seat.heard if where == panel.id])
    assert SECRET not in panel.cell.everything


def test_what_was_said_replaces_the_widget_once_the_view_has_moved_out(panel):
    """The output holds HTML and text beside the widget at first; then these alone, rewritten with each turn."""
    before = panel.cell.outputs[-1]["data"]
    panel.send(t="moved")
    assert panel.seat.wait(lambda: set(panel.cell.outputs[-1]["data"]) == {"text/html", "text/plain"})
    panel.ask("one")
    assert panel.seat.wait(lambda: "one!" in panel.cell.outputs[-1]["data"]["text/plain"])

    assert "application/vnd.jupyter.widget-view+json" in before
    assert set(panel.cell.outputs[-1]["data"]) == {"text/html", "text/plain"}
    assert "You: one" in panel.cell.outputs[-1]["data"]["text/plain"]


def test_where_nobody_sits_before_the_notebook_there_is_no_widget(seat):
    """What runs without a page, as nbclient does, saves the turns, which open everywhere."""
    cell = seat.run("panel = ChatPanel()\ndisplay(panel)\nreply = panel.ask('one').wait()")

    assert seat.wait(lambda: "one!" in cell.outputs[0]["data"]["text/plain"])
    assert set(cell.outputs[0]["data"]) == {"text/html", "text/plain"}


def test_a_view_that_lost_its_content_is_told_all_of_it(panel):
    """After a page was loaded again, or a message went missing."""
    panel.ask("one")
    before = len(panel.seat.heard)
    panel.send(t="lost")

    def told():
        return [each for where, each in panel.seat.heard[before:] if where == panel.id]

    assert panel.seat.wait(lambda: {each["at"] for each in told() if each["t"] == "html"} == PLACES)
    assert [each["t"] for each in told() if each["t"] != "html"] == ["reset", "frame", "ops", "foot"]
    assert "one" in panel.place("log")


# %lkpanel ---------------------------------------------------------------------------------------------------------


def test_lkpanel_opens_a_panel_with_the_words_of_its_line(seat):
    """Model, provider, parameters, system prompt, tools; -o keeps it."""
    seat.run(TOOL)
    cell = seat.run("%lkpanel gpt-oss-120b@groq temperature=0 -s 'Be brief.' -t stock -o mine", answers=[])
    told = seat.run("print(mine.model, mine.provider, mine.extra_kwargs, mine.system, _ is mine)").shown

    assert cell.status == "ok"
    assert "application/vnd.jupyter.widget-view+json" in cell.outputs[-1]["data"]
    assert told.strip() == "openai/gpt-oss-120b groq {'temperature': 0} Be brief. True"


def test_lkpanel_opens_several_side_by_side(seat):
    """One for each model, in one box, with a transcript of each below it."""
    cell = seat.run("%lkpanel gpt-4o gpt-4.1 -o both")

    assert seat.run("print([panel.model for panel in both])").shown.strip() == "['openai/gpt-4o', 'openai/gpt-4.1']"
    assert [output["data"].get("text/html", "").count("lk-transcript") for output in cell.outputs] == [0, 1, 1]


@pytest.mark.parametrize(
    ("line", "says"),
    [("gpt-5-mimi", "did you mean"), ("a b c d e", "up to 4"), ("gpt-4o gpt-4.1 -p azure", "one provider for all"),
     ("gpt-4o temprature=1", "temperature"), ("-t nothing_there", "-t nothing_there"), ("-o 'a b'", "-o")],
)  # fmt: skip
def test_a_slip_at_lkpanel_is_two_lines(seat, line, says):
    """What is wrong, and the mend."""
    cell = seat.run(f"%lkpanel {line}")

    assert (cell.status, len(cell.error)) == ("error", 2)
    assert says in cell.shown
