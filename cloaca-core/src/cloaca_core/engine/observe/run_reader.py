"""Reads runs from the tables, and adds facts that this runner knows before they are written."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

from cloaca_core.engine.execute.work import Stage
from cloaca_core.errors import RunNotFoundError
from cloaca_core.run.counting import attempts_in, counted_attempts
from cloaca_core.run.rows import THE_TASK, AttemptRow, RunRow

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from cloaca_core.definition.recorded import RecordedWorkflow
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.engine.orchestrate.active_runs import ActiveRuns
    from cloaca_core.store.protocol import KernelStore
    from cloaca_core.store.runner_rows import RunnerName

FindDefinition: TypeAlias = "Callable[[RunRow], Awaitable[Workflow | RecordedWorkflow | None]]"
"""Finds the version of the workflow with which a run was submitted; None if it is not known."""


class RunReader:
    """Belongs to the engine's loop."""

    def __init__(
        self,
        store: KernelStore,
        runs: ActiveRuns,
        definition: FindDefinition,
    ) -> None:
        self._store = store
        self._runs = runs
        self.definition: FindDefinition = definition

    async def get_run(self, run_id: str, store: KernelStore | None = None) -> RunRow:
        """The run's row. Raises ``RunNotFoundError`` if there is none."""
        row = await (store or self._store).get_run(run_id)
        if row is None:
            raise RunNotFoundError(f"no run with id {run_id!r}", run_id=run_id)
        return row

    async def names(
        self, attempts: Iterable[AttemptRow], store: KernelStore | None = None
    ) -> list[RunnerName]:
        """The names of the runners that have run these attempts."""
        numbers = {each.runner for each in attempts if each.runner is not None}
        return await (store or self._store).runner_names(sorted(numbers))

    async def attempts(self, run_id: str) -> list[AttemptRow]:
        """All attempts of a run, the running bodies included."""
        begun = self.begun(run_id)  # first: a row that is written meanwhile is read
        return with_begun(await self._store.load_attempts([run_id]), begun)

    async def current_attempts(self, run_id: str) -> tuple[RunRow, list[AttemptRow]]:
        """The run and its attempts that count: of a restarted task, those since the restart."""
        store, begun = self._store.together(), self.begun(run_id)
        row, attempts, restarts = await asyncio.gather(
            self.get_run(run_id, store), store.load_attempts([run_id]), store.restarts([run_id])
        )
        return row, counted_attempts(with_begun(attempts, begun), restarts)

    async def counted_attempts(self, row: RunRow, attempts: list[AttemptRow]) -> list[AttemptRow]:
        """Those of a run's attempts that count: of a task that was restarted those since then."""
        if row.round == 1:
            return attempts
        return counted_attempts(attempts, await self._store.restarts([row.id]))

    async def of_round(self, row: RunRow, number: int) -> tuple[RunRow, list[AttemptRow]] | None:
        """A run as an earlier round of it ended, and the attempts that counted then; None if the
        run was deleted.
        """
        rounds = {each.round: each for each in await self._store.rounds(row.id)}
        if (ended := rounds.get(number)) is None:
            return None
        restarts = await self._store.restarts([row.id])
        attempts = attempts_in(number, await self._store.load_attempts([row.id]), restarts)
        past = ended._asdict() | {"reason_tasks": None}
        del past["run_id"]
        return row._replace(**past), attempts

    async def task_ids(self, row: RunRow) -> list[str]:
        """The tasks of the run's definition; none if it is not known."""
        if (run := self._runs.get(row.id)) is not None:
            return [task.id for task in run.graph.tasks]
        workflow = await self.definition(row)
        return [] if workflow is None else [task.id for task in workflow.tasks]

    def running(self, run_id: str) -> list[AttemptRow]:
        """The start marks of the tasks of this run whose bodies run now, durable or not."""
        if (run := self._runs.get(run_id)) is None:
            return []
        from cloaca_core.engine.record import attempt_rows  # who only looks has no bodies

        attempts = self._runs.attempts(run)
        running = [a for a in attempts if a.stage is Stage.RUNNING and a.item is None]
        return [attempt_rows.start_mark(attempt) for attempt in running]

    def active_bodies(self, row: RunRow) -> int | None:
        """The number of bodies of a run that are running here; None for a run of another runner."""
        if (run := self._runs.get(row.id)) is not None:
            return sum(each.stage is Stage.RUNNING for each in self._runs.attempts(run))
        return 0 if row.owner is None or row.ended_at is not None else None

    def begun(self, run_id: str) -> list[AttemptRow]:
        """For each task of this run whose body has begun here, the latest attempt, durable or
        not. Those of items are left out.
        """
        if (run := self._runs.get(run_id)) is None:
            return []
        from cloaca_core.engine.record import attempt_rows  # who only looks has no bodies

        stages = (Stage.RUNNING, Stage.RAN)
        attempts = [a for a in self._runs.attempts(run) if a.item is None]
        under_way = [a for a in attempts if a.stage in stages]
        over = [row for row in run.latest.values() if row.attempt and row.item == THE_TASK]
        return over + [attempt_rows.start_mark(each) for each in under_way]


def with_begun(rows: list[AttemptRow], begun: Sequence[AttemptRow]) -> list[AttemptRow]:
    """The recorded attempts, and as running those that have begun and are not recorded. That holds
    even if they are over: a process that dies now forgets that.
    """
    if not begun:
        return rows
    from cloaca_core.engine.record import attempt_rows  # who only looks has no bodies

    recorded = {(each.task_id, each.attempt) for each in rows}
    return rows + [
        attempt_rows.as_begun(each)
        for each in begun
        if (each.task_id, each.attempt) not in recorded
    ]
