"""When a trigger is polled or ticks, by times that the tests choose."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tables import each_row

from cloaca_core.definition.triggers.definition import Trigger, checked
from cloaca_core.features.schedules.timing.catch_up import DueTick
from cloaca_core.features.triggers.records import TriggerRow
from cloaca_core.features.triggers.trigger_times import (
    new_row,
    polled,
    redefined,
    set_back,
    switched,
    ticked,
)

SECOND = 1_000_000
MINUTE = 60 * SECOND
NOON = int(datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp()) * SECOND
WORKFLOW = "public::embedded::w"


def trigger(**given: Any) -> Trigger:
    names = ("name", "on", "poll_interval", "cron", "timezone", "allow_concurrent")
    return checked(**{name: given.get(name) for name in names}).of(lambda: True)


EVERY_FIVE = trigger(name="t", on="w", poll_interval="5s")
EVERY_MINUTE = trigger(name="t", on="w", cron="* * * * *")
AT_ONCE = trigger(name="t", on="w", cron="* * * * *", allow_concurrent=True)


def row(of: Trigger = EVERY_FIVE, *, workflow: str | None = WORKFLOW, at: int = NOON) -> TriggerRow:
    return new_row(of, workflow, "id", at)


# -- the first poll ------------------------------------------------------------------------------


def test_a_new_trigger_is_polled_one_interval_later() -> None:
    assert row() == TriggerRow(
        id="id",
        name="t",
        workflow=WORKFLOW,
        poll_interval_ms=5_000,
        cron_expression=None,
        timezone=None,
        allow_concurrent=False,
        enabled=True,
        last_poll_at=None,
        next_poll_at=NOON + 5 * SECOND,
        generation=0,
        created_at=NOON,
        updated_at=NOON,
    )


def test_a_new_cron_trigger_ticks_with_the_next_tick() -> None:
    new = row(EVERY_MINUTE)

    assert (new.cron_expression, new.timezone) == ("* * * * *", "UTC")
    assert (new.poll_interval_ms, new.next_poll_at) == (None, NOON + MINUTE)


def test_a_declaration_is_never_polled() -> None:
    assert row(trigger(name="t"), workflow=None).next_poll_at is None


def test_a_poll_comes_one_interval_after_the_last_one() -> None:
    late = NOON + 60 * SECOND  # was due long ago: that is no reason to poll twice

    taken = polled(row(), late)

    assert (taken.last_poll_at, taken.next_poll_at) == (late, late + 5 * SECOND)
    assert taken.generation == 0  # what it was seen in: the store counts


# -- an opening runner ---------------------------------------------------------------------------


def test_what_others_poll_stays_as_it_is() -> None:
    assert redefined(row(), EVERY_FIVE, WORKFLOW, NOON + SECOND) is None


def test_a_poll_that_nobody_was_there_for_comes_one_interval_after_opening() -> None:
    later = NOON + 60 * MINUTE

    again = redefined(row(), EVERY_FIVE, WORKFLOW, later)

    assert again == row()._replace(next_poll_at=later + 5 * SECOND)


def test_a_tick_that_nobody_was_there_for_is_still_due() -> None:
    assert redefined(row(EVERY_MINUTE), EVERY_MINUTE, WORKFLOW, NOON + 60 * MINUTE) is None


def test_a_disabled_trigger_stays_disabled() -> None:
    off = row()._replace(enabled=False)
    other = trigger(name="t", on="w", poll_interval="7s")

    changed = redefined(off, other, WORKFLOW, NOON)

    assert changed is not None
    assert (changed.enabled, changed.poll_interval_ms) == (False, 7_000)
    assert redefined(off, EVERY_FIVE, WORKFLOW, NOON + 60 * MINUTE) is None


@each_row(
    "given", [{"poll_interval": "7s"}, {"cron": "0 * * * *"}, {"cron": "@daily", "timezone": "UTC"}]
)
def test_another_timing_begins_with_the_change(given: dict[str, str]) -> None:
    other = trigger(name="t", on="w", **given)
    later = NOON + SECOND

    changed = redefined(row()._replace(generation=3), other, WORKFLOW, later)

    fresh = new_row(other, WORKFLOW, "id", later)
    assert changed == fresh._replace(generation=3, created_at=NOON)


def test_another_workflow_goes_on_when_the_old_one_would_have() -> None:
    changed = redefined(row(), EVERY_FIVE, "public::embedded::v", NOON + SECOND)

    assert changed == row()._replace(workflow="public::embedded::v", updated_at=NOON + SECOND)


def test_a_declaration_that_gets_a_workflow_is_polled_from_then_on() -> None:
    declared = row(trigger(name="t", poll_interval="5s"), workflow=None)

    changed = redefined(declared, EVERY_FIVE, WORKFLOW, NOON + SECOND)

    assert changed is not None
    assert changed.next_poll_at == NOON + 6 * SECOND


# -- enabled or not ------------------------------------------------------------------------------


def test_a_trigger_that_is_enabled_begins_anew() -> None:
    off = switched(row(), False, NOON + SECOND)
    assert off is not None
    assert not off.enabled

    on = switched(off, True, NOON + MINUTE)

    assert on is not None
    assert (on.enabled, on.next_poll_at, on.updated_at) == (
        True,
        NOON + 65 * SECOND,
        NOON + MINUTE,
    )


@each_row("enabled", [True, False])
def test_what_is_so_already_needs_no_change(enabled: bool) -> None:
    assert switched(row()._replace(enabled=enabled), enabled, NOON) is None


# -- ticks ---------------------------------------------------------------------------------------


def test_a_due_tick_runs_and_the_next_one_is_known() -> None:
    now = NOON + MINUTE + 3 * SECOND

    done = ticked(row(EVERY_MINUTE), now, most=100)

    assert done.ticks == (DueTick(NOON + MINUTE, recovered=False),)
    assert (done.row.last_poll_at, done.row.next_poll_at, done.lost) == (now, NOON + 2 * MINUTE, 0)


def test_of_missed_ticks_the_newest_runs_late() -> None:
    now = NOON + 10 * MINUTE + 30 * SECOND  # the tick of 12:10 is in time still

    done = ticked(row(AT_ONCE), now, most=100)

    assert done.ticks == (
        DueTick(NOON + 9 * MINUTE, recovered=True),
        DueTick(NOON + 10 * MINUTE, recovered=False),
    )
    assert (done.lost, done.row.next_poll_at) == (8, NOON + 11 * MINUTE)


def test_one_tick_runs_at_a_time_where_runs_are_not_concurrent() -> None:
    done = ticked(row(EVERY_MINUTE), NOON + 10 * MINUTE + 30 * SECOND, most=100)

    assert done.ticks == (DueTick(NOON + 10 * MINUTE, recovered=False),)
    assert done.lost == 9


# -- after a clock that was ahead ----------------------------------------------------------------


@each_row(
    ("of", "next_poll_at", "expected"),
    [
        (EVERY_FIVE, NOON - MINUTE, None),  # overdue
        (EVERY_FIVE, NOON + 5 * SECOND, None),  # polled just now
        (EVERY_FIVE, NOON + 65 * SECOND, None),  # a clock that was put back a little: waited for
        (EVERY_FIVE, NOON + 65 * SECOND + 1, NOON + 5 * SECOND),
        (EVERY_FIVE, NOON + 365 * 1440 * MINUTE, NOON + 5 * SECOND),
        (EVERY_MINUTE, NOON + 2 * MINUTE, None),
        (EVERY_MINUTE, NOON + 3 * MINUTE, NOON + MINUTE),
        (EVERY_FIVE, None, None),  # it never is
    ],
)
def test_what_its_timing_does_not_explain_goes_back(
    of: Trigger, next_poll_at: int | None, expected: int | None
) -> None:
    ahead = row(of, at=NOON - MINUTE)._replace(next_poll_at=next_poll_at)

    changed = set_back(ahead, NOON)

    assert changed == (None if expected is None else ahead._replace(next_poll_at=expected))
