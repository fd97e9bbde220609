"""Which accounts are there, and where each was found: rows of one table, read through a `getenv` that is passed in.

The environment is a function here, never a mapping: a traceback in Verbose mode would print a mapping whole.
Sources: LiveKit Agents, `inference/_utils.py`; the SDKs of OpenAI, Azure OpenAI, Groq, Baseten and Cerebras.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from lk_notebook.core.routing import DEMO
from lk_notebook.core.values import Account, Secret
from lk_notebook.errors import ConfigurationError
from lk_notebook.net import local
from lk_notebook.net.given import GIVEN

Getenv = Callable[[str], "str | None"]

LIVEKIT_URL = "https://agent-gateway.livekit.cloud/v1"
LIVEKIT_STAGING_URL = "https://agent-gateway.staging.livekit.cloud/v1"

_VERSION = re.compile(r"/v\d[^/]*(/|$)")


@dataclass(frozen=True, slots=True)
class Vendor:
    """One row: where a vendor's key and address stand, and the path its address needs."""

    kind: str
    url: str
    key: str
    base: str
    path: str


VENDORS = (
    Vendor("openai", "https://api.openai.com/v1", "OPENAI_API_KEY", "OPENAI_BASE_URL", "/v1"),
    Vendor("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY", "GROQ_BASE_URL", "/openai/v1"),
    Vendor("baseten", "https://inference.baseten.co/v1", "BASETEN_API_KEY", "BASETEN_BASE_URL", "/v1"),
    Vendor("cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY", "CEREBRAS_BASE_URL", "/v1"),
)
KINDS = ("livekit", "openai", "azure", "groq", "baseten", "cerebras", "local", "demo")
#: Those of them that need no account.
BUILT_IN = ("local", "demo")

#: Servers on this machine that are found by their port, and used only when they are named.
LOCAL = {"ollama": "http://localhost:11434/v1"}

OLLAMA_PORT = 11434
#: Ollama's server has no max_completion_tokens and ignores it without a word (its openai/openai.go).
OLLAMA_SPELLS = {"max_completion_tokens": "max_tokens"}

#: What each account needs, for the error that says what is missing.
NEEDS = {
    "livekit": ("LIVEKIT_API_KEY", "LIVEKIT_API_SECRET"),
    "azure": ("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_API_KEY"),
    **{v.kind: (v.key,) for v in VENDORS},
}


def accounts(getenv: Getenv) -> list[Account]:
    """The accounts that are there, LiveKit first; an empty or blank variable counts as unset.

    Example:
        >>> [a.name for a in accounts({"GROQ_API_KEY": "gsk-made-up"}.get)]
        ['groq']
    """
    openai, *others = (_vendor(v, getenv) for v in VENDORS)
    found = (livekit(getenv), openai, azure(getenv), *others)
    return [account for account in found if account is not None]


def half_livekit(getenv: Getenv) -> str:
    """The LiveKit variable that is missing while the other one is there; "" where neither or both are."""
    there = {
        n: any(_read(getenv, p + n) for p in ("LIVEKIT_INFERENCE_", "LIVEKIT_")) for n in ("API_KEY", "API_SECRET")
    }
    if there["API_KEY"] == there["API_SECRET"]:
        return ""
    return "LIVEKIT_API_SECRET" if there["API_KEY"] else "LIVEKIT_API_KEY"


def livekit(
    getenv: Getenv, *, url: str | None = None, key: str | None = None, secret: str | None = None
) -> Account | None:
    """LiveKit Inference: argument, then LIVEKIT_INFERENCE_*, then LIVEKIT_*, each for itself, as LiveKit's SDK does.

    Args:
        getenv: reads one variable.
        url: the gateway; without it LIVEKIT_INFERENCE_URL, staging if LIVEKIT_URL is there, else production.
        key: the API key.
        secret: the API secret.

    Returns:
        The account, or None where a key or secret is missing.
    """
    names: list[str] = []

    def first(given: str | None, name: str) -> Secret | None:
        if found := Secret.of(given):
            names.append("the argument")
            return found
        for prefix in _PREFIXES:  # no value gets a name: a Verbose traceback shows all names
            if found := Secret.of(getenv(prefix + name)):
                names.append(prefix + name)
                return found
        return None

    api_key, api_secret = first(key, "API_KEY"), first(secret, "API_SECRET")
    if api_key is None or api_secret is None:
        return None
    staging = ".staging.livekit.cloud" in (_read(getenv, "LIVEKIT_URL") or "")
    default = LIVEKIT_STAGING_URL if staging else LIVEKIT_URL
    address = base_url(url or _read(getenv, "LIVEKIT_INFERENCE_URL") or default, "/v1")
    return Account("livekit", "livekit", address, api_key, api_secret, "livekit", found=tuple(names))


_PREFIXES = ("LIVEKIT_INFERENCE_", "LIVEKIT_")


def azure(getenv: Getenv, key: str | None = None) -> Account | None:
    """Azure OpenAI: the v1 path, or the classic one when OPENAI_API_VERSION is set; an Entra token beats the key.

    Raises:
        ConfigurationError: AZURE_OPENAI_DEPLOYMENTS is no JSON object of texts.
    """
    endpoint = _read(getenv, "AZURE_OPENAI_ENDPOINT")
    token = None if key else Secret.of(getenv("AZURE_OPENAI_AD_TOKEN"))
    credential = token or Secret.of(key) or Secret.of(getenv("AZURE_OPENAI_API_KEY"))
    if not endpoint or credential is None:
        return None
    root = re.sub(r"/+(openai(/v1)?)?/*$", "", _checked(endpoint))
    version = _read(getenv, "OPENAI_API_VERSION")
    return Account(
        "azure", "azure", f"{root}/openai" + ("" if version else "/v1"), credential,
        scheme="Bearer" if token else "api-key",
        api_version=version,
        deployments=_deployments(_read(getenv, "AZURE_OPENAI_DEPLOYMENTS")),
        found=("AZURE_OPENAI_ENDPOINT", "AZURE_OPENAI_AD_TOKEN" if token else "AZURE_OPENAI_API_KEY"),
    )  # fmt: skip


