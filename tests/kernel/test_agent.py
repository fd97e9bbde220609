"""%%lkagent in a real kernel: a real AgentSession, its turns, tools, hand-offs, and how it is stopped and closed."""

from __future__ import annotations

import json
import re
import threading
import time

import pytest
from kernels import SECRET
from player import Answer, after, plain, stream, words

TOOLS = """
import asyncio, threading, time
from livekit.agents import Agent, RunContext, function_tool
def get_weather(city: str) -> str:
    "Weather of a city."
    return f"sunny in {city}"
def where() -> bool:
    return threading.current_thread() is threading.main_thread()
came = [asyncio.Event(), asyncio.Event()]
async def meet(me: int) -> str:
    came[me].set()
    await asyncio.wait_for(came[1 - me].wait(), 5)
    return f"{me} met {1 - me}"
def broken() -> str:
    raise ValueError("no such city")
def sleeps() -> str:
    print("asleep", flush=True)
    time.sleep(20)
    return "awake"
async def sleeps_async() -> str:
    print("asleep", flush=True)
    await asyncio.sleep(20)
    return "awake"
class Billing(Agent):
    def __init__(self):
        super().__init__(instructions="You do bills.")
    @function_tool
    async def pay(self, amount: int) -> str:
        "Pay a bill."
        return f"paid {amount} in the main thread: {threading.current_thread() is threading.main_thread()}"
async def bye(context: RunContext) -> str:
    "Ends the conversation."
    context.session.shutdown()
    return "bye"
class Greeter(Agent):
    async def on_enter(self):
        self.session.say("Welcome.")
        self.session.generate_reply(instructions="Greet.")
def to_greeter() -> Agent:
    return Greeter(instructions="You greet.")
def to_billing() -> Agent:
    "Hand over to billing."
    return Billing()
@function_tool
async def decorated(city: str) -> str:
    "Made for LiveKit."
    return f"{city}, main thread: {threading.current_thread() is threading.main_thread()}"
async def knows(context: RunContext, word: str) -> str:
    "Knows its session."
    return f"{word}: {context.session is session}"
"""
FAIL = plain(400, {"error": {"message": "No such thing."}})


def call(name, arguments="{}", number=1):
    """A call as the model sends it."""
    return {"id": f"call_{number}", "name": name, "arguments": arguments}


def calling(*calls, text=""):
    """A stream that calls tools."""
    return stream(text, tool_calls=list(calls))


def said(request):
    """The history of a request: who, and what."""
    return [(message["role"], message.get("content")) for message in request.body["messages"]]


def results(request):
    """What the model was told that its calls gave."""
    return [message["content"] for message in request.body["messages"] if message["role"] == "tool"]


@pytest.fixture
def talk(stage):
    """A new session for a test; `talk(line, text)` is its next turn, `talk.play(answer, …)` what is answered."""

    class Talk:
        play, requests = staticmethod(stage.play), property(lambda _: stage.requests)
        kernel, player = stage.kernel, stage.player

        def __call__(self, text, line="", **options):
            return stage.run(self.cell(text, line), **{"seconds": 60} | options)

        def cell(self, text, line=""):
            new, self.new = self.new, ""
            return f"%%lkagent {new} --keep {self.name} {line}\n{text}"

        def send(self, text, line=""):
            return stage.kernel.send(self.cell(text, line))

        def run(self, source, **options):
            return stage.run(source, **options)

    stage.play(stream("Hello."))
    if "class Billing" not in stage.run("print(In)").shown:
        assert stage.run(TOOLS, seconds=60).status == "ok"
    here = Talk()
    here.new, here.name = "-n", "session"
    return here


# A turn, and the next ---------------------------------------------------------------------------------------------


def test_the_answer_grows_in_the_cell(talk):
    """What has arrived is seen before the rest comes."""
    gate = threading.Event()
    talk.play(Answer([*words("one two"), gate, *stream(" three").pieces]))

    cell = talk.send("hi")
    seen = talk.kernel.wait(lambda: "one two" in cell.shown, 60)
    gate.set()
    talk.kernel.finish(cell)

    assert seen
    assert "one two three" in cell.shown


