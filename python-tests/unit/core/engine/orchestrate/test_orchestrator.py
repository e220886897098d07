"""Every run goes from step to step: decide, execute, record, and only then go on."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Any

import pytest
from model.by_hand import HandExecutor, HandJournal
from model.runs import active_run, graph_of

from cloaca_core._engine.execute.attempt import Attempt
from cloaca_core._engine.execute.work import Work
from cloaca_core._engine.orchestrate import orchestrator as module
from cloaca_core._engine.orchestrate.orchestrator import LAUNCHES_PER_PASS, Orchestrator
from cloaca_core._engine.plan.active_run import ActiveRun
from cloaca_core._engine.plan.planner import RunPlan
from cloaca_core._engine.record.journal import Record
from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.conformance.rows import attempt as attempt_row
from cloaca_core.definition.context import Context
from cloaca_core.records.rows import AttemptRow, RunEnd
from cloaca_core.records.states import TaskStatus
from cloaca_core.values.json_values import JsonValue
from cloaca_core.values.no_limit import NO_LIMIT, NoLimit

SHORT = 0.005
"""Seconds of a time limit that a test waits for."""


def fail(context: Context) -> None:
    raise ValueError("bad")


CHAIN = graph_of(a={"body": lambda context: {"x": 1}}, b={"dependencies": ["a"]})
FAILING = graph_of(
    a={"body": fail, "retry_attempts": 1}, b={"dependencies": ["a"]}, c={"dependencies": ["b"]}
)
PAIR = graph_of(a={}, b={})
SHORT_PAIR = graph_of(**{n: {"timeout_seconds": SHORT, "retry_attempts": 1} for n in ("a", "b")})


LONG: dict[str, Any] = {"retry_max_delay_ms": 7_200_000, "retry_backoff": "fixed"}


class Scene:
    """An orchestrator whose executor and journal are in the test's hands."""

    def __init__(self, **settings: Any) -> None:
        self.executor = HandExecutor()
        self.ended: list[tuple[ActiveRun, RunEnd]] = []
        self.places = 0
        config = DefaultRunnerConfig(**settings)
        self.orchestrator = Orchestrator(config, self.executor, self._end, self._place_free)
        self.journal = HandJournal(self.orchestrator.start_marks)
        self.orchestrator.journal = self.journal

    def _end(self, run: ActiveRun, end: RunEnd) -> None:
        self.ended.append((run, end))

    def _place_free(self) -> None:
        self.places += 1

    def adopt(self, *arguments: Any, **fields: Any) -> ActiveRun:
        run = active_run(*arguments, **fields)
        self.orchestrator.adopt(run)
        return run

    def queued(self) -> list[str]:
        """The tasks whose bodies, and the attempts whose callbacks, were sent off."""
        return [name_of(work) for work in self.executor.queued]

    def expected(self) -> list[str]:
        """The tasks whose bodies wait to be let go."""
        return [name_of(work) for work in self.executor.expected]

    def begin(self, place: int = 0) -> Attempt:
        """A body of those that were sent off begins."""
        attempt = self.executor.begin(self.executor.queued[place])
        assert isinstance(attempt, Attempt)
        attempt.clock.start()
        return attempt

    async def finish(self) -> list[tuple[str, int, str]]:
        """Let everything run and be recorded; what was recorded."""
        written: list[tuple[str, int, str]] = []
        while self.executor.queued or self.journal.waiting:
            while self.executor.queued:
                self.executor.run()
            while self.journal.waiting:
                written += rows_of(await self.journal.commit())
        return written

    async def the_end(self) -> RunEnd:
        """How the one run ended that did."""
        await self.finish()
        ((_, end),) = self.ended
        return end


def name_of(work: Work) -> str:
    return work.task.id if isinstance(work, Attempt) else type(work).__name__


def rows_of(record: Record) -> list[tuple[str, int, str]]:
    return [(row.task_id, row.attempt, row.status) for row in record.attempts]


@pytest.fixture
async def scene() -> Scene:
    return Scene()


