"""The engine as the observe layer asks it, over a store in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from model.memory_store import MemoryStore
from model.orchestration import Scene

from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.registry import Registry
from cloaca_core.engine.observe.run_reader import RunReader
from cloaca_core.features.definitions.recorded_definitions import RecordedDefinitions

if TYPE_CHECKING:
    from cloaca_core.assembly.engine import Engine


class Observed:
    """Has the attributes of an ``Engine`` that are read."""

    def __init__(self) -> None:
        self.store = MemoryStore()
        self.registry = Registry()
        self.config = DefaultRunnerConfig()
        self.scene = Scene()
        self.definitions = RecordedDefinitions(self.store, self.registry)
        self.reader = RunReader(self.store, self.scene.runs, self.definitions.of_run)

    @property
    def engine(self) -> Engine:
        """This, as the type that is asked for."""
        return cast("Engine", self)
