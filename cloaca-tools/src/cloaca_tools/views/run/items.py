"""The items of a map of a run: how many there are in each state, a strip of all, a page of some.

States and times of items are read without their results, and of those cells of the strip alone that
may have changed; results and errors are read of the items of the page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple, get_args

from cloaca_core.errors import ConfigError, ConfigTypeError
from cloaca_core.features.maps.item_reader import ItemReader, OpenedMap, shown_item
from cloaca_core.values.option_names import TaskStatus
from cloaca_core.values.payloads.json_forms import Shown
from cloaca_core.values.times.rfc3339 import rfc3339, rfc3339_or_none
from cloaca_core.views.task_results import Wait, shown_wait, task_status_name
from cloaca_tools.views.run.item_states import Cell, in_order, item_seconds, standings_of

if TYPE_CHECKING:
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.assembly.store import Store
    from cloaca_core.features.maps.choice import ItemName
    from cloaca_core.features.waits.records import WaitRow
    from cloaca_core.run.rows import AttemptRow
    from cloaca_core.values.times.instants import Instant
    from cloaca_tools.views.run.item_cells import KeptCells

_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class ItemTry(Shown):
    """An attempt of an item."""

    attempt: int
    status: TaskStatus
    started_at: str | None
    seconds: float | None
    error: str | None


@dataclass(frozen=True, slots=True)
class ItemLine(Shown):
    """One item: ``attempts`` in this round and before, ``seconds`` of the latest one. ``waits_for``
    is the oldest wait of its body, or for its next attempt. ``tries`` are all its attempts, newest
    first, of an item that was asked for apart.
    """

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
    waits_for: Wait | None = None
    tries: tuple[ItemTry, ...] = ()


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
    ``item`` apart, by its index or (a text) its label, or index where none has that label.
    """

    task: str
    status: str | None
    after: int
    limit: int
    item: ItemName | None


class Rows(NamedTuple):
    """A map with the cells of its strip, the attempts of the items of the page, and the open waits
    of its items.
    """

    now: Instant
    opened: OpenedMap
    cells: Sequence[Cell]
    chosen: Sequence[int]
    following: int | None
    rows: Sequence[AttemptRow]
    item: int | None = None
    waits: Mapping[int, WaitRow] = MappingProxyType({})


def wanted(
    task: str, status: str | None, after: int | None, limit: int, item: ItemName | None = None
) -> Wanted:
    """The checked arguments."""
    if status is not None and status not in get_args(TaskStatus):
        known = ", ".join(get_args(TaskStatus))
        raise ConfigError(f"status must be one of {known}, got {status!r:.80}", field="status")
    if after is not None and (isinstance(after, bool) or not isinstance(after, int)):
        raise ConfigTypeError("after must be the index of an item or None", field="after")
    return Wanted(task, status, -1 if after is None else after, limit, item)


async def read(engine: Looks, run_id: str, page: Wanted, kept: KeptCells) -> Rows:
    """The map and a page of its items; ``TaskNotFoundError`` if the run has started no such map.
    Cells that do not change are ``kept``. Runs on the engine's loop.
    """
    store = engine.store
    opened = await ItemReader(store).opened(run_id, page.task)
    cells, now = await kept.of_map(engine, opened), store.wall()
    found = await _page(store, opened, cells, page, now)
    chosen = found[: page.limit]
    following = chosen[-1] if len(found) > len(chosen) else None
    item = _index_of(opened, page.item)
    read = chosen if item is None else [*chosen, item]
    rows = await store.chosen_items(run_id, page.task, read) if read else []
    waits: Mapping[int, WaitRow] = {}
    if any("Waiting" in cell.counts for cell in cells):
        waits = _first_waits(await store.waits([run_id]), page.task)
    return Rows(now, opened, cells, chosen, following, rows, item, waits)


