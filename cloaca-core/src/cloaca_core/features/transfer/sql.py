"""Whole tables in SQL. Loaded only by a program that copies a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from cloaca_core.store.package_files import package_files
from cloaca_core.store.sql.dialect import Dialect, Step
from cloaca_core.store.sql.queries import Statement, Wording, compile_all, parse
from cloaca_core.store.tables import BY_NAME, OF_RUNS, Key, Table

_FILE: Final = "transfer.sql"
_KEEP_ALL: Final = "keep_all"
_TABLE: Final = "TABLE"
"""Stands for the name of a table in statements that are made for each."""


class SqlTransfer:
    """Contracts: see ``Transfer``."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._statements = _load(dialect.sql_package, dialect.wording)

    async def identity(self) -> str | None:
        return await self._dialect.identity()

    async def page(self, table: Table, after: Key, limit: int) -> list[tuple[Any, ...]]:
        statement = self._statements[f"page_{table.name}"]
        values = dict(zip(table.key, after, strict=True))
        step = Step(statement, statement.bind(**values, limit=limit))
        (rows,) = await self._dialect.read([step])
        return rows

    async def last_key(self, table: Table) -> Key | None:
        (rows,) = await self._dialect.read([Step(self._statements[f"last_{table.name}"])])
        return tuple(rows[0]) if rows else None

    async def put(self, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        await self.put_new({table.name: rows})

    async def put_new(self, rows: Mapping[str, Sequence[tuple[Any, ...]]]) -> None:
        steps = [self._put(BY_NAME[name], some) for name, some in rows.items() if some]
        if steps:
            await self._dialect.write(steps)

    def _put(self, table: Table, rows: Sequence[tuple[Any, ...]]) -> Step:
        statement = self._statements[f"put_{table.name}"]
        return Step(statement, rows=list(map(statement.binder(table.columns), rows)))

    async def strays(self) -> dict[str, int]:
        steps = [Step(self._statements[f"strays_{name}"]) for name in OF_RUNS]
        answers = await self._dialect.read(steps)
        counts = [number for ((number,),) in answers]
        return dict(zip(OF_RUNS, counts, strict=True))

    async def keep_all(self) -> None:
        await self._dialect.write([Step(self._statements[_KEEP_ALL])])


@lru_cache(maxsize=8)
def _load(package: str, wording: Wording) -> Mapping[str, Statement]:
    """The statements as the dialect with this ``sql_package`` words them."""
    ours, theirs = package_files(__package__), package_files(package).joinpath(_FILE)
    shared = _of_tables(parse(ours.joinpath(_FILE).read_text("utf-8")))
    override = parse(theirs.read_text("utf-8")) if theirs.is_file() else {}
    return compile_all(shared | override, list(shared), wording)


def _of_tables(texts: Mapping[str, str]) -> dict[str, str]:
    """The statements of a file; made from the table for each that it lacks."""
    made = {
        name.replace(_TABLE, table): text.replace(_TABLE, table)
        for name, text in texts.items()
        if _TABLE in name
        for table in (OF_RUNS if name.startswith("strays") else BY_NAME)
    }
    return made | {name: text for name, text in texts.items() if _TABLE not in name}
