"""The format of a tape: keys that depend on what was asked alone, lines that are read as they were written."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from player import chunk, end

from lk_notebook.core import tape, tape_check
from lk_notebook.core.tape import Asked, Broken, Head, Take, Tape
from lk_notebook.errors import ConfigurationError

ACCOUNT = Asked("livekit", "livekit", "https://gateway.example/v1", ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"))
BODY = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "hi"}], "temperature": 0.5}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def take(prompt="hi", said="Hello", **more):
    """One recorded call."""
    request = tape.question({"messages": [{"role": "user", "content": prompt}]})
    pieces = tuple((0.1 * i, piece.decode()) for i, piece in enumerate([chunk({"content": said}), *end()], 1))
    of = {"status": 200, "pieces": pieces, "seconds": 1.0} | more
    return Take(tape.key("acme/one", request), "2026-11-24T10:00:00Z", "acme/one", ACCOUNT, request, **of)


def text(*takes, **head):
    """A tape as text."""
    return "".join([tape.line(Head("tape", **head)), *map(tape.line, takes)])


def shuffled(value):
    """The same value, the names in it in reverse order."""
    if isinstance(value, dict):
        return {name: shuffled(value[name]) for name in reversed(value)}
    return [shuffled(each) for each in value] if isinstance(value, list) else value


@settings(deadline=None)
@given(st.dictionaries(st.text(), JSON, max_size=6))
def test_the_key_does_not_depend_on_the_order_of_names(body):
    """Whatever is asked, however deep."""
    assert tape.key("m", tape.question(body)) == tape.key("m", tape.question(shuffled(body)))


@settings(deadline=None)
@given(JSON, JSON)
def test_the_key_tells_values_apart(one, other):
    """Two parameters have one key only if they are equal as JSON."""
    same = json.dumps(tape.question({"a": one}), sort_keys=True) == json.dumps(
        tape.question({"a": other}), sort_keys=True
    )

    assert (tape.key("m", tape.question({"a": one})) == tape.key("m", tape.question({"a": other}))) == same


CHANGES = {
    "another prompt": {"messages": [{"role": "user", "content": "ho"}]},
    "a turn before it": {"messages": [{"role": "user", "content": "a"}, *BODY["messages"]]},
    "a system prompt": {"messages": [{"role": "system", "content": "a"}, *BODY["messages"]]},
    "another parameter": {"temperature": 0.6},
    "one more parameter": {"seed": 1},
    "tools": {"tools": [{"type": "function", "function": {"name": "f"}}]},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_another_question_has_another_key(change):
    """Messages and parameters both count."""
    assert tape.key("m", tape.question(BODY | change)) != tape.key("m", tape.question(BODY))


def test_another_model_has_another_key():
    """By the id in full, whatever the account calls it."""
    asked = tape.question(BODY)

    assert tape.key("m", asked) != tape.key("n", asked)
    assert asked == tape.question(BODY | {"model": "deployment-7", "stream": False, "stream_options": {}})


def test_a_number_counts_by_its_value():
    """1.0 is 1; but true is not."""
    keys = [tape.key("m", tape.question({"seed": value})) for value in (1, 1.0, True, "1")]

    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def png(*, level, chunks=(), grey=7):
    """A picture of 2 by 2 points, packed and annotated in one way or another."""

    def part(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    lines = zlib.compress(bytes([0, grey, 1, 0, 2, 3]), level)
    half = len(lines) // 2
    parts = [part(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 0, 0, 0, 0)), *(part(b"tEXt", text) for text in chunks)]
    parts += [part(b"IDAT", lines[:half]), part(b"IDAT", lines[half:]), part(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def pictured(data, kind="image/png"):
    """The key of a question about a picture."""
    url = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    part = {"type": "image_url", "image_url": {"url": url, "detail": "auto"}}
    return tape.key("m", tape.question({"messages": [{"role": "user", "content": [part]}]}))


def test_a_picture_counts_by_what_it_shows():
    """A PNG that another version of a program wrote, or packed otherwise, is the same picture; another grey is not."""
    plain = pictured(png(level=9))

    assert pictured(png(level=0, chunks=[b"Software\0Matplotlib version 9.9"])) == plain
    assert pictured(png(level=9, grey=8)) != plain


@pytest.mark.parametrize("data", [b"\xff\xd8\xff of a photograph", png(level=9)[:-20], b""])
def test_any_other_picture_counts_by_its_bytes(data):
    """Also one that is broken."""
    assert pictured(data) == pictured(data) != pictured(data + b"\0")


def test_no_picture_stands_on_a_tape():
    """Only the hash of its content: tapes stay small, and faces private."""
    asked = tape.question({"messages": [{"content": [{"image_url": {"url": "data:image/png;base64,QUJDRA=="}}]}]})

    assert "QUJD" not in json.dumps(asked)
    assert "data:image/png;sha256," in json.dumps(asked)


PIECES = st.lists(st.tuples(st.floats(0, 1e6, allow_nan=False), st.text(st.characters(codec=None))), max_size=6)


@settings(deadline=None)
@given(PIECES, JSON)
def test_a_line_is_read_as_it_was_written(pieces, value):
    """Any pieces at any times, lone surrogates too; any request."""
    written = Take("k", "2026-11-24T10:00:00Z", "m", ACCOUNT, {"value": value}, pieces=tuple(pieces), end="done")

    line = tape.line(written)

    assert line.count("\n") == 1
    assert tape.read(tape.line(Head("tape")) + line, "t").takes == (written,)
    assert line.encode()


def test_a_torn_last_line_is_left_out():
    """As a killed kernel, or a full disk, may leave it."""
    whole = text(take(), take("ho"))

    assert [each.request for each in tape.read(whole[:-30], "t").takes] == [take().request]


BROKEN = {
    "no tape": ("hello\n", "no tape"),
    "a journal": ('{"lk_notebook": "journal"}\n', "no tape"),
    "nothing": ("", "no tape"),
    "a later version": (text(version=99), "version 99"),
    "a line that is no JSON": (text() + "{\n" + tape.line(take()), "line 2"),
    "a line that lacks its key": (text() + tape.line(take()).replace('"key"', '"kye"') + "\n", "line 2: key"),
    "a time that is a text": (text() + tape.line(take()).replace("[[0.1", '[["0.1"') + "\n", "line 2: pieces.0.0"),
}


@pytest.mark.parametrize("row", BROKEN.values(), ids=BROKEN.keys())
def test_what_is_no_tape_is_refused(row):
    """With the line, and what is wrong there."""
    with pytest.raises(ConfigurationError, match=row[1]):
        tape.read(row[0], "t.jsonl")


def test_only_what_a_reply_shows_is_kept_of_the_headers():
    """Of an answer its type and who served it; of a refusal also when to come back. Never a cookie or a request id."""
    headers = {"content-type": "a", "x-livekit-inference-provider": "azure", "set-cookie": "c", "x-request-id": "r",
               "x-livekit-inference-rpm-used": "8", "retry-after": "3", "x-ratelimit-reset-tokens": "2s"}  # fmt: skip

    assert list(tape.facts(200, headers)) == ["content-type", "x-livekit-inference-provider"]
    assert set(headers) - set(tape.facts(429, headers)) == {"set-cookie", "x-request-id"}


def test_the_schema_in_the_package_is_that_of_the_code():
    """Who reads tapes with other tools can trust it."""
    file = resources.files("lk_notebook.core").joinpath("tape.schema.json").read_text("utf-8")

    assert json.loads(file) == json.loads(json.dumps(tape.schema()))


def test_a_whole_tape_has_no_faults():
    """As the recorder writes it."""
    broken = take("no", status=None, pieces=(), end="failed", broken=Broken("refused", "nobody"))

    assert tape_check.faults(text(take(), broken), "t") == []


LINE = tape.line(take())
LETTERS = [chunk({"content": letter}).decode() for letter in "sk-proj-0123456789abcdef"]
FAULTS = {
    "another request": (LINE.replace('"hi"', '"ho"'), "its key is not that of its request"),
    "another model": (LINE.replace("acme/one", "acme/two"), "its key is not that of its request"),
    "times that go back": (LINE.replace("[0.2,", "[0.02,"), "its times do not follow"),
    "an end that is none": (LINE.replace('"done"', '"failed"'), "does not tell how"),
    "an unknown end": (LINE.replace('"done"', '"gone"'), "end: "),
    "no JSON": ("{oops\n", "JSON"),
    "a key in a prompt": (tape.line(take("use sk-proj-0123456789abcdef")), "looks like a key of OpenAI"),
    "a key letter by letter": (tape.line(take(pieces=tuple((0.1, p) for p in LETTERS))), "looks like a key of OpenAI"),
    "a token": (tape.line(take("Authorization: Bearer abcdefghijklmnopqrstuvwxyz")), "looks like a bearer token"),
    "a torn end": (LINE[:-20], "was torn"),
}  # fmt: skip


@pytest.mark.parametrize("row", FAULTS.values(), ids=FAULTS.keys())
def test_each_fault_is_told_with_its_line(row):
    """The form, the key, what looks like a secret: never the secret itself."""
    line, says = row

    told = tape_check.faults(text() + line, "t")

    assert any(says in each for each in told)
    assert all(each.startswith("line 2") for each in told)
    assert "0123456789abcdef" not in "".join(told)


def test_tapes_are_put_together():
    """In their order; what stands on both is there once; what made them is told, and one that measures nothing wins."""
    one, other = (
        Tape("a", Head("tape", made_by="A"), (take(), take("ho"))),
        Tape("b", Head("tape", figures=False), (take(),)),
    )

    whole = tape.read(tape_check.merge([one, other]), "c")

    assert [each.request for each in whole.takes] == [take().request, take("ho").request]
    assert whole.head == Head("tape", made_by="A", figures=False)


def test_a_tape_is_shown_as_a_table():
    """A row a call: when, which model, who, what was asked and answered, and how it ended."""
    failed = take("no", status=None, pieces=(), end="failed", broken=Broken("refused", "nobody"))
    refused = take("ever", status=401, pieces=((0.1, "{}"),), provider="azure")

    rows = tape_check.grid(Tape("a", Head("tape"), (take("Why?", "Because."), failed, refused))).rows

    texts = [[cell.text for cell in row] for row in rows]
    assert texts[0][2:6] == ["acme/one", "livekit", "Why?", "Because."]
    assert texts[1][5:] == ["no answer: refused", "–", "1.00 s (failed)"]
    assert texts[2][3:6] == ["azure · livekit", "ever", "refused (401)"]


def test_matplotlibs_pictures_are_told_by_what_they_show():
    """The same figure drawn twice is the same picture, whatever the file says of the program."""
    figures = pytest.importorskip("matplotlib.figure")
    drawn = []
    for software in ("one", "another"):
        figure = figures.Figure(figsize=(2, 1))
        figure.subplots().bar(["a", "b"], [1, 2])
        figure.savefig(file := io.BytesIO(), format="png", metadata={"Software": software})
        drawn.append(file.getvalue())

    assert drawn[0] != drawn[1]
    assert pictured(drawn[0]) == pictured(drawn[1])
