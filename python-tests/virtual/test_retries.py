"""Retries with delays of hours and days."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from model.virtual_engine import World, at, world
from model.virtual_time import BEGINNING, VirtualClock, the_loop

from cloaca_core.definition.context import Context
from cloaca_core.definition.retries.retry_after import RetryAfter

pytestmark = pytest.mark.virtual_time

HOUR_MS = 3_600_000
HOURLY: dict[str, Any] = {
    "retry_delay_ms": HOUR_MS,
    "retry_max_delay_ms": 24 * HOUR_MS,
    "retry_jitter": False,
}


def after(hours: float) -> datetime:
    return BEGINNING + timedelta(hours=hours)


def failing(w: World, times: int) -> tuple[list[datetime], Callable[[Context], None]]:
    """A body that fails so often, and when it began."""
    begun: list[datetime] = []

    def body(context: Context) -> None:
        begun.append(at(w.clock.wall()))
        if len(begun) <= times:
            raise OSError("no connection")

    return begun, body


@pytest.mark.parametrize(
    ("backoff", "hours"),
    [
        # 1, 2, 4, 8 and 16 hours, then a day each, which is the longest
        ("exponential", [0, 1, 3, 7, 15, 31, 55, 79, 103]),
        ("linear", [0, 1, 3, 6, 10, 15, 21, 28, 36]),
        ("fixed", [0, 1, 2, 3, 4, 5, 6, 7, 8]),
    ],
)
async def test_the_delays_grow_as_the_task_says(backoff: str, hours: list[int]) -> None:
    async with world() as w:
        begun, body = failing(w, times=8)
        w.define(body, retry_attempts=9, retry_backoff=backoff, **HOURLY)
        program = await w.start()

        ended = await program.execute()

        assert begun == [after(each) for each in hours]
        assert ended.row.status == "Completed"
        assert at(ended.row.ended_at) == after(hours[-1])


async def test_jitter_spreads_a_delay_by_a_quarter_of_it_at_most() -> None:
    async with world() as w:
        begun, body = failing(w, times=99)
        options = {**HOURLY, "retry_jitter": True, "retry_backoff": "fixed"}
        w.define(body, retry_attempts=100, **options)
        program = await w.start()

        await program.execute()

        gaps = [(b - a) / timedelta(hours=1) for a, b in pairwise(begun)]
        assert min(gaps) >= 0.75
        assert max(gaps) <= 1.25
        assert max(gaps) - min(gaps) > 0.25  # of 99 draws; by chance less often than 1 in 10**24


@pytest.mark.parametrize(
    ("back_at", "second_attempt"),
    [
        (6, 10),  # in time
        (12, 12),  # too late for it: at once
    ],
)
async def test_a_retry_that_waits_outlives_its_program(
    back_at: float, second_attempt: float
) -> None:
    async with world() as w:
        begun, body = failing(w, times=1)
        w.define(body, retry_attempts=2, **{**HOURLY, "retry_delay_ms": 10 * HOUR_MS})
        first = await w.start()
        run_id = await first.submit()
        await w.clock.until(after(4))
        await first.stop()
        await w.clock.until(after(back_at))

        second = await w.start()
        ended = await second.wait(run_id)

        assert begun == [after(0), after(second_attempt)]
        assert ended.row.status == "Completed"


async def test_a_program_whose_clock_is_days_behind_waits_no_longer_than_the_delay() -> None:
    """The first failed at noon and asked for ten hours. By the second's clock that is days away:
    it waits for ten hours from when it came, at four o'clock.
    """
    async with world() as w:
        begun, body = failing(w, times=1)
        w.define(body, retry_attempts=2, **{**HOURLY, "retry_delay_ms": 10 * HOUR_MS})
        first = await w.start()
        run_id = await first.submit()
        await w.clock.until(after(4))
        await first.stop()

        behind = VirtualClock(the_loop(), BEGINNING - timedelta(days=5))
        second = await w.start(behind)
        await second.wait(run_id)

        assert begun == [after(0), after(14)]


# -- a body that says when -----------------------------------------------------------------------


def asking(
    w: World, *hours: float, count: bool = True
) -> tuple[list[datetime], Callable[[Context], None]]:
    """A body that asks for an attempt after each of these delays, and when it began."""
    begun: list[datetime] = []

    def body(context: Context) -> None:
        begun.append(at(w.clock.wall()))
        if len(begun) <= len(hours):
            raise RetryAfter(timedelta(hours=hours[len(begun) - 1]), count=count)

    return begun, body


async def test_a_body_is_tried_again_when_it_asked_for_it() -> None:
    """Days, where the policy has a minute at most."""
    async with world() as w:
        begun, body = asking(w, 50, 0.5, 24 * 30)
        w.define(body, retry_attempts=4)
        program = await w.start()

        ended = await program.execute()

        assert begun == [after(each) for each in (0, 50, 50.5, 50.5 + 24 * 30)]
        assert ended.row.status == "Completed"


@pytest.mark.parametrize(
    ("back_at", "second_attempt"),
    [
        (6, 10),  # in time
        (12, 12),  # too late for it: at once
    ],
)
async def test_what_a_body_asked_for_outlives_its_program(
    back_at: float, second_attempt: float
) -> None:
    async with world() as w:
        begun, body = asking(w, 10)
        w.define(body, retry_attempts=2)
        first = await w.start()
        run_id = await first.submit()
        await w.clock.until(after(4))
        await first.stop()
        await w.clock.until(after(back_at))

        second = await w.start()
        ended = await second.wait(run_id)

        assert begun == [after(0), after(second_attempt)]
        assert ended.row.status == "Completed"


async def test_attempts_that_do_not_count_outlive_their_program_as_such() -> None:
    """Forty of them, half in each program; then an error and its retry an hour later."""
    async with world() as w:
        begun: list[datetime] = []

        def body(context: Context) -> None:
            begun.append(at(w.clock.wall()))
            if len(begun) <= 40:
                raise RetryAfter(timedelta(hours=1), count=False)
            raise OSError("no connection")

        w.define(body, retry_attempts=2, **HOURLY)
        first = await w.start()
        run_id = await first.submit()
        await w.clock.until(after(20.5))
        await first.stop()

        second = await w.start()
        ended = await second.wait(run_id)

        assert begun == [after(each) for each in range(42)]
        assert ended.row.status == "Failed"


async def test_the_time_limit_of_the_run_ends_one_that_asks_for_more() -> None:
    async with world() as w:
        begun, body = asking(w, 5, 5, count=False)
        w.define(body)
        program = await w.start(pipeline_timeout_seconds=7 * 3600)

        ended = await program.execute()

        assert begun == [after(0), after(5)]
        assert (ended.row.status, at(ended.row.ended_at)) == ("Failed", after(7))
        assert ended.row.error_message == "Pipeline timeout after 25200s"


async def test_a_run_that_its_owner_parked_a_moment_ahead_waits_for_its_time() -> None:
    """A runner knows the database's clock only about: no clock was set back."""
    async with world() as w:
        begun, body = failing(w, times=1)
        w.define(body, retry_attempts=2, **HOURLY)
        program = await w.start()

        async def now() -> int:
            return program.store.wall() - 300_000

        program.store.now = now  # type: ignore[method-assign]  # it lags behind ``wall``
        run_id = await program.submit()
        await w.clock.until(after(0.5))
        row = w.run(run_id)

        assert (row.status, row.owner, row.epoch) == ("Waiting", None, 2)
        assert len(begun) == 1
