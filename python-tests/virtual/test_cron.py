"""Cron schedules over days: when their runs begin, and what a tick does that meets a run."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from model.runs import nothing
from model.virtual_engine import World, at, world
from model.virtual_time import VirtualClock, the_loop

from cloaca_core.definition.context import Context

pytestmark = pytest.mark.virtual_time

MIDNIGHT = datetime(2026, 3, 28, tzinfo=UTC)
"""One o'clock in Oslo, on the Saturday before summer time, which begins on the 29th at 01:00 UTC.
"""
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


def march(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def fired(w: World, schedule_id: str) -> list[datetime]:
    """The ticks that a run was made of, each at the very instant: nothing is late."""
    ticks = [tick for tick in w.ticks() if tick.schedule_id == schedule_id]
    runs = [w.run(tick.run_id) for tick in ticks if tick.run_id is not None]
    assert [run.created_at for run in runs] == [tick.tick for tick in ticks]
    return [at(run.created_at) for run in runs]


SUMMER_TIME = {
    # Eight in the morning is an hour earlier in summer.
    "0 8 * * *": [march(28, 7), march(29, 6), march(30, 6)],
    # There is no half past two on the 29th: once the gap is over, at three o'clock.
    "30 2 * * *": [march(28, 1, 30), march(29, 1), march(30, 0, 30)],
    # By weekday: the Sunday begins at 23:00 UTC and the Monday at 22:00.
    "0 0 * * 0,1": [march(28, 23), march(29, 22)],
}
"""When these tick in Oslo during the three days."""


async def test_three_days_across_the_beginning_of_summer_time() -> None:
    async with world(MIDNIGHT) as w:
        w.define(nothing)
        program = await w.start()
        ids = {await program.schedule(text, "Europe/Oslo"): text for text in SUMMER_TIME}

        await w.clock.until(MIDNIGHT + timedelta(days=3))

        for schedule_id, text in ids.items():
            assert fired(w, schedule_id) == SUMMER_TIME[text]
        assert {run.status for run in w.runs()} == {"Completed"}


async def test_a_wildcard_ticks_on_every_hour_of_the_wall_and_has_23_of_them_on_that_day() -> None:
    async with world(march(28, 23, 30)) as w:  # half past midnight in Oslo, on the 29th
        w.define(nothing)
        program = await w.start()
        schedule_id = await program.schedule("0 * * * *", "Europe/Oslo")

        await w.clock.until(march(29, 22, 30))  # half past midnight there

        # From 1:00 to 23:00 without 2:00, and the midnight after them.
        assert fired(w, schedule_id) == [
            march(28, 23) + timedelta(hours=1 + each) for each in range(23)
        ]


async def test_two_programs_make_one_run_of_each_tick() -> None:
    async with world(NOON) as w:
        w.define(nothing)
        program = await w.start()
        await w.start()
        schedule_id = await program.schedule("0 * * * *")

        await w.clock.until(NOON + timedelta(days=1, minutes=30))

        assert fired(w, schedule_id) == [NOON + timedelta(hours=1 + each) for each in range(24)]


async def test_a_schedule_goes_on_after_the_program_that_added_it() -> None:
    async with world(NOON) as w:
        w.define(nothing)
        program = await w.start()
        await w.start()
        schedule_id = await program.schedule("0 * * * *")
        await w.clock.until(NOON + timedelta(hours=2.5))
        await program.stop()

        await w.clock.until(NOON + timedelta(hours=4.5))

        assert fired(w, schedule_id) == [NOON + timedelta(hours=each) for each in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("policy", "spans"),
    [
        # Hourly ticks, of which the first is at 1; a run takes two hours and a half.
        ("allow", [(1, 3.5), (2, 4.5), (3, 5.5), (4, None), (5, None), (6, None)]),
        ("skip", [(1, 3.5), (4, None)]),
        ("queue", [(1, 3.5), (3.5, 6), (6, None)]),
        ("cancel_old", [(1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (6, None)]),
    ],
)
async def test_a_tick_that_meets_a_run_does_as_the_policy_says(
    policy: str, spans: list[tuple[float, float | None]]
) -> None:
    """Until just after the sixth tick: when each body began, and when it ended or was cancelled."""
    async with world(NOON) as w:
        seen: list[list[float | None]] = []

        def hours() -> float:
            return (at(w.clock.wall()) - NOON) / timedelta(hours=1)

        async def body(context: Context) -> None:
            seen.append(span := [hours(), None])
            try:
                await asyncio.sleep(2.5 * 3600)
            finally:
                span[1] = hours()

        w.define(body)
        program = await w.start()
        await program.schedule("0 * * * *", overlap_policy=policy)

        await w.clock.until(NOON + timedelta(hours=6, minutes=10))

        assert [tuple(each) for each in seen] == spans


async def test_ticks_that_were_skipped_have_no_run_and_say_so() -> None:
    async with world(NOON) as w:

        async def body(context: Context) -> None:
            await asyncio.sleep(2.5 * 3600)

        w.define(body)
        program = await w.start()
        await program.schedule("0 * * * *", overlap_policy="skip")

        await w.clock.until(NOON + timedelta(hours=4.5))

        assert [tick.run_id is not None for tick in w.ticks()] == [True, False, False, True]


# -- a clock that was wrong ----------------------------------------------------------------------


async def test_a_clock_that_was_ahead_keeps_a_schedule_silent_for_a_minute_only() -> None:
    """A program whose clock is three days ahead runs the newest of the ticks that it believes to
    have missed, and is gone ten seconds later. By the right clock 13:00 is the next one.
    """
    async with world(NOON) as w:
        w.define(nothing)
        program = await w.start()
        await program.schedule("0 * * * *")
        ahead = await w.start(VirtualClock(the_loop(), NOON + timedelta(days=3, minutes=30)))
        await asyncio.sleep(10)
        await ahead.stop()
        (early,) = w.runs()

        await w.clock.until(NOON + timedelta(hours=2, minutes=30))

        made = [at(run.created_at) for run in w.runs() if run.id != early.id]
        assert made == [NOON + timedelta(hours=1), NOON + timedelta(hours=2)]


async def test_a_clock_that_is_put_forward_and_back_loses_no_tick_of_the_right_time() -> None:
    async with world(NOON) as w:
        w.define(nothing)
        program = await w.start(cron_poll_interval_seconds=30)
        await program.schedule("0 * * * *")
        await asyncio.sleep(600)
        w.clock.step(3 * 86_400)
        await asyncio.sleep(600)
        w.clock.step(-3 * 86_400)
        await asyncio.sleep(600)
        (early,) = w.runs()

        await w.clock.until(NOON + timedelta(hours=3, minutes=30))

        made = [at(run.created_at) for run in w.runs() if run.id != early.id]
        assert made == [NOON + timedelta(hours=each) for each in (1, 2, 3)]
