"""Counts an engine's work, for metrics and traces. Nothing is counted before a program asks for
it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloaca_core.engine.record.watcher_reports import report_adoption

if TYPE_CHECKING:
    from collections.abc import Callable

    from cloaca_core.assembly.parts import Parts
    from cloaca_core.engine.execute.usage import SlotUse
    from cloaca_core.features.telemetry.run_metrics import RunMetrics
    from cloaca_core.features.telemetry.sample import Sample
    from cloaca_core.run.watcher import Watcher

MOST_WAITING: Final = 10_000
"""Waiters of a limit that are counted."""


class Meter:
    """Belongs to the engine's loop. ``check_open`` raises once the engine shuts down."""

    def __init__(self, parts: Parts, check_open: Callable[[], None]) -> None:
        self._parts = parts
        self._base = parts.base
        self._check_open = check_open

    async def watch(self, watcher: Watcher) -> None:
        """Report facts to this watcher from now on, and the runs that this runner owns already."""
        self._check_open()
        self._base.journal.watchers.append(watcher)
        for run in self._base.runs:
            report_adoption([watcher], run)

    async def sample(self) -> Sample:
        """The present values of metrics. The first call makes the engine count its work."""
        from cloaca_core.features.telemetry.sample import Sample  # few programs have metrics

        claims, store, metrics = self._parts.claims, self._parts.store, await self._metrics()
        gauges = await store.gauges()
        return Sample(
            metrics,
            gauges,
            at=store.wall(),
            slots=self.slot_use(),
            recoveries=claims.takeover.recovered,
            lease_losses=claims.lease.losses,
            pruned_runs=self._parts.upkeep.pruner.pruned,
            loops={
                each.name: each.last_success
                for each in self._parts.loops
                if each.last_success is not None
            },
            limits=await store.limit_loads(MOST_WAITING),
        )

    def slot_use(self) -> dict[str, SlotUse]:
        """The use of the slots for bodies, by their kind; empty if bodies never run here."""
        return self._base.executor.slot_use() if self._base.works else {}

    async def _metrics(self) -> RunMetrics:
        """The watcher that counts this engine's work, made at the first call."""
        from cloaca_core.features.telemetry.run_metrics import (
            RunMetrics,  # few programs have metrics
        )

        for each in self._base.journal.watchers:
            if isinstance(each, RunMetrics):
                return each
        metrics = RunMetrics()
        await self.watch(metrics)
        return metrics
