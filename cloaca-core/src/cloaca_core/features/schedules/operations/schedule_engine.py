"""The parts of an engine that operations on schedules need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from cloaca_core.features.definitions.names import DefinitionEngine

if TYPE_CHECKING:
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.features.schedules.part import ScheduleStore
    from cloaca_core.features.schedules.schedule_loop import ScheduleLoop
    from cloaca_core.values.ids import RunIds


class ScheduleLooks(Protocol):
    """The parts that listings of schedules need."""

    @property
    def store(self) -> ScheduleStore:
        """The store; each call asks for it."""


class ScheduleEngine(ScheduleLooks, DefinitionEngine, Protocol):
    """The parts of an engine that change schedules."""

    @property
    def ids(self) -> RunIds:
        """Makes ids."""

    @property
    def schedule_loop(self) -> ScheduleLoop:
        """Fires schedules."""

    @property
    def subjects(self) -> Subjects:
        """Tells the loops of the engine what has changed."""
