"""Trigger rules: when a task runs, as frozen values.

``written_rules`` reads them from dicts, ``run.trigger_rules`` evaluates them. The workflow checks
that the named tasks exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TypeAlias

from cloaca_core.values.node import TaskFunction
from cloaca_core.values.payloads.json_values import JsonValue
from cloaca_core.values.states import TaskStatus


class Operator(StrEnum):
    """Comparisons of a ContextValue condition. The values are the names that ``to_dict`` writes."""

    EQUALS = "Equals"
    NOT_EQUALS = "NotEquals"
    GREATER_THAN = "GreaterThan"
    LESS_THAN = "LessThan"
    CONTAINS = "Contains"
    NOT_CONTAINS = "NotContains"
    EXISTS = "Exists"
    NOT_EXISTS = "NotExists"


@dataclass(frozen=True, slots=True)
class TaskIs:
    """True when the task ended in this state: Completed, Failed or Skipped."""

    task: str
    status: TaskStatus


@dataclass(frozen=True, slots=True)
class Chosen:
    """True when the task is an approval that is Completed with this choice."""

    task: str
    choice: str


@dataclass(frozen=True, slots=True)
class ContextValue:
    """True when ``operator`` holds between the input's value under ``key`` and ``value``."""

    key: str
    operator: Operator
    value: JsonValue = field(hash=False)


@dataclass(frozen=True, slots=True)
class NoneFailed:
    """True when the default rule would let the task run: no direct dependency failed, was
    rejected, or was skipped for one of these reasons.
    """


@dataclass(frozen=True, slots=True)
class Always:
    """The task runs however its dependencies ended."""


@dataclass(frozen=True, slots=True)
class All:
    """Every condition holds; true without any."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Any_:  # noqa: N801 - Any is taken
    """At least one condition holds; false without any."""

    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class None_:  # noqa: N801 - None is taken
    """No condition holds; true without any."""

    conditions: tuple[Condition, ...]


Rule: TypeAlias = Always | All | Any_ | None_
Leaf: TypeAlias = TaskIs | Chosen | ContextValue | NoneFailed
Condition: TypeAlias = Leaf | Rule
"""Rules nest: each is a condition of the rule around it."""


class FunctionName(str):
    """The name of a function that means a task in a rule, until the workflow is built: the block
    finds the task of ``function``.
    """

    __slots__ = ("function",)

    function: TaskFunction

    @classmethod
    def of(cls, function: TaskFunction) -> FunctionName:
        """The name of this function."""
        name = cls(function.__name__)
        name.function = function
        return name


def rule_tasks(rule: Rule) -> tuple[str, ...]:
    """The names of the tasks in the rule, each once, in order."""
    named = [leaf.task for leaf in _leaves(rule) if isinstance(leaf, TaskIs | Chosen)]
    return tuple(dict.fromkeys(named))


def rule_choices(rule: Rule) -> list[Chosen]:
    """The conditions of the rule that ask for a choice."""
    return [leaf for leaf in _leaves(rule) if isinstance(leaf, Chosen)]


def asks_none_failed(rule: Rule) -> bool:
    """Whether ``none_failed()`` is anywhere in the rule."""
    return any(isinstance(leaf, NoneFailed) for leaf in _leaves(rule))


def _leaves(condition: Condition) -> Iterator[Leaf]:
    match condition:
        case Always():
            return
        case All(conditions) | Any_(conditions) | None_(conditions):
            for each in conditions:
                yield from _leaves(each)
        case _:
            yield condition


def rename_tasks(rule: Rule, rename: Callable[[str], str]) -> Rule:
    """The same rule with its task names replaced by ``rename(name)``."""
    if isinstance(rule, Always):
        return rule
    return replace(rule, conditions=tuple([_renamed(each, rename) for each in rule.conditions]))


def _renamed(condition: Condition, rename: Callable[[str], str]) -> Condition:
    match condition:
        case TaskIs() | Chosen():
            return replace(condition, task=rename(condition.task))
        case ContextValue() | NoneFailed():
            return condition
        case _:
            return rename_tasks(condition, rename)
