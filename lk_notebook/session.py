"""All that one kernel remembers: the defaults of `%lkuse`, its aliases."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from lk_notebook.core import catalogue
from lk_notebook.core.values import Setup
from lk_notebook.errors import ConfigurationError
from lk_notebook.llm import LLM
from lk_notebook.reply import Reply


@dataclass(slots=True)
class Session:
    """Defaults and aliases, and asking with them; a test makes a fresh one.

    Example:
        >>> session = Session()
        >>> session.use(Setup("gpt-5-mini", extra_kwargs={"reasoning_effort": "low"}))
        >>> session.settle(Setup()).model
        'openai/gpt-5-mini'
    """

    defaults: Setup = field(default_factory=Setup)
    aliases: dict[str, Setup] = field(default_factory=dict)

    def use(self, setup: Setup, alias: str | None = None) -> Setup:
        """Makes these words the defaults from here on, or an alias, which changes no default.

        Raises:
            ConfigurationError: the model is unknown, a parameter cannot be sent, or an alias is no name.
        """
        setup = self._whole(setup if setup.model in self.aliases else replace(setup, model=_full(setup)))
        _llm(setup)  # refuses now what would be refused later
        if alias is None:
            self.defaults = setup
        elif not alias.isidentifier() or catalogue.find(alias):
            raise ConfigurationError(f"{alias} cannot be an alias.", "Pick a plain name that is no model's.")
        else:
            self.aliases[alias] = setup
        return setup

    def settle(self, setup: Setup) -> Setup:
        """The cell's words over the defaults. These belong to their model: a cell that names another starts clean."""
        return self._whole(setup)

    def ask(self, setup: Setup, prompt: str) -> Reply:
        """Asks with the cell's words.

        Raises:
            LkError: as `LLM` and its call do, before anything is sent.
        """
        whole = self.settle(setup)
        return _llm(whole)(prompt)

    def _whole(self, cell: Setup) -> Setup:
        if cell.model in self.aliases:
            base = self.aliases[cell.model]
        elif cell.model is None or self._same(cell):
            base = self.defaults
        else:
            base = Setup(cell.model)
        stays = cell.account in (None, base.account)  # a provider belongs to its account
        return Setup(
            base.model,
            cell.provider or (base.provider if stays else None),
            cell.account or base.account,
            {**base.extra_kwargs, **cell.extra_kwargs},
            base.system if cell.system is None else cell.system,
        )

    def _same(self, cell: Setup) -> bool:
        default = self.defaults.model
        return default is not None and _full(cell) == default


def _full(setup: Setup) -> str | None:
    """The id in full; as typed where its server alone knows its ids."""
    if setup.model is None or (setup.account or "").startswith(("http://", "https://")) or setup.account == "azure":
        return setup.model
    return catalogue.complete(setup.model)


def _llm(setup: Setup) -> LLM:
    return LLM(
        setup.model,
        provider=setup.provider,
        account=setup.account,
        extra_kwargs=setup.extra_kwargs,
        system=setup.system,
    )


_current: Session | None = None


def current() -> Session:
    """The session of this kernel; loading the extension again keeps it."""
    global _current  # noqa: PLW0603 - one session a kernel is the point
    if _current is None:
        _current = Session()
    return _current
