"""Spans between the changes of a zone's clock, which zoneinfo does not list."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo

import pytest
from tables import each_row

from cloaca_core.definition.cron.zones import Span, spans_from, zone_named
from cloaca_core.errors import CronExpressionError


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def year_of(zone: str, year: int) -> list[Span]:
    start, end = (int(datetime(y, 1, 1, tzinfo=UTC).timestamp()) for y in (year, year + 1))
    return list(takewhile(lambda span: span.start < end, spans_from(ZoneInfo(zone), start)))


def test_a_year_with_summer_time_has_three_spans() -> None:
    spring, autumn = at("2026-03-29T01:00:00+00:00"), at("2026-10-25T01:00:00+00:00")
    first, summer, last = year_of("Europe/Berlin", 2026)
    assert summer == Span(spring, autumn, 7200, 3600)
    assert (first.end, first.offset, first.jump) == (spring, 3600, 0)
    assert (last.start, last.offset, last.jump) == (autumn, 3600, -3600)


@each_row(
    ("jumps", "zone", "year"),
    [
        ([], "UTC", 2026),
        ([-1800, 1800], "Australia/Lord_Howe", 2026),
        ([86_400], "Pacific/Fakaofo", 2011),
        # Summer time, Ramadan without it, summer time again.
        ([3600, -3600, 3600, -3600], "Africa/Casablanca", 2012),
        ([-3600, 3600, -3600], "America/Recife", 2000),  # the last two a week apart
    ],
)
def test_each_change_begins_a_span(jumps: list[int], zone: str, year: int) -> None:
    assert [span.jump for span in year_of(zone, year) if span.jump] == jumps


def test_spans_follow_each_other_without_a_gap() -> None:
    spans = year_of("America/New_York", 2026) + year_of("America/New_York", 2027)
    assert all(one.end == other.start for one, other in pairwise(spans))


def test_the_first_span_holds_the_moment() -> None:
    moment = at("2026-07-01T00:00:00+00:00")
    first = next(spans_from(ZoneInfo("Europe/Berlin"), moment))
    assert first.start <= moment < first.end


def test_the_name_of_a_zone_is_case_sensitive_everywhere() -> None:
    """Some file systems would find it."""
    with pytest.raises(CronExpressionError, match="did you mean 'America/New_York'"):
        zone_named("america/new_york")
