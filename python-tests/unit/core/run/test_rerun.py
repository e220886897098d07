"""Which tasks run again, and which results are kept."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.definition.written_rules import (
    always,
    task_failed,
)
from cloaca_core.run.graph import PlanGraph, plan_graph
from cloaca_core.run.rerun import Choice, fork, memos_kept, rerun
from cloaca_core.run.rows import AttemptRow, RestartRow
from cloaca_core.values.states import TaskStatus
from cloaca_testing.conformance.rows import attempt


@pytest.fixture(scope="module")
def graph() -> PlanGraph:
    """fetch, then clean and weigh, then pack; alarm if that failed; sweep in any case."""
    builder = WorkflowBuilder("w", registry=Registry())
    with builder:

        @task
        def fetch(context: Context) -> None:
            pass

        @task(dependencies=["fetch"])
        def clean(context: Context) -> None:
            pass

        @task(dependencies=["fetch"])
        def weigh(context: Context) -> None:
            pass

        @task(dependencies=["clean", "weigh"])
        def pack(context: Context) -> None:
            pass

        @task(dependencies=["pack"], trigger_rules=task_failed("pack"))
        def alarm(context: Context) -> None:
            pass

        @task(trigger_rules=always())
        def sweep(context: Context) -> None:
            pass

    assert builder.workflow is not None
    return plan_graph(builder.workflow)


def done(*tasks: str, number: int = 1) -> list[AttemptRow]:
    return [attempt("r", name, number) for name in tasks]


def failed(name: str, number: int = 1) -> AttemptRow:
    return attempt("r", name, number, status=TaskStatus.FAILED, error="ValueError")


def skipped(name: str, reason: str = "upstream_failed", text: str | None = None) -> AttemptRow:
    row = attempt("r", name, 1, status=TaskStatus.SKIPPED, reason=reason)
    return row if text is None else row._replace(skip_reason=text)


def tasks(choices: Sequence[Choice]) -> list[str]:
    return [choice.task for choice in choices]


PACK_FAILED = [*done("fetch", "clean", "weigh", "alarm", "sweep"), failed("pack")]
WEIGH_FAILED = [
    *done("fetch", "clean", "sweep"),
    failed("weigh"),
    skipped("pack"),
    skipped("alarm", "trigger_rule"),
]


def test_a_retry_runs_the_failed_task_and_what_ran_because_of_it(graph: PlanGraph) -> None:
    again = rerun(graph, PACK_FAILED, [])

    assert again.run == (Choice("pack", "failed"), Choice("alarm", "depends on pack"))
    assert tasks(again.keep) == ["fetch", "clean", "weigh", "sweep"]
    assert again.drop == ()
    assert again.first_attempts == {"pack": 2, "alarm": 2}


def test_what_was_skipped_below_a_failure_runs_again(graph: PlanGraph) -> None:
    again = rerun(graph, WEIGH_FAILED, [])

    assert tasks(again.run) == ["weigh", "pack", "alarm"]
    assert again.run[0] == Choice("weigh", "failed")
    assert tasks(again.keep) == ["fetch", "clean", "sweep"]
    assert again.first_attempts == {"weigh": 2, "pack": 2, "alarm": 2}


def test_what_a_rule_skipped_beside_the_failure_is_kept(graph: PlanGraph) -> None:
    rows = [*done("fetch", "clean", "weigh", "pack"), skipped("alarm", "trigger_rule")]

    again = rerun(graph, [*rows, failed("sweep")], [])

    assert tasks(again.run) == ["sweep"]
    assert "alarm" in tasks(again.keep)


def test_what_a_rejection_skipped_is_kept_as_it_would_be_skipped_again(graph: PlanGraph) -> None:
    rows = [*done("fetch", "clean", "weigh"), skipped("pack", "rejected", "rejected: weigh")]

    again = rerun(graph, [*rows, skipped("alarm", "trigger_rule"), failed("sweep")], [])

    assert tasks(again.run) == ["sweep"]
    assert Choice("pack", "skipped, rejected: weigh") in again.keep


def test_what_a_rejection_skipped_runs_again_below_what_does(graph: PlanGraph) -> None:
    rows = [*done("fetch", "clean", "weigh"), skipped("pack", "rejected", "rejected: weigh")]

    again = rerun(graph, rows, [], ["weigh"])

    assert again.run[:2] == (Choice("weigh", "chosen"), Choice("pack", "depends on weigh"))


def test_what_never_started_and_what_did_not_end_run_for_the_first_time_and_again(
    graph: PlanGraph,
) -> None:
    started = attempt("r", "clean", 1, status=TaskStatus.RUNNING)
    cut_off = attempt("r", "weigh", 3, status=TaskStatus.CANCELLED)

    again = rerun(graph, [*done("fetch"), started, cut_off], [])

    assert again.run == (
        Choice("clean", "did not end"),
        Choice("weigh", "did not end"),
        Choice("pack", "never started"),
        Choice("alarm", "never started"),
        Choice("sweep", "never started"),
    )
    assert again.first_attempts == {"clean": 2, "weigh": 4}


def test_chosen_tasks_run_again_with_all_below_them_and_those_that_never_ran(
    graph: PlanGraph,
) -> None:
    again = rerun(graph, WEIGH_FAILED, [], ["clean"])

    assert again.run == (
        Choice("clean", "chosen"),
        Choice("pack", "depends on clean"),
        Choice("alarm", "depends on pack"),
    )
    assert tasks(again.keep) == ["fetch", "weigh", "sweep"]


def test_the_reason_below_is_the_task_above_and_not_one_further_up(graph: PlanGraph) -> None:
    again = rerun(graph, PACK_FAILED, [], ["fetch"])

    assert dict(again.run) == {
        "fetch": "chosen",
        "clean": "depends on fetch",
        "weigh": "depends on fetch",
        "pack": "depends on clean",
        "alarm": "depends on pack",
    }


def test_what_an_earlier_round_replaced_is_history(graph: PlanGraph) -> None:
    """The failure of round 1 does not count: its task has succeeded since."""
    rows = [*PACK_FAILED, *done("pack", number=2), skipped("alarm")._replace(attempt=2)]
    restarts = [RestartRow("r", "pack", 2, 2), RestartRow("r", "alarm", 2, 2)]

    again = rerun(graph, [*rows, failed("sweep", 2)], [*restarts, RestartRow("r", "sweep", 2, 2)])

    assert "pack" in tasks(again.keep)
    assert again.run[-1] == Choice("sweep", "failed")
    assert again.first_attempts["sweep"] == 3


def test_a_task_that_was_to_run_again_and_did_not_has_never_started(graph: PlanGraph) -> None:
    """Its result of the round before counts no more; its attempts go on."""
    again = rerun(graph, PACK_FAILED, [RestartRow("r", "pack", 2, 2)])

    assert again.run[0] == Choice("pack", "never started")
    assert again.first_attempts["pack"] == 2


def test_records_of_tasks_that_the_definition_lacks_stay_history(graph: PlanGraph) -> None:
    again = rerun(graph, [*PACK_FAILED, *done("zip", "gone")], [])

    assert again.drop == (
        Choice("gone", "the definition has no such task"),
        Choice("zip", "the definition has no such task"),
    )
    assert again.first_attempts.keys() == {"pack", "alarm"}


def test_a_fork_runs_its_task_all_below_and_all_without_a_result(graph: PlanGraph) -> None:
    made = fork(graph, WEIGH_FAILED, [], "clean")

    assert made.run[:2] == (Choice("clean", "chosen"), Choice("weigh", "failed"))
    assert tasks(made.run[2:]) == ["pack", "alarm"]
    assert tasks(made.keep) == ["fetch", "sweep"]


def test_a_fork_of_a_run_that_has_completed_keeps_what_is_not_below(graph: PlanGraph) -> None:
    rows = [*done("fetch", "clean", "weigh", "pack", "sweep"), skipped("alarm", "trigger_rule")]

    made = fork(graph, rows, [], "weigh")

    assert tasks(made.keep) == ["fetch", "clean", "sweep"]
    assert made.run[0] == Choice("weigh", "chosen")


@each_row(
    ("from_task", "expected"),
    [
        ("clean", ["weigh"]),  # it failed beside that
        ("fetch", []),  # all of them are below
        ("pack", ["weigh"]),  # it is above
    ],
)
def test_tasks_that_a_fork_runs_for_another_reason_find_their_memos(
    graph: PlanGraph, from_task: str, expected: list[str]
) -> None:
    rows = [*done("fetch", "clean", "sweep"), failed("weigh")]

    assert memos_kept(graph, fork(graph, rows, [], from_task), from_task) == expected
