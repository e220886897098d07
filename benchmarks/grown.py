"""Measures a database of millions of runs beside an empty one: runs, claims, listings, counts.

``python -m benchmarks.grown sqlite`` or ``python -m benchmarks.grown URL``, the URL of a PostgreSQL
in which schemas are made and dropped. ``--runs`` is the number of ended runs and of waiting ones.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
from psycopg import sql

import cloaca
from benchmarks import workflows
from benchmarks.measuring import Line, report

BLOCKS = 300
RUNS_OF_A_BLOCK = 8
CLAIMS_OF_A_BLOCK = 100
PAGE = 100
MOST_SLOWER = 5.0
"""In percent, compared with an empty database."""
MOST_FOR_A_PAGE_MS = 50.0

_YEARS_US = 10 * 365 * 86_400 * 1_000_000
_OURS = "public::embedded::one"
_PARENT = "0190aaaa-0000-7000-8000-000000000000"

_NUMBERS = {
    "sqlite": "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < :runs)",
    "postgres": "WITH n (n) AS (SELECT generate_series(1, CAST(:runs AS BIGINT)))",
}
_ID = {
    "sqlite": "substr(printf('%012x', made / 1000), 1, 8) || '-'"
    " || substr(printf('%012x', made / 1000), 9, 4) || printf('-7000-8000-%012d', n)",
    "postgres": "substr(lpad(to_hex(made / 1000), 12, '0'), 1, 8) || '-'"
    " || substr(lpad(to_hex(made / 1000), 12, '0'), 9, 4)"
    " || '-7000-8000-' || lpad(CAST(n AS TEXT), 12, '0')",
}
# One made each second, the ended ones first. One in a hundred has failed, one in ten has a tag.
_ENDED = """
INSERT INTO cloaca_run (id, workflow, version, status, owner, epoch, created_at, claimable_at,
    started_at, ended_at, tags, error_message, input, final_context, parent_id)
{numbers}
SELECT {id}, CASE WHEN n % 2 = 0 THEN :ours ELSE 'other' END, 'v',
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
FROM (SELECT n, :start + (:runs + n) * 1000000 AS made FROM n) AS made
"""
_REST = (
    """INSERT INTO cloaca_attempt (run_id, task_id, attempt, epoch, status, started_at, ended_at,
        crashes, change)
    SELECT id, 'only', 1, 1, status, started_at, ended_at, 0, '{"set":{},"removed":[]}'
    FROM cloaca_run WHERE ended_at IS NOT NULL""",
    """INSERT INTO cloaca_run_tag (run_id, tag, content)
    SELECT id, 'kind', substr(tags, 10, length(tags) - 11) FROM cloaca_run WHERE tags <> '{}'""",
)


# -- fill ----------------------------------------------------------------------------------------


def _filling(backend: str) -> list[str]:
    texts = [each.format(numbers=_NUMBERS[backend], id=_ID[backend]) for each in (_ENDED, _WAITING)]
    return [*texts, *_REST]


def _values(runs: int) -> dict[str, object]:
    start = time.time_ns() // 1000 - (2 * runs + 3600) * 1_000_000
    return {"runs": runs, "start": start, "ours": _OURS, "parent": _PARENT, "years": _YEARS_US}


def _fill_sqlite(path: Path, runs: int) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("PRAGMA synchronous = OFF")
        raw.execute("PRAGMA cache_size = -1000000")
        raw.execute("BEGIN")
        for text in _filling("sqlite"):
            raw.execute(text, _values(runs))
        raw.execute("COMMIT")
        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _fill_postgres(url: str, schema: str, runs: int) -> None:
    with psycopg.connect(url, autocommit=True) as raw:
        raw.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(schema)))
        raw.execute("SET synchronous_commit = off")
        for text in _filling("postgres"):
            worded = text.replace("%", "%%")
            for name in _values(0):
                worded = worded.replace(f":{name}", f"%({name})s")
            raw.execute(worded.encode(), _values(runs))
        raw.execute("VACUUM ANALYZE")


# -- measure -------------------------------------------------------------------------------------


def _slower(grown: Callable[[], object], empty: Callable[[], object]) -> tuple[float, float, float]:
    """By how many percent the first takes longer, in pairs in random order; the medians in ms."""
    pairs: list[tuple[float, float]] = []
    for _ in range(BLOCKS):
        took = {}
        for action in random.sample([grown, empty], 2):  # order only, no secret
            start = time.perf_counter()
            action()
            took[action] = (time.perf_counter() - start) * 1000
        pairs.append((took[grown], took[empty]))
    ratio = statistics.median([one / other for one, other in pairs])
    medians = [statistics.median(each) for each in zip(*pairs, strict=True)]
    return (ratio - 1) * 100, medians[0], medians[1]


def _one_by_one(runner: cloaca.DefaultRunner) -> None:
    for _ in range(RUNS_OF_A_BLOCK):
        runner.execute("one", workflows.CONTEXT)


def _claimed(runner: cloaca.DefaultRunner) -> None:
    for handle in runner.submit_many("one", [workflows.CONTEXT] * CLAIMS_OF_A_BLOCK):
        handle.wait()


def _compared(grown_url: str, empty_url: str) -> Iterator[Line]:
    config = cloaca.DefaultRunnerConfig(max_active_runs=20)
    for what, act, count, settings in (
        ("one-task runs", _one_by_one, RUNS_OF_A_BLOCK, None),
        ("runs that are claimed 20 at a time", _claimed, CLAIMS_OF_A_BLOCK, config),
    ):
        with (
            cloaca.DefaultRunner(grown_url, config=settings) as grown,
            cloaca.DefaultRunner(empty_url, config=settings) as empty,
        ):
            for each in (grown, empty):
                act(each)
            percent, one, other = _slower(partial(act, grown), partial(act, empty))
        beside = f"{one / count:.3f} ms, {other / count:.3f} when empty"
        yield Line(f"{what}, slower", percent, "%", "at most", MOST_SLOWER, beside)


def _filters(runs: int) -> dict[str, dict[str, Any]]:
    """Each filter, and some at once."""
    end = datetime.now(UTC) - timedelta(seconds=2 * runs)
    statuses = ("Completed", "Failed", "Pending", "Waiting", "Paused", "Running", "Cancelling")
    return {
        "any": {},
        **{status: {"status": status} for status in statuses},
        "several states": {"status": ["Failed", "Waiting"]},
        "a workflow": {"workflow_name": "one"},
        "a workflow that failed": {"workflow_name": "one", "status": "Failed"},
        "a workflow that waits": {"workflow_name": "one", "status": "Waiting"},
        "a tag": {"tags": {"kind": "k10"}},
        "a parent": {"parent_id": _PARENT},
        "an hour": {"since": end, "until": end + timedelta(hours=1)},
        "an hour that failed": {
            "since": end,
            "until": end + timedelta(hours=1),
            "status": "Failed",
        },
        "an hour that waits": {"since": end, "until": end + timedelta(hours=1), "status": "Paused"},
        "an error that failed": {"status": "Failed", "error": "VALUEERROR: ORDER 100"},
        "an error that none has": {"status": "Failed", "error": "no such error"},
        "an error of any": {"error": "no such error"},
    }


def _looked_at(url: str, runs: int) -> Iterator[Line]:
    """Listings are pages from an index; a count reads all that it counts, so it has no target."""
    with cloaca.Client(url) as client:
        for name, wanted in _filters(runs).items():
            found, page = _timed(partial(client.list_runs, **wanted, limit=PAGE))
            number, count = _timed(partial(client.count_runs, **wanted))
            beside = f"{len(found)} of {number:,}; counted in {count:,.0f} ms"
            reads_all = "error" in wanted or name == "Pending"  # these are listed by no index
            most = float("inf") if reads_all else MOST_FOR_A_PAGE_MS
            yield Line(f"list_runs, {name}", page, "ms", "at most", most, beside)


def _timed(look: Callable[[], Any]) -> tuple[Any, float]:
    """The answer, and the shortest of three times in ms."""
    took = []
    for _ in range(3):
        start = time.perf_counter()
        found = look()
        took.append((time.perf_counter() - start) * 1000)
    return found, min(took)


# -- databases -----------------------------------------------------------------------------------


@contextmanager
def _sqlite_pair(runs: int) -> Iterator[tuple[str, str]]:
    """Files in the present folder: one in memory would not tell what a disk makes of them."""
    with tempfile.TemporaryDirectory(prefix="cloaca-grown-", dir=Path.cwd()) as name:
        urls = [f"sqlite:///{name}/{each}.db" for each in ("grown", "empty")]
        cloaca.DefaultRunner(urls[0]).shutdown()
        _fill_sqlite(Path(name) / "grown.db", runs)
        yield urls[0], urls[1]


@contextmanager
def _postgres_pair(url: str, runs: int) -> Iterator[tuple[str, str]]:
    schemas = [f"cloaca_grown_{uuid4().hex}" for _ in range(2)]
    urls = [f"{url}{'&' if '?' in url else '?'}schema={each}" for each in schemas]
    try:
        for each in urls:
            cloaca.DefaultRunner(each).shutdown()
        _fill_postgres(url, schemas[0], runs)
        yield urls[0], urls[1]
    finally:
        with psycopg.connect(url, autocommit=True) as raw:
            for schema in schemas:
                drop = sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE")
                raw.execute(drop.format(sql.Identifier(schema)))


def main() -> int:
    """Fill, measure, and print a line per figure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.grown")
    parser.add_argument("database", help="sqlite, or the URL of a PostgreSQL")
    parser.add_argument("--runs", type=int, default=1_000_000)
    given = parser.parse_args()
    is_sqlite, runs = given.database == "sqlite", given.runs
    workflows.define()
    start = time.perf_counter()
    pair = _sqlite_pair(runs) if is_sqlite else _postgres_pair(given.database, runs)
    with pair as (grown, empty):
        print(f"filled in {time.perf_counter() - start:.0f} s", flush=True)
        lines = [*_looked_at(grown, runs), *_compared(grown, empty)]
    return report(lines)


if __name__ == "__main__":
    raise SystemExit(main())
