"""Who gets which session, and when a new one is opened."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import psycopg
import pytest
from psycopg import errors
from tables import each_row

from cloaca_core.errors import StoreError, StoreReadOnlyError, StoreUnavailableError
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.queries import Row, Statement
from cloaca_postgres.errors import translated
from cloaca_postgres.sessions.pool import PATIENCE_S, STATEMENT_DEADLINE_S, Pool
from cloaca_postgres.sessions.session import Session

pytestmark = pytest.mark.asyncio

SOON_S = 60
STEPS = [Step(Statement("x", "SELECT 1", ()))]


class FakeSession:
    """A session that answers its number as soon as it may."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.closed = False
        self.is_busy = False
        self.go = asyncio.Event()
        self.go.set()
        self.failures: list[psycopg.Error] = []

    def lost(self) -> None:
        """Set by the pool."""

    def freed(self) -> None:
        """Set by the pool."""

    async def run(self, steps: Sequence[Step], deadline: float) -> list[list[Row]]:
        assert (steps, deadline) == (STEPS, STATEMENT_DEADLINE_S)
        await asyncio.sleep(0)
        await self.go.wait()
        if self.failures:
            error = self.failures.pop(0)
            raise translated(error, "here") from error
        if self.closed:
            raise StoreUnavailableError("lost")
        return [[(self.number,)]]

    def close(self) -> None:
        self.closed = True
        self.go.set()
        self.lost()


class Scene:
    """A pool and the sessions that it opened."""

    def __init__(self, size: int) -> None:
        self.sessions: list[FakeSession] = []
        self.refusals = 0
        self.pool = Pool(self._connect, size, place="here")

    async def busy(self) -> asyncio.Task[int]:
        """A caller that has the first session until it may go on."""
        await self.run()
        self.sessions[0].go.clear()
        task = asyncio.create_task(self.run())
        await asyncio.sleep(0)
        return task

    async def _connect(self) -> Session:
        if self.refusals:
            self.refusals -= 1
            raise StoreUnavailableError("refused")
        self.sessions.append(FakeSession(len(self.sessions)))
        return cast(Session, self.sessions[-1])

    async def run(self) -> int:
        """The number of the session that answered."""
        (((number,),),) = await self.pool.run(STEPS)
        return int(number)


@pytest.mark.virtual_time
async def test_the_session_that_was_used_last_is_used_next() -> None:
    scene = Scene(3)
    busy = await scene.busy()
    assert await scene.run() == 1
    scene.sessions[0].go.set()
    assert await busy == 0

    assert [await scene.run() for _ in range(5)] == [0] * 5
    assert len(scene.sessions) == 2


@pytest.mark.virtual_time
async def test_callers_share_a_session_for_a_while_before_one_more_is_opened() -> None:
    scene = Scene(3)
    busy = await scene.busy()
    waiting = [asyncio.create_task(scene.run()) for _ in range(3)]

    await asyncio.sleep(0.99 * PATIENCE_S)
    assert len(scene.sessions) == 1

    assert [await each for each in waiting] == [1] * 3  # in their order, on one that was opened
    assert len(scene.sessions) == 2
    scene.sessions[0].go.set()
    await busy


@pytest.mark.virtual_time
async def test_one_more_that_cannot_be_had_costs_no_caller_its_turn() -> None:
    scene = Scene(3)
    busy = await scene.busy()
    waiting = asyncio.create_task(scene.run())
    scene.refusals = 1
    await asyncio.sleep(2 * PATIENCE_S)

    scene.sessions[0].go.set()

    assert (await busy, await waiting) == (0, 0)


@pytest.mark.virtual_time
async def test_no_session_is_opened_for_callers_who_were_served_meanwhile() -> None:
    scene = Scene(3)
    busy = await scene.busy()
    waiting = asyncio.create_task(scene.run())
    await asyncio.sleep(PATIENCE_S / 2)
    scene.sessions[0].go.set()
    await asyncio.gather(busy, waiting)

    await asyncio.sleep(PATIENCE_S)

    assert len(scene.sessions) == 1


