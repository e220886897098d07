"""When a trigger is polled or ticks, and which row says so.

Decides from the times that it is given; who polls, and what comes of it, is the engine's business.
"""

from __future__ import annotations

from dataclasses import dataclass

from cloaca_core.definition.triggers.definition import Trigger
from cloaca_core.records.rows import TriggerRow
from cloaca_core.schedules.catch_up import DueTick, decide
from cloaca_core.schedules.cron import cron_expression
from cloaca_core.schedules.set_back import is_ahead
from cloaca_core.schedules.timing import Timing
from cloaca_core.values.instants import Instant


@dataclass(frozen=True, slots=True)
class Ticked:
    """What a cron trigger does now: run for these ticks, oldest first, and go on as ``row``."""

    ticks: tuple[DueTick, ...]
    lost: int
    row: TriggerRow


def new_row(trigger: Trigger, workflow: str | None, trigger_id: str, now: Instant) -> TriggerRow:
    """The row of a trigger that there was none of; ``workflow`` is its full name."""
    row = TriggerRow(
        id=trigger_id,
        name=trigger.name,
        workflow=workflow,
        poll_interval_ms=trigger.interval_ms,
        cron_expression=trigger.cron_expression,
        timezone=trigger.timezone,
        allow_concurrent=trigger.allow_concurrent,
        enabled=True,
        last_poll_at=None,
        next_poll_at=None,
        generation=0,
        created_at=now,
        updated_at=now,
    )
    return _begun(row, now)


def redefined(
    row: TriggerRow, trigger: Trigger, workflow: str | None, now: Instant
) -> TriggerRow | None:
    """The row as a runner wants it that has this trigger as of now; None when it is that already.

    Whether it is enabled stays. One that others poll goes on as it was. A poll that nobody was
    there for comes one interval from now; a tick that nobody was there for is still due.
    """
    wanted = row._replace(
        workflow=workflow,
        poll_interval_ms=trigger.interval_ms,
        cron_expression=trigger.cron_expression,
        timezone=trigger.timezone,
        allow_concurrent=trigger.allow_concurrent,
    )
    if _timing(wanted) != _timing(row):
        return _begun(wanted._replace(updated_at=now), now)
    if _was_missed(row, now):
        return _begun(wanted, now)
    return None if wanted == row else wanted._replace(updated_at=now)


def switched(row: TriggerRow, enabled: bool, now: Instant) -> TriggerRow | None:
    """The row of a trigger that is enabled, from now on, or not; None when it is that already."""
    if row.enabled == enabled:
        return None
    return _begun(row._replace(enabled=enabled, updated_at=now), now)


def set_back(row: TriggerRow, now: Instant) -> TriggerRow | None:
    """The row of a trigger whose next poll or tick lies further ahead than its interval or
    expression explain: a clock that was ahead has put it there. None for any other.

    The ticks of a cron trigger that passed meanwhile are over.
    """
    if row.next_poll_at is None:
        return None
    wanted = _begun(row, now)
    if wanted.next_poll_at is None or not is_ahead(row.next_poll_at, wanted.next_poll_at):
        return None
    return wanted


def polled(row: TriggerRow, now: Instant) -> TriggerRow:
    """The row of a trigger whose poll is taken now."""
    return _begun(row._replace(last_poll_at=now), now)


def ticked(row: TriggerRow, now: Instant, *, most: int) -> Ticked:
    """What a cron trigger that is due does now.

    Ticks that were missed for more than a minute are caught up with as by
    ``register_cron_workflow``: the newest of them runs late. Where runs are not to be concurrent,
    one tick runs at a time, the newest.
    """
    assert row.next_poll_at is not None
    timing = _ticking(row)
    decision = decide(timing, "run_once", cursor=row.next_poll_at - 1, now=now, most=most)
    kept = decision.run if row.allow_concurrent else decision.run[-1:]
    lost = decision.lost + len(decision.run) - len(kept)
    next_tick = timing.next_tick(decision.cursor)
    return Ticked(kept, lost, row._replace(last_poll_at=now, next_poll_at=next_tick))


def _begun(row: TriggerRow, now: Instant) -> TriggerRow:
    """The row with the first poll or tick after now."""
    if row.workflow is None:
        return row._replace(next_poll_at=None)
    if row.poll_interval_ms is not None:
        return row._replace(next_poll_at=now + row.poll_interval_ms * 1000)
    return row._replace(next_poll_at=_ticking(row).next_tick(now))


def _was_missed(row: TriggerRow, now: Instant) -> bool:
    if row.poll_interval_ms is None or row.next_poll_at is None:
        return False
    return row.enabled and row.next_poll_at <= now


def _timing(row: TriggerRow) -> tuple[object, ...]:
    """What decides when a trigger is polled."""
    return row.workflow is None, row.poll_interval_ms, row.cron_expression, row.timezone


def _ticking(row: TriggerRow) -> Timing:
    assert row.cron_expression is not None
    assert row.timezone is not None
    return Timing(row.id, cron_expression(row.cron_expression, row.timezone))
