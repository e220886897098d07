"""Attempts wait for what they must, run, and are given up; what they came to is handed on."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from model.by_hand import HandExecutor
from model.orchestration import (
    CHAIN,
    PAIR,
    SHORT,
    SHORT_PAIR,
    Scene,
    There,
    fail,
    rows_of,
)
from model.runs import graph_of
from model.virtual_time import the_loop
from tables import each_row

from cloaca_core.definition.context import Context
from cloaca_core.engine.record import attempt_rows
from cloaca_core.run.rows import AttemptRow
from cloaca_core.values.states import TaskStatus
from cloaca_testing.conformance.rows import attempt as attempt_row

pytestmark = pytest.mark.virtual_time


@pytest.fixture
async def scene() -> Scene:
    return Scene()


def died(times: int, *names: str) -> list[AttemptRow]:
    """The marks of tasks under which so many processes have died."""
    status = TaskStatus.RUNNING
    return [attempt_row("r", name, status=status, crashes=times) for name in names]


class TestTimeouts:
    def graph(self, **options: Any) -> Any:
        return graph_of(a={"timeout_seconds": SHORT, "retry_attempts": 1, **options})

    async def test_a_body_that_takes_too_long_fails_and_its_late_result_is_refused(
        self, scene: Scene
    ) -> None:
        scene.adopt(self.graph(body=lambda context: {"late": True}))
        body = scene.begin()
        record = await scene.journal.commit()

        (row,) = record.attempts
        assert (row.status, row.error_type) == ("Failed", "TimeoutError")
        assert row.error_message == "Task execution timeout"
        scene.executor.finish(body)
        assert (await scene.the_end()).final_context is None

    async def test_one_that_can_be_tried_again_is(self, scene: Scene) -> None:
        graph = self.graph(retry_attempts=2, retry_condition="transient", retry_delay_ms=0)
        scene.adopt(graph)
        scene.begin()
        await scene.journal.commit()

        assert await scene.finish() == [("a", 2, "Completed")]

    @pytest.mark.parametrize(("again", "status"), [(True, "Completed"), (False, "Failed")])
    async def test_a_condition_of_the_users_is_asked_where_bodies_run(
        self, scene: Scene, again: bool, status: str
    ) -> None:
        asked: list[BaseException] = []

        def condition(error: BaseException) -> bool:
            asked.append(error)
            return again

        scene.adopt(self.graph(retry_attempts=2, retry_condition=condition, retry_delay_ms=0))
        scene.begin()
        await scene.executor.sent()
        assert scene.queued() == ["Judgement"]
        assert not asked

        assert (await scene.the_end()).status == status
        assert [str(error) for error in asked] == ["Task execution timeout"]

    async def test_a_condition_that_takes_too_long_itself_means_no(
        self, scene: Scene, caplog: pytest.LogCaptureFixture
    ) -> None:
        scene.adopt(self.graph(retry_attempts=2, retry_condition=lambda error: True))
        scene.begin()
        await scene.executor.sent()
        scene.executor.begin()

        (row,) = (await scene.journal.commit()).attempts

        assert (row.status, row.retry_at) == ("Failed", None)
        assert "took too long" in caplog.text

    async def test_queueing_does_not_count(self, scene: Scene) -> None:
        """Of two with one limit the later one is over first, for it alone runs."""
        run = scene.adopt(SHORT_PAIR)
        scene.begin(1)

        assert rows_of(await scene.journal.commit()) == [("b", 1, "Failed")]
        assert list(scene.attempts(run)) == [0]

    async def test_waiting_does_not_count_and_the_rest_of_the_time_goes_on_afterwards(
        self, scene: Scene
    ) -> None:
        scene.adopt(SHORT_PAIR)
        parent, _ = scene.begin(), scene.begin()
        scene.waiting_bodies.release_slot(parent)
        assert rows_of(await scene.journal.commit()) == [("a", 1, "Waiting")]
        assert rows_of(await scene.journal.commit()) == [("b", 1, "Failed")]
        assert not parent.abandoned
        assert not scene.body_times._limit_of  # no limit is watched meanwhile

        await scene.waiting_bodies.reacquire_slot(parent)

        assert rows_of(await scene.journal.commit()) == [("a", 1, "Failed")]

    async def test_one_that_has_just_run_in_time_is_not_over(self, scene: Scene) -> None:
        """Or hardly in time: what it did counts, for its report is on the way."""
        options = {"timeout_seconds": SHORT, "retry_attempts": 1}
        slow = {"body": lambda context: the_loop().stand_still(2 * SHORT), **options}
        scene.adopt(graph_of(a=slow, b=options))
        body, _ = scene.begin(), scene.begin()
        scene.executor.end(body)
        assert rows_of(await scene.journal.entry()) == [("b", 1, "Failed")]

        scene.executor.report(body)

        assert rows_of(await scene.journal.commit()) == [("a", 1, "Completed")]


class TestCallbacks:
    async def test_a_task_is_recorded_when_its_callback_has_run(self, scene: Scene) -> None:
        told: list[object] = []

        def on_success(task_id: str, context: Context) -> None:
            told.append((task_id, context.to_dict()))
            context["x"] = "changed"

        def body(context: Context) -> None:
            context["x"] = 1
            del context["n"]

        scene.adopt(graph_of(a={"body": body, "on_success": on_success}), {"n": 0, "m": 2})
        scene.executor.run()
        assert scene.queued() == ["Callback"]
        assert not scene.journal.waiting

        assert (await scene.the_end()).final_context == '{"m":2,"x":1}'
        assert told == [("a", {"m": 2, "x": 1})]

    async def test_one_is_told_of_each_failed_attempt_with_the_input(self, scene: Scene) -> None:
        told: list[object] = []

        def on_failure(task_id: str, error: str, context: Context) -> None:
            told.append((task_id, error, context.to_dict()))

        def body(context: Context) -> None:
            context["x"] = 1
            raise ValueError("bad")

        options = {"retry_attempts": 2, "retry_delay_ms": 0, "on_failure": on_failure}
        scene.adopt(graph_of(a={"body": body, **options}), {"n": 0})

        assert (await scene.the_end()).status == "Failed"
        assert told == [("a", "ValueError: bad", {"n": 0})] * 2

    async def test_one_is_told_of_a_timeout(self, scene: Scene) -> None:
        told: list[str] = []
        options = {
            "timeout_seconds": SHORT,
            "retry_attempts": 1,
            "retry_condition": lambda error: True,
            "on_failure": lambda task_id, error, context: told.append(error),
        }
        scene.adopt(graph_of(a=options))
        scene.begin()
        await scene.executor.sent()

        assert (await scene.the_end()).status == "Failed"
        assert told == ["TimeoutError: Task execution timeout"]

    async def test_each_outcome_has_its_own(self, scene: Scene) -> None:
        def never(*arguments: object) -> None:
            raise AssertionError

        scene.adopt(
            graph_of(
                a={"on_failure": never},
                b={"body": fail, "retry_attempts": 1, "on_success": never},
            )
        )
        scene.executor.run()
        scene.executor.run()

        assert not scene.executor.queued

    async def test_a_run_that_ends_meanwhile_is_not_recorded_twice(self, scene: Scene) -> None:
        run = scene.adopt(graph_of(a={"on_success": lambda task_id, context: None}))
        scene.executor.run()
        callback = scene.executor.begin()
        scene.orchestrator.control.drop(run)
        scene.executor.finish(callback)

        assert not scene.journal.waiting


class TestRecovery:
    async def test_a_body_starts_when_its_mark_is_durable(self, scene: Scene) -> None:
        scene.adopt(CHAIN, recoveries=1, epoch=3)
        assert not scene.executor.queued

        record = await scene.journal.commit()

        assert rows_of(record) == [("a", 1, "Running")]
        assert scene.queued() == ["a"]
        assert scene.start_marks.running() == []
        scene.executor.begin()
        assert scene.start_marks.take() == []

    async def test_only_as_many_are_marked_as_can_run(self) -> None:
        scene = Scene(max_concurrent_tasks=2)
        scene.adopt(graph_of(a={}, b={}, c={}), recoveries=1)
        assert [rows_of(record) for record in scene.journal.waiting] == [
            [("a", 1, "Running")],
            [("b", 1, "Running")],
        ]
        await scene.journal.commit()

        scene.executor.run()

        assert [rows_of(record) for record in scene.journal.waiting[1:]] == [
            [("a", 1, "Completed")],
            [("c", 1, "Running")],
        ]

    async def test_after_one_death_all_run_again_together(self) -> None:
        scene = Scene(max_concurrent_tasks=2)
        scene.adopt(PAIR, past=died(1, "a", "b"), recoveries=1)

        assert [rows_of(record) for record in scene.journal.waiting] == [
            [("a", 1, "Running")],
            [("b", 1, "Running")],
        ]

    @each_row("deaths", [1, 2])
    async def test_what_waits_for_its_turn_counts_as_backlog(self, deaths: int) -> None:
        """So a runner that took much over claims and requests nothing on top of that."""
        scene = Scene(max_concurrent_tasks=1)
        scene.adopt(PAIR, past=died(deaths, "a", "b"), recoveries=deaths)
        assert scene.orchestrator.attempts.backlog() == 1

        await scene.finish()

        assert scene.orchestrator.attempts.backlog() == 0


class TestSuspects:
    async def test_they_run_one_at_a_time_and_their_marks_say_so(self) -> None:
        scene = Scene(max_concurrent_tasks=2)
        scene.adopt(PAIR, past=died(2, "a", "b"), recoveries=2)
        (record,) = scene.journal.waiting
        assert [(row.task_id, row.reason_code) for row in record.attempts] == [("a", "alone")]

        written = await scene.finish()

        assert written == [
            ("a", 1, "Running"),
            ("a", 1, "Completed"),
            ("b", 1, "Running"),
            ("b", 1, "Completed"),
        ]

    async def test_one_waits_until_what_runs_has_ended_and_nothing_begins_beside_it(self) -> None:
        scene = Scene(max_concurrent_tasks=4)
        scene.adopt(graph_of(early={}, late={"dependencies": ["early"]}), id="other")
        scene.adopt(graph_of(a={}), past=died(2, "a"), recoveries=2)
        scene.adopt(graph_of(fresh={}), id="fresh")
        assert (scene.queued(), scene.journal.waiting) == (["early"], [])

        scene.executor.run()
        await scene.journal.commit()
        await scene.journal.commit()

        assert scene.queued() == ["a"]
        assert scene.expected() == []
        scene.executor.run()
        assert scene.queued() == ["fresh", "late"]

    async def test_a_run_that_ends_is_waited_for_no_more(self, scene: Scene) -> None:
        other = scene.adopt(graph_of(early={}), id="other")
        scene.adopt(graph_of(a={}), past=died(2, "a"), recoveries=2)
        assert not scene.journal.waiting

        scene.orchestrator.control.drop(other)

        assert [rows_of(record) for record in scene.journal.waiting] == [[("a", 1, "Running")]]

    async def test_a_body_that_waits_is_not_waited_for_and_comes_back_afterwards(self) -> None:
        """Both would wait for ever if it waits for a run that waits for the suspect."""
        scene = Scene(max_concurrent_tasks=4)
        scene.adopt(graph_of(parent={}), id="other")
        parent = scene.begin()
        scene.adopt(graph_of(a={}), past=died(2, "a"), recoveries=2)
        scene.waiting_bodies.release_slot(parent)
        await scene.journal.commit()
        await scene.journal.commit()
        assert scene.queued() == ["a"]

        back = asyncio.create_task(scene.waiting_bodies.reacquire_slot(parent))
        await asyncio.sleep(0)
        assert not parent.holds_slot
        scene.executor.run()
        await back

        assert parent.holds_slot

    async def test_a_suspect_that_waits_lets_others_begin_and_then_waits_for_its_turn(self) -> None:
        scene = Scene(max_concurrent_tasks=4)
        scene.adopt(graph_of(a={}), past=died(2, "a"), recoveries=2)
        scene.adopt(graph_of(child={}), id="other")
        await scene.journal.commit()
        suspect = scene.begin()
        scene.waiting_bodies.release_slot(suspect)
        assert not scene.queued()
        await scene.journal.commit()
        assert scene.queued() == ["child"]

        back = asyncio.create_task(scene.waiting_bodies.reacquire_slot(suspect))
        await asyncio.sleep(0)
        assert not suspect.holds_slot
        scene.executor.run()
        await asyncio.sleep(0)

        assert rows_of(await scene.journal.commit()) == [("child", 1, "Completed")]
        (mark,) = (await scene.journal.commit()).attempts
        assert (mark.status, mark.reason_code) == ("Running", "alone")
        await back

    async def test_one_that_is_given_up_while_it_comes_back_waits_no_longer(self) -> None:
        scene = Scene(max_concurrent_tasks=4)
        run = scene.adopt(graph_of(parent={}), id="other")
        parent = scene.begin()
        scene.waiting_bodies.release_slot(parent)
        scene.adopt(graph_of(a={}), past=died(2, "a"), recoveries=2)
        back = asyncio.create_task(scene.waiting_bodies.reacquire_slot(parent))
        await asyncio.sleep(0)

        scene.orchestrator.control.drop(run)

        await back
        assert not parent.holds_slot

    @each_row(("deaths", "status"), [(5, "Completed"), (6, "Failed")])
    async def test_deaths_count_against_a_body_from_when_it_ran_alone(
        self, deaths: int, status: str
    ) -> None:
        scene = Scene(max_recovery_attempts=3)
        scene.adopt(graph_of(a={}), past=died(deaths, "a"), recoveries=deaths)

        end = await scene.the_end()

        assert end.status == status
        if status == "Failed":
            assert str(end.error_message).endswith(
                "RecoveryLimitError: 6 processes died while they ran this task, 4 of them while it "
                "ran alone; max_recovery_attempts is 3"
            )


class TestLostWorkers:
    PAIR = graph_of(a={"executor": "there"}, b={"executor": "there"})

    def lost(self, crashes: int, code: str = "pool_broke") -> tuple[AttemptRow, ...]:
        """The attempts of both tasks, whose next ones are due."""
        status = TaskStatus.FAILED
        rows = [
            attempt_row("r", name, status=status, error="WorkerLost", crashes=crashes)
            for name in ("a", "b")
        ]
        return tuple(row._replace(ended_at=1, retry_at=2, reason_code=code) for row in rows)

    @pytest.fixture
    async def scene(self, monkeypatch: pytest.MonkeyPatch) -> Scene:
        pool = SimpleNamespace(attempt=There, domain="executor there")
        monkeypatch.setattr(HandExecutor, "pool", lambda *_: pool)
        return Scene()

    async def test_after_one_break_of_their_executor_they_run_together(self, scene: Scene) -> None:
        scene.adopt(self.PAIR, past=self.lost(1))

        assert scene.queued() == ["a", "b"]

    async def test_after_two_each_runs_alone_on_it_and_its_mark_says_so(
        self, scene: Scene, caplog: pytest.LogCaptureFixture
    ) -> None:
        scene.adopt(self.PAIR, past=self.lost(2))
        scene.adopt(graph_of(c={"executor": "there"}), id="other")
        scene.adopt(graph_of(here={}), id="here")
        assert scene.queued() == ["here"]
        (mark,) = [row for record in scene.journal.waiting for row in record.attempts]
        assert (mark.task_id, mark.reason_code) == ("a", "alone_elsewhere")
        assert "runs alone on executor there, since 2 processes have died" in caplog.text
        await scene.journal.commit()
        assert scene.queued() == ["here", "a"]
        scene.executor.run()

        written = await scene.finish()

        assert [each for each in written if each[0] in "abc"] == [
            ("a", 2, "Completed"),
            ("b", 2, "Running"),
            ("b", 2, "Completed"),
            ("c", 1, "Completed"),
        ]

    async def test_where_the_workers_died_alone_they_run_at_once(self, scene: Scene) -> None:
        scene.adopt(self.PAIR, past=self.lost(3, "worker_lost"))

        assert scene.queued() == ["a", "b"]

    async def test_breaks_beside_others_count_against_none(self) -> None:
        """Also if the runner that ran them in the second one has died meanwhile."""
        first, _ = self.lost(1)
        mark = attempt_row("r", "a", 2, status=TaskStatus.RUNNING, crashes=1)
        scene = Scene(max_recovery_attempts=0)
        scene.adopt(
            graph_of(a={"executor": "there"}),
            past=[first, mark._replace(reason_code="elsewhere")],
            recoveries=1,
        )

        assert [rows_of(each) for each in scene.journal.waiting] == [[("a", 2, "Running")]]

    async def test_one_under_which_it_broke_too_often_alone_fails(self, scene: Scene) -> None:
        scene.adopt(graph_of(a={"executor": "there"}), past=self.lost(6)[:1])

        assert (await scene.the_end()).status == "Failed"
        assert str(scene.ended[0][1].error_message).endswith(
            "RecoveryLimitError: 6 processes died while they ran this task, 4 of them while it ran "
            "alone; max_recovery_attempts is 3"
        )

    async def test_one_that_lost_too_many_fails_without_another(self, scene: Scene) -> None:
        lost = self.lost(4, "worker_lost")[:1]
        scene.adopt(graph_of(a={"executor": "there"}), past=lost)

        assert (await scene.the_end()).status == "Failed"
        (run, end) = scene.ended[0]
        assert str(end.error_message).endswith(
            "RecoveryLimitError: 4 processes died while they ran this task; "
            "max_recovery_attempts is 3"
        )
        assert run.latest[0].attempt == 2

    async def test_they_run_beside_a_suspect_and_the_death_of_that_is_not_theirs(
        self, scene: Scene
    ) -> None:
        scene.adopt(graph_of(s={}), past=died(2, "s"), recoveries=2)
        scene.adopt(graph_of(a={"executor": "there"}), id="far")
        assert scene.queued() == ["a"]
        body = scene.begin()

        assert attempt_rows.start_mark(body).reason_code == "elsewhere"


class TestPlaces:
    async def test_a_run_gives_up_its_place_when_the_last_body_that_does_not_wait_ends(
        self, scene: Scene
    ) -> None:
        run = scene.adopt(PAIR)
        parent, other = scene.begin(), scene.begin()
        scene.waiting_bodies.release_slot(parent)
        assert not scene.runs.only_waits(run)

        scene.executor.finish(other)
        await scene.journal.commit()
        await scene.journal.commit()

        assert scene.runs.only_waits(run)
        assert scene.capacity.told[-1] == 0

    async def test_an_attempt_whose_time_was_up_when_it_began_to_wait_does_not_count(
        self, scene: Scene
    ) -> None:
        options = {"timeout_seconds": SHORT, "retry_condition": "transient", "retry_delay_ms": 0}
        run = scene.adopt(graph_of(a=options))
        body = scene.begin()
        body.clock._spent = SHORT
        scene.waiting_bodies.release_slot(body)
        await scene.journal.commit()
        await scene.journal.commit()
        assert (scene.queued(), scene.runs.only_waits(run)) == (["a"], False)

        scene.waiting_bodies.release_slot(scene.begin())

        assert scene.runs.only_waits(run)

    async def test_it_keeps_it_when_something_follows(self, scene: Scene) -> None:
        scene.adopt(graph_of(a={}, b={}, c={"dependencies": ["b"]}))
        parent, other = scene.begin(), scene.begin()
        scene.waiting_bodies.release_slot(parent)
        scene.executor.finish(other)
        await scene.journal.commit()
        await scene.journal.commit()

        assert set(scene.capacity.told) == {1}


class TestDraining:
    async def quiet(self, scene: Scene) -> asyncio.Task[None]:
        quiet = asyncio.create_task(scene.runs.quiet())
        await asyncio.sleep(0)
        return quiet

    async def test_what_runs_is_recorded_and_nothing_follows(self, scene: Scene) -> None:
        scene.adopt(CHAIN)
        body = scene.begin()
        scene.drain()
        quiet = await self.quiet(scene)
        assert not quiet.done()

        scene.executor.finish(body)
        await quiet

        assert await scene.finish() == [("a", 1, "Completed")]
        assert not scene.ended

    async def test_the_last_of_several_bodies_is_waited_for(self, scene: Scene) -> None:
        scene.adopt(PAIR)
        first, second = scene.begin(), scene.begin()
        scene.drain()
        quiet = await self.quiet(scene)
        scene.executor.finish(first)
        await asyncio.sleep(0)
        assert not quiet.done()

        scene.executor.finish(second)
        await quiet

    async def test_a_run_that_is_lost_meanwhile_is_not_waited_for(self, scene: Scene) -> None:
        run = scene.adopt(PAIR)
        scene.begin()
        scene.drain()
        quiet = await self.quiet(scene)

        scene.orchestrator.control.drop(run)

        await quiet

    async def test_what_is_queued_held_or_waiting_is_given_up(self, scene: Scene) -> None:
        run = scene.adopt(graph_of(a={}, b={}, c={}))
        waiting = scene.begin()
        scene.waiting_bodies.release_slot(waiting)
        await scene.journal.commit()
        recovered = scene.adopt(PAIR, recoveries=1, id="other")
        scene.drain()
        await scene.runs.quiet()

        assert scene.attempts(run) == scene.attempts(recovered) == {}
        assert not scene.executor.queued
        assert waiting.abandoned

    async def test_a_body_that_ended_while_a_thread_of_its_waits_is_given_up_too(
        self, scene: Scene
    ) -> None:
        run = scene.adopt(CHAIN)
        body = scene.begin()
        scene.waiting_bodies.release_slot(body)
        await scene.journal.commit()
        scene.executor.end(body)
        scene.drain()

        scene.executor.report(body)

        assert (scene.attempts(run), scene.journal.waiting) == ({}, [])

    async def test_a_mark_that_becomes_durable_then_starts_nothing(self, scene: Scene) -> None:
        scene.adopt(PAIR, past=died(2, "a", "b"), recoveries=2)
        scene.drain()
        await scene.journal.commit()

        assert not scene.executor.queued
        assert not scene.journal.waiting

    async def test_no_retry_starts(self, scene: Scene) -> None:
        scene.adopt(graph_of(a={"body": fail, "retry_delay_ms": 0}))
        body = scene.begin()
        scene.drain()
        scene.executor.finish(body)

        assert await scene.finish() == [("a", 1, "Failed")]

    async def test_a_callback_is_waited_for(self, scene: Scene) -> None:
        scene.adopt(graph_of(a={"on_success": lambda task_id, context: None}))
        scene.executor.run()
        scene.drain()
        quiet = await self.quiet(scene)
        assert not quiet.done()

        scene.executor.run()
        await quiet

        assert (await scene.the_end()).status == "Completed"

    async def test_an_end_without_a_body_is_still_recorded(self, scene: Scene) -> None:
        scene.drain()
        scene.adopt(PAIR, past=[attempt_row("r", "a"), attempt_row("r", "b")])

        assert (await scene.the_end()).status == "Completed"

    async def test_a_conductor_without_runs_is_quiet(self, scene: Scene) -> None:
        scene.drain()

        await scene.runs.quiet()
