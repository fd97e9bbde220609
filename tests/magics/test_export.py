"""`%lkexport`: which setup is written, for whom, and where to."""

from __future__ import annotations

import ast
from types import SimpleNamespace

import pytest
from player import stream

from lk_notebook import LLM
from lk_notebook.core.values import Secret, Setup
from lk_notebook.errors import ConfigurationError
from lk_notebook.export import export

GROQ = {"GROQ_API_KEY": "gsk-never-show-1"}
OPENAI = {"OPENAI_API_KEY": "sk-never-show-1"}


def made(program: str) -> str:
    """The expression that makes the LLM of a Python program."""
    tree = ast.parse(program)
    (function,) = (node for node in tree.body if getattr(node, "name", None) == "llm")
    return ast.unparse(function.body[-1]).removeprefix("return ")


def test_the_defaults_are_exported(shell):
    """Those of %lkuse: model, provider, parameters, system prompt."""
    notebook = shell()
    notebook.session.use(Setup("gpt-5-mini", "openai", None, {"reasoning_effort": "low"}, "Be terse."))

    assert not notebook.run("%lkexport python").failed

    wanted = "inference.LLM(model='openai/gpt-5-mini', provider='openai', extra_kwargs={'reasoning_effort': 'low'})"
    assert made(notebook.next_cell) == wanted
    assert 'instructions = "Be terse."' in notebook.next_cell


def test_the_words_of_the_line_win(shell):
    """As in a cell: another model starts clean, an alias brings its own."""
    notebook = shell()
    notebook.session.use(Setup("gpt-5-mini", extra_kwargs={"reasoning_effort": "low"}))
    notebook.session.use(Setup("gpt-oss-120b", "groq", system="Be quick."), "fast")

    notebook.run("%lkexport python gpt-4.1 temperature=0 -s {{ 'Be ' + 'kind' }}")
    assert made(notebook.next_cell) == "inference.LLM(model='openai/gpt-4.1', extra_kwargs={'temperature': 0})"
    assert 'instructions = "Be kind"' in notebook.next_cell

    notebook.run("%lkexport node fast")
    assert '{ model: "openai/gpt-oss-120b", provider: "groq" }' in notebook.next_cell
    assert 'instructions = "Be quick."' in notebook.next_cell


def test_the_account_decides_the_form(shell):
    """One's own account is its plugin; -a names another; LiveKit where its keys are."""
    notebook = shell(**GROQ)

    notebook.run("%lkexport python gpt-oss-120b")
    assert made(notebook.next_cell) == "groq.LLM(model='openai/gpt-oss-120b', reasoning_effort=omit)"
    notebook.run("%lkexport python gpt-oss-120b --account livekit")
    assert made(notebook.next_cell) == "inference.LLM('openai/gpt-oss-120b')"


@pytest.mark.parametrize("account", ["livekit", "openai", "azure", "groq", "baseten", "cerebras"])
def test_an_account_need_not_be_set_up_to_be_written_for(shell, account):
    """The program names its keys; nobody is asked here."""
    notebook = shell()

    assert not notebook.run(f"%lkexport python gpt-oss-120b -a {account}").failed
    assert f"{'azure_openai' if account == 'azure' else account}_API_KEY".upper() in notebook.next_cell


def test_without_any_account_the_program_is_livekits(shell):
    """Where the built-in model answers, a program for LiveKit is written, and says so; a named model is kept."""
    notebook = shell()

    notebook.run("%lkexport python")
    assert made(notebook.next_cell) == "inference.LLM('openai/gpt-4.1-mini')"
    assert "# In the notebook the built-in model answered: no account is set up there." in notebook.next_cell
    notebook.run("%lkexport python gpt-5")
    assert made(notebook.next_cell) == "inference.LLM('openai/gpt-5')"
    assert "built-in" not in notebook.next_cell


@pytest.mark.parametrize("line", ["lk/demo", "local/smollm2-135m", "-a demo"])
def test_the_built_in_model_is_refused(shell, line):
    """It runs in the notebook alone: no program is made that pretends."""
    cell = shell().run(f"%lkexport python {line}")

    assert cell.failed
    assert "runs in this notebook only" in cell.error[-2]
    assert "Name a model that LiveKit serves" in cell.error[-1]


def test_several_accounts_that_serve_are_told(shell):
    """A program asks one of them."""
    notebook = shell(**GROQ, CEREBRAS_API_KEY="csk-never-show-1")

    notebook.run("%lkexport python gpt-oss-120b")

    assert "# cerebras would serve this as well; the program asks groq alone." in notebook.next_cell


def test_an_address_that_is_not_the_vendors_is_written_down(shell):
    """So the program reaches whom the cell reaches."""
    notebook = shell(**OPENAI, OPENAI_BASE_URL="http://127.0.0.1:9/v1")

    notebook.run("%lkexport python gpt-4.1")

    assert made(notebook.next_cell) == "openai.LLM(model='gpt-4.1', base_url='http://127.0.0.1:9/v1')"


