"""Functions of the notebook that a model calls: where they run, how they are stopped, and what it is told of them."""

from __future__ import annotations

import json

import pytest
from kernels import SECRET
from player import Answer, chunk, end, stream, words

KINDS = """
import asyncio, functools, threading
def add(a: int, b: int) -> int:
    "Add two numbers."
    return a + b
async def slow_add(a: int, b: int) -> int:
    await asyncio.sleep(0.01)
    return a + b
class Adder:
    def method(self, a: int, b: int) -> int:
        return a + b
    async def slow_method(self, a: int, b: int) -> int:
        return a + b
    def __call__(self, a: int, b: int) -> int:
        return a + b
adder = Adder()
add_to = functools.partial(add, b=3)
"""


def call(name, arguments="{}", number=1, **more):
    """A call as the model sends it."""
    return {"id": f"call_{number}", "name": name, "arguments": arguments, **more}


def calling(name, arguments="{}", text="", **more):
    """A stream that calls one tool."""
    return stream(text, tool_calls=[call(name, arguments)], **more)


def results(request):
    """What the model was told that its calls gave."""
    return [message["content"] for message in request.body["messages"] if message["role"] == "tool"]


@pytest.fixture
def tool(stage):
    """Define tools, and ask with one that the model calls: `tool(source, name, arguments)` gives the cell."""

    def ask(source, name, arguments="{}", line="", **options):
        stage.play(calling(name, arguments), stream("Done."))
        defined = stage.run(source)
        assert defined.status == "ok", defined.shown
        return stage.run(f"%%lkchat -n -t {name} {line}\nhi", **options)

    return ask


# What can be a tool, and where it runs --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offered", "called"),
    [
        ("add", "add"),
        ("slow_add", "slow_add"),
        ("adder.method", "method"),
        ("adder.slow_method", "slow_method"),
        ("adder", "Adder"),
        ("add_to", "add"),
        ("functools.partial(slow_add, b=3)", "slow_add"),
    ],
)
def test_whatever_can_be_called_can_be_a_tool(stage, offered, called):
    """Functions, methods, objects with `__call__`, `functools.partial`, sync and async; their result goes back."""
    bound = "partial" in offered or offered == "add_to"
    stage.play(calling(called, '{"a": 2}' if bound else '{"a": 2, "b": 3}'), stream("It is five."))
    stage.run(KINDS)

    cell = stage.run(f"%%lkchat -n -t {offered}\nhi")

    assert cell.status == "ok", cell.shown
    assert results(stage.requests[1]) == ["5"]
    assert "It is five." in cell.shown


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_tool_runs_in_the_kernels_main_thread(stage, tool, kind):
    """Plots, and whatever else must be done where the notebook's own code runs."""
    tool(
        f"import threading\n{kind} here() -> bool:\n    return threading.current_thread() is threading.main_thread()",
        "here",
    )

    assert results(stage.requests[1]) == ["true"]


def test_an_async_tool_runs_on_the_notebooks_own_loop(stage, tool):
    """It can use what a cell made there: a client, a queue, a lock."""
    tool(
        "import asyncio\nloop = asyncio.get_running_loop()\n"
        "async def here() -> bool:\n    return asyncio.get_running_loop() is loop",
        "here",
    )

    assert results(stage.requests[1]) == ["true"]


def test_async_calls_of_one_round_run_together(stage):
    """Two calls that wait for each other both end."""
    stage.play(stream(tool_calls=[call("meet", '{"me": 0}', 1), call("meet", '{"me": 1}', 2)]), stream("Met."))
    stage.run(
        "import asyncio\ncame = [asyncio.Event(), asyncio.Event()]\nasync def meet(me: int) -> str:\n"
        "    came[me].set()\n    await asyncio.wait_for(came[1 - me].wait(), 5)\n    return f'{me} met {1 - me}'"
    )

    stage.run("%%lkchat -n -t meet\nhi")

    assert results(stage.requests[1]) == ["0 met 1", "1 met 0"]


def test_a_tool_sees_and_changes_the_notebook(stage, tool):
    """Names of the notebook are its names."""
    tool("seen = []\ndef keep(word: str) -> None:\n    seen.append(word)", "keep", '{"word": "sky"}')

    assert stage.run("print(seen)").shown.strip() == "['sky']"


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_what_a_tool_displays_stands_in_the_cell_that_asked(tool, kind):
    """A table, a picture, a print."""
    cell = tool(f"{kind} draw() -> None:\n    display('a picture')\n    print('a line')", "draw")

    assert any("a picture" in str(output.get("data")) for output in cell.outputs)
    assert "a line" in "".join(o["text"] for o in cell.outputs if o["output_type"] == "stream")


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_tool_can_ask_the_user(stage, tool, kind):
    """`input()` in a tool asks in the notebook."""
    cell = tool(f"{kind} name() -> str:\n    return input('Who are you? ')", "name", answers=["Ada"])

    assert cell.asked == ["Who are you? "]
    assert results(stage.requests[1]) == ["Ada"]


