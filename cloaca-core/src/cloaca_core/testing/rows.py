"""Rows for tests: every field has a plain value that a test may replace."""

from __future__ import annotations

from collections.abc import Iterable

from cloaca_core.store.protocol import Store
from cloaca_core.store.records import (
    AttemptRow,
    Batch,
    Committed,
    NewRun,
    RunEnd,
    RunFilter,
    RunnerRow,
    RunRow,
)
from cloaca_core.store.states import RunStatus, TaskStatus

WORKFLOW = "public::embedded::orders"
NOW = 1_700_000_000_000_000
LATER = NOW + 100


def runner(runner_id: str = "r1", *, started_at: int = NOW) -> RunnerRow:
    """A runner as it registers."""
    return RunnerRow(
        id=runner_id,
        boot_id="boot",
        pid_namespace="pid:[1]",
        pid=17,
        process_start=4711,
        beat=0,
        lease_until=1000,
        fenced=False,
        started_at=started_at,
    )


def new_run(
    run_id: str,
    *,
    owner: str | None = "r1",
    workflow: str = WORKFLOW,
    key: str | None = None,
    tags: str = "{}",
) -> NewRun:
    """A run to be inserted."""
    return NewRun(
        id=run_id,
        workflow=workflow,
        version="0123456789abcdef",
        input='{"amount":1}',
        tags=tags,
        idempotency_key=key,
        parent_id=None,
        owner=owner,
        created_at=NOW,
    )


def attempt(
    run_id: str,
    task_id: str = "load",
    number: int = 1,
    *,
    epoch: int = 1,
    status: str = TaskStatus.COMPLETED,
    error: str | None = None,
    crashes: int = 0,
) -> AttemptRow:
    """One attempt of a task, by default one that completed."""
    done = status == TaskStatus.COMPLETED
    return AttemptRow(
        run_id=run_id,
        task_id=task_id,
        attempt=number,
        epoch=epoch,
        status=status,
        change='{"set":{"x":1},"removed":[]}' if done else None,
        error_type="ValueError" if error else None,
        error_message=error,
        error_traceback=None,
        skip_reason=None,
        started_at=NOW,
        ended_at=None if status == TaskStatus.RUNNING else NOW + 5,
        retry_at=None,
        crashes=crashes,
    )


def run_end(
    run_id: str,
    *,
    epoch: int = 1,
    status: str = RunStatus.COMPLETED,
    final_context: str = '{"x":1}',
) -> RunEnd:
    """The last write of a run."""
    return RunEnd(
        id=run_id,
        epoch=epoch,
        status=status,
        final_context=final_context,
        error_message=None if status == RunStatus.COMPLETED else "it broke",
        ended_at=NOW + 9,
    )


def any_run(
    *,
    status: str | None = None,
    workflow: str | None = None,
    tags: tuple[tuple[str, str], ...] = (),
    before: str | None = None,
    limit: int = 100,
) -> RunFilter:
    """A listing's filter that by default wants everything."""
    return RunFilter(status, workflow, tags, before, limit)


async def submit(store: Store, *runs: NewRun, runner_id: str = "r1") -> Committed:
    """Commit new runs alone."""
    return await store.commit(Batch(runner_id, list(runs), [], [], {}))


async def record(
    store: Store,
    attempts: Iterable[AttemptRow] = (),
    ends: Iterable[RunEnd] = (),
    *,
    runner_id: str = "r1",
) -> Committed:
    """Commit attempts and ends, fenced under the epochs that they carry."""
    attempts, ends = list(attempts), list(ends)
    fences = {row.run_id: row.epoch for row in attempts} | {end.id: end.epoch for end in ends}
    return await store.commit(Batch(runner_id, [], attempts, ends, fences))


async def stored(store: Store, run_id: str) -> RunRow:
    """A run that must be there."""
    run = await store.get_run(run_id)
    assert run is not None
    return run
