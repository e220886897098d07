"""The call of the body of an item, and its result; in the runner's process and in workers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloaca_core.engine.execute.returned import result_of
from cloaca_core.run.merge import Change
from cloaca_core.values.payloads.json_values import copy_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloaca_core.values.map_items import Item


def item_arguments(item: Item, parameters: Sequence[str], handle: object) -> dict[str, object]:
    """The arguments of the body after its context, by their names. The ``handle`` may be None if no
    parameter takes it.
    """
    arguments = dict.fromkeys(parameters, handle)
    if "item" in arguments:
        arguments["item"] = copy_value(item.value)
    return arguments


def item_change(task_id: str, item: Item, value: object) -> Change:
    """The result of an item as its row has it: under the id of its map."""
    result = None if value is None else result_of(item.name(task_id), value)
    return Change({task_id: result}, [])
