"""Calls the nodes of a graph, on a thread or as a coroutine. A node that fails is named in a note
of its error.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cloaca_core.engine.execute.current_work import CURRENT_WORK
from cloaca_core.errors import BodyCancelled
from cloaca_core.features.cloacina.graph import Graph, GraphNode, Passage
from cloaca_core.logs import SafeLogger

log = SafeLogger("cloaca.graphs")


def run(passage: Passage) -> dict[str, object]:
    """Run a graph in this thread, and give the value of each terminal that was reached. If a node
    is an ``async def``, the nodes run on a loop that is made for them.
    """
    if passage.graph.is_async:
        return asyncio.run(run_async(passage))
    for node, arguments in passage.calls():
        with _begun(passage.graph, node):
            _take(passage, node, node.function(*arguments))
    return passage.ends


async def run_async(passage: Passage) -> dict[str, object]:
    """As ``run``, on the running loop; plain functions are called on it, too."""
    for node, arguments in passage.calls():
        with _begun(passage.graph, node):
            value: Any = node.function(*arguments)
            if inspect.isawaitable(value):
                value = await value
            _take(passage, node, value)
    return passage.ends


def _take(passage: Passage, node: GraphNode, value: object) -> None:
    if (variant := passage.take(node, value)) is not None:
        log.warning(
            "computation graph '%s' ends at node '%s': it chose the variant %.200r, and its routes "
            "are %s",
            passage.graph.name,
            node.name,
            variant,
            ", ".join(repr(each) for each, _ in node.routes),
        )


@contextmanager
def _begun(graph: Graph, node: GraphNode) -> Iterator[None]:
    """A block in which a node is called. It is not called for a task that is being cancelled."""
    work: Any = CURRENT_WORK.get()
    if work is not None and getattr(work, "cancelled", False):
        raise BodyCancelled(f"cancelled before node '{node.name}' of graph '{graph.name}'")
    try:
        yield
    except Exception as error:
        error.add_note(f"in node '{node.name}' of computation graph '{graph.name}'")
        raise
