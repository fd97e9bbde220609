"""Functions of the notebook as tools: what the model is told, what its arguments become, what goes back."""

import dataclasses
import datetime as dt
import enum
import functools
import json
import sys
import types
import typing
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from lk_notebook.core import docstrings, tools
from lk_notebook.core.strict import strict
from lk_notebook.errors import SchemaError

DATA = Path(__file__).parent / "data" / "livekit"
SOURCES = json.loads((DATA / "tools.json").read_text("utf-8"))["python"]
RECORDED = [
    case
    for path in sorted(DATA.glob("[0-9]*.json"))
    if "tools" in (case := json.loads(path.read_text("utf-8")))["expect"].get("body", {})
]


class Unit(enum.Enum):
    """Of a temperature."""

    C = "c"
    F = "f"


class Point(BaseModel):
    x: float
    y: float = 0.5
    note: str | None = "none given"


class Size(TypedDict):
    width: int


@dataclasses.dataclass
class Box:
    size: Size
    open_since: dt.date = dt.date(2020, 1, 1)


class Finder:
    """Finds notes."""

    def __call__(self, query: str) -> str:
        return query

    async def later(self, query: "str") -> str:
        """Find it later."""
        return query

    @classmethod
    def known(cls, query: str) -> bool:
        """Whether it is known."""
        return bool(query)


def search(query: str, tags: list[str] | None = None, limit: int = 10) -> str:
    """Search the notes.

    Args:
        query (str): What to look for,
            in plain words
        limit: How many

    Returns:
        What was found
    """
    return f"{query} {tags} {limit}"


def parameters(function):
    """The properties that the model is told of."""
    return tools.read_tool(function).schema["function"]["parameters"]["properties"]


def functions(case):
    """The tools of a recorded case, made from their recorded sources in a module of their own."""
    module = sys.modules["recorded"] = types.ModuleType("recorded")
    space = vars(module)
    space |= {"BaseModel": BaseModel, "Field": Field, "enum": enum, "function_tool": lambda function: function}
    space |= {name: getattr(typing, name) for name in typing.__all__}
    own = case.get("tool_source", "")
    for source in [*(SOURCES[name] for name in case.get("tools", ())), own]:
        exec(source, space)
    heads = (line for line in own.splitlines() if line.startswith(("def ", "async def ")))
    return [space[name] for name in [*case.get("tools", ()), *(h.split("def ")[1].split("(")[0] for h in heads)]]


@pytest.mark.parametrize("case", RECORDED, ids=[case["id"] for case in RECORDED])
def test_a_function_is_told_as_livekit_tells_it(case):
    """For the same function we send the entry of `tools` that LiveKit's own SDK was recorded to send."""
    assert [made.schema for made in tools.read_tools(functions(case)).values()] == case["expect"]["body"]["tools"]


def test_there_are_recordings():
    """The recorded cases are found."""
    assert len(RECORDED) >= 8


@pytest.mark.parametrize(
    "text",
    [
        "Does.\n\nArgs:\n    one (int): First\n        of all\n    two: Second\n\nReturns:\n    three: No argument\n",
        "Does.\n\nParameters\n----------\none : int\n    First\n    of all\ntwo\n    Second\n\nNotes\n-----\nNo.",
        "Does.\n\n:param int one: First\n    of all\n:param two: Second\n:type two: str\n:returns: three: none\n",
    ],
    ids=["google", "numpy", "sphinx"],
)
def test_arguments_are_told_from_the_docstring(text):
    """In Google's, NumPy's and Sphinx's style; the description has none of the sections."""
    assert docstrings.read(text) == docstrings.Docs("Does.\n", {"one": "First\nof all", "two": "Second"})


@pytest.mark.parametrize(
    ("text", "description"),
    [
        (None, ""),
        ("Short.", "Short."),
        ("Short.\nLong.", "Short.\nLong."),
        ("\n    Short.\n\n    Long,\n    longer.\n\n    Args:\n        x: y\n", "Short.\n\nLong,\nlonger."),
        ("\n    Args:\n        x: y\n    ", ""),
    ],
)
def test_the_description_keeps_its_paragraphs(text, description):
    """What stands before the first section, without the indent of the source."""
    assert docstrings.read(text).description == description


def test_an_argument_without_words_is_told_without_description():
    """A docstring that names an argument and says nothing of it adds nothing."""

    def f(x: int):
        """F.

        Args:
            x:
        """

    assert parameters(f) == {"x": {"type": "integer"}}


