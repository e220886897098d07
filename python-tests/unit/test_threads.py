"""Sync bodies: never more than the slots, no slot lost, no body forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from model.bodies import SLOTS, Body, Pool
from model.quiet import quiet

from cloaca_core._engine.threads import ABANDONED_PER_SLOT


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    pool = Pool()
    yield pool
    pool.let_all_go()
    pool.close()


class TestSlots:
    async def test_no_more_bodies_run_than_there_are_slots(self, pool: Pool) -> None:
        first = [await pool.started() for _ in range(SLOTS)]
        third = pool.send()
        assert await pool.is_held_up(third)

        first[0].go()
        await third.begun.wait()

    async def test_each_body_is_reported_once(self, pool: Pool) -> None:
        bodies = [pool.send() for _ in range(50)]
        for body in bodies:
            body.go()
        for body in bodies:
            await body.reported.wait()

        assert {body.reports for body in bodies} == {1}
        assert list(pool.running()) == []

    async def test_what_runs_can_be_seen(self, pool: Pool) -> None:
        body = await pool.started()

        assert list(pool.running()) == [body]


class TestWaiting:
    async def test_a_body_that_waits_gives_its_slot_to_another(self, pool: Pool) -> None:
        parent, _ = await pool.started(), await pool.started()
        third = pool.send()
        pool.lend(parent)

        await third.begun.wait()

        assert not parent.holds_slot

    async def test_it_goes_on_when_a_slot_is_free_again(self, pool: Pool) -> None:
        parent, _ = await pool.started(), await pool.started()
        pool.lend(parent)
        child = await pool.started()
        back = asyncio.create_task(pool.reclaim(parent))
        await quiet()
        assert not back.done()

        child.go()
        await back

        assert parent.holds_slot
        await pool.check_balance()

    async def test_waiting_to_any_depth_needs_no_more_slots(self, pool: Pool) -> None:
        chain = []
        for _ in range(20):
            chain.append(await pool.started())
            pool.lend(chain[-1])
        for body in reversed(chain):
            await pool.reclaim(body)
            body.go()
            await body.reported.wait()

        await pool.check_balance()

    async def test_giving_up_a_body_that_waits_for_its_slot_costs_no_slot(self, pool: Pool) -> None:
        parent, _ = await pool.started(), await pool.started()
        pool.lend(parent)
        child = await pool.started()
        back = asyncio.create_task(pool.reclaim(parent))
        await asyncio.sleep(0)

        assert pool.abandon(parent)
        child.go()
        await back

        assert not parent.holds_slot
        await pool.check_balance()

    async def test_giving_up_a_body_that_waits_costs_no_slot(self, pool: Pool) -> None:
        parent = await pool.started()
        pool.lend(parent)

        assert pool.abandon(parent)
        await pool.reclaim(parent)

        await pool.check_balance()

    async def test_a_slot_is_not_given_to_who_has_stopped_asking(self, pool: Pool) -> None:
        parent, _ = await pool.started(), await pool.started()
        pool.lend(parent)
        child = await pool.started()
        back = asyncio.create_task(pool.reclaim(parent))
        await asyncio.sleep(0)
        back.cancel()
        child.go()
        await child.reported.wait()

        await quiet()  # an error in the hand-over would be raised by the loop


class TestGivingUp:
    async def test_the_thread_of_a_running_body_is_replaced(self, pool: Pool) -> None:
        bodies = [await pool.started() for _ in range(SLOTS)]

        assert pool.abandon(bodies[0])
        await pool.started()

        assert pool.abandoned == 1

    async def test_nothing_is_heard_of_it_and_its_thread_leaves(self, pool: Pool) -> None:
        body = await pool.started()
        pool.abandon(body)
        body.go()
        await body.ended.wait()
        await pool.check_balance()

        assert body.reports == 0
        assert pool.abandoned == 0

    async def test_a_queued_body_never_begins(self, pool: Pool) -> None:
        first = [await pool.started() for _ in range(SLOTS)]
        queued = pool.send()

        assert pool.abandon(queued)
        first[0].go()
        await first[0].reported.wait()

        assert await pool.is_held_up(queued)
        await pool.check_balance()

    async def test_a_body_that_was_never_sent_costs_no_slot(self, pool: Pool) -> None:
        assert pool.abandon(Body())

        await pool.check_balance()

    async def test_a_body_whose_report_is_on_the_way_is_not_given_up(self, pool: Pool) -> None:
        body = await pool.started()
        body.go()
        await body.reported.wait()

        assert not pool.abandon(body)

    async def test_beyond_a_number_of_them_the_slot_stays_taken(self, pool: Pool) -> None:
        for _ in range(SLOTS * ABANDONED_PER_SLOT):
            pool.abandon(await pool.started())
        stuck = await pool.started()
        pool.abandon(stuck)

        other = await pool.started()  # the second slot is there all the same
        surplus = pool.send()
        assert await pool.is_held_up(surplus)
        stuck.go()
        await surplus.begun.wait()

        other.go()
        await pool.check_balance()
