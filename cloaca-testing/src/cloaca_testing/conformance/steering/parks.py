"""Contract of runs that wait for their time without an owner."""

from __future__ import annotations

import asyncio

from cloaca_core.assembly.store import Store
from cloaca_core.run.rows import Park, RunRow
from cloaca_core.store.batch import Batch
from cloaca_core.values.states import RunStatus, TaskStatus
from cloaca_testing.conformance.commits import claimed, fence, park, record, stored, submit
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    act,
    any_run,
    attempt,
    new_run,
    run_end,
    runner,
)

OTHER = "public::embedded::other"


class ParkConformance:
    """Part of ``StoreConformance``."""

    # -- parks --------------------------------------------------------------------------------

    async def test_a_parked_run_waits_without_an_owner_until_it_is_due(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))

        committed = await park(store, "a", LATER)

        run = await stored(store, "a")
        assert committed.current == {"a"}
        assert (run.status, run.owner, run.epoch, run.due_at) == (
            RunStatus.WAITING,
            None,
            2,
            LATER,
        )
        assert (run.started_at, run.recoveries) == (NOW, 0)
        assert await claimed(store) == []
        assert not await store.has_claimable("r1", [WORKFLOW])
        assert (await store.list_waiting("me", 9)).rows == []
        assert [r.id for r in await store.list_runs(any_run(status=RunStatus.WAITING))] == ["a"]

    async def test_a_paused_run_that_is_parked_stays_paused(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b"))
        await store.pause(["a", "b"], act(), None, children=True)

        await park(store, "a", None)
        await park(store, "b", LATER)

        runs = [await stored(store, run_id) for run_id in ("a", "b")]
        assert [(run.status, run.owner, run.due_at) for run in runs] == [
            (RunStatus.PAUSED, None, None),
            (RunStatus.PAUSED, None, LATER),
        ]
        assert await claimed(store) == []

    async def test_a_run_that_was_resumed_before_its_park_is_claimable_at_once(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await store.pause(["a"], act("x"), None, children=True)
        await store.resume(["a"], act("y"))

        await park(store, "a", None)

        run = await stored(store, "a")
        assert (run.status, run.owner, run.due_at) == (RunStatus.RUNNING, None, None)
        assert await claimed(store) == ["a"]

    async def test_a_run_that_is_to_be_cancelled_is_not_parked(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await store.cancel(["a"], act(), LATER, children=True)

        committed = await park(store, "a", LATER)

        run = await stored(store, "a")
        assert committed.stop_requests == {"a": RunStatus.CANCELLED}
        assert (run.status, run.owner, run.epoch, run.due_at) == (
            RunStatus.CANCELLING,
            "r1",
            1,
            None,
        )

    async def test_only_the_owner_under_its_epoch_parks(self, store: Store) -> None:
        for name in ("r1", "r2", "dead"):
            await store.register(runner(name))
        await submit(store, new_run("a"))
        await submit(store, new_run("b", owner="dead"), runner_id="dead")
        await store.fence("dead", 0)
        before = [await stored(store, run_id) for run_id in ("a", "b")]

        for late in (
            await park(store, "a", LATER, runner_id="r2"),
            await park(store, "a", LATER, epoch=0),
            await park(store, "b", LATER, runner_id="dead"),
        ):
            assert late.current == set()

        assert [await stored(store, run_id) for run_id in ("a", "b")] == before

    async def test_a_run_of_which_nothing_has_begun_waits_as_before_its_claim(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b"))
        await store.pause(["b"], act(), None, children=False)
        claimable_at = (await stored(store, "a")).claimable_at

        for run_id in ("a", "b"):
            assert (await park(store, run_id, None, begun=False)).current == {run_id}

        a, b = await stored(store, "a"), await stored(store, "b")
        assert (a.status, a.owner, a.started_at, a.epoch) == (RunStatus.PENDING, None, None, 2)
        assert (b.status, b.owner, b.started_at) == (RunStatus.PAUSED, None, None)
        assert a.claimable_at == claimable_at
        (claimed,) = await store.claim("r1", [WORKFLOW], 9, NOW + 1)
        assert (claimed.id, claimed.status, claimed.started_at) == ("a", RunStatus.RUNNING, NOW + 1)

    async def test_a_run_that_has_ended_is_not_parked(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))

        await store.commit(
            Batch("r1", [], [], [run_end("a")], {"a": 1}, parks=[Park("a", LATER, NOW)])
        )

        run = await stored(store, "a")
        assert (run.status, run.owner, run.due_at) == (RunStatus.COMPLETED, "r1", None)

    async def test_what_was_recorded_with_a_park_is_there_and_the_former_owner_is_refused(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        failed = attempt("a", status=TaskStatus.FAILED, error="no")

        batch = Batch("r1", [], [failed], [], {"a": 1}, parks=[Park("a", LATER, NOW)])
        assert (await store.commit(batch)).current == {"a"}

        assert (await store.commit(batch)).current == set()
        assert (await record(store, [attempt("a", "save")])).current == set()
        assert await store.load_attempts(["a"]) == [failed]
        assert (await stored(store, "a")).epoch == 2

    # -- time ---------------------------------------------------------------------------------

    async def test_a_run_with_an_instant_waits_for_it_even_if_it_names_an_owner(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))

        committed = await submit(store, new_run("a", owner="r1", due_at=LATER))

        run = await stored(store, "a")
        assert committed.owned == set()
        assert (run.status, run.owner, run.epoch, run.due_at) == (RunStatus.PENDING, None, 0, LATER)
        assert await claimed(store) == []
        assert await store.make_due_claimable([WORKFLOW], LATER, 9) == 1
        assert await claimed(store) == ["a"]

    async def test_the_first_due_run_of_some_workflows_is_told(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(
            store,
            new_run("a", due_at=NOW + 5),
            new_run("b", due_at=NOW + 3),
            new_run("c", due_at=NOW + 1, workflow=OTHER),
            new_run("d", owner=None),
            new_run("owned"),
            new_run("over", due_at=NOW),
        )
        await store.cancel(["over"], act(), LATER, children=False)

        for workflows, expected in (
            ([WORKFLOW], NOW + 3),
            ([OTHER], NOW + 1),
            (["unknown", WORKFLOW, OTHER], NOW + 1),
            (["unknown"], None),
            ([], None),
        ):
            assert await store.next_due_run(workflows) == expected
            assert (await store.news("r1", workflows, 9)).next_timer == expected

    async def test_runs_that_are_due_become_claimable_those_that_came_due_first_at_first(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(
            store,
            new_run("a", due_at=NOW + 4),
            new_run("x", due_at=NOW + 2),
            new_run("c", due_at=NOW + 3, workflow=OTHER),
            new_run("d", due_at=NOW + 3),
            new_run("e", due_at=NOW + 9),
        )
        due = [
            await store.make_due_claimable([WORKFLOW, OTHER], NOW + 1, 9),
            await store.make_due_claimable([WORKFLOW, OTHER], NOW + 4, 0),
            await store.make_due_claimable([WORKFLOW, OTHER], NOW + 4, 2),
        ]

        assert due == [0, 0, 2]
        waiting = {run.id: run.due_at for run in await _all(store) if run.due_at is not None}
        assert waiting == {"a": NOW + 4, "d": NOW + 3, "e": NOW + 9}
        assert await store.make_due_claimable([WORKFLOW], NOW + 4, 9) == 2
        assert await store.make_due_claimable([WORKFLOW, OTHER], NOW + 8, 9) == 0
        assert [await claimed(store, 1) for _ in range(4)] == [["x"], ["d"], ["a"], []]

    async def test_a_run_that_came_due_is_claimable_since_then(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(
            store,
            new_run("early", owner=None, created_at=NOW + 2),
            new_run("late", owner=None, created_at=NOW + 4),
            new_run("timed", created_at=NOW, due_at=NOW + 3),
        )
        await store.make_due_claimable([WORKFLOW], LATER, 9)

        assert [await claimed(store, 1) for _ in range(3)] == [["early"], ["timed"], ["late"]]

    async def test_what_was_parked_before_the_clock_was_set_back_is_claimed_though_it_was_paused(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b"), new_run("timed", due_at=LATER))
        await park(store, "a", LATER)
        await park(store, "b", LATER)
        await store.pause(["b", "timed"], act("x"), None, children=True)

        assert await store.make_claimable_after_set_back([WORKFLOW], NOW - 9, 9) == 2

        assert await claimed(store) == ["a"]
        await store.resume(["b", "timed"], act("y"))
        assert await claimed(store) == ["b"]
        assert (await stored(store, "timed")).due_at == LATER

    async def test_a_paused_run_comes_due_and_is_claimed_once_it_is_resumed(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a", due_at=NOW + 3))
        await store.pause(["a"], act("x"), None, children=True)

        assert await store.next_due_run([WORKFLOW]) == NOW + 3
        assert await store.make_due_claimable([WORKFLOW], LATER, 9) == 1

        run = await stored(store, "a")
        assert (run.status, run.due_at) == (RunStatus.PAUSED, None)
        assert await store.next_due_run([WORKFLOW]) is None
        assert await claimed(store) == []
        await store.resume(["a"], act("y"))
        assert await claimed(store) == ["a"]

    async def test_runs_of_a_paused_workflow_come_due_and_are_not_claimed(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a", due_at=NOW + 3))
        await store.pause_workflow(WORKFLOW, act("x"), None)

        assert await store.make_due_claimable([WORKFLOW], LATER, 9) == 1

        assert await claimed(store) == []
        await store.resume_workflow(WORKFLOW, act("y"))
        assert await claimed(store) == ["a"]

    async def test_a_run_that_is_owned_or_over_does_not_come_due(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("owned", due_at=NOW), new_run("over", due_at=NOW))
        await store.make_due_claimable([WORKFLOW], LATER, 9)
        await claimed(store)
        await record(store, ends=[run_end("over")])
        before = await _all(store)

        assert await store.make_due_claimable([WORKFLOW], LATER, 9) == 0
        assert await _all(store) == before
        assert (await fence(store, "owned")).stop_requests == {}

    async def test_concurrent_callers_share_what_has_come_due(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, *[new_run(f"{n:03}", due_at=NOW + n) for n in range(60)])

        counts = await asyncio.gather(
            *[store.make_due_claimable([WORKFLOW], LATER, 10) for _ in range(9)]
        )
        while counts[-1]:
            counts.append(await store.make_due_claimable([WORKFLOW], LATER, 10))

        assert sum(counts) == 60
        assert len(await claimed(store, 99)) == 60


async def _all(store: Store) -> list[RunRow]:
    """All runs by id."""
    return sorted(await store.list_runs(any_run()))
