"""What becomes of rows that cloaca 0.x has written."""

from __future__ import annotations

import json
from typing import Any

from tables import each_row

from cloaca_core.features.transfer.old_work import OldRun, OldSchedule, OldTask
from cloaca_core.store.tables import BY_NAME
from cloaca_tools.transfer.old_rows import full_name, new_id, rows_of, schedule_of, workflow_of

CREATED = 1_700_000_000_000_000
OLD_ID = "34b49ab04adc4f538df5c2a54b466b7d"


def task(name: str, status: str, attempt: int = 1, **more: Any) -> OldTask:
    full = f"public::embedded::order::{name}"
    blank = {"started_at": 5, "ended_at": 6, "retry_at": None, "error": None, "context": None}
    return OldTask(OLD_ID, full, status, attempt, **{**blank, **more})


def run(status: str, *tasks: OldTask, **more: Any) -> OldRun:
    blank: dict[str, Any] = {
        "context": '{"n":1}',
        "error": None,
        "created_at": CREATED,
        "started_at": CREATED,
        "ended_at": CREATED + 9 if status in ("Completed", "Failed") else None,
        "paused_at": None,
        "pause_reason": None,
    }
    return OldRun(OLD_ID, "order", "v1", status, tasks=tasks, **{**blank, **more})


def shown(table: str, row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(BY_NAME[table].columns, row, strict=True))


def attempts(old: OldRun) -> list[dict[str, Any]]:
    return [shown("attempt", each) for each in rows_of(old, "0.2").attempts]


@each_row(
    ("status", "expected"),
    [
        ("Completed", "Completed"),
        ("Failed", "Failed"),
        ("Cancelled", "Cancelled"),
        ("Pending", "Pending"),
        ("Running", "Pending"),  # its process has ended
        ("Paused", "Paused"),
    ],
)
def test_a_run_that_has_ended_stays_so_and_any_other_goes_on(status: str, expected: str) -> None:
    made = rows_of(run(status), "0.12")
    row = shown("run", made.run)

    assert (made.status, row["status"], row["owner"]) == (expected, expected, None)
    assert (row["ended_at"] is None) is (status in ("Pending", "Running", "Paused"))
    assert type(made.status) is str


def test_the_name_of_the_workflow_is_read_from_its_tasks() -> None:
    assert workflow_of(run("Running", task("a", "Ready"))) == "public::embedded::order"
    assert workflow_of(run("Running")) == full_name("order") == "public::embedded::order"
    assert full_name("t::p::w") == "t::p::w"


def test_a_change_is_what_differs_from_the_input() -> None:
    kept = task("a", "Completed", context='{"n":1,"m":[2]}')
    other = task("b", "Completed", context='{"n":2}')
    gone = task("c", "Completed", context="{}")

    changes = [json.loads(each["change"]) for each in attempts(run("Running", kept, other, gone))]

    assert changes == [
        {"set": {"m": [2]}, "removed": []},
        {"set": {"n": 2}, "removed": []},
        {"set": {}, "removed": ["n"]},
    ]


def test_a_failed_task_has_the_error_of_its_body() -> None:
    error = "Task execution error: Python task execution failed: ValueError: no money\nat all"

    (made,) = attempts(run("Failed", task("a", "Failed", 2, error=error)))

    assert (made["attempt"], made["error_type"]) == (2, "ValueError")
    assert made["error_message"] == "no money\nat all"
    (other,) = attempts(run("Failed", task("a", "Failed", error="no slot")))
    assert (other["error_type"], other["error_message"]) == ("Exception", "no slot")


@each_row("status", ["NotStarted", "Ready", "Running"])
def test_a_task_that_has_not_ended_runs_again_with_its_number(status: str) -> None:
    assert attempts(run("Running", task("a", status, 1))) == []
    (before,) = attempts(run("Running", task("a", status, 3, retry_at=77)))

    assert (before["attempt"], before["status"], before["retry_at"]) == (2, "Failed", 77)


def test_a_skipped_task_is_skipped() -> None:
    (made,) = attempts(run("Completed", task("a", "Skipped")))

    assert (made["attempt"], made["skip_reason"]) == (0, "skipped")


def test_ids_are_always_the_same_and_in_the_order_of_instants() -> None:
    first, again = new_id(OLD_ID, CREATED), new_id(OLD_ID, CREATED)
    others = [new_id(OLD_ID, CREATED + 1_000 * step) for step in range(1, 5)]

    assert first == again == "018bcfe5-6800-7" + first[15:]
    assert [first, *others] == sorted([first, *others])
    assert new_id("other", CREATED) != first


def test_the_old_id_is_a_tag() -> None:
    made = rows_of(run("Completed"), "0.12")

    assert dict(each[1:] for each in made.tags) == {
        "imported_from": "0.12",
        "imported_id": OLD_ID,
    }
    assert json.loads(shown("run", made.run)["tags"])["imported_id"] == OLD_ID


def test_a_schedule_goes_on_after_now() -> None:
    old = OldSchedule(OLD_ID, "order", "0 3 * * *", "UTC", True, "run_all", None, None, 7, CREATED)

    made = schedule_of(old, "t::p::order", 99)

    assert (made.workflow, made.decided_until, made.last_tick) == ("t::p::order", 99, 7)
    assert (made.enabled, made.catchup_policy, made.params) == (True, "run_all", "{}")
