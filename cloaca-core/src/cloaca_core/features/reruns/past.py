"""Reads the sources of claimed runs that are forks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloaca_core.engine.orchestrate.adoption import PastRows
    from cloaca_core.features.reruns.part import RerunStore


async def read_forks(store: RerunStore, past: Mapping[str, PastRows]) -> None:
    """Add the forks of runs. See ``ReadPast``."""
    for fork in await store.forks(list(past)):
        past[fork.run_id].forks.append(fork)
