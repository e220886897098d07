"""Triggers over days: when they are polled, and which of the events that they find make runs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from model.runs import nothing
from model.virtual_engine import World, at, world
from model.virtual_time import VirtualClock, the_loop

from cloaca_core.definition.context import Context
from cloaca_core.definition.triggers.result import TriggerResult
from cloaca_core.errors import StoreUnavailableError

pytestmark = pytest.mark.virtual_time

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR = 3600
HOURLY = {"poll_interval": "1h"}


class Polls:
    """A function of a trigger: returns ``answer``, an async one after so many hours. ``begun`` has
    the hours since noon at which it was called.
    """

    def __init__(self, w: World, answer: Callable[[], object] = bool, hours: float = 0) -> None:
        self.begun: list[float] = []
        self._w = w
        self._answer = answer
        self._seconds = hours * HOUR

    def sync(self) -> object:
        self.begun.append(hours(self._w))
        return self._answer()

    async def takes_time(self) -> object:
        self.begun.append(hours(self._w))
        await asyncio.sleep(self._seconds)
        return self._answer()


def hours(w: World) -> float:
    """How long ago noon was."""
    return hours_of(at(w.clock.wall()))


def hours_of(moment: datetime) -> float:
    return (moment - NOON) / timedelta(hours=1)


def made(w: World) -> list[float]:
    """The hours at which runs were made."""
    return [hours_of(at(run.created_at)) for run in w.runs()]


def since(start: float, moments: list[float]) -> list[float]:
    return [round(each - start, 6) for each in moments]


# -- when ----------------------------------------------------------------------------------------


async def test_it_is_polled_at_each_interval_from_its_registration_on() -> None:
    async with world(NOON) as w:
        w.define(nothing)
        await w.start()
        await w.clock.until(NOON + timedelta(minutes=30))
        polls = Polls(w)
        w.trigger(polls.sync, **HOURLY)

        await w.clock.until(NOON + timedelta(days=1, hours=1))

        assert polls.begun == [1.5 + each for each in range(24)]
        (row,) = w.store.triggers.values()
        assert [hours_of(at(row.last_poll_at)), hours_of(at(row.next_poll_at))] == [24.5, 25.5]


async def test_each_is_polled_at_its_own_interval() -> None:
    async with world(NOON) as w:
        w.define(nothing)
        first, second = Polls(w), Polls(w)
        w.trigger(first.sync, "first", poll_interval="1h")
        w.trigger(second.sync, "second", poll_interval="90m")
        await w.start()

        await w.clock.until(NOON + timedelta(hours=3.75))

        assert (first.begun, second.begun) == ([1, 2, 3], [1.5, 3])


async def test_two_programs_poll_it_as_often_as_one() -> None:
    async with world(NOON) as w:
        w.define(nothing)
        polls = Polls(w)
        w.trigger(polls.sync, **HOURLY)
        await w.start()
        await w.start()

        await w.clock.until(NOON + timedelta(days=1, minutes=30))

        assert polls.begun == [1 + each for each in range(24)]


async def test_of_two_programs_that_see_it_due_at_the_same_moment_one_calls_it() -> None:
    """At 1, and the database answers a quarter of an hour later."""
    async with world(NOON) as w:
        w.define(nothing)
        polls = Polls(w)
        w.trigger(polls.sync, **HOURLY)
        stores = [(await w.start()).store for _ in range(2)]
        start = the_loop().time()
        await w.clock.until(NOON + timedelta(minutes=30))
        for each in stores:
            each.answers.clear()

        await w.clock.until(NOON + timedelta(hours=1.25))
        for each in stores:
            each.answers.set()
        await w.clock.until(NOON + timedelta(hours=3))

        assert [each.asked[0] - start for each in stores] == [HOUR, HOUR]
        assert polls.begun == [1.25, 2]


async def test_a_function_that_takes_longer_than_the_interval_is_called_when_it_has_returned() -> (
    None
):
    async with world(NOON) as w:
        w.define(nothing)
        polls = Polls(w, hours=2.5)
        w.trigger(polls.takes_time, **HOURLY)
        program = await w.start()
        start = the_loop().time()

        await w.clock.until(NOON + timedelta(hours=10))

        assert polls.begun == [1, 3.5, 6, 8.5]
        assert since(start, program.store.asked) == [each * HOUR for each in polls.begun]


async def test_meanwhile_another_program_calls_it_at_each_interval() -> None:
    async with world(NOON) as w:
        w.define(nothing)
        polls = Polls(w, hours=1.5)
        w.trigger(polls.takes_time, **HOURLY)
        await w.start()
        await w.start()

        await w.clock.until(NOON + timedelta(hours=6.5))

        assert polls.begun == [1, 2, 3, 4, 5, 6]


async def test_one_that_is_disabled_for_a_day_is_polled_an_interval_after_it_is_enabled() -> None:
    async with world(NOON) as w:
        w.define(nothing)
        polls = Polls(w)
        w.trigger(polls.sync, **HOURLY)
        program = await w.start()
        await w.clock.until(NOON + timedelta(hours=2.25))

        await program.triggers.set_enabled("t", False)
        await w.clock.until(NOON + timedelta(hours=26.25))
        await program.triggers.set_enabled("t", True)
        await w.clock.until(NOON + timedelta(hours=28.5))

        assert polls.begun == [1, 2, 27.25, 28.25]


# -- what goes wrong -----------------------------------------------------------------------------


async def test_one_that_fails_is_polled_at_each_interval_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """And it is told of once, not each hour."""
    async with world(NOON) as w:

        def fail() -> bool:
            raise ConnectionError("no route")

        w.define(nothing)
        polls = Polls(w, fail)
        w.trigger(polls.sync, **HOURLY)
        await w.start()

        await w.clock.until(NOON + timedelta(days=1, minutes=30))

        assert polls.begun == [1 + each for each in range(24)]
        told = [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]
        assert told == ["trigger 't' failed: ConnectionError('no route')"]


async def test_without_a_database_a_poll_is_tried_after_ever_longer_pauses_up_to_a_second() -> None:
    """And made once when it is back, from which the next interval counts."""
    async with world(NOON) as w:
        w.define(nothing)
        polls = Polls(w)
        w.trigger(polls.sync, **HOURLY)
        program = await w.start()
        start = the_loop().time() + HOUR
        await w.clock.until(NOON + timedelta(minutes=30))
        program.store.failure = StoreUnavailableError("the server is away")
        program.store.asked.clear()

        the_loop().call_at(start + HOUR, program.store.recover)
        await w.clock.until(NOON + timedelta(hours=3.5))

        back = 2.5 + 3598  # seconds after it was due: the first try after an hour
        assert since(start, program.store.asked) == [
            *(0, 0.1, 0.3, 0.7, 1.5),
            *(2.5 + each for each in range(3599)),
            round(back + HOUR, 6),
        ]
        due = NOON + timedelta(hours=1, seconds=back)
        assert polls.begun == [hours_of(due), hours_of(due + timedelta(hours=1))]


async def test_what_is_found_while_the_database_is_away_makes_a_run_when_it_is_back() -> None:
    async with world(NOON) as w:
        w.define(nothing)
        polls = Polls(w, lambda: True, hours=0.5)
        w.trigger(polls.takes_time, **HOURLY)
        program = await w.start()
        await w.clock.until(NOON + timedelta(hours=1.25))
        program.store.failure = StoreUnavailableError("the server is away")

        await w.clock.until(NOON + timedelta(hours=3))
        seen = made(w)
        program.store.recover()
        await w.clock.until(NOON + timedelta(hours=3.25))

        assert seen == []
        assert made(w) == [1.5]
        assert [run.status for run in w.runs()] == ["Completed"]
        # Half a second later the journal has tried again, and the next poll is overdue.
        assert polls.begun == [1, hours_of(NOON + timedelta(hours=3, seconds=0.55))]


# -- events --------------------------------------------------------------------------------------


async def test_an_event_with_a_key_makes_one_run_however_often_it_is_found() -> None:
    """Two programs find it, of which one goes, and a third one that comes later."""
    async with world(NOON) as w:

        def todays() -> TriggerResult:
            day = at(w.clock.wall()).date().isoformat()
            return TriggerResult.fire({"day": day}, idempotency_key=day)

        w.define(nothing)
        polls = Polls(w, todays)
        w.trigger(polls.sync, **HOURLY)
        first = await w.start()
        await w.start()
        await w.clock.until(NOON + timedelta(days=1, minutes=30))
        await first.stop()
        await w.clock.until(NOON + timedelta(days=1, hours=6.5))
        await w.start()

        await w.clock.until(NOON + timedelta(days=3))

        assert made(w) == [1, 12, 36, 60]  # the first poll there, and each midnight
        days = [json.loads(run.input)["day"] for run in w.runs()]
        assert days == ["2026-03-10", "2026-03-11", "2026-03-12", "2026-03-13"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [1, 4, 7]),  # an event like that of a run that has not ended is dropped
        ({"allow_concurrent": True}, [1, 2, 3, 4, 5, 6, 7]),
    ],
)
async def test_an_event_that_meets_a_run_like_it_waits_for_the_next_poll_after_its_end(
    options: dict[str, Any], expected: list[float]
) -> None:
    """A run takes two hours and a half."""
    async with world(NOON) as w:

        async def body(context: Context) -> None:
            await asyncio.sleep(2.5 * HOUR)

        w.define(body)
        w.trigger(Polls(w, lambda: True).sync, **HOURLY, **options)
        await w.start()

        await w.clock.until(NOON + timedelta(hours=7.5))

        assert made(w) == expected


# -- a program that was away ---------------------------------------------------------------------


async def test_a_poll_that_was_missed_comes_an_interval_after_the_program_is_back() -> None:
    async with world(NOON) as w:
        w.define(nothing)
        polls = Polls(w)
        w.trigger(polls.sync, **HOURLY)
        first = await w.start()
        await w.clock.until(NOON + timedelta(hours=2.5))
        await first.stop()
        await w.clock.until(NOON + timedelta(days=7, hours=0.25))

        await w.start()
        await w.clock.until(NOON + timedelta(days=7, hours=2.5))

        assert polls.begun == [1, 2, 7 * 24 + 1.25, 7 * 24 + 2.25]


async def test_a_program_that_is_back_in_time_changes_no_poll() -> None:
    async with world(NOON) as w:
        w.define(nothing)
        polls = Polls(w)
        w.trigger(polls.sync, **HOURLY)
        first = await w.start()
        await w.clock.until(NOON + timedelta(hours=1.25))
        await first.stop()
        await w.clock.until(NOON + timedelta(hours=1.75))

        await w.start()
        await w.clock.until(NOON + timedelta(hours=3.5))

        assert polls.begun == [1, 2, 3]


async def test_what_was_being_polled_when_its_program_ended_is_found_by_the_next_poll() -> None:
    """The poll at 1 was taken, and its function had not returned."""
    async with world(NOON) as w:
        w.define(nothing)
        polls = Polls(w, lambda: TriggerResult.fire(idempotency_key="it"), hours=0.5)
        w.trigger(polls.takes_time, **HOURLY)
        first = await w.start()
        await w.clock.until(NOON + timedelta(hours=1.25))
        await first.stop()

        await w.start()
        await w.clock.until(NOON + timedelta(hours=4))

        assert polls.begun == [1, 2, 3]
        assert made(w) == [2.5]


@pytest.mark.parametrize(
    ("settings", "made_up_for"),
    [
        ({}, [17]),  # the newest of the midnights of the 11th to the 17th
        ({"cron_max_catchup_executions": 0}, []),
    ],
)
async def test_of_ticks_that_were_missed_the_newest_runs_when_the_program_is_back(
    settings: dict[str, Any], made_up_for: list[int]
) -> None:
    async with world(NOON) as w:
        back = NOON + timedelta(days=7)
        w.define(nothing)
        w.trigger(bool, cron="0 0 * * *", allow_concurrent=True)
        first = await w.start()
        await w.clock.until(NOON + timedelta(hours=1))
        await first.stop()
        await w.clock.until(back)

        await w.start(**settings)
        await w.clock.until(back + timedelta(days=2))

        inputs = [json.loads(run.input) for run in w.runs()]
        ticks = [datetime.fromisoformat(each["scheduled_time"]) for each in inputs]
        assert ticks == [datetime(2026, 3, day, tzinfo=UTC) for day in [*made_up_for, 18, 19]]
        late = [7 * 24 for _ in made_up_for]  # the others at the very instant
        assert made(w) == [*late, 7 * 24 + 12, 8 * 24 + 12]


# -- a clock that was wrong ----------------------------------------------------------------------


async def test_a_clock_that_was_ahead_delays_the_next_poll_by_an_interval_at_most() -> None:
    """A program whose clock is three days ahead makes a poll that is due by it, which sets the next
    one for then, and is gone ten seconds later. From there the right clock goes on.
    """
    async with world(NOON) as w:
        w.define(nothing)
        polls = Polls(w)
        w.trigger(polls.sync, **HOURLY)
        await w.start()
        await w.clock.until(NOON + timedelta(minutes=30))
        ahead = await w.start(VirtualClock(the_loop(), NOON + timedelta(days=3)))
        await asyncio.sleep(10)
        await ahead.stop()

        await w.clock.until(NOON + timedelta(hours=3))

        gone = NOON + timedelta(minutes=30, seconds=10)
        assert polls.begun == [0.5, *(hours_of(gone + timedelta(hours=each)) for each in (1, 2))]


async def test_a_clock_that_is_put_forward_and_back_delays_it_no_longer() -> None:
    """It is looked at each minute, also in the one in which it is put back."""
    async with world(NOON) as w:
        w.define(nothing)
        polls = Polls(w)
        w.trigger(polls.sync, **HOURLY)
        await w.start()
        await w.clock.until(NOON + timedelta(minutes=30))

        w.clock.step(3 * 24 * HOUR)
        await asyncio.sleep(600)
        w.clock.step(-3 * 24 * HOUR)
        back = NOON + timedelta(minutes=40)
        await w.clock.until(NOON + timedelta(hours=3))

        right = [hours_of(back + timedelta(hours=each)) for each in (1, 2)]
        assert polls.begun == [3 * 24 + 0.5, *right]
