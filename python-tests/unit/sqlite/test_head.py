"""A new database is as the migrations would have made it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

from catalogs import of_sqlite

from cloaca_core.store.migrate import digest_of, load_head, load_migrations
from dev.databases.heads import COMMAND

HEAD = load_head("cloaca_sqlite")
KNOWN = load_migrations("cloaca_sqlite")
RENEW = f"migrations/head.sql of cloaca_sqlite is not what the migrations make: run `{COMMAND}`"


def test_it_was_made_from_all_migrations_as_they_are() -> None:
    assert (HEAD.number, HEAD.digest) == (len(KNOWN), digest_of(KNOWN)), RENEW


def test_it_makes_what_the_migrations_make() -> None:
    migrations = "".join(each.sql for each in KNOWN)

    assert _made_by(HEAD.sql) == _made_by(migrations), RENEW


def _made_by(script: str) -> dict[str, Any]:
    """Everything in a database that this script makes, by name."""
    with closing(sqlite3.connect(":memory:")) as raw:
        raw.executescript(script)
        tables = raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        rows = {
            f"rows of {table}": raw.execute(f"SELECT * FROM {table}").fetchall()
            for (table,) in tables
        }
        return of_sqlite(raw) | rows
