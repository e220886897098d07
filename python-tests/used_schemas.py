"""Schemas of finished tests, emptied for later ones.

To make the tables of a schema, and to drop them with its database, takes longer than most tests do.
So a schema is used again, if no difference from a new one can be found: no session is open that
began while a test had it, its relations, columns and rights are those of a schema that no test has
had, and so are its migrations. Otherwise it is left, and another one is taken or made.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from dev.databases.maintenance import connection
from dev.databases.urls import with_query

if TYPE_CHECKING:
    from psycopg import Connection

_UNUSED = "test_unused"
"""The schema with which the others are compared."""


_numbers = itertools.count(1)


def new_name() -> str:
    """The name of a schema that does not exist."""
    return f"test_{next(_numbers)}"


class Taken(NamedTuple):
    """A schema that a test has, or had: the server's times when it got it and gave it back."""

    name: str
    since: datetime
    until: datetime | None = None

    def may_be_used_by(self, session: datetime | None) -> bool:
        """True when a session that began then may be of its test; None: it is not known when."""
        if session is None or self.until is None:
            return True
        return self.since <= session <= self.until


class UsedSchemas:
    """Schemas in the database of this URL, which only this process and its children use."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._used: deque[Taken] = deque()
        self._connection: Connection[tuple[Any, ...]] | None = None
        self._shape = ""
        self._emptying: list[str] = []
        self._lock = threading.RLock()

    def take(self) -> Taken:
        """A schema without a run: one with empty tables, or one that does not exist."""
        with self._lock:
            raw, now, sessions = self._look()
            for used in list(self._used):
                if not any(map(used.may_be_used_by, sessions)):
                    self._used.remove(used)
                    if _shape(raw, used.name) == self._shape and self._empties(raw, used.name):
                        return Taken(used.name, now)
            return Taken(new_name(), now)

    def give_back(self, taken: Iterable[Taken]) -> None:
        """Keep those whose test has ended for later tests."""
        with self._lock:
            _, now, _ = self._look()
            self._used.extend(one._replace(until=now) for one in taken)

    @contextmanager
    def inside(self, name: str) -> Iterator[Connection[tuple[Any, ...]]]:
        """A transaction in a schema, on the session that empties schemas."""
        from psycopg import sql

        with self._lock:
            raw, _, _ = self._look()
            with raw.transaction():
                path = sql.SQL("SET LOCAL search_path TO {}")
                raw.execute(path.format(sql.Identifier(name)))
                yield raw

    def close(self) -> None:
        """End the session that empties schemas."""
        if self._connection is not None:
            self._connection.close()

    def _look(self) -> tuple[Connection[tuple[Any, ...]], datetime, list[datetime | None]]:
        """The session that empties schemas, the server's time, and when other sessions began."""
        from psycopg import OperationalError

        if self._connection is None:
            self._make_unused()
        elif not self._connection.closed:
            try:
                return self._connection, *_now(self._connection)
            except OperationalError:  # a test has ended all sessions of the database
                self._connection.close()
        self._connection = connection(self._url)
        # A statement that was prepared in one schema may have other columns in the next one.
        self._connection.prepare_threshold = None
        return self._connection, *_now(self._connection)

    def _make_unused(self) -> None:
        """Make the schema to compare with."""
        _make_tables(with_query(self._url, schema=_UNUSED))
        with connection(self._url) as raw:
            self._shape = _shape(raw, _UNUSED)
            self._emptying = [sql for (sql,) in raw.execute(_EMPTYING, [_UNUSED] * 2)]

    def _empties(self, raw: Connection[tuple[Any, ...]], name: str) -> bool:
        """Delete its rows; False if it has other migrations, or if one of its tables is locked."""
        from psycopg import errors

        try:
            with _schema_of(raw, name):
                raw.execute("; ".join(self._emptying).encode())
                ((other,),) = raw.execute(_OTHER_MIGRATIONS).fetchall()
        except errors.LockNotAvailable:
            return False
        return not other


def _make_tables(url: str) -> None:
    from cloaca_core.store.protocol import StoreOptions
    from cloaca_postgres import BACKEND

    async def open_and_close() -> None:
        await (await BACKEND.open(url, StoreOptions())).close()

    with ThreadPoolExecutor(1) as pool:  # where a browser is driven, this thread has a loop
        pool.submit(lambda: asyncio.run(open_and_close())).result()


@contextmanager
def _schema_of(raw: Connection[tuple[Any, ...]], name: str) -> Iterator[None]:
    """A transaction in a schema, which waits for locks for a second."""
    from psycopg import sql

    with raw.transaction():
        path = sql.SQL("SET LOCAL search_path TO {}; SET LOCAL lock_timeout TO '1s'")
        raw.execute(path.format(sql.Identifier(name)))
        yield


def _now(raw: Connection[tuple[Any, ...]]) -> tuple[datetime, list[datetime | None]]:
    """The server's time, and when each of the other sessions began."""
    ((now, sessions),) = raw.execute(_SESSIONS).fetchall()
    return now, sessions


def _shape(raw: Connection[tuple[Any, ...]], name: str) -> str:
    """A digest of everything in the schema but rows; "" for one that its test has not made."""
    found = raw.execute(_SHAPE, [name]).fetchall()
    return str(found[0][0]) if found else ""


_SESSIONS = """
SELECT clock_timestamp(), array(
    SELECT backend_start FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND coalesce(backend_type = 'client backend', true)
)
"""
_SHAPE = """
SELECT md5(concat(nspowner, nspacl, (
    SELECT string_agg(concat_ws(
        ' ', relname, relkind, relnatts, relchecks, relhastriggers, relhasrules, relrowsecurity,
        relowner, relacl, reloptions, columns
    ), ',' ORDER BY relname)
    FROM pg_class
    CROSS JOIN LATERAL (
        SELECT string_agg(concat_ws(
            ' ', attname, atttypid, attnotnull, atthasdef, attacl
        ), ',' ORDER BY attnum) AS columns
        FROM pg_attribute WHERE attrelid = pg_class.oid AND attnum > 0
    ) AS of_it
    WHERE relnamespace = pg_namespace.oid
))) FROM pg_namespace WHERE nspname = %s
"""
# The statements that bring back the rows of the schema to compare with. The migrations stay.
_EMPTYING = """
SELECT format('DELETE FROM %%I', relname) FROM pg_class
WHERE relnamespace = CAST(%s AS REGNAMESPACE) AND relkind = 'r' AND relname <> 'cloaca_migration'
UNION ALL
SELECT format('INSERT INTO cloaca_upkeep SELECT * FROM %%I.cloaca_upkeep', CAST(%s AS TEXT))
"""
_OTHER_MIGRATIONS = f"""
SELECT count(*) FROM cloaca_migration AS own
FULL JOIN {_UNUSED}.cloaca_migration AS unused USING (number, name, checksum)
WHERE own.number IS NULL OR unused.number IS NULL OR own.applied_at IS NULL
"""
