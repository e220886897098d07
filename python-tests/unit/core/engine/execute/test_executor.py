"""Sync user code goes to threads, async to the loop of the bodies."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest
from model.bodies import Body
from model.executor_by_hand import ExecutorByHand
from model.interleaved import interleaved
from model.quiet import threads_end
from model.runs import active_run, attempt_of, graph_of
from unit.core.features.executors.remote import bodies

from cloaca_core.engine.execute.attempt import Attempt
from cloaca_core.engine.execute.callbacks import Callback
from cloaca_core.engine.execute.executor import Executor
from cloaca_core.engine.execute.outcome import Raised
from cloaca_core.engine.execute.usage import SlotUse
from cloaca_core.engine.execute.work import COROUTINES, THREADS, Stage, Work
from cloaca_core.features.executors.lazy_pools import LazyPools
from cloaca_core.features.executors.remote.attempt import RemoteAttempt, Signal
from cloaca_core.features.executors.supply import Supply


@pytest.fixture
async def executor() -> AsyncIterator[Executor]:
    executor = Executor(1, 1, asyncio.get_running_loop())
    yield executor
    executor.close()
    await threads_end("cloaca-coroutines")


async def sent(executor: Executor, *, is_async: bool) -> Body:
    """A body that runs."""
    executor.submit(body := Body(is_async=is_async))
    await body.begun.wait()
    return body


async def end(*bodies: Body) -> None:
    for body in bodies:
        body.go()
        await body.ended.wait()


async def test_the_use_of_slots_is_known_by_their_place(executor: Executor) -> None:
    body = await sent(executor, is_async=False)
    executor.submit(queued := Body(is_async=False))

    assert executor.slot_use()[THREADS] == SlotUse(used=1, free=0, queued=1)
    assert executor.slot_use()[COROUTINES] == SlotUse(used=0, free=1, queued=0)

    await end(body)
    await queued.begun.wait()
    await end(queued)


async def test_threads_that_begin_and_end_bodies_disturb_no_look(executor: Executor) -> None:
    body = await sent(executor, is_async=False)
    running = executor._threads.running

    def begins() -> None:
        running[-len(running)] = Body(is_async=False)

    with interleaved(Executor.running, begins):
        seen = list(executor.running())

    assert seen == [body]
    await end(body)


class TestExecutorsOfTheProgram:
    @pytest.fixture
    async def hand(self) -> ExecutorByHand:
        return ExecutorByHand(3)

    @pytest.fixture
    async def wide(self, hand: ExecutorByHand) -> AsyncIterator[Executor]:
        """One place of its own beside the two of each engine."""
        supply = Supply("cpu", hand)
        supply.open()
        loop = asyncio.get_running_loop()
        wide = Executor(1, 2, loop, pools=LazyPools([supply], loop))
        yield wide
        wide.close()
        await threads_end("cloaca-coroutines")

    async def test_each_is_a_place_with_slots_of_its_own(self, wide: Executor) -> None:
        assert [wide.slots(place) for place in (THREADS, COROUTINES, "executor cpu")] == [1, 2, 3]
        assert wide.thread_slots == 4

    async def test_their_bodies_are_seen_counted_and_given_up_like_others(
        self, wide: Executor, hand: ExecutorByHand
    ) -> None:
        reported: asyncio.Queue[Work] = asyncio.Queue()
        remote = self.attempt(wide, "cpu", reported)
        here = await sent(wide, is_async=False)
        wide.submit(remote)
        call = await asyncio.to_thread(hand.next)
        assert set(wide.running()) == {here, remote}

        assert wide.abandon(remote)
        assert wide.abandoned == 1
        await end(here)
        call.run()
        next_ones = [self.attempt(wide, "cpu", reported) for _ in range(3)]
        for each in next_ones:
            wide.submit(each)
        for call in [await asyncio.to_thread(hand.next) for _ in range(3)]:  # in all slots again
            call.run()
        assert {await reported.get() for _ in range(3)} == set(next_ones)
        assert wide.abandoned == wide.backlog == 0

    async def test_a_body_that_is_interrupted_is_told(
        self, wide: Executor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        remote = self.attempt(wide, "cpu", asyncio.Queue())
        told: list[Signal] = []
        monkeypatch.setattr(RemoteAttempt, "signal", lambda _, signal: told.append(signal))
        wide.interrupt(remote)

        assert told == [Signal.CANCELLED]

    async def test_one_that_is_not_there_is_a_place_too(self, wide: Executor) -> None:
        pool = wide.pool("gpu")
        assert pool is not None
        assert wide.slots("executor gpu") == 1

    async def test_a_runner_without_any_has_places_for_those_of_late_workflows(self) -> None:
        loop = asyncio.get_running_loop()
        executor = Executor(1, 1, loop, pools=LazyPools((), loop))
        reported: asyncio.Queue[Work] = asyncio.Queue()
        executor.submit(attempt := self.attempt(executor, "gpu", reported))
        await reported.get()

        assert isinstance(attempt.outcome, Raised)
        assert attempt.outcome.type == "ExecutorUnavailableError"
        executor.close()
        await threads_end("cloaca-body")

    async def test_without_pools_bodies_run_here_whatever_they_name(
        self, executor: Executor
    ) -> None:
        assert executor.pool("gpu") is None
        assert not executor.lacks("gpu")

    def attempt(self, executor: Executor, name: str, reported: asyncio.Queue[Work]) -> Attempt:
        pool = executor.pool(name)
        assert pool is not None
        run = active_run(graph_of(t={"executor": name, "body": bodies.nothing}))
        return attempt_of(run, make=pool.attempt, finished=reported.put_nowait)


class TestPlaces:
    async def test_both_kinds_have_slots_of_their_own(self, executor: Executor) -> None:
        sync, coroutine = [await sent(executor, is_async=kind) for kind in (False, True)]

        assert set(executor.running()) == {sync, coroutine}
        await end(sync, coroutine)

    async def test_each_goes_where_it_belongs(self, executor: Executor) -> None:
        threads: dict[bool, str] = {}

        def call() -> None:
            threads[False] = threading.current_thread().name

        async def await_() -> None:
            threads[True] = threading.current_thread().name

        for function in (call, await_):
            work = Callback(attempt_of(active_run(graph_of(t={}))), "on_success", function, ())
            reported: asyncio.Future[Work] = asyncio.get_running_loop().create_future()
            work.finished = reported.set_result
            executor.submit(work)
            await reported

        assert threads == {False: "cloaca-body", True: "cloaca-coroutines"}

    @pytest.mark.parametrize("is_async", [False, True])
    async def test_what_is_lent_is_somebody_elses_until_it_is_taken_again(
        self, executor: Executor, is_async: bool
    ) -> None:
        parent = await sent(executor, is_async=is_async)
        executor.release_slot(parent)
        held = [parent.holds_slot]
        child = await sent(executor, is_async=is_async)
        await end(child)
        await executor.reacquire_slot(parent)

        assert [*held, parent.holds_slot] == [False, True]
        await end(parent)

    @pytest.mark.parametrize("is_async", [False, True])
    async def test_what_was_sent_is_queued_until_it_has_a_slot(
        self, executor: Executor, is_async: bool
    ) -> None:
        first = await sent(executor, is_async=is_async)
        second = Body(is_async=is_async)
        executor.submit(second)

        assert second.stage is Stage.QUEUED
        await end(first)
        await second.begun.wait()
        await end(second)

    @pytest.mark.parametrize("is_async", [False, True])
    async def test_what_runs_can_be_given_up(self, executor: Executor, is_async: bool) -> None:
        body = await sent(executor, is_async=is_async)

        assert executor.abandon(body)
        assert body.abandoned
        await end(await sent(executor, is_async=is_async), body)

        assert body.reports == 0

    @pytest.mark.parametrize("is_async", [False, True])
    async def test_what_has_not_begun_can_be_given_up_without_touching_what_has(
        self, executor: Executor, is_async: bool
    ) -> None:
        body = await sent(executor, is_async=is_async)
        queued = Body(is_async=is_async)
        executor.submit(queued)

        given_up = [executor.abandon(work, even_running=False) for work in (body, queued)]
        body.go()
        await body.reported.wait()

        assert given_up == [False, True]
        assert queued.abandoned
        await end(await sent(executor, is_async=is_async))

    async def test_what_goes_on_when_it_is_given_up_is_counted(self, executor: Executor) -> None:
        bodies = [await sent(executor, is_async=kind) for kind in (False, True)]
        for body in bodies:
            executor.abandon(body)

        assert executor.abandoned == 2
        await end(*bodies)

    @pytest.mark.parametrize("is_async", [False, True])
    async def test_what_was_never_sent_is_given_up_at_once(
        self, executor: Executor, is_async: bool
    ) -> None:
        body = Body(is_async=is_async)

        assert executor.abandon(body)
        assert body.abandoned
        await end(await sent(executor, is_async=is_async))

    @pytest.mark.parametrize("is_async", [False, True])
    async def test_what_is_expected_begins_when_another_thread_lets_it_go(
        self, executor: Executor, is_async: bool
    ) -> None:
        body = Body(is_async=is_async)
        assert executor.reserve(body)
        assert body.stage is Stage.QUEUED

        thread = threading.Thread(target=executor.start_reserved, args=(body,))
        thread.start()

        await body.begun.wait()
        await end(body)
        thread.join()

    @pytest.mark.parametrize("is_async", [False, True])
    async def test_what_is_expected_and_given_up_costs_no_slot_and_never_begins(
        self, executor: Executor, is_async: bool
    ) -> None:
        body = Body(is_async=is_async)
        executor.reserve(body)

        assert executor.abandon(body, even_running=False)
        executor.start_reserved(body)  # it was on its way

        await end(await sent(executor, is_async=is_async))
        assert not body.begun.is_set()

    async def test_a_slot_that_is_taken_is_not_kept_for_a_coroutine(
        self, executor: Executor
    ) -> None:
        first = await sent(executor, is_async=True)
        second = Body(is_async=True)

        assert not executor.reserve(second)
        assert second.stage is Stage.HELD
        await end(first)

    async def test_closing_ends_the_threads_of_both(self) -> None:
        before = set(threading.enumerate())
        executor = Executor(1, 1, asyncio.get_running_loop())
        for is_async in (False, True):
            body = await sent(executor, is_async=is_async)
            body.go()
            await body.reported.wait()
        threads = set(threading.enumerate()) - before
        assert len(threads) == 2

        executor.close()
        for thread in threads:
            await asyncio.to_thread(thread.join)
