"""Rows for tests: every field has a plain value that a test may replace."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict, Unpack

from cloaca_core.features.schedules.records import (
    Firing,
    NewTick,
    ScheduleRow,
)
from cloaca_core.features.steering.records import Act, NewFork
from cloaca_core.features.steps.records import MemoRow
from cloaca_core.features.task_logs.records import (
    LogChunk,
    ProgressRow,
)
from cloaca_core.features.triggers.records import NewEvent, TriggerRow
from cloaca_core.features.waits.records import (
    ClosedWait,
    WaitRow,
    WaitTimeout,
)
from cloaca_core.run.rows import THE_TASK, AttemptRow, NewRun, RunEnd, RunFilter
from cloaca_core.store.acts import ActRow
from cloaca_core.store.messages import NewMessage
from cloaca_core.store.runner_rows import RunnerRow
from cloaca_core.values.queue_names import DEFAULT_QUEUE
from cloaca_core.values.states import RunStatus, TaskStatus, TickOutcome
from cloaca_core.values.waits import APPROVAL, EVENT

WORKFLOW = "public::embedded::orders"
NOW = 1_700_000_000_000_000
LATER = NOW + 100


def runner(runner_id: str = "r1", *, started_at: int = NOW, queues: str | None = None) -> RunnerRow:
    """A runner's row at registration."""
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
        queues=queues,
    )


def new_run(
    run_id: str,
    *,
    owner: str | None = "r1",
    workflow: str = WORKFLOW,
    key: str | None = None,
    tags: str = "{}",
    parent: str | None = None,
    priority: int = 0,
    created_at: int = NOW,
    due_at: int | None = None,
    detached: bool = False,
    start_by: int | None = None,
    queue: str = DEFAULT_QUEUE,
    asked_queue: str | None = None,
) -> NewRun:
    """A run to be inserted."""
    return NewRun(
        id=run_id,
        workflow=workflow,
        version="0123456789abcdef",
        input='{"amount":1}',
        tags=tags,
        idempotency_key=key,
        parent_id=parent,
        owner=owner,
        created_at=created_at,
        priority=priority,
        due_at=due_at,
        detached=int(detached),
        start_by=start_by,
        queue=queue,
        asked_queue=asked_queue,
    )


def overdue(run_id: str) -> NewRun:
    """A run without an owner that was to begin by ``NOW``, and is cancelled if it has not."""
    return new_run(run_id, owner=None, start_by=NOW)


def attempt(
    run_id: str,
    task_id: str = "load",
    number: int = 1,
    *,
    epoch: int = 1,
    status: str = TaskStatus.COMPLETED,
    error: str | None = None,
    crashes: int = 0,
    reason: str | None = None,
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
        skip_reason=None if reason is None else "why it did not run",
        started_at=NOW,
        ended_at=None if status == TaskStatus.RUNNING else NOW + 5,
        retry_at=None,
        crashes=crashes,
        reason_code=reason,
    )


def chunk(
    run_id: str,
    position: int = 2,
    *,
    task_id: str = "load",
    attempt: int = 1,
    number: int = 1,
    size: int = 2,
    lines: str = '[[1,"INFO","app","a"],[2,"INFO","app","é"]]',
    item: int = THE_TASK,
) -> LogChunk:
    """Lines of a body."""
    return LogChunk(run_id, position, task_id, attempt, number, size, lines, item)


def told(
    run_id: str,
    done: float = 3.0,
    total: float | None = 10.0,
    detail: str | None = "loading",
    *,
    task_id: str = "load",
    attempt: int = 1,
) -> ProgressRow:
    """How far a body has come."""
    return ProgressRow(run_id, task_id, attempt, done, total, detail, NOW)


def memo(
    run_id: str,
    name: str = "price",
    number: int = 1,
    *,
    task_id: str = "load",
    attempt: int = 1,
    input_hash: str = "h",
    value: str = "1",
) -> MemoRow:
    """A value that a body keeps."""
    return MemoRow(
        run_id=run_id,
        task_id=task_id,
        kind="step",
        name=name,
        number=number,
        input_hash=input_hash,
        attempt=attempt,
        value=value,
        calls=0,
        created_at=NOW,
    )


def wait(
    run_id: str,
    name: str = "paid",
    *,
    kind: str = EVENT,
    task_id: str | None = None,
    number: int = 0,
    attempt: int = 1,
    opened_at: int = NOW,
    due_at: int | None = None,
    timed_out: int = 0,
) -> WaitRow:
    """What a node waits for: its name is that of the node if none is given."""
    return WaitRow(
        run_id=run_id,
        task_id=name if task_id is None else task_id,
        kind=kind,
        name=name,
        number=number,
        attempt=attempt,
        input_hash="",
        opened_at=opened_at,
        due_at=due_at,
        timed_out=timed_out,
    )


def approval(run_id: str, name: str = "sign", *, opened_at: int = NOW) -> WaitRow:
    """A decision that is open."""
    return wait(run_id, name, kind=APPROVAL, opened_at=opened_at)


def message(
    message_id: str,
    run_id: str = "a",
    name: str = "paid",
    *,
    kind: str = EVENT,
    key: str | None = None,
    payload: str = "1",
    sent_at: int = LATER,
) -> NewMessage:
    """A message to a run."""
    return NewMessage(
        id=message_id,
        run_id=run_id,
        kind=kind,
        name=name,
        payload=payload,
        dedupe_key=key,
        sent_by=None,
        sent_at=sent_at,
    )


def decision(message_id: str, run_id: str = "a", name: str = "sign") -> NewMessage:
    """A decision that a person has taken about a node."""
    made = message(message_id, run_id, name, kind=APPROVAL, payload='{"choice":"approve"}')
    return made._replace(for_task=name)


