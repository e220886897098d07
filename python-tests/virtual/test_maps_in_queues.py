"""Maps of runners that serve some queues."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import pytest
from model.virtual_engine import world
from model.virtual_time import the_loop
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.nodes.child import child
from cloaca_core.definition.task import task

pytestmark = pytest.mark.virtual_time

LEASE = 15.0


@each_row("queues", [["gpu"], {"gpu": 1}])
@each_row("later", [0.0, 15.0, 35.0])
async def test_a_later_owner_of_the_queue_goes_on_with_a_map(queues: Any, later: float) -> None:
    """Six items, two at once, of ten seconds each. The first runner of the queue stands still."""
    async with world() as w:
        calls = Counter[int]()
        with WorkflowBuilder("flow", registry=w.registry):

            @task
            def load(_: object) -> dict[str, list[int]]:
                return {"rows": list(range(6))}

            @task(dependencies=[load], map="rows", max_parallel=2, queue="gpu")
            async def train(_: Context, item: int) -> int:
                calls[item] += 1
                await asyncio.sleep(10)
                return item

            @task(dependencies=[train])
            def report(_: object) -> None: ...

        usual = await w.start(queues=["default"], lease_seconds=LEASE)
        first = await w.start(queues=queues, lease_seconds=LEASE)
        run_id = await usual.submit()
        await asyncio.sleep(later)
        done = [
            row.item for row in w.attempts(run_id) if row.status == "Completed" and row.item >= 0
        ]
        second = await w.start(queues=queues, lease_seconds=LEASE)

        first.store.answers.clear()
        ended = await usual.wait(run_id)

        assert (ended.row.status, ended.row.owner) == ("Completed", usual.runner_id)
        assert second.runner_id != first.runner_id
        items = [row for row in w.attempts(run_id) if row.item >= 0]
        assert sorted(row.item for row in items) == list(range(6))
        assert {calls[item] for item in done} <= {1}


async def test_items_that_wait_to_be_tried_again_hold_no_place_of_their_queue() -> None:
    async with world() as w:
        begun: list[float] = []
        failed: list[int] = []
        with WorkflowBuilder("flow", registry=w.registry):

            @task(
                map=[0, 1],
                queue="gpu",
                retry_delay_ms=100_000,
                retry_max_delay_ms=100_000,
                retry_jitter=False,
            )
            async def train(_: Context, item: int) -> int:
                await asyncio.sleep(1)
                if item and not failed:
                    failed.append(item)
                    raise ValueError("busy")
                return item

        with WorkflowBuilder("other", registry=w.registry):

            @task(queue="gpu")
            async def only(_: object) -> None:
                begun.append(the_loop().time())

        gpu = await w.start(queues={"gpu": 1, "default": None})
        started = the_loop().time()
        run_id = await gpu.submit()
        await gpu.submit("other")

        assert (await gpu.wait(run_id)).row.status == "Completed"
        assert begun[0] - started < 10


async def test_items_that_were_held_in_a_pause_go_on() -> None:
    async with world() as w:
        with WorkflowBuilder("flow", registry=w.registry):

            @task(map=list(range(4)), queue="gpu")
            async def train(_: Context, item: int) -> int:
                await asyncio.sleep(10)
                return item

        gpu = await w.start(queues={"gpu": 1}, max_concurrent_async_tasks=1)
        run_id = await gpu.submit()
        await asyncio.sleep(5)
        await gpu.stop()
        again = await w.start(queues={"gpu": 1})

        assert (await again.wait(run_id)).row.status == "Completed"


async def test_a_run_takes_its_map_of_child_runs_to_another_queue() -> None:
    """Six children of ten seconds each, two at once, in a queue of their own. Beside them a task of
    a third queue is ready, so the run moves while children are under way.
    """
    async with world() as w:
        trail: list[Any] = []
        with WorkflowBuilder("below", registry=w.registry):

            @task(queue="small")
            async def only(context: Context) -> None:
                trail.append(context["item"])
                await asyncio.sleep(10)

        with WorkflowBuilder("flow", registry=w.registry):
            each = child("each", "below", map=list(range(6)), max_parallel=2, outputs=["item"])

            @task(queue="gpu")
            async def train(_: Context) -> None:
                trail.append("train")
                await asyncio.sleep(5)

            @task(dependencies=[each])
            def report(_: Context) -> None: ...

        usual = await w.start(queues=["default"])
        await w.start(queues=["gpu"])
        await w.start(queues=["small"])

        ended = await usual.execute()

        assert (ended.row.status, ended.row.owner) == ("Completed", usual.runner_id)
        values = json.loads(ended.row.final_context or "")["each"]
        assert values == [{"item": index} for index in range(6)]
        assert trail.pop(trail.index("train")) == "train"
        assert sorted(trail) == list(range(6))
