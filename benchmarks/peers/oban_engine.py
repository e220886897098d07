"""Oban for Python: enqueues a job for a queue in the same process, and waits for its body.

There is no handle to wait with, so the measured time is a little shorter than the others': it lacks
the queue's writes after the body.
"""

from __future__ import annotations

import asyncio
import sys

import psycopg
from oban import Oban, job
from oban.schema import install_sql

from benchmarks.peers.timing import measure_awaited


async def main(url: str) -> None:
    """Start a queue and enqueue the job."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        await connection.execute(install_sql())
    ran = asyncio.Event()

    @job(queue="default")
    async def step(_: int) -> None:
        ran.set()

    async def one() -> None:
        ran.clear()
        await step.enqueue(1)
        await ran.wait()

    pool = await Oban.create_pool(dsn=url)
    async with Oban(pool=pool, queues={"default": 10}):
        await measure_awaited(one)
    await pool.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
