"""Decides when a trigger is polled or ticks; the outcome is its row.

Pure: it is given the time, polls nothing and writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from cloaca_core.definition.cron.expression import cron_expression
from cloaca_core.definition.triggers.definition import Trigger
from cloaca_core.features.schedules.timing.catch_up import DueTick, decide
from cloaca_core.features.schedules.timing.set_back import is_ahead
from cloaca_core.features.schedules.timing.timing import Timing
from cloaca_core.features.triggers.records import TriggerRow
from cloaca_core.values.times.instants import Instant


@dataclass(frozen=True, slots=True)
class Ticked:
    """A due cron trigger: the ticks to run, oldest first, those lost, and its new row."""

    ticks: tuple[DueTick, ...]
    lost: int
    row: TriggerRow


def new_row(trigger: Trigger, workflow: str | None, trigger_id: str, now: Instant) -> TriggerRow:
    """The first row of a trigger; ``workflow`` is the full name of its workflow."""
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
    """The row after a runner has declared the trigger now; None if nothing changes. Whether it is
    enabled does not change.

    A trigger that other runners poll keeps its times. A poll that was missed, as there was no
    runner, comes one interval from now; a missed tick is still due.
    """
    changed = row._replace(
        workflow=workflow,
        poll_interval_ms=trigger.interval_ms,
        cron_expression=trigger.cron_expression,
        timezone=trigger.timezone,
        allow_concurrent=trigger.allow_concurrent,
    )
    if _timing(changed) != _timing(row):
        return _begun(changed._replace(updated_at=now), now)
    if _was_missed(row, now):
        return _begun(changed, now)
    return None if changed == row else changed._replace(updated_at=now)


def switched(row: TriggerRow, enabled: bool, now: Instant) -> TriggerRow | None:
    """The row of a trigger that is enabled or disabled from now on; None when nothing changes."""
    if row.enabled == enabled:
        return None
    return _begun(row._replace(enabled=enabled, updated_at=now), now)


def set_back(row: TriggerRow, now: Instant) -> TriggerRow | None:
    """The corrected row of a trigger whose next poll or tick lies further ahead than its interval
    or expression explain: it was set by a clock that was ahead. None for any other trigger.

    Ticks of a cron trigger that passed meanwhile are not made up for.
    """
    if row.next_poll_at is None:
        return None
    changed = _begun(row, now)
    if changed.next_poll_at is None or not is_ahead(row.next_poll_at, changed.next_poll_at):
        return None
    return changed


def polled(row: TriggerRow, now: Instant) -> TriggerRow:
    """The row of a trigger whose poll is taken now."""
    return _begun(row._replace(last_poll_at=now), now)


def ticked(row: TriggerRow, now: Instant, *, most: int) -> Ticked:
    """Decide which ticks of a due cron trigger run now.

    Ticks that were missed for more than a minute are caught up with as by
    ``register_cron_workflow``: the newest of them runs late. Where runs may not be concurrent,
    only the newest tick runs.
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
    """The fields that decide when a trigger is polled."""
    return row.workflow is None, row.poll_interval_ms, row.cron_expression, row.timezone


def _ticking(row: TriggerRow) -> Timing:
    assert row.cron_expression is not None
    assert row.timezone is not None
    return Timing(row.id, cron_expression(row.cron_expression, row.timezone))