@pytest.mark.virtual_time
async def test_a_session_of_a_caller_who_was_cancelled_serves_when_it_is_free() -> None:
    scene = Scene(1)
    busy = await scene.busy()
    session = scene.sessions[0]
    session.is_busy = True
    busy.cancel()
    session.go.set()
    waiting = asyncio.create_task(scene.run())
    await asyncio.sleep(PATIENCE_S)
    assert not waiting.done()

    session.is_busy = False
    session.freed()

    assert await waiting == 0


@pytest.mark.virtual_time
async def test_a_pool_that_is_not_open_opens_while_its_caller_goes_on() -> None:
    scene = Scene(1)
    scene.refusals = 1

    assert not scene.pool.is_open()
    await asyncio.sleep(1)  # it was refused
    assert not scene.pool.is_open()
    assert not scene.pool.is_open()
    await asyncio.sleep(1)
    assert scene.pool.is_open()
    assert len(scene.sessions) == 1


@pytest.mark.virtual_time
async def test_callers_that_come_while_the_first_session_opens_share_it() -> None:
    scene = Scene(3)

    assert await asyncio.gather(*[scene.run() for _ in range(4)]) == [0] * 4
    assert len(scene.sessions) == 1


@pytest.mark.virtual_time
async def test_sessions_are_opened_one_after_the_other_while_callers_wait() -> None:
    scene = Scene(4)
    busy = [await scene.busy(), *[asyncio.create_task(scene.run()) for _ in range(2)]]
    await asyncio.sleep(1.5 * PATIENCE_S)
    assert len(scene.sessions) == 2
    for session in scene.sessions:
        session.go.clear()
    busy += [asyncio.create_task(scene.run()) for _ in range(2)]

    await asyncio.sleep(PATIENCE_S)
    assert len(scene.sessions) == 3
    for session in scene.sessions:
        session.go.set()
    await asyncio.gather(*busy)


async def test_one_that_is_to_be_first_waits_for_no_other_caller() -> None:
    scene = Scene(1)
    busy = await scene.busy()
    order: list[str] = []

    async def caller(name: str, *, first: bool) -> None:
        await scene.pool.run(STEPS, first=first)
        order.append(name)

    waiting = [
        asyncio.create_task(caller("commit", first=False)),
        asyncio.create_task(caller("beat", first=True)),
    ]
    await asyncio.sleep(0)
    scene.sessions[0].go.set()
    await asyncio.gather(busy, *waiting)

    assert order == ["beat", "commit"]


async def test_no_more_sessions_are_opened_than_allowed_and_who_waits_is_served_in_order() -> None:
    scene = Scene(1)
    await scene.run()
    scene.sessions[0].go.clear()
    order: list[int] = []

    async def waiter(number: int) -> None:
        await scene.run()
        order.append(number)

    waiting = [asyncio.create_task(waiter(number)) for number in range(4)]
    await asyncio.sleep(0)
    scene.sessions[0].go.set()
    await asyncio.gather(*waiting)

    assert order == [0, 1, 2, 3]
    assert len(scene.sessions) == 1


async def test_a_waiter_that_gives_up_takes_no_session_with_it() -> None:
    scene = Scene(1)
    await scene.run()
    scene.sessions[0].go.clear()
    first, second = asyncio.create_task(scene.run()), asyncio.create_task(scene.run())
    await asyncio.sleep(0)
    scene.sessions[0].go.set()
    await first  # which hands the session to the second
    second.cancel()
    await asyncio.wait([second])

    assert await scene.run() == 0


async def test_a_waiter_that_is_cancelled_when_it_is_served_takes_no_session_with_it() -> None:
    scene = Scene(1)
    await scene.run()
    scene.sessions[0].go.clear()

    async def served_and_cancelled() -> None:
        await scene.run()  # gives the session to the second, which has not run on yet
        second.cancel()

    first, second = (
        asyncio.create_task(served_and_cancelled()),
        asyncio.create_task(scene.run()),
    )
    await asyncio.sleep(0)
    scene.sessions[0].go.set()
    await asyncio.wait([first, second])

    assert second.cancelled()
    async with asyncio.timeout(SOON_S):
        assert await scene.run() == 0


