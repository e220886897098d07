"""Async bodies: on a loop of their own, as many as there are slots, cancelled when given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from model.bodies import SLOTS, Body, Pool
from model.quiet import threads_end

from cloaca_core._engine.coroutines import BodyLoop
from cloaca_core._engine.work import Stage


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    pool = Pool(is_async=True)
    yield pool
    pool.close()
    await threads_end("cloaca-coroutines")


async def test_no_more_run_than_there_are_slots(pool: Pool) -> None:
    await pool.check_balance()


async def test_each_is_reported_once(pool: Pool) -> None:
    bodies = [pool.send() for _ in range(50)]
    for body in bodies:
        body.go()
    for body in bodies:
        await body.reported.wait()

    assert {body.reports for body in bodies} == {1}
    assert list(pool.running()) == []


async def test_one_that_runs_is_seen_to_run(pool: Pool) -> None:
    body = await pool.started()

    assert body.stage is Stage.RUNNING
    assert list(pool.running()) == [body]


async def test_one_that_waits_gives_its_slot_to_another(pool: Pool) -> None:
    parent, other = await pool.started(), await pool.started()
    third = pool.send()
    pool.lend(parent)
    await third.begun.wait()
    await pool.reclaim(parent)
    for body in (parent, other, third):
        body.go()
        await body.reported.wait()

    await pool.check_balance()


async def test_one_that_is_given_up_is_cancelled_and_not_reported(pool: Pool) -> None:
    body = await pool.started()

    assert pool.abandon(body)
    await body.ended.wait()
    await pool.check_balance()

    assert body.was_cancelled
    assert body.reports == 0


async def test_one_that_is_given_up_before_its_first_step_leaves_nothing_behind(
    pool: Pool,
) -> None:
    for _ in range(20):
        pool.abandon(pool.send())
    await pool.started()
    await pool.quiet()

    assert len(list(pool.running())) == 1


async def test_a_queued_one_never_begins(pool: Pool) -> None:
    first = [await pool.started() for _ in range(SLOTS)]
    queued = pool.send()

    assert pool.abandon(queued)
    first[0].go()
    await first[0].reported.wait()

    assert await pool.is_held_up(queued)


async def test_giving_up_one_that_waits_costs_no_slot(pool: Pool) -> None:
    body = await pool.started()
    pool.lend(body)
    pool.abandon(body)
    await pool.reclaim(body)

    await pool.check_balance()


async def test_one_that_was_never_sent_costs_no_slot(pool: Pool) -> None:
    pool.abandon(Body(is_async=True))

    await pool.check_balance()


async def test_closing_cancels_what_runs() -> None:
    loop = BodyLoop(SLOTS, asyncio.get_running_loop())
    body = Body(is_async=True)
    loop.submit(body)
    await body.begun.wait()

    loop.close()
    await body.ended.wait()

    assert body.was_cancelled
