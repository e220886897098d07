"""Gathers what is known of a run, for an explanation: one read, and what this process knows.

Explains nothing itself; ``views/explain`` has the rules.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cloaca_core.definition.queues import shown_queues
from cloaca_core.definition.version_change import fingerprints
from cloaca_core.engine.execute.work import ENGINE_PROCESS, Stage
from cloaca_core.engine.orchestrate.quarantine import is_to_run_alone
from cloaca_core.engine.recover.liveness import Liveness
from cloaca_core.errors import RunNotFoundError
from cloaca_core.features.explain.facts import Active, Facts, Here, RunnerState
from cloaca_core.features.explain.limits import awaited_limits
from cloaca_core.features.explain.records import RunnerLoad
from cloaca_core.features.unserved.rules import nearest
from cloaca_core.run.items.units import TASK
from cloaca_core.values.states import TaskStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cloaca_core.definition.registry import Registry
    from cloaca_core.definition.task import Task
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.engine.execute.executor import Executor
    from cloaca_core.engine.observe.run_reader import RunReader
    from cloaca_core.engine.orchestrate.active_runs import ActiveRuns, Capacity
    from cloaca_core.engine.orchestrate.served import Served
    from cloaca_core.engine.recover.process_identity import ProcessIdentity
    from cloaca_core.engine.recover.runner_id import RunnerId
    from cloaca_core.features.definitions.recorded_definitions import RecordedDefinitions
    from cloaca_core.features.explain.facts import TaskShape
    from cloaca_core.features.explain.part import ExplainStore
    from cloaca_core.features.explain.records import RecordedRun
    from cloaca_core.run.active_run import ActiveRun
    from cloaca_core.run.rows import AttemptRow, RunRow
    from cloaca_core.values.definition_rows import DefinitionName
    from cloaca_core.values.times.instants import Instant

MOST: Final = 1_000
"""Children that are read, and runs of each runner that are counted."""
SLOTS: Final = ("max_concurrent_tasks", "max_concurrent_async_tasks")
"""The settings that bound bodies in threads, and coroutines."""
SLOTS_OF_EXECUTORS: Final = "executor_slots"
SLOTS_OF_TRANSACTIONS: Final = "max_transactional"
"""The setting that bounds bodies on executors."""


class Explainer:
    """Belongs to the engine's loop. ``runner_id`` and ``capacity`` are None for an engine that does
    not work, ``executor`` for an engine that has no bodies either.
    """

    def __init__(
        self,
        store: ExplainStore,
        registry: Registry,
        runs: ActiveRuns,
        reader: RunReader,
        definitions: RecordedDefinitions,
        identity: ProcessIdentity,
        runner_id: RunnerId | None,
        capacity: Capacity | None,
        executor: Executor | None,
        *,
        recovers: bool,
        served: Served | None = None,
    ) -> None:
        self._store = store
        self._registry = registry
        self._runs = runs
        self._reader = reader
        self._definitions = definitions
        self._liveness = Liveness(store, identity)
        self._runner_id = runner_id
        self._capacity = capacity
        self._served = served
        self._executor = executor
        self._recovers = recovers

    async def facts(self, run_id: str, store: ExplainStore | None = None) -> Facts:
        """All that is known of the run; ``RunNotFoundError`` when there is none of this id."""
        store = store or self._store
        recorded = await store.recorded_run(run_id, MOST)
        if recorded is None:
            raise RunNotFoundError(f"no run with id {run_id!r}", run_id=run_id)
        newest = await store.newest_definitions([recorded.row.workflow])
        return await self.facts_of(recorded, newest, store)

    async def facts_of(
        self, recorded: RecordedRun, newest: Sequence[DefinitionName], store: ExplainStore
    ) -> Facts:
        """The same for rows that were just read: the run, and the newest version of its workflow,
        if any is recorded. Only for a run whose tasks have limits more is read.
        """
        now, row = self._store.wall(), recorded.row
        tasks, version, queues, of_runs = await self._tasks(row)
        active = self._runs.get(row.id)
        if active is not None and active.epoch != row.epoch:
            active = None  # it is on its way here, or away
        may_wait = of_runs or any(each.limits for each in tasks or ())
        has_limits = row.ended_at is None and may_wait
        return Facts(
            now=now,
            recorded=self._with_running(recorded, row.id),
            runners=[self._state(each, now) for each in recorded.runners],
            tasks=tasks,
            limits=await awaited_limits(store, row.id) if has_limits else {},
            known_version=version,
            newest=await self._tasks_of(newest),
            here=await self._here(row),
            active=None if active is None else self._active(active),
            queues=queues,
        )

    async def runners(self) -> list[RunnerState]:
        """All registered runners, oldest first, and the number of runs that each owns, up to
        ``MOST``.
        """
        rows = sorted(await self._store.runners(), key=lambda row: (row.started_at, row.id))
        owned = await self._store.count_owned([row.id for row in rows], MOST)
        now = self._store.wall()
        loads = [
            RunnerLoad(row, count, owns_workflow=False)
            for row, count in zip(rows, owned, strict=True)
        ]
        return [self._state(each, now) for each in loads]

    async def leases(self) -> tuple[list[RunnerState], Instant]:
        """All registered runners, whose runs are not counted, and the time of the store."""
        loads = [RunnerLoad(row, 0, owns_workflow=False) for row in await self._store.runners()]
        now = self._store.wall()
        return [self._state(each, now) for each in loads], now

    def _with_running(self, recorded: RecordedRun, run_id: str) -> RecordedRun:
        """Adds the start marks of bodies that run here, which the table may not have yet."""
        known = {(each.task_id, each.attempt) for each in recorded.attempts}
        attempts: list[AttemptRow] = [
            each
            for each in self._reader.running(run_id)
            if (each.task_id, each.attempt) not in known
        ]
        return recorded._replace(attempts=[*recorded.attempts, *attempts])

    async def _tasks(
        self, row: RunRow
    ) -> tuple[Sequence[TaskShape] | None, str | None, Mapping[str, str], bool]:
        """The tasks of the run, by the version that it has here, that it was submitted with, or the
        newest one; which that is, the queues of their bodies, and whether runs have limits.
        """
        asked = row.asked_queue
        if (run := self._runs.get(row.id)) is not None:
            graph = run.graph
            return graph.tasks, row.version, shown_queues(graph, asked), bool(graph.limits)
        if (known := await self._reader.definition(row)) is not None:
            return known.tasks, row.version, shown_queues(known, asked), bool(known.limits)
        if (newest := await self._definitions.newest(row.workflow)) is not None:
            queues = shown_queues(newest, asked)
            return newest.tasks, newest.version, queues, bool(newest.limits)
        return None, None, {}, False

    async def _tasks_of(
        self, newest: Sequence[DefinitionName]
    ) -> tuple[str, tuple[str, ...]] | None:
        """The version of a workflow that a runner has registered last, with its tasks."""
        for name in newest:
            if (found := await self._definitions.version(name.workflow, name.version)) is not None:
                return found.version, tuple([task.id for task in found.tasks])
        return None

    def _state(self, load: RunnerLoad, now: Instant) -> RunnerState:
        row, liveness = load.row, self._liveness
        is_here = self._runner_id is not None and row.id == self._runner_id.current
        return RunnerState(
            load,
            now + liveness.lease_left(row),
            is_here=is_here,
            process_ended=not is_here and liveness.has_ended(row),
        )

    async def _here(self, row: RunRow) -> Here | None:
        if (capacity := self._capacity) is None:
            return None
        here = Here(
            claims=not capacity.paused,
            most=capacity.most,
            free=capacity.free(),
            recovers=self._recovers,
            full=self._number_of_full(row.queue),
        )
        workflow = self._registry.get(row.workflow)
        if workflow is None:
            return replace(here, near=nearest(row.workflow, self._registry.namespaces()))
        here = replace(
            here,
            version=workflow.version,
            tasks=tuple([task.id for task in workflow.tasks]),
            refuses=workflow.version_policy == "fail",
            lacks=self._lacking(workflow),
        )
        return (
            here if row.version == workflow.version else await self._compared(here, workflow, row)
        )

    def _number_of_full(self, queue: str) -> int | None:
        served = self._served
        if served is None or served.given is None or served.free(queue, 1):
            return None
        return served.given.get(queue)

    async def _compared(self, here: Here, workflow: Workflow, row: RunRow) -> Here:
        """The requirements by which ``UnservedRuns`` judges a version other than the run's."""
        own = await self._definitions.version(row.workflow, workflow.version)
        other = await self._definitions.version(row.workflow, row.version)
        return replace(
            here,
            is_older=own is not None and own.recorded_at <= row.created_at,
            has_same_tasks=other is not None and other.fingerprints == fingerprints(workflow),
        )

    def _lacking(self, workflow: Workflow) -> tuple[str, ...]:
        """The executors that tasks of a workflow name and this runner lacks."""
        executor = self._executor
        assert executor is not None, "one that works has one"
        wanted = dict.fromkeys(task.executor for task in workflow.tasks)
        return tuple([name for name in wanted if name is not None and executor.lacks(name)])

    def _active(self, run: ActiveRun) -> Active:
        assert self._executor is not None, "one that owns a run has one"
        begun = {
            attempt.index & TASK
            for attempt in self._runs.attempts(run)
            if attempt.stage in (Stage.RUNNING, Stage.RAN)
        }
        if run.maps is not None:
            begun |= run.maps.opened()
        return Active(
            running=frozenset(run.graph.tasks[index].id for index in begun),
            queued={
                task.id: _setting(task)
                for index, task in enumerate(run.graph.tasks)
                if run.plan.statuses[index] is TaskStatus.READY and index not in begun
            },
            deadline=None if run.limit.deadline is None else run.limit.deadline.at,
            rests=run.life.rests,
            executors=self._executor.usage(),
            suspects=self._suspects(),
        )

    def _suspects(self) -> dict[str | None, tuple[str, str]]:
        """The task and the run of the first body that runs alone, or is to, by its executor."""
        attempts = (attempt for run in self._runs for attempt in self._runs.attempts(run))
        suspects: dict[str | None, tuple[str, str]] = {}
        for each in filter(is_to_run_alone, attempts):
            executor = None if each.domain == ENGINE_PROCESS else each.task.executor
            suspects.setdefault(executor, (each.task_id, each.run_id))
        return suspects


def _setting(task: Task) -> str:
    """The setting that limits the number of bodies at once, for the place where this task's body
    runs.
    """
    if task.transactional:
        return SLOTS_OF_TRANSACTIONS
    return SLOTS[task.is_async] if task.executor is None else SLOTS_OF_EXECUTORS
