"""Maps over time: items that are tried again, wait for a place, or lose their runner."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections import Counter
from datetime import timedelta
from types import FrameType
from typing import Any

import pytest
from model.virtual_engine import Program, World, world
from model.virtual_time import the_loop
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.handles.async_handle import AsyncTaskHandle
from cloaca_core.definition.handles.task_handle import TaskHandle
from cloaca_core.definition.nodes.sleep import sleep
from cloaca_core.definition.retries.retry_after import RetryAfter
from cloaca_core.definition.submission import StartOptions
from cloaca_core.definition.task import task
from cloaca_core.engine.observe.completion import Ended
from cloaca_core.engine.orchestrate.launcher import LAUNCHES_PER_PASS
from cloaca_core.engine.order import Order
from cloaca_core.store.messages import NewMessage
from cloaca_core.values.waits import EVENT

pytestmark = pytest.mark.virtual_time

LEASE = 15.0
ITEMS = re.compile(r"cloaca_core.(features.maps|run.items|values.map_items)")
OF_ITEMS = {"item_of", "unit_of", "key_part"}
BEGUN = 1000.0
"""When the first program of a world is there, by the loop's clock."""
SLOW: dict[str, Any] = {"retry_backoff": "fixed", "retry_jitter": False}


class Items:
    """An async body that takes ``seconds``, for each item: when each began, and how many are under
    way at most. An item fails as often as ``failures`` says.
    """

    def __init__(
        self,
        w: World,
        count: int,
        seconds: float,
        failures: dict[int, int] | None = None,
        **options: Any,
    ) -> None:
        self.begun: list[tuple[float, int]] = []
        self.ended: list[int] = []
        self.most = 0
        self._now = 0
        self._seconds = seconds
        self._failures = dict(failures or {})
        w.define(self._run, map=list(range(count)), **{**SLOW, **options})

    async def _run(self, _: Context, item: int) -> int:
        self.begun.append((the_loop().time() - BEGUN, item))
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            await asyncio.sleep(self._seconds)
        finally:
            self._now -= 1
        if self._failures.get(item):
            self._failures[item] -= 1
            raise RuntimeError(f"{item} is not done")
        self.ended.append(item)
        return item

    @property
    def calls(self) -> Counter[int]:
        """How often the body of each item began."""
        return Counter(item for _, item in self.begun)


def results(w: World, run_id: str) -> Any:
    row = w.run(run_id)
    assert row.final_context is not None
    return json.loads(row.final_context)["t"]


async def test_as_many_bodies_run_at_once_as_there_are_slots() -> None:
    async with world() as w:
        items = Items(w, 25, 10.0)
        program = await w.start(max_concurrent_async_tasks=5)
        ended = await program.execute()
        assert (ended.row.status, items.most) == ("Completed", 5)
        assert the_loop().time() - BEGUN == pytest.approx(50, abs=0.5)
        assert [item for _, item in items.begun] == list(range(25))


async def test_an_item_that_waits_to_be_tried_again_counts_as_open() -> None:
    """Two may be open. Item 0 waits 100 s and item 1 runs: the others come one after the other."""
    async with world() as w:
        items = Items(
            w, 4, 10.0, {0: 1}, max_parallel=2, retry_delay_ms=100_000, retry_max_delay_ms=100_000
        )
        program = await w.start()
        ended = await program.execute()
        assert ended.row.status == "Completed"
        begun = [(round(at), item) for at, item in items.begun]
        assert begun == [(0, 0), (0, 1), (10, 2), (20, 3), (110, 0)]


async def test_a_run_beside_a_long_map_waits_for_no_item_whose_turn_comes_later() -> None:
    async with world() as w:
        Items(w, 1000, 10.0)
        begun: list[float] = []

        async def other(_: Context) -> None:
            begun.append(the_loop().time())

        w.define(other, "other")
        program = await w.start(max_concurrent_async_tasks=4)
        await program.submit()
        await asyncio.sleep(101)
        await program.execute("other")
        # Behind the bodies that ran: the turn of the next items comes when these end.
        assert begun[0] - BEGUN == pytest.approx(110, abs=0.5)


