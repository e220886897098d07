"""Reads the shape of a computation graph as a program writes it, and refuses a wrong shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from cloaca_core.errors import DefinitionError, DefinitionTypeError
from cloaca_core.features.cloacina.graph import GraphNode

_KEYS: Final = ("inputs", "next", "routes")


class Reactor(NamedTuple):
    """What a graph knows of the reactor that would fire it."""

    name: str
    accumulators: tuple[str, ...]


def reactor_of(declared: object) -> Reactor | None:
    """The reactor that a class declares; None for None."""
    if declared is None:
        return None
    facts: Any = [getattr(declared, each, None) for each in ("NAME", "ACCUMULATORS")]
    if None in facts or not hasattr(declared, "REACTION_MODE"):
        raise DefinitionTypeError(
            "ComputationGraphBuilder(reactor=...) expects a class decorated with @cloaca.reactor "
            "(must expose NAME / ACCUMULATORS / REACTION_MODE)"
        )
    return Reactor(facts[0], tuple(facts[1]))


def _nowhere(*_: object) -> None:
    """Stands for the function of a node until its block has ended."""


def read_nodes(graph: object) -> tuple[GraphNode, ...]:
    """The nodes of a graph as it is written, still without their functions."""
    if not isinstance(graph, Mapping):
        raise DefinitionTypeError(f"graph must be a dict, got {type(graph).__name__}")
    return tuple(_node(name, options) for name, options in graph.items())


def _node(name: object, options: object) -> GraphNode:
    if not isinstance(name, str):
        raise DefinitionTypeError(f"graph: names of nodes are str, got {type(name).__name__}")
    place = f"graph[{name!r}]"
    if not isinstance(options, Mapping):
        raise DefinitionTypeError(f"{place} must be a dict, got {type(options).__name__}")
    if unknown := [key for key in options if key not in _KEYS]:
        raise DefinitionError(f"{place} has {unknown[0]!r}; accepted: {', '.join(_KEYS)}")
    if "next" in options and "routes" in options:
        raise DefinitionError(f"{place} has both next and routes; a node has one of them")
    following = options.get("next")
    if "next" in options and not isinstance(following, str):
        raise DefinitionTypeError(f"{place}['next'] must be a str, got {type(following).__name__}")
    return GraphNode(
        name,
        _nowhere,
        inputs=_inputs(place, options.get("inputs", ())),
        next=following,
        routes=_routes(place, options.get("routes", {})),
    )


def _inputs(place: str, inputs: object) -> tuple[str, ...]:
    if not isinstance(inputs, list | tuple) or not all(isinstance(each, str) for each in inputs):
        raise DefinitionTypeError(f"{place}['inputs'] must be a list of names")
    return tuple(inputs)


def _routes(place: str, routes: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(routes, Mapping) or not all(
        isinstance(each, str) for pair in routes.items() for each in pair
    ):
        raise DefinitionTypeError(f"{place}['routes'] must be a dict of variants to nodes")
    return tuple(routes.items())


def check_inputs(graph: str, node: GraphNode, reactor: Reactor | None) -> None:
    """Refuse inputs that no accumulator has."""
    if not node.inputs:
        return
    if reactor is None:
        raise DefinitionError(
            f"trigger-less computation graph '{graph}': node '{node.name}' declares cache inputs "
            f"{list(node.inputs)}, which only a graph with reactor= has; without them, it gets the "
            "context of the task"
        )
    for name in node.inputs:
        if name not in reactor.accumulators:
            raise DefinitionError(
                f"computation graph '{graph}': node '{node.name}' references cache input '{name}' "
                f"which is not in reactor '{reactor.name}' accumulators "
                f"{list(reactor.accumulators)}"
            )
