"""Gauges: the contract of what metrics read."""

from __future__ import annotations

from typing import Protocol

from cloaca_core.features.telemetry.gauges import Gauges
from cloaca_core.store.protocol import KernelStore


class GaugeStore(KernelStore, Protocol):
    """Numbers about the database as a whole."""

    async def gauges(self) -> Gauges:
        """The amount of work under way: one statement, whose cost grows with the runs that have not
        ended, not with the ended ones. Runs of paused workflows are counted, but none of them
        counts as claimable. Only reads.
        """
