"""Counts and durations: of all workflows, and of one with its tasks and last runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from cloaca_core.observe.graph import newest_of, one_workflow
from cloaca_core.observe.json_forms import Shown
from cloaca_core.observe.listing import RunLine, run_line
from cloaca_core.observe.reading import RunView, read_views
from cloaca_core.observe.tree import latest_attempts
from cloaca_core.records.search import Condition, RunSearch
from cloaca_core.records.states import RunStatus, TaskStatus as State
from cloaca_core.runner.results import left_by
from cloaca_core.values.instants import SECOND
from cloaca_core.values.namespace import short_name
from cloaca_core.values.option_names import TaskStatus

if TYPE_CHECKING:
    from cloaca_core._engine.observe.onlooker import Looks
    from cloaca_core.definition.recorded import RecordedWorkflow
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.records.runs import AttemptRow, RunRow
    from cloaca_core.records.search import WorkflowCounts
    from cloaca_core.values.instants import Instant

COUNTED: Final = 2_000
"""Runs of a workflow that are counted, the newest."""
COUNTED_OF_ALL: Final = 10_000
"""The same of all workflows together."""
FAILURES: Final = 10
"""Failed runs that are shown."""
ATTEMPTS: Final = 50_000
"""So many attempts are read: of a workflow with many tasks fewer runs are shown."""
_AT_ONCE: Final = 10
"""Runs whose attempts are read at once."""


@dataclass(frozen=True, slots=True)
class WorkflowLine(Shown):
    """A workflow that is recorded or registered here. ``counts`` are its newest runs by state, 50
    to 2,000 of them, the fewer the more workflows there are; ``schedules`` counts its schedules.
    ``paused`` says that no run of it is claimed.
    """

    workflow_name: str
    workflow: str
    version: str
    tasks: int
    counts: Mapping[str, int]
    last_run: RunLine | None
    schedules: int
    paused: bool


@dataclass(frozen=True, slots=True)
class TaskStatistics(Shown):
    """A task in the last runs of its workflow: how often it completed, failed and was skipped, its
    attempts, and the seconds of its completed attempts: of 50 and 95 in a hundred no more.
    """

    task: str
    completed: int
    failed: int
    skipped: int
    attempts: int
    p50: float | None
    p95: float | None


@dataclass(frozen=True, slots=True)
class GridRow(Shown):
    """A run and the states of its tasks, in the order of ``WorkflowStatistics.tasks``; None for a
    task without a state.
    """

    run: RunLine
    statuses: tuple[TaskStatus | None, ...]


@dataclass(frozen=True, slots=True)
class WorkflowStatistics(Shown):
    """A workflow: its newest 2,000 runs by state, and of its last ``len(grid)`` runs durations and
    a grid, newest first.

    ``p50`` and ``p95`` are seconds from start to end of those that completed; ``failures`` are the
    newest that failed.
    """

    workflow_name: str
    workflow: str
    version: str
    versions: tuple[str, ...]
    counts: Mapping[str, int]
    p50: float | None
    p95: float | None
    failures: tuple[RunLine, ...]
    tasks: tuple[TaskStatistics, ...]
    grid: tuple[GridRow, ...]


class Recorded(NamedTuple):
    """Workflows with their counts, newest runs, schedules and pauses."""

    now: Instant
    definitions: Sequence[Workflow | RecordedWorkflow]
    counts: Mapping[str, WorkflowCounts]
    newest: Mapping[str, RunRow]
    schedules: Mapping[str, int]
    paused: frozenset[str]


async def read_names(engine: Looks) -> list[str]:
    """The short names of all workflows, in order; runs on the engine's loop."""
    return sorted({short_name(each) for each in await _names(engine)})


async def _names(engine: Looks) -> set[str]:
    recorded = {each.workflow for each in await engine.store.list_definitions()}
    return recorded.union(engine.registry.namespaces())