def test_the_next_cell_goes_on_with_the_same_session(talk):
    """Instructions and earlier turns are in the next request."""
    talk.play(stream("Hello Ada."), stream("You are Ada."))
    talk("I am Ada.", '-s "Be brief."')
    talk("Who am I?")

    assert said(talk.requests[1]) == [
        ("system", "Be brief."),
        ("user", "I am Ada."),
        ("assistant", "Hello Ada."),
        ("user", "Who am I?"),
    ]


def test_without_instructions_none_are_sent(talk):
    """No system message that nobody wrote."""
    talk("hi")

    assert said(talk.requests[0]) == [("user", "hi")]


def test_the_session_is_livekits_and_the_readers(talk):
    """A real AgentSession in a variable, to be read, and called where it lives."""
    talk.play(stream("Hello."), stream("Called."))
    talk("hi")

    shown = talk.run(
        "from livekit.agents import AgentSession\nfrom lk_notebook import agents\n"
        "told = [each.text_content for each in session.history.items if each.type == 'message']\n"
        "print(isinstance(session, AgentSession), told)\n"
        "print(agents.call(session.run, user_input='again').events[-1].item.text_content)"
    ).shown

    assert shown.splitlines() == ["True ['hi', 'Hello.']", "Called."]


def test_the_footer_sums_the_turn_and_the_ledger_has_each_request(talk):
    """A turn with a tool is two requests."""
    talk.play(calling(call("get_weather", '{"city": "Paris"}')), stream("It is sunny there."))

    cell = talk("hi", "-t get_weather")
    used = talk.run("%lkusage -o used\nprint(list(used[used.cell == used.cell.iloc[-1]].completion_tokens))").shown

    assert "22 → 5 tokens" in cell.shown
    assert "[1, 4]" in used


def test_expressions_are_evaluated_once(talk):
    """As in %%lkchat."""
    talk.run("word = 'sky {{ 1 }}'")
    talk("about {{ word }}")
    talk("about {{ word }}", "--raw")

    assert [request.prompt for request in talk.requests] == ["about sky {{ 1 }}", "about {{ word }}"]


def test_a_later_cell_changes_the_agent(talk):
    """Model, parameters, instructions and tools, from there on; what was said stays."""
    talk("hi", '-s "Be brief."')
    talk("hi", 'gpt-4o temperature=0 -s "Be long." -t get_weather')
    talk("hi", "temperature=1")

    first, second, third = talk.requests
    assert (first.body["model"], "tools" in first.body) == ("openai/gpt-4.1-mini", False)
    assert (second.body["model"], second.body["temperature"]) == ("openai/gpt-4o", 0)
    assert said(second)[0] == ("system", "Be long.")
    assert second.body["tools"][0]["function"]["name"] == "get_weather"
    assert (third.body["model"], third.body["temperature"]) == ("openai/gpt-4o", 1)
    assert said(third)[0] == ("system", "Be long.")


def test_n_starts_anew(talk):
    """Nothing of the old session is in the new one."""
    talk("hi")
    talk("hello", "-n")

    assert said(talk.requests[1]) == [("user", "hello")]


def test_sessions_of_several_names_do_not_mix(talk):
    """--keep makes another one, in a variable of that name."""
    talk("hi")
    talk.name = "helper"
    talk("hello")

    assert said(talk.requests[1]) == [("user", "hello")]
    assert "helper" in talk.run("%lkagent").shown
    assert talk.run("print(helper is session)").shown.strip() == "False"


def test_a_variable_of_the_users_is_left_alone(talk):
    """A session of requests, of a database: the error tells what to write."""
    talk.run("mine = 5")

    cell = talk.run("%%lkagent --keep mine\nhi")

    assert cell.error == [
        "The variable mine holds something of yours.",
        "Name another one for the session: --keep agent_session.",
    ]
    assert not talk.requests


