"""Who is asked: LiveKit where it is there, else the user's own accounts that serve the model, else the demo."""

import pytest

from lk_notebook.core.routing import DEFAULT_MODEL, DEMO, route
from lk_notebook.core.values import Account, Setup
from lk_notebook.errors import ConfigurationError

KINDS = ("livekit", "openai", "azure", "groq", "baseten", "cerebras")
LIVEKIT, OPENAI, AZURE, GROQ, BASETEN, CEREBRAS = (Account(kind, kind, f"https://{kind}.example/v1") for kind in KINDS)
URL = Account("localhost:8000", "url", "http://localhost:8000/v1")
OSS, MINI = "openai/gpt-oss-120b", "openai/gpt-4.1-mini"

ROUTES = {
    "nothing at all": (Setup(), [], None, "lk/demo", None, ["demo"]),
    "the demo by name": (Setup("lk/demo"), [LIVEKIT], None, "lk/demo", None, ["demo"]),
    "the demo as account": (Setup(), [], DEMO, "lk/demo", None, ["demo"]),
    "LiveKit": (Setup(), [LIVEKIT, OPENAI], None, DEFAULT_MODEL, None, ["livekit"]),
    "LiveKit, a model": (Setup(OSS), [LIVEKIT, GROQ], None, OSS, None, ["livekit"]),
    "LiveKit, a short id": (Setup("gpt-oss-120b"), [LIVEKIT], None, OSS, None, ["livekit"]),
    "LiveKit, an id that no list knows": (Setup("acme/new-1"), [LIVEKIT], None, "acme/new-1", None, ["livekit"]),
    "LiveKit, a provider": (Setup(MINI, "azure"), [LIVEKIT, AZURE], None, MINI, "azure", ["livekit"]),
    "LiveKit, a provider that no list knows": (Setup(MINI, "new"), [LIVEKIT], None, MINI, "new", ["livekit"]),
    "own account": (Setup(), [OPENAI], None, DEFAULT_MODEL, None, ["openai"]),
    "own accounts that serve it": (Setup(OSS), [OPENAI, GROQ, BASETEN, CEREBRAS], None, OSS, None,
                                   ["groq", "baseten", "cerebras"]),
    "own account of that provider": (Setup(OSS, "baseten"), [GROQ, BASETEN], None, OSS, None, ["baseten"]),
    "own account by default model": (Setup(), [GROQ], None, OSS, None, ["groq"]),
    "named account": (Setup(OSS), [], GROQ, OSS, None, ["groq"]),
    "named account, unknown model": (Setup("acme/new-1"), [], GROQ, "acme/new-1", None, ["groq"]),
    "named account and its own provider": (Setup(OSS, "groq"), [], GROQ, OSS, None, ["groq"]),
    "a URL takes any id": (Setup("llama3.2:1b"), [], URL, "llama3.2:1b", None, ["localhost:8000"]),
    "Azure takes any deployment": (Setup("my-deployment"), [], AZURE, "my-deployment", None, ["azure"]),
}  # fmt: skip


@pytest.mark.parametrize("row", ROUTES.values(), ids=ROUTES.keys())
def test_the_way_of_a_setup(row):
    """For these words and these accounts: the model in full, the provider that is sent, and whom to ask, in order."""
    setup, accounts, named, *expected = row
    found = route(setup, accounts, named=named)

    assert [found.model, found.provider, [account.name for account in found.accounts]] == expected
    assert found.notes == ()


REFUSED = {
    "no account": (Setup("openai/gpt-5"), [], None, "", "needs an account", "LIVEKIT_API_KEY and LIVEKIT_API_SECRET"),
    "no account, provider": (Setup(None, "groq"), [], None, "", "needs an account", "OPENAI_API_KEY"),
    "half LiveKit": (Setup(), [], None, "LIVEKIT_API_SECRET", "LIVEKIT_API_SECRET is not set", "-a"),
    "half LiveKit, own account": (Setup(MINI), [OPENAI], None, "LIVEKIT_API_SECRET", "not set", "-a"),
    "not served": (Setup(MINI), [GROQ], None, "", "groq", "-a groq"),
    "provider not there": (Setup(OSS, "cerebras"), [GROQ], None, "", "at cerebras", "-a"),
    "another provider": (Setup(OSS, "azure"), [], GROQ, "", "no way to the provider azure", "-p"),
    "short and unknown": (Setup("gpt-4.1-mimi"), [LIVEKIT], None, "", "did you mean openai/gpt-4.1-mini", "vendor"),
    "URL without a model": (Setup(), [], URL, "", "needs a model", "id"),
    "unknown demo": (Setup("lk/gpt-5"), [LIVEKIT], None, "", "no built-in model lk/gpt-5", "lk/demo"),
}


@pytest.mark.parametrize("row", REFUSED.values(), ids=REFUSED.keys())
def test_a_setup_without_a_way_is_told(row):
    """Nothing else answers in its place: two lines say what is missing and what to do."""
    setup, accounts, named, missing, what, mend = row

    with pytest.raises(ConfigurationError) as caught:
        route(setup, accounts, named=named, missing=missing)
    assert what in caught.value.what
    assert mend in caught.value.hint


def test_a_provider_at_a_url_is_left_out_and_said():
    """A server of one's own is one provider: naming another is told, not refused."""
    found = route(Setup("m", "groq"), [], named=URL)

    assert found.provider is None
    assert found.notes == ("provider=groq was left out: localhost:8000 is one provider.",)


def test_half_a_livekit_account_is_no_matter_where_another_was_named():
    """Who names an account, or asks the demo, is not told of LiveKit."""
    assert route(Setup(OSS), [], named=GROQ, missing="LIVEKIT_API_SECRET").accounts == (GROQ,)
    assert route(Setup("lk/demo"), [], missing="LIVEKIT_API_SECRET").accounts == (DEMO,)
