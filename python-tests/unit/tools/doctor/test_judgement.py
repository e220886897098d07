"""What is wrong with work, tables and clocks, by facts alone."""

from __future__ import annotations

from typing import Any

from tables import each_row

from cloaca_core.features.transfer.examination import Finding
from cloaca_core.features.upkeep.records import Upkeep
from cloaca_core.run.rows import WaitingRow
from cloaca_core.store.schema_state import PendingMigration, SchemaState
from cloaca_testing.conformance.rows import trigger_row
from cloaca_tools.doctor.facts import (
    LEAVING_LONG,
    OVERDUE,
    Late,
    SeenLimit,
    SeenQueue,
    SeenRunner,
    Work,
)
from cloaca_tools.doctor.judgement import MOST_APART, PRUNE_LATE, of_schema, of_work, worst_first

NOW = 1_000_000_000_000_000
SOUND = Work(NOW, NOW, has_runs=True, upkeep=Upkeep(keeps_all=False, due_at=NOW))
LONG_AGO = NOW - OVERDUE - 1
LATE = [Late("r1", "w", LONG_AGO)]
LIVE = SeenRunner("a", 1, fenced=False, process_ended=False, lease_over=False)


BESIDE_IDLE = "runs_beside_idle"


def waiting(kind: str, since: int = LONG_AGO, found: int = 2) -> list[WaitingRow]:
    return [WaitingRow(kind, "shop::w", "r1", since, found)]


def test_sound_work_has_no_findings() -> None:
    assert of_work(SOUND._replace(runners=[LIVE])) == []


@each_row(
    ("change", "code"),
    [
        ({"ownerless": {"ghost": 1}}, "owner_missing"),
        ({"runners": [LIVE._replace(process_ended=True)]}, "runner_ended"),
        ({"runners": [LIVE._replace(fenced=True)]}, "runner_ended"),
        ({"runners": [LIVE._replace(lease_over=True)]}, "lease_over"),
        ({"runners": [LIVE._replace(draining_since=NOW - LEAVING_LONG - 1)]}, "draining_long"),
        ({"runners": [LIVE._replace(backlog=2), LIVE._replace(id="i", asks=True)]}, BESIDE_IDLE),
        ({"waiting": waiting("run")}, "runs_unserved"),
        ({"waiting": waiting("schedule")}, "schedule_late"),
        ({"waiting": waiting("task_unserved")}, "tasks_unserved"),
        ({"unserved_queues": [SeenQueue("gpu", 2, NOW)]}, "queue_unserved"),
        ({"limits": [SeenLimit("gpu", True, 2, NOW)]}, "limit_stopped"),
        ({"limits": [SeenLimit("api", False, 1, LONG_AGO, '"ann"')]}, "limit_full_long"),
        ({"late_triggers": ["watch"]}, "trigger_late"),
        (
            {"failing_triggers": [trigger_row()._replace(last_error="E", failed_polls=2)]},
            "trigger_failing",
        ),
        ({"cancelling": LATE}, "cancelling_long"),
        ({"overdue": LATE}, "waiting_overdue"),
        ({"forgotten": LATE}, "waiting_long"),
        ({"paused_workflows": ["shop::w"]}, "workflow_paused"),
        ({"upkeep": Upkeep(keeps_all=True, due_at=0)}, "retention_not_set"),
        ({"upkeep": Upkeep(keeps_all=False, due_at=NOW - PRUNE_LATE - 1)}, "prune_late"),
        ({"here": NOW + MOST_APART + 1}, "clock_difference"),
        ({"here": NOW - MOST_APART - 1}, "clock_difference"),
    ],
)
def test_each_fact_has_its_finding_with_a_line_of_cure(change: dict[str, Any], code: str) -> None:
    (finding,) = of_work(SOUND._replace(**change))

    assert finding.code == code
    assert finding.cure
    assert "\n" not in finding.text + finding.cure


GONE = [
    LIVE._replace(owned=0, fenced=True),
    LIVE._replace(owned=0, process_ended=True),
    LIVE._replace(owned=0, lease_over=True),
]


@each_row("kind", ["run", "task_unserved"])
@each_row("runners", [[], GONE])
def test_without_a_living_runner_a_run_that_waits_is_a_finding_at_once(
    kind: str, runners: list[SeenRunner]
) -> None:
    (finding,) = of_work(SOUND._replace(waiting=waiting(kind, NOW - 1), runners=runners))
    assert finding.code == {"run": "runs_unserved", "task_unserved": "tasks_unserved"}[kind]