async def test_a_run_in_the_table_is_claimed_beside_long_maps_of_every_runner() -> None:
    """Of each map four to eight items wait for a slot, in one line."""
    async with world() as w:
        Items(w, 1000, 10.0)
        begun: list[float] = []

        async def other(_: Context) -> None:
            begun.append(the_loop().time())

        w.define(other, "other")
        slots: dict[str, Any] = {"max_concurrent_tasks": 4, "max_concurrent_async_tasks": 4}
        runners = [await w.start(lease_seconds=LEASE, **slots) for _ in range(2)]
        for each in runners * 2:
            await each.submit()
        await asyncio.sleep(60)
        due, late = the_loop().time() + 20, StartOptions(delay=timedelta(seconds=20))
        await runners[0].wait(await runners[0].submit("other", start=late))
        assert begun[0] <= due + 10.5


async def test_a_suspect_begins_when_the_items_that_run_beside_it_have_ended() -> None:
    """It does not wait for the items that were prepared and had no slot."""
    async with world() as w:
        items = Items(w, 40, 10.0)
        begun: list[float] = []

        async def lost(_: Context) -> None:
            begun.append(the_loop().time())
            await asyncio.sleep(1000 if len(begun) < 3 else 1)

        w.define(lost, "lost")
        first, second = [await w.start(lease_seconds=LEASE) for _ in range(2)]
        run_id = await first.submit("lost")
        await asyncio.sleep(1)
        first.store.answers.clear()
        await asyncio.sleep(2 * LEASE)
        third = await w.start(lease_seconds=LEASE, max_concurrent_async_tasks=2)
        of_map = await third.submit()
        second.store.answers.clear()
        ended = await third.wait(run_id)
        (attempt,) = w.attempts(run_id)
        assert (ended.row.status, attempt.crashes) == ("Completed", 2)
        # It comes at 47; the items that run then have begun at 41. Two more are prepared.
        assert begun[-1] - BEGUN == pytest.approx(51, abs=0.5)
        assert [item for _, item in items.begun] == [0, 1, 2, 3]
        assert (await third.wait(of_map)).row.status == "Completed"
        assert [item for _, item in items.begun] == list(range(40))


async def two(w: World, **settings: Any) -> tuple[Program, Program, str]:
    """Two runners, of which the first has begun a run."""
    first = await w.start(lease_seconds=LEASE, **settings)
    run_id = await first.submit()
    second = await w.start(lease_seconds=LEASE, **settings)
    return first, second, run_id


@each_row("later", [0.0, 5.0, 15.0, 25.0, 35.0, 45.0])
async def test_a_later_owner_goes_on_with_a_map(later: float) -> None:
    """Ten items, two at once, of ten seconds each. The first runner stands still, and its bodies
    are not cancelled before they end: what they come to is refused.
    """
    async with world() as w:
        Items(w, 10, 10.0, max_parallel=2)
        first, second, run_id = await two(w)
        await asyncio.sleep(later)
        done = len([row for row in w.attempts(run_id) if row.status == "Completed"])

        first.store.answers.clear()
        ended = await second.wait(run_id)

        assert (ended.row.status, ended.row.recoveries) == ("Completed", 1)
        assert results(w, run_id) == list(range(10))
        recorded = [row for row in w.attempts(run_id) if row.item >= 0]
        assert sorted(row.item for row in recorded) == list(range(10))
        assert {row.attempt for row in recorded} == {1}
        assert sum(row.epoch == 1 for row in recorded) == done


