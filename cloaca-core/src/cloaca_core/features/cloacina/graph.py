"""A computation graph as a value: its nodes with their functions, and the way of values through it.

Pure: a ``Passage`` says what to call next, and others call it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from cloaca_core.definition.callables import is_async_callable
from cloaca_core.definition.context import Context
from cloaca_core.errors import ContextTypeError

Route: TypeAlias = tuple[str, str]
"""A variant, and the node that it leads to."""


@dataclass(frozen=True)
class GraphNode:
    """One node. It hands its value to ``next``, or by ``routes``, or to nobody: then it is a
    terminal. ``inputs`` are names of accumulators. ``takes_context``: its function has a parameter,
    so it gets the context where no value reaches it.
    """

    name: str
    function: Callable[..., object]
    inputs: tuple[str, ...] = ()
    next: str | None = None
    routes: tuple[Route, ...] = ()
    takes_context: bool = True

    @property
    def followers(self) -> tuple[str, ...]:
        """The nodes that its value may reach."""
        targets = [target for _, target in self.routes]
        return tuple(dict.fromkeys(targets if self.next is None else [self.next, *targets]))


@dataclass(frozen=True)
class Graph:
    """A graph; ``nodes`` are in an order in which each comes after all that lead to it."""

    name: str
    nodes: tuple[GraphNode, ...]

    @property
    def is_async(self) -> bool:
        """Whether a node has to be awaited."""
        return any(is_async_callable(node.function) for node in self.nodes)


class Call(NamedTuple):
    """A node that is to be called, and its arguments."""

    node: GraphNode
    arguments: tuple[object, ...]


class Passage:
    """One run of a graph. Each node that nothing leads to gets a copy of the ``context``, or its
    ``inputs``, None for a missing one. Another is called with the values that reach it, in the
    order of the graph, and is not called if none does. ``ends`` has the values of terminals,
    ``node`` is the node that is called.
    """

    def __init__(self, graph: Graph, context: Context, inputs: Mapping[str, object]) -> None:
        self.graph: Graph = graph
        self.node: GraphNode | None = None
        self.ends: dict[str, object] = {}
        self._context = context
        self._inputs = inputs
        self._reaching: dict[str, list[object]] = {}

    def calls(self) -> Iterator[Call]:
        """Give the calls to make. ``take`` the value of each before the next."""
        led_to = {target for node in self.graph.nodes for target in node.followers}
        for node in self.graph.nodes:
            if node.name in led_to and node.name not in self._reaching:
                continue
            arguments = [self._inputs.get(name) for name in node.inputs]
            arguments += self._reaching.get(node.name, ())
            if node.name not in led_to and not node.inputs and node.takes_context:
                arguments = [self._context.copy()]
            self.node = node
            yield Call(node, tuple(arguments))

    def take(self, node: GraphNode, value: object) -> str | None:
        """Hand the value of a node on. The variant that it chose, if that has no route: then the
        graph ends there.
        """
        if not node.followers:
            self.ends[node.name] = value
            return None
        passed = _passed_on(node, value)
        if isinstance(passed, str):
            return passed
        self._reaching.setdefault(passed.target, []).append(passed.value)
        return None


class _Passed(NamedTuple):
    target: str
    value: object


def _passed_on(node: GraphNode, value: object) -> _Passed | str:
    """The node that a value goes to next; the variant if it has no route."""
    if node.next is not None:
        return _Passed(node.next, value)
    if not (isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str)):
        raise ContextTypeError(
            f"routing node '{node.name}' must return a (variant_name, value) tuple, got "
            f"{type(value).__name__}"
        )
    target = dict(node.routes).get(value[0])
    return value[0] if target is None else _Passed(target, value[1])


def in_order(nodes: Sequence[GraphNode]) -> tuple[GraphNode, ...]:
    """The nodes, each after all that lead to it, else as they are given; without those that are in
    a circle, or come after one.
    """
    left = {node.name: node for node in nodes}
    ordered: list[GraphNode] = []
    while left:
        waiting = {target for node in left.values() for target in node.followers}
        free = [node for name, node in left.items() if name not in waiting]
        if not free:
            break
        ordered += [left.pop(node.name) for node in free]
    return tuple(ordered)
