"""Evaluates the key of a limit: the value at its path in the context of a task or run. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cloaca_core.errors import LimitKeyError
from cloaca_core.values.missing import MISSING, Missing
from cloaca_core.values.payloads.json_places import at_path, kind_of
from cloaca_core.values.payloads.json_values import encode, shown_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloaca_core.definition.limits.limit import LimitUse
    from cloaca_core.values.payloads.json_values import JsonValue

LONGEST_KEY: Final = 255
"""Characters of a key that is a text, at most."""
_EXPECTED: Final = (
    f"expected a text of at most {LONGEST_KEY} characters, an integer, a boolean or null"
)


def key_of(
    use: LimitUse,
    task_id: str | None,
    given: Mapping[str, JsonValue],
    item: JsonValue | Missing = MISSING,
) -> str | None:
    """The key of a limit as JSON text, so that 3, "3" and true differ; None without a key, or where
    it is null.

    ``given`` is the context that the task sees, or the input of a run; ``task_id`` is the name of
    the task, or None for the run. With ``item``, of a map, a path that begins with "item" is in it.
    ``LimitKeyError`` if nothing is there, or a value of another type.
    """
    if use.path is None:
        return None
    if use.is_by_item and not isinstance(item, Missing):
        given = {use.path[0]: item}
    found = at_path(given, use.path)
    if found.fault is not None:
        raise _refused(use, task_id, found.path, found.fault)
    value = found.value
    if value is None:
        return None
    if not isinstance(value, str | int):
        raise _refused(use, task_id, found.path, f"{_kind(value)}; {_EXPECTED}")
    if isinstance(value, str) and len(value) > LONGEST_KEY:
        raise _refused(use, task_id, found.path, f"a text of {len(value)} characters; {_EXPECTED}")
    return encode(value)


def _kind(value: JsonValue) -> str:
    return "a number with a fraction" if isinstance(value, float) else kind_of(value)


def _refused(use: LimitUse, task_id: str | None, place: str, found: str) -> LimitKeyError:
    who = "the run" if task_id is None else f"task {task_id!r}"
    return LimitKeyError(
        f"{who} takes its key of limit {use.name!r} from {shown_path(place)}, which has {found}",
        task_id=task_id,
        limit=use.name,
        path=place,
    )
