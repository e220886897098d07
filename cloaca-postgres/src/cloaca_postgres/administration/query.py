"""Executes a statement of a person's own in a read-only transaction. See ``QueriedBackend``.

The statement is sent by itself, so that it cannot end the transaction and go on. ``COPY``, which a
read-only transaction does not refuse, may start programs of the server: only statements that begin
as reading ones do are sent.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Final

import psycopg

from cloaca_core.errors import StoreError, StoreOpenError, StoreUnavailableError
from cloaca_core.features.transfer.backends import Bounds, Rows
from cloaca_postgres.errors import one_line, translated

if TYPE_CHECKING:
    from cloaca_postgres.url import Target

_READS: Final = re.compile(
    r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*(?:select|with|values|table|explain|show)\b",
    re.IGNORECASE | re.DOTALL,
)
_CANCELED: Final = "57014"


def query(target: Target, schema: str, timeout: float, sql: str, bounds: Bounds) -> Rows:
    """The rows of a statement, on a connection of its own. Blocks."""
    if _READS.match(sql) is None:
        raise StoreError("the statement was refused: it does not begin as one that reads")
    with closing(_connected(target, timeout)) as connection:
        try:
            return _rows(connection, schema, sql, bounds)
        except psycopg.Error as error:
            raise _refusal(error, target.place, bounds) from error


def _connected(target: Target, timeout: float) -> psycopg.Connection:
    seconds = max(2, round(timeout))
    conninfo = target.conninfo(connect_timeout=seconds, fallback_application_name="cloaca sql")
    try:
        connection = psycopg.connect(conninfo)
    except psycopg.Error as error:
        message = f"{target.place}: {one_line(error)}"
        raise StoreOpenError(message, reason="unreachable") from error
    connection.read_only = True
    return connection


def _rows(connection: psycopg.Connection, schema: str, sql: str, bounds: Bounds) -> Rows:
    longest = f"{int(bounds.seconds * 1000)}ms"
    settings = {"statement_timeout": longest, "search_path": f'"{schema}"'}
    with connection.cursor() as cursor:
        for name, value in settings.items():
            cursor.execute("SELECT set_config(%s, %s, true)", (name, value))
        answer = cursor.stream(sql.encode(), binary=True)
        assert isinstance(answer, Generator), "else what is left could not be given up"
        with closing(answer):
            rows = list(islice(answer, bounds.rows + 1))
            columns = [each.name for each in cursor.description or ()]
        if not rows:  # a stream without rows has forgotten its columns
            cursor.execute(sql.encode(), binary=True)
            columns = [each.name for each in cursor.description or ()]
    return Rows(columns, rows[: bounds.rows], len(rows) > bounds.rows)


def _refusal(error: psycopg.Error, place: str, bounds: Bounds) -> StoreError:
    if error.sqlstate == _CANCELED:
        text = f"the statement took longer than {bounds.seconds:g} s, and was ended"
        return StoreUnavailableError(text)
    if error.sqlstate is None:
        return translated(error, place)
    return StoreError(f"the statement was refused: {error.diag.message_primary}")
