"""A schedule loop and its calls, on a clock that only the test moves."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from model.by_hand import HandMarks
from model.memory_store import MemoryStore

from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.engine.record.journal import Journal
from cloaca_core.engine.recover.runner_id import RunnerId
from cloaca_core.engine.runtime.supervisor import SupervisedLoop
from cloaca_core.engine.subjects import Subjects
from cloaca_core.features.schedules.operations.backfill import BackFilling
from cloaca_core.features.schedules.operations.schedule_table import ScheduleSpec, ScheduleTable
from cloaca_core.features.schedules.schedule_loop import ScheduleLoop
from cloaca_core.features.steering.noted_acts import NotedActs
from cloaca_core.run.rows import RunRow
from cloaca_core.store.batch import Batch, Committed
from cloaca_core.store.runs import OnCommit
from cloaca_core.values.ids import RunIds

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
NOON = int(datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp()) * SECOND
WORKFLOW = "public::embedded::orders"


class Store(MemoryStore):
    """Its clock stands still until a test moves it."""

    def __init__(self) -> None:
        super().__init__()
        self.time = NOON
        self.wall_clock = lambda: self.time
        self.commits = 0
        self.dropped = False

    async def commit(self, batch: Batch, on_commit: OnCommit | None = None) -> Committed:
        self.commits += 1
        committed = await super().commit(batch, None if self.dropped else on_commit)
        if self.dropped:  # the outcome of a commit whose answer is lost is not known
            self.dropped = False
            raise OSError("the connection was lost")
        return committed


class Runner:
    """The part of an engine that fires; its clock is ``ahead`` of the store's."""

    def __init__(self, store: Store, ahead: int = 0, **settings: Any) -> None:
        self.made = 0
        self.heard = 0
        subjects = Subjects()
        subjects.claimable.subscribe(self._count)
        subjects.ended_elsewhere.subscribe(self._hear)
        self.journal = Journal(store, RunnerId("r1"), HandMarks())
        self.registry = Registry()
        with WorkflowBuilder("orders", registry=self.registry):

            @task
            def take(context: Context) -> None: ...

        config = DefaultRunnerConfig(**settings)
        self.ids = RunIds()
        seen = _Ahead(store, ahead) if ahead else store
        self.asked: list[str] = []
        self.loop = ScheduleLoop(
            seen, self.journal, self.registry, config, self.ids, subjects, self._submits
        )
        acts = NotedActs(seen, self.ids, "ann")
        self.calls = ScheduleTable(seen, self.ids, acts, self.loop, self.loop.wake)
        self.back_filling = BackFilling(seen, acts, self.loop)
        self.writer = SupervisedLoop("journal", self.journal.turn)

    def _count(self) -> None:
        self.made += 1

    def _hear(self) -> None:
        self.heard += 1

    async def _submits(self, queues: Iterable[str]) -> None:
        self.asked += queues

    async def fire(self) -> float | None:
        """Fire all that is due; seconds until more is."""
        while (timeout := await self.loop.fire_due()) == 0.0:
            pass
        return timeout


class _Ahead(MemoryStore):
    """The same store as seen by a runner whose clock is ahead."""

    def __init__(self, store: Store, ahead: int) -> None:
        self.__dict__ = store.__dict__ | {"wall_clock": lambda: store.time + ahead}


@asynccontextmanager
async def runners() -> AsyncIterator[Callable[..., Runner]]:
    """Starts runners on a store; all of them are stopped in the end."""
    started: list[Runner] = []

    def start_one(store: Store, **settings: Any) -> Runner:
        runner = Runner(store, **settings)
        runner.writer.start()
        started.append(runner)
        return runner

    yield start_one
    for runner in started:
        await runner.writer.stop()


def wanted(expression: str = "* * * * *", **options: Any) -> ScheduleSpec:
    """A schedule as it is asked for."""
    return ScheduleSpec(WORKFLOW, expression, options.pop("timezone", "UTC"), **options)


def inputs(store: Store) -> list[dict[str, Any]]:
    """The inputs of the runs, in the order in which they were made."""
    return [json.loads(run.input) for run in runs_of(store)]


def runs_of(store: Store) -> list[RunRow]:
    """In the order in which they were made."""
    return [run for _, run in sorted(store.runs.items())]


def times(store: Store) -> list[str]:
    """The hour and minute of each tick that has a run."""
    return sorted(each["scheduled_time"][11:16] for each in inputs(store))
