"""Reads runs from the tables, and adds facts that this runner knows before they are written."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from cloaca_core.engine.execute.work import Stage
from cloaca_core.errors import RunNotFoundError
from cloaca_core.features.explain.facts import RunFacts
from cloaca_core.features.steering.records import RoundRow
from cloaca_core.run.counting import attempts_in, that_count
from cloaca_core.run.rows import AttemptRow, ForkRow, RestartRow, RunFilter, RunRow
from cloaca_core.store.acts import ActRow
from cloaca_core.values.states import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cloaca_core.assembly.store import Store
    from cloaca_core.definition.recorded import RecordedWorkflow
    from cloaca_core.definition.registry import Registry
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.engine.orchestrate.active_runs import ActiveRuns
    from cloaca_core.features.definitions.recorded_definitions import RecordedDefinitions
    from cloaca_core.features.explain.records import UnendedChild
    from cloaca_core.features.follow_ups.records import FollowUpRow
    from cloaca_core.features.waits.records import WaitRow
    from cloaca_core.store.messages import MessageRow
    from cloaca_core.store.runner_rows import RunnerName


CHILDREN_SHOWN: Final = 1000
"""So many children that have not ended are read at most."""
ACTS_SHOWN: Final = 1000
"""So many acts on a run are read at most, the newest."""
MESSAGES_SHOWN: Final = 1000
"""So many messages to a run are read at most, the first."""


class History(NamedTuple):
    """A run with its past: all attempts, and of a run that was retried also its earlier rounds and
    restarted tasks. ``acts`` are newest first. ``follow_ups`` are the runs that follow its ends,
    and the run itself if it follows another. ``messages`` are those that were sent to it, which are
    not among the acts. ``names`` are those of the runners that have run its attempts.
    """

    row: RunRow
    attempts: list[AttemptRow]
    restarts: list[RestartRow]
    rounds: list[RoundRow]
    acts: list[ActRow]
    follow_ups: Sequence[FollowUpRow] = ()
    messages: Sequence[MessageRow] = ()
    names: Sequence[RunnerName] = ()


class Awaited(NamedTuple):
    """The ends for which tasks of a run may wait: those of other runs, and open waits."""

    children: Sequence[UnendedChild] = ()
    waits: Sequence[WaitRow] = ()


class RunReader:
    """Belongs to the engine's loop."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        runs: ActiveRuns,
        definitions: RecordedDefinitions,
    ) -> None:
        self._store = store
        self._registry = registry
        self._runs = runs
        self._definitions = definitions

    async def get_run(self, run_id: str, store: Store | None = None) -> RunRow:
        """The run's row; ``RunNotFoundError`` when there is none."""
        row = await (store or self._store).get_run(run_id)
        if row is None:
            raise RunNotFoundError(f"no run with id {run_id!r}", run_id=run_id)
        return row

    async def history(self, run_id: str) -> History:
        """The run and its past; the bodies that run right now are among the attempts."""
        store, ids = self._store.together(), [run_id]
        begun = self.begun(run_id)  # first: a row that is written meanwhile is read
        lists = asyncio.gather(store.load_attempts(ids), store.restarts(ids), store.rounds(run_id))
        row, recorded, acts, follow_ups, messages = await asyncio.gather(
            self.get_run(run_id, store),
            lists,
            store.acts(run_id, ACTS_SHOWN),
            store.follow_ups(ids),
            store.sent(run_id, MESSAGES_SHOWN),
        )
        attempts, restarts, rounds = with_begun(recorded[0], begun), recorded[1], recorded[2]
        earlier = [each for each in rounds if each.round < row.round]
        names = await self.names(attempts)
        return History(row, attempts, restarts, earlier, acts, follow_ups, messages, names)

    async def names(
        self, attempts: Iterable[AttemptRow], store: Store | None = None
    ) -> list[RunnerName]:
        """The names of the runners that have run these attempts."""
        numbers = {each.runner for each in attempts if each.runner is not None}
        return await (store or self._store).runner_names(sorted(numbers))

    async def facts(self, run_id: str) -> RunFacts:
        """The run, what runs of it here, and the runs that it was made of or follows."""
        store = self._store.together()
        row, forks, follow_ups, waits = await asyncio.gather(
            self.get_run(run_id, store),
            store.forks([run_id]),
            store.follow_ups([run_id]),
            store.waits([run_id]),
        )
        return self.alone(row, forks, follow_ups, waits)

    def alone(
        self,
        row: RunRow,
        forks: Sequence[ForkRow],
        follow_ups: Sequence[FollowUpRow],
        waits: Sequence[WaitRow],
    ) -> RunFacts:
        """The facts of a run of these rows, and what runs of it here."""
        bodies = 0 if row.owner is None or row.ended_at is not None else None
        if row.id in self._runs:
            bodies = len(self.running(row.id))
        follows = next((each.follows for each in follow_ups if each.id == row.id), None)
        forked_from = forks[-1].forked_from if forks else None
        open_waits = [] if row.ended_at is not None else waits
        now = self._store.wall()
        return RunFacts(row, bodies, forked_from, follows, open_waits, now)

    async def current_attempts(self, run_id: str) -> tuple[RunRow, list[AttemptRow]]:
        """The run and the attempts that count: of a task that was restarted those since then."""
        store, begun = self._store.together(), self.begun(run_id)
        row, attempts, restarts = await asyncio.gather(
            self.get_run(run_id, store), store.load_attempts([run_id]), store.restarts([run_id])
        )
        return row, that_count(with_begun(attempts, begun), restarts)

    async def that_count(self, row: RunRow, attempts: list[AttemptRow]) -> list[AttemptRow]:
        """Those of a run's attempts that count: of a task that was restarted those since then."""
        if row.round == 1:
            return attempts
        return that_count(attempts, await self._store.restarts([row.id]))

    async def of_round(self, row: RunRow, number: int) -> tuple[RunRow, list[AttemptRow]] | None:
        """A run as an earlier round of it has ended, and the attempts that counted then; None if
        the run is not there any more.
        """
        rounds = {each.round: each for each in await self._store.rounds(row.id)}
        if (ended := rounds.get(number)) is None:
            return None
        restarts = await self._store.restarts([row.id])
        attempts = attempts_in(number, await self._store.load_attempts([row.id]), restarts)
        past = ended._asdict() | {"reason_tasks": None}
        del past["run_id"]
        return row._replace(**past), attempts

    async def messages(self, run_id: str, store: Store | None = None) -> list[MessageRow]:
        """The first messages of a run, and all that no task has taken."""
        store = store or self._store
        first = await store.sent(run_id, MESSAGES_SHOWN)
        if len(first) < MESSAGES_SHOWN:
            return first
        known = {each.id for each in first}
        return first + [each for each in await store.messages([run_id]) if each.id not in known]

    async def awaited(self, row: RunRow, attempts: Sequence[AttemptRow]) -> Awaited:
        """The ends for which these attempts may wait; only read where one of them waits."""
        if row.ended_at is not None or all(a.status != TaskStatus.WAITING for a in attempts):
            return Awaited()
        standing = await self._store.standing(row.id, CHILDREN_SHOWN)
        return Awaited() if standing is None else Awaited(standing.children, standing.waits)

    async def task_ids(self, row: RunRow) -> list[str]:
        """The tasks of the run's definition; none where that is not known."""
        if (run := self._runs.get(row.id)) is not None:
            return [task.id for task in run.graph.tasks]
        workflow = await self.definition(row)
        return [] if workflow is None else [task.id for task in workflow.tasks]

    async def definition(
        self, row: RunRow, store: Store | None = None
    ) -> Workflow | RecordedWorkflow | None:
        """The version of the workflow with which the run was submitted, or None where no runner has
        recorded it.
        """
        workflow = self._registry.get(row.workflow)
        if workflow is not None and workflow.version == row.version:
            return workflow
        return await self._definitions.version(row.workflow, row.version, store)

    async def list_runs(self, run_filter: RunFilter) -> list[RunRow]:
        """The runs that match, newest first."""
        return await self._store.list_runs(run_filter)

    async def count_runs(self, run_filter: RunFilter) -> int:
        """How many runs match."""
        return await self._store.count_runs(run_filter)

    def running(self, run_id: str) -> list[AttemptRow]:
        """The start marks of the bodies of this run that run right now, durable or not."""
        if (run := self._runs.get(run_id)) is None:
            return []
        from cloaca_core.engine.record import attempt_rows  # who only looks has no bodies

        attempts = self._runs.attempts(run)
        return [attempt_rows.start_mark(a) for a in attempts if a.stage is Stage.RUNNING]

    def begun(self, run_id: str) -> list[AttemptRow]:
        """The attempts of this run of which bodies have begun here, durable or not: the latest of
        each task.
        """
        if (run := self._runs.get(run_id)) is None:
            return []
        from cloaca_core.engine.record import attempt_rows  # who only looks has no bodies

        under_way = [a for a in self._runs.attempts(run) if a.stage in (Stage.RUNNING, Stage.RAN)]
        over = [row for row in run.latest.values() if row.attempt]
        return over + [attempt_rows.start_mark(each) for each in under_way]


def with_begun(rows: list[AttemptRow], begun: Sequence[AttemptRow]) -> list[AttemptRow]:
    """The recorded attempts, and those that have begun and are not recorded: as running, also if
    they are over, as a process that dies now forgets that.
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
