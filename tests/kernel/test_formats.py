"""What an answer is turned into: the next cell, a value, a sandboxed page; what a question carries; going on."""

from __future__ import annotations

import html
import json
import re
import warnings

import nbformat
import pytest
from kernels import clean_environment, livekit
from nbclient import NotebookClient
from player import Answer, chunk, end, plain, stream, words

CODE = "Like this:\n\n```python\nprint('ran by itself')\n```\n"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
TYPES = """
import dataclasses, pydantic, typing
class Town(pydantic.BaseModel):
    name: str
    people: int
class Country(pydantic.BaseModel):
    capital: Town
    towns: list[Town]
@dataclasses.dataclass
class Point:
    x: int
    y: int
class Named(typing.TypedDict):
    name: str
"""


def whole(text):
    """A stream with the text in one piece, blanks and line breaks kept."""
    return Answer([chunk({"content": text}), *end()])


def limited(text):
    """A stream that ended because no more tokens were allowed."""
    return Answer([*words(text), *end("length")])


def cut(text):
    """A stream that broke off."""
    return Answer(words(text), then="cut")


def texts(request):
    """What was said, without who said it."""
    return [message["content"] for message in request.body["messages"]]


def value(stage, expression):
    """What an expression is in the notebook."""
    return stage.run(f"print({expression})").shown.strip()


# -f -------------------------------------------------------------------------------------------------------------


def test_code_becomes_the_next_cell_and_is_not_run(stage):
    """The front end is asked for a cell; nothing of it runs by itself."""
    stage.play(whole(CODE))

    cell = stage.run("%%lkchat -n -f code\nhi")

    asked = [payload for payload in cell.reply["payload"] if payload["source"] == "set_next_input"]
    assert [(payload["text"], payload["replace"]) for payload in asked] == [("print('ran by itself')", False)]
    assert not [output for output in cell.outputs if output["output_type"] == "stream"]


@pytest.mark.parametrize("line", ["", "-f text", "-f json", "-f html"])
def test_no_other_format_makes_a_cell(stage, line):
    """Code in an answer stays there."""
    stage.play(whole('```json\n{"code": "print(1)"}\n```'))

    assert stage.run(f"%%lkchat -n {line}\nhi").reply["payload"] == []


@pytest.mark.parametrize("answer", ["Just words.", "```text\nwhat it prints\n```"])
def test_an_answer_without_code_makes_no_cell(stage, answer):
    """Words are not code."""
    stage.play(whole(answer))

    assert stage.run("%%lkchat -n -f code\nhi").reply["payload"] == []


@pytest.mark.parametrize(
    "answer", ['{"age": 36}', 'Sure:\n\n```json\n{"age": 36}\n```\n', 'It is {"age": 36}, I think.']
)
def test_json_is_parsed_wherever_it_stands(stage, answer):
    """The value is in `reply.parsed`, and shown with its indents."""
    stage.play(whole(answer))

    cell = stage.run("%%lkchat -n -f json -o reply\nhi")

    assert value(stage, "reply.parsed") == "{'age': 36}"
    assert '{\n  "age": 36\n}' in cell.shown


def test_an_answer_that_is_no_json_is_an_error_that_keeps_the_text(stage):
    """Two lines say so."""
    stage.play(whole("I would rather not."))

    cell = stage.run("%%lkchat -n -f json -o reply\nhi")

    assert (cell.status, len(cell.error)) == ("error", 2)
    assert value(stage, "reply.text") == "I would rather not."
    assert "I would rather not." in cell.shown


def test_html_is_shown_in_a_sandbox_with_its_words_beside_it(stage):
    """No script, no network; where no frame is shown the words are there as text."""
    stage.play(whole("<h1>Hello</h1><script>alert(1)</script><img src='http://x.example/a.png'>"))

    data = stage.run("%%lkchat -n -f html\nhi").outputs[0]["data"]

    inner = html.unescape(re.search(r'<iframe sandbox="" [^>]*srcdoc="([^"]*)"', data["text/html"])[1])
    assert "default-src 'none'" in inner.partition("<iframe")[0]
    assert "<script" not in data["text/html"]
    assert "Hello" in data["text/plain"]
    assert "<h1>" not in data["text/plain"]


