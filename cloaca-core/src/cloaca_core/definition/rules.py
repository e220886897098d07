"""Trigger rules: when a task runs, as data.

A rule arrives as a dict, becomes a frozen value, and is evaluated over the states of other tasks
and the task's input. The workflow checks that the named tasks exist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, NoReturn, TypeAlias, TypeGuard, assert_never

from cloaca_core.errors import (
    ContextTypeError,
    ContextValueError,
    DefinitionError,
    DefinitionTypeError,
)
from cloaca_core.records.states import TaskStatus
from cloaca_core.values.arguments import text
from cloaca_core.values.json_values import JsonValue, copy_value, normalise
from cloaca_core.values.node import Node
from cloaca_core.values.option_names import OperatorName

RuleDict: TypeAlias = dict[str, Any]
"""A rule or a condition as it is written: ``{"type": …}``."""


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


Condition: TypeAlias = TaskIs | Chosen | ContextValue


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


# -- as a user writes them -----------------------------------------------------------------------


def always() -> RuleDict:
    """The task runs however its dependencies ended."""
    return {"type": "Always"}


def all_of(*conditions: RuleDict) -> RuleDict:
    """The task runs when every condition holds."""
    return {"type": "All", "conditions": list(conditions)}


def any_of(*conditions: RuleDict) -> RuleDict:
    """The task runs when at least one condition holds."""
    return {"type": "Any", "conditions": list(conditions)}


def none_of(*conditions: RuleDict) -> RuleDict:
    """The task runs when no condition holds."""
    return {"type": "None", "conditions": list(conditions)}


def task_success(task_name: str | Node) -> RuleDict:
    """The task of this id or full name, or this node, completed. TypeError for another type."""
    return _task_condition("TaskSuccess", task_name)


def task_failed(task_name: str | Node) -> RuleDict:
    """The task of this id or full name, or this node, failed. TypeError for another type."""
    return _task_condition("TaskFailed", task_name)


def task_skipped(task_name: str | Node) -> RuleDict:
    """The task of this id or full name, or this node, was skipped. TypeError for another type."""
    return _task_condition("TaskSkipped", task_name)


def chosen(task_name: str | Node, choice: str) -> RuleDict:
    """The approval of this id or full name, or this node, ended with this choice. TypeError for
    another type. The workflow refuses it when it is built unless there is such an approval above
    the task, and it has that choice.
    """
    return {**_task_condition("Chosen", task_name), "choice": text("choice", choice)}


def context_value(key: str, operator: OperatorName, value: Any) -> RuleDict:
    """The value under ``key`` in the task's input compares to ``value`` as ``operator`` says.

    ``operator``, case and underscores ignored: ``Equals == eq``, ``NotEquals != ne``,
    ``GreaterThan > gt``, ``LessThan < lt`` (numbers only), ``Contains``, ``NotContains``
    (substring, list item or object key), ``Exists``, ``NotExists`` (``value`` is ignored).
    ValueError for an unknown operator or a value that is not JSON, a TypeError as well for a
    type that has no JSON form.
    """
    written = {"type": "ContextValue", "key": key, "operator": operator, "value": value}
    return _condition_dict(_parse_condition(written))


def _task_condition(kind: str, task_name: str | Node) -> RuleDict:
    name = task_name.id if isinstance(task_name, Node) else text("task_name", task_name)
    return {"type": kind, "task_name": name}


# -- reading -------------------------------------------------------------------------------------

_TASK_STATES: Final = {
    "TaskSuccess": TaskStatus.COMPLETED,
    "TaskFailed": TaskStatus.FAILED,
    "TaskSkipped": TaskStatus.SKIPPED,
}
_GROUPS: Final[dict[str, type[All | Any_ | None_]]] = {"All": All, "Any": Any_, "None": None_}
_CONDITION_TYPES: Final = (*_TASK_STATES, "Chosen", "ContextValue")
_RULE_TYPES: Final = ("Always", *_GROUPS, *_CONDITION_TYPES)

_OPERATORS: Final = {operator.value.lower(): operator for operator in Operator} | {
    "==": Operator.EQUALS,
    "eq": Operator.EQUALS,
    "!=": Operator.NOT_EQUALS,
    "ne": Operator.NOT_EQUALS,
    ">": Operator.GREATER_THAN,
    "gt": Operator.GREATER_THAN,
    "<": Operator.LESS_THAN,
    "lt": Operator.LESS_THAN,
}
_WRITTEN: Final = (
    "Equals (==), NotEquals (!=), GreaterThan (>), LessThan (<), "
    "Contains, NotContains, Exists, NotExists"
)
_PRESENCE: Final = (Operator.EXISTS, Operator.NOT_EXISTS)


def parse_rule(raw: object) -> Rule:
    """Parse a rule from a dict; a single condition means ``All`` of it.

    ``DefinitionError`` "@cloaca.task(trigger_rules=...): invalid trigger rule: …" otherwise.
    """
    kind, fields = _type_and_fields(raw, _RULE_TYPES)
    if kind == "Always":
        _refuse_other_fields(kind, fields, ())
        return Always()
    if kind not in _GROUPS:
        return All((_parse_condition(raw),))
    _refuse_other_fields(kind, fields, ("conditions",))
    listed = _required(kind, fields, "conditions")
    if not isinstance(listed, list | tuple):
        raise _wrong_type(f"conditions of {kind} must be a list", listed)
    return _GROUPS[kind](tuple(_parse_condition(condition) for condition in listed))


def _parse_condition(raw: object) -> Condition:
    kind, fields = _type_and_fields(raw, _CONDITION_TYPES)
    if kind == "ContextValue":
        _refuse_other_fields(kind, fields, ("key", "operator", "value"))
        return _parse_context_value(kind, fields)
    if kind == "Chosen":
        _refuse_other_fields(kind, fields, ("task_name", "choice"))
        return Chosen(_text(kind, fields, "task_name"), _text(kind, fields, "choice"))
    _refuse_other_fields(kind, fields, ("task_name",))
    return TaskIs(_text(kind, fields, "task_name"), _TASK_STATES[kind])


def _parse_context_value(kind: str, fields: Mapping[str, object]) -> ContextValue:
    key = _text(kind, fields, "key")
    written = _text(kind, fields, "operator")
    operator = _OPERATORS.get(written.replace("_", "").lower())
    if operator is None:
        _refuse(f"unknown operator {written!a}: expected one of {_WRITTEN}")
    if operator in _PRESENCE:
        return ContextValue(key, operator, None)
    try:
        return ContextValue(key, operator, normalise(_required(kind, fields, "value"), "value"))
    except ContextTypeError as error:
        raise DefinitionTypeError(f"{_INVALID}{error}") from error
    except ContextValueError as error:
        _refuse(str(error), error)


def _type_and_fields(raw: object, known: tuple[str, ...]) -> tuple[str, Mapping[str, object]]:
    if not isinstance(raw, Mapping):
        raise _wrong_type("expected a dict such as all_of(task_success('a'))", raw)
    kind = raw.get("type")
    if not isinstance(kind, str) or kind not in known:
        _refuse(f"unknown type {kind!a:.80}: expected one of {', '.join(known)}")
    return kind, raw


def _refuse_other_fields(kind: str, fields: Mapping[str, object], known: tuple[str, ...]) -> None:
    for name in fields:
        if name != "type" and name not in known:
            accepted = ", ".join(known) or "none"
            _refuse(f"unknown field {name!a:.80} of {kind}: expected {accepted}")


def _required(kind: str, fields: Mapping[str, object], name: str) -> object:
    if name not in fields:
        _refuse(f"missing field {name!r} of {kind}")
    return fields[name]


def _text(kind: str, fields: Mapping[str, object], name: str) -> str:
    value = _required(kind, fields, name)
    if not isinstance(value, str):
        raise _wrong_type(f"{name} of {kind} must be a str", value)
    return str.__str__(value)


_INVALID: Final = "@cloaca.task(trigger_rules=...): invalid trigger rule: "


def _refuse(reason: str, cause: Exception | None = None) -> NoReturn:
    raise DefinitionError(_INVALID + reason) from cause


def _wrong_type(expected: str, value: object) -> DefinitionTypeError:
    """An error that is a ValueError, as for every wrong rule, and a TypeError."""
    return DefinitionTypeError(f"{_INVALID}{expected}, got {type(value).__name__}")


# -- as a workflow handles them ------------------------------------------------------------------


def rule_tasks(rule: Rule) -> tuple[str, ...]:
    """The names of the tasks in the rule, each once, in order."""
    named = [c.task for c in _conditions(rule) if isinstance(c, TaskIs | Chosen)]
    return tuple(dict.fromkeys(named))


def rule_choices(rule: Rule) -> list[Chosen]:
    """The conditions of the rule that ask for a choice."""
    return [c for c in _conditions(rule) if isinstance(c, Chosen)]


def rename_tasks(rule: Rule, rename: Callable[[str], str]) -> Rule:
    """The same rule with its task names replaced by ``rename(name)``."""
    if isinstance(rule, Always):
        return rule
    return replace(rule, conditions=tuple(_renamed(c, rename) for c in rule.conditions))


def to_dict(rule: Rule) -> RuleDict:
    """The rule as ``parse_rule`` reads it; equal rules give equal dicts."""
    match rule:
        case Always():
            return always()
        case All(conditions):
            return all_of(*map(_condition_dict, conditions))
        case Any_(conditions):
            return any_of(*map(_condition_dict, conditions))
        case None_(conditions):
            return none_of(*map(_condition_dict, conditions))
        case _:
            assert_never(rule)


def _conditions(rule: Rule) -> Iterator[Condition]:
    return iter(() if isinstance(rule, Always) else rule.conditions)


def _renamed(condition: Condition, rename: Callable[[str], str]) -> Condition:
    if isinstance(condition, TaskIs | Chosen):
        return replace(condition, task=rename(condition.task))
    return condition


_TASK_TYPES: Final = {status: kind for kind, status in _TASK_STATES.items()}


def _condition_dict(condition: Condition) -> RuleDict:
    match condition:
        case TaskIs(task, status):
            return {"type": _TASK_TYPES[status], "task_name": task}
        case Chosen(task, choice):
            return {"type": "Chosen", "task_name": task, "choice": choice}
        case ContextValue(key, operator, value):
            return {
                "type": "ContextValue",
                "key": key,
                "operator": operator.value,
                "value": copy_value(value),
            }
        case _:
            assert_never(condition)


# -- evaluation ----------------------------------------------------------------------------------


def evaluate(
    rule: Rule,
    status_of: Callable[[str], TaskStatus],
    choice_of: Callable[[str], str | None],
    context: Mapping[str, JsonValue],
) -> bool:
    """True when the task may run, given the final states of tasks, the choices of those that are
    Completed approvals (None for others), and the task's input.
    """

    def holds(condition: Condition) -> bool:
        if isinstance(condition, TaskIs):
            return status_of(condition.task) is condition.status
        if isinstance(condition, Chosen):
            return choice_of(condition.task) == condition.choice
        return _value_holds(condition, context)

    match rule:
        case Always():
            return True
        case All(conditions):
            return all(map(holds, conditions))
        case Any_(conditions):
            return any(map(holds, conditions))
        case None_(conditions):
            return not any(map(holds, conditions))
        case _:
            assert_never(rule)


_TRUE_WHEN_MISSING: Final = (Operator.NOT_EQUALS, Operator.NOT_CONTAINS, Operator.NOT_EXISTS)


def _value_holds(condition: ContextValue, context: Mapping[str, JsonValue]) -> bool:
    if condition.key not in context:
        return condition.operator in _TRUE_WHEN_MISSING
    return _compares(condition.operator, context[condition.key], condition.value)


def _compares(operator: Operator, found: JsonValue, wanted: JsonValue) -> bool:
    match operator:
        case Operator.EQUALS:
            return _equal(found, wanted)
        case Operator.NOT_EQUALS:
            return not _equal(found, wanted)
        case Operator.GREATER_THAN:
            return _is_number(found) and _is_number(wanted) and found > wanted
        case Operator.LESS_THAN:
            return _is_number(found) and _is_number(wanted) and found < wanted
        case Operator.CONTAINS:
            return _contains(found, wanted)
        case Operator.NOT_CONTAINS:
            return not _contains(found, wanted)
        case Operator.EXISTS:
            return True
        case Operator.NOT_EXISTS:
            return False
        case _:
            assert_never(operator)


def _equal(a: JsonValue, b: JsonValue) -> bool:
    """Numbers by value (5 is 5.0), but true is not 1, at any depth."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_equal, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_equal(item, b[key]) for key, item in a.items())
    return a == b


def _contains(whole: JsonValue, part: JsonValue) -> bool:
    match whole:
        case str() | dict():
            return isinstance(part, str) and part in whole
        case list():
            return any(_equal(item, part) for item in whole)
        case _:
            return False


def _is_number(value: JsonValue) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