async def test_a_later_owner_keeps_the_back_off_of_an_item() -> None:
    async with world() as w:
        items = Items(w, 3, 1.0, {1: 1}, retry_delay_ms=200_000, retry_max_delay_ms=200_000)
        first, second, run_id = await two(w)
        await asyncio.sleep(5)

        first.store.answers.clear()
        ended = await second.wait(run_id)

        assert (ended.row.status, results(w, run_id)) == ("Completed", [0, 1, 2])
        assert items.calls == {0: 1, 1: 2, 2: 1}
        at, last = items.begun[-1]
        assert (round(at), last) == (201, 1)


async def test_a_map_that_was_over_but_for_its_own_row_ends_under_a_later_owner() -> None:
    """All rows of its items are there, and that of the map itself is not."""
    async with world() as w:
        Items(w, 3, 1.0)
        first, second, run_id = await two(w)
        await asyncio.sleep(0.5)
        own = next(row for row in w.attempts(run_id) if row.item == -1)
        first.store.answers.clear()
        for item in range(3):
            done = own._replace(
                item=item, status="Completed", reason_code=None, change=f'{{"set":{{"t":{item}}}}}'
            )
            w.store.attempts[run_id, "t", item, 1] = done
        ended = await second.wait(run_id)
        assert (ended.row.status, results(w, run_id)) == ("Completed", [0, 1, 2])


@each_row("again", ["[", "[1]", '{"a":1}', '{"1":"x"}'])
async def test_a_map_that_cannot_be_read_fails_its_run_alone(again: str) -> None:
    async with world() as w:
        Items(w, 3, 10.0)
        first, second, run_id = await two(w)
        beside = await first.submit()
        await asyncio.sleep(5)
        first.store.answers.clear()
        opened = w.store.opened_maps[run_id, "t"]
        w.store.opened_maps[run_id, "t"] = opened._replace(again=again)

        async with asyncio.timeout(600):
            ended, other = await second.wait(run_id), await second.wait(beside)

        assert (ended.row.status, other.row.status) == ("Failed", "Completed")
        assert "the rows of this run cannot be read" in str(ended.row.error_message)


async def test_a_later_owner_refuses_results_that_are_too_large() -> None:
    """The row of the last item is there: no further end of an item would find it."""
    async with world() as w:
        Items(w, 3, 1.0)
        first, second, run_id = await two(w, max_context_bytes=1024)
        await asyncio.sleep(0.5)
        own = next(row for row in w.attempts(run_id) if row.item == -1)
        first.store.answers.clear()
        change = json.dumps({"set": {"t": "x" * 500}})
        for item in range(3):
            done = own._replace(item=item, status="Completed", reason_code=None, change=change)
            w.store.attempts[run_id, "t", item, 1] = done
        ended = await second.wait(run_id)
        assert ended.row.status == "Failed"
        assert 'With results="rows" the results stay out' in str(ended.row.error_message)


async def test_items_that_a_stop_takes_back_under_a_later_owner_are_skipped() -> None:
    """That an item begins is written before it does. Item 0 makes place for item 2, and as that is
    being written item 1 fails.
    """
    async with world() as w:

        async def each(_: Context, item: int) -> None:
            await asyncio.sleep(10)
            if item:
                await asyncio.sleep(0)
                raise ValueError("no")

        w.define(each, map=list(range(8)), item_policy="stop", retry_attempts=1)
        first, second, run_id = await two(w, max_concurrent_async_tasks=2)
        await asyncio.sleep(5)
        first.store.answers.clear()
        ended = await second.wait(run_id)

        assert ended.row.status == "Failed"
        rows = {row.item: row.status for row in w.attempts(run_id)}
        assert (rows.pop(-1), rows.pop(0), rows.pop(1)) == ("Failed", "Completed", "Failed")
        assert set(rows.values()) == {"Skipped"}


