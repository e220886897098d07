"""Workflows whose runs are paused when a task has used up its attempts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from model.quiet import quiet
from model.virtual_engine import Program, World, world
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.handles.task_handle import TaskHandle
from cloaca_core.definition.task import task
from cloaca_core.definition.written_rules import task_failed
from cloaca_core.engine.order import Order

pytestmark = pytest.mark.virtual_time

HOUR = 3600
RESUME = Order("resume", "ann", None)
CANCEL = Order("cancel", "ann", None)


class Shop:
    """A task ``pay`` with two attempts that fails until it is mended, beside one of an hour, and
    below it a task, and another that runs if it has failed. ``ran`` notes who began.
    """

    def __init__(self, w: World, *, time_limit: timedelta | None = None) -> None:
        self.ran: list[str] = []
        self.broken = True
        with WorkflowBuilder("flow", registry=w.registry) as builder:
            builder.exhausted_policy("pause")
            if time_limit is not None:
                builder.time_limit(time_limit)
            pay = task(id="pay", retry_attempts=2, retry_delay_ms=1000, retry_jitter=False)(
                self._pay
            )
            task(id="slow")(self._slow)
            task(id="ship", dependencies=[pay])(self._note("ship"))
            task(id="tell", dependencies=[pay], trigger_rules=task_failed("pay"))(
                self._note("tell")
            )

    def _pay(self, _: Context, handle: TaskHandle) -> None:
        self.ran.append(f"pay {handle.attempt}")
        if self.broken:
            raise ValueError("no money")

    async def _slow(self, _: Context) -> None:
        await asyncio.sleep(HOUR)
        self.ran.append("slow")

    def _note(self, name: str) -> Callable[[Context], None]:
        def body(_: Context) -> None:
            self.ran.append(name)

        return body


async def resume(program: Program, run_id: str, content: str | None = None) -> Any:
    return (await program.engine.steering.resume([run_id], RESUME, content))[run_id]


async def test_the_run_is_paused_others_finish_and_rules_do_not_see_it_as_failed() -> None:
    async with world() as w:
        shop = Shop(w)
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(10)
        assert (w.run(run_id).status, w.run(run_id).owner) == ("Paused", program.runner_id)
        assert w.run(run_id).steer_reason == ("pay has used up its attempts: ValueError: no money")

        await asyncio.sleep(HOUR)

        assert (w.run(run_id).status, w.run(run_id).owner) == ("Paused", None)
        assert shop.ran == ["pay 1", "pay 2", "slow"]


@each_row("hours", [0.5, 2])  # while its owner has it, and when no runner has
async def test_a_resume_gives_it_fresh_attempts(hours: float) -> None:
    async with world() as w:
        shop = Shop(w)
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(hours * HOUR)

        assert (await resume(program, run_id)).changed
        await asyncio.sleep(HOUR)
        assert w.run(run_id).status == "Paused"
        assert [name for name in shop.ran if name != "slow"] == ["pay 1", "pay 2", "pay 3", "pay 4"]
        shop.broken = False
        await resume(program, run_id)

        assert (await program.wait(run_id)).row.status == "Completed"
        assert shop.ran[-2:] == ["pay 5", "ship"]
        assert [row.reason_code for row in w.attempts(run_id) if row.task_id == "pay"] == [
            None,
            "exhausted",
            None,
            "exhausted",
            None,
        ]


async def test_who_takes_it_over_counts_its_attempts_from_the_resume() -> None:
    """The process dies between the first fresh attempt and the next."""
    async with world() as w:
        shop = Shop(w)
        first, second = await w.start(lease_seconds=15), await w.start(lease_seconds=15)
        run_id = await first.submit()
        await asyncio.sleep(10)
        first.store.answers.clear()  # it is silent, with the run paused
        await asyncio.sleep(60)
        assert (w.run(run_id).status, w.run(run_id).owner) == ("Paused", None)

        await resume(second, run_id)
        await asyncio.sleep(10)

        assert shop.ran == ["pay 1", "pay 2", "pay 3", "pay 4"]
        assert w.run(run_id).status == "Paused"


async def test_it_is_resumed_with_the_key_that_was_missing() -> None:
    async with world() as w:
        seen: list[Any] = []

        def body(context: Context) -> None:
            seen.append(context.get("money"))
            assert context["money"]

        with WorkflowBuilder("flow", registry=w.registry) as builder:
            builder.exhausted_policy("pause")
            task(id="pay", retry_attempts=1)(body)
        program = await w.start()
        run_id = await program.submit()
        await quiet()

        await resume(program, run_id, '{"money":1}')

        assert (await program.wait(run_id)).row.status == "Completed"
        assert seen == [None, 1]


async def test_time_in_which_it_is_paused_does_not_count_for_the_limit() -> None:
    async with world() as w:
        shop = Shop(w, time_limit=timedelta(hours=2))
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(30 * HOUR)
        assert w.run(run_id).status == "Paused"
        shop.broken = False

        await resume(program, run_id)

        assert (await program.wait(run_id)).row.status == "Completed"


async def test_a_cancel_ends_it_at_once_and_a_retry_gives_it_fresh_attempts() -> None:
    async with world() as w:
        shop = Shop(w)
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(2 * HOUR)
        steering = program.engine.steering

        await steering.cancel([run_id], CANCEL, 0, children=True)
        assert w.run(run_id).status == "Cancelled"
        plan = await steering.retries.plan(run_id, None)
        assert ("pay", "failed") in [(choice.task, choice.reason) for choice in plan.run]
        shop.broken = False
        await steering.retries.retry(run_id, None, Order("retry", "ann", None), children=True)

        assert (await program.wait(run_id)).row.status == "Completed"
        assert shop.ran == ["pay 1", "pay 2", "slow", "pay 3", "ship"]


async def test_a_task_that_kills_its_processes_pauses_the_run_too() -> None:
    """It is not started again before a person has resumed the run."""
    async with world() as w:
        begun = []

        async def body(_: Context) -> None:
            begun.append(1)
            await asyncio.sleep(HOUR)

        with WorkflowBuilder("flow", registry=w.registry) as builder:
            builder.exhausted_policy("pause")
            task(id="t")(body)
        programs = [await w.start(lease_seconds=15, max_recovery_attempts=0) for _ in range(4)]
        run_id = await programs[0].submit()
        for _ in range(3):
            await asyncio.sleep(1)
            (owner,) = [each for each in programs if each.runner_id == w.run(run_id).owner]
            owner.store.answers.clear()
            await asyncio.sleep(60)

        assert (w.run(run_id).status, len(begun)) == ("Paused", 3)
        assert "RecoveryLimitError" in (w.run(run_id).steer_reason or "")
        (left,) = [each for each in programs if each.store.answers.is_set()]
        await resume(left, run_id)
        assert (await left.wait(run_id)).row.status == "Completed"
