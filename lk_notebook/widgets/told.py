"""The words of a panel: who is asked with them, what is left out of them, and who will answer."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from lk_notebook.core import catalogue
from lk_notebook.core.local import PREFIX
from lk_notebook.core.routing import DEFAULT_MODEL, DEMO_MODEL
from lk_notebook.core.values import Account, Setup, redact
from lk_notebook.errors import ConfigurationError, LkError
from lk_notebook.llm import LLM
from lk_notebook.net import accounts, local
from lk_notebook.net.given import GIVEN
from lk_notebook.session import current
from lk_notebook.widgets import choices, form
from lk_notebook.widgets.choices import Choice


def asking(llm: LLM, words: Setup) -> LLM:
    """The LLM with these words in place of its own."""
    made = copy.copy(llm)
    made.setup = replace(words, system=None)
    return made


def full_model(llm: LLM, word: str) -> str:
    """The model's id in full; as typed where its server alone knows its ids.

    Raises:
        ConfigurationError: no list knows it, and it names no vendor.
    """
    try:
        return asking(llm, Setup(word, account=llm.setup.account)).route().model
    except LkError:  # no account yet: the id is checked all the same
        return catalogue.complete(word)


def model_of(llm: LLM, words: Setup) -> str:
    """The model that answers, also where none was named."""
    if words.model:
        return words.model
    try:
        return asking(llm, words).route().model
    except LkError:
        return DEFAULT_MODEL


def joined(given: Setup, llm: LLM | None) -> tuple[LLM, Setup]:
    """Who asks, and with which words: the given ones over those of the LLM, or of `%lkuse`."""
    if llm is None:
        words = current().settle(given)
        return LLM(account=words.account), words
    if given.account is not None:
        raise ConfigurationError("llm= and account= both say whom to ask.", "Leave out one of them.")
    base = llm.setup
    extra = {**base.extra_kwargs, **given.extra_kwargs}
    system = base.system if given.system is None else given.system
    return llm, Setup(given.model or base.model, given.provider or base.provider, base.account, extra, system)


def fitting(llm: LLM, words: Setup, *, tools: bool) -> tuple[Setup, list[str]]:
    """The words with the parameters that the model takes, and the names of those that it does not."""
    fit, left_out = form.fitting(model_of(llm, words), words.extra_kwargs, tools=tools)
    return replace(words, extra_kwargs=fit), left_out


def spelled(what: str, llm: LLM, words: Setup, asked: str, tools: Sequence[Callable[..., Any]]) -> str:
    """The panel as the cell of a magic, as Python, or as a LiveKit Agents program.

    Raises:
        ConfigurationError: it cannot be one; the error says why.
    """
    from lk_notebook.core.export_cells import magic_text, python_text  # noqa: PLC0415 - only who copies
    from lk_notebook.export import export  # noqa: PLC0415 - as above

    fit, _ = fitting(llm, words, tools=bool(tools))
    if what == "as Agents code":
        made = copy.copy(llm)
        made.setup = fit
        return export(made, "python", tools=tools)
    return redact(magic_text(fit, asked) if what == "as magic" else python_text(fit, asked))


def models(model_ids: Sequence[str]) -> list[Choice]:
    """The lines of the model picker; these models stand first."""
    session = current()
    used = (setup.model for setup in (session.defaults, *session.aliases.values()))
    here = local.standing(GIVEN.getenv).model
    return choices.models(accounts_there(), [*model_ids, *filter(None, used)], here)


def prospect(llm: LLM, words: Setup) -> list[str]:
    """Who will answer, or in two lines why nobody can."""
    try:
        model = asking(llm, words).route().model
    except LkError as error:
        return str(error).splitlines()
    if model == DEMO_MODEL or model.startswith(PREFIX):
        return ["Replies come from the built-in model. %lkaccount adds yours."]
    return [f"Replies come from {model}. Pick another model above."]


def accounts_there() -> list[Account]:
    """Those that are there; a faulty variable is told when something is asked."""
    try:
        return accounts.accounts(GIVEN.getenv)
    except ConfigurationError:
        return []
