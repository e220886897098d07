"""Prunes the database every hour, by one of its runners.

Sleeps until the instant that the table gives, so that an idle runner looks once an hour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloaca_core.engine.runtime.supervisor import Wakeup
from cloaca_core.logs import SafeLogger

if TYPE_CHECKING:
    from cloaca_core.features.upkeep.pruner import Pruner
    from cloaca_core.values.times.clock import Clock

log = SafeLogger("cloaca.engine")

FIRST_S: Final = 30.0
"""Seconds before a new runner looks whether a sweep is due: it has other things to do first."""


class Sweeps:
    """Belongs to the engine's loop. One that is ``off`` from the start never sweeps."""

    def __init__(self, pruner: Pruner, clock: Clock) -> None:
        self.off: bool = False
        self._pruner = pruner
        self._clock = clock
        self._wakeup = Wakeup()
        self._next_at = clock.monotonic() + FIRST_S

    async def turn(self) -> None:
        """Sweep if that is due, then sleep until it may be."""
        await self._wakeup.turn(self._sweep)

    async def _sweep(self) -> float | None:
        """Sweep if that is due; seconds until the next look, None for never."""
        if self.off:
            return None
        if (left := self._next_at - self._clock.monotonic()) > 0:
            return left
        pruned, again_in = await self._pruner.sweep()
        self._next_at = self._clock.monotonic() + again_in
        if pruned is not None and pruned.runs:
            log.info("pruned %d runs that ended long ago, %d rows", pruned.runs, pruned.rows)
        return again_in
