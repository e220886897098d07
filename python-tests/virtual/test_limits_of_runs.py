"""Limits of whole runs, and runs that leave memory while they wait for places, in virtual time."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from model.limited_bodies import Bodies, limited, no_place_is_left, run_all
from model.quiet import quiet
from model.virtual_engine import Program, World, world
from virtual.test_limits import CANCEL, HOUR, LEASE, PAUSE, RESUME

from cloaca_core.definition.builder import WorkflowBuilder
from cloaca_core.definition.context import Context
from cloaca_core.definition.handles.async_handle import AsyncTaskHandle
from cloaca_core.definition.limits.limit import Limit, LimitLike
from cloaca_core.definition.submission import StartOptions
from cloaca_core.definition.task import task
from cloaca_core.errors import StoreUnavailableError
from cloaca_core.features.limits.giving import MOST_AT_ONCE
from cloaca_core.features.limits.records import IN_LINE, PLACES_BACK
from cloaca_core.store.acts import ActRow
from cloaca_core.store.batch import Batch, Committed
from cloaca_core.store.runs import OnCommit
from cloaca_core.values.limits.settings import LimitChanges

pytestmark = pytest.mark.virtual_time


def nightly(w: World, bodies: Bodies, *limits: LimitLike, **options: Any) -> None:
    """The workflow ``flow`` of one task, with limits of its runs."""

    async def body(context: Context) -> None:
        await bodies(context)

    w.define(body, of_runs=limits or (Limit("nightly", total=1),), **options)


def status_of(w: World, run_id: str) -> tuple[str, bool]:
    """The status of a run, and whether a runner has it."""
    run = w.store.runs[run_id]
    return str(run.status), run.owner is not None


async def test_a_run_is_pending_without_a_runner_until_it_has_its_place() -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        nightly(w, bodies)
        program = await w.start()
        runs = [await program.submit() for _ in range(3)]
        await quiet()
        assert [status_of(w, each) for each in runs] == [
            ("Running", True),
            ("Pending", False),
            ("Pending", False),
        ]
        assert [w.store.runs[each].started_at is None for each in runs] == [False, True, True]

        for each in runs:
            await program.wait(each)

        assert bodies.begun == pytest.approx([0, HOUR, 2 * HOUR], abs=0.1)
        assert no_place_is_left(w)


async def test_places_of_runs_go_from_one_runner_to_the_other() -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        nightly(w, bodies, Limit("nightly", total=2, per_key=1).key("who"))
        first, second = await w.start(), await w.start()
        customers = ["ann", "ann", "bob", "bob", "cy"]
        runs = [
            await program.submit("flow", {"who": who})
            for who, program in zip(customers, [first, second, first, second, second], strict=True)
        ]

        for each in runs:
            await first.wait(each)

        assert bodies.begun == pytest.approx([0, 0, HOUR, HOUR, 2 * HOUR], abs=0.1)
        assert bodies.most == 2
        assert no_place_is_left(w)


async def test_a_run_holds_its_place_while_it_waits() -> None:
    async with world() as w:
        begun: list[float] = []

        async def sleeps(_: Context, handle: AsyncTaskHandle) -> None:
            begun.append(asyncio.get_running_loop().time())
            await handle.sleep(timedelta(hours=1))

        w.define(sleeps, of_runs=[Limit("nightly", total=1)])
        program = await w.start(evict_after_seconds=1)

        await run_all(program, "flow", "flow")

        waits = [at - begun[0] for at in begun]  # each body runs again from its top
        assert waits == pytest.approx([0, HOUR, HOUR, 2 * HOUR], abs=1)
        assert no_place_is_left(w)


async def test_a_run_that_has_no_place_in_time_does_not_begin() -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        nightly(w, bodies)
        program = await w.start()
        first = await program.submit()
        await quiet()
        late = await program.submit(start=StartOptions(start_by=600))

        await program.wait(late)
        await program.wait(first)

        assert w.store.runs[late].reason_code == "expired"
        assert len(bodies.begun) == 1
        assert no_place_is_left(w)


async def test_a_run_without_its_key_fails_at_once() -> None:
    async with world() as w:
        bodies = Bodies()
        nightly(w, bodies, Limit("nightly", per_key=1).key(("customer", "id")))
        program = await w.start()

        ended = await program.execute()

        assert (ended.row.status, ended.row.reason_code) == ("Failed", "limit_key")
        assert "limit 'nightly'" in (ended.row.error_message or "")
        assert "customer" in (ended.row.error_message or "")
        assert not bodies.begun
        assert no_place_is_left(w)


async def test_a_cancelled_run_leaves_its_line_or_frees_its_place() -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        nightly(w, bodies)
        program = await w.start()
        runs = [await program.submit() for _ in range(3)]
        await quiet()

        await program.engine.steering.cancel([runs[1]], CANCEL, 30.0, children=True)
        await program.engine.steering.cancel([runs[0]], CANCEL, 30.0, children=True)
        await program.wait(runs[2])

        assert bodies.begun == pytest.approx([0, 0], abs=1)
        assert no_place_is_left(w)


async def test_a_paused_run_begins_in_its_turn_once_it_is_resumed() -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        nightly(w, bodies)
        program = await w.start()
        runs = [await program.submit() for _ in range(3)]
        await quiet()

        await program.engine.steering.pause([runs[1]], PAUSE, None, children=True)
        await program.wait(runs[2])
        assert bodies.begun == pytest.approx([0, HOUR], abs=20)  # its place has lapsed
        await program.engine.steering.resume([runs[1]], RESUME)
        await program.wait(runs[1])

        assert len(bodies.begun) == 3
        assert no_place_is_left(w)


async def test_the_runner_that_takes_a_run_over_has_its_place() -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        nightly(w, bodies)
        first = await w.start(lease_seconds=LEASE)
        lost = await first.submit()
        await quiet()
        second = await w.start(lease_seconds=LEASE)
        other = await second.submit()
        await quiet()

        first.store.answers.clear()
        await second.wait(lost)
        assert len(bodies.begun) == 2  # of the lost run
        await second.wait(other)

        assert bodies.begun[2] >= bodies.begun[1] + HOUR
        first.store.answers.set()
        await asyncio.sleep(120)
        assert no_place_is_left(w)


async def test_a_giver_that_dies_before_it_made_the_run_claimable_is_helped_out() -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        nightly(w, bodies)
        w.define(partial(Bodies.__call__, Bodies(5 * HOUR)), "long")
        first, second = await w.start(lease_seconds=LEASE), await w.start(lease_seconds=LEASE)
        await first.submit()
        await first.submit("long")  # so that it does not idle, and is soon missed
        await quiet()
        waits = await second.submit()
        await quiet()
        commit = first.store.commit

        async def die(batch: Batch, on_commit: OnCommit | None = None) -> Committed:
            committed = await commit(batch, on_commit)
            if batch.of(PLACES_BACK):
                first.store.answers.clear()
            return committed

        first.store.commit = die  # type: ignore[method-assign]
        await second.wait(waits)

        assert bodies.begun == pytest.approx([0, HOUR], abs=40)
        first.store.answers.set()
        await asyncio.sleep(120)
        assert no_place_is_left(w)


async def test_a_limit_that_is_raised_begins_what_no_runner_has() -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        nightly(w, bodies)
        program = await w.start()
        runs = [await program.submit() for _ in range(2)]
        await quiet()

        act = ActRow("act", "", "", 0, "set_limit", "ann", "nightly", 1, 1)
        await w.store.set_limit("nightly", LimitChanges(total=2), act)
        for each in runs:
            await program.wait(each)

        assert bodies.most == 2
        assert no_place_is_left(w)


async def test_a_rate_of_runs_is_kept_by_another_runner_when_the_first_is_gone() -> None:
    async with world() as w:
        bodies = Bodies()
        nightly(w, bodies, Limit("nightly", rate="1/h"))
        first, second = await w.start(lease_seconds=LEASE), await w.start(lease_seconds=LEASE)
        runs = [await first.submit() for _ in range(3)]
        await quiet()

        await first.stop()
        for each in runs:
            await second.wait(each)

        assert bodies.begun == pytest.approx([0, HOUR, 2 * HOUR], abs=1)
        assert no_place_is_left(w)


async def test_a_place_that_comes_as_the_run_is_given_back_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        nightly(w, bodies)
        program = await w.start()
        first = await program.submit()
        await quiet()
        commit = program.store.commit

        async def give_before(batch: Batch, on_commit: OnCommit | None = None) -> Committed:
            if batch.of(IN_LINE):
                act = ActRow("act", "", "", 0, "set_limit", "ann", "nightly", 1, 1)
                await w.store.set_limit("nightly", LimitChanges(total=2), act)
            return await commit(batch, on_commit)

        monkeypatch.setattr(program.store, "commit", give_before)
        second = await program.submit()
        for each in (first, second):
            await program.wait(each)

        assert bodies.begun == pytest.approx([0, 0], abs=1)
        assert no_place_is_left(w)


# -- trees ---------------------------------------------------------------------------------------


async def test_a_run_and_bodies_below_a_run_with_the_place_take_none() -> None:
    async with world() as w:
        one, bodies = Limit("one", total=1), Bodies(HOUR)
        nightly(w, bodies, one)

        async def outer(_: Context, handle: AsyncTaskHandle) -> None:
            await handle.run_workflow("flow")
            await handle.run_workflow("body")

        limited(w, bodies, one, "body")
        w.define(outer, "outer", of_runs=[one])
        program = await w.start(evict_after_seconds=1)

        other = await program.submit("outer")
        await run_all(program, "outer")
        await program.wait(other)

        assert bodies.begun == pytest.approx([0, HOUR, 2 * HOUR, 3 * HOUR], abs=2)
        assert no_place_is_left(w)


async def test_a_body_of_a_run_with_the_place_takes_none() -> None:
    async with world() as w:
        one, bodies = Limit("one", total=1), Bodies(HOUR)
        nightly(w, bodies, one, limits=[one])
        program = await w.start()

        await run_all(program, "flow", "flow")

        assert bodies.begun == pytest.approx([0, HOUR], abs=1)
        assert no_place_is_left(w)


# -- tasks whose runs leave memory ---------------------------------------------------------------


async def test_runs_that_wait_for_places_take_none_of_the_runner() -> None:
    async with world() as w:
        bodies, free = Bodies(HOUR), Bodies()
        limited(w, bodies, Limit("api", total=1))
        limited(w, free, Limit("free", total=9), "other")
        program = await w.start(max_active_runs=2)
        runs = [await program.submit() for _ in range(9)]
        await quiet()

        await program.wait(await program.submit("other"))
        assert free.begun == pytest.approx([0], abs=1)
        await asyncio.sleep(60)
        assert [status_of(w, each) for each in runs[1:]] == [("Waiting", False)] * 8
        for each in runs:
            await program.wait(each)

        assert bodies.begun == pytest.approx([n * HOUR for n in range(9)], abs=1)
        assert no_place_is_left(w)


async def test_a_run_that_waits_shortly_stays_here() -> None:
    async with world() as w:
        bodies = Bodies(5.0)
        limited(w, bodies, Limit("api", total=1))
        program = await w.start(evict_after_seconds=60)

        await run_all(program, *["flow"] * 4)

        assert bodies.begun == pytest.approx([0, 5, 10, 15], abs=0.01)
        assert {each.epoch for each in w.store.runs.values()} == {1}


async def test_a_run_leaves_when_the_last_of_its_other_tasks_has_ended() -> None:
    async with world() as w:
        one, bodies = Limit("one", total=1), Bodies(HOUR)
        limited(w, bodies, one, "first")
        with WorkflowBuilder("flow", registry=w.registry):
            task(id="t", limits=[one])(partial(Bodies.__call__, bodies))
            task(id="other")(partial(Bodies.__call__, Bodies(30.0)))
        program = await w.start(evict_after_seconds=1)
        first = await program.submit("first")
        await quiet()
        run_id = await program.submit()

        await asyncio.sleep(60)
        assert status_of(w, run_id) == ("Waiting", False)
        await program.wait(first)
        await program.wait(run_id)

        assert bodies.begun == pytest.approx([0, HOUR], abs=1)
        assert no_place_is_left(w)


async def test_a_run_that_left_keeps_its_place_in_line() -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        begun: list[str] = []

        async def body(context: Context) -> None:
            begun.append(str(context["who"]))
            await bodies(context)

        w.define(body, limits=[Limit("api", total=1)])
        program = await w.start(evict_after_seconds=1)
        runs = [await program.submit("flow", {"who": who}) for who in "abc"]
        await asyncio.sleep(60)  # b and c have left
        runs.append(await program.submit("flow", {"who": "d"}))

        for each in runs:
            await program.wait(each)

        assert begun == ["a", "b", "c", "d"]
        assert no_place_is_left(w)


async def test_the_time_limit_of_a_run_that_left_counts() -> None:
    async with world() as w:
        bodies = Bodies(2 * HOUR)
        limited(w, bodies, Limit("api", total=1))
        limited(w, bodies, Limit("api", total=1), "hasty", time_limit=timedelta(hours=1))
        program = await w.start(evict_after_seconds=1)

        first, hasty = await program.submit(), await program.submit("hasty")
        await program.wait(hasty)

        assert w.store.runs[hasty].reason_code == "deadline_exceeded"
        assert len(bodies.begun) == 1
        await program.wait(first)
        assert no_place_is_left(w)


async def test_a_lost_answer_as_a_run_ends_leaves_no_run_asleep(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with world() as w:
        bodies = Bodies(HOUR)
        nightly(w, bodies)
        program: Program = await w.start()
        commit = program.store.commit

        async def lose_answer(batch: Batch, on_commit: OnCommit | None = None) -> Committed:
            if not batch.of(PLACES_BACK):
                return await commit(batch, on_commit)
            monkeypatch.setattr(program.store, "commit", commit)
            await commit(batch)
            raise StoreUnavailableError("the answer was lost")

        monkeypatch.setattr(program.store, "commit", lose_answer)
        await run_all(program, "flow", "flow")

        assert bodies.begun == pytest.approx([0, HOUR], abs=2)
        assert no_place_is_left(w)


async def test_a_run_that_left_keeps_its_place_when_it_is_woken() -> None:
    async with world() as w:
        one, bodies = Limit("one", total=1), Bodies(2 * HOUR)
        begun: list[str] = []

        async def body(context: Context) -> None:
            begun.append(str(context["who"]))
            await bodies(context)

        async def sleeps(_: Context, handle: AsyncTaskHandle) -> None:
            await handle.sleep(timedelta(minutes=30))

        w.define(body, limits=[one])
        with WorkflowBuilder("sleepy", registry=w.registry):
            task(id="t", limits=[one])(body)
            task(id="s")(sleeps)
        program = await w.start(evict_after_seconds=1)
        runs = [await program.submit("flow", {"who": "a"})]
        await quiet()
        runs.append(await program.submit("sleepy", {"who": "b"}))
        await asyncio.sleep(60)
        assert status_of(w, runs[1]) == ("Waiting", False)
        runs.append(await program.submit("flow", {"who": "c"}))

        for each in runs:
            await program.wait(each)

        assert begun == ["a", "b", "c"]
        assert no_place_is_left(w)


async def test_a_map_whose_items_wait_for_places_leaves_and_comes_back() -> None:
    async with world() as w:
        one, bodies = Limit("one", total=1), Bodies(HOUR)
        limited(w, bodies, one, "first")
        with WorkflowBuilder("flow", registry=w.registry):

            @task(map=[1, 2, 3], limits=[one])
            async def t(context: Context, item: int) -> None:
                await bodies(context)

        program = await w.start(evict_after_seconds=1)
        first = await program.submit("first")
        await quiet()
        run_id = await program.submit()

        await asyncio.sleep(60)
        assert status_of(w, run_id) == ("Waiting", False)
        await program.wait(first)
        await program.wait(run_id)

        assert bodies.begun == pytest.approx([0, HOUR, 2 * HOUR, 3 * HOUR], abs=2)
        assert no_place_is_left(w)


async def test_a_run_leaves_also_if_more_places_were_given_than_one_transaction_gives() -> None:
    async with world() as w:
        limited(w, Bodies(HOUR), Limit("api", total=MOST_AT_ONCE))
        program = await w.start(evict_after_seconds=1, max_concurrent_async_tasks=500)
        several = [program.submit("flow") for _ in range(MOST_AT_ONCE + 1)]
        runs = await asyncio.gather(*several)
        await asyncio.sleep(60)

        assert [status_of(w, each) for each in runs].count(("Waiting", False)) == 1
