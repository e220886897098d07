"""Behind a pooler, changes are found by polling, and ours are announced all the same."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest
from model.virtual_time import the_loop
from tables import each_row
from unit.postgres.wakeups.announced import announced, beat, named

from cloaca_core.errors import StoreUnavailableError
from cloaca_core.store.changes import Change
from cloaca_core.store.sql.dialect import Step
from cloaca_core.store.sql.queries import Row
from cloaca_postgres.sessions.pool import Pool
from cloaca_postgres.wakeups import poller as polling
from cloaca_postgres.wakeups.announcements import LEAVING_S, Message
from cloaca_postgres.wakeups.poller import APART_POLLING_S, Poller

SOON = 60.0


class BusyServer:
    """A pool on a server where another program has written since each last look."""

    def __init__(self) -> None:
        self.asked: list[Sequence[Step]] = []

    async def run(self, steps: Sequence[Step]) -> list[list[Row]]:
        self.asked.append(steps)
        return [[(len(self.asked),)]]


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long each rest between two looks would have been at most."""
    found: list[float] = []

    async def within(seconds: float, event: asyncio.Event) -> bool:
        found.append(round(seconds, 3))
        return event.is_set()

    monkeypatch.setattr(polling, "within", within)
    return found


async def test_who_has_nothing_to_do_looks_once_a_second_whatever_others_write(
    rests: list[float],
) -> None:
    poller = Poller(cast("Pool", BusyServer()), announced(), 0.4)
    for _ in range(5):
        await poller.wait()

    assert rests == [0.4, 0.6, 0.9, 1.0, 1.0]
    await poller.close()


async def test_who_hands_out_or_ends_runs_looks_soon_but_rests_first(rests: list[float]) -> None:
    poller = Poller(cast("Pool", BusyServer()), announced(), 0.4)
    await poller.wait()
    await poller.wait()

    poller.wrote([named("end_run")], [[]])
    await poller.wait()
    poller.wrote([beat(0)], [[]])
    await poller.wait()

    assert rests == [0.4, 0.6, 0.9, 0.4, 0.4]
    await poller.close()


async def test_an_interval_above_a_second_is_kept(rests: list[float]) -> None:
    poller = Poller(cast("Pool", BusyServer()), announced(), 7.0)
    await poller.wait()
    await poller.wait()

    assert rests == [7.0, 7.0]
    await poller.close()


async def test_who_waits_returns_when_it_is_closed() -> None:
    poller = Poller(cast("Pool", BusyServer()), announced(), SOON)
    waiting = asyncio.create_task(poller.wait())
    await asyncio.sleep(0)

    await poller.close()

    await asyncio.wait_for(waiting, SOON / 2)


class NotedServer:
    """A pool that notes what it was asked; the answer comes when it is ``answering``."""

    def __init__(self, *, is_down: bool = False) -> None:
        self._is_down = is_down
        self.asked: list[str] = []
        self.told: list[Step] = []
        self.is_asked = asyncio.Event()
        self.answering = asyncio.Event()

    async def run(self, steps: Sequence[Step]) -> list[list[Row]]:
        self.asked += [each.statement.name for each in steps]
        self.told += [each for each in steps if each.statement.name == "notify"]
        self.is_asked.set()
        await self.answering.wait()
        if self._is_down:
            raise StoreUnavailableError("the server is down")
        return [[(0,)] for _ in steps]


@pytest.mark.virtual_time
@each_row("is_down", [False, True])
async def test_behind_a_pooler_what_is_due_is_announced_when_it_is_closed(is_down: bool) -> None:
    """Once more where the answer had not come."""
    server = NotedServer(is_down=is_down)
    poller = Poller(cast("Pool", server), announced(), SOON)
    poller.wrote([named("end_run")], [[]])
    await server.is_asked.wait()
    server.answering.set()
    began = the_loop().time()

    await poller.close()

    assert server.asked == ["notify"] * 2
    assert the_loop().time() == began


@pytest.mark.virtual_time
async def test_behind_a_pooler_nothing_is_announced_twice_when_it_is_closed() -> None:
    server = NotedServer()
    server.answering.set()
    poller = Poller(cast("Pool", server), announced(), SOON)
    poller.wrote([named("end_run")], [[]])
    await asyncio.sleep(APART_POLLING_S)

    await poller.close()

    assert server.asked == ["notify"]


@pytest.mark.virtual_time
async def test_behind_a_pooler_a_server_that_does_not_answer_is_left_after_a_while() -> None:
    server = NotedServer()
    poller = Poller(cast("Pool", server), announced(), SOON)
    poller.wrote([named("end_run")], [[]])
    await server.is_asked.wait()
    began = the_loop().time()

    await poller.close()

    assert the_loop().time() - began == pytest.approx(LEAVING_S)


@pytest.mark.virtual_time
async def test_behind_a_pooler_runs_that_claims_may_look_past_are_told_as_such() -> None:
    """Also if the first message is lost, or if there is other news before it is told."""
    server = NotedServer(is_down=True)
    poller = Poller(cast("Pool", server), announcements := announced(), SOON)
    poller.wrote([named("leave_run")], [[]])
    poller.wrote([named("end_run")], [[]])
    await server.is_asked.wait()
    server.answering.set()
    await asyncio.sleep(APART_POLLING_S)

    await poller.close()

    assert server.told == [announcements.of(Message.LATE)] * 2


@pytest.mark.virtual_time
async def test_behind_a_pooler_too() -> None:
    server = NotedServer()
    server.answering.set()
    poller = Poller(cast("Pool", server), announced(), 1.0)
    await poller.wait()
    began = the_loop().time()
    poller.return_in(2.5)

    assert await poller.wait() is Change.RUNS
    assert the_loop().time() - began == 3.5  # it rests before each look
    poller.return_in(9)
    await poller.close()
