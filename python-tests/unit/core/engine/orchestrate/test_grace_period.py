"""A shutdown gives bodies their time, no more than that, and says what it waits for."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from model.by_hand import HandMarks
from model.memory_store import MemoryStore
from model.orchestration import PAIR, Scene
from model.runs import graph_of
from model.virtual_time import the_loop

from cloaca_core.config import DefaultRunnerConfig
from cloaca_core.engine.execute.work import Work
from cloaca_core.engine.orchestrate.grace_period import NAMED, GracePeriod
from cloaca_core.engine.record.journal import Journal
from cloaca_core.engine.recover.runner_id import RunnerId
from cloaca_core.errors import StoreUnavailableError
from cloaca_core.features.triggers.event_writer import EventEntry

pytestmark = pytest.mark.virtual_time

GRACE = 60.0


class Desk:
    """A runner that has begun to shut down, with a journal that writes when the test says so."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        self._caplog = caplog
        self.scene = Scene()
        self.journal = Journal(MemoryStore(), RunnerId("me"), HandMarks())
        self.grace = GracePeriod(
            DefaultRunnerConfig(shutdown_grace_seconds=GRACE),
            self.scene.runs,
            self.journal,
            self.scene.start_marks,
            RunnerId("me"),
        )

    def bodies(self, count: int = 1) -> list[Work]:
        """Bodies of one run that run; no other will start."""
        self.scene.adopt(PAIR if count == 1 else graph_of(**{f"t{n}": {} for n in range(count)}))
        bodies: list[Work] = [self.scene.begin() for _ in range(count)]
        self.scene.drain()
        self._caplog.clear()
        return bodies

    def record(self) -> None:
        """Something is to be recorded."""
        self.journal.add(EventEntry(lambda: None))

    async def waited(self) -> float:
        """Seconds for which the shutdown waits."""
        began = the_loop().time()
        await self.grace.wait()
        return the_loop().time() - began


@pytest.fixture
async def desk(caplog: pytest.LogCaptureFixture) -> Desk:
    caplog.set_level(logging.INFO)
    return Desk(caplog)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]


async def test_a_runner_that_does_nothing_is_waited_for_no_moment(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    assert await desk.waited() == 0

    assert caplog.records == []


async def test_it_lasts_until_the_last_body_has_ended_and_all_is_recorded(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    (body,) = desk.bodies()
    desk.record()
    the_loop().call_later(10, desk.scene.executor.finish, body)
    writing = the_loop().create_task(_after(20, desk.journal))

    assert await desk.waited() == 20

    assert caplog.messages == ["shutdown: 1 bodies run, and get 60 s to end"]
    assert {vars(each)["runner_id"] for each in caplog.records} == {"me"}
    await writing


async def _after(seconds: float, journal: Journal) -> None:
    await asyncio.sleep(seconds)
    await journal.turn()


async def test_a_body_that_outlives_it_is_named_and_waited_for_no_longer(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.bodies()

    assert await desk.waited() == GRACE

    assert warnings(caplog) == ["shutdown waits no longer for task a of run r"]


@pytest.mark.parametrize(
    ("failure", "told"),
    [(None, "its records"), (StoreUnavailableError("away"), "the database: away")],
)
async def test_records_that_cannot_be_written_are_waited_for_no_longer_either(
    desk: Desk, caplog: pytest.LogCaptureFixture, failure: Exception | None, told: str
) -> None:
    desk.record()
    desk.journal.failure = failure

    assert await desk.waited() == GRACE

    assert warnings(caplog) == [f"shutdown waits no longer for {told}"]


@pytest.mark.parametrize("seconds", [0, 5])
async def test_a_person_in_a_hurry_ends_it_and_is_told_by_who_has_asked(
    desk: Desk, caplog: pytest.LogCaptureFixture, seconds: float
) -> None:
    desk.bodies()
    if seconds:
        the_loop().call_later(seconds, desk.grace.hurry)
    else:
        desk.grace.hurry()

    assert await desk.waited() == seconds

    assert warnings(caplog) == []


@pytest.mark.parametrize(("count", "more"), [(NAMED, ""), (NAMED + 2, ", 2 more")])
async def test_a_person_is_told_of_the_first_bodies_by_name(
    desk: Desk, caplog: pytest.LogCaptureFixture, count: int, more: str
) -> None:
    desk.bodies(count)
    named = ", ".join(f"task t{number} of run r" for number in range(NAMED)) + more

    desk.grace.tell_of_wait()
    desk.grace.tell_of_haste()

    assert warnings(caplog) == [
        f"shutdown waits up to 60 s for {named}; Ctrl-C ends the wait",
        f"shutdown waits no longer for {named}",
    ]


@pytest.mark.parametrize("tell", [GracePeriod.tell_of_wait, GracePeriod.tell_of_haste])
async def test_where_nothing_is_waited_for_a_person_is_told_nothing(
    desk: Desk, caplog: pytest.LogCaptureFixture, tell: Any
) -> None:
    tell(desk.grace)

    assert caplog.records == []
