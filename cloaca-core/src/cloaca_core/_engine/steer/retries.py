"""Begins ended runs again: the planner says which tasks, the store opens the next round.

What is decided rests on a round that has ended, whose records do not change any more; the store
refuses the act if another caller has begun the next round meanwhile.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from cloaca_core._engine.plan.graph import Node, NodeGraph, plan_graph
from cloaca_core._engine.plan.rerun import Rerun, rerun
from cloaca_core.errors import RunNotFoundError, RunStateError, WorkflowNotFoundError
from cloaca_core.records.states import RunStatus
from cloaca_core.values.namespace import SEPARATOR

if TYPE_CHECKING:
    from cloaca_core._engine.observe.recorded_definitions import RecordedDefinitions
    from cloaca_core.records.order import Order
    from cloaca_core.records.runs import RunRow
    from cloaca_core.records.steering import Act, ChildRow
    from cloaca_core.store.protocol import Store

RETRIED = (RunStatus.FAILED, RunStatus.CANCELLED)
"""The states of runs that can be begun again."""


class Retries:
    """Belongs to the engine's loop. ``act_of`` makes the act of an order, ``runs_came`` is called
    when runs have become claimable. ``cancel_children`` cancels what is left of an ended round.
    """

    def __init__(
        self,
        store: Store,
        definitions: RecordedDefinitions,
        act_of: Callable[[Order], Act],
        runs_came: Callable[[], None],
        cancel_children: Callable[[str], Awaitable[None]],
    ) -> None:
        self._store = store
        self._definitions = definitions
        self._act_of = act_of
        self._runs_came = runs_came
        self._cancel_children = cancel_children

    async def plan(self, run_id: str, tasks: Collection[str] | None) -> Rerun:
        """What a retry would do; only looks."""
        return await self._plan(await self._run(run_id), tasks)

    async def retry(
        self,
        run_id: str,
        tasks: Collection[str] | None,
        order: Order,
        *,
        children: bool,
        time_limit: int | None = None,
    ) -> str:
        """Begin the next round of a run, or find that another caller has done so since it was
        looked at. With ``children``, the failed ones that its tasks wait for are begun first, each
        with the time limit that it has. ``time_limit`` is in the form of rows.
        """
        row = await self._run(run_id)
        chosen = await self._plan(row, tasks)
        while True:
            await self._cancel_children(run_id)
            if children:
                await self._retry_children(run_id, chosen, order)
            acted = await self._store.retry(
                run_id,
                row.round,
                self._act_of(order),
                chosen.first_attempts,
                children=children,
                time_limit=time_limit,
            )
            if acted is None:
                raise _not_found(run_id)
            if acted.changed or not await self._is_left(run_id):
                break
        self._runs_came()
        return run_id

    async def _retry_children(self, run_id: str, chosen: Rerun, order: Order) -> None:
        """Begin those failed children again that the chosen tasks wait for."""
        again = {choice.task for choice in chosen.run}
        for child in _latest_of_calls(await self._store.children([run_id]), again):
            if child.status in RETRIED:
                await self.retry(child.id, None, order, children=True)

    async def _is_left(self, run_id: str) -> bool:
        """Whether a child of the ended round came meanwhile that is to be cancelled first."""
        return await self._store.parent(run_id) is not None

    async def retry_if_failed(self, run_id: str, order: Order, time_limit: int | None) -> None:
        """Begin the next round of a run that has failed or was cancelled; leave any other."""
        row = await self._store.get_run(run_id)
        if row is None or row.ended_at is None or row.status not in RETRIED:
            return
        with suppress(RunStateError):  # another caller has begun it since
            await self.retry(run_id, None, order, children=True, time_limit=time_limit)

    async def _run(self, run_id: str) -> RunRow:
        """The run, if it can be begun again."""
        row = await self._store.get_run(run_id)
        if row is None:
            raise _not_found(run_id)
        if row.status not in RETRIED:
            hint = "; use fork" if row.status == RunStatus.COMPLETED else ""
            raise RunStateError(
                f"run {run_id} is {row.status}: only a run that has failed or was cancelled can be "
                f"retried{hint}",
                run_id=run_id,
                status=row.status,
                accepted=tuple([status.value for status in RETRIED]),
            )
        return row

    async def _plan(self, row: RunRow, tasks: Collection[str] | None) -> Rerun:
        """The plan for the version registered here, else for the newest that was recorded."""
        workflow = await self._definitions.newest(row.workflow)
        if workflow is None:
            raise WorkflowNotFoundError(
                f"run {row.id} cannot be planned: its workflow {row.workflow} is not registered "
                "here, and no runner has recorded it in this database",
                name=row.workflow,
            )
        graph: NodeGraph[Node] = plan_graph(workflow)
        if tasks is not None and (unknown := sorted(set(tasks) - graph.position.keys())):
            known = ", ".join(graph.position)
            raise RunStateError(
                f"run {row.id}: the workflow has no task {', '.join(map(repr, unknown))}; "
                f"it has {known}",
                run_id=row.id,
                status=row.status,
                accepted=tuple([status.value for status in RETRIED]),
            )
        attempts = await self._store.load_attempts([row.id])
        restarts = await self._store.restarts([row.id]) if row.round > 1 else []
        return rerun(graph, attempts, restarts, tasks)


def _latest_of_calls(children: Iterable[ChildRow], tasks: Collection[str]) -> list[ChildRow]:
    """The latest child of each call that bodies of these tasks have made. A child with a key of the
    user's own is none of those: the body finds it, as it is, by that key.
    """
    latest: dict[str, tuple[int, ChildRow]] = {}
    for child in children:
        prefix = f"{child.parent_id}{SEPARATOR}"
        key = child.idempotency_key or ""
        if not key.startswith(prefix):
            continue
        task, _, call = key.removeprefix(prefix).partition(SEPARATOR)
        call, _, again = call.partition(SEPARATOR)
        if task not in tasks or not call.isdigit() or not (again or "1").isdigit():
            continue  # of a follow-up, whose runs are begun anew with each attempt
        place, number = f"{task}{SEPARATOR}{call}", int(again or 1)
        if place not in latest or latest[place][0] < number:
            latest[place] = (number, child)
    return [child for _, child in latest.values()]


def _not_found(run_id: str) -> RunNotFoundError:
    return RunNotFoundError(f"no run with id {run_id!r}", run_id=run_id)
