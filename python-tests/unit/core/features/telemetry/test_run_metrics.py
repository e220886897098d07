"""Attempts and runs count when their ends are durable, by names and never by ids."""

from __future__ import annotations

from tables import each_row

from cloaca_core.features.schedules.records import NewTick
from cloaca_core.features.telemetry.run_metrics import RunMetrics
from cloaca_core.run.rows import AttemptRow, RunRow
from cloaca_core.run.watcher import BodySpans, Recorded
from cloaca_core.values.states import TaskStatus, TickOutcome
from cloaca_testing.conformance.rows import attempt, run_end

S = 1_000_000
WORKFLOW = "public::embedded::order"


class Run:
    """A run that started at 10 s, whose tasks could begin at 12 s, if that is known."""

    spans: BodySpans | None = None

    def __init__(self, ready_at: int | None = 12 * S) -> None:
        self._ready_at = ready_at
        self.row = RunRow(
            *("r", WORKFLOW, "v", "Running", "me", 1, 0, "{}", "{}", None, None, None),
            *(9 * S, 10 * S, None),
        )

    def ready_at(self, task_id: str) -> int | None:
        assert task_id == "charge"
        return self._ready_at

    def attempt_of(self, task_id: str) -> int:
        raise AssertionError(task_id)


def ended(
    status: str = TaskStatus.COMPLETED, *, number: int = 1, task: str = "charge"
) -> AttemptRow:
    row = attempt("r", task)
    return row._replace(status=status, attempt=number, started_at=15 * S, ended_at=18 * S)


def counted(*rows: AttemptRow, run: Run | None = None) -> RunMetrics:
    metrics = RunMetrics()
    metrics.recorded(Recorded(run or Run(), rows, [], None))
    return metrics


def test_an_attempt_counts_by_workflow_task_and_how_it_ended() -> None:
    metrics = counted(ended(), ended(TaskStatus.FAILED), ended(TaskStatus.FAILED, number=2))

    assert metrics.attempts.items() == [
        (("order", "charge", "Completed"), 1),
        (("order", "charge", "Failed"), 2),
    ]
    ((labels, _, total),) = metrics.task_seconds.items()
    assert (labels, total) == (("order", "charge"), 9.0)


@each_row(
    "row",
    [
        ended(TaskStatus.SKIPPED, number=0),  # no body ran
        ended(TaskStatus.RUNNING),  # a start mark
        ended(TaskStatus.WAITING),
    ],
)
def test_what_is_no_end_of_an_attempt_does_not_count(row: AttemptRow) -> None:
    metrics = counted(row)
    assert (metrics.attempts.items(), metrics.task_seconds.items()) == ([], [])


def test_the_start_of_the_first_attempt_is_measured_from_when_it_could_begin() -> None:
    metrics = counted(ended(), ended(number=2))

    ((labels, buckets, total),) = metrics.schedule_to_start.items()
    assert (labels, buckets[-1], total) == (("order",), ("+Inf", 1), 3.0)


def test_a_start_is_not_measured_where_that_is_not_known() -> None:
    assert counted(ended(), run=Run(None)).schedule_to_start.items() == []


def test_an_attempt_that_has_not_begun_has_no_duration() -> None:
    metrics = counted(ended(TaskStatus.FAILED)._replace(started_at=None))

    assert metrics.attempts.items() == [(("order", "charge", "Failed"), 1)]
    assert metrics.task_seconds.items() == []


def test_items_of_a_map_count_apart_from_tasks() -> None:
    metrics = counted(ended()._replace(item=17), ended(TaskStatus.FAILED)._replace(item=0))

    assert metrics.items.items() == [
        (("order", "charge", "Completed"), 1),
        (("order", "charge", "Failed"), 1),
    ]
    ((labels, _, total),) = metrics.item_seconds.items()
    assert (labels, total) == (("order", "charge"), 6.0)
    of_tasks = (metrics.attempts, metrics.task_seconds, metrics.schedule_to_start)
    assert [each.items() for each in of_tasks] == [[], [], []]


def test_a_run_counts_by_how_it_ended() -> None:
    metrics = RunMetrics()
    end = run_end("r", status="Failed")._replace(ended_at=14 * S)
    metrics.recorded(Recorded(Run(), [], [], end))

    assert metrics.runs.items() == [(("order", "Failed"), 1)]
    ((labels, _, total),) = metrics.run_seconds.items()
    assert (labels, total) == (("order",), 4.0)


@each_row(
    ("outcome", "count"),
    [
        (TickOutcome.FIRED, 1),
        (TickOutcome.RECOVERED, 0),  # late, as no runner was there
        (TickOutcome.BACKFILLED, 0),
        (TickOutcome.SKIPPED, 0),
    ],
)
def test_only_ticks_that_fire_in_time_have_a_lag(outcome: TickOutcome, count: int) -> None:
    metrics = RunMetrics()
    metrics.ticked([NewTick("s", 1, 20 * S, outcome, "r", WORKFLOW, "v", "{}", 19 * S)], 21 * S)

    assert [total for _, _, total in metrics.tick_lag.items()] == [1.0] * count


def test_commits_are_counted_as_one() -> None:
    metrics = RunMetrics()
    metrics.committed(0.5)
    metrics.committed(1.0)

    assert [(labels, total) for labels, _, total in metrics.commit_seconds.items()] == [((), 1.5)]
