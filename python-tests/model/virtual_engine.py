"""The real engine in virtual time: over the model store, its bodies on the loop of the test.

Several engines may share a store, each through a view of its own that the test can silence. A sync
body takes no time at all; one that is to take some is async and sleeps.
"""

from __future__ import annotations

import asyncio
import copy
import math
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from model.memory_store import MemoryStore
from model.quiet import quiet
from model.virtual_time import BEGINNING, VirtualClock, the_loop

from cloaca_core.assembly.engine import Engine
from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.handles.child_calls import BegunChild, ChildCall
from cloaca_core.definition.limits.limit import LimitLike
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.definition.trigger import trigger
from cloaca_core.engine.calls.arguments import Requests, keyed_child
from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.execute.children import Front
from cloaca_core.engine.execute.executor import Executor, Pools
from cloaca_core.engine.execute.work import COROUTINES, THREADS, Stage, Work
from cloaca_core.engine.observe.completion import Ended
from cloaca_core.engine.submit.request import Request
from cloaca_core.features.limits.begin.turns import Turn
from cloaca_core.features.limits.records import (
    Adopted,
    Given,
    Grant,
    LimitDefinition,
    Unclaimed,
    Unit,
    Waiter,
)
from cloaca_core.features.schedules.operations.schedule_table import ScheduleSpec, ScheduleTable
from cloaca_core.features.schedules.records import ScheduleRow, TickRow
from cloaca_core.features.steering.noted_acts import NotedActs
from cloaca_core.features.steering.records import Act
from cloaca_core.features.triggers.poll import MANY, Poll, PollPlaces
from cloaca_core.features.triggers.records import TriggerRow
from cloaca_core.features.triggers.trigger_table import TriggerTable
from cloaca_core.run.rows import AttemptRow, NewRun, RunRow
from cloaca_core.store.acts import Acted, ActRow
from cloaca_core.store.batch import NO_ROWS, Batch, Committed, Rows, Waiting
from cloaca_core.store.changes import Change
from cloaca_core.store.runner_rows import RunnerName, RunnerRow, Sharing
from cloaca_core.store.runs import OnCommit
from cloaca_core.values.limits.settings import LimitChanges
from cloaca_core.values.times.clock import Clock
from cloaca_core.values.times.instants import to_datetime
from cloaca_core.values.times.no_limit import NO_LIMIT, NoLimit
from cloaca_core.views.results import PipelineResult
from cloaca_testing.executor import LoopCoroutines

T = TypeVar("T")

FLOW = "public::embedded::flow"
CALM: dict[str, Any] = {
    "lease_seconds": 3600,
    "cron_poll_interval_seconds": 3600,
    "shutdown_grace_seconds": 0,
    "task_timeout_seconds": NO_LIMIT,
    "pipeline_timeout_seconds": NO_LIMIT,
}


# -- the store -----------------------------------------------------------------------------------


