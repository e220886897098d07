"""Reads a database without an engine: no part of it works.

A read-only client begins with an ``Onlooker``, and makes the whole engine when a call needs more
than ``Looks`` has. It imports modules at their first use: a command that lists runs takes no longer
than these imports.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from cloaca_core.errors import SHUT_DOWN, RunnerClosedError

if TYPE_CHECKING:
    from cloaca_core.assembly.store import Store
    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.definition.registry import Registry
    from cloaca_core.engine.observe.run_reader import RunReader
    from cloaca_core.engine.orchestrate.active_runs import ActiveRuns
    from cloaca_core.features.definitions.recorded_definitions import RecordedDefinitions
    from cloaca_core.features.explain.explainer import Explainer


class Looks(Protocol):
    """The parts that read-only calls need; an engine has them too. Belongs to the engine's loop."""

    @property
    def registry(self) -> Registry:
        """The definitions of the program."""

    @property
    def config(self) -> DefaultRunnerConfig:
        """The settings of the program."""

    @property
    def store(self) -> Store:
        """The store. Raises ``RunnerClosedError`` once it is closed. Not kept by callers."""

    @property
    def reader(self) -> RunReader:
        """Reads runs from the tables. Raises ``RunnerClosedError`` once the store is closed."""

    @property
    def definitions(self) -> RecordedDefinitions:
        """Reads recorded definitions. Raises ``RunnerClosedError`` once the store is closed."""

    @property
    def explainer(self) -> Explainer:
        """Collects the facts about a run. Raises ``RunnerClosedError`` once the store is closed."""


class Onlooker:
    """Reads a store that was opened read-only. Made and used on the engine's loop."""

    def __init__(self, store: Store, config: DefaultRunnerConfig, registry: Registry) -> None:
        self.registry: Registry = registry
        self.config: DefaultRunnerConfig = config
        self._store = store
        self._is_closed = False

    @property
    def store(self) -> Store:
        """The store. Raises ``RunnerClosedError`` once it is closed. Not kept by callers."""
        self._check_open()
        return self._store

    @property
    def reader(self) -> RunReader:
        """Reads runs from the tables. Raises ``RunnerClosedError`` once the store is closed."""
        self._check_open()
        return self._reader

    @property
    def definitions(self) -> RecordedDefinitions:
        """Reads recorded definitions. Raises ``RunnerClosedError`` once the store is closed."""
        self._check_open()
        return self._definitions

    @property
    def explainer(self) -> Explainer:
        """Collects the facts about a run. Raises ``RunnerClosedError`` once the store is closed."""
        from cloaca_core.engine.recover.process_identity import this_process
        from cloaca_core.features.explain.explainer import Explainer

        self._check_open()
        return Explainer(
            self._store,
            self.registry,
            self._runs,
            self._reader,
            self._definitions,
            this_process(),
            None,
            None,
            None,
            recovers=self.config.enable_recovery,
        )

    async def shutdown(self) -> None:
        """Close the store. Idempotent."""
        if not self._is_closed:
            self._is_closed = True
            await self._store.close()

    def _check_open(self) -> None:
        if self._is_closed:
            raise RunnerClosedError(SHUT_DOWN)

    @cached_property
    def _runs(self) -> ActiveRuns:
        from cloaca_core.engine.orchestrate.active_runs import ActiveRuns

        return ActiveRuns()  # it owns none

    @cached_property
    def _definitions(self) -> RecordedDefinitions:
        from cloaca_core.features.definitions.recorded_definitions import RecordedDefinitions

        return RecordedDefinitions(self._store, self.registry)

    @cached_property
    def _reader(self) -> RunReader:
        from cloaca_core.engine.observe.run_reader import RunReader

        return RunReader(self._store, self._runs, self._definitions.of_run)
