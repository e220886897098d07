"""Contract of searches: runs by any conditions, and counts whose cost is bounded."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from cloaca_core.assembly.store import Store
from cloaca_core.features.search.records import (
    AT_TOP,
    Claimable,
    Condition,
    Counted,
    Failure,
    Kin,
    Link,
    RunSearch,
    WorkflowCounts,
)
from cloaca_core.run.rows import RunRow, WaitingRow
from cloaca_core.values.ids import first_id_of
from cloaca_core.values.states import RunStatus, TaskStatus
from cloaca_testing.conformance.commits import record, submit
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

OTHER = "public::embedded::other"


def no(condition: Condition) -> Condition:
    """The opposite of a condition."""
    return condition._replace(negated=not condition.negated)


FAILED = Condition("status", ("Failed",))
OF_X = Condition("tag", ("x",), key="team")
OF_OTHER = Condition("workflow", (OTHER,))
OF_A = Condition("parent", ("a",))
LOADED = Condition("task", ("load",))
USED_UP = Condition("reason", ("exhausted",))
BROKE = Condition("error", ("IT broke",))
IN_GPU = Condition("queue", ("gpu",))
OF_ACT = Condition("act", ("ann",))
BY_ANN = Condition("by", ("ann@desk",))

MATCHES: list[tuple[tuple[Condition, ...], str]] = [
    ((), "dcba"),
    ((FAILED,), "c"),
    ((no(FAILED),), "dba"),
    ((Condition("status", ("Pending", "Failed", "Running")),), "cba"),
    ((Condition("status", ("Completed",)),), ""),
    ((OF_OTHER,), "cb"),
    ((no(OF_OTHER),), "da"),
    ((Condition("workflow", (OTHER, WORKFLOW)),), "dcba"),
    ((OF_OTHER, no(FAILED)), "b"),
    ((OF_X,), "ca"),
    ((no(OF_X),), "db"),
    ((Condition("tag", ("y", "x"), key="team"),), "dca"),
    ((OF_X, Condition("tag", ("1",), key="tier")), "a"),
    ((OF_X, no(Condition("tag", ("1",), key="tier"))), "c"),
    ((OF_A,), "dc"),
    ((no(OF_A),), "ba"),
    ((AT_TOP,), "ba"),
    ((no(AT_TOP),), "dc"),
    ((AT_TOP, OF_OTHER), "b"),
    ((Condition("parent", ("", "a")),), "dcba"),
    ((OF_A, OF_OTHER), "c"),
    ((LOADED,), "ca"),
    ((no(LOADED),), "db"),
    # a task that was skipped has not begun
    ((Condition("task", ("save",)),), ""),
    ((USED_UP,), "c"),
    ((no(USED_UP),), "dba"),
    ((Condition("reason", ("upstream_failed", "exhausted")),), "c"),
    ((BROKE,), "c"),
    ((no(BROKE),), "dba"),
    ((Condition("error", ("it_broke", "it%")),), ""),
    ((IN_GPU,), "d"),
    ((no(IN_GPU),), "cba"),
    ((Condition("queue", ("gpu", "default")), no(FAILED)), "dba"),
    ((BY_ANN,), "d"),
    ((no(BY_ANN),), "cba"),
    ((BY_ANN, OF_A), "d"),
    ((Condition("by", ("ann",)),), ""),
    ((OF_ACT,), "d"),
    ((no(OF_ACT),), "cba"),
    ((BY_ANN, Condition("act", ("none",))), ""),
    ((Condition("id", ("a", "d")),), "da"),
    ((no(Condition("id", ("a",))),), "dcb"),
    ((Condition("id", ("ab",)),), ""),
]
"""The runs that meet conditions. Nothing is changed, so all are looked for in one database."""
BOUNDS: list[tuple[dict[str, Any], str]] = [
    ({"before": "c"}, "ba"),
    ({"after": "b", "before": "d"}, "cb"),
    ({"since": NOW + 2}, "dc"),
    ({"until": NOW + 2}, "ba"),
    ({"since": NOW + 1, "until": NOW + 2, "after": "a"}, "b"),
]


class SearchConformance:
    """Part of ``StoreConformance``."""

    @pytest.fixture
    async def searched(self, store: Store) -> Store:
        """Runs a to d: b and c are of another workflow, c and d children of a; c has failed, ann
        has cancelled d, which is in the queue gpu; a and c have a tag, and a task of theirs has
        begun. It has used up its attempts, and was begun again in a.
        """
        await store.register(runner("r1"))
        await submit(store, new_run("a", tags='{"team":"x","tier":"1"}'))
        await submit(
            store,
            new_run("b", owner=None, workflow=OTHER, created_at=NOW + 1),
            new_run("c", workflow=OTHER, tags='{"team":"x"}', parent="a", created_at=NOW + 2),
            new_run(
                "d", owner=None, parent="a", created_at=NOW + 3, tags='{"team":"y"}', queue="gpu"
            ),
        )
        skipped = attempt("c", "save", 0, status="Skipped", reason="upstream_failed")
        used_up = [
            attempt(run_id, status=TaskStatus.FAILED, error="bad", reason="exhausted")
            for run_id in "ac"
        ]
        await record(store, [*used_up, attempt("a", number=2), skipped])
        await record(store, ends=[run_end("c", status=RunStatus.FAILED)])
        asked = act("ann", because="no more")._replace(asked_by="ann@desk")
        await store.cancel(["d"], asked, LATER, children=True)
        return store

    async def test_runs_match_that_meet_all_conditions(self, searched: Store) -> None:
        for conditions, expected in MATCHES:
            found = (
                await self._found(searched, RunSearch(conditions)),
                await self._found(searched, RunSearch(conditions, look_at=1)),
                await searched.count_found(RunSearch(conditions)),
            )
            assert found == (expected, expected, Counted(len(expected), None)), conditions

    @pytest.mark.parametrize("conditions", [(), (OF_A,), (OF_OTHER,), (no(FAILED),)])
    async def test_bounds_count_with_every_condition(
        self, searched: Store, conditions: tuple[Condition, ...]
    ) -> None:
        everywhere = await self._found(searched, RunSearch(conditions))
        for bounds, within in BOUNDS:
            bounded = RunSearch(conditions)._replace(**bounds)

            found = await self._found(searched, bounded)

            assert found == "".join(name for name in everywhere if name in within), bounds

    async def test_a_match_is_without_payloads(self, searched: Store) -> None:
        (run,) = (await searched.search(RunSearch((FAILED,)))).rows
        stored = await searched.get_run("c")

        assert stored is not None
        assert run == stored._replace(input="", final_context="")
        assert list(await searched.runs_of(["c", "gone"])) == [run]
        assert [each.id for each in await searched.runs_of("ac")] == ["c", "a"]
        assert await searched.runs_of([]) == []

    async def test_a_run_is_found_with_those_below_it(self, store: Store) -> None:
        await submit(store, new_run("a", owner=None), new_run("other", owner=None))
        kids = [new_run(f"k{n}", owner=None, parent="a", key=f"key {n}") for n in range(3)]
        await submit(store, *kids, new_run("d", owner=None, parent="a", detached=True))
        await submit(store, new_run("l", owner=None, parent="k1"))
        await submit(store, new_run("m", owner=None, parent="l"))
        rows = {row.id: row for row in await store.runs_of(["a", "k0", "k1", "k2", "l", "m"])}

        found = await store.family("a", 2, 9, 9)

        assert list(found.rows) == [rows[name] for name in ("a", "k0", "k1", "k2", "l")]
        assert list(found.children) == await store.children(["a", "k1", "l"])
        assert await store.family("none", 2, 9, 9) == Kin([], [])

    async def test_of_a_large_family_the_nearest_are_found(self, store: Store) -> None:
        await submit(store, new_run("a", owner=None))
        await submit(store, *[new_run(f"k{n}", owner=None, parent="a") for n in range(3)])
        await submit(store, new_run("l", owner=None, parent="k0"))

        alone, some = await store.family("a", 0, 9, 2), await store.family("a", 1, 3, 9)

        assert [row.id for row in alone.rows] == ["a"]
        assert [each.id for each in alone.children] == ["k0", "k1"]
        assert [row.id for row in some.rows] == ["a", "k0", "k1"]
        assert [each.id for each in some.children] == ["k0", "k1", "k2", "l"]

    async def test_a_run_and_those_below_it_are_read_with_their_links(self, store: Store) -> None:
        await submit(store, new_run("a", owner=None), new_run("other", owner=None))
        kids = [new_run(f"k{n}", owner=None, parent="a", key=f"a::load::{n}") for n in range(3)]
        await submit(store, *kids, new_run("d", owner=None, parent="a", detached=True))
        await submit(store, new_run("l", owner=None, parent="k1", key="mine"))

        rows = await store.runs_below("a", 9, 4)

        assert [row.id for row in rows] == ["a", "k0", "k1", "k2"]
        assert [row.id for row in await store.runs_below("k1", 9, 9)] == ["k1", "l"]
        assert await store.runs_below("none", 9, 9) == []
        assert await store.links(["k1", "l", "gone", "a"], 2) == [
            Link("a", None, 2),
            Link("k1", "a::load::1", 1),
            Link("l", "mine", 0),
        ]
        assert await store.links([], 2) == []

    async def test_a_detached_run_is_at_the_top(self, store: Store) -> None:
        await submit(store, new_run("a", owner=None))
        await submit(store, new_run("b", owner=None, parent="a"))
        await submit(store, new_run("c", owner=None, parent="a", detached=True))

        assert await self._found(store, RunSearch((AT_TOP,))) == "ca"
        assert await self._found(store, RunSearch((no(AT_TOP),))) == "b"
        assert await self._found(store, RunSearch((OF_A,))) == "cb"

    async def test_several_looks_can_be_one_transaction(self, searched: Store) -> None:
        store = searched.together()

        runs, found, number, attempts = await asyncio.gather(
            store.runs_of("ac"),
            store.search(RunSearch()),
            store.count_owned(["none"], 9),
            store.load_attempts([]),
        )

        assert runs == await searched.runs_of("ac")
        assert found == await searched.search(RunSearch())
        assert (number, attempts) == ([0], [])

    async def test_who_has_acted_is_found_by_the_name_before_the_host(self, store: Store) -> None:
        await submit(store, *[new_run(name, owner=None) for name in "abcd"])
        people = ("ann@desk", "ann@den", "anna@desk", "ann")
        for name, who in zip("abcd", people, strict=True):
            asked = act(name)._replace(asked_by=who)
            await store.pause([name], asked, None, children=False)

        assert await store.actors(["ann"]) == ["ann", "ann@den", "ann@desk"]
        assert await store.actors(["anna", "ann@den"]) == ["ann@den", "anna@desk"]
        assert await store.actors(["an", "ann@d"]) == []

    async def test_runs_are_counted_by_state_up_to_a_number(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.register(runner("r2"))
        await submit(store, *[new_run(name) for name in "abc"])
        await submit(store, *[new_run(name, owner=None) for name in "de"])
        await store.pause(["d"], act("p"), None, children=False)
        await record(store, ends=[run_end("a")])

        assert await store.count_under_way(9) == {"Running": 2, "Pending": 1, "Paused": 1}
        assert await store.count_under_way(1) == {"Running": 1, "Pending": 1, "Paused": 1}
        assert await store.count_owned(["r2", "r1"], 9) == [0, 2]
        assert await store.count_owned(["r1"], 1) == [1]
        assert await store.count_owned([], 1) == []

    async def test_the_newest_runs_of_workflows_are_counted(self, searched: Store) -> None:
        everything = await searched.count_of_workflows([OTHER, WORKFLOW, "none"], 9)

        assert everything == [
            WorkflowCounts(OTHER, {"Failed": 1, "Pending": 1}, "c"),
            WorkflowCounts(WORKFLOW, {"Cancelled": 1, "Running": 1}, "d"),
            WorkflowCounts("none", {}, None),
        ]
        (one,) = await searched.count_of_workflows([OTHER], 1)
        assert one == WorkflowCounts(OTHER, {"Failed": 1}, "c")
        assert await searched.count_of_workflows([], 1) == []

    async def test_runs_are_counted_by_when_they_were_made(self, store: Store) -> None:
        edges = [first_id_of(second * 1_000_000) for second in (1, 2, 3)]
        made = [first_id_of(int(at * 1_000_000)) + "-7" for at in (0.9, 1, 1.5, 1.999, 2, 3)]
        await submit(store, *[new_run(name, owner=None) for name in made])
        await submit(store, new_run(edges[1] + "-8", owner=None, workflow=OTHER))

        everything = await store.count_made([OTHER, WORKFLOW, "none"], edges, 9)

        assert everything == [[0, 1], [3, 1], [0, 0]]
        assert await store.count_made([WORKFLOW], edges, 2) == [[2, 1]]
        assert await store.count_made([], edges, 2) == []

    async def test_runs_are_found_from_an_end_on(self, store: Store) -> None:
        """Their creation does not count, and a run that has not ended is not found."""
        await store.register(runner("r1"))
        await submit(store, *[new_run(name) for name in "abcd"])
        for name, at in (("a", NOW + 3), ("b", NOW + 1), ("c", NOW + 2)):
            await record(store, ends=[run_end(name)._replace(ended_at=at)])

        for since, expected in ((NOW + 2, "ca"), (NOW + 3, "a"), (NOW + 4, "")):
            assert await self._found(store, RunSearch(ended_since=since)) == expected
            counted = await store.count_found(RunSearch(ended_since=since))
            assert counted.number == len(expected)

    async def test_failed_runs_are_found_by_their_ends(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, *[new_run(name) for name in "abcd"])
        for name, at in (("a", NOW + 3), ("b", NOW + 2), ("c", NOW + 1)):
            failed = run_end(name, status=RunStatus.FAILED)
            await record(store, ends=[failed._replace(ended_at=at)])
        await record(store, ends=[run_end("d")._replace(ended_at=NOW + 9)])

        assert await store.failed_since(NOW + 2, 9) == ["a", "b"]
        assert await store.failed_since(NOW, 2) == ["a", "b"]
        assert await store.failed_since(NOW + 4, 9) == []
        assert await store.failures_since(NOW + 2, 9) == [
            Failure("a", WORKFLOW, NOW + 3),
            Failure("b", WORKFLOW, NOW + 2),
        ]

    async def test_the_run_that_was_claimable_first_is_found(self, store: Store) -> None:
        """Not one that is held back, nor one of a workflow that is paused."""
        assert await store.longest_claimable() is None
        await submit(
            store,
            new_run("a", owner=None, created_at=NOW + 3),
            new_run("b", owner=None, created_at=NOW + 1, priority=5),
            new_run("c", owner=None, created_at=NOW + 2, workflow=OTHER),
            new_run("d", owner=None, created_at=NOW, due_at=LATER),
        )
        assert await store.longest_claimable() == Claimable("b", NOW + 1)
        await store.pause(["b"], act("p"), None, children=False)
        assert await store.longest_claimable() == Claimable("c", NOW + 2)
        await store.pause_workflow(OTHER, act("q"), None)
        assert await store.longest_claimable() == Claimable("a", NOW + 3)

    async def test_a_run_that_goes_on_may_be_claimed_since_then(self, store: Store) -> None:
        await submit(store, new_run("a", owner=None))
        await store.pause(["a"], act("p"), None, children=False)
        await store.resume(["a"], act("q", now=LATER))

        assert await store.longest_claimable() == Claimable("a", LATER)
        waiting = await store.list_waiting("me", 9)
        assert waiting.rows == [WaitingRow("run", WORKFLOW, "a", LATER, 1)]

    async def test_a_run_that_was_given_back_keeps_its_place(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(
            store,
            new_run("a", owner=None, created_at=NOW),
            new_run("b", owner=None, created_at=NOW + 1),
        )
        assert [run.id for run in await store.claim("r1", [WORKFLOW], 1, LATER, 1)] == ["a"]

        await store.release("r1", [])

        assert await store.longest_claimable() == Claimable("a", NOW)

    async def _found(self, store: Store, wanted: RunSearch) -> str:
        """The ids of all pages, one after the other."""
        runs: list[RunRow] = []
        while True:
            found = await store.search(wanted)
            runs += found.rows
            if found.reached is None:
                return "".join([run.id for run in runs])
            wanted = wanted._replace(before=found.reached)
