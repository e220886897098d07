"""Drawings of a workflow's graph, in the languages of Mermaid and Graphviz."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cloaca_core.definition.task import Task


def mermaid(tasks: Sequence[Task]) -> str:
    """A Mermaid flowchart; nodes that wait are hexagons."""
    nodes = (f"    t{index}{_mermaid_shape(task)}" for index, task in enumerate(tasks))
    edges = (f"    {start} --> {end}" for start, end in _edges(tasks))
    return "\n".join(("flowchart TD", *nodes, *edges)) + "\n"


def dot(name: str, tasks: Sequence[Task]) -> str:
    """A digraph of Graphviz; nodes that wait are hexagons."""
    nodes = (f"    t{index} [{_dot_shape(task)}];" for index, task in enumerate(tasks))
    edges = (f"    {start} -> {end};" for start, end in _edges(tasks))
    return "\n".join((f"digraph {_dot_text(name)} {{", *nodes, *edges, "}")) + "\n"


def _edges(tasks: Sequence[Task]) -> Iterator[tuple[str, str]]:
    """The dependencies, between names of nodes that both languages accept."""
    node_of = {task.id: f"t{index}" for index, task in enumerate(tasks)}
    for task in tasks:
        for dependency in task.dependencies:
            yield node_of[dependency], node_of[task.id]


def _mermaid_shape(task: Task) -> str:
    text = task.id.replace("#", "#35;").replace('"', "#quot;")
    return f'["{text}"]' if task.wait is None else f'{{{{"{text}"}}}}'


def _dot_shape(task: Task) -> str:
    label = f"label={_dot_text(task.id)}"
    return label if task.wait is None else f"{label}, shape=hexagon"


def _dot_text(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