def test_the_annotation_speaks_before_the_docstring():
    """Where both describe an argument, Field wins, and its limits are told."""

    def f(x: Annotated[int, Field(description="Said by Field", ge=1)]):
        """F.

        Args:
            x: Said by the docstring
        """

    assert parameters(f) == {"x": {"description": "Said by Field", "minimum": 1, "type": "integer"}}


def test_text_annotations_are_looked_up_where_the_function_was_written():
    """In its module and in the functions around it, whatever its result is annotated with."""

    class Inner(BaseModel):
        a: int

    def f(unit: "Unit", inner: "list[Inner]") -> "Unknown":  # noqa: F821 - nobody needs the type of the result
        return unit, inner, Inner

    assert parameters(f)["inner"] == {"items": {"$ref": "#/$defs/Inner"}, "type": "array"}


@pytest.mark.parametrize("name", ["_x", "schema", "json", "model_config", "copy", "self", "argument0"])
def test_any_name_of_an_argument_reaches_the_function(name):
    """Also names that pydantic keeps for itself."""
    space = {}
    exec(f"def f({name}: int, argument1: int = 1): ...", space)
    made = tools.read_tool(space["f"])

    assert made.arguments(json.dumps({name: 5})) == ((), {name: 5})
    assert list(parameters(space["f"])) == [name, "argument1"]


@pytest.mark.parametrize(
    ("function", "name", "description", "told", "is_async"),
    [
        (Finder(), "Finder", "Finds notes.", ["query"], False),
        (Finder().later, "later", "Find it later.", ["query"], True),
        (Finder.known, "known", "Whether it is known.", ["query"], False),
        (functools.partial(search, "x", limit=3), "search", "Search the notes.\n", ["tags"], False),
        (functools.partial(Finder().later), "later", "Find it later.", ["query"], True),
    ],
    ids=["object", "method", "classmethod", "partial", "partial of a method"],
)
def test_whatever_can_be_called_can_be_a_tool(function, name, description, told, is_async):
    """A bound argument vanishes, also `self`; what runs decides whether it is awaited."""
    made = tools.read_tool(function)

    assert (made.name, made.schema["function"]["description"], made.is_async) == (name, description, is_async)
    assert list(parameters(function)) == told


def test_what_a_decorator_wraps_is_told():
    """`functools.wraps` shows the function behind; whether it is awaited is the wrapper's affair."""

    @functools.wraps(Finder.later)
    def waits(*args, **kwargs):
        return args, kwargs

    assert list(parameters(functools.partial(waits, None))) == ["query"]
    assert not tools.read_tool(functools.partial(waits, None)).is_async


def test_a_partial_is_called_with_what_it_does_not_bind():
    """What the model sends joins what is bound already."""
    bound = functools.partial(search, "ink", limit=3)
    args, kwargs = tools.read_tool(bound).arguments('{"tags": ["a"]}')

    assert bound(*args, **kwargs) == "ink ['a'] 3"


def numbers(*values: int): ...
def options(**values: int): ...
def unannotated(a, b): ...
def unknown(a: "Nowhere"): ...  # noqa: F821
def frame(df: pd.DataFrame): ...
def größe(x: int): ...  # noqa: PLC2401
def yields(x: int):
    yield x


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (numbers, "*values"),
        (options, "**values"),
        (unannotated, "Annotate it: a: str."),
        (unknown, "Nowhere"),
        (frame, "df"),
        (größe, "größe"),
        (yields, "yields"),
        (lambda: None, "lambda"),
        (Point, "class"),
        ("search", "'search'"),
        (None, "None"),
        (len, "Wrap it"),
    ],
)
def test_what_cannot_be_a_tool_is_refused_with_the_mend(function, said):
    """Two lines: what it is that no model could call, and what to do."""
    with pytest.raises(SchemaError, match=r"^[^\n]+\n[^\n]+$") as error:
        tools.read_tool(function)

    assert said in str(error.value)


def test_an_argument_without_annotation_has_the_type_of_its_default():
    """Where that is a number, a text or yes and no: nothing is guessed of others."""

    def f(n=10, share=0.5, text="x", loud=True):  # noqa: FBT002
        return n, share, text, loud

    kinds = [told["type"][0] for told in parameters(f).values()]
    assert kinds == ["integer", "number", "string", "boolean"]


def test_two_tools_of_one_name_are_refused():
    """The model calls them by name."""
    with pytest.raises(SchemaError, match="Two tools are named search"):
        tools.read_tools([search, functools.partial(search, "x")])


def test_more_than_128_tools_are_refused():
    """The API takes no more."""

    def numbered(number):
        def f(): ...

        f.__name__ = f"f{number}"
        return f

    assert len(tools.read_tools(map(numbered, range(128)))) == 128
    with pytest.raises(SchemaError, match="129"):
        tools.read_tools(map(numbered, range(129)))


