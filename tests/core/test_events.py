r"""Server-sent events: lines end at LF, CRLF and CR and nowhere else, however the network cuts them."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_notebook.core.events import EventStream


def events(*fed):
    """All events of a stream that arrived in these pieces."""
    stream = EventStream()
    return [event for data in fed for event in stream.feed(data)] + stream.end()


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"], ids=repr)
def test_a_line_ends_at_lf_crlf_or_cr(end):
    """Each of the three line ends that the standard names is one, and none is two, also where it is cut."""
    body = end.join([b"data: a", b"data: b", b"", b"data: c", b""])

    assert events(body) == events(*(bytes([byte]) for byte in body)) == [("", b"a\nb"), ("", b"c")]


@pytest.mark.parametrize("held", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"], ids=ascii)
def test_nothing_else_ends_a_line(held):
    """What Python calls a line end stays inside the text of the model."""
    assert events(f"data: a{held}b\n\n".encode()) == [("", f"a{held}b".encode())]


@pytest.mark.parametrize(
    ("line", "data"), [(b"data: a", b"a"), (b"data:a", b"a"), (b"data:  a ", b" a "), (b"data:\ta", b"\ta")]
)
def test_one_blank_after_the_colon_is_not_text(line, data):
    """At most one space belongs to the field, the rest to the text."""
    assert events(line + b"\n\n") == [("", data)]


def test_a_byte_order_mark_at_the_start_is_dropped():
    """A stream that begins with a BOM loses no event, and a later BOM is text."""
    assert events(b"\xef\xbb\xbfdata: a\n\ndata: \xef\xbb\xbfb\n\n") == [("", b"a"), ("", b"\xef\xbb\xbfb")]


@pytest.mark.parametrize("line", [b": keep-alive", b":", b"id: 7", b"retry: 10", b"dat: x", b"unknown"])
def test_comments_and_unknown_fields_are_passed_over(line):
    """A keep-alive between two lines, or a field that nobody knows, changes nothing."""
    assert events(line + b"\n\n" + line + b"\ndata: a\n" + line + b"\ndata: b\n\n") == [("", b"a\nb")]


def test_a_name_belongs_to_one_event():
    """`event:` names the event it stands in, and none after it."""
    assert events(b"event: error\ndata: a\n\ndata: b\n\nevent: x\n\ndata: c\n\n") == [
        ("error", b"a"), ("", b"b"), ("", b"c"),
    ]  # fmt: skip


def test_an_error_field_is_an_error():
    """Old builds of llama.cpp write `error:` where others write `data:`."""
    assert events(b'error: {"code":500}\n\n') == [("error", b'{"code":500}')]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r"])
def test_the_last_event_counts_without_its_blank_line(end):
    """A server that closes right after the last line has said that line."""
    assert events(b"data: a\n\ndata: b" + end) == [("", b"a"), ("", b"b")]


def test_an_event_is_given_as_soon_as_it_ends():
    """No event waits for the next one to begin."""
    stream = EventStream()

    assert [stream.feed(data) for data in (b"data: a", b"\r", b"\r", b"\ndata: b\n\n")] == [
        [], [], [("", b"a")], [("", b"b")],
    ]  # fmt: skip


LINES = st.sampled_from(
    [b"data: a", b"data:b", b"event: e", b"error: f", b": c", b"", b"\xef\xbb\xbfdata: d", b"data:"]
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r"])


@given(st.lists(st.tuples(LINES, ENDS), max_size=12), st.sets(st.integers(1, 150)))
def test_any_cut_gives_the_same_events(lines, cuts):
    """Wherever the network cuts, also between CR and LF, the events are the same."""
    body = b"".join(itertools.chain.from_iterable(lines))
    at = [0, *sorted(cut for cut in cuts if cut < len(body)), len(body)]

    assert events(*(body[a:b] for a, b in itertools.pairwise(at))) == events(body)
