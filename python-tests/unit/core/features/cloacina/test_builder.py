"""The block of a computation graph, and what a task may invoke."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tables import each_row

import cloaca
from cloaca_core.definition.task import task
from cloaca_core.errors import (
    DefinitionError,
    DefinitionTypeError,
    GraphRunError,
    NodeNotDefinedError,
)
from cloaca_core.features.cloacina.builder import ComputationGraphBuilder, node
from cloaca_core.features.cloacina.declarations import reactor

WRONG: Any = object()
Prices: Any = reactor(name="prices", accumulators=["bid", "ask"])(type("Prices", (), {}))


def a(value: object) -> object:
    return value


def b(value: object) -> object:
    return [value]


def c(value: object) -> object:
    return value


def built(
    graph: Any, *functions: Callable[..., object], name: str = "g", **options: Any
) -> ComputationGraphBuilder:
    with ComputationGraphBuilder(name, graph=graph, **options) as builder:
        for each in functions:
            assert node(each) is each
    return builder


@each_row(
    ("graph", "functions", "error", "message"),
    [
        ({}, [], DefinitionError, "'g' cannot be empty"),
        (WRONG, [], DefinitionTypeError, "graph must be a dict, got object"),
        ({"a": 3}, [a], DefinitionTypeError, r"graph\['a'\] must be a dict, got int"),
        ({1: {}}, [a], DefinitionTypeError, "names of nodes are str, got int"),
        ({"a": {"nxt": "b"}}, [a], DefinitionError, "'nxt'; accepted: inputs, next, routes"),
        ({"a": {"next": ["b"]}}, [a], DefinitionTypeError, r"\['next'\] must be a str, got list"),
        ({"a": {"inputs": "bid"}}, [a], DefinitionTypeError, r"\['inputs'\] must be a list"),
        ({"a": {"inputs": [1]}}, [a], DefinitionTypeError, r"\['inputs'\] must be a list"),
        ({"a": {"routes": ["b"]}}, [a], DefinitionTypeError, r"\['routes'\] must be a dict"),
        ({"a": {"routes": {"x": 1}}}, [a], DefinitionTypeError, r"\['routes'\] must be a dict"),
        ({"a": {"next": "a", "routes": {}}}, [a], DefinitionError, "both next and routes"),
        ({"a": {"next": "b"}}, [a], DefinitionError, "'a' leads to 'b', which does not appear"),
        ({"a": {"routes": {"x": "b"}}}, [a], DefinitionError, "'a' leads to 'b'"),
        ({"a": {}}, [a, b], DefinitionError, "function 'b' .* does not appear in the graph topol"),
        ({"a": {"next": "b"}, "b": {"next": "a"}}, [a, b], DefinitionError, r"detected: \['a', 'b"),
        (
            {"c": {"next": "a"}, "a": {"next": "b"}, "b": {"next": "a"}},
            [a, b, c],
            DefinitionError,
            r"Circular dependency detected: \['a', 'b'\]",
        ),
        ({"a": {}, "b": {}}, [a], AttributeError, "references node 'b' but no @cloaca.node func"),
        ({"a": {"inputs": ["bid"]}}, [a], DefinitionError, r"trigger-less .*'a' .* \['bid'\]"),
    ],
)
def test_a_wrong_graph_is_refused_where_it_is_defined(
    graph: Any, functions: list[Callable[..., object]], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        built(graph, *functions, name="g")


def test_a_node_without_a_function_is_an_attribute_error_with_its_facts() -> None:
    with pytest.raises(AttributeError) as caught:
        built({"a": {}}, name="lacking")

    assert isinstance(caught.value, NodeNotDefinedError)
    assert (caught.value.graph, caught.value.node) == ("lacking", "a")


@each_row(
    ("options", "error", "message"),
    [
        ({"react": {"mode": "when_any"}}, DefinitionError, "no longer accepts `react="),
        ({"reactor": "prices"}, DefinitionTypeError, "decorated with @cloaca.reactor"),
    ],
)
def test_a_wrong_reactor_is_refused(
    options: Mapping[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        ComputationGraphBuilder("g", graph={"a": {}}, **options)


def test_the_inputs_of_a_graph_are_accumulators_of_its_reactor() -> None:
    with pytest.raises(DefinitionError, match="'last' which is not in reactor 'prices'"):
        built({"a": {"inputs": ["last"]}}, a, reactor=Prices)


def test_two_functions_of_one_name_are_refused_and_one_that_is_named_twice_is_not() -> None:
    assert built({"a": {}}, a, a).execute({"n": 1}) == cloaca.Context({"n": 1})

    other = SimpleNamespace(a=lambda value: value).a
    other.__name__ = "a"
    with pytest.raises(DefinitionError, match="has two functions 'a'"):
        built({"a": {}}, a, other)


def test_a_node_is_of_the_innermost_open_block() -> None:
    with pytest.raises(DefinitionError, match="must be used inside a ComputationGraphBuilder"):
        node(a)
    with ComputationGraphBuilder("outer", graph={"a": {}}) as outer:
        with ComputationGraphBuilder("inner", graph={"b": {}}) as inner:
            node(b)
        node(a)

    assert (repr(outer), repr(inner)) == (
        "ComputationGraphBuilder(name='outer', nodes=1)",
        "ComputationGraphBuilder(name='inner', nodes=1)",
    )
    with ComputationGraphBuilder("g", graph={"b": {}}):
        node(b)
        with pytest.raises(DefinitionTypeError, match="decorates a function, got object"):
            node(WRONG)


def test_what_a_block_raises_passes_through_and_leaves_no_graph() -> None:
    builder = ComputationGraphBuilder("broken off", graph={"a": {}})
    with pytest.raises(KeyError, match="mine"), builder:
        raise KeyError("mine")

    assert not builder.is_complete
    with pytest.raises(DefinitionError, match="its block has not ended"):
        builder.execute({})


class TestExecute:
    def test_the_value_of_the_terminal_that_was_reached(self) -> None:
        graph = built({"a": {"next": "b"}, "b": {}}, a, b)

        assert graph.execute({"n": 1}) == [cloaca.Context({"n": 1})]

    def test_of_several_an_object_by_name(self) -> None:
        graph = built({"a": {"inputs": ["bid"]}, "b": {"inputs": ["ask"]}}, a, b, reactor=Prices)

        assert graph.execute({"bid": 1}) == {"a": 1, "b": [None]}

    def test_of_none_none(self) -> None:
        def a(_: object) -> tuple[str, int]:
            return "nowhere", 1

        graph = built({"a": {"routes": {"there": "b"}}, "b": {}}, a, b)

        assert graph.execute({}) is None

    def test_a_node_with_async_def_is_awaited(self) -> None:
        async def a(context: cloaca.Context) -> object:
            return context["n"]

        assert built({"a": {"next": "b"}, "b": {}}, a, b).execute({"n": 1}) == [1]

    def test_a_failing_node_is_named(self) -> None:
        def b(value: object) -> object:
            raise KeyError("gone")

        with pytest.raises(ValueError, match="failed: node 'b' failed: KeyError: 'gone'") as caught:
            built({"a": {"next": "b"}, "b": {}}, a, b, name="g").execute({})

        assert isinstance(caught.value, GraphRunError)
        assert (caught.value.graph, caught.value.node) == ("g", "b")
        assert isinstance(caught.value.__cause__, KeyError)
        assert caught.value.__cause__.__notes__ == ["in node 'b' of computation graph 'g'"]

    def test_a_call_that_python_refuses_is_the_error_of_its_node(self) -> None:
        def a(one: object, two: object) -> object:
            return one, two

        with pytest.raises(GraphRunError, match=r"node 'a' failed: TypeError: .*'two'"):
            built({"a": {}}, a).execute({})

    def test_inputs_are_a_mapping(self) -> None:
        graph, wrong = built({"a": {}}, a), cast("Any", [1])
        with pytest.raises(DefinitionTypeError, match="inputs must be a dict, got list"):
            graph.execute(wrong)


@each_row(
    ("options", "error", "message"),
    [
        ({"invokes": WRONG}, DefinitionError, "must expose a `NAME` attribute"),
        ({"invokes": "g"}, DefinitionError, "must expose a `NAME` attribute"),
        ({"invokes": SimpleNamespace(NAME=3)}, DefinitionError, "must expose a `NAME`"),
        ({"invokes": SimpleNamespace(NAME="no graph")}, DefinitionError, "is not registered"),
        (
            {"invokes": ComputationGraphBuilder("open", graph={"a": {}})},
            DefinitionError,
            "graph 'open' is not registered",
        ),
        (
            {"invokes": built({"a": {"inputs": ["bid"]}}, a, reactor=Prices, name="fired")},
            DefinitionError,
            "graph 'fired' is reactor-triggered",
        ),
        (
            {"invokes": built({"a": {}}, a), "post_invocation": 3},
            DefinitionTypeError,
            "post_invocation=...\\) must be callable, got int",
        ),
        (
            {"invokes": built({"a": {}}, a), "post_invocation": lambda: None},
            DefinitionTypeError,
            "is called with the context",
        ),
        ({"post_invocation": a}, DefinitionError, "`post_invocation` requires `invokes=...`"),
    ],
)
def test_a_task_refuses_what_it_cannot_invoke(
    options: Mapping[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        task(**options)


def test_an_object_with_the_name_of_a_graph_stands_for_the_newest_of_that_name() -> None:
    built({"a": {}}, a, name="named")
    newest = built({"b": {}}, b, name="named")
    with cloaca.WorkflowBuilder("w", registry=cloaca.Registry()) as builder:
        task(id="t", invokes=SimpleNamespace(NAME="named"))(a)

    found: Any = builder.workflow.task("t").function
    assert found.graph is newest.body(a, None, is_item=False).graph  # type: ignore[attr-defined]  # a GraphTask
