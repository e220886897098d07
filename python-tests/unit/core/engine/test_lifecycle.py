"""Opening and closing an engine: in which order, and whom that may keep waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from model.quiet import quiet
from model.virtual_time import the_loop
from unit.engine_scene import FLOW, Scene, nothing

from cloaca_core.definition.context import Context
from cloaca_core.engine.lifecycle import LEAVING
from cloaca_testing.conformance.rows import runner

pytestmark = pytest.mark.virtual_time


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    yield scene
    await scene.close()


async def test_what_a_runner_registers_is_recorded_before_it_is_open_and_later(
    scene: Scene,
) -> None:
    scene.define(nothing)
    await scene.open()
    assert scene.store.newest.keys() == {FLOW}

    scene.define(nothing, name="later")
    await quiet()

    assert scene.store.newest.keys() == {FLOW, "public::embedded::later"}


async def test_a_failed_opening_leaves_no_listener_behind(scene: Scene) -> None:
    await scene.store.register(runner("taken"))
    with pytest.raises(Exception, match="in use by another runner"):
        await scene.open(runner_id="taken")

    assert not scene.registry._callbacks


async def test_shutdown_hears_of_bodies_that_were_given_up(scene: Scene) -> None:
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


async def test_a_database_that_does_not_answer_does_not_hold_it_up(
    scene: Scene, caplog: pytest.LogCaptureFixture
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
