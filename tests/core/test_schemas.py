"""Types as the schema of an answer, answers as values of the types, and the JSON in a text."""

import dataclasses
import datetime as dt
import enum
import json
import time
import typing
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field, RootModel, field_validator
from typing_extensions import NotRequired

from lk_notebook.core.extract import extract_json
from lk_notebook.core.schemas import read_schema
from lk_notebook.errors import SchemaError

CASE = json.loads((Path(__file__).parent / "data" / "livekit" / "85_schema_pydantic.json").read_text("utf-8"))


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


class Pet(BaseModel):
    name: str


class Cat(Pet):
    kind: Literal["cat"]


class Dog(Pet):
    kind: Literal["dog"]


class Person(BaseModel):
    name: str
    age: int
    mood: Mood = Mood.GOOD
    pets: list[Annotated[Cat | Dog, Field(discriminator="kind")]] = []
    boss: Optional["Person"] = None


class Words(typing.TypedDict):
    words: list[str]
    note: NotRequired[str]


class Tags(RootModel[list[str]]):
    pass


@dataclasses.dataclass
class Place:
    city: str
    seen: dt.date
    words: list[str] = dataclasses.field(default_factory=list)


def schema_of(kind):
    """The JSON schema that is sent for a type."""
    return read_schema(kind).response_format["json_schema"]["schema"]


def objects(schema):
    """Each object in a schema, wherever it stands."""
    if isinstance(schema, list):
        return [found for inner in schema for found in objects(inner)]
    if not isinstance(schema, dict):
        return []
    own = [schema] if schema.get("type") == "object" else []
    return own + [found for inner in schema.values() for found in objects(inner)]


def test_a_model_is_told_as_livekit_tells_it():
    """For the same pydantic model we send the response_format that LiveKit's own SDK was recorded to send."""
    space = {"BaseModel": BaseModel, "Field": Field, "Literal": Literal}
    exec(CASE["response_format_source"], space)

    assert read_schema(space["RESPONSE_FORMAT"]).response_format == CASE["expect"]["body"]["response_format"]


KINDS = [
    Person,
    Place,
    Words,
    Mood,
    Tags,
    Literal["a", "b"],
    list[Person],
    list[Words],
    Person | None,
    Cat | Dog,
    str,
    int,
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_what_is_sent_keeps_the_rules_of_the_strict_dialect(kind):
    """The whole is an object; each object is closed and requires all; there are no titles, defaults or oneOf."""
    schema = schema_of(kind)
    text = json.dumps(schema)

    assert schema["type"] == "object"
    for found in objects(schema):
        assert found["additionalProperties"] is False
        assert list(found["properties"]) == found["required"]
    assert not any(f'"{word}":' in text for word in ("title", "default", "oneOf", "discriminator"))


@pytest.mark.parametrize(
    ("kind", "name", "fields"),
    [
        (Person, "Person", ["name", "age", "mood", "pets", "boss"]),
        (Place, "Place", ["city", "seen", "words"]),
        (Words, "Words", ["words", "note"]),
        (list[Person], "PersonList", ["items"]),
        (list[Words], "WordsList", ["items"]),
        (Tags, "Tags", ["items"]),
        (Literal["a", "b"], "Answer", ["value"]),
        (Mood, "Mood", ["value"]),
        (Cat | Dog, "Answer", ["value"]),
        (int | None, "Answer", ["value"]),
        (float, "float", ["value"]),
        (Annotated[int, Field(ge=1)], "int", ["value"]),
    ],
    ids=str,
)
def test_what_is_no_object_travels_in_one(kind, name, fields):
    """A list as `items`, all else as `value`; the name is the type's own."""
    assert read_schema(kind).name == name == read_schema(kind).response_format["json_schema"]["name"]
    assert list(schema_of(kind)["properties"]) == fields


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Person, '{"name": "Ada", "age": 36}', Person(name="Ada", age=36)),
        (Place, '{"city": "Rome", "seen": "2024-02-29"}', Place("Rome", dt.date(2024, 2, 29))),
        (Place, '{"city": "Rome", "seen": "2024-02-29", "words": null}', Place("Rome", dt.date(2024, 2, 29))),
        (Words, '{"words": ["a"]}', {"words": ["a"]}),
        (list[Words], '{"items": [{"words": []}]}', [{"words": []}]),
        (list[Words], '[{"words": []}]', [{"words": []}]),
        (Literal["a", "b"], '{"value": "b"}', "b"),
        (Literal["a", "b"], '"b"', "b"),
        (Mood, '{"value": "bad"}', Mood.BAD),
        (Cat | Dog, '{"value": {"kind": "dog", "name": "Rex"}}', Dog(kind="dog", name="Rex")),
        (Cat | Dog, '{"kind": "dog", "name": "Rex"}', Dog(kind="dog", name="Rex")),
        (Tags, '{"items": ["a"]}', Tags(["a"])),
        (int | None, '{"value": null}', None),
        (list[int], "Here: [1, 2]", [1, 2]),
        (Pet, 'As [1] says {"age": 1}:\n```json\n{"name": "Tom"}\n```\nIndeed {}.', Pet(name="Tom")),
        (Pet, 'As [1] says: {"name": "Tom"}.', Pet(name="Tom")),
    ],
)
def test_an_answer_becomes_the_value(kind, text, value):
    """Also out of a fence or prose, without the object around it, and with null for what has a default."""
    parsed = read_schema(kind).parse(text)

    assert parsed == value
    assert type(parsed) is type(value)


