"""A period of a back-fill as a calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from model.families import run

from cloaca_core.views.results import run_info
from cloaca_tools.ui.charts.calendar import WEEKDAYS, Cell, calendar, key
from cloaca_tools.views.schedules import PeriodTick

ZONE = ZoneInfo("Europe/Oslo")


def tick(day: int, hour: int = 2, *, status: str | None = None, month: int = 11) -> PeriodTick:
    at = datetime(2026, month, day, hour, tzinfo=ZONE)
    line = None if status is None else run_info(run("r", status=status), 0)
    return PeriodTick(at, status is not None, line)


def test_days_get_runs_have_runs_or_are_outside() -> None:
    ticks = [tick(10, status="Completed"), tick(11, status="Failed"), tick(12)]

    found = calendar(date(2026, 11, 10), date(2026, 11, 13), ticks, {key(ticks[2])})

    assert found.heads == WEEKDAYS
    assert [(each.label, each.kind) for each in found.cells] == [
        ("9", "out"), ("10", "has"), ("11", "has"), ("12", "make"),
        ("13", "none"), ("14", "out"), ("15", "out"),
    ]  # fmt: skip
    assert found.cells[2].states == (("Failed", 1),)
    assert found.cells[3] == Cell("12", "Thursday 12 November", "make", make=1)


def test_a_day_counts_its_ticks() -> None:
    ticks = [tick(10, hour, status="Completed") for hour in range(3)]
    ticks += [tick(10, hour) for hour in range(3, 8)]

    found = calendar(date(2026, 11, 10), date(2026, 11, 10), ticks, {key(t) for t in ticks[3:5]})

    assert found.cells[1] == Cell(
        "10", "Tuesday 10 November", "make", make=2, states=(("Completed", 3),), without=3
    )


def test_a_tick_belongs_to_the_day_of_its_zone() -> None:
    late = PeriodTick(datetime(2026, 11, 9, 23, 30, tzinfo=UTC).astimezone(ZONE), False, None)

    found = calendar(date(2026, 11, 10), date(2026, 11, 10), [late], {key(late)})

    assert found.cells[1].kind == "make"
    assert key(late) == "2026-11-09T23:30:00+00:00"


def test_the_first_of_a_month_names_it() -> None:
    found = calendar(date(2026, 11, 30), date(2026, 12, 2), [], ())

    assert [each.label for each in found.cells[:3]] == ["30", "1 Dec", "2"]


def test_a_long_period_has_a_cell_for_each_month() -> None:
    first = date(2026, 9, 1)
    ticks = [tick(1, status="Completed", month=9), tick(2, month=9), tick(1, month=12)]

    found = calendar(first, first + timedelta(days=92), ticks, {key(ticks[1])})

    assert (found.heads, [each.label for each in found.cells]) == ((), ["Sep 2026", "Dec 2026"])
    assert (found.cells[0].kind, found.cells[0].make) == ("make", 1)
    assert calendar(first, first + timedelta(days=91), ticks, ()).heads == WEEKDAYS
