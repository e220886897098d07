"""Steps of bodies in virtual time: what is tried again, lost, cancelled and taken over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from model.quiet import quiet
from model.virtual_engine import World, world
from model.virtual_time import the_loop

from cloaca_core.definition.context import Context
from cloaca_core.definition.handles.async_handle import AsyncTaskHandle
from cloaca_core.definition.retries.policy import RetryPolicy
from cloaca_core.engine.order import Order
from cloaca_core.errors import StoreUnavailableError

pytestmark = pytest.mark.virtual_time

HOUR = 3600
CANCEL = Order("cancel", "ann", None)
POLICY = RetryPolicy(max_attempts=9, initial_delay=HOUR, max_delay=HOUR, with_jitter=False)


class Calls:
    """Notes when calls were made."""

    def __init__(self, failures: int = 0) -> None:
        self.made: list[tuple[Any, float]] = []
        self._failures = failures

    async def __call__(self, name: Any) -> Any:
        self.made.append((name, round(the_loop().time())))
        if len(self.made) <= self._failures:
            raise OSError("busy")
        return name

    def names(self) -> list[Any]:
        return [name for name, _ in self.made]


def two_steps(w: World, calls: Calls, between: Callable[[int], Any]) -> None:
    """A body that makes two steps, and awaits what ``between`` gives for its attempt."""

    async def body(_: Context, handle: AsyncTaskHandle) -> dict[str, Any]:
        first = await handle.step("first", calls, 1)
        await between(handle.attempt)
        return {"values": [first, await handle.step("second", calls, 2)]}

    w.define(body, retry_attempts=3, retry_delay_ms=1000, retry_jitter=False)


async def nothing(_: int) -> None:
    pass


async def test_a_call_is_tried_again_after_the_delays_of_its_policy() -> None:
    async with world() as w:
        calls = Calls(failures=2)

        async def body(_: Context, handle: AsyncTaskHandle) -> None:
            await handle.with_options(retry=POLICY).step("call", calls, 1)

        w.define(body)
        program = await w.start()
        begun = round(the_loop().time())

        ended = await program.execute()

        assert ended.row.status == "Completed"
        assert [at - begun for _, at in calls.made] == [0, HOUR, 2 * HOUR]


async def test_a_cancel_ends_the_wait_for_the_next_try() -> None:
    async with world() as w:
        calls = Calls(failures=99)

        async def body(_: Context, handle: AsyncTaskHandle) -> None:
            await handle.with_options(retry=POLICY).step("call", calls, 1)

        w.define(body)
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(10)

        await program.engine.steering.cancel([run_id], CANCEL, 30.0, children=False)
        ended = await program.wait(run_id)
        await asyncio.sleep(2 * HOUR)

        assert ended.row.status == "Cancelled"
        assert len(calls.made) == 1
        assert program.engine._parts.bodies.memos.calls == {}


async def test_the_next_attempt_gets_what_was_kept() -> None:
    async with world() as w:
        calls = Calls()

        async def fail_once(attempt: int) -> None:
            if attempt == 1:
                raise ValueError("once")

        two_steps(w, calls, fail_once)

        ended = await (await w.start()).execute()

        assert ended.row.final_context == '{"values":[1,2]}'
        assert calls.names() == [1, 2]


async def test_the_next_owner_gets_what_was_kept() -> None:
    """The first owner is stopped between two steps, and its late step counts for nothing."""
    async with world() as w:
        calls, held = Calls(), asyncio.Event()

        async def hold(_: int) -> None:
            if not held.is_set():
                held.set()
                await asyncio.sleep(24 * HOUR)

        two_steps(w, calls, hold)
        first = await w.start(lease_seconds=2)
        run_id = await first.submit()
        await held.wait()
        first.store.failure = StoreUnavailableError("cut off")
        second = await w.start(lease_seconds=2)

        ended = await second.wait(run_id)

        assert ended.row.final_context == '{"values":[1,2]}'
        assert calls.names() == [1, 2]
        assert w.run(run_id).epoch > 1


async def test_a_step_waits_while_the_database_cannot_be_written() -> None:
    async with world() as w:
        calls, made = Calls(), asyncio.Event()

        async def note(_: int) -> None:
            made.set()

        two_steps(w, calls, note)
        program = await w.start()
        run_id = await program.submit()
        await made.wait()
        program.store.failure = StoreUnavailableError("away")
        await asyncio.sleep(HOUR)
        assert w.run(run_id).status == "Running"

        program.store.failure = None

        assert (await program.wait(run_id)).row.status == "Completed"
        assert calls.names() == [1, 2]


async def test_a_plain_run_writes_no_memo_and_a_step_one() -> None:
    async with world() as w:
        calls = Calls()
        two_steps(w, calls, nothing)
        program = await w.start()

        await program.execute()
        await quiet()

        rows = [(row.name, row.number, row.value) for row in w.store.kept_memos.values()]
        assert rows == [("first", 1, "1"), ("second", 1, "2")]