people = st.recursive(
    st.builds(
        Person,
        name=st.text(st.characters(exclude_categories=["Cs"])),
        age=st.integers(-(2**70), 2**70),
        mood=st.sampled_from(Mood),
        pets=st.lists(st.sampled_from([Cat(kind="cat", name="Tom"), Dog(kind="dog", name="```")])),
    ),
    lambda boss: st.builds(Person, name=st.just("x"), age=st.just(1), boss=boss),
    max_leaves=3,
)


ONE, MANY = read_schema(Person), read_schema(list[Person])


@settings(deadline=None)
@given(people)
def test_a_value_written_as_json_is_read_as_the_same_value(person):
    """Whatever it holds, in a list or alone."""
    assert ONE.parse(person.model_dump_json()) == person
    assert MANY.parse(f'{{"items": [{person.model_dump_json()}]}}') == [person]


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (Person, '{"name": "Ada"}', "Person: age: field required."),
        (Person, '{"name": "Ada", "age": "old"}', "age: input should be a valid integer"),
        (list[Person], '{"items": [{"name": "a", "age": 1}, {"name": "b"}]}', "items[1].age: field required"),
        (Literal["a", "b"], '{"value": "c"}', "value: input should be 'a' or 'b' (got 'c')"),
        (Person, "[1]", "does not meet Person"),
        (Person, "I do not know.", "no JSON: it holds no object or list"),
        (Person, '{"name": "Ada", "ag', "it ends before its JSON does"),
        (Person, "", "it is empty"),
    ],
)
def test_what_is_not_met_is_told_with_its_place(kind, text, said):
    """Two lines: the field and what is wrong with it, and the mend."""
    with pytest.raises(SchemaError, match=r"^[^\n]+\n[^\n]+$") as error:
        read_schema(kind).parse(text)

    assert said in str(error.value)


def test_a_validator_that_breaks_is_told_as_such():
    """Whatever the user's own validator raises ends in two lines."""

    class Broken(BaseModel):
        x: int

        @field_validator("x")
        @classmethod
        def _look(cls, x):
            return {}[x]

    with pytest.raises(SchemaError, match="KeyError"):
        read_schema(Broken).parse('{"x": 1}')


