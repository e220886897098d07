"""Names: checks them, and joins tenant, package, workflow and task to a full name.

A full name is its parts joined by ``::``. Nothing here knows which names are registered.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cloaca_core.errors import DefinitionError
from cloaca_core.values.arguments import text, wrong_type

SEPARATOR: Final = "::"
LONGEST_NAME: Final = 255


def short_name(namespace: str) -> str:
    """``name`` of ``tenant::package::name``."""
    return namespace.rpartition(SEPARATOR)[2]


def check_name(name: object, parameter: str) -> str:
    """Return ``name`` if it may name a task, workflow, package or tenant.

    1 to 255 characters, no ``::``, no ``:`` at either end, no control characters or lone
    surrogates: else a ``DefinitionError`` (a ValueError); another type than str is a
    ``DefinitionTypeError`` (a TypeError). ``parameter`` stands for it in the message.
    """
    name = text(parameter, name)
    reason = _objection(name)
    if reason:
        raise DefinitionError(f"{parameter} {name!a:.80} {reason}")
    return str.__str__(name)


def _objection(name: str) -> str | None:
    if not 1 <= len(name) <= LONGEST_NAME:
        return f"must have 1 to {LONGEST_NAME} characters, it has {len(name)}"
    if SEPARATOR in name:
        return "must not contain '::', which separates the parts of a full name"
    # "a:" + "::" + "b" and "a" + "::" + ":b" would be the same full name.
    if name[0] == ":" or name[-1] == ":":
        return "must not begin or end with ':'"
    if any(is_control(character) for character in name):
        return "must not contain control characters"
    return None


def is_control(character: str) -> bool:
    """Whether a character is none that people could read or type."""
    return character < " " or "\x7f" <= character <= "\x9f" or "\ud800" <= character <= "\udfff"


@dataclass(frozen=True, slots=True, repr=False)
class TaskNamespace:
    """The full name of a task; ``str()`` of it is ``tenant::package::workflow::task``.

    An empty ``task_id`` stands for the workflow itself, as in the answer of ``parent``.
    Each part must be an allowed name: ValueError or TypeError otherwise.
    """

    tenant_id: str
    package_name: str
    workflow_id: str
    task_id: str

    def __post_init__(self) -> None:
        check_name(self.tenant_id, "tenant_id")
        check_name(self.package_name, "package_name")
        check_name(self.workflow_id, "workflow_id")
        if self.task_id != "":
            check_name(self.task_id, "task_id")

    @staticmethod
    def from_string(namespace_str: str) -> TaskNamespace:
        """Read the text that ``str()`` wrote; ValueError "Invalid namespace format" otherwise."""
        namespace_str = text("namespace_str", namespace_str)
        parts = namespace_str.split(SEPARATOR)
        if len(parts) != 4:
            raise DefinitionError(
                f"Invalid namespace format: {namespace_str!a:.300}; "
                "expected 'tenant::package::workflow::task'"
            )
        try:
            return TaskNamespace(*parts)
        except DefinitionError as error:
            raise DefinitionError(f"Invalid namespace format: {error}") from error

    def parent(self) -> TaskNamespace:
        """The namespace of the workflow: the same with an empty ``task_id``."""
        return TaskNamespace(self.tenant_id, self.package_name, self.workflow_id, "")

    def is_child_of(self, parent: TaskNamespace) -> bool:
        """True for a task whose workflow's namespace is ``parent``."""
        _check_namespace("parent", parent)
        return self.task_id != "" and self.parent() == parent

    def is_sibling_of(self, other: TaskNamespace) -> bool:
        """True for two different tasks of one workflow."""
        _check_namespace("other", other)
        return self != other and self.is_child_of(other.parent()) and other.task_id != ""

    def __str__(self) -> str:
        return f"{self.tenant_id}::{self.package_name}::{self.workflow_id}::{self.task_id}"

    def __repr__(self) -> str:
        parts = (self.tenant_id, self.package_name, self.workflow_id, self.task_id)
        return f"TaskNamespace{parts!r}"


def _check_namespace(parameter: str, value: object) -> None:
    if not isinstance(value, TaskNamespace):
        raise wrong_type(parameter, "a TaskNamespace", value)


@dataclass(frozen=True, slots=True, repr=False)
class WorkflowContext:
    """The full name of a workflow; completes the short names of its tasks.

    ``str()`` of it is ``tenant::package::workflow``. Errors as for ``TaskNamespace``.
    """

    tenant_id: str
    package_name: str
    workflow_id: str

    def __post_init__(self) -> None:
        self.workflow_namespace()  # checks the names

    def task_namespace(self, task_id: str) -> TaskNamespace:
        """The full name of this workflow's task ``task_id``; ValueError if that is no name."""
        check_name(task_id, "task_id")
        return TaskNamespace(self.tenant_id, self.package_name, self.workflow_id, task_id)

    def resolve_dependency(self, task_name: str) -> TaskNamespace:
        """The full name of ``task_name``, a short id of this workflow or a full name."""
        task_name = text("task_name", task_name)
        if SEPARATOR in task_name:
            return TaskNamespace.from_string(task_name)
        return self.task_namespace(task_name)

    def workflow_namespace(self) -> TaskNamespace:
        """The workflow as a namespace, with an empty ``task_id``."""
        return TaskNamespace(self.tenant_id, self.package_name, self.workflow_id, "")

    def contains_namespace(self, namespace: TaskNamespace) -> bool:
        """True for the namespace of this workflow or of one of its tasks."""
        _check_namespace("namespace", namespace)
        return namespace.parent() == self.workflow_namespace()

    def __str__(self) -> str:
        return f"{self.tenant_id}::{self.package_name}::{self.workflow_id}"

    def __repr__(self) -> str:
        parts = (self.tenant_id, self.package_name, self.workflow_id)
        return f"WorkflowContext{parts!r}"
