"""A runner that stands still, and another one that takes over from it, or does not yet.

A database that does not answer a runner is what it is like for its process to stand still.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from model.virtual_engine import Program, World, at, world
from model.virtual_time import BEGINNING, VirtualClock, the_loop
from tables import each_row

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.inputs.params import workflow_params
from cloaca_core.definition.registry import Registry
from cloaca_core.definition.task import task
from cloaca_core.engine.order import Order
from cloaca_core.values.option_names import VersionPolicyName

pytestmark = pytest.mark.virtual_time

LEASE = 15.0
BEAT = 5.0
LAST_CHANCE = 0.5
WORK = 600.0
"""Seconds that a body takes."""


class Bodies:
    """An async body of ten minutes in the workflow of a world: when each began, and how many
    were cancelled.
    """

    def __init__(self, w: World) -> None:
        self.begun: list[float] = []
        self.cancelled = 0
        w.define(self._run)

    async def _run(self, _: Context) -> None:
        self.begun.append(the_loop().time())
        try:
            await asyncio.sleep(WORK)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise


async def two(w: World) -> tuple[Program, Program, str]:
    """Two runners, of which the first has begun a run 101 seconds ago, and beaten 1 second ago."""
    first = await w.start(lease_seconds=LEASE)
    run_id = await first.submit()
    second = await w.start(lease_seconds=LEASE)
    await asyncio.sleep(101)
    assert first.store.beats[-1][0] == the_loop().time() - 1
    return first, second, run_id


@each_row("later", [0.0, 1.5, 3.9, 5.0, 7.5, 10.0, 12.5])
async def test_a_runner_that_stands_still_loses_its_runs_with_its_lease(later: float) -> None:
    """Whenever it began to stand still. The lease has ended 15 s after the last beat, which another
    runner has seen by then for a beat at least, and half a second is left for the next one.
    """
    async with world() as w:
        bodies = Bodies(w)
        first, second, run_id = await two(w)
        await asyncio.sleep(later)
        last_beat = first.store.beats[-1][0]

        first.store.answers.clear()
        ended = await second.wait(run_id)

        assert len(bodies.begun) == 2
        silence = bodies.begun[1] - last_beat
        assert silence == pytest.approx(LEASE + LAST_CHANCE, abs=0.01)
        assert (ended.row.status, ended.row.epoch, ended.row.recoveries) == ("Completed", 3, 1)


@pytest.mark.parametrize("ahead", [(2, 0), (0, 2), (0, -2)], ids=["first", "second", "behind"])
@pytest.mark.parametrize(("limit", "status"), [(700, "Failed"), (750, "Completed")])
async def test_what_is_left_of_a_time_limit_does_not_depend_on_the_clocks_of_machines(
    ahead: tuple[int, int], limit: int, status: str
) -> None:
    """The body begins anew after about 120 s, and takes ten minutes."""
    async with world() as w:
        Bodies(w)
        machines = [VirtualClock(the_loop(), BEGINNING + timedelta(hours=each)) for each in ahead]
        first = await w.start(machine=machines[0], lease_seconds=LEASE)
        run_id = await first.submit(time_limit=float(limit))
        second = await w.start(machine=machines[1], lease_seconds=LEASE)
        await asyncio.sleep(101)

        first.store.answers.clear()
        row = (await second.wait(run_id)).row

        assert (row.status, row.recoveries) == (status, 1)
        if status == "Failed":
            assert at(row.ended_at) == BEGINNING + timedelta(seconds=limit)


async def test_a_run_goes_on_with_the_defaults_with_which_it_began() -> None:
    """Nothing of it was recorded but these, and the runner that takes over has other ones."""
    seen: list[object] = []

    def with_default(registry: Registry, default: int, seconds: float) -> None:
        async def body(context: Context) -> None:
            seen.append(context["most"])
            await asyncio.sleep(seconds)

        with WorkflowBuilder("flow", registry=registry) as builder:
            builder.input(workflow_params(most=(int, default)))
            task(id="t")(body)

    async with world() as w:
        newer = Registry()
        with_default(w.registry, 7, WORK)
        with_default(newer, 8, 1.0)
        first = await w.start(lease_seconds=LEASE)
        run_id = await first.submit()
        second = await w.start(lease_seconds=LEASE, registry=newer)
        await asyncio.sleep(101)
        assert w.attempts(run_id) == [] or w.attempts(run_id)[0].ended_at is None

        first.store.answers.clear()
        row = (await second.wait(run_id)).row

        assert (row.status, row.recoveries, seen) == ("Completed", 1, [7, 7])
        assert (w.run(run_id).input, row.final_context) == ("{}", '{"most":7}')
        assert [each.content for each in await w.store.replacements([run_id])] == ['{"most":7}']


async def test_a_caller_hears_of_the_end_of_a_cancel_whose_runner_is_lost() -> None:
    """The takeover itself ends such a run, in the process of the caller."""
    async with world() as w:
        Bodies(w)
        first, second, run_id = await two(w)
        last_beat = first.store.beats[-1][0]

        first.store.answers.clear()
        order = Order("cancel", "ann", None)
        await second.engine.steering.cancel([run_id], order, WORK, children=True)
        ended = await second.wait(run_id)

        silence = the_loop().time() - last_beat
        assert silence == pytest.approx(LEASE + LAST_CHANCE, abs=0.01)
        assert ended.row.status == "Cancelled"


async def test_one_beat_in_its_last_chance_saves_it() -> None:
    async with world() as w:
        bodies = Bodies(w)
        first, _, run_id = await two(w)

        first.store.answers.clear()
        await asyncio.sleep(LEASE - 1 + LAST_CHANCE / 2)
        first.store.answers.set()
        await asyncio.sleep(WORK)

        assert len(bodies.begun) == 1
        assert (w.run(run_id).status, w.run(run_id).epoch) == ("Completed", 1)


@each_row(
    ("silent_for", "bodies_begun"),
    [
        (BEAT - 1, 1),
        (BEAT + 1, 2),
    ],
)
async def test_a_runner_that_has_just_come_looks_for_a_beat_as_long_as_others_do(
    silent_for: float, bodies_begun: int
) -> None:
    """The lease has ended before it came. It knows of no beat, and waits for one."""
    async with world() as w:
        bodies = Bodies(w)
        first = await w.start(lease_seconds=LEASE)
        run_id = await first.submit()
        await asyncio.sleep(1)
        first.store.answers.clear()
        await asyncio.sleep(LEASE)

        await w.start(lease_seconds=LEASE)
        await asyncio.sleep(silent_for)
        first.store.answers.set()
        await asyncio.sleep(2 * WORK)

        assert len(bodies.begun) == bodies_begun
        assert w.run(run_id).status == "Completed"


@each_row(
    ("later", "bodies_begun"),
    [
        (LAST_CHANCE / 2, 1),  # the first to wake waits for the other
        (LAST_CHANCE * 2, 2),  # but not longer
    ],
)
async def test_after_a_sleep_of_the_host_who_wakes_first_takes_nothing(
    later: float, bodies_begun: int
) -> None:
    async with world() as w:
        bodies = Bodies(w)
        first, second, run_id = await two(w)
        second.engine._parts.claims.takeover.wake()
        await asyncio.sleep(1)  # it has seen the last beat of the first one

        first.store.answers.clear()
        the_loop().stand_still(WORK / 2)
        await asyncio.sleep(later)
        first.store.answers.set()
        await asyncio.sleep(2 * WORK)

        assert len(bodies.begun) == bodies_begun
        assert w.run(run_id).status == "Completed"


async def test_who_was_taken_over_from_lets_go_and_goes_on_under_a_new_name() -> None:
    async with world() as w:
        bodies = Bodies(w)
        first, second, run_id = await two(w)
        name = first.runner_id
        first.store.answers.clear()
        await asyncio.sleep(60)
        assert w.run(run_id).owner == second.runner_id

        first.store.answers.set()
        await asyncio.sleep(60)

        assert bodies.cancelled == 1
        assert first.runner_id != name
        assert {each.id for each in await w.store.runners()} == {
            first.runner_id,
            second.runner_id,
        }
        another = await first.submit()
        ended = [await first.wait(each) for each in (run_id, another)]
        assert [each.row.status for each in ended] == ["Completed", "Completed"]
        assert len(bodies.begun) == 3


async def test_a_result_that_comes_after_the_takeover_counts_for_nothing() -> None:
    """The first runner's body ends while nothing it writes arrives. Its row is that of an epoch
    that is over by then.
    """
    async with world() as w:
        bodies = Bodies(w)
        first, second, run_id = await two(w)
        first.store.answers.clear()
        await asyncio.sleep(WORK)  # the first body has ended, the second runner's has not
        assert len(bodies.begun) == 2

        first.store.answers.set()
        await asyncio.sleep(1)
        assert w.run(run_id).status == "Running"
        ended = await second.wait(run_id)

        begun = bodies.begun[1]
        assert the_loop().time() == begun + WORK
        assert at(ended.row.ended_at) == at(w.clock.wall())


async def test_a_task_that_was_under_way_when_its_runner_was_lost_counts_a_crash() -> None:
    async with world() as w:
        Bodies(w)
        first, second, run_id = await two(w)

        first.store.answers.clear()
        await second.wait(run_id)

        (attempt,) = w.attempts(run_id)
        assert (attempt.attempt, attempt.status, attempt.crashes) == (1, "Completed", 1)


async def test_a_task_whose_runners_are_lost_too_often_is_not_tried_again() -> None:
    async with world() as w:
        bodies = Bodies(w)
        programs = [await w.start(lease_seconds=LEASE, max_recovery_attempts=1) for _ in range(5)]
        run_id = await programs[0].submit()
        for _ in range(4):
            await asyncio.sleep(100)
            (owner,) = [each for each in programs if each.runner_id == w.run(run_id).owner]
            owner.store.answers.clear()
        await asyncio.sleep(100)

        assert len(bodies.begun) == 4  # twice beside others, twice alone
        run = w.run(run_id)
        assert run.status == "Failed"
        assert "RecoveryLimitError" in str(run.error_message)


@each_row("policy", ["continue", "fail"])
async def test_who_takes_over_with_another_version_goes_on_as_the_workflow_says(
    policy: VersionPolicyName,
) -> None:
    """The second program has the new version from the start; the first stands still later."""
    async with world() as w:
        Bodies(w)
        first, second, run_id = await two(w)
        with WorkflowBuilder("flow", registry=w.registry) as builder:
            builder.version_policy(policy).tag("version", "another")

            @task(id="t")
            async def body(_: Context) -> dict[str, bool]:
                return {"by the new version": True}

        first.store.answers.clear()
        ended = await second.wait(run_id)

        if policy == "continue":
            assert (ended.row.status, ended.row.reason_code) == ("Completed", None)
        else:
            assert (ended.row.status, ended.row.reason_code) == ("Failed", "version_changed")
        assert ended.row.recoveries == 1
