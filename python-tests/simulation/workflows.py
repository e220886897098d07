"""Workflows that are simulated, each with what callers do with it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.handles.task_handle import TaskHandle
from cloaca_core.definition.limits.limit import Limit
from cloaca_core.definition.nodes.child import child
from cloaca_core.definition.nodes.wait_for import wait_for
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task

REGISTRY: Final = Registry()
ONE: Final = Limit("one", total=1)
TWO: Final = Limit("two", total=2)


def _noted(name: str) -> Callable[[Context], Context]:
    def body(context: Context) -> Context:
        context.set(name, context.get("number", 0))
        return context

    return body


with WorkflowBuilder("order", registry=REGISTRY) as _:
    task(id="charge")(_noted("charge"))
    task(id="left", dependencies=["charge"])(_noted("left"))
    task(id="right", dependencies=["charge"])(_noted("right"))
    task(id="ship", dependencies=["left", "right"])(_noted("ship"))

with WorkflowBuilder("approval", registry=REGISTRY) as _:
    task(id="ask")(_noted("ask"))
    wait_for("approved", "go", dependencies=["ask"])

    @task(id="tell", dependencies=["approved"], retry_attempts=3, retry_delay_ms=500)
    def _tell(context: Context, handle: TaskHandle) -> Context:
        handle.step("first", lambda: 1)
        if handle.attempt == 1:
            raise ValueError("not yet")
        handle.sleep(5)
        return context


with WorkflowBuilder("patient", registry=REGISTRY) as _:

    @task(id="work")
    async def _work(_: Context) -> None:
        await asyncio.sleep(40)

    task(id="after", dependencies=["work"])(_noted("after"))


with WorkflowBuilder("limited", registry=REGISTRY) as _:

    @task(id="alone", limits=[ONE])
    async def _alone(_: Context) -> None:
        await asyncio.sleep(8)

    task(id="again", limits=[ONE], dependencies=["alone"])(_noted("again"))


with WorkflowBuilder("family", registry=REGISTRY) as _:
    task(id="before")(_noted("before"))
    child("inner", "order", dependencies=["before"])

    @task(id="close", dependencies=["inner"])
    def _close(context: Context) -> Context:
        return context


with WorkflowBuilder("mapped", registry=REGISTRY) as _:
    task(id="before")(_noted("before"))

    @task(
        id="each", map=list(range(4)), max_parallel=3, limits=[TWO], dependencies=["before"],
        retry_attempts=2, retry_delay_ms=500,
    )  # fmt: skip
    async def _each(_: Context, item: int, handle: TaskHandle) -> None:
        await asyncio.sleep(item)
        if item == 1 and handle.attempt == 1:
            raise ValueError("not yet")

    task(id="after", dependencies=["each"], queue="other")(_noted("after"))


with WorkflowBuilder("crowd", registry=REGISTRY) as _:
    task(id="before")(_noted("before"))
    child("inner", "limited", map=list(range(3)), max_parallel=2, dependencies=["before"])
    task(id="after", dependencies=["inner"])(_noted("after"))


CASES: Final[dict[str, dict[str, Any]]] = {
    "order": {"context": lambda run: {"number": run}},
    "approval": {"send": {"go": True}},
    "patient": {},
    "limited": {},
    "family": {},
    "mapped": {},
    "crowd": {"runs": 2},
    "order, one key": {"options": lambda run: {"singleton": "s", "singleton_policy": "queue"}},
}
"""The arguments of ``simulate``; the name of the workflow is what stands before a comma."""


def arguments(case: str) -> dict[str, Any]:
    """The arguments of a case."""
    return {"workflow": case.partition(",")[0], "registry": REGISTRY, **CASES[case]}