def _index_of(opened: OpenedMap, name: ItemName | None) -> int | None:
    """The index of the item of this name; None where there is none."""
    if isinstance(name, str):
        labels = [] if opened.labels is None else list(map(str, opened.labels))
        if name in labels:
            return labels.index(name)
        name = int(name) if name.isascii() and name.isdecimal() and len(name) < _DIGITS else None
    return name if name is not None and 0 <= name < opened.row.items else None


def _first_waits(waits: Sequence[WaitRow], task: str) -> Mapping[int, WaitRow]:
    """The oldest open wait of each item of a map."""
    newest_first = sorted(waits, key=lambda each: -each.opened_at)
    return {each.item: each for each in newest_first if each.task_id == task}


async def _page(
    store: Store, opened: OpenedMap, cells: Sequence[Cell], page: Wanted, now: Instant
) -> Sequence[int]:
    """The items of a page, and another one if there are more. Of a cell whose items are all in the
    state, or none of them, no item is read.
    """
    first, total, enough = page.after + 1, opened.row.items, page.limit + 1
    if page.status is None:
        return range(first, min(first + enough, total))
    found: list[int] = []
    for cell in cells:
        last, number = cell.first + sum(cell.counts.values()), cell.counts.get(page.status, 0)
        part = range(max(cell.first, first), last)
        if not part or not number or len(found) >= enough:
            continue
        if number == last - cell.first:
            found += part[:enough]
            continue
        marks = await store.item_marks(*opened.row.key, part.start, part.stop)
        standings = standings_of(opened, marks, now, part)
        found += [
            i for i, (status, _) in zip(part, standings, strict=True) if status == page.status
        ]
    return found[:enough]


def map_items(found: Rows) -> MapItems:
    """Shape what was read."""
    opened, cells = found.opened, found.cells
    by_item: dict[int, list[AttemptRow]] = {}
    for row in found.rows:
        by_item.setdefault(row.item, []).append(row)
    slowest = max(cells, key=lambda cell: cell.slowest, default=None)
    counts = Counter[str]()
    for cell in cells:
        counts.update(cell.counts)
    end = opened.run.ended_at or found.now

    def line(index: int) -> ItemLine:
        return _line(opened, index, by_item.get(index, []), end, found.waits.get(index))

    def closely(index: int) -> ItemLine:
        return replace(line(index), tries=tuple(_tries(by_item.get(index, []), end)))

    return MapItems(
        run_id=opened.run.id,
        task=opened.row.task_id,
        total=opened.row.items,
        counts=in_order(counts),
        cells=tuple(cells),
        slowest=None if slowest is None or not slowest.slowest else slowest.slowest_item,
        items=tuple([line(index) for index in found.chosen]),
        next=found.following,
        item=None if found.item is None else closely(found.item),
    )


def _tries(rows: Sequence[AttemptRow], end: Instant) -> Iterator[ItemTry]:
    for row in reversed(rows):
        started = rfc3339_or_none(row.started_at)
        yield ItemTry(
            row.attempt, task_status_name(row), started, item_seconds(row, end), row.error
        )


def _line(
    opened: OpenedMap,
    index: int,
    rows: Sequence[AttemptRow],
    end: Instant,
    wait: WaitRow | None,
) -> ItemLine:
    first = opened.again.get(index, 0)
    latest = rows[-1] if rows and rows[-1].attempt >= first else None
    item = shown_item(opened, index, latest)
    return ItemLine(
        index=index,
        label=item.label,
        status=item.status,
        attempts=rows[-1].attempt if rows else 0,
        started_at=None if latest is None else rfc3339_or_none(latest.started_at),
        seconds=None if latest is None else item_seconds(latest, end),
        result=item.result,
        error=item.error,
        traceback=None if latest is None else latest.error_traceback,
        waits_for=_wait(item.status, latest, wait),
    )


def _wait(status: str, latest: AttemptRow | None, wait: WaitRow | None) -> Wait | None:
    if status != "Waiting":
        return None
    if wait is not None:
        return shown_wait(wait)
    if latest is None or latest.retry_at is None:
        return None
    return Wait("retry", latest.task_id, rfc3339(latest.retry_at), rfc3339_or_none(latest.ended_at))
