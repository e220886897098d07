"""Trigger rules as dicts: functions that write them, and the way from a dict to a rule and back.

A dict comes from a program or from a record; a refusal says where in it the error is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeAlias, assert_never

from cloaca_core.definition.rules import (
    All,
    Always,
    Any_,
    Chosen,
    Condition,
    ContextValue,
    FunctionName,
    None_,
    NoneFailed,
    Operator,
    Rule,
    TaskIs,
)
from cloaca_core.errors import (
    ContextTypeError,
    ContextValueError,
    DefinitionError,
    DefinitionTypeError,
)
from cloaca_core.values.arguments import nearest_name, text, wrong_type
from cloaca_core.values.node import Node, Reference, is_reference
from cloaca_core.values.option_names import OperatorName
from cloaca_core.values.payloads.json_values import copy_value, normalise
from cloaca_core.values.states import TaskStatus

RuleDict: TypeAlias = dict[str, Any]
"""A rule or a condition as it is written: ``{"type": …}``."""

DEEPEST: Final = 32
"""How deep rules may nest."""


def always() -> RuleDict:
    """The task runs however its dependencies ended."""
    return {"type": "Always"}


def all_of(*conditions: RuleDict) -> RuleDict:
    """The task runs when every condition holds. A condition may be a rule: rules nest."""
    return {"type": "All", "conditions": list(conditions)}


def any_of(*conditions: RuleDict) -> RuleDict:
    """The task runs when at least one condition holds. A condition may be a rule: rules nest."""
    return {"type": "Any", "conditions": list(conditions)}


def none_of(*conditions: RuleDict) -> RuleDict:
    """The task runs when no condition holds. A condition may be a rule: rules nest."""
    return {"type": "None", "conditions": list(conditions)}


def none_failed() -> RuleDict:
    """The default rule as a condition: no direct dependency failed, was rejected, or was skipped
    for one of these reasons. A rule of one's own replaces the default rule, so a task that must
    not run after a failure has ``all_of(none_failed(), …)``. Where its rule does not hold and this
    condition is false, the task counts as skipped for the failure, as by the default rule.
    """
    return {"type": "NoneFailed"}


def task_success(task_name: Reference) -> RuleDict:
    """The task of this id or full name, function or node, completed. TypeError for another type."""
    return _task_condition("TaskSuccess", task_name)


def task_failed(task_name: Reference) -> RuleDict:
    """The task of this id or full name, function or node, failed. TypeError for another type."""
    return _task_condition("TaskFailed", task_name)


def task_skipped(task_name: Reference) -> RuleDict:
    """The task of this id or full name, function or node, was skipped: by its own rule, or for a
    failure. ``all_of(none_failed(), task_skipped(…))`` about a direct dependency leaves the
    failures out. TypeError for another type.
    """
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
    return to_dict(_parse(written, _Place()))


def _task_condition(kind: str, task_name: Reference) -> RuleDict:
    name = _task_name(task_name)
    if name is None:
        raise wrong_type("task_name", "a task's id, function or node", task_name)
    return {"type": kind, "task_name": name}


def _task_name(reference: object) -> str | None:
    """The name of the task that an id, a node or a function means; None for other objects."""
    if isinstance(reference, FunctionName):
        return reference
    if isinstance(reference, str):
        return str.__str__(reference)
    if isinstance(reference, Node):
        return reference.id
    return FunctionName.of(reference) if callable(reference) and is_reference(reference) else None


# -- reading -------------------------------------------------------------------------------------

_TASK_STATES: Final = {
    "TaskSuccess": TaskStatus.COMPLETED,
    "TaskFailed": TaskStatus.FAILED,
    "TaskSkipped": TaskStatus.SKIPPED,
}
_GROUPS: Final[dict[str, type[All | Any_ | None_]]] = {"All": All, "Any": Any_, "None": None_}
_TYPES: Final = (
    "Always",
    *_GROUPS,
    "NoneFailed",
    *_TASK_STATES,
    "Chosen",
    "ContextValue",
)

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

    ``DefinitionError`` "@cloaca.task(trigger_rules=...): invalid trigger rule: …" otherwise; in a
    nested rule it names the place, as ``conditions[1].conditions[0]``.
    """
    parsed = _parse(raw, _Place())
    return parsed if isinstance(parsed, Always | All | Any_ | None_) else All((parsed,))


def _parse(raw: object, at: _Place) -> Condition:
    kind, fields = _type_and_fields(raw, at)
    if kind in _GROUPS:
        return _GROUPS[kind](_parse_conditions(kind, fields, at))
    if kind == "ContextValue":
        return _parse_context_value(kind, fields, at)
    if kind == "Chosen":
        _refuse_other_fields(kind, fields, ("task_name", "choice"), at)
        return Chosen(_task(kind, fields, at), _text(kind, fields, "choice", at))
    if kind in _TASK_STATES:
        _refuse_other_fields(kind, fields, ("task_name",), at)
        return TaskIs(_task(kind, fields, at), _TASK_STATES[kind])
    _refuse_other_fields(kind, fields, (), at)
    return NoneFailed() if kind == "NoneFailed" else Always()


