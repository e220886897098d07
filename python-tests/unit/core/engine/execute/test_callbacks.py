"""Callbacks after a body share its time limit, and the run goes on whether or not they succeed."""

from __future__ import annotations

import asyncio
import logging
import os
import warnings
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from typing import Any

import pytest
from model.by_hand import HandExecutor
from model.hand_clock import LoopClock
from model.quiet import threads_end
from model.runs import active_run, attempt_of, graph_of

from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.execute.callbacks import Callback, FollowUp, FollowUps
from cloaca_core.engine.execute.executor import Executor

LONG = 3600.0


class Scene:
    """Follow-ups of attempts whose limit is given."""

    def __init__(self) -> None:
        self.executor = HandExecutor()
        self.follow_ups = FollowUps(self.executor)
        self.gone_on: list[Attempt] = []
        self.went_on = asyncio.Event()

    def attempt(self, timeout: float = LONG) -> Attempt:
        return attempt_of(active_run(graph_of(t={})), limit=timeout, clock=LoopClock())

    def follow(self, attempt: Attempt, call: Callable[[], None] = lambda: None) -> FollowUp:
        work = Callback(attempt, "on_success", call, ())
        self.follow_ups.run(work, lambda: self._go_on(attempt))
        return work

    def _go_on(self, attempt: Attempt) -> None:
        self.gone_on.append(attempt)
        self.went_on.set()


@pytest.fixture
async def scene() -> Scene:
    return Scene()


async def test_the_run_goes_on_when_it_has_run_and_not_before(scene: Scene) -> None:
    called: list[int] = []
    attempt = scene.attempt()
    work = scene.follow(attempt, lambda: called.append(1))
    assert not scene.gone_on

    scene.executor.run(work)

    assert (called, scene.gone_on) == ([1], [attempt])


