"""Contract of what follows a cancel: runs behind it, its children, and owners that give up."""

from __future__ import annotations

import asyncio

import pytest

from cloaca_core.assembly.store import Store
from cloaca_core.features.schedules.records import NewTick
from cloaca_core.features.steering.records import Parent
from cloaca_core.run.rows import RunEnd
from cloaca_core.store.acts import Acted
from cloaca_core.values.states import ReasonCode, RunStatus, TaskStatus
from cloaca_testing.conformance.commits import claimed, fire, park, record, stored, submit
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    act,
    attempt,
    new_run,
    new_tick,
    run_end,
    runner,
    schedule,
)

DEADLINE = LATER + 30


class CancelledConformance:
    """Part of ``StoreConformance``."""

    # -- what waits behind -------------------------------------------------------------------

    async def test_a_run_that_waits_behind_a_cancelled_one_may_start(self, store: Store) -> None:
        await _queue(store, "a", "b", "c")

        await store.cancel(["a"], act(), DEADLINE, children=True)

        assert await claimed(store) == ["b"]

    async def test_a_run_is_cancelled_while_it_waits_behind_another(self, store: Store) -> None:
        await _queue(store, "a", "b", "c")

        await store.cancel(["b"], act("x"), DEADLINE, children=True)

        assert await claimed(store) == ["a"]
        await record(store, ends=[_end("a")])
        assert await claimed(store) == ["c"]

    async def test_of_a_cancelled_queue_the_last_that_is_left_may_start(self, store: Store) -> None:
        await _queue(store, "a", "b", "c")

        await store.cancel(["b", "a"], act(), DEADLINE, children=True)

        assert await claimed(store) == ["c"]

    async def test_behind_a_run_that_is_being_cancelled_the_next_one_waits_for_its_end(
        self, store: Store
    ) -> None:
        await _queue(store, "a", "b")
        await claimed(store)

        await store.cancel(["a"], act(), DEADLINE, children=True)

        assert await claimed(store) == []
        await record(store, ends=[_end("a")])
        assert await claimed(store) == ["b"]

    async def test_of_a_cancel_and_a_tick_at_the_same_time_no_run_waits_for_ever(
        self, store: Store
    ) -> None:
        await _queue(store, "a")
        for place in range(1, 20):
            before, queued = chr(ord("a") + place - 1), chr(ord("a") + place)
            tick = _tick(queued, place)._replace(behind=before)

            await asyncio.gather(
                store.cancel([before], act(f"x{place}"), DEADLINE, children=True),
                fire(store, tick, runner_id="r2"),
            )

            assert await store.has_claimable("r1", [WORKFLOW])

    async def test_a_paused_run_behind_another_is_held_by_both(self, store: Store) -> None:
        await _queue(store, "a", "b", "c")
        await store.pause(["b", "c"], act("x"), None, children=True)
        await claimed(store)

        acted = await store.resume(["c"], act("y"))
        assert acted == {"c": Acted(RunStatus.PENDING, True)}
        assert await claimed(store) == []
        await record(store, ends=[_end("a")])
        assert await claimed(store) == []
        await store.resume(["b"], act("z"))
        assert await claimed(store) == ["b"]

    # -- children ----------------------------------------------------------------------------

    async def test_children_of_a_cancelled_run_are_told_until_they_are_being_cancelled(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p"), new_run("x", owner=None))
        await submit(store, *[new_run(run_id, parent="p", owner=None) for run_id in "cab"])
        await submit(
            store,
            new_run("owned", parent="p"),
            new_run("detached", parent="p", owner=None, detached=True),
            new_run("over", parent="p"),
            new_run("not-theirs", parent="x", owner=None),
        )
        await record(store, ends=[run_end("over")])
        await park(store, "p", LATER)

        await store.cancel(["p"], act(because="no use"), DEADLINE, children=True)

        assert (await store.news("r1", [], 9)).parents == [Parent("p", "no use", DEADLINE)]
        assert await store.children_under_way(["p", "none"], 9) == [
            ("p", run_id) for run_id in ("a", "b", "c", "owned")
        ]
        assert await store.children_under_way(["p"], 2) == [("p", "a"), ("p", "b")]
        await store.cancel(["a", "b", "owned"], act("y"), DEADLINE, children=True)
        assert await store.children_under_way(["p"], 9) == [("p", "c")]
        await store.forget_children(["p"])
        assert len((await store.news("r1", [], 9)).parents) == 1
        await store.cancel(["c"], act("z"), DEADLINE, children=True)
        assert len((await store.news("r1", [], 9)).parents) == 1
        await store.forget_children(["p", "none"])
        assert (await store.news("r1", [], 9)).parents == []

    async def test_children_of_a_run_are_left_alone_if_they_are_not_asked_for(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p"), new_run("q", owner=None))
        await submit(store, *[new_run(f"c-{p}", parent=p, owner=None) for p in "pq"])

        await store.cancel(["p", "q"], act(), DEADLINE, children=False)

        assert (await store.news("r1", [], 9)).parents == []

    async def test_a_run_that_its_owner_is_still_to_end_may_get_children_which_are_told_then(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p"))
        await store.cancel(["p"], act(), DEADLINE, children=True)
        assert (await store.news("r1", [], 9)).parents == []
        await store.forget_children(["p"])

        await store.insert_when_free(new_run("c", parent="p", key="k", owner=None))

        assert (await store.news("r1", [], 9)).parents == [Parent("p", "told to", DEADLINE)]
        await store.cancel(["c"], act("y"), DEADLINE, children=True)
        assert (await store.news("r1", [], 9)).parents == []
        await record(store, ends=[run_end("p")])
        assert (await store.news("r1", [], 9)).parents == [Parent("p", "told to", DEADLINE)]
        await store.forget_children(["p"])
        assert (await store.news("r1", [], 9)).parents == []

    async def test_children_are_cancelled_by_the_earliest_deadline(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p"), new_run("q"))
        await submit(store, *[new_run(f"c-{p}", parent=p, owner=None) for p in "pq"])

        await store.cancel(["p"], act("x"), DEADLINE, children=True)
        await store.cancel(["p"], act("y"), DEADLINE + 9, children=True)
        await store.cancel(["q"], act("z"), DEADLINE, children=True)
        await store.cancel(["q"], act("u"), DEADLINE - 9, children=True)

        assert (await store.news("r1", [], 9)).parents == [
            Parent("q", "told to", DEADLINE - 9),
            Parent("p", "told to", DEADLINE),
        ]
        assert len((await store.news("r1", [], 1)).parents) == 1

    async def test_a_run_without_children_that_is_cancelled_at_once_is_not_told(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p", owner=None))
        await submit(store, new_run("detached", parent="p", owner=None, detached=True))

        await store.cancel(["p"], act("y"), DEADLINE, children=True)

        assert (await store.news("r1", [], 9)).parents == []

    # -- owners that give up -----------------------------------------------------------------

    async def test_what_is_to_be_cancelled_is_ended_when_its_owner_gives_it_back(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, *[new_run(run_id) for run_id in ("a", "b", "held", "told")])
        mark = attempt("told", status=TaskStatus.RUNNING)
        await record(store, [mark])
        await store.cancel(["told", "held"], act(because="no use"), DEADLINE, children=True)

        assert await store.release("r1", ["held", "b"]) == 1

        run = await stored(store, "told")
        await self._is_cancelled(store, "told")
        assert (run.error_message, run.recoveries) == ("no use", 0)
        assert await store.load_attempts(["told"]) == [mark]
        held = await stored(store, "held")
        assert (held.status, held.owner, held.epoch) == (RunStatus.CANCELLING, "r1", 1)
        assert (await stored(store, "a")).owner is None
        assert (await stored(store, "b")).owner == "r1"
        assert await claimed(store) == ["a"]

    async def test_what_is_to_be_cancelled_is_ended_when_its_owner_leaves(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await store.register(runner("r2"))
        await submit(store, new_run("a"), new_run("told"))
        await submit(store, new_run("other", owner="r2"), runner_id="r2")
        await store.cancel(["told", "other"], act(), DEADLINE, children=True)

        await store.unregister("r1")

        await self._is_cancelled(store, "told")
        assert (await stored(store, "a")).owner is None
        other = await stored(store, "other")
        assert (other.status, other.owner) == (RunStatus.CANCELLING, "r2")

    async def test_what_is_to_be_cancelled_is_ended_when_its_owner_is_dead(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, *[new_run(run_id) for run_id in ("a", "b", "c", "y", "z")])
        marks = [attempt(run_id, status=TaskStatus.RUNNING) for run_id in ("a", "y")]
        await record(store, marks)
        await store.cancel(["y", "z"], act("x"), DEADLINE, children=True)
        assert await store.take_over("r1", 9) == 0  # it lives
        await store.fence("r1", 0)

        assert await store.take_over("r1", 1) == 3

        await self._is_cancelled(store, "y")
        await self._is_cancelled(store, "z")
        assert [(await stored(store, run_id)).recoveries for run_id in "abyz"] == [1, 0, 0, 0]
        crashes = {row.run_id: row.crashes for row in await store.load_attempts(["a", "y"])}
        assert crashes == {"a": 1, "y": 0}
        await store.cancel(["b"], act("later"), DEADLINE, children=True)
        assert await store.take_over("r1", 9) == 2
        await self._is_cancelled(store, "b")
        assert await store.runners() == []
        await store.register(runner("r2"))
        assert await claimed(store, runner_id="r2") == ["a", "c"]

    async def test_a_dead_runner_of_which_all_is_to_be_cancelled_goes(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await store.cancel(["a"], act(), DEADLINE, children=True)
        await store.fence("r1", 0)

        assert await store.take_over("r1", 9) == 1
        assert await store.take_over("r1", 9) == 0
        assert await store.runners() == []

    async def test_a_paused_run_of_a_dead_runner_stays_paused(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await store.pause(["a"], act(), None, children=True)
        await store.fence("r1", 0)

        assert await store.take_over("r1", 9) == 1

        run = await stored(store, "a")
        assert (run.status, run.owner, run.recoveries) == (RunStatus.PAUSED, None, 1)
        await store.register(runner("r2"))
        assert await claimed(store, runner_id="r2") == []

    @pytest.mark.parametrize("how", ["release", "unregister", "take over"])
    async def test_behind_a_run_that_is_ended_for_its_owner_the_next_one_starts(
        self, store: Store, how: str
    ) -> None:
        await _queue(store, "a", "b", "c")
        await store.register(runner("r2"))
        await claimed(store)
        await store.cancel(["a"], act(), DEADLINE, children=True)

        await _give_up(store, how)

        assert await claimed(store, runner_id="r2") == ["b"]

    @pytest.mark.parametrize("how", ["release", "unregister", "take over"])
    async def test_behind_several_of_which_one_is_ended_for_its_owner_the_next_one_waits(
        self, store: Store, how: str
    ) -> None:
        """The runs beside it are not to be cancelled, so they are still under way."""
        await store.put_schedule(schedule())
        for name in ("r1", "r2"):
            await store.register(runner(name))
        for place, run_id in enumerate("ab"):
            await fire(store, _tick(run_id, place))
        await claimed(store)
        await fire(store, _tick("c", 2)._replace(behind="b"))
        await store.cancel(["b"], act(), DEADLINE, children=True)

        await _give_up(store, how)

        assert await claimed(store, runner_id="r2") == ["a"]
        await record(store, ends=[_end("a", epoch=3)], runner_id="r2")
        assert await claimed(store, runner_id="r2") == ["c"]

    @pytest.mark.parametrize("how", ["release", "unregister", "take over"])
    async def test_behind_several_that_are_ended_for_their_owner_the_next_one_starts(
        self, store: Store, how: str
    ) -> None:
        await store.put_schedule(schedule())
        for name in ("r1", "r2"):
            await store.register(runner(name))
        for place, run_id in enumerate("ab"):
            await fire(store, _tick(run_id, place))
        await claimed(store)
        await fire(store, _tick("c", 2)._replace(behind="b"))
        await store.cancel(["a", "b"], act(), DEADLINE, children=True)

        await _give_up(store, how)

        assert await claimed(store, runner_id="r2") == ["c"]

    async def test_children_are_told_of_a_run_that_was_ended_for_its_owner(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p"))
        await submit(store, new_run("c", parent="p", owner=None))
        await store.cancel(["p"], act(), DEADLINE, children=True)

        await store.release("r1", [])

        assert (await store.news("r1", [], 9)).parents == [Parent("p", "told to", DEADLINE)]
        assert await store.children_under_way(["p"], 9) == [("p", "c")]

    async def test_of_a_cancel_and_a_takeover_at_the_same_time_one_wins_for_all(
        self, store: Store
    ) -> None:
        for n in range(10):
            name, run_id = f"r{n}", f"{n}"
            await store.register(runner(name))
            await submit(store, new_run(run_id, owner=name), runner_id=name)
            await store.fence(name, 0)

            count, acted = await asyncio.gather(
                store.take_over(name, 9),
                store.cancel([run_id], act(f"x{n}"), DEADLINE, children=True),
            )
            if not count:
                count = await store.take_over(name, 9)

            assert count == 1
            run = await stored(store, run_id)
            assert acted[run_id].changed
            assert (run.status, run.owner) == (RunStatus.CANCELLED, None)
            was_taken_first = acted[run_id].status == RunStatus.CANCELLED
            assert (run.epoch, run.recoveries) == ((3, 1) if was_taken_first else (2, 0))

    async def _is_cancelled(self, store: Store, run_id: str) -> None:
        """It was ended for its owner."""
        run = await stored(store, run_id)
        assert (run.status, run.owner, run.epoch) == (RunStatus.CANCELLED, None, 2)
        assert (run.final_context, run.reason_code) == (run.input, ReasonCode.CANCELLED)
        assert run.ended_at is not None


async def _give_up(store: Store, how: str) -> None:
    """Have r1 lose all its runs."""
    if how == "release":
        await store.release("r1", [])
    elif how == "unregister":
        await store.unregister("r1")
    else:
        await store.fence("r1", 0)
        await store.take_over("r1", 9)


def _end(run_id: str, epoch: int = 1) -> RunEnd:
    return run_end(run_id, epoch=epoch)._replace(schedule_id="s")


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
