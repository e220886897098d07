"""The shape of a workflow: pure functions over ``{id: ids that it depends on}``.

The order of the mapping is the definition order, and every answer is deterministic in it.
Nothing here knows what a task is, and nothing recurses: a chain may have ten thousand tasks.
Apart from ``find_missing`` each function expects every dependency to be a key of the mapping,
and apart from ``find_cycle`` and ``ancestors`` a graph without cycles.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

Graph: TypeAlias = Mapping[str, Sequence[str]]


def find_missing(graph: Graph) -> tuple[str, str] | None:
    """The first (id, dependency) whose dependency is not in the graph."""
    for node, dependencies in graph.items():
        for dependency in dependencies:
            if dependency not in graph:
                return node, dependency
    return None


def find_cycle(graph: Graph) -> list[str] | None:
    """Return a path along dependencies that ends where it began, or None if there is none."""
    finished: set[str] = set()
    for start in graph:
        if start not in finished:
            cycle = _cycle_from(start, graph, finished)
            if cycle is not None:
                return cycle
    return None


def _cycle_from(start: str, graph: Graph, finished: set[str]) -> list[str] | None:
    """Search depth first from ``start``; add nodes that are in no cycle to ``finished``."""
    path: dict[str, Iterator[str]] = {start: iter(graph[start])}
    while path:
        node, untried = next(reversed(path.items()))
        dependency = next(untried, None)
        if dependency is None:
            finished.add(node)
            del path[node]
        elif dependency in path:
            nodes = list(path)
            return [*nodes[nodes.index(dependency) :], dependency]
        elif dependency not in finished:
            path[dependency] = iter(graph[dependency])
    return None


def levels(graph: Graph) -> list[list[str]]:
    """Group ids by their longest path from a root; definition order within a level."""
    depths = _depths(graph)
    grouped: list[list[str]] = [[] for _ in range(max(depths.values(), default=-1) + 1)]
    for node in graph:
        grouped[depths[node]].append(node)
    return grouped


def _depths(graph: Graph) -> dict[str, int]:
    """The length of the longest path to each id; removes roots, then their dependents."""
    dependents = _dependents(graph)
    waiting_for = {node: len(set(dependencies)) for node, dependencies in graph.items()}
    depths = dict.fromkeys(roots(graph), 0)
    ready = list(depths)
    for node in ready:
        for dependent in dependents[node]:
            depths[dependent] = max(depths.get(dependent, 0), depths[node] + 1)
            waiting_for[dependent] -= 1
            if not waiting_for[dependent]:
                ready.append(dependent)
    return depths


def _dependents(graph: Graph) -> dict[str, list[str]]:
    dependents: dict[str, list[str]] = {node: [] for node in graph}
    for node, dependencies in graph.items():
        for dependency in dict.fromkeys(dependencies):
            dependents[dependency].append(node)
    return dependents


def topological_order(graph: Graph) -> list[str]:
    """Order ids after their dependencies: level by level, each in definition order."""
    return [node for level in levels(graph) for node in level]


def roots(graph: Graph) -> list[str]:
    """The ids without dependencies, in definition order."""
    return [node for node, dependencies in graph.items() if not dependencies]


def leaves(graph: Graph) -> list[str]:
    """The ids that no other depends on, in definition order."""
    needed = {dependency for dependencies in graph.values() for dependency in dependencies}
    return [node for node in graph if node not in needed]


def ancestors(graph: Graph, node: str) -> set[str]:
    """Every id that ``node`` depends on, directly or through others."""
    found: set[str] = set()
    pending = list(graph[node])
    while pending:
        current = pending.pop()
        if current not in found:
            found.add(current)
            pending.extend(graph[current])
    return found
