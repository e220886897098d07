"""Schedules, shaped from rows."""

from __future__ import annotations

from model.families import run

from cloaca_core.features.schedules.records import ScheduleRow, TickRow
from cloaca_core.features.schedules.tick_rows import timing_of
from cloaca_core.values.times.instants import SECOND
from cloaca_core.values.times.rfc3339 import rfc3339
from cloaca_testing.conformance.rows import NOW, schedule
from cloaca_tools.views.schedules import PeriodRows, Rows, page, period, view

HOUR = 3_600 * SECOND
DAY = 24 * HOUR
NIGHT = NOW - NOW % DAY
"""A midnight in UTC."""


def nightly(**fields: object) -> ScheduleRow:
    row = schedule("s", name="every night")._replace(cron_expression="0 0 * * *")
    return row._replace(**fields)  # type: ignore[arg-type]  # names are checked by _replace


def tick(tick_at: int, outcome: str = "Fired", run_id: str | None = "r", late: int = 0) -> TickRow:
    return TickRow("s", tick_at, run_id, outcome, tick_at + late)


def rows(row: ScheduleRow, *ticks: TickRow, **fields: object) -> Rows:
    found = Rows(NIGHT + HOUR, [row], {row.id: ticks}, {"r": run("r")}, frozenset())
    return found._replace(**fields)  # type: ignore[arg-type]  # names are checked by _replace


def test_a_schedule_says_when_it_ticks_and_what_its_ticks_have_made() -> None:
    found = page(
        rows(
            nightly(params='{"who":"ann"}', time_limit=90 * SECOND),
            tick(NIGHT - DAY, "Skipped", None),
            tick(NIGHT, late=2 * SECOND),
            more=True,
            paused=frozenset([schedule().workflow]),
        )
    )

    (line,) = found.schedules
    assert (found.more, line.paused) == (True, True)
    assert (line.words, line.error, line.in_day) == ("At 00:00 every day", "", 1)
    assert line.day == (rfc3339(NIGHT + DAY),)
    assert (line.params, line.time_limit) == ({"who": "ann"}, 90.0)
    assert [each.lag for each in line.ticks] == [None, 2.0]
    assert line.lag == 2.0
    assert [None if t.run is None else t.run.status for t in line.ticks] == [None, "Completed"]


def test_the_lag_counts_from_when_a_tick_was_due_and_of_those_that_came_by_themselves() -> None:
    row = nightly(jitter_seconds=600)
    due = timing_of(row).due_at(NIGHT)
    assert due > NIGHT

    (line,) = page(
        rows(
            row,
            tick(NIGHT - 2 * DAY, "Recovered", late=HOUR),
            tick(NIGHT - DAY, "Backfilled", late=HOUR),
            tick(NIGHT, late=due - NIGHT + SECOND),
        )
    ).schedules

    assert [each.lag for each in line.ticks] == [None, None, 1.0]


def test_a_run_that_was_deleted_leaves_its_tick() -> None:
    (line,) = page(rows(nightly(), tick(NIGHT, run_id="gone"))).schedules

    assert (line.ticks[0].run_id, line.ticks[0].run) == ("gone", None)


def test_one_that_is_off_has_no_ticks_to_come_in_its_day() -> None:
    (line,) = page(rows(nightly(enabled=False))).schedules

    assert (line.day, line.in_day, line.words) == ((), 0, "At 00:00 every day")


def test_a_busy_one_has_the_first_ticks_of_its_day_and_their_number() -> None:
    (line,) = page(rows(nightly(cron_expression="* * * * *"))).schedules

    assert (len(line.day), line.in_day) == (300, 1_440)


def test_one_that_cannot_be_read_here_says_why() -> None:
    odd = nightly(timezone="Moon/Sea")

    (line,) = page(rows(odd, tick(NIGHT, late=5))).schedules

    assert line.words is None
    assert "Moon/Sea" in line.error
    assert line.ticks[0].lag is None
    assert view(rows(odd)).coming == ()


def test_one_schedule_shows_its_next_ticks_in_its_own_time_and_clock_changes() -> None:
    found = view(rows(nightly(cron_expression="30 2 * * *", timezone="Europe/Oslo")))

    assert len(found.coming) == 10
    assert {f"{each:%H:%M}" for each in found.coming} <= {"02:30", "03:00"}
    assert found.clock_changes


def test_ticks_to_come_end_with_the_schedule() -> None:
    assert len(view(rows(nightly(end_date=NIGHT + 2 * DAY))).coming) == 2


def test_a_period_has_its_ticks_and_what_they_have() -> None:
    first = NIGHT - 3 * DAY
    asked = PeriodRows(
        NIGHT + HOUR,
        timing_of(nightly()),
        [first, first + DAY, first + 2 * DAY],
        [tick(first), tick(first + DAY, "Skipped", None)],
        {"r": run("r", "Failed")},
        7,
    )

    found = period(asked)

    assert [(t.decided, t.run and t.run.status) for t in found.ticks] == [
        (True, "Failed"),
        (True, None),
        (False, None),
    ]
    assert found.count == 7
