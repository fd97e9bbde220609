"""Tab in a real kernel, asked for as front ends do: complete_request over the Jupyter protocol."""

from __future__ import annotations

import pytest
from kernels import Kernel

BODY = "\nimport os\nos.getc"


def tab(kernel, code, at=None):
    """The cell as each choice would leave it, the cursor being at its end or where `at` says."""
    at = len(code) if at is None else at
    said = kernel.client.complete(code, at, reply=True, timeout=30)["content"]
    assert said["status"] == "ok"
    return [code[: said["cursor_start"]] + match + code[said["cursor_end"] :] for match in said["matches"]]


@pytest.fixture
def kernel(stage):
    """The kernel of the file; whatever happens, nobody is asked."""
    stage.play()
    yield stage.kernel
    assert stage.requests == []


def test_models(kernel):
    """A begun model is completed, and nothing else stands there."""
    found = tab(kernel, "%%lkchat gpt-4")

    assert found == [f"%%lkchat gpt-4{end}" for end in ("o", "o-mini", ".1", ".1-mini", ".1-nano")]


def test_values(kernel):
    """The efforts of the model, in their order."""
    line = "%%lkchat gpt-5-mini reasoning_effort="

    assert tab(kernel, line) == [line + effort for effort in ("minimal", "low", "medium", "high")]


def test_line_magics(kernel):
    """Also below other lines of a cell."""
    assert tab(kernel, "x = 1\n%lkuse gpt-5-m") == ["x = 1\n%lkuse gpt-5-mini"]


def test_the_first_line_of_a_longer_cell(kernel):
    """The prompt below stays as it is."""
    line = "%%lkchat gpt-5-mini verb"

    assert tab(kernel, line + BODY, len(line)) == ["%%lkchat gpt-5-mini verbosity=" + BODY]


def test_the_body_is_left_to_ipython(kernel):
    """Nothing of ours there, not even on a line that looks like a magic's."""
    assert "%%lkchat gpt-4o" + BODY + "wd" in tab(kernel, "%%lkchat gpt-4o" + BODY)
    for line in ("%lkuse gpt-5-m", "%%lkchat gpt-5-m"):
        assert f"%%lkchat gpt-4o\n{line}ini" not in tab(kernel, f"%%lkchat gpt-4o\n{line}")


def test_where_nothing_fits_nothing_is_offered(kernel):
    """No magics, files and names of Python on the line, nor in quotes; Jedi is not waited for."""
    kernel.run("open('tempest.txt', 'w').close()")

    assert tab(kernel, "%%lkchat gpt-5-mini temp") == []
    assert tab(kernel, '%%lkchat -s "Answer a') == []
    assert tab(kernel, "%lkchat Why do they say temp") == []


def test_in_an_expression_the_names_of_the_notebook_are_offered(kernel):
    """IPython knows them."""
    kernel.run("temperature_of_day = 3")

    assert "%%lkchat -s {{ temperature_of_day" in tab(kernel, "%%lkchat -s {{ temperature_o")


def test_names_of_the_notebook(kernel):
    """Functions for -t, types for --schema, variables for -o; what was imported comes last."""
    kernel.run("import dataclasses, math\nfrom textwrap import dedent\ndef double(x: int): ...\ndepth = 1")
    kernel.run("@dataclasses.dataclass\nclass Dot:\n    x: int\nclass Dull: ...")

    assert tab(kernel, "%%lkchat -t d") == ["%%lkchat -t double", "%%lkchat -t dedent"]
    assert tab(kernel, "%%lkchat --schema D") == ["%%lkchat --schema Dot"]
    assert tab(kernel, "%%lkchat -o d") == ["%%lkchat -o depth"]


def test_images(kernel):
    """Pictures of the folder, folders to go on in, variables that hold an array."""
    kernel.run("import numpy, pathlib\nred = numpy.zeros((2, 2))\npathlib.Path('pics').mkdir()")
    kernel.run("for name in ('pics/rose.png', 'pics/rose.txt', 'rest.png'): pathlib.Path(name).touch()")

    assert tab(kernel, "%%lkchat -i re") == ["%%lkchat -i red", "%%lkchat -i rest.png"]
    assert tab(kernel, "%%lkchat -i pi") == ["%%lkchat -i pics/"]
    assert tab(kernel, "%%lkchat -i pics/r") == ["%%lkchat -i pics/rose.png"]


def test_aliases(kernel):
    """Made by `%lkuse --as`."""
    kernel.run("%lkuse --as gpt_quick gpt-oss-120b")

    assert tab(kernel, "%%lkchat gpt_") == ["%%lkchat gpt_quick"]


def test_the_model_of_the_defaults_comes_first(kernel):
    """It was used last."""
    kernel.run("%lkuse gpt-4.1-nano")

    assert tab(kernel, "%%lkchat gpt")[1:3] == ["%%lkchat gpt-4.1-nano", "%%lkchat gpt-4o"]


def test_addresses_named_for_this_kernel_are_accounts(kernel):
    """Made by `%lkaccount NAME URL`."""
    kernel.run("%lkaccount lab https://gpu.example/v1")

    assert tab(kernel, "%%lkchat -a la") == ["%%lkchat -a lab"]


def test_a_faulty_variable_does_not_spoil_it(kernel):
    """It is told when something is asked."""
    kernel.run("%env AZURE_OPENAI_DEPLOYMENTS=[1]\n%env AZURE_OPENAI_ENDPOINT=https://a.example")
    kernel.run("%env AZURE_OPENAI_API_KEY=made-up-key")

    assert tab(kernel, "%%lkchat gpt-4.1-m") == ["%%lkchat gpt-4.1-mini"]


def test_nothing_heavy_is_imported_and_unloading_removes_it():
    """Tab needs no HTTP, no schemas, no tables; after %unload_ext, IPython alone answers."""
    with Kernel() as kernel:
        assert tab(kernel, "%%lkchat gpt-4.1-m") == ["%%lkchat gpt-4.1-mini"]
        heavy = kernel.run("import sys; print({'httpx', 'pydantic', 'pandas', 'anywidget'} & set(sys.modules))")
        kernel.run("%unload_ext lk_notebook")

        assert heavy.shown.strip() == "set()"
        assert "%%lkchat gpt-4.1-mini" not in tab(kernel, "%%lkchat gpt-4.1-m")
