"""A session over real HTTP: what is sent is the notebook read from the top, in whatever order its cells were run."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from player import Answer, Player, plain, stream, words

from lk_notebook.core.values import Setup
from lk_notebook.session import Place, Session

CHATS = ("main", "other")
ENDS = {
    "says": stream("Said."),
    "cut": Answer(words("Half of"), then="cut"),
    "fails": plain(400, {"error": {"message": "No."}}),
}
LEFT = {"says": "Said.", "cut": "Half of", "fails": ""}
CELLS = st.sampled_from("abcd")
ASKS = st.tuples(
    CELLS, st.just("ask"), st.sampled_from(["says", "says", "cut", "fails"]), st.sampled_from(CHATS), st.booleans()
)
CODE = st.tuples(CELLS, st.just("code"), st.none(), st.none(), st.none())


@pytest.fixture(scope="module")
def player():
    """A server that ends as the first word of the question says."""
    with Player(lambda request: ENDS[request.prompt.split()[0]]) as started:
        yield started


class Notebook:
    """The model: chats of cells in the order of first asking, each with its latest run; read from the top."""

    def __init__(self):
        self.chats = {name: {} for name in CHATS}

    def ask(self, cell, text, chat, *, new):
        """What this run sends."""
        for name in CHATS:
            if name != chat:
                self.chats[name].pop(cell, None)
        if new and next(iter(self.chats[chat]), None) != cell:
            self.chats[chat] = {}
        cells = self.chats[chat]
        cells.setdefault(cell, text)
        above = list(cells.values())[: list(cells).index(cell)]
        cells[cell] = text
        told = [part for each in above if (answer := LEFT[each.split()[0]]) for part in (each, answer)]
        return [*told, text]

    def code(self, cell):
        """The cell asks no more."""
        for cells in self.chats.values():
            cells.pop(cell, None)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.one_of(ASKS, ASKS, ASKS, CODE), max_size=12))
def test_in_whatever_order_cells_are_run_what_is_sent_is_the_notebook_from_the_top(player, runs):
    """Run again, edited, moved to another chat, started anew, cut, failed, changed to code: only the latest counts."""
    session, notebook = Session(), Notebook()
    words_of_the_line = Setup("acme-1", account=player.base_url)
    for i, (cell, kind, how, chat, new) in enumerate(runs):
        if kind == "code":
            session.cell_ended(cell, 0)
            notebook.code(cell)
            continue
        text = f"{how} {i}"
        reply, _ = session.ask(words_of_the_line, text, Place((cell, 0), chat, new))
        reply.wait(20)
        session.cell_ended(cell, 1)

        sent = [message["content"] for message in player.requests[-1].body["messages"]]
        assert sent == notebook.ask(cell, text, chat, new=new)
