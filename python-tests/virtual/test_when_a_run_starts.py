"""Runs that are submitted for later, over days."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from model.virtual_engine import World, at, world
from model.virtual_time import BEGINNING

from cloaca_core.definition.context import Context
from cloaca_core.definition.submission import StartOptions
from cloaca_core.engine.calls.user_code import calling_work
from cloaca_core.engine.order import Order

pytestmark = pytest.mark.virtual_time

DAY = timedelta(days=1)


def after(**time: float) -> datetime:
    return BEGINNING + timedelta(**time)


def noting(w: World) -> tuple[list[datetime], Callable[[Context], None]]:
    """A body that notes when it began."""
    begun: list[datetime] = []
    return begun, lambda context: begun.append(at(w.clock.wall()))


async def nine_days(_: Context) -> None:
    """A body that takes so long."""
    await asyncio.sleep(9 * DAY.total_seconds())


@pytest.mark.parametrize(
    "start",
    [
        StartOptions(run_at=after(days=3)),
        StartOptions(run_at=after(days=3).isoformat()),
        StartOptions(delay=3 * DAY),
        StartOptions(delay=DAY.total_seconds() * 3),
    ],
)
async def test_a_run_starts_at_its_time(start: StartOptions) -> None:
    async with world() as w:
        begun, body = noting(w)
        w.define(body)
        program = await w.start()
        run_id = await program.submit(start=start)
        await w.clock.until(after(days=2.9))
        before = w.run(run_id)

        ended = await program.wait(run_id)

        assert (before.status, before.owner, before.due_at) == (
            "Pending",
            None,
            before.created_at + 3 * DAY // timedelta(microseconds=1),
        )
        assert begun == [after(days=3)]
        assert (at(ended.row.started_at), ended.row.status) == (after(days=3), "Completed")


async def test_an_idle_program_starts_it_on_time() -> None:
    """It sleeps until its runs are due, and hears of one that is due before."""
    async with world() as w:
        begun, body = noting(w)
        w.define(body)
        program = await w.start()
        for seconds in (30, 20, 10):
            await program.submit(start=StartOptions(delay=seconds))
        await w.clock.until(after(minutes=1))

        assert begun == [after(seconds=10), after(seconds=20), after(seconds=30)]


async def test_a_time_that_has_passed_is_no_time() -> None:
    async with world() as w:
        begun, body = noting(w)
        w.define(body)
        program = await w.start()

        run_id = await program.submit(start=StartOptions(run_at=after(days=-1)))

        assert w.run(run_id).owner == program.runner_id
        await program.wait(run_id)
        assert begun == [BEGINNING]


async def test_a_run_for_later_takes_no_place() -> None:
    async with world() as w:
        begun, body = noting(w)
        w.define(body)
        program = await w.start(max_active_runs=1)
        later = await program.submit(start=StartOptions(delay=DAY))

        await program.execute()
        await program.wait(later)

        assert begun == [BEGINNING, after(days=1)]


async def test_another_program_starts_it_when_its_submitter_has_gone() -> None:
    async with world() as w:
        begun, body = noting(w)
        w.define(body)
        first = await w.start()
        run_id = await first.submit(start=StartOptions(delay=2 * DAY))
        await first.stop()
        await w.clock.until(after(days=1))

        second = await w.start()
        await second.wait(run_id)

        assert begun == [after(days=2)]


async def test_a_body_waits_for_a_run_that_starts_later() -> None:
    """Its own run holds the only place, and gives it away meanwhile."""
    async with world() as w:
        begun, body = noting(w)
        w.define(body, "child")

        async def parent(_: Context) -> None:
            request = program.request("child", start=StartOptions(delay=DAY))
            await program.engine.execute(request, calling_work())

        w.define(parent)
        program = await w.start(max_active_runs=1)

        ended = await program.execute()

        assert (begun, at(ended.row.ended_at)) == ([after(days=1)], after(days=1))


async def test_a_detached_run_outlives_the_time_of_the_run_that_submitted_it() -> None:
    async with world() as w:

        async def child(_: Context) -> None:
            await asyncio.sleep(5 * DAY.total_seconds())

        async def parent(_: Context) -> None:
            await program.submit("child", start=StartOptions(detached=True))
            await program.submit("child")
            await asyncio.sleep(5 * DAY.total_seconds())

        w.define(child, "child")
        w.define(parent)
        program = await w.start()

        parent_id = (await program.execute(time_limit=DAY)).row.id
        detached, attached = [run.id for run in w.runs() if run.parent_id == parent_id]
        ends = [(await program.wait(run_id)).row for run_id in (detached, attached)]

        assert [(row.status, at(row.ended_at)) for row in ends] == [
            ("Completed", after(days=5)),
            ("Failed", after(days=1)),
        ]


async def test_of_runs_that_come_due_together_the_one_of_the_highest_priority_starts_first() -> (
    None
):
    async with world() as w:
        order: list[str] = []

        async def body(context: Context) -> None:
            order.append(str(context["name"]))
            await asyncio.sleep(1)

        w.define(body)
        program = await w.start(max_active_runs=1)
        for name, priority in (("low", -1), ("none", None), ("high", 7)):
            start = StartOptions(priority=priority, delay=DAY)
            request = program._requests.request("flow", [{"name": name}], start=start)
            await program.engine.submit(request)
        await w.clock.until(after(days=2))

        assert order == ["high", "none", "low"]


# -- by when they are to begin -------------------------------------------------------------------


@pytest.mark.parametrize("start_by", [after(days=2), after(days=2).isoformat(), 2 * DAY])
async def test_a_run_that_has_not_begun_by_then_is_cancelled_then(
    start_by: datetime | str | timedelta,
) -> None:
    async with world() as w:
        begun, body = noting(w)
        w.define(body)
        w.define(nine_days, "long")
        program = await w.start(max_active_runs=1)
        await program.submit("long")

        ended = await program.execute(start=StartOptions(start_by=start_by))

        assert (ended.row.status, at(ended.row.ended_at)) == ("Cancelled", after(days=2))
        assert (ended.row.reason_code, ended.row.error_message) == (
            "expired",
            "expired: it had not begun in time",
        )
        assert (ended.row.started_at, begun) == (None, [])


async def test_a_run_that_has_begun_by_then_goes_on() -> None:
    async with world() as w:
        w.define(nine_days)
        program = await w.start()

        ended = await program.execute(start=StartOptions(start_by=DAY, delay=DAY))

        assert (ended.row.status, at(ended.row.ended_at)) == ("Completed", after(days=10))


async def test_a_duration_counts_from_the_instant_at_which_the_run_is_due() -> None:
    async with world() as w:
        w.define(nine_days)
        program = await w.start(max_active_runs=1)
        start = StartOptions(delay=3 * DAY, start_by=DAY)
        run_id = await program.submit(start=start)
        await program.submit()

        ended = await program.wait(run_id)

        assert (ended.row.status, at(ended.row.ended_at)) == ("Cancelled", after(days=4))


async def test_a_run_that_expired_while_no_program_was_there_does_not_begin() -> None:
    """It was due as well: the program that comes back cancels it first."""
    async with world() as w:
        begun, body = noting(w)
        w.define(body)
        first = await w.start()
        run_id = await first.submit(start=StartOptions(delay=DAY, start_by=DAY))
        await first.stop()
        await w.clock.until(after(days=7))

        ended = await (await w.start()).wait(run_id)

        assert (ended.row.status, at(ended.row.ended_at)) == ("Cancelled", after(days=7))
        assert begun == []


async def test_a_run_that_is_paused_expires_as_well() -> None:
    async with world() as w:
        begun, body = noting(w)
        w.define(body)
        program = await w.start()
        run_id = await program.submit(start=StartOptions(delay=DAY, start_by=DAY))
        order = Order("pause", "ann", None)
        await program.engine.steering.pause([run_id], order, None, children=True)

        ended = await program.wait(run_id)

        assert (ended.row.status, at(ended.row.ended_at)) == ("Cancelled", after(days=2))
        assert begun == []


async def test_an_instant_that_has_passed_cancels_the_run_at_once() -> None:
    async with world() as w:
        begun, body = noting(w)
        w.define(body)
        program = await w.start()

        ended = await program.execute(start=StartOptions(start_by=after(days=-1)))

        assert (ended.row.status, at(ended.row.ended_at)) == ("Cancelled", BEGINNING)
        assert begun == []
