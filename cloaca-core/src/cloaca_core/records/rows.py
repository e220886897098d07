"""The rows that pass between the engine and a store.

Instants are whole microseconds since 1970 in UTC; payloads are JSON text that no store parses.
Field names are the parameter and column names of the SQL. Free text (errors, tracebacks, reasons)
is made storable with ``storable_text`` by whoever builds a record: one bad character must not
fail the batch that it travels in.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

MAX_TEXT = 64_000
"""Characters of an error text or a traceback that are kept; the middle of a longer one is cut."""


def storable_text(text: str) -> str:
    """The text without what databases refuse (NUL, lone surrogates), cut to ``MAX_TEXT``."""
    clean = text.replace("\0", "\N{SYMBOL FOR NULL}").encode("utf-8", "replace").decode("utf-8")
    if len(clean) <= MAX_TEXT:
        return clean
    half = MAX_TEXT // 2
    return f"{clean[:half]}\n… {len(clean) - 2 * half} characters left out …\n{clean[-half:]}"


def is_storable(text: str) -> bool:
    """Whether databases take the text as it is."""
    return storable_text(text) == text


class NewRun(NamedTuple):
    """A run to be inserted. ``owner`` None leaves it in the table for whoever claims it."""

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
        """Whether a user's transaction may be writing its key. None writes a key that the engine
        made for the run of a body: that begins with the id of the parent and ``::``.
        """
        key, parent_id = self.idempotency_key, self.parent_id
        return key is not None and (parent_id is None or not key.startswith(f"{parent_id}::"))


class RunRow(NamedTuple):
    """A run as it stands in the table. ``schedule_id`` says which schedule has made it, if one
    has.

    ``reason_code`` is the ``ReasonCode`` of a run that ended without completing, None in rows that
    an older version wrote; ``limit_seconds`` is the deadline that a run has exceeded.
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
    """The last write of a run: its final state, made under ``epoch``. ``schedule_id`` is that of
    its row: another run may wait for the end of one that a schedule has made. ``reason_code`` and
    ``limit_seconds`` are as in ``RunRow``.
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

    ``first_run`` is the oldest run, empty for schedules; ``due_at`` is when that was made, or when
    the first schedule is due; ``found`` is how many there are, as far as they were counted.
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
    """A schedule. Its ticks up to ``decided_until`` have been decided, ``next_tick`` is the one
    after and due at ``due_at``; both are None when it ticks no more. ``params`` is JSON.
    ``generation`` grows with every change.
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
    """What was decided about a schedule as it was in ``generation``, at ``decided_at``.

    The next three are what the schedule goes on with; ``last_tick`` is the newest that has a run
    by this, if one has; ``lost`` counts the ticks that were dropped.
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
    """A tick that was decided with the ``Firing`` of its schedule, and its run: one that nobody
    owns yet, and nobody claims before the run ``behind`` has ended; None for a tick that makes
    none. One without a ``generation`` is back-filled: it belongs to no firing.
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
    """The end of a run that makes way for another one of its schedule: for ``tick_run``, which
    ``tick`` makes in the same batch.
    """

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
    """An event trigger, of which ``workflow`` None is polled by nobody.

    It is polled every ``poll_interval_ms``, or ticks by ``cron_expression`` in ``timezone``: at
    ``next_poll_at`` the next time. ``generation`` grows with every change and every poll.
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
    """What a trigger found, and its run: one that nobody owns yet.

    ``generation`` is that of the trigger that it was decided from, None if it counts whatever has
    become of the trigger. ``event_key`` names the event among all of its trigger.
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
    """An event that made a run, which has ended at ``ended_at``, or has not."""

    id: str
    trigger_id: str
    context_hash: str
    run_id: str
    created_at: int
    ended_at: int | None


class Batch(NamedTuple):
    """What one journal transaction writes, all of it by one runner.

    ``fences`` maps each run that ``attempts`` and ``ends`` belong to to the epoch that they were
    made under; runs of ``new_runs`` are not in it. ``firings`` has one for each schedule that
    ``ticks`` with a generation and ``cancellations`` belong to, ``turns`` has the triggers that go
    on with their ``events``.
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
    """What became of a batch.

    ``owned``: ids of those ``new_runs`` that were sent as this runner's own and are (epoch 1). One
    that was sent without an owner and claimed before it was sent again came through the claim.
    ``existing``: for a new run whose (workflow, idempotency_key) was taken, the id of the run
    that has it. ``current``: the runs of ``fences`` that this runner still owns under that epoch;
    nothing was recorded for the others. ``held``: ids of new runs of which nothing was written,
    because a transaction of others that is still open may be writing a run with their key.
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
    """Which runs a listing wants; None means any. ``tags`` must all match."""

    status: str | None
    workflow: str | None
    tags: tuple[tuple[str, str], ...]
    before: str | None
    limit: int