def test_a_turn_is_exported_as_it_was_asked(talk):
    """Model, instructions and tools of the agent, as a program."""
    talk("hi", 'gpt-4o temperature=0 -s "Be brief." -t get_weather -o turn')

    written = talk.run("%lkexport python turn -o agent.py\nprint(open('agent.py').read())").shown

    for what in ('"openai/gpt-4o"', "temperature", "Be brief.", "def get_weather(city: str)"):
        assert what in written, written


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("%%lkagent gpt-4.1-m", "%%lkagent gpt-4.1-mini"),
        ("%%lkagent -t get_w", "%%lkagent -t get_weather"),
        ("%%lkagent --ev", "%%lkagent --eval"),
        ("%%lkagent gpt-5-mini verb", "%%lkagent gpt-5-mini verbosity="),
        ("%lkagent --cl", "%lkagent --close"),
        ("%lkagent --keep sess", "%lkagent --keep session"),
    ],
)
def test_tab_completes_the_line(talk, typed, completed):
    """Models, parameters, tools, options, and the sessions that are open."""
    if "--keep" in typed:
        talk("hi")

    said = talk.kernel.client.complete(typed, reply=True, timeout=30)["content"]

    assert [typed[: said["cursor_start"]] + match for match in said["matches"]] == [completed]


# Tools ------------------------------------------------------------------------------------------------------------


def test_tools_run_where_the_notebooks_code_runs_and_are_shown_folded(talk):
    """In the kernel's main thread; call and result stand in the cell."""
    talk.play(calling(call("where")), stream("There."))

    cell = talk("hi", "-t where")

    assert results(talk.requests[1]) == ["true"]
    assert "<details" in cell.html
    assert "Called where()" in cell.shown
    assert "There." in cell.shown


def test_async_calls_of_one_round_run_together(talk):
    """Two calls that wait for each other both end."""
    talk.play(calling(call("meet", '{"me": 0}', 1), call("meet", '{"me": 1}', 2)), stream("Met."))

    talk("hi", "-t meet")

    assert sorted(results(talk.requests[1])) == ["0 met 1", "1 met 0"]


def test_a_tool_that_raises_is_told_to_the_model_and_the_reader(talk):
    """LiveKit alone would say "an internal error occurred"."""
    talk.play(calling(call("broken")), stream("Sorry."))

    cell = talk("hi", "-t broken")

    assert results(talk.requests[1]) == ["ValueError: no such city"]
    assert "Failed: broken()" in cell.shown
    assert 'raise ValueError("no such city")' in cell.shown
    assert "livekit" not in cell.shown


def test_arguments_that_do_not_fit_go_back_to_the_model(talk):
    """They are checked against the types before the call."""
    talk.play(calling(call("get_weather", '{"town": "Paris"}')), stream("Sorry."))

    talk("hi", "-t get_weather")

    assert "The arguments of get_weather do not fit" in results(talk.requests[1])[0]


def test_only_what_was_offered_can_run(talk):
    """A name that the model made up is told to it, and shown."""
    talk.play(calling(call("where")), stream("Sorry."))

    cell = talk("hi", "-t get_weather")

    assert "where" in results(talk.requests[1])[0]
    assert "Failed: where()" in cell.shown


def test_a_tool_may_take_livekits_context(talk):
    """It runs with its session in hand."""
    talk.play(calling(call("knows", '{"word": "yes"}')), stream("Good."))

    cell = talk("hi", "-t knows")

    assert results(talk.requests[1]) == ["yes: True"]
    assert "Called knows(word='yes')" in cell.shown


def test_a_tool_made_for_livekit_runs_here_too(talk):
    """What `@function_tool` marked is copied from a program, and back into one."""
    talk.play(calling(call("decorated", '{"city": "Rome"}')), stream("Good."))

    talk("hi", "-t decorated")

    assert results(talk.requests[1]) == ["Rome, main thread: True"]


