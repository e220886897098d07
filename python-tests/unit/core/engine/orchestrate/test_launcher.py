"""Attempts start when their time has come; some are prepared ahead of the record before them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from model.by_hand import land, settle
from model.orchestration import (
    CHAIN,
    SHORT,
    Scene,
    fail,
    rows_of,
)
from model.runs import graph_of
from tables import each_row

from cloaca_core.definition.context import Context
from cloaca_core.definition.retries.retry_after import RetryAfter
from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.orchestrate.launcher import LAUNCHES_PER_PASS
from cloaca_core.run.contexts import Contexts
from cloaca_core.values.payloads.json_values import JsonValue
from cloaca_core.values.states import ReasonCode, TaskStatus
from cloaca_core.values.times.no_limit import NO_LIMIT, NoLimit
from cloaca_testing.conformance.rows import attempt as attempt_row

pytestmark = pytest.mark.virtual_time


FREE = attempt_row("r", "a", status=TaskStatus.FAILED, error="bad")._replace(
    ended_at=7, retry_at=7, reason_code=str(ReasonCode.NOT_COUNTED)
)
"""An attempt that did not count."""


@pytest.fixture
async def scene() -> Scene:
    return Scene()


def ask_for(seconds: float, *, count: bool = True) -> Callable[[Context], None]:
    """A body that asks for another attempt."""

    def body(context: Context) -> None:
        raise RetryAfter(seconds, count=count)

    return body


class TestAhead:
    """The next bodies are prepared while the record that lets them start is written."""

    async def test_a_body_begins_before_the_loop_hears_that_the_record_is_durable(
        self, scene: Scene
    ) -> None:
        scene.adopt(CHAIN)
        scene.executor.run()
        record = await scene.journal.entry()
        assert scene.expected() == ["b"]

        land(record)

        assert (scene.expected(), scene.queued()) == ([], ["b"])

    async def test_it_may_end_before_as_well(self, scene: Scene) -> None:
        run = scene.adopt(CHAIN)
        scene.executor.run()
        record = await scene.journal.entry()
        land(record)
        scene.executor.run()
        assert [rows_of(later) for later in scene.journal.waiting] == [[("b", 1, "Completed")]]
        assert not scene.ended

        settle(record)

        assert not scene.executor.queued
        assert (await scene.the_end()).status == "Completed"
        assert not scene.attempts(run)

    @each_row(
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
        def flawed(contexts: Contexts, task: int) -> None:
            raise LookupError("a flaw of ours")

        scene.adopt(CHAIN)
        body = scene.begin()
        monkeypatch.setattr(Contexts, "given", flawed)
        scene.executor.finish(body)

        assert rows_of(await scene.journal.commit()) == [("a", 1, "Completed")]
        message = "internal error: LookupError('a flaw of ours')"
        assert (await scene.the_end()).error_message == message

    async def test_what_was_got_ready_before_the_flaw_starts_with_the_record(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        given, flaws = Contexts.given, ["once"]

        def flawed(contexts: Contexts, task: int) -> dict[str, JsonValue]:
            if task == 2 and flaws:
                raise LookupError(flaws.pop())
            return given(contexts, task)

        after = {"dependencies": ["a"]}
        scene.adopt(graph_of(a={}, b=after, c=after))
        monkeypatch.setattr(Contexts, "given", flawed)
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
        scene.clock.shown = 1_000
        failed = attempt_row("r", "b", status=TaskStatus.FAILED, error="bad")
        run = scene.adopt(CHAIN, past=[failed._replace(ended_at=999, retry_at=5_999)], epoch=2)
        scene.executor.run()
        assert scene.expected() == []

        await scene.journal.commit()

        assert scene.queued() == []
        assert list(scene.retries(run)) == [1]

    async def test_the_next_attempt_is_if_its_time_has_come(self, scene: Scene) -> None:
        scene.clock.shown = 1_000
        failed = attempt_row("r", "b", status=TaskStatus.FAILED, error="bad")
        run = scene.adopt(CHAIN, past=[failed._replace(ended_at=999, retry_at=999)], epoch=2)
        scene.executor.run()

        (attempt,) = scene.executor.expected
        assert isinstance(attempt, Attempt)
        assert (attempt.number, run.resume) == (2, {})

    async def test_what_cannot_be_taken_ahead_starts_with_the_record(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(scene.executor, "reserve", lambda _: False)
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

        assert (scene.attempts(run), scene.expected()) == ({}, [])
        assert [row for record in scene.journal.waiting for row in record.attempts] == []

    async def test_it_is_given_up_at_a_shutdown(self, scene: Scene) -> None:
        scene.adopt(CHAIN)
        scene.executor.run()

        scene.drain()

        assert scene.expected() == []
        assert await scene.finish() == [("a", 1, "Completed")]
        await scene.runs.quiet()


class TestRetries:
    def graph(self, **options: Any) -> Any:
        return graph_of(a={"body": fail, "retry_jitter": False, **options})

    async def test_the_next_attempt_starts_when_its_time_has_come(self, scene: Scene) -> None:
        scene.clock.shown = 1_000
        run = scene.adopt(self.graph(retry_attempts=2, retry_delay_ms=5))
        scene.executor.run()
        record = await scene.journal.commit()
        assert scene.queued() == []
        assert [row.retry_at for row in record.attempts] == [1_000 + 5_000]
        assert run.latest[0] == record.attempts[0]

        scene.clock.shown += 5_000
        await scene.executor.sent()

        assert not scene.retries(run)
        assert await scene.finish() == [("a", 2, "Failed")]
        assert scene.ended[0][1].status == "Failed"

    async def test_without_a_delay_it_starts_with_the_commit(self, scene: Scene) -> None:
        scene.adopt(self.graph(retry_attempts=3, retry_delay_ms=0))

        assert await scene.finish() == [(("a"), number, "Failed") for number in (1, 2, 3)]

    @pytest.mark.parametrize("seconds", [2, 86_400])  # a body may ask for more than any policy
    async def test_an_earlier_owners_clock_that_was_ahead_delays_no_longer_than_it_decided(
        self, scene: Scene, seconds: int
    ) -> None:
        scene.clock.shown = 1_000
        failed = attempt_row("r", "a", 1, status=TaskStatus.FAILED, error="bad")
        then = 1_000 + 3_600_000_000
        an_hour_ahead = failed._replace(ended_at=then, retry_at=then + seconds * 1_000_000)

        run = scene.adopt(self.graph(retry_delay_ms=1), past=[an_hour_ahead])

        assert scene.next_attempt_in(run) == pytest.approx(seconds)

    async def test_a_new_owner_keeps_the_number_and_the_back_off(self, scene: Scene) -> None:
        scene.clock.shown = 1_000
        failed = attempt_row("r", "a", 4, status=TaskStatus.FAILED, error="bad")
        later = failed._replace(ended_at=999, retry_at=1_000 + 3_600_000_000)
        run = scene.adopt(self.graph(), past=[later])
        assert not scene.executor.queued
        assert scene.next_attempt_in(run) == pytest.approx(3_600)

        scene.orchestrator.control.drop(run)
        scene.adopt(self.graph(), past=[failed._replace(retry_at=999)], epoch=3)

        (attempt,) = scene.executor.queued
        assert isinstance(attempt, Attempt)
        assert attempt.number == 5

    async def test_a_body_may_ask_for_a_longer_delay_than_the_policy_has(
        self, scene: Scene
    ) -> None:
        scene.clock.shown = 1_000
        run = scene.adopt(graph_of(a={"body": ask_for(3_600.5), "retry_max_delay_ms": 1}))
        scene.executor.run()
        (row,) = (await scene.journal.commit()).attempts

        assert (row.retry_at, row.reason_code) == (1_000 + 3_600_500_000, None)
        assert scene.next_attempt_in(run) == pytest.approx(3_600.5)

    async def test_what_does_not_count_leaves_the_task_its_attempts(self, scene: Scene) -> None:
        bodies = iter([ask_for(0, count=False), fail, ask_for(0, count=False), fail])
        options = {"retry_attempts": 2, "retry_delay_ms": 0}
        scene.adopt(graph_of(a={"body": lambda context: next(bodies)(context), **options}))

        assert await scene.finish() == [("a", number, "Failed") for number in (1, 2, 3, 4)]
        assert next(bodies, None) is None

    async def test_the_back_off_grows_by_the_attempts_that_count(self, scene: Scene) -> None:
        """By the number that a new owner computes as well: two of three did not count."""
        past = [FREE, FREE._replace(attempt=2), FREE._replace(attempt=3, reason_code=None)]
        scene.adopt(self.graph(retry_delay_ms=10, retry_attempts=3), past=past)
        scene.clock.shown = 1_000
        scene.executor.run()

        (row,) = (await scene.journal.commit()).attempts

        assert (row.attempt, row.retry_at) == (4, 1_000 + 20_000)

    async def test_a_timeout_is_judged_by_the_attempts_that_count(self, scene: Scene) -> None:
        options = {"timeout_seconds": SHORT, "retry_attempts": 2, "retry_delay_ms": 0}
        scene.adopt(graph_of(a=options), past=[FREE])
        scene.begin()

        (row,) = (await scene.journal.commit()).attempts

        assert (row.attempt, row.retry_at is None) == (2, False)

    async def test_none_follows_when_the_run_is_over(self, scene: Scene) -> None:
        run = scene.adopt(self.graph(retry_delay_ms=4_000))
        scene.executor.run()
        await scene.journal.commit()
        (timer,) = scene.retries(run).values()

        scene.orchestrator.control.drop(run)

        assert timer.cancelled()
        assert not scene.retries(run)

    async def test_crashes_of_one_attempt_are_not_those_of_the_next(self, scene: Scene) -> None:
        past = [attempt_row("r", "a", status=TaskStatus.RUNNING, crashes=2)]
        scene.adopt(self.graph(retry_attempts=2, retry_delay_ms=0), past=past, recoveries=2)
        crashes: list[int] = []
        while scene.journal.waiting:
            crashes += [row.crashes for row in (await scene.journal.commit()).attempts]
            while scene.executor.queued:
                scene.executor.run()

        assert crashes == [2, 2, 0, 0]


class TestTimeLimits:
    @each_row(("own", "limit"), [(None, 17), (5, 5), (NO_LIMIT, math.inf)])
    async def test_a_task_that_says_none_has_the_limit_of_the_runner(
        self, own: int | NoLimit | None, limit: float
    ) -> None:
        scene = Scene(task_timeout_seconds=17)
        run = scene.adopt(graph_of(a={"timeout_seconds": own}))

        assert scene.attempts(run)[0].timeout == limit

    async def test_neither_need_have_one(self) -> None:
        scene = Scene(task_timeout_seconds=NO_LIMIT)
        run = scene.adopt(graph_of(a={}, b={"timeout_seconds": 5}))

        assert [scene.attempts(run)[task].timeout for task in (0, 1)] == [math.inf, 5]


class TestRecovery:
    @each_row(("crashes", "status"), [(4, "Completed"), (5, "Failed")])
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
                "5 processes died while they ran this task, 3 of them while it ran alone; "
                "max_recovery_attempts is 2"
            )
            row = scene.ended[0][0].latest[0]
            assert (row.attempt, row.crashes, row.started_at) == (2, 5, None)