async def test_other_items_under_a_later_owner_fail_the_map() -> None:
    async with world() as w:
        Items(w, 3, 100.0)
        first, second, run_id = await two(w)
        await asyncio.sleep(0.5)
        first.store.answers.clear()
        row = w.store.opened_maps[run_id, "t"]
        w.store.opened_maps[run_id, "t"] = row._replace(digest="another", items=2, version="v0")
        ended = await second.wait(run_id)
        assert ended.row.status == "Failed"
        assert "MapError: task 't' was started with 2 items by version v0" in str(
            ended.row.error_message
        )


async def test_nobody_is_asked_for_items_of_a_map_that_has_failed() -> None:
    """Items wait as a later owner finds other ones; another task of the run goes on."""
    async with world() as w:

        async def each(_: Context, item: int, handle: AsyncTaskHandle) -> Any:
            return await handle.wait_for("go")

        async def other(_: Context) -> None:
            await asyncio.sleep(1000)

        with WorkflowBuilder("flow", registry=w.registry):
            task(id="t", map=[0, 1, 2])(each)
            task(id="other")(other)
        first, second, run_id = await two(w, evict_after_seconds=0)
        await asyncio.sleep(5)
        assert len(await w.store.waits([run_id])) == 3
        first.store.answers.clear()
        row = w.store.opened_maps[run_id, "t"]
        w.store.opened_maps[run_id, "t"] = row._replace(digest="another", version="v0")
        await asyncio.sleep(100)

        assert await w.store.waits([run_id]) == []
        ended = await second.wait(run_id)
        assert "finds other data or labels of items" in str(ended.row.error_message)


async def test_a_pause_lets_the_bodies_end_and_a_resume_goes_on() -> None:
    async with world() as w:
        items = Items(w, 10, 10.0, max_parallel=2)
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(15)
        await pause(program, run_id)
        await asyncio.sleep(100)
        assert len(items.begun) == 4
        assert w.run(run_id).status == "Paused"
        await resume(program, run_id)
        ended = await program.wait(run_id)
        assert (ended.row.status, results(w, run_id)) == ("Completed", list(range(10)))
        assert items.calls == dict.fromkeys(range(10), 1)


async def test_a_resume_before_the_bodies_have_ended_goes_on_at_once() -> None:
    async with world() as w:
        items = Items(w, 6, 10.0, max_parallel=2)
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(2)
        await pause(program, run_id)
        await asyncio.sleep(2)
        await resume(program, run_id)
        ended = await program.wait(run_id)
        assert (ended.row.status, results(w, run_id)) == ("Completed", list(range(6)))
        assert the_loop().time() - BEGUN == pytest.approx(30, abs=0.5)
        assert items.calls == dict.fromkeys(range(6), 1)


async def test_a_cancel_ends_all_items_and_the_map() -> None:
    async with world() as w:
        Items(w, 10, 10.0, {0: 1}, max_parallel=3, retry_delay_ms=60_000, retry_max_delay_ms=60_000)
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(15)
        await program.engine.steering.cancel(
            [run_id], Order("cancel", "ann", None), 30.0, children=True
        )
        ended = await program.wait(run_id)
        assert ended.row.status == "Cancelled"
        rows = {(row.item, row.attempt): row.status for row in w.attempts(run_id)}
        assert rows[-1, 1] == "Cancelled"
        assert Counter(rows.values()) == {"Completed": 2, "Cancelled": 3, "Failed": 1}


async def pause(program: Program, run_id: str) -> None:
    await program.engine.steering.pause([run_id], Order("pause", "ann", None), None, children=True)


async def resume(program: Program, run_id: str) -> None:
    await program.engine.steering.resume([run_id], Order("resume", "ann", None))


async def retry(program: Program, run_id: str) -> Ended:
    retries = program.engine.steering.retries
    await retries.retry(run_id, None, Order("retry", "ann", None), children=True)
    return await program.wait(run_id)


