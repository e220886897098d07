"""Whether a workflow fails at present."""

from __future__ import annotations

from model.families import LATE, run
from tables import each_row

from cloaca_core.views.results import run_info
from cloaca_tools.ui.runs.failing_runs import failing
from cloaca_tools.views.lists.listing import RunLine


def line(run_id: str, status: str, error: str = "it broke") -> RunLine:
    """A run of this state."""
    message = error if status == "Failed" else None
    return run_info(run(run_id, status, error_message=message), LATE)


def test_runs_that_failed_since_the_last_that_completed_are_counted() -> None:
    found = failing(
        [line("e", "Running"), line("d", "Failed"), line("c", "Failed"), line("b", "Completed")]
    )
    assert found is not None
    assert (found.newest.id, found.runs, found.same) == ("d", 2, True)
    assert found.completed is not None
    assert found.completed.id == "b"


@each_row("newest", ["Completed", "Cancelled"])
def test_a_workflow_whose_newest_end_is_no_failure_does_not_fail(newest: str) -> None:
    assert failing([line("d", "Pending"), line("b", newest), line("a", "Failed")]) is None
    assert failing([]) is None


def test_errors_are_compared_by_the_first_without_counts_of_tasks() -> None:
    found = failing(
        [
            line("b", "Failed", "1 task(s) failed, 2 completed; first error: send: no stock\nhm"),
            line("a", "Failed", "2 task(s) failed, 1 completed; first error: send: no stock"),
        ]
    )
    assert found is not None
    assert (found.error, found.same, found.completed) == ("send: no stock", True, None)


def test_other_errors_are_not_the_same() -> None:
    found = failing([line("b", "Failed", "one"), line("a", "Failed", "two")])
    assert found is not None
    assert (found.error, found.same) == ("one", False)
