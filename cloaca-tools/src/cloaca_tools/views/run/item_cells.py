"""The items of maps as cells of a strip, for pages that look again and again.

The cells of a map are kept from look to look. One whose items have all ended does not change while
the map is open: it is not read again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from cloaca_core.errors import TaskNotFoundError
from cloaca_core.features.maps.item_reader import ItemReader
from cloaca_tools.views.run.item_states import Cell, cell_of, share_of, standings_of

if TYPE_CHECKING:
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.features.maps.item_reader import OpenedMap

_MOST: Final = 200
"""Maps whose cells are kept."""
_FINAL: Final = frozenset({"Completed", "Failed"})


class SeenMap(NamedTuple):
    """A map as a page sees it: the ``attempt`` of its task in a ``round`` of the run. No item is
    still to end if the map ``is_over``.
    """

    task: str
    attempt: int
    round: int
    is_over: bool


@dataclass(slots=True)
class _Kept:
    """The cells of a map as it was seen; None where a cell was not read or may change."""

    seen: SeenMap
    opened: OpenedMap
    cells: list[Cell | None]

    def parts(self) -> Iterator[range]:
        """The items of cells that are next to each other and are to be read."""
        share, total = share_of(self.opened.row.items), self.opened.row.items
        numbers = [number for number, cell in enumerate(self.cells) if cell is None]
        for _, group in groupby(enumerate(numbers), lambda pair: pair[1] - pair[0]):
            run = [number for _, number in group]
            yield range(run[0] * share, min((run[-1] + 1) * share, total))


class KeptCells:
    """The cells of maps that were seen last, by run and task. Belongs to the engine's loop."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._maps: OrderedDict[tuple[str, str], _Kept] = OrderedDict()

    async def read(
        self, engine: Looks, run_id: str, maps: Sequence[SeenMap]
    ) -> dict[str, tuple[Cell, ...]]:
        """The cells of these maps of a run; a map that has not begun has none."""
        found: dict[str, tuple[Cell, ...]] = {}
        for seen in maps:
            try:
                kept = await self._kept(engine, run_id, seen)
            except TaskNotFoundError:
                continue
            found[seen.task] = await self._cells(engine, kept)
        return found

    async def of_map(self, engine: Looks, opened: OpenedMap) -> tuple[Cell, ...]:
        """The cells of a map that was just read."""
        row, is_over = opened.row, not opened.is_open
        seen = SeenMap(row.task_id, row.attempt, opened.run.round, is_over)
        return await self._cells(engine, self._keep(seen, opened))

    async def _kept(self, engine: Looks, run_id: str, seen: SeenMap) -> _Kept:
        """The map, as it was seen before."""
        kept = self._maps.get((run_id, seen.task))
        opened = None if kept is None or kept.seen != seen else kept.opened
        if opened is None:
            opened = await ItemReader(engine.store).opened(run_id, seen.task)
        return self._keep(seen, opened)

    def _keep(self, seen: SeenMap, opened: OpenedMap) -> _Kept:
        """The map, with its cells as they are known; those of another attempt or round say nothing
        of it.
        """
        key = opened.row.key
        kept = self._maps.get(key)
        if kept is None or kept.seen != seen:
            bare = opened._replace(labels=None, row=opened.row._replace(labels=None, again=None))
            share = share_of(bare.row.items)
            cells: list[Cell | None] = [None] * -(-bare.row.items // share)
            if kept is not None and kept.seen == seen._replace(is_over=False):
                cells = kept.cells
            kept = self._maps[key] = _Kept(seen, bare, cells)
            while len(self._maps) > self._most:
                self._maps.popitem(last=False)
        self._maps.move_to_end(key)
        return kept

    async def _cells(self, engine: Looks, kept: _Kept) -> tuple[Cell, ...]:
        opened, share = kept.opened, share_of(kept.opened.row.items)
        shown = list(kept.cells)
        for part in kept.parts():
            marks = await engine.store.item_marks(*opened.row.key, part.start, part.stop)
            standings = standings_of(opened, marks, engine.store.wall(), part)
            for first in range(0, len(part), share):
                some = standings[first : first + share]
                number = (part.start + first) // share
                shown[number] = cell = cell_of(part.start + first, some)
                if kept.seen.is_over or _FINAL.issuperset(cell.counts):
                    kept.cells[number] = cell
        return tuple([cell for cell in shown if cell is not None])