@each_row("beside", [0, 50], ids=["left memory", "stayed"])
async def test_a_map_that_would_fail_pauses_its_run_and_a_resume_runs_what_failed(
    beside: int,
) -> None:
    """With a body beside it the run is still here when it is resumed."""
    async with world() as w:
        items = Items(w, 4, 1.0, {1: 2, 3: 1}, retry_attempts=1)

        async def other(_: Context) -> None:
            await asyncio.sleep(beside)

        with WorkflowBuilder("flow", registry=w.registry) as builder:
            builder.exhausted_policy("pause")
            task(id="t", map=[0, 1, 2, 3], **{**SLOW, "retry_attempts": 1})(items._run)
            task(id="other")(other)
        program = await w.start()
        run_id = await program.submit()
        for again in ([1, 3], [1]):
            await asyncio.sleep(5)
            assert w.run(run_id).status in ("Paused", "Running")
            assert "t has used up its attempts: MapFailedError: " in str(w.run(run_id).steer_reason)
            items.begun.clear()
            await resume(program, run_id)
            await asyncio.sleep(5)
            assert sorted(items.calls) == again
        ended = await program.wait(run_id)
        assert (ended.row.status, results(w, run_id)) == ("Completed", [0, 1, 2, 3])


async def test_after_a_stop_that_pauses_the_run_items_go_on_with_their_numbers() -> None:
    """Item 1 waits to be tried again as item 0 uses up its attempts; the run stays here."""
    async with world() as w:
        failures: dict[int, list[Exception]] = {0: [ValueError()], 1: [ConnectionError()]}

        async def each(_: Context, item: int) -> int:
            await asyncio.sleep(1 if item else 5)
            if failures[item]:
                raise failures[item].pop()
            return item

        async def beside(_: Context) -> None:
            await asyncio.sleep(50)

        with WorkflowBuilder("flow", registry=w.registry) as builder:
            builder.exhausted_policy("pause")
            task(
                id="t",
                map=[0, 1],
                item_policy="stop",
                retry_condition=ConnectionError,
                retry_delay_ms=30_000,
                **SLOW,
            )(each)
            task(id="beside")(beside)
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(8)
        await resume(program, run_id)
        ended = await program.wait(run_id)

        assert (ended.row.status, results(w, run_id)) == ("Completed", [0, 1])
        rows = {(row.item, row.attempt): row.status for row in w.attempts(run_id) if row.item >= 0}
        assert rows == {
            (0, 1): "Failed",
            (0, 2): "Completed",
            (1, 1): "Failed",
            (1, 2): "Completed",
        }


async def test_a_map_that_fails_while_its_run_is_about_to_pause_is_not_gone_on_with() -> None:
    """It was to go on with its third item. The body beside it keeps the run here."""
    async with world() as w:

        async def each(_: Context, item: int) -> None:
            await asyncio.sleep(5 + 5 * item)
            if item == 1:
                raise ValueError("no")

        async def beside(_: Context) -> None:
            await asyncio.sleep(50)

        with WorkflowBuilder("flow", registry=w.registry):
            options: dict[str, Any] = {"max_parallel": 2, "item_policy": "stop"}
            task(id="t", map=[0, 1, 2], retry_attempts=1, **options)(each)
            task(id="beside")(beside)
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(2)
        await pause(program, run_id)
        await asyncio.sleep(18)
        await resume(program, run_id)
        ended = await program.wait(run_id)

        assert ended.row.status == "Failed"
        assert "MapFailedError: 1 of 3 items failed" in str(ended.row.error_message)


@each_row("evict", [0.0, 1e6], ids=["left", "stayed"])
async def test_a_stop_lets_items_end_that_had_begun_and_waited(evict: float) -> None:
    """Item 0 has waited and is in the queue for the only slot as item 1 fails."""
    async with world() as w:
        ended: list[int] = []

        async def each(_: Context, item: int, handle: AsyncTaskHandle) -> int:
            if item == 0:
                await handle.sleep(20)
            else:
                await asyncio.sleep(40)
                raise ValueError("no")
            ended.append(item)
            return item

        w.define(each, map=[0, 1, 2], item_policy="stop", retry_attempts=1)
        program = await w.start(max_concurrent_async_tasks=1, evict_after_seconds=evict)
        done = await program.execute()

        assert (done.row.status, ended) == ("Failed", [0])
        rows = {row.item: row.status for row in w.attempts(done.row.id)}
        assert (rows[0], rows[1]) == ("Completed", "Failed")


