"""Names by which people read and type items of maps: ``convert[17]``, ``convert[north.csv]``.

A name is that of a task if there is such a task. Otherwise the text in brackets is the label of an
item, or else its index.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from cloaca_core.features.maps.choice import places_of

if TYPE_CHECKING:
    from cloaca_core.features.maps.choice import ItemName
    from cloaca_core.features.maps.part import MapStore
    from cloaca_core.features.maps.records import MapRow


class Named(NamedTuple):
    """A task, or the item of a map with this index."""

    task: str
    item: int | None = None


async def named(store: MapStore, run_id: str, name: str, tasks: Collection[str]) -> Named:
    """The task or the item of this name, in a run of a workflow with these tasks. A name that is
    neither is taken for a task's.
    """
    if name in tasks or not may_be_item(name):
        return Named(name)
    return named_item(await store.maps([run_id]), name) or Named(name)


async def named_tasks(
    store: MapStore,
    run_id: str,
    names: Iterable[str],
    tasks: Collection[str],
    items: Mapping[str, Collection[ItemName]],
) -> tuple[list[str], dict[str, list[ItemName]]]:
    """The tasks of these names, and the items of maps: these and those that are named."""
    found = [await named(store, run_id, name, tasks) for name in names]
    chosen = {task: list(of) for task, of in items.items()}
    for each in found:
        if each.item is not None:
            chosen.setdefault(each.task, []).append(each.item)
    return list(dict.fromkeys([each.task for each in found])), chosen


def named_item(maps: Iterable[MapRow], name: str) -> Named | None:
    """The item of this name of one of these maps, or None."""
    if not may_be_item(name):
        return None
    for row in maps:
        text = name.removeprefix(f"{row.task_id}[").removesuffix("]")
        if name == f"{row.task_id}[{text}]" and (index := _index(row, text)) is not None:
            return Named(row.task_id, index)
    return None


def _index(row: MapRow, text: str) -> int | None:
    if (place := places_of(row).get(text)) is not None:
        return place
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(row.items))
    return int(text) if is_number and int(text) < row.items else None


def may_be_item(name: str) -> bool:
    """Whether this is the form of an item's name."""
    return name.endswith("]") and "[" in name
