"""The rows that pass between the engine and a store.

Instants are whole microseconds since 1970 in UTC; payloads are JSON text that no store parses.
Field names are the parameter and column names of the SQL. Free text (errors, tracebacks, reasons)
must pass ``storable_text`` when a record is built: one bad character must not fail the whole
batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

MAX_TEXT = 64_000
"""Characters of an error text or a traceback that are kept; the middle of a longer one is cut."""


def storable_text(text: str) -> str:
    """Remove characters that databases refuse (NUL, lone surrogates); cut to ``MAX_TEXT``."""
    clean = text.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode("utf-8")
    if len(clean) <= MAX_TEXT:
        return clean
    half = MAX_TEXT // 2
    return f"{clean[:half]}\n… {len(clean) - 2 * half} characters left out …\n{clean[-half:]}"


def is_storable(text: str) -> bool:
    """True when databases accept the text unchanged."""
    return storable_text(text) == text


class NewRun(NamedTuple):
    """A run to be inserted. ``owner`` None leaves it in the table for any runner to claim."""

    id: str
    workflow: str
    version: str
    input: str
    tags: str
    idempotency_key: str | None
    parent_id: str | None
    owner: str | None
    created_at: int

    @property
    def may_be_held(self) -> bool:
        """True when a user's transaction may be writing a run with the same key.

        Never so for a key that the engine made for a run of a task's body: such a key begins with
        the parent's id and ``::``.
        """
        key, parent_id = self.idempotency_key, self.parent_id
        return key is not None and (parent_id is None or not key.startswith(f"{parent_id}::"))


class RunRow(NamedTuple):
    """A run as it stands in the table. ``schedule_id`` is the schedule that made it, if any.

    ``reason_code`` is the ``ReasonCode`` of a run that ended without completing, None in rows that
    an older version wrote; ``limit_seconds`` is the deadline that the run exceeded.
    """

    id: str
    workflow: str
    version: str
    status: str
    owner: str | None
    epoch: int
    recoveries: int
    input: str
    tags: str
    parent_id: str | None
    final_context: str | None
    error_message: str | None
    created_at: int
    started_at: int | None
    ended_at: int | None
    schedule_id: str | None = None
    reason_code: str | None = None
    limit_seconds: int | None = None


class AttemptRow(NamedTuple):
    """One attempt of one task of a run; its key is (run_id, task_id, attempt).

    ``status`` is Running (a start mark), Waiting (for another run), Completed, Failed, Cancelled
    (cut short with its run) or Skipped (attempt 0, no body ran).
    ``change`` is the JSON object ``{"set": {key: value}, "removed": [key]}`` of a completed one.
    ``retry_at`` is set on a failed attempt that another one follows. ``crashes`` counts how often
    a process died between this attempt's start mark and its end. ``reason_code`` is the
    ``ReasonCode`` that goes with ``skip_reason``, None in rows that an older version wrote.
    """

    run_id: str
    task_id: str
    attempt: int
    epoch: int
    status: str
    change: str | None
    error_type: str | None
    error_message: str | None
    error_traceback: str | None
    skip_reason: str | None
    started_at: int | None
    ended_at: int | None
    retry_at: int | None
    crashes: int
    reason_code: str | None = None


class RunEnd(NamedTuple):
    """The last write of a run: its final state, made under ``epoch``.

    ``schedule_id`` is that of its row: the schedule's next run may wait for this end.
    ``reason_code`` and ``limit_seconds`` are as in ``RunRow``.
    """

    id: str
    epoch: int
    status: str
    final_context: str
    error_message: str | None
    ended_at: int
    schedule_id: str | None = None
    reason_code: str | None = None
    limit_seconds: int | None = None


class WaitingRow(NamedTuple):
    """Runs (``kind`` "run") or schedules ("schedule") that wait for a runner with this workflow.

    ``first_run`` is the oldest run, empty for schedules; ``due_at`` is when that run was made, or
    when the first schedule is due; ``found`` is their number, as far as they were counted.
    """

    kind: str
    workflow: str
    first_run: str
    due_at: int
    found: int


class Waiting(NamedTuple):
    """Waiting work by workflow, and the number of other live runners."""

    rows: list[WaitingRow]
    other_runners: int


class ScheduleRow(NamedTuple):
    """A schedule. Its ticks up to ``decided_until`` have been decided; ``next_tick`` follows and is
    due at ``due_at``, both None when there are no more ticks. ``params`` is JSON. ``generation``
    grows with every change.
    """

    id: str
    name: str | None
    workflow: str
    cron_expression: str
    timezone: str
    enabled: bool
    catchup_policy: str
    overlap_policy: str
    jitter_seconds: int
    start_date: int | None
    end_date: int | None
    params: str
    decided_until: int
    next_tick: int | None
    due_at: int | None
    last_tick: int | None
    generation: int
    created_at: int
    updated_at: int


class Firing(NamedTuple):
    """A decision about a schedule in its state ``generation``, made at ``decided_at``.

    The next three fields are the schedule's new values; ``last_tick`` is the newest tick that gets
    a run by this decision, if any; ``lost`` counts the ticks that were dropped.
    """

    schedule_id: str
    generation: int
    decided_until: int
    next_tick: int | None
    due_at: int | None
    last_tick: int | None
    lost: int
    decided_at: int


class NewTick(NamedTuple):
    """A tick that was decided with the ``Firing`` of its schedule, and its run, if it makes one.

    The run has no owner yet, and no runner claims it before the run ``behind`` has ended. A tick
    without a ``generation`` is back-filled: it belongs to no firing.
    """

    schedule_id: str
    generation: int | None
    tick: int
    outcome: str
    run_id: str | None
    workflow: str
    version: str
    input: str
    created_at: int
    behind: str | None = None


class Cancellation(NamedTuple):
    """Cancels a run in favour of ``tick_run``, which ``tick`` makes in the same batch."""

    id: str
    schedule_id: str
    tick: int
    tick_run: str
    error_message: str
    ended_at: int


class TickRow(NamedTuple):
    """A tick that was decided."""

    schedule_id: str
    tick: int
    run_id: str | None
    outcome: str
    created_at: int


class TriggerRow(NamedTuple):
    """An event trigger. One whose ``workflow`` is None is never polled.

    It is polled every ``poll_interval_ms``, or ticks by ``cron_expression`` in ``timezone``;
    ``next_poll_at`` is the next time. ``generation`` grows with every change and every poll.
    """

    id: str
    name: str
    workflow: str | None
    poll_interval_ms: int | None
    cron_expression: str | None
    timezone: str | None
    allow_concurrent: bool
    enabled: bool
    last_poll_at: int | None
    next_poll_at: int | None
    generation: int
    created_at: int
    updated_at: int


class NewEvent(NamedTuple):
    """An event that a trigger found, and its run, which has no owner yet.

    ``generation`` is the trigger's when it was polled; None if the event counts even when the
    trigger has changed. ``event_key`` identifies the event among those of its trigger.
    """

    id: str
    trigger_id: str
    generation: int | None
    event_key: str | None
    context_hash: str
    allow_concurrent: int
    run_id: str
    workflow: str
    version: str
    input: str
    created_at: int


class EventRow(NamedTuple):
    """An event that made a run; ``ended_at`` is None while the run has not ended."""

    id: str
    trigger_id: str
    context_hash: str
    run_id: str
    created_at: int
    ended_at: int | None


class Batch(NamedTuple):
    """The records of one journal transaction, all of one runner.

    ``fences`` maps each run of ``attempts`` and ``ends`` to the epoch under which they were made;
    runs of ``new_runs`` are not in it. ``firings`` has one entry for each schedule of
    ``cancellations`` and of ``ticks`` with a generation; ``turns`` has the triggers whose polls
    found the ``events``.
    """

    runner_id: str
    new_runs: list[NewRun]
    attempts: list[AttemptRow]
    ends: list[RunEnd]
    fences: dict[str, int]
    firings: Sequence[Firing] = ()
    ticks: Sequence[NewTick] = ()
    cancellations: Sequence[Cancellation] = ()
    events: Sequence[NewEvent] = ()
    turns: Sequence[TriggerRow] = ()


class Committed(NamedTuple):
    """The result of writing a batch.

    ``owned``: ids of ``new_runs`` that were sent with this runner as owner and are its own (epoch
    1). A run sent without an owner, and claimed before it was sent again, is reported by the claim.
    ``existing``: for a new run whose (workflow, idempotency_key) was taken, the id of the run
    that has it. ``current``: the runs of ``fences`` that this runner still owns under that epoch;
    nothing was recorded for the others. ``held``: ids of new runs that were not written, because
    another open transaction may be writing a run with their key.
    """

    owned: frozenset[str]
    existing: dict[str, str]
    current: frozenset[str]
    held: frozenset[str] = frozenset()


class RunnerRow(NamedTuple):
    """A runner that may own runs.

    ``boot_id``, ``pid_namespace``, ``pid`` and ``process_start`` identify its process (see
    ``_engine/recover/process_identity.py``); ``lease_until`` is on the store's own lease clock.
    """

    id: str
    boot_id: str
    pid_namespace: str
    pid: int
    process_start: int
    beat: int
    lease_until: int
    fenced: bool
    started_at: int


class RunFilter(NamedTuple):
    """Selects the runs of a listing; None means any. ``tags`` must all match."""

    status: str | None
    workflow: str | None
    tags: tuple[tuple[str, str], ...]
    before: str | None
    limit: int
