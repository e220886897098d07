"""Sync bodies: never more than the slots, no slot lost, no body forgotten."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator

import pytest
from model.bodies import SLOTS, Body, Pool
from model.quiet import quiet
from model.shortage import Shortage
from model.slots import SlotsContract

from cloaca_core.engine.execute.threads import ABANDONED_PER_SLOT


@pytest.fixture
async def pool(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pool]:
    monkeypatch.setattr("cloaca_core.engine.runtime.starter.FIRST_PAUSE", 0.0)
    pool = Pool()
    yield pool
    pool.let_all_go()
    pool.close()


class TestSlots(SlotsContract):
    """On threads."""


class TestWaiting:
    async def test_it_goes_on_when_a_slot_is_free_again(self, pool: Pool) -> None:
        parent, _ = await pool.started(), await pool.started()
        pool.release_slot(parent)
        child = await pool.started()
        back = asyncio.create_task(pool.reacquire_slot(parent))
        await quiet()
        assert not back.done()

        child.go()
        await back

        assert parent.holds_slot
        await pool.check_balance()

    async def test_giving_up_a_body_that_waits_for_its_slot_costs_no_slot(self, pool: Pool) -> None:
        parent, _ = await pool.started(), await pool.started()
        pool.release_slot(parent)
        child = await pool.started()
        back = asyncio.create_task(pool.reacquire_slot(parent))
        await asyncio.sleep(0)

        assert pool.abandon(parent)
        child.go()
        await back

        assert not parent.holds_slot
        await pool.check_balance()

    async def test_one_that_ends_while_it_waits_for_its_slot_costs_no_slot(
        self, pool: Pool
    ) -> None:
        """Another thread of it had waited, and asks for the slot."""
        parent, _ = await pool.started(), await pool.started()
        pool.release_slot(parent)
        child = await pool.started()
        back = asyncio.create_task(pool.reacquire_slot(parent))
        await asyncio.sleep(0)

        parent.go()
        await parent.reported.wait()
        child.go()
        await back

        assert not parent.holds_slot
        await pool.check_balance()

    async def test_a_slot_is_not_given_to_who_has_stopped_asking(self, pool: Pool) -> None:
        parent, _ = await pool.started(), await pool.started()
        pool.release_slot(parent)
        child = await pool.started()
        back = asyncio.create_task(pool.reacquire_slot(parent))
        await asyncio.sleep(0)
        back.cancel()
        child.go()
        await child.reported.wait()

        await quiet()  # an error in the hand-over would be raised by the loop


class TestSealing:
    async def test_a_body_that_was_given_up_cannot_make_its_outcome_count(self, pool: Pool) -> None:
        body = await pool.started()
        assert pool.abandon(body)
        assert not pool.seal(body)

    async def test_one_that_has_sealed_its_outcome_cannot_be_given_up(self, pool: Pool) -> None:
        body = await pool.started()
        assert pool.seal(body)
        assert not pool.abandon(body)
        assert list(pool.running()) == []
        body.go()
        await body.reported.wait()
        await pool.check_balance()


class TestVariables:
    async def test_bodies_see_none_of_the_code_that_needed_a_thread(self, pool: Pool) -> None:
        variable = contextvars.ContextVar("variable", default="unset")
        seen: list[str] = []

        class Looking(Body):
            def run(self) -> None:
                seen.append(variable.get())
                super().run()

        variable.set("of the engine")
        body = Looking()
        pool.submit(body)
        body.go()
        await body.reported.wait()

        assert seen == ["unset"]


class TestShortage:
    async def test_the_threads_that_are_there_do_all_of_it(
        self, pool: Pool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = await pool.started()
        Shortage(monkeypatch)
        queued = [pool.send() for _ in range(3)]
        for body in (first, *queued):
            body.go()
            await body.reported.wait()

    async def test_one_that_waits_may_go_on_while_there_is_no_thread_for_another(
        self, pool: Pool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parent = await pool.started()
        shortage = Shortage(monkeypatch)
        pool.release_slot(parent)
        child = pool.send()
        await pool.reacquire_slot(parent)
        shortage.ends()
        await child.begun.wait()

        await pool.check_balance()

    async def test_a_pool_that_closes_asks_for_no_more(
        self, pool: Pool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shortage = Shortage(monkeypatch)
        pool.send()
        pool.close()
        await quiet()

        assert shortage.refused == 1


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

    async def test_beyond_a_number_of_them_the_slot_stays_taken(self, pool: Pool) -> None:
        for _ in range(SLOTS * ABANDONED_PER_SLOT):
            pool.abandon(await pool.started())
        stuck = await pool.started()
        pool.abandon(stuck)

        other = await pool.started()  # the second slot is there all the same
        surplus = pool.send()
        assert await pool.is_held_up(surplus)
        assert not pool.is_starting
        stuck.go()
        await surplus.begun.wait()

        other.go()
        await pool.check_balance()

    async def test_where_none_is_replaced_the_slot_stays_taken_at_once(self) -> None:
        pool = Pool(replaced=0)
        first, second = await pool.started(), await pool.started()
        assert pool.abandon(first)
        waiting = pool.send()
        assert await pool.is_held_up(waiting)
        assert pool.abandoned == 1

        first.go()
        await waiting.begun.wait()
        assert pool.abandoned == 0
        second.go()
        await pool.check_balance()
        pool.let_all_go()
        pool.close()

    async def test_one_that_kept_its_slot_is_counted_back_when_it_ends(self, pool: Pool) -> None:
        """Else its runner would look for a start mark for ever."""
        for _ in range(SLOTS * ABANDONED_PER_SLOT):
            pool.abandon(await pool.started())
        stuck = await pool.started()
        pool.abandon(stuck)
        bodies = [await pool.started(), pool.send()]
        stuck.go()
        await bodies[1].begun.wait()  # in its slot
        for body in bodies:
            body.go()
            await body.reported.wait()

        assert not pool.is_starting
