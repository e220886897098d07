"""The waits that a body asks for: their arguments in one form, or refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tables import each_row

from cloaca_core.definition.handles.wait_calls import (
    WaitCall,
    event_call,
    poll_seconds,
    sleep_call,
    sleep_until_call,
)
from cloaca_core.errors import DefinitionError, DefinitionTypeError
from cloaca_core.values.missing import MISSING
from cloaca_core.values.waits import EVENT, SLEEP


@each_row(("seconds", "in_seconds"), [(0, 0.0), (1.5, 1.5), (timedelta(days=1), 86_400.0)])
def test_a_sleep_takes_seconds(seconds: Any, in_seconds: float) -> None:
    call = sleep_call(seconds)

    assert call == WaitCall(SLEEP, "", in_seconds)


@each_row("seconds", [-1, float("nan"), "1", None])
def test_a_sleep_refuses_what_is_no_time(seconds: Any) -> None:
    with pytest.raises((DefinitionError, DefinitionTypeError), match="seconds"):
        sleep_call(seconds)


@each_row("instant", ["1970-01-01T01:00:02+01:00", datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC)])
def test_a_sleep_takes_an_instant(instant: object) -> None:
    assert sleep_until_call(instant) == WaitCall(SLEEP, "", None, 2_000_000)


@each_row("instant", ["tomorrow", "2026-01-01T00:00:00", 7, None])
def test_a_sleep_refuses_what_is_no_instant(instant: object) -> None:
    with pytest.raises((DefinitionError, DefinitionTypeError), match="instant"):
        sleep_until_call(instant)


def test_a_wait_for_an_event_has_a_name() -> None:
    assert event_call("paid", None, MISSING) == WaitCall(EVENT, "paid", None)


def test_a_wait_for_an_event_may_end_without_it() -> None:
    assert event_call("paid", timedelta(minutes=1), None) == WaitCall(
        EVENT, "paid", 60.0, None, None
    )
    assert event_call("paid", 3, MISSING) == WaitCall(EVENT, "paid", 3.0)


@each_row(
    ("event", "timeout", "default", "what"),
    [
        ("", None, MISSING, "event must have 1 to 255 characters, no NUL .* got ''"),
        ("x" * 256, None, MISSING, "event must have 1 to 255 characters"),
        (7, None, MISSING, "event"),
        ("paid", 0, MISSING, "timeout"),
        ("paid", -1, MISSING, "timeout"),
        ("paid", None, 1, "default"),  # it would never be taken
    ],
)
def test_a_wait_for_an_event_refuses_what_makes_no_sense(
    event: object, timeout: Any, default: object, what: str
) -> None:
    with pytest.raises((DefinitionError, DefinitionTypeError), match=what):
        event_call(event, timeout, default)


@each_row(("milliseconds", "seconds"), [(1, 0.001), (1500.0, 1.5)])
def test_a_condition_is_asked_every_so_many_milliseconds(
    milliseconds: float, seconds: float
) -> None:
    assert poll_seconds(bool, milliseconds) == seconds


@each_row(
    ("condition", "milliseconds", "what"),
    [
        (True, 1000, "condition"),
        (bool, 0.9, "poll_interval_ms"),
        (bool, 1e300, "poll_interval_ms"),
        (bool, float("nan"), "poll_interval_ms"),
        (bool, True, "poll_interval_ms"),
        (bool, "1", "poll_interval_ms"),
    ],
)
def test_a_condition_that_cannot_be_asked_is_refused(
    condition: object, milliseconds: object, what: str
) -> None:
    with pytest.raises((DefinitionError, DefinitionTypeError), match=what):
        poll_seconds(condition, milliseconds)