def test_the_mark_asks_the_user_first():
    """`@tool(confirm=True)` is seen on the function, through a partial, and a method; the function stays."""

    @tools.tool(confirm=True)
    def delete(path: str):
        return path

    class Disk:
        erase = tools.tool(confirm=True)(lambda self: self)

    assert delete("x") == "x"
    assert tools.tool(search) is search
    assert tools.read_tool(delete).confirm
    assert tools.read_tool(functools.partial(delete, "x")).confirm
    assert not tools.read_tool(search).confirm
    assert Disk().erase.__lk_confirm__


def test_a_method_that_takes_no_mark_is_refused():
    """The mend is to mark it where it is defined."""
    with pytest.raises(SchemaError, match="def"):
        tools.tool(Finder().later, confirm=True)


def draw(
    points: list[Point],
    box: Box,
    /,
    unit: Unit = Unit.C,
    kind: Literal["line", "dots"] = "line",
    *,
    when: dt.date | None = None,
    share: float = 1.0,
): ...


DRAW = tools.read_tool(draw)


@settings(deadline=None)
@given(
    points=st.lists(st.builds(Point, x=st.floats(allow_nan=False, allow_infinity=False), y=st.floats(-1, 1))),
    box=st.builds(Box, size=st.fixed_dictionaries({"width": st.integers(-(2**70), 2**70)}), open_since=st.dates()),
    named=st.fixed_dictionaries(
        {},
        optional={
            "unit": st.sampled_from(Unit),
            "kind": st.sampled_from(["line", "dots"]),
            "when": st.none() | st.dates(),
            "share": st.floats(0, 1),
        },
    ),
)
def test_arguments_that_meet_the_schema_come_as_their_types(points, box, named):
    """Models, dataclasses, enums, dates: as if the function had been called in Python."""
    plain = {"points": [point.model_dump() for point in points], "box": dataclasses.asdict(box), **named}
    text = json.dumps(plain, default=lambda value: value.value if isinstance(value, Unit) else value.isoformat())

    assert DRAW.arguments(text) == ((points, box), named)


def test_a_dict_with_named_fields_is_an_argument():
    """TypedDict, also typing's own, which pydantic refuses before Python 3.12."""

    class Old(typing.TypedDict):
        words: list[str]

    def f(sizes: list[Size], olds: dict[str, Old | None], both: Annotated[tuple[Old, int] | None, "x"] = None):
        return sizes, olds, both

    args, kwargs = tools.read_tool(f).arguments('{"sizes": [{"width": "3"}], "olds": {"a": {"words": []}, "b": null}}')
    assert (args, kwargs) == ((), {"sizes": [{"width": 3}], "olds": {"a": {"words": []}, "b": None}})


def test_null_stands_for_the_default():
    """Also inside a model; where the type has a None of its own, null is None."""

    def f(points: list[Point], limit: int = 10, tag: str | None = "x"):
        return points, limit, tag

    args, kwargs = tools.read_tool(f).arguments(
        '{"points": [{"x": 1, "y": null, "note": null}], "limit": null, "tag": null}'
    )

    assert (args, kwargs) == ((), {"points": [Point(x=1, y=0.5, note=None)], "tag": None})


def test_null_in_a_list_is_no_default():
    """Nothing that was sent is lost."""
    with pytest.raises(SchemaError, match=r"tags\[1\]"):
        tools.read_tool(search).arguments('{"query": "x", "tags": ["a", null]}')


def test_a_positional_argument_left_out_is_its_default():
    """Those after it keep their places."""

    def f(a: int = 1, b: int = 2, /, c: int = 3):
        return a, b, c

    args, kwargs = tools.read_tool(f).arguments('{"b": 5}')
    assert f(*args, **kwargs) == (1, 5, 3)


@pytest.mark.parametrize("text", ["", " ", "{}", "null", '"{}"'])
def test_a_call_without_arguments_may_be_written_in_any_way(text):
    """Providers send nothing, an empty object, null, or JSON in JSON."""

    def now(): ...

    assert tools.read_tool(now).arguments(text) == ((), {})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "query: field required"),
        ('{"query": null}', "query: field required"),
        ('{"query": "x", "limit": "many"}', "limit: input should be a valid integer"),
        ('{"query": "x", "limit": "many"}', "(got 'many')"),
        ('{"query": "x", "tag": "a"}', "tag: extra inputs are not permitted"),
        ('{"query": "x"', "no JSON"),
        ("[1]", "no JSON object"),
        ("[" * 100_000, "no JSON"),
    ],
)
def test_the_model_is_told_what_to_mend(text, said):
    """Which argument, and what is wrong with it; not where pydantic's pages are."""
    with pytest.raises(SchemaError) as error:
        tools.read_tool(search).arguments(text)

    assert said in str(error.value)
    assert "Call search again" in str(error.value)
    assert "http" not in str(error.value)


