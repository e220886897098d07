"""Contract of maps: how they were opened, and the attempts of their items."""

from __future__ import annotations

from cloaca_core.assembly.store import Store
from cloaca_core.features.maps.records import MAPS, ItemMark, ItemRestart, MapRow
from cloaca_core.features.steering.records import Reopening
from cloaca_core.store.batch import Batch, Committed
from cloaca_core.values.states import TaskStatus
from cloaca_testing.conformance.commits import record, submit
from cloaca_testing.conformance.rows import act, attempt, new_fork, new_run, run_end, runner


def opened(
    run_id: str, task_id: str = "load", *, number: int = 1, again: str | None = None
) -> MapRow:
    """A map of two items, opened for this attempt of its task."""
    return MapRow(run_id, task_id, number, 1, "v1", 2, "d1", 1, '["a","b"]', again)


async def open_maps(store: Store, *rows: MapRow) -> Committed:
    """Commit openings alone."""
    fences = {row.run_id: row.epoch for row in rows}
    return await store.commit(Batch("r1", [], [], [], fences, rows=MAPS.rows(rows)))


class MapConformance:
    """Part of ``StoreConformance``."""

    async def test_a_map_is_read_as_it_was_opened_last(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b"))
        maps = [opened("a", "save"), opened("a"), opened("b")]
        await open_maps(store, *maps)
        again = opened("a", number=2, again='{"0":2}')

        await open_maps(store, opened("a"), again)

        assert await store.maps(["a"]) == [again, opened("a", "save")]
        assert await store.maps(["b", "unknown"]) == [opened("b")]

    async def test_a_map_of_a_run_that_is_lost_is_not_written(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a", owner=None))

        committed = await open_maps(store, opened("a"))

        assert committed.current == frozenset()
        assert await store.maps(["a"]) == []

    async def test_attempts_of_items_are_apart_from_those_of_tasks(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b"))
        own = attempt("a", status=TaskStatus.RUNNING)
        items = [
            attempt("a", number=number)._replace(item=i) for i in (0, 2, 10) for number in (1, 2)
        ]
        others = [attempt("a", "save")._replace(item=0), attempt("b")._replace(item=0)]

        await record(store, [own, *reversed(items), *others])

        assert await store.load_attempts(["a", "b"]) == [own]
        assert [row.item for row in await store.outcomes(["a"])] == [-1]
        assert await store.items("a", "load", 0, 99) == items
        assert await store.items("b", "load", 0, 99) == others[1:]
        assert await store.items("a", "load", 1, 10) == items[2:4]
        assert await store.chosen_items("a", "load", [10, 0, 7]) == [*items[:2], *items[4:]]
        marks = [
            ItemMark(row.item, row.attempt, row.status, row.started_at, row.ended_at, row.retry_at)
            for row in items
        ]
        assert await store.item_marks("a", "load") == marks
        assert await store.item_marks("a", "load", 1, 10) == marks[2:4]

    async def test_items_are_read_without_what_is_long(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        done = attempt("a")._replace(item=0, change='{"set":{"load":1}}')
        failed = attempt("a", status=TaskStatus.FAILED)._replace(
            item=1, error_type="E", error_message="no", error_traceback="Traceback", change=None
        )

        await record(store, [done, failed])

        bare = failed._replace(error_traceback=None)
        assert await store.items("a", "load", 0, 9) == [done, bare]
        assert await store.chosen_items("a", "load", [0, 1]) == [done, failed]
        shorter = [done._replace(change=None), bare]
        assert await store.items("a", "load", 0, 9, results=False) == shorter

    async def test_a_fork_has_the_maps_that_it_keeps(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await open_maps(store, opened("a"), opened("a", "save"))
        done = attempt("a")._replace(item=0)
        failed = attempt("a", status=TaskStatus.FAILED, error="busy")._replace(item=1)
        await record(store, [done, failed, attempt("a"), attempt("a", "save")._replace(item=0)])

        await store.fork(new_fork("b", kept=["load"]), act())

        assert await store.maps(["b"]) == [opened("a")._replace(run_id="b", epoch=0)]
        rows = await store.items("b", "load", 0, 9)
        assert [(row.item, row.status, row.error) for row in rows] == [
            (0, "Completed", None),
            (1, "Failed", failed.error),
        ]
        assert await store.items("b", "save", 0, 9) == []

    async def test_a_retry_notes_the_items_that_were_chosen(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"), new_run("b"))
        await record(store, [], [run_end("a", status="Failed"), run_end("b", status="Failed")])

        again = Reopening("a", 1, {"load": 3}, items={"load": [0, 7]})
        await store.retry([again, Reopening("b", 1, {"load": 2})], act())

        assert await store.restarted_items(["a", "b"]) == [
            ItemRestart("a", "load", 0, 3, 2),
            ItemRestart("a", "load", 7, 3, 2),
        ]
        assert await store.restarted_items(["b"]) == []
        assert [row.task_id for row in await store.restarts(["a"])] == ["load"]

    async def test_a_fork_from_a_map_keeps_the_ends_of_its_items(self, store: Store) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        await open_maps(store, opened("a", number=3), opened("a", "save"))
        done = attempt("a")._replace(item=0)
        failed = attempt("a", status=TaskStatus.FAILED, error="busy")
        running = attempt("a", status=TaskStatus.RUNNING)
        rows = [done, failed._replace(item=1), failed._replace(item=2, retry_at=9)]
        await record(store, [*rows, running._replace(item=3), attempt("a", number=3)])

        await store.fork(new_fork("b", from_task="load")._replace(items=[1]), act())
        await store.fork(new_fork("c", from_task="load"), act("other"))

        assert await store.maps(["b", "c"]) == [opened("a", number=0)._replace(run_id="b", epoch=0)]
        kept = await store.items("b", "load", 0, 9)
        assert [(row.item, row.status) for row in kept] == [(0, "Completed"), (1, "Failed")]
        assert await store.load_attempts(["b"]) == []
        assert await store.restarted_items(["b", "c"]) == [ItemRestart("b", "load", 1, 1, 1)]

    async def test_of_two_rows_of_one_item_the_later_or_final_one_counts(
        self, store: Store
    ) -> None:
        await store.register(runner("r1"))
        await submit(store, new_run("a"))
        done = attempt("a")._replace(item=1)
        mark = attempt("a", status=TaskStatus.RUNNING)._replace(item=1)
        other = attempt("a", status=TaskStatus.RUNNING)._replace(item=2)

        await record(store, [mark, done, other])
        await record(store, [mark])

        assert await store.items("a", "load", 0, 9) == [done, other]
