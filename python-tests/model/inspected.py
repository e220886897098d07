"""Runs as the observe layer shows them, made by hand: of rows as in ``families``."""

from __future__ import annotations

from collections.abc import Sequence

from model.families import run

from cloaca_core.store.acts import ActRow
from cloaca_core.views.explain.explanation import (
    Explanation,
    RunnerExplanation,
    TaskExplanation,
)
from cloaca_core.views.results import run_info
from cloaca_core.views.task_results import Wait
from cloaca_tools.views import Inspection
from cloaca_tools.views.run.reading import Family
from cloaca_tools.views.run.timeline import timeline
from cloaca_tools.views.run.tree import tree


def inspected(
    known: Family,
    *acts: ActRow,
    code: str = "completed",
    why: str = "",
    waits_for: Wait | None = None,
    tasks: Sequence[TaskExplanation] = (),
    runners: Sequence[RunnerExplanation] = (),
    notes: Sequence[str] = (),
    rounds: Sequence[str] = (),
    lease_until: str | None = None,
) -> Inspection:
    """What is seen of a family, with an explanation of these parts."""
    seen = tree(known)
    return Inspection(
        tree=seen,
        timeline=timeline(known, acts),
        explanation=Explanation(
            run_id=seen.run.id,
            workflow_name=seen.run.workflow_name,
            status=seen.run.status,
            code=code,
            why=why,
            waits_for=waits_for,
            tasks=tuple(tasks),
            runners=tuple(runners),
            notes=tuple(notes),
            at=run_info(run(), known.now).created_at,
        ),
        runner=None,
        lease_until=lease_until,
        submitted_by=None,
        rounds=tuple(rounds),
    )
