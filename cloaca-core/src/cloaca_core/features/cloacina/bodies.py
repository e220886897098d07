"""The body of a task that invokes a graph: the user's function, then the graph, then
``post_invocation``, all within the attempt.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cloaca_core.definition.callables import is_async_callable
from cloaca_core.definition.computation.invoked_graph import GraphBody, PostInvocation
from cloaca_core.definition.context import Context
from cloaca_core.errors import ContextTypeError
from cloaca_core.features.cloacina.graph import Graph, Passage
from cloaca_core.features.cloacina.running import run, run_async


@dataclass(frozen=True)
class GraphTask(GraphBody):
    """Called as the ``body`` is. The value of each terminal that is reached comes into the context
    under the name of its node. What it returns is judged as the result of a body; of an item of a
    map it is an object with the keys that were set.

    Its fields count in the version of the workflow.
    """

    body: Callable[..., Any]
    graph: Graph
    post: PostInvocation | None
    is_item: bool

    def __post_init__(self) -> None:
        """Take the name of the body, by which dependencies and executors find it."""
        for name in ("__module__", "__name__", "__qualname__", "__doc__"):
            if (value := getattr(self.body, name, None)) is not None:
                object.__setattr__(self, name, value)
        object.__setattr__(self, "__wrapped__", self.body)

    @property
    def functions(self) -> tuple[Callable[..., object], ...]:
        post = () if self.post is None else (self.post,)
        return (self.body, *(node.function for node in self.graph.nodes), *post)

    def __call__(self, context: Context, *others: object, **named: object) -> object:
        """Run all three in this thread."""
        left = self._left(context, self.body(context, *others, **named))
        if not isinstance(left, Context):
            return left
        self._store(left, run(Passage(self.graph, left, {})))
        if self.post is not None:
            value: Any = self.post(left)
            if inspect.iscoroutine(value):
                value = asyncio.run(value)
            left = self._after_post(left, value)
        return self._result(context, left)

    def _left(self, context: Context, value: object) -> object:
        """The context after the body; its value itself if no body may return it."""
        if value is None or isinstance(value, Context):
            return context if value is None else value
        if not isinstance(value, Mapping):
            if self.is_item:
                raise ContextTypeError(
                    f"{self._name()} returned {type(value).__name__}; an item of a map whose task "
                    "invokes a graph returns a mapping, a Context or None"
                )
            return value
        context.update_from_dict(value)
        return context

    def _store(self, context: Context, ends: Mapping[str, object]) -> None:
        for name, value in ends.items():
            context.set(name, value)

    def _after_post(self, context: Context, value: object) -> Context:
        if value is None or isinstance(value, Context):
            return context if value is None else value
        if not isinstance(value, Mapping):
            raise ContextTypeError(
                f"post_invocation of {self._name()} returned {type(value).__name__}; accepted: a "
                "Context, a mapping of changes, or None"
            )
        context.update_from_dict(value)
        return context

    def _result(self, context: Context, left: Context) -> object:
        """The result for the engine: an item of a map hands on no context."""
        if not self.is_item:
            return left
        touched = left._touched if left is context else set(left)
        return {key: value for key, value in left.items() if key in touched}

    def _name(self) -> str:
        return f"the task of {getattr(self.body, '__qualname__', self.body)!r:.200}"


@dataclass(frozen=True)
class AsyncGraphTask(GraphTask):
    """The same for a body with ``async def``: graph and ``post_invocation`` run on its loop."""

    async def __call__(self, context: Context, *others: object, **named: object) -> object:
        """Run all three as one coroutine."""
        left = self._left(context, await self.body(context, *others, **named))
        if not isinstance(left, Context):
            return left
        self._store(left, await run_async(Passage(self.graph, left, {})))
        if self.post is not None:
            value: Any = self.post(left)
            if inspect.isawaitable(value):
                value = await value
            left = self._after_post(left, value)
        return self._result(context, left)


def body_of(
    function: Callable[..., object], graph: Graph, post: PostInvocation | None, *, is_item: bool
) -> GraphTask:
    """The body of a task that invokes a graph: a coroutine function if the user's function is."""
    kind = AsyncGraphTask if is_async_callable(function) else GraphTask
    return kind(function, graph, post, is_item)
