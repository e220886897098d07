"""Decides how a waiting node continues: when its time is over, and what its outcome is after a
message or a time-out.

Pure. The engine keeps the rows of waits and messages, and reads the clock.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeAlias, assert_never, cast

from cloaca_core.definition.waits.kinds import REJECT, Approval, Child, NodeWait, Sleep, WaitFor
from cloaca_core.errors import (
    ApprovalRejectedError,
    CloacaError,
    ContextValueError,
    DefinitionTypeError,
    ScheduleError,
    no_decision,
    no_event,
)
from cloaca_core.run.merge import UNCHANGED, Change
from cloaca_core.values.missing import Missing
from cloaca_core.values.payloads.json_values import JsonValue, copy_value, decode, shown_path
from cloaca_core.values.times.instants import Instant, instant_text, read_instant

WaitOutcome: TypeAlias = Change | CloacaError
"""The end of a node: Completed with a change, or Failed for good with an error."""


def due_at(
    wait: NodeWait, task_id: str, opened_at: Instant, given: Mapping[str, JsonValue]
) -> Instant | None:
    """The instant at which the wait ends by time, perhaps a past one; None if it does not.
    ``given`` is the node's context.

    Raises ``ContextValueError`` if the context has no instant where the node looks for one.
    """
    match wait:
        case Sleep():
            if wait.until is not None:
                return wait.until
            if wait.until_key is not None:
                return _found(task_id, wait.until_key, given)
            return opened_at + _us(_given(wait.seconds))
        case WaitFor() | Approval():
            return None if wait.timeout is None else opened_at + _us(wait.timeout)
        case Child():
            return None
        case _:
            assert_never(wait)


def outcome_of_message(wait: WaitFor | Approval, task_id: str, payload: str) -> WaitOutcome:
    """The end of a node that has received a message, by the JSON of its payload. For an approval
    the payload is the decision: ``choice``, ``by``, ``at``, ``note``, ``data``.
    """
    value = decode(payload)
    if isinstance(wait, Approval):
        return _decided(wait, task_id, cast("dict[str, JsonValue]", value))
    return Change({task_id: value}, [])


def outcome_of_timeout(wait: NodeWait, task_id: str, now: Instant) -> WaitOutcome:
    """The end of a node whose time is over."""
    match wait:
        case Sleep():
            return UNCHANGED
        case WaitFor():
            if isinstance(wait.default, Missing):
                return no_event(task_id, wait.event, _given(wait.timeout))
            return Change({task_id: copy_value(wait.default)}, [])
        case Approval():
            if isinstance(wait.default, Missing):
                return no_decision(task_id, task_id, _given(wait.timeout))
            return _decided(wait, task_id, decision(wait.default, at=now))
        case Child():
            raise AssertionError("the wait for a run is not over by time")
        case _:
            assert_never(wait)


def decision(
    choice: str,
    *,
    at: Instant,
    by: str | None = None,
    note: str | None = None,
    data: JsonValue = None,
) -> dict[str, JsonValue]:
    """A decision in the form of its message's payload and of the context."""
    return {"choice": choice, "by": by, "at": instant_text(at), "note": note, "data": data}


def _decided(wait: Approval, task_id: str, made: dict[str, JsonValue]) -> WaitOutcome:
    if wait.reject_policy == "fail" and made["choice"] == REJECT:
        by = f" by {made['by']}" if made.get("by") else ""
        note = f": {made['note']}" if made.get("note") else ""
        message = f"task {task_id!r} was rejected{by}{note}"
        return ApprovalRejectedError(message, task_id=task_id)
    return Change({task_id: made}, [])


def _found(task_id: str, keys: tuple[str, ...], given: Mapping[str, JsonValue]) -> Instant:
    """The instant at this place in the context."""
    place = ".".join(keys)
    value: object = given
    for key in keys:
        if not isinstance(value, Mapping) or key not in value:
            raise ContextValueError(
                f"task {task_id!r} sleeps until the instant at {shown_path(place)}, which its "
                "context does not have",
                path=place,
            )
        value = value[key]
    try:
        return read_instant(place, value if isinstance(value, str) else None)
    except (ScheduleError, DefinitionTypeError):
        raise ContextValueError(
            f"task {task_id!r} sleeps until the instant at {shown_path(place)}, where its context "
            f"has {value!a:.80}: expected a text with a date, a time and an offset from UTC, such "
            "as 2026-03-29T02:30:00+01:00",
            path=place,
        ) from None


def _given(seconds: float | None) -> float:
    assert seconds is not None, "a wait that is over by time has one"
    return seconds


def _us(seconds: float) -> int:
    return math.ceil(seconds * 1e6)
