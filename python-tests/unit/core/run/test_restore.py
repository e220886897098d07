"""A run restored from its rows: facts, and where to go on."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.run.graph import PlanGraph, plan_graph
from cloaca_core.run.merge import Change
from cloaca_core.run.planner import Completed, Failed, Skipped
from cloaca_core.run.reasons import Reason
from cloaca_core.run.restore import FRESH, Restored, Resume, change_from_json, restore
from cloaca_core.run.rows import AttemptRow, RestartRow
from cloaca_core.values.states import TaskStatus
from cloaca_testing.conformance.rows import attempt


@pytest.fixture(scope="module")
def graph() -> PlanGraph:
    """Two tasks: load (0) and save (1)."""
    builder = WorkflowBuilder("w", registry=Registry())
    with builder:

        @task
        def load(context: Context) -> None:
            pass

        @task(dependencies=["load"])
        def save(context: Context) -> None:
            pass

    assert builder.workflow is not None
    return plan_graph(builder.workflow)


class Case(NamedTuple):
    row: AttemptRow
    expected: object


FAILED = attempt("r", status=TaskStatus.FAILED, error="ValueError")._replace(error_message="bad")


@each_row(
    "case",
    [
        Case(
            attempt("r")._replace(change='{"set":{"a":1},"removed":["b"]}'),
            Completed(Change({"a": 1}, ["b"])),
        ),
        Case(FAILED, Failed("ValueError: bad")),
        Case(
            attempt("r", number=0, status=TaskStatus.SKIPPED, reason="trigger_rule"),
            Skipped(Reason("trigger_rule", "why it did not run")),
        ),
    ],
    ids=["completed", "failed for good", "skipped"],
)
def test_what_is_final_is_a_fact(graph: PlanGraph, case: Case) -> None:
    assert restore(graph, [case.row]) == Restored({0: case.expected}, {}, {0: case.row})  # type: ignore[dict-item]  # one of three kinds


@each_row(
    "case",
    [
        # cut off in its second attempt, which had seen one death before
        Case(attempt("r", number=2, status=TaskStatus.RUNNING, crashes=1), Resume(2, None, 1)),
        # it waited for another run
        Case(attempt("r", status=TaskStatus.WAITING), Resume(1, None, 0)),
        # its body has left while it waits, and had seen two replacements of keys
        Case(
            attempt("r", status=TaskStatus.WAITING)._replace(
                reason_code="has_left", replacements=2
            ),
            Resume(1, was_suspended=True, seen=2),
        ),
        # it had failed and waits for its next attempt: number and due time are kept
        Case(FAILED._replace(ended_at=70, retry_at=77), Resume(2, 77, 0, delay=7)),
        # its body asked for an attempt that does not count
        Case(
            FAILED._replace(ended_at=70, retry_at=77, reason_code="not_counted"),
            Resume(2, 77, delay=7, uncounted=1),
        ),
        # its worker died, the second process that did
        Case(
            FAILED._replace(ended_at=70, retry_at=77, reason_code="worker_lost", crashes=2),
            Resume(2, 77, crashes=2, delay=7, uncounted=1),
        ),
        # its executor broke with all its bodies
        Case(
            FAILED._replace(ended_at=70, retry_at=77, reason_code="pool_broke", crashes=2),
            Resume(2, 77, crashes=2, delay=7, uncounted=1, shared=True),
        ),
        # its body raised after a process had died in it
        Case(FAILED._replace(ended_at=70, retry_at=77, crashes=2), Resume(2, 77, delay=7)),
    ],
    ids=[
        "running",
        "waiting",
        "has left",
        "to be tried again",
        "not counted",
        "worker lost",
        "pool broke",
        "raised after a crash",
    ],
)
def test_what_is_not_final_is_gone_on_with(graph: PlanGraph, case: Case) -> None:
    assert restore(graph, [case.row]) == Restored({}, {0: case.expected}, {0: case.row})  # type: ignore[dict-item]  # a Resume


def test_the_latest_attempt_counts_in_any_order(graph: PlanGraph) -> None:
    first, second = FAILED._replace(retry_at=77), attempt("r", number=2)._replace(change="{}")

    assert restore(graph, [second, first]) == restore(graph, [first, second])
    assert restore(graph, [second, first]).known == {0: Completed(Change({}, []))}


def test_a_body_whose_executor_once_broke_is_known_by_that_also_when_its_runner_has_died(
    graph: PlanGraph,
) -> None:
    broke = FAILED._replace(ended_at=70, retry_at=77, reason_code="pool_broke", crashes=1)
    mark = attempt("r", number=2, status=TaskStatus.RUNNING, crashes=1)

    assert restore(graph, [broke, mark]).resume == {
        0: Resume(2, crashes=1, uncounted=1, shared=True)
    }


def test_attempts_that_did_not_count_are_counted_of_each_task(graph: PlanGraph) -> None:
    free = FAILED._replace(ended_at=70, retry_at=77, reason_code="not_counted")
    paid = FAILED._replace(ended_at=70, retry_at=77)
    rows = [
        *[free._replace(attempt=number) for number in (1, 3)],
        paid._replace(attempt=2),
        attempt("r", number=4, status=TaskStatus.RUNNING),
        free._replace(task_id="save"),
        free._replace(task_id="save", attempt=2),
        paid._replace(task_id="save", attempt=3),
    ]

    assert restore(graph, rows).resume == {
        0: Resume(4, uncounted=2),
        1: Resume(4, 77, delay=7, uncounted=2),
    }


@each_row(
    ("row", "expected"),
    [
        (FAILED, Resume(2, uncounted=1, children_restarted=True)),  # it has not begun
        (  # it has, and its process died
            attempt("r", number=2, status=TaskStatus.RUNNING),
            Resume(2, uncounted=1, children_restarted=True),
        ),
        (  # the next one may start others
            FAILED._replace(attempt=2, ended_at=70, retry_at=77),
            Resume(3, 77, delay=7, uncounted=1),
        ),
    ],
)
def test_the_first_attempt_finds_children_that_were_begun_again_before_it(
    graph: PlanGraph, row: AttemptRow, expected: Resume
) -> None:
    earlier = RestartRow("r", "load", 1, 1)  # of a round that was begun without them

    restored = restore(graph, [FAILED, row], [earlier, RestartRow("r", "load", 2, 2, 1)])

    assert restored.resume == {0: expected}


def test_a_task_that_has_paused_the_run_has_all_attempts_anew(graph: PlanGraph) -> None:
    """Those after the pause count from 1 again, for every owner that reads them."""
    last = FAILED._replace(attempt=3, reason_code="exhausted")
    again = FAILED._replace(attempt=4, retry_at=7, ended_at=5)

    assert restore(graph, [FAILED, last]) == Restored({}, {0: Resume(4, uncounted=3)}, {}, {0})
    restored = restore(graph, [again, FAILED, last])
    assert restored == Restored({}, {0: Resume(5, 7, delay=2, uncounted=3)}, {0: again})
    assert restore(graph, [last], [RestartRow("r", "load", 4, 2)]).resume[0] == Resume(
        4, uncounted=3
    )


def test_how_many_replacements_a_task_has_seen_is_known(graph: PlanGraph) -> None:
    rows = [attempt("r")._replace(replacements=2), FAILED._replace(task_id="save", replacements=1)]

    known = restore(graph, rows).known

    assert [known[index].replacements for index in (0, 1)] == [2, 1]


def test_tasks_that_the_workflow_no_longer_has_are_passed_over(graph: PlanGraph) -> None:
    assert restore(graph, [attempt("r", task_id="gone")]) == Restored({}, {}, {})


def test_a_task_without_rows_starts_fresh() -> None:
    assert Resume(attempt=1, retry_at=None, crashes=0) == FRESH


@each_row(
    "change", [Change({}, []), Change({"a": [1, {"b": None}]}, []), Change({"x": "ü"}, ["y", "z"])]
)
def test_changes_come_back_as_they_were_stored(change: Change) -> None:
    assert change_from_json(change.to_json()) == change
