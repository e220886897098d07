"""Procrastinate: a job, deferred to a worker in the same process, until its body has run.

There is no handle to wait with, so this ends a moment earlier than the others do: what the worker
writes after the body is not waited for.
"""

from __future__ import annotations

import asyncio
import sys

from procrastinate import App, PsycopgConnector

from benchmarks.peers.timing import measure_awaited


async def main(url: str) -> None:
    """A worker beside the one who defers."""
    app = App(connector=PsycopgConnector(conninfo=url))
    ran = asyncio.Event()

    @app.task(name="step")
    async def step() -> None:
        ran.set()

    async def one() -> None:
        ran.clear()
        await step.defer_async()
        await ran.wait()

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        worker = asyncio.create_task(app.run_worker_async(install_signal_handlers=False))
        await measure_awaited(one)
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
