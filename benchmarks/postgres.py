"""Benchmark on the PostgreSQL database in ``CLOACA_TEST_POSTGRES_URL``.

Run by ``invoke bench --backend postgres`` in an environment with the built wheels; it creates
schemas and drops them. Exits with 1 when a target is missed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
from psycopg import sql

import cloaca
from benchmarks import (
    limited_bodies,
    limits,
    measuring,
    pruning,
    queues,
    schedules,
    sharing,
    snapshots,
    steering,
    steps,
    task_logs,
    workflows,
)
from benchmarks.postgres_floor import PostgresFloor

VARIABLE = "CLOACA_TEST_POSTGRES_URL"
TARGETS = measuring.Targets(one=1.8, ratio=2.5, chain=9, fan_out=30, rate=7_000)


def main() -> int:
    """Measure everything and print a line per figure."""
    workflows.define()
    url = os.environ.get(VARIABLE)
    if not url:
        raise SystemExit(f"set {VARIABLE} to the URL of a PostgreSQL database to measure on")
    lines: list[measuring.Line] = []
    with _schema(url) as name, _schema(url) as floors, _runner(url, floors) as migrated:
        migrated.shutdown()
        floor = PostgresFloor(url, floors)
        with _runner(url, name) as runner:
            lines += measuring.latencies(runner, floor, TARGETS)
            lines += measuring.throughputs(runner, floor, TARGETS)
    with _schema(url) as name, _connected(url, name) as raw:
        lines += sharing.two_runners(_within(url, name), raw)
        lines += sharing.idle_statements(_within(url, name))
    with _schema(url) as name:
        lines += measuring.idle(_within(url, name))
        lines += measuring.memory(_within(url, name))
    with _schema(url) as name, _connected(url, name) as raw:
        lines += pruning.measure(_within(url, name), lambda: _size(raw))
    with _schema(url) as name:
        lines += schedules.measure(_within(url, name))
    with _schema(url) as name:
        lines += limits.measure(url, _within(url, name), name)
    with _schema(url) as name:
        lines += limited_bodies.measure(_within(url, name))
    with _schema(url) as name:
        lines += queues.measure(_within(url, name))
    with _schema(url) as name:
        lines += steering.measure(_within(url, name))
        lines += steps.measure(_within(url, name))
    with _schema(url) as name:
        lines += task_logs.measure(_within(url, name))
    with _schema(url) as name, _connected(url, name) as raw:
        lines += snapshots.measure(_within(url, name), raw)
    return measuring.report(lines + measuring.import_time())


def _runner(url: str, schema: str) -> cloaca.DefaultRunner:
    return cloaca.DefaultRunner(_within(url, schema))


def _within(url: str, schema: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}schema={schema}"


@contextmanager
def _connected(url: str, schema: str) -> Iterator[psycopg.Connection]:
    """Open a session in this schema."""
    with psycopg.connect(url, autocommit=True) as raw:
        raw.execute(sql.SQL("SET search_path = {}").format(sql.Identifier(schema)))
        yield raw


def _size(raw: psycopg.Connection) -> int:
    """The bytes of the tables of runs, after a vacuum as the server would do it soon."""
    raw.execute("VACUUM cloaca_run, cloaca_attempt")
    size = "SELECT pg_total_relation_size('cloaca_run') + pg_total_relation_size('cloaca_attempt')"
    ((found,),) = raw.execute(size).fetchall()
    return int(found)


@contextmanager
def _schema(url: str) -> Iterator[str]:
    """Create a schema, and drop it in the end; its name."""
    name = f"cloaca_bench_{uuid4().hex}"
    yield name
    with psycopg.connect(url, autocommit=True) as raw:
        raw.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))


if __name__ == "__main__":
    raise SystemExit(main())
