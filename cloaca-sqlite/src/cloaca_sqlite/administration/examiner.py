"""Examines one file, on a connection that only reads. Contracts: see ``Examiner``."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from cloaca_core.features.transfer.examination import DatabaseFacts, Finding
from cloaca_core.store.migrate import (
    Applied,
    load_before_base,
    load_head,
    load_migrations,
    schema_state,
)
from cloaca_core.store.package_files import package_files
from cloaca_core.store.runner_rows import Fleet
from cloaca_core.store.schema_state import SchemaState
from cloaca_core.store.sql.queries import Row, load_statements
from cloaca_core.store.sql.runners import runner_of
from cloaca_sqlite.administration.file_facts import FileFacts, findings_of
from cloaca_sqlite.dialect import boot_time
from cloaca_sqlite.driver import WORDING, Connection
from cloaca_sqlite.migrator import PACKAGE, SqliteMigrator

_EXAMINATION: Final = load_statements(
    [package_files(__package__).joinpath("examination.sql").read_text("utf-8")],
    required=("fleet", "list_made", "journal_mode", "auto_vacuum", "pages", "integrity"),
    wording=WORDING,
)
_SOUND: Final = "ok"


class SqliteExaminer:
    """Contracts: see ``Examiner``. ``synchronous`` is what the URL asks for."""

    def __init__(self, connection: Connection, synchronous: str) -> None:
        self._connection = connection
        self._synchronous = synchronous

    async def schema(self) -> SchemaState:
        applied: Sequence[Applied] = await SqliteMigrator(self._connection).applied()
        there = {name for (name,) in await self._ask("list_made")}
        known, head = load_migrations(PACKAGE), load_head(PACKAGE)
        before = partial(load_before_base, PACKAGE)
        return schema_state(applied, known, head, there, before)

    async def facts(self) -> DatabaseFacts:
        place = Path(self._connection.raw.place)
        versions = {"SQLite": sqlite3.sqlite_version, "aiosqlite": _version_of("aiosqlite")}
        return DatabaseFacts(versions, _size(place) + _size(_log(place)))

    async def fleet(self) -> Fleet:
        there = {name for (name,) in await self._ask("list_made")}
        rows = await self._ask("fleet") if "cloaca_runner" in there else []
        return Fleet(list(map(runner_of, rows)), boot_time(), ends_with_boot=True)

    async def settings(self) -> Sequence[Finding]:
        place = Path(self._connection.raw.place)
        ((journal_mode,),) = await self._ask("journal_mode")
        ((auto_vacuum,),) = await self._ask("auto_vacuum")
        ((pages, page_size),) = await self._ask("pages")
        facts = FileFacts(
            path=str(place),
            journal_mode=journal_mode,
            auto_vacuum=auto_vacuum,
            synchronous=self._synchronous,
            size=pages * page_size,
            log=_size(_log(place)),
            free=shutil.disk_usage(place.parent).free,
        )
        return findings_of(facts)

    async def damage(self) -> Sequence[Finding]:
        faults = [text for (text,) in await self._ask("integrity") if text != _SOUND]
        if not faults:
            return ()
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        return [
            Finding(
                "damaged",
                "error",
                f"{self._connection.raw.place} is damaged: {faults[0]}{more}",
                "stop all runners and restore a backup; sqlite3 FILE .recover may save the rest",
            )
        ]

    async def close(self) -> None:
        await self._connection.close()

    async def _ask(self, name: str) -> list[Row]:
        sql = _EXAMINATION[name].sql
        return await self._connection.call(lambda raw: raw.execute(sql).fetchall())


def _log(place: Path) -> Path:
    return place.with_name(place.name + "-wal")


def _size(file: Path) -> int:
    """In bytes; 0 for a file that is not there."""
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _version_of(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:  # it is vendored, or runs from a zip
        return "unknown"
