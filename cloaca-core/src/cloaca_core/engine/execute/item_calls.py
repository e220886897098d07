"""The call of the body of an item, and its result; in the runner's process and in workers."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from cloaca_core.definition.context import Context
from cloaca_core.errors import ContextTypeError
from cloaca_core.run.merge import Change
from cloaca_core.values.payloads.json_values import copy_value, normalise

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from cloaca_core.values.map_items import Item
    from cloaca_core.values.payloads.json_values import JsonValue


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


def result_of(name: str, value: object) -> JsonValue:
    """The result of an item of a map: any JSON value. ``name`` is that of the item."""
    if isinstance(value, Context):
        raise ContextTypeError(
            f"{name} returned a Context, which an item of a map does not hand on; return its "
            "result, such as context.to_dict()"
        )
    if inspect.iscoroutine(value):
        raise ContextTypeError(f"{name} returned coroutine{unawaited(value)}")
    return normalise(value, name)


def unawaited(coroutine: Coroutine[object, object, object]) -> str:
    """Advice that follows the message. Closes the coroutine, or Python would warn about it on
    stderr.
    """
    coroutine.close()
    return ". It is never awaited: define the task with async def and await it there"
