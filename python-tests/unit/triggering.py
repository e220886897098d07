"""The part of an engine that polls triggers, on a store whose clock the tests hold."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from model.by_hand import HandMarks
from model.memory_store import MemoryStore

from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.trigger import trigger
from cloaca_core.engine.record.journal import Journal
from cloaca_core.engine.recover.runner_id import RunnerId
from cloaca_core.engine.runtime.supervisor import SupervisedLoop
from cloaca_core.engine.subjects import Subjects
from cloaca_core.features.steering.noted_acts import NotedActs
from cloaca_core.features.triggers.trigger_loop import TriggerLoop
from cloaca_core.features.triggers.trigger_table import TriggerTable
from cloaca_core.run.rows import RunEnd, RunRow
from cloaca_core.store.batch import Batch
from cloaca_core.values.ids import RunIds
from cloaca_core.values.times.clock import SYSTEM_CLOCK
from cloaca_testing.conformance.rows import runner as runner_row

SECOND = 1_000_000
NOON = int(datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp()) * SECOND
WORKFLOW = "public::embedded::orders"
PATIENCE = 60


class Store(MemoryStore):
    """Its clock stands still until a test moves it; ``asked`` counts what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.time = NOON
        self.wall_clock = lambda: self.time
        self.asked: Counter[str] = Counter()

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if asyncio.iscoroutinefunction(found) and not name.startswith("_"):
            self.asked[name] += 1
        return found

    def inputs(self) -> list[dict[str, Any]]:
        """The inputs of the runs, in the order in which they were made."""
        runs: list[RunRow] = sorted(self.runs.values(), key=lambda run: run.id)
        return [json.loads(run.input) for run in runs]

    async def end_all(self) -> None:
        """Let every run end."""
        if "r" not in self.registered:
            await self.register(runner_row("r"))
        rows = await self.claim("r", [WORKFLOW], 99, self.time)
        ends = [RunEnd(row.id, row.epoch, "Completed", "{}", None, self.time) for row in rows]
        fences = {row.id: row.epoch for row in rows}
        await self.commit(Batch("r", [], [], ends, fences))


class Part:
    """The parts of an engine that fire triggers."""

    def __init__(self, store: Store, registry: Registry | None = None, **settings: Any) -> None:
        self.made = asyncio.Event()
        self.registry = Registry() if registry is None else registry
        self.journal = Journal(store, RunnerId("r1"), HandMarks())
        config = DefaultRunnerConfig(**settings)
        ids = RunIds()
        subjects = Subjects()
        subjects.claimable.subscribe(self.made.set)
        self.loop = TriggerLoop(
            store, self.journal, self.registry, config, ids, subjects, SYSTEM_CLOCK
        )
        acts = NotedActs(store, ids, "ann")
        self.calls = TriggerTable(store, acts, self.loop.sync, self.loop.wake)
        self.writer = SupervisedLoop("journal", self.journal.turn)
        self.writer.start()

    def define(self, function: Callable[[], object], **options: Any) -> None:
        """Register a trigger; on the workflow "orders", every five seconds, if nothing is said."""
        given = {"name": "t", "on": "orders", "registry": self.registry, **options}
        trigger(**given)(function)

    async def poll(self) -> float | None:
        """Poll what is due, wait for what comes of it; seconds until more is due."""
        timeout = await self.loop.poll_due()
        async with asyncio.timeout(PATIENCE):
            while self.loop._running:
                self.loop._wakeup._woken.clear()
                await self.loop._wakeup._woken.wait()  # also when a poll is over
        return timeout

    async def close(self) -> None:
        await self.loop.close()
        await self.writer.stop()
