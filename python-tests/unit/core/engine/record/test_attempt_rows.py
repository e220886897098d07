"""The row of an attempt at each step of its life."""

from __future__ import annotations

from dataclasses import replace

import pytest
from model.orchestration import (
    PAIR,
    Scene,
    There,
)
from model.runs import active_run, attempt_of, graph_of
from tables import each_row

from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.execute.outcome import Raised, Succeeded
from cloaca_core.engine.execute.work import COROUTINES, HERE, THREADS
from cloaca_core.engine.record import attempt_rows
from cloaca_core.errors import StoreError
from cloaca_core.features.waits.open_waits import OpenWaits
from cloaca_core.features.waits.records import WaitRow
from cloaca_core.run.merge import Change
from cloaca_core.run.reasons import Reason
from cloaca_core.run.restore import Resume
from cloaca_core.run.rows import AttemptRow
from cloaca_core.values.states import ReasonCode
from cloaca_core.values.waits import EVENT

GRAPH = graph_of(load={}, save={})
RUN = active_run(GRAPH, epoch=7)
FAILURE = Raised("ValueError", "bad", "Traceback: bad", again=True)
BARE = AttemptRow(
    run_id="r",
    task_id="save",
    attempt=2,
    epoch=7,
    status="Running",
    change=None,
    error_type=None,
    error_message=None,
    error_traceback=None,
    skip_reason=None,
    started_at=100,
    ended_at=None,
    retry_at=None,
    crashes=3,
)
"""The second attempt of a task under which three processes died."""
FAILED = BARE._replace(
    status="Failed",
    error_type="ValueError",
    error_message="bad",
    error_traceback="Traceback: bad",
    ended_at=900,
)


REASON = Reason(ReasonCode.DEADLINE_EXCEEDED, "late")


@pytest.fixture
def attempt() -> Attempt:
    attempt = attempt_of(RUN, 1, number=2, crashes=3)
    attempt.started_at = 100
    return attempt


class TestAttempts:
    @each_row(
        ("crashes", "place", "alone", "code"),
        [
            (1, THREADS, False, None),
            (2, THREADS, True, "alone"),
            (2, COROUTINES, True, "alone"),
            (0, COROUTINES, True, None),  # it has come further
            (0, "executor there", False, "elsewhere"),
            (2, "executor there", False, "elsewhere"),
            (2, "executor there", True, "alone_elsewhere"),
        ],
    )
    def test_one_that_runs_says_which_deaths_are_not_its_own(
        self, attempt: Attempt, crashes: int, place: str, alone: bool, code: str | None
    ) -> None:
        if place not in HERE:
            attempt = attempt_of(RUN, 1, make=There, number=2)
            attempt.started_at = 100
        attempt.crashes, attempt.place, attempt.alone = crashes, place, alone

        mark = attempt_rows.start_mark(attempt)

        assert mark == BARE._replace(crashes=crashes, reason_code=code)

    def test_one_that_is_about_to_run_has_not_started(self) -> None:
        attempt = attempt_of(RUN, 1, number=2, crashes=1)

        assert attempt_rows.start_mark(attempt) == BARE._replace(started_at=None, crashes=1)

    def test_one_that_waits_is_not_running_and_keeps_its_crashes(self, attempt: Attempt) -> None:
        assert attempt_rows.waiting_mark(attempt) == BARE._replace(status="Waiting")

    def test_one_that_succeeded_carries_its_change_as_it_is_stored(self, attempt: Attempt) -> None:
        outcome = Succeeded(Change({"x": 1}, []), '{"the":"text"}')

        assert attempt_rows.completed(attempt, outcome, 900) == BARE._replace(
            status="Completed", change='{"the":"text"}', ended_at=900
        )

    @each_row("retry_at", [None, 950])
    def test_one_that_failed_says_why_and_when_the_next_may_start(
        self, attempt: Attempt, retry_at: int | None
    ) -> None:
        assert attempt_rows.failed(attempt, FAILURE, 900, retry_at=retry_at) == FAILED._replace(
            retry_at=retry_at
        )

    def test_one_that_does_not_count_is_marked_for_later_owners(self, attempt: Attempt) -> None:
        row = attempt_rows.failed(attempt, replace(FAILURE, counts=False), 900, retry_at=950)

        assert type(row.reason_code) is str
        assert row == FAILED._replace(retry_at=950, reason_code="not_counted")

    def test_one_whose_worker_died_counts_that_for_later_owners(self, attempt: Attempt) -> None:
        lost = replace(FAILURE, counts=False, crashed=True)
        row = attempt_rows.failed(attempt, lost, 900, retry_at=950)

        assert type(row.reason_code) is str
        assert row == FAILED._replace(retry_at=950, reason_code="worker_lost", crashes=4)

    @each_row(
        ("crashes", "alone", "counted"),
        [(0, False, 1), (1, False, 2), (2, False, 2), (2, True, 3), (3, True, 4)],
    )
    def test_one_whose_pool_broke_is_counted_beside_others_until_it_is_a_suspect(
        self, attempt: Attempt, crashes: int, alone: bool, counted: int
    ) -> None:
        attempt.crashes, attempt.alone = crashes, alone
        lost = replace(FAILURE, counts=False, crashed=True, shared=True)
        row = attempt_rows.failed(attempt, lost, 900, retry_at=950)

        assert (row.reason_code, row.crashes) == ("pool_broke", counted)

    def test_one_that_is_refused_unstarted_never_began(self) -> None:
        row = attempt_rows.failed_unstarted(RUN, 1, Resume(2, None, 3), FAILURE, 900)

        assert row == FAILED._replace(started_at=None)

    def test_one_that_is_cut_short_says_why(self, attempt: Attempt) -> None:
        reason = Reason(ReasonCode.UNSTORABLE, "over")
        assert attempt_rows.cancelled(attempt, reason, 900) == BARE._replace(
            status="Cancelled", skip_reason="over", ended_at=900, reason_code="unstorable"
        )