def named(name: str, getenv: Getenv, *, key: str | None = None) -> Account:
    """The account of this name, or the one at this URL; `key` stands in for the variable.

    Raises:
        ConfigurationError: no such account, or what it needs is missing.
    """
    if name in LOCAL or re.match(r"https?://", name):
        account = _address(LOCAL.get(name, name), Secret.of(key))
        return replace(account, name=name) if name in LOCAL else account
    if name in GIVEN.addresses:
        return _address(GIVEN.addresses[name].url, Secret.of(key), GIVEN.addresses[name])
    if name in BUILT_IN:
        return DEMO if name == "demo" else _local(getenv)
    found: dict[str, Callable[[], Account | None]] = {
        "livekit": lambda: livekit(getenv, key=key),
        "azure": lambda: azure(getenv, key),
        **{v.kind: functools.partial(_vendor, v, getenv, key) for v in VENDORS},
    }
    if name not in found:
        known = f"Known are {', '.join(names())}, and any http(s) URL."
        raise ConfigurationError(f"There is no account {name}.", known)
    there = found[name]()
    if there is None:
        needs = " and ".join(NEEDS[name])
        raise ConfigurationError(f"The account {name} is not set up.", f"Set {needs}, or run %lkaccount {name}.")
    return there


def _local(getenv: Getenv) -> Account:
    """The local model's.

    Raises:
        ConfigurationError: it cannot be asked here.
    """
    standing = local.standing(getenv)
    if standing.weights is None:
        raise ConfigurationError(standing.what, standing.mend)
    return standing.weights.account


def built_in(getenv: Getenv) -> list[Account]:
    """The local model's account where it can be asked; for lists, which leave the demo out."""
    weights = local.standing(getenv).weights
    return [] if weights is None else [weights.account]


def names() -> tuple[str, ...]:
    """All names that an account may be asked for by."""
    return (*KINDS, *LOCAL, *GIVEN.addresses)


def takes_any_id(name: str | None) -> bool:
    """Whether model ids go to this account as they were typed: its server alone knows them."""
    return name is not None and (
        name == "azure" or name in LOCAL or name in GIVEN.addresses or name.startswith(("http://", "https://"))
    )


def _address(url: str, key: Secret | None, known: Account | None = None) -> Account:
    """A server by its address, or one whose name and key are known; a key that comes along wins."""
    account = known or Account(_host(url), "url", base_url(url, "/v1"), scheme="none", found=("its URL",))
    if urlsplit(account.url).port == OLLAMA_PORT:
        account = replace(account, spelled=OLLAMA_SPELLS)
    return account if key is None else replace(account, key=key, scheme="Bearer")


def _vendor(vendor: Vendor, getenv: Getenv, key: str | None = None) -> Account | None:
    secret = Secret.of(key) or Secret.of(getenv(vendor.key))
    if secret is None:
        return None
    url = base_url(_read(getenv, vendor.base) or vendor.url, vendor.path)
    found = ("the argument" if key else vendor.key,)
    account = Account(vendor.kind, vendor.kind, url, secret, found=found, priced=url == vendor.url)
    return replace(account, headers=_openai_headers(getenv)) if vendor.kind == "openai" else account


def _openai_headers(getenv: Getenv) -> dict[str, str]:
    """Organisation, project, and OPENAI_CUSTOM_HEADERS, a `Name: value` a line (openai-python, `_client.py`)."""
    rows = (("OpenAI-Organization", "OPENAI_ORG_ID"), ("OpenAI-Project", "OPENAI_PROJECT_ID"))
    headers = {header: value for header, name in rows if (value := _read(getenv, name))}
    for line in (_read(getenv, "OPENAI_CUSTOM_HEADERS") or "").splitlines():
        header, colon, value = line.partition(":")
        if colon and (hidden := Secret.of(value)):  # may be a key: remembered, so that it is struck out of any output
            headers[header.strip()] = hidden.reveal()
    return headers


def base_url(url: str, path: str) -> str:
    """The address before `/chat/completions`, however the user wrote it.

    Example:
        >>> base_url("http://localhost:8000", "/v1"), base_url("https://x.example/api/v2/chat/completions/", "/v1")
        ('http://localhost:8000/v1', 'https://x.example/api/v2')
    """
    url = _checked(url)
    whole = url.removesuffix("/chat/completions")
    return whole if whole != url or _VERSION.search(urlsplit(url).path) else url + path


def _checked(url: str) -> str:
    url = url.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good:
        raise ConfigurationError(f"{url} is no http(s) address.", "Write it as https://host/v1.")
    if parts.username or parts.password:
        raise ConfigurationError(
            f"The address of {parts.hostname} holds a name or password.", "Give the key apart from the address."
        )
    return url


def _host(url: str) -> str:
    return urlsplit(_checked(url)).netloc


def _read(getenv: Getenv, name: str) -> str | None:
    return (getenv(name) or "").strip() or None


def _deployments(text: str | None) -> dict[str, str]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        value = None
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise ConfigurationError(
            "AZURE_OPENAI_DEPLOYMENTS is no JSON object of model and deployment.",
            'Write it as {"gpt-4o": "my-deployment"}.',
        )
    return value
