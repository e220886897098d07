"""Async bodies: on a loop of their own, as many as there are slots, cancelled when given up."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator
from functools import partial
from typing import NoReturn

import pytest
from model.bodies import SLOTS, Body, Pool
from model.quiet import threads_end
from model.slots import SlotsContract

from cloaca_core.engine.execute.coroutines import BodyLoop


@pytest.fixture
async def pool(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pool]:
    monkeypatch.setattr("cloaca_core.engine.runtime.starter.FIRST_PAUSE", 0.0)
    pool = Pool(is_async=True)
    yield pool
    pool.close()
    await threads_end("cloaca-coroutines")


def own_loop(pool: Pool) -> asyncio.AbstractEventLoop:
    """The loop on which its bodies run."""
    assert pool._coroutines._loop is not None
    return pool._coroutines._loop


async def held_up(pool: Pool) -> threading.Event:
    """Something blocks the loop of its bodies until what is given is set."""
    blocked, release = asyncio.Event(), threading.Event()
    tell = partial(asyncio.get_running_loop().call_soon_threadsafe, blocked.set)
    own_loop(pool).call_soon_threadsafe(lambda: (tell(), release.wait()))
    await blocked.wait()
    return release


class TestSlots(SlotsContract):
    """On a loop."""


async def test_one_that_is_given_up_is_cancelled_and_not_reported(pool: Pool) -> None:
    body = await pool.started()

    assert pool.abandon(body)
    await body.ended.wait()
    await pool.check_balance()

    assert body.was_cancelled
    assert body.reports == 0


async def test_one_that_blocks_the_loop_goes_on_until_it_does_not(pool: Pool) -> None:
    body = await pool.started()
    release = await held_up(pool)
    pool.abandon(body)
    counts = [pool.abandoned]
    release.set()
    await pool.quiet()
    counts.append(pool.abandoned)

    assert counts == [1, 0]
    await pool.check_balance()


async def test_one_that_another_holds_up_has_not_begun(pool: Pool) -> None:
    """If the process dies of the one that blocks, this one is not to blame."""
    first = await pool.started()
    release = await held_up(pool)
    second = pool.send()
    seen = [list(pool.running()), pool.is_starting]
    release.set()
    await second.begun.wait()

    assert seen == [[first], True]
    assert set(pool.running()) == {first, second}
    assert not pool.is_starting


async def test_one_that_is_given_up_before_its_first_step_leaves_nothing_behind(
    pool: Pool,
) -> None:
    for _ in range(20):
        pool.abandon(pool.send())
    await pool.started()
    await pool.quiet()

    assert len(list(pool.running())) == 1
    assert pool.abandoned == 0


async def test_closing_cancels_what_runs() -> None:
    loop = BodyLoop(SLOTS, asyncio.get_running_loop())
    body = Body(is_async=True)
    loop.submit(body)
    await body.begun.wait()

    loop.close()
    await body.ended.wait()

    assert body.was_cancelled


async def test_closing_cancels_what_a_body_has_left_behind(pool: Pool) -> None:
    """Python would say on stderr that it was destroyed while it was pending."""
    cancelled, started = asyncio.Event(), asyncio.Event()
    tell = asyncio.get_running_loop().call_soon_threadsafe

    async def left_behind() -> None:
        tell(started.set)
        try:
            await asyncio.Event().wait()
        finally:
            tell(cancelled.set)

    await pool.started()
    left = asyncio.run_coroutine_threadsafe(left_behind(), own_loop(pool))
    await started.wait()
    pool.close()
    await cancelled.wait()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.wrap_future(left)


async def test_a_loop_that_the_system_has_no_files_for_starts_when_it_has(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_files() -> NoReturn:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(asyncio, "new_event_loop", no_files)
        body = pool.send()
    await body.begun.wait()


async def test_a_loop_that_breaks_is_told_of_and_can_still_be_let_go() -> None:
    told: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    loop = BodyLoop(SLOTS, asyncio.get_running_loop(), told.set_result)
    body = Body(is_async=True)
    loop.submit(body)
    await body.begun.wait()
    assert loop._loop is not None
    os.close(loop._loop._selector.fileno())  # type: ignore[attr-defined]  # as a body may
    body.go()

    assert (await told).startswith("the runner has broken down: its thread of coroutines ended")
    loop.abandon(body)
    loop.close()


async def test_only_what_comes_of_closed_descriptors_is_told_in_the_log_of_the_engine(
    pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    """The rest is asyncio's to tell, as in any program."""
    await pool.started()
    for error in (OSError(errno.EBADF, "Bad file descriptor"), KeyError("a user's")):
        own_loop(pool).call_soon_threadsafe(throw, error)
    await pool.quiet()

    assert [each.name for each in caplog.records] == ["cloaca.engine", "asyncio"]


class TestExits:
    """``SystemExit`` and ``KeyboardInterrupt`` of a task or callback come out of the loop."""

    async def test_the_loop_runs_again_and_says_what_it_was(
        self, pool: Pool, caplog: pytest.LogCaptureFixture
    ) -> None:
        body = await pool.started()
        loop = own_loop(pool)
        for error in (SystemExit(3), KeyboardInterrupt()):
            loop.call_soon_threadsafe(throw, error)
        await pool.quiet()
        body.go()
        await body.reported.wait()

        assert [str(r.exc_info[1]) for r in caplog.records if r.exc_info] == ["3", ""]
        await pool.check_balance()

    async def test_one_at_the_moment_of_closing_does_not_keep_it_open(self) -> None:
        loop = BodyLoop(SLOTS, asyncio.get_running_loop())
        body = Body(is_async=True)
        loop.submit(body)
        await body.begun.wait()
        own = loop._loop
        assert own is not None
        stop = own.stop

        def stop_and_throw() -> None:
            stop()
            raise SystemExit

        own.stop = stop_and_throw  # type: ignore[method-assign]  # both in one pass of the loop
        loop.close()
        await threads_end("cloaca-coroutines")

        assert own.is_closed()


def throw(error: BaseException) -> None:
    raise error
