"""Makes runs of others: a new run begins with the results of an earlier one, up to a task."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from cloaca_core._engine.plan.graph import Node, NodeGraph, plan_graph
from cloaca_core._engine.plan.rerun import Rerun, fork
from cloaca_core.errors import RunNotFoundError, TaskNotFoundError, WorkflowNotFoundError
from cloaca_core.records.steering import NewFork

if TYPE_CHECKING:
    from cloaca_core._engine.observe.recorded_definitions import RecordedDefinitions
    from cloaca_core.definition.recorded import RecordedWorkflow
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.records.order import Order
    from cloaca_core.records.runs import RunRow
    from cloaca_core.records.steering import Act
    from cloaca_core.store.protocol import Store
    from cloaca_core.values.ids import RunIds


class Forks:
    """Belongs to the engine's loop. ``act_of`` makes the act of an order, ``runs_came`` is called
    when runs have become claimable.
    """

    def __init__(
        self,
        store: Store,
        definitions: RecordedDefinitions,
        ids: RunIds,
        act_of: Callable[[Order], Act],
        runs_came: Callable[[], None],
    ) -> None:
        self._store = store
        self._definitions = definitions
        self._ids = ids
        self._act_of = act_of
        self._runs_came = runs_came

    async def plan(self, run_id: str, from_task: str) -> Rerun:
        """What a fork would do; only looks."""
        row = await self._run(run_id)
        return await self._plan(row, await self._workflow(row), from_task)

    async def fork(
        self,
        run_id: str,
        from_task: str,
        order: Order,
        *,
        content: str | None,
        tags: str | None,
        idempotency_key: str | None,
    ) -> tuple[str, bool]:
        """Make a run of another one; the id of the run that stands for it, and whether that was
        made now. ``content`` and ``tags`` are JSON objects; without ``tags`` it has those of the
        other.
        """
        row = await self._run(run_id)
        workflow = await self._workflow(row)
        chosen = await self._plan(row, workflow, from_task)
        act = self._act_of(order)
        new = NewFork(
            id=self._ids.next(),
            source_id=run_id,
            version=workflow.version,
            tags=row.tags if tags is None else tags,
            idempotency_key=idempotency_key,
            from_task=from_task,
            content=content,
            kept=[choice.task for choice in chosen.keep],
            created_at=act.now,
        )
        made = await self._store.fork(new, act)
        if made is None:
            raise _not_found(run_id)
        self._runs_came()
        return made, made == new.id

    async def _run(self, run_id: str) -> RunRow:
        row = await self._store.get_run(run_id)
        if row is None:
            raise _not_found(run_id)
        return row

    async def _workflow(self, row: RunRow) -> Workflow | RecordedWorkflow:
        """The version that the new run has: the one registered here, else the newest recorded."""
        workflow = await self._definitions.newest(row.workflow)
        if workflow is None:
            raise WorkflowNotFoundError(
                f"run {row.id} cannot be forked: its workflow {row.workflow} is not registered "
                "here, and no runner has recorded it in this database",
                name=row.workflow,
            )
        return workflow

    async def _plan(
        self, row: RunRow, workflow: Workflow | RecordedWorkflow, from_task: str
    ) -> Rerun:
        graph: NodeGraph[Node] = plan_graph(workflow)
        if from_task not in graph.position:
            known = ", ".join(graph.position)
            raise TaskNotFoundError(
                f"the workflow of run {row.id} has no task {from_task!r}; it has {known}",
                task_id=from_task,
            )
        attempts = await self._store.load_attempts([row.id])
        restarts = await self._store.restarts([row.id]) if row.round > 1 else []
        return fork(graph, attempts, restarts, from_task)


def _not_found(run_id: str) -> RunNotFoundError:
    return RunNotFoundError(f"no run with id {run_id!r}", run_id=run_id)
