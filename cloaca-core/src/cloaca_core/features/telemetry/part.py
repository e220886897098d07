"""Gauges: the contract of what metrics read."""

from __future__ import annotations

from typing import Protocol

from cloaca_core.features.telemetry.gauges import Gauges
from cloaca_core.store.protocol import KernelStore


class GaugeStore(KernelStore, Protocol):
    """Numbers about the database as a whole."""

    async def gauges(self) -> Gauges:
        """How much is under way: one statement, whose work grows with the runs that have not ended
        and not with those that have. Runs of paused workflows are counted, but none of them waits
        to be claimed. Only reads.
        """
