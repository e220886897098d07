"""Names by which people read and type items of maps: ``convert[17]``, ``convert[north.csv]``.

A name is that of a task if there is such a task. Otherwise the text in brackets is the label of an
item, or else its index.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from cloaca_core.errors import ConfigTypeError, TaskNotFoundError
from cloaca_core.features.maps.choice import (
    checked_names,
    indexes_in,
    label_of,
    no_item,
    no_map,
    places_of,
)
from cloaca_core.values.text import checked_text

if TYPE_CHECKING:
    from cloaca_core.features.maps.choice import ItemName
    from cloaca_core.features.maps.part import MapStore
    from cloaca_core.features.maps.records import MapRow


class Named(NamedTuple):
    """A task, or the item of a map with this index."""

    task: str
    item: int | None = None


class ItemAt(NamedTuple):
    """An item of a map of a run, and its name as people read it."""

    task: str
    item: int
    name: str


ItemRef: TypeAlias = "tuple[str, ItemName] | str"
"""An item as a caller gives it: its map with its index or its label; or its name."""


def checked_ref(item: object) -> ItemRef | None:
    """The item that a caller gives, or None."""
    if item is None or isinstance(item, str):
        return None if item is None else checked_text("item", item)
    if not isinstance(item, tuple) or len(item) != 2:
        accepted = "a pair of a map and an index or label, or a name such as convert[17]"
        message = f"item must be {accepted}, not {type(item).__name__}"
        raise ConfigTypeError(message, field="item")
    (name,) = checked_names([item[1]])
    return checked_text("the map of item", item[0]), name


async def item_at(store: MapStore, run_id: str, ref: ItemRef) -> ItemAt:
    """The item that is meant; ``TaskNotFoundError`` if the run has opened no such map, or the map
    has no such item.
    """
    maps = {row.task_id: row for row in await store.maps([run_id])}
    if not isinstance(ref, str):
        task, name = ref
        if task not in maps:
            raise no_map(run_id, task)
        (index,) = indexes_in(maps[task], [name])
    elif (found := ItemNames(maps.values()).find(ref)) is not None and found.item is not None:
        task, index = found.task, found.item
    else:
        raise TaskNotFoundError(
            f"run {run_id} has started no map with an item {ref!r:.80}", task_id=ref
        )
    return ItemAt(task, index, f"{task}[{label_of(maps[task], index)}]")


async def named(store: MapStore, run_id: str, name: str, tasks: Collection[str]) -> Named:
    """The task or the item of this name, in a run of a workflow with these tasks. A name that is
    neither is taken for a task's, unless it is that of an item that an opened map lacks:
    ``TaskNotFoundError``.
    """
    if name in tasks or not may_be_item(name):
        return Named(name)
    return ItemNames(await store.maps([run_id])).find(name) or Named(name)


async def named_tasks(
    store: MapStore,
    run_id: str,
    names: Collection[str],
    tasks: Collection[str],
    items: Mapping[str, Collection[ItemName]],
) -> tuple[list[str], dict[str, list[ItemName]]]:
    """The tasks of these names, as in ``named``, and the items of maps: these and those that are
    named. A map that is named itself is so with all its items.
    """
    whole = {name for name in names if name in tasks or not may_be_item(name)}
    maps = ItemNames(await store.maps([run_id]))
    found = [Named(name) if name in whole else maps.find(name) or Named(name) for name in names]
    chosen = {task: list(of) for task, of in items.items()}
    for each in found:
        if each.item is not None and each.task not in whole:
            chosen.setdefault(each.task, []).append(each.item)
    return list(dict.fromkeys([each.task for each in found])), chosen


class ItemNames:
    """The names of the items of these maps: there may be many of both."""

    def __init__(self, maps: Iterable[MapRow]) -> None:
        self._maps = list(maps)
        self._places: dict[str, dict[str, int]] = {}

    def find(self, name: str) -> Named | None:
        """The item of this name; None if it is of no map, ``TaskNotFoundError`` if its map lacks
        it.
        """
        if not may_be_item(name):
            return None
        error = None
        for row in self._maps:
            text = name.removeprefix(f"{row.task_id}[").removesuffix("]")
            if name == f"{row.task_id}[{text}]":
                if (index := self._index(row, text)) is not None:
                    return Named(row.task_id, index)
                error = no_item(row, text)
        if error is not None:
            raise error
        return None

    def _index(self, row: MapRow, text: str) -> int | None:
        if (places := self._places.get(row.task_id)) is None:
            places = self._places[row.task_id] = places_of(row)
        if (place := places.get(text)) is not None:
            return place
        is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(row.items))
        return int(text) if is_number and int(text) < row.items else None


def may_be_item(name: str) -> bool:
    """Whether this is the form of an item's name."""
    return name.endswith("]") and "[" in name
