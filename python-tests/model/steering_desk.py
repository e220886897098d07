"""A steering whose orchestrator and store are in the test's hands."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

from model.memory_store import MemoryStore
from model.orchestration import Scene

from cloaca_core.definition.registry import Registry
from cloaca_core.engine.order import Order
from cloaca_core.engine.recover.runner_id import RunnerId
from cloaca_core.engine.subjects import Subjects
from cloaca_core.features.definitions.recorded_definitions import RecordedDefinitions
from cloaca_core.features.steering.records import Act, News
from cloaca_core.features.steering.steering import Steering
from cloaca_core.run.active_run import ActiveRun
from cloaca_core.values.ids import RunIds
from cloaca_core.values.times.clock import SYSTEM_CLOCK
from cloaca_core.values.times.instants import SECOND
from cloaca_testing.conformance.commits import submit
from cloaca_testing.conformance.rows import new_run, runner

GRACE = 30.0


class SlowStore(MemoryStore):
    """Its news are as they were when they were asked for; the answer comes once ``answers`` is set.
    The test sets ``now_is``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.answers = asyncio.Event()
        self.answers.set()
        self.asked = asyncio.Event()
        self.looks = 0
        self.now_is = 1_000_000 * SECOND

    def wall(self) -> int:
        return self.now_is

    async def now(self) -> int:
        return self.now_is

    async def news(self, runner_id: str, workflows: Collection[str], limit: int) -> News:
        self.looks += 1
        news = await super().news(runner_id, workflows, limit)
        self.asked.set()
        await self.answers.wait()
        return news


class SteeringDesk:
    """A steering whose orchestrator and store are in the test's hands."""

    def __init__(self) -> None:
        self.store = SlowStore()
        self.scene = Scene()
        self.scene.clock.shown = self.store.now_is
        self.told: list[str] = []
        self._acts = 0
        subjects = Subjects()
        subjects.claimable.subscribe(lambda: self.told.append("runs came"))
        subjects.orphans_suspected.subscribe(lambda: self.told.append("lost runs"))
        subjects.display_changed.subscribe(lambda: self.told.append("paused"))
        self.steering = Steering(
            self.store,
            RecordedDefinitions(self.store, Registry()),
            list,
            self.scene.orchestrator,
            RunnerId("r1"),
            RunIds(SYSTEM_CLOCK),
            self._hear_of_ends,
            subjects,
        )

    async def _hear_of_ends(self) -> None:
        self.told.append("hear of ends")

    async def run(self, *arguments: Any, **fields: Any) -> ActiveRun:
        """A run ``r`` of this runner that goes on here."""
        await self.in_table("r")
        return self.scene.adopt(*arguments, **fields)

    async def in_table(self, run_id: str, **fields: Any) -> None:
        if "r1" not in self.store.registered:
            await self.store.register(runner("r1"))
        await submit(self.store, new_run(run_id, **fields))

    def _act(self, kind: str) -> Act:
        self._acts += 1
        because = Order(kind, "ann", "a reason").because()
        return Act(str(self._acts), "ann", "a reason", because, self.store.now_is)

    async def cancel(self, *run_ids: str) -> None:
        """Another runner writes it; so below."""
        deadline = self.store.now_is + round(GRACE * SECOND)
        await self.store.cancel(run_ids, self._act("cancel"), deadline, children=True)

    async def pause(self, *run_ids: str) -> None:
        await self.store.pause(run_ids, self._act("pause"), None, children=True)

    async def resume(self, *run_ids: str) -> None:
        await self.store.resume(run_ids, self._act("resume"))

    async def look(self) -> float | None:
        """Act on the news once; seconds until the next look."""
        return await self.steering.loop._act_on_news()