def test_a_skipped_task_has_attempt_0_and_no_beginning() -> None:
    reason = Reason(ReasonCode.UPSTREAM_FAILED, "upstream failed: load")
    row = attempt_rows.skipped(RUN, 1, reason, 900)
    assert type(row.reason_code) is str  # a driver may take an enum for something else
    assert row == BARE._replace(
        attempt=0,
        status="Skipped",
        skip_reason="upstream failed: load",
        started_at=None,
        ended_at=900,
        crashes=0,
        reason_code="upstream_failed",
    )


@each_row(
    ("text", "stored"),
    [
        ("a\0b", "a\N{SYMBOL FOR NULL}b"),
        ("a\ud800b", "a?b"),  # a lone surrogate
    ],
)
def test_a_reason_that_no_database_takes_does_not_fail_the_batch(
    attempt: Attempt, text: str, stored: str
) -> None:
    reason = Reason(ReasonCode.UNSTORABLE, text)
    assert attempt_rows.cancelled(attempt, reason, 900).skip_reason == stored
    assert attempt_rows.skipped(RUN, 1, reason, 900).skip_reason == stored


class TestWaits:
    def test_one_whose_body_has_left_kills_no_process(self, attempt: Attempt) -> None:
        assert attempt_rows.suspended(attempt) == BARE._replace(
            status="Waiting", reason_code="has_left", crashes=0
        )

    def test_a_node_waits_then_completes_or_fails(self) -> None:
        node = BARE._replace(crashes=0)
        waits = attempt_rows.of_node(RUN, 1, 2, 100)
        completed = attempt_rows.of_node(RUN, 1, 2, 100, 900, change=Change({"x": 1}, []))
        failed = attempt_rows.of_node(RUN, 1, 2, 100, 900, error=StoreError("late\0"))
        broken = attempt_rows.of_node(RUN, 1, 2, 100, 900, error=ValueError("bad"))

        assert waits == node._replace(status="Waiting")
        assert completed == node._replace(
            status="Completed", change='{"set":{"x":1},"removed":[]}', ended_at=900
        )
        assert (failed.status, failed.error_type, failed.ended_at) == ("Failed", "StoreError", 900)
        assert "\0" not in (failed.error_message or "")
        assert (broken.error_type, broken.error_message) == ("ValueError", "bad")
        assert broken.error_traceback == ""  # no line of the user's

    def test_tasks_that_wait_without_a_body_are_cut_with_their_run(self) -> None:
        run = active_run(GRAPH, epoch=8)
        assert attempt_rows.cut_waits(run, REASON, 900) == []
        run.waits, run.latest[1] = OpenWaits(), BARE._replace(status="Waiting")
        run.waits.add(1, WaitRow("r", "save", EVENT, "go", 0, 2, "", 100, None))

        assert attempt_rows.cut_waits(run, REASON, 900) == [
            BARE._replace(
                epoch=8,
                status="Cancelled",
                skip_reason="late",
                reason_code="deadline_exceeded",
                ended_at=900,
            )
        ]


@pytest.fixture
async def scene() -> Scene:
    return Scene()


class TestMarks:
    async def test_a_body_that_runs_is_marked_once(self, scene: Scene) -> None:
        scene.adopt(PAIR)
        scene.executor.begin()

        assert [(row.task_id, row.status) for row in scene.start_marks.take()] == [("a", "Running")]
        assert scene.start_marks.take() == []
        assert scene.journal.marks_wanted == 2

    async def test_one_that_is_about_to_begin_will_be(self, scene: Scene) -> None:
        """A slot became free: what queued for it may begin when the commit is long over."""
        scene.adopt(PAIR)
        scene.begin()
        scene.executor.is_starting = True

        scene.start_marks.take()
        assert scene.start_marks.are_coming

    async def test_one_that_waits_or_was_given_up_is_not(self, scene: Scene) -> None:
        scene.adopt(PAIR)
        first, second = scene.begin(), scene.begin()
        scene.waiting_bodies.release_slot(first)
        scene.executor.abandon(second)

        assert scene.start_marks.take() == []

    async def test_one_that_goes_on_is_marked_again(self, scene: Scene) -> None:
        scene.adopt(PAIR)
        attempt = scene.begin()
        scene.start_marks.take()
        scene.waiting_bodies.release_slot(attempt)
        wanted = scene.journal.marks_wanted
        await scene.waiting_bodies.reacquire_slot(attempt)

        assert scene.journal.marks_wanted == wanted + 1
        assert [row.task_id for row in scene.start_marks.take()] == ["a"]

    async def test_callbacks_have_none(self, scene: Scene) -> None:
        scene.adopt(graph_of(a={"on_success": lambda task_id, context: None}))
        scene.executor.run()
        scene.executor.begin()

        assert scene.start_marks.running() == []
        assert scene.start_marks.take() == []
