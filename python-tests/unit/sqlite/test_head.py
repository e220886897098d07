"""A new database is as the migrations would have made it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

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


def _made_by(script: str) -> dict[str, list[tuple[Any, ...]]]:
    """Everything in a database that this script makes, by name."""
    with closing(sqlite3.connect(":memory:")) as raw:
        raw.executescript(script)
        return _found(lambda sql: raw.execute(sql).fetchall())


def _found(ask: Callable[[str], list[tuple[Any, ...]]]) -> dict[str, list[tuple[Any, ...]]]:
    tables = [name for (name,) in ask("SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {f"rows of {table}": ask(f"SELECT * FROM {table}") for table in tables}
    for name in ("application_id", "user_version"):
        found[name] = ask(f"PRAGMA {name}")
    for kind, name, *rest in ask("SELECT type, name, tbl_name, sql FROM sqlite_master"):
        found[f"{kind} {name}"] = [tuple(rest)]
        found[f"columns of {name}"] = ask(f"PRAGMA table_xinfo({name})")
        found[f"columns in {name}"] = ask(f"PRAGMA index_xinfo({name})")
    return found
