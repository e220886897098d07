"""Items of maps that a caller chooses: an integer is an index, a text a label."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from cloaca_core.errors import ConfigError, ConfigTypeError, TaskNotFoundError
from cloaca_core.values.text import checked_text

if TYPE_CHECKING:
    from cloaca_core.features.maps.part import MapStore
    from cloaca_core.features.maps.records import MapRow

ItemName: TypeAlias = int | str
"""The index or the label of an item."""


def checked_choice(items: object) -> dict[str, list[ItemName]]:
    """The chosen items of each map; empty for None."""
    if items is None:
        return {}
    if not isinstance(items, Mapping):
        kind = type(items).__name__
        message = f"items must be a dict of task ids with lists of items, not {kind}"
        raise ConfigTypeError(message, field="items")
    if not items:
        raise ConfigError("items must name a map, or be None", field="items")
    return {
        checked_text("a key of items", task): checked_names(names) for task, names in items.items()
    }


def checked_names(names: object) -> list[ItemName]:
    """The chosen items of one map."""
    if isinstance(names, str) or not isinstance(names, Iterable):
        kind = type(names).__name__
        message = f"items of a map must be a list of indexes and labels, not {kind}"
        raise ConfigTypeError(message, field="items")
    checked: list[ItemName] = []
    for name in names:
        if isinstance(name, bool) or not isinstance(name, int | str):
            message = f"an item must be an index or a label, not {type(name).__name__}"
            raise ConfigTypeError(message, field="items")
        checked.append(name)
    if not checked:
        raise ConfigError("items of a map must name an item", field="items")
    return checked


async def indexes_of(
    store: MapStore, run_id: str, chosen: Mapping[str, Collection[ItemName]]
) -> dict[str, list[int]]:
    """The indexes of items, by map; ``TaskNotFoundError`` for maps and items that the run does not
    have.
    """
    if not chosen:
        return {}
    opened = {row.task_id: row for row in await store.maps([run_id])}
    for task in chosen:
        if task not in opened:
            raise no_map(run_id, task)
    return {task: indexes_in(opened[task], of) for task, of in chosen.items()}


def no_map(run_id: str, task: str) -> TaskNotFoundError:
    """The error for a map that the run has not opened."""
    return TaskNotFoundError(f"run {run_id} has started no map {task!r}", task_id=task)


def no_item(opened: MapRow, name: ItemName) -> TaskNotFoundError:
    """The error for an item that a map of the run does not have."""
    task = opened.task_id
    return TaskNotFoundError(
        f"map {task} of run {opened.run_id} has no item {name!r:.80}; it has {opened.items}",
        task_id=task,
    )


def places_of(opened: MapRow) -> dict[str, int]:
    """The index of each item, by its label as people type it."""
    labels = range(opened.items) if opened.labels is None else json.loads(opened.labels)
    return {str(label): index for index, label in enumerate(labels)}


def label_of(opened: MapRow, index: int) -> ItemName:
    """The label of an item; its index where the items have none."""
    if opened.labels is None:
        return index
    labels: list[ItemName] = json.loads(opened.labels)
    return labels[index]


def indexes_in(opened: MapRow, names: Collection[ItemName]) -> list[int]:
    """The indexes of items of a map; ``TaskNotFoundError`` for items that it does not have."""
    places = places_of(opened)
    found = [name if isinstance(name, int) else places.get(name, -1) for name in names]
    for name, index in zip(names, found, strict=True):
        if not 0 <= index < opened.items:
            raise no_item(opened, name)
    return sorted(set(found))
