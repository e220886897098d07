"""Schedules and their ticks in SQL."""

from __future__ import annotations

from collections.abc import Collection

from cloaca_core.features.schedules.records import ScheduleRow, TickRow
from cloaca_core.store.acts import ActRow
from cloaca_core.store.changes import Change
from cloaca_core.store.sql.base import Queries, SqlPart, Statements, of_act
from cloaca_core.store.sql.dialect import Dialect, Step, steps_of
from cloaca_core.store.sql.queries import Row, Statement
from cloaca_core.values.queue_names import DEFAULT_QUEUE


class ScheduleQueries(
    Statements,
    file="schedules.sql",
    news={
        "put_schedule": Change.ANYTHING,
        "change_schedule": Change.ANYTHING,
        "note_schedule_act": Change.ANYTHING,
        "insert_tick_run": Change.RUNS,
        "cancel_run": Change.RUNS,
    },
):
    """Schedules, their ticks, and the runs that these make."""

    lock_schedules: Statement
    insert_tick: Statement
    take_dropped_tick: Statement
    insert_tick_run: Statement
    insert_lost: Statement
    advance_schedule: Statement
    outdate_schedule: Statement
    cancel_run: Statement
    start_next: Statement
    start_after_cancelled: Statement
    note_put_schedule: Statement
    note_schedule_act: Statement
    put_schedule: Statement
    get_schedule: Statement
    get_schedule_named: Statement
    list_schedules: Statement
    change_schedule: Statement
    delete_schedule: Statement
    next_due: Statement
    due_schedules: Statement
    schedules_ahead: Statement
    list_under_way: Statement
    list_ticks: Statement
    find_ticks: Statement
    count_ticks: Statement


class SqlSchedules(SqlPart):
    """The operations on schedules. Contracts: see ``ScheduleStore``."""

    def __init__(self, dialect: Dialect, queries: Queries) -> None:
        super().__init__(dialect, queries)
        self._schedules = queries.of(ScheduleQueries)

    async def put_schedule(self, schedule: ScheduleRow, act: ActRow | None = None) -> str:
        q, known = self._schedules, schedule._asdict()
        steps = [Step.of(q.put_schedule, known)]
        if act is not None:
            known["ids"] = self._dialect.array([schedule.id])
            steps = steps_of([q.lock_schedules, q.note_put_schedule], known | of_act(act)) + steps
        answers = await self._dialect.write([*steps, *self._queue_of(schedule)])
        ((schedule_id,),) = answers[len(steps) - 1]
        return str(schedule_id)

    async def get_schedule(self, schedule_id: str) -> ScheduleRow | None:
        rows = await self._read(self._schedules.get_schedule, id=schedule_id)
        return _schedule(rows[0]) if rows else None

    async def get_schedule_named(self, name: str) -> ScheduleRow | None:
        rows = await self._read(self._schedules.get_schedule_named, name=name)
        return _schedule(rows[0]) if rows else None

    async def list_schedules(
        self, *, enabled_only: bool, limit: int, offset: int
    ) -> list[ScheduleRow]:
        rows = await self._read(
            self._schedules.list_schedules,
            enabled_only=int(enabled_only),
            limit=limit,
            offset=offset,
        )
        return list(map(_schedule, rows))

    async def change_schedule(self, schedule: ScheduleRow, act: ActRow | None = None) -> bool:
        change = Step.of(self._schedules.change_schedule, schedule._asdict())
        noted = self._noted(schedule.id, schedule.generation, act)
        answers = await self._dialect.write([*noted, change, *self._queue_of(schedule)])
        return bool(answers[len(noted)])

    def _queue_of(self, schedule: ScheduleRow) -> list[Step]:
        """The step that notes the queue of a schedule for its workflow, if it is to be noted. It
        comes after the lock of the schedule: so it does where runs of a schedule end.
        """
        if schedule.queue is None or schedule.queue == DEFAULT_QUEUE:
            return []
        return [self._noting([(schedule.workflow, schedule.queue)])]

    async def delete_schedule(self, schedule_id: str, act: ActRow | None = None) -> None:
        delete = self._schedules.delete_schedule
        noted = self._noted(schedule_id, None, act)
        await self._dialect.write([*noted, Step(delete, delete.bind(id=schedule_id))])

    async def note_on_schedule(self, schedule_id: str, act: ActRow) -> None:
        await self._dialect.write(self._noted(schedule_id, None, act))

    def _noted(self, schedule_id: str, generation: int | None, act: ActRow | None) -> list[Step]:
        """The steps that note an act on a schedule, in a generation or any."""
        if act is None:
            return []
        q, ids = self._schedules, self._dialect.array([schedule_id])
        known = {"id": schedule_id, "ids": ids, "generation": generation, **of_act(act)}
        return steps_of([q.lock_schedules, q.note_schedule_act], known)

    async def next_due(self, workflows: Collection[str]) -> int | None:
        wanted = self._dialect.array(workflows)
        ((due_at,),) = await self._read(self._schedules.next_due, workflows=wanted)
        return None if due_at is None else int(due_at)

    async def due_schedules(
        self, workflows: Collection[str], now: int, limit: int
    ) -> list[ScheduleRow]:
        rows = await self._read(
            self._schedules.due_schedules,
            workflows=self._dialect.array(workflows),
            now=now,
            limit=limit,
        )
        return list(map(_schedule, rows))

    async def schedules_ahead(
        self, workflows: Collection[str], now: int, edge: int, limit: int
    ) -> list[tuple[ScheduleRow, int | None]]:
        rows = await self._read(
            self._schedules.schedules_ahead,
            workflows=self._dialect.array(workflows),
            now=now,
            edge=edge,
            limit=limit,
        )
        return [(_schedule(row[:-1]), row[-1]) for row in rows]

    async def list_under_way(self, schedule_ids: Collection[str]) -> dict[str, list[str]]:
        wanted = self._dialect.array(schedule_ids)
        found: dict[str, list[str]] = {}
        for schedule_id, run_id in await self._read(
            self._schedules.list_under_way, schedule_ids=wanted
        ):
            found.setdefault(schedule_id, []).append(run_id)
        return found

    async def list_ticks(self, schedule_id: str, *, limit: int, offset: int) -> list[TickRow]:
        rows = await self._read(
            self._schedules.list_ticks, schedule_id=schedule_id, limit=limit, offset=offset
        )
        return list(map(TickRow._make, rows))

    async def find_ticks(self, schedule_id: str, ticks: Collection[int]) -> list[TickRow]:
        wanted = self._dialect.array(ticks)
        rows = await self._read(self._schedules.find_ticks, schedule_id=schedule_id, ticks=wanted)
        return list(map(TickRow._make, rows))

    async def count_ticks(self, since: int) -> tuple[int, int]:
        ((fired, lost),) = await self._read(self._schedules.count_ticks, since=since)
        return int(fired), int(lost)


def _schedule(row: Row) -> ScheduleRow:
    schedule = ScheduleRow._make(row)
    return schedule._replace(enabled=bool(schedule.enabled))
