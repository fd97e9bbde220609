"""Functions of the notebook as source that stands alone."""

from __future__ import annotations

import ast
import functools
import json
import linecache
import math
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from lk_notebook.core.sources import copied
from lk_notebook.core.tools import read_tools, tool
from lk_notebook.errors import ConfigurationError

CELLS = iter(range(10**6))


@pytest.fixture
def notebook():
    """Runs cells in one `__main__`, as a notebook does: their source is kept, no file has it."""
    names: dict[str, Any] = {"__name__": "__main__"}

    def run(source: str) -> dict[str, Any]:
        file = f"<cell {next(CELLS)}>"
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        exec(compile(source, file, "exec"), names)
        return names

    return run


def program(*functions: Callable[..., Any], reserved: tuple[str, ...] = ()) -> str:
    """What the functions become, as one text."""
    tools, support = copied(read_tools(functions).values(), reserved)
    return "\n".join([*support, *(each.source or f"# no source: {each.name}" for each in tools)])


def ran(text: str, call: str) -> Any:
    """The value of a call in a fresh place that has nothing but the text."""
    names: dict[str, Any] = dict.fromkeys(("function_tool", "threaded"), lambda function: function)
    exec(compile(text, "<program>", "exec"), names)
    return eval(call, names)


def test_a_function_is_copied_as_it_was_typed(notebook):
    """Comments and all, marked for LiveKit; our own mark goes."""
    names = notebook(
        "from lk_notebook import tool as mark\n\n@mark(confirm=True)\n"
        "def add(a: int, b: int = 1) -> int:\n    '''Adds.'''\n    return a + b  # as ever\n"
    )

    assert program(names["add"]) == (
        "@function_tool\n@threaded\ndef add(a: int, b: int = 1) -> int:\n    '''Adds.'''\n    return a + b  # as ever"
    )


def test_what_a_function_uses_comes_along(notebook):
    """Modules by their names, imported functions, helpers with their own, classes, constants; in the order of need."""
    names = notebook(
        "import math\nimport urllib.request\nimport json as j\n"
        "from functools import reduce\nfrom typing import Literal\n"
        "from dataclasses import dataclass\nRATE = 1.5\nLIST = [1, 2]\n"
        "@dataclass\nclass Point:\n    x: float = RATE\n"
        "def helper(n: int) -> float:\n    return math.sqrt(n) * RATE + len(LIST)\n"
        "def f(n: int, kind: Literal['a', 'b'] = 'a') -> str:\n"
        "    p = Point()\n    total = reduce(lambda a, b: a + b, LIST)\n"
        "    return j.dumps([helper(n), p.x, total, kind, urllib.request.__name__])\n"
    )

    text = program(names["f"])

    assert json.loads(ran(text, "f(4)")) == [5.0, 1.5, 3, "a", "urllib.request"]
    assert text.index("import math") < text.index("RATE = 1.5") < text.index("class Point") < text.index("def f")


def test_names_of_the_function_itself_are_not_taken_for_the_notebooks(notebook):
    """Arguments, local variables, attributes, comprehensions."""
    names = notebook(
        "a = b = c = d = object()\ndef f(a: int) -> int:\n    b = a\n    return sum(c for c in [b.real, a])\n"
    )

    assert program(names["f"]).startswith("@function_tool\n@threaded\ndef f(")


def test_helpers_that_call_each_other_are_copied_once(notebook):
    """No way around in a circle."""
    names = notebook(
        "def even(n: int) -> bool:\n    return n == 0 or odd(n - 1)\n"
        "def odd(n: int) -> bool:\n    return n != 0 and even(n - 1)\n"
        "def f(n: int) -> bool:\n    return even(n)\ndef g(n: int) -> bool:\n    return odd(n)\n"
    )

    text = program(names["f"], names["g"])

    assert (ran(text, "f(4)"), ran(text, "g(4)")) == (True, False)
    assert text.count("def even") == text.count("def odd") == 1


