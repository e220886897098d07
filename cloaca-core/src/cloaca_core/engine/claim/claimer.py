"""Claims runs from the table, as many as this runner has places for, and starts or resumes them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeAlias

from cloaca_core.engine.execute.slot_queue import AGED_SHARE
from cloaca_core.engine.orchestrate.adoption import NO_PAST, PastRows
from cloaca_core.engine.runtime import failpoints
from cloaca_core.run.rows import RunRow

if TYPE_CHECKING:
    from cloaca_core.definition.registry import Registry
    from cloaca_core.engine.claim.fair_share import FairShare
    from cloaca_core.engine.claim.orphans import Orphans
    from cloaca_core.engine.claim.unserved_runs import UnservedRuns
    from cloaca_core.engine.claim.version_check import Checked, VersionCheck
    from cloaca_core.engine.orchestrate.active_runs import Capacity
    from cloaca_core.engine.orchestrate.adoption import Adoption
    from cloaca_core.engine.orchestrate.served import Served
    from cloaca_core.engine.recover.lease import Lease
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.store.protocol import KernelStore
    from cloaca_core.values.times.clock import Clock

CLAIM_SHARE: Final = 4
"""A claim waits until 1/4 of the places are free: one statement for many runs."""
CLAIM_PATIENCE: Final = 0.05
CHOOSING: Final = 0.1
"""Seconds until the next claim after a claim that left claimable runs. Another runner had locked
them while it chose its own, and sends no notification about the runs that it did not take.
"""
STILL_COMING: Final = 60.0
"""Seconds after which a claim whose answer was lost can no longer be granted: no network and no
server timeout lets a transaction wait longer.
"""

ReadPast: TypeAlias = Callable[[Mapping[str, PastRows]], Awaitable[None]]
"""Reads the rows of a feature for claimed runs that had an owner before, and adds them to their
past.
"""


class Claimer:
    """Belongs to the engine's loop. ``patience`` is the number of seconds for which a claim waits
    for more places, once one is free. ``past`` reads the rows of features with claimed runs.
    ``looked`` is called with the number of runs that each claim has found.
    """

    def __init__(
        self,
        store: KernelStore,
        lease: Lease,
        capacity: Capacity,
        share: FairShare,
        served: Served,
        registry: Registry,
        adoption: Adoption,
        past: Sequence[ReadPast],
        orphans: Orphans,
        unserved: UnservedRuns,
        versions: VersionCheck,
        stop_with_parents: Callable[[Collection[str]], Awaitable[set[str]]],
        clock: Clock,
        looked: Callable[[int], None],
        subjects: Subjects,
    ) -> None:
        self._store = store
        self._lease = lease
        self._capacity = capacity
        self._share = share
        self._served = served
        self._registry = registry
        self._adoption = adoption
        self._past_of_features = past
        self._orphans = orphans
        self._unserved = unserved
        self._versions = versions
        self._stop_if_parent_stopped = stop_with_parents
        self._looked = looked
        self._clock = clock
        self.patience: float = CLAIM_PATIENCE
        self._claimed: list[RunRow] = []
        self._places_given = 0
        self._claiming = asyncio.Lock()
        self._more = asyncio.Event()
        self._more.set()
        subjects.claimable.subscribe(self.wake)
        subjects.claimable_here.subscribe(self.wake)
        subjects.definitions.subscribe(self.wake)
        subjects.orphans_suspected.subscribe(self.suspect)

    async def pause(self) -> None:
        """Stop claiming. When this returns, no claim is under way."""
        self._capacity.paused = True
        async with self._claiming:
            pass

    def wake(self) -> None:
        """There may be runs to claim."""
        self._more.set()

    async def turn(self) -> None:
        """Claim once there is something to claim and room for a good number of runs."""
        await self._begin_claimed()  # first: runs that a failed turn left would look like orphans
        await self._more.wait()
        await self._orphans.give_back()
        await self._capacity.wait_until(lambda: self._has_places(1))
        with suppress(TimeoutError):
            async with asyncio.timeout(self.patience):
                share = self._capacity.most // CLAIM_SHARE
                await self._capacity.wait_until(lambda: self._has_places(share))
        await self._capacity.wait_until(lambda: self._share.most() >= 1)
        self._more.clear()
        try:
            await self._orphans.give_back()  # those suspected while there was no room
            async with self._claiming:
                await self._claim_some()
        except Exception:
            self.wake()  # the claim failed: the runs are still there
            raise

    def _has_places(self, count: int) -> bool:
        return not self._capacity.paused and self._capacity.free() >= count

    async def _claim_some(self) -> None:
        workflows = self._registry.namespaces()
        limit = min(self._capacity.free(), self._share.most())
        self._share.claim_begins()
        if self._capacity.paused or limit < 1:
            self.wake()  # the room is gone meanwhile; the runs are still there
            return
        await self._unserved.claim_again()
        if not workflows or not self._served.has_room() or not await self._is_worth_it(workflows):
            self._looked(0)
            return
        limit = self._served.most(limit)
        count = await self._claim(workflows, limit, self._served.names)
        if count == limit:
            self.wake()
        elif self._served.has_room() and await self._has_claimable(workflows):
            asyncio.get_running_loop().call_later(CHOOSING, self.wake)
        self._looked(count)

    async def _is_worth_it(self, workflows: Sequence[str]) -> bool:
        """Look before an idle runner takes a lease. Taking a lease is a write, which wakes the
        other runners of the database; they would do the same in turn, without end.
        """
        return not self._lease.is_idle() or await self._has_claimable(workflows)

    async def _has_claimable(self, workflows: Sequence[str]) -> bool:
        queues = self._served.names
        return await self._store.has_claimable(self._lease.runner_id.current, workflows, queues)

    async def _claim(
        self, workflows: Sequence[str], limit: int, queues: Collection[str] | None
    ) -> int:
        self._lease.need()
        if not self._lease.is_fresh():
            await self._lease.refresh()
        with self._capacity.reserving(limit):
            try:
                runner_id, now = self._lease.runner_id.current, self._clock.wall()
                aged = (self._places_given + limit) // AGED_SHARE
                rows = await self._store.claim(runner_id, workflows, limit, now, aged, queues)
                in_turn = sorted(rows, key=_turn)
                self._capacity.reserve(len(rows))
            except Exception:
                self._suspect_for_long()
                raise
            self._claimed += in_turn
            self._places_given = (self._places_given + len(rows)) % AGED_SHARE
        failpoints.hit("claim.after_commit")
        await self._begin_claimed()
        return len(rows)

    async def _begin_claimed(self) -> None:
        """Start or resume claimed runs, and release those whose workflow is no longer registered.

        This runner owns the rows from the claim on, so they are kept until this has succeeded. Runs
        claimed under an id that has since been declared dead belong to another runner.
        """
        if not self._claimed:
            return
        past = await self._past(self._claimed)
        await self._stop_with_parents(past)
        if lacking := await self._unserved.release(self._claimed, past):
            self._drop(lacking)
        checked = await self._versions.of(self._claimed, past)
        mine = [each for each in checked if each.row.owner == self._lease.runner_id.current]
        self._capacity.unreserve(len(self._claimed))
        self._claimed = []  # first: none of them is begun twice
        try:
            resumed = [self._resume(each, past.get(each.row.id, NO_PAST)) for each in mine]
        except Exception:
            self.suspect()
            raise
        if not all(resumed):
            self.suspect()

    async def _stop_with_parents(self, past: Mapping[str, PastRows]) -> None:
        """Cancel or pause claimed children whose parent is being cancelled with its children, was
        cancelled so, or is paused; then release them, like orphans. Not checked are children of
        which a task has begun, unless a runner died that had them: an earlier owner has checked
        them, and the cancel may have been on its way to the one that died. A child that was
        restarted by itself is resumed. Children of those that are stopped now are looked at again.
        """
        new = [
            row.id
            for row in self._claimed
            if row.parent_id is not None
            and row.round == 1
            and (row.recoveries or not past.get(row.id, NO_PAST).attempts)
        ]
        while new and (stopped := await self._stop_if_parent_stopped(new)):
            self._drop(stopped)
            new = [run_id for run_id in new if run_id not in stopped]

    def _drop(self, run_ids: Collection[str]) -> None:
        """Do not start these claimed runs. Those that this runner still owns are released."""
        left = [row for row in self._claimed if row.id not in run_ids]
        self._orphans.suspect()  # first: they are dropped here, and owned in the table
        self._capacity.unreserve(len(run_ids))
        self._claimed = left
        self.wake()

    def suspect(self) -> None:
        """There may be orphans: release them before the next claim."""
        self._orphans.suspect()
        self.wake()

    def _suspect_for_long(self) -> None:
        """As ``suspect``, after an answer was lost: the claim may still be granted later."""
        self.suspect()
        asyncio.get_running_loop().call_later(STILL_COMING, self.suspect)

    async def fitting(self, run_ids: Collection[str]) -> list[str]:
        """The runs, of those that wait for a runner, that fit the versions registered here."""
        found = [await self._store.get_run(run_id) for run_id in run_ids]
        rows = [row for row in found if row is not None]
        return await self._unserved.fitting(rows, await self._past(rows))

    async def _past(self, rows: Sequence[RunRow]) -> dict[str, PastRows]:
        """The records of the runs that had an owner before."""
        before = [row for row in rows if row.epoch > 1]
        known = self._registry.get
        past = {row.id: PastRows.none(known(row.workflow)) for row in before}
        if before:
            for attempt in await self._store.load_attempts(list(past)):
                past[attempt.run_id].attempts.append(attempt)
        if again := [row.id for row in before if row.round > 1]:
            for restart in await self._store.restarts(again):
                past[restart.run_id].restarts.append(restart)
        if before:
            for read in self._past_of_features:
                await read(past)
        return past

    def _resume(self, claimed: Checked, past: PastRows) -> bool:
        """Start or resume a claimed run. False when its workflow is no longer registered."""
        workflow = self._registry.get(claimed.row.workflow)
        if workflow is None:
            return False
        self._adoption.resume(workflow, claimed.row, past, claimed.refusal)
        return True


def _turn(row: RunRow) -> tuple[int, int]:
    """Claimed runs start in the order of their priorities, then of the instants at which they
    became claimable.
    """
    return -row.priority, row.claimable_at
