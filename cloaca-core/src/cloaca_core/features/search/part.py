"""Searches: the contract of what people look for among runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from cloaca_core.features.search.records import (
    Claimable,
    Counted,
    Failure,
    Found,
    Kin,
    Link,
    RunSearch,
    WorkflowCounts,
)
from cloaca_core.run.rows import RunRow
from cloaca_core.store.protocol import KernelStore


class SearchStore(KernelStore, Protocol):
    """Runs by conditions that may be any, and counts of them. All of it only reads.

    The cost of each operation is bounded by its arguments, however many runs there are.
    """

    async def search(self, wanted: RunSearch) -> Found:
        """The matching runs among the next ``look_at`` runs, newest first; hidden runs never match.
        If a condition has an index in that order, only runs that match it are looked at. If none
        has, and ``AT_TOP`` is one, runs below others are passed over and not counted. A run that
        changes meanwhile is returned with its last values, if at all.
        """

    async def count_found(self, wanted: RunSearch) -> Counted:
        """How many runs ``search`` would find; runs that it passes over are looked at here."""

    async def runs_of(self, run_ids: Collection[str]) -> list[RunRow]:
        """The runs of these ids that exist, newest first, without payloads."""

    async def family(self, run_id: str, depth: int, most: int, counted: int) -> Kin:
        """A run and the runs submitted below it, without detached ones: ``most`` runs down to
        ``depth`` levels, the nearest ones, and of each of these the first ``counted`` children. No
        rows if there is no such run.
        """

    async def runs_below(self, run_id: str, depth: int, most: int) -> list[RunRow]:
        """The rows of ``family``."""

    async def links(self, run_ids: Collection[str], most: int) -> list[Link]:
        """The links of these runs that exist, by id; children are counted up to ``most``."""

    async def actors(self, names: Collection[str]) -> list[str]:
        """The people who have acted and have one of these names, alone or followed by ``@``, in
        order.
        """

    async def count_under_way(self, most: int) -> dict[str, int]:
        """The runs that have not ended by state, each state up to ``most``; without zeros."""

    async def count_of_workflows(self, workflows: Sequence[str], most: int) -> list[WorkflowCounts]:
        """For each of these workflows its newest ``most`` runs by state."""

    async def count_made(
        self, workflows: Sequence[str], edges: Sequence[str], most: int
    ) -> list[list[int]]:
        """For each of these workflows, the number of runs made between one edge and the next, up to
        ``most``. Edges ascend and are made by ``first_id_of``. Hidden runs count until they are
        erased.
        """

    async def count_owned(self, runner_ids: Sequence[str], most: int) -> list[int]:
        """How many runs that have not ended each of these runners owns, up to ``most``."""

    async def failed_since(self, since: int, most: int) -> list[str]:
        """The ids of runs that Failed at ``since`` or later, up to ``most``, the last end first."""

    async def failures_since(self, since: int, most: int) -> list[Failure]:
        """The runs of ``failed_since`` with their workflows."""

    async def longest_claimable(self) -> Claimable | None:
        """The run that has been claimable for longest, None if there is none."""
