"""Contract of ``release_unserved``, ``released_unserved`` and ``forget_unserved``."""

from __future__ import annotations

import pytest

from cloaca_core.assembly.store import Store
from cloaca_core.features.steering.records import Reopening
from cloaca_core.run.rows import RunRow, Unserved, WaitingRow
from cloaca_core.values.states import RunStatus
from cloaca_testing.conformance.commits import claimed, park, record, stored, submit
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    act,
    attempt,
    new_fork,
    new_run,
    run_end,
    runner,
)

OTHER = "public::embedded::other"


class UnservedConformance:
    """Tests with one open store, which the class that inherits them opens."""

    async def test_a_run_that_is_left_is_as_it_was_before_the_claim(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a", owner=None))
        before = await stored(store, "a")
        assert await claimed(store) == ["a"]

        assert await _leave(store, "a") == {"a"}

        assert await stored(store, "a") == before._replace(epoch=2)

    async def test_one_that_has_begun_keeps_its_start(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await store.release("r1", [])
        before = await stored(store, "a")
        assert await claimed(store) == ["a"]

        await _leave(store, "a", has_begun=1)

        assert await stored(store, "a") == before._replace(epoch=4)
        assert before.started_at == NOW

    async def test_one_whose_time_had_come_is_claimed_as_such_again(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.register(runner("r2"))
        await submit(store, new_run("a"))
        await park(store, "a", NOW + 5)
        await store.make_due_claimable([WORKFLOW], LATER, 1)
        before = await stored(store, "a")
        assert before.came_due == 1
        assert await claimed(store) == ["a"]

        await _leave(store, "a", has_begun=1)

        assert await stored(store, "a") == before._replace(epoch=4)
        (again,) = await store.claim("r2", [WORKFLOW], 1, LATER)
        assert again.came_due == 2

    async def test_its_runner_does_not_claim_it_and_every_other_one_may(self, store: Store) -> None:
        for name in ("r1", "r2"):
            await store.register(runner(name))
        await submit(store, new_run("a", owner=None), new_run("b", owner=None))
        assert await claimed(store, 1) == ["a"]
        await _leave(store, "a")

        assert await claimed(store, 1, aged=1) == ["b"]
        assert not await store.has_claimable("r1", [WORKFLOW])
        assert await claimed(store, aged=1) == []
        assert await store.has_claimable("r2", [WORKFLOW])
        assert await claimed(store, runner_id="r2") == ["a"]
        assert await _leave(store, "a", runner_id="r2") == {"a"}
        assert await claimed(store) == await claimed(store, runner_id="r2") == []

    @pytest.mark.parametrize("workflows", [[WORKFLOW], [OTHER, WORKFLOW]])
    async def test_it_may_be_claimed_again_once_that_is_forgotten(
        self, store: Store, workflows: list[str]
    ) -> None:
        for name in ("r1", "r2"):
            await store.register(runner(name))
        await submit(store, new_run("a", owner=None))
        for name in ("r1", "r2"):
            assert await claimed(store, runner_id=name) == ["a"]
            await _leave(store, "a", runner_id=name)

        await store.forget_unserved("r1", [OTHER])
        assert await claimed(store) == []
        await store.forget_unserved("r1", workflows)

        assert await claimed(store, runner_id="r2") == []
        assert await store.has_claimable("r1", [WORKFLOW])
        assert await claimed(store) == ["a"]

    async def test_runs_that_a_runner_has_left_are_counted_while_they_wait(
        self, store: Store
    ) -> None:
        for name in ("r1", "r2"):
            await store.register(runner(name))
        assert await store.released_unserved("r1") == []
        later = new_run("b", owner=None, created_at=NOW + 1)
        await submit(store, new_run("a", owner=None), later, new_run("c", owner=None))
        assert await claimed(store) == ["a", "b", "c"]
        await _leave(store, "a", "b")

        assert await store.released_unserved("r1") == [
            WaitingRow("task_unserved", WORKFLOW, "a", NOW, 2)
        ]
        assert await store.released_unserved("r2") == []
        assert await claimed(store, 1, runner_id="r2") == ["a"]
        assert [row.first_run for row in await store.released_unserved("r1")] == ["b"]
        await store.pause_workflow(WORKFLOW, act("p"), None)
        assert await store.released_unserved("r1") == []
        await store.resume_workflow(WORKFLOW, act("q"))
        await store.pause(["b"], act("s"), None, children=True)
        assert await store.released_unserved("r1") == []

    async def test_notes_of_runs_that_have_ended_go_when_others_are_left(
        self, store: Store
    ) -> None:
        for name in ("r1", "r2"):
            await store.register(runner(name))
        await submit(store, *[new_run(name, owner=None) for name in "abc"])
        assert await claimed(store, 2) == ["a", "b"]
        await _leave(store, "a", "b")
        assert await claimed(store, 1, runner_id="r2") == ["a"]
        await record(store, ends=[run_end("a", epoch=3)], runner_id="r2")
        assert await _lacking(store, "a") == {"r1": ("gone",)}

        assert await claimed(store) == ["c"]
        await _leave(store, "c")

        found = [await _lacking(store, name) for name in "abc"]
        assert found == [{}, {"r1": ("gone",)}, {"r1": ("gone",)}]

    async def test_leaving_a_run_again_changes_nothing(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a", owner=None))
        assert await claimed(store) == ["a"]
        mine = _unserved(await stored(store, "a"))
        await store.release_unserved("r1", [mine])
        left = await stored(store, "a")

        assert await store.release_unserved("r1", [mine]) == {"a"}
        assert await stored(store, "a") == left

    async def test_a_run_of_another_owner_or_epoch_is_not_left(self, store: Store) -> None:
        for name in ("r1", "r2"):
            await store.register(runner(name))
        await submit(store, new_run("a"), new_run("b"))
        rows = [await stored(store, name) for name in ("a", "b")]

        assert await _leave(store, "a", runner_id="r2") == set()
        later = _unserved(rows[0])._replace(epoch=2)
        unknown = later._replace(run_id="none")
        assert await store.release_unserved("r1", [later, unknown]) == set()
        await store.fence("r1", 0)
        assert await _leave(store, "b") == set()
        assert [await stored(store, name) for name in ("a", "b")] == rows

    async def test_one_that_is_being_cancelled_or_has_ended_stays_as_it_is(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b"))
        await store.cancel(["a"], act(), LATER, children=False)
        await record(store, ends=[run_end("b")])
        rows = [await stored(store, name) for name in ("a", "b")]

        assert await _leave(store, "a", "b") == set()
        assert [await stored(store, name) for name in ("a", "b")] == rows

    async def test_one_that_was_paused_meanwhile_is_paused(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await store.pause(["a"], act(), None, children=False)

        assert await _leave(store, "a") == {"a"}
        row = await stored(store, "a")
        assert (row.owner, row.status) == (None, RunStatus.PAUSED)

    async def test_a_run_that_is_begun_again_may_be_claimed_by_all(self, store: Store) -> None:
        for name in ("r1", "r2"):
            await store.register(runner(name))
        await submit(store, new_run("a", owner=None))
        assert await claimed(store) == ["a"]
        await _leave(store, "a")
        assert await claimed(store, runner_id="r2") == ["a"]
        end = run_end("a", epoch=3, status=RunStatus.FAILED)
        await record(store, ends=[end], runner_id="r2")

        await store.retry([Reopening("a", 9, {}, "other")], act("refused"))
        assert (await stored(store, "a")).version == "0123456789abcdef"
        assert await _lacking(store, "a") == {"r1": ("gone",)}
        await store.retry([Reopening("a", 1, {}, "other")], act("done"))

        assert (await stored(store, "a")).version == "other"
        assert await _lacking(store, "a") == {}
        assert await claimed(store) == ["a"]

    async def test_a_round_keeps_the_version_unless_it_was_planned_by_another(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b"), new_run("c"))
        await store.set_ran_version("r1", ["a", "b", "c"], "y")
        ends = [run_end(name, status=RunStatus.FAILED) for name in ("a", "b", "c")]
        await record(store, ends=ends)
        versions = {"a": "x", "b": None, "c": "y"}

        await store.retry([Reopening(name, 1, {}, each) for name, each in versions.items()], act())

        rows = [await stored(store, name) for name in ("a", "b", "c")]
        found = [(row.version, row.ran_version) for row in rows]
        assert found == [("x", None), ("0123456789abcdef", "y"), ("y", None)]

    async def test_who_has_left_a_run_and_what_they_lack_stands_with_it(self, store: Store) -> None:
        for name in ("r1", "r2"):
            await store.register(runner(name))
        await submit(store, new_run("a"), new_run("b"))
        await record(store, [attempt("a")])
        fork = new_fork("f", kept=["load"])
        await store.fork(fork, act())
        assert await claimed(store) == ["f"]
        await _leave(store, "f", tasks='["gone","lost"]')
        assert await claimed(store, runner_id="r2") == ["f"]
        await _leave(store, "f", runner_id="r2")

        assert await _lacking(store, "f") == {"r1": ("gone", "lost"), "r2": ("gone",)}
        assert await _lacking(store, "b") == {}
        stands = [await store.recorded_run(name, 9) for name in ("a", "f")]
        assert [each and each.holds.forked for each in stands] == [0, 1]

    async def test_the_notes_go_with_their_runner(self, store: Store) -> None:
        for name in ("r1", "r2"):
            await store.register(runner(name))
        await submit(store, new_run("a", owner=None))
        for name in ("r1", "r2"):
            assert await claimed(store, runner_id=name) == ["a"]
            await _leave(store, "a", runner_id=name)

        await store.unregister("r1")
        assert await _lacking(store, "a") == {"r2": ("gone",)}
        await store.fence("r2", 0)
        assert await store.take_over("r2", 9) == 0
        assert await _lacking(store, "a") == {}


async def _leave(
    store: Store,
    *run_ids: str,
    has_begun: int = 0,
    tasks: str = '["gone"]',
    runner_id: str = "r1",
) -> set[str]:
    """Leave runs under the epochs that they have."""
    rows = [await stored(store, run_id) for run_id in run_ids]
    runs = [_unserved(row)._replace(has_begun=has_begun, tasks=tasks) for row in rows]
    return await store.release_unserved(runner_id, runs)


def _unserved(row: RunRow) -> Unserved:
    return Unserved(row.id, row.epoch, '["gone"]', 0)


async def _lacking(store: Store, run_id: str) -> dict[str, tuple[str, ...]]:
    """The runners that have left a run, with the tasks that they lack."""
    stands = await store.recorded_run(run_id, 9)
    assert stands is not None
    return dict(stands.lacking)
