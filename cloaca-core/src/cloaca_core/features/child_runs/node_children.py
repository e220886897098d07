"""Decides the input of a node's child run, and what its end makes of the node. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from cloaca_core.definition.waits.kinds import Child, Constant
from cloaca_core.errors import (
    ChildFailedError,
    ContextKeyError,
    ContextValueError,
    RunCancelledError,
)
from cloaca_core.run.merge import Change
from cloaca_core.values.child_kinds import node_key
from cloaca_core.values.namespace import short_name
from cloaca_core.values.payloads.json_values import JsonValue, copy_value, decode, shown_path
from cloaca_core.values.states import RunStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cloaca_core.features.steering.records import ChildRow
    from cloaca_core.features.waits.node_waits import WaitOutcome
    from cloaca_core.run.rows import RunRow


def child_input(node: Child, task_id: str, given: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The input of the child, of the context that the node sees. ``ContextValueError`` if that does
    not have a value where the node looks for one.
    """
    if node.context is None:
        return dict(given)
    return {key: _value(task_id, source, given) for key, source in node.context}


def _value(
    task_id: str, source: tuple[str, ...] | Constant, given: Mapping[str, JsonValue]
) -> JsonValue:
    if isinstance(source, Constant):
        return copy_value(source.value)
    value: object = given
    for key in source:
        if not isinstance(value, Mapping) or key not in value:
            place = ".".join(source)
            raise ContextValueError(
                f"the child of node {task_id!r} gets the value at {shown_path(place)}, which the "
                "node's context does not have",
                path=place,
            )
        value = value[key]
    return cast("JsonValue", value)


def outcome_of_end(node: Child, task_id: str, row: RunRow) -> WaitOutcome:
    """The end of a node whose child has ended so."""
    name = short_name(row.workflow)
    if row.status != RunStatus.COMPLETED:
        message = f"run {row.id} of {name!r} is {row.status}: {row.error_message}"
        kind = RunCancelledError if row.status == RunStatus.CANCELLED else ChildFailedError
        return kind(message, run_id=row.id, status=row.status)
    final = cast("dict[str, JsonValue]", decode(row.final_context or "{}"))
    if node.outputs is None:
        return Change({task_id: final}, [])
    if missing := [key for key in node.outputs if key not in final]:
        return ContextKeyError(
            f"node {task_id!r} keeps {missing[0]!r} of the final context of run {row.id} of "
            f"{name!r}, which does not have it",
            path=missing[0],
        )
    return Change({task_id: {key: final[key] for key in node.outputs}}, [])


def latest_child(
    parent_id: str, task_id: str, children: Iterable[ChildRow]
) -> tuple[int, str] | None:
    """The number of a node's latest decision and the id of its child; None before the first one."""
    found = [
        (number, child.id)
        for child in children
        if (number := _decision(node_key(parent_id, task_id, 0), child.idempotency_key)) is not None
    ]
    return max(found, default=None)


def _decision(first: str, key: str | None) -> int | None:
    stem = first.removesuffix("0")
    number = (key or "").removeprefix(stem)
    return int(number) if key is not None and key.startswith(stem) and number.isdigit() else None
