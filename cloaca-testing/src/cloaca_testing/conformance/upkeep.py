"""Contract for deleting runs: whole trees go or stay, and nothing that is under way is touched."""

from __future__ import annotations

import pytest

from cloaca_core.assembly.store import Store
from cloaca_core.errors import RunNotFoundError
from cloaca_core.features.steering.records import ActSearch, Reopening
from cloaca_core.features.upkeep.records import KeptWorkflow, Shift, Upkeep, Weight
from cloaca_core.run.rows import Unserved
from cloaca_core.store.runner_rows import KEPT_LOST, RunnerName
from cloaca_core.values.definition_rows import DefinitionRow
from cloaca_core.values.states import RunStatus
from cloaca_testing.conformance.commits import (
    back_fill,
    claimed,
    fire,
    fire_events,
    record,
    stored,
    submit,
)
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    act,
    any_run,
    attempt,
    new_event,
    new_fork,
    new_run,
    new_tick,
    run_end,
    runner,
    schedule,
    trigger_row,
)

SHIFT = Shift("h", LATER)
AFTER = NOW + 10
"""Just after the end of runs."""
FAR = 2**61
_MOST = "~"
"""Above every id."""


async def ended_tree(store: Store, *names: str, detached: bool = False) -> None:
    """A run, and others of which each was submitted by the one before; all have ended."""
    await store.register(runner("r1"))
    parent = None
    for name in names:
        await submit(store, new_run(name, parent=parent, detached=detached))
        parent = name
    await record(store, [attempt(name) for name in names], [run_end(name) for name in names])


async def expired(store: Store, *, before: int = AFTER, after: str = "") -> str:
    """The roots of trees that may go."""
    return "".join(await store.expired_trees(WORKFLOW, before, after, _MOST, 9))


async def begin(store: Store) -> None:
    """Begin to prune."""
    assert await store.take_upkeep(SHIFT, NOW, FAR, FAR)


async def erase_all(store: Store, *roots: str, before: int = AFTER) -> list[list[str]]:
    """Hide trees and delete them; which runs went together."""
    await begin(store)
    assert await store.hide_trees(SHIFT, roots, before, LATER) == len(roots)
    went = []
    while doomed := await store.doomed_runs(9, 9):
        ids = sorted(each.run_id for each in doomed)
        went.append(ids)
        assert await store.erase_runs(SHIFT, ids) is not None
    return went


async def seen(store: Store) -> str:
    """The runs that are listed."""
    return "".join(sorted(run.id for run in await store.list_runs(any_run())))