def test_an_agent_that_a_tool_gives_takes_over(talk):
    """The hand-off is shown; the next turn is the new agent's, with its instructions and tools."""
    talk.play(calling(call("to_billing")), calling(call("pay", '{"amount": 7}', 2)), stream("Paid."))

    first = talk("my bill", "-s Hello -t to_billing")
    talk("pay")

    assert "Handed over to Billing" in first.shown
    assert said(talk.requests[1])[0] == ("system", "You do bills.")
    assert results(talk.requests[2]) == ["paid 7 in the main thread: True"]


def test_what_an_agent_says_by_itself_is_shown(talk):
    """A greeting on entering, said or asked for: each a text of its own, below the hand-over."""
    talk.play(calling(call("to_greeter")), stream("Good day."))

    cell = talk("hi", "-t to_greeter")

    order = ["Handed over to Greeter", ">Welcome.<", ">Good day.<"]
    assert [cell.html.find(each) for each in order] == sorted(cell.html.find(each) for each in order)
    assert cell.html.find(order[0]) > 0


# Stopping ---------------------------------------------------------------------------------------------------------


def test_stopped_before_the_first_token_nothing_is_left_of_the_turn(talk, record_property):
    """The cell ends at once, the connection is closed, and the next turn is as if nothing had been asked."""
    talk("hi")
    talk.play(Answer([threading.Event()]))
    cell = talk.send("slow")
    assert talk.player.wait(lambda: talk.requests, 20)
    time.sleep(0.2)

    pressed = talk.kernel.interrupt()
    talk.kernel.finish(cell)
    gone = talk.player.stopped(5)
    talk.play(stream("Again."))
    after_ = talk("again")

    record_property("seconds until the kernel was free", round(cell.ended - pressed, 3))
    record_property("seconds until the connection was closed", round(gone - pressed, 3))
    assert cell.ended - pressed < 3
    assert not re.search("Traceback|KeyboardInterrupt|Cancelled|Error", cell.shown)
    assert "Again." in after_.shown
    assert said(talk.requests[0]) == [("user", "hi"), ("assistant", "Hello."), ("user", "again")]


def test_what_had_arrived_stays_and_is_remembered(talk):
    """The cut answer is in the cell, and in the history of the next request."""
    talk.play(Answer([*words("one two"), threading.Event()]))
    cell = talk.send("count")
    assert talk.kernel.wait(lambda: "two" in cell.shown, 60)

    talk.kernel.interrupt()
    talk.kernel.finish(cell)
    talk.play(stream("three"))
    talk("go on")

    assert "one two" in cell.shown
    assert "stopped" in cell.shown.lower()
    assert said(talk.requests[0]) == [("user", "count"), ("assistant", "one two"), ("user", "go on")]


@pytest.mark.parametrize("tool", ["sleeps", "sleeps_async"])
def test_stopped_within_a_tool(talk, tool):
    """The tool is broken off, the model hears nothing of it, and the session is free for the next turn."""
    talk.play(calling(call(tool)), stream("Again."))
    cell = talk.send("sleep", f"-t {tool}")
    assert talk.kernel.wait(lambda: "asleep" in cell.shown, 60)

    pressed = talk.kernel.interrupt()
    talk.kernel.finish(cell)
    after_ = talk("again")

    assert cell.ended - pressed < 3
    assert f"Stopped: {tool}()" in cell.shown
    assert not re.search("Traceback|KeyboardInterrupt|Cancelled|Error", cell.shown)
    assert "Again." in after_.shown
    assert len(talk.requests) == 2


def test_an_interrupt_between_turns_hurts_nobody(talk):
    """■ while nothing runs, and in a cell of another kind."""
    talk("hi")
    busy = talk.kernel.send("import time; time.sleep(20)")
    talk.kernel.wait(lambda: busy.started, 20)
    time.sleep(0.2)
    talk.kernel.interrupt()
    talk.kernel.finish(busy)
    talk.kernel.interrupt()

    assert "Hello." in talk("hi again").shown


