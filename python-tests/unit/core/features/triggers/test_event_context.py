"""The event and the context of a run that a trigger has fired."""

from __future__ import annotations

from datetime import UTC, datetime

from tables import each_row

from cloaca_core.definition.triggers.result import TriggerResult
from cloaca_core.features.schedules.timing.catch_up import DueTick
from cloaca_core.features.triggers.event_context import (
    context_hash,
    fired_items,
    run_context,
    tick_context,
)
from cloaca_testing.conformance.rows import trigger_row

NOON = int(datetime(2026, 3, 10, 12, tzinfo=UTC).timestamp()) * 1_000_000
EMPTY = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
"""SHA-256 of ``{}``, as sha256sum says."""


def test_nothing_fired_is_an_empty_context() -> None:
    assert fired_items(TriggerResult.fire()) == {}
    assert fired_items(TriggerResult.fire({"a": 1})) == {"a": 1}
    assert context_hash({}) == EMPTY


def test_the_order_of_keys_makes_no_difference() -> None:
    assert context_hash({"a": 1, "b": {"c": 2, "d": 3}}) == context_hash(
        {"b": {"d": 3, "c": 2}, "a": 1}
    )


@each_row("other", [{"a": 2}, {"a": "1"}, {"b": 1}, {"a": [1]}, {"a": None}, {}])
def test_other_contexts_have_other_hashes(other: dict[str, object]) -> None:
    assert context_hash({"a": 1}) != context_hash(other)  # type: ignore[arg-type]  # plain JSON


def test_a_run_begins_with_what_was_fired_and_who_fired_it() -> None:
    assert run_context({"a": 1, "trigger_name": "mine"}, "t", NOON) == {
        "a": 1,
        "trigger_name": "t",
        "triggered_at": "2026-03-10T12:00:00+00:00",
    }


def test_the_run_of_a_tick_knows_which_tick_it_is() -> None:
    row = trigger_row("id", name="t")._replace(cron_expression="@daily", timezone="Asia/Tokyo")

    assert tick_context(row, DueTick(NOON, recovered=False), NOON + 1_000_000) == {
        "scheduled_time": "2026-03-10T12:00:00+00:00",
        "schedule_id": "id",
        "schedule_timezone": "Asia/Tokyo",
        "schedule_expression": "@daily",
        "trigger_name": "t",
        "triggered_at": "2026-03-10T12:00:01+00:00",
    }


def test_the_run_of_a_missed_tick_knows_that_it_is_late() -> None:
    row = trigger_row("id")._replace(cron_expression="@daily", timezone="UTC")

    late = tick_context(row, DueTick(NOON, recovered=True), NOON)

    assert (late["is_recovery"], late["recovery_attempt"]) == (True, 1)
    assert late["original_execution_id"] == "id@2026-03-10T12:00:00+00:00"