class UpkeepConformance:
    """Part of ``StoreConformance``."""

    # -- shifts ------------------------------------------------------------------------------

    async def test_a_new_database_deletes_what_is_old(self, store: Store) -> None:
        assert await store.upkeep() == Upkeep(keeps_all=False, due_at=0)

    async def test_one_holder_prunes_at_a_time(self, store: Store) -> None:
        assert await store.take_upkeep(Shift("a", NOW + 5), NOW, NOW, FAR)
        assert not await store.take_upkeep(Shift("b", NOW + 9), NOW + 4, NOW, FAR)
        assert await store.take_upkeep(Shift("a", NOW + 6), NOW + 4, NOW, FAR)
        assert not await store.take_upkeep(Shift("b", NOW + 9), NOW + 5, NOW, FAR)

    async def test_a_shift_that_was_not_renewed_ends(self, store: Store) -> None:
        await ended_tree(store, "a")
        assert await store.take_upkeep(Shift("a", NOW + 5), NOW, NOW, FAR)
        assert await store.take_upkeep(Shift("b", NOW + 9), NOW + 5, NOW, FAR)

        assert await store.hide_trees(Shift("a", FAR), ["a"], AFTER, LATER) is None
        assert await store.erase_runs(Shift("a", FAR), ["a"]) is None
        assert await store.trim_run(Shift("a", FAR), "a", 9) is None
        assert await store.erase_ticks(Shift("a", FAR), "s", AFTER, 9) is None
        await store.leave_upkeep("a", NOW + 99)
        assert (await store.upkeep()).due_at == 0
        assert await seen(store) == "a"

    async def test_each_step_renews_the_shift(self, store: Store) -> None:
        assert await store.take_upkeep(Shift("a", NOW + 5), NOW, NOW, FAR)
        assert await store.hide_trees(Shift("a", NOW + 9), [], AFTER, LATER) == 0

        assert not await store.take_upkeep(Shift("b", NOW + 9), NOW + 8, NOW, FAR)
        assert await store.take_upkeep(Shift("b", NOW + 19), NOW + 9, NOW, FAR)

    async def test_pruning_is_done_when_it_is_due(self, store: Store) -> None:
        await begin(store)
        await store.leave_upkeep("h", NOW + 50)

        assert await store.upkeep() == Upkeep(keeps_all=False, due_at=NOW + 50)
        assert not await store.take_upkeep(SHIFT, NOW, NOW + 49, FAR)
        assert await store.take_upkeep(SHIFT, NOW, NOW + 50, FAR)

    async def test_instants_from_before_the_clock_was_set_back_are_past(self, store: Store) -> None:
        assert await store.take_upkeep(Shift("a", NOW + 50), NOW, NOW, FAR)
        assert not await store.take_upkeep(SHIFT, NOW, NOW, NOW + 50)
        assert await store.take_upkeep(SHIFT, NOW, NOW, NOW + 49)
        await store.leave_upkeep("h", NOW + 50)

        assert await store.take_upkeep(SHIFT, NOW, NOW, NOW + 49)

    # -- which trees -------------------------------------------------------------------------

    async def test_trees_go_all_of_whose_runs_ended_before(self, store: Store) -> None:
        await ended_tree(store, "a")
        await ended_tree(store, "b", "c", "d")
        await submit(store, new_run("e"), new_run("f", owner=None))

        assert await expired(store) == "ab"
        assert await expired(store, before=NOW + 9) == ""
        assert await expired(store, after="a") == "b"
        assert await store.expired_trees(WORKFLOW, AFTER, "", "b", 9) == ["a"]
        assert await store.expired_trees(WORKFLOW, AFTER, "", _MOST, 1) == ["a"]
        assert await store.expired_trees("other", AFTER, "", _MOST, 9) == []

    async def test_a_tree_stays_while_a_run_of_it_is_under_way(self, store: Store) -> None:
        await ended_tree(store, "a", "b")
        await submit(store, new_run("c", parent="b", owner=None))

        assert await expired(store) == ""
        await begin(store)
        assert await store.hide_trees(SHIFT, ["a", "b", "c"], AFTER, LATER) == 0

    async def test_a_detached_run_is_the_root_of_a_tree(self, store: Store) -> None:
        await ended_tree(store, "a", "b", detached=True)
        await submit(store, new_run("c", parent="b"))

        assert await expired(store) == "a"
        await record(store, ends=[run_end("c")])
        assert await expired(store) == "ab"

    async def test_a_run_that_was_begun_again_stays(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await record(store, ends=[run_end("a", status=RunStatus.FAILED)])
        await begin(store)
        assert await store.retry([Reopening("a", 1, {})], act())

        assert await store.hide_trees(SHIFT, ["a"], AFTER, LATER) == 0
        assert await seen(store) == "a"

    async def test_trees_are_weighed_with_all_their_rows(self, store: Store) -> None:
        await ended_tree(store, "a", "b")
        await submit(store, new_run("c", tags='{"x":"1","y":"2"}'))
        await record(store, ends=[run_end("c", status=RunStatus.FAILED)])
        await store.retry([Reopening("c", 1, {"load": 2})], act())
        assert await claimed(store) == ["c"]
        left = Unserved("c", (await stored(store, "c")).epoch, "[]", 0)
        await store.release_unserved("r1", [left])

        assert await store.weigh_trees(["a"]) == Weight(2, 4)
        assert await store.weigh_trees(["c"]) == Weight(1, 7)
        assert await store.weigh_trees(["a", "c"]) == Weight(3, 11)
        assert await store.weigh_trees(["gone"]) == Weight(0, 0)

    async def test_workflows_are_listed_with_their_retention(self, store: Store) -> None:
        row = DefinitionRow("w", "1", "w", "{}", NOW, 7)
        await submit(store, *[new_run(name, workflow=name) for name in ("v", "w", "x")])
        await store.put_schedule(schedule(workflow="y"))
        await store.record_definitions([row, row._replace(workflow="x", retention=-1)])

        assert await store.kept_workflows() == [
            KeptWorkflow("v", None),
            KeptWorkflow("w", 7),
            KeptWorkflow("x", -1),
            KeptWorkflow("y", None),
        ]
        await store.record_definitions([row._replace(retention=None)])
        assert KeptWorkflow("w", None) in await store.kept_workflows()

    # -- hidden trees ------------------------------------------------------------------------

    async def test_a_hidden_tree_is_in_no_listing(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a", tags='{"t":"1"}'))
        await submit(store, new_run("b", parent="a"), new_run("z"))
        await record(store, [attempt("a")], [run_end("a"), run_end("b"), run_end("z")])
        await store.cancel(["a", "z"], act(), LATER, children=False)
        await begin(store)

        assert await store.hide_trees(SHIFT, ["a"], AFTER, LATER) == 1

        assert [await store.get_run(name) is None for name in "abz"] == [True, True, False]
        for wanted in (
            any_run(),
            any_run(status=RunStatus.COMPLETED),
            any_run(workflow=WORKFLOW),
        ):
            assert [run.id for run in await store.list_runs(wanted)] == ["z"]
            assert await store.count_runs(wanted) == 1
        assert await store.list_runs(any_run(tags=(("t", "1"),))) == []
        assert await store.list_runs(any_run(parent_id="a")) == []
        assert await store.children(["a"]) == []
        for search in (ActSearch(), ActSearch(by="ann"), ActSearch(kinds=["cancel"])):
            assert [row.run_id for row in await store.search_acts(search, 9)] == ["z"]
        assert await store.search_acts(ActSearch(run_id="a"), 9) == []

    async def test_a_tree_is_hidden_once(self, store: Store) -> None:
        await ended_tree(store, "a")
        await begin(store)

        assert await store.hide_trees(SHIFT, ["a"], AFTER, LATER) == 1
        assert await store.hide_trees(SHIFT, ["a"], AFTER, LATER) == 0
        assert await expired(store) == ""

    async def test_nothing_is_done_to_a_hidden_run(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await submit(store, new_run("b", parent="a"))
        ends = [run_end(name, status=RunStatus.FAILED) for name in "ab"]
        await record(store, ends=ends)
        await begin(store)
        await store.hide_trees(SHIFT, ["a"], AFTER, LATER)

        for name in "ab":
            assert await store.retry([Reopening(name, 1, {})], act(name)) == {}
            assert await store.fork(new_fork("f", name, from_task="load"), act(name)) is None
        assert await store.fork(new_fork("f", "a", key="k", from_task="load"), act("k")) is None
        assert await store.cancel(["a", "b"], act("1"), LATER, children=True) == {}
        assert await store.pause(["a", "b"], act("2"), None, children=True) == {}
        assert await store.resume(["a", "b"], act("3")) == {}
        assert await store.acts(None, 9) == []
        assert await seen(store) == ""

    async def test_a_run_of_a_hidden_parent_is_not_inserted(self, store: Store) -> None:
        await ended_tree(store, "a", "b")
        await begin(store)
        await store.hide_trees(SHIFT, ["a"], AFTER, LATER)
        lost = [new_run("c", parent="a"), new_run("d", parent="b", key="b::load::1")]

        committed = await submit(store, *lost, new_run("e", parent="b", detached=True))

        assert (committed.orphans, committed.held) == (frozenset("cd"), frozenset())
        assert (committed.owned, committed.existing) == (frozenset("e"), {})
        assert await seen(store) == "e"
        with pytest.raises(RunNotFoundError):
            await store.insert_when_free(new_run("x", parent="b", key="k"))

    async def test_a_run_of_a_parent_that_is_gone_is_not_inserted(self, store: Store) -> None:
        await ended_tree(store, "a")
        await erase_all(store, "a")

        assert (await submit(store, new_run("c", parent="a"))).orphans == {"c"}
        assert await seen(store) == ""

    async def test_the_key_of_a_hidden_run_is_free(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a", key="k"))
        await record(store, ends=[run_end("a")])
        await begin(store)
        await store.hide_trees(SHIFT, ["a"], AFTER, LATER)

        committed = await submit(store, new_run("b", key="k"))
        assert committed.existing == {}
        if committed.held:
            assert await store.insert_when_free(new_run("b", key="k")) == "b"

        assert (await submit(store, new_run("c", key="k"))).existing == {"c": "b"}
        assert [each.run_id for each in await store.doomed_runs(9, 9)] == ["a"]
        assert await store.erase_runs(SHIFT, ["a"]) == 1
        assert await seen(store) == "b"

    async def test_a_fork_may_take_the_key_of_a_hidden_run(self, store: Store) -> None:
        await ended_tree(store, "z")
        await submit(store, new_run("a", key="k"))
        await record(store, ends=[run_end("a")])
        await begin(store)
        await store.hide_trees(SHIFT, ["a"], AFTER, LATER)

        assert await store.fork(new_fork("f", "z", key="k", from_task="load"), act()) == "f"

    # -- deletion ----------------------------------------------------------------------------

    async def test_the_root_of_a_tree_goes_last(self, store: Store) -> None:
        await ended_tree(store, "a", "b", "c")
        await ended_tree(store, "d")

        assert await erase_all(store, "a", "d") == [["b", "c", "d"], ["a"]]
        assert await store.load_attempts(["a", "b", "c", "d"]) == []

    async def test_all_rows_of_runs_are_deleted(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a", tags='{"t":"1"}'), new_run("b"))
        await record(store, [attempt("a"), attempt("b")], [run_end("b")])
        await record(store, ends=[run_end("a", status=RunStatus.FAILED)])
        await store.retry([Reopening("a", 1, {"load": 2})], act("x"))
        await store.pause(["a"], act("y"), None, children=False)
        await store.resume(["a"], act("z"), '{"amount":2}')
        await store.register(runner("r2"))
        assert await claimed(store, runner_id="r2") == ["a"]
        left = Unserved("a", (await stored(store, "a")).epoch, "[]", 0)
        assert await store.release_unserved("r2", [left]) == {"a"}
        assert await claimed(store) == ["a"]
        epoch = (await stored(store, "a")).epoch
        await record(store, [attempt("a", number=2, epoch=epoch)], [run_end("a", epoch=epoch)])
        await begin(store)
        await store.hide_trees(SHIFT, ["a"], AFTER, LATER)
        (doomed,) = await store.doomed_runs(9, 9)

        assert (doomed.run_id, doomed.rows) == ("a", 11)
        assert await store.erase_runs(SHIFT, ["a"]) == 11
        assert await store.doomed_runs(9, 9) == []
        assert await store.load_attempts(["a", "b"]) == [attempt("b")]
        assert await store.rounds("a") == []
        assert await store.restarts(["a"]) == []
        assert await store.replacements(["a"]) == []
        assert await store.acts(None, 9) == []
        assert await store.acts("a", 9) == []
        assert await seen(store) == "b"

    async def test_names_of_runners_are_kept_while_a_run_may_name_them(self, store: Store) -> None:
        names = [RunnerName(number, f"r{number}", "web", 17) for number in (1, 2)]
        for name in names:
            await store.register(runner(name.id), name)
        await submit(store, new_run("b"), new_run("d", owner=None, created_at=NOW + 31))
        await record(store, [attempt("b")], [run_end("b")])
        await store.unregister("r1")
        await begin(store)

        # the first call finds that r1 is gone
        assert [await store.erase_names(SHIFT, NOW + now, 0) for now in (20, 90)] == [0, 0]
        await store.hide_trees(SHIFT, ["b"], AFTER, LATER)
        assert await store.erase_names(SHIFT, NOW + 91, 0) == 0
        await store.erase_runs(SHIFT, ["b"])
        assert await store.erase_names(SHIFT, NOW + 92, 11) == 0  # clocks may be so far apart
        assert await store.runner_names([1, 2]) == names
        assert await store.erase_names(SHIFT, NOW + 93, 10) == 1
        assert await store.runner_names([1, 2]) == names[1:]
        assert await store.erase_names(Shift("none", FAR), NOW + 94, 0) is None

    async def test_a_lost_runner_is_forgotten_after_its_time(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.fence("r1", 0)
        await store.take_over("r1", 9)
        (lost,) = await store.lost_runners(0, 9)
        await begin(store)

        end = lost.lost_at + KEPT_LOST
        assert await store.erase_names(SHIFT, end, 0) is not None
        assert await store.lost_runners(0, 9) == [lost]
        assert await store.erase_names(Shift("none", FAR), end + 1, 0) is None
        assert await store.lost_runners(0, 9) == [lost]
        assert await store.erase_names(SHIFT, end + 1, 0) is not None
        assert await store.lost_runners(0, 9) == []

    async def test_a_long_input_is_hidden_and_deleted_with_its_run(self, store: Store) -> None:
        await store.register(runner("r1"))
        long = '{"text":"' + 9_000 * "x" + '"}'
        await submit(store, new_run("a")._replace(input=long))
        await record(store, ends=[run_end("a", final_context=long)])

        await erase_all(store, "a")
        await submit(store, new_run("a"))

        run = await store.get_run("a")
        assert run is not None
        assert run.input == '{"amount":1}'

    async def test_what_a_fork_has_is_its_own(self, store: Store) -> None:
        await ended_tree(store, "a")
        new = new_fork("f", "a", from_task="load")._replace(kept=["load"], from_task="store")
        assert await store.fork(new, act()) == "f"

        await erase_all(store, "a")

        assert [row.task_id for row in await store.load_attempts(["f"])] == ["load"]
        assert [row.forked_from for row in await store.forks(["f"])] == ["a"]
        assert await store.acts(None, 9) == []

    async def test_a_run_with_many_rows_is_deleted_bit_by_bit(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await record(store, [attempt("a", f"t{n}") for n in range(5)], [run_end("a")])
        await begin(store)
        await store.hide_trees(SHIFT, ["a"], AFTER, LATER)

        rows = [await store.trim_run(SHIFT, "a", 2) for _ in range(4)]

        assert rows == [2, 2, 1, 0]
        assert await store.erase_runs(SHIFT, ["a"]) == 1

    async def test_rows_are_counted_up_to_a_bound(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b"))
        await record(store, [attempt("a", f"t{n}") for n in range(5)], [run_end("a")])
        await record(store, ends=[run_end("b")])
        await begin(store)
        await store.hide_trees(SHIFT, ["a", "b"], AFTER, LATER)

        assert max(each.rows for each in await store.doomed_runs(9, 3)) >= 4
        assert len(await store.doomed_runs(1, 3)) == 1

    async def test_space_is_given_back_until_there_is_none(self, store: Store) -> None:
        assert await store.give_back(1) in (None, 0)

    # -- ticks and events --------------------------------------------------------------------

    async def test_a_tick_is_forgotten_with_its_run_and_never_fires_again(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await store.put_schedule(schedule())
        await fire(store, new_tick("s", "a"))
        assert await claimed(store) == ["a"]
        await record(store, ends=[run_end("a")])

        await erase_all(store, "a")

        assert await store.list_ticks("s", limit=9, offset=0) == []
        row = await store.get_schedule("s")
        assert row is not None
        assert row.pruned_until == NOW
        await back_fill(store, new_tick("s", "b"), new_tick("s", "c", tick=NOW - 1))
        assert await store.find_ticks("s", [NOW - 1, NOW]) == []
        await fire(store, new_tick("s", "d", tick=NOW, generation=row.generation))
        assert await seen(store) == ""
        assert await store.put_schedule(schedule("t")._replace(name=None)) == "t"

    async def test_ticks_after_the_mark_fire(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.put_schedule(schedule())
        await fire(store, new_tick("s", "a"))
        await claimed(store)
        await record(store, ends=[run_end("a")])
        await erase_all(store, "a")

        await back_fill(store, new_tick("s", "b", tick=NOW + 1))

        assert await seen(store) == "b"

    async def test_a_tick_that_was_filled_before_its_time_is_not_forgotten(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await store.put_schedule(schedule())
        await back_fill(store, new_tick("s", "a", tick=NOW + 50))
        await claimed(store)
        await record(store, ends=[run_end("a")])

        await erase_all(store, "a")

        row = await store.get_schedule("s")
        assert row is not None
        assert row.pruned_until is None
        assert [tick.tick for tick in await store.find_ticks("s", [NOW + 50])] == [NOW + 50]

    async def test_old_ticks_without_runs_are_forgotten(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.put_schedule(schedule())
        dropped = [new_tick("s", "", tick=NOW - back)._replace(run_id=None) for back in (5, 4, 3)]
        await fire(store, *dropped, new_tick("s", "a", tick=NOW - 2), lost=7)
        await begin(store)

        assert await store.ticking_schedules(WORKFLOW) == ["s"]
        assert await store.ticking_schedules("other") == []
        assert await store.erase_ticks(SHIFT, "s", NOW, 9) == 0
        assert await store.erase_ticks(SHIFT, "s", NOW + 1, 2) == 3
        row = await store.get_schedule("s")
        assert row is not None
        assert row.pruned_until == NOW - 4
        assert await store.erase_ticks(SHIFT, "s", NOW + 1, 2) == 1
        assert await store.erase_ticks(SHIFT, "s", NOW + 1, 2) == 0
        assert [tick.run_id for tick in await store.list_ticks("s", limit=9, offset=0)] == ["a"]
        assert await store.count_ticks(0) == (1, 0)

    async def test_ticks_of_deleted_schedules_are_forgotten(self, store: Store) -> None:
        await store.register(runner("r1"))
        for name in ("s", "t"):
            await store.put_schedule(schedule(name))
            await fire(store, new_tick(name, f"run {name}"))
        assert await store.deleted_schedules() == []
        await store.delete_schedule("s")
        await claimed(store)
        await record(store, ends=[run_end("run s"), run_end("run t")])

        assert await store.deleted_schedules() == ["s"]
        await erase_all(store, "run s")
        assert await store.deleted_schedules() == []
        assert await store.erase_ticks(SHIFT, "s", AFTER, 9) == 0

    async def test_the_key_of_an_event_outlives_its_run(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.add_trigger(trigger_row())
        await fire_events(store, new_event("a", key="k"), new_event("b", context_hash="i"))
        await claimed(store)
        await record(store, ends=[run_end("a"), run_end("b")])

        await erase_all(store, "a", "b")

        assert await store.known_events("t", ["k"]) == {"k"}
        assert await store.list_events("t", limit=9, offset=0) == []
        await fire_events(store, new_event("c", key="k"), new_event("d", context_hash="i"))
        assert await seen(store) == "d"
