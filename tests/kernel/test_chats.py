"""What a cell's request remembers, in whatever order cells are run; and `%lkchats`."""

from __future__ import annotations

import threading

import pytest
from player import Answer, plain, stream, words

STALE = "A turn before this one has changed since"


def echo(request):
    """A server that says what it was asked, and ends badly where it was asked to."""
    ends = {
        "cut": Answer(words("half of it"), then="cut"),
        "wait": Answer([*words("half of it"), threading.Event()]),
        "fail": plain(400, {"error": {"message": "No."}}),
    }
    return ends.get(request.prompt) or stream(f"{request.prompt}!")


def texts(request):
    """What was said, without who said it."""
    return [message["content"] for message in request.body["messages"]]


class Notebook:
    """A notebook on the shared kernel, with cells and chats of its own."""

    def __init__(self, stage):
        stage.play(echo)
        self.stage, self.name = stage, stage.name

    def run(self, cell, source, **options):
        """Run a cell with this id."""
        return self.stage.run(source, cell=f"{self.name}-{cell}", **options)

    def ask(self, cell, prompt, line="", chat=""):
        """Run a cell that asks in the notebook's chat, or in another of its own."""
        return self.run(cell, f"%%lkchat -c {self.name}{chat} {line}\n{prompt}")

    @property
    def sent(self):
        """The texts of the last request."""
        return texts(self.stage.requests[-1])


@pytest.fixture
def notebook(stage):
    """A notebook whose server echoes."""
    return Notebook(stage)


# Order --------------------------------------------------------------------------------------------------------


def test_the_next_cell_remembers(notebook):
    """The turns before it are sent with its question."""
    notebook.ask("a", "one")
    notebook.ask("b", "two")

    assert notebook.sent == ["one", "one!", "two"]


def test_running_again_replaces_the_turn(notebook):
    """A cell run again does not see its own earlier turn."""
    notebook.ask("a", "one")
    notebook.ask("a", "uno")

    assert notebook.sent == ["uno"]


def test_the_next_cell_sees_the_turn_that_replaced_it(notebook):
    """What was said first is gone."""
    notebook.ask("a", "one")
    notebook.ask("b", "two")
    notebook.ask("a", "uno")
    notebook.ask("b", "two")

    assert notebook.sent == ["uno", "uno!", "two"]


def test_an_earlier_cell_run_after_a_later_one_does_not_see_it(notebook):
    """A cell sees what stands before it, not what ran before it."""
    notebook.ask("a", "one")
    notebook.ask("b", "two")
    notebook.ask("c", "three")
    notebook.ask("b", "two")

    assert notebook.sent == ["one", "one!", "two"]


def test_a_cell_changed_to_ordinary_code_has_no_turn(notebook):
    """Its question and answer are gone from later requests."""
    notebook.ask("a", "one")
    notebook.ask("b", "two")
    notebook.run("a", "1 + 1")
    notebook.ask("b", "two")

    assert notebook.sent == ["two"]


def test_a_cell_whose_code_fails_keeps_its_turn(notebook):
    """A slip of the pen forgets nothing."""
    notebook.ask("a", "one")
    notebook.run("a", "1 / 0")
    notebook.ask("b", "two")

    assert notebook.sent == ["one", "one!", "two"]


def test_a_new_chat_begins_at_its_cell(notebook):
    """`-n` forgets what was before."""
    notebook.ask("a", "one")
    notebook.ask("b", "two", "-n")
    notebook.ask("c", "three")

    assert notebook.sent == ["two", "two!", "three"]


def test_the_cell_that_began_a_chat_can_be_run_again(notebook):
    """`-n` run again is still the first turn, and the cells after it keep their place."""
    notebook.ask("a", "one", "-n")
    notebook.ask("b", "two")
    notebook.ask("a", "uno", "-n")
    first = notebook.sent
    notebook.ask("c", "three")

    assert first == ["uno"]
    assert notebook.sent == ["uno", "uno!", "two", "two!", "three"]