def test_run_all_stops_behind_a_stopped_turn(talk):
    """As behind any interrupt."""
    talk.play(Answer([*words("at first"), threading.Event()]))
    cell, queued = talk.send("hi"), talk.kernel.send("print('after')")
    assert talk.kernel.wait(lambda: "first" in cell.shown, 60)

    talk.kernel.interrupt()
    talk.kernel.finish(cell, queued)

    assert (cell.status, queued.status) == ("error", "aborted")


# Errors -----------------------------------------------------------------------------------------------------------


def test_six_failures_in_a_row_each_tell_their_two_lines(talk):
    """LiveKit ends a session at the fourth, without a word; then the conversation goes on where it was."""
    talk("hi")
    talk.run("first = session")
    talk.play(FAIL)
    failed = [talk("fail") for _ in range(6)]
    talk.play(stream("Again."))
    after_ = talk("again")

    assert [cell.error for cell in failed] == [
        ["livekit answered (400): No such thing.", "Change the request as it says."]
    ] * 6
    assert {cell.status for cell in failed} == {"error"}
    assert talk.run("print(session is first)").shown.strip() == "True"
    assert "Again." in after_.shown
    assert said(talk.requests[0]) == [("user", "hi"), ("assistant", "Hello."), ("user", "again")]


def test_no_message_is_an_error(talk):
    """A turn never ends in silence."""
    talk.play(stream(""))

    assert talk("hi").error[0] == "The agent ended its turn without a message."


def test_an_answer_that_ends_early_is_cut(talk):
    """LiveKit takes a clean end of the stream for the end of the answer; what had arrived stays."""
    talk.play(Answer(words("one two")))

    cell = talk("hi")

    assert cell.status == "error"
    assert "one two" in cell.shown
    assert "Cut off" in cell.shown


def test_a_failure_after_text_is_not_asked_again(talk):
    """One request; the text stays."""
    talk.play(after(stream("one two three"), 3, "cut"))

    cell = talk("hi")

    assert len(talk.requests) == 1
    assert "one" in cell.shown


def test_no_key_and_no_log_line_is_shown(talk):
    """Neither in the cell, nor in what the process writes."""
    talk.play(plain(401, {"error": f"bad key {SECRET}"}))

    cell = talk("hi")

    assert SECRET not in cell.everything + talk.kernel.log
    assert "livekit.agents" not in cell.everything + talk.kernel.log


@pytest.mark.parametrize(
    ("cell", "what"),
    [
        ("%%lkagent temprature=1\nhi", "temprature is no known parameter: did you mean temperature?"),
        ("%%lkagent\n ", "There is nothing to say."),
        ("%%lkagent gpt-4o gpt-5\nhi", "gpt-5 is one word too many on the line."),
        ("%%lkagent -t nowhere\nhi", "-t nowhere: NameError: name 'nowhere' is not defined"),
        ("%%lkagent --keep 1x\nhi", "--keep 1x is no name of a variable."),
        ("%lkagent hello", "%lkagent does not know hello."),
        ("%lkagent --close --keep nobody", "No session is open under the name nobody."),
        ("%%lkagent --eval\nhello", "This line begins with neither user: nor expect: hello"),
    ],
)
def test_what_cannot_be_asked_is_told_in_two_lines(talk, cell, what):
    """Nothing is sent."""
    ran = talk.run(cell)

    assert ran.error[0] == what
    assert len(ran.error) == 2
    assert not talk.requests


def test_without_livekit_agents_the_cell_tells_how_to_install_it(kernel):
    """Two lines, one of them to run."""
    bare = kernel()
    bare.run("import sys\nsys.modules['livekit'] = None")

    assert bare.run("%%lkagent\nhi").error == [
        "livekit-agents is not installed.",
        'Install it, then restart the kernel: pip install "lk_notebook[agents]"',
    ]


