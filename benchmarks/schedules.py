"""Measures the delay of runs whose schedules tick in the same second, and idle schedules' cost.

The delay ends when the commit of the run has returned; its wait for a slot after that is a matter
of throughput.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import cloaca
from benchmarks import measuring
from cloaca_core.assembly.sql_store import SqlStore
from cloaca_core.features.schedules.records import TICKS
from cloaca_core.store.batch import Batch, Committed
from cloaca_core.store.runs import OnCommit

SCHEDULES = 10_000
AT_ONCE = 1_000
IN_FLIGHT = 1_000
STEP_SECONDS = 1.0
"""Seconds between two tasks of each run in flight."""
EVERY_SECONDS = 10
ROUNDS = 5
IDLE_SECONDS = 20.0


def measure(url: str) -> list[measuring.Line]:
    """Measure the idle cost of many schedules, then the delays of those that tick at once."""
    _define()
    asyncio.run(_add(url, SCHEDULES, "@yearly"))
    lines = _idle(url)
    asyncio.run(_add(url, AT_ONCE, f"*/{EVERY_SECONDS} * * * * *"))
    return lines + _late(url)


def _define() -> None:
    """Register ``ticking``, and ``in_flight``, a chain longer than the measurement."""
    with cloaca.WorkflowBuilder("ticking"):

        @cloaca.task
        def nothing(context: cloaca.Context) -> None: ...

    async def step(context: cloaca.Context) -> None:
        context["steps"] = context.get("steps", 0) + 1
        await asyncio.sleep(STEP_SECONDS)

    with cloaca.WorkflowBuilder("in_flight"):
        for link in range(10 * EVERY_SECONDS * ROUNDS):
            cloaca.task(id=f"t{link}", dependencies=[f"t{link - 1}"] if link else [])(step)


async def _add(url: str, count: int, expression: str) -> None:
    config = cloaca.DefaultRunnerConfig(enable_cron_scheduling=False)
    async with cloaca.AsyncRunner(url, config=config) as runner:
        await asyncio.gather(
            *[runner.register_cron_workflow("ticking", expression, "UTC") for _ in range(count)]
        )


def _idle(url: str) -> list[measuring.Line]:
    with cloaca.DefaultRunner(url):
        time.sleep(1)  # until the runner has found that none is due
        before = time.process_time()
        time.sleep(IDLE_SECONDS)
        used = time.process_time() - before
    what = f"idle with {SCHEDULES:,} schedules, share of a core"
    return [measuring.Line(what, used / IDLE_SECONDS * 100, "%", "at most", 0.5)]


def _late(url: str) -> list[measuring.Line]:
    config = cloaca.DefaultRunnerConfig(
        max_active_runs=2 * IN_FLIGHT + AT_ONCE,
        max_concurrent_async_tasks=IN_FLIGHT,
        shutdown_grace_seconds=0,
    )
    with _delays() as rounds, cloaca.DefaultRunner(url, config=config) as runner:
        runner.submit_many("in_flight", [{}] * IN_FLIGHT)
        while runner.health()["running_bodies"] < IN_FLIGHT:
            time.sleep(0.1)
        rounds.clear()  # those of ticks while the runs were still starting
        while len(whole := [each for each in rounds.values() if len(each) == AT_ONCE]) < ROUNDS:
            time.sleep(0.5)
    delays = sorted(delay for each in whole[-ROUNDS:] for delay in each)
    beside = f"{IN_FLIGHT:,} runs in flight, {ROUNDS} rounds"
    p50 = statistics.median(delays)
    p99 = delays[int(len(delays) * 0.99)]
    return [
        measuring.Line("tick to run, 1,000 at once, p50", p50, "ms", "at most", 250, beside),
        measuring.Line("tick to run, 1,000 at once, p99", p99, "ms", "at most", 250),
        measuring.Line("tick to run, 1,000 at once, slowest", delays[-1], "ms", "at most", 1_000),
    ]


@contextmanager
def _delays() -> Iterator[dict[int, list[float]]]:
    """For each tick the delays in ms of its runs."""
    found: dict[int, list[float]] = {}
    commit = SqlStore.commit

    async def timed(self: SqlStore, batch: Batch, on_commit: OnCommit | None = None) -> Committed:
        committed = await commit(self, batch, on_commit)
        now = time.time()
        for tick in batch.of(TICKS):
            found.setdefault(tick.tick, []).append((now - tick.tick / 1e6) * 1000)
        return committed

    with mock.patch.object(SqlStore, "commit", timed):
        yield found
