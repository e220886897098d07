"""Pauses of workflows in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cloaca_core.features.steering.records import Act, PauseRow
from cloaca_core.store.sql.base import SqlPart, steps_of
from cloaca_core.store.sql.queries import Statement


class SqlPausedWorkflows(SqlPart):
    """The acts on workflows. Contracts: see ``PausedWorkflowStore``."""

    async def pause_workflow(self, workflow: str, act: Act, until: int | None) -> bool:
        pause = self._queries.paused_workflows.pause_workflow
        values = {"kind": "pause", "until": until, "over": None}
        return await self._act_on_workflow(workflow, act, pause, values)

    async def resume_workflow(self, workflow: str, act: Act) -> bool:
        resume = self._queries.paused_workflows.resume_workflow
        return await self._act_on_workflow(workflow, act, resume, {"kind": "resume", "over": None})

    async def end_pause_of_workflow(self, workflow: str, act: Act) -> bool:
        resume = self._queries.paused_workflows.resume_workflow
        forget = self._queries.steering.forget_act
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
        q, known = self._queries.paused_workflows, act._asdict()
        known |= {"workflow": workflow, **values}
        known["ids"] = self._dialect.array([""])  # an act on a workflow is about no run
        conclude = self._queries.steering.conclude_act
        before = [q.lock_paused_workflows, q.note_workflow_act, change, conclude]
        steps = steps_of([*before, q.workflow_acted, *afterwards], known)
        ((changed,),) = (await self._dialect.write(steps))[len(before)]
        return bool(changed)

    async def paused_workflows(self) -> dict[str, int | None]:
        return dict(await self._read(self._queries.paused_workflows.list_paused_workflows))

    async def pauses(self) -> list[PauseRow]:
        rows = await self._read(self._queries.paused_workflows.list_pauses)
        return [PauseRow(*row) for row in rows]
