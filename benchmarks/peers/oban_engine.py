"""Oban for Python: a job, enqueued, and its queue embedded in the same process, until its body ran.

There is no handle to wait with, so this ends a moment earlier than the others do: what the queue
writes after the body is not waited for.
"""

from __future__ import annotations

import asyncio
import sys

import psycopg
from oban import Oban, job
from oban.schema import install_sql

from benchmarks.peers.timing import measure_awaited


async def main(url: str) -> None:
    """A queue beside the one who enqueues."""
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
