"""Days for which ended runs are kept."""

from __future__ import annotations

import math

import pytest
from tables import each_row

from cloaca_core.errors import DefinitionError, DefinitionTypeError
from cloaca_core.values.times.no_limit import NO_LIMIT
from cloaca_core.values.times.retention import (
    DAY_US,
    FOR_EVER,
    Retention,
    UsualDays,
    read_retention,
    stored_retention,
)


@each_row("days", [1, 0.5, 1e-9, 100_000, NO_LIMIT])
def test_days_and_no_limit_are_accepted(days: Retention) -> None:
    assert read_retention("days", days) == days


@each_row("days", [0, -1, 100_001, math.inf, math.nan])
def test_other_numbers_are_refused(days: float) -> None:
    with pytest.raises(DefinitionError, match="days must be"):
        read_retention("days", days)


@each_row("days", ["90", None, True])
def test_other_types_are_refused(days: object) -> None:
    with pytest.raises(DefinitionTypeError, match="days must be"):
        read_retention("days", days)


@each_row(
    ("days", "stored"),
    [
        (None, None),
        (NO_LIMIT, FOR_EVER),
        (2, 2 * DAY_US),
        (1e-12, 1),  # never 0: a run that has just ended is kept for a moment
    ],
)
def test_rows_hold_microseconds(days: Retention | None, stored: int | None) -> None:
    assert stored_retention(days) == stored


def test_the_usual_days_are_a_number_like_others() -> None:
    assert UsualDays(90) == 90
    assert repr(UsualDays(90)) == "90"
