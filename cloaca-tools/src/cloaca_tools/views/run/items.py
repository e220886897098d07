"""The items of a map of a run: how many there are in each state, a strip of all, a page of some.

States and times of all items are read without their results, in one statement; results and errors
are read of the items of the page alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, get_args

from cloaca_core.errors import ConfigError, ConfigTypeError
from cloaca_core.features.maps.item_reader import (
    ItemReader,
    OpenedMap,
    begun_status,
    shown_item,
    unbegun_status,
)
from cloaca_core.values.option_names import TaskStatus
from cloaca_core.values.payloads.json_forms import Shown
from cloaca_core.values.times.rfc3339 import rfc3339_or_none
from cloaca_core.views.task_results import seconds_between

if TYPE_CHECKING:
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.features.maps.records import ItemMark
    from cloaca_core.run.rows import AttemptRow
    from cloaca_core.values.times.instants import Instant

FIRST: Final = ("Failed", "Waiting", "Running", "Cancelled", "NotStarted", "Skipped", "Completed")
"""The states of items, those that a person looks for before the others."""
CELLS: Final = 120
"""Cells of the strip, at most."""


@dataclass(frozen=True, slots=True)
class ItemLine(Shown):
    """One item: ``attempts`` in this round and before, ``seconds`` of the latest one."""

    FORM: ClassVar[str] = "index label status attempts started_at seconds result error"

    index: int
    label: str | int
    status: TaskStatus
    attempts: int
    started_at: str | None
    seconds: float | None
    result: Any
    error: str | None
    traceback: str | None = None


@dataclass(frozen=True, slots=True)
class Cell(Shown):
    """The items from ``first`` on in a part of the strip: how many in each state, in the order of
    ``FIRST``, and the seconds of the slowest one.
    """

    first: int
    counts: Mapping[str, int]
    slowest: float


@dataclass(frozen=True, slots=True)
class MapItems(Shown):
    """A map of a run: ``total`` items, ``counts`` by state, ``cells`` of the strip, the index of
    the ``slowest`` item, and ``items`` of the page; ``next`` is the index to go on after, None
    after the last one. ``item`` is the one that was asked for apart.
    """

    FORM: ClassVar[str] = "run_id task total counts slowest items next"

    run_id: str
    task: str
    total: int
    counts: Mapping[str, int]
    cells: tuple[Cell, ...]
    slowest: int | None
    items: tuple[ItemLine, ...]
    next: int | None
    item: ItemLine | None = None


class Wanted(NamedTuple):
    """The items of a page: after an index, of a status if one is given, ``limit`` of them; and one
    ``item`` apart.
    """

    task: str
    status: str | None
    after: int
    limit: int
    item: int | None


class Rows(NamedTuple):
    """A map, the state and seconds of each item, and the attempts of the items of the page."""

    now: Instant
    opened: OpenedMap
    standings: Sequence[tuple[TaskStatus, float]]
    chosen: Sequence[int]
    following: int | None
    rows: Sequence[AttemptRow]
    item: int | None = None


def wanted(
    task: str, status: str | None, after: int | None, limit: int, item: int | None = None
) -> Wanted:
    """The checked arguments."""
    if status is not None and status not in get_args(TaskStatus):
        known = ", ".join(get_args(TaskStatus))
        raise ConfigError(f"status must be one of {known}, got {status!r:.80}", field="status")
    if after is not None and (isinstance(after, bool) or not isinstance(after, int)):
        raise ConfigTypeError("after must be the index of an item or None", field="after")
    return Wanted(task, status, -1 if after is None else after, limit, item)


async def read(engine: Looks, run_id: str, page: Wanted) -> Rows:
    """The map and a page of its items; ``TaskNotFoundError`` if the run has started no such map.
    Runs on the engine's loop.
    """
    store = engine.store
    opened = await ItemReader(store).opened(run_id, page.task)
    now = store.wall()
    standings = standings_of(opened, await store.item_marks(run_id, page.task), now)
    found = (
        index
        for index in range(page.after + 1, len(standings))
        if page.status in (None, standings[index][0])
    )
    chosen = list(islice(found, page.limit))
    following = chosen[-1] if chosen and next(found, None) is not None else None
    item = page.item if page.item is not None and page.item < len(standings) else None
    read = chosen if item is None else [*chosen, item]
    rows = await store.chosen_items(run_id, page.task, read) if read else []
    return Rows(now, opened, standings, chosen, following, rows, item)


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
            seconds = seconds_between(mark.started_at, mark.ended_at, end) or 0.0
            found[mark.item - part.start] = (
                begun_status(mark, opened.run, is_open=is_open),
                seconds,
            )
    return found


def map_items(found: Rows) -> MapItems:
    """Shape what was read."""
    opened, standings = found.opened, found.standings
    by_item: dict[int, list[AttemptRow]] = {}
    for row in found.rows:
        by_item.setdefault(row.item, []).append(row)
    slowest = max(range(len(standings)), key=lambda i: standings[i][1], default=None)

    def line(index: int) -> ItemLine:
        return _line(opened, index, by_item.get(index, []), standings[index][1])

    return MapItems(
        run_id=opened.run.id,
        task=opened.row.task_id,
        total=len(standings),
        counts=_counts([status for status, _ in standings]),
        cells=tuple(_cells(standings)),
        slowest=None if slowest is None or not standings[slowest][1] else slowest,
        items=tuple([line(index) for index in found.chosen]),
        next=found.following,
        item=None if found.item is None else line(found.item),
    )


def _counts(statuses: Sequence[str]) -> dict[str, int]:
    counts = Counter(statuses)
    return {status: counts[status] for status in FIRST if counts[status]}


def _line(opened: OpenedMap, index: int, rows: Sequence[AttemptRow], seconds: float) -> ItemLine:
    first = opened.again.get(index, 0)
    latest = rows[-1] if rows and rows[-1].attempt >= first else None
    item = shown_item(opened, index, latest)
    return ItemLine(
        index=index,
        label=item.label,
        status=item.status,
        attempts=rows[-1].attempt if rows else 0,
        started_at=None if latest is None else rfc3339_or_none(latest.started_at),
        seconds=None if latest is None else seconds,
        result=item.result,
        error=item.error,
        traceback=None if latest is None else latest.error_traceback,
    )


def _cells(standings: Sequence[tuple[TaskStatus, float]]) -> list[Cell]:
    """The strip: a cell for each item; of many items each cell has as many as it takes."""
    share = share_of(len(standings))
    return [
        cell_of(first, standings[first : first + share])
        for first in range(0, len(standings), share)
    ]


def share_of(items: int) -> int:
    """The number of items of each cell but the last."""
    return max(1, -(-items // CELLS))


def cell_of(first: int, standings: Sequence[tuple[TaskStatus, float]]) -> Cell:
    """The cell of these items."""
    slowest = max(seconds for _, seconds in standings)
    return Cell(first, _counts([status for status, _ in standings]), slowest)