class VirtualStore(MemoryStore):
    """The model by a virtual clock. Each engine opens a view of it, and hears of what others write
    as from a database.

    While ``failure`` is set, what the view's engine writes raises it; while ``answers`` is cleared,
    nothing that it asks is answered; while it is ``silent``, it hears of no other. ``asked`` has
    the instants of all commits and polls that were tried, ``beats`` those of the beats that came
    through, with their lease ends; ``looks`` counts what an idle engine reads.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._views: list[VirtualStore] = []
        self._open(clock)

    def _open(self, clock: Clock) -> None:
        self.clock = clock
        self.wall_clock = clock.wall
        self.read_lease_clock: Callable[[], int] = lambda: round(clock.monotonic() * 1e6)
        self.failure: Exception | None = None
        self.answers = asyncio.Event()
        self.answers.set()
        self.silent = False
        self.asked: list[float] = []
        self.beats: list[tuple[float, int]] = []
        self.looks = 0
        self._told_until: float = math.inf
        self._told_ask = 0
        self._news = asyncio.Event()
        self._views.append(self)

    def view(self, clock: Clock) -> VirtualStore:
        """The same rows, as one more process sees them by its clock."""
        view = copy.copy(self)
        view._open(clock)
        return view

    def lease_clock(self) -> int:
        return self.read_lease_clock()

    def recover(self) -> None:
        """Let writes succeed again."""
        self.failure = None

    def on_connected(self, connected: Callable[[], None]) -> None:
        self._connected = connected

    def reconnect(self) -> None:
        """Let writes succeed again, over a connection that has just opened."""
        self.recover()
        self._connected()

    async def wait_changed(self) -> Change:
        await self._news.wait()
        self._news.clear()
        return Change.ANYTHING

    async def _answer(self) -> None:
        await self.answers.wait()
        if self.failure is not None:
            raise self.failure

    def _changed(self, answer: T) -> T:
        """Tell the others, if the answer to a write says that it has changed anything."""
        if answer:
            for each in self._views:
                if each is not self and not each.silent:
                    each._news.set()
        return answer

    async def commit(self, batch: Batch, on_commit: OnCommit | None = None) -> Committed:
        self.asked.append(self.clock.monotonic())
        await self._answer()
        return self._changed(await super().commit(batch, on_commit))

    async def is_recorded(self, runner_id: str, row: AttemptRow) -> bool:
        await self._answer()
        return await super().is_recorded(runner_id, row)

    async def insert_when_free(self, run: NewRun, rows: Rows = NO_ROWS) -> str:
        await self._answer()
        return self._changed(await super().insert_when_free(run, rows))

    async def claim(
        self,
        runner_id: str,
        workflows: Collection[str],
        limit: int,
        now: int,
        aged: int = 0,
        queues: Collection[str] | None = None,
    ) -> list[RunRow]:
        await self._answer()
        return self._changed(await super().claim(runner_id, workflows, limit, now, aged, queues))

    async def release(self, runner_id: str, held: Collection[str]) -> int:
        await self._answer()
        return self._changed(await super().release(runner_id, held))

    async def register(self, runner: RunnerRow, name: RunnerName | None = None) -> None:
        await self._answer()
        await super().register(runner, name)
        self._changed(True)

    async def beat(
        self,
        runner_id: str,
        lease_until: int,
        idle_since: int | None = None,
        sharing: str | None = None,
    ) -> bool:
        await self._answer()
        self.beats.append((self.clock.monotonic(), lease_until))
        beaten = await super().beat(runner_id, lease_until, idle_since, sharing)
        asked = Sharing.of(sharing).asked
        if lease_until < self._told_until or asked != self._told_ask:
            self._changed(beaten)  # else they look again when the lease they know of has ended
        self._told_until, self._told_ask = lease_until, asked
        return beaten

    async def unregister(self, runner_id: str) -> None:
        await self._answer()
        await super().unregister(runner_id)
        self._changed(True)

    async def has_claimable(
        self,
        runner_id: str,
        workflows: Collection[str],
        queues: Collection[str] | None = None,
    ) -> bool:
        self.looks += 1
        return await super().has_claimable(runner_id, workflows, queues)

    async def next_due(self, workflows: Collection[str]) -> int | None:
        self.looks += 1
        return await super().next_due(workflows)

    async def list_waiting(self, runner_id: str, most: int, gone: Collection[str] = ()) -> Waiting:
        self.looks += 1
        return await super().list_waiting(runner_id, most, gone)

    async def runners(self) -> list[RunnerRow]:
        self.looks += 1
        await self.answers.wait()
        return await super().runners()

    async def fence(self, runner_id: str, seen_beat: int) -> bool:
        await self._answer()
        return self._changed(await super().fence(runner_id, seen_beat))

    async def take_over(self, runner_id: str, limit: int) -> int:
        await self._answer()
        return self._changed(await super().take_over(runner_id, limit))

    async def ask_places(
        self,
        runner_id: str,
        requests: Sequence[Waiter],
        *,
        back: Collection[Grant] = (),
        left: Collection[Unit] = (),
        names: Collection[str] = (),
        beat: int = 0,
    ) -> Given | None:
        self.asked.append(self.clock.monotonic())
        await self._answer()
        return self._changed(
            await super().ask_places(
                runner_id, requests, back=back, left=left, names=names, beat=beat
            )
        )

    async def free_places(self, runner_id: str) -> None:
        await self._answer()
        await super().free_places(runner_id)
        self._changed(True)

    async def set_limit(self, name: str, changes: LimitChanges | None, act: ActRow) -> bool | None:
        await self._answer()
        return self._changed(await super().set_limit(name, changes, act))

    async def record_limits(
        self, definitions: Sequence[LimitDefinition], together: Sequence[Collection[str]]
    ) -> None:
        await self._answer()
        await super().record_limits(definitions, together)
        self._changed(True)

    async def adopt_places(self, runner_id: str, run_ids: Collection[str]) -> dict[str, Adopted]:
        await self._answer()
        return await super().adopt_places(runner_id, run_ids)

    async def tend_places(self, before: int) -> Unclaimed:
        await self._answer()
        found = await super().tend_places(before)
        self._changed(found.woken or found.freed)
        return found

    async def make_due_claimable(self, workflows: Collection[str], now: int, limit: int) -> int:
        await self._answer()
        return self._changed(await super().make_due_claimable(workflows, now, limit))

    async def cancel(
        self,
        run_ids: Collection[str],
        act: Act,
        deadline: int,
        *,
        children: bool,
        parent_id: str | None = None,
    ) -> dict[str, Acted]:
        await self._answer()
        acted = await super().cancel(run_ids, act, deadline, children=children, parent_id=parent_id)
        return self._changed(acted)

    async def expire(self, run_ids: Collection[str], act: Act) -> dict[str, Acted]:
        await self._answer()
        return self._changed(await super().expire(run_ids, act))

    async def pause(
        self, run_ids: Collection[str], act: Act, until: int | None, *, children: bool
    ) -> dict[str, Acted]:
        await self._answer()
        return self._changed(await super().pause(run_ids, act, until, children=children))

    async def resume(
        self, run_ids: Collection[str], act: Act, content: str | None = None
    ) -> dict[str, Acted]:
        await self._answer()
        return self._changed(await super().resume(run_ids, act, content))

    async def end_pauses(self, run_ids: Collection[str], act: Act) -> dict[str, Acted]:
        await self._answer()
        return self._changed(await super().end_pauses(run_ids, act))

    async def end_pause_of_workflow(self, workflow: str, act: Act) -> bool:
        await self._answer()
        return self._changed(await super().end_pause_of_workflow(workflow, act))

    async def pause_workflow(self, workflow: str, act: Act, until: int | None) -> bool:
        await self._answer()
        return self._changed(await super().pause_workflow(workflow, act, until))

    async def resume_workflow(self, workflow: str, act: Act) -> bool:
        await self._answer()
        return self._changed(await super().resume_workflow(workflow, act))

    async def bring_into_step(self, parent_id: str, child_ids: Collection[str], act: Act) -> None:
        await self._answer()
        await super().bring_into_step(parent_id, child_ids, act)
        self._changed(True)

    async def forget_children(self, parent_ids: Collection[str]) -> None:
        await self._answer()
        await super().forget_children(parent_ids)

    async def put_schedule(self, schedule: ScheduleRow, act: ActRow | None = None) -> str:
        await self._answer()
        return self._changed(await super().put_schedule(schedule, act))

    async def change_schedule(self, schedule: ScheduleRow, act: ActRow | None = None) -> bool:
        await self._answer()
        return self._changed(await super().change_schedule(schedule, act))

    async def add_trigger(self, trigger: TriggerRow) -> bool:
        await self._answer()
        return self._changed(await super().add_trigger(trigger))

    async def change_trigger(self, trigger: TriggerRow, act: ActRow | None = None) -> bool:
        await self._answer()
        return self._changed(await super().change_trigger(trigger, act))

    async def take_polls(self, polls: Sequence[TriggerRow]) -> set[str]:
        self.asked.append(self.clock.monotonic())
        await self._answer()
        return await super().take_polls(polls)


# -- the bodies ----------------------------------------------------------------------------------


class _Calls(LoopCoroutines):
    """Sync bodies on the loop of the engine, each in one go."""

    async def _run(self, work: Work) -> None:
        if self._begins(work):
            try:
                if isinstance(work, Turn):
                    await work.run_async()
                else:
                    work.run()
            except BaseException as error:
                work.broke(error)
            work.stage = Stage.RAN
            self._reports.put(work)
        del self.running[work]


class VirtualExecutor(Executor):
    """The real accounts of slots, without a thread; all bodies run here, whatever they name."""

    def __init__(
        self,
        thread_slots: int,
        async_slots: int,
        loop: asyncio.AbstractEventLoop,
        broken: Callable[[str], None] = lambda _: None,
        _: Pools | None = None,
    ) -> None:
        super().__init__(thread_slots, async_slots, loop, broken)
        self._calls = _Calls(thread_slots, loop, broken)
        self._coroutines = LoopCoroutines(async_slots, loop, broken)
        self._places = {THREADS: self._calls, COROUTINES: self._coroutines}

    def add_threads(self, _: str, __: int) -> str:
        return THREADS

    def running(self) -> Iterator[Work]:
        for work in [*self._calls.running, *self._coroutines.running]:
            if work.stage is Stage.RUNNING:
                yield work

    def close(self) -> None:
        self._calls.close()
        self._coroutines.close()


class VirtualPolls(PollPlaces):
    """Functions of triggers on the loop of the engine: sync ones take no time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._calls = _Calls(MANY, loop)

    def start(self, poll: Poll) -> None:
        poll.stage = Stage.QUEUED
        if poll.is_async and poll.trigger not in self._loops:
            self._loops[poll.trigger] = LoopCoroutines(1, self._loop)
        (self._loops[poll.trigger] if poll.is_async else self._calls).submit(poll)

    def close(self) -> None:
        super().close()
        self._calls.close()


