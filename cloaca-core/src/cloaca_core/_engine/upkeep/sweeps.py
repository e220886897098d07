"""Prunes the database every hour or so, without a timer of its own: it looks when the runner beats,
and when it looks for dead runners.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloaca_core._engine.runtime.wakeup import Wakeup
from cloaca_core.logs import SafeLogger

if TYPE_CHECKING:
    from cloaca_core._engine.upkeep.pruner import Pruner
    from cloaca_core.values.clock import Clock

log = SafeLogger("cloaca.engine")

FIRST_S: Final = 30.0
"""Seconds before a new runner looks whether pruning is due."""
EVERY_S: Final = 900.0
"""Seconds between two such looks: another runner may have died before its sweep was done."""


class Sweeps:
    """Belongs to the engine's loop."""

    def __init__(self, pruner: Pruner, clock: Clock) -> None:
        self._pruner = pruner
        self._clock = clock
        self._wakeup = Wakeup()
        self._next_at = clock.monotonic() + FIRST_S

    def look(self) -> None:
        """A moment at which a sweep may begin."""
        if self._clock.monotonic() >= self._next_at:
            self._wakeup.wake()

    async def turn(self) -> None:
        """Sleep until a sweep may begin, and do it if it is due."""
        await self._wakeup.turn(self._sweep)

    async def _sweep(self) -> None:
        if self._clock.monotonic() < self._next_at:
            return
        self._next_at = self._clock.monotonic() + EVERY_S
        pruned = await self._pruner.sweep()
        if pruned is not None and pruned.runs:
            log.info("pruned %d runs that ended long ago, %d rows", pruned.runs, pruned.rows)
