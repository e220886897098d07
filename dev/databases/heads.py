"""Makes each backend's script of a new database from its migrations.

The script, ``migrations/head.sql``, is what the migrations leave in an empty database: its objects
in the order in which they were made, and its rows. A test on each backend compares a database that
it makes with one that the migrations make, so that an object of a kind unknown here is noticed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString

from dev.console import say, step
from dev.databases import maintenance, sources
from dev.files import write_atomically
from dev.project import POSTGRES, ROOT, SQLITE, Distribution

if TYPE_CHECKING:
    from psycopg import Connection

COMMAND = "python tasks.py head"
"""The command that makes the scripts again."""
NAME = "head.sql"
_NO_ROWS = ("cloaca_migration",)
"""The tables whose rows are not in the script: a program records the migrations with the time."""


def write() -> None:
    """Bring the script of each backend up to date."""
    step("making the scripts of a new database from the migrations")
    _put(SQLITE, sqlite_head(texts(SQLITE)))
    with sources.server() as server:
        name = maintenance.name_for_tests()
        with (
            maintenance.temporary(server, name) as url,
            closing(maintenance.connection(url)) as connection,
        ):
            _put(POSTGRES, postgres_head(texts(POSTGRES), connection))


def texts(backend: Distribution) -> list[str]:
    """The migrations of a backend, in their order."""
    found = sorted(_folder(backend).glob("[0-9]*_*.sql"))
    return [path.read_text(encoding="utf-8") for path in found]


def _folder(backend: Distribution) -> Path:
    return backend.folder / "src" / backend.package / "migrations"


def _put(backend: Distribution, text: str) -> None:
    path = _folder(backend) / NAME
    changed = not path.exists() or path.read_text(encoding="utf-8") != text
    if changed:
        write_atomically(path, text.encode())
    say(f"  {path.relative_to(ROOT)}: {'written' if changed else 'as it was'}")


def _script(migrations: Sequence[str], statements: Iterable[str]) -> str:
    """The script with its head, by which ``cloaca_core.store.migrate`` knows when it is old."""
    checksums = "".join(sha256(text.encode()).hexdigest() for text in migrations)
    digest = sha256(checksums.encode()).hexdigest()
    head = (
        "-- The schema of a new database, as the migrations leave it. Do not edit this: when they\n"
        f"-- have changed, run `{COMMAND}`.\n"
        f"-- Made from migrations 1 to {len(migrations)}, digest {digest}"
    )
    return "\n\n".join([head, *(f"{statement};" for statement in statements)]) + "\n"


# -- SQLite --------------------------------------------------------------------------------------


def sqlite_head(migrations: Sequence[str]) -> str:
    """The script for SQLite."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for text in migrations:
            connection.executescript(text)
        return _script(migrations, _in_sqlite(connection))


def _in_sqlite(connection: sqlite3.Connection) -> Iterator[str]:
    """The statements that make what is in this database."""
    (identity,) = connection.execute("PRAGMA application_id").fetchone()
    yield f"PRAGMA application_id = {identity}"
    made = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"
    for (sql,) in connection.execute(made).fetchall():
        yield sql
    tables = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid"
    for (table,) in connection.execute(tables).fetchall():
        if table not in _NO_ROWS:
            yield from _rows_in_sqlite(connection, table)


def _rows_in_sqlite(connection: sqlite3.Connection, table: str) -> Iterator[str]:
    found = connection.execute(f"SELECT * FROM {table}")  # noqa: S608  a name of ours
    names = [column[0] for column in found.description]
    for row in found.fetchall():
        values = [connection.execute("SELECT quote(?)", [value]).fetchone()[0] for value in row]
        yield _insert(table, names, values)


def _insert(table: str, names: Sequence[str], values: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(names)})\nVALUES ({', '.join(values)})"


# -- PostgreSQL ----------------------------------------------------------------------------------


def postgres_head(migrations: Sequence[str], connection: Connection[Any]) -> str:
    """The script for PostgreSQL, made in the empty schema of this connection."""
    for text in migrations:
        connection.execute(text.encode())
    return _script(migrations, _in_postgres(connection))


def _in_postgres(connection: Connection[Any]) -> Iterator[str]:
    """The statements that make what is in this schema."""
    tables = connection.execute(_TABLES).fetchall()
    for table, oid, options in tables:
        lines = ",\n    ".join(line for (line,) in connection.execute(_LINES, [oid, oid]))
        settings = f" WITH (\n    {options}\n)" if options else ""
        yield f"CREATE TABLE {table} (\n    {lines}\n){settings}"
    for (index,) in connection.execute(_INDEXES).fetchall():
        yield index
    for view, query in connection.execute(_VIEWS).fetchall():
        yield f"CREATE VIEW {view} AS\n{query.strip().rstrip(';')}"
    for table, *_ in tables:
        if table not in _NO_ROWS:
            yield from _rows_in_postgres(connection, table)


def _rows_in_postgres(connection: Connection[Any], table: str) -> Iterator[str]:
    from psycopg import sql

    found = connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
    names = [column.name for column in found.description or ()]
    for row in found.fetchall():
        values = [sql.Literal(value).as_string(connection) for value in row]
        yield _insert(table, names, values)


_TABLES: LiteralString = """
SELECT one.relname, one.oid, array_to_string(
    array_remove(one.reloptions, NULL)
    || array(SELECT 'toast.' || setting FROM unnest(toast.reloptions) AS setting), E',\\n    '
)
FROM pg_class AS one LEFT JOIN pg_class AS toast ON toast.oid = one.reltoastrelid
WHERE one.relnamespace = CAST(current_schema() AS REGNAMESPACE) AND one.relkind = 'r'
ORDER BY one.oid
"""
# The lines of a table: its columns, then its constraints.
_LINES: LiteralString = """
SELECT line FROM (
    SELECT 1, attnum, concat_ws(
        ' ', attname, format_type(atttypid, atttypmod),
        CASE WHEN attcollation <> typcollation THEN (
            SELECT 'COLLATE ' || quote_ident(collname) FROM pg_collation
            WHERE pg_collation.oid = attcollation
        ) END,
        CASE WHEN attnotnull THEN 'NOT NULL' END,
        'DEFAULT ' || pg_get_expr(adbin, adrelid)
    )
    FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT 2, pg_constraint.oid, pg_get_constraintdef(pg_constraint.oid)
    FROM pg_constraint WHERE conrelid = %s AND contype <> 'n'
) AS lines (kind, place, line)
ORDER BY kind, place
"""
# Indexes that belong to no constraint.
_INDEXES: LiteralString = """
SELECT pg_get_indexdef(indexrelid, 0, true) FROM pg_index JOIN pg_class ON oid = indexrelid
WHERE relnamespace = CAST(current_schema() AS REGNAMESPACE)
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid)
ORDER BY indexrelid
"""
_VIEWS: LiteralString = """
SELECT relname, pg_get_viewdef(oid, true) FROM pg_class
WHERE relnamespace = CAST(current_schema() AS REGNAMESPACE) AND relkind = 'v' ORDER BY oid
"""
