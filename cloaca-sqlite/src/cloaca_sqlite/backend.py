"""The object through which the core opens SQLite databases."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from cloaca_core.assembly.sql_store import SqlStore
from cloaca_core.store.protocol import StoreOptions
from cloaca_sqlite._version import __version__
from cloaca_sqlite.opening import open_dialect, open_to_examine
from cloaca_sqlite.url import SCHEMES, parse

if TYPE_CHECKING:
    from cloaca_core.assembly.store import Store
    from cloaca_core.features.transfer.backends import Bounds, Rows
    from cloaca_core.features.transfer.examination import Examiner
    from cloaca_core.features.transfer.old_work import OldWork

_OLDEST_SQLITE = (3, 38, 0)
"""The first with STRICT tables, RETURNING and the ``->>`` operator."""


class SqliteBackend:
    """Contracts: see ``Backend``."""

    name: str = "sqlite"
    schemes: tuple[str, ...] = SCHEMES
    version: str = __version__

    @property
    def unusable_reason(self) -> str | None:
        """Text that names the SQLite library, which comes with Python, if it is too old."""
        if sqlite3.sqlite_version_info >= _OLDEST_SQLITE:
            return None
        needed = ".".join(map(str, _OLDEST_SQLITE))
        return f"this Python has SQLite {sqlite3.sqlite_version}; {needed} or newer is needed"

    def check_url(self, url: str) -> None:
        parse(url)

    async def open(self, url: str, options: StoreOptions) -> Store:
        dialect = await open_dialect(parse(url), options)
        return SqlStore(dialect, dialect.outbox, dialect.transactions)

    async def examine(
        self,
        url: str,
        options: StoreOptions,  # noqa: ARG002 - a file has no schema, and no server to wait for
    ) -> Examiner:
        from cloaca_sqlite.administration.examiner import (
            SqliteExaminer,  # here: few programs examine databases
        )

        target = parse(url)
        return SqliteExaminer(await open_to_examine(target), target.synchronous)

    async def query(
        self,
        url: str,
        options: StoreOptions,  # noqa: ARG002 - as above
        sql: str,
        bounds: Bounds,
    ) -> Rows:
        from cloaca_sqlite.administration.query import query  # here: few programs take statements

        return await query(await open_to_examine(parse(url)), sql, bounds)

    async def back_up(self, url: str, path: str) -> None:
        from cloaca_sqlite.administration.backup import back_up  # here: few programs make backups

        await back_up(await open_to_examine(parse(url)), path)

    async def read_old(
        self,
        url: str,
        options: StoreOptions,  # noqa: ARG002 - as above
    ) -> OldWork:
        from cloaca_sqlite.administration.old_work import SqliteOldWork  # here: it is done once

        return await SqliteOldWork.of(await open_to_examine(parse(url), foreign=True))


BACKEND = SqliteBackend()
