"""The part of the store contract that is about schedules, as plain Python over dicts."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from model.memory_acts import MemoryActs

from cloaca_core.features.schedules.records import (
    CANCELLATIONS,
    FIRINGS,
    TICKS,
    Firing,
    NewTick,
    ScheduleRow,
    TickRow,
)
from cloaca_core.run.rows import NewRun, RunRow
from cloaca_core.store.acts import ActRow
from cloaca_core.store.batch import Batch
from cloaca_core.values.states import ReasonCode, RunStatus


def _wall_clock() -> int:
    return time.time_ns() // 1000


class MemorySchedules(MemoryActs):
    """Part of ``MemoryStore``; ``wall_clock`` may be a test's own."""

    def __init__(self) -> None:
        self.wall_clock: Callable[[], int] = _wall_clock
        self.schedules: dict[str, ScheduleRow] = {}
        self.ticks: dict[tuple[str, int], TickRow] = {}
        self.lost: dict[tuple[str, int], Firing] = {}
        self.runs: dict[str, RunRow] = {}
        self.behind: dict[str, str] = {}
        self.queues: set[tuple[str, str]] = set()

    def follow_recorded(self, run_id: str) -> None:
        """Insert what follows a run that has ended."""
        raise NotImplementedError

    def mark_children(self, run: RunRow, deadline: int) -> None:
        """Note that the children of a run that was cancelled are to be."""
        raise NotImplementedError

    def decide(self, batch: Batch) -> list[NewTick]:
        """Write decisions as far as they are about what is there; the ticks that have runs."""
        due = [each for each in batch.of(FIRINGS) if self._is_as_seen(each)]
        for tick in batch.of(TICKS):
            if self._is_to_be_decided(tick):
                row = TickRow(
                    tick.schedule_id, tick.tick, tick.run_id, tick.outcome, tick.created_at
                )
                there = self.ticks.setdefault((tick.schedule_id, tick.tick), row)
                if tick.generation is None and there.run_id is None:
                    self.ticks[tick.schedule_id, tick.tick] = row
        for each in due:
            if each.lost:
                self.lost.setdefault((each.schedule_id, each.decided_until), each)
            self._advance(each)
        self._outdate([tick for tick in batch.of(TICKS) if tick.generation is None])
        return [tick for tick in batch.of(TICKS) if self._is_fired(tick)]

    def _outdate(self, filled: list[NewTick]) -> None:
        """Void decisions that did not know of these ticks, which are still to come."""
        for schedule_id in {tick.schedule_id for tick in filled} & self.schedules.keys():
            row = self.schedules[schedule_id]
            newest = max(tick.tick for tick in filled if tick.schedule_id == schedule_id)
            if row.enabled and row.decided_until < newest:
                self.schedules[schedule_id] = row._replace(generation=row.generation + 1)

    def _is_as_seen(self, seen: Firing | NewTick) -> bool:
        row = self.schedules.get(seen.schedule_id)
        return row is not None and row.enabled and row.generation == seen.generation

    def _is_to_be_decided(self, tick: NewTick) -> bool:
        row = self.schedules.get(tick.schedule_id)
        if row is None or tick.tick <= (-1 if row.pruned_until is None else row.pruned_until):
            return False
        if tick.generation is None:
            return True
        return self._is_as_seen(tick)

    def _is_fired(self, tick: NewTick) -> bool:
        row = self.ticks.get((tick.schedule_id, tick.tick))
        return row is not None and row.run_id is not None and row.run_id == tick.run_id

    def make_way(self, batch: Batch) -> None:
        """End the runs that make way for those of ticks that are there."""
        for each in batch.of(CANCELLATIONS):
            run, tick = self.runs.get(each.id), self.ticks.get((each.schedule_id, each.tick))
            if run is None or run.ended_at is not None:
                continue
            if tick is not None and tick.run_id == each.tick_run:
                self.behind.pop(run.id, None)
                self.runs[run.id] = run._replace(
                    status=RunStatus.CANCELLED,
                    final_context=run.input,
                    error_message=each.error_message,
                    steer_reason=each.error_message,
                    ended_at=each.ended_at,
                    reason_code=ReasonCode.CANCELLED_BY_SCHEDULE,
                    owner=None,
                    epoch=run.epoch + 1,
                    due_at=None,
                )
                self.mark_children(run, each.children_at)
                self.follow_recorded(run.id)

    def start_next(self) -> None:
        """Let go of what waits behind no run that is under way, unless it meets an earlier one."""
        for waiting, before in list(self.behind.items()):
            run = self.runs.get(before)
            if run is None or run.ended_at is not None:
                del self.behind[waiting]
                if earlier := self._met(waiting):
                    self.behind[waiting] = earlier[-1]

    def _met(self, waiting: str) -> list[str]:
        """The runs of its singleton key that are earlier and have not ended, or those of its
        schedule; none if that is gone.
        """
        run = self.runs[waiting]
        if run.singleton_key is not None:
            key = (run.workflow, run.singleton_key)
            return [
                each.id
                for each in sorted(self.runs.values(), key=lambda each: (each.created_at, each.id))
                if (each.workflow, each.singleton_key) == key
                and each.ended_at is None
                and (each.created_at, each.id) < (run.created_at, run.id)
            ]
        if run.schedule_id not in self.schedules:
            return []
        earlier = [
            other
            for other in self.runs.values()
            if (other.schedule_id, other.workflow) == (run.schedule_id, run.workflow)
            and other.ended_at is None
            and (other.created_at, other.id) < (run.created_at, run.id)
        ]
        return [other.id for other in sorted(earlier, key=lambda each: (each.created_at, each.id))]

    def _advance(self, each: Firing) -> None:
        row = self.schedules[each.schedule_id]
        self.schedules[row.id] = row._replace(
            decided_until=each.decided_until,
            next_tick=each.next_tick,
            due_at=each.due_at,
            last_tick=row.last_tick if each.last_tick is None else each.last_tick,
            generation=row.generation + 1,
        )

    async def now(self) -> int:
        return self.wall_clock()

    def wall(self) -> int:
        return self.wall_clock()

    async def put_schedule(self, schedule: ScheduleRow, act: ActRow | None = None) -> str:
        if schedule.queue is not None:
            self.queues.add((schedule.workflow, schedule.queue))
        there = None if schedule.name is None else await self.get_schedule_named(schedule.name)
        if there is None or _settings(there) != _settings(schedule):
            self.note_act(act)
        if there is None:
            self.schedules[schedule.id] = schedule
            return schedule.id
        kept = there if _ticks(there) == _ticks(schedule) else schedule
        is_moved = kept is there and there.jitter_seconds != schedule.jitter_seconds
        if is_moved and there.due_at is not None:
            kept = kept._replace(due_at=min(there.due_at, schedule.created_at))
        self.schedules[there.id] = schedule._replace(
            id=there.id,
            enabled=there.enabled,
            last_tick=there.last_tick,
            pruned_until=there.pruned_until,
            created_at=there.created_at,
            generation=there.generation + 1,
            decided_until=kept.decided_until,
            next_tick=kept.next_tick,
            due_at=kept.due_at,
        )
        return there.id

    async def get_schedule(self, schedule_id: str) -> ScheduleRow | None:
        return self.schedules.get(schedule_id)

    async def get_schedule_named(self, name: str) -> ScheduleRow | None:
        return next((row for row in self.schedules.values() if row.name == name), None)

    async def list_schedules(
        self, *, enabled_only: bool, limit: int, offset: int
    ) -> list[ScheduleRow]:
        rows = [row for row in self.schedules.values() if row.enabled or not enabled_only]
        return sorted(rows, key=lambda row: (row.workflow, row.id))[offset : offset + limit]

    async def change_schedule(self, schedule: ScheduleRow, act: ActRow | None = None) -> bool:
        if schedule.queue is not None:
            self.queues.add((schedule.workflow, schedule.queue))
        row = self.schedules.get(schedule.id)
        if row is None or row.generation != schedule.generation:
            return False
        self.note_act(act)
        self.schedules[row.id] = schedule._replace(
            name=row.name,
            last_tick=row.last_tick,
            created_at=row.created_at,
            pruned_until=row.pruned_until,
            generation=row.generation + 1,
        )
        return True

    async def delete_schedule(self, schedule_id: str, act: ActRow | None = None) -> None:
        if self.schedules.pop(schedule_id, None) is not None:
            self.note_act(act)

    async def note_on_schedule(self, schedule_id: str, act: ActRow) -> None:
        if schedule_id in self.schedules:
            self.note_act(act)

    async def next_due(self, workflows: Collection[str]) -> int | None:
        return min((due_at for due_at, _ in self._due(workflows)), default=None)

    async def schedules_ahead(
        self, workflows: Collection[str], now: int, edge: int, limit: int
    ) -> list[tuple[ScheduleRow, int | None]]:
        ahead = [
            row
            for _, row in sorted(self.schedules.items())
            if row.workflow in workflows and row.enabled and row.decided_until > edge
        ]
        return [(row, self._newest_tick(row.id, now)) for row in ahead[:limit]]

    def _newest_tick(self, schedule_id: str, now: int) -> int | None:
        ticks = [tick for owner, tick in self.ticks if owner == schedule_id and tick <= now]
        return max(ticks, default=None)

    async def due_schedules(
        self, workflows: Collection[str], now: int, limit: int
    ) -> list[ScheduleRow]:
        due = [(due_at, row.id, row) for due_at, row in self._due(workflows) if due_at <= now]
        return [row for _, _, row in sorted(due)[:limit]]

    def _due(self, workflows: Collection[str]) -> list[tuple[int, ScheduleRow]]:
        return [
            (row.due_at, row)
            for row in self.schedules.values()
            if row.enabled and row.workflow in workflows and row.due_at is not None
        ]

    async def list_under_way(self, schedule_ids: Collection[str]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for run in sorted(self.runs.values(), key=lambda run: (run.created_at, run.id)):
            schedule = self.schedules.get(str(run.schedule_id))
            if schedule is None or schedule.id not in schedule_ids:
                continue
            if run.ended_at is None and run.workflow == schedule.workflow:
                found.setdefault(schedule.id, []).append(run.id)
        return found

    async def list_ticks(self, schedule_id: str, *, limit: int, offset: int) -> list[TickRow]:
        rows = [row for row in self.ticks.values() if row.schedule_id == schedule_id]
        return sorted(rows, key=lambda row: -row.tick)[offset : offset + limit]

    async def find_ticks(self, schedule_id: str, ticks: Collection[int]) -> list[TickRow]:
        found = [self.ticks.get((schedule_id, tick)) for tick in sorted(set(ticks))]
        return [row for row in found if row is not None]

    async def count_ticks(self, since: int) -> tuple[int, int]:
        decided = [row for row in self.ticks.values() if row.created_at >= since]
        fired = [row for row in decided if row.run_id is not None]
        lost = sum(each.lost for each in self.lost.values() if each.decided_at >= since)
        return len(fired), len(decided) - len(fired) + lost


def _settings(row: ScheduleRow) -> ScheduleRow:
    """The row with what its settings are alone."""
    return row._replace(
        id="",
        enabled=True,
        decided_until=0,
        next_tick=None,
        due_at=None,
        last_tick=None,
        generation=0,
        created_at=0,
        updated_at=0,
        pruned_until=None,
    )


def _ticks(row: ScheduleRow) -> tuple[object, ...]:
    return row.cron_expression, row.timezone, row.start_date, row.end_date


def run_of(tick: NewTick, run_id: str) -> NewRun:
    """The run of a tick, without an owner."""
    return NewRun(
        id=run_id,
        workflow=tick.workflow,
        version=tick.version,
        input=tick.input,
        tags="{}",
        idempotency_key=None,
        parent_id=None,
        owner=None,
        created_at=tick.created_at,
        time_limit=tick.time_limit,
        asked_queue=tick.asked_queue,
    )
