"""The time limit of a run stands still while all that is left of it waits for sleeps, events and
approvals, wherever it waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from model.quiet import quiet
from model.virtual_engine import Program, World, world
from model.virtual_time import the_loop
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.handles.async_handle import AsyncTaskHandle
from cloaca_core.definition.nodes.approval import approval
from cloaca_core.definition.nodes.sleep import sleep
from cloaca_core.definition.nodes.wait_for import wait_for
from cloaca_core.definition.task import task
from cloaca_core.engine.order import Order
from cloaca_core.errors import BodySuspended, StoreUnavailableError
from cloaca_core.store.messages import NewMessage
from cloaca_core.values.waits import APPROVAL, EVENT

pytestmark = pytest.mark.virtual_time

MINUTE = 60
HOUR = 3600
DAY = 24 * HOUR
LIMIT = timedelta(hours=1)
BEFORE = 20 * MINUTE
"""How long the run works before it waits."""
TWO_HOURS: Any = {
    "retry_delay_ms": 2 * HOUR * 1000,
    "retry_max_delay_ms": 2 * HOUR * 1000,
    "retry_jitter": False,
}
PAUSE = Order("pause", "ann", None)
RESUME = Order("resume", "ann", None)


def now() -> float:
    return the_loop().time()


async def _works(_: Context) -> None:
    await asyncio.sleep(BEFORE)


def flow(w: World, wait: Callable[[], Any], after: float = 39 * MINUTE) -> None:
    """A workflow with a limit of an hour: it works for 20 minutes, waits, and works on."""

    async def goes_on(_: Context) -> None:
        await asyncio.sleep(after)

    with WorkflowBuilder("flow", registry=w.registry) as builder:
        builder.time_limit(LIMIT)
        task(id="works")(_works)
        waits = wait()
        task(id="goes_on", dependencies=[waits])(goes_on)


def for_go() -> Any:
    return wait_for("go", dependencies=["works"])


def body(w: World, function: Callable[[AsyncTaskHandle], Any]) -> None:
    """A workflow with a limit of an hour and one async body."""

    async def t(_: Context, handle: AsyncTaskHandle) -> None:
        await function(handle)

    w.define(t, time_limit=LIMIT)


async def _both(handle: AsyncTaskHandle) -> None:
    """A body that cannot leave while it waits."""
    await asyncio.gather(handle.wait_for("go"), handle.sleep(1))


async def send(by: Program, run_id: str, kind: str = EVENT) -> None:
    made = NewMessage(
        by.engine.ids.next(), run_id, kind, "go", '{"choice":"approve"}', None, None, 0
    )
    if kind == APPROVAL:
        made = made._replace(for_task="go")
    sent = await by.store.send(made._replace(sent_at=by.store.wall()), 100)
    assert sent is not None
    assert sent.changed
    await by.engine.steering.loop.act_if_ours([run_id])
    by.engine._parts.base.subjects.claimable.publish()
    await quiet()


def is_held(program: Program, run_id: str) -> bool:
    """Whether the program has the run in memory."""
    return run_id in program.engine._parts.base.runs


async def overdue(program: Program, run_id: str) -> float:
    """Wait until the run has failed by its limit; seconds since now."""
    begun = now()
    ended = await program.wait(run_id)
    assert (ended.row.status, ended.row.reason_code) == ("Failed", "deadline_exceeded")
    return now() - begun


# -- nodes ---------------------------------------------------------------------------------------


@each_row(("minutes", "status"), [(39, "Completed"), (41, "Failed")])
async def test_after_days_of_waiting_a_run_has_the_time_that_it_had_left(
    minutes: int, status: str
) -> None:
    async with world() as w:
        flow(w, for_go, after=minutes * MINUTE)
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(2 * DAY)
        assert not is_held(program, run_id)
        begun = now()
        await send(program, run_id)

        ended = await program.wait(run_id)

        assert ended.row.status == status
        assert now() - begun == pytest.approx(min(minutes, 40) * MINUTE, abs=1)


async def test_a_run_that_waits_for_ever_does_not_come_to_its_limit() -> None:
    async with world() as w:
        flow(w, for_go)
        program = await w.start()
        run_id = await program.submit()

        await asyncio.sleep(400 * DAY)

        assert w.run(run_id).status == "Waiting"


async def test_the_time_in_which_people_decide_does_not_count() -> None:
    async with world() as w:
        flow(w, lambda: approval("go", "Shall we?", dependencies=["works"]))
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(2 * DAY)
        await send(program, run_id, APPROVAL)

        assert (await program.wait(run_id)).row.status == "Completed"


async def test_short_sleeps_do_not_count_either() -> None:
    async with world() as w:

        async def sleeps(handle: AsyncTaskHandle) -> None:
            for _ in range(1000):
                await handle.sleep(4)

        body(w, sleeps)
        ended = await (await w.start()).execute()
        assert (ended.row.status, ended.row.epoch) == ("Completed", 1)


async def test_a_pause_while_it_waits_does_not_count_twice() -> None:
    async with world() as w:
        flow(w, for_go, after=HOUR)
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(DAY)
        await program.engine.steering.pause([run_id], PAUSE, None, children=True)
        await asyncio.sleep(DAY)
        await program.engine.steering.resume([run_id], RESUME)
        await asyncio.sleep(DAY)
        await send(program, run_id)

        assert await overdue(program, run_id) == pytest.approx(40 * MINUTE, abs=1)


async def test_a_message_in_a_pause_ends_nothing_before_the_resume() -> None:
    async with world() as w:
        flow(w, for_go, after=HOUR)
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(DAY)
        await program.engine.steering.pause([run_id], PAUSE, None, children=True)
        await send(program, run_id)
        await asyncio.sleep(DAY)
        await program.engine.steering.resume([run_id], RESUME)

        assert await overdue(program, run_id) == pytest.approx(40 * MINUTE, abs=1)


async def test_time_counts_while_a_task_of_it_backs_off() -> None:
    async with world() as w:

        async def fails(_: Context) -> None:
            raise ValueError("bad")

        with WorkflowBuilder("flow", registry=w.registry) as builder:
            builder.time_limit(LIMIT)
            wait_for("go")
            task(id="t", retry_attempts=2, **TWO_HOURS)(fails)
        program = await w.start()

        assert await overdue(program, await program.submit()) == pytest.approx(HOUR, abs=1)


async def test_time_counts_again_while_another_task_of_it_works() -> None:
    """A second task begins only after the first wait, and the run waits for another event still."""
    async with world() as w:

        async def works(_: Context) -> None:
            await asyncio.sleep(2 * HOUR)

        with WorkflowBuilder("flow", registry=w.registry) as builder:
            builder.time_limit(LIMIT)
            wait_for("go")
            wait_for("other")
            task(id="t", dependencies=["go"])(works)
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(5)
        assert is_held(program, run_id)
        await send(program, run_id)

        assert await overdue(program, run_id) == pytest.approx(HOUR, abs=1)


async def test_time_in_which_it_is_due_and_nobody_runs_it_counts() -> None:
    async with world() as w:
        flow(w, lambda: sleep("nap", seconds=DAY, dependencies=["works"]))
        first = await w.start()
        run_id = await first.submit()
        await asyncio.sleep(2 * HOUR)
        await first.stop()
        await asyncio.sleep(DAY)  # it is due, and has 40 minutes

        assert await overdue(await w.start(), run_id) < 1


# -- other programs ------------------------------------------------------------------------------


async def test_another_program_gives_it_the_time_that_it_had_left() -> None:
    async with world() as w:
        flow(w, for_go, after=HOUR)
        first = await w.start()
        run_id = await first.submit()
        await asyncio.sleep(HOUR)
        await first.stop()
        await asyncio.sleep(DAY)
        second = await w.start()
        await send(second, run_id)
        await asyncio.sleep(10 * MINUTE)
        await second.stop()

        assert await overdue(await w.start(), run_id) == pytest.approx(30 * MINUTE, abs=1)


async def test_it_waits_on_when_its_program_stops_that_still_had_it() -> None:
    async with world() as w:
        flow(w, for_go)
        first = await w.start()
        run_id = await first.submit()
        await asyncio.sleep(BEFORE + 2)
        assert is_held(first, run_id)
        await first.stop()
        await asyncio.sleep(2 * DAY)
        second = await w.start()
        await send(second, run_id)

        assert (await second.wait(run_id)).row.status == "Completed"


async def test_a_takeover_counts_what_was_told_to_the_table() -> None:
    """The next owner is cut off after the run has waited for hours."""
    async with world() as w:
        flow(w, for_go, after=HOUR)
        first = await w.start(lease_seconds=2)
        run_id = await first.submit()
        await asyncio.sleep(3 * HOUR)
        await send(first, run_id)
        await asyncio.sleep(35 * MINUTE)
        first.store.failure = StoreUnavailableError("cut off")
        second = await w.start(lease_seconds=2)

        assert await overdue(second, run_id) == pytest.approx(5 * MINUTE, abs=1)


# -- bodies --------------------------------------------------------------------------------------


async def _works_then(wait: Callable[[], Any]) -> None:
    await asyncio.sleep(BEFORE)
    await wait()
    await asyncio.sleep(HOUR)


async def test_a_body_that_has_left_has_the_rest_of_the_time_when_it_comes_again() -> None:
    async with world() as w:
        body(w, lambda handle: _works_then(lambda: handle.wait_for("go")))
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(2 * DAY)
        assert not is_held(program, run_id)
        await send(program, run_id)

        assert await overdue(program, run_id) == pytest.approx(40 * MINUTE, abs=1)


async def test_so_has_a_body_that_stays_here() -> None:
    async with world() as w:
        body(w, lambda handle: _works_then(lambda: _both(handle)))
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(2 * DAY)
        assert is_held(program, run_id)
        await send(program, run_id)

        assert await overdue(program, run_id) == pytest.approx(40 * MINUTE, abs=1)


async def test_a_pause_while_a_body_waits_here_does_not_count_twice() -> None:
    async with world() as w:
        body(w, lambda handle: _works_then(lambda: _both(handle)))
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(DAY)
        await program.engine.steering.pause([run_id], PAUSE, None, children=True)
        await asyncio.sleep(DAY)
        await program.engine.steering.resume([run_id], RESUME)
        await asyncio.sleep(DAY)
        await send(program, run_id)

        assert await overdue(program, run_id) == pytest.approx(40 * MINUTE, abs=1)


async def test_the_wait_of_a_body_is_told_to_the_table_when_its_program_stops() -> None:
    """Its body begins from its top elsewhere, where what it had waited does not count."""
    async with world() as w:
        body(w, lambda handle: _works_then(lambda: _both(handle)))
        first = await w.start()
        run_id = await first.submit()
        await asyncio.sleep(2 * DAY)
        await first.stop()
        assert w.run(run_id).status == "Running"
        second = await w.start()
        await send(second, run_id)

        assert await overdue(second, run_id) == pytest.approx(40 * MINUTE, abs=1)


async def test_time_counts_while_a_body_does_not_leave_that_was_asked_to() -> None:
    async with world() as w:

        async def swallows(handle: AsyncTaskHandle) -> None:
            with suppress(BodySuspended):
                await handle.sleep(DAY)
            await asyncio.sleep(2 * HOUR)

        body(w, swallows)
        program = await w.start()

        assert await overdue(program, await program.submit()) == pytest.approx(HOUR + 10, abs=1)


async def test_time_counts_again_when_a_body_gives_its_wait_up() -> None:
    async with world() as w:

        async def gives_up(handle: AsyncTaskHandle) -> None:
            with suppress(TimeoutError):
                async with asyncio.timeout(5):
                    await handle.sleep(DAY)
            await asyncio.sleep(2 * HOUR)

        body(w, gives_up)
        program = await w.start()

        assert await overdue(program, await program.submit()) == pytest.approx(HOUR + 5, abs=1)


async def test_time_in_which_a_body_asks_for_a_condition_counts() -> None:
    async with world() as w:
        body(w, lambda handle: handle.defer_until(lambda: False))
        program = await w.start()

        assert await overdue(program, await program.submit()) == pytest.approx(HOUR, abs=1)
