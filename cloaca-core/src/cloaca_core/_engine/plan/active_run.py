"""A run that this runner owns: its plan and what is under way for it. Only data."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from cloaca_core._engine.plan.planner import DefaultRule, RunPlan
from cloaca_core._engine.plan.restore import Restored, Resume

if TYPE_CHECKING:
    from cloaca_core._engine.execute.attempt import Attempt
    from cloaca_core._engine.plan.graph import PlanGraph
    from cloaca_core.records.rows import AttemptRow, RunRow
    from cloaca_core.values.json_values import JsonValue


class ActiveRun:
    """Belongs to the engine's loop, apart from ``id``, ``epoch``, ``size_bound`` and ``graph``,
    which bodies read.

    ``size_bound`` is at least the encoded size of every context of the run so far, in bytes.
    ``over`` is set as soon as its end is on the way: whatever comes later is refused.
    ``depth`` is how many runs above it wait for it, each in a body of ours.
    ``released`` counts those of ``attempts`` that wait for other runs, whose slots were released.
    ``time_limit`` is in seconds, 0 without one.
    """

    __slots__ = (
        "attempts",
        "depth",
        "epoch",
        "graph",
        "id",
        "latest",
        "over",
        "plan",
        "recovered",
        "released",
        "resume",
        "retries",
        "row",
        "size_bound",
        "time_limit",
    )

    def __init__(
        self,
        row: RunRow,
        graph: PlanGraph,
        run_input: dict[str, JsonValue],
        restored: Restored,
        *,
        default_rule: DefaultRule,
    ) -> None:
        self.id: str = row.id
        self.epoch: int = row.epoch
        self.row: RunRow = row
        self.graph: PlanGraph = graph
        self.plan: RunPlan = RunPlan(
            graph, run_input, default_rule=default_rule, known=restored.known
        )
        self.resume: dict[int, Resume] = restored.resume
        self.latest: dict[int, AttemptRow] = restored.latest
        self.recovered: bool = row.recoveries > 0
        self.attempts: dict[int, Attempt] = {}
        self.retries: dict[int, asyncio.TimerHandle] = {}
        self.time_limit: int = 0
        changes = [past.change.encode() for past in restored.latest.values() if past.change]
        self.size_bound: int = len(row.input.encode()) + sum(map(len, changes))
        self.over: bool = False
        self.released: int = 0
        self.depth: int = 0

    def waits(self) -> bool:
        """True when all that is under way for it are bodies that wait for other runs."""
        return 0 < self.released == len(self.attempts)
