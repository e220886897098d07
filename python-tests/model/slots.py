"""Tests of slots, inherited by the tests of both places where bodies run: threads and the loop."""

from __future__ import annotations

import pytest
from model.bodies import SLOTS, Body, Pool
from model.shortage import Shortage

from cloaca_core.engine.execute.work import Line, Stage


class SlotsContract:
    """Needs a fixture ``pool``."""

    async def test_no_more_run_than_there_are_slots(self, pool: Pool) -> None:
        await pool.check_balance()

    async def test_each_is_reported_once(self, pool: Pool) -> None:
        bodies = [pool.send() for _ in range(50)]
        for body in bodies:
            body.go()
        for body in bodies:
            await body.reported.wait()

        assert {body.reports for body in bodies} == {1}
        assert list(pool.running()) == []

    async def test_one_that_runs_is_seen_to_run(self, pool: Pool) -> None:
        body = await pool.started()

        assert body.stage is Stage.RUNNING
        assert list(pool.running()) == [body]

    async def test_one_that_has_a_slot_is_starting_until_it_begins(self, pool: Pool) -> None:
        await pool.started()
        body = Body(is_async=pool.is_async)
        assert pool.reserve(body)
        seen = [pool.is_starting, body in pool.running()]
        pool.start_reserved(body)
        await body.begun.wait()
        seen += [pool.is_starting, body in pool.running()]
        body.go()

        assert seen == [True, False, False, True]

    async def test_those_of_a_line_wait_for_one_turn(self, pool: Pool) -> None:
        for _ in range(SLOTS):
            await pool.started()
        line = Line(lambda: 0)
        for _ in range(5):
            pool.send(line=line)
        pool.send()

        assert pool.backlog == 2

    async def test_one_that_waits_gives_its_slot_to_another(self, pool: Pool) -> None:
        parent, other = await pool.started(), await pool.started()
        third = pool.send()
        pool.release_slot(parent)
        await third.begun.wait()
        held = [parent.holds_slot]
        other.go()
        await pool.reacquire_slot(parent)
        held.append(parent.holds_slot)

        assert held == [False, True]
        await pool.check_balance()

    async def test_waiting_to_any_depth_needs_no_more_slots(self, pool: Pool) -> None:
        chain = []
        for _ in range(20):
            chain.append(await pool.started())
            pool.release_slot(chain[-1])
        for body in reversed(chain):
            await pool.reacquire_slot(body)
            body.go()
            await body.reported.wait()

        await pool.check_balance()

    async def test_free_slots_go_by_priority_then_to_who_is_claimable_for_longest(
        self, pool: Pool
    ) -> None:
        first = [await pool.started() for _ in range(SLOTS)]
        low, late, early, high = (
            pool.send(-1, 1),
            pool.send(0, 9),
            pool.send(0, 2),
            pool.send(5, 10),
        )

        held = []
        for body, after in zip(
            [first[0], high, early, late], [high, early, late, low], strict=True
        ):
            body.go()
            await after.begun.wait()
            await pool.quiet()
            held.append([each.begun.is_set() for each in (high, early, late, low)])

        assert held == [[True] * n + [False] * (4 - n) for n in range(1, 5)]

    async def test_a_queued_one_that_is_given_up_never_begins(self, pool: Pool) -> None:
        first = [await pool.started() for _ in range(SLOTS)]
        queued = pool.send()

        assert pool.abandon(queued)
        first[0].go()
        await first[0].reported.wait()

        assert await pool.is_held_up(queued)
        await pool.check_balance()

    async def test_one_that_runs_may_be_respected_and_one_that_is_queued_not(
        self, pool: Pool
    ) -> None:
        first = [await pool.started() for _ in range(SLOTS)]
        queued = pool.send()

        assert not pool.abandon(first[0], even_running=False)
        assert pool.abandon(queued, even_running=False)
        first[0].go()
        await first[0].reported.wait()

        await pool.check_balance()

    async def test_one_whose_report_is_on_the_way_is_not_given_up(self, pool: Pool) -> None:
        body = await pool.started()
        body.go()
        await body.reported.wait()

        assert not pool.abandon(body)

    @pytest.mark.parametrize("fault", [ValueError(), SystemExit(), KeyboardInterrupt()])
    async def test_one_that_raises_after_all_is_told_and_costs_no_slot(
        self, pool: Pool, fault: BaseException
    ) -> None:
        body = await pool.started()
        body.fault = fault
        body.go()
        await body.reported.wait()

        assert body.broke_with is fault
        await pool.check_balance()

    async def test_giving_up_one_that_waits_costs_no_slot(self, pool: Pool) -> None:
        parent = await pool.started()
        pool.release_slot(parent)

        assert pool.abandon(parent)
        await pool.reacquire_slot(parent)

        await pool.check_balance()

    async def test_one_that_ends_while_it_waits_has_given_its_slot_back(self, pool: Pool) -> None:
        """It was asked to leave; or another thread or task of it waits."""
        for _ in range(3):
            body = await pool.started()
            pool.release_slot(body)
            body.go()
            await body.reported.wait()

        await pool.check_balance()

    async def test_one_that_has_run_takes_no_slot_again(self, pool: Pool) -> None:
        """The wait of another thread or task of it has ended later than itself."""
        body = await pool.started()
        pool.release_slot(body)
        body.go()
        await body.reported.wait()
        await pool.reacquire_slot(body)

        assert not body.holds_slot
        await pool.check_balance()

    async def test_one_that_has_run_gives_its_slot_back_once(self, pool: Pool) -> None:
        """Another thread or task of it begins to wait as its report is on the way."""
        body = await pool.started()
        body.go()
        await body.reported.wait()
        pool.release_slot(body)

        await pool.check_balance()

    async def test_those_that_the_system_has_no_thread_for_run_when_it_has(
        self, pool: Pool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shortage = Shortage(monkeypatch)
        bodies = [pool.send() for _ in range(SLOTS + 1)]
        refused = [shortage.refused]
        shortage.ends()
        for body in bodies:
            body.go()
            await body.reported.wait()
        refused.append(shortage.refused)

        assert refused == [1, 1]
        await pool.check_balance()

    async def test_one_that_never_had_a_thread_can_be_given_up(
        self, pool: Pool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shortage = Shortage(monkeypatch)
        given_up = pool.send()

        assert pool.abandon(given_up)
        shortage.ends()
        await pool.check_balance()
        assert not given_up.begun.is_set()
