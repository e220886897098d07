"""Instants and what people write for them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, strategies as st
from tables import each_row

from cloaca_core.errors import DefinitionTypeError, ScheduleError
from cloaca_core.values.times.instants import (
    from_datetime,
    instant_text,
    nearest_shown,
    read_instant,
    to_datetime,
)


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_datetime_comes_back_to_the_microsecond(moment: datetime) -> None:
    assert to_datetime(from_datetime(moment)) == moment


def test_an_instant_is_written_as_rfc_3339_in_utc() -> None:
    assert instant_text(1_000_001) == "1970-01-01T00:00:01.000001+00:00"
    assert instant_text(None) is None


@each_row(
    ("expected", "value"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1_500_000, "1970-01-01T00:00:01.5+00:00"),
        (3_600_000_000, "1970-01-01T02:00:00+01:00"),
        (-1, datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        (0, datetime(1970, 1, 1, 5, tzinfo=timezone(timedelta(hours=5)))),
    ],
)
def test_an_instant_is_read_with_its_offset(expected: int, value: object) -> None:
    assert read_instant("since", value) == expected


@each_row(
    "value",
    [
        "yesterday",
        "2026-03-29",  # no offset: which midnight?
        "2026-03-29T02:30:00",
        datetime(2026, 3, 29),  # noqa: DTZ001 - the point of the test
    ],
)
def test_a_time_without_an_offset_is_refused(value: object) -> None:
    with pytest.raises(ScheduleError, match=r"^Invalid datetime format: since is ") as caught:
        read_instant("since", value)
    assert isinstance(caught.value, ValueError)


@each_row("value", ["9999-12-31T23:59:59-00:01", "0001-01-01T00:00:00+00:01"])
def test_a_time_that_could_not_be_shown_in_utc_is_refused(value: str) -> None:
    with pytest.raises(ScheduleError, match=r"^Invalid datetime format: .* the years 1 to 9999$"):
        read_instant("until", value)


@each_row("moment", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_the_first_and_the_last_one_are_read_and_shown(moment: datetime) -> None:
    assert to_datetime(read_instant("until", moment)) == moment


@each_row(("shown", "instant"), [("1970-01-01", -1), ("9999-12-31", 2**62)])
def test_an_impossible_one_is_shown_as_the_nearest(shown: str, instant: int) -> None:
    assert to_datetime(nearest_shown(instant)).strftime("%Y-%m-%d") == shown


def test_another_type_is_a_type_error() -> None:
    with pytest.raises(DefinitionTypeError, match="since must be a datetime with a time zone"):
        read_instant("since", 0)
