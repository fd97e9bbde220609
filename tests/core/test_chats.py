"""A chat remembers cells, not requests: in whatever order they were run, a cell sees the turns before its own."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lk_notebook.core.chats import Chat, Told, Turn, check_window, from_json, text_of, to_json
from lk_notebook.core.values import Usage
from lk_notebook.errors import ConfigurationError, PromptError


def user(text):
    """What the user said."""
    return {"role": "user", "content": text}


def assistant(text):
    """What the model said."""
    return {"role": "assistant", "content": text}


def turn(key, text="", answer=None, system=None):
    """A turn of a cell; `answer=""` failed with nothing."""
    key = key if isinstance(key, tuple) else (key, 0)
    text = text or str(key)
    said = [assistant(f"{text}!")] if answer is None else [assistant(answer)] if answer else []
    return Turn(key, user(text), Told(said), system)


def chat_of(*turns):
    """A chat in which these were asked in this order."""
    chat = Chat()
    for each in turns:
        chat.put(each)
    return chat


def texts(messages):
    """The contents alone."""
    return [message["content"] for message in messages]


def test_a_new_cell_sees_all_turns():
    """The next cell's history is every question and every answer, in order."""
    chat = chat_of(turn("a", "one"), turn("b", "two"))

    assert chat.history(("c", 0)) == [user("one"), assistant("one!"), user("two"), assistant("two!")]


def test_a_cell_run_again_sees_only_what_stands_before_it():
    """Its own turn and the later ones are not there."""
    chat = chat_of(turn("a", "one"), turn("b", "two"), turn("c", "three"))

    assert texts(chat.history(("b", 0))) == ["one", "one!"]


def test_running_again_replaces_the_turn_where_it_stands():
    """The order is that of first asking."""
    chat = chat_of(turn("a", "one"), turn("b", "two"), turn("a", "uno"))

    assert texts(chat.history(("c", 0))) == ["uno", "uno!", "two", "two!"]


def test_a_turn_that_failed_with_nothing_is_not_there_and_keeps_its_place():
    """Later cells do not see its question; run again, it stands where it was first asked."""
    chat = chat_of(turn("a", "one", ""), turn("b", "two"))

    before = texts(chat.history(("c", 0)))
    chat.put(turn("a", "uno"))

    assert before == ["two", "two!"]
    assert texts(chat.history(("c", 0))) == ["uno", "uno!", "two", "two!"]


def test_the_questions_of_one_cell_stand_together():
    """A cell that asks twice and is run again asks where it stood, its second question behind its first."""
    chat = chat_of(turn(("a", 0), "one"), turn("b", "two"), turn(("a", 1), "more"))

    assert texts(chat.history(("c", 0))) == ["one", "one!", "more", "more!", "two", "two!"]


def test_a_cell_that_asks_less_leaves_no_turn_of_its_earlier_run():
    """Its further turns are forgotten, those of other cells stay."""
    chat = chat_of(turn(("a", 0), "one"), turn(("a", 1), "more"), turn("b", "two"))

    chat.drop("a", 1)

    assert texts(chat.history(("c", 0))) == ["one", "one!", "two", "two!"]


def test_starting_anew_forgets_all_turns():
    """With `-n` nothing of before is sent."""
    chat = chat_of(turn("a", "one"), turn("b", "two"))

    chat.start(("c", 0))

    assert chat.history(("c", 0)) == []


def test_starting_anew_again_in_the_same_cell_keeps_what_came_after():
    """The cell with `-n` is run again: it is still the first of its chat, and the others still follow."""
    chat = chat_of(turn("a", "one"), turn("b", "two"))

    chat.start(("a", 0))

    assert texts(chat.history(("c", 0))) == ["one", "one!", "two", "two!"]


SYSTEMS = {  # what the cells before named, what the cell names, the default -> what is sent
    "nobody names one": ([None], None, None, None),
    "the default": ([None], None, "default", "default"),
    "an earlier cell's stays": (["kind", None], None, "default", "kind"),
    "the last named holds": (["kind", "rude"], None, "default", "rude"),
    "the cell's own wins": (["kind"], "brief", "default", "brief"),
    "a cell takes it away": (["kind"], "", "default", None),
    "an earlier cell took it away": (["kind", ""], None, "default", None),
}