def test_named_chats_know_nothing_of_each_other(notebook):
    """Each `-c` remembers its own turns."""
    notebook.ask("a", "one")
    notebook.ask("b", "two", chat="other")
    notebook.ask("c", "three", chat="other")

    assert notebook.sent == ["two", "two!", "three"]


def test_a_cell_moved_to_another_chat_leaves_the_first(notebook):
    """A cell has one turn, in the chat it asked in last."""
    notebook.ask("a", "one")
    notebook.ask("b", "two")
    notebook.ask("a", "one", chat="other")
    notebook.ask("c", "three")
    left = notebook.sent
    notebook.ask("d", "four", chat="other")

    assert left == ["two", "two!", "three"]
    assert notebook.sent == ["one", "one!", "four"]


def test_a_cell_that_asks_in_a_loop_has_a_turn_for_each_question(notebook):
    """Run again with fewer questions, the others are gone."""
    loop = "for word in {}:\n    get_ipython().run_cell_magic('lkchat', '-c {}', word)"
    notebook.run("a", loop.format(["one", "two", "three"], notebook.name))
    many = notebook.sent
    notebook.run("a", loop.format(["uno"], notebook.name))
    notebook.ask("b", "next")

    assert many == ["one", "one!", "two", "two!", "three"]
    assert notebook.sent == ["uno", "uno!", "next"]


def test_without_cell_ids_each_execution_is_a_cell_of_its_own(notebook):
    """A front end that does not say which cell it runs: running again is asking on."""
    source = f"%%lkchat -c {notebook.name}\none"
    notebook.stage.run(source)
    notebook.stage.run(source)

    assert notebook.sent == ["one", "one!", "one"]


def test_two_notebooks_share_the_chats_of_their_kernel(notebook):
    """Each replaces the turns of its own cells, and sees those of the other."""
    other = notebook.stage.kernel.another()
    notebook.ask("a", "one")
    other.run(f"%%lkchat -c {notebook.name}\ntwo", cell=f"{notebook.name}-other-a")
    notebook.ask("a", "uno")
    again = notebook.sent
    shown = other.run(f"%%lkchat -c {notebook.name}\nthree", cell=f"{notebook.name}-other-b").shown

    assert again == ["uno"]
    assert notebook.sent == ["uno", "uno!", "two", "two!", "three"]
    assert "three!" in shown


def test_restart_and_run_all_sends_the_same(play, kernel):
    """After cells were edited, failed and run again in any order, a fresh kernel sends what the last runs sent."""
    player, worn, fresh = play(echo), None, None
    last = {"a": "%%lkchat\none", "b": "%%lkchat -s Rhyme.\ntwo", "c": "%%lkchat\nthree"}
    worn = kernel(player)
    for cell, source in [("a", "fail"), ("b", "zwei"), ("c", "drei"), ("a", "eins"), *last.items()]:
        worn.run(source if source.startswith("%%") else f"%%lkchat\n{source}", cell=cell)
    sent = [request.body for request in player.requests[-3:]]

    fresh = kernel(player)
    fresh.finish(*[fresh.send(source, cell=cell) for cell, source in last.items()])

    assert [request.body for request in player.requests[-3:]] == sent
    assert len(sent[-1]["messages"]) == 6


# What a turn leaves ---------------------------------------------------------------------------------------------


def test_a_cut_answer_stays_with_what_had_arrived(notebook):
    """The model is told what the reader saw."""
    cut = notebook.ask("a", "cut")
    notebook.ask("b", "two")

    assert cut.status == "error"
    assert notebook.sent == ["cut", "half of it", "two"]


def test_a_stopped_answer_stays_with_what_had_arrived(notebook):
    """■ takes nothing away."""
    kernel = notebook.stage.kernel
    cell = kernel.send(f"%%lkchat -c {notebook.name}\nwait", cell=f"{notebook.name}-a")
    kernel.wait(lambda: "half of it" in cell.shown)
    kernel.interrupt()
    kernel.finish(cell)
    notebook.ask("b", "two")

    assert notebook.sent == ["wait", "half of it", "two"]


