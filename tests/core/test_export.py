"""Programs for LiveKit Agents: what is written, and that whatever it is written from comes out of it as it went in."""

from __future__ import annotations

import ast
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager

from lk_notebook.core import export, export_node, export_python
from lk_notebook.core.export import Plan, Tool
from lk_notebook.core.export_text import NODE, PYTHON, comment, written
from lk_notebook.core.parameter_names import CHAT_COMPLETIONS, OWNED
from lk_notebook.core.values import Account, Call, Secret
from lk_notebook.errors import ConfigurationError

LIVEKIT = Account("livekit", "livekit", "https://gateway.example/v1", scheme="livekit")
OPENAI, GROQ, URL = (Account(kind, kind, f"https://{kind}.example/v1") for kind in ("openai", "groq", "url"))
NEVER = {*OWNED, "tool_choice", "parallel_tool_calls", *export.EXTRAS}
TEXTS = st.text() | st.text(st.sampled_from("\"'`${}\\\n\r\u2028\u0085\x00\ufeff\U000e0001#あ😀"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
NAMES = (st.sampled_from(CHAT_COMPLETIONS) | TEXTS).filter(lambda name: name and name not in NEVER)
PARAMETERS = st.dictionaries(NAMES, VALUES, max_size=5)


def plan(model="openai/gpt-4.1-mini", account=LIVEKIT, **more: Any) -> Plan:
    """A plan for this model; what belongs to its call among `more`."""
    call = {name: more.pop(name) for name in ("provider", "inference_class", "extra_kwargs") if name in more}
    return Plan(Call(model, [], **call), account, **more)


def told(text: str) -> tuple[str, dict[str, Any]]:
    """The instructions of a Python program, and the arguments of the LLM that it makes."""
    tree = ast.parse(text)
    made = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "llm").body[-1]
    assert isinstance(made, ast.Return)
    assert isinstance(made.value, ast.Call)
    known = {each.arg: ast.literal_eval(each.value) for each in made.value.keywords if not _is_key(each.value)}
    for argument in made.value.args:  # the id alone
        known["model"] = ast.literal_eval(argument)
    (value,) = (n.value for n in tree.body if isinstance(n, ast.Assign) and n.targets[0].id == "instructions")
    return ast.literal_eval(value), known


def _is_key(value: ast.expr) -> bool:
    """`os.environ["…"]`, `omit`."""
    return isinstance(value, ast.Subscript | ast.Name)


def fields(arguments: dict[str, Any]) -> dict[str, Any]:
    """The fields of the body that LiveKit's classes make of their arguments (case 25 of the recordings)."""
    known = {"model", "provider", "base_url", "api_key"}
    named = arguments.get("extra_kwargs") or {name: v for name, v in arguments.items() if name not in known}
    body = named.get("extra_body", {})
    return {name: value for name, value in named.items() if name not in export.EXTRAS} | body


@settings(deadline=None)
@given(st.sampled_from([LIVEKIT, OPENAI, GROQ, URL]), TEXTS, PARAMETERS)
def test_any_text_and_any_parameter_comes_out_of_a_python_program(account, system, parameters):
    """Quotes, backslashes, braces, line ends, invisible characters: nothing is lost, nothing is code."""
    text = export_python.program(plan("acme/any", account, instructions=system, extra_kwargs=parameters))

    instructions, arguments = told(text)

    assert (instructions, fields(arguments)) == (system, parameters)


@settings(deadline=None)
@given(TEXTS, PARAMETERS)
def test_a_cell_with_the_program_is_the_program(system, parameters):
    """IPython reads magics, shell commands and help out of cells; in a program it finds none."""
    text = export_python.program(plan("acme/any", instructions=system, extra_kwargs=parameters, notes=[system]))

    assert TransformerManager().transform_cell(text) == text


@settings(deadline=None)
@given(TEXTS, TEXTS)
def test_any_model_and_provider_come_out(model, provider):
    """Also an id that only one's own server could have thought of."""
    _, arguments = told(export_python.program(plan(model, provider=provider or None)))

    assert (arguments["model"], arguments.get("provider", "")) == (model, provider)


def test_half_a_surrogate_pair_is_what_the_request_makes_of_it():
    """No text that the cell could send breaks the program."""
    assert told(export_python.program(plan(instructions="a \ud83d b")))[0] == "a \ufffd b"


@pytest.mark.parametrize("language", [PYTHON, NODE])
@settings(deadline=None)
@given(text=st.text())
def test_a_comment_ends_where_its_line_ends(language, text):
    """A note with line ends of any kind stays one."""
    assert len(f"{comment(text, language)}\n".splitlines()) == 1


def test_a_whole_number_that_javascript_cannot_hold_is_refused():
    """It would become another one."""
    with pytest.raises(ConfigurationError, match="too large for JavaScript"):
        written({"seed": 2**53}, NODE)
    assert written({"seed": 2**53}, PYTHON) == '{"seed": 9007199254740992}'


def test_a_model_alone_is_the_bare_id():
    """As LiveKit's documentation has it; a word more makes it inference.LLM."""
    assert 'llm="openai/gpt-4.1-mini",' in export_python.program(plan())
    assert 'llm: "openai/gpt-4.1-mini",' in export_node.program(plan())
    assert "llm=llm()," in export_python.program(plan(provider="azure"))
    assert "llm: llm()," in export_node.program(plan(provider="azure"))


def test_the_three_words_are_those_of_the_documentation():
    """model, provider, extra_kwargs; in Node modelOptions."""
    of = plan("openai/gpt-5-mini", provider="openai", extra_kwargs={"reasoning_effort": "low"})

    _, arguments = told(export_python.program(of))

    assert arguments == {
        "model": "openai/gpt-5-mini",
        "provider": "openai",
        "extra_kwargs": {"reasoning_effort": "low"},
    }
    assert 'modelOptions: { reasoning_effort: "low" }' in export_node.program(of)


def test_what_the_cell_left_out_is_left_out_and_said():
    """With the reason that the cell told, as a comment."""
    of = plan("openai/gpt-5-mini", extra_kwargs={"temperature": 1, "seed": 2})

    for program, mark in ((export_python.program(of), "#"), (export_node.program(of), "//")):
        assert f"{mark} temperature was left out: openai/gpt-5-mini does not take it." in program
        assert "temperature=" not in program
        assert "temperature:" not in program


@pytest.mark.parametrize("model", ["gpt-5", "gpt-5-mini", "gpt-5.1", "gpt-5.4"])
def test_an_effort_that_nobody_wrote_is_not_sent(model):
    """The plugins add one for these models; the programs tell them not to."""
    assert "reasoning_effort=omit" in export_python.program(plan(model, OPENAI))
    assert "reasoning_effort: undefined" in export_node.program(plan(model, OPENAI))
    for effort in ("low", None):
        own = plan(model, OPENAI, extra_kwargs={"reasoning_effort": effort})
        assert "omit" not in export_python.program(own)
        assert "undefined" not in export_node.program(own)


@pytest.mark.parametrize(
    ("account", "python", "node"),
    [
        (OPENAI, "openai.LLM(", "new openai.LLM("),
        (GROQ, "groq.LLM(", "openai.LLM.withGroq("),
        (Account("baseten", "baseten", "https://inference.baseten.co/v1"), "baseten.LLM(",
         'baseURL: "https://inference.baseten.co/v1", apiKey: process.env.BASETEN_API_KEY'),
        (Account("cerebras", "cerebras", "https://c.example"), "cerebras.LLM(", "openai.LLM.withCerebras("),
        (Account("azure", "azure", "https://a.example/openai", scheme="api-key", api_version="2024-10-21"),
         "openai.LLM.with_azure(", 'baseURL: "https://a.example/openai/v1", apiKey: process.env.AZURE_OPENAI_API_KEY'),
        (Account("azure", "azure", "https://a.example/openai/v1"), 'api_key=os.environ["AZURE_OPENAI_AD_TOKEN"]',
         "apiKey: process.env.AZURE_OPENAI_AD_TOKEN"),
        (URL, 'api_key="unused"', 'apiKey: "unused"'),
        (Account("lab", "url", "https://x.example/v1", Secret("~made-up-key-0123")),
         'api_key=os.environ["LLM_API_KEY"]', "apiKey: process.env.LLM_API_KEY"),
    ],
)  # fmt: skip
def test_an_account_of_ones_own_is_its_plugin(account, python, node):
    """Or the openai plugin at its address, where Node has none; keys are read from the environment."""
    assert python in export_python.program(plan("gpt-4.1-mini", account))
    assert node in " ".join(export_node.program(plan("gpt-4.1-mini", account)).split())


def test_a_plugin_that_cannot_carry_a_field_is_left_for_one_that_can():
    """groq.LLM has no way for top_k; the openai plugin at Groq's address has."""
    text = export_python.program(plan("openai/gpt-oss-120b", GROQ, extra_kwargs={"top_k": 5}))

    assert told(text)[1] == {
        "model": "openai/gpt-oss-120b",
        "base_url": "https://groq.example/v1",
        "extra_body": {"top_k": 5},
    }
    assert 'api_key=os.environ["GROQ_API_KEY"]' in text


@pytest.mark.parametrize("account", [LIVEKIT, OPENAI])
def test_speech_is_added_in_livekits_own_words(account):
    """stt, tts, vad and turn detection, each with a word on what it is for; without --voice a line says what lacks."""
    python, node = (each.program(plan(account=account, voice=True)) for each in (export_python, export_node))

    for part in ('stt="deepgram/nova-3:multi",', 'tts="cartesia/sonic-3",', 'vad=inference.VAD(model="silero"),',
                 'turn_handling={"turn_detection": inference.TurnDetector()},'):  # fmt: skip
        assert part in python
    for part in ('stt: "deepgram/nova-3:multi",', "vad: new inference.VAD(", "turnHandling: { turnDetection: new"):
        assert part in node
    assert "# ... tts, stt, vad, turn_detection, etc." in export_python.program(plan(account=account))
    assert "stt=" not in export_python.program(plan(account=account))


def test_a_program_names_what_it_reads():
    """And for `dev` and speech what LiveKit itself needs; versions are pinned."""
    own = export_python.program(plan("gpt-4o", OPENAI, voice=True))
    livekit = export_node.program(plan())

    assert "It reads OPENAI_API_KEY from the environment." in own
    assert "Speech and `dev` also read LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET." in own
    assert "// It reads LIVEKIT_API_KEY and LIVEKIT_API_SECRET from the environment." in livekit
    assert 'pip install "livekit-agents[openai]==1.8.9"' in own
    assert "npm install @livekit/agents@1.9.0\n" in livekit


def test_errors_are_not_silent_in_node():
    """There a refused key only ends the answer: the session has a listener."""
    assert "session.on(AgentSessionEventTypes.Error, (event) => console.error(event.error));" in export_node.program(
        plan()
    )


def test_a_tool_in_node_is_a_stub_that_says_so():
    """Its name, description and parameters are there; what it does is to be filled in."""
    schema = {
        "name": "f",
        "description": "*/ do",
        "parameters": {"type": "object", "properties": {"a": {"type": "string"}}},
    }
    text = export_node.program(plan(tools=[Tool("f", schema, "def f(a): ...")]))

    for part in ('name: "f",', 'description: "*/ do",', 'a: { type: "string" }', "new Agent({ instructions, tools })",
                 'new ToolError("f is not written yet: "'):  # fmt: skip
        assert part in text


def test_a_tool_without_source_is_a_stub_in_python_too():
    """With the schema that the model was told."""
    schema = {
        "name": "of-mine",
        "description": "Do.",
        "strict": True,
        "parameters": {"type": "object", "properties": {}},
    }
    text = export_python.program(
        plan(tools=[Tool("of-mine", schema), Tool("g", schema, "@function_tool\ndef g(): ...")])
    )

    tree = ast.parse(text)
    stub = next(node for node in tree.body if getattr(node, "name", None) == "of_mine")
    assert json.loads(json.dumps(ast.literal_eval(stub.decorator_list[0].keywords[0].value))) == schema
    assert "tools=[of_mine, g]" in text
