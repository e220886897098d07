"""Upkeep: the contract of how trees of runs are deleted."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from cloaca_core.features.upkeep.records import DoomedRun, KeptWorkflow, Shift, Upkeep, Weight
from cloaca_core.store.protocol import KernelStore


class UpkeepStore(KernelStore, Protocol):
    """Deletes trees of runs that ended long ago.

    A tree is a run without a parent, or a detached run, and all runs below it, up to detached ones.
    A hidden tree is seen by no other operation, except ``load_attempts``, ``memos``,
    ``log_chunks``, ``progress`` and ``ended``, and nothing is done to its runs; a run whose parent
    is in it is not inserted (see ``Committed.orphans``). Its idempotency keys are free: ``commit``
    holds back a run with one of them, and ``insert_when_free`` inserts it. Each operation with a
    ``Shift`` does nothing, and answers None, if another holder prunes.
    """

    async def upkeep(self) -> Upkeep:
        """The notes about pruning. Only reads."""

    async def take_upkeep(self, shift: Shift, now: int, due: int, latest: int) -> bool:
        """Begin to prune, if that was due by ``due``, and no other holder does so, or it has not
        renewed its shift in time. An instant after ``latest`` is one before the clock was set back,
        and counts as past. Of concurrent callers one begins.
        """

    async def leave_upkeep(self, holder: str, due_at: int) -> None:
        """Prune no more; it is due at ``due_at``. Nothing is done if another holder prunes."""

    async def kept_workflows(self) -> list[KeptWorkflow]:
        """The workflows that have runs or schedules, each with the retention of the newest recorded
        version. Only reads.
        """

    async def expired_trees(
        self, workflow: str, before: int, after: str, newest: str, limit: int
    ) -> list[str]:
        """Up to ``limit`` roots, of this workflow, of trees that are not hidden and all of whose
        runs have ended before ``before``: the first in the order of ids, after ``after`` and before
        ``newest``. Only reads.
        """

    async def weigh_trees(self, root_ids: Collection[str]) -> Weight:
        """How many runs and rows these trees have. Only reads."""

    async def hide_trees(
        self, shift: Shift, root_ids: Collection[str], before: int, now: int
    ) -> int | None:
        """Hide the trees whose runs have all ended before ``before``; return the count. If a retry,
        a fork or a submission in a tree comes at the same time, one of the two wins, and the other
        sees it.
        """

    async def doomed_runs(self, limit: int, most: int) -> list[DoomedRun]:
        """Up to ``limit`` runs of hidden trees, a root only when it is the last of its tree. Rows
        are counted up to ``most`` of each kind. Only reads.
        """

    async def erase_runs(self, shift: Shift, run_ids: Collection[str]) -> int | None:
        """Delete all rows of these runs, which ``doomed_runs`` has answered. Returns their number.
        The ticks that made them are deleted, and no tick of their schedules up to those gets a run
        (again). An event with a key stays, without being listed; an event without a key is deleted.
        """

    async def trim_run(self, shift: Shift, run_id: str, limit: int) -> int | None:
        """Delete up to ``limit`` rows of each kind of a run that ``doomed_runs`` has answered.
        Returns their number.
        """

    async def ticking_schedules(self, workflow: str) -> list[str]:
        """The ids of the schedules of a workflow. Only reads."""

    async def deleted_schedules(self) -> list[str]:
        """The ids of deleted schedules that still have ticks. Only reads."""

    async def erase_ticks(
        self, shift: Shift, schedule_id: str, before: int, limit: int
    ) -> int | None:
        """Delete up to ``limit`` ticks of a schedule that were decided before ``before`` and have
        no run (any more), oldest first, and up to as many counts of dropped ticks. Returns the
        number of both. No tick up to those gets a run (again).
        """

    async def erase_names(self, shift: Shift, now: int, apart: int) -> int | None:
        """Delete the names of runners of which no run can have an attempt any more: they were gone
        by ``now``, more than ``apart`` before the oldest run was made. Returns their number. Before
        that, names of runners that are gone since the last call are marked as such, and runners
        that were lost ``KEPT_LOST`` before ``now`` are deleted.
        """

    async def idle_limit_keys(self, before: int, after: str, limit: int) -> list[str]:
        """Up to ``limit`` ids of lines of limits by key, after ``after``, that no place and no
        waiter needs, and whose rate was not used since ``before``. Only reads.
        """

    async def erase_limit_keys(self, shift: Shift, ids: Collection[str], before: int) -> int | None:
        """Delete those of these lines that are still idle. Returns their number."""

    async def give_back(self, limit: int) -> int | None:
        """Give free space of the database back to the system, at most ``limit`` pages. Returns the
        number of bytes, 0 when there is no more to give, None if the database does so by itself or
        cannot.
        """
