"""What an examination of real files finds."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import cloaca
from cloaca_core.errors import ForeignDatabaseError, StoreOpenError
from cloaca_core.features.transfer.backends import ExaminedBackend
from cloaca_core.features.transfer.examination import Examiner, Finding
from cloaca_core.store.migrate import load_before_base
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.store.schema_state import SchemaState
from cloaca_sqlite import BACKEND


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "work.db"
    cloaca.DefaultRunner(path).shutdown()
    return path


def examined(
    url: str,
    ask: Callable[[Examiner], object],
    options: StoreOptions = StoreOptions(),  # noqa: B008 - frozen
) -> object:
    async def look() -> object:
        examiner = await BACKEND.examine(url, options)
        try:
            return await ask(examiner)  # type: ignore[misc] # a method of the examiner
        finally:
            await examiner.close()

    return asyncio.run(look())


def settings(url: str) -> list[str]:
    found = examined(url, lambda it: it.settings())
    assert isinstance(found, list)
    return [each.code for each in found]


def damage(file: Path) -> list[Finding]:
    found = examined(str(file), lambda it: it.damage())
    return list(found)  # type: ignore[call-overload, no-any-return] # a sequence of findings


def schema(file: Path) -> SchemaState:
    found = examined(str(file), lambda it: it.schema())
    assert isinstance(found, SchemaState)
    return found


def test_the_backend_says_that_its_databases_can_be_examined() -> None:
    assert isinstance(BACKEND, ExaminedBackend)


def test_a_new_file_is_sound(file: Path) -> None:
    assert settings(str(file)) == []
    assert damage(file) == []
    assert schema(file).is_current


def test_a_file_without_a_write_ahead_log_is_found(file: Path) -> None:
    with closing(sqlite3.connect(file)) as raw:
        raw.execute("PRAGMA journal_mode = DELETE")

    assert settings(str(file)) == ["no_write_ahead_log"]


def test_a_file_that_keeps_its_size_is_found(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as raw:
        raw.execute("PRAGMA journal_mode = DELETE")
        raw.execute("PRAGMA auto_vacuum = NONE")
        raw.execute("VACUUM")
        raw.execute("PRAGMA journal_mode = WAL")

    assert settings(str(file)) == ["file_never_shrinks"]


def test_a_url_that_gives_up_durability_is_found(file: Path) -> None:
    assert settings(f"{file}?_synchronous=NORMAL") == ["commits_not_durable"]


def test_an_index_without_its_entries_is_damage(file: Path) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as raw:
        raw.execute("PRAGMA writable_schema = ON")
        raw.execute("INSERT INTO cloaca_workflow VALUES ('w', 'v', 'w', 'w', NULL, 'q')")
        (root,) = raw.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'cloaca_workflow_short_name'"
        ).fetchone()
        # The index now has the pages of another one, which lacks the row.
        raw.execute(
            "UPDATE sqlite_master SET rootpage = ? WHERE name = 'cloaca_schedule_name'", [root]
        )

    (finding,) = damage(file)

    assert (finding.code, finding.severity) == ("damaged", "error")
    assert str(file) in finding.text


def test_tables_and_indexes_that_are_not_there_are_named(file: Path) -> None:
    with closing(sqlite3.connect(file)) as raw:
        raw.execute("DROP TABLE cloaca_wait")

    found = schema(file)

    assert found.missing_tables == ["cloaca_wait"]
    assert found.missing_indexes == ["cloaca_wait_approval"]
    assert not found.is_current


def test_migrations_to_come_are_shown_with_their_statements(file: Path) -> None:
    """Also those before the base, and the script that leads to it."""
    earlier, base = load_before_base("cloaca_sqlite").migrations, schema(file).known
    with closing(sqlite3.connect(file)) as raw, raw:
        raw.execute("DELETE FROM cloaca_migration")
        rows = [(*each[:3], 1) for each in earlier[:22]]
        raw.executemany("INSERT INTO cloaca_migration VALUES (?, ?, ?, ?)", rows)

    found = schema(file)

    assert (found.applied, found.known) == (22, base)
    numbers = [each.number for each in found.pending]
    assert numbers == [*range(23, len(earlier) + 1), *range(1, base + 1)]
    assert found.pending[0].name == "waits"
    assert "CREATE TABLE cloaca_wait" in found.pending[0].sql


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreOpenError, match="does not exist"):
        settings(str(tmp_path / "none.db"))

    assert list(tmp_path.iterdir()) == []


def test_another_programs_file_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "theirs.db")) as raw:
        raw.execute("CREATE TABLE theirs (x)")

    with pytest.raises(ForeignDatabaseError):
        settings(str(tmp_path / "theirs.db"))


def test_a_database_in_memory_is_refused() -> None:
    with pytest.raises(StoreOpenError, match="in memory"):
        settings(":memory:")
