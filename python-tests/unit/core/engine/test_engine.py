"""One engine on a store that fails, forgets and lies: every accepted run ends all the same."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import suppress
from typing import Any, NoReturn

import pytest
from model.by_hand import HandExecutor
from model.memory_store import MemoryStore
from model.quiet import quiet
from model.virtual_engine import VirtualExecutor
from model.virtual_time import VirtualClock, the_loop

from cloaca_core._engine.engine import Engine
from cloaca_core._engine.execute.attempt import CURRENT_WORK
from cloaca_core._engine.execute.executor import Executor
from cloaca_core._engine.lifecycle import LEAVING
from cloaca_core._engine.observe.recent_runs import Ended
from cloaca_core._engine.plan.planner import RunPlan
from cloaca_core._engine.recover.lease import IDLE
from cloaca_core._engine.submit.request import Request
from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.conformance.rows import attempt, new_run, run_end, runner, submit
from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.errors import (
    ConfigError,
    StoreDataError,
    StoreReadOnlyError,
    StoreUnavailableError,
)
from cloaca_core.records.batch import Batch, Committed
from cloaca_core.records.definitions import DefinitionRow
from cloaca_core.records.follow_ups import WhenEndedRow
from cloaca_core.records.order import Order
from cloaca_core.records.runners import RunnerRow
from cloaca_core.records.runs import AttemptRow, RunRow
from cloaca_core.records.states import RunStatus
from cloaca_core.records.steering import News
from cloaca_core.store.changes import Change
from cloaca_core.store.protocol import Landed
from cloaca_core.values.clock import Clock

pytestmark = pytest.mark.virtual_time

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

    async def commit(self, batch: Batch, landed: Landed | None = None) -> Committed:
        self._perhaps_fail("commit")
        contexts = [end.final_context for end in batch.ends]
        if self.refused is not None and any(self.refused in text for text in contexts):
            raise StoreDataError("the database will not have it")
        committed = await super().commit(batch, landed)
        self.committed.set()
        await self._before_the_answer("commit")
        return committed

    async def record_definitions(
        self, definitions: Collection[DefinitionRow], when_ended: Collection[WhenEndedRow] = ()
    ) -> None:
        self._perhaps_fail("record_definitions")
        await super().record_definitions(definitions, when_ended)

    async def marked(self, run_id: str) -> None:
        """Return when it is written that a body of this run runs."""
        while "Running" not in [row.status for row in await self.load_attempts([run_id])]:
            self.committed.clear()
            await self.committed.wait()

    async def claim(
        self, runner_id: str, workflows: Collection[str], limit: int, now: int, aged: int = 0
    ) -> list[RunRow]:
        self._perhaps_fail("claim")
        rows = await super().claim(runner_id, workflows, limit, now, aged)
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

    async def beat(self, runner_id: str, lease_until: int) -> bool:
        beaten = await super().beat(runner_id, lease_until)
        if lease_until == IDLE:
            self.idle.set()
        return beaten

    async def has_claimable(self, workflows: Collection[str]) -> bool:
        self.asked.append("has_claimable")
        return await super().has_claimable(workflows)

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
        work = CURRENT_WORK.get()
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


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    for engine in scene.engines:
        await engine.shutdown()


def nothing(context: Context) -> None:
    """A body that does nothing."""


async def open_with_scheduled_run(scene: Scene, stopped: asyncio.Event) -> Engine:
    """An engine whose one body, of a run that a schedule has made, waits until it is stopped."""
    begun = asyncio.Event()

    async def body(context: Context) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    scene.define(body)
    await scene.orphan("run", schedule_id="s")
    engine = await scene.open()
    await begun.wait()
    await quiet()
    return engine


async def unanswered() -> None:
    """The operation is done, but its caller gets no answer."""
    raise StoreUnavailableError("the connection was lost")


async def test_a_store_without_an_outbox_refuses_the_connections_of_others(scene: Scene) -> None:
    scene.define(nothing)
    engine = await scene.open()

    with pytest.raises(ConfigError, match="no connection but its own") as refusal:
        engine.outgoing(scene.request())

    assert refusal.value.field == "connection"
    assert scene.store.runs == {}


@pytest.mark.parametrize(
    ("change", "questions"),
    [
        (Change.RUNS, ["has_claimable"]),
        (Change.ANYTHING, ["has_claimable", "next_due", "runners"]),
    ],
)
async def test_an_idle_runner_asks_no_more_than_what_may_have_changed(
    scene: Scene, change: Change, questions: list[str]
) -> None:
    scene.define(nothing)
    await scene.open()
    await scene.store.idle.wait()
    await quiet()
    scene.store.asked.clear()
    scene.store.change = change

    scene.store.changed.set()
    await quiet()

    assert sorted(scene.store.asked) == questions


async def test_a_store_that_may_not_be_written_is_looked_at_only(scene: Scene) -> None:
    scene.define(nothing)
    await scene.orphan()
    orphan = scene.store.runs["orphan"]
    scene.store.writable = False
    engine = await scene.open()
    await quiet()

    with pytest.raises(StoreReadOnlyError, match="no run is claimed"):
        await engine.resume()
    watching = asyncio.create_task(engine.wait("orphan", None))
    await quiet()

    assert (scene.store.registered, scene.store.asked) == ({}, [])
    assert scene.store.runs == {"orphan": orphan}

    scene.store.runs["orphan"] = orphan._replace(status=RunStatus.COMPLETED, ended_at=1)
    scene.store.changed.set()
    assert (await watching).row.status == RunStatus.COMPLETED


async def test_a_client_s_engine_owns_nothing_and_waits_for_others(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "cloaca")
    scene.define(nothing)
    client = await scene.open(works=False)
    waiting = asyncio.create_task(client.execute(scene.request(), None))
    await quiet()

    assert (scene.store.registered, scene.store.asked) == ({}, [])
    assert [(run.owner, run.status) for run in scene.store.runs.values()] == [(None, "Pending")]
    assert scene.store.newest == {}

    (run_id,) = scene.store.runs
    await (await scene.open()).wait(run_id, None)
    scene.store.changed.set()
    assert (await waiting).row.status == RunStatus.COMPLETED
    await client.shutdown()
    assert "a client is closed" in caplog.messages


async def test_a_client_s_engine_steers_runs_and_lets_none_be_claimed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Collection[str]] = []
    news = scene.store.news

    async def noted(runner_id: str, workflows: Collection[str], limit: int) -> News:
        asked.append(workflows)
        return await news(runner_id, workflows, limit)

    monkeypatch.setattr(scene.store, "news", noted)
    scene.define(nothing)
    client = await scene.open(works=False)
    waiting = asyncio.create_task(client.execute(scene.request(), None))
    await quiet()
    (run_id,) = scene.store.runs

    await client.steering.cancel([run_id], Order("cancel", "ann", None), 0, children=True)

    assert (await waiting).row.status == RunStatus.CANCELLED
    assert asked
    assert not any(asked)
    await client.steering.retries.retry(run_id, None, Order("retry", "ann", None), children=True)
    assert scene.store.runs[run_id].round == 2


async def test_what_a_runner_registers_is_recorded_before_it_is_open_and_later(
    scene: Scene,
) -> None:
    scene.define(nothing)
    await scene.open()
    assert scene.store.newest.keys() == {FLOW}

    scene.define(nothing, name="later")
    await quiet()

    assert scene.store.newest.keys() == {FLOW, "public::embedded::later"}


async def test_a_run_that_follows_another_starts_at_once(scene: Scene) -> None:
    """It has no owner: its claim is due to the end of the other one."""
    scene.define(nothing, "alert")
    with WorkflowBuilder("flow", registry=scene.registry) as builder:
        builder.when_ended("Completed", "alert")
        task(id="t")(nothing)
    engine = await scene.open()

    done = await scene.execute(engine)

    (follow_up,) = await scene.store.follow_ups([done.row.id])
    row = (await engine.wait(follow_up.id, None)).row
    assert (row.status, row.created_at) == ("Completed", done.row.ended_at)
    assert row.started_at == done.row.ended_at


@pytest.mark.parametrize("works", [True, False])
@pytest.mark.parametrize("how", [Engine.submit, Engine.submit_one])
async def test_what_follows_runs_is_recorded_before_one_of_them_is_accepted(
    scene: Scene,
    monkeypatch: pytest.MonkeyPatch,
    works: bool,
    how: Callable[[Engine, Request], Awaitable[object]],
) -> None:
    """Others may cancel it as soon as it is there."""
    engine = await scene.open(works=works)
    monkeypatch.setattr(engine._parts.reading.recorder, "wake", lambda: None)
    with WorkflowBuilder("flow", registry=scene.registry) as builder:
        builder.when_ended("Failed", "alert")
        task(id="t")(nothing)
    known: list[int] = []

    async def note() -> None:
        known.append(len(scene.store.when_ended))

    scene.store.afterwards["commit"] = [note]
    await how(engine, scene.request())

    assert known == [1]


async def test_a_database_that_does_not_answer_to_that_keeps_no_run_from_being_accepted(
    scene: Scene,
) -> None:
    engine = await scene.open()
    with WorkflowBuilder("flow", registry=scene.registry) as builder:
        builder.when_ended("Failed", "alert")
        task(id="t")(nothing)
    scene.store.failures["record_definitions"] = [StoreUnavailableError("away")] * 2

    assert (await scene.execute(engine)).row.status == "Completed"


async def test_a_run_that_failed_is_logged_with_its_reason(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(context: Context) -> None:
        raise ValueError("bad")

    scene.define(fail, retry_attempts=1)
    ended = await scene.execute(await scene.open())

    told = f"run {ended.row.id} of {FLOW}: Failed: 1 task(s) failed"
    assert [each.levelname for each in caplog.records if told in each.getMessage()] == ["WARNING"]


async def test_a_flaw_in_beginning_a_run_keeps_no_submitter_waiting(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flawed(plan: RunPlan) -> NoReturn:
        raise LookupError("a flaw of ours")

    scene.define(nothing)
    engine = await scene.open()
    monkeypatch.setattr(RunPlan, "begin", flawed)

    (run,) = await engine.submit(scene.request())

    assert "a flaw of ours" in ((await engine.wait(run, None)).row.error_message or "")


async def test_a_body_that_another_has_held_up_is_marked_when_it_runs(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = asyncio.Event()
    scene.define(nothing)
    engine = await scene.open(HandExecutor)
    executor = engine._parts.base.executor
    assert isinstance(executor, HandExecutor)
    take = engine._parts.base.start_marks.take

    def look() -> list[AttemptRow]:
        looked.set()
        return take()

    executor.is_starting = True
    (run,) = await engine.submit(scene.request())
    await executor.sent()
    monkeypatch.setattr(engine._parts.base.start_marks, "take", look)
    await looked.wait()  # for the mark of the one that was sent and has not begun
    marked = await scene.store.load_attempts([run])

    executor.begin()
    executor.is_starting = False
    await scene.store.marked(run)

    assert marked == []


class TestClaims:
    async def test_a_claim_that_fails_is_made_again(self, scene: Scene) -> None:
        scene.define(nothing)
        await scene.orphan()
        scene.store.failures["claim"] = [StoreUnavailableError("busy")] * 3

        engine = await scene.open()

        assert (await engine.wait("orphan", None)).row.status == "Completed"

    async def test_what_a_claim_was_granted_without_hearing_of_it_is_not_left_lying(
        self, scene: Scene
    ) -> None:
        scene.define(nothing)
        await scene.orphan()
        scene.store.afterwards["claim"] = [unanswered] * 2
        scene.store.failures["release"] = [StoreUnavailableError("busy")] * 2

        engine = await scene.open()

        assert (await engine.wait("orphan", None)).row.status == "Completed"
        assert scene.store.runs["orphan"].recoveries == 0

    async def test_what_a_claim_is_granted_long_after_it_was_sent_is_not_left_lying(
        self, scene: Scene
    ) -> None:
        """The database had its statement still before it when it was asked what is owned here."""
        granted_to: list[str] = []

        async def grant() -> None:
            (mine,) = await scene.store.runners()
            rows = await MemoryStore.claim(scene.store, mine.id, [FLOW], 1, 0)
            granted_to.extend(row.id for row in rows)

        scene.define(nothing)
        await scene.orphan()
        scene.store.failures["claim"] = [StoreUnavailableError("the connection was lost")]
        scene.store.afterwards["release"] = [grant]
        engine = await scene.open()

        assert (await engine.wait("orphan", None)).row.status == "Completed"
        assert granted_to == ["orphan"]

    async def test_a_lost_answer_takes_no_run_away_that_is_being_worked_on(
        self, scene: Scene
    ) -> None:
        go_on, begun = asyncio.Event(), asyncio.Event()

        async def body(context: Context) -> None:
            begun.set()
            await go_on.wait()

        scene.define(body)
        scene.define(nothing, "other")
        engine = await scene.open()
        (run_id,) = await engine.submit(scene.request())
        await begun.wait()
        await scene.orphan(workflow="public::embedded::other")
        scene.store.afterwards["claim"] = [unanswered]
        scene.store.changed.set()
        await engine.wait("orphan", None)
        go_on.set()
        await engine.wait(run_id, None)

        assert scene.store.runs[run_id].epoch == 1

    async def test_what_is_being_given_back_is_not_begun_any_more(self, scene: Scene) -> None:
        """The run was given back, and the answer was lost: another runner may own it by now."""
        bodies: list[str] = []
        asked_again = asyncio.Event()

        async def forget() -> None:
            scene.registry.clear()

        async def others_are_faster() -> None:
            scene.define(lambda context: bodies.append("begun"))
            await scene.store.register(runner("other"))
            await MemoryStore.claim(scene.store, "other", [FLOW], 1, 0)
            await unanswered()

        async def note() -> None:
            asked_again.set()

        scene.define(nothing)
        await scene.orphan()
        scene.store.afterwards = {"claim": [forget], "release": [others_are_faster, note]}
        await scene.open()
        await asked_again.wait()
        await quiet()

        assert bodies == []
        assert scene.store.runs["orphan"].owner == "other"

    async def test_what_was_claimed_is_begun_although_its_past_could_not_be_read(
        self, scene: Scene
    ) -> None:
        scene.define(nothing)
        await scene.orphan()
        scene.store.failures["load_attempts"] = [StoreUnavailableError("busy")] * 3

        engine = await scene.open()

        assert (await engine.wait("orphan", None)).row.status == "Completed"
        assert scene.store.runs["orphan"].epoch == 3  # claimed once

    async def test_what_was_claimed_for_a_runner_that_is_dead_by_now_is_not_begun_for_it(
        self, scene: Scene
    ) -> None:
        bodies: list[str] = []

        scene.define(lambda context: bodies.append("begun"))
        await scene.orphan()
        scene.store.afterwards["claim"] = [lambda: scene.die(engine)]
        engine = await scene.open()
        ended = await engine.wait("orphan", None)

        assert (ended.row.status, ended.row.epoch) == ("Completed", 5)
        assert bodies == ["begun"]

    @pytest.mark.parametrize("text", ["no JSON", "[1]", '[["a", 1]]', '"text"', '{"a":"\udcff"}'])
    async def test_a_run_whose_input_is_damaged_fails_and_the_others_do_not(
        self, scene: Scene, text: str
    ) -> None:
        scene.define(nothing)
        await scene.orphan("damaged", input=text)
        await scene.orphan("sound")

        engine = await scene.open()
        damaged, sound = await engine.wait("damaged", None), await engine.wait("sound", None)

        assert (damaged.row.status, sound.row.status) == ("Failed", "Completed")
        assert "the rows of this run cannot be read" in (damaged.row.error_message or "")
        assert damaged.row.reason_code == "unreadable"

    async def test_a_run_whose_attempts_are_damaged_fails(self, scene: Scene) -> None:
        scene.define(nothing)
        await scene.orphan()
        row = attempt("orphan", "t")._replace(change='{"set":7}')
        scene.store.attempts["orphan", "t", 1] = row

        engine = await scene.open()

        assert (await engine.wait("orphan", None)).row.status == "Failed"


class TestSubmissions:
    async def test_what_was_accepted_for_a_runner_that_is_dead_by_now_is_not_begun_for_it(
        self, scene: Scene
    ) -> None:
        bodies: list[str] = []

        scene.define(lambda context: bodies.append("begun"))
        engine = await scene.open()
        scene.store.afterwards["commit"] = [lambda: scene.die(engine)]
        ended = await scene.execute(engine)

        assert (ended.row.status, ended.row.epoch) == ("Completed", 3)
        assert bodies == ["begun"]


class TestWakeUps:
    async def test_the_end_of_a_run_elsewhere_is_heard_although_reading_it_failed(
        self, scene: Scene
    ) -> None:
        await scene.store.register(runner("other"))
        await submit(scene.store, new_run("run", owner="other"), runner_id="other")
        engine = await scene.open()
        waiting = asyncio.create_task(engine.wait("run", None))
        await quiet()
        fences = {"run": 1}
        await scene.store.commit(Batch("other", [], [], [run_end("run")], fences))
        scene.store.failures["ended"] = [StoreUnavailableError("busy")] * 3

        scene.store.changed.set()

        assert (await waiting).row.status == "Completed"

    async def test_who_waits_for_a_lost_run_hears_how_it_ended(self, scene: Scene) -> None:
        """It ended between the loss and our hearing of it; nothing changes afterwards."""

        async def body(context: Context) -> None:
            await asyncio.Event().wait()

        scene.define(body)
        engine = await scene.open()
        (run_id,) = await engine.submit(scene.request())
        waiting = asyncio.create_task(engine.wait(run_id, None))
        await quiet()
        (mine,) = scene.store.registered.values()
        await scene.store.register(runner("other"))
        await scene.store.fence(mine.id, mine.beat)
        await scene.store.take_over(mine.id, 10)
        await scene.store.claim("other", [FLOW], 1, 0)
        end = run_end(run_id, epoch=3)
        await scene.store.commit(Batch("other", [], [], [end], {run_id: 3}))

        ended = await waiting

        assert ended.row.final_context == end.final_context

    async def test_a_run_that_a_tick_cancelled_elsewhere_is_let_go(self, scene: Scene) -> None:
        stopped = asyncio.Event()
        engine = await open_with_scheduled_run(scene, stopped)
        waiting = asyncio.create_task(engine.wait("run", None))
        await quiet()

        run = scene.store.runs["run"]
        scene.store.runs["run"] = run._replace(
            status="Cancelled", ended_at=1, owner=None, epoch=run.epoch + 1
        )
        scene.store.changed.set()

        assert (await waiting).row.status == "Cancelled"
        assert (await engine.health())["active_runs"] == 0
        await stopped.wait()

    async def test_an_end_of_ours_that_is_not_told_yet_is_left_alone(self, scene: Scene) -> None:
        engine = await open_with_scheduled_run(scene, asyncio.Event())
        run = scene.store.runs["run"]
        scene.store.runs["run"] = run._replace(status="Completed", ended_at=1)

        scene.store.changed.set()
        await quiet()

        assert (await engine.health())["active_runs"] == 1

    async def test_a_failed_opening_leaves_no_listener_behind(self, scene: Scene) -> None:
        await scene.store.register(runner("taken"))
        with pytest.raises(Exception, match="in use by another runner"):
            await scene.open(runner_id="taken")

        assert not scene.registry._callbacks


class TestRecords:
    async def test_an_end_that_the_database_refuses_still_ends_the_run(self, scene: Scene) -> None:
        scene.define(lambda context: {"text": "unwanted"})
        scene.store.refused = "unwanted"
        engine = await scene.open()

        ended = await scene.execute(engine)

        assert ended.row.status == "Failed"
        assert ended.row.final_context == "{}"
        assert "the database will not have it" in (ended.row.error_message or "")
        assert scene.store.runs[ended.row.id].ended_at is not None

    async def test_commits_that_fail_lose_nothing(self, scene: Scene) -> None:
        scene.define(nothing)
        engine = await scene.open()
        scene.store.failures["commit"] = [StoreUnavailableError("busy")] * 5

        assert (await scene.execute(engine)).row.status == "Completed"


class TestWaitingBodies:
    async def test_an_async_body_may_wait_for_many_runs_at_once(self, scene: Scene) -> None:
        """And afterwards there are as many slots as before."""
        engine_of: list[Engine] = []
        together: list[int] = []
        running = 0

        async def child(context: Context) -> None:
            nonlocal running
            running += 1
            together.append(running)
            await asyncio.sleep(60)  # work during which others begin, if they may
            running -= 1

        async def parent(context: Context) -> None:
            work = CURRENT_WORK.get()
            children = [engine_of[0].execute(scene.request("child"), work) for _ in range(6)]
            await asyncio.gather(*children)

        scene.define(child, "child")
        scene.define(parent)
        engine_of.append(engine := await scene.open(max_concurrent_async_tasks=2))

        for _ in range(3):
            assert (await scene.execute(engine)).row.status == "Completed"

        assert max(together) == 2

    async def test_shutdown_hears_of_bodies_that_were_given_up(self, scene: Scene) -> None:
        """It does not sit out the grace period for a run that has passed its deadline."""
        go, begun = asyncio.Event(), asyncio.Event()

        async def body(context: Context) -> None:
            begun.set()
            while not go.is_set():
                with suppress(asyncio.CancelledError):
                    await go.wait()

        scene.define(body)
        engine = await scene.open(shutdown_grace_seconds=3600, pipeline_timeout_seconds=60)
        beginning = the_loop().time()
        await engine.submit(scene.request())
        await begun.wait()

        await engine.shutdown()
        seconds = the_loop().time() - beginning
        go.set()

        assert seconds == 60
        (run,) = scene.store.runs.values()
        assert run.error_message == "Pipeline timeout after 60s"
        assert (run.reason_code, run.limit_seconds) == ("deadline_exceeded", 60)


class TestShutdown:
    async def test_a_database_that_does_not_answer_does_not_hold_it_up(
        self, scene: Scene, caplog: pytest.LogCaptureFixture
    ) -> None:
        engine = await scene.open()
        scene.store.answers.clear()
        beginning = the_loop().time()

        await engine.shutdown()

        assert the_loop().time() - beginning == LEAVING
        assert "runs are left to be taken over" in caplog.text
        assert len(await scene.store.runners()) == 1


async def test_a_shutdown_drops_what_triggers_fire_while_it_waits_for_bodies(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = await scene.open()
    bodies_end = engine.grace.wait
    closing: list[bool] = []

    async def seen() -> None:
        closing.append(engine.trigger_loop._events.closing)
        await bodies_end()

    monkeypatch.setattr(engine.grace, "wait", seen)
    await engine.shutdown()

    assert closing == [True]
