"""``query_database``: a statement of a person's own, which reads and nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any, Final

from cloaca_core.engine.runtime.loop_thread import run_on_own_loop
from cloaca_core.errors import TransferError
from cloaca_core.features.transfer.backends import Bounds, QueriedBackend, Rows
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.values.arguments import refuse_other_types
from cloaca_tools.transfer.opened import Place

MOST: Final = 1_000
SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """``columns`` are the names, ``rows`` the values: JSON's own as they are, bytes as hexadecimal
    digits, instants in ISO 8601, others as text. ``more`` is true where there were more rows.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    more: bool

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON."""
        rows = [list(row) for row in self.rows]
        return {"columns": list(self.columns), "rows": rows, "more": self.more}


def query_database(
    database_url: str | PathLike[str],
    sql: str,
    *,
    schema: str | None = None,
    limit: int = MOST,
    timeout: float = SECONDS,
) -> QueryAnswer:
    """Execute one statement that reads, and return up to ``limit`` rows, in ``timeout`` seconds.

    The database is opened to be looked at, on PostgreSQL in a read-only transaction: a statement
    that would write, several statements and a wrong one raise ``StoreError``, and so does one that
    takes too long. Names of tables and columns may change with each version of cloaca. Raises
    ``StoreOpenError`` when there is no such database, or another program made it.
    """
    refuse_other_types("sql", sql, str, "a str")
    bounds = Bounds(limit, timeout)
    return _shown(run_on_own_loop(_rows(Place.of(database_url, schema), sql, bounds)))


async def _rows(place: Place, sql: str, bounds: Bounds) -> Rows:
    backend = place.backend
    if not isinstance(backend, QueriedBackend):
        raise TransferError(f"the backend {backend.name} takes no statements")
    return await backend.query(place.url, StoreOptions(schema=place.schema), sql, bounds)


def _shown(found: Rows) -> QueryAnswer:
    rows = tuple([tuple(map(_value, row)) for row in found.rows])
    return QueryAnswer(tuple(found.columns), rows, found.more)


def _value(value: object) -> Any:
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case bytes() | memoryview():
            return value.hex()
        case Mapping():
            return {str(key): _value(each) for key, each in value.items()}
        case Sequence():
            return [_value(each) for each in value]
        case _:
            told = getattr(value, "isoformat", None)
            return str(value) if told is None else told()