def test_a_recorded_conversation_is_played_without_an_account(talk, kernel):
    """A class follows it, tools and all, on machines that have none."""
    talk.play(
        calling(call("get_weather", '{"city": "Paris"}')), stream("It is sunny there."), stream("You are welcome.")
    )
    tape = str(talk.kernel.home / "talk.jsonl")
    talk.run(f"%lkrecord {tape}")
    talk("hi", "-t get_weather")
    talk("thanks")
    talk.run("%lkrecord --off")

    bare = kernel()
    bare.run(TOOLS, seconds=60)
    bare.run(f"%lkreplay {tape}")
    first, second = bare.run("%%lkagent -t get_weather\nhi", seconds=60), bare.run("%%lkagent\nthanks")

    assert "Called get_weather(city='Paris')" in first.shown, first.shown
    assert "It is sunny there." in first.shown
    assert "You are welcome." in second.shown


# Closing ----------------------------------------------------------------------------------------------------------


def test_close_ends_the_session_and_its_history_stays(talk):
    """The next turn opens another one."""
    talk("hi")
    closed = talk.run("%lkagent --close\nprint(len(session.history.items) > 0)")
    talk("hello")

    assert closed.shown.strip() == "True"
    assert said(talk.requests[1]) == [("user", "hello")]


def test_a_tool_may_end_the_session(talk):
    """What the agent says last is shown; the next turn goes on where it was."""
    talk.play(calling(call("bye")), stream("Goodbye."), stream("Hello again."))

    last = talk("bye", "-t bye")
    after_ = talk("hi")

    assert last.status == "ok", last.shown
    assert "Goodbye." in last.shown
    assert "Hello again." in after_.shown
    assert ("assistant", "Goodbye.") in said(talk.requests[-1])


def test_a_session_that_has_ended_goes_on_in_a_new_one(talk):
    """Whoever ended it: the user here, too many errors elsewhere. What was said is not lost."""
    talk("hi", '-s "Be brief."')
    talk.run("from lk_notebook import agents\nbefore = session\nagents.call(session.aclose)")
    cell = talk("again")

    assert cell.status == "ok", cell.shown
    assert said(talk.requests[1]) == [
        ("system", "Be brief."),
        ("user", "hi"),
        ("assistant", "Hello."),
        ("user", "again"),
    ]
    assert talk.run(
        "print(session is before, len(session.history.items) > len(before.history.items))"
    ).shown.strip() == ("False True")


COUNTS = """
import asyncio, gc, json, os, stat, threading
from lk_notebook import agents
gc.collect()
async def tasks():
    return len(asyncio.all_tasks())
def is_socket(fd):
    try:
        return stat.S_ISSOCK(os.fstat(int(fd)).st_mode)
    except OSError:
        return False
sockets = sum(map(is_socket, os.listdir("/proc/self/fd")))
print(json.dumps([agents.call(tasks), threading.active_count(), sockets]))
"""


def test_twenty_sessions_leave_no_task_no_thread_and_no_socket(kernel, play):
    """What they opened is closed with them."""
    here = kernel(play(lambda request: stream("Hello.") if request.prompt == "hi" else calling(call("get_weather"))))
    here.run(TOOLS, seconds=60)
    here.run("%%lkagent -n -t get_weather\nhi", seconds=60)
    here.run("%lkagent --close")
    before = json.loads(here.run(COUNTS).shown)

    for _ in range(20):
        assert here.run("%%lkagent -n -t get_weather\nhi", seconds=60).status == "ok"
        here.run("%lkagent --close")

    left = json.loads(here.run(COUNTS).shown)
    assert all(now <= then for now, then in zip(left, before, strict=True)), (before, left)


def test_sessions_are_closed_when_the_kernel_ends(kernel, play):
    """Agents get to say goodbye."""
    here = kernel(play(calling(call("go")), stream("Hello.")))
    here.run(
        "from livekit.agents import Agent\nfrom pathlib import Path\nclass Last(Agent):\n"
        "    async def on_exit(self):\n        Path('goodbye').write_text('closed')\n"
        "def go() -> Agent:\n    return Last(instructions='x')"
    )
    assert here.run("%%lkagent -t go\nhi", seconds=60).status == "ok"

    here.client.shutdown()

    assert here.wait(lambda: not here.manager.is_alive(), 20)
    assert (here.home / "goodbye").read_text() == "closed"