@each_row("stays", [False, True], ids=["left memory", "stayed"])
async def test_an_open_map_goes_on_with_the_keys_that_it_was_opened_with(stays: bool) -> None:
    async with world() as w:
        seen: list[tuple[int, str]] = []

        async def each(context: Context, item: int) -> None:
            seen.append((item, context["unit"]))
            await asyncio.sleep(10 * item)

        def above(_: Context) -> dict[str, Any]:
            return {"items": [1, 2, 3], "unit": "kg"}

        with WorkflowBuilder("flow", registry=w.registry):
            task(id="above")(above)
            task(id="t", dependencies=["above"], map="items", max_parallel=2)(each)
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(2)
        await pause(program, run_id)
        await asyncio.sleep(12 if stays else 40)  # the first has ended, and the next is held
        order = Order("resume", "ann", None)
        keys = '{"items":[7],"unit":"lb"}'
        await program.engine.steering.resume([run_id], order, content=keys)
        ended = await program.wait(run_id)

        assert ended.row.status == "Completed"
        assert seen == [(1, "kg"), (2, "kg"), (3, "kg")]


async def test_a_retry_with_fewer_items_runs_them_alone() -> None:
    async with world() as w:
        rounds: list[int] = []

        def above(context: Context) -> None:
            rounds.append(1)
            context["items"] = [1, 2, 3] if len(rounds) == 1 else [4]

        def each(context: Context, item: int) -> int:
            if item == 3:
                raise ValueError
            return item

        with WorkflowBuilder("flow", registry=w.registry):
            task(id="above")(above)
            task(id="t", dependencies=["above"], map="items", retry_attempts=1)(each)
        program = await w.start()
        run_id = (await program.execute()).row.id
        order = Order("retry", "ann", None)
        await program.engine.steering.retries.retry(run_id, ["above"], order, children=True)
        ended = await program.wait(run_id)

        assert (ended.row.status, results(w, run_id)) == ("Completed", [4])


async def test_a_retry_runs_the_items_that_did_not_complete() -> None:
    async with world() as w:
        items = Items(w, 4, 1.0, {1: 3, 3: 2}, retry_attempts=2, retry_delay_ms=1000)
        program = await w.start()
        ended = await program.execute()
        run_id = ended.row.id
        assert ended.row.status == "Failed"
        assert items.calls == {0: 1, 1: 2, 2: 1, 3: 2}

        ended = await retry(program, run_id)

        assert (ended.row.status, results(w, run_id)) == ("Completed", [0, 1, 2, 3])
        assert items.calls == {0: 1, 1: 4, 2: 1, 3: 3}
        assert w.store.opened_maps[run_id, "t"].decision == 1


@each_row(("changes", "decision"), [(False, 1), (True, 2)])
async def test_a_retry_runs_all_items_if_a_task_above_the_map_has_run_again(
    changes: bool, decision: int
) -> None:
    """Their keys are other ones if the items are."""
    async with world() as w:
        rounds: list[int] = []
        keys: list[str] = []

        def above(context: Context) -> None:
            rounds.append(1)
            context["items"] = [7, 8 + (changes and len(rounds))]
            if len(rounds) == 1:
                context["fails"] = True

        def each(context: Context, item: int, handle: TaskHandle) -> int:
            keys.append(handle.idempotency_key.rpartition("::")[2])
            return item

        def below(context: Context) -> None:
            if "fails" in context:
                raise ValueError

        with WorkflowBuilder("flow", registry=w.registry):
            task(id="above", retry_attempts=1)(above)
            task(id="each", dependencies=["above"], map="items")(each)
            task(id="below", dependencies=["each"], retry_attempts=1)(below)
        program = await w.start()
        ended = await program.execute()
        assert keys == ["0", "1"]
        retries = program.engine.steering.retries
        order = Order("retry", "ann", None)
        await retries.retry(ended.row.id, ["above"], order, children=True)
        ended = await program.wait(ended.row.id)

        assert ended.row.status == "Completed"
        assert keys[2:] == (["0@2", "1@2"] if changes else ["0", "1"])
        assert w.store.opened_maps[ended.row.id, "each"].decision == decision


