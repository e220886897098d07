"""Reads which child runs the nodes of a run have started, and how deep the run itself is."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, TypeAlias
from weakref import WeakKeyDictionary

from cloaca_core.errors import no_run
from cloaca_core.features.child_runs.child_runs import DEEPEST, too_deep
from cloaca_core.features.child_runs.node_children import Iteration, children_of_nodes, first_of
from cloaca_core.features.child_runs.node_start import EarlierChildren
from cloaca_core.features.maps.open_maps import open_maps
from cloaca_core.features.waits.mail import persistently
from cloaca_core.run.items.units import TASK, item_of

if TYPE_CHECKING:
    from cloaca_core.features.child_runs.node_children import NodeItem
    from cloaca_core.features.child_runs.part import ChildRunStore
    from cloaca_core.features.child_runs.run_tasks import RunTasks
    from cloaca_core.features.maps.open_maps import OpenMap
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.items.units import Unit
    from cloaca_core.run.rows import RunRow


Known: TypeAlias = "dict[NodeItem, dict[Iteration, str]]"


class KnownChildren:
    """Belongs to the engine's loop."""

    def __init__(self, store: ChildRunStore, tasks: RunTasks) -> None:
        self._store = store
        self._tasks = tasks
        self._of_nodes: dict[ActiveRun, asyncio.Task[Known]] = {}
        self._of_maps: WeakKeyDictionary[OpenMap, asyncio.Task[Known]] = WeakKeyDictionary()
        self._depths: dict[ActiveRun, asyncio.Task[int]] = {}

    async def earlier(self, run: ActiveRun, unit: Unit) -> EarlierChildren | None:
        """The children that earlier attempts at a node or an item have started."""
        looked = await asyncio.shield(self._look(run, unit))
        known = looked.get((run.graph.tasks[unit & TASK].id, item_of(unit)))
        if known is None:
            return None
        place = max(known)
        latest = first = await persistently(partial(self._row, known[place]))
        if place.number:
            first = await persistently(partial(self._row, known[first_of(known)]))
        return EarlierChildren(place, latest, first)

    def _look(self, run: ActiveRun, unit: Unit) -> asyncio.Task[Known]:
        """The nodes that begin together share one read, and so do all items of a map that is open:
        each begins once while it is.
        """
        if unit > TASK:
            opened = open_maps(run).of(unit)
            if (look := self._of_maps.get(opened)) is None:
                look = self._tasks.keep(run, self._read(run, opened.mark.task_id))
                self._of_maps[opened] = look
        elif (look := self._of_nodes.get(run)) is None:
            look = self._of_nodes[run] = self._tasks.keep(run, self._read_of_nodes(run))
        return look

    async def _read_of_nodes(self, run: ActiveRun) -> Known:
        self._of_nodes.pop(run, None)  # a node that begins later may have started a child meanwhile
        return await self._read(run)

    async def _read(self, run: ActiveRun, task_id: str | None = None) -> Known:
        """The children of the nodes of a run; of this map, if one is given."""
        children = await persistently(lambda: self._store.children([run.id]))
        known = children_of_nodes(run.id, children)
        if task_id is None:
            return known
        return {place: each for place, each in known.items() if place[0] == task_id}

    async def refuse_deep(self, run: ActiveRun) -> None:
        """Nodes of a run with as many runs above it as may be start none."""
        if run.row.parent_id is None:
            return
        if (depth := self._depths.get(run)) is None:
            read = partial(self._store.runs_above, run.id, DEEPEST)
            depth = self._depths[run] = self._tasks.keep(run, persistently(read))
        if await asyncio.shield(depth) >= DEEPEST - 1:
            raise too_deep(run.row)

    def may_have_children(self, run: ActiveRun) -> bool:
        """Whether it is known here that the run is not too deep to start any."""
        if run.row.parent_id is None:
            return True
        depth = self._depths.get(run)
        if depth is None or not depth.done() or depth.cancelled() or depth.exception() is not None:
            return False
        return depth.result() < DEEPEST - 1

    def forget(self, run: ActiveRun) -> None:
        """The run is over, or this runner no longer owns it."""
        self._of_nodes.pop(run, None)
        self._depths.pop(run, None)

    async def _row(self, run_id: str) -> RunRow:
        if (row := await self._store.get_run(run_id)) is None:
            raise no_run(run_id)
        return row
