"""Time limits are read as given, and stored as µs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tables import each_row

from cloaca_core.errors import DefinitionError, DefinitionTypeError
from cloaca_core.values.times.no_limit import NO_LIMIT
from cloaca_core.values.times.time_limits import (
    TimeLimit,
    limit_of_row,
    read_time_limit,
    stored_limit,
)


@each_row(
    ("expected", "value"),
    [(5.0, 5), (0.5, 0.5), (3600.0, timedelta(hours=1)), (NO_LIMIT, NO_LIMIT)],
)
def test_a_limit_is_a_duration_or_none(expected: TimeLimit, value: object) -> None:
    assert read_time_limit("limit", value) == expected


@each_row(
    ("value", "message"),
    [
        (0, r"limit must be greater than 0, got 0; cloaca\.NO_LIMIT is for none"),
        (timedelta(0), r"limit must be greater than 0, got 0:00:00; cloaca\.NO_LIMIT is for none"),
        (-1, "limit must be 0 to 1000000000 seconds, got -1"),
    ],
)
def test_no_time_at_all_is_refused(value: object, message: str) -> None:
    with pytest.raises(DefinitionError, match=f"^{message}$"):
        read_time_limit("limit", value)


@each_row("value", ["5", "none", None, True])
def test_another_type_is_refused_with_what_is_accepted(value: object) -> None:
    message = r"^limit must be a number of seconds or a timedelta or cloaca\.NO_LIMIT, got "
    with pytest.raises(DefinitionTypeError, match=message):
        read_time_limit("limit", value)


@each_row(
    ("stored", "limit"),
    [(None, None), (-1, NO_LIMIT), (1_500_000, 1.5), (1, 0.000001), (10**15, 1e9)],
)
def test_a_row_holds_it(stored: int | None, limit: TimeLimit | None) -> None:
    assert stored_limit(limit) == stored
    assert limit_of_row(stored) == limit


def test_less_than_a_microsecond_is_one() -> None:
    assert stored_limit(1e-9) == 1
