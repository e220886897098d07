"""Contract of the order of claims, and of workflows of which no run is claimed."""

from __future__ import annotations

import asyncio

import pytest

from cloaca_core.assembly.store import Store
from cloaca_core.features.steering.records import PauseRow
from cloaca_core.run.rows import WaitingRow
from cloaca_core.values.states import RunStatus
from cloaca_testing.conformance.commits import claimed, record, stored, submit
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    act,
    attempt,
    new_run,
    run_end,
    runner,
    schedule,
)

OTHER = "public::embedded::other"


class ClaimOrderConformance:
    """Part of ``StoreConformance``."""

    # -- order of claims ----------------------------------------------------------------------

    async def test_a_higher_priority_is_claimed_first_then_who_has_waited_longer_then_the_id(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(
            store,
            new_run("a", owner=None, priority=-1, created_at=NOW - 9),
            new_run("b", owner=None, created_at=NOW + 1),
            new_run("c", owner=None, created_at=NOW),
            new_run("d", owner=None, created_at=NOW),
            new_run("e", owner=None, priority=100, created_at=NOW + 5),
        )

        assert [await claimed(store, 1) for _ in range(6)] == [
            ["e"],
            ["c"],
            ["d"],
            ["b"],
            ["a"],
            [],
        ]

    async def test_a_claim_tells_since_when_its_runs_were_claimable(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("new", owner=None), new_run("due", due_at=NOW + 3))
        await submit(store, new_run("held", owner=None))
        await store.pause(["held"], act("x", now=NOW + 4), None, children=False)
        await store.resume(["held"], act("y", now=NOW + 5))
        await store.make_due_claimable([WORKFLOW], LATER, 9)

        rows = await store.claim("r1", [WORKFLOW], 9, LATER)

        assert {run.id: run.claimable_at for run in rows} == {
            "new": NOW,
            "due": NOW + 3,
            "held": NOW + 5,
        }

    async def test_priorities_count_across_workflows(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(
            store,
            new_run("a", owner=None),
            new_run("b", owner=None, workflow=OTHER, priority=1),
            new_run("c", owner=None, workflow=OTHER, priority=-1),
        )

        rows = await store.claim("r1", [WORKFLOW, OTHER], 2, LATER)

        assert [(run.id, run.priority) for run in rows] == [("a", 0), ("b", 1)]

    async def test_aged_places_go_to_those_that_have_waited_longest_whatever_their_priority(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(
            store,
            new_run("a", owner=None, priority=5, created_at=NOW + 3),
            new_run("b", owner=None, priority=5, created_at=NOW + 4),
            new_run("c", owner=None, priority=-5, created_at=NOW + 1),
            new_run("d", owner=None, workflow=OTHER, created_at=NOW + 2),
            new_run("e", owner=None, priority=5, created_at=NOW + 5),
        )

        rows = await store.claim("r1", [WORKFLOW, OTHER], 3, LATER, 2)

        assert [run.id for run in rows] == ["a", "c", "d"]

    @pytest.mark.parametrize(
        ("limit", "aged", "expected"),
        [
            (0, 1, []),  # no more than the limit
            (1, 3, ["b"]),
            (2, 1, ["a", "b"]),
            (3, 9, ["a", "b"]),  # no more than there are
        ],
    )
    async def test_aged_places_are_among_all_places(
        self, store: Store, limit: int, aged: int, expected: list[str]
    ) -> None:
        await store.register(runner("r1"))
        await submit(
            store,
            new_run("a", owner=None, priority=1, created_at=NOW + 1),
            new_run("b", owner=None, created_at=NOW),
        )

        assert await claimed(store, limit, aged) == expected

    async def test_concurrent_claims_with_aged_places_never_share_a_run(self, store: Store) -> None:
        names = [f"r{number}" for number in range(4)]
        for name in names:
            await store.register(runner(name))
        await submit(store, *[new_run(f"{n:03}", owner=None, priority=n % 3) for n in range(100)])

        shares = await asyncio.gather(*[claimed(store, 7, 2, runner_id=name) for name in names * 6])

        ids = [run_id for share in shares for run_id in share]
        assert len(ids) == len(set(ids))
        while share := await claimed(store, 7, 2):
            ids += share
        assert sorted(ids) == [f"{n:03}" for n in range(100)]

    async def test_what_waits_is_told_with_the_run_that_is_claimed_first(
        self, store: Store
    ) -> None:
        await submit(
            store,
            new_run("a", owner=None, created_at=NOW + 1),
            new_run("b", owner=None, priority=1, created_at=NOW + 2),
            new_run("c", owner=None, created_at=NOW),
        )

        waiting = await store.list_waiting("me", 9)

        assert waiting.rows == [WaitingRow("run", WORKFLOW, "b", NOW + 2, 3)]

    # -- paused workflows ---------------------------------------------------------------------

    async def test_of_a_paused_workflow_nothing_is_claimed_until_it_goes_on(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a", owner=None), new_run("b", owner=None, workflow=OTHER))

        assert await store.pause_workflow(WORKFLOW, act("x"), None)

        assert not await store.has_claimable("r1", [WORKFLOW])
        assert await store.has_claimable("r1", [WORKFLOW, OTHER])
        rows = await store.claim("r1", [WORKFLOW, OTHER], 9, LATER, 1)
        assert [run.id for run in rows] == ["b"]
        assert (await stored(store, "a")).status == RunStatus.PENDING
        assert await store.resume_workflow(WORKFLOW, act("y"))
        assert await store.has_claimable("r1", [WORKFLOW])
        assert await claimed(store) == ["a"]

    async def test_runs_of_a_paused_workflow_are_not_told_to_wait_but_its_schedules_are(
        self, store: Store
    ) -> None:
        await submit(store, new_run("a", owner=None), new_run("b", owner=None, workflow=OTHER))
        await store.put_schedule(schedule("s", workflow=WORKFLOW))
        await store.pause_workflow(WORKFLOW, act(), None)

        assert sorted((await store.list_waiting("me", 9)).rows) == [
            WaitingRow("run", OTHER, "b", NOW, 1),
            WaitingRow("schedule", WORKFLOW, "", NOW, 1),
        ]

    async def test_runs_of_a_paused_workflow_that_are_owned_go_on_and_new_ones_wait(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await store.pause_workflow(WORKFLOW, act(), None)

        committed = await record(store, [attempt("a")], [run_end("a")])
        inserted = await submit(
            store, new_run("b"), new_run("c", owner=None), new_run("d", workflow=OTHER)
        )

        assert (committed.current, dict(committed.stop_requests)) == (frozenset("a"), {})
        assert (await stored(store, "a")).status == RunStatus.COMPLETED
        assert inserted.owned == frozenset("d")
        run = await stored(store, "b")
        assert (run.owner, run.epoch, run.status, run.started_at) == (None, 0, "Pending", None)
        assert (await stored(store, "c")).status == RunStatus.PENDING
        await store.resume_workflow(WORKFLOW, act("y"))
        assert await claimed(store) == ["b", "c"]

    async def test_a_workflow_is_paused_once_and_until_when_is_told(self, store: Store) -> None:
        assert await store.paused_workflows() == {}
        assert await store.pause_workflow(WORKFLOW, act("x"), LATER)
        assert not await store.pause_workflow(WORKFLOW, act("y"), None)
        assert await store.pause_workflow(OTHER, act("z"), None)

        assert await store.paused_workflows() == {WORKFLOW: LATER, OTHER: None}
        assert (await store.news("r1", [], 9)).next_timer == LATER
        assert not await store.resume_workflow("unknown", act("u"))
        assert await store.resume_workflow(WORKFLOW, act("v"))
        assert not await store.resume_workflow(WORKFLOW, act("w"))
        assert await store.paused_workflows() == {OTHER: None}

    async def test_pauses_of_workflows_are_told_with_who_asked_for_them(self, store: Store) -> None:
        assert await store.pauses() == []
        await store.pause_workflow(WORKFLOW, act("1", now=NOW)._replace(asked_by="bob"), None)
        await store.resume_workflow(WORKFLOW, act("2", now=NOW + 1))
        await store.pause_workflow(WORKFLOW, act("3", now=NOW + 2), LATER)
        await store.pause_workflow(WORKFLOW, act("4", now=NOW + 2)._replace(asked_by="cleo"), None)
        cleo = act("5", now=NOW + 2)._replace(asked_by="cleo", reason=None)
        await store.pause_workflow(OTHER, cleo, None)

        assert sorted(await store.pauses()) == sorted(
            [
                PauseRow(WORKFLOW, NOW + 2, LATER, "ann", "a reason"),
                PauseRow(OTHER, NOW + 2, None, "cleo", None),
            ]
        )
        await store.resume_workflow(WORKFLOW, act("6"))
        assert [each.workflow for each in await store.pauses()] == [OTHER]

    async def test_acts_on_workflows_that_are_sent_again_change_nothing(self, store: Store) -> None:
        for _ in range(2):
            assert await store.pause_workflow(WORKFLOW, act("x"), None)
        assert await store.resume_workflow(WORKFLOW, act("y"))

        assert await store.pause_workflow(WORKFLOW, act("x"), None)
        assert await store.paused_workflows() == {}
        assert await store.pause_workflow(WORKFLOW, act("z"), None)
        assert await store.resume_workflow(WORKFLOW, act("y"))
        assert await store.paused_workflows() == {WORKFLOW: None}

    async def test_of_several_that_pause_a_workflow_at_once_one_changes_it(
        self, store: Store
    ) -> None:
        answers = await asyncio.gather(
            *[store.pause_workflow(WORKFLOW, act(f"x{n}"), n) for n in range(8)]
        )

        assert sorted(answers) == [False] * 7 + [True]
        assert await store.paused_workflows() == {WORKFLOW: answers.index(True)}
