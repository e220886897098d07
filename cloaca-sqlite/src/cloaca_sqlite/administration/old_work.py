"""Reads a file that cloaca 0.2 or 0.12 has written. Contracts: see ``OldWork``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Final

from cloaca_core.errors import TransferError
from cloaca_core.features.transfer.old_work import OldRun, OldSchedule, OldTask, Release
from cloaca_core.store.package_files import package_files
from cloaca_core.store.sql.queries import Row, load_statements
from cloaca_core.values.times.instants import from_datetime
from cloaca_sqlite.driver import WORDING, Connection

_TABLES: Final[dict[Release, str]] = {"0.12": "workflow_executions", "0.2": "pipeline_executions"}
_NAMES: Final = [release.replace(".", "") for release in _TABLES]
_SQL: Final = load_statements(
    [package_files(__package__).joinpath("old_work.sql").read_text("utf-8")],
    required=(
        "list_tables",
        *(f"{what}_{release}" for what in ("runs", "tasks", "schedules") for release in _NAMES),
    ),
    wording=WORDING,
)


def release_of(tables: Collection[str]) -> Release | None:
    """Which release makes such tables, if one does."""
    for release, table in _TABLES.items():
        if {table, "contexts", "task_executions"}.issubset(tables):
            return release
    return None


async def _known_release(connection: Connection) -> Release:
    """The release that has made the tables of a file; ``TransferError`` if neither has."""
    sql = _SQL["list_tables"].sql
    rows = await connection.call(lambda raw: raw.execute(sql).fetchall())
    release = release_of([name for (name,) in rows])
    if release is None:
        raise TransferError(f"{connection.raw.place} was not made by cloaca 0.2 or 0.12")
    return release


class SqliteOldWork:
    """Contracts: see ``OldWork``."""

    def __init__(self, connection: Connection, release: Release) -> None:
        self._connection = connection
        self.release: Release = release

    @classmethod
    async def of(cls, connection: Connection) -> SqliteOldWork:
        """The work in the file of an open connection, which is closed after an error."""
        try:
            return cls(connection, await _known_release(connection))
        except BaseException:
            await connection.close()
            raise

    async def runs(self, after: str, limit: int) -> list[OldRun]:
        found = await self._ask("runs", after=after, limit=limit)
        if not found:
            return []
        tasks: dict[str, list[OldTask]] = defaultdict(list)
        for row in await self._ask("tasks", first=found[0][0], last=found[-1][0]):
            tasks[row[0]].append(_task(row))
        return [_run(row, tasks[row[0]]) for row in found]

    async def schedules(self) -> Sequence[OldSchedule]:
        return [_schedule(row) for row in await self._ask("schedules")]

    async def close(self) -> None:
        await self._connection.close()

    async def _ask(self, what: str, **values: str | int) -> list[Row]:
        """The rows; ids are hex digits here, and blobs in the file."""
        statement = _SQL[f"{what}_{self.release.replace('.', '')}"]
        bound = statement.bind(**{name: _stored(value) for name, value in values.items()})
        return await self._connection.call(lambda raw: raw.execute(statement.sql, bound).fetchall())


def _stored(value: str | int) -> bytes | int:
    return bytes.fromhex(value) if isinstance(value, str) else value


def _run(row: Row, tasks: Sequence[OldTask]) -> OldRun:
    run_id, workflow, version, status, context, error, *instants, reason = row
    created_at, started_at, ended_at, paused_at = map(_instant, instants)
    return OldRun(
        run_id,
        workflow,
        version,
        status,
        context,
        error,
        created_at or 0,
        started_at,
        ended_at,
        paused_at,
        reason,
        tasks,
    )


def _task(row: Row) -> OldTask:
    run_id, name, status, attempt, *instants, error, context = row
    started_at, ended_at, retry_at = map(_instant, instants)
    return OldTask(run_id, name, status, attempt, started_at, ended_at, retry_at, error, context)


def _schedule(row: Row) -> OldSchedule:
    schedule_id, workflow, cron, zone, enabled, catch_up, *instants, params, name = row
    start, end, last, created = [_instant(each) for each in instants]
    return OldSchedule(
        schedule_id,
        workflow,
        cron,
        zone,
        bool(enabled),
        catch_up,
        start,
        end,
        last,
        created or 0,
        params,
        name,
    )


def _instant(text: str | None) -> int | None:
    """The instant of an RFC 3339 text, of which some have no offset and are in UTC."""
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    return from_datetime(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC))