async def read_workflows(engine: Looks) -> Recorded:
    """All workflows; runs on the engine's loop."""
    store = engine.store
    names = await _names(engine)
    found = [await engine.definitions.newest(name) for name in sorted(names)]
    definitions = [each for each in found if each is not None]
    most = min(COUNTED, max(50, COUNTED_OF_ALL // max(len(definitions), 1)))
    counts = await store.count_of_workflows([each.namespace for each in definitions], most)
    newest = await store.runs_of([each.newest for each in counts if each.newest is not None])
    schedules = await store.list_schedules(enabled_only=False, limit=COUNTED, offset=0)
    return Recorded(
        now=await store.now(),
        definitions=definitions,
        counts={each.workflow: each for each in counts},
        newest={row.workflow: row for row in newest},
        schedules=Counter([each.workflow for each in schedules]),
        paused=frozenset(await store.paused_workflows()),
    )


def workflow_lines(found: Recorded) -> tuple[WorkflowLine, ...]:
    """The line of each workflow."""
    return tuple([_workflow_line(each, found) for each in found.definitions])


def _workflow_line(definition: Workflow | RecordedWorkflow, found: Recorded) -> WorkflowLine:
    name = definition.namespace
    newest = found.newest.get(name)
    return WorkflowLine(
        workflow_name=short_name(name),
        workflow=name,
        version=definition.version,
        tasks=len(definition.tasks),
        counts=found.counts[name].counts,
        last_run=None if newest is None else run_line(newest, found.now),
        schedules=found.schedules.get(name, 0),
        paused=name in found.paused,
    )


class Sample(NamedTuple):
    """A workflow and its last runs with their attempts."""

    now: Instant
    definition: Workflow | RecordedWorkflow
    counts: Mapping[str, int]
    runs: Sequence[RunView]
    failures: Sequence[RunRow]


async def read(engine: Looks, name: str, last: int) -> Sample:
    """A workflow and its last runs; runs on the engine's loop."""
    store = engine.store
    workflow = await one_workflow(engine, name)
    definition = await newest_of(engine, workflow)
    (counted,) = await store.count_of_workflows([workflow], COUNTED)
    of_it = Condition("workflow", (workflow,))
    newest = await store.search(RunSearch((of_it,), look_at=last))
    failed = Condition("status", (RunStatus.FAILED,))
    failures = await store.search(RunSearch((of_it, failed), look_at=COUNTED))
    runs = await _with_attempts(engine, newest.rows)
    return Sample(await store.now(), definition, counted.counts, runs, failures.rows[:FAILURES])


async def _with_attempts(engine: Looks, rows: Sequence[RunRow]) -> list[RunView]:
    views: list[RunView] = []
    attempts = 0
    for first in range(0, len(rows), _AT_ONCE):
        if attempts >= ATTEMPTS:
            break
        found = await read_views(engine, rows[first : first + _AT_ONCE])
        views += found.values()
        attempts += sum([len(view.attempts) for view in found.values()])
    return views


def statistics(sample: Sample) -> WorkflowStatistics:
    """The statistics of a workflow's last runs."""
    name, now = sample.definition.namespace, sample.now
    latest = [_latest(view) for view in sample.runs]
    tasks = _tasks(sample, latest)
    done = [
        row.ended_at - row.started_at
        for row in [view.row for view in sample.runs]
        if row.status == RunStatus.COMPLETED and row.ended_at and row.started_at
    ]
    versions = dict.fromkeys([sample.definition.version, *[v.row.version for v in sample.runs]])
    return WorkflowStatistics(
        workflow_name=short_name(name),
        workflow=name,
        version=sample.definition.version,
        versions=tuple(versions),
        counts=sample.counts,
        p50=percentile(done, 50),
        p95=percentile(done, 95),
        failures=tuple([run_line(row, now) for row in sample.failures]),
        tasks=tuple([_task(task, latest) for task in tasks]),
        grid=tuple(
            [
                GridRow(run_line(view.row, now), tuple([_status(of.get(task)) for task in tasks]))
                for view, of in zip(sample.runs, latest, strict=True)
            ]
        ),
    )


def _latest(view: RunView) -> dict[str, AttemptRow]:
    return {task: left_by(row, view.row) for task, row in latest_attempts(view).items()}


def _tasks(sample: Sample, latest: Sequence[Mapping[str, AttemptRow]]) -> list[str]:
    """The tasks of the definition, then those that only runs of other versions have."""
    known = [task.id for task in sample.definition.tasks]
    return list(dict.fromkeys([*known, *[task for of in latest for task in of]]))


def _task(task: str, latest: Sequence[Mapping[str, AttemptRow]]) -> TaskStatistics:
    rows = [of[task] for of in latest if task in of]
    counts = Counter([row.status for row in rows])
    done = [
        row.ended_at - row.started_at
        for row in rows
        if row.status == State.COMPLETED and row.ended_at and row.started_at
    ]
    return TaskStatistics(
        task=task,
        completed=counts[State.COMPLETED],
        failed=counts[State.FAILED],
        skipped=counts[State.SKIPPED],
        attempts=sum([row.attempt for row in rows]),
        p50=percentile(done, 50),
        p95=percentile(done, 95),
    )


def _status(row: AttemptRow | None) -> TaskStatus | None:
    return None if row is None else cast("TaskStatus", str(row.status))


def percentile(lengths: Sequence[int], share: int) -> float | None:
    """The length in seconds that ``share`` in a hundred of these, in µs, do not exceed."""
    if not lengths:
        return None
    ordered = sorted(lengths)
    return max(0, ordered[max(0, -(-len(ordered) * share // 100) - 1)]) / SECOND
