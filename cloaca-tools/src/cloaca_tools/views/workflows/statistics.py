"""Counts and durations: of all workflows, and of one with its tasks and last runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from cloaca_core.features.search.records import Condition, RunSearch
from cloaca_core.run.counting import latest_of
from cloaca_core.values.namespace import short_name
from cloaca_core.values.option_names import TaskStatus
from cloaca_core.values.payloads.json_forms import Shown
from cloaca_core.values.states import RunStatus, TaskStatus as State
from cloaca_core.values.times.instants import SECOND
from cloaca_core.values.times.rfc3339 import rfc3339_or_none
from cloaca_core.views.results import run_info
from cloaca_core.views.task_results import left_by, seconds_between, task_status_name
from cloaca_tools.views.lists.listing import RunLine
from cloaca_tools.views.run.graph import newest_of, one_workflow
from cloaca_tools.views.run.reading import RunView, read_views
from cloaca_tools.views.workflows.versions import VersionLine, version_lines

if TYPE_CHECKING:
    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.definition.recorded import RecordedTask, RecordedWorkflow
    from cloaca_core.definition.task import Task
    from cloaca_core.definition.workflow import Workflow
    from cloaca_core.features.search.records import WorkflowCounts
    from cloaca_core.features.steering.records import PauseRow
    from cloaca_core.run.rows import AttemptRow, RunRow
    from cloaca_core.values.payloads.json_values import JsonValue
    from cloaca_core.values.times.instants import Instant

COUNTED: Final = 2_000
"""Runs of a workflow that are counted, the newest."""
COUNTED_OF_ALL: Final = 10_000
"""The same of all workflows together."""
FAILURES: Final = 10
"""Failed runs that are shown."""
ATTEMPTS: Final = 50_000
"""So many attempts are read: of a workflow with many tasks fewer runs are shown."""
_AT_ONCE: Final = 10
"""Runs whose attempts are read at once, at least."""
_AT_ONCE_ATTEMPTS: Final = 4_000
"""So many attempts are read at once, if that are more runs."""


@dataclass(frozen=True, slots=True)
class WorkflowLine(Shown):
    """A workflow that is recorded or registered here. ``counts`` are its newest runs by state, 50
    to 2,000 of them, the fewer the more workflows there are; ``schedules`` counts its schedules.
    ``paused`` says that no run of it is claimed: since ``paused_since``, until ``paused_until`` or
    (None) until it is resumed, because ``paused_by`` has asked for it, for ``pause_reason``.
    """

    workflow_name: str
    workflow: str
    version: str
    tasks: int
    counts: Mapping[str, int]
    last_run: RunLine | None
    schedules: int
    paused: bool
    description: str = ""
    paused_since: str | None = None
    paused_until: str | None = None
    paused_by: str | None = None
    pause_reason: str | None = None


@dataclass(frozen=True, slots=True)
class TaskStatistics(Shown):
    """A task in the last runs of its workflow: how often it completed, failed and was skipped, its
    attempts, and the seconds of its completed attempts: of 50 and 95 in a hundred no more.
    ``invokes`` is the name of its computation graph, if it has one; ``transactional`` says whether
    its body has a transaction.
    """

    task: str
    completed: int
    failed: int
    skipped: int
    attempts: int
    p50: float | None
    p95: float | None
    invokes: str | None = None
    transactional: bool = False


@dataclass(frozen=True, slots=True)
class GridRow(Shown):
    """A run and its tasks, in the order of ``WorkflowStatistics.tasks``: their states, None for a
    task without one; their attempts, 0 for one without any; and the seconds of the latest attempt,
    None for one that has not ended.

    ``queued_seconds`` are those from when the run was made to its start; ``work_seconds`` those
    from its start to its end, or until now, without those in which it was paused or only waited.
    """

    run: RunLine
    statuses: tuple[TaskStatus | None, ...]
    attempts: tuple[int, ...] = ()
    seconds: tuple[float | None, ...] = ()
    queued_seconds: float | None = None
    work_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class WorkflowStatistics(Shown):
    """A workflow: its newest 2,000 runs by state, and of its last ``len(grid)`` runs durations and
    a grid, newest first.

    ``p50`` and ``p95`` are seconds from start to end of those that completed, ``work_p50`` and
    ``work_p95`` the same of ``GridRow.work_seconds``; ``queue_p95`` is that of
    ``GridRow.queued_seconds`` of all of them. ``failures`` are the newest that failed. ``history``
    has the versions of its last runs. ``paused_since``, ``paused_until``, ``paused_by`` and
    ``pause_reason`` are as in ``WorkflowLine``. ``input_schema`` is the JSON schema of the input
    that the workflow declares, None if it takes any. ``merges`` has the rules by which keys are
    merged.
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
    work_p50: float | None = None
    work_p95: float | None = None
    queue_p95: float | None = None
    history: tuple[VersionLine, ...] = ()
    description: str = ""
    paused: bool = False
    paused_since: str | None = None
    paused_until: str | None = None
    paused_by: str | None = None
    pause_reason: str | None = None
    input_schema: Mapping[str, JsonValue] | None = None
    merges: Mapping[str, str] = field(default_factory=dict)


