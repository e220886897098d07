"""Contract for runs with a singleton key: at most one of a key is under way."""

from __future__ import annotations

import asyncio
import json

import pytest

from cloaca_core.assembly.store import Store
from cloaca_core.errors import lost_parent
from cloaca_core.features.singletons.records import Joined, KeyedRun
from cloaca_core.features.steering.records import Reopening
from cloaca_core.run.rows import RunEnd
from cloaca_core.values.states import RunStatus
from cloaca_testing.conformance.commits import claimed, record, stored, submit
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    WORKFLOW,
    act,
    new_run,
    overdue,
    run_end,
    runner,
)

KEY = "customer 7"


class SingletonConformance:
    """Part of ``StoreConformance``."""

    # -- join --------------------------------------------------------------------------------

    async def test_a_run_whose_key_is_free_is_inserted_without_an_owner(self, store: Store) -> None:
        await store.register(runner())

        assert await _join(store, "a") == Joined("a", made=True)

        run = await stored(store, "a")
        assert (run.owner, run.status, run.singleton_key) == (None, RunStatus.PENDING, KEY)
        assert await claimed(store) == ["a"]
        assert (await stored(store, "a")).singleton_key == KEY

    async def test_a_run_that_does_not_queue_finds_the_run_under_way(self, store: Store) -> None:
        await store.register(runner())
        await _join(store, "a")
        await claimed(store)

        assert await _join(store, "b") == Joined("a", made=False, status=RunStatus.RUNNING)

        assert await store.get_run("b") is None

    async def test_keys_of_other_workflows_and_other_keys_are_free(self, store: Store) -> None:
        await _join(store, "a")

        other = new_run("b", owner=None, workflow="public::embedded::other")
        assert (await store.join(other, KEY, queues=False)).made
        assert (await store.join(new_run("c", owner=None), "customer 8", queues=False)).made

    async def test_sent_again_it_changes_nothing(self, store: Store) -> None:
        await _queue(store, "a", "b")

        assert await _join(store, "b", queues=True) == Joined("b", made=True)
        assert await _join(store, "a") == Joined("a", made=True)

        assert await claimed(store) == ["a"]
        await record(store, ends=[_end("a")])
        assert await claimed(store) == ["b"]

    async def test_a_run_with_the_idempotency_key_comes_first(self, store: Store) -> None:
        await submit(store, new_run("a", owner=None, key="k"))
        await _join(store, "b")

        keyed = new_run("c", owner=None, key="k")
        assert await store.join(keyed, KEY, queues=True) == Joined("a", made=False)
        assert await store.replace(keyed, KEY, act("x"), LATER) == Joined("a", made=False)

        assert (await stored(store, "b")).ended_at is None

    async def test_a_run_whose_parent_is_gone_is_not_inserted(self, store: Store) -> None:
        child = new_run("c", owner=None, parent="gone")

        with pytest.raises(type(lost_parent("gone"))):
            await store.join(child, KEY, queues=True)

    # -- queue -------------------------------------------------------------------------------

    async def test_runs_of_a_key_start_one_after_the_other(self, store: Store) -> None:
        await _queue(store, "a", "b", "c")

        for run_id in ("a", "b", "c"):
            assert await claimed(store) == [run_id]
            assert not await store.has_claimable("r1", [WORKFLOW])
            await record(store, ends=[_end(run_id)])

        assert await claimed(store) == []

    async def test_a_run_whose_clock_is_behind_waits_all_the_same(self, store: Store) -> None:
        await store.register(runner())
        await _join(store, "b")

        early = new_run("a", owner=None, created_at=NOW - 100)
        await store.join(early, KEY, queues=True)

        assert (await stored(store, "a")).created_at == NOW + 1
        assert await claimed(store) == ["b"]
        await record(store, ends=[_end("b")])
        assert await claimed(store) == ["a"]

    async def test_a_cancelled_run_in_the_row_lets_nobody_pass_the_first(
        self, store: Store
    ) -> None:
        await _queue(store, "a", "b", "c")
        assert await claimed(store) == ["a"]

        await store.cancel(["b"], act("x"), LATER, children=True)

        assert await claimed(store) == []
        await record(store, ends=[_end("a")])
        assert await claimed(store) == ["c"]

    async def test_ends_of_several_at_once_let_one_start(self, store: Store) -> None:
        await _queue(store, "a", "b", "c", "d")

        await store.cancel(["a", "c"], act("x"), LATER, children=True)

        assert await claimed(store) == ["b"]
        await record(store, ends=[_end("b")])
        assert await claimed(store) == ["d"]

    async def test_the_end_of_a_run_whose_owner_gives_it_up_lets_the_next_one_start(
        self, store: Store
    ) -> None:
        await _queue(store, "a", "b")
        await claimed(store)
        await store.cancel(["a"], act("x"), LATER, children=True)
        assert await claimed(store) == []

        await store.release("r1", [])

        assert (await stored(store, "a")).status == RunStatus.CANCELLED
        assert await claimed(store) == ["b"]

    async def test_a_run_that_does_not_begin_in_time_lets_the_next_one_start(
        self, store: Store
    ) -> None:
        await store.register(runner())
        await store.join(overdue("a"), KEY, queues=True)
        await _join(store, "b", queues=True)

        await store.expire(["a"], act("x", now=LATER))

        assert await claimed(store) == ["b"]

    async def test_concurrent_runs_of_a_key_are_one(self, store: Store) -> None:
        joined = await asyncio.gather(*[_join(store, f"r{n}") for n in range(8)])

        assert len({each.run_id for each in joined}) == 1
        assert [each.made for each in joined].count(True) == 1

    async def test_a_run_that_queues_while_the_one_before_it_ends_starts(
        self, store: Store
    ) -> None:
        await _queue(store, "a")
        for before, after in zip("abcdef", "bcdefg", strict=True):
            assert await claimed(store) == [before]

            await asyncio.gather(
                _join(store, after, queues=True), record(store, ends=[_end(before)])
            )

        assert await claimed(store) == ["g"]

    # -- replace -----------------------------------------------------------------------------

    async def test_a_run_takes_the_place_of_those_that_have_not_begun(self, store: Store) -> None:
        await _queue(store, "a", "b")

        new = new_run("c", owner=None)
        assert await store.replace(new, KEY, act("x"), LATER) == Joined("c", made=True)

        states = [(await stored(store, run_id)).status for run_id in "ab"]
        assert states == [RunStatus.CANCELLED, RunStatus.CANCELLED]
        assert await claimed(store) == ["c"]

    async def test_a_run_waits_until_the_one_in_whose_place_it_is_has_ended(
        self, store: Store
    ) -> None:
        await _queue(store, "a")
        await claimed(store)

        assert (await store.replace(new_run("b", owner=None), KEY, act("x"), LATER)).made

        assert (await stored(store, "a")).status == RunStatus.CANCELLING
        assert [each.kind for each in await store.acts("a", 9)] == ["cancel"]
        assert await claimed(store) == []
        await record(store, ends=[_end("a")])
        assert (await stored(store, "a")).status == RunStatus.CANCELLED
        assert await claimed(store) == ["b"]

    async def test_nothing_is_cancelled_where_nothing_is_in_the_way(self, store: Store) -> None:
        await store.register(runner())

        new = new_run("a", owner=None)
        assert await store.replace(new, KEY, act("x"), LATER) == Joined("a", made=True)
        assert await store.replace(new, KEY, act("x"), LATER) == Joined("a", made=True)

        assert await claimed(store) == ["a"]

    async def test_of_runs_that_take_one_place_at_once_one_is_left(self, store: Store) -> None:
        await _queue(store, "a")

        joined = await asyncio.gather(
            *[
                store.replace(new_run(f"r{n}", owner=None), KEY, act(f"x{n}"), LATER)
                for n in range(5)
            ]
        )

        assert [each.made for each in joined] == [True] * 5
        ended = [
            (await stored(store, each)).ended_at for each in ("a", "r0", "r1", "r2", "r3", "r4")
        ]
        assert ended.count(None) == 1

    async def test_a_run_that_takes_a_place_and_is_sent_again_spares_runs_behind_it(
        self, store: Store
    ) -> None:
        await _queue(store, "a")
        await claimed(store)
        new = new_run("b", owner=None)
        await store.replace(new, KEY, act("x"), LATER)
        await _join(store, "c", queues=True)

        assert await store.replace(new, KEY, act("y"), LATER) == Joined("b", made=True)

        assert [(await stored(store, run_id)).ended_at for run_id in "bc"] == [None, None]
        await record(store, ends=[_end("a")])
        assert await claimed(store) == ["b"]

    # -- retry -------------------------------------------------------------------------------

    async def test_a_run_begins_again_only_while_its_key_is_free(self, store: Store) -> None:
        await _queue(store, "a")
        await claimed(store)
        await record(store, ends=[_end("a", RunStatus.FAILED)])
        await _join(store, "b")
        again = Reopening("a", 1, {}, None)

        assert await store.keyed_runs(["a", "b"]) == [
            KeyedRun("a", WORKFLOW, KEY, "b", RunStatus.PENDING),
            KeyedRun("b", WORKFLOW, KEY, None, None),
        ]
        assert not (await store.retry([again], act("x")))["a"].changed
        await store.cancel(["b"], act("y"), LATER, children=True)
        assert (await store.retry([again], act("z")))["a"].changed

        assert await _join(store, "c") == Joined("a", made=False, status=RunStatus.PENDING)


async def _join(store: Store, run_id: str, *, queues: bool = False) -> Joined:
    return await store.join(new_run(run_id, owner=None), KEY, queues=queues)


async def _queue(store: Store, *run_ids: str) -> None:
    await store.register(runner())
    for run_id in run_ids:
        await _join(store, run_id, queues=True)


def _end(run_id: str, status: str = RunStatus.COMPLETED) -> RunEnd:
    return run_end(run_id, status=status)._replace(singleton=json.dumps([WORKFLOW, KEY]))
