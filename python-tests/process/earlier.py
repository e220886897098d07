"""Databases as migrations before the base have made them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from cloaca_core.store.migrate import Migration, load_before_base

NO_ROWS = ("cloaca_migration", "cloaca_runner", "cloaca_listener", "cloaca_upkeep")
"""Tables of which a database has rows of its own."""


def migrations(backend: str) -> list[Migration]:
    """Those before the base."""
    return load_before_base(f"cloaca_{backend}").migrations


def made_by(backend: str, number: int, first_rows: str = "", applied_at: int = 1) -> str:
    """The script of a database that the first so many of these have made.

    ``first_rows`` were there when it had the first of them alone; else that is noted here.
    """
    first, *others = islice(migrations(backend), number)
    steps = [first.sql, first_rows or noted(first, applied_at)]
    for migration in others:
        steps += [migration.sql, noted(migration, applied_at + migration.number)]
    return "\n".join(steps)


def noted(migration: Migration, applied_at: int) -> str:
    """The statement by which a migration is noted."""
    return insert(
        "cloaca_migration",
        ["number", "name", "checksum", "applied_at"],
        [(*migration[:3], applied_at)],
    )


def insert(table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Statements that insert rows."""
    names = ", ".join(columns)
    return "\n".join(
        f"INSERT INTO {table} ({names}) VALUES ({', '.join(map(_literal, row))});" for row in rows
    )


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)