async def test_a_cancelled_map_is_gone_on_with_by_a_retry() -> None:
    async with world() as w:
        items = Items(w, 6, 10.0, max_parallel=2)
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(15)
        order = Order("cancel", "ann", None)
        await program.engine.steering.cancel([run_id], order, 30.0, children=True)
        assert (await program.wait(run_id)).row.status == "Cancelled"

        ended = await retry(program, run_id)

        assert (ended.row.status, results(w, run_id)) == ("Completed", list(range(6)))
        assert items.calls == {0: 1, 1: 1, 2: 2, 3: 2, 4: 1, 5: 1}


def message(run_id: str, name: str, number: int) -> NewMessage:
    return NewMessage(f"m{number:03}", run_id, EVENT, name, str(number), None, None, 0)


async def test_steps_of_items_are_kept_apart() -> None:
    async with world() as w:
        made: list[int] = []
        failed: set[int] = set()

        async def value(item: int) -> int:
            made.append(item)
            return item * 10

        async def each(_: Context, item: int, handle: AsyncTaskHandle) -> int:
            kept = await handle.step("value", value, item)
            if item not in failed:
                failed.add(item)
                raise RuntimeError("again")
            return kept

        w.define(each, map=[0, 1, 2], **SLOW, retry_delay_ms=1000)
        program = await w.start()
        ended = await program.execute()
        assert (ended.row.status, results(w, ended.row.id)) == ("Completed", [0, 10, 20])
        assert sorted(made) == [0, 1, 2]


@each_row("evict", [0.0, 1e6], ids=["left", "stayed"])
async def test_items_wait_for_events_one_after_the_other(evict: float) -> None:
    """Messages go to the items in their order, and waiting ones take no slot from others."""
    async with world() as w:

        async def each(_: Context, item: int, handle: AsyncTaskHandle) -> Any:
            if item < 20:
                return [item, await handle.wait_for("go")]
            return item

        w.define(each, map=list(range(25)))
        program = await w.start(max_concurrent_async_tasks=2, evict_after_seconds=evict)
        run_id = await program.submit()
        await asyncio.sleep(100)
        done = [row.item for row in w.attempts(run_id) if row.status == "Completed"]
        assert sorted(done) == [20, 21, 22, 23, 24]
        assert len(await w.store.waits([run_id])) == 20
        for number in range(20):
            await program.engine.messages.send(message(run_id, "go", number))
            await asyncio.sleep(50)
        ended = await program.wait(run_id)
        assert ended.row.status == "Completed"
        assert results(w, run_id) == [[n, n] for n in range(20)] + [20, 21, 22, 23, 24]
        taken = sorted((row.number, row.taken_by) for row in w.store.mailbox.values())
        assert taken == [(n + 1, "t") for n in range(20)]


async def test_a_run_whose_items_all_sleep_leaves_memory() -> None:
    async with world() as w:
        begun: list[int] = []

        async def each(_: Context, item: int, handle: AsyncTaskHandle) -> int:
            begun.append(item)
            await handle.sleep(86_400)
            return item

        w.define(each, map=[0, 1, 2])
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(3600)
        assert (w.run(run_id).status, w.run(run_id).owner) == ("Waiting", None)
        ended = await program.wait(run_id)
        assert (ended.row.status, results(w, run_id)) == ("Completed", [0, 1, 2])
        assert sorted(begun) == [0, 0, 1, 1, 2, 2]