@pytest.mark.parametrize(
    "source",
    [
        "def inner() -> str:\n    return str(LLM()('inner question'))",
        "async def inner() -> str:\n    return (await LLM()('inner question')).text",
        "async def inner() -> str:\n    return str(LLM()('inner question'))",
    ],
)
def test_a_tool_can_ask_a_model_itself(stage, source):
    """One answer waits for another."""
    outer = iter([calling("inner"), stream("Outer.")])
    stage.play(lambda request: stream("Inner.") if request.prompt == "inner question" else next(outer))
    stage.run(f"from lk_notebook import LLM\n{source}")

    cell = stage.run("%%lkchat -n -t inner\nhi", seconds=15)

    assert results(stage.requests[-1]) == ["Inner."]
    assert "Outer." in cell.shown


WAYS = {
    "str": "print(str(llm('hi', tools=[add])))",
    "wait": "print(llm('hi', tools=[add]).wait().text)",
    "for": "for piece in llm('hi', tools=[add]): print(piece, end='')",
    "await": "print((await llm('hi', tools=[add])).text)",
    "async for": "async for piece in llm('hi', tools=[add]): print(piece, end='')",
    "async for, async tool": "async for piece in llm('hi', tools=[slow_add]): print(piece, end='')",
    "last in a cell": "llm('hi', tools=[slow_add])",
}


@pytest.mark.parametrize("source", WAYS.values(), ids=WAYS.keys())
def test_tools_run_however_the_reply_is_waited_for(stage, source):
    """A cell that waits for the reply in any way runs its tools."""
    stage.play(calling("slow_add" if "slow" in source else "add", '{"a": 2, "b": 3}'), stream("It is five."))
    stage.run(f"{KINDS}\nfrom lk_notebook import LLM\nllm = LLM()")

    cell = stage.run(source, seconds=15)

    assert "It is five." in cell.shown
    assert results(stage.requests[1]) == ["5"]


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_tool_runs_while_nobody_waits(stage, kind):
    """The cell has ended and the kernel is idle: the reply goes on by itself, its tools in the kernel's main thread."""
    stage.play(calling("here"), stream("Done."))
    stage.run(
        "import threading\nfrom lk_notebook import LLM\n"
        f"{kind} here() -> bool:\n    return threading.current_thread() is threading.main_thread()\n"
        "reply = LLM()('hi', tools=[here])"
    )

    assert stage.player.wait(lambda: len(stage.requests) == 2, 10)
    assert results(stage.requests[1]) == ["true"]


# ■ --------------------------------------------------------------------------------------------------------------

SLEEPERS = {
    "sync": "import time\ndef nap() -> str:\n    print('asleep')\n    time.sleep(30)\n    return 'slept'",
    "async": "import asyncio\nasync def nap() -> str:\n    print('asleep')\n    await asyncio.sleep(30)\n    return ''",
}
WAITS = {
    "magic": "%%lkchat -n -o reply -t nap\nhi",
    "str": "reply = llm('hi', tools=[nap])\nstr(reply)",
    "for": "reply = llm('hi', tools=[nap])\nfor piece in reply: print(piece)",
    "await": "reply = llm('hi', tools=[nap])\nawait reply",
}


@pytest.fixture(params=SLEEPERS)
def nap(request, stage):
    """A tool is asleep in a cell, with another queued behind, and ■ is pressed: `nap(source)` gives both and when."""
    stage.play(calling("nap", text="Let me see."), stream("Never said."))
    stage.run(f"from lk_notebook import LLM\nllm = LLM()\n{SLEEPERS[request.param]}")

    def stop(source):
        cell, queued = stage.kernel.send(source), stage.kernel.send("print('after')")
        assert stage.kernel.wait(lambda: "asleep" in cell.shown, 10), cell.shown
        pressed = stage.kernel.interrupt()
        stage.kernel.finish(cell, queued, seconds=20)
        return cell, queued, pressed

    return stop


@pytest.mark.parametrize("source", WAITS.values(), ids=WAITS.keys())
def test_a_stop_within_a_tool_frees_the_kernel_at_once(stage, nap, source):
    """■ breaks into the tool, nothing is sent afterwards, the text stays, and the cells queued behind do not run."""
    cell, queued, pressed = nap(source)

    state = stage.run("import time; time.sleep(0.3)\nprint(reply.state, reply.text)").shown.strip()

    assert cell.ended - pressed < 3
    assert (cell.status, queued.status) == ("error", "aborted")
    assert state == "stopped Let me see."
    assert len(stage.requests) == 1


