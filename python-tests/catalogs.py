"""All that is in a database, as its catalogs tell it, to compare two databases.

Left out are ids, sizes, how a statement was spaced, and the value that rows have in a column that
was added later.
"""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from psycopg import Connection

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


def of_postgres(raw: Connection[tuple[Any, ...]]) -> dict[str, tuple[Any, ...]]:
    """Everything in the current schema but rows, by kind and name."""
    found: dict[str, tuple[Any, ...]] = {}
    for kind, query in CATALOGS.items():
        for name, *rest in raw.execute(query.encode()):
            found[f"{kind} {name}"] = tuple(rest)
    return found


def tables_of_postgres(raw: Connection[tuple[Any, ...]]) -> list[str]:
    """The names of the tables in the current schema."""
    return [name for (name,) in raw.execute(TABLES.encode())]


def of_sqlite(raw: sqlite3.Connection) -> dict[str, Any]:
    """Everything in the database but rows, by kind and name."""
    found: dict[str, Any] = {}
    for name in ("application_id", "user_version"):
        found[name] = raw.execute(f"PRAGMA {name}").fetchall()
    for kind, name, table, text in raw.execute(_MADE):
        found[f"{kind} {name}"] = table, None if text is None else _GAP.sub("", text)
        found[f"columns of {name}"] = raw.execute(f"PRAGMA table_xinfo({name})").fetchall()
        found[f"columns in {name}"] = raw.execute(f"PRAGMA index_xinfo({name})").fetchall()
    return found


_MADE = "SELECT type, name, tbl_name, sql FROM sqlite_master"
_GAP = re.compile(r"\s+")


def columns_in(script: str) -> dict[str, list[str]]:
    """The columns of the tables that this script makes, by their names."""
    return {
        table: [line.split()[0] for line in body.splitlines() if line[4:5].islower()]
        for table, body in _TABLE.findall(script)
    }


_TABLE = re.compile(r"^CREATE TABLE (\w+) \(\n(.*?)^\)", re.MULTILINE | re.DOTALL)
