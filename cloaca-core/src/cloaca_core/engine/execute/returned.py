"""Judges what a body returned: computes the change that it made to its context, by its calls or by
its return value, or the result of an item, and refuses what is too large.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Set as AbstractSet
from typing import TYPE_CHECKING, Final, Protocol

from cloaca_core.definition.context import Context
from cloaca_core.engine.execute.item_calls import item_change, unawaited
from cloaca_core.engine.execute.outcome import Judged, Outcome, Succeeded, left, outcome_of
from cloaca_core.errors import ContextTypeError, ContextValueError
from cloaca_core.run.merge import UNCHANGED, UNCHANGED_JSON, Change
from cloaca_core.values.payloads.json_values import encode, mapping_hint, same_value

if TYPE_CHECKING:
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.values.map_items import Item
    from cloaca_core.values.payloads.json_values import JsonValue

MOST_BYTES: Final = 4
"""The most bytes of a character."""


class Bound(Protocol):
    """The largest context that a body may hand on, in bytes."""

    @property
    def max_bytes(self) -> int: ...


class Returning(Judged, Protocol):
    """The attempt of a body whose result is judged, as far as that matters."""

    @property
    def owner(self) -> ActiveRun: ...
    @property
    def tools(self) -> Bound: ...
    @property
    def item(self) -> Item | None: ...
    @property
    def name(self) -> str: ...
    @property
    def given(self) -> Mapping[str, JsonValue]: ...
    @property
    def context(self) -> Context: ...
    @property
    def is_suspending(self) -> bool: ...


def returned(attempt: Returning, value: object) -> Outcome:
    """The outcome of a body that returned this value."""
    if attempt.is_suspending:
        return left(attempt, None)
    try:
        if attempt.item is not None:
            return succeeded_item(attempt, item_change(attempt.task.id, attempt.item, value))
        change = change_of(attempt.task.id, attempt.given, attempt.context, value)
        text = UNCHANGED_JSON if change is UNCHANGED else change.to_json()
        if attempt.owner.size_bound + MOST_BYTES * len(text) > attempt.tools.max_bytes:
            check_size(attempt, change, text)
    except BaseException as error:  # noqa: BLE001 - a mapping of the user's may raise anything
        return outcome_of(attempt, error)
    return Succeeded(change, text)


def succeeded_item(attempt: Returning, change: Change) -> Succeeded:
    """The outcome of an item with this result, if that is not too large."""
    text, most = change.to_json(), attempt.tools.max_bytes
    if len(text) * MOST_BYTES > most and (size := len(text.encode())) > most:
        raise ContextValueError(
            f"{attempt.name} returned {size} bytes of JSON; max_context_bytes is {most}"
        )
    return Succeeded(change, text)


def check_size(attempt: Returning, change: Change, text: str) -> None:
    """Refuse a change if the context after it is too large. The exact size is computed only if it
    may be.
    """
    most = attempt.tools.max_bytes
    if attempt.owner.size_bound + len(text.encode()) > most:
        refuse_large(attempt.task.id, attempt.given, change, most)


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


def _hint(value: object) -> str:
    """Advice that follows the message."""
    return unawaited(value) if inspect.iscoroutine(value) else mapping_hint(value, "return")


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