class Recorded(NamedTuple):
    """Workflows with their counts, newest runs, schedules and pauses."""

    now: Instant
    definitions: Sequence[Workflow | RecordedWorkflow]
    counts: Mapping[str, WorkflowCounts]
    newest: Mapping[str, RunRow]
    schedules: Mapping[str, int]
    pauses: Mapping[str, PauseRow]


async def read_names(engine: Looks) -> list[str]:
    """The short names of all workflows, in order; runs on the engine's loop."""
    return sorted({short_name(each) for each in await _names(engine)})


async def read_namespaces(engine: Looks) -> list[str]:
    """The full namespaces of all workflows, in order; runs on the engine's loop."""
    return sorted(await _names(engine))


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
        pauses={each.workflow: each for each in await store.pauses()},
    )


def workflow_lines(found: Recorded) -> tuple[WorkflowLine, ...]:
    """The line of each workflow."""
    return tuple([_workflow_line(each, found) for each in found.definitions])


def _workflow_line(definition: Workflow | RecordedWorkflow, found: Recorded) -> WorkflowLine:
    name = definition.namespace
    newest, pause = found.newest.get(name), found.pauses.get(name)
    return WorkflowLine(
        workflow_name=short_name(name),
        workflow=name,
        version=definition.version,
        tasks=len(definition.tasks),
        counts=found.counts[name].counts,
        last_run=None if newest is None else run_info(newest, found.now),
        schedules=found.schedules.get(name, 0),
        paused=pause is not None,
        description=definition.description,
        paused_since=rfc3339_or_none(pause and pause.since),
        paused_until=rfc3339_or_none(pause and pause.until),
        paused_by=pause and pause.asked_by,
        pause_reason=pause and pause.reason,
    )


async def read_strips(
    engine: Looks, workflows: Sequence[str], last: int
) -> tuple[Instant, dict[str, Sequence[RunRow]]]:
    """The ``last`` runs of each of these workflows, and now; runs on the engine's loop."""
    found = {}
    for workflow in workflows:
        of_it = Condition("workflow", (workflow,))
        found[workflow] = (await engine.store.search(RunSearch((of_it,), look_at=last))).rows
    return await engine.store.now(), found


def strips(found: tuple[Instant, Mapping[str, Sequence[RunRow]]]) -> dict[str, tuple[RunLine, ...]]:
    """The lines of these runs by workflow."""
    now, rows = found
    return {workflow: tuple([run_info(row, now) for row in of]) for workflow, of in rows.items()}


class Sample(NamedTuple):
    """A workflow and its last runs with their attempts."""

    now: Instant
    definition: Workflow | RecordedWorkflow
    counts: Mapping[str, int]
    runs: Sequence[RunView]
    failures: Sequence[RunRow]
    pause: PauseRow | None = None


async def read(engine: Looks, name: str, last: int, *, failures: bool = True) -> Sample:
    """A workflow and its last runs, with its newest failures, which takes most of the time; runs on
    the engine's loop.
    """
    store = engine.store
    workflow = await one_workflow(engine, name)
    definition = await newest_of(engine, workflow)
    (counted,) = await store.count_of_workflows([workflow], COUNTED)
    of_it = Condition("workflow", (workflow,))
    newest = await store.search(RunSearch((of_it,), look_at=last))
    failed = RunSearch((of_it, Condition("status", (RunStatus.FAILED,))), look_at=COUNTED)
    broken = (await store.search(failed)).rows[:FAILURES] if failures else ()
    runs = await _with_attempts(engine, newest.rows)
    pauses = [each for each in await store.pauses() if each.workflow == workflow]
    return Sample(
        now=await store.now(),
        definition=definition,
        counts=counted.counts,
        runs=runs,
        failures=broken,
        pause=pauses[0] if pauses else None,
    )


