"""Which module may know which: the rooms of the library, and what may enter them from outside."""

from __future__ import annotations

import ast
import graphlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

TOP = Path(__file__).resolve().parents[1] / "lk_notebook"
MIDDLE = {path.stem for path in TOP.glob("*.py")} - {"errors", "inference", "__init__", "__main__"}  # llm, reply, …
BELOW = {"errors", "core", "net", "inference"} | MIDDLE
KNOWS = {  # a room -> the rooms it may import; its own is always among them
    "errors": set(),
    "core": {"errors"},
    "net": {"errors", "core"},
    **dict.fromkeys(MIDDLE, {"errors", "core", "net"} | MIDDLE),
    "inference": {"errors", "core", "net"} | MIDDLE,
    "magics": BELOW | {"widgets"},
    "widgets": BELOW,
    "": BELOW | {"magics", "widgets"},  # lk_notebook itself: the public names
    "__main__": BELOW | {"magics", "widgets", ""},
}
EXCEPTIONS = {
    ("errors", "lk_notebook.core.values.redact"),  # errors strike keys out when shown, values raise errors
    ("net.client", "lk_notebook.__version__"),  # a request says which version sends it
    ("cluster", "lk_notebook.__version__"),  # a notebook and its workers have the same one
    ("lane", "lk_notebook.__version__"),
}
GUESTS = {  # a foreign package -> the modules that may name it at all, or all that start so
    "httpx": ("net.",),
    "httpx_aiohttp": ("net.",),
    "aiohttp": ("net.",),
    "jwt": ("net.",),
    "cryptography": ("net.",),
    "distributed": ("cluster.", "lane.", "partitions."),
    "subprocess": ("net.", "__main__"),
    "markdown_it": ("core.render", "core.markdown"),
    "pygments": ("core.highlight.",),
    "pydantic": ("core.",),
    "pydantic_core": ("core.",),
    "nest_asyncio2": ("desk.",),
    "livekit": ("livekit_llm.", "agents.", "agent_tools."),
}
LATE = ("livekit_llm", "agents", "agent_tools", "evaluation")  # stand on LiveKit: imported late themselves
PURE = ("asyncio", "httpx", "IPython", "multiprocessing", "os", "random", "socket", "subprocess", "threading", "time")
HEAVY = ("PIL", "dask", "distributed", "livekit", "matplotlib", "nest_asyncio2", "numpy", "pandas", "tqdm")


class Import(NamedTuple):
    """`importer` (from lk_notebook down, "" is lk_notebook itself) names `imported`; at its top, or in a function."""

    importer: str
    imported: str
    at_top: bool


def statements(node: ast.AST, *, at_top: bool = True) -> Iterator[tuple[ast.stmt, bool]]:
    """The import statements of a module, but those for type checkers only."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
            continue
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, at_top
        yield from statements(child, at_top=at_top and not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef))


def imports() -> list[Import]:
    """Each import of each module of the library."""
    found = []
    for path in sorted(TOP.rglob("*.py")):
        module = ".".join(path.relative_to(TOP).with_suffix("").parts).removesuffix("__init__").rstrip(".")
        for statement, at_top in statements(ast.parse(path.read_text("utf-8"))):
            if isinstance(statement, ast.ImportFrom):
                assert not statement.level, f"{path.name}: relative import"
                names = [f"{statement.module}.{alias.name}" for alias in statement.names]
            else:
                names = [alias.name for alias in statement.names]
            found += [Import(module, name, at_top) for name in names]
    return found


IMPORTS = imports()
MODULES = {
    ".".join(path.relative_to(TOP).with_suffix("").parts).removesuffix(".__init__") for path in TOP.rglob("*.py")
}


def own(imported: str) -> str | None:
    """The module of ours that an import names; None for what is not ours."""
    if imported.split(".", maxsplit=1)[0] != "lk_notebook":
        return None
    name = imported.partition(".")[2]
    return name if name in MODULES else name.rpartition(".")[0]


def room(module: str) -> str:
    """The room a module stands in."""
    return module.split(".", maxsplit=1)[0]


def test_nobody_imports_upward():
    """A room knows the rooms below it, and no other."""
    wrong = []
    for importer, imported, _ in IMPORTS:
        named = own(imported)
        if named is None or (importer, imported) in EXCEPTIONS or room(named) == room(importer):
            continue
        if room(named) not in KNOWS[room(importer)]:
            wrong.append(f"{importer} imports {named}")
    assert not wrong


def test_magics_and_widgets_know_no_insides_of_each_other():
    """Each enters the other by its front door only; the pictures of both are made below."""
    wrong = [
        f"{importer} imports {imported}"
        for importer, imported, _ in IMPORTS
        if {room(importer), room(own(imported) or "")} == {"magics", "widgets"} and "." in (own(imported) or "")
    ]
    assert not wrong


def test_modules_are_loaded_without_a_circle():
    """What a module imports at its top is there before it."""
    graph = {}
    for importer, imported, at_top in IMPORTS:
        if at_top and (named := own(imported)) is not None:
            graph.setdefault(importer, set()).add(named)

    graphlib.TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("guest", GUESTS)
def test_a_guest_is_received_in_its_room_only(guest):
    """HTTP and keys live in net, Markdown in the renderer: a change of library touches one room."""
    wrong = {importer for importer, imported, _ in IMPORTS if imported.split(".")[0] == guest}
    assert not {importer for importer in wrong if not f"{importer}.".startswith(GUESTS[guest])}


def test_the_core_is_pure():
    """No network, notebook, environment, clock or thread in core: what it needs is passed in."""
    wrong = [
        (importer, name) for importer, name, _ in IMPORTS if room(importer) == "core" and name.split(".")[0] in PURE
    ]
    assert not wrong


def test_nothing_heavy_is_imported_at_the_top():
    """Guests of the user's own are recognised, or imported where they are first needed."""
    wrong = [
        (importer, name)
        for importer, name, at_top in IMPORTS
        if at_top and importer not in LATE and (name.split(".")[0] in HEAVY or own(name) in LATE)
    ]
    assert not wrong


@pytest.mark.parametrize("package", ["IPython", "ipywidgets", "anywidget"])
def test_only_what_shows_answers_needs_a_notebook(package):
    """From Python alone, lk_notebook works without loading IPython or widgets."""
    importers = {importer for importer, name, at_top in IMPORTS if at_top and name.split(".")[0] == package}
    assert {room(importer) for importer in importers} <= {"magics", "output", "show", "view", "widgets"}