# Evaluation -------------------------------------------------------------------------------------------------------

EVAL = """%%lkagent --eval -t get_weather,to_billing -o table
user: Weather in Paris?
expect: calls get_weather(city="Paris")
expect: calls get_weather(city="Rome")
expect: not calls to_billing
expect: says SUNNY
expect: judge tells the weather
user: My bill
expect: hands over to Billing
---
user: Hello
expect: calls nothing
expect: says goodbye"""


def evaluated(request):
    """A model that plays along."""
    tools = [tool["function"]["name"] for tool in request.body.get("tools", ())]
    if "check_intent" in tools:
        return calling(call("check_intent", '{"success": true, "reason": "it does"}'))
    if request.body["messages"][-1]["role"] == "tool":
        return stream("It is sunny in Paris.")
    if "Weather" in request.prompt:
        return calling(call("get_weather", '{"city": "Paris"}'))
    return calling(call("to_billing", "{}", 2)) if "bill" in request.prompt else stream("Hello.")


def test_an_evaluation_is_a_table_of_what_was_met(talk):
    """Each expectation has its row; one that was not met says what was found instead. The cell goes on."""
    talk.play(evaluated)

    cell = talk.run(EVAL.replace("--eval", "--eval -n"), seconds=60)
    rows = json.loads(talk.run("print(table.to_json(orient='values'))").shown)

    assert cell.status == "ok", cell.shown
    assert "6 of 8 expectations met" in cell.shown
    assert [(row[2], row[3]) for row in rows] == [
        ('calls get_weather(city="Paris")', True),
        ('calls get_weather(city="Rome")', False),
        ("not calls to_billing", True),
        ("says SUNNY", True),
        ("judge tells the weather", True),
        ("hands over to Billing", True),
        ("calls nothing", True),
        ("says goodbye", False),
    ]
    assert rows[1][4] == "get_weather(city='Paris')"
    assert rows[-1][4] == "Hello."
    assert said(talk.requests[-1]) == [("user", "Hello")]


def test_an_evaluation_leaves_the_session_alone(talk):
    """It tries the agent of the session, in a session of its own."""
    talk("hi", '-s "Be brief."')
    talk.run("%%lkagent --eval\nuser: Hello\nexpect: says hello", seconds=60)
    talk("again")

    assert said(talk.requests[1]) == [("system", "Be brief."), ("user", "Hello")]
    assert said(talk.requests[2])[-3:] == [("user", "hi"), ("assistant", "Hello."), ("user", "again")]


def test_an_evaluation_that_nobody_answers_is_an_error(talk):
    """Two lines, and the table tells it in each row."""
    talk.play(FAIL)

    cell = talk.run("%%lkagent --eval -o table\nuser: Hello\nexpect: says hello", seconds=60)

    assert cell.error[0] == "livekit answered (400): No such thing."
    assert talk.run("print(list(table.met), list(table.found))").shown.strip() == (
        "[False] ['livekit answered (400): No such thing.']"
    )


def test_an_evaluation_can_be_stopped(talk):
    """What was judged stays."""
    talk.play(stream("Hello."), Answer([*words("at first"), threading.Event()]))
    cell = talk.kernel.send("%%lkagent --eval\nuser: a\nexpect: says hello\nuser: b\nexpect: says two\nuser: c")
    assert talk.player.wait(lambda: len(talk.requests) == 2, 60)
    time.sleep(0.2)

    pressed = talk.kernel.interrupt()
    talk.kernel.finish(cell)

    assert cell.ended - pressed < 3
    assert "1 of 2 expectations met" in cell.shown
    assert "Traceback" not in cell.shown