@each_row(
    ("kind", "found", "text"),
    [
        ("run", 1, "1 run of w waits for"),
        ("run", 2, "2 runs of w wait for"),
        ("task_unserved", 1, "1 run of w needs tasks"),
        ("task_unserved", 2, "2 runs of w need tasks"),
    ],
)
def test_one_run_and_several_are_told_apart(kind: str, found: int, text: str) -> None:
    (finding,) = of_work(SOUND._replace(waiting=waiting(kind, found=found)))

    assert finding.text.startswith(text)


@each_row("kind", ["run", "schedule"])
def test_work_without_a_runner_has_the_short_name_of_its_workflow(kind: str) -> None:
    row = WaitingRow(kind, "public::embedded::order", "r1", LONG_AGO, 1)

    (finding,) = of_work(SOUND._replace(waiting=[row]))

    assert f"1 {kind} of order " in finding.text
    assert finding.cure == "start a runner whose program has the workflow 'order'"


@each_row(
    "change",
    [
        # The row of one that owned nothing does no harm when it is gone.
        {"runners": [LIVE._replace(owned=0, process_ended=True)]},
        {"runners": [LIVE._replace(owned=0, lease_over=True)]},
        {
            "runners": [
                LIVE._replace(owned=0, lease_over=True, draining_since=NOW - LEAVING_LONG - 1)
            ]
        },
        {"runners": [LIVE._replace(draining_since=NOW - LEAVING_LONG)]},
        {
            "waiting": waiting("run", NOW - OVERDUE),
            "runners": [LIVE],
        },  # a moment longer is too long
        {"waiting": waiting("task_unserved", NOW - OVERDUE), "runners": [LIVE]},
        {"runners": [LIVE._replace(backlog=2)]},
        {"runners": [LIVE._replace(backlog=2), LIVE._replace(owned=0, asks=True, fenced=True)]},
        {"waiting": waiting("run", NOW)},  # made just now
        {"waiting": waiting("schedule", NOW - OVERDUE)},  # a schedule has time without a runner too
        {"upkeep": Upkeep(keeps_all=False, due_at=0)},  # a new database, which no runner has pruned
        {"upkeep": Upkeep(keeps_all=False, due_at=NOW - PRUNE_LATE - 1), "has_runs": False},
        {"here": NOW + MOST_APART},
    ],
)
def test_what_is_as_it_should_be_is_no_finding(change: dict[str, Any]) -> None:
    assert of_work(SOUND._replace(**change)) == []


def test_a_text_names_the_first_runs_and_counts_the_others() -> None:
    late = [Late(f"r{number}", "w", LONG_AGO) for number in range(5)]

    (finding,) = of_work(SOUND._replace(overdue=late))

    assert finding.text.startswith("runs r0, r1, r2 and 2 more should have gone on at 2001-09-09")


@each_row(
    ("schema", "code"),
    [
        (SchemaState(0, 2, [PendingMigration(1, "a", "A")]), "schema_older"),
        (SchemaState(1, 2, [PendingMigration(2, "b", "B")]), "schema_older"),
        (SchemaState(9, 2, refusal="a newer cloaca"), "schema_unknown"),
        (SchemaState(2, 2, missing_tables=["cloaca_run"]), "missing_table"),
        (SchemaState(2, 2, missing_indexes=["cloaca_run_owned"]), "missing_index"),
    ],
)
def test_tables_that_are_not_of_this_version_are_found(schema: SchemaState, code: str) -> None:
    assert [each.code for each in of_schema(schema)] == [code]


def test_a_paused_workflow_is_resumed_by_a_line_for_a_shell() -> None:
    (finding,) = of_work(SOUND._replace(paused_workflows=["public::embedded::close the day"]))

    assert finding.text == "the workflow close the day is paused: none of its runs begins"
    assert finding.cure == "cloaca workflows resume 'close the day'"


def test_the_worst_findings_come_first() -> None:
    notice, error = Finding("a", "notice", "", ""), Finding("b", "error", "", "")
    warnings = [Finding("c", "warning", "", ""), Finding("d", "warning", "", "")]

    assert worst_first([notice, *warnings, error]) == (error, *warnings, notice)