async def test_the_run_goes_on_whatever_it_raises(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise SystemExit

    attempt = scene.attempt()
    scene.executor.run(scene.follow(attempt, fail))

    assert scene.gone_on == [attempt]


async def test_a_follow_up_may_be_followed_by_another(scene: Scene) -> None:
    """A verdict about a timeout is followed by the callback."""
    attempt = scene.attempt()
    first = Callback(attempt, "on_failure", lambda: None, ())

    def go_on() -> None:
        scene.follow(attempt)

    scene.follow_ups.run(first, go_on)
    scene.executor.run(first)
    assert not scene.gone_on

    scene.executor.run()

    assert scene.gone_on == [attempt]


async def test_those_of_many_attempts_end_in_any_order_and_nothing_is_kept_of_them(
    scene: Scene,
) -> None:
    attempts = [scene.attempt() for _ in range(3)]
    works = [scene.follow(attempt) for attempt in attempts]
    for place in (2, 0, 1):
        scene.executor.run(works[place])

    assert scene.gone_on == [attempts[2], attempts[0], attempts[1]]
    assert not scene.follow_ups._under_way


@pytest.mark.virtual_time
class TestTime:
    async def test_one_that_takes_too_long_is_given_up_and_the_run_goes_on(
        self, scene: Scene, caplog: pytest.LogCaptureFixture
    ) -> None:
        attempt = scene.attempt(timeout=60)
        work = scene.executor.begin(scene.follow(attempt))
        await scene.went_on.wait()

        assert work.abandoned
        (record,) = caplog.records
        assert record.getMessage() == "run r task t attempt 1: on_success took too long"
        assert record.__dict__["run_id"] == "r"
        assert scene.gone_on == [attempt]

    async def test_its_time_does_not_run_while_it_queues(self, scene: Scene) -> None:
        """Another one with the same limit, sent later, ends first: timers run in that order."""
        queued, running = scene.attempt(timeout=60), scene.attempt(timeout=60)
        work = scene.follow(queued)
        scene.executor.begin(scene.follow(running))
        await scene.went_on.wait()

        assert scene.gone_on == [running]
        assert not work.abandoned

    async def test_one_that_began_late_has_the_rest_of_its_time(self, scene: Scene) -> None:
        attempt = scene.attempt(timeout=60)
        work = scene.follow(attempt)
        await asyncio.sleep(45)
        scene.executor.begin(work)
        await scene.went_on.wait()

        assert work.clock.spent() == 60

    async def test_one_that_has_just_run_is_not_given_up(self, scene: Scene) -> None:
        """Its report is on the way."""
        attempt, other = scene.attempt(timeout=60), scene.attempt(timeout=60)
        work = scene.executor.begin(scene.follow(attempt))
        scene.executor.end(work)
        scene.executor.begin(scene.follow(other))
        await scene.went_on.wait()
        assert scene.gone_on == [other]

        scene.executor.report(work)

        assert scene.gone_on == [other, attempt]

    async def test_what_has_run_expires_no_more(
        self, scene: Scene, caplog: pytest.LogCaptureFixture
    ) -> None:
        done, other = scene.attempt(timeout=60), scene.attempt(timeout=60)
        scene.executor.run(scene.follow(done))
        scene.went_on.clear()
        scene.executor.begin(scene.follow(other))
        await scene.went_on.wait()

        assert scene.gone_on == [done, other]
        assert len(caplog.records) == 1


@pytest.mark.virtual_time
class TestGivingUp:
    async def test_nobody_goes_on(self, scene: Scene) -> None:
        attempt = scene.attempt()
        work = scene.executor.begin(scene.follow(attempt))

        scene.follow_ups.give_up(attempt)
        scene.executor.end(work)
        scene.executor.report(work)

        assert work.abandoned
        assert not scene.gone_on

    async def test_one_that_is_queued_never_runs(self, scene: Scene) -> None:
        attempt = scene.attempt()
        scene.follow(attempt)

        scene.follow_ups.give_up(attempt)

        assert not scene.executor.queued

    async def test_one_that_has_just_run_changes_nothing_when_it_is_reported(
        self, scene: Scene
    ) -> None:
        """A run may pass its deadline while the report is on the way."""
        attempt = scene.attempt()
        work = scene.executor.begin(scene.follow(attempt))
        scene.executor.end(work)

        scene.follow_ups.give_up(attempt)
        scene.executor.report(work)

        assert not scene.gone_on

    async def test_it_expires_no_more(self, scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
        attempt, other = scene.attempt(timeout=60), scene.attempt(timeout=60)
        scene.follow(attempt)
        scene.follow_ups.give_up(attempt)
        scene.executor.begin(scene.follow(other))
        await scene.went_on.wait()

        assert scene.gone_on == [other]
        assert len(caplog.records) == 1

    async def test_giving_up_what_has_none_is_harmless(self, scene: Scene) -> None:
        attempt = scene.attempt()
        scene.follow_ups.give_up(attempt)
        scene.executor.run(scene.follow(attempt))
        scene.follow_ups.give_up(attempt)

        assert scene.gone_on == [attempt]


# -- callbacks -----------------------------------------------------------------------------------


@pytest.fixture
async def executor() -> AsyncIterator[Executor]:
    executor = Executor(1, 1, asyncio.get_running_loop())
    yield executor
    executor.close()
    await threads_end("cloaca-coroutines")


def callback(function: Callable[..., Any], arguments: tuple[object, ...]) -> Callback:
    return Callback(attempt_of(active_run(graph_of(t={}))), "on_success", function, arguments)


async def run(executor: Executor, function: Callable[..., Any], *arguments: object) -> None:
    """A call, until it is reported."""
    reported = asyncio.Event()
    call = callback(function, arguments)
    call.finished = lambda _: reported.set()
    executor.submit(call)
    await reported.wait()


def fail(*arguments: object) -> None:
    raise SystemExit("no")


async def fail_later(*arguments: object) -> None:
    raise SystemExit("no")


class TestCalls:
    async def test_it_is_called_with_its_arguments(self, executor: Executor) -> None:
        seen: list[object] = []

        async def later(*arguments: object) -> None:
            seen.append(arguments)

        await run(executor, lambda *arguments: seen.append(arguments), 1, "a")
        await run(executor, later, 2, "b")

        assert seen == [(1, "a"), (2, "b")]

    @pytest.mark.parametrize("function", [fail, fail_later])
    async def test_whatever_it_raises_is_logged_with_its_ids_and_ends_no_thread(
        self, executor: Executor, caplog: pytest.LogCaptureFixture, function: Callable[..., Any]
    ) -> None:
        await run(executor, function)
        await run(executor, lambda: None)

        (record,) = caplog.records
        assert record.getMessage() == "run r task t attempt 1: on_success raised"
        assert (record.levelno, record.name) == (logging.ERROR, "cloaca.engine")
        assert record.__dict__["run_id"] == "r"
        assert "SystemExit: no" in caplog.text

    @pytest.mark.parametrize("function", [fail, fail_later])
    async def test_one_whose_error_cannot_be_logged_is_over_all_the_same(
        self,
        executor: Executor,
        monkeypatch: pytest.MonkeyPatch,
        function: Callable[..., Any],
    ) -> None:
        def refuse(record: logging.LogRecord) -> bool:
            raise SystemExit("no log today")

        monkeypatch.setattr(logging.getLogger("cloaca.engine"), "filters", [refuse])
        for _ in range(2):  # the slot is free again
            await run(executor, function)

    async def test_a_plain_function_that_makes_a_coroutine_is_told_so(
        self, executor: Executor, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def nobody_awaits() -> None:
            raise AssertionError

        await run(executor, lambda: nobody_awaits())

        (record,) = caplog.records
        assert (
            record.getMessage()
            == "run r task t attempt 1: on_success made a coroutine; define it with async"
        )
        assert record.__dict__["run_id"] == "r"

    async def test_being_cancelled_when_it_was_given_up_is_no_error(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        begun = asyncio.Event()

        async def wait() -> None:
            begun.set()
            await asyncio.Event().wait()

        call = callback(wait, ())
        under_way = asyncio.create_task(call.run_async())
        await begun.wait()
        call.abandoned = True
        under_way.cancel()
        await asyncio.wait([under_way])

        assert under_way.cancelled()
        assert not caplog.records

    async def test_cancelling_itself_is_its_own_error(
        self, executor: Executor, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def cancel() -> None:
            raise asyncio.CancelledError

        await run(executor, cancel)

        assert "run r task t attempt 1: on_success raised" in caplog.text

    async def test_context_variables_of_one_call_are_not_seen_by_the_next(
        self, executor: Executor
    ) -> None:
        tenant: ContextVar[str] = ContextVar("tenant", default="none")
        seen: list[str] = []

        def call() -> None:
            seen.append(tenant.get())
            tenant.set("mine")

        async def later() -> None:
            call()

        for function in (call, call, later, later):
            await run(executor, function)

        assert seen == ["none"] * 4

    @pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform has no fork")
    @pytest.mark.parametrize("is_async", [False, True])
    def test_one_that_comes_back_in_a_forked_child_ends_that_child(self, is_async: bool) -> None:
        pids: list[int] = []

        async def later() -> None:
            pids.append(os.fork())

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns with threads
            if is_async:
                asyncio.run(callback(later, ()).run_async())
            else:
                callback(lambda: pids.append(os.fork()), ()).run()
        (pid,) = pids
        if pid == 0:
            os._exit(99)  # it has left

        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