def test_a_stop_within_a_tool_shows_no_traceback(nap):
    """The cell keeps what had arrived, and says that it was stopped; no frames."""
    cell, _, _ = nap(WAITS["magic"])

    assert "Let me see." in cell.shown
    assert "Stopped" in cell.shown
    assert "Traceback" not in cell.shown
    assert "KeyboardInterrupt" not in cell.shown


def test_after_a_stop_within_a_tool_the_next_tool_works(stage, nap):
    """Nothing is left behind that spoils the next cell."""
    nap(WAITS["magic"])
    stage.play(calling("add", '{"a": 2, "b": 3}'), stream("It is five."))
    stage.run(KINDS)

    assert "It is five." in stage.run("%%lkchat -n -t add\nhi").shown


# What goes wrong ------------------------------------------------------------------------------------------------

RAISES = """
import os
def town(name: str) -> str:
    raise ValueError(f"no town {name}, " + os.environ["LIVEKIT_API_SECRET"])
"""


def test_an_exception_goes_back_to_the_model(stage, tool):
    """It is told what was raised, without the traceback, and the answer goes on."""
    cell = tool(RAISES, "town", '{"name": "Ur"}')

    assert results(stage.requests[1])[0].startswith("ValueError: no town Ur")
    assert "\n" not in results(stage.requests[1])[0]
    assert (cell.status, "Done." in cell.shown) == ("ok", True)


def test_an_exception_is_shown_folded_with_its_traceback(tool):
    """The reader can open it, sees her own frames, and no key."""
    cell = tool(RAISES, "town", '{"name": "Ur"}')
    fold = cell.html.partition("<details")[2].partition("</details>")[0]

    assert " open" not in fold.partition(">")[0]
    assert "raise ValueError" in fold
    assert "lk_notebook" not in fold
    assert SECRET not in cell.everything


def test_a_key_in_a_result_is_struck_out(stage, tool):
    """Neither the model nor the reader gets it."""
    cell = tool(
        "import os\ndef look() -> str:\n    return 'it is ' + os.environ['LIVEKIT_API_SECRET']",
        "look",
    )

    assert results(stage.requests[1])[0].startswith("it is ")
    assert SECRET not in json.dumps(stage.requests[1].body) + cell.everything


def test_only_what_is_offered_can_run(stage):
    """A model that calls another function of the notebook is told what there is."""
    stage.play(calling("wipe"), stream("Sorry."))
    stage.run(f"{KINDS}\nwiped = []\ndef wipe() -> None:\n    wiped.append(1)")

    cell = stage.run("%%lkchat -n -t add,slow_add\nhi")

    assert stage.run("print(wiped)").shown.strip() == "[]"
    assert results(stage.requests[1]) == ["There is no tool wipe. Offered are: add, slow_add."]
    assert "Refused: wipe" in cell.shown


@pytest.mark.parametrize(
    ("arguments", "told"),
    [('{"a": 2, "b": "x"}', "b"), ('{"a": 2}', "b"), ('{"a": 2, "b"', "no JSON"), ("[2, 3]", "no JSON object"),
     ('{"a": 2, "b": 3, "c": 4}', "c")],
)  # fmt: skip
def test_arguments_that_do_not_fit_never_reach_the_function(stage, tool, arguments, told):
    """The model is told what is wrong and may call again."""
    tool("ran = []\ndef both(a: int, b: int) -> None:\n    ran.append(a)", "both", arguments)

    assert stage.run("print(ran)").shown.strip() == "[]"
    assert told in results(stage.requests[1])[0]


def test_a_model_that_only_calls_tools_is_stopped_after_ten_rounds(stage):
    """Two lines say so; what was found stands there."""
    stage.play(calling("add", '{"a": 2, "b": 3}'))
    stage.run(KINDS)

    cell = stage.run("%%lkchat -n -t add\nhi")

    assert (cell.status, len(cell.error)) == ("error", 2)
    assert "10 times" in cell.error[0]
    assert len(results(stage.requests[-1])) == 10
    assert len(stage.requests) == 11


# Asking first ---------------------------------------------------------------------------------------------------

MARKED = """
from lk_notebook import tool
done = []
@tool(confirm=True)
def delete(path: str) -> str:
    done.append(path)
    return "gone"
"""


@pytest.mark.parametrize(
    ("answers", "ran", "told"),
    [
        (["y"], "['a.txt']", "gone"),
        (["YES "], "['a.txt']", "gone"),
        (["n"], "[]", "The user did not allow this call."),
        ([""], "[]", "The user did not allow this call."),
        (None, "[]", "The user did not allow this call."),
    ],
    ids=["y", "yes", "no", "enter", "nobody to ask"],
)
def test_a_marked_tool_runs_only_if_the_user_says_yes(stage, tool, answers, ran, told):
    """`@tool(confirm=True)` asks first; without anybody to ask it does not run, and the model is told."""
    cell = tool(MARKED, "delete", '{"path": "a.txt"}', answers=answers)

    assert stage.run("print(done)").shown.strip() == ran
    assert results(stage.requests[1]) == [told]
    assert cell.asked == (["Run delete(path='a.txt')? [y/N] "] if answers else [])


