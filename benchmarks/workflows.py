"""The measured workflows: their bodies do nothing, so that only cloaca takes time."""

from __future__ import annotations

import cloaca

CONTEXT = {"a": 1, "b": "two", "c": [1, 2, 3], "d": {"x": 1.5}, "e": True}
CHAIN = 10
WIDTH = 100


def _nothing(context: cloaca.Context) -> None:
    """Do nothing."""


def define() -> None:
    """Register ``one``, ``diamond``, ``chain`` and ``fan_out``."""
    with cloaca.WorkflowBuilder("one"):
        cloaca.task(id="only")(_nothing)
    with cloaca.WorkflowBuilder("diamond"):
        cloaca.task(id="first")(_nothing)
        cloaca.task(id="left", dependencies=["first"])(_nothing)
        cloaca.task(id="right", dependencies=["first"])(_nothing)
        cloaca.task(id="last", dependencies=["left", "right"])(_nothing)
    with cloaca.WorkflowBuilder("chain"):
        for link in range(CHAIN):
            cloaca.task(id=f"t{link}", dependencies=[f"t{link - 1}"] if link else [])(_nothing)
    with cloaca.WorkflowBuilder("fan_out"):
        cloaca.task(id="first")(_nothing)
        for branch in range(WIDTH):
            cloaca.task(id=f"b{branch}", dependencies=["first"])(_nothing)
        cloaca.task(id="last", dependencies=[f"b{branch}" for branch in range(WIDTH)])(_nothing)
