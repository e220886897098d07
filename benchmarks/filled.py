"""Databases of so many runs, written past the engine: a million runs of its own take an hour."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

import psycopg
from psycopg import sql

import cloaca

PARENT: Final = "0190aaaa-0000-7000-8000-000000000000"
"""Of one ended run in a thousand."""

_YEARS_US = 10 * 365 * 86_400 * 1_000_000
_OURS = "public::embedded::one"

_NUMBERS = {
    "sqlite": "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < :{count})",
    "postgres": "WITH n (n) AS (SELECT generate_series(1, CAST(:{count} AS BIGINT)))",
}
_ID = {
    "sqlite": "substr(printf('%012x', made / 1000), 1, 8) || '-'"
    " || substr(printf('%012x', made / 1000), 9, 4) || printf('-7000-8000-%012d', n)",
    "postgres": "substr(lpad(to_hex(made / 1000), 12, '0'), 1, 8) || '-'"
    " || substr(lpad(to_hex(made / 1000), 12, '0'), 9, 4)"
    " || '-7000-8000-' || lpad(CAST(n AS TEXT), 12, '0')",
}
# One made each second; half of them are of one workflow, the others of ten. One in a hundred has
# failed, one in ten has a tag.
_ENDED = """
INSERT INTO cloaca_run (id, workflow, version, status, owner, epoch, created_at, claimable_at,
    started_at, ended_at, tags, error_message, input, final_context, parent_id)
{numbers}
SELECT {id}, CASE WHEN n % 2 = 0 THEN :ours ELSE 'public::embedded::other' || (n % 20) END, 'v',
    CASE WHEN n % 100 = 0 THEN 'Failed' ELSE 'Completed' END, 'gone', 1, made, made, made,
    made + 2000, CASE WHEN n % 10 = 0 THEN '{{"kind":"k' || (n % 1000) || '"}}' ELSE '{{}}' END,
    CASE WHEN n % 100 = 0 THEN 'Task ''only'' failed: ValueError: order ' || n END,
    '{{"order":1}}', '{{"order":1}}', CASE WHEN n % 1000 = 1 THEN :parent END
FROM (SELECT n, :start + n * 1000000 AS made FROM n) AS made
"""
# A half is due in years, a quarter is paused, a quarter has no runner.
_WAITING = """
INSERT INTO cloaca_run (id, workflow, version, status, epoch, created_at, claimable_at, started_at,
    due_at, paused_at, priority, tags, input)
{numbers}
SELECT {id}, CASE WHEN n % 4 = 3 THEN 'unserved' ELSE :ours END, 'v',
    CASE n % 4 WHEN 3 THEN 'Pending' WHEN 2 THEN 'Paused' ELSE 'Waiting' END, 1, made, made,
    CASE WHEN n % 4 <> 3 THEN made END, CASE WHEN n % 4 < 2 THEN made + :years END,
    CASE WHEN n % 4 = 2 THEN made END, n % 3, '{{}}', '{{"order":1}}'
FROM (SELECT n, :start + (:ended + n) * 1000000 AS made FROM n) AS made
"""
_REST = (
    """INSERT INTO cloaca_attempt (run_id, task_id, attempt, epoch, status, started_at, ended_at,
        crashes, change)
    SELECT id, 'only', 1, 1, status, started_at, ended_at, 0, '{"set":{},"removed":[]}'
    FROM cloaca_run WHERE ended_at IS NOT NULL""",
    """INSERT INTO cloaca_run_tag (run_id, tag, content)
    SELECT id, 'kind', substr(tags, 10, length(tags) - 11) FROM cloaca_run WHERE tags <> '{}'""",
)


@contextmanager
def databases(database: str, names: Sequence[str]) -> Iterator[list[str]]:
    """URLs of new databases in PostgreSQL at the URL ``database``, or of files for "sqlite"."""
    if database == "sqlite":
        # In the present folder: one in memory would not tell what a disk makes of them.
        with tempfile.TemporaryDirectory(prefix="cloaca-filled-", dir=Path.cwd()) as folder:
            yield [_made(f"sqlite:///{folder}/{name}.db") for name in names]
        return
    schemas = [f"cloaca_filled_{uuid4().hex}" for _ in names]
    try:
        yield [
            _made(f"{database}{'&' if '?' in database else '?'}schema={each}") for each in schemas
        ]
    finally:
        with psycopg.connect(database, autocommit=True) as raw:
            for schema in schemas:
                drop = sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE")
                raw.execute(drop.format(sql.Identifier(schema)))


def _made(url: str) -> str:
    cloaca.DefaultRunner(url).shutdown()
    return url


def fill(url: str, ended: int, waiting: int = 0) -> None:
    """Write into an empty database so many ended runs, one for each second, and after them so many
    that wait; the newest is a minute old.
    """
    values = {
        "start": time.time_ns() // 1000 - (ended + waiting + 60) * 1_000_000,
        "ours": _OURS,
        "parent": PARENT,
        "years": _YEARS_US,
        "ended": ended,
        "waiting": waiting,
    }
    if url.startswith("sqlite"):
        _fill_sqlite(Path(url.removeprefix("sqlite:///")), _texts("sqlite", waiting), values)
    else:
        _fill_postgres(url, _texts("postgres", waiting), values)


def _texts(backend: str, waiting: int) -> list[str]:
    counts = {"ended": _ENDED, "waiting": _WAITING} if waiting else {"ended": _ENDED}
    numbers, id_ = _NUMBERS[backend], _ID[backend]
    runs = [
        text.format(numbers=numbers.format(count=count), id=id_) for count, text in counts.items()
    ]
    return [*runs, *_REST]


def _fill_sqlite(path: Path, texts: list[str], values: dict[str, object]) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("PRAGMA synchronous = OFF")
        raw.execute("PRAGMA cache_size = -1000000")
        raw.execute("BEGIN")
        for text in texts:
            raw.execute(text, values)
        raw.execute("COMMIT")
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _fill_postgres(url: str, texts: list[str], values: dict[str, object]) -> None:
    address, _, schema = url.partition("schema=")
    with psycopg.connect(address.rstrip("?&"), autocommit=True) as raw:
        raw.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(schema)))
        raw.execute("SET synchronous_commit = off")
        for text in texts:
            worded = text.replace("%", "%%")
            for name in values:
                worded = worded.replace(f":{name}", f"%({name})s")
            raw.execute(worded.encode(), values)
        raw.execute("VACUUM ANALYZE")
