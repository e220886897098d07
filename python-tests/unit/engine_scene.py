"""An engine on a store that fails, forgets and lies as a test tells it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any

from model.memory_store import MemoryStore
from model.quiet import quiet
from model.virtual_engine import VirtualExecutor
from model.virtual_time import VirtualClock, the_loop

from cloaca_core.assembly.engine import Engine
from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.engine.calls.user_code import calling_work
from cloaca_core.engine.execute.executor import Executor
from cloaca_core.engine.observe.completion import Ended
from cloaca_core.engine.submit.request import Request
from cloaca_core.errors import StoreDataError
from cloaca_core.run.rows import AttemptRow, RunRow
from cloaca_core.store.batch import Batch, Committed
from cloaca_core.store.changes import Change
from cloaca_core.store.runner_rows import RunnerRow
from cloaca_core.store.runs import OnCommit
from cloaca_core.values.definition_rows import DefinitionName, DefinitionRow, WhenEndedRow
from cloaca_core.values.times.clock import Clock
from cloaca_testing.conformance.commits import submit
from cloaca_testing.conformance.rows import new_run, runner

FLOW = "public::embedded::flow"


class Store(MemoryStore):
    """The model, whose operations can be made to fail by name, one failure at a time."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.wall_clock = clock.wall
        self.clock = clock
        self.failures: dict[str, list[Exception]] = {}
        self.refused: str | None = None
        self.afterwards: dict[str, list[Callable[[], Awaitable[object]]]] = {}
        self.committed = asyncio.Event()
        self.changed = asyncio.Event()
        self.change = Change.ANYTHING
        self.idle = asyncio.Event()
        self.asked: list[str] = []
        self.answers = asyncio.Event()
        self.answers.set()

    def lease_clock(self) -> int:
        return round(self.clock.monotonic() * 1e6)

    def _perhaps_fail(self, name: str) -> None:
        if failures := self.failures.get(name):
            raise failures.pop(0)

    async def _before_the_answer(self, name: str) -> None:
        """Run a step of the test after an operation is done and before its caller knows."""
        if steps := self.afterwards.get(name):
            await steps.pop(0)()

    async def commit(self, batch: Batch, on_commit: OnCommit | None = None) -> Committed:
        self._perhaps_fail("commit")
        contexts = [end.final_context or "" for end in batch.ends]
        if self.refused is not None and any(self.refused in text for text in contexts):
            raise StoreDataError("the database will not have it")
        committed = await super().commit(batch, on_commit)
        self.committed.set()
        await self._before_the_answer("commit")
        return committed

    async def record_definitions(
        self, definitions: Collection[DefinitionRow], when_ended: Collection[WhenEndedRow] = ()
    ) -> None:
        self._perhaps_fail("record_definitions")
        await super().record_definitions(definitions, when_ended)

    async def definitions_named(self, name: str) -> list[DefinitionName]:
        self._perhaps_fail("definitions_named")
        return await super().definitions_named(name)

    async def marked(self, run_id: str) -> None:
        """Return when it is written that a body of this run runs."""
        while "Running" not in [row.status for row in await self.load_attempts([run_id])]:
            self.committed.clear()
            await self.committed.wait()

    async def claim(
        self,
        runner_id: str,
        workflows: Collection[str],
        limit: int,
        now: int,
        aged: int = 0,
        queues: Collection[str] | None = None,
    ) -> list[RunRow]:
        self._perhaps_fail("claim")
        rows = await super().claim(runner_id, workflows, limit, now, aged, queues)
        if rows:
            await self._before_the_answer("claim")
        return rows

    async def load_attempts(self, run_ids: Collection[str]) -> list[AttemptRow]:
        self._perhaps_fail("load_attempts")
        return await super().load_attempts(run_ids)

    async def release(self, runner_id: str, held: Collection[str]) -> int:
        self._perhaps_fail("release")
        count = await super().release(runner_id, held)
        await self._before_the_answer("release")
        return count

    async def ended(self, run_ids: Collection[str]) -> list[RunRow]:
        self._perhaps_fail("ended")
        return await super().ended(run_ids)

    async def unregister(self, runner_id: str) -> None:
        await self.answers.wait()
        await super().unregister(runner_id)

    async def wait_changed(self) -> Change:
        await self.changed.wait()
        self.changed.clear()
        return self.change

    async def beat(
        self,
        runner_id: str,
        lease_until: int,
        idle_since: int | None = None,
        sharing: str | None = None,
    ) -> bool:
        beaten = await super().beat(runner_id, lease_until, idle_since, sharing)
        if idle_since is not None:
            self.idle.set()
        return beaten

    async def has_claimable(
        self,
        runner_id: str,
        workflows: Collection[str],
        queues: Collection[str] | None = None,
    ) -> bool:
        self.asked.append("has_claimable")
        return await super().has_claimable(runner_id, workflows, queues)

    async def runners(self) -> list[RunnerRow]:
        self.asked.append("runners")
        return await super().runners()

    async def next_due(self, workflows: Collection[str]) -> int | None:
        self.asked.append("next_due")
        return await super().next_due(workflows)


class Scene:
    """An engine, and one workflow whose only body is given."""

    def __init__(self) -> None:
        self.clock = VirtualClock(the_loop())
        self.store = Store(self.clock)
        self.registry = Registry()
        self.engines: list[Engine] = []

    def define(self, body: Callable[..., Any], name: str = "flow", **options: Any) -> None:
        with WorkflowBuilder(name, registry=self.registry):
            task(id="t", **options)(body)

    async def open(
        self, executor: type[Executor] = VirtualExecutor, *, works: bool = True, **settings: Any
    ) -> Engine:
        config = DefaultRunnerConfig(**{"shutdown_grace_seconds": 0, **settings})
        engine = Engine(self.store, config, self.registry, self.clock, executor, works=works)
        await engine.start()
        await engine.begin()
        self.engines.append(engine)
        return engine

    def request(self, name: str = "flow") -> Request:
        workflow = self.registry.find(name)
        work = calling_work()
        return Request(workflow, ["{}"], [{}], "{}", parent=None if work is None else work.attempt)

    async def execute(self, engine: Engine, name: str = "flow") -> Ended:
        return await engine.execute(self.request(name), None)

    async def die(self, engine: Engine) -> None:
        """Others take over from its runner, and it hears of that at once."""
        (mine,) = await self.store.runners()
        await self.store.fence(mine.id, mine.beat)
        while await self.store.take_over(mine.id, 10):
            pass
        await engine._parts.claims.lease.prove()
        await quiet()

    async def orphan(self, run_id: str = "orphan", **fields: Any) -> None:
        """A run without an owner, begun by a runner that is gone."""
        await self.store.register(runner("old"))
        await submit(self.store, new_run(run_id, owner="old", workflow=FLOW), runner_id="old")
        fields = {"started_at": self.clock.wall(), **fields}
        self.store.runs[run_id] = self.store.runs[run_id]._replace(**fields)
        await self.store.unregister("old")

    async def close(self) -> None:
        """Shut down the engines that were opened here."""
        for engine in self.engines:
            await engine.shutdown()


def nothing(context: Context) -> None:
    """A body that does nothing."""
