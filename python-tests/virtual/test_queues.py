"""A run moves between queues while something of it waits: what waits keeps its time."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from model.virtual_engine import Program, World, world
from model.virtual_time import the_loop
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.handles.async_handle import AsyncTaskHandle
from cloaca_core.definition.nodes.approval import approval
from cloaca_core.definition.nodes.child import child
from cloaca_core.definition.nodes.sleep import sleep
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.store.messages import NewMessage
from cloaca_core.values.waits import APPROVAL, EVENT

pytestmark = pytest.mark.virtual_time

HOUR = 3600.0


async def send(by: Program, run_id: str, kind: str, name: str, payload: str) -> None:
    """Send a message to a run from another program."""
    message = NewMessage(name, run_id, kind, name, payload, None, None, by.store.wall())
    if kind == APPROVAL:
        message = message._replace(for_task=name)
    assert await by.store.send(message, 100) is not None
    by.engine._parts.base.subjects.claimable.publish()


def define(w: World) -> dict[str, float]:
    """A sleep of an hour beside a task in another queue, and a task after both; when they began."""
    begun: dict[str, float] = {}
    with WorkflowBuilder("flow", registry=w.registry):
        sleep("nap", seconds=HOUR)

        @task(queue="gpu")
        def train(_: object) -> None:
            begun["train"] = the_loop().time()

        @task(dependencies=["nap", train])
        def report(_: object) -> None:
            begun["report"] = the_loop().time()

        @task
        def note(_: object) -> None:
            begun["note"] = the_loop().time()

    return begun


async def test_a_sleep_goes_with_its_run_and_keeps_its_time() -> None:
    async with world() as w:
        begun = define(w)
        usual = await w.start(queues=["default"])
        gpu = await w.start(queues=["gpu"])
        started = the_loop().time()

        ended = await usual.execute()

        assert ended.row.status == "Completed"
        assert begun["train"] - started < 1
        assert begun["report"] - started == HOUR
        assert ended.row.owner == usual.runner_id
        assert gpu.runner_id != usual.runner_id


async def test_a_retry_of_another_queue_is_begun_at_its_time() -> None:
    async with world() as w:
        begun: list[float] = []
        with WorkflowBuilder("flow", registry=w.registry):

            @task(retry_delay_ms=60_000, retry_jitter=False, retry_attempts=2)
            def load(_: object) -> None:
                begun.append(the_loop().time())
                if len(begun) == 1:
                    raise ValueError("busy")

            @task(queue="gpu")
            def train(_: object) -> None: ...

        usual = await w.start(queues=["default"])
        await w.start(queues=["gpu"])

        ended = await usual.execute()

        assert ended.row.status == "Completed"
        assert begun[1] - begun[0] == 60


async def test_a_body_that_waits_goes_with_its_run_and_comes_back_with_its_steps() -> None:
    async with world() as w:
        made: list[str] = []
        trail: list[str] = []

        async def once() -> str:
            made.append("step")
            return "kept"

        with WorkflowBuilder("flow", registry=w.registry):

            @task
            async def ask(_: Context, handle: AsyncTaskHandle) -> dict[str, Any]:
                kept = await handle.step("once", once)
                return {"asked": [kept, await handle.wait_for("go")]}

            approval("allowed", "Shall we?")

            @task(queue="gpu")
            def train(_: object) -> None:
                trail.append("train")

            @task(dependencies=[ask, train, "allowed"])
            def report(_: object) -> None:
                trail.append("report")

        usual = await w.start(queues=["default"], evict_after_seconds=0)
        await w.start(queues=["gpu"])
        run_id = await usual.submit()
        await asyncio.sleep(HOUR)
        assert (trail, w.run(run_id).queue, w.run(run_id).status) == (
            ["train"],
            "default",
            "Waiting",
        )

        await send(usual, run_id, EVENT, "go", "1")
        await send(usual, run_id, APPROVAL, "allowed", '{"approved":true}')
        ended = await usual.wait(run_id)

        assert (ended.row.status, made, trail) == ("Completed", ["step"], ["train", "report"])
        assert json.loads(ended.row.final_context or "")["asked"] == ["kept", 1]
        assert ended.row.owner == usual.runner_id


async def test_a_node_waits_where_its_run_begins() -> None:
    async with world() as w:
        with WorkflowBuilder("flow", registry=w.registry):

            @task(queue="gpu")
            def train(_: object) -> None: ...

            sleep("nap", seconds=HOUR, dependencies=[train])

            @task(dependencies=["nap"])
            def report(_: object) -> None: ...

        gpu = await w.start(queues=["gpu"])
        run_id = await gpu.submit()
        await asyncio.sleep(1)
        assert (w.run(run_id).queue, w.run(run_id).status) == ("default", "Waiting")
        await gpu.stop()

        usual = await w.start(queues=["default"])
        assert (await usual.wait(run_id)).row.status == "Completed"


async def test_a_run_that_is_left_is_in_the_queue_of_what_was_under_way() -> None:
    """A runner of both queues leaves: one that serves the second alone goes on with the run."""
    async with world() as w:
        begun = asyncio.Event()
        with WorkflowBuilder("flow", registry=w.registry):

            @task
            def load(_: object) -> None: ...

            @task(queue="gpu", dependencies=[load])
            async def train(_: object) -> None:
                if not begun.is_set():
                    begun.set()
                    await asyncio.sleep(10 * HOUR)

        both = await w.start(queues=["default", "gpu"])
        run_id = await both.submit()
        await begun.wait()
        assert w.run(run_id).queue == "gpu"
        await both.stop()

        gpu = await w.start(queues=["gpu"])
        assert (await gpu.wait(run_id)).row.status == "Completed"


@each_row("queues", [["default"], {"default": None, "gpu": 1}])
async def test_a_time_limit_passes_while_a_run_waits_in_a_queue(queues: Any) -> None:
    """No runner serves the queue, or the only one has no room there."""
    async with world() as w:
        freed = asyncio.Event()
        with WorkflowBuilder("busy", registry=w.registry):

            @task(queue="gpu")
            async def fill(_: object) -> None:
                await freed.wait()

        with WorkflowBuilder("flow", registry=w.registry):

            @task
            def load(_: object) -> dict[str, int]:
                return {"rows": 3}

            @task(queue="gpu", dependencies=[load])
            def train(_: object) -> None: ...

        usual = await w.start(queues=queues)
        await usual.submit("busy")
        run_id = await usual.submit(time_limit=HOUR)
        await asyncio.sleep(HOUR - 60)
        assert (w.run(run_id).queue, w.run(run_id).owner) == ("gpu", None)
        await asyncio.sleep(120)

        ended = w.run(run_id)
        assert (ended.status, ended.reason_code) == ("Failed", "deadline_exceeded")
        freed.set()


async def test_a_run_past_its_limit_is_ended_by_a_runner_that_has_its_tasks() -> None:
    """A runner whose version lacks a task of the run does not take it into its own queue."""
    async with world() as w:
        without = Registry()
        with WorkflowBuilder("flow", registry=without):
            task(id="load")(lambda _: None)
        with WorkflowBuilder("flow", registry=w.registry):
            task(id="load")(lambda _: None)
            task(id="train", queue="gpu", dependencies=["load"])(lambda _: None)

        await w.start(queues=["default"], registry=without)
        await asyncio.sleep(60)
        whole = await w.start(queues=["default"])
        run_id = await whole.submit(time_limit=HOUR)
        await asyncio.sleep(60)
        await whole.stop()
        await asyncio.sleep(2 * HOUR)
        waiting = w.run(run_id)
        assert (waiting.queue, waiting.owner, waiting.ended_at) == ("gpu", None, None)

        await w.start(queues=["tape"])
        await asyncio.sleep(60)
        ended = w.run(run_id)
        assert (ended.status, ended.reason_code) == ("Failed", "deadline_exceeded")


@each_row("evict_after", [0, 300])
async def test_a_node_waits_where_bodies_of_its_run_are_served(evict_after: int) -> None:
    """All bodies ask for a queue, and only that is served."""
    async with world() as w:
        with WorkflowBuilder("flow", registry=w.registry):
            sleep("first", seconds=HOUR)

            @task(queue="gpu", dependencies=["first"])
            def train(_: object) -> None: ...

            sleep("nap", seconds=HOUR, dependencies=[train])

            @task(queue="gpu", dependencies=["nap"])
            def report(_: object) -> None: ...

        gpu = await w.start(queues=["gpu"], evict_after_seconds=evict_after)
        run_id = await gpu.submit()
        await asyncio.sleep(1.5 * HOUR)
        await gpu.stop()
        gpu = await w.start(queues=["gpu"])

        assert (await gpu.wait(run_id)).row.status == "Completed"
        assert w.run(run_id).queue == "gpu"


# -- child runs ----------------------------------------------------------------------------------


async def test_a_child_of_a_node_begins_where_its_queue_is_served() -> None:
    """The runner of its parent has places, and its code."""
    async with world() as w:
        with WorkflowBuilder("below", registry=w.registry):

            @task(queue="gpu")
            def train(_: object) -> None: ...

        with WorkflowBuilder("flow", registry=w.registry):
            child("c", "below")
        usual = await w.start(queues=["default"])
        gpu = await w.start(queues=["gpu"])

        ended = await usual.execute()

        (below,) = [run for run in w.runs() if run.parent_id == ended.row.id]
        assert (ended.row.status, ended.row.owner) == ("Completed", usual.runner_id)
        assert (below.queue, below.owner, below.epoch) == ("gpu", gpu.runner_id, 1)
