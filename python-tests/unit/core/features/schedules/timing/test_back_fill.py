"""Which ticks of the past run when a person asks for them."""

from __future__ import annotations

import re

import pytest
from tables import each_row

from cloaca_core.definition.cron.expression import CronExpression
from cloaca_core.errors import ScheduleError
from cloaca_core.features.schedules.timing.back_fill import (
    MOST_TICKS,
    BackFill,
    back_fill,
    check_period,
)
from cloaca_core.features.schedules.timing.timing import Timing
from cloaca_core.values.times.instants import SECOND

HOUR = 3600 * SECOND
HOURLY = Timing("s", CronExpression("0 * * * *", "UTC"))


class TestTicks:
    def test_what_has_run_is_not_run_again(self) -> None:
        # 9 ticked by an earlier expression: it is none of this period's.
        assert back_fill([1, 2, 3], fired=[1, 2, 9], limit=10) == BackFill((3,), 2, 0)

    def test_beyond_the_limit_it_says_how_many_are_left(self) -> None:
        assert back_fill(range(10), fired=[1], limit=2) == BackFill((0, 2), 1, 7)

    def test_with_no_limit_left_nothing_runs(self) -> None:
        assert back_fill([1, 2], fired=[2], limit=0) == BackFill((), 1, 1)


class TestPeriod:
    def test_it_ends_before_its_end(self) -> None:
        """The tick at its end is still to come, and no part of it."""
        check_period(HOURLY, 0, 3 * HOUR, 3 * HOUR - 1)

    @each_row(
        ("start", "end", "now", "message"),
        [
            (HOUR, HOUR, 9 * HOUR, "end must be after start, got 1970-01-01 01:00:00+00:00 to"),
            (HOUR, 0, 9 * HOUR, "end must be after start"),
            (-1, HOUR, 9 * HOUR, "start must not be before 1970"),
            (
                0,
                3 * HOUR + 1,
                3 * HOUR - 1,
                "still to come: 1970-01-01 03:00:00+00:00 is, at 1970-01-01 02:59:59.999999+00:00",
            ),
            (8 * HOUR, 9 * HOUR, HOUR, "still to come: 1970-01-01 08:00:00+00:00"),
            (0, (MOST_TICKS + 1) * HOUR, 10**6 * HOUR, "at most 100000 ticks between them"),
        ],
    )
    def test_a_period_that_cannot_be_is_refused(
        self, start: int, end: int, now: int, message: str
    ) -> None:
        with pytest.raises(ScheduleError, match=re.escape(message)):
            check_period(HOURLY, start, end, now)

    def test_a_hundred_thousand_ticks_may_be_asked_for(self) -> None:
        check_period(HOURLY, 0, MOST_TICKS * HOUR, MOST_TICKS * HOUR)

    def test_now_is_not_to_come(self) -> None:
        check_period(HOURLY, 0, 3 * HOUR + 1, 3 * HOUR)

    def test_a_period_after_the_last_tick_has_none_to_come(self) -> None:
        check_period(Timing("s", HOURLY.cron, end=2 * HOUR), 0, 9 * HOUR, 3 * HOUR)
