"""Schedules and triggers of a workflow."""

from __future__ import annotations

from model.families import FLOW

from cloaca_core.features.schedules.records import ScheduleRow
from cloaca_core.features.triggers.records import TriggerRow
from cloaca_tools.views.workflows.starters import Found, starters


def schedule(expression: str = "0 2 * * *", zone: str = "Europe/Oslo") -> ScheduleRow:
    return ScheduleRow(
        id="s",
        name="every night",
        workflow=FLOW,
        cron_expression=expression,
        timezone=zone,
        enabled=True,
        catchup_policy="skip",
        overlap_policy="skip",
        jitter_seconds=0,
        start_date=None,
        end_date=None,
        params="{}",
        decided_until=0,
        next_tick=1_000_000,
        due_at=1_000_000,
        last_tick=None,
        generation=1,
        created_at=0,
        updated_at=0,
    )


def trigger(poll: int | None, expression: str | None = None) -> TriggerRow:
    return TriggerRow(
        id="t",
        name="files",
        workflow=FLOW,
        poll_interval_ms=poll,
        cron_expression=expression,
        timezone=None,
        allow_concurrent=False,
        enabled=False,
        last_poll_at=None,
        next_poll_at=None,
        generation=1,
        created_at=0,
        updated_at=0,
    )


def test_a_schedule_says_when_in_words() -> None:
    (found,) = starters(Found([schedule()], []))
    assert (found.kind, found.name, found.enabled) == ("schedule", "every night", True)
    assert found.words == "At 02:00 every day"
    assert found.next_at == "1970-01-01T00:00:01.000000+00:00"
    assert found.last_at is None


def test_a_schedule_of_an_unknown_zone_has_no_words() -> None:
    (found,) = starters(Found([schedule(zone="Moon/Sea")], []))
    assert (found.words, found.cron_expression) == (None, "0 2 * * *")


def test_a_trigger_is_polled_or_ticks() -> None:
    found = starters(Found([schedule()], [trigger(1_500), trigger(None, "*/5 * * * *")]))
    assert [each.kind for each in found] == ["schedule", "trigger", "trigger"]
    assert (found[1].poll_seconds, found[1].words, found[1].enabled) == (1.5, None, False)
    assert found[2].words == "Every fifth minute of every hour"
