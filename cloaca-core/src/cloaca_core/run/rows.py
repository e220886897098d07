"""The rows of runs and attempts, which pass between the engine and a store.

Instants are whole microseconds since 1970 in UTC; payloads are JSON text that no store parses.
Field names are the parameter and column names of the SQL. Free text (errors, tracebacks, reasons)
must pass ``storable_text`` when a record is built: one bad character must not fail the whole
batch.
"""

from typing import Final, NamedTuple

from cloaca_core.values.queue_names import DEFAULT_QUEUE

THE_TASK: Final = -1
"""Stands in the column ``item`` of a row that is about the task itself, not about an item of a
map.
"""
ROW_BYTES: Final = 250
"""The approximate size of a row without its texts."""
CHILDREN_LATER: Final = 2
"""Stands in ``RestartRow.with_children`` if the task restarts its children as it comes to them."""


class NewRun(NamedTuple):
    """A run to be inserted. With ``owner`` None, any runner may claim it.

    With ``due_at`` it is not claimable before that, and has no owner. A run that is ``detached`` (0
    or 1) is not cancelled, paused or resumed with its parent. ``time_limit`` is in µs, -1 for no
    limit, None if none was given. ``deadline_at`` is the deadline of its parent. If it has not
    begun by ``start_by``, it is cancelled. ``trace`` is the trace in which it was submitted, or
    None. With ``asked_by`` the submission is recorded as an act, under the id of the run.
    ``child_kind`` says how its parent waits for it, as in ``values.child_kinds``; None for a run
    for which its parent need not wait.
    ``queue`` and ``asked_queue`` are as in ``RunRow``.
    """

    id: str
    workflow: str
    version: str
    input: str
    tags: str
    idempotency_key: str | None
    parent_id: str | None
    owner: str | None
    created_at: int
    priority: int = 0
    due_at: int | None = None
    detached: int = 0
    time_limit: int | None = None
    deadline_at: int | None = None
    start_by: int | None = None
    trace: str | None = None
    asked_by: str | None = None
    child_kind: str | None = None
    queue: str = DEFAULT_QUEUE
    asked_queue: str | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the run has no parent and no start options."""
        return self.parent_id is None and self[_OPTIONS:] == _DEFAULTS

    @property
    def is_timed(self) -> bool:
        """Whether the run starts, or is cancelled, at an instant."""
        return self.due_at is not None or self.start_by is not None

    @property
    def belongs_to(self) -> str | None:
        """The parent if the run is part of its parent's tree; None otherwise."""
        return None if self.detached else self.parent_id

    @property
    def may_be_held(self) -> bool:
        """Whether a user's transaction may be writing a run with the same key.

        Never true for a key that the engine made for a run of a task's body: such a key begins with
        the parent's id and ``::``.
        """
        key, parent_id = self.idempotency_key, self.parent_id
        return key is not None and (parent_id is None or not key.startswith(f"{parent_id}::"))

    @property
    def weight(self) -> int:
        """The approximate size in bytes."""
        return ROW_BYTES + len(self.input)


_OPTIONS: Final = NewRun._fields.index("priority")
_DEFAULTS: Final = tuple(NewRun._field_defaults.values())