async def _with_attempts(engine: Looks, rows: Sequence[RunRow]) -> list[RunView]:
    """These runs with their attempts, up to ``ATTEMPTS``. After the first few it is known how many
    can be read at once.
    """
    views: list[RunView] = []
    attempts, at_once = 0, _AT_ONCE
    while len(views) < len(rows) and attempts < ATTEMPTS:
        found = await read_views(engine, rows[len(views) : len(views) + at_once])
        views += found.values()
        attempts += sum([len(view.attempts) for view in found.values()])
        at_once = max(_AT_ONCE, len(views) * _AT_ONCE_ATTEMPTS // max(attempts, 1))
    return views


def statistics(sample: Sample) -> WorkflowStatistics:
    """The statistics of a workflow's last runs."""
    name, now, pause = sample.definition.namespace, sample.now, sample.pause
    latest = [_latest(view) for view in sample.runs]
    tasks = _tasks(sample, latest)
    defined = {task.id: task for task in sample.definition.tasks}
    rows = [view.row for view in sample.runs]
    done = [
        row for row in rows if row.status == RunStatus.COMPLETED and row.ended_at and row.started_at
    ]
    lengths = [(row.ended_at or 0) - (row.started_at or 0) for row in done]
    work = [length - row.stood_still for length, row in zip(lengths, done, strict=True)]
    versions = dict.fromkeys([sample.definition.version, *[v.row.version for v in sample.runs]])
    return WorkflowStatistics(
        workflow_name=short_name(name),
        workflow=name,
        version=sample.definition.version,
        versions=tuple(versions),
        counts=sample.counts,
        p50=percentile(lengths, 50),
        p95=percentile(lengths, 95),
        failures=tuple([run_info(row, now) for row in sample.failures]),
        tasks=tuple([_task(task, latest, defined.get(task)) for task in tasks]),
        grid=tuple(
            [
                _grid_row(view.row, [of.get(task) for task in tasks], now)
                for view, of in zip(sample.runs, latest, strict=True)
            ]
        ),
        work_p50=percentile(work, 50),
        work_p95=percentile(work, 95),
        queue_p95=percentile([queued for row in rows if (queued := _queued(row)) is not None], 95),
        history=version_lines(sample.definition, sample.runs),
        description=sample.definition.description,
        paused=pause is not None,
        paused_since=rfc3339_or_none(pause and pause.since),
        paused_until=rfc3339_or_none(pause and pause.until),
        paused_by=pause and pause.asked_by,
        pause_reason=pause and pause.reason,
        input_schema=sample.definition.input_schema,
        merges=dict(sample.definition.merges),
    )


def _grid_row(row: RunRow, tasks: Sequence[AttemptRow | None], now: Instant) -> GridRow:
    queued = _queued(row)
    return GridRow(
        run=run_info(row, now),
        statuses=tuple([None if each is None else task_status_name(each) for each in tasks]),
        attempts=tuple([0 if each is None else each.attempt for each in tasks]),
        seconds=tuple([_seconds(each) for each in tasks]),
        queued_seconds=None if queued is None else queued / SECOND,
        work_seconds=_work(row, now),
    )


def _queued(row: RunRow) -> int | None:
    """For how long a run was there before it was started first, in µs; None if that is not known:
    a later round has a start of its own.
    """
    if row.started_at is None or row.round > 1:
        return None
    return max(0, row.started_at - row.created_at)


def _work(row: RunRow, now: Instant) -> float | None:
    seconds = seconds_between(row.started_at, row.ended_at, now)
    return None if seconds is None else max(0.0, seconds - row.stood_still / SECOND)


def _seconds(row: AttemptRow | None) -> float | None:
    if row is None or row.started_at is None or row.ended_at is None:
        return None
    return max(0, row.ended_at - row.started_at) / SECOND


def _latest(view: RunView) -> dict[str, AttemptRow]:
    return {task: left_by(row, view.row) for task, row in latest_of(view.counted_attempts).items()}


def _tasks(sample: Sample, latest: Sequence[Mapping[str, AttemptRow]]) -> list[str]:
    """The tasks of the definition, then the tasks that only runs of other versions have."""
    known = [task.id for task in sample.definition.tasks]
    return list(dict.fromkeys([*known, *[task for of in latest for task in of]]))


def _task(
    task: str, latest: Sequence[Mapping[str, AttemptRow]], defined: Task | RecordedTask | None
) -> TaskStatistics:
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
        invokes=None if defined is None else defined.invokes,
        transactional=defined is not None and defined.transactional,
    )


def percentile(lengths: Sequence[int], share: int) -> float | None:
    """The length in seconds that ``share`` in a hundred of these, in µs, do not exceed."""
    if not lengths:
        return None
    ordered = sorted(lengths)
    return max(0, ordered[max(0, -(-len(ordered) * share // 100) - 1)]) / SECOND