async def test_of_a_run_that_comes_due_only_what_is_first_is_due() -> None:
    """A retry of an item, a sleep and a retry of a task, each at an instant of its own; the run
    leaves memory between them.
    """
    async with world() as w:
        seen: list[tuple[str, int]] = []

        def note(name: str) -> None:
            seen.append((name, round(the_loop().time() - BEGUN)))

        async def fails_once(_: Context, handle: AsyncTaskHandle) -> None:
            if handle.attempt == 1:
                raise RuntimeError("not yet")
            note("task")

        async def sleeps(_: Context, handle: AsyncTaskHandle) -> None:
            await handle.sleep(40)
            note("sleep")

        async def each(_: Context, item: int, handle: AsyncTaskHandle) -> None:
            if handle.attempt == 1:
                raise RetryAfter(item)
            note(f"item {item}")

        with WorkflowBuilder("flow", registry=w.registry):
            task(id="again", retry_delay_ms=60_000, retry_max_delay_ms=60_000, **SLOW)(fails_once)
            task(id="sleeps")(sleeps)
            task(id="t", map=[20, 80])(each)
        program = await w.start(evict_after_seconds=0)
        assert (await program.execute()).row.status == "Completed"

    assert seen == [("item 20", 20), ("sleep", 40), ("task", 60), ("item 80", 80)]


async def test_a_run_without_maps_enters_no_code_of_maps() -> None:
    """Its body has steps, waits, a child and a callback: in each of them an item could be asked
    for.
    """
    entered: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and (ITEMS.search(code.co_filename) or code.co_name in OF_ITEMS):
            entered.add(f"{code.co_filename}: {code.co_qualname}")

    async with world() as w:

        async def body(_: Context, handle: AsyncTaskHandle) -> None:
            await handle.sleep(1)
            await handle.start_workflow("child")
            await handle.wait_for("go")
            await handle.step("kept", asyncio.sleep, 0, 7)

        w.define(lambda _: None, "child")
        w.define(body, on_success=lambda *_: None)
        program = await w.start()
        sys.setprofile(note)
        try:
            run_id = await program.submit()
            await asyncio.sleep(5)
            await program.engine.messages.send(message(run_id, "go", 1))
            ended = await program.wait(run_id)
        finally:
            sys.setprofile(None)

        assert ended.row.status == "Completed"
        assert entered == set()


async def test_a_stop_ends_the_beginning_of_many_items() -> None:
    """They begin in several passes of the loop, and the first one fails meanwhile."""
    async with world() as w:
        begun: list[int] = []

        async def each(_: Context, item: int) -> None:
            begun.append(item)
            if item == 0:
                raise ValueError("no")
            await asyncio.sleep(10)

        w.define(each, map=list(range(5000)), item_policy="stop", retry_attempts=1)
        program = await w.start(max_concurrent_async_tasks=5000, max_open_items=5000)
        ended = await program.execute()

        assert ended.row.status == "Failed"
        assert len(begun) <= 2 * LAUNCHES_PER_PASS


async def test_a_node_beside_an_open_map_is_over_when_the_next_runner_comes() -> None:
    async with world() as w:
        failures = Counter([0])

        async def each(_: Context, item: int) -> int:
            if failures[item]:
                failures[item] -= 1
                raise RuntimeError("not yet")
            return item

        with WorkflowBuilder("flow", registry=w.registry):
            task(id="t", map=[0, 1], retry_delay_ms=60_000, retry_max_delay_ms=60_000, **SLOW)(each)
            sleep("last", seconds=1, dependencies=[sleep("nap", seconds=40)])
        first = await w.start()
        run_id = await first.submit()
        await asyncio.sleep(10)
        await first.stop()
        await asyncio.sleep(40)

        second = await w.start()
        ended = await second.wait(run_id)
        assert (ended.row.status, results(w, run_id)) == ("Completed", [0, 1])