class RunRow(NamedTuple):
    """A row of the table of runs. ``schedule_id`` is the schedule that made the run, if any.

    ``reason_code`` is the ``ReasonCode`` of a run that ended without completing, None in rows of an
    older version; ``reason_tasks`` is a JSON list of the tasks that it is about, or None;
    ``limit_seconds`` is the deadline that the run exceeded. ``round`` counts from 1 how often the
    run was begun. Among claimable runs, those with the highest ``priority`` come first. A run is
    not claimable before ``due_at``. ``steer_reason`` says why it is paused or was cancelled.
    ``stood_still`` is the number of µs since its start in which its time limit did not count: it
    was paused, or rested, as in ``Park``. ``time_limit`` and ``deadline_at`` are as in ``NewRun``.
    ``messages`` is the number of messages that were sent to it. ``came_due`` is 2 for a run that
    was claimed because its time had come. ``version`` is the version that it was submitted with, or
    that a retry was planned by; ``ran_version`` the version that its last owner used, None if that
    is the same. Only a claim fills ``claimable_at``, since when the run was claimable, and
    ``trace``, as in ``NewRun``. ``queue`` is the queue in which it may be claimed. ``child_kind``
    is as in ``NewRun``. ``asked_queue`` is the queue that its submission asked for, None for none.
    With a ``singleton_key`` it is the only run of its workflow and this key that is under way.
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
    round: int = 1
    priority: int = 0
    due_at: int | None = None
    steer_reason: str | None = None
    stood_still: int = 0
    time_limit: int | None = None
    deadline_at: int | None = None
    reason_tasks: str | None = None
    came_due: int = 0
    messages: int = 0
    claimable_at: int = 0
    trace: str | None = None
    ran_version: str | None = None
    queue: str = DEFAULT_QUEUE
    child_kind: str | None = None
    asked_queue: str | None = None
    singleton_key: str | None = None

    @property
    def runs_by(self) -> str:
        """The version of its workflow that the run uses, or is going to use."""
        return self.version if self.ran_version is None else self.ran_version


class AttemptRow(NamedTuple):
    """One attempt of one task of a run, or of one ``item`` of a map; its key is (run_id, task_id,
    item, attempt).

    ``status`` is Running (a start mark), Waiting (for another run), Completed, Failed, Cancelled
    (cut short with its run) or Skipped (attempt 0, no body ran). ``change`` is the JSON object
    ``{"set": {key: value}, "removed": [key]}`` of a completed attempt. ``retry_at`` is set on a
    failed attempt that another attempt follows.

    ``crashes`` counts how often a process died between this attempt's start mark and its end: up to
    ``SUSPECT_AFTER`` times beside other bodies, and from then on while the body ran alone. For a
    body on an executor it counts the workers that died.

    ``reason_code`` depends on the status. On a skipped attempt it is the ``ReasonCode`` of
    ``skip_reason``, None in rows of an older version. On a failed attempt it says that the attempt
    does not count, or that it was the task's last attempt and the run was paused for it. On a
    running attempt it says that its body runs alone, or on an executor.

    ``replacements`` is the number of the run's replacements of keys that the attempt has seen.
    ``runner`` is the number of the runner that recorded it last, as in ``RunnerName``; the store
    sets it. It is None in rows of an older version, and for a result that a fork has copied.
    ``item`` is the index of the item, -1 for the task itself.
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
    replacements: int = 0
    runner: int | None = None
    item: int = THE_TASK

    @property
    def error(self) -> str | None:
        """Its error as ``Type: message``; None without one."""
        return None if self.error_type is None else f"{self.error_type}: {self.error_message}"

    @property
    def weight(self) -> int:
        """The approximate size in bytes."""
        weight = ROW_BYTES + len(self.change or "") + len(self.skip_reason or "")
        if self.error_message is not None:
            weight += len(self.error_message) + len(self.error_traceback or "")
        return weight


class RunEnd(NamedTuple):
    """The last write of a run: its final state, made under ``epoch``.

    ``final_context`` is None if the run has not changed its input, which is not stored twice.
    ``schedule_id`` is copied from its row: the schedule's next run may wait for this end.
    ``reason_code``, ``limit_seconds`` and ``reason_tasks`` are as in ``RunRow``. ``singleton``
    is the workflow and the singleton key of a run that has one, as the item of a list.
    """

    id: str
    epoch: int
    status: str
    final_context: str | None
    error_message: str | None
    ended_at: int
    schedule_id: str | None = None
    reason_code: str | None = None
    limit_seconds: int | None = None
    reason_tasks: str | None = None
    singleton: str | None = None

    @property
    def weight(self) -> int:
        """The size of its texts in bytes: an end is written into a row that exists."""
        return len(self.final_context or "") + len(self.error_message or "")


