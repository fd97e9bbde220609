"""Functions of the notebook as source that stands alone: with the imports, types, helpers and constants they use.

What is copied is what was typed. A value that has no literal (a table, a model, an open file) is left to the reader,
by name.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import itertools
import linecache
import symtable
import sys
import textwrap
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import CellType, FunctionType, ModuleType
from typing import Any

from lk_notebook.core.export import Tool as Copied
from lk_notebook.core.export_text import PYTHON, comment
from lk_notebook.core.tools import Tool, tool
from lk_notebook.errors import ConfigurationError

_LONGEST = 2_000  # characters of a constant; more is data, and belongs into a file
_MARK = "@function_tool"
#: LiveKit awaits its tools: what only returns a value runs in a thread, and the conversation goes on meanwhile.
THREADED = "@threaded"
#: Imports that mean the same in the program and in the notebook.
_SHARED = ("import asyncio", "import functools", "import os")


def copied(tools: Iterable[Tool], reserved: Collection[str] = ()) -> tuple[list[Copied], list[str]]:
    """The tools with their source, and what must stand before them: imports first, each definition after what it uses.

    Example:
        A function `f` that uses `math` gives `["import math"]` beside its own source.

    `reserved` are names that may not be defined. A method, an object or a partial has no source of its own: `source`
    is None.

    Raises:
        ConfigurationError: a name is reserved, two values have one name, or a tool that is not async is called by
            something else.
    """
    gathered, found, threaded = _Gathered(reserved), [], set()
    for each in tools:
        plain, marked = _plain(each.function)
        source = None
        if plain is not None and plain.__name__ == each.name and (read := _read(plain)) is not None:
            gathered.check(each.name, plain)
            gathered.needed_by(read, plain)
            marks = [] if marked else [_MARK] if inspect.iscoroutinefunction(plain) else [_MARK, THREADED]
            source = "\n".join([*marks, read])
        found.append(Copied(each.name, each.schema["function"], source))
        if source is not None and THREADED in source:
            threaded.add(each.name)
    gathered.refuse_calls_of(threaded)
    return found, gathered.pieces()


def _plain(function: Any) -> tuple[FunctionType | None, bool]:
    """The function as it was written, where it is one; and whether LiveKit's decorator made a tool of it."""
    if isinstance(function, FunctionType):
        return inspect.unwrap(function), False
    within = getattr(function, "__wrapped__", None)
    made = type(function).__module__.startswith("livekit.agents.") and isinstance(within, FunctionType)
    return (within, True) if made else (None, False)


def _read(function: FunctionType) -> str | None:
    """The source of the definition, without the marks of ours; None where no file or cell has it."""
    try:
        source = textwrap.dedent(inspect.getsource(function))
        node = ast.parse(source).body[0]
    except (OSError, TypeError, SyntaxError):  # typed where nothing is kept, or as a lambda within a call
        return None
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return None
    kept = [each for each in node.decorator_list if not _is_ours(each, function)]
    lines = source.splitlines()[node.lineno - 1 :]
    marks = [f"@{ast.get_source_segment(source, each)}" for each in kept]
    return "\n".join([*marks, *lines]).rstrip()


def _is_ours(decorator: ast.expr, function: FunctionType) -> bool:
    """`@tool` and `@tool(confirm=True)`, by whichever name they were imported."""
    made = decorator.func if isinstance(decorator, ast.Call) else decorator
    *path, last = ast.unparse(made).split(".")
    value = _seen(function).get(path[0] if path else last)
    for name in [*path[1:], last] if path else []:
        value = getattr(value, name, None)
    return value is tool


