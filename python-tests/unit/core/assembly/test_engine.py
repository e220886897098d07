"""One engine on a store that fails, forgets and lies: every accepted run ends all the same."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from concurrent.futures import Future
from dataclasses import replace
from typing import NoReturn
from unittest.mock import create_autospec

import pytest
from model.by_hand import HandExecutor
from model.memory_store import MemoryStore
from model.quiet import quiet
from model.virtual_time import the_loop
from unit.engine_scene import FLOW, Scene, nothing

from cloaca_core.assembly.engine import Engine
from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.registry import Unregistered
from cloaca_core.definition.task import task
from cloaca_core.engine.calls.user_code import calling_work
from cloaca_core.engine.execute.children import Front
from cloaca_core.engine.order import Order
from cloaca_core.engine.submit.request import Request
from cloaca_core.errors import (
    ConfigError,
    RunnerClosedError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    StoreUnavailableError,
)
from cloaca_core.features.steering.records import News
from cloaca_core.run.planner import RunPlan
from cloaca_core.run.rows import AttemptRow
from cloaca_core.values.states import RunStatus
from cloaca_testing.conformance.rows import attempt, runner

pytestmark = pytest.mark.virtual_time


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    await scene.close()


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


async def test_a_client_that_knows_a_name_alone_waits_for_the_database(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    """As the journal does: after 0.05 s, 0.1 s and 0.2 s."""
    scene.define(nothing)
    await scene.open()
    client = await scene.open(works=False)
    scene.store.failures["definitions_named"] = [StoreUnavailableError("away")] * 3
    start = the_loop().time()
    request = replace(scene.request(), workflow=Unregistered("flow", ""))

    (run_id,) = await client.submit(request)

    assert the_loop().time() - start == pytest.approx(0.35)
    assert scene.store.runs[run_id].workflow == FLOW
    assert next(each.message for each in caplog.records) == (
        "workflow flow is not found, trying again in 0.05 s: away"
    )


@pytest.mark.parametrize("failure", [StoreFullError("full"), StoreError("gone")])
async def test_it_does_not_wait_for_what_lasts(scene: Scene, failure: StoreError) -> None:
    scene.define(nothing)
    client = await scene.open(works=False)
    scene.store.failures["definitions_named"] = [failure]

    with pytest.raises(type(failure)):
        await client.resolver.find(Unregistered("flow", ""))


async def test_a_client_that_closes_waits_no_more(scene: Scene) -> None:
    client = await scene.open(works=False)
    scene.store.failures["definitions_named"] = [StoreUnavailableError("away")] * 99
    waiting = asyncio.create_task(client.resolver.find(Unregistered("flow", "")))
    await quiet()

    await client.shutdown()

    with pytest.raises(RunnerClosedError):
        await waiting


async def test_a_client_that_a_body_calls_waits_for_the_database_of_its_runner(
    scene: Scene,
) -> None:
    """It asks whether the two are the same: after 0.05 s and 0.1 s."""
    clients: list[Engine] = []

    async def parent(context: Context) -> None:
        await clients[0].submit(scene.request("child"))

    scene.define(nothing, "child")
    scene.define(parent)
    engine = await scene.open()
    clients.append(await scene.open(works=False))
    engine.runs.children.front = front = create_autospec(Front)
    answers: list[Future[str | None]] = [Future(), Future(), Future()]
    for each in answers[:2]:
        each.set_exception(StoreUnavailableError("away"))
    answers[2].set_result(None)
    front.database.side_effect = answers
    start = the_loop().time()

    assert (await scene.execute(engine)).row.status == "Completed"

    assert the_loop().time() - start == pytest.approx(0.15)
    assert len(scene.store.runs) == 2


async def test_metrics_count_from_the_first_sample_on(scene: Scene) -> None:
    scene.define(nothing)
    engine = await scene.open()
    await engine.execute(scene.request(), None)

    first = await engine.meter.sample()
    await engine.execute(scene.request(), None)
    second = await engine.meter.sample()

    assert first.metrics is second.metrics
    assert [count for _, count in second.metrics.runs.items()] == [1]
    assert second.at == scene.store.wall()
    assert "claim" in second.loops


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
    monkeypatch.setattr(engine._parts.recorder, "wake", lambda: None)
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
        scene.store.attempts["orphan", "t", -1, 1] = row

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
            work = calling_work()
            children = [engine_of[0].execute(scene.request("child"), work) for _ in range(6)]
            await asyncio.gather(*children)

        scene.define(child, "child")
        scene.define(parent)
        engine_of.append(engine := await scene.open(max_concurrent_async_tasks=2))

        for _ in range(3):
            assert (await scene.execute(engine)).row.status == "Completed"

        assert max(together) == 2
