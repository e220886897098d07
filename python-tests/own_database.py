"""A database of its own for each test, on either backend, and a look into it from outside.

On SQLite it is a file, a copy of one that was migrated once. On PostgreSQL it is a schema in a
database that this run of pytest made, and dropping that at the end drops every schema, also
under sessions that are still open. Wake-ups and advisory locks, which belong to a database, are
thus shared by the tests of one process, as tenants share them. A schema whose test has ended is
emptied for a later test: see ``used_schemas``. A migrated database as a template takes longer to
copy (64 to 81 ms) than its tables take to be made (20 to 60 ms).
"""

from __future__ import annotations

import itertools
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qs, urlsplit

from used_schemas import Taken, UsedSchemas, new_name

from dev.databases.maintenance import MAINTENANCE
from dev.databases.urls import for_libpq, with_query

if TYPE_CHECKING:
    import psycopg

_numbers = itertools.count(1)


class OwnDatabases(Protocol):
    """Where a test on one backend gets its databases."""

    def new(self) -> str:
        """A URL of a database without a run in it, which any process may open."""

    def new_empty(self) -> str:
        """The same where nothing is yet, not even a table."""

    def new_for_one_store(self) -> str:
        """The same as ``new``, as cheap as it can be had, for one store in one process."""

    def close(self) -> None:
        """Give back what can be used again: nothing uses these databases any more."""

    def query(self, url: str, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        """The rows of a statement, with ``?`` for parameters, sent from outside of cloaca."""

    def load(self, url: str, script: str) -> None:
        """Load a dump into the database of this URL, before any runner has opened it."""

    def connect(self, url: str, *, autocommit: bool = False) -> Any:
        """A connection of the driver that a program of this backend's users has."""

    def connect_elsewhere(self, url: str) -> Any:
        """The same to a database that this is not."""

    async def connect_awaited(self, url: str) -> Any:
        """The same as ``connect`` for a program with a loop."""


class SqliteFiles:
    """Files in this folder, which begin as copies of a migrated one if that is given."""

    def __init__(self, folder: Path, migrated: Path | None = None) -> None:
        self._folder = folder
        self._migrated = migrated

    def new(self) -> str:
        path = self._new_path()
        if self._migrated is not None:
            shutil.copy(self._migrated, path)
        return f"sqlite:///{path}"

    def new_empty(self) -> str:
        return f"sqlite:///{self._new_path()}"

    def _new_path(self) -> Path:
        return self._folder / f"test-{next(_numbers)}.db"

    def new_for_one_store(self) -> str:
        return ":memory:"

    def close(self) -> None:
        pass

    def query(self, url: str, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        with closing(self.connect(url)) as connection:
            rows: list[tuple[Any, ...]] = connection.execute(statement, parameters).fetchall()
            return rows

    def connect(self, url: str, *, autocommit: bool = False) -> Any:
        level: Any = None if autocommit else "DEFERRED"
        return sqlite3.connect(url.removeprefix("sqlite://"), isolation_level=level)

    def connect_elsewhere(self, url: str) -> Any:  # noqa: ARG002 - any other file will do
        return self.connect(self.new())

    async def connect_awaited(self, url: str) -> Any:
        import aiosqlite  # not there where PostgreSQL alone is tested

        return await aiosqlite.connect(url.removeprefix("sqlite://"))

    def load(self, url: str, script: str) -> None:
        path = Path(url.removeprefix("sqlite://"))
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as connection:
            # Each statement is a commit, and nobody needs them if the machine stops.
            connection.execute("PRAGMA synchronous = OFF")
            connection.executescript(script)


class PostgresSchemas:
    """Schemas in the database of this URL: new ones, or those of tests that have ended."""

    def __init__(self, url: str, used: UsedSchemas | None = None) -> None:
        self._url = url
        self._used = used
        self._taken: list[Taken] = []

    def new(self) -> str:
        if self._used is None:
            return self.new_empty()
        self._taken.append(self._used.take())
        return with_query(self._url, schema=self._taken[-1].name)

    def new_empty(self) -> str:
        return with_query(self._url, schema=new_name())

    def new_for_one_store(self) -> str:
        return self.new()

    def close(self) -> None:
        if self._used is not None and self._taken:
            self._used.give_back(self._taken)
        self._taken.clear()

    def query(self, url: str, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
        text = statement.replace("%", "%%").replace("?", "%s").encode()
        with self._looking(url) as connection:
            answer = connection.execute(text, parameters)
            return answer.fetchall() if answer.description else []

    def connect(self, url: str, *, autocommit: bool = False) -> Any:
        import psycopg

        return psycopg.connect(for_libpq(url), autocommit=autocommit)

    def connect_elsewhere(self, url: str) -> Any:
        import psycopg

        return psycopg.connect(for_libpq(url), dbname=MAINTENANCE)

    async def connect_awaited(self, url: str) -> Any:
        import psycopg

        return await psycopg.AsyncConnection.connect(for_libpq(url))

    def load(self, url: str, script: str) -> None:
        from psycopg import sql

        with self._inside(url) as connection:
            name = sql.Identifier(_schema_of(url))
            connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(name))
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
            connection.execute(script.encode())

    def _looking(self, url: str) -> AbstractContextManager[psycopg.Connection[Any]]:
        """A transaction in the schema, on the session that is open anyway: a new one takes longer
        than what is asked, and some tests ask again and again.
        """
        if self._used is None or for_libpq(url) != for_libpq(self._url):
            return self._inside(url)
        return self._used.inside(_schema_of(url))

    @contextmanager
    def _inside(self, url: str) -> Iterator[psycopg.Connection]:
        """A transaction in the schema."""
        import psycopg  # not there where SQLite alone is tested
        from psycopg import sql

        with psycopg.connect(for_libpq(url)) as connection:
            # For this transaction only: behind a pooler another may have the session next.
            path = sql.SQL("SET LOCAL search_path TO {}").format(sql.Identifier(_schema_of(url)))
            connection.execute(path)
            yield connection


def _schema_of(url: str) -> str:
    return parse_qs(urlsplit(url).query).get("schema", ["public"])[0]


@contextmanager
def one_at_a_time(url: str, program: str) -> Iterator[None]:
    """Wait until no other run of the tests has this program make its tenants on this server.

    Roles belong to a whole server, and a program that is tested as it stands names its own. No two
    of them make the same.
    """
    import psycopg  # not there where SQLite alone is tested

    with psycopg.connect(for_libpq(url), dbname=MAINTENANCE) as connection:
        lock = "SELECT pg_advisory_xact_lock(hashtextextended('roles of tests ' || %s, 0))"
        connection.execute(lock, [program])
        yield
