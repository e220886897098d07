"""What a runner of a story, and its way to the database, know of the world around them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from cloaca_core.assembly.store import Store
    from cloaca_core.config import DefaultRunnerConfig
    from cloaca_core.definition.registry import Registry
    from cloaca_core.values.times.clock import Clock
    from cloaca_testing.driver import Driver
    from cloaca_testing.simulation.checks import Bodies
    from cloaca_testing.simulation.loops import WorldLoop
    from cloaca_testing.simulation.one_database import OneDatabase
    from cloaca_testing.simulation.story import Story
    from cloaca_testing.stand_ins import StandIns
    from cloaca_testing.virtual_clock import VirtualClock


class Surroundings(Protocol):
    """The world; ``now`` is its time, ``clock`` the database's."""

    seed: int
    now: float
    start: datetime
    registry: Registry
    config: DefaultRunnerConfig
    stand_ins: StandIns
    place: OneDatabase
    clock: VirtualClock
    story: Story
    bodies: Bodies
    dead: list[Driver]

    def open_store(self, open_it: Callable[[Clock], Coroutine[Any, Any, Store]]) -> Store:
        """The one database."""

    def operate(
        self, member: Sender, name: str, operation: Callable[..., Any], args: Any, options: Any
    ) -> Any:
        """Run an operation of the database."""

    def announce(self, member: Sender) -> None:
        """Let other runners hear of a change."""

    def later(self, seconds: float, act: Callable[[], object]) -> None:
        """Call something later."""

    def go_on(self, is_over: Callable[[], bool], why: str, seconds: float | None = None) -> None:
        """Let time pass."""

    def failed(self, error: BaseException) -> None:
        """End the story."""


class Sender(Protocol):
    """Who sends requests to the database."""

    name: str
    loop: WorldLoop
    world: Surroundings

    def take_lost(self, name: str) -> str | None:
        """How this write is lost; None if it is not."""
