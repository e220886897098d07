"""Evaluates the trigger rule of a task over the states of other tasks and the task's input."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeGuard, assert_never

from cloaca_core.definition.rules import (
    All,
    Always,
    Any_,
    Chosen,
    Condition,
    ContextValue,
    None_,
    NoneFailed,
    Operator,
    Rule,
    TaskIs,
)
from cloaca_core.values.payloads.json_values import JsonValue
from cloaca_core.values.states import TaskStatus


def evaluate(
    rule: Rule,
    status_of: Callable[[str], TaskStatus],
    choice_of: Callable[[str], str | None],
    context: Mapping[str, JsonValue],
    none_failed: Callable[[], bool],
) -> bool:
    """True when the task may run, given the final states of tasks, the choices of Completed
    approvals (None for others), the task's input, and whether the default rule would let it run.
    """

    def holds(condition: Condition) -> bool:
        match condition:
            case TaskIs(task, status):
                return status_of(task) is status
            case ContextValue():
                return _value_holds(condition, context)
            case Chosen(task, choice):
                return choice_of(task) == choice
            case NoneFailed():
                return none_failed()
            case Always():
                return True
            case All(conditions):
                return all(map(holds, conditions))
            case Any_(conditions):
                return any(map(holds, conditions))
            case None_(conditions):
                return not any(map(holds, conditions))
            case _:
                assert_never(condition)

    return holds(rule)


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