@pytest.mark.parametrize(("named", "own", "default", "sent"), SYSTEMS.values(), ids=SYSTEMS.keys())
def test_the_system_prompt_stays_until_another_is_named(named, own, default, sent):
    """It is the first message, and the only one of its kind."""
    chat = chat_of(*[turn(str(i), system=system) for i, system in enumerate(named)])

    found = chat.history(("next", 0), own, default=default)

    assert [m["content"] for m in found if m["role"] == "system"] == ([sent] if sent else [])
    assert sent is None or found[0] == {"role": "system", "content": sent}


def test_a_turn_that_failed_with_nothing_names_no_system_prompt():
    """It leaves no trace, so its `-s` does not hold either."""
    chat = chat_of(turn("a", system="kind"), turn("b", answer="", system="rude"))

    assert chat.history(("c", 0))[0] == {"role": "system", "content": "kind"}


def test_later_turns_are_stale_when_an_earlier_one_is_run_again():
    """Those behind it were built on what has changed; those before were not; a failed one has nothing to mark."""
    a, b, c, d = turn("a"), turn("b"), turn("c", answer=""), turn("d")
    chat = chat_of(a, b, c, d)

    later = chat.put(turn("b", "changed"))

    assert later == [d]
    assert [each.said.stale for each in (a, d)] == [False, True]


def test_a_turn_run_again_is_stale_no_more():
    """It has taken up what had changed."""
    chat = chat_of(turn("a"), turn("b"))
    chat.put(turn("a", "changed"))

    chat.put(turn("b", "again"))

    assert [each.said.stale for each in chat.turns] == [False, False]


def test_turns_behind_one_that_is_gone_are_stale():
    """A cell that asks no more, or elsewhere, has changed for those that were built on it; one that failed has not."""
    a, b, c = turn("a"), turn("b", answer=""), turn("c")
    chat = chat_of(a, b, c)

    assert chat.drop("b", 0) == []
    assert [each.said.stale for each in (a, c)] == [False, False]
    assert chat.drop("a", 0) == [c]
    assert c.said.stale


def test_a_chat_saved_and_loaded_says_the_same():
    """JSON and back: questions, answers, system prompt; what failed with nothing is not saved."""
    chat = chat_of(turn("a", "größe 😀", system="kind"), turn("b", answer=""), turn("c", "two"))

    loaded = from_json(json.loads(json.dumps(to_json(chat))))

    assert loaded.history(("next", 0)) == chat.history(("next", 0))
    assert len(loaded.turns) == 2


@pytest.mark.parametrize(
    "value",
    [None, [], 3, "chat", {}, {"turns": None}, {"turns": [1]}, {"turns": [{"asked": 1, "said": []}]},
     {"turns": [{"asked": {}, "said": [1]}]}],
)  # fmt: skip
def test_a_file_that_holds_no_chat_is_refused(value):
    """Any other JSON is an error with the mend."""
    with pytest.raises(PromptError, match="holds no chat"):
        from_json(value)


def test_the_text_of_a_message_is_without_its_images():
    """Parts are joined, pictures left out, an empty answer is empty."""
    parts = [{"type": "image_url", "image_url": {"url": "data:…"}}, {"type": "text", "text": "what is this?"}]

    assert text_of({"role": "user", "content": parts}) == "what is this?"
    assert text_of({"role": "assistant", "content": None}) == ""


# Characters of the question; tokens of the turn before: in, out, thoughts among these; if gpt-4o (128 000) refuses.
WINDOWS = {
    "a short one": (100, None, False),
    "one that may just fit": (128_000 * 6, None, False),
    "one that cannot fit": (128_000 * 6 + 6, None, True),
    "the turn before just leaves room": (6 * 1_000, (126_000, 1_000, 0), False),
    "the turn before leaves none": (6 * 1_001, (126_000, 1_000, 0), True),
    "thoughts are not sent again": (6 * 1_000, (126_000, 9_000, 8_000), False),
}


