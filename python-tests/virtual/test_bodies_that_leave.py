"""Bodies that wait in several tasks at once, cut waits off, or are cut off: in virtual time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from model.quiet import quiet
from model.virtual_engine import Program, world
from tables import each_row
from virtual.test_waits import HOUR, PAUSE, RESUME, body, is_held, now, send

from cloaca_core.definition.handles.async_handle import AsyncTaskHandle
from cloaca_core.errors import StoreUnavailableError
from cloaca_core.features.steps.records import MEMOS
from cloaca_core.store.batch import Batch, Committed
from cloaca_core.store.runs import OnCommit
from cloaca_core.values.payloads.json_values import encode

pytestmark = pytest.mark.virtual_time

CUT_OFF = StoreUnavailableError("cut off")


def cut_off_after_memo(program: Program) -> None:
    """Let the program reach its database no more once it has written how a wait ended."""
    commit = program.store.commit

    async def last(batch: Batch, on_commit: OnCommit | None = None) -> Committed:
        committed = await commit(batch, on_commit)
        if batch.of(MEMOS):
            program.store.failure = CUT_OFF
        return committed

    program.store.commit = last  # type: ignore[method-assign]  # of this program's view alone


# -- several waits -------------------------------------------------------------------------------


async def waits_twice(handle: AsyncTaskHandle) -> Any:
    """Its own task waits for one event, another one of its tasks for another event."""
    other = asyncio.create_task(handle.wait_for("other"))
    found = await handle.wait_for("go")
    other.cancel()
    return found


async def test_the_first_of_two_waits_lets_a_body_that_left_run_again() -> None:
    async with world() as w:
        begun = body(w, waits_twice)
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(HOUR)
        assert not is_held(program, run_id)

        await send(program, run_id)

        assert (await program.wait(run_id)).row.final_context == '{"found":1}'
        assert len(begun) == 2
        assert w.store.open_waits == {}


async def test_the_next_owner_knows_that_one_of_two_waits_of_a_body_is_over() -> None:
    async with world() as w:
        body(w, waits_twice)
        first = await w.start(lease_seconds=2)
        run_id = await first.submit()
        await asyncio.sleep(HOUR)
        cut_off_after_memo(first)
        await send(first, run_id)
        assert first.store.failure is CUT_OFF
        second = await w.start(lease_seconds=2)

        found = None
        with suppress(TimeoutError):
            async with asyncio.timeout(100):
                found = (await second.wait(run_id)).row.final_context

        assert found == '{"found":1}'


async def test_no_wait_keeps_a_body_from_leaving_that_waits_for_its_own_tasks() -> None:
    """As a block does that waits for its tasks at its end."""
    async with world() as w:

        async def waits(handle: AsyncTaskHandle) -> Any:
            other = asyncio.create_task(handle.wait_for("other"))
            try:
                await handle.sleep(HOUR)
            finally:
                with suppress(asyncio.CancelledError):
                    await other
            return "slept"

        begun = body(w, waits)
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(HOUR / 2)
        assert not is_held(program, run_id)
        await asyncio.sleep(HOUR)
        await send(program, run_id, event="other")

        assert (await program.wait(run_id)).row.final_context == '{"found":"slept"}'
        assert len(begun) == 2


async def test_a_body_leaves_through_a_group_of_tasks() -> None:
    async with world() as w:

        async def waits(handle: AsyncTaskHandle) -> Any:
            async with asyncio.TaskGroup() as group:
                other = group.create_task(handle.wait_for("other"))
                found = await handle.wait_for("go")
            return [found, other.result()]

        body(w, waits)
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(HOUR)
        assert not is_held(program, run_id)
        await send(program, run_id, "1")
        await asyncio.sleep(HOUR)
        await send(program, run_id, "2", event="other")

        assert (await program.wait(run_id)).row.final_context == '{"found":[1,2]}'


# -- waits that are cut off ----------------------------------------------------------------------


async def test_a_body_that_waits_no_more_is_not_asked_to_leave() -> None:
    async with world() as w:

        async def waits(handle: AsyncTaskHandle) -> Any:
            with suppress(TimeoutError):
                async with asyncio.timeout(3):
                    await handle.wait_for("go")
            await asyncio.sleep(HOUR)
            return await handle.wait_for("go")

        begun = body(w, waits)
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(HOUR / 2)
        assert w.attempts(run_id)[0].status == "Running"
        assert w.store.open_waits == {}
        await send(program, run_id)

        assert (await program.wait(run_id)).row.final_context == '{"found":1}'
        assert len(begun) == 1


@each_row("seconds", [9.999, 10, 10.001])
async def test_a_body_either_cuts_a_wait_off_or_leaves(seconds: float) -> None:
    """Both may come due at one moment: it would be said to have swallowed the signal."""
    async with world() as w:

        async def waits(handle: AsyncTaskHandle) -> Any:
            try:
                async with asyncio.timeout(seconds):
                    return await handle.wait_for("go")
            except TimeoutError:
                return "cut off"

        begun = body(w, waits, retry_attempts=1)
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(20)
        if seconds >= 10:
            await send(program, run_id, '"came"')

        found = "cut off" if seconds < 10 else "came"
        assert (await program.wait(run_id)).row.final_context == f'{{"found":"{found}"}}'
        assert len(begun) == 1 + (seconds >= 10)


async def test_a_body_that_cuts_a_wait_off_gets_its_slot_again_and_its_time_counts() -> None:
    async with world() as w:

        async def waits(handle: AsyncTaskHandle) -> Any:
            first = asyncio.create_task(handle.wait_for("go"))
            second = asyncio.create_task(handle.wait_for("other"))
            await asyncio.wait([first, second], return_when=asyncio.FIRST_COMPLETED)
            second.cancel()
            await asyncio.sleep(HOUR)

        body(w, waits, timeout_seconds=60, retry_attempts=1)
        program = await w.start()
        run_id = await program.submit()
        await quiet()
        await send(program, run_id)
        begun = now()

        ended = await program.wait(run_id)

        assert ended.row.status == "Failed"
        assert now() - begun == pytest.approx(60, abs=1)


async def test_a_condition_that_is_cut_off_gives_the_slot_back_as_well() -> None:
    async with world() as w:

        async def waits(handle: AsyncTaskHandle) -> Any:
            with suppress(TimeoutError):
                async with asyncio.timeout(3):
                    await handle.defer_until(lambda: False, poll_interval_ms=HOUR * 1000)
            await asyncio.sleep(HOUR)

        body(w, waits, timeout_seconds=60, retry_attempts=1)
        program = await w.start()
        begun = now()

        assert (await program.execute()).row.status == "Failed"
        assert now() - begun == pytest.approx(63, abs=1)


# -- owners that are cut off ---------------------------------------------------------------------


async def test_a_wait_counts_on_although_its_body_was_begun_in_between() -> None:
    """Its second owner is cut off before the body comes to the wait again."""
    async with world() as w:

        async def sleeps(handle: AsyncTaskHandle) -> None:
            if len(begun) == 2:
                await asyncio.sleep(HOUR)
            await handle.sleep(100)

        begun = body(w, sleeps)
        first = await w.start(lease_seconds=2)
        start = now()
        run_id = await first.submit()
        await quiet()
        first.store.failure = CUT_OFF
        second = await w.start(lease_seconds=2)
        await asyncio.sleep(40)
        assert len(begun) == 2
        second.store.failure = CUT_OFF
        third = await w.start(lease_seconds=2)

        assert (await third.wait(run_id)).row.status == "Completed"
        assert now() - start == pytest.approx(100, abs=1)


# -- keys that are replaced meanwhile ------------------------------------------------------------


@each_row("evict", [0, HOUR], ids=["leaves", "stays"])
async def test_a_body_sees_the_same_keys_until_it_ends(evict: float) -> None:
    """They are replaced for what begins from then on; with its input it would forget its waits."""
    async with world() as w:

        async def waits(handle: AsyncTaskHandle) -> Any:
            return [await handle.wait_for("go"), await handle.wait_for("go")]

        body(w, waits)
        program = await w.start(evict_after_seconds=evict)
        run_id = await program.submit()
        await send(program, run_id, "1")
        steering = program.engine.steering
        await steering.pause([run_id], PAUSE, None, children=True)
        await quiet()
        await steering.resume([run_id], RESUME, encode({"key": "new"}))
        await quiet()
        await send(program, run_id, "2")

        async with asyncio.timeout(100):
            ended = await program.wait(run_id)

        assert '"found":[1,2]' in str(ended.row.final_context)
        assert [row.replacements for row in w.attempts(run_id)] == [0]


@each_row("busy", [0, 30], ids=["it waits again", "it comes back later"])
async def test_a_message_that_comes_as_its_wait_is_cut_off_ends_the_next_one(busy: float) -> None:
    async with world() as w:

        async def waits_anew(handle: AsyncTaskHandle) -> Any:
            found: list[Any] = []
            with suppress(TimeoutError):
                async with asyncio.timeout(5):
                    found.append(await handle.wait_for("go"))
            await asyncio.sleep(busy)
            return [*found, await handle.wait_for("go")]

        body(w, waits_anew)
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(4)
        other = await w.start()
        program.store.silent = True
        await send(other, run_id)
        program.store.answers.clear()  # the end of the wait stays on its way
        (run,) = program.engine._parts.base.runs
        program.engine._parts.bodies.waits.messages_sent(run, 1)
        await asyncio.sleep(2)
        program.store.answers.set()

        assert (await program.wait(run_id)).row.final_context == '{"found":[1]}'
        assert w.store.open_waits == {}
