"""Procrastinate: defers a job to a worker in the same process, and waits for its body.

There is no handle to wait with, so the measured time is a little shorter than the others': it lacks
the worker's writes after the body.
"""

from __future__ import annotations

import asyncio
import sys

from procrastinate import App, PsycopgConnector

from benchmarks.peers.timing import measure_awaited


async def main(url: str) -> None:
    """Start a worker and defer the job."""
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
