"""Followers of a run get each line once, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from model.memory_store import MemoryStore
from model.quiet import quiet

from cloaca_core.engine.observe.run_reader import RunReader
from cloaca_core.engine.observe.watchers import Watchers
from cloaca_core.engine.orchestrate.active_runs import ActiveRuns
from cloaca_core.engine.subjects import Subjects
from cloaca_core.errors import RunnerClosedError, RunNotFoundError, TaskNotFoundError
from cloaca_core.features.maps.records import MapRow
from cloaca_core.features.task_logs import run_logs as module
from cloaca_core.features.task_logs.run_logs import News, RunLogs, Wanted
from cloaca_core.run.rows import RunRow
from cloaca_testing.conformance.commits import keep_lines, record, submit
from cloaca_testing.conformance.rows import attempt, chunk, new_run, run_end, runner


class Reader(RunReader):
    """Knows these tasks as those of the definition."""

    def __init__(self, tasks: Sequence[str], *parts: Any) -> None:
        super().__init__(*parts)
        self._tasks = tasks

    async def task_ids(self, row: RunRow) -> list[str]:  # noqa: ARG002 - of each run
        return list(self._tasks)


class Desk:
    """Looks at runs ``a`` and ``b`` of a store."""

    def __init__(self, tasks: Sequence[str] = ()) -> None:
        self.store = MemoryStore()
        nothing: Any = None  # the reader of a row asks for no definition
        reader = Reader(tasks, self.store, ActiveRuns(), nothing)
        self.watchers = Watchers(self.store, lambda _: None, Subjects())
        self.logs = RunLogs(self.store, reader, self.watchers)

    async def begin(self) -> Desk:
        await self.store.register(runner("r1"))
        await submit(self.store, new_run("a"), new_run("b"))
        return self

    def wanted(self, **given: Any) -> Wanted:
        known: dict[str, Any] = {
            "run_id": "a",
            "task_id": None,
            "attempt": None,
            "after": 0,
            "limit": 9,
        }
        return Wanted(**{**known, **given})

    def follow(self, **given: Any) -> asyncio.Task[News]:
        return asyncio.create_task(self.logs.follow(self.wanted(**given)))


async def test_lines_are_read_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNKS_AT_ONCE", 2)
    desk = await Desk().begin()
    rows = [chunk("a", 2 * number) for number in range(1, 6)]
    await keep_lines(desk.store, *rows, chunk("b"))

    assert await desk.logs.read(desk.wanted(limit=100)) == rows
    assert await desk.logs.read(desk.wanted(limit=3)) == rows[:2]
    assert await desk.logs.read(desk.wanted(after=7)) == rows[3:]


async def test_an_unknown_run_is_told_so() -> None:
    desk = await Desk().begin()

    with pytest.raises(RunNotFoundError):
        await desk.logs.read(desk.wanted(run_id="c"))
    with pytest.raises(RunNotFoundError):
        await desk.follow(run_id="c")
    assert not desk.store.is_watched


async def test_a_task_that_the_run_has_not_is_refused() -> None:
    desk = await Desk(["load"]).begin()
    await keep_lines(desk.store, chunk("b", task_id="gone"))
    await record(desk.store, [attempt("a", "removed")])

    with pytest.raises(TaskNotFoundError, match="run a of orders has no task 'none'"):
        await desk.logs.read(desk.wanted(task_id="none"))
    with pytest.raises(TaskNotFoundError):
        await desk.follow(task_id="none")
    assert not desk.store.is_watched

    assert await desk.logs.read(desk.wanted(task_id="load")) == []
    assert await desk.logs.read(desk.wanted(task_id="removed")) == []  # of an earlier definition
    assert len(await desk.logs.read(desk.wanted(run_id="b", task_id="gone"))) == 1


async def test_where_the_definition_is_not_known_any_task_may_be_one() -> None:
    desk = await Desk().begin()

    assert await desk.logs.read(desk.wanted(task_id="load")) == []


async def test_lines_that_are_there_come_at_once() -> None:
    desk = await Desk().begin()
    await keep_lines(desk.store, chunk("a"))

    assert await desk.follow() == News([chunk("a")], is_over=False)


async def test_a_follower_waits_for_a_line_of_its_run() -> None:
    desk = await Desk().begin()
    following = desk.follow()
    await quiet()
    assert desk.store.is_watched
    await keep_lines(desk.store, chunk("b"))
    desk.watchers.wake()
    await quiet()
    assert not following.done()

    await keep_lines(desk.store, chunk("a"))
    desk.watchers.wake()

    assert await following == News([chunk("a")], is_over=False)
    assert not desk.store.is_watched


async def test_several_followers_are_woken_together() -> None:
    desk = await Desk().begin()
    following = [desk.follow(), desk.follow(run_id="b")]
    await quiet()
    await keep_lines(desk.store, chunk("a"))
    desk.watchers.wake()
    assert (await following[0]).chunks == [chunk("a")]
    assert desk.store.is_watched

    await keep_lines(desk.store, chunk("b"))
    desk.watchers.wake()

    assert (await following[1]).chunks == [chunk("b")]


async def test_the_last_lines_of_a_run_come_before_its_end() -> None:
    desk = await Desk().begin()
    await keep_lines(desk.store, chunk("a"))
    await record(desk.store, ends=[run_end("a")])

    assert await desk.follow() == News([chunk("a")], is_over=False)
    assert await desk.follow(after=2) == News([], is_over=True)


async def test_a_follower_hears_of_the_end() -> None:
    desk = await Desk().begin()
    following = desk.follow()
    await quiet()
    await record(desk.store, ends=[run_end("a")])
    desk.watchers.wake()

    assert await following == News([], is_over=True)


async def test_followers_fail_when_the_engine_ends() -> None:
    desk = await Desk().begin()
    following = desk.follow()
    await quiet()

    desk.watchers.fail_all(RunnerClosedError("closed"))

    with pytest.raises(RunnerClosedError):
        await following


async def test_a_follower_that_gives_up_is_not_counted_any_more() -> None:
    desk = await Desk().begin()
    following = desk.follow()
    await quiet()

    following.cancel()
    await asyncio.wait([following])

    assert not desk.store.is_watched


async def test_an_item_is_looked_up_once_by_its_follower(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = await Desk(["each"]).begin()
    desk.store.opened_maps["a", "each"] = MapRow("a", "each", 1, 1, "v", 9, "d", 1, None, None)
    await keep_lines(desk.store, chunk("a", task_id="each", item=1))

    wanted = await desk.logs.named(desk.wanted(task_id="each[1]"))
    monkeypatch.setattr(desk.store, "maps", None)

    assert (wanted.task_id, wanted.item) == ("each", 1)
    assert [each.item for each in (await desk.logs.follow(wanted)).chunks] == [1]
