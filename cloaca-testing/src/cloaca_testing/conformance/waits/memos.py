"""Contract of memos: values that bodies keep, while their run is there."""

from __future__ import annotations

import pytest

from cloaca_core.assembly.store import Store
from cloaca_core.errors import StoreDataError
from cloaca_core.features.steering.records import Reopening
from cloaca_core.features.steps.records import MemoRow
from cloaca_core.features.upkeep.records import Shift
from cloaca_core.values.states import TaskStatus
from cloaca_testing.conformance.commits import batch_with, claimed, keep, record, stored, submit
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    act,
    attempt,
    memo,
    new_fork,
    new_run,
    run_end,
    runner,
)


class MemoConformance:
    """Part of ``StoreConformance``."""

    async def test_memos_of_a_task_are_read_by_name_and_number(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b"))
        rows = [memo("a", "é"), memo("a", "Z", 2), memo("a", "Z", 10), memo("a", "a")]
        other = memo("a", task_id="save")

        committed = await keep(store, *rows, other, memo("b"))

        assert committed.current == {"a", "b"}
        in_order = [memo("a", "Z", 2), memo("a", "Z", 10), memo("a", "a"), memo("a", "é")]
        assert await store.memos("a", "load") == in_order
        assert await store.memos("a", "save") == [other]
        assert await store.memos("b", "load") == [memo("b")]
        assert await store.memos("b", "save") == []

    async def test_a_memo_that_is_sent_again_is_there_once(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))

        for _ in range(2):
            assert (await keep(store, memo("a"))).current == {"a"}

        assert await store.memos("a", "load") == [memo("a")]

    async def test_a_memo_stays_as_it_is(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await keep(store, memo("a", attempt=2))

        await keep(store, memo("a", attempt=2, value="2"))
        await keep(store, memo("a", attempt=1, value="2"))

        assert await store.memos("a", "load") == [memo("a", attempt=2)]

    @pytest.mark.parametrize(
        "newer",
        [
            memo("a", value="2", attempt=2),
            memo("a", value="2", input_hash="other"),
            memo("a", value="2", input_hash="other", attempt=3),
        ],
    )
    async def test_a_later_attempt_or_another_input_replaces_it(
        self, store: Store, newer: MemoRow
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await keep(store, memo("a"))

        await keep(store, newer)

        assert await store.memos("a", "load") == [newer]

    async def test_only_the_owner_writes_memos(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.register(runner("r2"))
        await submit(store, new_run("a"), new_run("b"))

        assert (await keep(store, memo("a"), runner_id="r2")).current == frozenset()
        assert (await keep(store, memo("a"), epoch=2)).current == frozenset()
        await store.fence("r1", 0)
        assert (await keep(store, memo("a"))).current == frozenset()

        assert await store.memos("a", "load") == []

    async def test_a_memo_that_cannot_be_stored_fails_its_batch(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))

        with pytest.raises(StoreDataError):
            await keep(store, memo("a", "first"), memo("a", value='"\ud800"'))

        assert await store.memos("a", "load") == []

    async def test_memos_come_with_attempts_and_the_end_of_their_run(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        mark = attempt("a", status=TaskStatus.RUNNING)

        await store.commit(
            batch_with("r1", [], [mark], [run_end("a")], {"a": 1}, memos=[memo("a")]),
        )

        assert await store.load_attempts(["a"]) == [mark]
        assert (await stored(store, "a")).ended_at is not None
        assert await store.memos("a", "load") == [memo("a")]

    async def test_a_long_value_is_kept_whole(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        long = memo("a", value='"' + 100_000 * "x" + '"')

        await keep(store, long)

        assert await store.memos("a", "load") == [long]

    async def test_the_next_owner_and_the_next_round_find_them(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await keep(store, memo("a"))
        await store.release("r1", ())
        assert await claimed(store) == ["a"]
        assert await store.memos("a", "load") == [memo("a")]
        await record(store, ends=[run_end("a", epoch=2, status="Failed")])

        await store.retry([Reopening("a", 1, {"load": 2})], act())

        assert await store.memos("a", "load") == [memo("a")]

    # -- forks -------------------------------------------------------------------------------

    async def test_a_fork_has_the_memos_of_the_tasks_that_it_names(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        rows = [memo("a", attempt=3), memo("a", "tax", attempt=3), memo("a", task_id="ship")]
        await keep(store, *rows)

        for _ in range(2):
            assert await store.fork(new_fork("b", memos_of=["load"]), act()) == "b"

        expected = [memo("b", attempt=0), memo("b", "tax", attempt=0)]
        assert await store.memos("b", "load") == expected
        assert await store.memos("b", "ship") == []
        assert await store.memos("a", "load") == rows[:2]

    async def test_attempts_of_a_fork_replace_what_was_copied(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await keep(store, memo("a", attempt=3))
        await store.fork(new_fork("b", memos_of=["load"]), act())
        await claimed(store)

        await keep(store, memo("b", value="2"), epoch=2)

        assert await store.memos("b", "load") == [memo("b", value="2")]

    # -- deletion ----------------------------------------------------------------------------

    async def test_memos_are_counted_and_deleted_with_their_run(self, store: Store) -> None:
        shift = await _ended_with_memos(store)
        assert (await store.weigh_trees(["a"])).rows == 4
        await store.hide_trees(shift, ["a"], NOW + 10, LATER)

        (doomed,) = await store.doomed_runs(9, 9)

        assert doomed.rows == 4
        assert await store.erase_runs(shift, ["a"]) == 4
        assert await store.memos("a", "load") == []
        assert await store.memos("b", "load") == [memo("b")]

    async def test_many_memos_are_deleted_bit_by_bit(self, store: Store) -> None:
        shift = await _ended_with_memos(store)
        await store.hide_trees(shift, ["a"], NOW + 10, LATER)

        assert [await store.trim_run(shift, "a", 2) for _ in range(3)] == [2, 1, 0]

        assert await store.memos("a", "load") == []
        assert await store.memos("b", "load") == [memo("b")]


async def _ended_with_memos(store: Store) -> Shift:
    """A run ``a`` that has ended with three memos, beside ``b``, which goes on with one; who may
    delete them.
    """
    await store.register(runner("r1"))
    await submit(store, new_run("a"), new_run("b"))
    await keep(store, memo("a"), memo("a", number=2), memo("a", task_id="save"), memo("b"))
    await record(store, ends=[run_end("a")])
    shift = Shift("h", LATER)
    assert await store.take_upkeep(shift, NOW, 2**61, 2**61)
    return shift
