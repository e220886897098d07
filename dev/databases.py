"""Databases on a PostgreSQL server: asked for an answer, made, emptied, dropped, and their URLs.

The driver is imported when a server is really talked to: where SQLite alone is tested there is
none, and what only plans a test run needs none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, LiteralString
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

if TYPE_CHECKING:
    from psycopg import Connection, sql

MAINTENANCE = "postgres"
"""The database that every server has, and that is left alone."""
_OURS = ("schema", "pooler")
_ANSWER_SECONDS = 5


# -- URLs ----------------------------------------------------------------------------------------


def with_database(url: str, name: str) -> str:
    """The URL of another database on the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{quote(name, safe='')}"))


def with_query(url: str, **parameters: str) -> str:
    """The URL with these query parameters, in place of those of the same name."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True)) | parameters
    return urlunsplit(parts._replace(query=urlencode(query, quote_via=quote)))


def for_libpq(url: str) -> str:
    """The URL without the query parameters that only cloaca knows."""
    return without_query(url, *_OURS)


def without_query(url: str, *parameters: str) -> str:
    """The URL without these query parameters."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    query = {name: value for name, value in pairs if name not in parameters}
    return urlunsplit(parts._replace(query=urlencode(query, quote_via=quote)))


def masked(url: str) -> str:
    """The URL as it may be shown: without its password and its query."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.username or ''}@{parts.hostname or ''}{port}{parts.path}"


# -- on a server ---------------------------------------------------------------------------------


def why_no_answer(url: str) -> str:
    """Empty when the server lets this user in, else its reason."""
    from psycopg import Error

    try:
        _connect(url).close()
    except Error as error:
        return str(error).strip()
    return ""


def create(url: str, name: str) -> None:
    """Make an empty database."""
    _execute(url, "CREATE DATABASE {}", name)


def drop(url: str, name: str) -> None:
    """Drop a database if it is there, and end whatever is connected to it."""
    _execute(url, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


def names(url: str) -> list[str]:
    """Every database but the maintenance one and the templates."""
    rows = query(url, "SELECT datname FROM pg_database WHERE NOT datistemplate")
    return [name for (name,) in rows if name != MAINTENANCE]


@contextmanager
def temporary(url: str, name: str) -> Iterator[str]:
    """The URL of a new database on this server; afterwards it is dropped."""
    create(url, name)
    try:
        yield with_database(url, name)
    finally:
        drop(url, name)


def query(url: str, statement: LiteralString, *parameters: object) -> Sequence[tuple[Any, ...]]:
    """The rows that a statement answers."""
    with _connect(url) as connection:
        return connection.execute(statement, parameters or None).fetchall()


def _execute(url: str, template: LiteralString, name: str) -> None:
    """Run a statement about a name; by itself, as no transaction may hold those on databases."""
    with _connect(url) as connection:
        connection.execute(_quoted(template, name))


def _quoted(template: LiteralString, name: str) -> sql.Composed:
    from psycopg import sql

    return sql.SQL(template).format(sql.Identifier(name))


def _connect(url: str) -> Connection[tuple[Any, ...]]:
    import psycopg

    return psycopg.connect(for_libpq(url), autocommit=True, connect_timeout=_ANSWER_SECONDS)
