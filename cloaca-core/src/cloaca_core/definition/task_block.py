"""The tasks that one builder block has collected, found by reference.

A reference is an id, the full namespace of a task of this workflow, a node or a function. It is
resolved when the workflow is built, so it may stand before its task. The workflow checks the graph.
"""

from __future__ import annotations

import inspect
from collections import defaultdict
from types import MethodType
from typing import TypeAlias

from cloaca_core.definition.rules import (
    FunctionName,
    rename_tasks,
)
from cloaca_core.definition.task import DeclaredTask, Task
from cloaca_core.errors import DefinitionError, WorkflowValidationError
from cloaca_core.values.namespace import SEPARATOR
from cloaca_core.values.node import Node, Reference, TaskFunction

_Index: TypeAlias = defaultdict[object, dict[str, None]]
"""Maps a function's identity or name to the ids of its tasks, in definition order."""


class Block:
    """The declared tasks of the workflow ``namespace``, in definition order."""

    def __init__(self, namespace: str) -> None:
        self._prefix = namespace + SEPARATOR
        self._declared: dict[str, DeclaredTask] = {}
        # Functions are looked up in these, in this order; the first match decides.
        self._by_identity: _Index = defaultdict(dict)
        self._by_original: _Index = defaultdict(dict)
        self._by_name: _Index = defaultdict(dict)

    def add(self, declared: DeclaredTask) -> None:
        """Take a task; its id must be new."""
        if declared.id in self._declared:
            raise DefinitionError(
                f"Duplicate task: '{self._prefix}{declared.id}' is already defined in this block"
            )
        if declared.wait is not None:
            self._declared[declared.id] = declared
            return
        function = declared.function
        original = inspect.unwrap(function)  # refuses wrappers in a circle, so it comes first
        self._declared[declared.id] = declared
        self._by_identity[_identity(function)][declared.id] = None
        self._by_original[_identity(original)][declared.id] = None
        for name in (declared.id, getattr(function, "__name__", None)):
            self._by_name[name][declared.id] = None

    def find(self, reference: Reference) -> str | None:
        """The id of the declared task of a reference, or None."""
        wanted = self._id_of(reference)
        return wanted if wanted in self._declared else None

    def tasks(self) -> tuple[Task, ...]:
        """All tasks, references resolved; a reference to no task here keeps its name."""
        return tuple(self._resolved(declared) for declared in self._declared.values())

    def _resolved(self, declared: DeclaredTask) -> Task:
        references = declared.options.dependencies
        # Without duplicates: a task may be named by its id and by its function.
        dependencies = tuple(dict.fromkeys(self._id_of(reference) for reference in references))
        rule = declared.options.rule
        return declared.resolved(
            dependencies, None if rule is None else rename_tasks(rule, self._id_of)
        )

    def _id_of(self, reference: Reference) -> str:
        if isinstance(reference, FunctionName):
            return self._id_of_function(reference.function)
        if isinstance(reference, str):
            return reference.removeprefix(self._prefix)
        if isinstance(reference, Node):
            return reference.id
        return self._id_of_function(reference)

    def _id_of_function(self, function: TaskFunction) -> str:
        name: str = function.__name__
        found = (
            self._by_identity.get(_identity(function))
            or self._by_original.get(_identity(inspect.unwrap(function)))
            or self._by_name.get(name)
        )
        return name if found is None else _only(tuple(found), name)


def _identity(function: TaskFunction) -> object:
    """A key that is equal for the same function, while that function exists."""
    if isinstance(function, MethodType):  # each access makes a new bound method
        return id(function.__self__), id(function.__func__)
    return id(function)


def _only(found: tuple[str, ...], name: str) -> str:
    if len(found) > 1:
        raise WorkflowValidationError(
            f"Function '{name}' stands for several tasks: {', '.join(found)}; "
            "name the one that is meant by its id"
        )
    return found[0]
