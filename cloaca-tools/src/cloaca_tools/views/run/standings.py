"""How far runs have come: how many of their tasks are over, and what they wait for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from cloaca_core.features.waits.decisions import asked_in
from cloaca_core.run.counting import first_attempts, latest_of
from cloaca_core.values.payloads.json_forms import Shown
from cloaca_core.values.states import ReasonCode, RunStatus, TaskStatus
from cloaca_core.values.waits import APPROVAL
from cloaca_core.views.results import run_info
from cloaca_core.views.task_results import main_wait
from cloaca_tools.views.lists.listing import (
    RunLine,
    awaited_limits,
    children_of,
    wait_of,
    without_runner,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from cloaca_core.assembly.onlooker import Looks
    from cloaca_core.features.waits.records import WaitRow
    from cloaca_core.run.rows import AttemptRow, RestartRow, RunRow
    from cloaca_core.values.times.instants import Instant

TASKS: Final = 1_500
"""How many states of tasks are read, for all runs together; the other runs show no number."""


@dataclass(frozen=True, slots=True)
class Standing(Shown):
    """A run with what it waits for. ``done`` of its ``tasks`` are over: they have completed, or a
    rule has skipped them; both None where that is not known, or the run has very many tasks.
    ``asks`` is the question of an approval that it waits for; ``stopped_by`` is the task for whose
    failure it is paused.
    """

    run: RunLine
    done: int | None
    tasks: int | None
    asks: str | None
    stopped_by: str | None


class Rows(NamedTuple):
    """Runs, how many tasks each has, and the rows that belong to them."""

    now: Instant
    runs: Sequence[RunRow]
    tasks: Mapping[str, int]
    attempts: Sequence[AttemptRow]
    restarts: Sequence[RestartRow]
    waits: Sequence[WaitRow]
    lost: Collection[str]
    children: Mapping[str, int]
    limits: Mapping[str, str] = {}


async def read(engine: Looks, run_ids: Sequence[str]) -> Rows:
    """These runs; runs on the engine's loop."""
    store = engine.store
    runs = await store.runs_of(run_ids)
    tasks: dict[str, int] = {}
    counted: list[str] = []
    left = TASKS
    sizes = await _sizes(engine, runs)
    for row in runs:
        number = sizes[row.workflow, row.version]
        if row.status != RunStatus.COMPLETED:
            if number > left:
                continue
            left -= number
            counted.append(row.id)
        tasks[row.id] = number
    again = [row.id for row in runs if row.round > 1 and row.id in counted]
    still = [row.id for row in runs if row.ended_at is None]
    waits = await store.waits(still) if still else []
    return Rows(
        now=await store.now(),
        runs=runs,
        tasks=tasks,
        attempts=await store.outcomes(counted) if counted else [],
        restarts=await store.restarts(again) if again else [],
        waits=waits,
        lost=await without_runner(engine, runs),
        children=await children_of(engine, runs),
        limits=await awaited_limits(engine, runs, waits),
    )


async def _sizes(engine: Looks, runs: Sequence[RunRow]) -> Mapping[tuple[str, str], int]:
    """How many tasks each version of a workflow has; 0 where that is not known."""
    versions = {(row.workflow, row.version): row for row in runs}
    found = {key: await engine.reader.definition(row) for key, row in versions.items()}
    return {key: 0 if it is None else len(it.tasks) for key, it in found.items()}


def standings(rows: Rows) -> tuple[Standing, ...]:
    """The standing of each run, newest first."""
    return tuple([_standing(row, rows) for row in rows.runs])


def _standing(row: RunRow, rows: Rows) -> Standing:
    waits = [each for each in rows.waits if each.run_id == row.id]
    main = main_wait(waits)
    tasks = rows.tasks.get(row.id) or None
    run = run_info(
        row,
        rows.now,
        waits=waits,
        runner_gone=row.id in rows.lost,
        children=rows.children.get(row.id, 0),
    )
    awaited = wait_of(row, waits, rows.limits) or run.waits_for
    return Standing(
        run=replace(run, waits_for=awaited),
        done=None if tasks is None else _done(row, tasks, rows),
        tasks=tasks,
        asks=_asks(main),
        stopped_by=_stopped_by(row, rows),
    )


def _asks(wait: WaitRow | None) -> str | None:
    is_asked = wait is not None and wait.kind == APPROVAL and not wait.answered
    return asked_in(wait.detail).prompt if wait is not None and is_asked else None


def _stopped_by(row: RunRow, rows: Rows) -> str | None:
    if row.status != RunStatus.PAUSED:
        return None
    own = [each for each in rows.attempts if each.run_id == row.id]
    stops = [each for each in latest_of(own).values() if each.reason_code == ReasonCode.EXHAUSTED]
    return max(stops, key=lambda each: each.ended_at or 0).task_id if stops else None


def _done(row: RunRow, tasks: int, rows: Rows) -> int:
    if row.status == RunStatus.COMPLETED:
        return tasks
    first = first_attempts([each for each in rows.restarts if each.run_id == row.id])
    own = [each for each in rows.attempts if each.run_id == row.id]
    return len({each.task_id for each in own if _is_over(each, first.get(each.task_id, 0))})


def _is_over(attempt: AttemptRow, first: int) -> bool:
    if attempt.status == TaskStatus.SKIPPED:
        return attempt.reason_code != ReasonCode.UPSTREAM_FAILED
    return attempt.status == TaskStatus.COMPLETED and attempt.attempt >= first
