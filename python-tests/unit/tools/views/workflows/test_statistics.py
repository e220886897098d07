"""Counts and durations of the last runs of a workflow."""

from __future__ import annotations

from model.families import LATE, at, attempt, run, tasks, view
from tables import each_row

from cloaca_core.definition.recorded import RecordedWorkflow
from cloaca_core.features.steering.records import PauseRow
from cloaca_core.values.times.instants import SECOND
from cloaca_tools.views.workflows.statistics import Sample, percentile, statistics


@each_row(
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


def test_a_row_of_the_grid_tells_attempts_and_seconds() -> None:
    of = tasks(load=[], send=["load"])
    definition = RecordedWorkflow("public::embedded::flow", "flow", "new", ())
    one = view(
        run("a", status="Running"),
        attempt("load", 2, 3, 7),
        attempt("send", 1, 8, None, "Running"),
        of=of,
    )

    (row,) = statistics(Sample(LATE, definition, {}, [one], [])).grid

    assert (row.attempts, row.seconds) == ((2, 1), (4.0, None))
    assert (row.queued_seconds, row.work_seconds) == (1.0, 99.0)


def test_work_is_without_waits_and_only_a_first_round_was_queued() -> None:
    definition = RecordedWorkflow("public::embedded::flow", "flow", "new", ())
    runs = [
        view(run("c", round=2, stood_still=40_000_000)),
        view(run("b", started_at=at(20), ended_at=at(25))),
        view(run("a", status="Pending", started_at=None)),
    ]

    found = statistics(Sample(LATE, definition, {}, runs, []))

    assert [row.work_seconds for row in found.grid] == [9.0, 5.0, None]
    assert [row.queued_seconds for row in found.grid] == [None, 20.0, None]
    assert (found.work_p50, found.work_p95, found.queue_p95) == (5.0, 9.0, 20.0)
    assert (found.p50, found.p95) == (5.0, 49.0)


def test_a_paused_workflow_tells_by_whom_since_and_until_when_and_why() -> None:
    definition = RecordedWorkflow("public::embedded::flow", "flow", "new", (), "what it does")
    since = LATE - 160 * SECOND
    pause = PauseRow(definition.namespace, since, at(0), "ann", "stock count")
    paused = statistics(Sample(LATE, definition, {}, [], [], pause))
    assert (paused.paused, paused.paused_until) == (True, "2023-11-14T22:13:20.000000+00:00")
    assert paused.paused_since == "2023-11-14T22:12:20.000000+00:00"
    assert (paused.paused_by, paused.pause_reason) == ("ann", "stock count")
    assert paused.description == "what it does"

    without = statistics(Sample(LATE, definition, {}, [], []))
    assert (without.paused, without.paused_since, without.paused_by) == (False, None, None)
