"""Contract for runs of one schedule that would overlap: the store queues or cancels them."""

from __future__ import annotations

import asyncio

import pytest

from cloaca_core.assembly.store import Store
from cloaca_core.features.schedules.records import Cancellation, NewTick, TickRow
from cloaca_core.features.steering.records import Parent, StoppedWithParent
from cloaca_core.run.rows import RunEnd
from cloaca_core.values.states import ReasonCode, RunStatus, TaskStatus, TickOutcome
from cloaca_testing.conformance.commits import batch_with, fire, record, stored, submit
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    any_run,
    attempt,
    firing,
    new_run,
    new_tick,
    run_end,
    runner,
    schedule,
)

OTHER = "public::embedded::other"


class OverlapConformance:
    """Part of ``StoreConformance``."""

    # -- skip --------------------------------------------------------------------------------

    async def test_a_skipped_tick_makes_no_run_and_counts_as_lost(self, store: Store) -> None:
        await store.put_schedule(schedule())
        skipped = new_tick("s", "a", tick=NOW + 1)._replace(
            run_id=None, outcome=TickOutcome.SKIPPED
        )

        await fire(store, new_tick("s", "b"), skipped, lost=3)

        assert [run.id for run in await store.list_runs(any_run())] == ["b"]
        newest = (await store.list_ticks("s", limit=9, offset=0))[0]
        assert newest == TickRow("s", NOW + 1, None, TickOutcome.SKIPPED, NOW)
        assert await store.count_ticks(NOW) == (1, 4)
        assert await store.count_ticks(NOW + 1) == (0, 0)

    # -- queue -------------------------------------------------------------------------------

    async def test_a_queued_run_is_claimed_when_the_one_before_it_has_ended(
        self, store: Store
    ) -> None:
        await _queue(store, "a", "b", "c")

        for run_id in ("a", "b", "c"):
            assert await store.has_claimable("r1", [WORKFLOW])
            assert await _claimed(store) == [run_id]
            assert not await store.has_claimable("r1", [WORKFLOW])
            assert await _claimed(store) == []
            await record(store, ends=[_end(run_id)])

        assert not await store.has_claimable("r1", [WORKFLOW])

    @pytest.mark.parametrize("status", [RunStatus.FAILED, RunStatus.CANCELLED])
    async def test_whatever_the_end_is_the_next_one_comes(self, store: Store, status: str) -> None:
        await _queue(store, "a", "b")
        await _claimed(store)

        await record(store, ends=[run_end("a", status=status)._replace(schedule_id="s")])

        assert await _claimed(store) == ["b"]

    async def test_ticks_of_one_batch_queue_behind_each_other(self, store: Store) -> None:
        await store.put_schedule(schedule())
        await store.register(runner())
        second = new_tick("s", "b", tick=NOW + 1)._replace(behind="a")

        await fire(store, new_tick("s", "a"), second)

        assert await _claimed(store) == ["a"]
        await record(store, ends=[_end("a")])
        assert await _claimed(store) == ["b"]

    @pytest.mark.parametrize("before", ["a", "none"])
    async def test_behind_what_is_not_under_way_nobody_waits(
        self, store: Store, before: str
    ) -> None:
        await _queue(store, "a")
        await _claimed(store)
        await record(store, ends=[_end("a")])

        await fire(store, _tick("b", 1)._replace(behind=before))

        assert await _claimed(store) == ["b"]

    async def test_behind_what_ends_in_the_same_batch_nobody_waits(self, store: Store) -> None:
        await _queue(store, "a")
        await _claimed(store)
        next_tick = _tick("b", 1)._replace(behind="a")

        await store.commit(
            batch_with(
                "r1", [], [], [_end("a")], {"a": 1}, [firing("s", generation=1)], [next_tick]
            )
        )

        assert await _claimed(store) == ["b"]

    async def test_of_an_end_and_a_tick_at_the_same_time_nobody_waits_for_ever(
        self, store: Store
    ) -> None:
        await _queue(store, "a")
        for place in range(1, 20):
            before, queued = _name(place - 1), _name(place)
            assert await _claimed(store) == [before]

            await asyncio.gather(
                record(store, ends=[_end(before)]),
                fire(store, _tick(queued, place)._replace(behind=before), runner_id="r2"),
            )

            assert await store.has_claimable("r1", [WORKFLOW])

    async def test_a_batch_that_is_sent_again_lets_nobody_wait_again(self, store: Store) -> None:
        await _queue(store, "a")
        await _claimed(store)
        queued = _tick("b", 1)._replace(behind="a")
        await fire(store, queued)
        await record(store, ends=[_end("a")])

        await fire(store, queued)

        assert await _claimed(store) == ["b"]

    async def test_an_end_that_is_refused_lets_nobody_start(self, store: Store) -> None:
        await _queue(store, "a", "b")
        await store.register(runner("r2"))
        await store.claim("r2", [WORKFLOW], 9, NOW)

        committed = await record(store, ends=[_end("a")])

        assert committed.current == frozenset()
        assert not await store.has_claimable("r1", [WORKFLOW])

    async def test_queued_runs_go_on_in_their_order_without_their_schedule(
        self, store: Store
    ) -> None:
        await _queue(store, "a", "b", "c")
        await _claimed(store)

        await store.delete_schedule("s")

        await record(store, ends=[_end("a")])
        assert await _claimed(store) == ["b"]
        await record(store, ends=[_end("b")])
        assert await _claimed(store) == ["c"]

    async def test_what_a_dead_runner_ran_is_ended_by_another_one_first(self, store: Store) -> None:
        await _queue(store, "a", "b")
        await _claimed(store)
        await store.register(runner("r2"))
        await store.fence("r1", 0)
        await store.take_over("r1", 9)

        assert [run.id for run in await store.claim("r2", [WORKFLOW], 9, NOW)] == ["a"]
        end = run_end("a", epoch=3)._replace(schedule_id="s")
        await record(store, ends=[end], runner_id="r2")

        assert [run.id for run in await store.claim("r2", [WORKFLOW], 9, NOW)] == ["b"]

    async def test_of_several_that_run_side_by_side_a_queued_run_waits_for_each(
        self, store: Store
    ) -> None:
        await _side_by_side(store, "a", "b", "c")
        await fire(store, _tick("d", 3)._replace(behind="c"))

        for run_id in ("c", "a", "b"):
            assert await _claimed(store) == []
            await record(store, ends=[_end(run_id)])

        assert await _claimed(store) == ["d"]

    async def test_behind_several_that_end_at_the_same_time_nobody_waits_for_ever(
        self, store: Store
    ) -> None:
        await _side_by_side(store, "a", "b", "c")
        await fire(store, _tick("d", 3)._replace(behind="c"))

        await asyncio.gather(*[record(store, ends=[_end(run_id)]) for run_id in ("a", "b", "c")])

        assert await _claimed(store) == ["d"]

    async def test_queued_runs_keep_their_order_behind_several(self, store: Store) -> None:
        await _side_by_side(store, "a", "b")
        await fire(store, _tick("c", 2)._replace(behind="b"))
        await fire(store, _tick("d", 3)._replace(behind="c"))
        await fire(store, _tick("e", 4))  # beside them

        await record(store, ends=[_end("b"), _end("a")])

        assert await _claimed(store) == ["c", "e"]
        await record(store, ends=[_end("c")])
        assert await _claimed(store) == ["d"]

    async def test_a_run_whose_schedule_is_gone_waits_for_no_other_than_it_did(
        self, store: Store
    ) -> None:
        """No lock here makes two runners that end runs take turns."""
        await _side_by_side(store, "a", "b")
        await fire(store, _tick("c", 2)._replace(behind="b"))
        await store.delete_schedule("s")

        await record(store, ends=[_end("b")])

        assert await _claimed(store) == ["c"]

    # -- another workflow --------------------------------------------------------------------

    async def test_runs_of_the_workflow_that_a_schedule_had_before_are_not_met(
        self, store: Store
    ) -> None:
        await store.put_schedule(schedule(name="n"))
        await fire(store, _tick("a", 0))

        await store.put_schedule(schedule(name="n", workflow=OTHER))

        assert await store.list_under_way(["s"]) == {}
        await fire(store, _tick("b", 2)._replace(workflow=OTHER))
        assert await store.list_under_way(["s"]) == {"s": ["b"]}

    async def test_behind_runs_of_the_workflow_that_a_schedule_had_before_nobody_waits(
        self, store: Store
    ) -> None:
        await store.put_schedule(schedule(name="n"))
        await store.register(runner())
        await fire(store, _tick("a", 0))
        await store.put_schedule(schedule(name="n", workflow=OTHER))
        await fire(store, _tick("b", 2)._replace(workflow=OTHER))
        await fire(store, _tick("c", 3)._replace(workflow=OTHER, behind="b"))
        await store.claim("r1", [OTHER], 9, NOW)

        await record(store, ends=[_end("b")])

        assert [run.id for run in await store.claim("r1", [OTHER], 9, NOW)] == ["c"]

    # -- cancel ------------------------------------------------------------------------------

    async def test_a_cancelled_run_is_over_for_whoever_owned_it(self, store: Store) -> None:
        await _queue(store, "a")
        await _claimed(store)
        mark = attempt("a", status=TaskStatus.RUNNING)
        await record(store, [mark])

        await _replace(store, "b", 1, "a")

        run = await stored(store, "a")
        assert (run.status, run.owner, run.epoch) == (RunStatus.CANCELLED, None, 2)
        assert (run.error_message, run.ended_at) == ("made way", LATER)
        assert run.reason_code == ReasonCode.CANCELLED_BY_SCHEDULE
        assert (run.final_context, run.started_at) == ('{"amount":1}', NOW)
        late = await record(store, [attempt("a")], [_end("a")])
        assert late.current == frozenset()
        assert await stored(store, "a") == run
        assert await store.load_attempts(["a"]) == [mark]
        assert [ended.id for ended in await store.ended(["a", "b"])] == ["a"]
        assert await _claimed(store) == ["b"]

    async def test_children_of_a_cancelled_run_are_to_be_cancelled_too(self, store: Store) -> None:
        await _queue(store, "a")
        await _claimed(store)
        await submit(store, new_run("c", parent="a", owner=None))

        await _replace(store, "b", 1, "a")

        assert (await store.news("r1", [], 9)).parents == [Parent("a", "made way", LATER)]
        assert await store.children_under_way(["a"], 9) == [("a", "c")]
        assert await store.stopped_with_parents(["c"]) == [StoppedWithParent("c", "a", "made way")]

    async def test_queued_and_waiting_runs_are_cancelled_too(self, store: Store) -> None:
        await _queue(store, "a", "b", "c")

        await _replace(store, "d", 3, "a", "b", "c")

        assert await store.list_under_way(["s"]) == {"s": ["d"]}
        assert await _claimed(store) == ["d"]
        assert (await stored(store, "a")).started_at is None

    async def test_a_tick_may_make_way_for_another_one_of_its_batch(self, store: Store) -> None:
        await store.put_schedule(schedule())
        await store.register(runner())
        ticks = [_tick("a", 0), _tick("b", 0)._replace(tick=NOW + 1)]

        await store.commit(
            batch_with("r1", [], [], [], {}, [firing("s")], ticks, [_cancelled("a", ticks[1])])
        )

        assert (await stored(store, "a")).status == RunStatus.CANCELLED
        assert await _claimed(store) == ["b"]

    async def test_a_tick_that_is_not_decided_by_this_cancels_nothing(self, store: Store) -> None:
        await _queue(store, "a")
        stale = _tick("b", 1)._replace(generation=7)

        await store.commit(
            batch_with(
                "r1",
                [],
                [],
                [],
                {},
                [firing("s", generation=7)],
                [stale],
                [_cancelled("a", stale)],
            )
        )

        assert (await stored(store, "a")).status == RunStatus.PENDING

    async def test_neither_does_one_that_another_runner_has_decided(self, store: Store) -> None:
        await _queue(store, "a", "b")

        await _replace(store, "too late", 1, "a")  # this tick has made "b"

        assert (await stored(store, "a")).status == RunStatus.PENDING
        assert await store.get_run("too late") is None

    async def test_an_end_comes_before_a_cancellation_in_the_same_batch(self, store: Store) -> None:
        await _queue(store, "a")
        await _claimed(store)
        tick = _tick("b", 1)

        committed = await store.commit(
            batch_with(
                "r1",
                [],
                [attempt("a")],
                [_end("a")],
                {"a": 1},
                [firing("s", generation=1)],
                [tick],
                [_cancelled("a", tick)],
            )
        )

        assert committed.current == {"a"}
        run = await stored(store, "a")
        assert (run.status, run.error_message) == (RunStatus.COMPLETED, None)

    async def test_a_cancellation_that_is_sent_again_changes_nothing(self, store: Store) -> None:
        await _queue(store, "a")
        await _claimed(store)
        await _replace(store, "b", 1, "a")
        before = await stored(store, "a")

        await _replace(store, "b", 1, "a")

        assert await stored(store, "a") == before

    async def test_nobody_gives_back_or_takes_over_what_was_cancelled(self, store: Store) -> None:
        await _queue(store, "a")
        await _claimed(store)
        await _replace(store, "b", 1, "a")

        assert await store.release("r1", ()) == 0
        await store.fence("r1", 0)
        assert await store.take_over("r1", 9) == 0
        assert (await stored(store, "a")).status == RunStatus.CANCELLED


