"""What was sent, as JSON and as a command: the request itself, and no key."""

from __future__ import annotations

import json
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lk_notebook.core.sent import as_curl, as_json
from lk_notebook.core.values import Account, Secret

URL = "http://127.0.0.1:1/v1/chat/completions"
KEY = "sk-never-show-this-0123456789"
# sh takes no NUL, and Python gives a process no lone surrogate
ANY = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


def account(**more) -> Account:
    """An account with a key."""
    return Account("lab", "url", "http://127.0.0.1:1/v1", key=Secret(KEY), **more)


def given_to_curl(command: str, environment: dict[str, str] = {}) -> list[str]:  # noqa: B006 - only read
    """The words that curl would be given by sh."""
    script = "curl() { for word; do printf '%s\\0' \"$word\"; done; }\n" + command
    done = subprocess.run(["sh", "-c", script], capture_output=True, check=True, env=environment)
    assert done.stderr == b""
    return done.stdout.decode().split("\0")[:-1]


@settings(max_examples=60, deadline=None)
@given(ANY)
def test_the_command_sends_the_body_for_any_text(text):
    """Quotes, `$`, backslashes, line ends, backticks: sh hands to curl what was sent, and runs nothing of it."""
    body = {"messages": [{"role": "user", "content": text}]}
    words = given_to_curl(as_curl(URL, {}, body, account()))
    sent = json.loads(words[words.index("--data-raw") + 1])
    shown = json.loads(as_json(body))
    assert sent == shown


@pytest.mark.parametrize("text", ["it's", "'; touch /tmp/x; '", "$(id)", "`id`", "a\\'b", '"', "\\", "!x", "a\nb"])
def test_hard_texts_arrive_as_they_are(text):
    """What breaks hasty quoting does not break this."""
    body = {"content": text}
    words = given_to_curl(as_curl(URL, {}, body, account()))
    assert json.loads(words[-1]) == body


def test_keys_are_named_by_their_variables():
    """The command runs where the variables are set; the values stand nowhere in it."""
    command = as_curl(URL, {"X-Api-Key": KEY, "Accept": "text/event-stream"}, {}, account(found=("LAB_API_KEY",)))
    assert KEY not in command
    words = given_to_curl(command, {"LAB_API_KEY": "one", "X_API_KEY": "two"})
    assert "Authorization: Bearer one" in words
    assert "X-Api-Key: two" in words
    assert "Accept: text/event-stream" in words


@settings(max_examples=40, deadline=None)
@given(st.from_regex(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}", fullmatch=True), ANY)
def test_no_value_of_an_own_header_is_shown(name, value):
    """Whatever the header is called, its name arrives and its value is a variable; sh runs nothing of the name."""
    command = as_curl(URL, {f"X-{name}": f"planted{value}planted", "9": "x"}, {}, account())
    assert "planted" not in command
    words = given_to_curl(command)
    assert words[3:6] == [f"X-{name}: ", "-H", "9: "]


@pytest.mark.parametrize("value", ["$(id)", "`id`", 'a"b', "it's", "$HOME"])
def test_a_header_of_the_gateway_is_shown_as_it_is(value):
    """Nothing in it is read by the shell."""
    words = given_to_curl(as_curl(URL, {"X-LiveKit-Note": value}, {}, account()))
    assert f"X-LiveKit-Note: {value}" in words


def test_a_key_in_the_messages_is_struck_out():
    """Who pasted his own key into the prompt does not show it here."""
    body = {"messages": [{"role": "user", "content": f"my key is {KEY}"}]}
    account()  # known from here on
    assert KEY not in as_json(body)
    assert KEY not in as_curl(URL, {}, body, account())


def test_of_a_picture_only_the_beginning_is_shown():
    """A request with a large picture stays readable."""
    body = {"image_url": {"url": "data:image/png;base64," + "iVBORw0K" * 5_000}}
    shown = as_json(body)
    assert len(shown) < 200
    assert "data:image/png;base64,iVBORw0K" in shown
    assert "…" in shown


def test_livekit_is_asked_with_a_token():
    """The command says which token it needs."""
    livekit = Account("livekit", "livekit", "https://agent-gateway.livekit.cloud/v1", key=Secret(KEY), scheme="livekit")
    command = as_curl(URL, {}, {}, livekit)
    assert command.startswith("# LIVEKIT_TOKEN: an access token")
    assert "Authorization: Bearer $LIVEKIT_TOKEN" in command
