"""The states of the items of a map, one by one and as cells of a strip."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cloaca_core.features.maps.item_reader import begun_status, unbegun_status
from cloaca_core.values.payloads.json_forms import Shown
from cloaca_core.views.task_results import seconds_between

if TYPE_CHECKING:
    from cloaca_core.features.maps.item_reader import OpenedMap
    from cloaca_core.features.maps.records import ItemMark
    from cloaca_core.run.rows import AttemptRow
    from cloaca_core.values.option_names import TaskStatus
    from cloaca_core.values.times.instants import Instant

FIRST: Final = ("Failed", "Waiting", "Running", "Cancelled", "NotStarted", "Skipped", "Completed")
"""The states of items, those that a person looks for before the others."""
CELLS: Final = 120
"""Cells of the strip, at most."""


@dataclass(frozen=True, slots=True)
class Cell(Shown):
    """The items from ``first`` on in a part of the strip: how many in each state, in the order of
    ``FIRST``, the seconds of the slowest one, and its index.
    """

    first: int
    counts: Mapping[str, int]
    slowest: float
    slowest_item: int


def standings_of(
    opened: OpenedMap, marks: Sequence[ItemMark], now: Instant, part: range | None = None
) -> list[tuple[TaskStatus, float]]:
    """The state of each item, and the seconds of its latest attempt; of a ``part`` of the items, or
    of all.
    """
    part = range(opened.row.items) if part is None else part
    again, is_open = opened.again, opened.is_open
    end = opened.run.ended_at or now
    found = [(unbegun_status(opened.run, is_open=is_open), 0.0)] * len(part)
    for mark in marks:  # by attempts: the last one counts
        if mark.item in part and mark.attempt >= again.get(mark.item, 0):
            status = begun_status(mark, opened.run, is_open=is_open)
            found[mark.item - part.start] = status, item_seconds(mark, end)
    return found


def item_seconds(attempt: ItemMark | AttemptRow, end: Instant) -> float:
    """How long an attempt has taken, up to the ``end`` at the latest."""
    return seconds_between(attempt.started_at, attempt.ended_at, end) or 0.0


def in_order(counts: Mapping[str, int]) -> dict[str, int]:
    """The states that items have, in the order of ``FIRST``."""
    return {status: counts[status] for status in FIRST if counts.get(status)}


def share_of(items: int) -> int:
    """The number of items of each cell but the last."""
    return max(1, -(-items // CELLS))


def cell_of(first: int, standings: Sequence[tuple[TaskStatus, float]]) -> Cell:
    """The cell of these items."""
    counts = Counter[str]([status for status, _ in standings])
    times = [seconds for _, seconds in standings]
    slowest = max(times)
    return Cell(first, in_order(counts), slowest, first + times.index(slowest))
