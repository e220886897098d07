"""When a run starts: what the options may be, how they are refused, and when it is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tables import each_row

from cloaca_core.definition.submission import StartOptions
from cloaca_core.engine.submit.start import AT_ONCE, Start, checked_start
from cloaca_core.errors import ConfigError, ConfigTypeError

NOW = 1_000


def test_without_options_a_run_starts_at_once() -> None:
    assert checked_start(StartOptions()) is AT_ONCE


@each_row(
    ("options", "expected"),
    [
        ({"priority": -100}, Start(priority=-100)),
        ({"priority": 100}, Start(priority=100)),
        ({"priority": 0}, Start(priority=0)),  # not that of the parent
        ({"run_at": datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC)}, Start(run_at=2_000_000)),
        ({"run_at": "1970-01-01T01:00:02+01:00"}, Start(run_at=2_000_000)),
        ({"delay": 0.0000015}, Start(delay=2)),
        ({"delay": timedelta(hours=1)}, Start(delay=3_600_000_000)),
        ({"delay": 0}, Start()),
        ({"detached": True}, Start(detached=True)),
        ({"start_by": datetime(1970, 1, 1, 0, 0, 2, tzinfo=UTC)}, Start(start_by=2_000_000)),
        ({"start_by": "1970-01-01T00:00:02Z"}, Start(start_by=2_000_000)),
        ({"start_by": timedelta(seconds=2)}, Start(start_within=2_000_000)),
        ({"start_by": 2}, Start(start_within=2_000_000)),
    ],
)
def test_they_are_instants_and_durations(options: dict[str, Any], expected: Start) -> None:
    assert checked_start(StartOptions(**options)) == expected


@each_row(
    ("options", "error", "field", "text"),
    [
        ({"priority": 101}, ConfigError, "priority", "priority must be -100 to 100, got 101"),
        ({"priority": -101}, ConfigError, "priority", "priority must be -100 to 100, got -101"),
        ({"priority": True}, ConfigTypeError, "priority", "priority must be an int, not bool"),
        ({"priority": 1.0}, ConfigTypeError, "priority", "priority must be an int, not float"),
        ({"run_at": "2026-01-01"}, ConfigError, "run_at", "run_at is '2026-01-01', exp"),
        ({"run_at": "soon"}, ConfigError, "run_at", "run_at is 'soon', expected"),
        ({"run_at": 5}, ConfigTypeError, "run_at", "run_at must be a datetime with"),
        ({"delay": -1}, ConfigError, "delay", "delay must be 0 to 1000000000 seconds, got -1"),
        ({"delay": "5s"}, ConfigTypeError, "delay", "delay must be a number of seconds"),
        ({"delay": 0, "run_at": "x"}, ConfigError, "delay", "give run_at or delay, not both"),
        ({"start_by": -2}, ConfigError, "start_by", "start_by must be 0 to 1000000000 seconds"),
        ({"start_by": "2026"}, ConfigError, "start_by", "start_by is '2026', expected"),
        ({"start_by": []}, ConfigTypeError, "start_by", "start_by must be a datetime with"),
        (
            {"run_at": "1970-01-02T00:00:00Z", "start_by": "1970-01-01T00:00:00Z"},
            ConfigError,
            "start_by",
            "start_by must not be before run_at",
        ),
        ({"detached": 1}, ConfigTypeError, "detached", "detached must be a bool, not int"),
        ({"detached": 0}, ConfigTypeError, "detached", "detached must be a bool, not int"),
    ],
)
def test_a_refusal_names_the_parameter(
    options: dict[str, Any], error: type[ConfigError], field: str, text: str
) -> None:
    with pytest.raises(error) as caught:
        checked_start(StartOptions(**options))

    assert text in str(caught.value)
    assert caught.value.field == field


@each_row(
    ("start", "due_at"),
    [
        (AT_ONCE, None),
        (Start(priority=5), None),
        (Start(run_at=1_001), 1_001),
        (Start(run_at=1_000), None),
        (Start(run_at=-1), None),
        (Start(delay=7), 1_007),
        (Start(delay=0), None),
    ],
)
def test_a_run_is_due_in_the_future_or_at_once(start: Start, due_at: int | None) -> None:
    assert start.due_at(NOW) == due_at


@each_row(
    ("start", "latest"),
    [
        (AT_ONCE, None),
        (Start(start_by=5), 5),
        (Start(start_within=7), 1_007),
        (Start(delay=10, start_within=7), 1_017),
        (Start(run_at=2_000, start_within=7), 2_007),
        (Start(run_at=500, start_within=7), 1_007),
    ],
)
def test_a_run_has_time_to_begin_from_when_it_is_due(start: Start, latest: int | None) -> None:
    assert start.latest(NOW, start.due_at(NOW)) == latest
