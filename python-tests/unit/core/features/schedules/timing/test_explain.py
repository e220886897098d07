"""The explanation of a schedule: its words, its next ticks, and where clock changes interfere."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice

import pytest
from hypothesis import given, strategies as st
from model.cron_texts import expressions
from tables import each_row

from cloaca_core.definition.cron.expression import CronExpression
from cloaca_core.errors import CronExpressionError, ScheduleError
from cloaca_core.features.schedules.timing.explain import explain_schedule
from cloaca_core.values.times.instants import from_datetime

NEW_YEAR = "2026-01-01T00:00:00+00:00"


def changes(expr: str, tz: str, after: str = NEW_YEAR) -> list[tuple[str, int, int, str]]:
    found = explain_schedule(expr, tz, after=after).clock_changes
    return [(each.at.isoformat(), each.minutes, each.times, each.effect) for each in found]


class TestWords:
    @each_row(
        ("words", "expression"),
        [
            ("At 09:00 on Monday through Friday", "0 9 * * MON-FRI"),
            ("At 00:00 every day", "@daily"),
            ("Every 10th second of every minute", "*/10 * * * * *"),
            ("At 00:00 on the last weekday of every month", "0 0 LW * *"),
            (
                "At 00:00 every day, but only on the weekday nearest to day 15 of the month",
                "0 0 15W * ?",
            ),
            (
                "At 00:00 on Monday, and on the weekday nearest to day 1 and day 22 of the month",
                "0 0 1W,22W * 1",
            ),
            (
                (
                    "At 00:00 on the first day of every month, "
                    "and on the weekday nearest to day 2 of the month"
                ),
                "0 0 1,2W * *",
            ),
            (  # February has no 30th
                "Every minute in February, but only on the weekday nearest to day 1 of the month",
                "* * 30,1W 2 *",
            ),
        ],
    )
    def test_it_is_said_in_words(self, words: str, expression: str) -> None:
        assert explain_schedule(expression, "UTC", after=NEW_YEAR).words == words

    @given(expressions())
    def test_there_are_words_for_every_expression(self, text: str) -> None:
        explanation = explain_schedule(text, "UTC", after=NEW_YEAR)
        assert explanation.words
        assert explanation.words in str(explanation)


class TestTicks:
    @given(
        text=expressions(),
        zone=st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca"]),
        after=st.datetimes(
            datetime(2000, 1, 1),  # noqa: DTZ001 - the strategy adds the zone
            datetime(2037, 1, 1),  # noqa: DTZ001
            timezones=st.just(UTC),
        ),
    )
    def test_what_is_explained_ticks_at_the_same_instants(
        self, text: str, zone: str, after: datetime
    ) -> None:
        explanation = explain_schedule(text, zone, after=after)
        again = CronExpression(explanation.expression, explanation.timezone)
        ticks = tuple(islice(again.ticks_after(from_datetime(after)), 5))
        assert tuple(map(from_datetime, explanation.next_ticks)) == ticks
        assert again.normalized == explanation.expression

    def test_they_are_in_the_time_of_the_zone(self) -> None:
        first = explain_schedule("30 2 * * *", "Europe/Berlin", after=NEW_YEAR).next_ticks[0]
        assert first.isoformat() == "2026-01-01T02:30:00+01:00"

    def test_without_a_start_they_are_still_to_come(self) -> None:
        explanation = explain_schedule("* * * * *", "UTC")
        assert explanation.next_ticks[-1] > datetime.now(UTC)


class TestClockChanges:
    def test_a_fixed_time_runs_once_in_both(self) -> None:
        assert changes("15,45 2 * * *", "Europe/Berlin") == [
            (
                "2026-03-29T03:00:00+02:00",
                60,
                2,
                "it skips 2 times of the schedule: run once, at the change",
            ),
            (
                "2026-10-25T02:00:00+01:00",
                -60,
                2,
                "it repeats 2 times of the schedule: run in the first pass only",
            ),
        ]

    def test_a_wildcard_follows_the_wall(self) -> None:
        assert [effect for *_, effect in changes("*/60 2 * * *", "Europe/Berlin")] == [
            "it skips 1 time of the schedule: left out",
            "it repeats 1 time of the schedule: run in both passes",
        ]

    def test_a_skipped_day_is_not_made_good(self) -> None:
        assert changes("30 9 * * *", "Pacific/Apia", "2011-12-01T00:00:00Z")[0] == (
            "2011-12-31T00:00:00+14:00",
            1440,
            1,
            "it skips 1 time of the schedule: left out",
        )

    @each_row(
        ("expression", "zone"),
        [
            ("30 12 * * *", "Europe/Berlin"),  # not at that time
            ("30 2 1 1 *", "Europe/Berlin"),  # not on that day
            ("*/10 * * * *", "Europe/Berlin"),  # each hour is alike
            ("* * * * *", "Australia/Lord_Howe"),  # each minute is alike
            ("0 2 * * *", "UTC"),
        ],
    )
    def test_what_the_change_does_not_touch_is_not_mentioned(
        self, expression: str, zone: str
    ) -> None:
        assert changes(expression, zone) == []

    def test_an_hourly_rhythm_is_broken_by_half_an_hour(self) -> None:
        (change,) = changes("0 * * * *", "Australia/Lord_Howe", "2026-06-01T00:00:00Z")[:1]
        assert change[:3] == ("2026-10-04T02:30:00+11:00", 30, 1)


class TestText:
    def test_it_is_a_text_to_show(self) -> None:
        assert str(explain_schedule("30 2 * * SUN", "Europe/Berlin", after=NEW_YEAR)) == (
            "30 2 * * 0 in Europe/Berlin: At 02:30 on Sunday\n"
            "Next:\n"
            "  2026-01-04 02:30:00+01:00\n"
            "  2026-01-11 02:30:00+01:00\n"
            "  2026-01-18 02:30:00+01:00\n"
            "  2026-01-25 02:30:00+01:00\n"
            "  2026-02-01 02:30:00+01:00\n"
            "Clock changes ahead:\n"
            "  the clock is put forward from 2026-03-29 02:00 to 2026-03-29 03:00; "
            "it skips 1 time of the schedule: run once, at the change\n"
            "  the clock is put back from 2026-10-25 03:00 to 2026-10-25 02:00; "
            "it repeats 1 time of the schedule: run in the first pass only"
        )

    def test_a_schedule_that_never_comes_says_so(self) -> None:
        text = str(explain_schedule("*/5 2 8-14 3 */7", "America/New_York", after=NEW_YEAR))
        assert "It never comes: the clock skips its times." in text

    def test_what_is_wrong_is_refused_by_name(self) -> None:
        with pytest.raises(CronExpressionError, match="'61' in the minute field"):
            explain_schedule("61 * * * *", "UTC")
        with pytest.raises(CronExpressionError, match="'Mars' is no IANA time zone"):
            explain_schedule("@daily", "Mars")
        with pytest.raises(ScheduleError, match="Invalid datetime format: after"):
            explain_schedule("@daily", "UTC", after="2026-01-01T00:00:00")