class TestAhead:
    """What follows from a record is got ready while it is written."""

    async def test_a_body_begins_before_the_loop_hears_that_the_record_is_durable(
        self, scene: Scene
    ) -> None:
        scene.adopt(CHAIN)
        scene.executor.run()
        record = await scene.journal.record()
        assert scene.expected() == ["b"]

        record.landed()

        assert (scene.expected(), scene.queued()) == ([], ["b"])

    async def test_it_may_end_before_as_well(self, scene: Scene) -> None:
        run = scene.adopt(CHAIN)
        scene.executor.run()
        record = await scene.journal.record()
        record.landed()
        scene.executor.run()
        assert [rows_of(later) for later in scene.journal.waiting] == [[("b", 1, "Completed")]]
        assert not scene.ended

        record.recorded()

        assert not scene.executor.queued
        assert (await scene.the_end()).status == "Completed"
        assert not run.attempts

    @pytest.mark.parametrize(
        ("expected", "slots", "following"),
        [
            (3, 3, 3),
            (0, 2, 3),  # they cannot all begin at once
            (0, 1_000, LAUNCHES_PER_PASS + 1),  # heartbeats go in between
        ],
    )
    async def test_of_many_none_is_got_ready(
        self, expected: int, slots: int, following: int
    ) -> None:
        scene = Scene(max_concurrent_tasks=slots)
        names = [f"t{number}" for number in range(following)]
        scene.adopt(graph_of(a={}, **{name: {"dependencies": ["a"]} for name in names}))
        scene.executor.run()

        assert len(scene.expected()) == expected
        await scene.journal.commit()
        while len(scene.executor.queued) < following:
            scene.executor.came.clear()
            await scene.executor.came.wait()
        assert scene.queued() == names

    async def test_a_flaw_in_getting_ready_loses_no_result(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def flawed(plan: RunPlan, task: int) -> None:
            raise LookupError("a flaw of ours")

        scene.adopt(CHAIN)
        body = scene.begin()
        monkeypatch.setattr(RunPlan, "given", flawed)
        scene.executor.finish(body)

        assert rows_of(await scene.journal.commit()) == [("a", 1, "Completed")]
        message = "internal error: LookupError('a flaw of ours')"
        assert (await scene.the_end()).error_message == message

    async def test_what_was_got_ready_before_the_flaw_starts_with_the_record(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given, flaws = RunPlan.given, ["once"]

        def flawed(plan: RunPlan, task: int) -> dict[str, JsonValue]:
            if task == 2 and flaws:
                raise LookupError(flaws.pop())
            return given(plan, task)

        after = {"dependencies": ["a"]}
        scene.adopt(graph_of(a={}, b=after, c=after))
        monkeypatch.setattr(RunPlan, "given", flawed)
        scene.executor.run()
        assert scene.expected() == []

        await scene.journal.commit()

        assert scene.queued() == ["b", "c"]
        assert (await scene.the_end()).status == "Completed"

    async def test_no_suspect_is(self, scene: Scene) -> None:
        scene.adopt(CHAIN, recoveries=1)
        await scene.journal.commit()  # the start mark of the first
        scene.executor.run()

        assert scene.expected() == []

    async def test_nor_is_what_has_to_wait_for_its_next_attempt(self, scene: Scene) -> None:
        failed = attempt_row("r", "b", status=TaskStatus.FAILED, error="bad")._replace(retry_at=999)
        scene.adopt(CHAIN, past=[failed], epoch=2)
        scene.executor.run()
        assert scene.expected() == []

        await scene.journal.commit()

        (attempt,) = scene.executor.queued
        assert isinstance(attempt, Attempt)
        assert attempt.number == 2

    async def test_what_cannot_be_taken_ahead_starts_with_the_record(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(scene.executor, "expect", lambda _: False)
        scene.adopt(CHAIN)
        scene.executor.run()

        await scene.journal.commit()

        assert scene.queued() == ["b"]

    @pytest.mark.parametrize("fate", ["lose", "refuse"])
    async def test_it_is_called_off_when_the_record_does_not_count(
        self, scene: Scene, fate: str
    ) -> None:
        run = scene.adopt(CHAIN)
        scene.executor.run()

        await getattr(scene.journal, fate)()

        assert (run.attempts, scene.expected()) == ({}, [])
        assert [row for record in scene.journal.waiting for row in record.attempts] == []

    async def test_it_is_given_up_at_a_shutdown(self, scene: Scene) -> None:
        scene.adopt(CHAIN)
        scene.executor.run()

        scene.orchestrator.drain()

        assert scene.expected() == []
        assert await scene.finish() == [("a", 1, "Completed")]
        await scene.orchestrator.quiet()


class TestSteps:
    async def test_bodies_without_dependencies_start_at_once(self, scene: Scene) -> None:
        run = scene.adopt(PAIR)

        assert scene.queued() == ["a", "b"]
        assert scene.orchestrator.runs == {"r": run}

    async def test_dependents_start_when_the_record_is_durable_and_not_before(
        self, scene: Scene
    ) -> None:
        scene.adopt(CHAIN, {"n": 0})
        scene.executor.run()
        assert scene.queued() == []

        record = await scene.journal.commit()

        assert rows_of(record) == [("a", 1, "Completed")]
        assert (record.run_id, record.epoch, record.end) == ("r", 1, None)
        (attempt,) = scene.executor.queued
        assert isinstance(attempt, Attempt)
        assert (attempt.task.id, attempt.given) == ("b", {"n": 0, "x": 1})

    async def test_the_last_fact_and_the_end_of_the_run_are_one_record(self, scene: Scene) -> None:
        run = scene.adopt(CHAIN)
        scene.executor.run()
        await scene.journal.commit()
        scene.executor.run()
        record = await scene.journal.record()
        assert not scene.ended

        record.recorded()

        assert rows_of(record) == [("b", 1, "Completed")]
        assert scene.ended == [(run, record.end)]
        assert scene.ended[0][1][:5] == ("r", 1, "Completed", '{"x":1}', None)
        assert not scene.orchestrator.runs

    async def test_what_is_skipped_travels_with_the_failure_that_it_follows_from(
        self, scene: Scene
    ) -> None:
        run = scene.adopt(FAILING, {"n": 0})
        scene.executor.run()
        record = await scene.journal.commit()

        assert rows_of(record) == [("a", 1, "Failed"), ("b", 0, "Skipped"), ("c", 0, "Skipped")]
        assert [row.skip_reason for row in record.attempts[1:]] == [
            "upstream failed: a",
            "upstream failed: b",
        ]
        assert scene.ended[0][1][2:5] == (
            "Failed",
            '{"n":0}',
            "1 task(s) failed, 0 completed, 2 skipped; first error: a: ValueError: bad",
        )
        assert [run.latest[task] for task in range(3)] == list(record.attempts)

    async def test_what_was_recorded_counts_towards_the_size_of_the_contexts(
        self, scene: Scene
    ) -> None:
        run = scene.adopt(CHAIN)
        before = run.size_bound
        scene.executor.run()

        assert run.size_bound == before + len('{"set":{"x":1},"removed":[]}')

    async def test_a_run_of_which_only_the_end_is_missing_gets_it(self, scene: Scene) -> None:
        scene.adopt(PAIR, past=[attempt_row("r", "a"), attempt_row("r", "b")])

        assert (await scene.the_end()).status == "Completed"
        assert not scene.executor.queued

    async def test_what_an_earlier_owner_did_is_not_done_again(self, scene: Scene) -> None:
        scene.adopt(CHAIN, past=[attempt_row("r", "a")], epoch=3)

        assert await scene.finish() == [("b", 1, "Completed")]

    async def test_heartbeats_go_in_between_the_starts_of_a_wide_graph(self, scene: Scene) -> None:
        names = [f"t{number}" for number in range(2 * LAUNCHES_PER_PASS + 1)]
        scene.adopt(graph_of(**{name: {} for name in names}))
        counts = [len(scene.executor.queued)]
        for _ in range(2):
            await asyncio.sleep(0)
            counts.append(len(scene.executor.queued))

        assert counts == [LAUNCHES_PER_PASS, 2 * LAUNCHES_PER_PASS, len(names)]
        assert scene.queued() == names

    async def test_nothing_more_starts_of_a_wide_graph_that_is_dropped(self, scene: Scene) -> None:
        run = scene.adopt(graph_of(**{f"t{n}": {} for n in range(LAUNCHES_PER_PASS + 1)}))
        scene.orchestrator.drop(run)
        await asyncio.sleep(0)

        assert not scene.executor.queued


class TestRetries:
    def graph(self, **options: Any) -> Any:
        return graph_of(a={"body": fail, "retry_jitter": False, **options})

    async def test_the_next_attempt_starts_when_its_time_has_come(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "_now", lambda: 1_000)
        run = scene.adopt(self.graph(retry_attempts=2, retry_delay_ms=5))
        scene.executor.run()
        record = await scene.journal.commit()
        assert scene.queued() == []
        assert [row.retry_at for row in record.attempts] == [1_000 + 5_000]
        assert run.latest[0] == record.attempts[0]

        await scene.executor.sent()

        assert not run.retries
        assert await scene.finish() == [("a", 2, "Failed")]
        assert scene.ended[0][1].status == "Failed"

    async def test_without_a_delay_it_starts_with_the_commit(self, scene: Scene) -> None:
        scene.adopt(self.graph(retry_attempts=3, retry_delay_ms=0))

        assert await scene.finish() == [(("a"), number, "Failed") for number in (1, 2, 3)]

    async def test_an_earlier_owners_clock_that_was_ahead_delays_no_longer_than_the_policy(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "_now", lambda: 1_000)
        failed = attempt_row("r", "a", 1, status=TaskStatus.FAILED, error="bad")
        an_hour_ahead = failed._replace(retry_at=1_000 + 3_600_000_000)

        run = scene.adopt(self.graph(retry_delay_ms=2_000, retry_jitter=True), past=[an_hour_ahead])

        left = run.retries[0].when() - asyncio.get_running_loop().time()
        assert 2.4 < left <= 2.5  # 2 s and the most that jitter adds

    async def test_a_new_owner_keeps_the_number_and_the_back_off(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "_now", lambda: 1_000)
        failed = attempt_row("r", "a", 4, status=TaskStatus.FAILED, error="bad")
        later = failed._replace(retry_at=1_000 + 3_600_000_000)
        run = scene.adopt(self.graph(retry_delay_ms=7_200_000, **LONG), past=[later])
        assert not scene.executor.queued
        assert run.retries[0].when() - asyncio.get_running_loop().time() > 3_500

        scene.orchestrator.drop(run)
        scene.adopt(self.graph(), past=[failed._replace(retry_at=999)], epoch=3)

        (attempt,) = scene.executor.queued
        assert isinstance(attempt, Attempt)
        assert attempt.number == 5

    async def test_none_follows_when_the_run_is_over(self, scene: Scene) -> None:
        run = scene.adopt(self.graph(retry_delay_ms=3_600_000))
        scene.executor.run()
        await scene.journal.commit()
        (timer,) = run.retries.values()

        scene.orchestrator.drop(run)

        assert timer.cancelled()
        assert not run.retries

    async def test_crashes_of_one_attempt_are_not_those_of_the_next(self, scene: Scene) -> None:
        past = [attempt_row("r", "a", status=TaskStatus.RUNNING, crashes=2)]
        scene.adopt(self.graph(retry_attempts=2, retry_delay_ms=0), past=past, recoveries=2)
        crashes: list[int] = []
        while scene.journal.waiting:
            crashes += [row.crashes for row in (await scene.journal.commit()).attempts]
            while scene.executor.queued:
                scene.executor.run()

        assert crashes == [2, 2, 0, 0]


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
        assert (await scene.the_end()).final_context == "{}"

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
        assert list(run.attempts) == [0]

    async def test_waiting_does_not_count_and_the_rest_of_the_time_goes_on_afterwards(
        self, scene: Scene
    ) -> None:
        scene.adopt(SHORT_PAIR)
        parent, _ = scene.begin(), scene.begin()
        scene.orchestrator.waiting_bodies.release_slot(parent)
        assert rows_of(await scene.journal.commit()) == [("a", 1, "Waiting")]
        assert rows_of(await scene.journal.commit()) == [("b", 1, "Failed")]
        assert not parent.abandoned
        assert not scene.orchestrator._body_times._limit_of  # nobody looks at it meanwhile

        await scene.orchestrator.waiting_bodies.reacquire_slot(parent)

        assert rows_of(await scene.journal.commit()) == [("a", 1, "Failed")]

    async def test_one_that_has_just_run_in_time_is_not_over(self, scene: Scene) -> None:
        """Or hardly in time: what it did counts, for its report is on the way."""
        options = {"timeout_seconds": SHORT, "retry_attempts": 1}
        slow = {"body": lambda context: time.sleep(2 * SHORT), **options}
        scene.adopt(graph_of(a=slow, b=options))
        body, _ = scene.begin(), scene.begin()
        scene.executor.end(body)
        assert rows_of(await scene.journal.record()) == [("b", 1, "Failed")]

        scene.executor.report(body)

        assert rows_of(await scene.journal.commit()) == [("a", 1, "Completed")]

    @pytest.mark.parametrize(("own", "limit"), [(None, 17), (5, 5), (NO_LIMIT, math.inf)])
    async def test_a_task_that_says_none_has_the_limit_of_the_runner(
        self, own: int | NoLimit | None, limit: float
    ) -> None:
        scene = Scene(task_timeout_seconds=17)
        run = scene.adopt(graph_of(a={"timeout_seconds": own}))

        assert run.attempts[0].timeout == limit

    async def test_neither_need_have_one(self) -> None:
        scene = Scene(task_timeout_seconds=NO_LIMIT)
        run = scene.adopt(graph_of(a={}, b={"timeout_seconds": 5}))

        assert [run.attempts[task].timeout for task in (0, 1)] == [math.inf, 5]


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
        scene.orchestrator.drop(run)
        scene.executor.finish(callback)

        assert not scene.journal.waiting


class TestMarks:
    async def test_a_body_that_runs_is_marked_once(self, scene: Scene) -> None:
        scene.adopt(PAIR)
        scene.executor.begin()

        assert [(row.task_id, row.status) for row in scene.orchestrator.start_marks()] == [
            ("a", "Running")
        ]
        assert scene.orchestrator.start_marks() == []
        assert scene.journal.marks_wanted == 2

    async def test_one_that_is_about_to_begin_will_be(self, scene: Scene) -> None:
        """A slot became free: what queued for it may begin when the commit is long over."""
        scene.adopt(PAIR)
        scene.begin()
        wanted = scene.journal.marks_wanted

        scene.executor.is_starting = True
        scene.orchestrator.start_marks()

        assert scene.journal.marks_wanted == wanted + 1

    async def test_one_that_waits_or_was_given_up_is_not(self, scene: Scene) -> None:
        run = scene.adopt(PAIR)
        first, second = scene.begin(), scene.begin()
        scene.orchestrator.waiting_bodies.release_slot(first)
        scene.executor.abandon(second)

        assert scene.orchestrator.start_marks() == []
        assert [row.task_id for row in scene.orchestrator.marks_of(run.id)] == ["a", "b"]

    async def test_one_that_goes_on_is_marked_again(self, scene: Scene) -> None:
        scene.adopt(PAIR)
        attempt = scene.begin()
        scene.orchestrator.start_marks()
        scene.orchestrator.waiting_bodies.release_slot(attempt)
        wanted = scene.journal.marks_wanted
        await scene.orchestrator.waiting_bodies.reacquire_slot(attempt)

        assert scene.journal.marks_wanted == wanted + 1
        assert [row.task_id for row in scene.orchestrator.start_marks()] == ["a"]

    async def test_callbacks_have_none(self, scene: Scene) -> None:
        scene.adopt(graph_of(a={"on_success": lambda task_id, context: None}))
        scene.executor.run()
        scene.executor.begin()

        assert scene.orchestrator.running() == []
        assert scene.orchestrator.start_marks() == []

    async def test_nobody_runs_for_a_run_that_is_not_ours(self, scene: Scene) -> None:
        assert scene.orchestrator.marks_of("elsewhere") == []

    async def test_a_queued_body_is_not_said_to_run(self, scene: Scene) -> None:
        run = scene.adopt(PAIR)
        scene.executor.begin()

        assert [row.task_id for row in scene.orchestrator.marks_of(run.id)] == ["a"]


class TestRecovery:
    async def test_a_body_starts_when_its_mark_is_durable(self, scene: Scene) -> None:
        scene.adopt(CHAIN, recoveries=1, epoch=3)
        assert not scene.executor.queued

        record = await scene.journal.commit()

        assert rows_of(record) == [("a", 1, "Running")]
        assert scene.queued() == ["a"]
        assert scene.orchestrator.running() == []
        scene.executor.begin()
        assert scene.orchestrator.start_marks() == []

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
            [("c", 1, "Running")],
            [("a", 1, "Completed")],
        ]

    async def test_suspects_run_alone(self, scene: Scene) -> None:
        past = [attempt_row("r", name, status=TaskStatus.RUNNING, crashes=1) for name in ("a", "b")]
        scene.adopt(PAIR, past=past, recoveries=1)
        assert [rows_of(record) for record in scene.journal.waiting] == [[("a", 1, "Running")]]

        written = await scene.finish()

        assert written == [
            ("a", 1, "Running"),
            ("b", 1, "Running"),
            ("a", 1, "Completed"),
            ("b", 1, "Completed"),
        ]

    @pytest.mark.parametrize(("crashes", "status"), [(2, "Completed"), (3, "Failed")])
    async def test_one_that_has_killed_too_many_processes_fails_without_its_body(
        self, crashes: int, status: str
    ) -> None:
        scene = Scene(max_recovery_attempts=2)
        past = [attempt_row("r", "a", 2, status=TaskStatus.RUNNING, crashes=crashes)]
        scene.adopt(CHAIN, past=past, recoveries=crashes)

        end = await scene.the_end()

        assert end.status == status
        if status == "Failed":
            assert end.error_message == (
                "1 task(s) failed, 0 completed, 1 skipped; first error: a: RecoveryLimitError: "
                "3 processes died while they ran this task; max_recovery_attempts is 2"
            )
            row = scene.ended[0][0].latest[0]
            assert (row.attempt, row.crashes, row.started_at) == (2, 3, None)


class TestDeadlines:
    @pytest.fixture
    async def scene(self) -> Scene:
        return Scene(pipeline_timeout_seconds=1)

    async def overdue(self, scene: Scene, *arguments: Any, **fields: Any) -> ActiveRun:
        """A run that somebody began long ago."""
        began = time.time_ns() // 1000 - 3_600_000_000
        return scene.adopt(*arguments, **{"started_at": began, "epoch": 3, **fields})

    async def test_what_is_under_way_is_cut_short_in_the_same_record(self, scene: Scene) -> None:
        run = scene.adopt(PAIR)
        body = scene.begin()
        scene.orchestrator._expire(run)

        record = await scene.journal.commit()

        assert rows_of(record) == [("a", 1, "Cancelled"), ("b", 1, "Cancelled")]
        assert {row.skip_reason for row in record.attempts} == {"Pipeline timeout after 1s"}
        assert scene.ended[0][1][2:5] == ("Failed", "{}", "Pipeline timeout after 1s")
        assert (body.abandoned, scene.executor.queued) == (True, [])

    async def test_a_deadline_passes_by_itself_and_counts_from_the_first_start(
        self, scene: Scene
    ) -> None:
        began = time.time_ns() // 1000 - 995_000
        scene.adopt(PAIR, started_at=began, epoch=3)

        assert rows_of(await scene.journal.commit()) == [
            ("a", 1, "Cancelled"),
            ("b", 1, "Cancelled"),
        ]

    async def test_a_new_owner_gives_it_what_is_left_of_its_time(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        began = time.time_ns() // 1000
        monkeypatch.setattr(module, "_now", lambda: began + 400_000)
        run = scene.adopt(PAIR, started_at=began, epoch=3)

        assert scene.orchestrator._run_times._limit_of == {run: pytest.approx(0.6)}

    async def test_no_body_starts_after_it(self, scene: Scene) -> None:
        await self.overdue(scene, CHAIN, past=[attempt_row("r", "a")])
        assert not scene.executor.queued

        end = await scene.the_end()

        assert (end.status, end.error_message) == ("Failed", "Pipeline timeout after 1s")

    async def test_a_run_that_had_done_everything_in_time_has_its_true_end(
        self, scene: Scene
    ) -> None:
        await self.overdue(scene, PAIR, past=[attempt_row("r", "a"), attempt_row("r", "b")])

        assert (await scene.the_end()).status == "Completed"

    async def test_a_clock_that_was_set_back_gives_no_more_than_the_whole_time(
        self, scene: Scene
    ) -> None:
        ahead = time.time_ns() // 1000 + 3_600_000_000
        run = scene.adopt(PAIR, started_at=ahead, epoch=3)

        assert scene.orchestrator._run_times._limit_of == {run: 1}

    async def test_a_new_run_has_the_whole_time_however_long_it_was_in_being_accepted(
        self, scene: Scene
    ) -> None:
        run = await self.overdue(scene, PAIR, epoch=1)

        assert scene.orchestrator._run_times._limit_of == {run: 1}
        assert scene.queued() == ["a", "b"]

    async def test_without_a_limit_there_is_none(self) -> None:
        config = DefaultRunnerConfig()
        config.pipeline_timeout_seconds = None
        scene = Scene()
        scene.orchestrator._config = config
        run = await self.overdue(scene, PAIR)

        assert run.time_limit == 0
        assert (await scene.the_end()).status == "Completed"

    async def test_a_run_that_has_ended_has_no_deadline_any_more(self, scene: Scene) -> None:
        scene.adopt(PAIR)
        await scene.finish()

        assert not scene.orchestrator._run_times._limit_of

    async def test_it_ends_a_run_once(self, scene: Scene) -> None:
        run = scene.adopt(PAIR)
        scene.orchestrator._expire(run)
        scene.orchestrator._expire(run)

        assert len(scene.journal.waiting) == 1


class TestLoss:
    async def test_a_run_that_is_somebody_elses_is_let_go(self, scene: Scene) -> None:
        run = scene.adopt(graph_of(a={}, b={}, c={"dependencies": ["a"]}))
        body = scene.begin(1)
        scene.executor.run()
        await scene.journal.lose()

        assert (scene.orchestrator.runs, scene.places, scene.ended) == ({}, 1, [])
        assert (body.abandoned, run.attempts, scene.executor.queued) == (True, {}, [])
        assert not scene.orchestrator._body_times._limit_of

    async def test_the_next_suspect_may_start(self, scene: Scene) -> None:
        past = [attempt_row("r", "a", status=TaskStatus.RUNNING, crashes=1)]
        run = scene.adopt(CHAIN, past=past, recoveries=1)
        past = [past[0]._replace(run_id="other")]
        scene.adopt(CHAIN, past=past, recoveries=1, id="other")
        assert [record.run_id for record in scene.journal.waiting] == ["r"]

        scene.orchestrator.drop(run)

        assert [record.run_id for record in scene.journal.waiting] == ["r", "other"]

    async def test_a_body_that_waits_for_its_mark_waits_no_longer(self, scene: Scene) -> None:
        run = scene.adopt(CHAIN, recoveries=1)
        await scene.journal.commit()
        body = scene.begin()
        scene.orchestrator.waiting_bodies.release_slot(body)
        await scene.journal.commit()
        back = asyncio.create_task(scene.orchestrator.waiting_bodies.reacquire_slot(body))
        await scene.journal.record()

        scene.orchestrator.drop(run)
        await back

        assert body.abandoned

    async def test_one_that_timed_out_is_given_up_once(self, scene: Scene) -> None:
        condition = {"retry_condition": lambda error: True}
        run = scene.adopt(graph_of(a={"timeout_seconds": SHORT, **condition}))
        scene.begin()
        await scene.executor.sent()

        scene.orchestrator.drop(run)

        assert not scene.executor.queued

    async def test_what_its_bodies_still_do_is_ignored(self, scene: Scene) -> None:
        run = scene.adopt(graph_of(a={"on_success": lambda task_id, context: None}))
        body = scene.begin()
        scene.executor.end(body)  # its report is on the way
        scene.orchestrator.drop(run)

        scene.executor.report(body)

        assert (scene.executor.queued, scene.journal.waiting) == ([], [])

    async def test_one_that_was_claimed_again_meanwhile_stays(self, scene: Scene) -> None:
        old = scene.adopt(PAIR)
        new = scene.adopt(PAIR, epoch=3)
        scene.orchestrator.drop(old)

        assert scene.orchestrator.runs == {"r": new}
        assert scene.places == 0
        assert not new.over

    async def test_the_old_end_of_one_that_was_claimed_again_leaves_the_new_one(
        self, scene: Scene
    ) -> None:
        old = scene.adopt(PAIR, past=[attempt_row("r", "a"), attempt_row("r", "b")])
        new = scene.adopt(PAIR, epoch=3)
        await scene.journal.commit()

        assert scene.ended[0][0] is old
        assert scene.orchestrator.runs == {"r": new}

    async def test_an_attempt_is_ours_while_its_run_is(self, scene: Scene) -> None:
        run = scene.adopt(PAIR)
        attempt = run.attempts[0]
        owned = [scene.orchestrator.owns(attempt)]
        scene.orchestrator.drop(run)
        owned.append(scene.orchestrator.owns(attempt))
        scene.adopt(PAIR, epoch=3)
        owned.append(scene.orchestrator.owns(attempt))

        assert owned == [True, False, False]


class TestRefusals:
    async def test_a_run_that_cannot_be_gone_on_with_fails_at_once(self, scene: Scene) -> None:
        run = active_run(PAIR)
        scene.orchestrator.refuse(run, "unreadable")

        end = await scene.the_end()

        assert (end.status, end.error_message) == ("Failed", "unreadable")
        assert not scene.executor.queued

    async def test_a_run_whose_record_is_refused_fails_with_the_reason(
        self, scene: Scene, caplog: pytest.LogCaptureFixture
    ) -> None:
        scene.adopt(CHAIN)
        scene.executor.run()
        await scene.journal.refuse()

        end = await scene.the_end()

        assert (end.status, end.error_message) == (
            "Failed",
            "a result could not be stored: not this",
        )
        (record,) = caplog.records
        assert record.__dict__["run_id"] == "r"

    async def test_an_end_that_is_refused_is_written_without_what_it_carried(
        self, scene: Scene
    ) -> None:
        run = scene.adopt(CHAIN, past=[attempt_row("r", "a")])
        scene.executor.run()
        await scene.journal.refuse()
        record = await scene.journal.commit()

        assert (record.attempts, record.end and record.end.final_context) == ([], "{}")
        assert scene.ended == [(run, record.end)]
        assert scene.ended[0][1].error_message == "a result could not be stored: not this"

    async def test_even_if_its_context_was_empty(self, scene: Scene) -> None:
        """It may be the error of the last task that the database will not have."""
        scene.adopt(graph_of(a={"body": fail, "retry_attempts": 1}))
        scene.executor.run()
        await scene.journal.refuse()

        assert (await scene.the_end()).error_message == "a result could not be stored: not this"

    async def test_so_is_one_that_carried_only_its_context(self, scene: Scene) -> None:
        run = scene.adopt(CHAIN, {"n": 0}, recoveries=1)
        scene.orchestrator.drain()
        scene.journal.waiting.clear()
        scene.orchestrator._expire(run)
        await scene.journal.refuse()

        assert (await scene.the_end())[2:4] == ("Failed", "{}")

    async def test_one_that_cannot_be_written_at_all_is_let_go(self, scene: Scene) -> None:
        scene.adopt(CHAIN, past=[attempt_row("r", "a")])
        scene.executor.run()
        await scene.journal.refuse()
        await scene.journal.refuse()

        assert (scene.orchestrator.runs, scene.ended, scene.places) == ({}, [], 1)
        assert not scene.journal.waiting

    async def test_what_is_refused_after_the_end_is_on_its_way_changes_nothing(
        self, scene: Scene
    ) -> None:
        run = scene.adopt(CHAIN)
        scene.executor.run()
        scene.orchestrator._expire(run)
        await scene.journal.refuse()

        assert len(scene.journal.waiting) == 1
        assert (await scene.the_end()).error_message == "Pipeline timeout after 3600s"


class TestPlaces:
    async def test_a_run_gives_up_its_place_when_the_last_body_that_does_not_wait_ends(
        self, scene: Scene
    ) -> None:
        run = scene.adopt(PAIR)
        parent, other = scene.begin(), scene.begin()
        scene.orchestrator.waiting_bodies.release_slot(parent)
        places = scene.places
        assert not run.waits()

        scene.executor.finish(other)
        await scene.journal.commit()
        await scene.journal.commit()

        assert run.waits()
        assert scene.places == places + 1

    async def test_an_attempt_whose_time_was_up_when_it_began_to_wait_does_not_count(
        self, scene: Scene
    ) -> None:
        options = {"timeout_seconds": SHORT, "retry_condition": "transient", "retry_delay_ms": 0}
        run = scene.adopt(graph_of(a=options))
        body = scene.begin()
        body.clock._spent = SHORT
        scene.orchestrator.waiting_bodies.release_slot(body)
        await scene.journal.commit()
        await scene.journal.commit()
        assert (scene.queued(), run.waits()) == (["a"], False)

        scene.orchestrator.waiting_bodies.release_slot(scene.begin())

        assert run.waits()

    async def test_it_keeps_it_when_something_follows(self, scene: Scene) -> None:
        scene.adopt(graph_of(a={}, b={}, c={"dependencies": ["b"]}))
        parent, other = scene.begin(), scene.begin()
        scene.orchestrator.waiting_bodies.release_slot(parent)
        places = scene.places
        scene.executor.finish(other)
        await scene.journal.commit()
        await scene.journal.commit()

        assert scene.places == places


class TestDraining:
    async def quiet(self, scene: Scene) -> asyncio.Task[None]:
        quiet = asyncio.create_task(scene.orchestrator.quiet())
        await asyncio.sleep(0)
        return quiet

    async def test_what_runs_is_recorded_and_nothing_follows(self, scene: Scene) -> None:
        scene.adopt(CHAIN)
        body = scene.begin()
        scene.orchestrator.drain()
        quiet = await self.quiet(scene)
        assert not quiet.done()

        scene.executor.finish(body)
        await quiet

        assert await scene.finish() == [("a", 1, "Completed")]
        assert not scene.ended

    async def test_the_last_of_several_bodies_is_waited_for(self, scene: Scene) -> None:
        scene.adopt(PAIR)
        first, second = scene.begin(), scene.begin()
        scene.orchestrator.drain()
        quiet = await self.quiet(scene)
        scene.executor.finish(first)
        await asyncio.sleep(0)
        assert not quiet.done()

        scene.executor.finish(second)
        await quiet

    async def test_a_run_that_is_lost_meanwhile_is_not_waited_for(self, scene: Scene) -> None:
        run = scene.adopt(PAIR)
        scene.begin()
        scene.orchestrator.drain()
        quiet = await self.quiet(scene)

        scene.orchestrator.drop(run)

        await quiet

    async def test_what_is_queued_held_or_waiting_is_given_up(self, scene: Scene) -> None:
        run = scene.adopt(graph_of(a={}, b={}, c={}))
        waiting = scene.begin()
        scene.orchestrator.waiting_bodies.release_slot(waiting)
        await scene.journal.commit()
        recovered = scene.adopt(PAIR, recoveries=1, id="other")
        scene.orchestrator.drain()
        await scene.orchestrator.quiet()

        assert (run.attempts, recovered.attempts, scene.executor.queued) == ({}, {}, [])
        assert waiting.abandoned

    async def test_a_body_that_ended_while_a_thread_of_its_waits_is_given_up_too(
        self, scene: Scene
    ) -> None:
        run = scene.adopt(CHAIN)
        body = scene.begin()
        scene.orchestrator.waiting_bodies.release_slot(body)
        await scene.journal.commit()
        scene.executor.end(body)
        scene.orchestrator.drain()

        scene.executor.report(body)

        assert (run.attempts, scene.journal.waiting) == ({}, [])

    async def test_a_mark_that_becomes_durable_then_starts_nothing(self, scene: Scene) -> None:
        past = [attempt_row("r", name, status=TaskStatus.RUNNING, crashes=1) for name in ("a", "b")]
        scene.adopt(PAIR, past=past, recoveries=1)
        scene.orchestrator.drain()
        await scene.journal.commit()

        assert not scene.executor.queued
        assert not scene.journal.waiting

    async def test_no_retry_starts(self, scene: Scene) -> None:
        scene.adopt(graph_of(a={"body": fail, "retry_delay_ms": 0}))
        body = scene.begin()
        scene.orchestrator.drain()
        scene.executor.finish(body)

        assert await scene.finish() == [("a", 1, "Failed")]

    async def test_a_callback_is_waited_for(self, scene: Scene) -> None:
        scene.adopt(graph_of(a={"on_success": lambda task_id, context: None}))
        scene.executor.run()
        scene.orchestrator.drain()
        quiet = await self.quiet(scene)
        assert not quiet.done()

        scene.executor.run()
        await quiet

        assert (await scene.the_end()).status == "Completed"

    async def test_an_end_without_a_body_is_still_recorded(self, scene: Scene) -> None:
        scene.orchestrator.drain()
        scene.adopt(PAIR, past=[attempt_row("r", "a"), attempt_row("r", "b")])

        assert (await scene.the_end()).status == "Completed"

    async def test_a_conductor_without_runs_is_quiet(self, scene: Scene) -> None:
        scene.orchestrator.drain()

        await scene.orchestrator.quiet()


# -- what must not hang --------------------------------------------------------------------------


async def test_a_final_context_that_is_too_large_fails_the_run_with_its_size() -> None:
    """Each leaf's context is small enough, and so is what each task writes."""
    scene = Scene(max_context_bytes=60)
    graph = graph_of(
        a={"body": lambda context: {"a": "x" * 40}}, b={"body": lambda context: {"b": "x" * 40}}
    )
    scene.adopt(graph)

    end = await scene.the_end()

    # {"a":"…","b":"…"}: twice 40 and 6, a comma and two braces.
    message = "the final context is 95 bytes long; max_context_bytes is 60"
    assert (end.status, end.final_context, end.error_message) == ("Failed", "{}", message)


async def test_its_size_is_that_of_its_bytes() -> None:
    scene = Scene(max_context_bytes=60)
    graph = graph_of(
        a={"body": lambda context: {"a": "é" * 20}}, b={"body": lambda context: {"b": "x" * 10}}
    )
    scene.adopt(graph)

    # {"a":"…","b":"…"}: 40, 10, twice 6, a comma and two braces.
    message = "the final context is 65 bytes long; max_context_bytes is 60"
    assert (await scene.the_end()).error_message == message


async def test_the_size_is_told_beside_what_failed_before() -> None:
    scene = Scene(max_context_bytes=60)
    graph = graph_of(
        a={"body": lambda context: {"a": "x" * 40}},
        b={"body": lambda context: {"b": "x" * 40}},
        c={"body": lambda context: 1 / 0, "retry_attempts": 1},
    )
    scene.adopt(graph)

    message = (await scene.the_end()).error_message

    assert message is not None
    assert message.startswith("1 task(s) failed, 2 completed")
    assert message.endswith("; the final context is 95 bytes long; max_context_bytes is 60")


async def test_each_failed_attempt_is_logged(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    run = scene.adopt(graph_of(a={"body": fail, "retry_attempts": 2, "retry_delay_ms": 0}))
    await scene.finish()

    task = f"run {run.id} task a attempt"
    assert [(each.levelname, each.getMessage()) for each in caplog.records] == [
        ("WARNING", f"{task} 1: failed, of 2, again in 0 s: ValueError: bad"),
        ("WARNING", f"{task} 2: failed, of 2: ValueError: bad"),
    ]
    assert {each.__dict__["run_id"] for each in caplog.records} == {run.id}


async def test_a_run_whose_handling_fails_ends_and_says_so(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def flawed(work: Work) -> None:
        raise LookupError("a flaw of ours")

    scene.adopt(graph_of(a={}, b={"dependencies": ["a"]}))
    scene.executor.run()
    monkeypatch.setattr(scene.executor, "submit", flawed)

    end = await scene.the_end()

    message = "internal error: LookupError('a flaw of ours')"
    assert (end.status, end.error_message) == ("Failed", message)
    assert "cannot go on" in caplog.text
    assert not scene.orchestrator.runs


@pytest.mark.parametrize("part", ["completed", "final_context"])
async def test_a_flaw_in_what_follows_from_a_body_ends_its_run(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    def flawed(plan: RunPlan, *facts: object) -> None:
        raise LookupError("a flaw of ours")

    scene.adopt(graph_of(a={}))
    monkeypatch.setattr(RunPlan, part, flawed)

    scene.executor.run()

    message = "internal error: LookupError('a flaw of ours')"
    assert (await scene.the_end()).error_message == message


async def test_a_flaw_while_the_end_is_on_its_way_leaves_the_end_alone(scene: Scene) -> None:
    run = scene.adopt(graph_of(a={}))
    scene.executor.run()

    scene.orchestrator.broken(run, LookupError("a flaw of ours"))

    assert (await scene.the_end()).status == "Completed"
    assert not scene.journal.waiting


async def test_a_flaw_after_the_end_leaves_the_end_alone(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def flawed(run: ActiveRun, end: RunEnd) -> None:
        raise LookupError("a flaw of ours")

    monkeypatch.setattr(scene.orchestrator, "_ended", flawed)
    scene.adopt(graph_of(a={}))

    assert await scene.finish() == [("a", 1, "Completed")]
    assert not scene.journal.waiting
    assert not scene.orchestrator.runs


class TestRunsOfSchedules:
    """Another run may wait for the end of one: whatever the end, it says whose run it was."""

    async def test_each_kind_of_end_names_the_schedule(self, scene: Scene) -> None:
        completed = scene.adopt(PAIR, schedule_id="s")
        await scene.finish()
        failed = scene.adopt(FAILING, schedule_id="s")
        await scene.finish()
        refused = active_run(PAIR, schedule_id="s")
        scene.orchestrator.refuse(refused, "damaged")
        await scene.finish()
        unstorable = scene.adopt(CHAIN, past=[attempt_row("r", "a")], schedule_id="s")
        scene.executor.run()
        await scene.journal.refuse()
        await scene.journal.commit()

        assert [run for run, _ in scene.ended] == [completed, failed, refused, unstorable]
        assert [end.schedule_id for _, end in scene.ended] == ["s"] * 4

    async def test_only_those_are_asked_after_that_a_tick_may_cancel(self, scene: Scene) -> None:
        scene.adopt(PAIR)
        assert scene.orchestrator.scheduled() == []

        scene.adopt(PAIR, schedule_id="s", id="t")
        assert scene.orchestrator.scheduled() == ["t"]


class TestLog:
    @pytest.mark.parametrize(
        ("said", "past", "fields"),
        [
            ("started", [], {}),
            ("started", [], {"epoch": 2}),  # released by its last owner before any body
            ("goes on, in epoch 2", [attempt_row("r", "a")], {"epoch": 2}),
            ("goes on, in epoch 2", [], {"epoch": 2, "recoveries": 1}),  # its owner has died
        ],
    )
    async def test_it_says_whether_a_run_starts_or_goes_on(
        self,
        caplog: pytest.LogCaptureFixture,
        said: str,
        past: list[AttemptRow],
        fields: dict[str, int],
    ) -> None:
        caplog.set_level("INFO", logger="cloaca.engine")
        Scene().adopt(PAIR, past=past, **fields)

        (record,) = caplog.records
        assert record.getMessage().endswith(f": {said}")
