"""States of tasks, as users see them."""

from __future__ import annotations

from tables import each_row

from cloaca_core.features.explain.records import UnendedChild
from cloaca_core.run.rows import RunRow
from cloaca_core.values.states import TaskStatus
from cloaca_core.values.times.rfc3339 import rfc3339
from cloaca_core.values.waits import SLEEP
from cloaca_core.views.results import PipelineResult
from cloaca_core.views.task_results import Wait, task_results
from cloaca_testing.conformance.rows import attempt, wait

SECOND = 1_000_000
START = 1_700_000_000 * SECOND
"""2023-11-14T22:13:20Z."""


def run(status: str = "Completed", **fields: object) -> RunRow:
    row = RunRow(
        id="r",
        workflow="public::embedded::flow",
        version="0123456789abcdef",
        status=status,
        owner="r1",
        epoch=1,
        recoveries=0,
        input="",
        tags='{"team":"x"}',
        parent_id=None,
        final_context='{"a":[1]}',
        error_message=None if status == "Completed" else "it broke",
        created_at=START,
        started_at=START + SECOND,
        ended_at=START + 3 * SECOND,
    )
    return row._replace(**fields)  # type: ignore[arg-type]  # names are checked by _replace


class TestTaskResults:
    def test_the_latest_attempt_counts(self) -> None:
        first = attempt("r", "t", 1, status=TaskStatus.FAILED, error="ValueError")
        second = attempt("r", "t", 2)

        for rows in ([first, second], [second, first]):
            result = task_results(rows)["t"]
            assert (result.status, result.attempts, result.error) == ("Completed", 2, None)

    def test_tasks_without_an_attempt_have_not_started_and_keep_their_order(self) -> None:
        results = task_results([attempt("r", "b")], ["c", "b", "a"])

        assert [(t, r.status) for t, r in results.items()] == [
            ("c", "NotStarted"),
            ("b", "Completed"),
            ("a", "NotStarted"),
        ]

    def test_a_failed_attempt_that_another_follows_waits(self) -> None:
        row = attempt("r", "t", status=TaskStatus.FAILED, error="ValueError")
        result = task_results([row._replace(retry_at=START)])["t"]

        assert result.status == "Waiting"
        assert result.retry_at == "2023-11-14T22:13:20.000000+00:00"
        assert result.ended_at is None

    def test_it_says_what_it_waits_for(self) -> None:
        again = attempt("r", "t", status=TaskStatus.FAILED, error="E")._replace(retry_at=START)
        child = UnendedChild("c", "public::embedded::inner", "Running", "r::t::1")
        others = [child._replace(id="b", idempotency_key="r::u::1")]
        unknown = [child._replace(id="k", idempotency_key="mine")]
        rows = {each: [attempt("r", "t", status=each)] for each in TaskStatus}

        assert task_results([again])["t"].waits_for == Wait(
            "retry", "t", "2023-11-14T22:13:20.000000+00:00"
        )
        assert task_results([again], run=run("Failed", ended_at=START))["t"].waits_for is None
        for children, name in [
            ([], None),
            (others, None),
            ([*others, *unknown], "k"),
            ([*unknown, child, *others], "c"),
        ]:
            result = task_results(rows[TaskStatus.WAITING], children=children)["t"]
            assert result.waits_for == Wait("run", name)
        for status in (TaskStatus.RUNNING, TaskStatus.COMPLETED, TaskStatus.SKIPPED):
            assert task_results(rows[status], children=[child])["t"].waits_for is None

    def test_a_task_waits_for_the_oldest_open_wait_of_its_attempt(self) -> None:
        waits = [
            wait("r", "x", task_id="t", number=1, attempt=1, opened_at=START - 1),
            wait("r", "", kind=SLEEP, task_id="t", number=1, attempt=2, due_at=START + SECOND),
            wait("r", "paid", task_id="t", number=1, attempt=2, opened_at=START),
            wait("r", "y", task_id="u", attempt=2, opened_at=START - 1),
        ]
        waits[1] = waits[1]._replace(opened_at=START + 1)
        child = UnendedChild("c", "public::embedded::flow", "Running", "r::t::1")
        row = attempt("r", "t", 2, status=TaskStatus.WAITING)

        result = task_results([row], children=[child], waits=waits)["t"]

        assert result.waits_for == Wait("event", "paid", None, rfc3339(START))
        result = task_results([row], children=[child], waits=waits[1:2])["t"]
        until, since = rfc3339(START + SECOND), rfc3339(START + 1)
        assert result.waits_for == Wait("sleep", "t", until, since)

    @each_row("status", [TaskStatus.RUNNING, TaskStatus.WAITING])
    def test_what_the_end_of_its_run_left_open_was_cut_short(self, status: TaskStatus) -> None:
        row = attempt("r", "t", status=status)._replace(ended_at=None)

        assert task_results([row])["t"].status == status
        for results in (
            task_results([row], run=run("Failed", ended_at=START)),
            PipelineResult(run("Failed", ended_at=START), [row]).task_results,
        ):
            assert (results["t"].status, results["t"].ended_at) == ("Cancelled", rfc3339(START))

    def test_no_attempt_follows_a_failed_one_when_its_run_has_ended(self) -> None:
        row = attempt("r", "t", status=TaskStatus.FAILED, error="ValueError")
        row = row._replace(ended_at=START, retry_at=START + 60 * SECOND)
        result = task_results([row], run=run("Failed", ended_at=START + SECOND))["t"]

        assert (result.status, result.retry_at, result.ended_at) == ("Failed", None, rfc3339(START))

    def test_a_cancelled_run_leaves_no_task_open(self) -> None:
        rows = [
            attempt("r", "done"),
            attempt("r", "bad", status=TaskStatus.FAILED, error="ValueError"),
            attempt("r", "again", 2, status=TaskStatus.FAILED, error="ValueError")._replace(
                retry_at=START + 60 * SECOND
            ),
            attempt("r", "runs", status=TaskStatus.RUNNING)._replace(ended_at=None),
        ]
        ended = run("Cancelled", ended_at=START, error_message="cancelled by ann")
        results = task_results(rows, ["done", "bad", "again", "runs", "never"], run=ended)

        assert {name: (task.status, task.skip_reason) for name, task in results.items()} == {
            "done": ("Completed", None),
            "bad": ("Failed", None),
            "again": ("Cancelled", "cancelled by ann"),
            "runs": ("Cancelled", "cancelled by ann"),
            "never": ("Cancelled", "cancelled by ann"),
        }
        assert (results["again"].error_type, results["again"].attempts) == ("ValueError", 2)
        assert [name for name, task in results.items() if task.may_have_had_effects] == [
            "again",
            "runs",
        ]
        assert {results[name].ended_at for name in ("again", "runs", "never")} == {rfc3339(START)}

    def test_a_failed_one_has_its_error(self) -> None:
        row = attempt("r", "t", status=TaskStatus.FAILED, error="ValueError")
        result = task_results([row._replace(error_message="bad", error_traceback="Trace")])["t"]

        assert (result.error, result.error_type) == ("ValueError: bad", "ValueError")
        assert result.traceback == "Trace"

    def test_a_skipped_one_has_its_reason_and_no_attempt(self) -> None:
        row = attempt("r", "t", 0, status=TaskStatus.SKIPPED)
        result = task_results([row._replace(skip_reason="upstream failed: a")])["t"]

        assert (result.status, result.attempts) == ("Skipped", 0)
        assert result.skip_reason == "upstream failed: a"

    @each_row(("number", "attempts"), [(0, 0), (1, 0), (3, 2)])
    def test_one_that_is_skipped_in_a_later_round_keeps_count_of_its_attempts(
        self, number: int, attempts: int
    ) -> None:
        row = attempt("r", "t", number, status=TaskStatus.SKIPPED)

        assert task_results([row])["t"].attempts == attempts
