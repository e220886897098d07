"""Sync user code goes to threads, async to the loop of the bodies; a call's result is nobody's."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextvars import ContextVar
from typing import Any

import pytest
from model.bodies import Body

from cloaca_core._engine.executor import Executor, UserCall
from cloaca_core._engine.work import Stage

IDS = {"run_id": "r", "task_id": "t"}


@pytest.fixture
async def executor() -> AsyncIterator[Executor]:
    executor = Executor(1, 1, asyncio.get_running_loop())
    yield executor
    executor.close()
    await asyncio.sleep(0.01)


async def sent(executor: Executor, *, is_async: bool) -> Body:
    """A body that runs."""
    executor.submit(body := Body(is_async=is_async))
    await body.begun.wait()
    return body


async def end(*bodies: Body) -> None:
    for body in bodies:
        body.go()
        await body.ended.wait()


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
            await run(executor, function)

        assert threads == {False: "cloaca-body", True: "cloaca-coroutines"}

    @pytest.mark.parametrize("is_async", [False, True])
    async def test_what_is_lent_is_somebody_elses_until_it_is_taken_again(
        self, executor: Executor, is_async: bool
    ) -> None:
        parent = await sent(executor, is_async=is_async)
        executor.lend(parent)
        held = [parent.holds_slot]
        child = await sent(executor, is_async=is_async)
        await end(child)
        await executor.reclaim(parent)

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

    async def test_only_threads_go_on_when_they_are_given_up(self, executor: Executor) -> None:
        bodies = [await sent(executor, is_async=kind) for kind in (False, True)]
        for body in bodies:
            executor.abandon(body)

        assert executor.abandoned == 1
        await end(*bodies)

    @pytest.mark.parametrize("is_async", [False, True])
    async def test_what_was_never_sent_is_given_up_at_once(
        self, executor: Executor, is_async: bool
    ) -> None:
        body = Body(is_async=is_async)

        assert executor.abandon(body)
        assert body.abandoned
        await end(await sent(executor, is_async=is_async))

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


async def run(executor: Executor, function: Callable[..., Any], *arguments: object) -> None:
    """A call, until it is reported."""
    reported = asyncio.Event()
    call = UserCall("the call", function, arguments, IDS)
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
        assert record.getMessage() == "the call raised"
        assert (record.levelno, record.name) == (logging.ERROR, "cloaca.engine")
        assert record.__dict__["run_id"] == "r"
        assert "SystemExit: no" in caplog.text

    async def test_a_plain_function_that_makes_a_coroutine_is_told_so(
        self, executor: Executor, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def nobody_awaits() -> None:
            raise AssertionError

        await run(executor, lambda: nobody_awaits())

        (record,) = caplog.records
        assert record.getMessage() == "the call made a coroutine; define it with async"
        assert record.__dict__["run_id"] == "r"

    async def test_being_cancelled_when_it_was_given_up_is_no_error(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        begun = asyncio.Event()

        async def wait() -> None:
            begun.set()
            await asyncio.Event().wait()

        call = UserCall("the call", wait, (), IDS)
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

        assert "the call raised" in caplog.text

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