async def test_a_lost_session_is_replaced() -> None:
    scene = Scene(1)
    await scene.run()

    scene.sessions[0].close()

    assert await scene.run() == 1


@pytest.mark.virtual_time
async def test_after_a_session_has_broken_in_use_the_next_is_new() -> None:
    """A server that restarts breaks them all, and a read is tried twice only."""
    scene = Scene(3)
    busy = await scene.busy()
    assert await scene.run() == 1
    scene.sessions[0].close()

    with pytest.raises(StoreUnavailableError, match="lost"):
        await busy
    assert await scene.run() == 2
    assert scene.sessions[1].closed


@pytest.mark.virtual_time
async def test_a_statement_that_fails_ends_no_other_session() -> None:
    scene = Scene(3)
    busy = await scene.busy()
    assert await scene.run() == 1
    scene.sessions[0].failures = [errors.QueryCanceled()]
    scene.sessions[0].go.set()

    with pytest.raises(StoreUnavailableError):
        await busy
    assert not scene.sessions[1].closed


async def test_a_session_lost_in_use_makes_room_for_who_waits() -> None:
    scene = Scene(1)
    await scene.run()
    scene.sessions[0].go.clear()
    first, second = asyncio.create_task(scene.run()), asyncio.create_task(scene.run())
    await asyncio.sleep(0)

    scene.sessions[0].close()

    with pytest.raises(StoreUnavailableError):
        await first
    assert await second == 1


async def test_a_session_that_may_not_write_is_replaced() -> None:
    """It stays as it is after the server, or another one in its place, takes writes again."""
    scene = Scene(1)
    await scene.run()
    scene.sessions[0].failures = [errors.ReadOnlySqlTransaction("read-only")]

    with pytest.raises(StoreReadOnlyError):
        await scene.run()

    assert scene.sessions[0].closed
    assert await scene.run() == 1


@pytest.mark.virtual_time
async def test_a_refused_connection_is_told_and_the_next_caller_tries_again() -> None:
    scene = Scene(1)
    scene.refusals = 1

    with pytest.raises(StoreUnavailableError, match="refused"):
        await scene.run()

    assert await scene.run() == 0


@each_row("error", [errors.DeadlockDetected, errors.SerializationFailure])
async def test_a_transaction_that_gave_way_to_another_runs_again(
    error: type[psycopg.Error],
) -> None:
    scene = Scene(1)
    await scene.run()
    scene.sessions[0].failures = [error() for _ in range(4)]

    assert await scene.run() == 0  # at the fifth try


async def test_one_that_always_gives_way_is_told_after_five_tries() -> None:
    scene = Scene(1)
    await scene.run()
    scene.sessions[0].failures = [errors.DeadlockDetected() for _ in range(9)]

    with pytest.raises(StoreUnavailableError):
        await scene.run()
    assert len(scene.sessions[0].failures) == 9 - 5


async def test_what_failed_for_another_reason_is_not_tried_again() -> None:
    scene = Scene(1)
    await scene.run()
    scene.sessions[0].failures = [errors.QueryCanceled(), errors.QueryCanceled()]

    with pytest.raises(StoreUnavailableError):
        await scene.run()
    assert len(scene.sessions[0].failures) == 1


async def test_closing_ends_who_works_and_who_waits() -> None:
    scene = Scene(1)
    await scene.run()
    scene.sessions[0].go.clear()
    working, waiting = asyncio.create_task(scene.run()), asyncio.create_task(scene.run())
    await asyncio.sleep(0)

    await scene.pool.close()

    for task in (working, waiting):
        with pytest.raises(StoreError):
            await task
    with pytest.raises(StoreError, match="the store is closed"):
        await scene.run()
