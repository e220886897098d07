"""Schedules and their ticks in SQL."""

from __future__ import annotations

from collections.abc import Collection

from cloaca_core.records.schedules import ScheduleRow, TickRow
from cloaca_core.store.sql.base import SqlPart
from cloaca_core.store.sql.queries import Row


class SqlSchedules(SqlPart):
    """The operations on schedules. Contracts: see ``ScheduleStore``."""

    async def put_schedule(self, schedule: ScheduleRow) -> str:
        put = self._queries.schedules.put_schedule
        values = schedule._asdict()
        given = {name: values[name] for name in put.parameters}
        ((schedule_id,),) = await self._write(put, **given)
        return str(schedule_id)

    async def get_schedule(self, schedule_id: str) -> ScheduleRow | None:
        rows = await self._read(self._queries.schedules.get_schedule, id=schedule_id)
        return _schedule(rows[0]) if rows else None

    async def get_schedule_named(self, name: str) -> ScheduleRow | None:
        rows = await self._read(self._queries.schedules.get_schedule_named, name=name)
        return _schedule(rows[0]) if rows else None

    async def list_schedules(
        self, *, enabled_only: bool, limit: int, offset: int
    ) -> list[ScheduleRow]:
        rows = await self._read(
            self._queries.schedules.list_schedules,
            enabled_only=int(enabled_only),
            limit=limit,
            offset=offset,
        )
        return list(map(_schedule, rows))

    async def retime_schedule(self, schedule: ScheduleRow) -> bool:
        retime = self._queries.schedules.retime_schedule
        values = schedule._asdict()
        return bool(await self._write(retime, **{name: values[name] for name in retime.parameters}))

    async def delete_schedule(self, schedule_id: str) -> None:
        await self._write(self._queries.schedules.delete_schedule, id=schedule_id)

    async def next_due(self, workflows: Collection[str]) -> int | None:
        wanted = self._dialect.array(workflows)
        ((due_at,),) = await self._read(self._queries.schedules.next_due, workflows=wanted)
        return None if due_at is None else int(due_at)

    async def due_schedules(
        self, workflows: Collection[str], now: int, limit: int
    ) -> list[ScheduleRow]:
        rows = await self._read(
            self._queries.schedules.due_schedules,
            workflows=self._dialect.array(workflows),
            now=now,
            limit=limit,
        )
        return list(map(_schedule, rows))

    async def schedules_ahead(
        self, workflows: Collection[str], now: int, edge: int, limit: int
    ) -> list[tuple[ScheduleRow, int | None]]:
        rows = await self._read(
            self._queries.schedules.schedules_ahead,
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
            self._queries.schedules.list_under_way, schedule_ids=wanted
        ):
            found.setdefault(schedule_id, []).append(run_id)
        return found

    async def list_ticks(self, schedule_id: str, *, limit: int, offset: int) -> list[TickRow]:
        rows = await self._read(
            self._queries.schedules.list_ticks, schedule_id=schedule_id, limit=limit, offset=offset
        )
        return list(map(TickRow._make, rows))

    async def find_ticks(self, schedule_id: str, ticks: Collection[int]) -> list[TickRow]:
        wanted = self._dialect.array(ticks)
        rows = await self._read(
            self._queries.schedules.find_ticks, schedule_id=schedule_id, ticks=wanted
        )
        return list(map(TickRow._make, rows))

    async def count_ticks(self, since: int) -> tuple[int, int]:
        ((fired, lost),) = await self._read(self._queries.schedules.count_ticks, since=since)
        return int(fired), int(lost)


def _schedule(row: Row) -> ScheduleRow:
    schedule = ScheduleRow._make(row)
    return schedule._replace(enabled=bool(schedule.enabled))
