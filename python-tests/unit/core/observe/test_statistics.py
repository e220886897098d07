"""Counts and durations of the last runs of a workflow."""

from __future__ import annotations

import pytest
from model.families import LATE, attempt, run, tasks, view

from cloaca_core.definition.recorded import RecordedWorkflow
from cloaca_core.observe.statistics import Sample, percentile, statistics


@pytest.mark.parametrize(
    ("lengths", "share", "expected"),
    [
        ([], 50, None),
        ([4_000_000], 95, 4.0),
        ([3_000_000, 1_000_000, 2_000_000], 50, 2.0),
        (list(range(0, 100_000_000, 1_000_000)), 95, 94.0),
        ([1_000_000, 2_000_000], 50, 1.0),
        # clocks may differ
        ([-5], 50, 0.0),
    ],
)
def test_a_percentile_is_a_length_that_there_was(
    lengths: list[int], share: int, expected: float | None
) -> None:
    assert percentile(lengths, share) == expected


def test_tasks_of_other_versions_are_in_the_grid_too() -> None:
    of = tasks(load=[])
    definition = RecordedWorkflow("public::embedded::flow", "flow", "new", ())
    runs = [
        view(run("b", status="Failed"), attempt("load", 2, 1, 4, "Failed"), of=of),
        view(run("a"), attempt("load", 1, 1, 3), attempt("old", 0, None, 2, "Skipped"), of=of),
    ]

    found = statistics(Sample(LATE, definition, {"Failed": 1}, runs, [runs[0].row]))

    assert [each.task for each in found.tasks] == ["load", "old"]
    assert [(each.completed, each.failed, each.skipped) for each in found.tasks] == [
        (1, 1, 0),
        (0, 0, 1),
    ]
    assert [(each.attempts, each.p50) for each in found.tasks] == [(3, 2.0), (0, None)]
    assert [row.statuses for row in found.grid] == [("Failed", None), ("Completed", "Skipped")]
    assert (found.p50, found.versions) == (49.0, ("new", "0123456789abcdef"))
    assert [each.id for each in found.failures] == ["b"]
