"""Transactional bodies in virtual time: what is rolled back, when, and what a lost answer means."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from model.memory_transactions import AwaitedMemoryTransaction, MemoryTransaction
from model.quiet import quiet
from model.virtual_engine import World, world
from model.virtual_time import the_loop

from cloaca_core.definition.context import Context
from cloaca_core.definition.handles.async_handle import AsyncTaskHandle
from cloaca_core.engine.order import Order
from cloaca_core.errors import StoreUnavailableError
from cloaca_core.store.transactions import CommitUnknownError, Recording

pytestmark = pytest.mark.virtual_time

HOUR = 3600
CANCEL = Order("cancel", "ann", None)


def booking(w: World, seconds: float, **options: Any) -> list[int]:
    """A body that writes a row for its attempt and then takes so long; the attempts that began."""
    begun: list[int] = []

    async def body(_: Context, handle: AsyncTaskHandle) -> dict[str, int]:
        begun.append(handle.attempt)
        handle.connection.execute(str(handle.attempt))
        await asyncio.sleep(seconds)
        return {"booked": handle.attempt}

    w.define(body, transactional=True, **{"retry_attempts": 1, **options})
    return begun


async def test_a_body_is_rolled_back_at_its_time_limit() -> None:
    async with world() as w:
        booking(w, HOUR, timeout_seconds=60)
        program = await w.start()
        begun = the_loop().time()

        ended = await program.execute()

        assert (ended.row.status, round(the_loop().time() - begun)) == ("Failed", 60)
        assert w.store.transactions.rows == []


async def test_waiting_for_its_turn_takes_none_of_its_time() -> None:
    async with world() as w:
        booking(w, 50, timeout_seconds=60)
        program = await w.start(max_transactional=1)
        begun = the_loop().time()

        ended = await asyncio.gather(program.execute(), program.execute(), program.execute())

        assert [each.row.status for each in ended] == ["Completed"] * 3
        assert round(the_loop().time() - begun) == 150
        assert w.store.transactions.rows == ["1"] * 3


async def test_a_cancel_rolls_back() -> None:
    async with world() as w:
        booking(w, HOUR)
        program = await w.start()
        run_id = await program.submit()
        await quiet()

        await program.engine.steering.cancel([run_id], CANCEL, 30.0, children=False)
        ended = await program.wait(run_id)

        assert ended.row.status == "Cancelled"
        assert w.store.transactions.rows == []


@pytest.mark.parametrize("came_through", [True, False], ids=["committed", "lost"])
async def test_a_commit_without_an_answer_is_settled_by_the_database(
    monkeypatch: pytest.MonkeyPatch, came_through: bool
) -> None:
    """Nothing is decided before it has answered, however long that takes."""
    async with world() as w:
        begun = booking(w, 1)
        program = await w.start()
        commit, met = MemoryTransaction.commit, list[Recording]()

        async def unanswered(self: AwaitedMemoryTransaction, recording: Recording) -> bool:
            if met:
                return commit(self._inner, recording)
            met.append(recording)
            if came_through:
                commit(self._inner, recording)
            program.store.failure = StoreUnavailableError("away")
            the_loop().call_later(HOUR, setattr, program.store, "failure", None)
            raise CommitUnknownError("no answer")

        monkeypatch.setattr(AwaitedMemoryTransaction, "commit", unanswered)
        at = the_loop().time()

        ended = await program.execute()

        assert ended.row.status == "Completed"
        assert the_loop().time() - at >= HOUR
        assert begun == ([1] if came_through else [1, 2])
        assert w.store.transactions.rows == [str(begun[-1])]
