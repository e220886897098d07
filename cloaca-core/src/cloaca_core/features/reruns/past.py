"""Reads with claimed runs where they come from and which of their tasks were restarted."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloaca_core.engine.orchestrate.adoption import PastRows
    from cloaca_core.features.reruns.part import RerunStore
    from cloaca_core.run.rows import RunRow


async def read_reruns(
    store: RerunStore, rows: Sequence[RunRow], past: Mapping[str, PastRows]
) -> None:
    """Add the forks of runs, and the restarts of those that were begun again. See ``ReadPast``."""
    for fork in await store.forks(list(past)):
        past[fork.run_id].forks.append(fork)
    if again := [row.id for row in rows if row.round > 1]:
        for restart in await store.restarts(again):
            past[restart.run_id].restarts.append(restart)