class Park(NamedTuple):
    """Gives back a run that can do nothing before ``due_at``, or (None) while it is paused. It is
    due at once if more than ``seen`` messages were sent to it.

    ``parked_at`` is the current instant. It and ``due_at`` are by the store's clock: if that is set
    back, the run does not wait for it. ``rests`` is 1 if its time limit does not count until the
    run is due: everything that is left of it waits for sleeps, events and approvals. ``rested`` is
    the number of µs for which that was so before, with this owner. ``begun`` is 0 if no body of the
    run has ever begun: then it waits for a runner as if it had not been claimed. ``queue`` is the
    queue to which it moves, None if it stays where it is. ``overdue_at`` is when the time limit of
    a run with queues passes, None if that does not count: from then on a runner of any queue may
    take the run, to end it.
    """

    id: str
    due_at: int | None
    parked_at: int
    seen: int = 0
    rests: int = 0
    rested: int = 0
    begun: int = 1
    queue: str | None = None
    overdue_at: int | None = None


class Exhausted(NamedTuple):
    """Pauses a run because a task has used up its attempts. ``act_id`` is the id of the recorded
    act, ``reason`` the text that people read on the run and on the act.
    """

    id: str
    act_id: str
    reason: str
    noted_at: int


class Unserved(NamedTuple):
    """Gives a claimed run back to other runners, as this runner lacks ``tasks`` (a JSON list of
    ids) that are to run. ``has_begun`` is 1 if a body may have begun in this round of the run, else
    0.
    """

    run_id: str
    epoch: int
    tasks: str
    has_begun: int


class WaitingRow(NamedTuple):
    """Runs (``kind`` "run") or schedules ("schedule") that wait for a runner with this workflow, or
    runs that wait for a runner with their tasks ("task_unserved").

    ``first_run`` is the run that is claimed first of the first queue by name; with "task_unserved"
    it is the oldest run, for schedules it is empty. ``due_at`` is the instant since when that run
    may be claimed; with "task_unserved" the instant at which it was made; for schedules the
    instant at which the first is due. ``found`` is their number, as far as they were counted. A
    run that a runner has given back may have been claimable since before that.
    """

    kind: str
    workflow: str
    first_run: str
    due_at: int
    found: int


class RunFilter(NamedTuple):
    """Selects runs; None, and no ``statuses``, means any. All ``tags`` must match.

    Ids are below ``before`` and at least ``after``. ``since`` (included) and ``until`` (not
    included) are bounds of ``created_at``. ``error`` occurs in the error message; A to Z match in
    either case.
    """

    statuses: tuple[str, ...] = ()
    workflow: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    before: str | None = None
    limit: int = 2**62
    after: str | None = None
    since: int | None = None
    until: int | None = None
    parent_id: str | None = None
    error: str | None = None


class RestartRow(NamedTuple):
    """A task of a run that runs again: its attempts before ``first_attempt`` are history.
    ``with_children`` is 1 if the failed runs that its calls had submitted were restarted too, and
    ``CHILDREN_LATER`` if the task restarts them itself.
    """

    run_id: str
    task_id: str
    first_attempt: int
    round: int
    with_children: int = 0


class RoundRow(NamedTuple):
    """A round of a run as it ended, before the run was restarted."""

    run_id: str
    round: int
    status: str
    error_message: str | None
    reason_code: str | None
    limit_seconds: int | None
    final_context: str | None
    started_at: int | None
    ended_at: int


class ForkRow(NamedTuple):
    """The source of a forked run, and the task from which the fork runs. ``content`` is as in
    ``NewFork``.
    """

    run_id: str
    forked_from: str
    from_task: str
    content: str | None
    created_at: int


class ReplacementRow(NamedTuple):
    """Keys of a run that were replaced when it was resumed: ``content`` is a JSON object.
    ``number`` counts the replacements of the run from 1. Number 0 is no replacement: its keys are
    the defaults that were filled into the input as the run began.
    """

    run_id: str
    number: int
    content: str
    created_at: int
