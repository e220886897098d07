"""The numbers of a runner and its database at one moment, as metrics show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cloaca_core.engine.execute.usage import SlotUse
    from cloaca_core.features.limits.looks.records import LimitLoad
    from cloaca_core.features.telemetry.gauges import Gauges
    from cloaca_core.features.telemetry.run_metrics import RunMetrics


class Sample(NamedTuple):
    """``metrics`` counts what the runner has done since they were first asked for; the three counts
    after ``slots`` are since it was opened. ``loops`` has the instants in seconds since 1970 at
    which its loops succeeded last. ``at`` is the instant of the sample in µs, by the database's
    clock where it has one. ``limits`` are those of the database, with their use.
    """

    metrics: RunMetrics
    gauges: Gauges
    at: int
    slots: Mapping[str, SlotUse]
    recoveries: int
    lease_losses: int
    pruned_runs: int
    loops: Mapping[str, float]
    limits: Sequence[LimitLoad] = ()
