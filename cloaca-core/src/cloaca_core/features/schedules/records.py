"""The rows of schedules and their ticks; forms as in ``run.rows``."""

from typing import Final, NamedTuple

from cloaca_core.store.batch import Kind


class ScheduleRow(NamedTuple):
    """A schedule. Its ticks up to ``decided_until`` have been decided; ``next_tick`` follows and is
    due at ``due_at``, both None when there are no more ticks. ``params`` is JSON. ``generation``
    grows with every change. ``time_limit`` is the limit of its runs, as in ``NewRun``. Ticks up to
    ``pruned_until`` were forgotten: none of them gets a run. Its runs ask for ``queue``, None for
    none.
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
    time_limit: int | None = None
    pruned_until: int | None = None
    queue: str | None = None


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
    without a ``generation`` is back-filled: it belongs to no firing. Its run begins in ``queue``;
    None stands for the queue of its workflow. ``asked_queue`` is as in ``RunRow``.
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
    time_limit: int | None = None
    queue: str | None = None
    asked_queue: str | None = None


class Cancellation(NamedTuple):
    """Cancels a run in favour of ``tick_run``, which ``tick`` makes in the same batch, and by
    ``children_at`` its children.
    """

    id: str
    schedule_id: str
    tick: int
    tick_run: str
    error_message: str
    ended_at: int
    children_at: int


FIRINGS: Final = Kind[Firing]("firings", adds_work=True)
"""A batch has one for each schedule of its cancellations, and of its ticks with a generation."""
TICKS: Final = Kind[NewTick]("ticks", lambda tick: len(tick.input), adds_work=True)
CANCELLATIONS: Final = Kind[Cancellation]("cancellations")


class TickRow(NamedTuple):
    """A tick that was decided."""

    schedule_id: str
    tick: int
    run_id: str | None
    outcome: str
    created_at: int