def test_a_decorated_helper_keeps_its_decorator(notebook):
    """With what the decorator needs."""
    names = notebook(
        "import functools\n@functools.lru_cache(maxsize=3)\ndef slow(n: int) -> int:\n    return n\n"
        "def f(n: int) -> int:\n    return slow(n)\n"
    )

    assert ran(program(names["f"]), "(f(1), f(1), slow.cache_info().hits)") == (1, 1, 1)


def test_the_latest_class_of_a_name_is_copied(notebook):
    """The cell that was run last, as the function sees it."""
    notebook("class Kind:\n    value = 1\n")
    names = notebook("class Kind:\n    value = 2\ndef f() -> int:\n    return Kind.value\n")

    assert ran(program(names["f"]), "f()") == 2


def test_what_has_no_literal_is_left_to_the_reader_by_name(notebook):
    """A table, a client, an open file: the program says what it lacks."""
    names = notebook("thing = object()\ndef f() -> str:\n    return str(thing)\n")

    assert "# thing: to be made here; in the notebook it is of type object" in program(names["f"])


def test_a_function_within_a_function_brings_what_it_closes_over(notebook):
    """As a constant of the program."""
    names = notebook("def make(n):\n    def f(a: int) -> int:\n        return a * n\n    return f\nf = make(3)\n")

    assert ran(program(names["f"]), "f(2)") == 6


def test_what_is_not_async_is_awaited_in_a_thread(notebook):
    """LiveKit awaits every tool; an async one stays as it is."""
    names = notebook("async def a(n: int) -> int:\n    return n\ndef b(n: int) -> int:\n    return n\n")

    assert program(names["a"]).startswith("@function_tool\nasync def a(")
    assert program(names["b"]).startswith("@function_tool\n@threaded\ndef b(")


def test_a_tool_that_is_called_as_before_is_refused_unless_it_is_async(notebook):
    """In the program its value must be awaited: the caller would get none."""
    names = notebook(
        "def one(n: int) -> int:\n    return 0 if n < 0 else one(-n)\ndef two(n: int) -> int:\n    return one(n)\n"
        "async def three(n: int) -> int:\n    return n\nasync def four(n: int) -> int:\n    return await three(n)\n"
    )

    for tools in ((names["one"],), (names["two"], names["one"])):
        with pytest.raises(ConfigurationError, match="one is a tool, and the notebook's own code calls it"):
            program(*tools)
    assert program(names["three"], names["four"]).count("async def three") == 1
    assert program(names["two"]).count("def one") == 1


def test_annotations_that_are_texts_count(notebook):
    """Their types come along."""
    names = notebook("from typing import Literal\ndef f(a: 'Literal[1, 2]') -> 'int':\n    return a\n")

    assert "from typing import Literal" in program(names["f"])


@pytest.mark.parametrize("function", [functools.partial(math.pow, 2.0), "method", "unkept"])
def test_what_cannot_be_copied_says_so(function):
    """Partials, methods, and what was typed where nothing is kept."""

    class Holder:
        def look(self, a: str) -> str:
            return a

    names: dict[str, Any] = {}
    exec("def look(a: str) -> str: return a", names)
    known = {"method": Holder().look, "unkept": names["look"]}
    function = known[function] if isinstance(function, str) else functools.partial(look_up, "x")

    assert "# no source: " in program(function)


def look_up(where: str, a: str) -> str:
    """Test data."""
    return where + a


def test_a_name_that_the_program_needs_itself_is_refused(notebook):
    """Tools and helpers called so would be something else there."""
    names = notebook("def llm(a: str) -> str:\n    return a\ndef f(a: str) -> str:\n    return llm(a)\n")

    for function in (names["llm"], names["f"]):
        with pytest.raises(ConfigurationError, match="use the name llm"):
            program(function, reserved=("llm",))


def test_functions_of_a_module_are_copied_too():
    """With what that module has."""
    text = program(parsed)

    assert "import ast" in text
    assert ran(text, "parsed('1')") == "Module"


@tool
def parsed(text: str) -> str:
    """Test data."""
    return type(ast.parse(text)).__name__


def test_submodules_are_imported_by_their_whole_name():
    """`import urllib` alone does not bring urllib.request."""
    assert "import urllib.request\n" in program(quoted)


def quoted(text: str) -> str:
    """Test data."""
    return urllib.request.pathname2url(text)
