"""What one part of an engine tells others: none waits for what another knows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from model.quiet import quiet
from unit.engine_scene import FLOW, Scene, nothing

from cloaca_core.assembly.engine import Engine
from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.nodes.wait_for import wait_for
from cloaca_core.definition.task import task
from cloaca_core.errors import StoreUnavailableError
from cloaca_core.features.waits.open_waits import waits_of
from cloaca_core.store.batch import Batch
from cloaca_core.store.changes import Change
from cloaca_core.store.messages import NewMessage
from cloaca_core.values.waits import EVENT
from cloaca_testing.conformance.commits import submit
from cloaca_testing.conformance.rows import new_run, run_end, runner

pytestmark = pytest.mark.virtual_time


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    await scene.close()


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


@pytest.mark.parametrize(
    ("change", "questions"),
    [
        (Change.RUNS, ["has_claimable"]),
        (Change.ANYTHING, ["has_claimable", "next_due", "runners", "runners"]),
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


async def test_the_owner_of_a_run_has_heard_of_a_message_when_its_sender_goes_on(
    scene: Scene,
) -> None:
    with WorkflowBuilder("flow", registry=scene.registry):
        wait_for("paid")
    engine = await scene.open()
    run_id, _ = await engine.submit_one(scene.request())
    await quiet()
    run = engine.runs.get(run_id)
    assert run is not None
    waits = waits_of(run)
    assert waits is not None

    await engine.messages.send(NewMessage("m", run_id, EVENT, "paid", "7", None, "ann", 1))

    assert waits.sent == 1
    assert (await engine.wait(run_id, None)).row.final_context == '{"paid":7}'


async def test_a_run_that_waits_in_the_table_is_claimed_when_its_message_has_come(
    scene: Scene,
) -> None:
    with WorkflowBuilder("flow", registry=scene.registry):
        wait_for("paid")
    engine = await scene.open()
    run_id, _ = await engine.submit_one(scene.request())
    await asyncio.sleep(60)
    assert scene.store.runs[run_id].owner is None

    await engine.messages.send(NewMessage("m", run_id, EVENT, "paid", "7", None, "ann", 1))

    assert (await engine.wait(run_id, None)).row.final_context == '{"paid":7}'
