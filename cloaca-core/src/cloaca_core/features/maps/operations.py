"""Reads the items of a map."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, get_args

from cloaca_core.engine.calls.arguments import checked_limit
from cloaca_core.engine.calls.call import unchanged
from cloaca_core.errors import ConfigError, ConfigTypeError
from cloaca_core.features.maps.item_reader import AT_ONCE, ItemReader, Page, WantedItems
from cloaca_core.values.arguments import text
from cloaca_core.values.map_items import ItemResult
from cloaca_core.values.option_names import TaskStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from cloaca_core.engine.calls.call import Call, CallerOf
    from cloaca_core.features.maps.part import MapStore


class MapLooks(Protocol):
    """The store of items of maps, of one that reads."""

    @property
    def store(self) -> MapStore:
        """The store. Raises ``RunnerClosedError`` once it is closed. Not kept by callers."""


class Items(NamedTuple):
    """Items of a map of a run."""

    run_id: str
    task: str
    status: TaskStatus | None = None
    after: int | None = None
    limit: int = 1000

    def call(self, caller: CallerOf[object, MapLooks]) -> Call[list[ItemResult]]:
        """See ``Operation``."""
        most, task = checked_limit(self.limit), text("task", self.task)
        statuses = () if self.status is None else (_checked_status(self.status),)
        wanted = WantedItems(self.run_id, task, statuses, _checked_after(self.after), most)
        return caller.look(lambda engine: ItemReader(engine.store).read(wanted), unchanged)


class ItemPages:
    """The items of a map of a run, for ``for`` and for ``async for``: each page is read when it is
    come to.
    """

    def __init__(self, caller: CallerOf[object, MapLooks], run_id: str, task: str) -> None:
        self._caller = caller
        self._first = WantedItems(run_id, text("task", task), (), -1, AT_ONCE)

    def __iter__(self) -> Iterator[ItemResult]:
        page = self._after(None).wait()
        while page.items:
            yield from page.items
            page = self._after(page).wait()

    async def __aiter__(self) -> AsyncIterator[ItemResult]:
        page = await self._after(None)
        while page.items:
            for item in page.items:
                yield item
            page = await self._after(page)

    def _after(self, page: Page | None) -> Call[Page]:
        return self._caller.look(
            lambda engine: ItemReader(engine.store).page(self._first, page), unchanged
        )


def _checked_status(status: object) -> str:
    known = get_args(TaskStatus)
    if status not in known:
        raise ConfigError(
            f"status must be one of {', '.join(known)}, got {status!r:.80}", field="status"
        )
    return str(status)


def _checked_after(after: object) -> int:
    if after is None:
        return -1
    if isinstance(after, bool) or not isinstance(after, int):
        raise ConfigTypeError(
            f"after must be the index of an item or None, not {type(after).__name__}", field="after"
        )
    return max(after, -1)