def _parse_conditions(kind: str, fields: Mapping[str, object], at: _Place) -> tuple[Condition, ...]:
    _refuse_other_fields(kind, fields, ("conditions",), at)
    listed = _required(kind, fields, "conditions", at)
    if not isinstance(listed, list | tuple):
        raise at.wrong_type(f"conditions of {kind} must be a list", listed)
    return tuple([_parse(each, at.condition(index)) for index, each in enumerate(listed)])


def _parse_context_value(kind: str, fields: Mapping[str, object], at: _Place) -> ContextValue:
    _refuse_other_fields(kind, fields, ("key", "operator", "value"), at)
    key = _text(kind, fields, "key", at)
    written = _text(kind, fields, "operator", at)
    operator = _OPERATORS.get(written.replace("_", "").lower())
    if operator is None:
        at.refuse(f"unknown operator {written!a}: expected one of {_WRITTEN}")
    if operator in _PRESENCE:
        return ContextValue(key, operator, None)
    value = _required(kind, fields, "value", at)
    try:
        return ContextValue(key, operator, normalise(value, "value"))
    except ContextTypeError as error:
        raise DefinitionTypeError(f"{at}{error}") from error
    except ContextValueError as error:
        at.refuse(str(error), error)


def _type_and_fields(raw: object, at: _Place) -> tuple[str, Mapping[str, object]]:
    if not isinstance(raw, Mapping):
        raise at.wrong_type("expected a dict such as all_of(task_success('a'))", raw, _hint(raw))
    kind = raw.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        near = nearest_name(kind, _TYPES) if isinstance(kind, str) else None
        hint = "" if near is None else f" (did you mean {near!r}?)"
        at.refuse(f"unknown type {kind!a:.80}{hint}: expected one of {', '.join(_TYPES)}")
    return kind, raw


_FUNCTIONS: Final[tuple[Callable[..., RuleDict], ...]] = (
    always,
    all_of,
    any_of,
    none_of,
    none_failed,
    task_success,
    task_failed,
    task_skipped,
    chosen,
    context_value,
)


def _hint(raw: object) -> str:
    """A hint for the author of a rule that is not a dict."""
    if raw in _FUNCTIONS:
        return f"; call the function: {getattr(raw, '__name__', '')}(…)"
    if isinstance(raw, list | tuple):
        return "; all_of and any_of take conditions one by one: all_of(a, b), or all_of(*listed)"
    if (name := _task_name(raw)) is not None:
        return f"; about the end of a task: task_success({name!a:.80})"
    return ""


def _refuse_other_fields(
    kind: str, fields: Mapping[str, object], known: tuple[str, ...], at: _Place
) -> None:
    for name in fields:
        if name != "type" and name not in known:
            accepted = ", ".join(known) or "none"
            at.refuse(f"unknown field {name!a:.80} of {kind}: expected {accepted}")


def _required(kind: str, fields: Mapping[str, object], name: str, at: _Place) -> object:
    if name not in fields:
        at.refuse(f"missing field {name!r} of {kind}")
    return fields[name]


def _text(kind: str, fields: Mapping[str, object], name: str, at: _Place) -> str:
    value = _required(kind, fields, name, at)
    if not isinstance(value, str):
        raise at.wrong_type(f"{name} of {kind} must be a str", value)
    return str.__str__(value)


def _task(kind: str, fields: Mapping[str, object], at: _Place) -> str:
    given = _required(kind, fields, "task_name", at)
    name = _task_name(given)
    if name is None:
        raise at.wrong_type(f"task_name of {kind} must be a task's id, function or node", given)
    return name


@dataclass(frozen=True, slots=True)
class _Place:
    """A place in a rule as it is written, and the errors about the condition there. As a text it is
    the beginning of their messages.
    """

    path: tuple[int, ...] = ()

    def condition(self, index: int) -> _Place:
        """The place of one of the conditions of the rule that is here."""
        if len(self.path) == DEEPEST:
            self.refuse(f"rules nest at most {DEEPEST} deep")
        return _Place((*self.path, index))

    def __str__(self) -> str:
        path = ".".join(f"conditions[{index}]" for index in self.path)
        return f"{_INVALID}{path}: " if path else _INVALID

    def refuse(self, reason: str, cause: Exception | None = None) -> NoReturn:
        raise DefinitionError(f"{self}{reason}") from cause

    def wrong_type(self, expected: str, value: object, hint: str = "") -> DefinitionTypeError:
        """An error that is a ValueError, as for every wrong rule, and a TypeError."""
        return DefinitionTypeError(f"{self}{expected}, got {type(value).__name__}{hint}")


_INVALID: Final = "@cloaca.task(trigger_rules=...): invalid trigger rule: "


_TASK_TYPES: Final = {status: kind for kind, status in _TASK_STATES.items()}


def to_dict(rule: Condition) -> RuleDict:
    """The rule as ``parse_rule`` reads it; equal rules give equal dicts."""
    match rule:
        case Always():
            return always()
        case All(conditions):
            return all_of(*map(to_dict, conditions))
        case Any_(conditions):
            return any_of(*map(to_dict, conditions))
        case None_(conditions):
            return none_of(*map(to_dict, conditions))
        case NoneFailed():
            return none_failed()
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
            assert_never(rule)
