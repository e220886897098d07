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
from cloaca_core.values.arguments import text, wrong_type
from cloaca_core.values.nearest import nearest_name
from cloaca_core.values.node import Node, Reference, TaskFunction, is_reference
from cloaca_core.values.option_names import OperatorName
from cloaca_core.values.payloads.json_values import JsonValue, copy_value, normalise
from cloaca_core.values.states import TaskStatus

RuleDict: TypeAlias = dict[str, Any]
"""A rule or a condition as it is written: ``{"type": …}``."""

DEEPEST: Final = 32
"""How deep rules may nest."""


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


# -- as a user writes them -----------------------------------------------------------------------


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


# -- as a workflow handles them ------------------------------------------------------------------


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


# -- evaluation ----------------------------------------------------------------------------------


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
