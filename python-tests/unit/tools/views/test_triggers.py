"""Triggers, shaped from rows."""

from __future__ import annotations

from model.families import run
from tables import each_row

from cloaca_core.features.triggers.records import EventRow, TriggerRow
from cloaca_core.values.times.instants import SECOND
from cloaca_core.values.times.rfc3339 import rfc3339
from cloaca_testing.conformance.rows import NOW, trigger_row
from cloaca_tools.views.triggers import FailingTrigger, Rows, failing, one, page


def rows(row: TriggerRow, *, now: int = NOW) -> Rows:
    events = [EventRow("e1", row.id, "h", "gone", NOW, None), EventRow("e2", "t", "h", "r", NOW, 1)]
    return Rows(now, [row], {row.id: events}, {"r": run("r", "Failed")}, more=True)


def test_a_trigger_has_the_runs_that_it_fired() -> None:
    found = page(rows(trigger_row("t", name="mailbox")))

    (line,) = found.triggers
    assert found.more
    assert (line.name, line.workflow_name, line.poll_seconds) == ("mailbox", "orders", 5.0)
    assert [each.run and each.run.status for each in line.events] == [None, "Failed"]


def test_a_trigger_tells_its_last_error_and_how_often_in_a_row() -> None:
    row = trigger_row()._replace(
        last_error="E: no", failing_since=NOW, failed_polls=3, error_at=NOW + SECOND
    )

    line = one(rows(row, now=NOW))
    assert (line.last_error, line.failing_since, line.failed_polls) == ("E: no", rfc3339(NOW), 3)
    assert failing([row]) == (FailingTrigger("t", "orders", "E: no", rfc3339(NOW), 3),)
    assert one(rows(trigger_row(), now=NOW)).last_error is None


@each_row(
    ("fields", "late"),
    [
        ({}, 61.0),
        ({"enabled": False}, None),
        ({"workflow": None}, None),  # a declaration, which is never polled
        ({"next_poll_at": None}, None),
        ({"next_poll_at": NOW + SECOND}, None),  # within the minute that a poll may take
    ],
)
def test_a_poll_that_is_missing_is_late(fields: dict[str, object], late: float | None) -> None:
    row = trigger_row()._replace(**fields)  # type: ignore[arg-type]  # checked by _replace

    assert one(rows(row, now=NOW + 61 * SECOND)).late == late