def test_a_reply_is_exported_as_it_was_asked(shell, play):
    """Model, parameters, system prompt, tools and account of the cell that asked, whatever holds now."""
    notebook = shell(play(stream("Yes.")))
    llm = LLM("gpt-4.1-mini", provider="azure", extra_kwargs={"temperature": 0.5}, system="Be terse.")
    notebook.names["answer"] = llm("hi", tools=[look_up]).wait(20)
    notebook.session.use(Setup("gpt-5"))

    assert not notebook.run("%lkexport python answer").failed

    assert "model='openai/gpt-4.1-mini', provider='azure'" in made(notebook.next_cell)
    assert 'instructions = "Be terse."' in notebook.next_cell
    assert "@function_tool\n@threaded\ndef look_up(city: str) -> str:" in notebook.next_cell
    assert "tools=[look_up]" in notebook.next_cell


def look_up(city: str) -> str:
    """Looks up a city."""
    return city


def test_an_llm_and_a_panel_are_exported(shell):
    """A variable stands for what it would ask."""
    notebook = shell()
    notebook.names["llm"] = LLM("m", base_url="http://127.0.0.1:9", inference_class="low", system="Be terse.")
    notebook.names["panel"] = SimpleNamespace(model="gpt-5", provider="", extra_kwargs={"seed": 1}, system="Be kind.")

    notebook.run("%lkexport python llm")
    assert made(notebook.next_cell) == "openai.LLM(model='m', base_url='http://127.0.0.1:9/v1', api_key='unused')"
    notebook.run("%lkexport python panel")
    assert made(notebook.next_cell) == "inference.LLM(model='openai/gpt-5', extra_kwargs={'seed': 1})"
    assert 'instructions = "Be kind."' in notebook.next_cell


def test_words_beside_a_variable_are_refused(shell):
    """They would be lost."""
    notebook = shell()
    notebook.names["llm"] = LLM("gpt-5")

    assert "brings its own words" in notebook.run("%lkexport python llm seed=1").error[-2]


def test_tools_of_the_notebook_are_copied(shell):
    """-t names them; an odd one is refused as in a cell."""
    notebook = shell()
    notebook.names["look_up"] = look_up

    notebook.run("%lkexport python gpt-4.1 -t look_up")
    assert "agent = Agent(instructions=instructions, tools=[look_up])" in notebook.next_cell
    notebook.run("%lkexport node gpt-4.1 -t look_up")
    assert 'throw new ToolError("look_up is not written yet: "' in notebook.next_cell
    assert "is no function" in notebook.run("%lkexport python -t {{ 3 }}").error[-2]


def test_a_file_is_written_and_written_anew(shell, tmp_path):
    """As %%writefile says it; running the cell again is no error. No cell is made."""
    notebook, file = shell(), tmp_path / "my agent.py"

    for verb in ("Writing", "Overwriting"):
        assert notebook.run(f'%lkexport python gpt-4.1 -o "{file}" --voice').printed == f"{verb} {file}\n"
    assert notebook.next_cell == ""
    assert "stt=" in file.read_text("utf-8")
    assert "cannot be written" in notebook.run(f"%lkexport python -o {tmp_path}").error[-2]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("", "Which language?"),
        ("ruby", "%lkexport writes no ruby."),
        ("python gpt-4.1 gpt-5", "gpt-5 is one word too many."),
        ("python gpt-4.1-mimi", "No model is known as gpt-4.1-mimi"),
        ("python temprature=1", "temprature is no known parameter"),
        ("python gpt-5 -a lab", "There is no account lab."),
    ],
)
def test_a_slip_of_the_pen_is_two_lines(shell, line, what):
    """What happened, and the mend; no cell is made."""
    notebook = shell()
    cell = notebook.run(f"%lkexport {line}")

    assert len(cell.error) == 2
    assert cell.error[0].startswith(what)
    assert notebook.next_cell == ""


def test_a_key_in_the_setup_is_refused():
    """A program holds none, wherever one was typed."""
    Secret("sk-very-secret-0123")

    for setup in (
        Setup("gpt-5", account="livekit", system="use sk-very-secret-0123"),
        Setup("gpt-5", account="livekit", extra_kwargs={"extra_headers": {"X-Mine": "sk-very-secret-0123"}}),
    ):
        with pytest.raises(ConfigurationError, match="holds a key") as caught:
            export(setup, "python")
        assert "sk-very" not in str(caught.value)


def test_there_are_two_languages():
    """And no third."""
    with pytest.raises(ConfigurationError, match=r"no export to ruby\.\nThere are python, node"):
        export(Setup("gpt-5"), "ruby")