def test_half_a_character_is_replaced():
    """Models send half of a surrogate pair, with which nothing can be done."""
    assert tools.read_tool(search).arguments('{"query": "a\\ud83d"}') == ((), {"query": "a\ufffd"})


def test_a_schema_that_holds_itself_ends():
    """A described field of its own type is told by reference."""
    schema = {
        "$defs": {"N": {"type": "object", "properties": {"n": {"$ref": "#/$defs/N", "description": "next"}}}},
        "$ref": "#/$defs/N",
    }
    assert strict(schema)["properties"]["n"] == {"$ref": "#/$defs/N"}


@pytest.mark.parametrize(
    ("given_", "sent"),
    [
        (
            {"$ref": "#/$defs/U", "description": "d", "default": "x"},
            {"description": "d", "anyOf": [{"$ref": "#/$defs/U"}, {"type": "null"}]},
        ),
        (
            {"anyOf": [{"const": "x", "type": "string"}, {"type": "null"}]},
            {"anyOf": [{"const": "x", "type": "string"}, {"type": "null"}]},
        ),
        ({"const": "x", "type": "string", "default": "x"}, {"const": "x", "type": "string"}),
        ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, {"anyOf": [{"type": "string"}, {"type": "integer"}]}),
        ({"anyOf": [{"type": "string"}, {}]}, {"type": "string"}),
        (
            {"anyOf": [{"type": "string"}, {"type": "integer"}], "default": 1},
            {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]},
        ),
    ],
)
def test_a_field_says_only_what_the_strict_dialect_knows(given_, sent):
    """What may be left out takes null, but for a const, which null would never equal; no oneOf; no default."""
    schema = {"$defs": {"U": {"enum": ["x"], "type": "string"}}, "type": "object", "properties": {"a": given_}}

    assert strict(schema, nullable_defaults=True)["properties"]["a"] == sent


def test_a_schema_is_written_anew():
    """What the caller gave stays as it was."""
    schema = {"type": "object", "properties": {"a": {"enum": ["x"], "type": "string", "default": "x", "title": "A"}}}
    before = json.dumps(schema)

    assert strict(schema, nullable_defaults=True)["properties"]["a"] == {
        "enum": ["x", None],
        "type": ["string", "null"],
    }
    assert json.dumps(schema) == before


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        (None, "null"),
        (0, "0"),
        (True, "true"),
        ([1, {"größe": None}], '[1, {"größe": null}]'),
        ({"n": np.int64(3), "all": np.arange(3)}, '{"n": 3, "all": [0, 1, 2]}'),
        (Point(x=1), '{"x": 1.0, "y": 0.5, "note": "none given"}'),
        (Box({"width": 1}), '{"size": {"width": 1}, "open_since": "2020-01-01"}'),
        (dt.datetime(2024, 1, 2, 3, tzinfo=dt.timezone.utc), "2024-01-02T03:00:00Z"),
        ([{"when": pd.NaT, "n": 1}], '[{"when": "NaT", "n": 1}]'),
        (Unit.C, "c"),
        (enum.Enum("Tone", {"WARM": "warm"}, type=str).WARM, "warm"),
        (pd.DataFrame({"a": [1]}), "| a |\n| --- |\n| 1 |"),
        (pd.Series([1], name="a"), "| a |\n| --- |\n| 1 |"),
        (ValueError("too big"), "too big"),
        ("a\ud83d", "a\ufffd"),
        (b"\xff", r"b'\xff'"),
    ],
)
def test_a_result_goes_back_as_text_or_json(value, text):
    """Texts as they are, tables as Markdown, what has JSON as JSON, all else as Python writes it."""
    assert tools.result_text(value) == text


def test_a_long_table_is_shortened():
    """The model is told how many rows there are."""
    assert "of 1 000 rows" in tools.result_text(pd.DataFrame({"a": range(1000)}))


def test_a_long_result_is_cut_with_a_note():
    """Past 50 000 characters it says how long it was."""
    text = tools.result_text("x" * 60_000)
    assert text.startswith("x" * 50_000 + "\n")
    assert "60000 characters" in text


def test_a_result_without_end_is_not_read():
    """A generator may never stop, and a list may hold itself."""
    circle = []
    circle.append(circle)

    assert "count" in tools.result_text(__import__("itertools").count())
    assert tools.result_text(circle) == "[[...]]"