def test_a_turn_that_failed_with_nothing_leaves_no_trace(notebook):
    """Neither its question nor its system prompt is sent later."""
    notebook.ask("a", "fail", "-s Rhyme.")
    notebook.ask("b", "two")

    assert notebook.sent == ["two"]


def test_a_failed_turn_run_again_stands_where_it_was_first_asked(notebook):
    """Mended, it is before the cells that came after it."""
    notebook.ask("a", "fail")
    notebook.ask("b", "two")
    notebook.ask("a", "one")
    notebook.ask("b", "two")

    assert notebook.sent == ["one", "one!", "two"]


@pytest.mark.parametrize("slip", ["temprature=1", "-i missing.png", "gpt-4.1-mimi"])
def test_a_cell_refused_before_sending_changes_nothing(notebook, slip):
    """A slip on the line of a cell takes nothing out of its chat, not even with `-n`."""
    notebook.ask("a", "one")
    notebook.ask("b", "two", f"-n {slip}")
    notebook.ask("c", "three")

    assert notebook.sent == ["one", "one!", "three"]


def test_the_system_prompt_stays_until_another_is_named(notebook):
    """`-s` holds for the chat from its cell on; a cell before it is asked as it was."""
    sent = []
    for cell, line in [("a", ""), ("b", "-s Rhyme."), ("c", ""), ("d", "-s 'Be brief.'"), ("e", ""), ("a", "")]:
        notebook.ask(cell, cell, line)
        sent.append(notebook.sent[0])

    assert sent == ["a", "Rhyme.", "Rhyme.", "Be brief.", "Be brief.", "a"]


# Footers --------------------------------------------------------------------------------------------------------


def test_the_footer_counts_the_turns_remembered(notebook):
    """How much of the chat was sent stands below the answer; nothing stands there for the first."""
    shown = [notebook.ask(cell, cell).shown for cell in "abc"]

    assert "remembered" not in shown[0]
    assert "1 turn remembered" in shown[1]
    assert "2 turns remembered" in shown[2]


