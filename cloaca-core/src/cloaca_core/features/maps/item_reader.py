"""Reads the items of maps by pages, for callers of any process."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from cloaca_core.errors import RunNotFoundError
from cloaca_core.features.maps.choice import no_map
from cloaca_core.features.maps.openings import again_of
from cloaca_core.run.counting import first_attempts
from cloaca_core.run.restore import change_from_json
from cloaca_core.values.map_items import ItemResult
from cloaca_core.values.states import RunStatus, TaskStatus

if TYPE_CHECKING:
    from collections.abc import Collection

    from cloaca_core.features.maps.part import MapStore
    from cloaca_core.features.maps.records import ItemMark, MapRow
    from cloaca_core.run.rows import AttemptRow, RunRow
    from cloaca_core.values.option_names import TaskStatus as StatusName

AT_ONCE: Final = 1000
"""Items whose rows one statement reads."""

_CANCELLED: Final = RunStatus.CANCELLED
_ENDED: Final = (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.SKIPPED, TaskStatus.CANCELLED)


class WantedItems(NamedTuple):
    """Items of a map after an index, of these statuses or (empty) of all, up to ``limit``."""

    run_id: str
    task: str
    statuses: tuple[str, ...]
    after: int
    limit: int


class OpenedMap(NamedTuple):
    """A map of a run; more of its items may begin if it ``is_open``. Attempts of an item before
    that in ``again`` do not count. ``labels`` is None where each item's label is its index.
    """

    run: RunRow
    row: MapRow
    is_open: bool
    again: Mapping[int, int]
    labels: Sequence[str | int] | None

    def label(self, index: int) -> str | int:
        """The label of an item."""
        return index if self.labels is None else self.labels[index]


class Page(NamedTuple):
    """Some items of a map, which was read for the first page."""

    opened: OpenedMap
    items: list[ItemResult]


class ItemReader:
    """Reads them. Belongs to the engine's loop."""

    def __init__(self, store: MapStore) -> None:
        self._store = store

    async def read(self, wanted: WantedItems) -> list[ItemResult]:
        """The items; ``RunNotFoundError`` when there is no such run, ``TaskNotFoundError`` when the
        run has opened no such map.
        """
        return await self._items(await self.opened(wanted.run_id, wanted.task), wanted)

    async def page(self, first: WantedItems, before: Page | None) -> Page:
        """The page after this one, or the ``first`` one; raises as ``read``."""
        if before is None:
            opened = await self.opened(first.run_id, first.task)
            return Page(opened, await self._items(opened, first))
        following = first._replace(after=before.items[-1].index)
        return Page(before.opened, await self._items(before.opened, following))

    async def _items(self, opened: OpenedMap, wanted: WantedItems) -> list[ItemResult]:
        found: list[ItemResult] = []
        first = wanted.after + 1
        while first < opened.row.items and len(found) < wanted.limit:
            last = min(first + AT_ONCE, opened.row.items)
            rows = await self._store.items(*opened.row.key, first, last)
            page = _page(opened, rows, range(first, last))
            found += [
                each for each in page if not wanted.statuses or each.status in wanted.statuses
            ]
            first = last
        return found[: wanted.limit]

    async def opened(self, run_id: str, task: str) -> OpenedMap:
        """The map; raises as ``read``."""
        store = self._store
        run = await store.get_run(run_id)
        if run is None:
            raise RunNotFoundError(f"no run with id {run_id!r}", run_id=run_id)
        opened = next((each for each in await store.maps([run_id]) if each.task_id == task), None)
        if opened is None:
            raise no_map(run_id, task)
        first = first_attempts(await store.restarts([run_id])).get(task, 0)
        own = [row for row in await store.outcomes([run_id]) if row.task_id == task]
        is_over = any(row.attempt >= first and row.status in _ENDED for row in own[-1:])
        labels = None if opened.labels is None else json.loads(opened.labels)
        is_open = not is_over and run.ended_at is None
        return OpenedMap(run, opened, is_open, again_of(opened), labels)


def _page(
    opened: OpenedMap, rows: Sequence[AttemptRow], indexes: Collection[int]
) -> list[ItemResult]:
    again = opened.again
    latest = {row.item: row for row in rows if row.attempt >= again.get(row.item, 0)}
    return [shown_item(opened, index, latest.get(index)) for index in indexes]


def shown_item(opened: OpenedMap, index: int, latest: AttemptRow | None) -> ItemResult:
    """An item whose latest attempt that counts is this one."""
    label = opened.label(index)
    if latest is None:
        return ItemResult(index, label, unbegun_status(opened.run, is_open=opened.is_open))
    if latest.status == TaskStatus.COMPLETED:
        (result,) = change_from_json(latest.change or "{}").set.values()
        return ItemResult(index, label, "Completed", result)
    status = begun_status(latest, opened.run, is_open=opened.is_open)
    return ItemResult(index, label, status, error=latest.error)


def begun_status(latest: AttemptRow | ItemMark, run: RunRow, *, is_open: bool) -> StatusName:
    """The state of an item whose latest attempt is this one."""
    is_to_be_retried = latest.status == TaskStatus.FAILED and latest.retry_at is not None
    if is_open and is_to_be_retried:
        return "Waiting"
    if not is_open and (latest.ended_at is None or (is_to_be_retried and run.status == _CANCELLED)):
        return "Cancelled"
    return cast("StatusName", str(latest.status))


def unbegun_status(run: RunRow, *, is_open: bool) -> StatusName:
    """The state of an item without an attempt."""
    if is_open:
        return "NotStarted"
    return "Cancelled" if run.status == _CANCELLED else "Skipped"
