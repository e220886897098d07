"""The slowest tasks of all workflows."""

from __future__ import annotations

from model.families import attempt

from cloaca_core.run.rows import AttemptRow
from cloaca_tools.views.workflows.task_times import Sampled, TaskTimes, slowest

OTHER = "p::q::other"
FLOWS = {"r": "p::q::flow", "s": OTHER}


def took(run_id: str, task: str, seconds: int, status: str = "Completed") -> AttemptRow:
    return attempt(task, 1, 10, 10 + seconds, status)._replace(run_id=run_id)


def test_the_slowest_comes_first_of_all_workflows() -> None:
    attempts = [
        took("r", "load", 2),
        took("r", "save", 9),
        took("s", "load", 30),
        took("s", "broke", 40, "Failed"),
        took("s", "asks", 50),  # a node that waits
        attempt("runs", 1, 10, None, "Running")._replace(run_id="s"),
    ]

    found = slowest(Sampled(FLOWS, attempts, {(OTHER, "asks")}, True))

    assert [(each.workflow_name, each.task_id, each.p95) for each in found.tasks] == [
        ("other", "load", 30.0),
        ("flow", "save", 9.0),
        ("flow", "load", 2.0),
    ]
    assert (found.runs, found.is_all) == (2, True)


def test_the_run_of_the_longest_attempt_is_named() -> None:
    runs = dict.fromkeys("abc", OTHER)
    attempts = [took("a", "t", 1), took("b", "t", 8), took("c", "t", 3)]

    (found,) = slowest(Sampled(runs, attempts, (), True)).tasks

    assert found == TaskTimes("other", OTHER, "t", 3, 3.0, 8.0, 8.0, "b")
