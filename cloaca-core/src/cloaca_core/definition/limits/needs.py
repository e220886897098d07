"""What bodies need places of, by the context and the item that they see. Pure."""

from __future__ import annotations

from collections.abc import Collection, Container, Mapping, Sequence
from typing import TYPE_CHECKING

from cloaca_core.definition.limits.keys import key_of
from cloaca_core.errors import LimitKeyError
from cloaca_core.values.limits.needs import ALL_KEYS
from cloaca_core.values.missing import MISSING

if TYPE_CHECKING:
    from cloaca_core.definition.limits.limit import LimitUse
    from cloaca_core.values.limits.needs import Needs
    from cloaca_core.values.missing import Missing
    from cloaca_core.values.payloads.json_values import JsonValue


def needs_of(
    task_id: str,
    limits: Collection[LimitUse],
    given: Mapping[str, JsonValue],
    item: JsonValue | Missing = MISSING,
) -> Needs:
    """What a body needs places of. ``LimitKeyError`` if a key is not there."""
    found = [(use.name, key_of(use, task_id, given, item)) for use in limits]
    return tuple([(name, ALL_KEYS if key is None else key) for name, key in found])


def needs_of_items(
    task_id: str,
    limits: Collection[LimitUse],
    given: Mapping[str, JsonValue],
    items: Sequence[JsonValue],
    unbegun: Container[int],
) -> Mapping[Needs, Sequence[int]]:
    """The indexes of items of a map by what they need places of. ``LimitKeyError`` if a key is not
    there that an item needs which has not begun; other items without a key are left out.
    """
    found: dict[Needs, list[int]] = {}
    if items and not any(use.is_by_item for use in limits):
        return {needs_of(task_id, limits, given, items[0]): range(len(items))}
    for index, item in enumerate(items):
        try:
            needs = needs_of(task_id, limits, given, item)
        except LimitKeyError as error:
            if index not in unbegun:
                continue
            raise LimitKeyError(
                f"{error}, in item {index}", task_id=task_id, limit=error.limit, path=error.path
            ) from None
        found.setdefault(needs, []).append(index)
    return found
