"""The graph of many tasks by groups: few enough to be drawn, whatever a run or a workflow has.

Pure. Smaller graphs come as their tasks, which ``graph_layout.js`` groups in the same ways.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cloaca_tools.ui.charts.choice import counts
from cloaca_tools.ui.charts.fan_outs import ALL, FanOut, fan_outs, of_places, shown_of
from cloaca_tools.views.run.graph import layers_of
from cloaca_tools.views.run.tree import TaskNode

if TYPE_CHECKING:
    from cloaca_tools.views import Graph

MOST: Final = 400
"""The most tasks of a graph that shows each task, and the most units of a graph of groups."""
_PIPES: Final = 1_200
"""Lines between the units of a graph of groups."""
_BANDS: Final = 100


@dataclass(frozen=True, slots=True)
class GraphLine:
    """The task ``node``, ``within`` the group of this number if it stands in one; or else a group,
    of which ``counts`` are the states of all its tasks. ``after`` are the numbers of the lines
    before it in the graph.
    """

    name: str
    after: tuple[int, ...] = ()
    node: TaskNode | None = None
    within: int | None = None
    key: str = ""
    counts: Mapping[str, int] | None = None
    is_open: bool = False


def graph_lines(
    tasks: Sequence[TaskNode], opened: Collection[str], selected: str | None
) -> list[GraphLine]:
    """The graph as a list. A group that is not opened has its failed tasks, and the selected one,
    below it; an opened one has all.
    """
    units = units_of(tasks)
    shown = [list(_shown(tasks, unit, opened, selected)) for unit in units]
    numbers, number = [], 0
    for members in shown:
        numbers.append(number)
        number += 1 + len(members)
    before = _before(tasks, units)
    lines: list[GraphLine] = []
    for place, unit in enumerate(units):
        after = tuple([numbers[each] for each in sorted(before[place])])
        nodes = [tasks[each] for each in unit.places]
        if len(nodes) == 1:
            lines.append(GraphLine(nodes[0].task_id, after, nodes[0]))
            continue
        is_open = _is_open(unit, opened)
        group = GraphLine(unit.name, after, key=unit.key, counts=counts(nodes), is_open=is_open)
        below = [tasks[each] for each in shown[place]]
        within = numbers[place]
        lines += [group, *[GraphLine(node.task_id, (), node, within) for node in below]]
    return lines


def workflow_lines(graph: Graph, opened: Collection[str], selected: str) -> list[GraphLine]:
    """The graph of a workflow as such a list; none if it is so small that each task is drawn. Its
    tasks have no states.
    """
    if len(graph.nodes) <= MOST:
        return []
    needed: dict[str, list[str]] = {node.task: [] for node in graph.nodes}
    for edge in graph.edges:
        needed[edge.target].append(edge.source)
    tasks = [
        TaskNode(
            task_id=node.task,
            status="NotStarted",
            kind=node.kind,
            depends_on=tuple(needed[node.task]),
            seconds=None,
        )
        for node in graph.nodes
    ]
    return graph_lines(tasks, opened, selected)


def _is_open(unit: FanOut, opened: Collection[str]) -> bool:
    return ALL in opened or unit.key in opened


def _shown(
    tasks: Sequence[TaskNode], unit: FanOut, opened: Collection[str], selected: str | None
) -> Sequence[int]:
    if len(unit.places) == 1:
        return ()
    return unit.places if _is_open(unit, opened) else shown_of(tasks, unit, selected)


# -- units: groups, and tasks that are in none ---------------------------------------------------


def units_of(tasks: Sequence[TaskNode]) -> list[FanOut]:
    """Groups of tasks that are few enough: of tasks with the same ones before and after them, of
    those of a layer whose names begin alike, of those of a layer, of those of some layers.
    """
    layers = layers_of({node.task_id: node.depends_on for node in tasks})
    band = -(-(1 + max(layers.values(), default=0)) // _BANDS)

    def stem(node: TaskNode) -> Hashable:
        return layers[node.task_id], _stem(node.task_id)

    units = _with_alone(tasks, fan_outs(tasks, 1))
    for key_of in (stem, lambda node: layers[node.task_id]):
        if _is_small(tasks, units):
            return units
        units = _by(tasks, key_of)
    if _is_small(tasks, units):
        return units
    return _by(tasks, lambda node: layers[node.task_id] // band)


def _is_small(tasks: Sequence[TaskNode], units: Sequence[FanOut]) -> bool:
    return len(units) <= MOST and sum(map(len, _before(tasks, units))) <= _PIPES


def _stem(name: str) -> str:
    return re.sub(r"[-_. ]*\d+$", "", name)


def _with_alone(tasks: Sequence[TaskNode], groups: Sequence[FanOut]) -> list[FanOut]:
    """The groups, and each task that is in none of them alone."""
    within = {place for group in groups for place in group.places}
    alone = [of_places(tasks, [place]) for place in range(len(tasks)) if place not in within]
    return sorted([*groups, *alone], key=lambda unit: unit.places[0])


def _by(tasks: Sequence[TaskNode], key_of: Callable[[TaskNode], Hashable]) -> list[FanOut]:
    found: dict[Hashable, list[int]] = {}
    for place, node in enumerate(tasks):
        found.setdefault(key_of(node), []).append(place)
    return [of_places(tasks, places) for places in found.values()]


def _before(tasks: Sequence[TaskNode], units: Sequence[FanOut]) -> list[set[int]]:
    """The places of the units before each unit."""
    unit_of = {
        tasks[each].task_id: place for place, unit in enumerate(units) for each in unit.places
    }
    return [set(_needed(tasks, unit, unit_of)) - {place} for place, unit in enumerate(units)]


def _needed(tasks: Sequence[TaskNode], unit: FanOut, unit_of: Mapping[str, int]) -> Iterator[int]:
    for needed in {tasks[place].depends_on for place in unit.places}:
        for name in needed:
            if name in unit_of:
                yield unit_of[name]
