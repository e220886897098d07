"""A task with a computation graph whose functions the workers of an executor import."""

from __future__ import annotations

import os

import cloaca

REGISTRY = cloaca.Registry()

with cloaca.WorkflowBuilder("graphed", registry=REGISTRY):
    with cloaca.ComputationGraphBuilder(
        "graphed", graph={"double": {"next": "place"}, "place": {}}
    ) as GRAPH:

        @cloaca.node
        def double(context: cloaca.Context) -> int:
            return int(context["n"]) * 2

        @cloaca.node
        def place(value: int) -> dict[str, int]:
            return {"value": value, "pid": os.getpid()}

    def after(context: cloaca.Context) -> None:
        context["after"] = context["place"]["value"]

    @cloaca.task(id="there", executor="there", invokes=GRAPH, post_invocation=after)
    def work(context: cloaca.Context) -> None:
        context["n"] += 1
