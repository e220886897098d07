"""The port of computation graphs: what a task that invokes a graph knows of it.

A feature makes the graphs, and the bodies that run them. It is imported by the program that has a
graph; this module is loaded with the first task that invokes one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final, TypeAlias

from cloaca_core.definition.callables import call_signature
from cloaca_core.definition.context import Context
from cloaca_core.errors import DefinitionError, DefinitionTypeError

PostInvocation: TypeAlias = Callable[[Context], object]

GRAPHS: Final[dict[str, InvokedGraph]] = {}
"""The graphs of the program by name; a graph enters when its block ends, and the newest counts."""


class InvokedGraph(ABC):
    """A computation graph that tasks may name with ``invokes=``."""

    NAME: str

    @property
    @abstractmethod
    def is_complete(self) -> bool:
        """Whether its block has ended, with a function for each node."""

    @property
    @abstractmethod
    def has_reactor(self) -> bool:
        """Whether its inputs come from a reactor; no task invokes such a graph."""

    @abstractmethod
    def body(
        self, function: Callable[..., object], post: PostInvocation | None, *, is_item: bool
    ) -> GraphBody:
        """The body of a task: it calls ``function``, then runs the graph, then calls ``post``. Of a
        map it ``is_item``.
        """


class GraphBody(ABC):
    """A callable made of several functions of a program. It has the name of the body."""

    @abstractmethod
    def __call__(self, context: Context, *others: object, **named: object) -> object:
        """Called as the body is, and its result judged as that of a body."""

    @property
    @abstractmethod
    def functions(self) -> tuple[Callable[..., object], ...]:
        """All functions that it calls; another process needs each of them."""


def invoked_graph(invokes: object, post_invocation: object) -> InvokedGraph:
    """The graph of a task. ``DefinitionError`` says why the task cannot invoke it."""
    name = getattr(invokes, "NAME", None)
    if not isinstance(name, str):
        raise DefinitionError(
            "@cloaca.task(invokes=...): expected a ComputationGraphBuilder, got "
            f"{type(invokes).__name__} (it must expose a `NAME` attribute)"
        )
    graph = invokes if isinstance(invokes, InvokedGraph) else GRAPHS.get(name)
    if graph is None or not graph.is_complete:
        raise DefinitionError(
            f"@cloaca.task(invokes=...): graph '{name}' is not registered. Its block, `with "
            "ComputationGraphBuilder(...)`, must end before the task that invokes it"
        )
    if graph.has_reactor:
        raise DefinitionError(
            f"@cloaca.task(invokes=...): graph '{name}' is reactor-triggered. A task invokes a "
            "graph without `reactor=`"
        )
    _check_post(post_invocation)
    return graph


def _check_post(post: object) -> None:
    if post is None:
        return
    if not callable(post):
        raise DefinitionTypeError(
            f"task(post_invocation=...) must be callable, got {type(post).__name__}"
        )
    if (signature := call_signature(post)) is not None:
        try:
            signature.bind(None)
        except TypeError as error:
            raise DefinitionTypeError(
                "task(post_invocation=...) is called with the context; "
                f"{post!r:.200} cannot be called so: {error}"
            ) from error