@pytest.mark.parametrize("kind", [dict, dict[str, int], Any, object, list, None, "Person", 5, len, {}, {"a": int}])
def test_what_cannot_be_a_schema_is_refused_with_the_mend(kind):
    """What has no fields, no JSON, or is no type: two lines, before anything is sent."""
    with pytest.raises(SchemaError, match=r"^[^\n]+\n[^\n]+$"):
        read_schema(kind)


def test_a_json_schema_passes_as_it_is():
    """The answer is then the plain JSON value; only one that keeps the rules is sent as strict."""
    closed = {"title": "My age", "type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    closed["additionalProperties"] = False
    sent = read_schema(closed).response_format["json_schema"]

    assert sent == {"name": "My_age", "schema": closed, "strict": True}
    assert read_schema({"type": "object"}).response_format["json_schema"]["strict"] is False
    assert read_schema(closed).parse('```json\n{"a": 1}\n```') == {"a": 1}


@pytest.mark.parametrize(
    ("given_", "sent"),
    [
        ({"type": "json_object"}, {"type": "json_object"}),
        (
            {"name": "A", "schema": {"type": "object"}},
            {"type": "json_schema", "json_schema": {"name": "A", "schema": {"type": "object"}}},
        ),
        (CASE["expect"]["body"]["response_format"], CASE["expect"]["body"]["response_format"]),
    ],
)
def test_a_response_format_passes_as_it_is(given_, sent):
    """Whole, or the part of it that has the name; and the caller's dict is not held on to."""
    schema = read_schema(given_)

    assert schema.response_format == sent
    assert schema.response_format is not given_


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
words = st.text(st.characters(exclude_characters="{}[]`~\"'\\", categories=["L", "N", "P", "Zs"]), max_size=40)


@settings(deadline=None)
@given(json_values, st.sampled_from([None, 2]), words, st.booleans())
def test_any_json_in_a_fence_is_found(value, indent, around, ascii_only):
    """However it is written, and whatever it holds."""
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)

    assert extract_json(f"{around.lstrip()}\n\n```json\n{text}\n```\n\n{around}") == value


@settings(deadline=None)
@given(st.lists(json_values) | st.dictionaries(st.text(), json_values), words, words)
def test_any_object_or_list_in_prose_is_found(value, before, after):
    """Where no brackets stand before it."""
    assert extract_json(f"{before} {json.dumps(value)} {after}") == value


@settings(deadline=None)
@given(json_values)
def test_json_that_is_the_whole_text_is_found(value):
    """Also a number or a text alone."""
    assert extract_json(f"\n {json.dumps(value)} \n") == value


@settings(deadline=None)
@given(st.dictionaries(st.text(), json_values, min_size=1), st.data())
def test_of_a_cut_object_no_part_is_taken(value, data):
    """A cut answer is never shown as a complete one."""
    text = json.dumps(value)
    cut = data.draw(st.integers(1, len(text) - 1))

    with pytest.raises(SchemaError):
        extract_json(text[:cut])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('In {braces}, $\\frac{1}{2}$ and [brackets]: {"a": 1}', {"a": 1}),
        ('```python\nprint("x")\n```\n```json\n{"a": 1}\n```', {"a": 1}),
        ('```\n{"a": 0}\n```\n```json\n{"a": 1}\n```', {"a": 1}),
        ('```json\n{"a": 1}', {"a": 1}),
        ('{"a": "two\nlines"}', {"a": "two\nlines"}),
        ("\ufeff5", 5),
        ('{"a": 1}{"b": 2}', {"a": 1}),
    ],
)
def test_json_is_found_as_models_write_it(text, value):
    """Behind other braces, in the fence that is named json, without a closing fence, with bare line breaks."""
    assert extract_json(text) == value


@pytest.mark.parametrize("text", ["[" * 150_000, "{" * 150_000, "[1 " * 150_000, '{"a":[' * 150_000, "[" + "1" * 5_000])
def test_a_hostile_text_is_refused_soon(text):
    """Neither its depth nor its brackets take long."""
    start = time.perf_counter()
    with pytest.raises(SchemaError):
        extract_json(text)

    assert time.perf_counter() - start < 5
