"""Rows of schedules in a batch: ticks and their runs, and runs that waited behind others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from cloaca_core.features.follow_ups.sql import FollowUpQueries
from cloaca_core.features.schedules.records import (
    CANCELLATIONS,
    FIRINGS,
    TICKS,
    Cancellation,
    Firing,
    NewTick,
)
from cloaca_core.features.schedules.sql import ScheduleQueries
from cloaca_core.store.sql.commit_part import Array, CommitPart, Locks, Steps
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.payloads import Payloads
from cloaca_core.values.states import ReasonCode

if TYPE_CHECKING:
    from cloaca_core.store.batch import Batch
    from cloaca_core.store.sql.base import Queries

_RUN_ID: Final[Callable[[NewTick], str | None]] = attrgetter("run_id")


class ScheduleCommit:
    """A runner that queues a run behind another, and a runner that ends the other run, take turns
    by the row of the schedule.
    """

    def __init__(self, queries: Queries, array: Array) -> None:
        self._array = array
        self._payloads = Payloads(queries.payloads)
        self._follow_ends = queries.of(FollowUpQueries).follow_ends
        self._q = q = queries.of(ScheduleQueries)
        self._tick_row = q.insert_tick.binder(NewTick._fields)
        self._dropped_row = q.take_dropped_tick.binder(NewTick._fields)
        self._tick_run_row = q.insert_tick_run.binder(NewTick._fields)
        self._cancelled_row = q.cancel_run.binder(Cancellation._fields)
        self._lost_row = q.insert_lost.binder(Firing._fields)
        self._advance_row = q.advance_schedule.binder(Firing._fields)
        self._outdated_row = q.outdate_schedule.binder(NewTick._fields)

    def part(self) -> CommitPart:
        q = self._q
        return CommitPart(
            kinds=frozenset((FIRINGS, TICKS, CANCELLATIONS)),
            after_ends=True,
            lock=q.lock_schedules,
            locks=self._locks,
            insert=self._insert,
            succession=self._succession,
            ended=[q.start_next],
            cancelled=[q.start_after_cancelled],
        )

    def _locks(self, batch: Batch) -> Locks:
        ids = {each.schedule_id for each in batch.of(FIRINGS)}
        ids |= {each.schedule_id for each in batch.of(TICKS)}
        ids |= {end.schedule_id for end in batch.ends if end.schedule_id is not None}
        return Locks(ids, runs={each.id for each in batch.of(CANCELLATIONS)})

    def _insert(self, batch: Batch) -> Steps:
        q, firings, ticks = self._q, batch.of(FIRINGS), batch.of(TICKS)
        steps: Steps = {}
        if ticks:
            steps |= self._tick_steps(ticks)
        if lost := [firing for firing in firings if firing.lost]:
            steps["lost"] = Step(q.insert_lost, rows=list(map(self._lost_row, lost)))
        if firings:
            steps["advance"] = Step(q.advance_schedule, rows=list(map(self._advance_row, firings)))
        if newest := _newest_filled(ticks):
            rows = list(map(self._outdated_row, newest))
            steps["outdated"] = Step(q.outdate_schedule, rows=rows)
        return steps

    def _tick_steps(self, ticks: Sequence[NewTick]) -> Steps:
        q = self._q
        steps = {"ticks": Step(q.insert_tick, rows=list(map(self._tick_row, ticks)))}
        if filled := [tick for tick in ticks if tick.generation is None]:
            rows = list(map(self._dropped_row, filled))
            steps["dropped"] = Step(q.take_dropped_tick, rows=rows)
        if made := [tick for tick in ticks if tick.run_id is not None]:
            in_row, inputs = self._payloads.split_inputs(made, _RUN_ID)
            rows = list(map(self._tick_run_row, in_row))
            steps["tick_runs"] = Step(q.insert_tick_run, rows=rows)
            if inputs is not None:
                steps["tick_inputs"] = inputs
        return steps

    def _succession(self, batch: Batch) -> Steps:
        q, cancellations = self._q, batch.of(CANCELLATIONS)
        steps: Steps = {}
        if cancellations:
            rows = list(map(self._cancelled_row, cancellations))
            steps["cancelled"] = Step(q.cancel_run, rows=rows)
            steps |= self._following_steps(cancellations)
        ended = [end.id for end in batch.ends if end.schedule_id or end.singleton]
        before = [tick.behind for tick in batch.of(TICKS) if tick.behind is not None]
        if ids := ended + before:
            params = q.start_next.bind(ids=self._array(ids))
            steps["next"] = Step(q.start_next, params)
        return steps

    def _following_steps(self, cancellations: Sequence[Cancellation]) -> Steps:
        """One step for each instant, of which there is nearly always one."""
        follow = self._follow_ends
        steps: Steps = {}
        for now in sorted({each.ended_at for each in cancellations}):
            ids = [each.id for each in cancellations if each.ended_at == now]
            code = ReasonCode.CANCELLED_BY_SCHEDULE.value
            params = follow.bind(ids=self._array(ids), now=now, reason_code=code)
            steps[f"following at {now}"] = Step(follow, params)
        return steps


def _newest_filled(ticks: Sequence[NewTick]) -> Sequence[NewTick]:
    """The newest tick of each schedule that is back-filled."""
    filled = [tick for tick in ticks if tick.generation is None]
    in_order = sorted(filled, key=lambda tick: tick.tick)
    return list({tick.schedule_id: tick for tick in in_order}.values())
