"""Runs that are resumed with other keys: which tasks see them, under each owner of the run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from model.quiet import quiet
from model.virtual_engine import Program, World, world

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.task import task
from cloaca_core.definition.written_rules import context_value
from cloaca_core.engine.order import Order

pytestmark = pytest.mark.virtual_time

HOUR = 3600
PAUSE = Order("pause", "ann", None)
RESUME = Order("resume", "ann", None)


class Line:
    """Two tasks of an hour each, ``slow`` and ``last``, and ``quick`` between them, which takes no
    time; each notes the ``n`` that it sees. ``failures`` is how often ``quick`` fails before.
    """

    def __init__(self, w: World, failures: int = 0, retry_delay_ms: int = 1) -> None:
        self.seen: list[tuple[str, Any]] = []
        self.failures = failures
        with WorkflowBuilder("flow", registry=w.registry):
            slow = task(id="slow")(self._slow)
            quick = task(
                id="quick",
                dependencies=[slow],
                retry_attempts=failures + 1,
                retry_delay_ms=retry_delay_ms,
                retry_max_delay_ms=HOUR * 1000,
                retry_jitter=False,
            )(self._quick)
            task(id="last", dependencies=[quick])(self._last)

    async def _slow(self, context: Context) -> dict[str, Any]:
        self.seen.append(("slow", context.get("n")))
        await asyncio.sleep(HOUR)
        return {"n": "slow"}

    def _quick(self, context: Context) -> None:
        self.seen.append(("quick", context.get("n")))
        if self.failures:
            self.failures -= 1
            raise ValueError("not yet")

    async def _last(self, context: Context) -> None:
        self.seen.append(("last", context.get("n")))
        await asyncio.sleep(HOUR)


async def replace(program: Program, run_id: str, n: str) -> None:
    """Pause a run, and resume it at once with another ``n``."""
    await program.engine.steering.pause([run_id], PAUSE, None, children=True)
    await program.engine.steering.resume([run_id], RESUME, f'{{"n":"{n}"}}')


async def test_a_body_under_way_keeps_its_keys_and_what_starts_later_sees_the_new_ones() -> None:
    async with world() as w:
        line = Line(w)
        program = await w.start()
        run_id = await program.submit()
        await quiet()

        await replace(program, run_id, "new")

        ended = (await program.wait(run_id)).row
        assert line.seen == [("slow", None), ("quick", "new"), ("last", "new")]
        assert ended.final_context == '{"n":"new"}'
        assert [row.replacements for row in w.attempts(run_id)] == [0, 1, 1]


async def test_a_commit_of_the_owner_learns_of_keys_of_which_it_has_not_heard() -> None:
    """What the commit made ready starts with them, as the run pauses until they are read."""
    async with world() as w:
        line = Line(w)
        here, elsewhere = await w.start(lease_seconds=9 * HOUR), await w.start()
        run_id = await here.submit()
        await quiet()
        here.store.silent = True

        await replace(elsewhere, run_id, "new")
        ended = (await here.wait(run_id)).row

        assert line.seen[1:] == [("quick", "new"), ("last", "new")]
        assert ended.status == "Completed"


async def test_the_owner_hears_of_them_while_a_task_waits_for_its_next_attempt() -> None:
    async with world() as w:
        line = Line(w, failures=1, retry_delay_ms=4000)
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(HOUR + 1)

        await replace(program, run_id, "new")

        await program.wait(run_id)
        assert line.seen[1:] == [("quick", "slow"), ("quick", "new"), ("last", "new")]
        assert [row.replacements for row in w.attempts(run_id)] == [0, 0, 1, 1]


async def test_the_rule_of_a_task_that_was_ready_is_asked_again() -> None:
    async with world() as w:
        with WorkflowBuilder("flow", registry=w.registry):

            @task
            async def slower(context: Context) -> None:
                await asyncio.sleep(3 * HOUR)  # so that the run stays in memory

            @task
            async def slow(context: Context) -> dict[str, Any]:
                await asyncio.sleep(HOUR)
                return {"n": "slow"}

            rule = context_value("n", "==", "slow")
            task(id="next", dependencies=[slow], trigger_rules=rule)(lambda context: None)
        program = await w.start()
        run_id = await program.submit()
        await quiet()
        await program.engine.steering.pause([run_id], PAUSE, None, children=True)
        await asyncio.sleep(HOUR + 1)
        assert "next" not in [row.task_id for row in w.attempts(run_id)]

        await program.engine.steering.resume([run_id], RESUME, '{"n":"new"}')

        await program.wait(run_id)
        ended = {row.task_id: row.status for row in w.attempts(run_id)}
        assert ended == {"next": "Skipped", "slow": "Completed", "slower": "Completed"}


async def test_a_run_that_waits_in_no_memory_sees_them_when_it_goes_on() -> None:
    async with world() as w:
        line = Line(w, failures=1, retry_delay_ms=HOUR * 1000)
        program = await w.start()
        run_id = await program.submit()
        await asyncio.sleep(HOUR + 60)
        assert w.run(run_id).status == "Waiting"

        await replace(program, run_id, "new")

        await program.wait(run_id)
        assert line.seen[1:] == [("quick", "slow"), ("quick", "new"), ("last", "new")]


async def test_who_takes_the_run_over_goes_on_with_them() -> None:
    """The results of the first owner stay as old as they were."""
    async with world() as w:
        line = Line(w)
        first = await w.start(lease_seconds=15)
        run_id = await first.submit()
        second = await w.start(lease_seconds=15)
        await replace(second, run_id, "one")
        await asyncio.sleep(HOUR + 60)
        assert line.seen[-1] == ("last", "one")
        await replace(second, run_id, "two")

        first.store.answers.clear()
        ended = (await second.wait(run_id)).row

        assert line.seen[2:] == [("last", "one"), ("last", "two")]
        assert ended.final_context == '{"n":"two"}'


async def test_a_new_owner_merges_as_the_old_one_would_have() -> None:
    """A result from before the keys were replaced is older than they are for the new owner too."""
    async with world() as w:
        line = Line(w)
        first, second = await w.start(), await w.start()
        run_id = await first.submit()
        await quiet()
        await first.engine.steering.pause([run_id], PAUSE, None, children=True)
        await asyncio.sleep(2 * HOUR)
        assert (w.run(run_id).status, w.run(run_id).owner) == ("Paused", None)
        await first.stop()

        await second.engine.steering.resume([run_id], RESUME, '{"n":"new"}')
        await second.wait(run_id)

        assert line.seen == [("slow", None), ("quick", "new"), ("last", "new")]
