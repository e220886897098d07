"""The slowest tasks of the newest runs, over all workflows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from cloaca_core.values.namespace import short_name
from cloaca_core.values.payloads.json_forms import Shown
from cloaca_core.values.states import TaskStatus
from cloaca_core.values.times.instants import SECOND
from cloaca_tools.views.lists import search
from cloaca_tools.views.workflows.statistics import percentile

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.run.rows import AttemptRow
    from cloaca_tools.views.lists.filters import Filter

RUNS: Final = 2_000
"""Runs whose tasks are looked at, the newest."""
_AT_ONCE: Final = 200
"""Runs whose attempts are read at once."""


@dataclass(frozen=True, slots=True)
class TaskTimes(Shown):
    """A task with a body: how many of its attempts ``completed``, and their seconds: the 50th and
    95th percentile, and the ``longest``, in the run ``run_id``. Waits of the body count.
    """

    workflow_name: str
    workflow: str
    task_id: str
    completed: int
    p50: float
    p95: float
    longest: float
    run_id: str


@dataclass(frozen=True, slots=True)
class SlowestTasks(Shown):
    """The tasks of ``runs`` runs, the slowest first, by ``p95``. ``is_all`` is False if there are
    more such runs than were looked at.
    """

    tasks: tuple[TaskTimes, ...]
    runs: int
    is_all: bool


class Sampled(NamedTuple):
    """Attempts of runs; the workflow of each run; tasks without a body, by workflow and id."""

    workflows: Mapping[str, str]
    attempts: Sequence[AttemptRow]
    nodes: Collection[tuple[str, str]]
    is_all: bool


async def read(engine: Looks, filter_: Filter) -> Sampled:
    """The attempts of the newest runs that match; runs on the engine's loop."""
    page = await search.page(engine, filter_, RUNS, None)
    ids = [row.id for row in page.rows]
    attempts: list[AttemptRow] = []
    for start in range(0, len(ids), _AT_ONCE):
        attempts += await engine.store.outcomes(ids[start : start + _AT_ONCE])
    versions = {(row.workflow, row.version): row for row in page.rows}
    found = [(name, await engine.reader.definition(row)) for (name, _), row in versions.items()]
    nodes = {
        (name, task.id)
        for name, definition in found
        for task in (() if definition is None else definition.tasks)
        if task.wait is not None
    }
    workflows = {row.id: row.workflow for row in page.rows}
    return Sampled(workflows, attempts, nodes, page.next is None)


def slowest(found: Sampled) -> SlowestTasks:
    """The tasks of these attempts, the slowest first."""
    lengths: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for row in found.attempts:
        place = (found.workflows[row.run_id], row.task_id)
        if row.started_at is None or row.ended_at is None or place in found.nodes:
            continue
        if row.status == TaskStatus.COMPLETED:
            took = max(0, row.ended_at - row.started_at)
            lengths.setdefault(place, []).append((took, row.run_id))
    times = [_times(*place, each) for place, each in lengths.items()]
    by_time = sorted(times, key=lambda each: (each.p95, each.longest), reverse=True)
    return SlowestTasks(tuple(by_time), len(found.workflows), found.is_all)


def _times(workflow: str, task: str, lengths: Iterable[tuple[int, str]]) -> TaskTimes:
    ordered = sorted(lengths)
    took = [length for length, _ in ordered]
    longest, run = ordered[-1]
    return TaskTimes(
        workflow_name=short_name(workflow),
        workflow=workflow,
        task_id=task,
        completed=len(took),
        p50=percentile(took, 50) or 0.0,
        p95=percentile(took, 95) or 0.0,
        longest=longest / SECOND,
        run_id=run,
    )
