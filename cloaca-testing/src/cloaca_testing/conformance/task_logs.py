"""Contract of task logs: lines and progress of bodies, while their run is there."""

from __future__ import annotations

import pytest

from cloaca_core.assembly.store import Store
from cloaca_core.errors import StoreDataError
from cloaca_core.features.steering.records import Reopening
from cloaca_core.features.task_logs.records import ChunkFilter, OldChunk
from cloaca_core.features.upkeep.records import Shift
from cloaca_core.values.states import TaskStatus
from cloaca_testing.conformance.commits import (
    batch_with,
    claimed,
    keep_lines,
    record,
    stored,
    submit,
)
from cloaca_testing.conformance.rows import (
    LATER,
    NOW,
    act,
    attempt,
    chunk,
    new_fork,
    new_run,
    run_end,
    runner,
    told,
)


class TaskLogConformance:
    """Part of ``StoreConformance``."""

    async def test_lines_are_read_in_the_order_of_their_positions(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b"))
        rows = [chunk("a", 10), chunk("a", 2**40), chunk("a", 4)]

        committed = await keep_lines(store, *rows, chunk("b", 5))

        assert committed.current == {"a", "b"}
        assert await store.log_chunks(ChunkFilter("a")) == [rows[2], rows[0], rows[1]]
        assert await store.log_chunks(ChunkFilter("b")) == [chunk("b", 5)]
        assert await store.log_chunks(ChunkFilter("c")) == []

    async def test_lines_are_selected(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        first, other, second = (
            chunk("a", 2),
            chunk("a", 4, task_id="save"),
            chunk("a", 6, attempt=2),
        )
        await keep_lines(store, first, other, second)

        async def found(**wanted: object) -> list[object]:
            return list(await store.log_chunks(ChunkFilter("a", **wanted)))  # type: ignore[arg-type] # a table

        assert await found(task_id="load") == [first, second]
        assert await found(task_id="load", attempt=2) == [second]
        assert await found(attempt=1) == [first, other]
        assert await found(after=2) == [other, second]
        assert await found(after=1) == [first, other, second]
        assert await found(limit=2) == [first, other]
        assert await found(before=7) == [second, other, first]
        assert await found(before=6) == [other, first]
        assert await found(before=7, limit=2) == [second, other]
        assert await found(before=7, after=2, task_id="load") == [second]
        assert await found(before=9, attempt=1, limit=1) == [other]
        assert await found(before=2) == []

    async def test_lines_of_one_item_are_selected(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        rows = [chunk("a", 10 + item, item=item) for item in (-1, 0, 17)]
        await keep_lines(store, *rows)

        for row in rows:
            wanted = ChunkFilter("a", task_id="load", item=row.item)
            assert await store.log_chunks(wanted) == [row]
            assert await store.log_chunks(wanted._replace(before=99)) == [row]

    async def test_a_chunk_that_is_sent_again_is_there_once(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))

        await keep_lines(store, chunk("a"))
        assert (await keep_lines(store, chunk("a", lines="[]"))).current == {"a"}

        assert await store.log_chunks(ChunkFilter("a")) == [chunk("a")]

    async def test_many_chunks_come_in_one_batch(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        rows = [chunk("a", 2 * number, number=number) for number in range(1, 40)]

        await keep_lines(store, *rows)

        assert await store.log_chunks(ChunkFilter("a")) == rows

    async def test_old_chunks_are_deleted(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b"))
        await keep_lines(store, chunk("a", 2), chunk("a", 4), chunk("b", 2))

        await keep_lines(store, OldChunk("a", 2), OldChunk("a", 3), chunk("a", 6))

        assert await store.log_chunks(ChunkFilter("a")) == [chunk("a", 4), chunk("a", 6)]
        assert await store.log_chunks(ChunkFilter("b")) == [chunk("b", 2)]

    async def test_progress_is_what_was_told_last(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        other, later = told("a", task_id="save"), told("a", 0.5, None, None, attempt=2)
        await keep_lines(store, told("a"), other, later)

        await keep_lines(store, told("a", 4.0), told("a", 5.0, detail="storing"))

        expected = [told("a", 5.0, detail="storing"), later, other]
        assert await store.progress(["a"]) == expected
        recorded = await store.recorded_run("a", 9)
        assert recorded is not None
        assert recorded.progress == expected
        assert await store.progress(["b"]) == await store.progress([]) == []

    async def test_only_the_owner_writes_lines(self, store: Store) -> None:
        await store.register(runner("r1"))
        await store.register(runner("r2"))
        await submit(store, new_run("a"))
        await keep_lines(store, chunk("a", 1, size=1))
        rows = (chunk("a"), told("a"), OldChunk("a", 1))

        assert (await keep_lines(store, *rows, runner_id="r2")).current == frozenset()
        assert (await keep_lines(store, *rows, epoch=2)).current == frozenset()
        await store.fence("r1", 0)
        assert (await keep_lines(store, *rows)).current == frozenset()

        assert await store.log_chunks(ChunkFilter("a")) == [chunk("a", 1, size=1)]
        assert await store.progress(["a"]) == []

    async def test_lines_that_cannot_be_stored_fail_their_batch(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))

        with pytest.raises(StoreDataError):
            await keep_lines(store, chunk("a", 2), chunk("a", 4, lines='["\ud800"]'))

        assert await store.log_chunks(ChunkFilter("a")) == []

    async def test_lines_come_with_the_end_of_their_run(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        done = attempt("a")
        fences = {"a": 1}

        await store.commit(
            batch_with(
                "r1", [], [done], [run_end("a")], fences, lines=[chunk("a")], progress=[told("a")]
            )
        )

        assert await store.load_attempts(["a"]) == [done]
        assert await store.log_chunks(ChunkFilter("a")) == [chunk("a")]
        assert await store.progress(["a"]) == [told("a")]

    async def test_long_lines_are_kept_whole(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        long = chunk("a", lines='["' + 100_000 * "x" + '"]')

        await keep_lines(store, long)

        assert await store.log_chunks(ChunkFilter("a")) == [long]

    async def test_lines_of_earlier_owners_and_rounds_stay(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await keep_lines(store, chunk("a"))
        await store.release("r1", ())
        assert await claimed(store) == ["a"]
        epoch = (await stored(store, "a")).epoch
        await keep_lines(store, chunk("a", 4), epoch=epoch)
        await record(store, ends=[run_end("a", epoch=epoch, status="Failed")])

        await store.retry([Reopening("a", 1, {"load": 2})], act())

        assert await store.log_chunks(ChunkFilter("a")) == [chunk("a"), chunk("a", 4)]

    async def test_a_fork_has_no_lines(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await record(store, [attempt("a", status=TaskStatus.COMPLETED)])
        await keep_lines(store, chunk("a"), told("a"))

        assert await store.fork(new_fork("b", memos_of=["load"]), act()) == "b"

        assert await store.log_chunks(ChunkFilter("b")) == []
        assert await store.progress(["b"]) == []

    # -- deletion ----------------------------------------------------------------------------

    async def test_lines_are_counted_and_deleted_with_their_run(self, store: Store) -> None:
        shift = await _ended_with_lines(store)
        assert (await store.weigh_trees(["a"])).rows == 5
        await store.hide_trees(shift, ["a"], NOW + 10, LATER)

        (doomed,) = await store.doomed_runs(9, 9)

        assert doomed.rows == 5
        assert await store.erase_runs(shift, ["a"]) == 5
        assert await store.log_chunks(ChunkFilter("a")) == []
        assert await store.progress(["a"]) == []
        assert await store.log_chunks(ChunkFilter("b")) == [chunk("b")]
        assert await store.progress(["b"]) == [told("b")]

    async def test_many_lines_are_deleted_bit_by_bit(self, store: Store) -> None:
        shift = await _ended_with_lines(store)
        await store.hide_trees(shift, ["a"], NOW + 10, LATER)

        assert [await store.trim_run(shift, "a", 2) for _ in range(3)] == [3, 1, 0]

        assert await store.log_chunks(ChunkFilter("a")) == []
        assert await store.progress(["a"]) == []
        assert await store.log_chunks(ChunkFilter("b")) == [chunk("b")]


async def _ended_with_lines(store: Store) -> Shift:
    """A run ``a`` that has ended with three chunks and progress, beside ``b``, which goes on; who
    may delete them.
    """
    await store.register(runner("r1"))
    await submit(store, new_run("a"), new_run("b"))
    await keep_lines(store, *[chunk("a", number) for number in (2, 4, 6)], told("a"))
    await keep_lines(store, chunk("b"), told("b"))
    await record(store, ends=[run_end("a")])
    shift = Shift("h", LATER)
    assert await store.take_upkeep(shift, NOW, 2**61, 2**61)
    return shift
