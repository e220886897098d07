"""Creates, names and drops databases on a PostgreSQL server; sweeps those of killed test runs.

The driver is imported only to connect: it is missing where only SQLite is tested, and the planning
of a test run does not need it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, LiteralString

from dev.databases.urls import for_libpq, with_database

if TYPE_CHECKING:
    from psycopg import Connection, sql

MAINTENANCE = "postgres"
"""The database that every server has; it is never changed."""
_ANSWER_SECONDS = 5


# -- on a server ---------------------------------------------------------------------------------


def why_no_answer(url: str) -> str:
    """The reason why the server does not accept this user; empty when it does."""
    from psycopg import Error

    try:
        connection(url).close()
    except Error as error:
        return str(error).strip()
    return ""


def create(url: str, name: str) -> None:
    """Make an empty database."""
    _execute(url, "CREATE DATABASE {}", name)


def drop(url: str, name: str) -> None:
    """Drop a database if it exists, and end all its sessions."""
    _execute(url, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def names(url: str) -> list[str]:
    """The names of all databases except the maintenance one and the templates."""
    rows = query(url, "SELECT datname FROM pg_database WHERE NOT datistemplate")
    return [name for (name,) in rows if name != MAINTENANCE]


@contextmanager
def temporary(url: str, name: str) -> Iterator[str]:
    """Create a database on this server, and drop it afterwards; its URL."""
    with _held(url, name):
        create(url, name)
        try:
            yield with_database(url, name)
        finally:
            drop(url, name)


# -- of killed test runs -------------------------------------------------------------------------


def name_for_tests() -> str:
    """A new name, by which ``sweep`` recognises the database of a test run."""
    return f"{_OF_TESTS}{secrets.token_hex(8)}"


@contextmanager
def _held(url: str, name: str) -> Iterator[None]:
    """Keep ``sweep`` away from a database during this block, while the process lives.

    A transaction holds the lock: a pooler may give the session to another client after it.
    """
    with closing(connection(with_database(url, MAINTENANCE))) as holder:
        holder.execute("BEGIN")
        holder.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        holder.execute(_HOLD, [name])
        yield


def sweep(url: str) -> list[str]:
    """Drop the databases and tenants' roles of killed test runs; return the names."""
    url = with_database(url, MAINTENANCE)
    left = [name for name in names(url) if name.startswith(_OF_TESTS) and _is_free(url, name)]
    for name in left:
        drop(url, name)
    roles = [role for (role,) in query(url, _LEFT_ROLES, f"% in database {_OF_TESTS}%")]
    for role in roles:
        _execute(url, "DROP ROLE IF EXISTS {}", role)
    return left + roles


def _is_free(url: str, name: str) -> bool:
    """True when the program that made a database has ended; it takes the lock before making it."""
    ((free,),) = query(url, _TRY, name)
    return bool(free)


_OF_TESTS = "cloaca_test_run_"
# One lock for each name: both hash the same text.
_HOLD: LiteralString = """
SELECT pg_advisory_xact_lock(hashtextextended('database of tests ' || %s, 0))
"""
_TRY: LiteralString = """
SELECT pg_try_advisory_xact_lock(hashtextextended('database of tests ' || %s, 0))
"""
# Roles whose comment (see tenants.sql) names a database that does not exist any more.
_LEFT_ROLES: LiteralString = """
SELECT rolname FROM pg_roles, shobj_description(oid, 'pg_authid') AS mark WHERE mark LIKE %s
AND NOT EXISTS (SELECT FROM pg_database WHERE mark LIKE '%% in database ' || datname)
"""


# -- statements ----------------------------------------------------------------------------------


def query(url: str, statement: LiteralString, *parameters: object) -> Sequence[tuple[Any, ...]]:
    """Run a statement and return its rows."""
    with connection(url) as one:
        return one.execute(statement, parameters or None).fetchall()


def _execute(url: str, template: LiteralString, name: str) -> None:
    """Run a statement about a name, outside of a transaction, as those on databases require."""
    with connection(url) as one:
        one.execute(_quoted(template, name))


def _quoted(template: LiteralString, name: str) -> sql.Composed:
    from psycopg import sql

    return sql.SQL(template).format(sql.Identifier(name))


def connection(url: str) -> Connection[tuple[Any, ...]]:
    """Open a connection on which each statement is a transaction."""
    import psycopg

    return psycopg.connect(for_libpq(url), autocommit=True, connect_timeout=_ANSWER_SECONDS)