class BodyChildren:
    """Starts the child runs of async bodies, which share the loop of their engine."""

    def __init__(self, engine: Engine, requests: Requests) -> None:
        self._engine = engine
        self._requests = requests

    async def begin_child_async(self, _: Attempt, asked: ChildCall) -> BegunChild:
        """See ``Front``."""
        request = self._requests.request(
            asked.workflow_name, [asked.context], start=asked.start, by_name=True
        )
        request = keyed_child(replace(request, child_kind=asked.kind), asked.key)
        return await self._engine.child_runs.begin(request)

    async def child_result_async(self, _: Attempt, run_id: str, number: int) -> Context:
        """See ``Front``."""
        result = PipelineResult(await self._engine.child_runs.ended(run_id, number), ())
        result.raise_for_status()
        return result.final_context


# -- the whole -----------------------------------------------------------------------------------


class Program:
    """One engine with its view of the store and its own clock, as a process would have them."""

    def __init__(self, engine: Engine, store: VirtualStore, registry: Registry) -> None:
        self.engine = engine
        self.store = store
        self._requests = Requests(registry, engine._parts.base.config)
        engine.runs.children.front = cast(Front, BodyChildren(engine, self._requests))

    @property
    def runner_id(self) -> str:
        """The name under which it owns runs at present."""
        return self.engine._parts.base.runner_id.current

    def request(
        self, workflow: str = "flow", given: dict[str, Any] | None = None, **options: Any
    ) -> Request:
        """A run, by default without input."""
        return self._requests.request(workflow, [given or {}], **options)

    async def execute(self, workflow: str = "flow", **options: Any) -> Ended:
        """Submit a run and wait for its end."""
        return await self.engine.execute(self.request(workflow, **options), None)

    async def submit(
        self, workflow: str = "flow", given: dict[str, Any] | None = None, **options: Any
    ) -> str:
        """Submit a run; its id."""
        (run_id,) = await self.engine.submit(self.request(workflow, given, **options))
        return run_id

    async def wait(self, run_id: str) -> Ended:
        """Wait for the end of a run."""
        return await self.engine.wait(run_id, None)

    async def schedule(self, expression: str, timezone: str = "UTC", **options: Any) -> str:
        """Add a schedule of the workflow ``flow``; its id."""
        engine = self.engine
        ids, acts = engine.ids, NotedActs(engine.store, engine.ids, "ann")
        loop, changed = engine.schedule_loop, engine.subjects.schedules.publish
        table = ScheduleTable(engine.store, ids, acts, loop, changed)
        return await table.register(ScheduleSpec(FLOW, expression, timezone, **options))

    @property
    def triggers(self) -> TriggerTable:
        """The table of triggers, as its callers see it."""
        loop = self.engine.trigger_loop
        acts = NotedActs(self.engine.store, self.engine.ids, "ann")
        return TriggerTable(self.engine.store, acts, loop.sync, loop.wake)

    async def stop(self) -> None:
        """Shut it down."""
        await self.engine.shutdown()


