"""The ticks of an expression in its zone: order, gaps, folds, and the calendar's far ends."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given, strategies as st
from model.cron_texts import expressions
from tables import each_row

from cloaca_core.definition.cron.expression import CronExpression
from cloaca_core.errors import CronExpressionError, DefinitionTypeError
from cloaca_core.values.times.instants import SECOND

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ZONES = st.sampled_from(
    ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia", "Antarctica/Casey"]
)
INSTANTS = st.integers(0, 80 * 366 * 86_400 * SECOND)


def us(text: str) -> int:
    """The instant that an RFC 3339 text says."""
    return (datetime.fromisoformat(text) - EPOCH) // timedelta(microseconds=1)


def ticks(expression: str, zone: str, after: str, count: int) -> list[str]:
    """The first ticks, as the zone's wall says them."""
    cron = CronExpression(expression, zone)
    found = islice(cron.ticks_after(us(after)), count)
    local = [(EPOCH + timedelta(microseconds=each)).astimezone(cron.zone) for each in found]
    return [each.isoformat() for each in local]


class TestJumps:
    def test_a_fixed_time_in_the_gap_ticks_once_right_after_it(self) -> None:
        assert ticks("15,45 2 * * *", "Europe/Berlin", "2026-03-28T03:00:00+01:00", 2) == [
            "2026-03-29T03:00:00+02:00",
            "2026-03-30T02:15:00+02:00",
        ]

    def test_what_the_gap_moves_onto_a_tick_is_that_tick(self) -> None:
        assert ticks("0 2,3 * * *", "Europe/Berlin", "2026-03-28T03:00:00+01:00", 2) == [
            "2026-03-29T03:00:00+02:00",
            "2026-03-30T02:00:00+02:00",
        ]

    @each_row("expression", ["15,45 2 29 3 *", "0,15 2,3 29 3 *"])
    def test_what_is_moved_out_of_the_gap_counts_as_one(self, expression: str) -> None:
        cron = CronExpression(expression, "Europe/Berlin")
        gap = us("2026-03-29T03:00:00+02:00")
        assert cron.count(gap - SECOND, gap) == 1
        assert cron.count(gap, gap + 60 * SECOND) == 0

    def test_a_fixed_time_in_the_fold_ticks_in_the_first_pass_only(self) -> None:
        assert ticks("30 2 * * *", "Europe/Berlin", "2026-10-24T03:00:00+02:00", 2) == [
            "2026-10-25T02:30:00+02:00",
            "2026-10-26T02:30:00+01:00",
        ]

    def test_asked_in_the_second_pass_a_fixed_time_comes_the_next_day(self) -> None:
        assert ticks("50 2 * * *", "Europe/Berlin", "2026-10-25T02:45:00+01:00", 1) == [
            "2026-10-26T02:50:00+01:00"
        ]

    @each_row("expression", ["*/30 2 * * *", "0,30 */2 25 10 *"])
    def test_a_wildcard_ticks_in_both_passes(self, expression: str) -> None:
        assert ticks(expression, "Europe/Berlin", "2026-10-25T01:59:00+02:00", 4) == [
            "2026-10-25T02:00:00+02:00",
            "2026-10-25T02:30:00+02:00",
            "2026-10-25T02:00:00+01:00",
            "2026-10-25T02:30:00+01:00",
        ]

    def test_a_wildcard_leaves_the_gap_out(self) -> None:
        assert ticks("*/30 2 * * *", "Europe/Berlin", "2026-03-28T03:00:00+01:00", 1) == [
            "2026-03-30T02:00:00+02:00"
        ]

    def test_a_range_of_all_hours_is_no_wildcard(self) -> None:
        """Vixie's cron looks at the star and not at what the field comes to."""
        assert ticks("0 0-23 * * *", "Europe/Berlin", "2026-10-25T01:30:00+02:00", 2) == [
            "2026-10-25T02:00:00+02:00",
            "2026-10-25T03:00:00+01:00",
        ]

    @each_row(
        ("expected", "expression"),
        [
            # Fixed: after the gap, once, on the whole second at which the clock jumped.
            ("2026-03-29T03:00:00+02:00", "30 15 2 * * *"),
            # A star in the seconds makes a wildcard.
            ("2026-03-30T02:15:00+02:00", "*/30 15 2 * * *"),
        ],
    )
    def test_with_seconds_the_same_rule_holds(self, expected: str, expression: str) -> None:
        assert ticks(expression, "Europe/Berlin", "2026-03-28T03:00:00+01:00", 1) == [expected]

    def test_beside_a_jump_of_half_an_hour_no_tick_is_left_out(self) -> None:
        assert ticks("*/30 3 * * *", "Australia/Lord_Howe", "2026-10-04T00:00:00+10:30", 2) == [
            "2026-10-04T03:00:00+11:00",
            "2026-10-04T03:30:00+11:00",
        ]

    def test_a_day_that_is_skipped_has_no_ticks(self) -> None:
        """Samoa had no 30 December 2011: 24 hours are a correction, nothing is made up for."""
        assert ticks("30 9 * * *", "Pacific/Apia", "2011-12-29T00:00:00-10:00", 2) == [
            "2011-12-29T09:30:00-10:00",
            "2011-12-31T09:30:00+14:00",
        ]

    @each_row(
        ("expected", "expression", "after"),
        [
            # 02:00 became 05:00: three hours are left out.
            ("2009-10-19T03:30:00+11:00", "30 3 * * *", "2009-10-17T22:00:00+08:00"),
            # 02:00 became 23:00 of the day before: three hours are not run again.
            ("2010-03-06T00:30:00+08:00", "30 0 * * *", "2010-03-05T01:00:00+11:00"),
        ],
    )
    def test_three_hours_are_the_edge(self, expected: str, expression: str, after: str) -> None:
        assert ticks(expression, "Antarctica/Casey", after, 1) == [expected]


