"""A setup, or what a reply was asked with, as a LiveKit Agents program: who is asked, and what the program is told."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from lk_notebook.core import export_node, export_python, routing
from lk_notebook.core.export import Plan
from lk_notebook.core.routing import DEFAULT_MODEL, Route
from lk_notebook.core.values import Account, Call, Setup, redact
from lk_notebook.errors import ConfigurationError
from lk_notebook.llm import LLM
from lk_notebook.net import accounts
from lk_notebook.net.given import GIVEN
from lk_notebook.reply import Reply

#: Language -> what writes it, and how its file is called.
LANGUAGES: dict[str, tuple[Callable[[Plan], str], str]] = {
    "python": (export_python.program, "agent.py"),
    "node": (export_node.program, "agent.mjs"),
}

_BUILT_IN = ("lk/", "local/")
#: Kind of account -> the addresses that its SDK knows by itself.
_OWN_ADDRESSES: dict[str, tuple[str, ...]] = {
    "livekit": (accounts.LIVEKIT_URL, accounts.LIVEKIT_STAGING_URL),
    **{vendor.kind: (vendor.url,) for vendor in accounts.VENDORS},
}


def export(
    what: Setup | LLM | Reply, language: str, *, tools: Sequence[Callable[..., Any]] = (), voice: bool = False
) -> str:
    """The program.

    Example:
        >>> print(export(Setup("openai/gpt-4.1-mini", account="livekit"), "python").splitlines()[2].strip())
        pip install "livekit-agents==1.8.9"

    Args:
        what: a setup, an LLM, or a reply: then the program sends what the reply's cell sent, to whoever answered.
        language: python or node.
        tools: functions of the notebook; a reply brings its own.
        voice: adds speech to text, text to speech, voice activity and turn detection, by LiveKit Inference.

    The program defines `llm`, `build_session` (in Node `buildSession`) and `instructions`. It names the environment
    variables that it reads, and holds no key.

    Raises:
        ConfigurationError: no such language; the model is built in and runs only here; no account serves it; a tool
            cannot be copied; the setup holds a key.
        SchemaError: a tool cannot be one.
    """
    if language not in LANGUAGES:
        raise ConfigurationError(f"There is no export to {language}.", f"There are {', '.join(LANGUAGES)}.")
    if isinstance(what, Reply):
        plan, tools = _of_reply(what), tools or what.offered
    else:
        plan = _of_setup(what)
    plan = replace(plan, voice=voice, moved=plan.account.url not in _OWN_ADDRESSES.get(plan.account.kind, ()))
    text = LANGUAGES[language][0](_with_tools(plan, tools))
    if redact(text) != text:
        raise ConfigurationError(
            "The setup holds a key, and a program holds none.",
            "Take it out of the system prompt, the parameters and the tools: the program reads keys when it runs.",
        )
    return text


def _of_setup(what: Setup | LLM) -> Plan:
    if isinstance(what, LLM):
        setup, named, inference_class = what.setup, what.named, what.inference_class
    else:
        setup, named, inference_class = what, None, None
    _refuse_built_in(setup.model, setup.account)
    route = _route(setup, named)
    call = Call(route.model, [], route.provider, inference_class, setup.extra_kwargs)
    notes = list(route.notes)
    if len(route.accounts) > 1:
        others = ", ".join(account.name for account in route.accounts[1:])
        notes.append(f"{others} would serve this as well; the program asks {route.accounts[0].name} alone.")
    if setup.model is None and named is None and not setup.account and not accounts.accounts(GIVEN.getenv):
        notes.append("In the notebook the built-in model answered: no account is set up there.")
    return Plan(call, route.accounts[0], setup.system or "", notes=notes)


def _of_reply(reply: Reply) -> Plan:
    """What the cell sent, at the account that answered; what was said in it is no part of a program."""
    account = next(each for each in reply.accounts if each.name == reply.account)
    _refuse_built_in(reply.model, account.kind)
    first = reply.asked[0] if reply.asked else {}
    system = first.get("content") if first.get("role") in ("system", "developer") else ""
    return Plan(replace(reply.call, messages=[]), account, system if isinstance(system, str) else "")


def _refuse_built_in(model: str | None, account: str | None) -> None:
    if account in ("demo", "local") or (model or "").startswith(_BUILT_IN):
        raise ConfigurationError(
            f"{model or 'The built-in model'} runs in this notebook only: no LiveKit agent can ask it.",
            f"Name a model that LiveKit serves: %lkexport python {DEFAULT_MODEL}.",
        )


def _route(setup: Setup, named: Account | None) -> Route:
    """Who would be asked. A program names its keys: an account need not be set up here to be written for."""
    if named is not None:
        return routing.route(setup, [], named=named)
    if setup.account:
        return routing.route(setup, [], named=_account(setup.account))
    there = accounts.accounts(GIVEN.getenv)
    if not there or accounts.half_livekit(GIVEN.getenv) or any(account.kind == "livekit" for account in there):
        return routing.route(setup, [], named=_account("livekit"))
    route = routing.route(setup, there)
    return route if route.fixed else replace(route, accounts=_best_first(route))


def _account(name: str) -> Account:
    lacking = dict.fromkeys(accounts.NEEDS.get(name, ()), "unset")
    if name == "azure":
        lacking["AZURE_OPENAI_ENDPOINT"] = "https://YOUR-RESOURCE.openai.azure.com"
    return accounts.named(name, lambda variable: GIVEN.getenv(variable) or lacking.get(variable))


def _best_first(route: Route) -> tuple[Account, ...]:
    """In the order in which a question would go to them now, where one was asked before."""
    attempts = sys.modules.get("lk_notebook.net.attempts")  # brings httpx: writing a program needs none
    asker = attempts.existing() if attempts else None
    if asker is None:
        return route.accounts
    order, passed = asker.board.order(route.accounts, route.model, time.monotonic())
    return (*order, *(each.account for each in passed))


def _with_tools(plan: Plan, tools: Sequence[Callable[..., Any]]) -> Plan:
    if not tools:
        return plan
    from lk_notebook.core import sources  # noqa: PLC0415 - brings pydantic
    from lk_notebook.core.tools import read_tools  # noqa: PLC0415 - as above

    found = read_tools(tools)
    copied, support = sources.copied(found.values(), export_python.RESERVED)
    call = replace(plan.call, tools=[each.schema for each in found.values()])
    return replace(plan, call=call, tools=copied, support=support)
