"""The way of values through a computation graph, without a program that calls the nodes."""

from __future__ import annotations

import pytest

from cloaca_core.definition.context import Context
from cloaca_core.errors import ContextTypeError
from cloaca_core.features.cloacina.graph import Graph, GraphNode, Passage, in_order


def _node(name: str, next: str | None = None, **options: object) -> GraphNode:  # noqa: A002 - as the field
    return GraphNode(name, print, next=next, **options)  # type: ignore[arg-type]  # fields by name


def _passage(*nodes: GraphNode, values: dict[str, object], **inputs: object) -> list[object]:
    """The calls, each node's value being that of ``values``; at the end the values of terminals."""
    passage = Passage(Graph("g", in_order(nodes)), Context({"n": 1}), inputs)
    calls: list[object] = []
    for node, arguments in passage.calls():
        calls.append((node.name, *arguments))
        passage.take(node, values[node.name])
    return [*calls, passage.ends]


def test_a_chain_hands_each_value_to_the_next_and_only_the_last_comes_out() -> None:
    chain = _node("c"), _node("b", "c"), _node("a", "b")

    assert _passage(*chain, values={"a": 1, "b": None, "c": 3}) == [
        ("a", Context({"n": 1})),
        ("b", 1),
        ("c", None),
        {"c": 3},
    ]


def test_each_first_node_gets_a_context_of_its_own() -> None:
    passage = Passage(Graph("g", (_node("a"), _node("b"))), Context({"n": 1}), {})
    seen = []
    for node, (context,) in passage.calls():
        assert isinstance(context, Context)
        seen.append(context.to_dict())
        context.set("n", 2)
        passage.take(node, node.name)

    assert seen == [{"n": 1}, {"n": 1}]
    assert passage.ends == {"a": "a", "b": "b"}


def test_a_first_node_without_a_parameter_gets_nothing() -> None:
    assert _passage(_node("a", takes_context=False), values={"a": 1}) == [("a",), {"a": 1}]


def test_a_node_that_several_lead_to_gets_their_values_in_the_order_of_the_graph() -> None:
    nodes = _node("a", "c"), _node("b", "c"), _node("c")

    assert _passage(*nodes, values={"a": 1, "b": 2, "c": 3})[2:] == [("c", 1, 2), {"c": 3}]


def test_the_node_of_the_chosen_variant_gets_the_payload_and_others_are_not_called() -> None:
    routes = (("big", "x"), ("small", "y"))
    nodes = _node("r", routes=routes), _node("x", "end"), _node("y", "end"), _node("end")
    values = {"r": ("small", 5), "y": 6, "end": 7}

    assert _passage(*nodes, values=values)[1:] == [("y", 5), ("end", 6), {"end": 7}]


def test_a_variant_without_a_route_ends_the_graph_and_is_told() -> None:
    graph = Graph("g", (_node("r", routes=(("big", "x"),)), _node("x")))
    passage = Passage(graph, Context(), {})

    assert [passage.take(call.node, ("none", 5)) for call in passage.calls()] == ["none"]
    assert passage.ends == {}


@pytest.mark.parametrize("value", [5, ["big", 1], ("big",), (1, "big"), None])
def test_a_routing_node_returns_a_variant_and_a_payload(value: object) -> None:
    passage = Passage(Graph("g", (_node("r", routes=(("big", "x"),)),)), Context(), {})

    with pytest.raises(ContextTypeError, match=r"'r' must return a \(variant_name, value\) tuple"):
        passage.take(passage.graph.nodes[0], value)


def test_inputs_come_before_values_and_a_missing_one_is_none() -> None:
    nodes = _node("a", "b", inputs=("p", "q")), _node("b", inputs=("p",))

    assert _passage(*nodes, values={"a": 1, "b": 2}, p=7) == [
        ("a", 7, None),
        ("b", 7, 1),
        {"b": 2},
    ]


def test_nodes_in_a_circle_and_after_it_have_no_order() -> None:
    nodes = _node("start", "a"), _node("a", "b"), _node("b", "a"), _node("alone")

    assert [node.name for node in in_order(nodes)] == ["start", "alone"]
