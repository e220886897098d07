"""Deletes trees of runs, in small transactions with pauses, so that running work is not held up.

A tree is hidden as a whole, and only then deleted. A runner that dies in between leaves hidden
trees behind; the next pruner begins with those. ``cutoffs`` and the store decide which trees are
deleted.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from cloaca_core.engine.runtime import failpoints
from cloaca_core.features.upkeep.batches import MOST_ROWS, Pace, Part, Whole, next_deletion
from cloaca_core.features.upkeep.cutoffs import (
    Rule,
    cutoff_of_deleted_schedules,
    cutoffs,
    usual_retention,
)
from cloaca_core.features.upkeep.records import Shift
from cloaca_core.values.ids import first_id_of
from cloaca_core.values.times.backoff import Backoff

if TYPE_CHECKING:
    from cloaca_core.features.upkeep.part import UpkeepStore
    from cloaca_core.features.upkeep.records import Upkeep
    from cloaca_core.values.ids import RunIds
    from cloaca_core.values.times.clock import Clock

TREES_PER_STEP: Final = 200
"""Trees that are hidden at once."""
PAGES_PER_STEP: Final = 250
"""Pages of a file that are given back at once."""
SHIFT_US: Final = 30_000_000
"""For how long no other runner prunes after the last step of a runner that may have died."""
EVERY_US: Final = 3_600_000_000
"""Between two sweeps of a database."""
_SET_BACK_US: Final = 2 * EVERY_US
"""An instant that is noted for later than this was noted before the clock was set back."""
_CLOCKS_APART_US: Final = 3_600_000_000
"""By how much the clocks of the programs that make ids and end runs may differ."""
_ALWAYS: Final = 2**62


@dataclass(frozen=True, slots=True)
class Pruned:
    """Counts of what a prune has deleted, or would delete. ``bytes`` is None where that is not
    known.
    """

    runs: int = 0
    rows: int = 0
    bytes: int | None = None


class Sweep(NamedTuple):
    """The outcome of a sweep, None if there was none, and the number of seconds until the next may
    be due.
    """

    pruned: Pruned | None
    again_in: float


class ShiftLostError(Exception):
    """Another runner prunes: this one was so slow that it seemed to have died."""


class Pruner:
    """Belongs to the engine's loop. ``usual`` is the usual retention in µs, None for ever, and
    ``was_set`` whether a program has set it. ``pruned`` counts the runs that were deleted.
    """

    def __init__(
        self, store: UpkeepStore, ids: RunIds, clock: Clock, usual: int | None, *, was_set: bool
    ) -> None:
        self._store = store
        self._ids = ids
        self._clock = clock
        self._usual = usual
        self._was_set = was_set
        self.pruned: int = 0

    async def sweep(self) -> Sweep:
        """Delete runs that have passed their retention, if a sweep is due and no other runner does
        it.
        """
        upkeep = await self._store.upkeep()
        now = self._store.wall()
        if now < upkeep.due_at <= now + _SET_BACK_US:
            return Sweep(None, (upkeep.due_at - now) / 1e6)
        holder = self._ids.next()
        pruned = None
        if await self._take(holder, due=now):
            pruned = await self._work(holder, upkeep, self._rule(upkeep), is_whole=True)
        return Sweep(pruned, (SHIFT_US if pruned is None else EVERY_US) / 1e6)

    async def prune(self, before: int | None, workflow: str | None) -> Pruned:
        """Prune now, as soon as no other runner does so."""
        holder, backoff = self._ids.next(), Backoff(0.05, 1.0)
        is_whole = before is None and workflow is None
        while True:
            if await self._take(holder, due=_ALWAYS):
                upkeep = await self._store.upkeep()
                rule = self._rule(upkeep)._replace(before=before, workflow=workflow)
                pruned = await self._work(holder, upkeep, rule, is_whole=is_whole)
                if pruned is not None:
                    return pruned
            await backoff.wait()

    async def count(self, before: int | None, workflow: str | None) -> Pruned:
        """Count what ``prune`` would delete, but for hidden trees. Writes nothing."""
        upkeep = await self._store.upkeep()
        rule = self._rule(upkeep)._replace(before=before, workflow=workflow)
        found = Pruned()
        for workflow_name, instant in cutoffs(
            await self._store.kept_workflows(), rule, self._store.wall()
        ):
            async for roots in _expired(self._store, workflow_name, instant):
                weight = await self._store.weigh_trees(roots)
                found = replace(found, runs=found.runs + weight.runs, rows=found.rows + weight.rows)
        return found

    def _rule(self, upkeep: Upkeep) -> Rule:
        return Rule(usual_retention(self._usual, was_set=self._was_set, keeps_all=upkeep.keeps_all))

    async def _take(self, holder: str, due: int) -> bool:
        now = self._store.wall()
        shift = Shift(holder, now + SHIFT_US)
        return await self._store.take_upkeep(shift, now, due, now + _SET_BACK_US)

    async def _work(
        self, holder: str, upkeep: Upkeep, rule: Rule, *, is_whole: bool
    ) -> Pruned | None:
        """Work for one shift; None if it was lost. A whole sweep puts off the next."""
        due_at = upkeep.due_at
        try:
            pruned = await _Work(self._store, self._clock, holder).prune(rule)
            if is_whole:
                due_at = self._store.wall() + EVERY_US
        except ShiftLostError:
            return None
        finally:
            await self._store.leave_upkeep(holder, due_at)
        self.pruned += pruned.runs
        return pruned


class _Work:
    """The work of one shift, and what it has deleted so far."""

    def __init__(self, store: UpkeepStore, clock: Clock, holder: str) -> None:
        self._store = store
        self._clock = clock
        self._holder = holder
        self._pace = Pace()
        self._done = Pruned()

    async def prune(self, rule: Rule) -> Pruned:
        """Delete the trees that may go, forget old ticks, and give free space back."""
        await self._erase_hidden()  # what a runner that died has left
        now = self._store.wall()
        for workflow, before in cutoffs(await self._store.kept_workflows(), rule, now):
            async for roots in _expired(self._store, workflow, before):
                failpoints.hit("prune.before_hide")
                await self._step(self._store.hide_trees(self._shift(), roots, before, now))
                failpoints.hit("prune.after_hide")
                await self._erase_hidden()
            for schedule_id in await self._store.ticking_schedules(workflow):
                await self._erase_ticks(schedule_id, before)
        if (before_all := cutoff_of_deleted_schedules(rule, now)) is not None:
            for schedule_id in await self._store.deleted_schedules():
                await self._erase_ticks(schedule_id, before_all)
        names = self._store.erase_names(self._shift(), now, _CLOCKS_APART_US)
        await self._step(names)
        await self._erase_limit_keys(now - _CLOCKS_APART_US)
        await self._give_back()
        return self._done

    async def _erase_hidden(self) -> None:
        """Delete the rows of all trees that are hidden."""
        while True:
            doomed = await self._store.doomed_runs(self._pace.rows, MOST_ROWS + 1)
            match next_deletion(doomed, self._pace.rows):
                case None:
                    return
                case Whole(run_ids):
                    rows = await self._step(self._store.erase_runs(self._shift(), run_ids))
                    self._note(len(run_ids), rows)
                case Part(run_id, most):
                    await self._trim(run_id, most)
            failpoints.hit("prune.after_erase")

    async def _trim(self, run_id: str, most: int) -> None:
        """Delete some rows of a run, or the rest when it has none of a kind with many rows."""
        rows = await self._step(self._store.trim_run(self._shift(), run_id, most))
        self._note(0, rows)
        if rows == 0:
            self._note(1, await self._step(self._store.erase_runs(self._shift(), [run_id])))

    async def _erase_ticks(self, schedule_id: str, before: int) -> None:
        while True:
            most = self._pace.rows
            rows = await self._step(
                self._store.erase_ticks(self._shift(), schedule_id, before, most)
            )
            self._note(0, rows)
            if rows < most:
                return

    async def _erase_limit_keys(self, before: int) -> None:
        """Forget keys of limits that are not in use."""
        after = ""
        while ids := await self._store.idle_limit_keys(before, after, self._pace.rows):
            self._note(
                0, await self._step(self._store.erase_limit_keys(self._shift(), ids, before))
            )
            after = ids[-1]

    async def _give_back(self) -> None:
        while True:
            began = self._clock.monotonic()
            given = await self._store.give_back(PAGES_PER_STEP)
            if given is None:
                return
            self._done = replace(self._done, bytes=(self._done.bytes or 0) + given)
            if given == 0:
                return
            await self._rest(began)

    def _note(self, runs: int, rows: int) -> None:
        self._done = replace(self._done, runs=self._done.runs + runs, rows=self._done.rows + rows)

    def _shift(self) -> Shift:
        return Shift(self._holder, self._store.wall() + SHIFT_US)

    async def _step(self, transaction: Awaitable[int | None]) -> int:
        """One transaction, and the pause after it."""
        began = self._clock.monotonic()
        if (answer := await transaction) is None:
            raise ShiftLostError
        await self._rest(began)
        return answer

    async def _rest(self, began: float) -> None:
        await asyncio.sleep(self._pace.rest_after(self._clock.monotonic() - began))


async def _expired(store: UpkeepStore, workflow: str, before: int) -> AsyncIterator[list[str]]:
    """The roots of the trees that may go, page by page."""
    after, newest = "", first_id_of(before + _CLOCKS_APART_US)
    while roots := await store.expired_trees(workflow, before, after, newest, TREES_PER_STEP):
        yield roots
        after = roots[-1]
