"""Makes runs of others: a new run begins with the results of an earlier one, up to a task.

The results belong to one round: the store refuses a fork of a run whose next round has begun since
it was looked at, and it is planned anew.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from cloaca_core.engine.runtime import failpoints
from cloaca_core.errors import no_run
from cloaca_core.features.maps.choice import indexes_of
from cloaca_core.features.maps.names import may_be_item, named
from cloaca_core.features.reruns.newest_definitions import (
    Definition,
    NewestDefinitions,
    unknown_workflow,
)
from cloaca_core.features.steering.records import NewFork
from cloaca_core.run.rerun import Rerun, fork, memos_kept

if TYPE_CHECKING:
    from cloaca_core.engine.order import Order
    from cloaca_core.engine.subjects import Subjects
    from cloaca_core.features.maps.choice import ItemName
    from cloaca_core.features.reruns.part import RerunStore
    from cloaca_core.features.steering.records import Act
    from cloaca_core.run.rows import RunRow
    from cloaca_core.values.ids import RunIds


class Forks:
    """Belongs to the engine's loop. ``act_of`` makes the act of an order."""

    def __init__(
        self,
        store: RerunStore,
        definitions: NewestDefinitions,
        ids: RunIds,
        act_of: Callable[[Order], Act],
        subjects: Subjects,
    ) -> None:
        self._store = store
        self._definitions = definitions
        self._ids = ids
        self._act_of = act_of
        self._subjects = subjects

    async def plan(self, run_id: str, from_task: str) -> Rerun:
        """Plan a fork; writes nothing."""
        row = await self._run(run_id)
        from_task, _ = await self._named(row, from_task, None)
        _, chosen = await self._planned(row, from_task)
        return chosen

    async def fork(
        self,
        run_id: str,
        from_task: str,
        order: Order,
        *,
        content: str | None,
        tags: str | None,
        idempotency_key: str | None,
        trace: str | None = None,
        items: Collection[ItemName] | None = None,
    ) -> tuple[str, bool]:
        """Make a run from another run. Returns its id, or the id of the run that has its key, and
        whether it was made now. ``content`` and ``tags`` are JSON objects; without ``tags`` it has
        the other run's. ``trace`` is in the form of rows. ``items`` are the names of those that run
        again of ``from_task``, a map; None for all. ``from_task`` may name one, too.
        """
        row = await self._run(run_id)
        from_task, items = await self._named(row, from_task, items)
        definition, chosen = await self._planned(row, from_task)
        await self._definitions.keep([row.workflow])
        act = self._act_of(order)
        new = NewFork(
            id=self._ids.next(),
            source_id=run_id,
            workflow=row.workflow,
            version=definition.version,
            tags=row.tags if tags is None else tags,
            idempotency_key=idempotency_key,
            from_task=from_task,
            content=content,
            kept=_tasks(chosen),
            created_at=act.now,
            memos_of=memos_kept(definition.graph, chosen, from_task),
            round=row.round,
            trace=trace,
            items=await self._indexes(run_id, from_task, items),
            queue=definition.queue_after(chosen),
        )
        failpoints.hit("fork.before_commit")
        while (made := await self._store.fork(new, act)) is None:
            new = await self._planned_anew(new, items)
        failpoints.hit("fork.after_commit")
        self._subjects.claimable.publish()
        return made, made == new.id

    async def _named(
        self, row: RunRow, name: str, items: Collection[ItemName] | None
    ) -> tuple[str, Collection[ItemName] | None]:
        """The task in ``name``, and its chosen items: ``items``, and the item in the name."""
        if not may_be_item(name):
            return name, items
        definition = await self._definitions.find(row.workflow)
        tasks = () if definition is None else definition.graph.position
        found = await named(self._store, row.id, name, tasks)
        return found.task, items if found.item is None else [*(items or ()), found.item]

    async def _indexes(
        self, run_id: str, task: str, items: Collection[ItemName] | None
    ) -> list[int] | None:
        if items is None:
            return None
        return (await indexes_of(self._store, run_id, {task: items}))[task]

    async def _planned_anew(self, new: NewFork, items: Collection[ItemName] | None) -> NewFork:
        """The same fork of the round that has begun since it was planned."""
        row = await self._run(new.source_id)
        if row.round == new.round:
            raise no_run(row.id)
        definition, chosen = await self._planned(row, new.from_task)
        memos_of = memos_kept(definition.graph, chosen, new.from_task)
        return new._replace(
            version=definition.version,
            kept=_tasks(chosen),
            memos_of=memos_of,
            round=row.round,
            items=await self._indexes(row.id, new.from_task, items),
            queue=definition.queue_after(chosen),
        )

    async def _run(self, run_id: str) -> RunRow:
        row = await self._store.get_run(run_id)
        if row is None:
            raise no_run(run_id)
        return row

    async def _planned(self, row: RunRow, from_task: str) -> tuple[Definition, Rerun]:
        """The definition that a fork is planned by, which has this task, and the plan."""
        definition = await self._definitions.find(row.workflow)
        if definition is None:
            raise unknown_workflow(row.id, row.workflow, "forked")
        definition.check_tasks(row.id, [from_task])
        attempts = await self._store.outcomes([row.id])
        restarts = await self._store.restarts([row.id]) if row.round > 1 else []
        return definition, fork(definition.graph, attempts, restarts, from_task)


def _tasks(chosen: Rerun) -> list[str]:
    """The tasks whose results a fork begins with."""
    return [choice.task for choice in chosen.keep]
