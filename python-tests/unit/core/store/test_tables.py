"""The list of tables is that of the schema of each backend: columns, their kinds, and keys."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from typing import Final, TypeAlias

from tables import each_row

from cloaca_core.store.migrate import load_head
from cloaca_core.store.tables import LEAST, TABLES, Kind, Table

Columns: TypeAlias = list[tuple[str, Kind]]

NOT_COPIED: Final = {
    "cloaca_migration",
    "cloaca_runner",
    "cloaca_lost_runner",
    "cloaca_listener",
    "cloaca_unserved",
    "cloaca_upkeep",
    "cloaca_payload",  # they are in the rows of their runs
}
KINDS: Final[dict[str, Kind]] = {
    "text": "text",
    "bigint": "int",
    "integer": "int",
    "double precision": "real",
    "real": "real",
}
TABLE: Final = re.compile(r"CREATE TABLE (cloaca_\w+) \((.*?)\n\)", re.DOTALL)
COLUMN: Final = re.compile(r"^ +([a-z_]+) (text|bigint|integer|double precision)\b", re.MULTILINE)


def made_by_sqlite() -> tuple[dict[str, Columns], dict[str, list[str]]]:
    """The columns of each table of a new file, and its key."""
    with closing(sqlite3.connect(":memory:")) as raw:
        raw.executescript(load_head("cloaca_sqlite").sql)
        names = raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        found = {name: raw.execute(f"PRAGMA table_info({name})").fetchall() for (name,) in names}
    columns = {
        table: [(name, KINDS[kind.lower()]) for _, name, kind, *_ in rows]
        for table, rows in found.items()
    }
    keys = {
        table: [row[1] for row in sorted(rows, key=lambda row: row[5]) if row[5]]
        for table, rows in found.items()
    }
    return columns, keys


def made_by_postgres() -> dict[str, Columns]:
    """The columns of each table of a new schema."""
    tables = TABLE.findall(load_head("cloaca_postgres").sql)
    return {
        name: [(column, KINDS[kind]) for column, kind in COLUMN.findall(columns)]
        for name, columns in tables
    }


@each_row("made", [made_by_sqlite()[0], made_by_postgres()], ids=["sqlite", "postgres"])
def test_every_table_is_listed_with_all_its_columns_or_named_as_left_out(
    made: dict[str, Columns],
) -> None:
    listed = {f"cloaca_{table.name}": list(table.kinds.items()) for table in TABLES}

    assert {name: columns for name, columns in made.items() if name not in NOT_COPIED} == listed


def test_a_table_has_the_key_of_the_schema() -> None:
    _, keys = made_by_sqlite()

    assert {table.name: list(table.key) for table in TABLES} == {
        table.name: keys[f"cloaca_{table.name}"] for table in TABLES
    }


def test_columns_of_one_name_have_one_kind() -> None:
    kinds: dict[str, set[Kind]] = {}
    for table in TABLES:
        for column, kind in table.kinds.items():
            kinds.setdefault(column, set()).add(kind)

    assert {column: found for column, found in kinds.items() if len(found) > 1} == {}


def test_a_key_is_taken_from_a_row_and_begins_before_every_other() -> None:
    table = Table("t", ("a", "n", "b"), ("b", "n"), {"a": "text", "n": "int", "b": "text"})

    assert table.key_of(("x", 1, "y")) == ("y", 1)
    assert table.beginning == ("", LEAST)
