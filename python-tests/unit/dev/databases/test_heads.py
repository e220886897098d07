"""The script of a new database holds what the migrations leave: objects in their order, and rows.

Whether those of the backends are up to date is asked in the tests of each backend.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from cloaca_core.store.migrate import digest_of, parse_head, parse_migration
from dev.databases import heads
from dev.project import SQLITE

NOTES = "CREATE TABLE cloaca_migration (number INTEGER PRIMARY KEY, name TEXT);\n"
FIRST = f"PRAGMA application_id = 7;\n{NOTES}CREATE TABLE cloaca_a (id TEXT, n INTEGER);\n"
SECOND = (
    "ALTER TABLE cloaca_a ADD COLUMN more BLOB;\n"
    "CREATE INDEX cloaca_a_id ON cloaca_a (id) WHERE n IS NULL;\n"
    "CREATE VIEW cloaca_v AS SELECT id FROM cloaca_a;\n"
    "INSERT INTO cloaca_a VALUES ('it''s', NULL, x'00ff');\n"
)


def test_it_knows_the_migrations_that_it_was_made_from() -> None:
    known = [parse_migration("0001_a.sql", FIRST), parse_migration("0002_b.sql", SECOND)]

    found = parse_head(heads.sqlite_head([FIRST, SECOND]))

    assert (found.number, found.digest) == (2, digest_of(known))


def test_it_makes_what_they_make() -> None:
    with closing(sqlite3.connect(":memory:")) as raw:
        raw.executescript(heads.sqlite_head([FIRST, SECOND]))
        made = [name for (name,) in raw.execute("SELECT name FROM sqlite_master ORDER BY rowid")]
        rows = raw.execute("SELECT id, n, more FROM cloaca_a").fetchall()
        identity = raw.execute("PRAGMA application_id").fetchone()

    assert made == ["cloaca_migration", "cloaca_a", "cloaca_a_id", "cloaca_v"]
    assert (rows, identity) == ([("it's", None, b"\x00\xff")], (7,))


def test_the_migrations_of_a_backend_are_read_in_their_order_without_the_script() -> None:
    first, *others = heads.texts(SQLITE)

    assert "CREATE TABLE cloaca_migration" in first
    assert not [text for text in others if heads.COMMAND in text]


def test_one_that_is_up_to_date_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its file keeps its time of change."""
    monkeypatch.setattr(heads, "write_atomically", None)

    heads._put(SQLITE, heads.sqlite_head(heads.texts(SQLITE)))

    assert "head.sql: as it was" in capsys.readouterr().out