def closed(of: WaitRow, message_id: str | None = None) -> ClosedWait:
    """The end of a wait."""
    return ClosedWait(*of[:5], message=message_id, item=of.item)


def timeout(of: WaitRow, seen: int = 0) -> WaitTimeout:
    """The end of the time of a wait, after so many messages."""
    return WaitTimeout(*of[:5], seen=seen, item=of.item)


def run_end(
    run_id: str,
    *,
    epoch: int = 1,
    status: str = RunStatus.COMPLETED,
    final_context: str | None = '{"x":1}',
    reason: str | None = None,
    limit: int | None = None,
) -> RunEnd:
    """The last write of a run."""
    return RunEnd(
        id=run_id,
        epoch=epoch,
        status=status,
        final_context=final_context,
        error_message=None if status == RunStatus.COMPLETED else "it broke",
        ended_at=NOW + 9,
        reason_code=reason,
        limit_seconds=limit,
    )


def schedule(
    schedule_id: str = "s",
    *,
    name: str | None = None,
    workflow: str = WORKFLOW,
    due_at: int | None = NOW,
    created_at: int = NOW,
) -> ScheduleRow:
    """A new schedule, due now."""
    return ScheduleRow(
        id=schedule_id,
        name=name,
        workflow=workflow,
        cron_expression="* * * * *",
        timezone="UTC",
        enabled=True,
        catchup_policy="run_once",
        overlap_policy="allow",
        jitter_seconds=0,
        start_date=None,
        end_date=None,
        params="{}",
        decided_until=NOW - 100,
        next_tick=due_at,
        due_at=due_at,
        last_tick=None,
        generation=0,
        created_at=created_at,
        updated_at=created_at,
    )


def firing(schedule_id: str = "s", *, generation: int = 0, lost: int = 0) -> Firing:
    """A decision about a schedule, whose next tick is later."""
    return Firing(
        schedule_id=schedule_id,
        generation=generation,
        decided_until=NOW,
        next_tick=LATER,
        due_at=LATER,
        last_tick=NOW,
        lost=lost,
        decided_at=NOW,
    )


def new_tick(schedule_id: str, run_id: str, *, tick: int = NOW, generation: int = 0) -> NewTick:
    """A tick with its run."""
    return NewTick(
        schedule_id=schedule_id,
        generation=generation,
        tick=tick,
        outcome=TickOutcome.FIRED,
        run_id=run_id,
        workflow=WORKFLOW,
        version="0123456789abcdef",
        input='{"amount":1}',
        created_at=NOW,
    )


def trigger_row(
    trigger_id: str = "t", *, name: str | None = None, next_poll_at: int | None = NOW
) -> TriggerRow:
    """A new trigger, due now."""
    return TriggerRow(
        id=trigger_id,
        name=trigger_id if name is None else name,
        workflow=WORKFLOW,
        poll_interval_ms=5_000,
        cron_expression=None,
        timezone=None,
        allow_concurrent=False,
        enabled=True,
        last_poll_at=None,
        next_poll_at=next_poll_at,
        generation=0,
        created_at=NOW,
        updated_at=NOW,
    )


def new_event(
    run_id: str,
    *,
    trigger_id: str = "t",
    key: str | None = None,
    context_hash: str = "h",
    allow_concurrent: bool = False,
    generation: int | None = None,
    created_at: int = NOW,
) -> NewEvent:
    """An event with its run; its id is "e-" and the run's id."""
    return NewEvent(
        id=f"e-{run_id}",
        trigger_id=trigger_id,
        generation=generation,
        event_key=key,
        context_hash=context_hash,
        allow_concurrent=int(allow_concurrent),
        run_id=run_id,
        workflow=WORKFLOW,
        version="0123456789abcdef",
        input='{"amount":1}',
        created_at=created_at,
    )


def act(act_id: str = "x", *, because: str = "told to", now: int = LATER) -> Act:
    """An order about runs."""
    return Act(id=act_id, asked_by="ann", reason="a reason", because=because, now=now)


def noted(
    act_id: str = "x", kind: str = "change_schedule", *, workflow: str = WORKFLOW, at: int = LATER
) -> ActRow:
    """An act on no run, as it is noted."""
    return ActRow(act_id, "", workflow, 0, kind, "ann", "nightly", 1, at)


def new_fork(
    run_id: str,
    source: str = "a",
    *,
    from_task: str = "ship",
    key: str | None = None,
    content: str | None = None,
    kept: Sequence[str] = (),
    memos_of: Sequence[str] = (),
    now: int = LATER,
    seen: int = 1,
) -> NewFork:
    """A run that is made of the round ``seen`` of another one."""
    return NewFork(
        id=run_id,
        source_id=source,
        workflow=WORKFLOW,
        version="fedcba9876543210",
        tags="{}",
        idempotency_key=key,
        from_task=from_task,
        content=content,
        kept=list(kept),
        created_at=now,
        memos_of=memos_of,
        round=seen,
    )


class Bounds(TypedDict, total=False):
    """Further conditions of a listing."""

    after: str
    since: int
    until: int
    parent_id: str
    error: str


def any_run(
    *,
    status: str | None = None,
    workflow: str | None = None,
    tags: tuple[tuple[str, str], ...] = (),
    before: str | None = None,
    limit: int = 100,
    **bounds: Unpack[Bounds],
) -> RunFilter:
    """A listing's filter that by default selects all runs."""
    statuses = () if status is None else (status,)
    return RunFilter(statuses, workflow, tags, before, limit, **bounds)
