"""Units of work of a run: its tasks, and the items of its maps. Pure.

A unit is one int, so that a run without maps pays nothing for those: the unit of a task is the
task's index in the graph. The unit of an item has the index of its map in the lower bits. A row
names a unit by ``task_id`` and ``item``, which is -1 for the task itself.
"""

from __future__ import annotations

from typing import Final, TypeAlias

Unit: TypeAlias = int
"""A task by its index, or an item of a map as ``unit_of`` makes it."""

BITS: Final = 32
"""``(unit >> BITS) - 1`` is the index of a unit's item."""

TASK: Final = (1 << BITS) - 1
"""``unit & TASK`` is the index of a unit's task. Written out where a call would count."""

_TOGETHER: Final = 1 << BITS
"""More than the items of any map."""


def unit_of(task: int, item: int) -> Unit:
    """The unit of an item of this task; with item -1, the task itself."""
    return task + ((item + 1) << BITS)


def item_of(unit: Unit) -> int:
    """The index of the item; -1 for a task itself."""
    return (unit >> BITS) - 1


def together(first: int) -> int:
    """In the place of an item: items of a map that do something as one, this one as the first of
    them. The numbers are below that of a task itself, and so the units are below all others; they
    are in the order of the first items.
    """
    return first - _TOGETHER


def first_item(item: int) -> int:
    """An item, or the first of those that do something as one."""
    return item if item >= -1 else item + _TOGETHER