def test_text_is_shown_as_it_is(stage):
    """Nothing of it is read as Markdown or HTML."""
    stage.play(whole("**not bold** <b>nor this</b>\n    indented"))

    cell = stage.run("%%lkchat -n -f text\nhi")

    assert "**not bold** <b>nor this</b>\n    indented" in cell.shown
    assert "<strong>not" not in cell.html


def test_an_unknown_format_is_refused_before_sending(stage):
    """The error names those that there are."""
    stage.play(stream("Never said."))

    cell = stage.run("%%lkchat -n -f yaml\nhi")

    assert (len(cell.error), stage.requests) == (2, [])
    assert "markdown, text, code, json, html" in cell.error[1]


def run_notebook(sources, folder, env):
    """The outputs of a notebook run without a page, as nbclient runs it."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own
        NotebookClient(notebook, timeout=60).execute(env=clean_environment(folder, env), cwd=str(folder))
    return [cell.outputs for cell in notebook.cells]


def test_nbclient_runs_every_format_and_keeps_what_was_shown(play, tmp_path):
    """A notebook run from the command line: each answer is static HTML and text, and no code of it was run."""
    answers = {"code": whole(CODE), "json": whole('{"age": 36}'), "html": whole("<h1>Hello</h1>")}
    player = play(lambda request: answers.get(request.prompt) or whole("**Hi**"))
    formats = ["markdown", "text", "code", "json", "html"]
    cells = ["%load_ext lk_notebook", *[f"%%lkchat -c {how} -f {how}\n{how}" for how in formats]]

    outputs = run_notebook([*cells, "print('end')"], tmp_path, livekit(player))

    assert [sorted(output[0].get("data", {})) for output in outputs[1:-1]] == [["text/html", "text/plain"]] * 5
    assert all(len(output) == 1 for output in outputs[1:])
    assert outputs[-1][0]["text"] == "end\n"


def test_nbclient_needs_no_account(tmp_path):
    """The built-in demo answers, and the next cell that it asks for does not come."""
    cells = ["%load_ext lk_notebook", "%%lkchat -f code\nShow me some Python.", "%%lkchat -n\nWrite a haiku."]

    outputs = run_notebook(cells, tmp_path, {})

    assert "def count" in outputs[1][0]["data"]["text/plain"]
    assert "demo" in outputs[2][0]["data"]["text/plain"]


# --schema -------------------------------------------------------------------------------------------------------

ADA, UR = {"name": "Ada"}, {"name": "Ur", "people": 3}


@pytest.mark.parametrize(
    ("kind", "answer", "parsed"),
    [
        ("Town", UR, "Town(name='Ur', people=3)"),
        ("Point", {"x": 1, "y": 2}, "Point(x=1, y=2)"),
        ("Named", ADA, "{'name': 'Ada'}"),
        ("list[Town]", {"items": [UR]}, "[Town(name='Ur', people=3)]"),
        ("list[ Point ]", {"items": [{"x": 1, "y": 2}]}, "[Point(x=1, y=2)]"),
        (
            "Country",
            {"capital": UR, "towns": [UR]},
            "Country(capital=Town(name='Ur', people=3), towns=[Town(name='Ur', people=3)])",
        ),
    ],
)
def test_an_answer_becomes_a_value_of_its_type(stage, kind, answer, parsed):
    """The schema is sent as strict, and `reply.parsed` is of the type, also where one holds another."""
    stage.play(whole(json.dumps(answer)))
    stage.run(TYPES)

    cell = stage.run(f"%%lkchat -n -o reply --schema {kind}\nhi")

    sent = stage.requests[0].body["response_format"]
    assert cell.status == "ok", cell.shown
    assert value(stage, "repr(reply.parsed)") == parsed
    assert (sent["type"], sent["json_schema"]["strict"]) == ("json_schema", True)


def test_a_schema_that_is_not_met_is_two_lines_that_say_where(stage):
    """The text stays in the reply."""
    stage.play(whole('{"capital": {"name": "Ur", "people": "many"}, "towns": []}'))
    stage.run(TYPES)

    cell = stage.run("%%lkchat -n -o reply --schema Country\nhi")

    assert (cell.status, len(cell.error)) == ("error", 2)
    assert "capital.people" in cell.error[0]
    assert value(stage, "reply.parsed, 'many' in reply.text, reply.state") == "None True failed"


def test_an_answer_cut_at_its_limit_says_so(stage):
    """The mend is a larger limit, not another schema."""
    stage.play(limited('{"name": "Ur",'))
    stage.run(TYPES)

    cell = stage.run("%%lkchat -n --schema Town\nhi")

    assert len(cell.error) == 2
    assert "max_completion_tokens" in cell.error[1]


@pytest.mark.parametrize(
    "refusal",
    [
        {"message": "Unknown parameter.", "param": "response_format"},
        {"message": "response_format is not supported by this model"},
        {"message": "json_schema is not supported"},
    ],
)
def test_a_server_that_takes_no_schema_is_told_apart(stage, refusal):
    """The mend is the json format."""
    stage.play(plain(400, {"error": refusal}))
    stage.run(TYPES)

    cell = stage.run("%%lkchat -n --schema Town\nhi")

    assert len(cell.error) == 2
    assert "-f json" in cell.error[1]


def test_a_refusal_of_something_else_keeps_its_own_mend(stage):
    """Not every 400 is about the schema."""
    stage.play(plain(400, {"error": {"message": "Bad seed.", "param": "seed"}}))
    stage.run(TYPES)

    assert "-f json" not in " ".join(stage.run("%%lkchat -n --schema Town\nhi").error)


# -i -------------------------------------------------------------------------------------------------------------


def images(request):
    """The addresses of the pictures in the last message."""
    return [p["image_url"]["url"] for p in request.body["messages"][-1]["content"] if p["type"] == "image_url"]


def test_twenty_images_go_with_one_question(stage):
    """In their order, before the text."""
    stage.play(stream("Twenty."))
    stage.run(f"import base64\nfor i in range(20): open(f'{{i}}.png', 'wb').write(base64.b64decode('{PIXEL}'))")

    cell = stage.run("%%lkchat -n " + " ".join(f"-i {i}.png" for i in range(20)) + "\nHow many?")

    assert cell.status == "ok", cell.shown
    assert images(stage.requests[0]) == [f"data:image/png;base64,{PIXEL}"] * 20
    assert stage.requests[0].body["messages"][-1]["content"][-1] == {"type": "text", "text": "How many?"}


def test_an_image_may_be_a_file_an_address_or_a_variable(stage):
    """Each is named the same way; an address is sent as it is."""
    stage.play(stream("Three."))
    stage.run(f"import base64\npicture = base64.b64decode('{PIXEL}')\nopen('a b.png', 'wb').write(picture)")

    stage.run("%%lkchat -n -i 'a b.png' -i https://example.com/cat.jpg -i picture\nhi")

    data = f"data:image/png;base64,{PIXEL}"
    assert images(stage.requests[0]) == [data, "https://example.com/cat.jpg", data]


@pytest.mark.parametrize("name", ["missing.png", "nowhere/missing.png", "TYPES"])
def test_an_image_that_is_not_there_is_refused_before_sending(stage, name):
    """Two lines, and nothing is sent."""
    stage.play(stream("Never said."))
    stage.run("TYPES = 3")

    cell = stage.run(f"%%lkchat -n -i {name}\nhi")

    assert (cell.status, len(cell.error), stage.requests) == ("error", 2, [])


def test_the_next_cell_remembers_the_images(stage):
    """A question about the picture of the turn before can be answered."""
    stage.play(stream("A cat."))
    stage.run("%%lkchat -n -i https://example.com/cat.jpg\nWhat is this?")

    stage.run("%%lkchat\nWhich colour?")

    first = stage.requests[1].body["messages"][0]["content"]
    assert first[0]["image_url"]["url"] == "https://example.com/cat.jpg"


# Going on -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ended", [cut, limited])
@pytest.mark.parametrize("go_on", ["%lkchat --continue -o reply", "reply = reply.continue_()\nreply"])
def test_a_cut_answer_can_be_gone_on_with(stage, ended, go_on):
    """The model sees its half, and the new reply holds the joined text."""
    stage.play(ended("The sky is"), stream(" blue."))
    stage.run("%%lkchat -n -o reply\nWhy?")

    cell = stage.run(go_on)

    assert texts(stage.requests[1])[:2] == ["Why?", "The sky is"]
    assert "The sky is blue." in cell.shown
    assert value(stage, "reply.text, reply.state") == "The sky is blue. done"


@pytest.mark.parametrize("go_on", ["%lkchat --continue", "reply.continue_().wait()"])
def test_the_chat_remembers_the_whole_answer(stage, go_on):
    """Later cells see the question and the joined text, and nothing of the cut."""
    stage.play(cut("The sky is"), stream(" blue."), stream("Fine."))
    stage.run("%%lkchat -n -o reply\nWhy?")
    stage.run(go_on)

    stage.run("%%lkchat\nReally?")

    assert texts(stage.requests[2]) == ["Why?", "The sky is blue.", "Really?"]


def test_an_answer_cut_twice_is_joined_from_three_parts(stage):
    """Going on may be cut too."""
    stage.play(cut("The sky"), cut(" is"), stream(" blue."), stream("Fine."))
    for source in ["%%lkchat -n\nWhy?", "%lkchat --continue", "%lkchat --continue", "%%lkchat\nReally?"]:
        stage.run(source)

    assert texts(stage.requests[3]) == ["Why?", "The sky is blue.", "Really?"]


@pytest.mark.parametrize("before", ["%%lkchat -n\nhi", "%%lkchat -n -c empty temprature=1\nhi"])
def test_there_must_be_something_to_go_on_with(stage, before):
    """A complete answer, or none: two lines, and nothing is sent."""
    stage.play(stream("Complete."))
    stage.run(before)
    sent = len(stage.requests)

    cell = stage.run(f"%lkchat --continue{' -c empty' if 'empty' in before else ''}")

    assert (cell.status, len(cell.error), len(stage.requests)) == ("error", 2, sent)


# Reasoning ------------------------------------------------------------------------------------------------------


def folded(cell):
    """Title and text of the first fold."""
    return re.sub(r"<[^>]*>", "\n", re.search(r"(?s)<details.*?</details>", cell.html)[0]).split("\n")


@pytest.mark.parametrize(
    "answer",
    [
        stream("Four.", reasoning="Two and two."),
        Answer([*words("<think>Two and two.</think>\n\nFour."), *end()]),
        Answer([chunk({"content": piece}) for piece in "<think>Two and two.</think>\n\nFour."] + end()),
        Answer([*words("Two and two.", "reasoning_content"), *words("Four."), *end()]),
    ],
    ids=["a field of its own", "tags", "tags in pieces", "another field"],
)
def test_reasoning_is_folded_and_no_part_of_the_text(stage, answer):
    """However the model tells it: shown in a fold that is closed, kept apart in the reply, not sent back."""
    stage.play(answer, stream("Fine."))
    cell = stage.run("%%lkchat -n -o reply\nhi")
    stage.run("%%lkchat\nand?")

    assert value(stage, "repr(reply.text), repr(reply.reasoning)") == "'Four.' 'Two and two.'"
    assert "Two and two." in folded(cell)
    assert texts(stage.requests[1]) == ["hi", "Four.", "and?"]


def test_a_tag_within_the_text_is_text(stage):
    """`<think>` counts only where it opens the message."""
    stage.play(whole("Models write <think>so</think> at times."))

    cell = stage.run("%%lkchat -n -f text -o reply\nhi")

    assert value(stage, "reply.text, len(reply.reasoning)") == "Models write <think>so</think> at times. 0"
    assert "<think>so</think>" in cell.shown