@pytest.mark.parametrize(("size", "counted", "refused"), WINDOWS.values(), ids=WINDOWS.keys())
def test_only_what_cannot_fit_is_refused(size, counted, refused):
    """Nothing that fits is; what cannot is refused with the mend, before anything is sent."""
    last = counted and Usage(counted[0], counted[1], sum(counted[:2]), reasoning_tokens=counted[2])
    messages = [*([assistant("x" * 9_999_999)] if last else []), user("x" * size)]

    if not refused:
        check_window("openai/gpt-4o", messages, last)
        return
    with pytest.raises(ConfigurationError, match="-n"):
        check_window("openai/gpt-4o", messages, last)


@pytest.mark.parametrize("model", ["acme/brand-new-1", "deepseek-ai/deepseek-v3"])
def test_an_unknown_window_refuses_nothing(model):
    """Never a guess."""
    check_window(model, [user("x" * 10_000_000)], None)


# The law ------------------------------------------------------------------------------------------------------

CELLS, TEXTS = st.sampled_from("abcde"), st.text("xyz", min_size=1, max_size=3)
RUNS = st.lists(
    st.tuples(CELLS, TEXTS, st.sampled_from(["says", "says", "fails", "new"]), st.sampled_from([None, None, "", "S"])),
    max_size=25,
)


class Notebook:
    """The model: cells in the order of first asking, each with its latest run; read from top to bottom."""

    def __init__(self):
        self.cells = {}

    def run(self, cell, text, how, system):
        """What this run sends."""
        if how == "new" and next(iter(self.cells), None) != cell:
            self.cells = {}
        sent, holds = [], None
        for other, (said, answer, named) in self.cells.items():
            if other == cell:
                break
            sent += [user(said), assistant(answer)] if answer else []
            holds = named if answer and named is not None else holds
        self.cells[cell] = (text, "" if how == "fails" else f"{text}!", system)
        prompt = system if system is not None else holds
        return [*([{"role": "system", "content": prompt}] if prompt else []), *sent]


@given(RUNS)
def test_whatever_order_cells_run_in_what_is_sent_is_the_notebook_from_the_top(runs):
    """Run, run again, edited, failed, started anew: a cell sees what Restart & Run All down to it would have left."""
    chat, notebook = Chat(), Notebook()
    for cell, text, how, system in runs:
        key = (cell, 0)
        if how == "new":
            chat.start(key)

        assert chat.history(key, system) == notebook.run(cell, text, how, system)

        chat.put(turn(cell, text, "" if how == "fails" else None, system))


@given(st.lists(st.tuples(CELLS, st.lists(TEXTS, max_size=3)), max_size=20))
def test_cells_may_ask_several_times_or_not_at_all(runs):
    """A loop that asks more or less often than before, a cell changed to ordinary code: only its last run counts."""
    chat, order, latest = Chat(), [], {}
    for cell, asked in runs:
        order = [each for each in order if latest[each]]  # who asks nothing has no place
        order += [cell] if cell not in order and asked else []
        above = [text for each in order[: order.index(cell)] for text in latest[each]] if asked else []
        latest[cell] = asked
        for i, text in enumerate(asked):
            sent = texts(chat.history((cell, i)))[::2]
            assert sent == above + asked[:i]
            chat.put(turn((cell, i), text))
        chat.drop(cell, len(asked))


@given(RUNS)
def test_a_reply_is_stale_exactly_when_the_cells_above_say_something_else_now(runs):
    """Whoever was answered on what has been asked again since is marked, and nobody else."""
    chat, put = Chat(), {}
    for i, (cell, text, how, _) in enumerate(runs):
        put[cell] = i
        chat.put(turn(cell, text, "" if how == "fails" else None))
        latest = [put[each.key[0]] for each in chat.turns]

        marked = [each.said.stale for each in chat.turns if each.counts]

        built = [any(above > latest[k] for above in latest[:k]) for k, each in enumerate(chat.turns) if each.counts]
        assert marked == built
