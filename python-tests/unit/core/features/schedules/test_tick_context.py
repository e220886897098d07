"""A run knows which tick made it, and whether that came late."""

from __future__ import annotations

from cloaca_core.features.schedules.tick_context import tick_items, tick_name
from cloaca_core.features.schedules.timing.catch_up import DueTick
from cloaca_core.values.times.instants import read_instant

NOON = read_instant("noon", "2026-03-10T12:00:00+00:00")


def test_a_tick_in_time_says_when_it_was_and_by_which_expression() -> None:
    assert tick_items("s", "@daily", "Asia/Tokyo", DueTick(NOON, recovered=False)) == {
        "scheduled_time": "2026-03-10T12:00:00+00:00",
        "schedule_id": "s",
        "schedule_timezone": "Asia/Tokyo",
        "schedule_expression": "@daily",
    }


def test_a_missed_tick_says_so_and_names_itself() -> None:
    in_time = tick_items("s", "@daily", "UTC", DueTick(NOON, recovered=False))

    assert tick_items("s", "@daily", "UTC", DueTick(NOON, recovered=True)) == in_time | {
        "is_recovery": True,
        "recovery_attempt": 1,
        "original_execution_id": tick_name("s", NOON),
    }


def test_a_tick_has_a_name_of_its_own() -> None:
    assert tick_name("s", NOON) == "s@2026-03-10T12:00:00+00:00"
