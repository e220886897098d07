"""A new schema is as the migrations would have made it."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from catalogs import of_postgres, tables_of_postgres
from psycopg import sql

from cloaca_core.store.migrate import digest_of, load_head, load_migrations
from dev.databases.heads import COMMAND

HEAD = load_head("cloaca_postgres")
KNOWN = load_migrations("cloaca_postgres")
RENEW = f"migrations/head.sql of cloaca_postgres is not what the migrations make: run `{COMMAND}`"


def test_it_was_made_from_all_migrations_as_they_are() -> None:
    assert (HEAD.number, HEAD.digest) == (len(KNOWN), digest_of(KNOWN)), RENEW


def test_it_makes_what_the_migrations_make(postgres_server: str) -> None:
    migrations = "".join(each.sql for each in KNOWN)

    assert _made_by(HEAD.sql, postgres_server) == _made_by(migrations, postgres_server), RENEW


@pytest.mark.parametrize(
    "other",
    [
        "ALTER TABLE cloaca_run ALTER COLUMN round DROP DEFAULT",
        "ALTER TABLE cloaca_run ALTER COLUMN round DROP NOT NULL",
        "ALTER TABLE cloaca_run ALTER COLUMN time_limit TYPE INTEGER",
        'ALTER TABLE cloaca_run ALTER COLUMN behind TYPE TEXT COLLATE "POSIX"',
        "ALTER TABLE cloaca_run ALTER COLUMN owner SET (n_distinct = 5)",
        "ALTER TABLE cloaca_run SET (fillfactor = 50)",
        "ALTER TABLE cloaca_run SET (toast.autovacuum_vacuum_threshold = 5)",
        "ALTER TABLE cloaca_run ADD CHECK (epoch >= 0)",
        "ALTER TABLE cloaca_run ADD FOREIGN KEY (parent_id) REFERENCES cloaca_run (id)",
        "DROP INDEX cloaca_run_due; CREATE INDEX cloaca_run_due ON cloaca_run (workflow)",
        "ALTER VIEW cloaca_attempt_readable SET (security_barrier)",
        "CREATE SEQUENCE cloaca_numbers",
        "UPDATE cloaca_upkeep SET keeps_all = 1",
    ],
)
def test_a_difference_is_seen(postgres_server: str, other: str) -> None:
    as_it_is = _made_by(HEAD.sql, postgres_server)

    assert _made_by(f"{HEAD.sql}\n{other};\n", postgres_server) != as_it_is


def _made_by(script: str, server: str) -> dict[str, tuple[Any, ...]]:
    """Everything in a schema that this script makes, by kind and name; it is not kept."""
    with psycopg.connect(server) as raw:
        raw.execute("CREATE SCHEMA compared")
        raw.execute("SET LOCAL search_path TO compared")
        raw.execute(script.encode())
        found = of_postgres(raw)
        for table in tables_of_postgres(raw):
            rows = raw.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
            found[f"rows of {table}"] = tuple(rows)
        raw.rollback()
    return found