def _name(place: int) -> str:
    return chr(ord("a") + place)


def _end(run_id: str) -> RunEnd:
    return run_end(run_id)._replace(schedule_id="s")


def _tick(run_id: str, generation: int) -> NewTick:
    """The tick that the schedule decides in this generation; each is a little later."""
    at = NOW + generation
    return new_tick("s", run_id, tick=at, generation=generation)._replace(created_at=at)


async def _queue(store: Store, *run_ids: str) -> None:
    """Store a runner, and runs of a schedule, each behind the one before it."""
    await store.put_schedule(schedule())
    await store.register(runner())
    for place, run_id in enumerate(run_ids):
        tick = _tick(run_id, place)
        await fire(store, tick._replace(behind=run_ids[place - 1]) if place else tick)


async def _claimed(store: Store) -> list[str]:
    return [run.id for run in await store.claim("r1", [WORKFLOW], 9, NOW)]


async def _side_by_side(store: Store, *run_ids: str) -> None:
    """Store a runner with several runs of one schedule at the same time."""
    await store.put_schedule(schedule())
    await store.register(runner())
    for place, run_id in enumerate(run_ids):
        await fire(store, _tick(run_id, place))
    assert await _claimed(store) == list(run_ids)


def _cancelled(run_id: str, tick: NewTick) -> Cancellation:
    assert tick.run_id is not None
    return Cancellation(run_id, "s", tick.tick, tick.run_id, "made way", LATER, LATER)


async def _replace(store: Store, run_id: str, generation: int, *old: str) -> None:
    """Fire, from another runner, a tick whose run replaces others."""
    tick = _tick(run_id, generation)
    gone = [_cancelled(each, tick) for each in old]
    await store.commit(
        batch_with("r2", [], [], [], {}, [firing("s", generation=generation)], [tick], gone)
    )
