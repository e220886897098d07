"""``ComputationGraphBuilder``: a block in which ``@node`` functions become a graph."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, TypeVar

from cloaca_core.definition.callables import call_signature
from cloaca_core.definition.computation.invoked_graph import (
    GRAPHS,
    GraphBody,
    InvokedGraph,
    PostInvocation,
)
from cloaca_core.definition.context import Context
from cloaca_core.errors import (
    DefinitionError,
    DefinitionTypeError,
    GraphRunError,
    NodeNotDefinedError,
)
from cloaca_core.features.cloacina.bodies import body_of
from cloaca_core.features.cloacina.graph import Graph, GraphNode, Passage, in_order
from cloaca_core.features.cloacina.running import run
from cloaca_core.features.cloacina.topology import check_inputs, reactor_of, read_nodes
from cloaca_core.values.namespace import check_name

FunctionT = TypeVar("FunctionT", bound=Callable[..., object])

_OPEN: ContextVar[ComputationGraphBuilder | None] = ContextVar("cloaca_open_graph", default=None)
"""The innermost open block of this thread or asyncio task."""


class ComputationGraphBuilder(InvokedGraph):
    """Collects the ``@node`` functions that are defined inside its ``with`` block.

    ``graph`` maps the name of each node to where its value goes: ``{"next": node}``,
    ``{"routes": {variant: node}}``, or ``{}``: it is a terminal. A node that nothing leads to gets
    the task's ``Context``, each other the value that reaches it. A node with routes returns
    ``(variant, payload)``, and the node of that variant gets the payload.

    ``reactor`` is a class declared with ``@reactor``; the nodes of such a graph name accumulators
    as ``{"inputs": [...]}``. Nothing fires it, and no task invokes it. ``react`` is refused.
    """

    def __init__(
        self,
        name: str,
        *,
        graph: Mapping[str, Mapping[str, Any]],
        reactor: type | None = None,
        react: object = None,
    ) -> None:
        if react is not None:
            raise DefinitionError(
                "ComputationGraphBuilder no longer accepts `react={...}`. Declare a class with "
                "@cloaca.reactor and pass `reactor=`, or omit both for a graph that a task invokes"
            )
        self.NAME: str = check_name(name, "ComputationGraphBuilder(name=...)")
        self._nodes = read_nodes(graph)
        self._reactor = reactor_of(reactor)
        for each in self._nodes:
            check_inputs(name, each, self._reactor)
        self._functions: dict[str, Callable[..., object]] = {}
        self._outer: ComputationGraphBuilder | None = None
        self._graph: Graph | None = None

    def __repr__(self) -> str:
        return f"ComputationGraphBuilder(name={self.NAME!r}, nodes={len(self._functions)})"

    def __enter__(self) -> Self:
        self._outer = _OPEN.get()
        _OPEN.set(self)
        self._functions, self._graph = {}, None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _OPEN.set(self._outer)
        if kind is None:
            self._graph = self._built()
            GRAPHS[self.NAME] = self

    @property
    def is_complete(self) -> bool:
        return self._graph is not None

    @property
    def has_reactor(self) -> bool:
        return self._reactor is not None

    def execute(self, inputs: Mapping[str, object]) -> Any:
        """Run the graph at once, outside of any workflow: for tests, and for graphs with a reactor.

        ``inputs`` are the values of accumulators by name, or the context of a graph without a
        reactor. Returns the value of the terminal that was reached, None if none was, and of
        several an object with their values by name. ``GraphRunError`` (a ValueError) names the node
        that failed.
        """
        if not isinstance(inputs, Mapping):
            raise DefinitionTypeError(f"inputs must be a dict, got {type(inputs).__name__}")
        if self.has_reactor:
            context, values = Context(), inputs
        else:
            context, values = Context(inputs), {}
        passage = Passage(self._complete(), context, values)
        try:
            ends = run(passage)
        except Exception as error:
            node = "" if passage.node is None else passage.node.name
            raise GraphRunError(
                f"graph execution failed: node execution failed: node '{node}' failed: "
                f"{type(error).__name__}: {error}",
                graph=self.NAME,
                node=node,
            ) from error
        return ends if len(ends) > 1 else next(iter(ends.values()), None)

    def body(
        self, function: Callable[..., object], post: PostInvocation | None, *, is_item: bool
    ) -> GraphBody:
        """The body of a task with ``invokes=``; ``@task`` asks for it."""
        return body_of(function, self._complete(), post, is_item=is_item)

    def _complete(self) -> Graph:
        if self._graph is None:
            raise DefinitionError(f"computation graph '{self.NAME}': its block has not ended")
        return self._graph

    def _add(self, function: object) -> None:
        name = getattr(function, "__name__", None)
        if not callable(function) or not isinstance(name, str):
            raise DefinitionTypeError(
                f"@cloaca.node decorates a function, got {type(function).__name__}"
            )
        if self._functions.setdefault(name, function) is not function:
            raise DefinitionError(f"computation graph '{self.NAME}' has two functions '{name}'")

    def _built(self) -> Graph:
        names = [node.name for node in self._nodes]
        if not names:
            raise DefinitionError(f"computation graph '{self.NAME}' cannot be empty")
        self._refuse_unknown(names)
        ordered = in_order([self._with_function(node) for node in self._nodes])
        if len(ordered) < len(names):
            circling = sorted(set(names) - {node.name for node in ordered})
            raise DefinitionError(
                f"computation graph '{self.NAME}': Circular dependency detected: {circling}"
            )
        return Graph(self.NAME, ordered)

    def _refuse_unknown(self, names: list[str]) -> None:
        for name in self._functions:
            if name not in names:
                raise DefinitionError(
                    f"function '{name}' was decorated with @cloaca.node but does not appear in the "
                    f"graph topology of '{self.NAME}'"
                )
        for node in self._nodes:
            for target in node.followers:
                if target not in names:
                    raise DefinitionError(
                        f"computation graph '{self.NAME}': node '{node.name}' leads to '{target}', "
                        "which does not appear in the graph topology"
                    )

    def _with_function(self, node: GraphNode) -> GraphNode:
        if (function := self._functions.get(node.name)) is None:
            raise NodeNotDefinedError(
                f"computation graph '{self.NAME}' topology references node '{node.name}' but no "
                "@cloaca.node function with that name was defined",
                graph=self.NAME,
                node=node.name,
            )
        return replace(node, function=function, takes_context=_takes_one(function))


def _takes_one(function: Callable[..., object]) -> bool:
    """Whether the function can be called with one argument."""
    if (signature := call_signature(function)) is None:
        return True
    try:
        signature.bind(None)
    except TypeError:
        return bool(signature.parameters)  # so the call fails, with Python's own words
    return True


def node(func: FunctionT) -> FunctionT:
    """Make the decorated function the node of its name in the graph whose block is open. It stays
    the plain function, and may be ``async``.
    """
    if (graph := _OPEN.get()) is None:
        raise DefinitionError(
            "@cloaca.node must be used inside a ComputationGraphBuilder context manager"
        )
    graph._add(func)
    return func
