"""Contract of runs that are paused and resumed with their children."""

from __future__ import annotations

import pytest

from cloaca_core.assembly.store import Store
from cloaca_core.features.steering.records import Parent, Reopening, StoppedWithParent
from cloaca_core.run.rows import NewRun
from cloaca_core.values.states import RunStatus, TaskStatus
from cloaca_testing.conformance.commits import claimed, park, record, stored, submit
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    act,
    attempt,
    new_run,
    run_end,
    runner,
)

PAUSED, PENDING, RUNNING = RunStatus.PAUSED, RunStatus.PENDING, RunStatus.RUNNING


class PausedChildrenConformance:
    """Part of ``StoreConformance``."""

    # -- pause -------------------------------------------------------------------------------

    async def test_children_of_a_paused_run_are_told_until_they_are_paused(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p"), new_run("x", owner=None))
        await submit(store, *[_child(run_id) for run_id in "cab"])
        await submit(
            store,
            new_run("owned", parent="p"),
            new_run("detached", parent="p", owner=None, detached=True),
            new_run("over", parent="p"),
            new_run("cancelled", parent="p"),
            new_run("not-theirs", parent="x", owner=None),
        )
        await record(store, ends=[run_end("over")])
        await store.cancel(["cancelled"], act("w"), LATER, children=False)
        await park(store, "p", LATER)

        await store.pause(["p"], act(because="wait"), None, children=True)

        assert await _told(store) == [Parent("p", "wait", None)]
        assert await store.children_out_of_step(["p", "none"], 9) == [
            ("p", run_id) for run_id in ("a", "b", "c", "owned")
        ]
        assert await store.children_out_of_step(["p"], 2) == [("p", "a"), ("p", "b")]
        wanted = ["a", "b", "owned", "detached", "over", "not-theirs", "x", "cancelled"]
        await store.bring_into_step("p", wanted, act("y", because="with it"))
        assert await store.children_out_of_step(["p"], 9) == [("p", "c")]
        await store.forget_children(["p"])
        assert await _told(store) == [Parent("p", "wait", None)]
        await store.bring_into_step("p", ["c"], act("z"))
        await store.forget_children(["p", "none"])
        assert await _told(store) == []
        assert await _statuses(store, "a", "b", "c", "owned") == 4 * [PAUSED]
        assert await _statuses(store, "detached", "x", "not-theirs") == 3 * [PENDING]
        assert (await stored(store, "over")).status == RunStatus.COMPLETED
        assert (await stored(store, "cancelled")).status == RunStatus.CANCELLING
        assert (await stored(store, "a")).steer_reason == "with it"
        assert [(row.id, row.kind, row.changed) for row in await store.acts("a", 9)] == [
            ("y", "pause", 1)
        ]

    async def test_children_of_children_are_told_next(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p", owner=None), new_run("leaf", owner=None, parent="p"))
        await submit(store, new_run("c", owner=None, parent="p"), new_run("g", parent="c"))

        await store.pause(["p"], act(because="wait"), None, children=True)
        await store.bring_into_step("p", ["c", "leaf"], act("y", because="with p"))
        await store.forget_children(["p"])

        assert await _told(store) == [Parent("c", "with p", None)]
        await store.bring_into_step("c", ["g"], act("z"))
        await store.forget_children(["c"])
        assert await _told(store) == []
        assert await _statuses(store, "p", "c", "g", "leaf") == 4 * [PAUSED]

        await store.resume(["p"], act("r"))
        await store.bring_into_step("p", ["c", "leaf"], act("s"))
        await store.forget_children(["p", "leaf"])
        assert await _told(store) == [Parent("c", "", None)]
        await store.bring_into_step("c", ["g"], act("t"))
        assert await _statuses(store, "p", "c", "g", "leaf") == [PENDING, PENDING, RUNNING, PENDING]

    async def test_children_are_left_alone_if_they_are_not_asked_for(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p"), new_run("q", owner=None))
        await submit(store, *[_child(f"c-{p}", p) for p in "pq"])

        await store.pause(["p", "q"], act(), None, children=False)
        await submit(store, _child("later"))

        assert await _told(store) == []
        assert await store.children_out_of_step(["p", "q"], 9) == []
        assert await _statuses(store, "c-p", "c-q", "later") == 3 * [PENDING]
        await store.resume(["p", "q"], act("y"))
        assert await _told(store) == []

    async def test_who_was_claimed_is_a_stray_whether_the_pause_has_come_to_it_or_not(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p"), new_run("q"), new_run("own", parent="q"))
        await store.pause(["p"], act("u"), None, children=True)
        for run_id in ("late", "met", "resumed", "detached"):
            run = new_run(run_id, parent="p", key=run_id, owner=None, detached=run_id == "detached")
            assert await store.insert_when_free(run) == run_id
        await store.bring_into_step("p", ["met", "resumed"], act("v"))
        await store.resume(["resumed"], act("w"))
        mine = ["detached", "late", "met", "none", "own", "p", "resumed"]

        stopped_with_parents = [
            StoppedWithParent("late", "p", "told to"),
            StoppedWithParent("met", "p", "told to"),
        ]
        assert await store.paused_with_parents(mine) == stopped_with_parents
        await store.pause(["own", "detached"], act("x"), None, children=False)
        stopped_with_parents = [
            StoppedWithParent("detached", "p", "told to"),
            *stopped_with_parents,
            StoppedWithParent("own", "q", ""),
        ]
        assert await store.paused_with_parents(mine) == stopped_with_parents

    async def test_children_are_paused_until_the_same_instant(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p"), _child("c"))
        await store.pause(["p"], act(), LATER + 5, children=True)
        await store.bring_into_step("p", ["c"], act("y"))
        await submit(store, _child("later"))

        assert await store.pauses_over(LATER + 5, 9) == ["c", "later", "p"]
        assert await store.pauses_over(LATER + 4, 9) == []

    @pytest.mark.parametrize("owner", ["r1", None])
    async def test_a_pause_goes_through_children_that_have_ended_and_so_does_its_end(
        self, store: Store, owner: str | None
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p", owner=owner))
        await submit(store, new_run("m1", parent="p"))
        await submit(store, new_run("m2", parent="m1"), new_run("apart", parent="m1"))
        await submit(store, _child("g", "m2"), new_run("d", parent="m2", detached=True))
        await record(store, ends=[run_end("m1"), run_end("m2")])
        await store.pause(["apart"], act("u"), None, children=True)
        await store.forget_children(["apart"])

        await store.pause(["p"], act("v", because="wait"), LATER, children=True)

        assert await _told(store) == [Parent("p", "wait", None)]
        assert await store.children_out_of_step(["p"], 9) == []
        assert await store.descendants_out_of_step(["p", "none"], 9) == [("p", "g")]
        await store.forget_children(["p"])
        assert await _told(store) == [Parent("p", "wait", None)]
        await store.bring_into_step("p", ["g", "d", "apart", "m1"], act("w"))
        assert await store.descendants_out_of_step(["p"], 9) == []
        await store.forget_children(["p"])
        assert await _told(store) == []
        assert await _statuses(store, "g", "d", "apart") == [PAUSED, RUNNING, PAUSED]
        assert await store.pauses_over(LATER, 9) == ["g", "p"]

        await store.resume(["p"], act("x"))
        assert await store.descendants_out_of_step(["p"], 9) == [("p", "g")]
        await store.bring_into_step("p", ["g", "apart"], act("y"))
        await store.forget_children(["p", "g"])
        assert await _told(store) == []
        assert await _statuses(store, "g", "apart") == [PENDING, PAUSED]

    async def test_who_was_paused_with_a_run_that_has_ended_goes_on_with_the_one_above(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p"))
        await submit(store, new_run("m", parent="p"))
        await submit(store, _child("g", "m"))
        await store.pause(["p"], act("u"), None, children=True)
        await store.bring_into_step("p", ["m"], act("v"))
        await store.bring_into_step("m", ["g"], act("w"))
        await record(store, ends=[run_end("m")])

        await store.resume(["p"], act("x"))

        assert await store.descendants_out_of_step(["p"], 9) == [("p", "g")]
        await store.bring_into_step("p", ["g"], act("y"))
        assert await _statuses(store, "g") == [PENDING]

    async def test_who_is_resumed_itself_is_not_paused_again_by_a_run_above_its_ended_parent(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p"))
        await submit(store, new_run("m", parent="p"))
        await submit(store, _child("g", "m"))
        await record(store, ends=[run_end("m")])
        await store.pause(["p"], act("u"), None, children=True)
        await store.bring_into_step("p", ["g"], act("v"))

        await store.resume(["g"], act("w"))

        assert await store.descendants_out_of_step(["p"], 9) == []
        await store.resume(["p"], act("x"))
        await store.pause(["p"], act("y"), None, children=True)
        assert await store.descendants_out_of_step(["p"], 9) == [("p", "g")]

    # -- children that a paused run submits --------------------------------------------------

    @pytest.mark.parametrize("owner", ["r1", None])
    async def test_a_child_of_a_paused_run_is_paused(self, store: Store, owner: str | None) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p"))
        await store.pause(["p"], act(because="wait"), LATER + 5, children=True)

        committed = await submit(
            store,
            new_run("c", owner=owner, parent="p"),
            new_run("detached", owner=owner, parent="p", detached=True),
            new_run("other", owner=owner),
        )

        run = await stored(store, "c")
        assert (run.status, run.owner, run.started_at) == (PAUSED, None, None)
        assert run.epoch == (2 if owner else 0)
        assert run.steer_reason == "wait (with its parent, run p)"
        ours = {"detached", "other"} if owner else set()
        assert committed.owned == ours
        assert await claimed(store) == ([] if owner else ["detached", "other"])
        assert await _told(store) == []

        await store.resume(["p"], act("y"))
        await store.bring_into_step("p", ["c"], act("z"))
        assert await _statuses(store, "c") == [PENDING]
        assert await claimed(store) == ["c"]

    async def test_a_child_that_is_sent_again_stays_as_it_is(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p"))
        await submit(store, new_run("begun", parent="p"))
        await record(store, [attempt("begun", status=TaskStatus.RUNNING)])
        await park(store, "begun", None)
        assert await claimed(store) == ["begun"]
        await store.pause(["p"], act(), None, children=True)
        await submit(store, _child("resumed"))
        await store.resume(["resumed"], act("y"))
        before = [await stored(store, run_id) for run_id in ("begun", "resumed")]

        await submit(store, new_run("begun", parent="p"), _child("resumed"))

        assert [await stored(store, run_id) for run_id in ("begun", "resumed")] == before

    async def test_a_child_of_a_run_that_is_not_paused_any_more_is_not_paused(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p"), new_run("q"))
        await store.pause(["p", "q"], act(), None, children=True)
        await store.resume(["p"], act("y"))
        await record(store, ends=[run_end("q")])

        await submit(store, _child("c-p"), _child("c-q", "q"))

        assert await _statuses(store, "c-p", "c-q") == 2 * [PENDING]

    async def test_the_pause_of_a_parent_moves_the_deadline_of_a_child_on_as_its_own(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p"))
        await store.pause(["p"], act(now=NOW + 10), None, children=True)
        await submit(store, _child("c")._replace(created_at=NOW + 15, deadline_at=NOW + 50))

        await store.resume(["p"], act("y", now=NOW + 17))
        await store.bring_into_step("p", ["c"], act("z", now=NOW + 17))

        assert (await stored(store, "c")).deadline_at == NOW + 57

    async def test_a_paused_run_with_an_owner_may_get_children_which_are_told_then(
        self, store: Store
    ) -> None:
        """As from a user's transaction, in which the parent is not looked at."""
        await store.register(runner("r1"))
        await submit(store, new_run("p"))
        await store.pause(["p"], act(because="wait"), None, children=True)
        assert await _told(store) == []
        await store.forget_children(["p"])

        await store.insert_when_free(new_run("c", owner=None, parent="p", key="k"))

        assert await _told(store) == [Parent("p", "wait", None)]
        await store.bring_into_step("p", ["c"], act("y"))
        assert await _told(store) == []
        await park(store, "p", None)
        assert await _told(store) == [Parent("p", "wait", None)]
        await store.forget_children(["p"])
        assert await _told(store) == []

    # -- resume ------------------------------------------------------------------------------

    async def test_children_that_were_paused_with_a_run_go_on_with_it(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p"), _child("c"), _child("d"), _child("own"))
        await submit(store, new_run("owned", parent="p"))
        await store.pause(["own"], act("v"), None, children=True)
        await store.pause(["p"], act("w"), None, children=True)
        await store.bring_into_step("p", ["c", "d", "own", "owned"], act("x"))

        await store.resume(["p"], act("y"))

        assert await _told(store) == [Parent("p", "", None)]
        assert await store.children_out_of_step(["p"], 9) == [
            ("p", run_id) for run_id in ("c", "d", "owned")
        ]
        await store.bring_into_step("p", ["c", "own", "owned"], act("z"))
        await store.forget_children(["p"])
        assert Parent("p", "", None) in await _told(store)
        await store.bring_into_step("p", ["d"], act("z"))
        await store.forget_children(["p", "c", "d", "owned"])
        assert await _told(store) == []
        assert await _statuses(store, "c", "d", "owned", "own") == [
            PENDING,
            PENDING,
            RUNNING,
            PAUSED,
        ]
        assert [(row.id, row.kind) for row in await store.acts("c", 9)] == [
            ("z", "resume"),
            ("x", "pause"),
        ]

    async def test_a_pause_that_has_not_come_to_the_children_yet_does_not_after_a_resume(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p"), _child("c"))
        await store.pause(["p"], act("w"), None, children=True)
        await store.resume(["p"], act("x"))

        await store.bring_into_step("p", ["c"], act("y"))

        assert await _statuses(store, "c") == [PENDING]
        assert await store.acts("c", 9) == []

    async def test_a_run_that_is_paused_again_soon_keeps_its_children_paused(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p"), _child("c"), new_run("g", owner=None, parent="c"))
        await store.pause(["p"], act("u", now=NOW + 3), LATER, children=True)
        await store.bring_into_step("p", ["c"], act("v", now=NOW + 3))
        await store.bring_into_step("c", ["g"], act("v", now=NOW + 3))
        await store.forget_children(["p", "c"])
        await store.resume(["p"], act("w", now=NOW + 4))

        await store.pause(["p"], act("x", now=NOW + 5), None, children=True)

        assert await store.children_out_of_step(["p"], 9) == [("p", "c")]
        await store.bring_into_step("p", ["c"], act("y", now=NOW + 5))
        assert await store.children_out_of_step(["p", "c"], 9) == [("c", "g")]
        await store.bring_into_step("c", ["g"], act("z", now=NOW + 5))
        await store.forget_children(["p", "c"])
        assert await _told(store) == []
        assert await store.pauses_over(LATER, 9) == []  # nor until the first instant
        await store.resume(["p"], act("r"))
        assert await store.children_out_of_step(["p"], 9) == [("p", "c")]

    async def test_a_run_that_is_paused_alone_lets_children_go_that_it_was_resumed_with(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p"), _child("c"))
        await store.pause(["p"], act("u"), None, children=True)
        await store.bring_into_step("p", ["c"], act("v"))
        await store.resume(["p"], act("w"))

        await store.pause(["p"], act("x"), None, children=False)

        assert await store.children_out_of_step(["p"], 9) == [("p", "c")]
        assert await _told(store) == [Parent("p", "told to", None)]
        await store.bring_into_step("p", ["c"], act("y"))
        assert await _statuses(store, "p", "c") == [PAUSED, PENDING]

    async def test_a_child_that_is_resumed_itself_is_not_paused_again_by_the_same_pause(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p"), _child("c"), _child("own"))
        await store.pause(["own"], act("t"), None, children=True)
        await store.pause(["p"], act("u"), None, children=True)
        await store.bring_into_step("p", ["c"], act("v"))

        await store.resume(["c", "own"], act("w"))

        assert await store.children_out_of_step(["p"], 9) == []
        await store.pause(["c"], act("x"), None, children=True)  # on its own this time
        await store.resume(["p"], act("y"))
        assert await store.children_out_of_step(["p"], 9) == []
        await store.resume(["c"], act("z"))
        await store.pause(["p"], act("r"), None, children=True)
        assert await store.children_out_of_step(["p"], 9) == [("p", "c"), ("p", "own")]

    async def test_children_stay_paused_when_their_parent_ends(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p"), _child("c"), _child("d"))
        await store.pause(["p"], act("u"), None, children=True)
        await store.bring_into_step("p", ["c"], act("v"))

        await record(store, [attempt("p")], [run_end("p")])

        assert await store.children_out_of_step(["p"], 9) == [("p", "d")]
        await store.bring_into_step("p", ["d"], act("w"))
        await store.forget_children(["p"])
        assert await _told(store) == []
        assert await _statuses(store, "c", "d") == [PAUSED, PAUSED]
        await store.resume(["c", "d"], act("x"))
        assert await _statuses(store, "c", "d") == [PENDING, PENDING]
        assert await store.children_out_of_step(["p"], 9) == []

    async def test_the_next_round_of_a_run_lets_children_go_that_were_paused_with_it(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p"), _child("c"))
        await store.pause(["p"], act("u"), None, children=True)
        await store.bring_into_step("p", ["c"], act("v"))
        failed = attempt("p", status=TaskStatus.FAILED)
        await record(store, [failed], [run_end("p", status=RunStatus.FAILED)])
        await store.forget_children(["p"])

        await store.retry([Reopening("p", 1, {})], act("w"))

        assert await _told(store) == [Parent("p", "", None)]
        await store.bring_into_step("p", ["c"], act("x"))
        await store.forget_children(["p", "c"])
        assert await _statuses(store, "p", "c") == [PENDING, PENDING]
        assert await _told(store) == []

    async def test_a_level_that_is_sent_again_changes_nothing(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p"), _child("c"))
        await store.pause(["p"], act("u"), None, children=True)
        await store.bring_into_step("p", ["c"], act("v"))
        await store.resume(["c"], act("w"))
        await store.bring_into_step("p", ["c"], act("v"))
        assert await _statuses(store, "c") == [PENDING]

        await store.pause(["p"], act("x"), None, children=True)
        await store.resume(["p"], act("y"))
        await store.bring_into_step("p", ["c"], act("v"))

        assert await _statuses(store, "c") == [PENDING]


def _child(run_id: str, parent: str = "p") -> NewRun:
    return new_run(run_id, owner=None, parent=parent)


async def _told(store: Store) -> list[Parent]:
    return list((await store.news("r1", [WORKFLOW], 9)).parents)


async def _statuses(store: Store, *run_ids: str) -> list[str]:
    return [(await stored(store, run_id)).status for run_id in run_ids]
