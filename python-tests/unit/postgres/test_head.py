"""A new schema is as the migrations would have made it."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from psycopg import sql

from cloaca_core.store.migrate import digest_of, load_head, load_migrations
from dev.databases.heads import COMMAND

HEAD = load_head("cloaca_postgres")
KNOWN = load_migrations("cloaca_postgres")
RENEW = f"migrations/head.sql of cloaca_postgres is not what the migrations make: run `{COMMAND}`"
IN_SCHEMA = "= CAST(current_schema() AS REGNAMESPACE)"
OURS = f"IN (SELECT oid FROM pg_class WHERE relnamespace {IN_SCHEMA})"
STAMP = "'pg_attver='"
"""An option with which newer minor versions of the server stamp each column."""
# The name of each thing, and all that the catalogs say of it, but for ids, sizes, and the value
# that rows have in a column that was added later.
CATALOGS = {
    "relation": f"""
        SELECT one.relname, to_jsonb(one) - array[
            'oid', 'relname', 'relnamespace', 'reltype', 'relfilenode', 'reltoastrelid',
            'relpages', 'reltuples', 'relallvisible', 'relallfrozen', 'relfrozenxid', 'relminmxid'
        ], to_jsonb(toast.reloptions)
        FROM pg_class AS one LEFT JOIN pg_class AS toast ON toast.oid = one.reltoastrelid
        WHERE one.relnamespace {IN_SCHEMA}""",
    "column": f"""
        SELECT concat(CAST(attrelid AS REGCLASS), '.', attname), to_jsonb(one) - array[
            'attrelid', 'atthasmissing', 'attmissingval', 'attcacheoff', 'attoptions'
        ], pg_get_expr(adbin, adrelid), array(
            SELECT option FROM unnest(attoptions) AS option WHERE NOT starts_with(option, {STAMP})
        )
        FROM pg_attribute AS one LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        WHERE attrelid {OURS}""",
    "constraint": f"""
        SELECT concat(conname, ' of ', CAST(conrelid AS REGCLASS)), pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace {IN_SCHEMA}""",
    "index": f"""
        SELECT CAST(indexrelid AS REGCLASS), pg_get_indexdef(indexrelid, 0, true), to_jsonb(one)
            - array['indexrelid', 'indrelid', 'indexprs', 'indpred', 'indcheckxmin']
        FROM pg_index AS one WHERE indexrelid {OURS}""",
    "view": f"""
        SELECT relname, pg_get_viewdef(oid) FROM pg_class
        WHERE relkind IN ('v', 'm') AND relnamespace {IN_SCHEMA}""",
    "rule": f"SELECT rulename, to_jsonb(ev_type) FROM pg_rewrite WHERE ev_class {OURS}",
    "trigger": f"SELECT tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid {OURS}",
    "statistics": f"SELECT stxname, NULL FROM pg_statistic_ext WHERE stxnamespace {IN_SCHEMA}",
    "function": f"SELECT proname, prosrc FROM pg_proc WHERE pronamespace {IN_SCHEMA}",
    "type": f"SELECT typname, typtype FROM pg_type WHERE typnamespace {IN_SCHEMA}",
    "comment": f"SELECT objsubid, description FROM pg_description WHERE objoid {OURS}",
}
TABLES = f"SELECT relname FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace {IN_SCHEMA}"


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
        found: dict[str, tuple[Any, ...]] = {}
        for kind, query in CATALOGS.items():
            for name, *rest in raw.execute(query.encode()):
                found[f"{kind} {name}"] = tuple(rest)
        for (table,) in raw.execute(TABLES.encode()).fetchall():
            rows = raw.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table)))
            found[f"rows of {table}"] = tuple(rows)
        raw.rollback()
    return found
