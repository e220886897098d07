"""Contract of children of runs that are cancelled, and of the ends of pauses."""

from __future__ import annotations

import asyncio

import pytest

from cloaca_core.assembly.store import Store
from cloaca_core.features.steering.records import Reopening, StoppedWithParent
from cloaca_core.store.batch import Batch
from cloaca_core.values.states import RunStatus
from cloaca_testing.conformance.commits import record, stored, submit
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

DEADLINE = LATER + 30


class ChildrenConformance:
    """Part of ``StoreConformance``."""

    # -- of cancelled runs -------------------------------------------------------------------

    async def test_a_run_that_is_being_cancelled_gets_no_more_children(self, store: Store) -> None:
        await _parent(store)
        await store.cancel(["p"], act(), DEADLINE, children=False)

        committed = await submit(
            store,
            new_run("owned", parent="p"),
            new_run("free", parent="p", owner=None),
            new_run("keyed", parent="p", key="p::load::1"),
            new_run("detached", parent="p", detached=True),
            new_run("other"),
        )

        assert committed.refused == {"owned", "free", "keyed"}
        assert committed.owned == {"detached", "other"}
        assert (committed.existing, committed.held) == ({}, frozenset())
        assert [await store.get_run(run_id) for run_id in ("owned", "free", "keyed")] == [None] * 3

    async def test_nor_does_one_that_was_cancelled(self, store: Store) -> None:
        await _parent(store)
        await store.cancel(["p"], act(), DEADLINE, children=True)
        await record(store, ends=[run_end("p")])

        assert (await submit(store, new_run("c", parent="p"))).refused == {"c"}

    @pytest.mark.parametrize("status", [RunStatus.COMPLETED, RunStatus.FAILED])
    async def test_one_that_has_ended_otherwise_does(self, store: Store, status: RunStatus) -> None:
        await _parent(store)
        await record(store, ends=[run_end("p", status=status)])

        committed = await submit(store, new_run("c", parent="p"))

        assert not committed.refused
        assert committed.owned == {"c"}

    async def test_a_child_that_is_there_is_there_also_when_it_is_sent_again(
        self, store: Store
    ) -> None:
        await _parent(store)
        await submit(store, new_run("c", parent="p"), new_run("d", parent="p", key="k"))
        await store.cancel(["p"], act(), DEADLINE, children=False)

        again = await submit(
            store,
            new_run("c", parent="p"),
            new_run("d", parent="p", key="k"),
            new_run("e", parent="p", key="k"),
        )

        assert not again.refused
        assert again.owned == {"c", "d"}
        assert again.existing == {"e": "d"}

    async def test_a_refused_child_fails_no_other_record_of_its_batch(self, store: Store) -> None:
        await _parent(store)
        await submit(store, new_run("a"))
        await store.cancel(["p"], act(), DEADLINE, children=False)

        child, attempts = new_run("c", parent="p"), [attempt("a"), attempt("p")]
        committed = await store.commit(Batch("r1", [child], attempts, [], {"a": 1, "p": 1}))

        assert committed.refused == {"c"}
        assert committed.current == {"a", "p"}
        assert len(await store.load_attempts(["a", "p"])) == 2

    async def test_the_next_round_of_a_cancelled_run_gets_children(self, store: Store) -> None:
        await _parent(store)
        await store.cancel(["p"], act("x"), DEADLINE, children=False)
        await record(store, ends=[run_end("p")])
        await store.retry([Reopening("p", 1, {})], act("y"))

        assert (await submit(store, new_run("c", parent="p"))).owned == {"c"}

    async def test_of_a_cancel_and_a_child_at_once_the_child_is_refused_or_found(
        self, store: Store
    ) -> None:
        await _parent(store)

        async def cancel(number: int) -> None:
            await store.cancel(["p"], act(f"x{number}"), DEADLINE, children=True)

        children = [f"c{number}" for number in range(20)]
        answers = await asyncio.gather(
            *[submit(store, new_run(each, parent="p", owner=None)) for each in children[:10]],
            cancel(1),
            *[submit(store, new_run(each, parent="p", owner=None)) for each in children[10:]],
        )

        refused = {each for one in answers if one is not None for each in one.refused}
        found = {child for _, child in await store.children_under_way(["p"], 100)}
        assert refused | found == set(children)
        assert refused & found == set()

    async def test_who_inserts_without_looking_at_the_parent_leaves_it_to_who_claims(
        self, store: Store
    ) -> None:
        await _parent(store)
        await store.cancel(["p"], act(), DEADLINE, children=True)
        for run_id, detached in (("c", False), ("d", True)):
            run = new_run(run_id, parent="p", key=run_id, owner=None, detached=detached)
            assert await store.insert_when_free(run) == run_id
        await submit(store, new_run("q"), new_run("e", parent="q"))

        assert await store.stopped_with_parents(["c", "d", "e", "q", "none"]) == [
            StoppedWithParent("c", "p", "told to")
        ]
        await record(store, ends=[run_end("p")])
        await store.forget_children(["p"])
        assert await store.stopped_with_parents(["c", "d"]) == [
            StoppedWithParent("c", "p", "told to")
        ]
        acted = await store.cancel(["c"], act("x"), NOW, children=True, parent_id="p")
        assert acted["c"] == (RunStatus.CANCELLED, True)

    async def test_children_that_a_cancel_leaves_alone_are_no_strays(self, store: Store) -> None:
        await _parent(store)
        await submit(store, new_run("c", parent="p", owner=None), new_run("q", owner=None))
        await store.cancel(["p", "q"], act("x"), DEADLINE, children=False)
        await store.insert_when_free(new_run("d", parent="q", key="d", owner=None))

        assert await store.stopped_with_parents(["c", "d"]) == []
        await store.cancel(["p"], act("y"), DEADLINE, children=True)
        assert await store.stopped_with_parents(["c", "d"]) == [
            StoppedWithParent("c", "p", "told to")
        ]
        await store.cancel(["p"], act("z"), DEADLINE, children=False)
        assert await store.stopped_with_parents(["c", "d"]) == [
            StoppedWithParent("c", "p", "told to")
        ]

    async def test_the_next_round_of_a_run_has_no_strays(self, store: Store) -> None:
        await _parent(store)
        await store.cancel(["p"], act("x"), DEADLINE, children=True)
        await record(store, ends=[run_end("p")])
        await store.forget_children(["p"])
        await store.retry([Reopening("p", 1, {})], act("y"))
        await store.insert_when_free(new_run("c", parent="p", key="c", owner=None))

        assert await store.stopped_with_parents(["c"]) == []
        acted = await store.cancel(["c"], act("z"), NOW, children=True, parent_id="p")
        assert acted == {}

    # -- below children that have ended ------------------------------------------------------

    @pytest.mark.parametrize("owner", ["r1", None])
    async def test_a_cancel_goes_through_children_that_have_ended(
        self, store: Store, owner: str | None
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("p", owner=owner))
        await _below(store)

        await store.cancel(["p"], act("x"), DEADLINE, children=True)

        assert await _told(store) == ["p"]
        assert await store.children_under_way(["p"], 9) == []
        found = [("p", "leaf"), ("p", "other")]
        assert await store.descendants_under_way(["p", "none"], 9) == found
        assert await store.descendants_under_way(["p"], 1) == found[:1]
        await store.forget_children(["p"])
        assert await _told(store) == ["p"]
        await store.cancel(["leaf", "other"], act("y"), DEADLINE, children=True, parent_id="p")
        await store.forget_children(["p"])
        assert await store.descendants_under_way(["p"], 9) == []
        assert await _told(store) == []
        assert (await stored(store, "leaf")).status == RunStatus.CANCELLED
        assert (await stored(store, "other")).status == RunStatus.CANCELLING

    async def test_they_follow_the_nearest_that_is_asked_about(self, store: Store) -> None:
        await _parent(store)
        await _below(store)

        found = [("m1", "other"), ("m2", "leaf")]
        assert await store.descendants_under_way(["p", "m1"], 9) == [("m1", "leaf")]
        assert await store.descendants_under_way(["p", "m2"], 9) == [("p", "other")]
        assert await store.children_under_way(["m1", "m2"], 9) == found
        assert await store.descendants_under_way(["live", "apart"], 9) == []

    async def test_no_round_begins_while_runs_below_ended_children_are_to_be_cancelled(
        self, store: Store
    ) -> None:
        await _parent(store)
        await _below(store)
        await store.cancel(["p"], act("x"), DEADLINE, children=True)
        await record(store, ends=[run_end("p")])

        acted = await store.retry([Reopening("p", 1, {})], act("y"))

        assert acted["p"] == (RunStatus.CANCELLED, False)

    async def test_who_comes_below_ended_children_of_a_cancelled_run_is_a_stray(
        self, store: Store
    ) -> None:
        await _parent(store)
        await _below(store)
        await submit(store, new_run("late", parent="m1"), new_run("under", parent="late"))
        await store.cancel(["p"], act(), DEADLINE, children=True)

        assert await store.stopped_with_parents(
            ["leaf", "apart", "of-apart", "of-live", "under"]
        ) == [StoppedWithParent("leaf", "p", "told to")]

    async def test_a_child_that_was_begun_again_keeps_what_it_makes_then(
        self, store: Store
    ) -> None:
        await _parent(store)
        await submit(store, new_run("m", parent="p", owner=None))
        await store.cancel(["p", "m"], act("x"), DEADLINE, children=True)
        await store.retry([Reopening("m", 1, {})], act("y"))
        await store.claim("r1", [WORKFLOW], 1, LATER)
        await submit(store, new_run("c", parent="m", owner=None))
        await record(store, ends=[run_end("m", epoch=(await stored(store, "m")).epoch)])

        assert await store.stopped_with_parents(["c"]) == []

    # -- ends of pauses ----------------------------------------------------------------------

    async def test_a_pause_ends_when_its_time_has_come(self, store: Store) -> None:
        await _parent(store)
        await store.pause(["p"], act("x"), LATER, children=True)

        early = await store.end_pauses(["p"], act("y")._replace(now=LATER - 1))
        acted = await store.end_pauses(["p"], act("z")._replace(now=LATER))

        assert early["p"] == (RunStatus.PAUSED, False)
        assert acted["p"] == (RunStatus.RUNNING, True)

    @pytest.mark.parametrize("until", [None, LATER + 1])
    async def test_a_run_that_was_paused_anew_stays_paused(
        self, store: Store, until: int | None
    ) -> None:
        """Another runner has seen the end of the first pause, and is late."""
        await _parent(store)
        await store.pause(["p"], act("a"), LATER, children=True)
        assert await store.pauses_over(LATER, 9) == ["p"]
        await store.resume(["p"], act("b"))
        await store.pause(["p"], act("c"), until, children=True)

        acted = await store.end_pauses(["p"], act("d")._replace(now=LATER))

        assert acted["p"] == (RunStatus.PAUSED, False)

    async def test_a_workflow_that_was_paused_anew_stays_paused(self, store: Store) -> None:
        await store.pause_workflow(WORKFLOW, act("a"), LATER)
        assert await store.end_pause_of_workflow(WORKFLOW, act("b")._replace(now=NOW)) is False
        assert await store.end_pause_of_workflow(WORKFLOW, act("c")._replace(now=LATER)) is True
        await store.pause_workflow(WORKFLOW, act("d"), None)

        assert await store.end_pause_of_workflow(WORKFLOW, act("e")._replace(now=LATER)) is False
        assert await store.paused_workflows() == {WORKFLOW: None}


async def _told(store: Store) -> list[str]:
    return [each.run_id for each in (await store.news("r1", [WORKFLOW], 9)).parents]


async def _below(store: Store) -> None:
    """Below ``p``: m1 and m2, which have ended, with runs under way, and one that is detached; and
    another tree.
    """
    await submit(store, new_run("m1", parent="p"), new_run("z"))
    await submit(store, new_run("m2", parent="m1"), new_run("other", parent="m1"))
    await submit(
        store,
        new_run("leaf", parent="m2", owner=None),
        new_run("apart", parent="m2", detached=True),
        new_run("over", parent="m2"),
        new_run("of-z", parent="z"),
    )
    await submit(store, new_run("of-apart", parent="apart"), new_run("live", parent="z"))
    await submit(store, new_run("of-live", parent="live"))
    await record(store, ends=[run_end(each) for each in ("m1", "m2", "over", "apart")])


async def _parent(store: Store) -> None:
    """A run ``p`` that a runner ``r1`` owns."""
    await store.register(runner("r1"))
    await submit(store, new_run("p"))
