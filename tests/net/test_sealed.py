"""Accounts go to another process sealed: whoever the bytes pass reads no key, and it opens them for itself alone."""

from __future__ import annotations

import pickle

import pytest
from cryptography.exceptions import InvalidTag

from lk_notebook import errors
from lk_notebook.core.routing import Route
from lk_notebook.core.values import Account, Secret, redact
from lk_notebook.net.sealed import Box, seal

KEY, SECRET, HEADER = "sk-sealed-0123456789", "secret-sealed-0123456789", "header-sealed-0123456789"
ACCOUNT = Account("a", "livekit", "https://a.example/v1", Secret(KEY), Secret(SECRET), headers={"X-Own": HEADER})
ROUTE = Route("openai/gpt-4o", None, (ACCOUNT,))


def test_what_is_sealed_comes_out_whole():
    """Account, address and keys."""
    box = Box()

    assert box.open(seal(ROUTE, box.public)) == ROUTE


def test_no_key_stands_in_the_bytes():
    """Neither a key nor a header that may hold one."""
    sealed = seal(ROUTE, Box().public)

    assert not any(key.encode() in sealed for key in (KEY, SECRET, HEADER, "a.example"))


def test_nobody_else_opens_it():
    """Another box has another key."""
    with pytest.raises(InvalidTag):
        Box().open(seal(ROUTE, Box().public))


def test_a_route_travels_in_no_other_way():
    """A plain pickle of an account is refused, so that no key goes into a graph by accident."""
    with pytest.raises(TypeError, match="A key is not pickled"):
        pickle.dumps(ROUTE)


def test_headers_that_were_secret_are_secret_there():
    """The process that opens it strikes them out of its texts, too."""
    Secret(hidden := "was-hidden-at-home-01234")
    account = Account("a", "url", "https://a.example/v1", headers={"X-Own": hidden, "OpenAI-Project": "my project"})
    box = Box()
    box.open(seal(Route("m", None, (account,)), box.public))

    assert redact(f"{hidden} of my project") == "••• of my project"


def test_an_error_goes_to_another_process_as_it_is():
    """Its words, its mend and its facts; not the reply, which stays where it came."""
    error = errors.RateLimitError(
        "Too many.", "Wait.", status=429, code="rpm", retry_after=2.0, quota={"rpm_limit": "1"}
    )
    there = pickle.loads(pickle.dumps(error))

    assert type(there) is errors.RateLimitError
    assert str(there) == "Too many.\nWait."
    assert {**vars(there)} == {**vars(error)}