def _seen(function: FunctionType) -> Mapping[str, Any]:
    """What the function sees: the notebook's names, and those of the functions around it."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return {**function.__globals__, **{name: cell.cell_contents for name, cell in cells if cell != CellType()}}


def _names(source: str) -> list[str]:
    """The names that a definition takes from outside, also in annotations that are texts."""
    texts = [source]
    for node in ast.walk(ast.parse(source)):
        notes = (getattr(node, "annotation", None), getattr(node, "returns", None))
        texts += [note.value for note in notes if isinstance(note, ast.Constant) and isinstance(note.value, str)]
    return list(dict.fromkeys(name for text in texts for name in _free(text)))


def _free(source: str) -> Iterator[str]:
    try:
        table = symtable.symtable(source, "<source>", "exec")
    except SyntaxError:  # an annotation that is no expression
        return
    yield from (symbol.get_name() for symbol in table.get_symbols() if not symbol.is_assigned())
    yield from itertools.chain.from_iterable(map(_unbound, table.get_children()))


def _unbound(table: symtable.SymbolTable) -> Iterator[str]:
    yield from (symbol.get_name() for symbol in table.get_symbols() if symbol.is_global())
    yield from itertools.chain.from_iterable(map(_unbound, table.get_children()))


@dataclass(slots=True)
class _Gathered:
    """What the definitions need, each name once."""

    reserved: Collection[str]
    _imports: dict[str, str] = field(default_factory=dict)
    _definitions: dict[str, str] = field(default_factory=dict)
    _values: dict[str, Any] = field(default_factory=dict)
    _used: set[str] = field(default_factory=set)

    def pieces(self) -> list[str]:
        """Imports, then the rest in the order of need."""
        return [*sorted(self._imports.values()), *self._definitions.values()]

    def check(self, name: str, value: Any) -> bool:
        """Whether the name is new; refuses one that means something else in the program."""
        if name in self._values and self._values[name] is value:
            return False
        if name in self.reserved or name in self._values:
            raise ConfigurationError(
                f"The tools use the name {name}, which means something else in the program.",
                "Give it another name in the notebook, and run its cell again.",
            )
        self._values[name] = value
        return True

    def refuse_calls_of(self, threaded: Collection[str]) -> None:
        """As a tool, a function gives what is to be awaited: who calls it as before would get no value."""
        for name in threaded:
            if name in self._used:
                raise ConfigurationError(
                    f"{name} is a tool, and the notebook's own code calls it: in the program it must be awaited.",
                    f"Make it async, or let both call a third function that does what {name} does.",
                )

    def needed_by(self, source: str, function: FunctionType) -> None:
        """All that a definition uses, and what that uses in turn."""
        seen = _seen(function)
        for name in _names(source):
            if name not in seen or seen[name] is getattr(builtins, name, seen):
                continue
            value = seen[name]
            imported = _import(name, value, function.__module__)
            if imported is not None and _is_livekits(imported, self.reserved):
                continue
            if imported in _SHARED:
                self._imports[name] = imported
                continue
            self._used.add(name)
            if isinstance(value, ModuleType):
                self._imports |= {each: each for each in _submodules(name, value, source)}
            if not self.check(name, value):
                continue
            if imported is not None:
                self._imports[name] = imported
            else:
                self._define(name, value, function)

    def _define(self, name: str, value: Any, function: FunctionType) -> None:
        plain = inspect.unwrap(value) if callable(value) else value
        if isinstance(plain, FunctionType) and plain.__name__ == name and (read := _read(plain)) is not None:
            self.needed_by(read, plain)
            self._definitions[name] = f"{read}\n"
        elif isinstance(value, type) and value.__name__ == name and (source := _class_source(value)) is not None:
            self.needed_by(source, function)
            self._definitions[name] = f"{source}\n"
        elif (literal := _literal(value)) is not None:
            self._definitions[name] = f"{name} = {literal}"
        else:
            told = f"{name}: to be made here; in the notebook it is of type {type(value).__qualname__}"
            self._definitions[name] = comment(told, PYTHON)


def _submodules(name: str, module: ModuleType, source: str) -> Iterator[str]:
    """`import a.b` for each `a.b` that is a module: who imports `a` alone may not have it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name:
            dotted = f"{module.__name__}.{node.attr}"
            if name == module.__name__ and isinstance(getattr(module, node.attr, None), ModuleType):
                yield from [f"import {dotted}"] if dotted in sys.modules else []


def _import(name: str, value: Any, home: str) -> str | None:
    """The import that brings a value under this name; None for what belongs to the notebook itself."""
    if isinstance(value, ModuleType):
        return f"import {value.__name__}" if value.__name__ == name else _as("import " + value.__name__, name)
    module = getattr(value, "__module__", None)
    if not isinstance(module, str) or module in (home, "builtins", "__main__") or module not in sys.modules:
        return None
    own = (getattr(value, attribute, None) for attribute in ("__name__", "_name"))
    for known in (name, *(each for each in own if isinstance(each, str))):
        if getattr(sys.modules[module], known, None) is value:
            return f"from {module} import {known}" if known == name else _as(f"from {module} import {known}", name)
    return None


def _as(statement: str, name: str) -> str:
    return f"{statement} as {name}"


def _is_livekits(imported: str, reserved: Collection[str]) -> bool:
    """Whether the program itself imports the very same."""
    return imported.startswith("from livekit.") and imported.rsplit(maxsplit=1)[-1] in reserved


def _class_source(value: type) -> str | None:
    """The source of a class of the notebook: `inspect` looks for a file, which `__main__` has not."""
    if value.__module__ != "__main__":
        return _of_file(inspect.getsource, value)
    cells = [file for file, entry in linecache.cache.items() if len(entry) > 1 and entry[1] is None]
    for file in reversed(cells):  # the latest that defines it; what has a time of change is a file
        lines = linecache.getlines(file)
        for node in reversed(_body(lines)):
            if isinstance(node, ast.ClassDef) and node.name == value.__name__:
                start = min([node.lineno, *(each.lineno for each in node.decorator_list)])
                return "".join(lines[start - 1 : node.end_lineno]).rstrip()
    return None


def _body(lines: list[str]) -> list[ast.stmt]:
    try:
        return ast.parse("".join(lines)).body
    except SyntaxError:
        return []


def _of_file(read: Callable[[type], str], value: type) -> str | None:
    try:
        return textwrap.dedent(read(value)).rstrip()
    except (OSError, TypeError):
        return None


def _literal(value: Any) -> str | None:
    """The literal of a constant, where it has one of reasonable length."""
    text = repr(value) if isinstance(value, (str, bytes, int, float, bool, list, tuple, dict, set, type(None))) else ""
    try:
        return text if text and len(text) <= _LONGEST and ast.literal_eval(text) == value else None
    except (ValueError, SyntaxError):
        return None
