"""Finds trigger rules that let a task run although a dependency failed, without a word about it.

A task's own rule replaces the default rule, "no dependency failed". The author of a rule about a
value of the context seldom means that too. Pure; the registry and the command line warn.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, assert_never

from cloaca_core.definition.rules import (
    All,
    Always,
    Any_,
    Chosen,
    Condition,
    ContextValue,
    None_,
    NoneFailed,
    TaskIs,
    asks_none_failed,
    rule_tasks,
)
from cloaca_core.definition.waits.kinds import REJECT, Approval, Child, NodeWait, Sleep, WaitFor
from cloaca_core.values.missing import Missing
from cloaca_core.values.states import TaskStatus

if TYPE_CHECKING:
    from cloaca_core.definition.task import Task


@dataclass(frozen=True, slots=True)
class IgnoredFailure:
    """``task`` may run although these direct dependencies of it failed."""

    task: str
    dependencies: tuple[str, ...]

    def __str__(self) -> str:
        several = len(self.dependencies) > 1
        named = ", ".join(map(repr, self.dependencies))
        return (
            f"task {self.task!r} may run although {named} failed: its trigger rule replaces the "
            f"default rule and says nothing about {'them' if several else 'it'}; to keep both, "
            "write all_of(none_failed(), …)"
        )


def ignored_failures(tasks: Sequence[Task]) -> list[IgnoredFailure]:
    """The tasks whose rule can hold although a dependency that it does not mention failed, was
    rejected, or was skipped for a failure.

    ``none_failed()`` mentions all dependencies. ``always()``, and a rule that holds only after a
    failure, are no such rules: their authors thought of failures.
    """
    known = {task.id: task for task in tasks}
    found = [IgnoredFailure(task.id, _ignored(task, known)) for task in tasks]
    return [each for each in found if each.dependencies]


def _ignored(task: Task, tasks: Mapping[str, Task]) -> tuple[str, ...]:
    rule = task.rule
    if rule is None or isinstance(rule, Always) or asks_none_failed(rule) or not _can(rule).be_true:
        return ()
    mentioned = frozenset(rule_tasks(rule))
    return tuple([each for each in task.dependencies if _may_count(each, tasks, mentioned)])


# -- which tasks may fail ------------------------------------------------------------------------


def _may_count(task_id: str, tasks: Mapping[str, Task], mentioned: Collection[str]) -> bool:
    """Whether a task may fail, be rejected, or be skipped because another one did, other than by
    way of tasks that are ``mentioned``.
    """
    seen, left = set(mentioned), [task_id]
    while left:
        if (name := left.pop()) in seen:
            continue
        seen.add(name)
        task = tasks[name]
        if _may_fail(task.wait):
            return True
        if task.rule is None or asks_none_failed(task.rule):
            left += task.dependencies
    return False


def _may_fail(wait: NodeWait | None) -> bool:
    """Whether a task may fail or be rejected: one with a body always, a node by its options."""
    match wait:
        case None:
            return True
        case Sleep(until_key=keys):
            return keys is not None  # the key may be missing, or hold no instant
        case WaitFor(timeout=timeout, default=default):
            return timeout is not None and isinstance(default, Missing)
        case Approval(timeout=timeout, default=default):
            ends = timeout is not None and isinstance(default, Missing)
            return ends or REJECT in wait.choices
        case Child():
            return True
        case _:
            assert_never(wait)


# -- whether a rule can hold ---------------------------------------------------------------------


class _Can(NamedTuple):
    """The values that a condition can have. Conditions are taken as independent of each other."""

    be_true: bool
    be_false: bool


def _can(condition: Condition) -> _Can:
    """The values that a condition can have in a run without a failure."""
    match condition:
        case Always() | NoneFailed():
            return _Can(True, False)
        case TaskIs(_, TaskStatus.FAILED):
            return _Can(False, True)
        case TaskIs() | Chosen() | ContextValue():
            return _Can(True, True)
        case All(conditions):
            each = [_can(it) for it in conditions]
            return _Can(all(it.be_true for it in each), any(it.be_false for it in each))
        case Any_(conditions):
            each = [_can(it) for it in conditions]
            return _Can(any(it.be_true for it in each), all(it.be_false for it in each))
        case None_(conditions):
            each = [_can(it) for it in conditions]
            return _Can(all(it.be_false for it in each), any(it.be_true for it in each))
        case _:
            assert_never(condition)
