"""Nobody's own accounts: the machine's variables stay outside, a test sets those it is about."""

import os

import pytest

PREFIXES = ("LK_NOTEBOOK_REPLAY", "LIVEKIT_", "OPENAI_", "AZURE_OPENAI_", "GROQ_", "BASETEN_", "CEREBRAS_", "BINDER_")


@pytest.fixture(autouse=True)
def no_accounts(monkeypatch):
    """Take away the accounts of whoever runs the tests, and any proxy on the way to loopback."""
    for name in [name for name in os.environ if name.startswith(PREFIXES)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
