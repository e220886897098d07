"""Which files a release of cloaca 0.x has made."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tables import each_row

from cloaca_core.errors import StoreUnavailableError
from cloaca_sqlite.administration.old_work import _SQL, SqliteOldWork, _instant, release_of

DATA = Path(__file__).parents[3] / "data"
COMMON = {"contexts", "task_executions", "__diesel_schema_migrations"}


@each_row(
    ("tables", "release"),
    [
        (COMMON | {"pipeline_executions"}, "0.2"),
        (COMMON | {"workflow_executions"}, "0.12"),
        (COMMON, None),
        ({"workflow_executions"}, None),
        (set(), None),
    ],
)
def test_a_release_is_known_by_its_tables(tables: set[str], release: str | None) -> None:
    assert release_of(tables) == release


@each_row(
    ("text", "instant"),
    [
        ("1970-01-01T00:00:01.000002999+00:00", 1_000_002),  # 0.x writes nanoseconds
        ("1970-01-01T01:00:00+01:00", 0),
        ("1970-01-01 00:00:01", 1_000_000),
        (None, None),
    ],
)
def test_instants_are_read_as_they_were_written(text: str | None, instant: int | None) -> None:
    assert _instant(text) == instant


@each_row(
    ("release", "runs", "owner"),
    [
        ("0_2", "pipeline_executions", "pipeline_execution_id"),
        ("0_12", "workflow_executions", "workflow_execution_id"),
    ],
)
def test_a_page_of_runs_is_found_by_their_ids(release: str, runs: str, owner: str) -> None:
    name = release.replace("_", "")
    with closing(sqlite3.connect(":memory:")) as raw:
        raw.executescript((DATA / f"cloaca_{release}_sqlite.sql").read_text("utf-8"))
        raw.execute(f"CREATE UNIQUE INDEX of_runs ON {runs} (id)")  # as the primary key of 0.x
        raw.execute(f"CREATE INDEX of_tasks ON task_executions ({owner})")

        plans = [
            " ".join(str(row) for row in raw.execute(f"EXPLAIN QUERY PLAN {_SQL[each].sql}", ids))
            for each, ids in ((f"runs_{name}", (b"", 1)), (f"tasks_{name}", (b"a", b"b")))
        ]

    assert "SEARCH run USING INDEX of_runs (id>?)" in plans[0]
    assert f"SEARCH task USING INDEX of_tasks ({owner}>? AND {owner}<?)" in plans[1]


class Busy:
    """A connection whose first question fails."""

    def __init__(self) -> None:
        self.closed = False

    async def call(self, _: Callable[[sqlite3.Connection], object]) -> object:
        raise StoreUnavailableError("the file is locked")

    async def close(self) -> None:
        self.closed = True


def test_a_connection_does_not_stay_open_after_an_error() -> None:
    connection = Busy()

    with pytest.raises(StoreUnavailableError):
        asyncio.run(SqliteOldWork.of(connection))  # type: ignore[arg-type] # all that is called

    assert connection.closed