class TestOrder:
    @given(text=expressions(), zone=ZONES, instant=INSTANTS)
    def test_next_is_strictly_later_and_a_whole_second(
        self, text: str, zone: str, instant: int
    ) -> None:
        tick = CronExpression(text, zone).next_after(instant)
        if tick is not None:
            assert tick > instant
            assert tick % SECOND == 0

    @given(text=expressions(), zone=ZONES, instant=INSTANTS)
    def test_no_tick_is_lost_or_doubled(self, text: str, zone: str, instant: int) -> None:
        """One by one, all at once and by counting: the same ticks."""
        cron = CronExpression(text, zone)
        one_by_one = list(islice(_repeated(cron, instant), 20))
        if one_by_one:
            until = one_by_one[-1]
            assert cron.between(instant, until) == one_by_one
            assert cron.count(instant, until) == len(one_by_one)
            assert cron.newest(instant, until, 3) == one_by_one[-3:]

    @given(text=expressions(), zone=ZONES, instant=INSTANTS, seconds=st.integers(0, 10**6))
    def test_a_tick_is_found_from_any_instant_before_it(
        self, text: str, zone: str, instant: int, seconds: int
    ) -> None:
        cron = CronExpression(text, zone)
        tick = cron.next_after(instant)
        if tick is not None:
            between = max(instant, tick - 1 - seconds)
            assert cron.next_after(between) == tick

    @given(text=expressions(seconds=True), instant=INSTANTS)
    def test_without_jumps_it_is_what_cronsim_says(self, text: str, instant: int) -> None:
        """As far as cronsim goes: it knows no 15W and looks 50 years ahead."""
        if "W" not in text.replace("LW", ""):
            tick = CronExpression(text, "UTC").next_after(instant)
            plain = next(CronSim(_fit(text), EPOCH + timedelta(microseconds=instant)), None)
            assert tick == (plain and (plain - EPOCH) // timedelta(microseconds=1))

    def test_between_excludes_its_start_and_includes_its_end(self) -> None:
        cron = CronExpression("0 * * * *", "UTC")
        start, end = us("2026-01-01T00:00:00+00:00"), us("2026-01-01T02:00:00+00:00")
        assert cron.between(start, end) == [start + 3600 * SECOND, end]
        assert cron.between(start, end, limit=1) == [start + 3600 * SECOND]
        assert cron.between(end, start) == []
        assert cron.count(end, start) == 0

    def test_the_newest_of_very_many_are_found_without_walking_over_all(self) -> None:
        """A year of seconds: 31 million ticks would take minutes."""
        cron = CronExpression("* * * * * *", "Europe/Berlin")
        start, end = us("2025-01-01T00:00:00+01:00"), us("2026-01-01T00:00:00+01:00")
        assert cron.newest(start, end, 2) == [end - SECOND, end]
        assert cron.count(start, end) == 365 * 86_400


class TestEnds:
    def test_a_rare_date_is_found_across_the_century(self) -> None:
        """29 February as a fifth Monday: 2100 is no leap year."""
        assert ticks("0 0 * 2 MON#5", "UTC", "2072-03-01T00:00:00+00:00", 1) == [
            "2112-02-29T00:00:00+00:00"
        ]

    def test_times_that_the_zone_always_skips_never_come(self) -> None:
        """The second Sunday of March is when New York's clocks leave 02:00 to 03:00 out."""
        cron = CronExpression("*/5 2 8-14 3 */7", "America/New_York")
        assert cron.next_after(us("2026-01-01T00:00:00+00:00")) is None

    def test_the_calendar_ends(self) -> None:
        cron = CronExpression("@yearly", "UTC")
        assert cron.next_after(us("9998-06-01T00:00:00+00:00")) is None

    @each_row("instant", ["1850-05-05T00:00:00+00:00", "1969-12-31T00:00:00+00:00"])
    def test_before_1970_it_ticks_too(self, instant: str) -> None:
        assert (
            CronExpression("* * * * *", "UTC").next_after(us(instant)) == us(instant) + 60 * SECOND
        )


class TestValue:
    def test_equal_is_what_reads_the_same(self) -> None:
        cron = CronExpression("0 9 * * MON", "Europe/Berlin")
        same = CronExpression("0  09 ? * 1", "Europe/Berlin")
        assert cron == same
        assert hash(cron) == hash(same)
        assert cron != CronExpression("0 9 * * MON", "Europe/Paris")
        assert cron != CronExpression("0 9 * * TUE", "Europe/Berlin")

    def test_it_can_be_copied_and_sent(self) -> None:
        cron = CronExpression("0 9 15W * *", "Europe/Berlin")
        for sent in (copy.deepcopy(cron), pickle.loads(pickle.dumps(cron))):  # noqa: S301 - ours
            assert sent == cron
            assert sent.next_after(0) == cron.next_after(0)

    def test_the_repr_is_how_it_was_made(self) -> None:
        text = "CronExpression(expression='@daily', timezone='UTC')"
        assert repr(CronExpression("@daily", "UTC")) == text

    @each_row(
        ("hint", "zone"),
        [
            ("", "Nowhere/Atall"),
            ("did you mean 'Europe/Berlin'?", "europe/berlin"),
            ("", "+01:00"),
            ("", "localtime"),  # not the same on the next machine
            ("", ""),
            ("", "../../etc/passwd"),
            ("", "UTC\0"),
        ],
    )
    def test_another_zone_than_those_of_iana_is_refused(self, hint: str, zone: str) -> None:
        with pytest.raises(CronExpressionError) as caught:
            CronExpression("@daily", zone)
        message = str(caught.value)
        assert message.startswith("Invalid cron expression or timezone: ")
        assert repr(zone) in message
        assert hint in message
        assert (caught.value.field, caught.value.given) == ("timezone", zone)

    def test_a_zone_of_another_type_is_a_type_error(self) -> None:
        with pytest.raises(DefinitionTypeError, match="timezone must be a str, got ZoneInfo"):
            CronExpression("@daily", ZoneInfo("UTC"))  # type: ignore[arg-type] # the point


def _repeated(cron: CronExpression, instant: int | None) -> Iterator[int]:
    while instant is not None and (instant := cron.next_after(instant)) is not None:
        yield instant


def _fit(text: str) -> str:
    """``5-5/2`` as what it says: cronsim reads it as ``5/2``."""
    return CronExpression(text, "UTC").normalized
