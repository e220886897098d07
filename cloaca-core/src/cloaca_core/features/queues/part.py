"""Queues: the contract for runners that serve some queues, and for views."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from cloaca_core.features.queues.records import Backlog, Overdue, QueueLoad
from cloaca_core.store.protocol import KernelStore


class QueueStore(KernelStore, Protocol):
    """How full queues are, and which runs pass their time limits there. Claims use ``RunStore``."""

    async def first_overdue(
        self, workflows: Collection[str], queues: Collection[str], limit: int
    ) -> list[Overdue]:
        """Return runs of these workflows that may be claimed in other queues than these, the runs
        whose time limits pass first. The limit is known of runs that were parked with one. Only
        reads.
        """

    async def bring_overdue(self, run_ids: Collection[str], queue: str, now: int) -> None:
        """Move the runs that may be claimed and whose limits have passed by ``now`` to a queue.
        They are claimable there since ``now``.
        """

    async def backlogs(self, most: int) -> list[Backlog]:
        """Return the runs that may be claimed, by workflow and queue, as ``queue_loads`` counts
        them. Only reads.
        """

    async def queue_loads(self, most: int) -> list[QueueLoad]:
        """Return the queues that have runs, by name: runs that may be claimed, and runs that a
        runner owns. Up to ``most`` waiting runs of each workflow and queue are counted, without
        runs of paused workflows; ``oldest`` is the oldest of the counted ones. Only reads.
        """
