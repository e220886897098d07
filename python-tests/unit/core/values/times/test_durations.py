"""Durations are seconds or a timedelta."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from tables import each_row

from cloaca_core.errors import DefinitionError, DefinitionTypeError
from cloaca_core.values.times.durations import LONGEST, read_seconds


@each_row(
    ("expected", "value"),
    [
        (0.0, 0),
        (1.5, 1.5),
        (90.0, timedelta(minutes=1, seconds=30)),
        (0.000001, timedelta(microseconds=1)),
        (LONGEST, 10**9),
    ],
)
def test_a_duration_is_read_as_seconds(expected: float, value: object) -> None:
    seconds = read_seconds("delay", value)

    assert seconds == expected
    assert type(seconds) is float


@each_row("value", ["5", None, True, [1]])
def test_another_type_is_refused(value: object) -> None:
    message = f"delay must be a number of seconds or a timedelta, got {type(value).__name__}"
    with pytest.raises(DefinitionTypeError, match=f"^{message}$"):
        read_seconds("delay", value)


@each_row(
    "value",
    [-1, timedelta(seconds=-1), math.nan, math.inf, 10**9 + 1, 10**400, timedelta(days=20_000)],
)
def test_a_value_that_no_due_time_can_hold_is_refused(value: object) -> None:
    with pytest.raises(DefinitionError, match=r"^delay must be 0 to 1000000000 seconds, got "):
        read_seconds("delay", value)


def test_the_message_names_other_values_that_the_caller_accepts() -> None:
    with pytest.raises(DefinitionTypeError, match="a timedelta or the word, got str"):
        read_seconds("delay", "5", otherwise=" or the word")
