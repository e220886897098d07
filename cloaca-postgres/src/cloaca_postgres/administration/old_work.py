"""Reads a schema that cloaca 0.2 or 0.12 has written. Contracts: see ``OldWork``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from cloaca_core.errors import TransferError
from cloaca_core.features.transfer.old_work import OldRun, OldSchedule, OldTask, Release
from cloaca_core.store.package_files import package_files
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.queries import Row, load_statements
from cloaca_postgres.sessions.session import Session
from cloaca_postgres.statements import WORDING

ANSWER_S: Final = 60.0
_TABLES: Final[dict[Release, str]] = {"0.12": "workflow_executions", "0.2": "pipeline_executions"}
_FIRST: Final = "0" * 32
"""The id before every other."""
_NAMES: Final = [release.replace(".", "") for release in _TABLES]
_SQL: Final = load_statements(
    [package_files(__package__).joinpath("old_work.sql").read_text("utf-8")],
    required=(
        "old_tables",
        *(f"{what}_{name}" for what in ("runs", "tasks", "schedules") for name in _NAMES),
    ),
    wording=WORDING,
)


async def _release_of(session: Session, schema: str, place: str) -> Release:
    """The release that has made the tables of a schema; ``TransferError`` if neither has."""
    statement = _SQL["old_tables"]
    step = Step(statement, statement.bind(schema=schema))
    (rows,) = await session.run([step], ANSWER_S)
    tables = {name for (name,) in rows}
    for release, table in _TABLES.items():
        if {table, "contexts", "task_executions"} <= tables:
            return release
    raise TransferError(f"{place}: schema {schema!r} was not made by cloaca 0.2 or 0.12")


class PostgresOldWork:
    """Contracts: see ``OldWork``."""

    def __init__(self, session: Session, release: Release) -> None:
        self._session = session
        self.release: Release = release

    @classmethod
    async def of(cls, session: Session, schema: str, place: str) -> PostgresOldWork:
        """The work in the schema of a session, which is closed after an error."""
        try:
            return cls(session, await _release_of(session, schema, place))
        except BaseException:
            session.close()
            raise

    async def runs(self, after: str, limit: int) -> list[OldRun]:
        found = await self._ask("runs", after=after or _FIRST, limit=limit)
        if not found:
            return []
        tasks: dict[str, list[OldTask]] = defaultdict(list)
        for row in await self._ask("tasks", first=found[0][0], last=found[-1][0]):
            run_id, name, status, attempt, started, ended, retry, error, context = row
            task = OldTask(run_id, name, status, attempt, started, ended, retry, error, context)
            tasks[run_id].append(task)
        return [OldRun._make((*row, tasks[row[0]])) for row in found]

    async def schedules(self) -> Sequence[OldSchedule]:
        return [OldSchedule(*row) for row in await self._ask("schedules")]

    async def close(self) -> None:
        self._session.close()

    async def _ask(self, what: str, **values: object) -> list[Row]:
        statement = _SQL[f"{what}_{self.release.replace('.', '')}"]
        (rows,) = await self._session.run([Step(statement, statement.bind(**values))], ANSWER_S)
        return rows
