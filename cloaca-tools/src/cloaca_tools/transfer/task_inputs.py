"""The data that each task of a run was given, computed anew from what is recorded. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, cast

from cloaca_core.run.contexts import Contexts
from cloaca_core.run.restore import change_from_json
from cloaca_core.values.states import TaskStatus

if TYPE_CHECKING:
    from cloaca_core.run.graph import Node, NodeGraph, PlanGraph
    from cloaca_core.run.merge import Change
    from cloaca_core.run.replacements import Keys
    from cloaca_core.run.rows import AttemptRow
    from cloaca_core.values.payloads.json_values import JsonValue


def task_inputs(
    graph: NodeGraph[Node],
    run_input: dict[str, JsonValue],
    latest: Mapping[int, AttemptRow],
    patches: Mapping[int, Change] | None = None,
    replacements: Sequence[Keys] = (),
) -> dict[str, dict[str, JsonValue]]:
    """By id, for each task that has an attempt. ``latest`` has the attempt of each that counts, by
    its index.
    """
    contexts = Contexts(cast("PlanGraph", graph), run_input, patches, replacements)
    given: dict[str, dict[str, JsonValue]] = {}
    for index in _in_order(graph, latest):
        row = latest[index]
        contexts.enter(index, row.replacements)
        given[graph.tasks[index].id] = contexts.given(index)
        done = row.status == TaskStatus.COMPLETED
        contexts.leave(index, change_from_json(row.change or "{}") if done else None)
    return given


def _in_order(graph: NodeGraph[Node], begun: Mapping[int, AttemptRow]) -> Iterator[int]:
    """The tasks that have begun, each after those that it depends on."""
    missing = {index: len(graph.dependencies[index]) for index in begun}
    ready = sorted(index for index, count in missing.items() if not count)
    while ready:
        index = ready.pop(0)
        yield index
        for dependent in graph.dependents[index]:
            if dependent in missing:
                missing[dependent] -= 1
                if not missing[dependent]:
                    ready.append(dependent)
