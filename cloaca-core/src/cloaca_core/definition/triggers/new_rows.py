"""A ready-made trigger function: starts a run for each row that a query returns.

Works with any driver that keeps to DB-API 2.0. The runner's database, not this module, knows which
rows have had their run, by the key of each event: a poll returns all rows of the query.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import date, datetime, time
from decimal import Decimal
from hashlib import sha256
from typing import Any, Protocol
from uuid import UUID

from cloaca_core.definition.triggers.result import TriggerResult
from cloaca_core.errors import ContextError, DefinitionError
from cloaca_core.logs import SafeLogger
from cloaca_core.values.arguments import text, wrong_type
from cloaca_core.values.payloads.json_values import JsonValue, encode, normalise

log: SafeLogger = SafeLogger("cloaca.triggers")

Parameters = Sequence[Any] | Mapping[str, Any]


class Cursor(Protocol):
    """The part of a DB-API cursor that is used."""

    @property
    def description(self) -> Sequence[Sequence[Any]] | None: ...

    def execute(self, query: Any, parameters: Any = ..., /) -> object: ...

    def fetchall(self) -> Sequence[Any]: ...

    def close(self) -> None: ...


class Connection(Protocol):
    """The part of a DB-API connection that is used."""

    def cursor(self) -> Any: ...

    def close(self) -> None: ...


class NewRows:
    """The function that ``new_rows`` makes; a call runs the query."""

    def __init__(
        self,
        connect: Callable[[], Connection],
        query: str,
        key: tuple[str, ...],
        parameters: Parameters | None,
    ) -> None:
        self._connect = connect
        self._query = query
        self._key = key
        self._parameters = parameters

    def __repr__(self) -> str:
        return f"new_rows({self._query!r:.80})"

    def __call__(self) -> list[TriggerResult]:
        """Return one result to fire for each row, in the order of the query."""
        with closing(self._connect()) as connection, closing(connection.cursor()) as cursor:
            rows = self._ask(cursor)
        return [result for row in rows if (result := self._fired(row)) is not None]

    def _ask(self, cursor: Cursor) -> list[dict[str, Any]]:
        if self._parameters is None:
            cursor.execute(self._query)
        else:
            cursor.execute(self._query, self._parameters)
        if cursor.description is None:
            raise DefinitionError(f"the query of {self!r} answers no rows")
        names = [str(column[0]) for column in cursor.description]
        if missing := [name for name in self._key if name not in names]:
            raise DefinitionError(f"key {missing[0]!r} is none of the columns {', '.join(names)}")
        return [dict(zip(names, _values(row), strict=True)) for row in cursor.fetchall()]

    def _fired(self, row: Mapping[str, Any]) -> TriggerResult | None:
        try:
            plain = {name: _plain(name, value) for name, value in row.items()}
        except ContextError as error:  # the other rows still get their runs
            log.error("a row makes no run: %s", error)  # noqa: TRY400 - a traceback would not help
            return None
        event = encode([plain[name] for name in self._key])
        key = "row:" + sha256(event.encode()).hexdigest()
        return TriggerResult.fire(plain, idempotency_key=key)


def new_rows(
    connect: Callable[[], Connection],
    query: str,
    *,
    key: str | Sequence[str],
    parameters: Parameters | None = None,
) -> NewRows:
    """Make a function for ``trigger(...)`` that fires for each new row of a query.

        orders = new_rows(
            lambda: sqlite3.connect("shop.db"),
            "SELECT id, amount FROM orders WHERE state = 'paid'",
            key="id",
        )
        trigger(name="orders", on="ship", poll_interval="5s")(orders)

    * ``connect``: opens a DB-API connection, which is closed after each poll and never committed:
      the query only reads.
    * ``query``, ``parameters``: in the driver's own style. A row makes one run however often the
      query returns it; a query with few rows, such as those of the last day, costs less.
    * ``key``: the column, or columns, that identify a row

    A run's context has the columns by name. Dates and times become ISO 8601, Decimal and UUID text;
    a row with any other value that JSON cannot hold, such as bytes, is logged and makes no run.
    """
    if not callable(connect):
        raise wrong_type("connect", "callable", connect)
    text("query", query)
    return NewRows(connect, query, _columns(key), parameters)


def _columns(key: object) -> tuple[str, ...]:
    columns = (key,) if isinstance(key, str) else key
    if not isinstance(columns, Sequence):
        raise wrong_type("key", "a str or a sequence of them", key)
    if not columns:
        raise DefinitionError("key must name at least one column")
    for column in columns:
        text("an item of key", column)
    return tuple(columns)


def _values(row: Any) -> Sequence[Any]:
    """The values of a row, also when the connection's rows are mappings."""
    return list(row.values()) if isinstance(row, Mapping) else list(row)


def _plain(name: str, value: object) -> JsonValue:
    """Convert a column's value for a context."""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal | UUID):
        return str(value)
    return normalise(value, name)
