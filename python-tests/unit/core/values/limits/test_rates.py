"""Rates, as programs write them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, strategies as st
from tables import each_row

from cloaca_core.errors import DefinitionError, DefinitionTypeError
from cloaca_core.values.limits.rates import Rate, read_rate

SECOND = 1_000_000


@each_row(
    ("rate", "burst", "expected"),
    [
        # the burst is a tenth of a second's starts, at least one
        ("100/s", None, Rate(100, SECOND, 10)),
        ("19/s", None, Rate(19, SECOND, 1)),
        ("100/m", None, Rate(100, 60 * SECOND, 1)),
        ("7200000/h", None, Rate(7_200_000, 3_600 * SECOND, 200)),
        ("1/d", None, Rate(1, 86_400 * SECOND, 1)),
        ("100/m", 10, Rate(100, 60 * SECOND, 10)),
        # a burst may be more than the count: a quiet hour saves up starts of many periods
        ("5/10s", 300, Rate(5, 10 * SECOND, 300)),
        ("5/1.5s", None, Rate(5, 1_500_000, 1)),
        ((5, 10), None, Rate(5, 10 * SECOND, 1)),
        ((3, timedelta(minutes=2)), 2, Rate(3, 120 * SECOND, 2)),
        ((2, 0.5), None, Rate(2, 500_000, 1)),
        # the fastest that an interval of whole microseconds has
        ("1000000/s", None, Rate(1_000_000, SECOND, 100_000)),
    ],
)
def test_a_rate_is_a_count_a_period_and_a_burst(
    rate: object, burst: int | None, expected: Rate
) -> None:
    assert read_rate("rate", rate, burst) == expected


@each_row(
    ("rate", "burst", "message"),
    [
        ("100", None, r'^rate must be written as "100/s", .*, got \'100\'$'),
        ("100/w", None, r"^rate must be written as"),
        ("100/S", None, r"^rate must be written as"),
        ("-1/s", None, r"^rate must be written as"),
        ("1.5/s", None, r"^rate must be written as"),
        ("nan/s", None, r"^rate must be written as"),
        ("100 / s", None, r"^rate must be written as"),
        ("٣/s", None, r"^rate must be written as"),
        ("", None, r"^rate must be written as"),
        ("0/s", None, r"^rate must have a count of at least 1, got 0$"),
        ((0, 1), None, r"^rate must have a count of at least 1, got 0$"),
        ((-1, 1), None, r"^the count of rate must be at least 0, got -1$"),
        ("5/0s", None, r"^the period of rate must be greater than 0"),
        ("1/99999999d", None, r"^the period of rate must be greater than 0 and at most 1000000000"),
        ((5, 0), None, r"^the period of rate must be greater than 0$"),
        ((5, -1), None, r"^the period of rate must be 0 to 1000000000 seconds, got -1$"),
        ((5, float("nan")), None, r"^the period of rate must be 0 to 1000000000 seconds, got nan$"),
        ("1000001/s", None, r"^rate must be at most one in a microsecond"),
        ("100/s", 0, r"^the burst of rate must be 1 to 100000000000, got 0$"),
        ("1/d", 11_575, r"^the burst of rate must be 1 to 11574, got 11575$"),
    ],
)
def test_another_value_is_refused(rate: object, burst: object, message: str) -> None:
    with pytest.raises(DefinitionError, match=message) as refused:
        read_rate("rate", rate, burst)
    assert not isinstance(refused.value, TypeError)


@each_row(
    ("rate", "burst", "message"),
    [
        (100, None, r"^rate must be written as .*, got int$"),
        (True, None, r"^rate must be written as .*, got bool$"),
        (["100/s"], None, r"^rate must be written as .*, got list$"),
        ((5,), None, r"^rate must be written as .*, got a tuple of 1 members$"),
        (("5", 1), None, r"^the count of rate must be an int, got str$"),
        ((True, 1), None, r"^the count of rate must be an int, got bool$"),
        (
            (5, "1s"),
            None,
            r"^the period of rate must be a number of seconds or a timedelta, got str$",
        ),
        ((5, True), None, r"^the period of rate must be a number of seconds"),
        ("100/s", 1.0, r"^the burst of rate must be an int, got float$"),
        ("100/s", True, r"^the burst of rate must be an int, got bool$"),
    ],
)
def test_another_type_is_a_type_error(rate: object, burst: object, message: str) -> None:
    with pytest.raises(DefinitionTypeError, match=message):
        read_rate("rate", rate, burst)


@given(st.integers(1, 10**6), st.integers(1, 10**15), st.integers(1, 10**6))
def test_the_text_and_the_json_of_a_rate_are_read_as_that_rate(
    count: int, period_us: int, burst: int
) -> None:
    rate = Rate(min(count, period_us), period_us, burst)
    assert Rate.read(rate.written()) == rate
    found = read_rate("rate", rate.text)
    assert (found.count, found.period_us) == (rate.count, rate.period_us)


@each_row(
    ("period_us", "text"),
    [
        (60 * SECOND, "7/m"),
        (7_200 * SECOND, "7/2h"),
        (90 * SECOND, "7/90s"),
        (86_400 * SECOND, "7/d"),
        (1_500_000, "7/1.5s"),
        (7, "7/0.000007s"),
    ],
)
def test_a_rate_is_shown_in_its_longest_whole_unit(period_us: int, text: str) -> None:
    assert Rate(7, period_us, 1).text == text
