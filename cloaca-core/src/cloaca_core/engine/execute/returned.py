"""Computes the change that a body made to its context, by its calls or by its return value, and
refuses a change that makes the context too large.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Set as AbstractSet
from typing import TYPE_CHECKING

from cloaca_core.definition.context import Context
from cloaca_core.errors import ContextTypeError, ContextValueError
from cloaca_core.run.merge import UNCHANGED, Change
from cloaca_core.values.payloads.json_values import (
    encode,
    mapping_hint,
    normalise,
    same_value,
)

if TYPE_CHECKING:
    from cloaca_core.values.payloads.json_values import JsonValue


def change_of(
    task_id: str, given: Mapping[str, JsonValue], context: Context, value: object
) -> Change:
    """The change that a body made: to ``context`` itself, or by its return value."""
    if value is None or value is context:
        return _changed_keys(given, context._data, context._touched)
    if isinstance(value, Context):
        return _changed_keys(given, value._data, {*given, *value._data})
    if isinstance(value, Mapping):
        context.update_from_dict(value)
        return _changed_keys(given, context._data, context._touched)
    raise ContextTypeError(
        f"task {task_id!r} returned {type(value).__name__}; "
        f"accepted: a Context, a mapping of changes, or None{_hint(value)}"
    )


def result_of(name: str, value: object) -> JsonValue:
    """The result of an item of a map: any JSON value. ``name`` is that of the item."""
    if isinstance(value, Context):
        raise ContextTypeError(
            f"{name} returned a Context, which an item of a map does not hand on; return its "
            "result, such as context.to_dict()"
        )
    if inspect.iscoroutine(value):
        raise ContextTypeError(f"{name} returned coroutine{_hint(value)}")
    return normalise(value, name)


def _hint(value: object) -> str:
    """Advice that follows the message. Closes a coroutine, or Python would warn about it on
    stderr.
    """
    if not inspect.iscoroutine(value):
        return mapping_hint(value, "return")
    value.close()
    return ". It is never awaited: define the task with async def and await it there"


def _changed_keys(
    given: Mapping[str, JsonValue], data: Mapping[str, JsonValue], keys: AbstractSet[str]
) -> Change:
    """The change to ``keys``, in the order of the contexts: a set has another order in each
    process.
    """
    if not keys:
        return UNCHANGED
    new = {
        key: value
        for key, value in data.items()
        if key in keys and not (key in given and same_value(given[key], value))
    }
    return Change(new, [key for key in given if key in keys and key not in data])


def refuse_large(
    task_id: str, given: Mapping[str, JsonValue], change: Change, most_bytes: int
) -> None:
    """Refuse a change if the context after it is larger than ``most_bytes``."""
    after = {**given, **change.set}
    size = len(encode({k: v for k, v in after.items() if k not in change.removed}).encode())
    if size > most_bytes:
        raise ContextValueError(
            f"task {task_id!r} would hand on {size} bytes of context, of which it was "
            f"given {len(encode(dict(given)).encode())}; max_context_bytes is {most_bytes}"
        )