CHANGES = {
    "run again": lambda notebook: notebook.ask("a", "one"),
    "changed": lambda notebook: notebook.ask("a", "uno"),
    "changed to ordinary code": lambda notebook: notebook.run("a", "1 + 1"),
    "moved to another chat": lambda notebook: notebook.ask("a", "one", chat="other"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_later_answers_say_that_a_turn_before_them_has_changed(notebook, change):
    """The footer of each answer that was built on the changed cell says so, where it stands on the page."""
    cells = [notebook.ask(cell, cell) for cell in "xabc"]
    before = [STALE in cell.shown for cell in cells]

    change(notebook)

    assert not any(before)
    assert [STALE in cell.shown for cell in cells] == [False, False, True, True]


def test_an_answer_asked_again_is_stale_no_more(notebook):
    """Running the later cell takes up what has changed, and its footer says nothing."""
    notebook.ask("a", "one")
    notebook.ask("b", "two")
    notebook.ask("a", "uno")

    assert STALE not in notebook.ask("b", "two").shown


# Too long -------------------------------------------------------------------------------------------------------


def test_a_chat_too_long_for_its_model_is_refused_before_it_is_sent(notebook):
    """Two lines with the mend, and nothing is cut silently."""
    cell = notebook.ask("a", "{{ 'long ' * 160_000 }}", "gpt-4o")

    assert (cell.status, len(cell.error), notebook.stage.requests) == ("error", 2, [])
    assert "128000" in cell.error[0]
    assert "-n" in cell.error[1]


def used(prompt, completion=2):
    """A stream that tells so many tokens."""
    counted = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return stream("fine", usage=counted)


def test_what_the_provider_counted_for_the_turn_before_decides(notebook):
    """A chat that is known to fill the window is refused, though its characters are few."""
    notebook.stage.play(used(127_999))
    notebook.ask("a", "one", "gpt-4o")

    cell = notebook.ask("b", "two", "gpt-4o")

    assert (cell.status, len(notebook.stage.requests)) == ("error", 1)
    assert "takes 128000" in cell.error[0]


def test_rounds_of_tools_do_not_fill_the_window_twice(notebook):
    """What two rounds were billed together is not how long the chat is."""
    calls = [{"id": "c1", "name": "now", "arguments": "{}"}]
    usage = {"prompt_tokens": 70_000, "completion_tokens": 10, "total_tokens": 70_010}
    notebook.stage.play(stream(tool_calls=calls, usage=usage), used(70_100))
    notebook.run("tool", "def now() -> str:\n    return 'noon'")
    notebook.ask("a", "one", "gpt-4o -t now")

    assert notebook.ask("b", "two", "gpt-4o").status == "ok"


def test_a_count_of_what_is_no_longer_there_refuses_nothing(notebook):
    """A long cell made short again: the answer after it was counted with the long one, and decides nothing."""
    notebook.stage.play(stream("fine"), used(127_999), stream("fine"))
    notebook.ask("a", "long", "gpt-4o")
    notebook.ask("b", "two", "gpt-4o")
    notebook.ask("a", "short", "gpt-4o")

    assert notebook.ask("c", "three", "gpt-4o").status == "ok"


# %lkchats ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def spoken(notebook):
    """A notebook whose chat has two turns, and one that failed with nothing."""
    notebook.ask("a", "one")
    notebook.ask("b", "two")
    notebook.ask("c", "fail")
    return notebook


def test_chats_are_listed_with_their_turns(spoken):
    """`%lkchats` alone names each and counts what was said."""
    assert f"{spoken.name}: 2 turns\n" in spoken.run("z", "%lkchats").shown


def test_a_chat_is_shown_turn_by_turn(spoken):
    """Who said what, and which answer is stale."""
    spoken.ask("a", "uno")

    shown = spoken.run("z", f"%lkchats show {spoken.name}").shown

    told = ["You: uno", "assistant: uno!", "You: two", "assistant: two! (a turn before it has changed since)"]
    assert shown.strip().splitlines() == told


def test_a_renamed_chat_goes_on_under_its_new_name(spoken):
    """Nothing of it is lost, and the old name is free."""
    spoken.run("z", f"%lkchats rename {spoken.name} {spoken.name}new")

    spoken.ask("d", "three", chat="new")

    assert spoken.sent == ["one", "one!", "two", "two!", "three"]
    assert f"{spoken.name}:" not in spoken.run("z", "%lkchats").shown


def test_a_deleted_chat_is_forgotten(spoken):
    """Its turns are not sent any more."""
    spoken.run("z", f"%lkchats delete {spoken.name}")
    spoken.ask("d", "three")

    assert spoken.sent == ["three"]


def test_a_chat_is_saved_and_loaded(spoken):
    """The file brings back what was said, under any name."""
    spoken.run("z", f"%lkchats save {spoken.name} chat.json")
    spoken.run("z", f"%lkchats load chat.json {spoken.name}again")

    spoken.ask("d", "three", chat="again")

    assert spoken.sent == ["one", "one!", "two", "two!", "three"]


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("explode", "explode"),
        ("show", "show"),
        ("show nobody", "nobody"),
        ("delete nobody", "nobody"),
        ("rename {0} {0}", "already"),
        ("save {0} nowhere/chat.json", "nowhere"),
        ("load missing.json", "missing.json"),
        ("load broken.json", "broken.json"),
        ("load other.json", "no chat"),
    ],
)
def test_a_slip_at_lkchats_is_two_lines(spoken, line, named):
    """What is wrong, and the mend; no chat is harmed."""
    spoken.run("z", "open('broken.json', 'w').write('{'); open('other.json', 'w').write('[1]')")

    cell = spoken.run("z", f"%lkchats {line.format(spoken.name)}")

    assert (cell.status, len(cell.error)) == ("error", 2)
    assert named in " ".join(cell.error)
    assert f"{spoken.name}: 2 turns\n" in spoken.run("z", "%lkchats").shown