class World:
    """A store, the clock on the wall, one registry for all, and the programs that were started.

    ``flow`` is the workflow of most tests, with a task ``t``.
    """

    def __init__(self, start: datetime) -> None:
        self.clock = VirtualClock(the_loop(), start)
        self.store = VirtualStore(self.clock)
        self.registry = Registry()
        self.programs: list[Program] = []

    def define(
        self,
        body: Callable[..., Any],
        name: str = "flow",
        *,
        time_limit: timedelta | NoLimit | None = None,
        of_runs: Sequence[LimitLike] = (),
        **options: Any,
    ) -> None:
        """A workflow of one task ``t`` with these options of ``task``; ``of_runs`` are limits of
        its runs.
        """
        with WorkflowBuilder(name, registry=self.registry) as builder:
            builder.limits(*of_runs)
            if time_limit is not None:
                builder.time_limit(time_limit)
            task(id="t", **options)(body)

    def trigger(self, function: Callable[[], object], name: str = "t", **options: Any) -> None:
        """A trigger of the workflow ``flow`` with these options of ``trigger``."""
        trigger(name=name, on="flow", registry=self.registry, **options)(function)

    async def start(
        self,
        clock: Clock | None = None,
        *,
        machine: Clock | None = None,
        broken: Callable[[str], None] = lambda _: None,
        registry: Registry | None = None,
        **settings: Any,
    ) -> Program:
        """Start a program, by default by the clock on the wall and with all workflows; it beats
        seldom and has no time limit, unless the test sets one. Its store's clock is that of its
        machine, unless that has another one, as a machine beside a database server may. ``broken``
        is called with the reason for which its engine cannot go on.
        """
        clock = clock or self.clock
        view = self.store.view(clock)
        config = DefaultRunnerConfig(**{**CALM, **settings})
        registry = registry or self.registry
        engine = Engine(view, config, registry, machine or clock, VirtualExecutor, broken)
        engine.trigger_loop.places = VirtualPolls(the_loop())
        await engine.start()
        await engine.begin()
        self.programs.append(Program(engine, view, registry))
        await quiet()
        return self.programs[-1]

    # -- what the tables say -----------------------------------------------------------------

    def attempts(self, run_id: str) -> list[AttemptRow]:
        """The attempts of a run, by their numbers."""
        rows = [row for key, row in self.store.attempts.items() if key[0] == run_id]
        return sorted(rows, key=lambda row: row.attempt)

    def ticks(self) -> list[TickRow]:
        """The ticks that were decided, oldest first."""
        return sorted(self.store.ticks.values(), key=lambda row: row.tick)

    def run(self, run_id: str) -> RunRow:
        """The row of a run."""
        return self.store.runs[run_id]

    def runs(self) -> list[RunRow]:
        """All runs, in the order in which they were made."""
        return sorted(self.store.runs.values(), key=lambda row: (row.created_at, row.id))


@asynccontextmanager
async def world(start: datetime = BEGINNING) -> AsyncIterator[World]:
    """A world whose programs are stopped in the end."""
    made = World(start)
    yield made
    for each in made.programs:
        each.store.failure = None
        each.store.answers.set()
        await each.stop()


def at(instant: int | None) -> datetime:
    """An instant of the tables as a datetime, in UTC."""
    assert instant is not None, "it has not come to that"
    return to_datetime(instant)
