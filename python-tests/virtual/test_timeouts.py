"""Time limits of attempts and of runs, in hours."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from model.virtual_engine import FLOW, World, at, world
from model.virtual_time import BEGINNING

from cloaca_core.definition.context import Context
from cloaca_core.engine.calls.user_code import calling_work
from cloaca_core.engine.order import Order
from cloaca_core.values.times.no_limit import NO_LIMIT, NoLimit

pytestmark = pytest.mark.virtual_time

MINUTES = 60
HOUR = 3600
HOUR_MS = 3_600_000
HALF_AN_HOUR: dict[str, Any] = {
    "retry_delay_ms": HOUR_MS // 2,
    "retry_max_delay_ms": 24 * HOUR_MS,
    "retry_backoff": "fixed",
    "retry_jitter": False,
}


def after(hours: float) -> datetime:
    return BEGINNING + timedelta(hours=hours)


class Sleeper:
    """A body that takes so many hours. ``begun`` and ``cancelled`` are when."""

    def __init__(self, w: World, hours: float) -> None:
        self.begun: list[datetime] = []
        self.cancelled: list[datetime] = []
        self._world = w
        self._hours = hours

    async def __call__(self, _: Context) -> None:
        self.begun.append(at(self._world.clock.wall()))
        try:
            await asyncio.sleep(self._hours * HOUR)
        except asyncio.CancelledError:
            self.cancelled.append(at(self._world.clock.wall()))
            raise


async def test_a_body_that_does_not_return_is_cancelled_at_its_limit() -> None:
    async with world() as w:
        body = Sleeper(w, hours=1000)
        w.define(body, timeout_seconds=HOUR, retry_attempts=1)
        program = await w.start()

        ended = await program.execute()

        assert body.cancelled == [after(1)]
        assert at(ended.row.ended_at) == after(1)
        (attempt,) = w.attempts(ended.row.id)
        assert (attempt.status, attempt.error_type) == ("Failed", "TimeoutError")


async def test_the_runner_has_a_limit_for_tasks_without_one() -> None:
    async with world() as w:
        w.define(Sleeper(w, hours=1000), retry_attempts=1)
        program = await w.start(task_timeout_seconds=2 * HOUR)

        ended = await program.execute()

        assert at(ended.row.ended_at) == after(2)


async def test_each_attempt_has_the_whole_limit() -> None:
    """An hour each, with half an hour in between."""
    async with world() as w:
        body = Sleeper(w, hours=1000)
        w.define(body, timeout_seconds=HOUR, retry_attempts=3, **HALF_AN_HOUR)
        program = await w.start()

        ended = await program.execute()

        assert body.begun == [after(0), after(1.5), after(3)]
        assert body.cancelled == [after(1), after(2.5), after(4)]
        assert at(ended.row.ended_at) == after(4)


async def test_time_in_the_queue_counts_for_no_attempt() -> None:
    """Two bodies of 50 minutes with a limit of an hour, of which one runs at a time."""
    async with world() as w:
        body = Sleeper(w, hours=50 / 60)
        w.define(body, timeout_seconds=HOUR, retry_attempts=1)
        program = await w.start(max_concurrent_async_tasks=1)

        run_ids = [await program.submit() for _ in range(2)]
        ended = [await program.wait(each) for each in run_ids]

        assert [each.row.status for each in ended] == ["Completed", "Completed"]
        assert body.begun == [after(0), after(50 / 60)]
        assert at(ended[1].row.ended_at) == after(100 / 60)


async def test_time_in_which_a_body_waits_for_another_run_counts_for_no_attempt() -> None:
    """40 minutes, two hours of the child, and 10 minutes more, with a limit of one hour."""
    async with world() as w:

        async def parent(context: Context) -> None:
            await asyncio.sleep(40 * MINUTES)
            await program.engine.execute(program.request("child"), calling_work())
            await asyncio.sleep(10 * MINUTES)

        w.define(parent, timeout_seconds=HOUR, retry_attempts=1)
        w.define(Sleeper(w, hours=2), "child")
        program = await w.start()

        ended = await program.execute()

        assert ended.row.status == "Completed"
        assert at(ended.row.ended_at) == after(2 + 50 / 60)


async def test_after_the_child_what_is_left_of_the_limit_counts_on() -> None:
    """40 minutes, two hours of the child, and 20 of the 30 minutes that it would take."""
    async with world() as w:

        async def parent(context: Context) -> None:
            await asyncio.sleep(40 * MINUTES)
            await program.engine.execute(program.request("child"), calling_work())
            await asyncio.sleep(30 * MINUTES)

        w.define(parent, timeout_seconds=HOUR, retry_attempts=1)
        w.define(Sleeper(w, hours=2), "child")
        program = await w.start()

        ended = await program.execute()

        assert ended.row.status == "Failed"
        assert at(ended.row.ended_at) == after(3)


@pytest.mark.parametrize("hours", [0.5, 100], ids=["between attempts", "in a body"])
async def test_a_run_that_passes_its_deadline_fails_then(hours: float) -> None:
    async with world() as w:

        async def body(context: Context) -> None:
            await asyncio.sleep(hours * HOUR)
            raise OSError("no connection")

        w.define(body, retry_attempts=1000, **{**HALF_AN_HOUR, "retry_delay_ms": 2 * HOUR_MS})
        program = await w.start(pipeline_timeout_seconds=2 * HOUR)

        ended = await program.execute()

        assert ended.row.error_message == "Pipeline timeout after 7200s"
        assert at(ended.row.ended_at) == after(2)


@pytest.mark.parametrize(
    ("back_at", "ends_at"),
    [
        (1.5, 2),  # the deadline is still to come
        (5, 5),  # it has passed: at once
    ],
)
async def test_the_deadline_counts_from_the_first_start_in_whichever_program(
    back_at: float, ends_at: float
) -> None:
    async with world() as w:
        w.define(Sleeper(w, hours=1000))
        first = await w.start(pipeline_timeout_seconds=2 * HOUR)
        run_id = await first.submit()
        await w.clock.until(after(1))
        await first.stop()
        await w.clock.until(after(back_at))

        second = await w.start(pipeline_timeout_seconds=2 * HOUR)
        ended = await second.wait(run_id)

        assert ended.row.error_message == "Pipeline timeout after 7200s"
        assert at(ended.row.ended_at) == after(ends_at)


# -- limits of workflows and of single runs ------------------------------------------------------


@pytest.mark.parametrize(
    ("ends_at", "of_workflow", "of_run"),
    [
        (3, timedelta(hours=3), None),
        (1, timedelta(hours=3), timedelta(hours=1)),
        (5, timedelta(hours=3), timedelta(hours=5)),
        (5, NO_LIMIT, timedelta(hours=5)),
        (10, timedelta(hours=3), NO_LIMIT),  # it returns
        (10, NO_LIMIT, None),
        (2, None, None),
    ],
)
async def test_the_limit_of_a_run_is_its_own_else_its_workflows_else_the_runners(
    ends_at: float, of_workflow: timedelta | NoLimit | None, of_run: timedelta | NoLimit | None
) -> None:
    async with world() as w:
        w.define(Sleeper(w, hours=10), time_limit=of_workflow)
        program = await w.start(pipeline_timeout_seconds=2 * HOUR)

        ended = await program.execute(time_limit=of_run)

        assert at(ended.row.ended_at) == after(ends_at)
        assert ended.row.status == ("Completed" if ends_at == 10 else "Failed")


async def test_a_limit_that_was_given_with_the_run_counts_in_whichever_program() -> None:
    async with world() as w:
        w.define(Sleeper(w, hours=1000))
        first = await w.start()
        run_id = await first.submit(time_limit=timedelta(hours=4))
        await w.clock.until(after(1))
        await first.stop()
        await w.clock.until(after(3))

        second = await w.start(pipeline_timeout_seconds=2 * HOUR)
        ended = await second.wait(run_id)

        assert ended.row.error_message == "Pipeline timeout after 14400s"
        assert at(ended.row.ended_at) == after(4)


async def test_a_limit_counts_from_the_start_and_not_from_the_submit() -> None:
    async with world() as w:
        w.define(Sleeper(w, hours=1000))
        submitter = await w.start(max_active_runs=1)
        await submitter.submit(time_limit=timedelta(hours=6))
        second = await submitter.submit(time_limit=timedelta(hours=1))

        ended = await submitter.wait(second)

        assert at(ended.row.started_at) == after(6)
        assert at(ended.row.ended_at) == after(7)


@pytest.mark.parametrize(
    ("ends_at", "of_child"),
    [
        (4, None),  # the runner's, an hour from its start on
        (5, timedelta(hours=20)),  # its parent's
        (5, NO_LIMIT),
        (3.5, timedelta(minutes=30)),
    ],
)
async def test_a_child_has_the_earlier_of_its_own_deadline_and_its_parents(
    ends_at: float, of_child: timedelta | NoLimit | None
) -> None:
    """The parent has five hours, and submits the child after three. It goes on in another program
    from the fourth hour on.
    """
    async with world() as w:
        w.define(Sleeper(w, hours=1000), "child")
        children: list[str] = []

        async def body(_: Context) -> None:
            await asyncio.sleep(3 * HOUR)
            children.append(await first.submit("child", time_limit=of_child))
            await asyncio.sleep(1000 * HOUR)

        w.define(body, "parent")
        first = await w.start(pipeline_timeout_seconds=HOUR)
        parent = await first.submit("parent", time_limit=timedelta(hours=5))
        await w.clock.until(after(3.75))
        await first.stop()

        second = await w.start(pipeline_timeout_seconds=HOUR)
        ended = await second.wait(children[0])

        assert at(ended.row.ended_at) == after(max(ends_at, 3.75) if ends_at > 3.6 else ends_at)
        assert at((await second.wait(parent)).row.ended_at) == after(5)


async def test_a_child_that_waits_for_a_place_ends_with_its_parents_time() -> None:
    """It starts when the time of its parent is over, and does nothing."""
    async with world() as w:
        body = Sleeper(w, hours=1000)
        w.define(body, "child")

        async def submit_and_wait(_: Context) -> None:
            await program.submit("child", time_limit=NO_LIMIT)
            await asyncio.sleep(1000 * HOUR)

        w.define(submit_and_wait, "parent")
        program = await w.start(max_active_runs=1)
        parent = await program.submit("parent", time_limit=timedelta(hours=2))
        await program.wait(parent)
        child = next(run.id for run in w.runs() if run.id != parent)

        ended = await program.wait(child)

        assert at(ended.row.ended_at) == after(2)
        assert str(ended.row.error_message).endswith(
            "the time of the run that submitted it is over"
        )
        assert body.begun == []


async def test_the_limit_of_a_schedule_is_that_of_its_runs() -> None:
    async with world() as w:
        w.define(Sleeper(w, hours=1000), time_limit=timedelta(hours=20))
        program = await w.start()
        await program.schedule("30 0 * * *", name="s", time_limit=timedelta(hours=2))
        await w.clock.until(after(36))

        (run,) = [run for run in w.runs() if run.ended_at is not None][:1]

        assert (run.status, run.error_message) == ("Failed", "Pipeline timeout after 7200s")


async def test_the_limit_of_a_round_counts_from_its_first_start() -> None:
    """Not from the retry: the round waits for hours until a runner has its workflow again."""
    async with world() as w:
        body = Sleeper(w, hours=3)
        w.define(body, retry_attempts=1)
        first = await w.start(pipeline_timeout_seconds=HOUR)
        run_id = (await first.execute()).row.id
        await first.engine.steering.pause_workflow(FLOW, Order("pause", "ann", None), None)
        retry = Order("retry", "ann", None)
        await first.engine.steering.retries.retry(
            run_id, None, retry, children=True, time_limit=2 * HOUR * 1_000_000
        )
        await w.clock.until(after(5))
        await first.engine.steering.resume_workflow(FLOW, Order("resume", "ann", None))

        ended = await first.wait(run_id)

        assert body.begun == [BEGINNING, after(5)]
        assert body.cancelled == [after(1), after(7)]
        assert (ended.row.status, ended.row.round) == ("Failed", 2)
