"""Gauges in SQL: one statement, with a row for each number."""

from __future__ import annotations

from cloaca_core.features.telemetry.gauges import Gauges
from cloaca_core.store.sql.base import Queries, SqlPart, Statements
from cloaca_core.store.sql.dialect import Dialect
from cloaca_core.store.sql.queries import Statement


class GaugeQueries(Statements, file="gauges.sql"):
    """Statements for the values of metrics."""

    read_gauges: Statement


class SqlGauges(SqlPart):
    """The operation of metrics. Contract: see ``GaugeStore``."""

    def __init__(self, dialect: Dialect, queries: Queries) -> None:
        super().__init__(dialect, queries)
        self._gauges = queries.of(GaugeQueries)

    async def gauges(self) -> Gauges:
        rows = await self._read(self._gauges.read_gauges)
        found = {
            (str(kind), str(status)): None if number is None else int(number)
            for kind, status, number in rows
        }
        runs = {status: n for (kind, status), n in found.items() if kind == "runs" and n}
        queues = {name: n for (kind, name), n in found.items() if kind == "queue" and n}
        since, size = found.get(("claimable_since", "")), found.get(("bytes", ""))
        return Gauges(runs, since, size, queues)