# What is shown, counted and remembered --------------------------------------------------------------------------


def test_calls_and_results_are_shown_folded(tool):
    """The reader sees what was called and opens what came of it."""
    cell = tool(KINDS, "add", '{"a": 2, "b": 3}')
    summary = cell.html.partition("<summary")[2].partition("</summary>")[0]

    assert "Called add(a=2, b=3)" in summary
    assert "→ 5" in cell.shown


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_a_call_is_shown_while_it_runs(stage, kind):
    """What takes long can be seen to run, and so can the text before it."""
    stage.play(calling("hold", text="Let me see."), stream("Done."))
    stage.run(f"import time\n{kind} hold() -> None:\n    time.sleep(0.5)")
    cell = stage.kernel.send("%%lkchat -n -t hold\nhi")

    seen = stage.kernel.wait(lambda: "Let me see." in cell.shown and "Calling hold()" in cell.shown, 3)
    stage.kernel.finish(cell)

    assert seen
    assert "Called hold()" in cell.shown


def test_the_vendors_extra_content_goes_back_with_the_call(stage):
    """Some models refuse a history without their signature."""
    extra = {"google": {"thought_signature": "c2ln"}}
    said = {"index": 0, "id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1, "b": 1}'}}
    first = Answer([chunk({"tool_calls": [said | {"extra_content": extra}]}), *end("tool_calls")])
    stage.play(first, stream("Done."))
    stage.run(KINDS)

    stage.run("%%lkchat -n -t add\nhi")

    assert stage.requests[1].body["messages"][1]["tool_calls"][0]["extra_content"] == extra


def test_usage_is_that_of_all_rounds(stage):
    """What was billed is what is shown."""
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    stage.play(calling("add", '{"a": 2, "b": 3}', usage=usage), stream("Five.", usage=usage))
    stage.run(KINDS)

    cell = stage.run("%%lkchat -n -t add -o reply\nhi")

    assert "200 → 20 tokens" in cell.shown
    assert stage.run("print(reply.usage.total_tokens)").shown.strip() == "220"


def test_a_chat_remembers_the_calls_and_their_results(stage, tool):
    """The next cell's history holds the question, the call, its result, and the answer."""
    tool(KINDS, "add", '{"a": 2, "b": 3}')

    stage.run("%%lkchat\nand then?")

    told = [(m["role"], m.get("content") or m["tool_calls"][0]["id"]) for m in stage.requests[2].body["messages"]]
    assert told == [
        ("user", "hi"),
        ("assistant", "call_1"),
        ("tool", "5"),
        ("assistant", "Done."),
        ("user", "and then?"),
    ]


def test_text_before_and_after_the_calls_is_told_once(stage):
    """Each piece of text belongs to its own message of the history."""
    stage.play(calling("add", '{"a": 2, "b": 3}', text="Let me see."), stream("It is five."))
    stage.run(KINDS)
    stage.run("%%lkchat -n -t add\nhi")

    stage.run("%%lkchat\nand then?")

    said = [m["content"] for m in stage.requests[2].body["messages"] if m["role"] == "assistant"]
    assert said == ["Let me see.", "It is five."]


def test_a_turn_cut_behind_its_tools_stays_with_what_had_arrived(stage):
    """Calls, results and the half answer are there; the model need not call again."""
    cut = Answer(words("It is"), then="cut")
    stage.play(calling("add", '{"a": 2, "b": 3}'), cut, stream("Five."))
    stage.run(KINDS)
    failed = stage.run("%%lkchat -n -t add\nhi")

    stage.run("%%lkchat\ngo on")

    told = [message["role"] for message in stage.requests[2].body["messages"]]
    assert failed.status == "error"
    assert told == ["user", "assistant", "tool", "assistant", "user"]


def test_a_tool_that_cannot_be_one_is_refused_before_sending(stage):
    """Two lines say why."""
    stage.play(stream("Never said."))
    stage.run("def guess(what): pass")

    cell = stage.run("%%lkchat -n -t guess\nhi")

    assert (cell.status, len(cell.error), stage.requests) == ("error", 2, [])
    assert "what" in cell.error[0]


def test_tools_of_several_rounds_run_one_after_the_other(stage):
    """The second call sees what the first left."""
    stage.play(calling("count"), calling("count"), stream("Two."))
    stage.run("n = 0\ndef count() -> int:\n    global n\n    n += 1\n    return n")

    stage.run("%%lkchat -n -t count\nhi")

    assert results(stage.requests[2]) == ["1", "2"]
