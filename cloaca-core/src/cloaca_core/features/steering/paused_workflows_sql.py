"""Pauses of workflows in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cloaca_core.features.steering.records import Act, PauseRow
from cloaca_core.features.steering.sql import SteeringQueries
from cloaca_core.store.changes import Change
from cloaca_core.store.sql.base import Queries, SqlPart, Statements
from cloaca_core.store.sql.dialect import Dialect, steps_of
from cloaca_core.store.sql.queries import Statement


class PausedWorkflowQueries(
    Statements,
    file="paused_workflows.sql",
    news={
        "note_workflow_act": Change.ANYTHING,
    },
):
    """Pauses of whole workflows."""

    lock_paused_workflows: Statement
    note_workflow_act: Statement
    pause_workflow: Statement
    resume_workflow: Statement
    workflow_acted: Statement
    list_paused_workflows: Statement
    list_pauses: Statement


class SqlPausedWorkflows(SqlPart):
    """The acts on workflows. Contracts: see ``PausedWorkflowStore``."""

    def __init__(self, dialect: Dialect, queries: Queries) -> None:
        super().__init__(dialect, queries)
        self._paused_workflows = queries.of(PausedWorkflowQueries)
        self._steering = queries.of(SteeringQueries)

    async def pause_workflow(self, workflow: str, act: Act, until: int | None) -> bool:
        pause = self._paused_workflows.pause_workflow
        values = {"kind": "pause", "until": until, "over": None}
        return await self._act_on_workflow(workflow, act, pause, values)

    async def resume_workflow(self, workflow: str, act: Act) -> bool:
        resume = self._paused_workflows.resume_workflow
        return await self._act_on_workflow(workflow, act, resume, {"kind": "resume", "over": None})

    async def end_pause_of_workflow(self, workflow: str, act: Act) -> bool:
        resume = self._paused_workflows.resume_workflow
        forget = self._steering.forget_act
        values = {"kind": "resume", "over": act.now}
        return await self._act_on_workflow(workflow, act, resume, values, [forget])

    async def _act_on_workflow(
        self,
        workflow: str,
        act: Act,
        change: Statement,
        values: Mapping[str, object],
        afterwards: Sequence[Statement] = (),
    ) -> bool:
        q, known = self._paused_workflows, act._asdict()
        known |= {"workflow": workflow, **values}
        known["ids"] = self._dialect.array([""])  # an act on a workflow is about no run
        conclude = self._steering.conclude_act
        before = [q.lock_paused_workflows, q.note_workflow_act, change, conclude]
        steps = steps_of([*before, q.workflow_acted, *afterwards], known)
        ((changed,),) = (await self._dialect.write(steps))[len(before)]
        return bool(changed)

    async def paused_workflows(self) -> dict[str, int | None]:
        return dict(await self._read(self._paused_workflows.list_paused_workflows))

    async def pauses(self) -> list[PauseRow]:
        rows = await self._read(self._paused_workflows.list_pauses)
        return [PauseRow(*row) for row in rows]
