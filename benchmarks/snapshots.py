"""Measures claims while a snapshot is open, which keeps the index entries of all claimed runs.

A report, a backup or a session that is idle in a transaction holds one. The first and the last
claims are compared, by their time and by the blocks that they read of the table of runs and of its
indexes.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final, NamedTuple, cast

import psycopg

from benchmarks import measuring
from cloaca_core.store.protocol import StoreOptions
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.queries import Statement
from cloaca_postgres import BACKEND
from cloaca_postgres.store import PostgresStore
from cloaca_testing.conformance.rows import WORKFLOW, runner

CLAIMED: Final = 200_000
COMPARED: Final = 10_000
"""Runs of the first and of the last claims."""
AT_ONCE: Final = 10
MOST: Final = 1.5
"""Times as dear as the first claims that the last ones may be."""

_FILL = b"""
INSERT INTO cloaca_run (
    id, workflow, version, status, epoch, created_at, tags, input, claimable_at
)
SELECT lpad(n::text, 12, '0'), %s, 'v', 'Pending', 0, n, '{}', '{}', n
FROM generate_series(1, %s) AS n
"""
_BLOCKS = b"""
SELECT heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit
FROM pg_statio_user_tables WHERE relid = 'cloaca_run'::regclass
"""
_COUNT_NOW = Step(Statement("count_now", "SELECT pg_stat_force_next_flush()", ()))


class _Cost(NamedTuple):
    """What a claim costs."""

    blocks: float
    ms: float


def measure(url: str, raw: psycopg.Connection) -> list[measuring.Line]:
    """Measure in an empty schema; ``raw`` is a session in it."""
    return asyncio.run(_measured(url, raw))


async def _measured(url: str, raw: psycopg.Connection) -> list[measuring.Line]:
    store = cast("PostgresStore", await BACKEND.open(url, StoreOptions()))
    try:
        await store.register(runner())
        raw.execute(_FILL, [WORKFLOW, CLAIMED])
        raw.execute("VACUUM ANALYZE cloaca_run")
        with psycopg.connect(url.partition("?")[0]) as other:
            other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            other.execute("SELECT 1")
            first = await _claimed(store, raw, COMPARED)
            await _claimed(store, raw, CLAIMED - 2 * COMPARED)
            last = await _claimed(store, raw, COMPARED)
    finally:
        await store.close()
    return [
        _line("time of a claim", "ms", first.ms, last.ms),
        _line("blocks of a claim", "blocks", first.blocks, last.blocks),
    ]


def _line(what: str, unit: str, first: float, last: float) -> measuring.Line:
    beside = f"{first:.2f} {unit} at first, {last:.2f} at last"
    name = f"{what} after {CLAIMED:,} under a snapshot"
    return measuring.Line(name, last / first, "x", "at most", MOST, beside)


async def _claimed(store: PostgresStore, raw: psycopg.Connection, count: int) -> _Cost:
    blocks, began = await _blocks(store, raw), time.perf_counter()
    for _ in range(count // AT_ONCE):
        assert len(await store.claim("r1", [WORKFLOW], AT_ONCE, 1, aged=1)) == AT_ONCE
    took = time.perf_counter() - began
    claims = count / AT_ONCE
    return _Cost((await _blocks(store, raw) - blocks) / claims, took * 1000 / claims)


async def _blocks(store: PostgresStore, raw: psycopg.Connection) -> int:
    """The blocks that were read so far, as the server counts them."""
    await store._dialect.write([_COUNT_NOW])
    ((blocks,),) = raw.execute(_BLOCKS).fetchall()
    return int(blocks)
